"""Records of a list that a loop changes in place: the list holds the changed ones afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lester_duck.lift import lookups
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import Relation
from lester_duck.lift.state import Effect, Frame
from lester_duck.lift.values import Poison, Refused, Value


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """What a loop's target was bound to, and the heap as it was then."""

    value: Value
    heap: Mapping[int, Value]


def rewrite(m: Machine, frame: Frame, owner: v.Ref | None, item: Item) -> None:
    """Log the change of the loop's own records as a change of the list they are in."""
    if not isinstance(item.value, v.Ref) or owner is v.MISSING:
        return
    before = item.heap[item.value.id]
    after = frame.end.heap.get(item.value.id) if frame.end is not None else None
    if after is before or before is None:
        return
    if owner is None or after is None or frame.query.order:
        raise Refused("records changed in place in this loop", "a list of new records")
    content = m.content(owner)
    saved, m.state = m.state, frame.end
    try:
        element = lookups.freeze(m, item.value)
    finally:
        m.state = saved
    _spoil(m, owner, content.rel, _overwritten(before, after))
    frame.effects.append(Effect("rewrite", owner, (element,), frame.start.path, frame.lines[0]))


def _overwritten(before: Value, after: Value) -> set[Value]:
    if not isinstance(before, v.HDict) or not isinstance(after, v.HDict):
        return set()
    return {k for k, x in before.items if after.get(k) is not x}


def _spoil(m: Machine, owner: v.Ref, rel: Relation, keys: set[Value]) -> None:
    """Other collections may hold the same records: their overwritten entries are unknown."""
    sources = _sources(rel)
    for id_, content in list(m.state.heap.items()):
        element = getattr(content, "element", getattr(content, "value", None))
        if id_ == owner.id or not isinstance(element, v.Rec) or not hasattr(content, "rel"):
            continue
        if keys & {k for k, _ in element.items} and sources & _sources(content.rel):
            m.state.heap[id_] = Poison("records that another loop changed in place", m.line)


def _sources(rel: Relation) -> set[str]:
    found: set[str] = set()
    queue = [rel]
    while queue:
        inner = queue.pop()
        if inner.token in found:
            continue
        found.add(inner.token)
        queue += list(inner.inputs())
    return found
