"""The list of one key filtered or changed by a comprehension: a relation of its own, grouped by the key."""

from __future__ import annotations

import ast

from sqlglot import exp

from lester_duck.lift import expressions, lookups, rows, scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import Query, SelectRel, fresh
from lester_duck.lift.shapes import columns_of
from lester_duck.lift.state import Frame
from lester_duck.lift.values import Refused, Value

_NEAREST = "conditions that speak of the list's own elements"


def comprehension(m: Machine, group: v.Group, node: ast.ListComp | ast.GeneratorExp) -> Value:
    """``[f(x) for x in d[k] if p(x)]`` where ``f`` and ``p`` depend on the element alone."""
    clause = node.generators[0]
    if len(node.generators) != 1:
        raise Refused("a comprehension with two loops over lists of one key")
    base = group.of.rel
    alias = fresh("g")
    path, names = m.state.path, m.env
    m.state.path, m.state.envs[-1] = (), dict(names)
    m.frames.append(Frame(Query(alias, base), m.mark, m.state.fork(), (node.lineno, node.end_lineno or node.lineno)))
    try:
        rows.bind_target(m, clause.target, lookups.thaw(m, v.rebind(group.of.element, base.token, alias)))
        where: tuple[exp.Expression, ...] = ()
        for test in clause.ifs:
            condition = expressions.condition(m, test)
            m.assume(condition)
            where = (*where, condition)
        element = v.map_syms(lookups.freeze(m, expressions.evaluate(m, node.elt)), m.expand)
        joins = m.frames[-1].query.joins
    finally:
        m.frames.pop()
        m.state.path, m.state.envs[-1] = path, names
    where = tuple(a for c in where for a in sqlx.atoms(m.expand_tree(c)))
    used = {t for c in where for t in sqlx.tables(c)}
    v.map_syms(element, lambda s: (used.update(sqlx.tables(s.sql)), s)[1])
    if joins or not used <= {alias}:
        raise Refused("a list of one key filtered by something of the row", _NEAREST)
    if not where:
        mapped = v.GroupedOf(base, group.of.key, v.rebind(element, alias, base.token), "list", "list")
        return lookups.find_group(m, mapped, group.key, ())
    wanted = sqlx.conjunction(v.rebind(v.Sym(c, "bool"), alias, base.token).sql for c in where)
    texts: list[str] = []
    v.map_syms(v.rebind(element, alias, base.token), lambda s: (texts.append(sqlx.text(s.sql)), s)[1])
    cache_key = ("filtered", base.token, sqlx.text(wanted), tuple(texts))
    if cache_key not in m.files:
        m.files[cache_key] = _filtered(m, group.of, Query(alias, base, where=where), element, node)
    return lookups.find_group(m, m.files[cache_key], group.key, ())


def _filtered(m: Machine, of: v.GroupedOf, query: Query, element: Value, node: ast.expr) -> v.GroupedOf:
    name = m.hint or f"{of.rel.name}_kept"
    key = v.rebind(of.key, of.rel.token, query.alias)
    outputs, shape = columns_of(m, (key, element), name)
    rel = SelectRel(
        name=name, what=f"{name}, one row per element", lines=(node.lineno, node.end_lineno or node.lineno),
        query=query, outputs=outputs,
    )  # fmt: skip
    key_shape, element_shape = shape(rel)
    if of.container == "set":
        raise Refused(f"a comprehension over a set of {scalars.kind_name(element)} values")
    return v.GroupedOf(rel, key_shape, element_shape, "list", "list")
