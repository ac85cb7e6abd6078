"""Mutants whose condition, CASE or COALESCE is the same as the pipeline's for every row it can see."""

from __future__ import annotations

import re

from sqlglot import exp

from lester_duck.rewrite.known import Known, plain
from lester_duck.rewrite.truth import KINDS, Fact, same

Step = tuple[str, int | None]


def alike(known: Known, view: str, node: exp.Expression, root: exp.Expression, mutant: exp.Expression) -> str:
    """Why a mutant is the same, or ''; ``node`` is its site in the view's tree ``root``, ``mutant`` the whole tree."""
    if isinstance(node, exp.Select):
        changed = _at(mutant, _path(node, root))
        return _clauses(known, view, node, changed) if isinstance(changed, exp.Select) else ""
    call = _call(node)
    changed = _at(mutant, _path(call, root)) if call is not None else None
    if changed is not None and _simplest(call) == _simplest(changed):
        return f"{_short(call)} is the same for every text"
    for top in _tops(node):
        other = _at(mutant, _path(top, root))
        select = top.find_ancestor(exp.Select)
        if other is None or select is None or _in_join(top, select) or _may_fail(top) or _may_fail(other):
            continue
        place = top
        while isinstance(place.parent, exp.Paren):
            place = place.parent
        decides = isinstance(place.parent, exp.Where | exp.Having | exp.Qualify)
        own = not _below_clause(top, select, "where")
        if _same(known, _relation(view, top), select, top, other, decides=decides, where=own):
            return f"no row can tell {_short(top)} from it: the terms have no values for which the two differ"
    return ""


def _clauses(known: Known, view: str, select: exp.Select, changed: exp.Select) -> str:
    """A condition left out that the others, or what is known of the rows, imply."""
    for name in ("where", "having", "qualify"):
        one, other = select.args.get(name), changed.args.get(name)
        if one == other or one is None:
            continue
        without = other.this if other is not None else exp.true()
        if _may_fail(one.this):
            return ""
        if _same(known, _relation(view, select), select, one.this, without, decides=True, where=name != "where"):
            return f"what is known of the rows implies what {name.upper()} asks"
        return ""
    return ""


def _same(
    known: Known, relation: str, select: exp.Select, one: exp.Expression, other: exp.Expression, *,
    decides: bool, where: bool,
) -> bool:  # fmt: skip
    def canonical(node: exp.Expression) -> exp.Expression:
        return _canonical(known, relation, select, plain(node, select))

    facts = [Fact(condition=canonical(f.condition), holds=f.holds)
             for f in known.facts(relation, select, where=where)]  # fmt: skip
    return same(canonical(one), canonical(other), decides=decides, facts=facts,
                never_null=lambda n: known.never_null(relation, select, n))  # fmt: skip


def _canonical(known: Known, relation: str, select: exp.Select, node: exp.Expression) -> exp.Expression:
    """An expression with IS NULL of a LEFT-joined table's columns as one question for each table."""

    def changed(place: exp.Expression) -> exp.Expression:
        if isinstance(place, exp.Is) and isinstance(place.expression, exp.Null):
            table = known.matched(relation, select, place.this)
            if table:
                return exp.Is(this=exp.column("no partner", table=table, quoted=True), expression=exp.Null())
        return without_case(simpler(place))

    return node.transform(changed)


def simpler(node: exp.Expression) -> exp.Expression:
    """A call without another inside it that makes no difference; the call itself otherwise.

    Blanks at the ends of a text decide about no text without blanks inside it.

    >>> import sqlglot
    >>> simpler(sqlglot.parse_one("py_strip(py_strip(a))")).sql()
    'PY_STRIP(a)'
    >>> simpler(sqlglot.parse_one("contains(py_strip(a), 'x')", dialect="duckdb")).sql("duckdb")
    "CONTAINS(a, 'x')"
    """
    if _is_strip(node) and _is_strip(node.expressions[0].unnest()):
        return simpler(node.expressions[0].unnest())
    if isinstance(node, exp.Contains) and _is_strip(node.this.unnest()):
        text = node.expression
        whole = isinstance(text, exp.Literal) and text.is_string and text.this
        if whole and not any(c.isspace() for c in text.this):
            found = node.copy()
            found.set("this", node.this.unnest().expressions[0].copy())
            return simpler(found)
    return node


def without_case(node: exp.Expression) -> exp.Expression:
    """A pattern that is matched in any case, in lower case; what it escapes stays as it is.

    >>> import sqlglot
    >>> a, b = (sqlglot.parse_one(f"regexp_full_match(x, '{p}', 'i')", dialect="duckdb") for p in ("aT", "At"))
    >>> without_case(a) == without_case(b), a == b
    (True, False)
    """
    if not isinstance(node, exp.RegexpFullMatch | exp.RegexpLike):
        return node
    options = node.args.get("options") or node.args.get("flag")
    pattern = node.expression
    if not isinstance(options, exp.Literal) or "i" not in options.this or not isinstance(pattern, exp.Literal):
        return node
    if not pattern.this.isascii() or re.search(r"\(\?[^:]|\\[pPx]|\[:", pattern.this):
        return node
    lower = re.sub(r"\\.|.", lambda m: m[0] if m[0][0] == "\\" else m[0].lower(), pattern.this, flags=re.DOTALL)
    found = node.copy()
    found.set("expression", exp.Literal.string(lower))
    return found


def _is_strip(node: exp.Expression) -> bool:
    return isinstance(node, exp.Anonymous) and node.name.lower() == "py_strip" and len(node.expressions) == 1


def _call(node: exp.Expression) -> exp.Expression | None:
    """The outermost call of a site's own row, if it stands in one."""
    found = None
    place: exp.Expression | None = node
    while isinstance(place, exp.Func | exp.Literal | exp.Paren | exp.Column | exp.Sub | exp.Identifier):
        if isinstance(place, exp.AggFunc | exp.Connector | exp.Case | exp.Coalesce):
            break
        found, place = place, place.parent
    return found if isinstance(found, exp.Func | exp.Paren) else None


def _simplest(node: exp.Expression) -> exp.Expression:
    return node.transform(lambda place: cut(without_case(simpler(place))))


def cut(node: exp.Expression) -> exp.Expression:
    """``left(x, greatest(length(x) - n, m))`` with n at most 2 and m -1 or 0: without its last n characters, as m = 0.

    Of a text shorter than n nothing is left either way: ``left(x, -1)`` is x without its last character,
    and x has at most one.

    >>> import sqlglot
    >>> cut(sqlglot.parse_one("left(x, greatest(length(x) - 2, -1))", dialect="duckdb")).sql("duckdb")
    'LEFT(x, GREATEST(LENGTH(x) - 2, 0))'
    """
    size = node.expression if isinstance(node, exp.Left) else None
    if not isinstance(size, exp.Greatest) or len(size.expressions) != 1 or not isinstance(size.this, exp.Sub):
        return node
    less, least = size.this.expression.sql(), size.expressions[0].unnest().sql()
    if size.this.this != exp.Length(this=node.this.copy()) or less not in ("1", "2") or least not in ("-1", "0"):
        return node
    found = node.copy()
    found.expression.set("expressions", [exp.Literal.number(0)])
    return found


def _tops(node: exp.Expression) -> list[exp.Expression]:
    """The conditions, CASEs and COALESCEs around a site, each as large as it gets, the innermost first."""
    found = []
    place: exp.Expression | None = node
    while place is not None and not isinstance(place, exp.Select):
        inner = place.unnest()
        if isinstance(inner, KINDS) and not isinstance(inner, exp.If) and not isinstance(place.parent, KINDS):
            found.append(place)
        place = place.parent
    return found


def _relation(view: str, node: exp.Expression) -> str:
    cte = node.find_ancestor(exp.CTE)
    return (f"{view}.{cte.alias}" if cte else view).lower()


def _path(node: exp.Expression, root: exp.Expression) -> list[Step]:
    """How to get from the root of a tree to a node of it."""
    found: list[Step] = []
    while node is not root and node.parent is not None:
        found.append((node.arg_key or "", node.index))
        node = node.parent
    return found[::-1]


def _at(root: exp.Expression, path: list[Step]) -> exp.Expression | None:
    """The node at a path, or None."""
    for key, index in path:
        value = root.args.get(key)
        if index is not None:
            value = value[index] if isinstance(value, list) and index < len(value) else None
        if not isinstance(value, exp.Expression):
            return None
        root = value
    return root


def _below_clause(node: exp.Expression, select: exp.Select, clause: str) -> bool:
    place = node
    while place.parent is not None and place.parent is not select:
        place = place.parent
    return place.arg_key == clause


def _in_join(node: exp.Expression, select: exp.Select) -> bool:
    return _below_clause(node, select, "joins")


def _may_fail(node: exp.Expression) -> bool:
    """Whether evaluating something may end with an error: a strict cast, but for a number to a float, or to a text."""
    for cast in node.find_all(exp.Cast):
        texts = cast.to.is_type(*exp.DataType.TEXT_TYPES)
        inner = cast.this.unnest()
        truth = isinstance(inner, KINDS) and not isinstance(inner, exp.Case | exp.Coalesce)
        number = isinstance(inner, exp.Add | exp.Sub | exp.Mul) and cast.to.is_type("double")
        if not isinstance(cast, exp.TryCast) and not texts and not truth and not number and cast.find(exp.Column):
            return True
    return node.find(exp.Query) is not None


def _short(node: exp.Expression) -> str:
    text = " ".join(node.sql("duckdb", normalize_functions=False).split())
    return text if len(text) <= 60 else text[:57] + "..."

