"""The list of one key filtered or changed by a comprehension: a relation of its own, grouped by the key."""

from __future__ import annotations

import ast
from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import evolving, expressions, inner, lookups, rows, scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import GroupRel, Query, Relation, SelectRel, fresh
from lester_duck.lift.shapes import columns_of
from lester_duck.lift.state import Frame
from lester_duck.lift.values import Refused, Sym, Value

_NEAREST = "conditions that speak of the list's own elements"


def comprehension(m: Machine, group: v.Group, node: ast.ListComp | ast.GeneratorExp) -> Value:
    """``[f(x) for x in d[k] if p(x)]`` where ``f`` and ``p`` depend on the element alone."""
    base = group.of.rel
    alias, element, where = _of_element(m, base, group.of.element, node)
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


def of_part(m: Machine, listed: inner.Inner, node: ast.ListComp | ast.GeneratorExp) -> inner.Inner:
    """``[f(x) for x in sorted(d[k])[:n] if p(x)]`` where ``f`` and ``p`` depend on the element alone."""
    alias, element, where = _of_element(m, listed.rel, listed.element, node)
    kept = tuple(Sym(c, "bool", name="kept") for c in where)
    element, kept = v.rebind((element, kept), alias, listed.rel.token)
    return replace(listed, element=element, where=(*listed.where, *kept), whole=None, head=None, skipped=0, left=0)


def _of_element(
    m: Machine, rel: Relation, shape: Value, node: ast.ListComp | ast.GeneratorExp
) -> tuple[str, Value, tuple[exp.Expression, ...]]:
    """What a comprehension makes of an element of a list, and under which conditions, over an alias of its rows."""
    clause = node.generators[0]
    if len(node.generators) != 1:
        raise Refused("a comprehension with two loops over lists of one key")
    alias = fresh("g")
    path, names = m.state.path, m.env
    m.state.path, m.state.envs[-1] = (), dict(names)
    lines = (node.lineno, node.end_lineno or node.lineno)
    m.frames.append(Frame(Query(alias, rel), m.mark, m.state.fork(), lines))
    try:
        rows.bind_target(m, clause.target, lookups.thaw(m, v.rebind(shape, rel.token, alias)))
        tests: list[exp.Expression] = []
        for test in clause.ifs:
            tests.append(expressions.condition(m, test))
            m.assume(tests[-1])
        element = v.map_syms(lookups.freeze(m, expressions.evaluate(m, node.elt)), m.expand)
        joins = m.frames[-1].query.joins
    finally:
        m.frames.pop()
        m.state.path, m.state.envs[-1] = path, names
    where = tuple(a for c in tests for a in sqlx.atoms(m.expand_tree(c)))
    used = {t for c in where for t in sqlx.tables(c)}
    used |= {t for leaf in evolving.leaves_of(element) if isinstance(leaf, Sym) for t in sqlx.tables(leaf.sql)}
    if joins or not used <= {alias}:
        raise Refused("a list of one key filtered or changed by something of the row", _NEAREST)
    return alias, element, where


def distinct(m: Machine, group: v.Group) -> Value:
    """``set(d[k])``: each element once."""
    return group if group.of.container == "set" else lookups.find_group(m, _distinct(m, group.of), group.key, ())


def contains(m: Machine, group: v.Group, item: Value) -> exp.Expression:
    """``x in d[k]``."""
    if any(s.null for s in evolving.leaves_of((group.of.element, item)) if isinstance(s, Sym)):
        raise Refused("'in' of a list that may hold None")
    of = group.of if group.of.container == "set" else _distinct(m, group.of)
    return lookups.present(m, lookups.join(m, of.rel, (of.key, of.element), (group.key, item)))


def _distinct(m: Machine, of: v.GroupedOf) -> v.GroupedOf:
    """The elements of all keys, each once per key."""
    texts = tuple(sqlx.text(s.sql) for s in lookups.leaves((of.key, of.element)))
    known = ("distinct per key", of.rel.token, texts)
    if known not in m.files:
        alias = fresh("g")
        keys, shape = columns_of(m, v.rebind((of.key, of.element), of.rel.token, alias), "item")
        if any(s.nan for _, s in keys):
            raise Refused("a set of numbers that may be nan")
        rel = GroupRel(
            name=f"{of.rel.name}_distinct", what=f"{of.rel.name}, each element once per key", lines=(m.line, m.line),
            query=Query(alias, of.rel), keys=tuple(keys),
        )  # fmt: skip
        key, element = shape(rel)
        m.files[known] = v.GroupedOf(rel, key, element, "set", "set")
    return m.files[known]


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
