"""Rows by their number: slices of a list in a loop, enumerate of sorted rows, zip of two lists."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import arrays, builtin_rules, folds, lookups, shapes, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import Join, Query, SelectRel, free_name, fresh
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.state import Let
from lester_duck.lift.values import Refused, Sym, Value


def numbered(m: Machine, view: v.View) -> tuple[SelectRel, Value, Sym]:
    """The rows of a view as a relation, what it yields over it, and the number of each row, from 0."""
    texts: list[str] = []
    v.map_syms(view.element, lambda s: (texts.append(sqlx.text(s.sql)), s)[1])
    known = ("numbered", view.rel.token, tuple(texts), tuple((sqlx.text(s.sql), d) for s, d in view.order))
    if known not in m.files:
        if view.order:
            made = builtin_rules.settled(m, view, None)
            view = v.View(made.rel, made.element)
        alias = fresh("t")
        rel = SelectRel(
            name=f"{view.rel.name}_numbered", what=f"{view.rel.name} with the number of each row",
            lines=(m.line, m.line), query=Query(alias, view.rel),
        )  # fmt: skip
        outputs, seen = shapes.columns_of(m, v.rebind(view.element, view.rel.token, alias), "item")
        tree = sql("row_number() OVER (ORDER BY _1) - 1", sqlx.column(alias, "_pos"))
        number = Sym(tree, "int", name="number")
        name = free_name("number", {n for n, _ in outputs})
        rel.outputs = [*outputs, (name, number)]
        m.files[known] = (rel, seen(rel), rel.column(name, number))
    return m.files[known]


def part(m: Machine, content: v.Part) -> v.View:
    """``rows[:n]``, ``rows[n:]`` and ``rows[::2]`` as rows to loop over."""
    if content.side == "where" and isinstance(content.of, v.ListOf):
        return _chosen(m, content)
    if content.side not in ("head", "tail") or not isinstance(content.of, v.ListOf):
        raise Refused("a loop over one part of the rows")
    rel, element, number = numbered(m, v.View(content.of.rel, content.of.element))
    bound = _bound(m, content)
    alias = fresh("t")
    test = sql("_1 < _2" if content.side == "head" else "_1 >= _2", number.sql, bound)
    where = v.rebind(Sym(test, "bool"), rel.token, alias).sql
    name = folds.title_of(m, content.of) or content.of.rel.name
    kept = SelectRel(
        name=f"{name}_{content.side}", what=f"the {'first' if content.side == 'head' else 'other'} rows of {name}",
        lines=(m.line, m.line), query=Query(alias, rel, where=(where,)),
    )  # fmt: skip
    kept.outputs, seen = shapes.columns_of(m, v.rebind(element, rel.token, alias), "item")
    return v.View(kept, seen(kept))


def _chosen(m: Machine, content: v.Part) -> v.View:
    """The rows of a list that a condition chooses, which may be one on their number."""
    rows, name = content.of, folds.title_of(m, content.of) or content.of.rel.name
    alias = fresh("t")
    kept = SelectRel(
        name=f"{name}_chosen", what=f"some rows of {name}", lines=(m.line, m.line), query=Query(alias, rows.rel)
    )
    element = v.rebind(rows.element, rows.rel.token, alias)
    test = v.rebind(Sym(content.bound, "bool"), rows.rel.token, alias)
    if test.sql.find(exp.Window):
        rel, element, _ = numbered(m, v.View(rows.rel, rows.element))
        flag = v.rebind(Sym(content.bound, "bool"), rows.rel.token, rel.query.alias)
        taken = rel.require(flag, "taken")
        alias = fresh("t")
        kept.query = Query(alias, rel)
        element, test = (v.rebind(x, rel.token, alias) for x in (element, taken))
    kept.query.where = (test.sql,)
    kept.outputs, seen = shapes.columns_of(m, element, "item")
    return v.View(kept, seen(kept))


def _bound(m: Machine, content: v.Part) -> Tree:
    """The slice's bound; one that counts from the end is said from the start."""
    tree = sqlx.bare(content.bound)
    count = m.whole("count", arrays.relation_of(content), None, "int").sql
    if isinstance(tree, exp.Neg) and isinstance(tree.this, exp.Literal):
        return sql("_1 - _2", count, tree.this)
    if tree.find(exp.Sub, exp.Neg):
        raise Refused("a slice to a bound that may be negative", "rows[:n] with n a constant or a share of the rows")
    return sqlx.replace(tree, lambda n: count if isinstance(n, exp.Column) and n.name == "n" and not n.table else None)


def zipped(m: Machine, views: list[v.View]) -> v.View:
    """``zip(a, b)`` of lists that come from different rows: matched by number, as long as the shortest."""
    made = [numbered(m, view) for view in views]
    first, _, number = made[0]
    alias = fresh("t")
    query = Query(alias, first)
    elements = [v.rebind(made[0][1], first.token, alias)]
    own = v.rebind(number, first.token, alias)
    for rel, element, other in made[1:]:
        join = Join(fresh("j"), rel, ((own, other.sql.name),))
        query.joins.append(join)
        query.where = (*query.where, join.present)
        elements.append(v.rebind(element, rel.token, join.alias))
    both = SelectRel(
        name="_".join(dict.fromkeys(view.rel.name for view in views)), what="lists side by side",
        lines=(m.line, m.line),
        query=query,
    )  # fmt: skip
    both.outputs, seen = shapes.columns_of(m, tuple(elements), "item")
    return v.View(both, seen(both))


def distinct(m: Machine, content: v.SetOf) -> v.View:
    """The elements of a set, each once."""
    rel, shape = lookups.distinct(m, content)
    single = isinstance(shape, tuple) and len(shape) == 1 and not isinstance(content.element, tuple)
    return v.View(rel, shape[0] if single else shape)


def keyed(m: Machine, view: v.View, value: Value) -> v.DictOf:
    """``dict.fromkeys(rows, value)``: each element once, in the order in which they came."""
    rel, shape = lookups.distinct(m, v.ListOf(view.rel, view.element))
    single = isinstance(shape, tuple) and len(shape) == 1 and not isinstance(view.element, tuple)
    return v.DictOf(rel, shape[0] if single else shape, value)


def placed(m: Machine, element: Value) -> Value:
    """What a loop yields, with the number of the row as a value and still as a place."""

    def leaf(sym: Sym) -> Sym:
        if not any(c.name == "@position" for c in sym.sql.find_all(exp.Column)):
            return sym
        return replace(sym, sql=place(m, sym.sql))

    return v.map_syms(element, leaf)


def place(m: Machine, tree: Tree) -> Tree:
    """An expression with the number of a row said as a window over all rows."""

    def said(node: Tree) -> Tree | None:
        if not isinstance(node, exp.Column) or node.name != "@position":
            return None
        token = fresh("let")
        window = sql("row_number() OVER (ORDER BY _1) - 1", sqlx.column(node.table, "_pos"))
        m.lets[token] = Let("number", Sym(window, "int", name="number"), over=(), filtered=window)
        return sqlx.column(token, "number")

    return sqlx.replace(tree, said)
