"""One SELECT, as DuckDB's own parser sees it: every node of a listed kind, every name a known one.

DuckDB hands its syntax tree out as JSON; what is decided on that tree cannot be decided otherwise
when the text is run. The engine writes views anew with sqlglot, so the text that sqlglot makes of a
statement goes through the same gate as the statement.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from lester_duck.db import Database, Error, first_line
from lester_duck.errors import InputError, LesterError, Unsupported
from lester_duck.rewrite.admission import bounds
from lester_duck.rewrite.admission.catalog import TABLE_FUNCTIONS, VALUE_NAMES, known, why_not

Node = dict[str, Any]
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_QUERIES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "CTE_NODE"})
_RELATIONS = frozenset({"BASE_TABLE", "SUBQUERY", "JOIN", "TABLE_FUNCTION", "EXPRESSION_LIST", "EMPTY"})
_EXPRESSIONS = frozenset({
    "CONSTANT", "COLUMN_REF", "FUNCTION", "CAST", "TYPE", "CASE", "COMPARISON", "CONJUNCTION", "OPERATOR", "BETWEEN",
    "SUBQUERY", "WINDOW", "STAR", "LAMBDA", "COLLATE", "POSITIONAL_REFERENCE", "LAMBDA_REF",
})  # fmt: skip
_MODIFIERS = frozenset({
    "ORDER_MODIFIER", "LIMIT_MODIFIER", "DISTINCT_MODIFIER", "ORDER_DEFAULT", "ASCENDING", "DESCENDING",
})  # fmt: skip
_OPENING, _CLOSING = ("(", "[", "{", "CASE"), (")", "]", "}", "END")
_USERS = frozenset({"user", "current_user", "session_user", "current_role"})
"""Value names that are columns when they are quoted: in a store they all say the same word."""
_WORDS = {
    "SHOW_REF": "SHOW, DESCRIBE or SUMMARIZE is",
    "PIVOT": "PIVOT is",
    "RECURSIVE_CTE_NODE": "WITH RECURSIVE is",
    "INSERT_QUERY_NODE": "INSERT is",
    "UPDATE_QUERY_NODE": "UPDATE is",
    "DELETE_QUERY_NODE": "DELETE is",
}
_EXPRESSION_WORDS = {"PARAMETER": "a parameter ($1, ?)", "DEFAULT": "DEFAULT"}


_NO_QUERY = (exp.Command, exp.DDL, exp.DML, exp.Into, exp.Lock, exp.Placeholder, exp.Parameter)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a statement may name: relations, and functions besides DuckDB's; in lower case."""

    relations: frozenset[str]
    functions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Text:
    """A statement and where its lines are."""

    sql: str
    where: Callable[[int], str]
    """The place of a line (from 1) of the text."""

    def at(self, offset: int | None) -> str:
        """The place of a character of the text."""
        return self.where(self.sql.encode()[: offset or 0].count(b"\n") + 1)


def refused(db: Database, text: Text, scope: Scope) -> list[LesterError]:
    """Why a statement may not be run: each reason once, with its line; nothing for one that may."""
    if len(text.sql) > bounds.SQL:
        said = f"the statement has {len(text.sql)} characters, more than {bounds.SQL}"
        return [Unsupported(said, where=text.where(1), hint="divide it into several views")]
    try:
        found = list(_reasons(db, text, scope))
        return found or _agreed(db, text, scope)
    except _Refusal as refusal:
        return [refusal.error]


def expression_refused(db: Database, sql: str, where: str) -> list[LesterError]:
    """Why an expression over the columns of one row may not be evaluated."""
    place = Text(f"SELECT {sql}", lambda _: where)
    found = refused(db, place, Scope(frozenset()))
    if found:
        return found
    node = _tree(db, place)
    simple = len(node.get("select_list", ())) == 1 and node["from_table"]["type"] == "EMPTY" and not _clauses(node)
    nested = any(found.get("class") == "SUBQUERY" for found in _walk(node))
    if not simple or nested or not isinstance(_parsed(place), exp.Select):
        return [InputError("an expression over the view's columns is expected", where=where, sql=sql)]
    return []


class _Refusal(Exception):
    def __init__(self, error: LesterError) -> None:
        super().__init__(error.message)
        self.error = error


def _clauses(node: Node) -> bool:
    optional = ("where_clause", "group_expressions", "group_sets", "having", "qualify", "sample", "modifiers")
    return any(node.get(name) for name in optional) or bool(node["cte_map"].get("map"))


def _tree(db: Database, text: Text) -> Node:
    """DuckDB's syntax tree of a single SELECT."""
    ask = "SELECT json_serialize_sql(?, skip_null := true, skip_empty := true, skip_default := true)"
    try:
        answer = json.loads(db.value(ask, [text.sql]))
    except Error as error:
        raise _Refusal(InputError(f"DuckDB cannot read it: {first_line(error)}", where=text.where(1))) from error
    except RecursionError:
        raise _Refusal(_too_deep(text)) from None
    if answer["error"]:
        if answer.get("error_type") == "parser":
            said = f"not valid SQL: {answer['error_message'].splitlines()[0]}"
            offset = int(answer["position"]) if "position" in answer else None
            raise _Refusal(InputError(said, where=text.at(offset), sql=text.sql))
        raise _Refusal(_not_one_select(text))
    if len(answer["statements"]) != 1:
        raise _Refusal(_not_one_select(text))
    return answer["statements"][0]["node"]


def _not_one_select(text: Text) -> LesterError:
    said = "exactly one SELECT is allowed here, and nothing that defines, changes, loads, sets or copies"
    return Unsupported(said, where=text.where(1), hint="write one SELECT ... FROM ...", sql=text.sql)


def _too_deep(text: Text) -> LesterError:
    return Unsupported("the statement is nested too deeply", where=text.where(1), hint="divide it into several views")


def _parsed(text: Text) -> exp.Expression:
    """sqlglot's tree of the same text: one SELECT too."""
    try:
        if _nesting(text.sql) > bounds.BRACKETS:
            raise _Refusal(_too_deep(text))
        trees = [tree for tree in sqlglot.parse(text.sql, dialect="duckdb") if tree is not None]
    except SqlglotError as error:
        raise _Refusal(InputError(f"not valid SQL: {str(error).splitlines()[0]}", where=text.where(1))) from error
    except RecursionError:
        raise _Refusal(_too_deep(text)) from None
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        raise _Refusal(_not_one_select(text))
    for node in trees[0].walk():
        if isinstance(node, _NO_QUERY) and not isinstance(node, exp.Query):
            raise _Refusal(_not_one_select(text))
    return trees[0]


def _nesting(sql: str) -> int:
    """How deep brackets and CASE are nested.

    >>> _nesting("SELECT ((a) + CASE WHEN b[1] THEN 1 END)")
    3
    """
    deepest = depth = 0
    for token in sqlglot.tokenize(sql, read="duckdb"):
        word = token.text.upper()
        depth += (word in _OPENING) - (word in _CLOSING)
        deepest = max(deepest, depth)
    return deepest


def _agreed(db: Database, text: Text, scope: Scope) -> list[LesterError]:
    """What is wrong with the text that sqlglot makes of a statement DuckDB's tree admits."""
    parsed = _parsed(text)
    try:
        written = Text(parsed.sql(dialect="duckdb"), lambda _: text.where(1))
    except RecursionError:
        return [_too_deep(text)]
    found = list(_reasons(db, written, scope))
    if not found:
        return []
    said = "two parsers read the statement differently"
    return [Unsupported(f"{said}: {found[0].message}", where=text.where(1), hint="write it more plainly")]


def _reasons(db: Database, text: Text, scope: Scope) -> Iterator[LesterError]:
    tree = _tree(db, text)
    _check_depth(tree, text)
    seen: set[str] = set()
    ctes = frozenset(name for node in _walk(tree) for name in _cte_names(node))
    names = Scope(scope.relations | ctes, scope.functions)
    for node in _walk(tree):
        for said, hint in _node_reasons(node, names):
            if said not in seen:
                seen.add(said)
                yield Unsupported(said, where=text.at(node.get("query_location")), hint=hint)


def _check_depth(tree: Node, text: Text) -> None:
    level: list[Any] = [tree]
    for _ in range(bounds.DEPTH):
        level = [child for item in level for child in _children(item)]
        if not level:
            return
    raise _Refusal(_too_deep(text))


def _children(item: Any) -> list[Any]:
    values = item.values() if isinstance(item, dict) else item
    return [value for value in values if isinstance(value, dict | list)]


def _walk(tree: Node) -> Iterator[Node]:
    waiting: list[Any] = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield item
        waiting.extend(reversed(_children(item)))


def _cte_names(node: Node) -> Iterator[str]:
    for entry in node.get("cte_map", {}).get("map", ()):
        yield entry["key"].lower()


_Reason = tuple[str, str | None]


def _node_reasons(node: Node, scope: Scope) -> Iterator[_Reason]:
    kind, class_ = node.get("type"), node.get("class")
    if class_ is not None:
        if class_ not in _EXPRESSIONS:
            yield f"{_EXPRESSION_WORDS.get(class_, 'an expression of the kind ' + class_)} is not allowed", None
        yield from _expression(node, class_, scope)
    elif isinstance(kind, str) and kind in _RELATIONS:
        yield from _relation(node, kind, scope)
    elif isinstance(kind, str) and kind not in _QUERIES | _MODIFIERS:
        what = _WORDS.get(kind, f"what DuckDB calls {kind} is")
        yield f"{what} not allowed", "write one SELECT over sources and views"
    for name in _cte_names(node):
        if not _PLAIN.fullmatch(name) or len(name) > bounds.NAME or name in known().relations:
            yield f"the name {name!r} is not usable for a CTE", "use letters, digits and underscores"
    if node.get("sample"):
        yield "TABLESAMPLE is not deterministic: it takes other rows in each run", "select rows by a condition"


def _relation(node: Node, kind: str, scope: Scope) -> Iterator[_Reason]:
    if kind == "BASE_TABLE":
        yield from _table(node, scope)
    elif kind == "TABLE_FUNCTION":
        name = str(node["function"].get("function_name", "")).lower()
        if name not in TABLE_FUNCTIONS:
            why = why_not(name)
            said = f"the table function {name}() is not allowed" + (f": it {why}" if why else "")
            yield said, f"read sources and views; of table functions there are {', '.join(sorted(TABLE_FUNCTIONS))}"


def _table(node: Node, scope: Scope) -> Iterator[_Reason]:
    path = node.get("qualified_name", {}).get("path", [node.get("table_name", "")])
    listed = f"relations are the sources, views and CTEs: {', '.join(sorted(scope.relations)) or 'none'}"
    if len(path) != 1 or node.get("schema_name") or node.get("catalog_name"):
        yield f"the relation {'.'.join(path)} is named with a schema", "name sources and views alone; " + listed
    elif path[0].lower() not in scope.relations:
        yield f"'{path[0]}' is no source, view or CTE of this pipeline", listed
    if node.get("at_clause"):
        yield "AT (VERSION ...) is not allowed: a view reads the present state", None


def _expression(node: Node, class_: str, scope: Scope) -> Iterator[_Reason]:
    if class_ == "COLUMN_REF":
        names = node.get("column_names", ())
        name = names[0].lower() if len(names) == 1 else ""
        if name in VALUE_NAMES and not (name in _USERS and node.get("query_location_length", 0) == len(name) + 2):
            why = why_not(name) or "shows what surrounds the query"
            yield f"{name} {why}", f"for a column of that name, say of which relation: t.{name}"
        return
    path = node.get("qualified_name", {}).get("path", ())
    if class_ == "TYPE":
        if len(path) > 1:
            yield f"the type {'.'.join(path)} is named with a schema", "use a type of DuckDB"
        return
    name = str(node.get("function_name", "")).lower()
    if not name:
        return
    if len(path) > 1 or node.get("schema") or node.get("catalog"):
        yield f"the function {'.'.join(path)} is named with a schema", "name functions alone"
    elif name == "age" and len(node.get("arguments", ())) == 1:
        yield "age() of one date is not deterministic: it asks the clock", "write age(day, date)"
    elif name not in scope.functions and not _is_operator(name) and name not in known().allowed:
        yield _unknown(name)


def _is_operator(name: str) -> bool:
    """Operators are functions named by signs; ``!`` and ``@`` are pure as well."""
    return bool(name) and not any(char.isalnum() or char == "_" for char in name)


def _unknown(name: str) -> _Reason:
    why = why_not(name)
    if why:
        return f"{name}() {why}", "compute the value from columns, or declare a source that holds it"
    if name not in known().every:
        return f"there is no function {name}() in DuckDB, and none is declared", "declare it in functions.py"
    return f"{name}() is not on the list of functions that depend on their arguments alone", None
