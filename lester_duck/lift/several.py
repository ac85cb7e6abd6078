"""A collection changed under several keys for one row: a row per change, in the order of the changes."""

from __future__ import annotations

from lester_duck.lift import evolving, folds, recurrences, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine, unify
from lester_duck.lift.recurrences import Recurrence
from lester_duck.lift.relations import Query, SelectRel, UnionRel, fresh
from lester_duck.lift.shapes import columns_of
from lester_duck.lift.state import Effect, Frame, Let
from lester_duck.lift.values import Refused, Sym, Value

_KINDS = ("first", "last", "sum", "slots", "members")


def apart(m: Machine, frame: Frame, id_: int, effects: list[Effect]) -> list[Recurrence]:
    """The recurrence of each change for itself; raises Refused when they are not of one kind."""
    if {e.kind for e in effects} & {"default"}:
        raise Refused("lists made and filled under several keys of one row", "defaultdict(list)")
    found = [recurrences.of(m, frame, id_, [e]) for e in effects]
    kinds = {x.kind for x in found}
    if len(kinds) != 1 or found[0].kind not in _KINDS or len({bool(x.value is True) for x in found}) != 1:
        raise Refused("a collection changed in several ways for one row of a loop")
    if any(recurrences.unresolved(m, x.trees()) for x in found):
        raise Refused("a collection changed under several keys that depend on what it holds")
    return found


def together(m: Machine, frame: Frame, id_: int, found: list[Recurrence]) -> tuple[Frame, Recurrence]:
    """The changes as rows of one relation, and the recurrence over it."""
    name = folds.name_of(m, id_) or "entries"
    place = fresh("let")
    number = recurrences.window(m, frame, "row_number()", ())
    m.lets[place] = Let("place", Sym(number, "int"), over=(), filtered=number)
    union = UnionRel(name=f"{name}_parts", what=f"what goes into {name}, change by change", lines=frame.lines)
    made: list[tuple[str, Sym]] = []
    shape = None
    for side, one in enumerate(found):
        outputs, own = columns_of(m, _element(one), name)
        shape = shape or own
        if made and len(outputs) != len(made):
            raise Refused("a collection changed with different values for one row of a loop")
        kinds = outputs if not made else [_alike(a, b) for a, b in zip(made, outputs, strict=True)]
        made = kinds
        member = SelectRel(
            name=f"{name}_{side + 1}", what=f"change {side + 1} of {name}", lines=frame.lines,
            query=Query(frame.query.alias, frame.query.base, frame.query.joins, one.where),
        )  # fmt: skip
        member.outputs = [(n, s) for (n, _), (_, s) in zip(made, outputs, strict=True)]
        member.outputs += [("place", Sym(sqlx.column(place, "place"), "int")), ("side", v.constant(side + 1))]
        union.members.append(member)
    union.outputs = [*made, ("place", Sym(sqlx.literal(0), "int")), ("side", Sym(sqlx.literal(0), "int"))]
    over, alias = fresh("t"), fresh("t")
    order = tuple((Sym(sqlx.column(over, n), "int", name=n), False) for n in ("place", "side"))
    ordered = SelectRel(
        name=f"{name}_changes", what=f"what goes into {name}, in order", lines=frame.lines,
        query=Query(over, union, order=order),
    )  # fmt: skip
    ordered.outputs = [(n, Sym(sqlx.column(over, n), s.type, s.null, name=n)) for n, s in made]
    element = v.rebind(shape(ordered), ordered.token, alias)
    new = Frame(Query(alias, ordered), frame.mark, frame.start, frame.lines, end=None)
    return new, _over(found[0], element)


def _element(found: Recurrence) -> Value:
    return (found.key, found.value) if found.kind in ("first", "last", "sum") else (found.key,)


def _over(found: Recurrence, element: Value) -> Recurrence:
    value = element[1] if len(element) > 1 else found.value
    return Recurrence(found.kind, element[0], (), value, container=found.container)


def _alike(a: tuple[str, Sym], b: tuple[str, Sym]) -> tuple[str, Sym]:
    kind = unify(a[1].type, b[1].type)
    if kind is None:
        raise Refused(f"{a[1].type} and {b[1].type} values in one collection")
    kind = "float" if kind == "number" else kind
    return a[0], Sym(a[1].sql, kind, a[1].null or b[1].null, name=a[1].name)


def has_several_keys(m: Machine, effects: list[Effect]) -> bool:
    """Whether one row changes a collection under more than one key."""
    keys = [e.arguments[0] for e in effects if e.kind != "default" or e.arguments[1] != "dict"]
    return all(evolving.is_key(k) for k in keys) and len({evolving.key_text(m, k) for k in keys}) > 1
