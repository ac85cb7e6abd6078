"""Frames column by column: ``df.rolling(3).mean()``, ``df.shift()``; ``df.stack()``, a row per cell."""

from __future__ import annotations

from dataclasses import replace

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_shape as shape_rules
from lester_duck.lift import scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Accessor, Frame, Series, options
from lester_duck.lift.pandas_rolling import ROLLING
from lester_duck.lift.relations import fresh
from lester_duck.lift.render import column_name
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Refused, Sym, Value


def each(m: Machine, ref: Value, rule: frames.SeriesRule) -> Value:
    """What a rule makes of each column, side by side."""
    names = m.content(ref).names
    axis = m.content(ref).axis
    ref = _closed(m, ref)
    parts = []
    for name in names:
        frame = m.content(ref)
        held = rule(m, Series(frames.owned(frame.rows_, ref), frames.syms(frame, [name])[0]), [], {})
        parts.append(Frame(held.rows_, ((name, held.sym.named(column_name(str(name)))),)))
    return m.new(replace(shape_rules.beside(m, parts, aligned=True), axis=axis))


def _closed(m: Machine, ref: Value) -> Value:
    """The frame over rows of its own, those of the frame whose columns they are."""
    frame = m.content(ref)
    for id_, held in list(m.state.heap.items()):
        if not isinstance(held, Frame) or held.rows_ is not frame.rows_ or id_ == ref.id:
            continue
        known = dict(held.columns)
        if all(known.get(n) is x for n, x in frame.columns):
            made = frames.close(m, v.Ref(id_), held)
            return m.new(replace(made, columns=tuple((n, dict(made.columns)[n]) for n in frame.names)))
    frames.close(m, ref, frame)
    return ref


def _numbers_only(frame: Frame, what: str) -> None:
    if any(s.type not in scalars.NUMERIC for s in frames.syms(frame, frame.names)):
        raise Refused(f"{what} of columns that are no numbers", f'df[["x", "y"]].{what}')


def _columnwise(name: str) -> frames.FrameRule:
    def rule(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
        _numbers_only(frame, f"{name}()")
        held = ref if isinstance(ref, v.Ref) else m.new(frame)
        return each(m, held, lambda m, series, _, __: frames.SERIES_METHODS[name](m, series, args, kwargs))

    return rule


def _windows(name: str) -> frames.FrameRule:
    """``df.rolling(3)`` and ``df.expanding()``: an aggregate of each column."""

    def rule(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
        _numbers_only(frame, f"{name}(...)")
        held = ref if isinstance(ref, v.Ref) else m.new(frame)

        def reduced(kind: str) -> frames.SeriesRule:
            def column(m: Machine, series: Series, _: list, __: dict) -> Value:
                rolling = frames.SERIES_METHODS[name](m, series, args, kwargs)
                return rolling.method(m, rolling, kind, [], {})

            return lambda m, accessor, given, named: each(m, accessor.of, column)

        return Accessor(held, f".{name}() of a frame", {kind: reduced(kind) for kind in ROLLING})

    return rule


def _stack(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """One row per row and column, the columns of a row one after the other."""
    frames.only(options(kwargs, args, (), "stack", future_stack=True), "stack", future_stack=(True,))
    if frame.rows_.index != "keys" or frame.rows_.part is not None or not frame.columns:
        raise Refused("stack of a frame whose rows have no keys", 'df.set_index("a").stack(), or df.melt("a")')
    title = frames.title_of(m, ref, frame)
    made = frames.closed(m, frame, title)
    place = sql("row_number() OVER (ORDER BY _1)", sqlx.column(made.rows_.rel.token, "_pos"))
    numbered = frames.closed(m, frames.put(made, "row_number", Sym(place, "int", name="row_number")), f"{title}_places")
    known, keys = dict(numbered.columns), numbered.rows_.keys
    bare = replace(numbered.rows_, index="range", keys=())
    level = frame.axis or f"level_{len(keys)}"
    parts = []
    for number, name in enumerate(frame.names):
        columns = [(level, v.constant(name)), ("value", known[name]), ("row_number", known["row_number"])]
        parts.append(Frame(bare, (*keys, *columns, ("column_number", v.constant(number)))))
    long = shape_rules.stacked(m, [ref] * len(parts), parts, True)
    for rel, name in zip(long.rows_.rel.members, frame.names, strict=True):
        rel.name = f"{title}_{column_name(str(name))}"
    order = tuple((s, False) for s in frames.syms(long, ["row_number", "column_number"]))
    done = frames.closed(m, long, f"{title}_stacked", order)
    found = dict(done.columns)
    labels = tuple((n, replace(found[n], null=s.null)) for n, s in (*keys, (level, found[level])))
    rows = replace(done.rows_, labels=fresh("index"), index="keys", keys=labels)
    return Series(rows, replace(found["value"], name=None))


frames.FRAME_METHODS.update(
    {n: _columnwise(n) for n in ("shift", "diff", "cumsum", "cummax", "cummin", "pct_change")}
    | {"rolling": _windows("rolling"), "expanding": _windows("expanding"), "stack": _stack}
)
