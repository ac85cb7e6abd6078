"""Lists, sets and counters in the records of a dict that a loop fills: each a dict of its own under the record's key.

``d[k] = {"n": 0, "days": set()}`` keeps ``n`` in the record; ``days`` is ``days[k]`` of a dict that no name stands for.
A record is a dict with constant keys, an object of a class, or a list of known length, ``[0, set()]``.
"""

from __future__ import annotations

import ast
from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import containers, evolving, lookups, twolevels
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.values import Poison, Refused, Value


def parts(content: Value) -> tuple[tuple[Value, Value], ...]:
    """The parts of a record by name or place; none of what is no record."""
    if isinstance(content, v.HList):
        return tuple(enumerate(content.items))
    if isinstance(content, v.HDict):
        return content.items if v.is_const(tuple(k for k, _ in content.items)) else ()
    return getattr(content, "entries", ())


def _put(content: Value, name: Value, value: Value) -> Value:
    """The record with another part."""
    if isinstance(content, v.HDict):
        return content.put(name, value)
    if isinstance(content, v.HList):
        return v.HList((*content.items[:name], value, *content.items[name + 1 :]))
    there = any(n == name for n, _ in content.entries)
    changed = tuple((n, value if n == name else x) for n, x in content.entries)
    return replace(content, entries=changed if there else (*changed, (name, value)))


def are_in(m: Machine, value: Value) -> bool:
    """Whether a value is a record with empty or growing collections in it."""
    return any(_container(m, x) is not None for _, x in parts(m.content(value)))


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
    for name, x in parts(content):
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
        content = _put(content, name, v.Slot(ref, lookups.freeze(m, key), container))
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
    if not fields or not _is_record(content):
        return
    for name, (ref, container) in fields.items():
        content = _put(content, name, v.Slot(ref, lookups.freeze(m, key), container))
    m.state.heap[record.id] = content


def frozen(m: Machine, record: Value) -> Value:
    """The shape of a record without its collections."""
    content = m.content(record)
    if not _is_record(content) or not any(_is_slot(x) for _, x in parts(content)):
        return lookups.freeze(m, record)
    if isinstance(content, v.HList):
        return lookups.freeze(m, m.new(v.HList(tuple(None if _is_slot(x) else x for x in content.items))))
    plain = tuple(p for p in parts(content) if not _is_slot(p[1]))
    said = {"items": plain} if isinstance(content, v.HDict) else {"entries": plain}
    return lookups.freeze(m, m.new(replace(content, **said)))


def _is_record(content: Value) -> bool:
    return isinstance(content, v.HDict | v.HList) or hasattr(content, "entries")


def _is_slot(value: Value) -> bool:
    return isinstance(value, v.Slot)


def kept(m: Machine, id_: int, key: Value, value: Value) -> Value:
    """The shape of the records after the loop: each collection is found by the key when it is asked for."""
    fields = m.files.get(("companions", id_))
    if not fields or not isinstance(value, v.Rec | v.Seq):
        return value
    more = {n: v.Group(ref, key, container, "", exp.true()) for n, (ref, container) in fields.items()}
    if isinstance(value, v.Seq):
        return v.Seq(tuple(more.get(i, x) for i, x in enumerate(value.items)))
    return replace(value, items=(*value.items, *more.items()))


def found(m: Machine, value: Value) -> Value:
    """An entry of a record: a collection that is not looked up yet is."""
    if not isinstance(value, v.Group) or not isinstance(value.of, v.Ref):
        return value
    of = m.content(value.of)
    if isinstance(of, v.GroupedOf):
        return lookups.find_group(m, of, value.key, ())
    if isinstance(of, evolving.Evolving) or (isinstance(of, v.HDict) and not of.items and _grows(m, value.of)):
        return v.Slot(value.of, lookups.freeze(m, value.key), value.summary)
    if isinstance(of, v.HDict) and not of.items and value.summary != twolevels.KIND:
        made = m.new(v.HList() if value.summary == "list" else v.HSet())
        m.files["inside an entry", made.id] = True
        return made
    raise Refused("a collection in a record that the loop does not fill by .append() or .add()")


def _grows(m: Machine, ref: v.Ref) -> bool:
    """Whether the running loop adds to these collections: in its own text, or in a function of the script."""
    if not m.frames:
        return False
    _, name = m.files["companion of", ref.id]
    first, last = m.frames[-1].lines
    functions = [n for n in ast.walk(m.tree) if isinstance(n, ast.FunctionDef)]
    elsewhere = {n.lineno for f in functions if not f.lineno <= first <= (f.end_lineno or 0) for n in _calls(f)}
    for call in _calls(m.tree):
        changed = [call.args[0]] if ast.unparse(call.func) in _INTO and call.args else []
        if isinstance(call.func, ast.Attribute) and call.func.attr in _ADDING:
            changed.append(call.func.value)
        if any(_named(x) == name for x in changed) and (first <= call.lineno <= last or call.lineno in elsewhere):
            return True
    return False


_ADDING = frozenset({"append", "add", "extend", "update", "insert"})
_INTO = frozenset({"bisect.insort", "insort", "bisect.insort_right", "insort_right", "heapq.heappush", "heappush"})


def _calls(node: ast.AST) -> list[ast.Call]:
    return [n for n in ast.walk(node) if isinstance(n, ast.Call)]


def _named(node: ast.expr) -> Value:
    """The part of a record that an expression is: ``d.days``, ``d["days"]``, ``d[2]``."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.slice.value if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) else None


def refuse_all(content: Value) -> None:
    """Refuse to go through all entries of a record that holds collections."""
    if any(_is_slot(x) or _is_unfound(x) for _, x in parts(content)):
        raise Refused("all entries of a record that holds lists", "the entries by name: d[k]['days']")


def _is_unfound(value: Value) -> bool:
    return isinstance(value, v.Group) and isinstance(value.of, v.Ref)



def not_one(value: Value) -> None:
    """Refuse to put something in place of a collection in a record."""
    if _is_slot(value) or _is_unfound(value):
        raise Refused("a list in a record that is replaced by another", "d[k]['days'].append(x)")
