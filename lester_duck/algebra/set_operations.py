"""EXCEPT and INTERSECT: both branches in one step, so that types agree, then what the left ones leave.

Rows of the right branch are compared with and never returned. With ALL, rows of the same values are
numbered on each side and the numbers are compared too.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from lester_duck.algebra.carve import Names, free, step_table
from lester_duck.algebra.flatten import Flat
from lester_duck.algebra.qualify import qualify
from lester_duck.algebra.relation import Relation, column
from lester_duck.errors import InputError

LEFT, RIGHT = 1, 2


def compare_branches(
    name: str, tree: exp.Except | exp.Intersect, relations: Mapping[str, Relation], names: Names, where: str
) -> tuple[Flat, ...]:
    """The steps of ``left EXCEPT right`` or ``left INTERSECT right``, with ALL or without."""
    kind = tree.key.upper()
    left, right = qualify(tree.left, relations, where), qualify(tree.right, relations, where)
    widths = [len(left.expressions), len(right.expressions)]
    if widths[0] != widths[1]:
        raise InputError(
            f"the branches of {kind} have different numbers of columns: {widths}", where=where, sql=tree.sql("duckdb")
        )
    columns = [e.alias_or_name for e in left.expressions]
    side = free("side", {c.lower() for c in columns})
    both = exp.Union(this=_marked(left, side, LEFT), expression=_marked(right, side, RIGHT), distinct=False)
    step = names.step("both")
    first = Flat(step, both.sql("duckdb"), compared=True)
    if tree.args.get("distinct"):
        return (first, Flat(name, _distinct(kind, step, columns, side, names).sql("duckdb")))
    return (first, *_counted(name, kind, step, columns, side, names))


def _marked(select: exp.Select, side: str, number: int) -> exp.Select:
    select = select.copy()
    mark = exp.alias_(exp.Literal.number(number), side, quoted=True)
    select.set("expressions", [*select.expressions, mark])
    return select


def _distinct(kind: str, step: str, columns: list[str], side: str, names: Names) -> exp.Select:
    """Groups of equal rows that have one of the left, and none (EXCEPT) or one (INTERSECT) of the right."""
    alias = names.alias("both_sides")
    keys = [column(c, alias) for c in columns]

    def rows(number: int) -> exp.Expression:
        test = exp.EQ(this=column(side, alias), expression=exp.Literal.number(number))
        return exp.Filter(this=exp.Count(this=exp.Star(), big_int=True), expression=exp.Where(this=test))

    none = exp.Literal.number(0)
    other = exp.EQ if kind == "EXCEPT" else exp.GT
    having = exp.and_(exp.GT(this=rows(LEFT), expression=none), other(this=rows(RIGHT), expression=none.copy()))
    select = exp.select(*[k.copy() for k in keys]).from_(step_table(step, alias))
    select.set("group", exp.Group(expressions=keys))
    select.set("having", exp.Having(this=having))
    return select


def _counted(name: str, kind: str, step: str, columns: list[str], side: str, names: Names) -> list[Flat]:
    """The n-th row of its values on the left stays when there is no (EXCEPT ALL) or an n-th on the right."""
    nth = free("nth", {c.lower() for c in columns})
    steps = []
    for number, hint in ((LEFT, "left"), (RIGHT, "right")):
        alias = names.alias("both_sides")
        keys = [column(c, alias) for c in columns]
        place = exp.Window(this=exp.RowNumber(), partition_by=[k.copy() for k in keys])
        select = exp.select(*keys, exp.alias_(place, nth, quoted=True)).from_(step_table(step, alias))
        test = exp.EQ(this=column(side, alias), expression=exp.Literal.number(number))
        steps.append(Flat(names.step(hint), select.where(test).sql("duckdb")))
    mine, other = names.alias("mine"), names.alias("other")
    same = [exp.NullSafeEQ(this=column(c, mine), expression=column(c, other)) for c in (*columns, nth)]
    join = exp.Join(
        this=step_table(steps[1].name, other), kind="ANTI" if kind == "EXCEPT" else "SEMI", on=exp.and_(*same)
    )
    result = exp.select(*[column(c, mine) for c in columns]).from_(step_table(steps[0].name, mine))
    result.set("joins", [join])
    return [*steps, Flat(name, result.sql("duckdb"))]
