"""``max(rows, key=...)`` and ``min(rows, key=...)``: the row with the most or least, the first of equals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lester_duck.lift import files, lookups, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import fresh
from lester_duck.lift.sqlx import sql
from lester_duck.lift.state import Whole
from lester_duck.lift.values import MISSING, Refused, Sym, Value

_TYPES = frozenset({"int", "float", "bool", "str", "date", "datetime", "timedelta", "days"})


def of_rows(m: Machine, view: v.View, kind: str, kwargs: dict[str, Value], key: Callable[[], Value]) -> Value:
    """The element whose ``key`` is the most or least; ``default`` where there is none."""
    if set(kwargs) - {"key", "default"}:
        raise Refused(f"{kind}() with {', '.join(kwargs)}")
    if view.order:
        raise Refused(f"{kind}() with a key over sorted rows", f"{kind}(rows, key=...) of the rows before the sort")
    by = _terms(m, key(), kind)
    if isinstance(view.element, v.Fields):
        view = replace(view, element=v.Seq(tuple(files.all_fields(m, view.element))))
    if not _is_record(view.element):
        raise Refused(f"{kind}() with a key, of elements that are no records", "rows of scalars")
    default = kwargs.get("default", MISSING)
    if default is MISSING or default is not None:
        if default is not MISSING:
            raise Refused(f"{kind}() with this default", "default=None")
        count = m.whole("count", view.rel, None, "int")
        m.asserted.append((sql("_1 = 0", count.sql), m.line))
    elif not isinstance(view.element, Sym):
        raise Refused(f"{kind}() with a default, of records", f"{kind}() with a key where there are rows")

    def leaf(sym: Sym) -> Sym:
        for term, _ in by:
            known = sqlx.same(term.sql, m.expand(sym).sql) and not sym.null
            if known and len(by) == 1 and sym.type in ("int", "str", "date", "datetime"):
                return replace(m.whole(kind, view.rel, m.expand(sym), sym.type), null=default is None, name=sym.name)
        token = fresh("agg")
        m.wholes[token] = Whole("first", view.rel, m.expand(sym), by)
        return Sym(sqlx.column(token, "first"), sym.type, sym.null or default is None, name=sym.name)

    return _element(m, view, v.map_syms(view.element, leaf))


def _terms(m: Machine, key: Value, kind: str) -> tuple[tuple[Sym, bool], ...]:
    terms = []
    for leaf in lookups.leaves(key):
        if leaf.null or leaf.nan or leaf.type not in _TYPES:
            raise Refused(f"{kind}() with a key that may be None or is a {leaf.type}")
        if leaf.type == "float":
            m.oblige(sql("isnan(_1)", leaf.sql), "a key that is not a number")
        terms.append((replace(m.expand(leaf), position=None), kind == "max"))
    if not terms:
        raise Refused(f"{kind}() with a key that is the same for all rows")
    return tuple(terms)


def _element(m: Machine, view: v.View, shape: Value) -> Value:
    """An element as the script sees it; it must not change in place, for the collection holds it too."""
    before = set(m.state.heap)
    made = lookups.thaw(m, shape)
    m.elements.update(dict.fromkeys(set(m.state.heap) - before, view.rel))
    return made


def _is_record(element: Value) -> bool:
    if isinstance(element, tuple):
        return all(_is_record(x) for x in element)
    if isinstance(element, v.Seq):
        return _is_record(element.items)
    if isinstance(element, v.Rec):
        return all(_is_record(x) for _, x in element.items)
    return isinstance(element, Sym) or v.is_const(element)


def at_end(m: Machine, view: v.View, index: int) -> Value:
    """``rows[0]`` and ``rows[-1]``, which there must be."""
    if not _is_record(view.element):
        raise Refused("an index into a list of elements that are no records", "rows of scalars")
    count = m.whole("count", view.rel, None, "int")
    m.asserted.append((sql("_1 = 0", count.sql), m.line))
    position = Sym(sqlx.column(view.rel.token, "_pos"), "int", name="position")
    by = tuple((s, d is (index == 0)) for s, d in (*view.order, (position, False)))

    def leaf(sym: Sym) -> Sym:
        token = fresh("agg")
        m.wholes[token] = Whole("first", view.rel, m.expand(sym), by)
        return Sym(sqlx.column(token, "first"), sym.type, sym.null, name=sym.name)

    return _element(m, view, v.map_syms(view.element, leaf))
