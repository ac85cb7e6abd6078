"""LIMIT, OFFSET and DISTINCT beside other operators: applied in a step after the others."""

from __future__ import annotations

from sqlglot import exp

from lester_duck.algebra.carve import Columns, Names, pseudo_column, step_table
from lester_duck.algebra.flatten import Flat
from lester_duck.algebra.relation import column
from lester_duck.errors import Unsupported
from lester_duck.names import POS

_KEY = "_on_"


def limit_last(name: str, tree: exp.Select, names: Names, where: str) -> list[Flat]:
    """``LIMIT n OFFSET m``: the rows whose number in the relation's order lies above m and not above m + n.

    The order is total, ties of ORDER BY are broken by the order of the inputs.
    """
    inner = tree.copy()
    skipped, kept = _number(inner.args.get("offset")) or 0, _number(inner.args.get("limit"))
    inner.set("limit", None)
    inner.set("offset", None)
    step, alias = names.step("all"), names.alias("all_rows")
    place = exp.Window(this=exp.RowNumber(), order=exp.Order(expressions=[exp.Ordered(this=pseudo_column(POS, alias))]))
    tests: list[exp.Expression] = []
    if skipped:
        tests.append(exp.GT(this=place.copy(), expression=exp.Literal.number(skipped)))
    if kept is not None:
        tests.append(exp.LTE(this=place.copy(), expression=exp.Literal.number(skipped + kept)))
    outer = exp.select(*[column(e.alias_or_name, alias) for e in tree.expressions]).from_(step_table(step, alias))
    if tests:
        outer.set("qualify", exp.Qualify(this=exp.and_(*tests)))
    return [Flat(step, inner.sql("duckdb")), Flat(name, outer.sql("duckdb"))]


def _number(clause: exp.Expression | None) -> int | None:
    if clause is None:
        return None
    return int((clause.args["count"] if isinstance(clause, exp.Fetch) else clause.expression).name)


def resolve_distinct_on(tree: exp.Select, where: str) -> exp.Select:
    """``DISTINCT ON`` names outputs first, by alias or position, and input columns after that."""
    distinct = tree.args.get("distinct")
    if not distinct or not distinct.args.get("on"):
        return tree
    tree = tree.copy()
    outputs = {e.alias.lower(): e.this for e in tree.expressions if isinstance(e, exp.Alias)}
    for key in list(tree.args["distinct"].args["on"].expressions):
        if isinstance(key, exp.Column) and not key.table and key.name.lower() in outputs:
            key.replace(outputs[key.name.lower()].copy())
        elif isinstance(key, exp.Literal):
            place = int(key.name) if key.name.isdigit() else 0
            if tree.is_star or not 0 < place <= len(tree.expressions):
                raise Unsupported("a constant in DISTINCT ON is not supported", where=where, hint="name the column")
            key.replace(tree.expressions[place - 1].unalias().copy())
    return tree


def distinct_on_as_window(tree: exp.Select, where: str) -> exp.Select:
    """DISTINCT ON (k) ... ORDER BY o keeps the first row of each k in that order: a window."""
    distinct = tree.args.get("distinct")
    if not distinct or not distinct.args.get("on"):
        return tree
    tree = resolve_distinct_on(tree, where)
    on = tree.args.pop("distinct").args["on"]
    order = tree.args.get("order")
    window = exp.Window(this=exp.RowNumber(), partition_by=[e.copy() for e in on.expressions])
    if order:
        window.set("order", exp.Order(expressions=[o.copy() for o in order.expressions]))
    tree.set("qualify", exp.Qualify(this=exp.EQ(this=window, expression=exp.Literal.number(1))))
    return tree


def show_distinct_keys(tree: exp.Select, where: str) -> exp.Select:
    """The keys of a ``DISTINCT ON`` as output columns, so that their names are resolved with the others."""
    tree = resolve_distinct_on(tree, where)
    on = (tree.args.get("distinct") or exp.Distinct()).args.get("on")
    if on:
        keys = [exp.alias_(e.copy(), f"{_KEY}{n}", quoted=True) for n, e in enumerate(on.expressions, 1)]
        tree = tree.select(*keys)
        tree.set("distinct", exp.Distinct())
    return tree


def distinct_last(name: str, tree: exp.Select, names: Names, where: str) -> list[Flat]:
    """DISTINCT or DISTINCT ON of grouped rows, or of rows with windows: the others first, then DISTINCT."""
    inner, columns = tree.copy(), Columns()
    order = inner.args.pop("order", None)
    inner.set("distinct", None)
    step, alias = names.step("rows"), names.alias("all_rows")
    shown = [e for e in inner.expressions if not e.alias_or_name.startswith(_KEY)]
    keys = [e for e in inner.expressions if e.alias_or_name.startswith(_KEY)]
    outputs = {e.alias_or_name: columns.add(e.unalias(), e.alias_or_name) for e in shown}
    named = {e.alias_or_name: e.unalias() for e in inner.expressions}

    def outside(expression: exp.Expression) -> exp.Expression:
        if isinstance(expression, exp.Column) and not expression.table and expression.name in named:
            expression = named[expression.name]
        if not keys and columns.name(expression) is None:
            raise Unsupported(
                "ORDER BY beside DISTINCT must name columns of the SELECT", where=where, hint="group in a CTE first"
            )
        return column(columns.add(expression, "term"), alias)

    outer = exp.select(*[exp.alias_(column(held, alias), name, quoted=True) for name, held in outputs.items()])
    outer = outer.from_(step_table(step, alias))
    on = exp.Tuple(expressions=[outside(e.unalias()) for e in keys]) if keys else None
    outer.set("distinct", exp.Distinct(on=on))
    if order:
        terms = [o.copy() for o in order.expressions]
        for term in terms:
            term.set("this", outside(term.this))
        outer.set("order", exp.Order(expressions=terms))
    inner.set("expressions", columns.projections())
    return [Flat(step, inner.sql("duckdb")), Flat(name, outer.sql("duckdb"))]
