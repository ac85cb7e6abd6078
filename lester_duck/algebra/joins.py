"""RIGHT, FULL and ASOF JOIN said by left, inner and anti joins; one of them per call, from left to right."""

from __future__ import annotations

from sqlglot import exp

from lester_duck.algebra.carve import Columns, Names, move_columns, pseudo_column, refuse_shadows, step_table
from lester_duck.algebra.flatten import Flat, is_special
from lester_duck.errors import Unsupported
from lester_duck.names import POS, RID

_UNEQUAL = exp.GT | exp.GTE | exp.LT | exp.LTE


def as_supported_joins(name: str, tree: exp.Select, names: Names, where: str) -> list[Flat]:
    """Steps for the leftmost RIGHT, FULL or ASOF JOIN of a SELECT; what stands left of it goes first."""
    joins = tree.args["joins"]
    place = next(n for n, join in enumerate(joins) if is_special(join))
    if any(_is_comma(join) for join in joins):
        raise Unsupported(
            "a comma in FROM beside a RIGHT, FULL or ASOF JOIN is not supported",
            where=where,
            hint="write CROSS JOIN, or a CTE for one of them",
        )
    if place > 0:
        return _left_first(name, tree, place, names, where)
    if joins[0].args.get("method"):
        return _asof(name, tree, names, where)
    return _right(name, tree) if joins[0].side == "RIGHT" else _full(name, tree, names, where)


def _is_comma(join: exp.Join) -> bool:
    return not any(join.args.get(key) for key in ("kind", "side", "method", "on", "using"))


def _cut(tree: exp.Select, count: int, names: Names, where: str) -> tuple[exp.Select, exp.Select, Columns, str]:
    """A SELECT without its first ``count`` joins, those as a SELECT of nothing yet, its columns, its alias."""
    outer, inner, columns = tree.copy(), exp.select(), Columns()
    joins = outer.args["joins"]
    inner.set("from_", outer.args.pop("from_"))
    inner.set("joins", joins[:count])
    outer.set("joins", joins[count:])
    aliases = {item.this.alias_or_name for item in [inner.args["from_"], *joins[:count]]}
    refuse_shadows(outer, aliases, where)
    alias = names.alias("joined")
    move_columns(outer, aliases, alias, columns)
    return outer, inner, columns, alias


def _over(name: str, outer: exp.Select, step: str, alias: str) -> Flat:
    outer.set("from_", exp.From(this=step_table(step, alias)))
    return Flat(name, outer.sql("duckdb"))


def _left_first(name: str, tree: exp.Select, place: int, names: Names, where: str) -> list[Flat]:
    """The joins left of the special one as a step of their own."""
    outer, inner, columns, alias = _cut(tree, place, names, where)
    inner.set("expressions", columns.projections())
    step = names.step("left")
    return [Flat(step, inner.sql("duckdb")), _over(name, outer, step, alias)]


def _right(name: str, tree: exp.Select) -> list[Flat]:
    """``a RIGHT JOIN b`` has the rows of ``b LEFT JOIN a``, in the order of b."""
    tree = tree.copy()
    join, left = tree.args["joins"][0], tree.args["from_"].this
    swapped = exp.Join(this=left.copy(), side="LEFT", on=join.args["on"].copy())
    tree.set("from_", exp.From(this=join.this.copy()))
    tree.set("joins", [swapped, *tree.args["joins"][1:]])
    return [Flat(name, tree.sql("duckdb"))]


def _full(name: str, tree: exp.Select, names: Names, where: str) -> list[Flat]:
    """``a FULL JOIN b``: the rows of ``a LEFT JOIN b``, then those of b without a partner."""
    outer, inner, columns, alias = _cut(tree, 1, names, where)
    join, left = inner.args["joins"][0], inner.args["from_"].this
    on, first = join.args["on"], left.alias_or_name
    matched = exp.select(*columns.projections()).from_(left.copy())
    matched.set("joins", [exp.Join(this=join.this.copy(), side="LEFT", on=on.copy())])
    alone = exp.select(*[_missing(p, first) for p in columns.projections()]).from_(join.this.copy())
    alone.set("joins", [exp.Join(this=left.copy(), kind="ANTI", on=on.copy())])
    step = names.step("full")
    union = exp.Union(this=matched, expression=alone, distinct=False)
    return [Flat(step, union.sql("duckdb")), _over(name, outer, step, alias)]


def _missing(projection: exp.Expression, alias: str) -> exp.Expression:
    """A column of ``alias`` is NULL where that side has no row."""
    value = projection.unalias()
    if isinstance(value, exp.Column) and value.table == alias:
        return exp.alias_(exp.null(), projection.alias, quoted=True)
    return projection


def _asof(name: str, tree: exp.Select, names: Names, where: str) -> list[Flat]:
    """``a ASOF JOIN b``: of the rows of b that qualify for a row of a, the one nearest in the inequality.

    Among equally near ones the order of b decides: the first.
    """
    outer, inner, columns, alias = _cut(tree, 1, names, where)
    join, left = inner.args["joins"][0], inner.args["from_"].this.alias_or_name
    right = join.this.alias_or_name
    nearest, descending = _nearest(join.args.get("on"), left, right, where)
    terms = [
        exp.Ordered(this=nearest.copy(), desc=descending, nulls_first=False),
        exp.Ordered(this=pseudo_column(POS, right), desc=False, nulls_first=False),
    ]
    one = [pseudo_column(RID, left)]
    place = exp.Window(this=exp.RowNumber(), partition_by=one, order=exp.Order(expressions=terms))
    chosen = exp.select(*columns.projections())
    chosen.set("from_", inner.args["from_"])
    chosen.set("joins", [exp.Join(this=join.this.copy(), side=join.side or None, on=join.args["on"].copy())])
    chosen.set("qualify", exp.Qualify(this=exp.EQ(this=place, expression=exp.Literal.number(1))))
    step = names.step("asof")
    return [Flat(step, chosen.sql("duckdb")), _over(name, outer, step, alias)]


def _nearest(on: exp.Expression | None, left: str, right: str, where: str) -> tuple[exp.Expression, bool]:
    """The right side's expression in the inequality, and whether its greatest value is the nearest."""
    parts = [] if on is None else [p.unnest() for p in (on.flatten() if isinstance(on, exp.And) else (on,))]
    unequal = [p for p in parts if isinstance(p, _UNEQUAL)]
    others = [p for p in parts if not isinstance(p, _UNEQUAL)]
    if len(unequal) != 1 or not all(isinstance(p, exp.EQ) for p in others):
        raise Unsupported(
            "an ASOF JOIN needs one inequality, and equations beside it",
            where=where,
            hint="ON a.k = b.k AND a.at >= b.at",
        )
    (test,) = unequal
    sides = [{c.table for c in side.find_all(exp.Column)} for side in (test.this, test.expression)]
    if sides == [{left}, {right}]:
        return test.expression, isinstance(test, exp.GT | exp.GTE)
    if sides == [{right}, {left}]:
        return test.this, isinstance(test, exp.LT | exp.LTE)
    raise Unsupported("the inequality of an ASOF JOIN must compare its two sides", where=where)
