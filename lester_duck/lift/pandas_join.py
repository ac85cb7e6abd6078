"""``merge``, ``join`` and ``concat``."""

from __future__ import annotations

from dataclasses import replace

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_group as groups
from lester_duck.lift import pandas_observed as observed
from lester_duck.lift import pandas_whole as whole
from lester_duck.lift import scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Frame, Series, options
from lester_duck.lift.relations import Join, SelectRel, fresh
from lester_duck.lift.render import column_name
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Refused, Sym, Value


def _merge(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("right", "how", "on"), "merge", how="inner", on=None, left_on=None, right_on=None,
                     suffixes=("_x", "_y"), left_index=False, right_index=False, validate=None, sort=False,
                     indicator=False)  # fmt: skip
    frames.only(chosen, "merge", how=("left", "inner", "right", "outer"), left_index=(False,), sort=(False,))
    right_ref = chosen["right"]
    right = m.content(right_ref)
    if isinstance(right, Series):
        right_ref = m.new(Frame(right.rows_, ((right.sym.name or "value", right.sym),)))
        right = m.content(right_ref)
    if not isinstance(right, Frame):
        raise Refused("a merge with this")
    if chosen["right_index"]:
        right_on = [n for n, _ in right.rows_.keys]
        right = replace(right, columns=(*right.rows_.keys, *right.columns))
    else:
        named = chosen["right_on"] if chosen["right_on"] is not None else chosen["on"]
        right_on = frames.strings(m, named) if named is not None else []
    named = chosen["left_on"] if chosen["left_on"] is not None else chosen["on"]
    left_on = frames.strings(m, named) if named is not None else []
    if not left_on and not right_on:
        left_on = right_on = [n for n in frame.names if n in right.names]
    if frame.rows_.keys and any(n in dict(frame.rows_.keys) for n in left_on):
        frame = replace(frame, columns=(*frame.rows_.keys, *frame.columns))
    if right.rows_.keys and any(n in dict(right.rows_.keys) for n in right_on) and not chosen["right_index"]:
        right = replace(right, columns=(*right.rows_.keys, *right.columns))
    drop = set(right_on) if chosen["right_index"] else {b for a, b in zip(left_on, right_on, strict=True) if a == b}
    suffixes = frames.constant(m, chosen["suffixes"])
    _owe_valid(m, chosen["validate"], (frame, left_on), (right, right_on))
    if chosen["how"] == "outer":
        sides = ((ref, frame, left_on), (right_ref, right, right_on))
        return m.new(frames.FRAME_RULES["outer"](m, *sides, drop, suffixes, chosen["indicator"]))
    if chosen["how"] == "right":
        return m.new(_from_right(m, (ref, frame, left_on), (right_ref, right, right_on), drop, suffixes, chosen))
    made = joined(m, (ref, frame, left_on), (right_ref, right, right_on), chosen["how"], drop, suffixes)
    return m.new(marked(made, chosen["indicator"], "left_only"))


def _owe_valid(m: Machine, wanted: Value, left: tuple[Frame, list[str]], right: tuple[Frame, list[str]]) -> None:
    """``validate="m:1"``: pandas refuses keys that come twice on the side that is to have each once."""
    said = {"one_to_one": "1:1", "one_to_many": "1:m", "many_to_one": "m:1", "many_to_many": "m:m"}.get(wanted, wanted)
    if said not in (None, "1:1", "1:m", "m:1", "m:m"):
        raise Refused(f"merge with validate={wanted!r}", 'validate="m:1"')
    for once, (frame, names) in zip((said or "m:m").split(":"), (left, right), strict=True):
        if once == "1":
            rel = groups.grouping(m, frame, tuple(frames.syms(frame, names)), missing_too=True)
            most = m.whole("max", rel, rel.require("count", None, "int", "n"), "int")
            m.asserted.append((sql("coalesce(_1 > 1, FALSE)", most.sql), m.line))


def marked(made: Frame, wanted: Value, alone: str) -> Frame:
    """The frame with a column that says which side each row is from, where that is asked for."""
    if wanted is False:
        return made
    name = "_merge" if wanted is True else str(wanted)
    present = made.rows_.joins[-1].present
    tree = sqlx.case(present, sqlx.literal("both"), sqlx.literal(alone))
    return frames.put(made, name, Sym(tree, "str", name=column_name(name)))


def _from_right(m: Machine, left: tuple, right: tuple, drop: set[str], suffixes: tuple, chosen: dict) -> Frame:
    """``how="right"``: the right frame's rows, with the columns in the order that pandas has."""
    swapped = (suffixes[1], suffixes[0])
    made = joined(m, right, left, "left", drop, swapped)
    table: Frame = right[1]
    own, other = made.columns[: len(table.columns)], made.columns[len(table.columns) :]
    keys = {n: x for n, x in own if n in drop}
    rest = iter(other)
    columns = [(n, keys[n]) if n in drop else next(rest) for n in left[1].names]
    made = replace(made, columns=(*columns, *[(n, x) for n, x in own if n not in drop]))
    return marked(made, chosen["indicator"], "right_only")


def joined(m: Machine, left_side: tuple, right_side: tuple, how: str, drop: set[str], suffixes: tuple) -> Frame:
    """Rows of the left frame with each matching row of the right one, in the left's order."""
    left_ref, left, left_on = left_side
    right_ref, right, right_on = right_side
    if any(isinstance(x, Sym) and frames.windowed(m, x.sql) for _, x in left.columns):
        left = frames.close(m, left_ref, left)
    table = right if frames.is_closed(right) else frames.closed(m, right, frames.title_of(m, right_ref, right))
    keys = list(zip(frames.syms(left, left_on), frames.syms(table, right_on), strict=True))
    alike = _both_miss(m, left, table, keys)
    for a, b in keys:
        if a.type != b.type and not {a.type, b.type} <= scalars.NUMERIC:
            raise Refused(f"a merge of a column of {a.type} with one of {b.type}")
        if a.null and b.null and not alike:
            frames.owe(m, table.rows_, sql("_1 IS NULL", b.sql), "a missing key, which pandas would match with another")
    rel = table.rows_.rel
    known = rel.require(v.constant(1), "found").sql.name if alike else ""
    join = Join(fresh("j"), rel, tuple((a, b.sql.name) for a, b in keys), always=True, known=known)
    shared = {n for n in left.names if n in table.names and n not in drop}
    unmatched = how == "left"
    found = set() if unmatched or alike else {sqlx.text(a.sql) for a, _ in keys}
    after = replace(left.rows_, joins=(*left.rows_.joins, join))
    columns: list[tuple[str, Value]] = []
    for name, value in left.columns:
        shown = f"{name}{suffixes[0] or ''}" if name in shared else name
        if isinstance(value, Sym) and sqlx.text(value.sql) in found:
            value = replace(value, null=False)
        columns.append((shown, value))
    for name, sym in table.columns:
        if name in drop:
            continue
        shown = f"{name}{suffixes[1] or ''}" if name in shared else name
        kind = "float" if unmatched and sym.type == "int" else sym.type
        made = replace(sym, sql=sqlx.column(join.alias, sym.sql.name), null=sym.null or unmatched, nan=True, type=kind)
        if unmatched and (sym.type == "int" or sym.whole is not None):
            made = whole.unless(m, after, made)
        columns.append((shown, made.named(str(shown))))
    where = left.rows_.where if unmatched else (*left.rows_.where, join.present)
    rows = replace(
        left.rows_, labels=fresh("index"), joins=(*left.rows_.joins, join), where=where, index="range", keys=(),
        owner=None, since=left.rows_.since or m.line,
    )  # fmt: skip
    return Frame(rows, tuple(columns))


def _both_miss(m: Machine, left: Frame, right: Frame, keys: list[tuple[Sym, Sym]]) -> bool:
    """Whether keys were seen to be missing on both sides: pandas matches them with each other."""
    if not isinstance(right.rows_.rel, SelectRel):
        return False
    return any(
        a.null and b.null and observed.misses(m, Series(left.rows_, a)) and observed.misses(m, Series(right.rows_, b))
        for a, b in keys
    )


def merge(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``pd.merge(left, right, ...)``."""
    chosen = dict(kwargs)
    left = args[0] if args else chosen.pop("left")
    rest = args[1:]
    frame = m.content(left)
    if not isinstance(frame, Frame):
        raise Refused("a merge of this")
    return _merge(m, left, frame, list(rest), chosen)


def _same_index(a: Frame, b: Frame) -> bool:
    """Whether the rows of both are those of one frame, under the labels that they have there."""
    return a.rows_.labels == b.rows_.labels and {a.rows_.index, b.rows_.index} <= {"range", "subset"}


def _by_index(m: Machine, frame: Frame, right: Frame) -> Frame:
    """``df.join(other)`` of columns made of the same rows: missing where the other one has no such row."""
    both = set(frame.names) & set(right.names)
    if both:
        raise Refused(f"the script would fail here: two columns {min(map(str, both))!r}")
    for name, sym in zip(right.names, frames.syms(right, right.names), strict=True):
        frame = frames.assign(m, frame, name, Series(right.rows_, sym))
    return frame


def _join(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("other", "on", "how"), "join", on=None, how="left", lsuffix="", rsuffix="")
    frames.only(chosen, "join", how=("left", "inner"))
    right_ref = chosen["other"]
    right = m.content(right_ref)
    if isinstance(right, v.HList | tuple):
        return _join_each(m, ref, right if isinstance(right, tuple) else right.items, chosen)
    if isinstance(right, Series):
        right = Frame(right.rows_, ((right.sym.name or "value", right.sym),))
    if isinstance(right, Frame) and _same_index(frame, right) and chosen["on"] is None and chosen["how"] == "left":
        return m.new(_by_index(m, frame, right))
    if not isinstance(right, Frame) or right.rows_.index != "keys":
        raise Refused("a join by position", "a merge by key")
    keys = [n for n, _ in right.rows_.keys]
    left_on = frames.strings(m, chosen["on"]) if chosen["on"] is not None else [n for n, _ in frame.rows_.keys]
    own = frame.rows_.keys
    kept = len(own) if chosen["on"] is None or frame.rows_.index == "keys" else 0
    if chosen["on"] is not None and kept:
        frame = replace(frame, columns=(*own, *frame.columns))
    if chosen["on"] is None:
        if frame.rows_.index != "keys" or len(left_on) != len(keys):
            raise Refused("a join of two frames by their index", "merge, or join(on=column)")
        frame = replace(frame, columns=(*own, *frame.columns))
    right = replace(right, columns=(*right.rows_.keys, *right.columns))
    made = joined(m, (ref, frame, left_on), (right_ref, right, keys), chosen["how"], set(keys),
                  (chosen["lsuffix"], chosen["rsuffix"]))  # fmt: skip
    if kept:
        rows = replace(made.rows_, index="keys", keys=made.columns[:kept])
        made = Frame(rows, made.columns[kept:])
    return m.new(made)


def _join_each(m: Machine, ref: Value, others: tuple, chosen: dict[str, Value]) -> Value:
    """``df.join([a, b])``, which makes floats of whole numbers where the index differs: of one set of groups."""
    parts = [m.content(x) for x in (ref, *others)]
    if chosen["on"] is not None or chosen["lsuffix"] or chosen["rsuffix"]:
        raise Refused("a join of several frames with on= or suffixes", "one join after the other")
    if not all(isinstance(p, Frame) for p in parts):
        raise Refused("a join of several Series", "a join of frames")
    if len({p.rows_.index for p in parts}) > 1:
        raise Refused("a join of several frames with different kinds of index", "one join after the other")
    return m.new(frames.FRAME_RULES["side by side"](m, parts, aligned=True))


frames.FRAME_METHODS.update(merge=_merge, join=_join)
