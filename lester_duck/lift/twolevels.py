"""Dicts of dicts: ``d[a][b]`` is an entry under the pair (a, b), and ``d[a]`` the entries of one key."""

from __future__ import annotations

from sqlglot import exp

from lester_duck.lift import calls, evolving, lookups, recurrences, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.state import Effect, Frame
from lester_duck.lift.values import Refused, Value

KIND = "dict"
"""What ``Slot.container`` and ``GroupedOf.container`` say of dicts."""


def note(m: Machine, id_: int) -> None:
    """The entries of a dict that a loop fills are dicts."""
    m.files["dict of dicts", id_] = True


def is_one(m: Machine, id_: int) -> bool:
    """Whether the entries of a dict are dicts, as far as the loop said so."""
    return ("dict of dicts", id_) in m.files


def made_by(m: Machine, factory: Value) -> str | None:
    """The inner default of ``defaultdict(factory)`` where the factory makes an empty dict; None where it does not."""
    if factory == v.Lib("builtins.dict"):
        return ""
    if factory == v.Lib("collections.Counter"):
        return "int"
    if not isinstance(factory, v.Func):
        return None
    with m.trial():
        content = m.content(calls.call(m, factory, [], {}))
    if not isinstance(content, v.HDict) or content.items or content.default not in (None, "int", "float"):
        return None
    return content.default or ""


def entry(m: Machine, slot: v.Slot, index: Value, default: Value = v.MISSING) -> Value:
    """``d[a][b]`` and ``d[a].get(b, default)`` while the loop fills it."""
    inner = m.files.get(("inner default", slot.of.id))
    if default is v.MISSING and inner:
        default = lookups.empty(inner)
    return evolving.get(m, _evolving(m, slot), _pair(m, slot, index), default)


def contains(m: Machine, slot: v.Slot, index: Value) -> exp.Expression:
    """``b in d[a]`` while the loop fills it."""
    return evolving.contains(m, _evolving(m, slot), _pair(m, slot, index))


def _evolving(m: Machine, slot: v.Slot) -> evolving.Evolving:
    content = m.content(slot.of)
    return content if isinstance(content, evolving.Evolving) else evolving.Evolving(slot.of.id, content)


def _pair(m: Machine, slot: v.Slot, index: Value) -> Value:
    return (slot.key, lookups.freeze(m, index))


def put(m: Machine, slot: v.Slot, index: Value, value: Value) -> None:
    """``d[a][b] = value``."""
    key, frozen = _pair(m, slot, index), lookups.freeze(m, value)
    m.log("put", slot.of, key, frozen)
    evolving.note(m, slot.of, key, frozen)


def without_makers(m: Machine, frame: Frame, id_: int, effects: list[Effect]) -> list[Effect]:
    """The changes of entries; each outer key that is made must get one in the same row."""
    own = recurrences.own_tokens(m, id_)
    makers = [e for e in effects if e.kind == "default" and e.arguments[1] == KIND]
    rest = [e for e in effects if e not in makers]
    for e in makers:
        recurrences.only_new(m, frame, e, own)
    plain = [recurrences.split_path(m, frame, e.path, own)[0] for e in makers]
    for path in plain:
        texts = {sqlx.text(m.expand_tree(c)) for c in path}
        paths = [recurrences.split_path(m, frame, e.path, own)[0] for e in rest]
        if not any(all(sqlx.text(m.expand_tree(c)) in texts for c in p) for p in paths):
            raise Refused("dicts per key that may stay empty", "make the dict where it is filled")
    return rest


def nest(m: Machine, id_: int) -> None:
    """What the loop filled under pairs, as a dict of dicts."""
    content = m.state.heap[id_]
    if not is_one(m, id_) or not isinstance(content, v.DictOf):
        return
    if not isinstance(content.key, tuple) or len(content.key) != 2:
        raise Refused("a dict of dicts and of other things")
    first, second = content.key
    inner = m.files.get(("inner default", id_)) or None
    m.state.heap[id_] = v.GroupedOf(content.rel, first, (second, content.value), KIND, content.default, inner)


def found(m: Machine, group: v.Group, index: Value, default: Value = v.MISSING) -> Value:
    """``d[a][b]`` after the loop."""
    return lookups.find(m, _flat(group), (group.key, index), default)


def has(m: Machine, group: v.Group, index: Value) -> exp.Expression:
    """``b in d[a]`` after the loop."""
    return lookups.contains(m, _flat(group), (group.key, index))


def _flat(group: v.Group) -> v.DictOf:
    of = group.of
    return v.DictOf(of.rel, (of.key, of.element[0]), of.element[1], of.inner)
