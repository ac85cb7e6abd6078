"""A second opinion on column provenance: DuckDB's own bound plan of a query, read for the columns it uses.

``json_serialize_plan`` gives the plan with views, macros and stars written out. It knows nothing of kinds,
and a subquery of an expression is a join in it; so what it says of a column lies between two bounds: with
and without what decides over the rows of joined sides that have one row for each row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Read = frozenset[tuple[str, str]]
"""Columns of tables: (table, column)."""
Node = Mapping[str, Any]
_NOTHING: Read = frozenset()
_VIRTUAL = 1 << 62
"""Column numbers above stand for no column of the table (row ids, no column at all)."""


class UnknownPlanError(Exception):
    """The plan holds an operator or expression that is not understood."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What an operator hands on: the columns behind each of its cells, and those that decide over its rows."""

    cells: tuple[Read, ...]
    whole: Read

    def deciding(self, columns: Iterable[Read]) -> Columns:
        """The same with more columns that decide over the rows."""
        return Columns(self.cells, self.whole.union(*columns))


@dataclass
class _Reader:
    """One pass over a plan. ``generous``: a side of a join with one row for each row decides over all rows."""

    generous: bool
    ctes: dict[int, Columns] = field(default_factory=dict)
    bindings: dict[int, Columns] = field(default_factory=dict)

    def read(self, node: Node) -> Columns:
        rule = _OPERATORS.get(node["type"])
        if rule is None:
            raise UnknownPlanError(node["type"])
        found = rule(self, node)
        for key in ("table_index", "unnest_index", "group_index"):
            if key in node:
                self.bindings[node[key]] = found
        return found

    def only_child(self, node: Node) -> Columns:
        (child,) = node["children"]
        return self.read(child)

    def uses(self, expression: Any, cells: Sequence[Read]) -> Read:
        """The columns behind an expression, or behind anything that holds expressions."""
        if isinstance(expression, list):
            return _NOTHING.union(*(self.uses(e, cells) for e in expression))
        if not isinstance(expression, Mapping):
            return _NOTHING
        kind = expression.get("type")
        if kind == "LAMBDA":  # its own parameters; what it captures stands beside it
            return _NOTHING
        if kind == "BOUND_REF":
            return cells[expression["index"]]
        if kind == "BOUND_COLUMN_REF":
            binding = expression["binding"]
            return self.bindings[binding["table_index"]].cells[binding["column_index"]]
        return _NOTHING.union(*(self.uses(e, cells) for k, e in expression.items() if k not in _NO_EXPRESSIONS))


_NO_EXPRESSIONS = {"return_type", "arguments", "qname", "function_data", "value"}


def read_plan(plan: Node, generous: bool) -> Columns:
    """What the output columns of a plan (one entry of ``plans``) are made from, and what decides over its rows.

    Raises UnknownPlanError.
    """
    try:
        return _Reader(generous).read(plan)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise UnknownPlanError(f"{type(error).__name__}: {error}") from error


def _get(reader: _Reader, node: Node) -> Columns:
    """A scan of a table, or a table function, of its input's rows where it has one."""
    table = (node.get("function_data") or {}).get("table")
    numbers = [c["index"] for c in node["column_indexes"]]
    if table is not None:
        names = node["names"]
        cells = [frozenset({(table, names[n])}) if n < _VIRTUAL else _NOTHING for n in numbers]
        return Columns(_mapped(cells, node.get("projection_ids")), _NOTHING)
    if not node["children"]:
        return Columns((_NOTHING,) * max(len(numbers), 1), _NOTHING)
    child = reader.only_child(node)
    handed_on = node.get("projected_input") or []
    made = _NOTHING.union(*(c for n, c in enumerate(child.cells) if n not in handed_on))
    cells = (made,) * len(numbers) + tuple(child.cells[n] for n in handed_on)
    return Columns(cells, child.whole | made)


def _mapped(cells: Sequence[Read], numbers: Sequence[int] | None) -> tuple[Read, ...]:
    return tuple(cells[n] for n in numbers) if numbers else tuple(cells)


def _projection(reader: _Reader, node: Node) -> Columns:
    child = reader.only_child(node)
    return Columns(tuple(reader.uses(e, child.cells) for e in node["expressions"]), child.whole)


def _filter(reader: _Reader, node: Node) -> Columns:
    child = reader.only_child(node)
    used = reader.uses(node["expressions"], child.cells)
    return Columns(_mapped(child.cells, node.get("projection_map")), child.whole | used)


def _deciding(*keys: str) -> Callable[[_Reader, Node], Columns]:
    """An operator that hands its input on, in rows that the expressions under ``keys`` decide over."""

    def rule(reader: _Reader, node: Node) -> Columns:
        child = reader.only_child(node)
        found = child.deciding(reader.uses(node.get(key), child.cells) for key in keys)
        return Columns(_mapped(found.cells, node.get("projection_map")), found.whole)

    return rule


def _aggregate(reader: _Reader, node: Node) -> Columns:
    child = reader.only_child(node)
    keys = [reader.uses(e, child.cells) for e in node.get("groups") or []]
    values = [reader.uses(e, child.cells) for e in node["expressions"] or []]
    bits = [_NOTHING] * len(node.get("grouping_functions") or [])
    return Columns((*keys, *values, *bits), child.whole.union(*keys))


def _window(reader: _Reader, node: Node) -> Columns:
    child = reader.only_child(node)
    return Columns((*child.cells, *(reader.uses(e, child.cells) for e in node["expressions"])), child.whole)


def _unnest(reader: _Reader, node: Node) -> Columns:
    """Lists as rows; how many there are is known of lists that are written out."""
    child = reader.only_child(node)
    made = [reader.uses(e, child.cells) for e in node["expressions"]]
    long = [m for m, e in zip(made, node["expressions"], strict=True) if reader.generous or not _is_written_out(e)]
    return Columns((*child.cells, *made), child.whole.union(*long))


def _is_written_out(expression: Node) -> bool:
    """Also a list that a projection below holds may be; only its own text is looked at."""
    child = expression.get("child") or {}
    return child.get("type") == "BOUND_REF" or (child.get("qname") or {}).get("path", [""])[-1] == "list_value"


def _join(reader: _Reader, node: Node) -> Columns:
    left, right = (reader.read(c) for c in node["children"])
    kind = node.get("join_type", "INNER")
    on = _conditions(reader, node, left, right)
    mine = _mapped(left.cells, node.get("left_projection_map"))
    others = _mapped(right.cells, node.get("right_projection_map"))
    if kind == "MARK":
        mark = on | right.whole
        whole = left.whole | mark if reader.generous else left.whole
        return Columns((*mine, mark), whole)
    whole = left.whole | right.whole | on
    if kind in ("SEMI", "ANTI"):
        return Columns(mine, whole)
    if kind in ("RIGHT_SEMI", "RIGHT_ANTI"):
        return Columns(others, whole)
    if kind == "SINGLE" or _has_one_row(node["children"][1]) or (node.get("mark_types") and _is_for_each(node)):
        others = tuple(c | on | right.whole for c in others)
        whole = whole if reader.generous else left.whole
    return Columns((*mine, *others), whole)


def _conditions(reader: _Reader, node: Node, left: Columns, right: Columns) -> Read:
    """What the condition of a join uses: sides that see their own input, or one expression that sees both."""
    used = reader.uses(node.get("condition"), (*left.cells, *right.cells))
    for condition in node.get("conditions") or []:
        if "left" in condition:
            used |= reader.uses(condition["left"], left.cells) | reader.uses(condition["right"], right.cells)
        else:
            used |= reader.uses(condition, (*left.cells, *right.cells))
    return used | reader.uses(node.get("predicate"), (*left.cells, *right.cells))


def _has_one_row(node: Node) -> bool:
    """Whether an operator always gives one row: an aggregate without keys, or a projection of one."""
    while node["type"] == "LOGICAL_PROJECTION":
        (node,) = node["children"]
    return node["type"] == "LOGICAL_AGGREGATE_AND_GROUP_BY" and not node.get("groups")


def _is_for_each(node: Node) -> bool:
    """Whether a join with a subquery that reads the left side finds one row at most for each row of it.

    A left join stands for a scalar subquery; in LATERAL an aggregate without keys has become one with the keys
    of the left side, joined to these.
    """
    right = node["children"][1]
    while right["type"] == "LOGICAL_PROJECTION":
        (right,) = right["children"]
    aggregated = right["type"] == "LOGICAL_COMPARISON_JOIN" and right.get("join_type") == "LEFT"
    kinds = [c["type"] for c in right["children"]] if aggregated else []
    return node["join_type"] == "LEFT" or kinds == ["LOGICAL_CTE_REF", "LOGICAL_AGGREGATE_AND_GROUP_BY"]


def _set_operation(reader: _Reader, node: Node) -> Columns:
    sides = [reader.read(c) for c in node["children"]]
    whole = _NOTHING.union(*(s.whole for s in sides))
    if node["type"] == "LOGICAL_UNION":
        cells = tuple(_NOTHING.union(*same) for same in zip(*(s.cells for s in sides), strict=True))
    else:
        cells = sides[0].cells
        whole = whole.union(*(c for s in sides for c in s.cells))
    return Columns(cells, whole if node.get("setop_all", True) else whole.union(*cells))


def _cte(reader: _Reader, node: Node) -> Columns:
    definition, query = node["children"]
    reader.ctes[node["table_index"]] = reader.read(definition)
    return reader.read(query)


def _recursive(reader: _Reader, node: Node) -> Columns:
    """The rows of the first part, and what the second makes of them, until nothing changes."""
    first, again = node["children"]
    found = reader.read(first)
    while True:
        reader.ctes[node["table_index"]] = found
        more = reader.read(again)
        cells = tuple(a | b for a, b in zip(found.cells, more.cells, strict=True))
        whole = found.whole | more.whole
        if not node.get("union_all", True):
            whole = whole.union(*cells)
        if (cells, whole) == (found.cells, found.whole):
            return found
        found = Columns(cells, whole)


def _rows(reader: _Reader, node: Node) -> Columns:
    """Rows of expressions (VALUES)."""
    child = reader.only_child(node)
    rows = [[reader.uses(e, child.cells) for e in row] for row in node["expressions"]]
    return Columns(tuple(_NOTHING.union(*same) for same in zip(*rows, strict=True)), child.whole)


def _constants(reader: _Reader, node: Node) -> Columns:
    types = next((node[k] for k in ("chunk_types", "returned_types", "return_types") if k in node), [None])
    return Columns((_NOTHING,) * len(types), _NOTHING)


_OPERATORS: dict[str, Callable[[_Reader, Node], Columns]] = {
    "LOGICAL_GET": _get,
    "LOGICAL_PROJECTION": _projection,
    "LOGICAL_FILTER": _filter,
    "LOGICAL_ORDER_BY": _deciding("orders"),
    "LOGICAL_TOP_N": _deciding("orders"),
    "LOGICAL_LIMIT": _deciding("limit_val", "offset_val"),
    "LOGICAL_DISTINCT": _deciding("distinct_targets", "order_by"),
    "LOGICAL_AGGREGATE_AND_GROUP_BY": _aggregate,
    "LOGICAL_WINDOW": _window,
    "LOGICAL_UNNEST": _unnest,
    "LOGICAL_COMPARISON_JOIN": _join,
    "LOGICAL_DELIM_JOIN": _join,
    "LOGICAL_ASOF_JOIN": _join,
    "LOGICAL_ANY_JOIN": _join,
    "LOGICAL_CROSS_PRODUCT": _join,
    "LOGICAL_POSITIONAL_JOIN": _join,
    "LOGICAL_UNION": _set_operation,
    "LOGICAL_EXCEPT": _set_operation,
    "LOGICAL_INTERSECT": _set_operation,
    "LOGICAL_MATERIALIZED_CTE": _cte,
    "LOGICAL_RECURSIVE_CTE": _recursive,
    "LOGICAL_CTE_REF": lambda reader, node: reader.ctes[node["cte_index"]],
    "LOGICAL_EXPRESSION_GET": _rows,
    "LOGICAL_CHUNK_GET": _constants,
    "LOGICAL_COLUMN_DATA_GET": _constants,
    "LOGICAL_DUMMY_SCAN": _constants,
    "LOGICAL_EMPTY_RESULT": _constants,
}
