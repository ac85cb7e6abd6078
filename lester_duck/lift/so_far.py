"""What a loop reads of the list of one key while it fills it: ``past = history[k]``, then ``past.append(x)``.

The list is what earlier rows of the key appended, in their order: a window that gathers it, and functions of
lists on that.
"""

from __future__ import annotations

from sqlglot import exp

from lester_duck.lift import evolving, lookups, recurrences, scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.exploded import Exploded
from lester_duck.lift.machine import Machine
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.state import Effect, Frame, Let
from lester_duck.lift.values import Refused, Sym, Value

KIND = "so_far"
_BEFORE = "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
_PLAIN = frozenset({"str", "int", "float", "bool", "date", "datetime"})


def note(m: Machine, slot: v.Slot, element: Value) -> None:
    """Remember what is appended: the next pass over the loop's body knows what the lists hold."""
    m.files["so far", slot.of.id] = element


def of(m: Machine, value: Value) -> Value:
    """The list so far, for the list or set of one key that the running loop fills; other things as they are.

    While the body is interpreted for the first time nothing is known of it: it is empty then.
    """
    slot = m.content(value)
    if not isinstance(slot, v.Slot) or slot.container not in ("list", "set"):
        return slot
    ev = m.content(slot.of)
    element = m.files.get(("so far", slot.of.id))
    if element is None or not isinstance(ev, evolving.Evolving) or ev.shape is None:
        return ()
    leaves = [scalars.scalar(x) for x in evolving.leaves_of(element)]
    if len(m.frames) > 1 or getattr(ev.before, "items", None) != ():
        raise Refused("the list of one key read in an inner loop while it is filled", "a loop of its own")
    if any(s.null or s.nan or s.type not in _PLAIN for s in leaves):
        raise Refused("a list per key read while it is filled, of values that may be missing")
    read = evolving.Read(ev.id, KIND, slot.key, 0, m.line)
    items = evolving.placeholder(m, read, Sym(exp.true(), KIND)).sql
    for effect, condition in _own(m, slot):
        longer = sql("list_append(_1, _2)", items, _packed(m, effect.arguments[1]))
        items = sqlx.case(condition, longer, items)
    listed = _as_list(m, items, element, leaves)
    if slot.container == "list":
        return listed
    if not isinstance(element, Sym):
        raise Refused("a set of several values per key, read while it is filled")
    return Exploded(sql("list_distinct(_1)", items), listed.type, kind="set")


def _own(m: Machine, slot: v.Slot) -> list[tuple[Effect, Tree]]:
    """What the present row appended so far, and under which condition it did."""
    found = []
    here = {sqlx.text(a) for a in m.state.path}
    for effect in m.frames[-1].effects:
        if effect.kind != "slot" or effect.target != slot.of:
            continue
        if any(sqlx.text(sqlx.negate(a)) in here for a in effect.path):
            continue
        if evolving.key_text(m, effect.arguments[0]) != evolving.key_text(m, slot.key):
            raise Refused("the list of a key read after the row may have added to it under another one")
        condition = sqlx.conjunction(a for a in effect.path if sqlx.text(a) not in here)
        found.append((effect, condition))
    return found


def got(m: Machine, ref: v.Ref, key: Value, default: Value) -> Value:
    """``d.get(k, [])`` of a dict of lists that the running loop fills: to be read, not to be added to."""
    given = m.content(default)
    ev = m.content(ref)
    empty = given == () or (isinstance(given, v.HList | v.HSet) and not given.items)
    if not empty:
        raise Refused("get() of the lists that the loop fills with another default than an empty list", "d.get(k, [])")
    listed = of(m, v.Slot(ref, lookups.freeze(m, key), ev.container))
    if listed != ():
        return listed
    made = m.new(v.HList())
    m.files["inside an entry", made.id] = True
    return made


def _as_list(m: Machine, items: Tree, element: Value, leaves: list[Sym]) -> Exploded:
    if isinstance(element, Sym):
        return Exploded(items, element.type)

    def part(item: Value) -> Value:
        made = [
            Sym(sql(f"struct_extract(_1, 'part_{i + 1}')", item.sql), s.type, name=s.name) for i, s in enumerate(leaves)
        ]
        return lookups.thaw(m, evolving.refilled(element, iter(made)))

    return Exploded(items, "str", (part,))


def _packed(m: Machine, element: Value) -> Tree:
    """What the list holds of an element: a struct of its parts where it has several."""
    leaves = [m.expand(scalars.whole(scalars.scalar(x))).sql for x in evolving.leaves_of(element)]
    if isinstance(element, Sym) or len(leaves) < 1:
        return leaves[0]
    return sql("{" + ", ".join(f"'part_{i + 1}': _{i + 1}" for i in range(len(leaves))) + "}", *leaves)


def explain(m: Machine, frame: Frame, token: str, found: recurrences.Recurrence) -> None:
    """Say a list so far as a window, where each row appends one element under one condition on the row alone."""
    read = m.reads[token]
    if found.kind != "slots" or found.value or frame.query.joins:
        return
    key, element = found.key
    own = recurrences.own_tokens(m, read.id)
    packed = _packed(m, element)
    if evolving.key_text(m, read.key) != evolving.key_text(m, key):
        return
    if any(recurrences.mentions(m, t, own) for t in (packed, *found.where)):
        return
    if found.where:
        test = sqlx.conjunction(found.where)
        gathered = recurrences.window(m, frame, "list(_1) FILTER (WHERE _2)", key, _BEFORE, packed, test)
    else:
        gathered = recurrences.window(m, frame, "list(_1)", key, _BEFORE, packed)
    tree = sql("coalesce(_1, [])", gathered)
    m.lets[token] = Let("so_far", Sym(tree, KIND), over=(), filtered=tree)


def _truth(m: Machine, value: Value) -> Tree:
    listed = of(m, value)
    if isinstance(listed, v.Slot):
        raise Refused("the truth of a dict under one key while it is filled", "if k in d")
    return scalars.truth(m, listed)


scalars.TRUTHS[v.Slot] = _truth
