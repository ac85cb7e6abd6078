"""The list of one key as a history: sorted in place, numbered, each element beside the next ones."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import builtin_rules, containers, inner, lookups, shapes, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import Join, Query, SelectRel, fresh
from lester_duck.lift.sqlx import sql
from lester_duck.lift.state import Effect, Frame
from lester_duck.lift.values import Poison, Refused, Sym, Value

Terms = tuple[tuple[Sym, bool], ...]


def sort(m: Machine, receiver: Value, args: list[Value], kwargs: dict[str, Value]) -> None:
    """``d[k].sort(...)`` in a loop: the names of this list are the sorted one, and so are all lists after the loop."""
    group = m.content(receiver)
    if not m.frames or group.of.container != "list":
        raise Refused("this sort of the list of one key", "items = sorted(d[k], key=...)")
    terms = builtin_rules.ordered(m, v.View(group.of.rel, group.of.element), kwargs).order
    made = lookups.find_group(m, _sorted(m, group.of, terms), group.key, ())
    for name in [n for n, x in m.env.items() if x is receiver]:
        m.env[name] = made
    for id_ in [i for i, x in m.state.heap.items() if x is group.of]:
        m.log("sorted", v.Ref(id_), *terms)
        m.state.heap[id_] = Poison("a dict of lists that the running loop sorts", m.line)


def sorted_after(m: Machine, frame: Frame, key: int, effects: list[Effect]) -> None:
    """All lists of a dict after a loop over its keys that sorted each of them."""
    of = m.state.heap[key]
    keys, _ = lookups.summary(m, of)
    every = frame.query.base is keys and not frame.query.where and len(effects) == 1
    if not every or len(effects[0].path) > len(frame.start.path):
        raise Refused("lists of which a loop sorts some only", "a loop over all keys")
    m.state.heap[key] = _sorted(m, of, effects[0].arguments)


def in_order_of_keys(m: Machine, of: v.GroupedOf) -> v.GroupedOf:
    """All elements in the order in which the keys came, those of one key in theirs."""
    return _sorted(m, of, ())


def _sorted(m: Machine, of: v.GroupedOf, terms: Terms) -> v.GroupedOf:
    """The lists sorted; the keys stay in the order in which they came."""
    known = ("sorted lists", of.rel.token, tuple((sqlx.text(s.sql), d) for s, d in terms))
    if known not in m.files:
        keys, shape = lookups.summary(m, of)
        alias, own = fresh("k"), fresh("t")
        key, element, by = v.rebind((of.key, of.element, tuple(s for s, _ in terms)), of.rel.token, own)
        same = [
            sql("_1 = _2", a.sql, b.sql)
            for a, b in zip(lookups.leaves(key), lookups.leaves(v.rebind(shape, keys.token, alias)), strict=True)
        ]
        place = Sym(sqlx.column(alias, "_pos"), "int", name="_pos")
        order = ((place, False), *((s, d) for s, (_, d) in zip(by, terms, strict=True)))
        query = Query(alias, keys, [Join(own, of.rel, (), always=True)], tuple(same), order)
        rel = SelectRel(
            name=f"{of.rel.name}_sorted", what=f"{of.rel.name}, sorted within each key", lines=(m.line, m.line),
            query=query,
        )  # fmt: skip
        rel.outputs, seen = shapes.columns_of(m, (key, element), "item")
        m.files[known] = v.GroupedOf(rel, *seen(rel), "list", of.default)
    return m.files[known]


def most_common(m: Machine, receiver: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``counter.most_common(n)``: the largest counts first, of equal ones what came first."""
    content = m.content(receiver)
    count = args[0] if args else kwargs.get("n")
    if m.frames or not isinstance(content.value, Sym) or not (count is None or (type(count) is int and count >= 0)):
        raise Refused("most_common() of these counts", "counts.most_common(n) after the loop")
    view = v.View(content.rel, (content.key, content.value), ((content.value, True),))
    made = m.new(builtin_rules.settled(m, view, m.hint))
    return made if count is None else containers.subscript(m, made, slice(None, count))


def of(m: Machine, value: Value) -> inner.Inner | None:
    """The list of one key; None for other things."""
    content = m.content(value)
    if isinstance(content, v.Group):
        content = inner.of(content)
    return content if isinstance(content, inner.Inner) else None


def numbered(m: Machine, listed: inner.Inner, start: Value) -> inner.Inner:
    """``enumerate(d[k], start)``."""
    if listed.where or not (type(start) is int or isinstance(start, Sym)):
        raise Refused("enumerate() of a part of the list of one key", "enumerate(items)")
    rel, key, element, place = inner.ranked(m, listed)
    number = place
    if start != 1:
        said = sqlx.literal(start - 1) if type(start) is int else sql("_1 - 1", start.sql)
        number = Sym(sql("_1 + _2", place.sql, said), "int", name="position")
    order = ((place, False),) if listed.order else ()
    return replace(listed, rel=rel, key=key, element=(number, element), order=order)


def zipped(m: Machine, lists: list[inner.Inner]) -> inner.Inner:
    """``zip(items, items[1:])``: each element beside the one so many places later."""
    whole = [x.whole if x.whole is not None else x for x in lists]
    same = all(
        x.rel is whole[0].rel and x.group is whole[0].group and _texts(x) == _texts(whole[0]) and not x.where
        for x in whole
    )
    if not same or whole[0].rel is None:
        raise Refused("zip() of two lists of one key", "zip(items, items[1:])")
    return _beside(m, whole[0], [x.skipped for x in lists], max([0, *(x.skipped + x.left for x in lists)]))


def _texts(listed: inner.Inner) -> tuple:
    found = tuple((sqlx.text(s.sql), d) for s, d in listed.order)
    return (*found, *(sqlx.text(s.sql) for s in lookups.leaves(listed.element)))


def _beside(m: Machine, listed: inner.Inner, offsets: list[int], last: int) -> inner.Inner:
    known = ("beside", listed.rel.token, tuple(offsets), last, _texts(listed))
    if known not in m.files:
        named = inner.with_terms(m, listed)
        alias = fresh("t")
        key, element = v.rebind((named.key, named.element), named.rel.token, alias)
        keys = [s.sql for s in lookups.leaves(key)]
        terms = [(v.rebind(s, named.rel.token, alias).sql, d) for s, d in named.order]
        terms.append((sqlx.column(alias, "_pos"), False))

        def window(function: str, *arguments: exp.Expression) -> exp.Expression:
            operands = [*arguments, *keys, *(t for t, _ in terms)]
            n = len(arguments) + 1
            by = ", ".join(f"_{n + i}" for i in range(len(keys)))
            order = ", ".join(f"_{n + len(keys) + i}{' DESC' if d else ''}" for i, (_, d) in enumerate(terms))
            return sql(f"{function} OVER (PARTITION BY {by} ORDER BY {order})", *operands)

        def later(offset: int) -> Value:
            if not offset:
                return element
            places = sqlx.literal(offset)
            return v.map_syms(
                element, lambda s: replace(s, sql=window("lead(_1, _2)", s.sql, places), parts=(), choices=(),
                                           name=f"next_{s.name or 'value'}"),
            )  # fmt: skip

        more = Sym(sql("_1 IS NOT NULL", window("lead(TRUE, _1)", sqlx.literal(last))), "bool", name="goes_on")
        place = Sym(window("row_number()"), "int", name="place")
        rel = SelectRel(
            name=f"{named.rel.name}_beside", what=f"{named.rel.name}, each with the later ones of its key",
            lines=(m.line, m.line), query=Query(alias, named.rel),
        )  # fmt: skip
        rel.outputs, seen = shapes.columns_of(m, (key, place, more, *(later(o) for o in offsets)), "value")
        m.files[known] = (rel, seen(rel))
    rel, (key, place, more, *items) = m.files[known]
    order = ((place, False),) if listed.order else ()
    return inner.Inner(listed.group, rel, key, tuple(items), order, (more,))
