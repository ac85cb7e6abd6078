"""Two lists of rows as one: their relations one after the other."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import evolving, folds, scalars
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine, unify
from lester_duck.lift.relations import Query, SelectRel, UnionRel, free_name, fresh
from lester_duck.lift.shapes import identifier
from lester_duck.lift.values import Refused, Sym, Value


def concatenate(m: Machine, parts: list[v.ListOf], name: str) -> v.ListOf:
    """``a + b``: the rows of the first list, then those of the second."""
    shape, paths = _common(parts)
    leaves = [[scalars.scalar(x) for x in evolving.leaves_of(_ordered(p.element, shape))] for p in parts]
    columns: list[tuple[str, Sym]] = []
    for i, path in enumerate(paths):
        named = [x[i].name for x in leaves if x[i].name]
        wanted = identifier(path or (named[0] if named else name))
        columns.append((free_name(wanted, {n for n, _ in columns}), _like([x[i] for x in leaves])))
    union = UnionRel(name=name, what=f"{name}: the rows of several lists", lines=(m.line, m.line))
    for part, own in zip(parts, leaves, strict=True):
        union.members.append(_member(m, part, [(n, s) for (n, _), s in zip(columns, own, strict=True)]))
    union.outputs = columns
    pieces = iter([union.column(n, s) for n, s in columns])
    return v.ListOf(union, evolving.refilled(shape, pieces))


def _like(symbols: list[Sym]) -> Sym:
    kind = symbols[0].type
    for s in symbols[1:]:
        both = unify(kind, s.type)
        if both is None or both == "number":
            raise Refused(f"lists of {kind} and {s.type} values put together")
        kind = both
    return Sym(exp.null(), kind, any(s.null for s in symbols))


def _common(parts: list[v.ListOf]) -> tuple[Value, list[str]]:
    """The shape all elements have, and a name for each of its leaves."""
    shape = parts[0].element
    for part in parts[1:]:
        if _skeleton(part.element) != _skeleton(shape):
            raise Refused("lists of different records put together")
    return shape, list(_names(shape, ""))


def _skeleton(value: Value) -> object:
    if isinstance(value, v.Rec):
        return frozenset((k, _skeleton(x)) for k, x in value.items)
    if isinstance(value, tuple | v.Seq):
        items = value if isinstance(value, tuple) else value.items
        return (type(value).__name__, *[_skeleton(x) for x in items])
    if isinstance(value, Sym) or v.is_const(value):
        return "scalar"
    raise Refused(f"lists of {scalars.kind_name(value)} values put together")


def _names(shape: Value, path: str) -> list[str]:
    if isinstance(shape, v.Rec):
        return [n for k, x in shape.items for n in _names(x, str(k))]
    if isinstance(shape, tuple | v.Seq):
        return [n for x in (shape if isinstance(shape, tuple) else shape.items) for n in _names(x, path)]
    return [path]


def _ordered(value: Value, like: Value) -> Value:
    """A record with its keys in the order of another one."""
    if isinstance(value, v.Rec):
        own = dict(value.items)
        return replace(value, items=tuple((k, _ordered(own[k], x)) for k, x in like.items))
    if isinstance(value, tuple):
        return tuple(_ordered(x, y) for x, y in zip(value, like, strict=True))
    if isinstance(value, v.Seq):
        return v.Seq(_ordered(value.items, like.items))
    return value


def _member(m: Machine, part: v.ListOf, wanted: list[tuple[str, Sym]]) -> SelectRel:
    """A relation with the wanted columns: the list's own where it is a view already."""
    rel = part.rel
    own = {n for n, _ in rel.outputs} if isinstance(rel, SelectRel) else set()

    def fits(name: str, s: Sym) -> bool:
        if isinstance(s.sql, exp.Column) and s.sql.table == rel.token:
            return s.sql.name == name
        return not list(s.sql.find_all(exp.Column)) and name not in own

    if isinstance(rel, SelectRel) and all(fits(n, s) for n, s in wanted):
        rel.outputs += [(n, s) for n, s in wanted if not isinstance(s.sql, exp.Column)]
        return rel
    alias = fresh("t")
    name = folds.title_of(m, part) or f"{rel.name}_part"
    outputs = [(n, v.rebind(s, rel.token, alias)) for n, s in wanted]
    return SelectRel(name=name, what=f"{name}, as a list", lines=(m.line, m.line), query=Query(alias, rel),
                     outputs=[(n, scalars.whole(s)) for n, s in outputs])  # fmt: skip
