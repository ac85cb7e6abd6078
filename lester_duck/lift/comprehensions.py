"""Comprehensions: as the loops they abbreviate, over rows, over known items, over the parts of a text."""

from __future__ import annotations

import ast
from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import (
    containers,
    exploded,
    expressions,
    files,
    flattened,
    grouped,
    inner,
    limited,
    listed,
    lookups,
    once,
    rows,
    scalars,
    slices,
    so_far,
    sqlx,
    texts,
    wide,
)
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import Join, fresh
from lester_duck.lift.values import Refused, Sym, Value


def comprehension(m: Machine, kind: str, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> Value:
    """A comprehension, as the loop it abbreviates; its names stay its own."""
    node = flattened.comprehension(m, node)
    shortcut = _fields_comprehension(m, node)
    if shortcut is not None:
        return shortcut
    taken = slices.picked(m, node)
    if taken is not v.MISSING:
        return taken
    if m.frames and kind in ("list", "set"):
        iterated = so_far.of(m, _iterated(m, node.generators[0].iter))
        by_entry = isinstance(iterated, v.Group) and iterated.of.container == "dict"
        if kind == "list" and (by_entry or isinstance(iterated, inner.Inner)):
            return grouped.of_part(m, inner.of(iterated) if by_entry else iterated, node)
        if isinstance(iterated, v.Group):
            kept = grouped.comprehension(m, iterated, node)
            return grouped.distinct(m, kept) if kind == "set" else kept
        parts = exploded.of(iterated)
        if isinstance(parts, exploded.Exploded) and len(node.generators) == 1:
            made = listed.comprehension(m, parts, node)
            return listed.distinct(made) if kind == "set" else made
        by_category = _by_category(m, node, iterated) if kind == "list" else None
        if by_category is not None:
            return m.new(by_category)
    made = m.new({"list": v.HList(), "set": v.HSet(), "dict": v.HDict()}[kind])
    outer = m.env
    names = dict(outer)
    m.state.envs[-1] = names
    try:
        _clauses(m, kind, node, list(node.generators), made)
        if isinstance(node, ast.GeneratorExp):
            once.generator(m, made)
    finally:
        kept = {n: x for n, x in m.env.items() if n in outer}
        assigned = {t.id for g in node.generators for t in ast.walk(g.target) if isinstance(t, ast.Name)}
        m.state.envs[-1] = {**kept, **{n: outer[n] for n in assigned if n in outer}}
    return made


def _by_category(m: Machine, node: ast.ListComp, iterated: Value) -> wide.Wide | None:
    """``[1 if row[k] == c else 0 for c in categories]`` within a loop over rows, or None."""
    target = node.generators[0].target
    return wide.comprehension(
        m, node, iterated, lambda item: rows.bind_target(m, target, item), lambda: expressions.evaluate(m, node.elt)
    )


def _clauses(
    m: Machine, kind: str, node: ast.expr, generators: list[ast.comprehension], made: v.Ref, inner: bool = False
) -> None:
    if not generators:
        _element(m, kind, node, made)
        return
    first, rest = generators[0], generators[1:]
    iterable = expressions.evaluate(m, first.iter)
    content = m.content(iterable)

    def bind(item: Value) -> None:
        rows.bind_target(m, first.target, item)

    def body() -> None:
        test: exp.Expression = exp.true()
        base = m.state.path
        for clause in first.ifs:
            with scalars.under(m, test):
                test = sqlx.conjunction([test, expressions.condition(m, clause)])
        known = m.implied(test)
        if known is False:
            return
        if known is True:
            _clauses(m, kind, node, rest, made, inner or view is not None)
            return
        further = inner or view is not None
        m.fork_on(test, lambda: _clauses(m, kind, node, rest, made, further), lambda: None)
        m.state.path = base

    view = None
    if m.frames:
        content = exploded.of(content)
    if isinstance(content, exploded.Exploded):
        content.loop(m, _as_statement(first, node), bind, body)
        return
    if isinstance(content, texts.Lines) and not inner:
        view = content.kept(m, bind, first.ifs)
    else:
        view = rows.as_view(m, content)
    if view is None:
        rows.unroll(m, containers.known_items(m, iterable), bind, body)
    elif inner:
        bind(_paired(m, view))
        body()
    else:
        rows.over_rows(m, view, (node.lineno, node.end_lineno), bind, body)


def _as_statement(clause: ast.comprehension, node: ast.expr) -> ast.For:
    """A clause of a comprehension as the loop that it is."""
    made = ast.For(target=clause.target, iter=clause.iter, body=[ast.Expr(value=node)], orelse=[])
    return ast.copy_location(made, node)


def _paired(m: Machine, view: v.View) -> Value:
    """An element of a second list of rows: every pair of a row of the loop and one of these."""
    if view.order or m.frames[-1].query.order:
        raise Refused("pairs of sorted rows", "a sort of the pairs")
    alias = fresh("t")
    m.frames[-1].query.joins.append(Join(alias, view.rel, (), always=True))
    return lookups.thaw(m, v.rebind(view.element, view.rel.token, alias))


def _element(m: Machine, kind: str, node: ast.expr, made: v.Ref) -> None:
    if kind == "dict":
        key, value = expressions.evaluate(m, node.key), expressions.evaluate(m, node.value)
        containers.store(m, made, key, value)
        return
    rows.add(m, made, expressions.evaluate(m, node.elt), "append" if kind == "list" else "add")


def _iterated(m: Machine, node: ast.expr) -> Value:
    """What a comprehension runs over, before it is known how."""
    value = once.peeked(m, node)
    if value is not v.MISSING:
        return value
    with m.trial():
        return expressions.evaluate(m, node)


def _fields_comprehension(m: Machine, node: ast.expr) -> Value | None:
    """``[f(x) for x in line.split(d)]``: the fields, each changed when it is read."""
    if not isinstance(node, ast.ListComp | ast.GeneratorExp) or len(node.generators) != 1:
        return None
    clause = node.generators[0]
    if clause.ifs or not isinstance(clause.target, ast.Name):
        return None
    content = m.content(_iterated(m, clause.iter))
    if not isinstance(content, v.Fields | v.Pieces | limited.Limited):
        return None
    name = clause.target.id

    def each(field: Value) -> Value:
        saved = m.env.get(name, v.MISSING)
        m.env[name] = field
        result = expressions.evaluate(m, node.elt)
        if saved is v.MISSING:
            del m.env[name]
        else:
            m.env[name] = saved
        return result.named(field.name) if isinstance(result, Sym) and isinstance(field, Sym) else result

    later = _speaks_of(node.elt, name)
    raw = isinstance(content, v.Fields) and content.strip == "raw" and not content.each
    if later and raw and _strips(node.elt):
        content = replace(content, strip="none")  # the line end of the last field goes as well
    return replace(content, each=(*content.each, files.Each(each, later)))


def _strips(node: ast.expr) -> bool:
    """Whether the first thing that is done to a text takes white space off its end."""
    while isinstance(node, ast.Call) and isinstance(node.func.value, ast.Call):
        node = node.func.value
    return isinstance(node, ast.Call) and node.func.attr in ("strip", "rstrip") and not node.args


def _speaks_of(node: ast.expr, name: str) -> bool:
    """Whether an expression only cleans the text of a name: it means the same later on, and never raises."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CLEANING:
        if node.keywords or not all(isinstance(a, ast.Constant) for a in node.args):
            return False
        node = node.func.value
    return isinstance(node, ast.Name) and node.id == name


_CLEANING = frozenset({"strip", "lstrip", "rstrip", "lower", "upper", "title", "replace"})
