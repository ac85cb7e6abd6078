"""Collections that the running loop fills: what earlier rows left in them, until the loop's end settles it.

Reading such a collection gives a placeholder (a column of a fresh token); ``recurrences`` finds out at
the end of the loop what it was, and makes the token a local name with a window or a join behind it.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from lester_duck.lift import companions, lookups, scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.relations import fresh
from lester_duck.lift.sqlx import Tree
from lester_duck.lift.values import MISSING, Refused, Sym, Value


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """What the present row knows of one key: whether it is there, and its value."""

    key: Value
    present: Tree
    value: Value


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """A placeholder: ``kind`` is ``present``, ``value`` (of ``leaf``), ``after``, ``in`` or ``len``.

    ``late`` marks what is read after the same row changed the collection under another key.
    """

    id: int
    kind: str
    key: Value
    leaf: int
    line: int
    fallback: Tree | None = None
    late: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Evolving:
    """A collection that the running loop fills.

    ``before`` is what it held before the loop, ``shape`` what its entries look like (None while the
    loop's first row is interpreted), ``local`` what the present row did so far.
    """

    id: int
    before: Value
    shape: Value = None
    local: tuple[Entry, ...] = ()

    @property
    def container(self) -> str | None:
        """``list`` or ``set`` when its entries are such."""
        default = getattr(self.before, "default", None)
        if default in ("list", "set"):
            return default
        return self.shape if self.shape in ("list", "set") else None

    def merged(self, m: Any, condition: Tree, other: Value) -> Evolving:
        """The collection after a branch: this one where the condition holds, else the other."""
        other = other if isinstance(other, Evolving) else Evolving(self.id, other, self.shape)
        shape = self.shape if self.shape is not None else other.shape
        entries: dict[str, Entry] = {}
        changed = [{key_text(m, e.key) for e in side.local} for side in (self, other)]
        if not _empty(self.before) or any(len(c) > 1 for c in changed) or (all(changed) and changed[0] != changed[1]):
            return replace(self, shape=shape, local=(_SEVERAL,))
        for entry in (*self.local, *other.local):
            text = key_text(m, entry.key)
            if text not in entries:
                a, b = _entry(m, self, entry.key), _entry(m, other, entry.key)
                entries[text] = _merged_entry(m, self.id, condition, a, b)
        return replace(self, shape=shape, local=tuple(entries.values()))


_SEVERAL = Entry("several keys", exp.true(), MISSING)


def _empty(before: Value) -> bool:
    return getattr(before, "items", None) == ()


def _merged_entry(m: Any, id_: int, condition: Tree, a: Entry, b: Entry) -> Entry:
    present = sqlx.case(condition, a.present, b.present)
    for one, other, test in ((a, b, condition), (b, a, sqlx.negate(condition))):
        only_then = sqlx.same(sqlx.negate(other.present), test) and isinstance(sqlx.bare(one.present), exp.Boolean)
        if only_then and other.value is not MISSING:
            value = _after(m, id_, other.key, one.value, other)
            return Entry(other.key, exp.true(), value)
    return Entry(a.key, present, _selected(m, condition, a.value, b.value))


def _selected(m: Any, condition: Tree, a: Value, b: Value) -> Value:
    """One of two entries by a condition: leaf by leaf where they look alike."""
    alike = type(a) is type(b) and isinstance(a, v.Rec | v.Seq | tuple) and _outline(a) == _outline(b)
    if not alike:
        return m.select(condition, a, b)
    pairs = zip(leaves_of(a), leaves_of(b), strict=True)
    return refilled(b, iter([m.select(condition, x, y) for x, y in pairs]))


def _outline(shape: Value) -> Any:
    if isinstance(shape, v.Rec):
        return ("record", shape.default, tuple((k, _outline(x)) for k, x in shape.items))
    if isinstance(shape, v.Seq):
        return ("list", *(_outline(x) for x in shape.items))
    return tuple(_outline(x) for x in shape) if isinstance(shape, tuple) else "leaf"


def _after(m: Any, id_: int, key: Value, new: Value, old: Entry) -> Value:
    """The value after ``if k not in d: d[k] = new``: what the key keeps, if it is written only so."""
    merged = _selected(m, sqlx.negate(old.present), new, old.value)
    count = iter(range(1_000))

    def leaf(sym: Sym) -> Sym:
        return placeholder(m, Read(id_, "after", key, next(count), m.line, fallback=sym.sql), sym)

    return v.map_syms(merged, leaf)


def key_text(m: Any, key: Value) -> str:
    """A key as text, for comparing."""
    return " , ".join(sqlx.text(m.expand(scalars.scalar(leaf)).sql) for leaf in leaves_of(key))


def is_key(value: Value) -> bool:
    """Whether a value is made of scalars only, and so can be compared."""
    return all(isinstance(x, Sym) or (v.is_const(x) and not isinstance(x, tuple)) for x in leaves_of(value))


def leaves_of(value: Value) -> list[Value]:
    """The leaves of a frozen key or element, constants included."""
    if isinstance(value, tuple):
        return [x for part in value for x in leaves_of(part)]
    if isinstance(value, v.Seq):
        return leaves_of(value.items)
    if isinstance(value, v.Rec):
        return [x for _, part in value.items for x in leaves_of(part)]
    return [value]


def placeholder(m: Any, read: Read, like: Sym) -> Sym:
    """A scalar that stands for what a collection holds; one token per thing read."""
    cached = (m.frames[-1].query.alias, read.id, read.kind, key_text(m, read.key), read.leaf, read.late)
    if cached in m.reads_of and read.kind != "after":
        token = m.reads_of[cached]
    else:
        token = fresh("read")
        m.reads[token] = read
        m.reads_of[cached] = token
    return Sym(sqlx.column(token, read.kind), like.type, like.null, name=like.name)


def _entry(m: Any, ev: Evolving, key: Value) -> Entry:
    text = key_text(m, key)
    for entry in ev.local:
        if key_text(m, entry.key) == text:
            return entry
    return _earlier(m, ev, key, bool(ev.local))


def _earlier(m: Any, ev: Evolving, key: Value, late: bool = False) -> Entry:
    """What earlier rows left under a key; ``late`` says that the row itself may have changed it."""
    if not _empty(ev.before):
        raise Refused("a collection that was not empty before the loop, read while the loop fills it")
    if ev.shape is None:
        return Entry(key, exp.false(), MISSING)
    present = placeholder(m, Read(ev.id, "present", key, 0, m.line, late=late), Sym(exp.true(), "bool")).sql
    if ev.shape in ("list", "set", "member"):
        return Entry(key, present, MISSING)
    count = iter(range(1_000))

    def walk(shape: Value) -> Value:
        if isinstance(shape, tuple):
            return tuple(walk(x) for x in shape)
        if isinstance(shape, v.Seq):
            return v.Seq(walk(shape.items))
        if isinstance(shape, v.Rec):
            return replace(shape, items=tuple((k, walk(x)) for k, x in shape.items))
        return placeholder(m, Read(ev.id, "value", key, next(count), m.line, late=late), scalars.scalar(shape))

    return Entry(key, present, walk(ev.shape))


def contains(m: Any, ev: Evolving, item: Value) -> Tree:
    """``item in collection``."""
    if isinstance(ev.before, v.HDict) and ev.before.items and v.is_const(tuple(k for k, _ in ev.before.items)):
        return lookups.member(m, item, [k for k, _ in ev.before.items])  # what adds a key to these is refused
    return _entry(m, ev, lookups.freeze(m, item)).present


def get(m: Any, ev: Evolving, key: Value, default: Value = MISSING) -> Value:
    """``d[key]`` or ``d.get(key, default)``."""
    entry = _entry(m, ev, lookups.freeze(m, key))
    if default is MISSING:
        factory = getattr(ev.before, "default", None)
        default = lookups.empty(factory) if factory else MISSING
    if default is MISSING:
        m.raise_if(sqlx.negate(entry.present), "KeyError", "a key that is not there yet")
        if entry.value is MISSING:
            raise Refused("an entry read before the loop made one like it")
        return shared(m, lookups.thaw(m, entry.value), ev.id, key)
    known = m.implied(entry.present)
    if entry.value is MISSING or known is False:
        return default
    value = shared(m, lookups.thaw(m, entry.value), ev.id, key, entry.present)
    return value if known else m.select(entry.present, value, default)


def shared(m: Any, value: Value, id_: int, key: Value, present: Tree = sqlx.TRUE) -> Value:
    """An object that is also the entry of a key, where it is ``present``: what changes it changes the collection."""
    if isinstance(value, v.Ref):
        m.shared[value.id] = (id_, lookups.freeze(m, key), (*m.state.path, *sqlx.atoms(present)))
        companions.attach(m, id_, key, value)
        content = m.state.heap.get(value.id)
        parts = [x for _, x in content.items] if isinstance(content, v.HDict) else getattr(content, "items", ())
        for part in parts:
            if isinstance(part, v.Ref):
                m.files["inside an entry", part.id] = True
    return value


def grown(m: Any, ref: v.Ref) -> None:
    """A list got another element; one that is an entry, or a part of one, is refused: the entry would not follow."""
    if ref.id in m.shared or ("inside an entry", ref.id) in m.files:
        raise Refused(
            "a list in a record of a dict that the loop fills", "a dict of lists of its own: lists[k].append(x)"
        )


def changed(m: Any, ref: v.Ref) -> None:
    """An object of the row changed in place: so did the entry that it is; other names for it are out of date."""
    if ("inside an entry", ref.id) in m.files:
        grown(m, ref)
    if ref.id not in m.shared:
        return
    id_, key, where = m.shared[ref.id]
    text = key_text(m, key)
    never = {sqlx.text(sqlx.negate(a)) for a in (*where, *m.state.path)}
    for other, (its, its_key, path) in m.shared.items():
        same = other != ref.id and its == id_ and other in m.state.heap and key_text(m, its_key) == text
        if same and not any(sqlx.text(a) in never for a in path):
            m.state.heap[other] = _followed(m, sqlx.conjunction(path), m.state.heap[ref.id], m.state.heap[other])
    frozen = companions.frozen(m, ref)
    m.log("put", v.Ref(id_), key, frozen)
    note(m, v.Ref(id_), key, frozen)


def _followed(m: Any, condition: Tree, changed: Value, other: Value) -> Value:
    """What another name stands for, which is the changed record where the condition holds."""
    names = [tuple(n for n, _ in companions.parts(x)) for x in (changed, other)]
    whole = not any(isinstance(x, v.Slot | v.Ref) for side in (changed, other) for _, x in companions.parts(side))
    if type(changed) is type(other) and names[0] == names[1] and names[0] and whole:
        return m.merged_object(condition, changed, other)
    return v.Poison("a record changed under another name", m.line)


def length(m: Any, ev: Evolving) -> Value:
    """``len(collection)`` while it is filled, before the present row adds to it."""
    if ev.local:
        raise Refused("the length of a collection after the row added to it")
    if ev.shape is None:
        return 0
    return placeholder(m, Read(ev.id, "len", (), 0, m.line), Sym(exp.true(), "int"))


def inside(m: Any, slot: v.Slot, item: Value) -> Tree:
    """``item in d[k]`` while the lists are filled."""
    ev = m.content(slot.of)
    if not isinstance(ev, Evolving) or ev.shape is None:
        return exp.false()
    key = (slot.key, lookups.freeze(m, item))
    return placeholder(m, Read(ev.id, "in", key, 0, m.line), Sym(exp.true(), "bool")).sql


def note(m: Any, ref: v.Ref, key: Value, value: Value) -> None:
    """The present row put ``value`` under ``key`` (a member when the value is missing)."""
    ev = m.state.heap[ref.id]
    if not isinstance(ev, Evolving):
        ev = Evolving(ref.id, ev)
    text = key_text(m, key)
    kept = tuple(e for e in ev.local if key_text(m, e.key) != text)
    m.update(ref, replace(ev, local=(*kept, Entry(key, exp.true(), value))))


def bump(m: Any, ref: v.Ref, key: Value, amount: Value) -> None:
    """The present row added ``amount`` to the entry of ``key``; a second key makes both unknown."""
    ev = m.state.heap[ref.id]
    if not isinstance(ev, Evolving):
        ev = Evolving(ref.id, ev)
    text = key_text(m, key)
    if not _empty(ev.before) or any(key_text(m, e.key) != text for e in ev.local):
        m.update(ref, replace(ev, local=(_SEVERAL,)))
        return
    entry = _entry(m, ev, key)
    zero = lookups.empty(getattr(ev.before, "default", None) or "int")
    old = zero if entry.value is MISSING else entry.value
    if entry.value is not MISSING and not isinstance(sqlx.bare(entry.present), exp.Boolean):
        old = m.select(entry.present, entry.value, zero)
    note(m, ref, key, scalars.binary(m, ast.Add, old, amount))


def note_container(m: Any, ref: v.Ref, key: Value, container: str) -> None:
    """The present row made an empty list or set under ``key`` where there was none."""
    note(m, ref, key, MISSING)
    m.update(ref, replace(m.state.heap[ref.id], shape=container))


def shape_of(effects: list[Any]) -> Value:
    """What the entries of a collection look like, from what one pass did to it."""
    shape: Value = None
    for effect in effects:
        if effect.kind == "default" and effect.arguments[1] == "dict":
            continue
        if effect.kind == "default":
            return effect.arguments[1]
        if effect.kind in ("add", "append"):
            return "member"
        if effect.kind in ("slot", "sorted"):
            return "list" if effect.kind == "slot" else "sorted"
        if effect.kind == "bump":
            value: Value = scalars.scalar(effect.arguments[1])
        elif effect.kind == "put":
            value = effect.arguments[1]
        elif effect.kind == "frame cell":
            columns = (e.arguments[1] for e in effects if e.kind == effect.kind)
            return (effect.kind, *dict.fromkeys(columns))
        else:
            continue
        shape = value if shape is None else _unified(shape, value)
    return shape


def _unified(a: Value, b: Value) -> Value:
    x, y = leaves_of(a), leaves_of(b)
    if len(x) != len(y):
        return a
    merged = []
    for p, q in zip(x, y, strict=True):
        p, q = scalars.scalar(p), scalars.scalar(q)
        wider = {p.type, q.type} == {"int", "float"}
        kind = q.type if p.type == "none" else p.type
        merged.append(replace(p, type="float" if wider else kind, null=p.null or q.null))
    pieces = iter(merged)
    return refilled(a, pieces)


def refilled(shape: Value, pieces: Any) -> Value:
    """A shape with its leaves, from left to right, replaced by the next pieces."""
    """A shape with its leaves, from left to right, replaced by the next pieces."""
    if isinstance(shape, tuple):
        return tuple(refilled(x, pieces) for x in shape)
    if isinstance(shape, v.Seq):
        return v.Seq(refilled(shape.items, pieces))
    if isinstance(shape, v.Rec):
        return replace(shape, items=tuple((k, refilled(x, pieces)) for k, x in shape.items))
    return next(pieces)
