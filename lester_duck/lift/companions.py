"""Lists, sets and counters in the records of a dict that a loop fills: each a dict of its own under the record's key.

``d[k] = {"n": 0, "days": set()}`` keeps ``n`` in the record; ``days`` is ``days[k]`` of a dict that no name stands for.
"""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import containers, lookups, twolevels
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.values import Poison, Refused, Value


def are_in(m: Machine, value: Value) -> bool:
    """Whether a value is a record with empty or growing collections in it."""
    content = m.content(value)
    named = isinstance(content, v.HDict) and content.items and v.is_const(tuple(k for k, _ in content.items))
    return bool(named) and any(_container(m, x) is not None for _, x in content.items)


def _container(m: Machine, value: Value) -> str | None:
    content = m.state.heap.get(value.id) if isinstance(value, v.Ref) else None
    if isinstance(content, v.HList) and not content.items:
        return "list"
    if isinstance(content, v.HSet) and not content.items:
        return "set"
    counts = isinstance(content, v.HDict) and not content.items and content.default in (None, "int", "float")
    return twolevels.KIND if counts else None


def put(m: Machine, base: v.Ref, key: Value, value: v.Ref) -> None:
    """The record's collections become entries of dicts of their own; the record keeps the rest."""
    if m.implied(containers.contains(m, base, key)) is not False:
        raise Refused("a record with lists that may be put in place of another", "if k not in d: d[k] = {...}")
    content = m.content(value)
    for name, x in content.items:
        container = _container(m, x)
        if container is None:
            continue
        ref = _hidden(m, base, name, container)
        if container == twolevels.KIND:
            twolevels.note(m, ref.id)
            m.files["inner default", ref.id] = m.content(x).default or ""
            if ("counter", x.id) in m.files:
                m.files["counters", ref.id] = True
        m.state.heap[x.id] = Poison("a list known under another name than that of the record that holds it", m.line)
        content = content.put(name, v.Slot(ref, lookups.freeze(m, key), container))
    m.state.heap[value.id] = content


def _hidden(m: Machine, base: v.Ref, name: Value, container: str) -> v.Ref:
    """The dict that holds a field of all records; it is older than the loop."""
    fields = m.files.setdefault(("companions", base.id), {})
    if name not in fields:
        ref = v.Ref(-1 - sum(1 for k in m.files if k[0] == "companion of"))
        m.files["companion of", ref.id] = (base.id, name)
        fields[name] = (ref, container)
    ref, kind = fields[name]
    if kind != container:
        raise Refused(f"{name!r} is a {kind} in some records and a {container} in others")
    for state in (m.state, *(frame.start for frame in m.frames)):
        state.heap.setdefault(ref.id, v.HDict((), container))
    return ref


def attach(m: Machine, id_: int, key: Value, record: v.Ref) -> None:
    """A record read from its dict while the loop fills it, with its collections."""
    fields = m.files.get(("companions", id_))
    content = m.state.heap.get(record.id)
    if not fields or not isinstance(content, v.HDict):
        return
    for name, (ref, container) in fields.items():
        content = content.put(name, v.Slot(ref, lookups.freeze(m, key), container))
    m.state.heap[record.id] = content


def frozen(m: Machine, record: Value) -> Value:
    """The shape of a record without its collections."""
    content = m.content(record)
    if not isinstance(content, v.HDict) or not any(isinstance(x, v.Slot) for _, x in content.items):
        return lookups.freeze(m, record)
    return lookups.freeze(m, m.new(replace(content, items=tuple(p for p in content.items if not _is_slot(p[1])))))


def _is_slot(value: Value) -> bool:
    return isinstance(value, v.Slot)


def kept(m: Machine, id_: int, key: Value, value: Value) -> Value:
    """The shape of the records after the loop: each collection is found by the key when it is asked for."""
    fields = m.files.get(("companions", id_))
    if not fields or not isinstance(value, v.Rec):
        return value
    more = tuple((n, v.Group(ref, key, container, "", exp.true())) for n, (ref, container) in fields.items())
    return replace(value, items=(*value.items, *more))


def found(m: Machine, value: Value) -> Value:
    """An entry of a record: a collection that is not looked up yet is."""
    if not isinstance(value, v.Group) or not isinstance(value.of, v.Ref):
        return value
    of = m.content(value.of)
    if isinstance(of, v.GroupedOf):
        return lookups.find_group(m, of, value.key, ())
    if isinstance(of, v.HDict) and not of.items and value.summary != twolevels.KIND:
        return m.new(v.HList() if value.summary == "list" else v.HSet())
    raise Refused("a collection in a record that the loop does not fill by .append() or .add()")


def refuse_all(content: Value) -> None:
    """Refuse to go through all entries of a record that holds collections."""
    if isinstance(content, v.HDict) and any(_is_slot(x) or _is_unfound(x) for _, x in content.items):
        raise Refused("all entries of a record that holds lists", "the entries by name: d[k]['days']")


def _is_unfound(value: Value) -> bool:
    return isinstance(value, v.Group) and isinstance(value.of, v.Ref)



def not_one(value: Value) -> None:
    """Refuse to put something in place of a collection in a record."""
    if _is_slot(value) or _is_unfound(value):
        raise Refused("a list in a record that is replaced by another", "d[k]['days'].append(x)")
