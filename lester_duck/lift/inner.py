"""The list of one key as a thing of its own: looped over, sorted, cut, indexed, joined to a text."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlglot import exp

from lester_duck.lift import grouped, histories, lookups, nested, scalars, shapes, sqlx, twolevels
from lester_duck.lift import values as v
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import Aggregate, Query, SelectRel, free_name, fresh
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Refused, Sym, Value


@dataclass(frozen=True, eq=False)
class Inner(Library):
    """The elements of one key under ``where``, in ``order``, as rows of ``rel`` (a relation of all elements).

    ``head`` is the whole of which these are the first ones.
    """

    group: v.Group
    rel: object
    key: Value
    element: Value
    order: tuple[tuple[Sym, bool], ...] = ()
    where: tuple[Sym, ...] = ()
    whole: Inner | None = None
    skipped: int = 0
    left: int = 0
    head: Inner | None = None
    what = "list of one key"

    def loop(self, m: Machine, node: ast.For, bind: Callable[[Value], None], body: Callable[[], None]) -> bool:
        """The loop over the elements, as one over all elements that keeps those of the key."""
        if not m.frames:
            raise Refused("a loop over the list of one constant key", "a loop over all lists")
        if node.orelse:
            raise Refused("for ... else over rows")
        wanted = [scalars.whole(s) for s in lookups.leaves(self.group.key)]

        def bound(item: Value) -> None:
            keys, conditions, element = item
            for own, other in zip(lookups.leaves(keys), wanted, strict=True):
                m.assume(scalars.compare(m, ast.Eq, own, other))
            for condition in conditions:
                m.assume(condition.sql)
            bind(element)

        nested.loop(m, node, v.View(self.rel, (self.key, self.where, self.element), self.order), bound, body)
        return True

    def subscript(self, m: Machine, ref: Value, index: Value) -> Value:
        """``items[0]``, ``items[-1]``, ``items[:n]`` and ``items[n:]``."""
        if isinstance(index, slice):
            return self._cut(m, index)
        if index == 0 and self.head is not None:
            return self.head.subscript(m, ref, index)
        if self.where:
            return settled(m, self).subscript(m, ref, index)
        if index not in (0, -1) or type(index) is not int:
            raise Refused("this index into the list of one key", "items[0], items[-1], items[:n]")
        group = self.group
        m.raise_if(sqlx.negate(group.present), "IndexError", "an index into an empty list")
        kind = "first" if index == 0 else "last"
        found = v.map_syms(self.element, lambda s: aggregated(m, group, kind, s, self.order))
        return lookups.thaw(m, found)

    def _cut(self, m: Machine, index: slice) -> Value:
        start, stop = index.start, index.stop
        if self.where or index.step is not None or (start is not None and stop is not None):
            raise Refused("this slice of the list of one key", "items[:n] or items[n:]")
        bound = stop if start is None else start
        if start is None and type(bound) is int and bound < 0:
            some = histories.zipped(m, [replace(self, whole=self, left=-bound)])
            return replace(some, element=some.element[0], whole=self, left=-bound)
        if type(bound) is not int or bound < 0:
            raise Refused("a slice of the list of one key to this bound", "items[:n] with a constant n")
        rel, key, element, place = ranked(m, self)
        test = sql("_1 <= _2" if start is None else "_1 > _2", place.sql, sqlx.literal(bound))
        order = ((place, False),) if self.order else ()
        part = replace(self, rel=rel, key=key, element=element, order=order, where=(Sym(test, "bool"),))
        if start is None:
            return replace(part, head=self if bound else None)
        return replace(part, whole=self, skipped=start)

    def length(self, m: Machine, ref: Value) -> Value:
        """The number of elements."""
        return lookups.size(m, settled(m, self).group)

    def contains(self, m: Machine, item: Value) -> exp.Expression:
        """``x in items``."""
        if self.where or self.group.of.container == twolevels.KIND:
            raise Refused("'in' of a part of the list of one key", "x in items")
        return grouped.contains(m, self.group, item)

    def truth(self, m: Machine, ref: Value) -> exp.Expression:
        """Whether there are any."""
        return settled(m, self).group.present.copy()


def of(group: v.Group) -> Inner:
    """All elements of one key, in their order; of a dict its keys."""
    element = group.of.element[0] if group.of.container == twolevels.KIND else group.of.element
    return Inner(group, group.of.rel, group.of.key, element)


def entries(group: v.Group) -> Inner:
    """All pairs of key and value of a dict under one key."""
    return Inner(group, group.of.rel, group.of.key, group.of.element)


def settled(m: Machine, listed: Inner) -> Inner:
    """A part of the list of one key as a list of its own: a relation of the elements that are kept."""
    if not listed.where:
        return listed
    alias = fresh("t")
    terms = tuple(s for s, _ in listed.order)
    conditions = [v.rebind(s, listed.rel.token, alias).sql for s in listed.where]
    shape = v.rebind((listed.key, listed.element, terms), listed.rel.token, alias)
    texts = (*(sqlx.text(s.sql) for s in listed.where), *(sqlx.text(s.sql) for s in lookups.leaves(listed.element)))
    known = ("part", listed.rel.token, *texts, *((sqlx.text(s.sql), d) for s, d in listed.order))
    if known not in m.files:
        rel = SelectRel(
            name=f"{listed.rel.name}_part", what=f"a part of {listed.rel.name}, one row per element",
            lines=(m.line, m.line), query=Query(alias, listed.rel, where=tuple(conditions)),
        )  # fmt: skip
        rel.outputs, seen = shapes.columns_of(m, shape, "value")
        m.files[known] = (rel, *seen(rel))
    rel, key, element, by = m.files[known]
    kept = v.GroupedOf(rel, key, element, "list", "list")
    order = tuple((s, d) for s, (_, d) in zip(by, listed.order, strict=True))
    return Inner(lookups.find_group(m, kept, listed.group.key, ()), rel, key, element, order)


def joined(m: Machine, separator: str, value: Value) -> Sym:
    """``separator.join(d[k])``."""
    content = settled(m, of(value) if isinstance(value, v.Group) else value)
    element = scalars.scalar(content.element)
    if element.type != "str" or element.null:
        raise Refused("join() of this list of one key", "texts, none of them missing")
    found = aggregated(m, content.group, f"join:{separator}", scalars.whole(element), content.order)
    if m.implied(content.group.present):
        return found
    return Sym(sql("coalesce(_1, '')", found.sql), "str", name=found.name)


def aggregated(
    m: Machine, group: v.Group, kind: str, element: Sym, order: tuple[tuple[Sym, bool], ...] = ()
) -> Sym:
    """An aggregate of a group's elements in an order, as a column of the looked-up summary."""
    rel, token = group.summary, group.of.rel.token

    def over(sym: Sym) -> Sym:
        return v.rebind(m.expand(sym), token, rel.query.alias)

    argument, by = over(element), tuple((over(s), d) for s, d in order)
    texts = (kind, sqlx.text(argument.sql), tuple((sqlx.text(s.sql), d) for s, d in by))
    for a in rel.aggregates:
        known = (a.kind, sqlx.text(a.argument.sql) if a.argument else "", tuple((sqlx.text(s.sql), d) for s, d in a.by))
        if known == texts:
            return Sym(sqlx.column(group.alias, a.name), element.type, element.null, name=a.name)
    plain = kind.partition(":")[0].replace("join", "all")
    name = free_name(f"{plain}_{element.name or 'value'}", set(rel.columns()))
    rel.aggregates.append(Aggregate(name, kind, argument, element.type, element.null, by))
    return Sym(sqlx.column(group.alias, name), element.type, element.null, name=name)


def with_terms(m: Machine, inner: Inner) -> Inner:
    """The elements with what they are sorted by as columns: a window cannot be ordered by every expression."""
    trees = [*(s.sql for s in lookups.leaves(inner.key)), *(s.sql for s, _ in inner.order)]
    if all(isinstance(t, exp.Column) for t in trees):
        return inner
    alias = fresh("t")
    terms = tuple(s for s, _ in inner.order)
    shape = v.rebind((inner.key, inner.element, terms), inner.rel.token, alias)
    rel = SelectRel(
        name=f"{inner.rel.name}_keyed", what=f"{inner.rel.name} with what the lists are sorted by",
        lines=(m.line, m.line), query=Query(alias, inner.rel),
    )  # fmt: skip
    rel.outputs, seen = shapes.columns_of(m, shape, "value")
    key, element, by = seen(rel)
    order = tuple((s, d) for s, (_, d) in zip(by, inner.order, strict=True))
    return replace(inner, rel=rel, key=key, element=element, order=order)


def ranking(m: Machine, inner: Inner) -> tuple[SelectRel, Value, Value, Sym] | None:
    """All elements with their place within their key, where the script has asked for that; else None."""
    return m.files.get(("ranked", inner.rel.token, tuple((sqlx.text(s.sql), d) for s, d in inner.order)))


def ranked(m: Machine, inner: Inner) -> tuple[SelectRel, Value, Value, Sym]:
    """All elements with their place within their key."""
    known = ("ranked", inner.rel.token, tuple((sqlx.text(s.sql), d) for s, d in inner.order))
    if known not in m.files:
        inner = with_terms(m, inner)
        alias = fresh("t")
        shape = v.rebind((inner.key, inner.element), inner.rel.token, alias)
        rel = SelectRel(
            name=f"{inner.rel.name}_ranked", what=f"{inner.rel.name} with the place within the key",
            lines=(m.line, m.line), query=Query(alias, inner.rel),
        )  # fmt: skip
        outputs, seen = shapes.columns_of(m, shape, "value")
        keys = [s.sql for s in lookups.leaves(shape[0])]
        if not all(isinstance(k, exp.Column) for k in keys):
            raise Refused("a slice of lists under computed keys")
        terms = [(v.rebind(s, inner.rel.token, alias).sql, d) for s, d in inner.order]
        terms.append((sqlx.column(alias, "_pos"), False))
        by = ", ".join(f"_{i + 1}" for i in range(len(keys)))
        order = ", ".join(f"_{len(keys) + i + 1}{' DESC' if d else ''}" for i, (_, d) in enumerate(terms))
        number = sql(f"row_number() OVER (PARTITION BY {by} ORDER BY {order})", *keys, *[t for t, _ in terms])
        place = free_name("place", {n for n, _ in outputs})
        rel.outputs = [*outputs, (place, Sym(number, "int", name=place))]
        m.files[known] = (rel, *seen(rel), rel.column(place, Sym(number, "int")))
    return m.files[known]
