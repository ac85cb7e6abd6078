"""Rows and cells by condition, key or place: ``df.loc``, ``df.at``, ``df.iloc``, and what is set with them."""

from __future__ import annotations

import ast
from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import calls, folds, scalars, sqlx
from lester_duck.lift import pandas_cells as cells
from lester_duck.lift import pandas_columns as column_rules
from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_series as series_rules
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Accessor, Frame, Series
from lester_duck.lift.pandas_select import explicit, noted, picked, sliced, with_column
from lester_duck.lift.sqlx import sql
from lester_duck.lift.state import Effect
from lester_duck.lift.state import Frame as LoopFrame
from lester_duck.lift.values import Refused, Sym, Value


def _loc(m: Machine, accessor: Accessor, index: Value) -> Value:
    ref, frame = accessor.of, m.content(accessor.of)
    if isinstance(index, v.Func):
        index = calls.call(m, index, [ref], {})
    if isinstance(frame, Series):
        return series_rules.subscript(m, frame, index)
    rows, columns = index if isinstance(index, tuple) else (index, slice(None))
    at = cells.row_of(m, rows)
    if at is not None:
        return cells.of_frame(m, ref, frame, at, columns, False)
    ref, frame = cells.left(m, ref, frame)
    held = m.content(rows)
    if isinstance(held, frames.FRAME_RULES["mask"]):
        group = frames.FRAME_RULES["matching"](m, ref, frame, held)
        return group if isinstance(columns, slice) else group.subscript(m, group, columns)
    if isinstance(held, Series) and held.sym.type == "bool":
        frame = noted(m, frame, frames.filtered(m, ref, frame, held))
    elif isinstance(held, Accessor) and held.kind == "the labels of rows":
        frame = _extremes(m, ref, frame, dict(held.extra))
    elif not (isinstance(held, slice) and held == slice(None)):
        raise Refused("loc by label", "df.loc[mask, columns]")
    wanted = m.content(columns)
    if isinstance(wanted, slice):
        if wanted != slice(None):
            raise Refused("a slice of columns")
        return m.new(frame)
    if isinstance(wanted, str):
        return frames.column(m, ref, frame, wanted)
    names = frames.constant(m, columns)
    return m.new(picked(explicit(m, frame, names), names))


def _extremes(m: Machine, ref: Value, frame: Frame, said: dict) -> Frame:
    """The rows that ``idxmax`` of a grouping named, in order of key."""
    grouped: Frame = said["frame"]
    if grouped.rows_.labels != frame.rows_.labels:
        raise Refused("loc by labels of another frame")
    title = frames.title_of(m, ref, frame)
    columns = tuple((n, frames.carried(m, grouped.rows_, frame.rows_, x)) for n, x in frame.columns)
    keys = tuple((f"key_{i}", k) for i, k in enumerate(said["keys"]))
    flagged = Frame(grouped.rows_, (*columns, *keys, ("place", Sym(said["place"], "int", name="place"))))
    step = frames.closed(m, flagged, f"{title}_places")
    known = dict(step.columns)
    first = [sql("_1 = 1", known["place"].sql)]
    first += [sql("_1 IS NOT NULL", known[n].sql) for n, k in keys if k.null]
    rows = frames.restricted(step.rows_, sqlx.conjunction(first))
    kept = Frame(rows, tuple((n, known[n]) for n in frame.names))
    return frames.closed(m, kept, title, tuple((known[n], False) for n, _ in keys))


def _loc_store(m: Machine, accessor: Accessor, index: Value, value: Value) -> None:
    ref, frame = accessor.of, m.content(accessor.of)
    if not isinstance(index, tuple) or len(index) != 2 or not isinstance(cells.whole(frame), Frame):
        raise Refused("this assignment with loc", 'df.loc[mask, "x"] = value')
    rows, columns = index
    names = frames.strings(m, columns)
    if m.frames and isinstance(m.content(rows), frames.FRAME_RULES["mask"]):
        m.log("frame rows", ref, m.content(rows), names, value)
        return
    several = m.content(value)
    items = list(several) if isinstance(several, tuple) else getattr(several, "items", None) if isinstance(
        several, v.HList) else None
    if items is not None and len(items) != len(names):
        raise Refused("a list of another length than the columns", 'df.loc[mask, ["x", "y"]] = [a, b]')
    if (isinstance(rows, Sym) and rows.position is not None) or m.frames:
        for name, one_value in zip(names, items or [value] * len(names), strict=True):
            _set_cell(m, ref, frame, rows, name, one_value)
        return
    mask = m.content(rows)
    if isinstance(mask, slice) and mask == slice(None):
        for name in names:
            frame = with_column(m, frame, name, value)
        m.update(ref, frame)
        return
    if v.is_const(mask) and len(frame.rows_.keys) == 1 and not isinstance(mask, slice):
        mask = _at_key(m, frame, mask)
    if not isinstance(mask, Series):
        raise Refused("loc by label", "df.loc[mask, columns] = value")
    for name, one in zip(names, items or [value] * len(names), strict=True):
        frame = set_where(m, frame, mask, name, one)
    m.update(ref, frame)


def _at_key(m: Machine, frame: Frame, label: Value) -> Series:
    """The rows with a key, of which there must be one: pandas would add a row."""
    key = Series(frame.rows_, frame.rows_.keys[0][1])
    mask = series_rules.compare(m, ast.Eq, key, label)
    closed = frames.close_series(m, mask)
    found = m.whole("count_true", closed.rows_.rel, closed.sym, "int")
    m.asserted.append((sql("_1 = 0", found.sql), m.line))
    return mask


def _set_cell(
    m: Machine, ref: Value, frame: Value, row: Value, name: str, value: Value, by_place: bool = False
) -> None:
    """``df.at[i, "x"] = value`` in a loop over the frame's own rows: the column, where the loop gets there."""
    if not isinstance(row, Sym) or row.position is None:
        raise Refused("one cell set", "a column computed from the frame's own columns")
    if not by_place and cells.named_by_place(cells.whole(frame).rows_, row):
        raise Refused("a cell set under the place of a row, in a frame with other labels", cells.PLACES)
    m.log("frame cell", ref, row.position, name, scalars.scalar(value))


def cells_set(m: Machine, loop: LoopFrame, key: int, effects: list[Effect]) -> None:
    """What a loop over a frame's rows set in the row it was at: the column, by condition."""
    frame, query = m.state.heap[key], loop.query
    if not isinstance(frame, Frame) or query.base is not frame.rows_.rel or frame.rows_.where or frame.rows_.joins:
        raise Refused("cells set in another frame than the loop's own")

    def own(sym: Sym) -> Sym:
        return v.rebind(m.expand(sym), query.alias, query.base.token)

    joins = [replace(j, keys=tuple((own(s), n) for s, n in j.keys)) for j in query.joins]
    rows = frames.with_joins(frame.rows_, joins)
    for effect in effects:
        position, name, value = effect.arguments
        if position != query.alias:
            raise Refused("a cell set in another row than the loop's own")
        before = dict(frame.columns).get(name)
        if isinstance(before, Sym) and before.type == "int" and value.type not in ("int", "bool"):
            raise Refused(f"a {value.type} set in a cell of column {name!r} of whole numbers", f'df["{name}"] = 0.0')
        reached = sqlx.conjunction(effect.path[len(loop.start.path) :])
        frame = set_where(m, frame, Series(rows, own(Sym(reached, "bool"))), name, own(value))
    m.state.heap[key] = frame


def set_where(m: Machine, frame: Frame, mask: Series, name: str, value: Value) -> Frame:
    """``df.loc[mask, name] = value``: the old value elsewhere, missing in a new column."""
    old = dict(frame.columns).get(name)
    before = Series(frame.rows_, old if isinstance(old, Sym) else Sym(exp.null(), "float", null=True, nan=True))
    held = m.content(value)
    if isinstance(held, Sym) or not isinstance(held, Series | v.Foreign):
        new: Value = value
    elif isinstance(held, Series):
        new = _under(held, mask)
    else:
        raise Refused("loc assigned from a frame")
    rows = frames.with_joins(frame.rows_, mask.rows_.joins if mask.rows_.rel is frame.rows_.rel else ())
    condition = Series(rows, frames.carry(m, rows, mask.rows_, mask.sym))
    made = column_rules.chosen_where(m, condition, new, before)
    return frames.assign(m, frame, name, replace(made, sym=made.sym.named(name)))


def _under(series: Series, mask: Series) -> Series:
    """A series that was taken under the same mask: inside the mask it needs no mask."""
    if mask.rows_.rel is not series.rows_.rel:
        return series
    wanted = {sqlx.text(c) for c in sqlx.atoms(frames.truth(mask.sym))}
    kept = tuple(c for c in series.rows_.where if sqlx.text(c) not in wanted)
    return replace(series, what_rows=replace(series.rows_, where=kept))


def _iloc(m: Machine, accessor: Accessor, index: Value) -> Value:
    ref, frame = accessor.of, m.content(accessor.of)
    rows, columns = index if isinstance(index, tuple) else (index, slice(None))
    at = cells.row_of(m, rows)
    if isinstance(frame, Series):
        if isinstance(rows, slice):
            return Series(sliced(m, frame.rows_, rows), frame.sym)
        return one(m, frame, rows) if at is None else cells.cell(m, frame, at, True)
    if at is not None:
        return cells.of_frame(m, ref, frame, at, columns, True)
    ref, frame = cells.left(m, ref, frame)
    if not isinstance(rows, slice):
        raise Refused("iloc of one row", "df.iloc[:n]")
    made = replace(frame, what_rows=sliced(m, frame.rows_, rows))
    if isinstance(columns, slice):
        return m.new(replace(made, columns=made.columns[columns]))
    if type(columns) is int:
        return frames.column(m, ref, made, made.names[columns])
    raise Refused("iloc of these columns")


def one(m: Machine, series: Series, place: Value) -> Value:
    """The first or last value of a column."""
    if place not in (0, -1) or isinstance(place, bool):
        raise Refused("iloc of one value", "iloc[0], iloc[-1]")
    closed = frames.close_series(m, series)
    size = m.whole("count", closed.rows_.rel, None, "int")
    m.asserted.append((sql("_1 = 0", size.sql), m.line))
    made = m.whole("first" if place == 0 else "last", closed.rows_.rel, closed.sym, closed.sym.type)
    return replace(made, null=closed.sym.null, nan=True).named(f"first_{closed.sym.name or 'value'}")


def _iloc_store(m: Machine, accessor: Accessor, index: Value, value: Value) -> None:
    """``df.iloc[i, 2] = value`` in a loop over the frame's own rows."""
    ref, frame = accessor.of, m.content(accessor.of)
    if not isinstance(index, tuple) or len(index) != 2 or not isinstance(cells.whole(frame), Frame) or not m.frames:
        raise Refused("an assignment into iloc", 'df.loc[mask, "x"] = value')
    row, column = index
    if type(column) is not int:
        raise Refused("cells of several columns set by place", 'df.at[i, "x"] = value')
    _set_cell(m, ref, frame, row, cells.whole(frame).names[column], value, True)


_LOC = {"[]": _loc, "[]=": _loc_store}
_ILOC = {"[]": _iloc, "[]=": _iloc_store}


folds.RULES["frame cell"] = cells_set
frames.FRAME_RULES.update({"one": one, "set where": set_where})
frames.FRAME_ATTRIBUTES.update(
    loc=lambda m, ref, frame: Accessor(ref, "loc", _LOC),
    at=lambda m, ref, frame: Accessor(ref, "at", _LOC),
    iloc=lambda m, ref, frame: Accessor(ref, "iloc", _ILOC),
    iat=lambda m, ref, frame: Accessor(ref, "iloc", _ILOC),
)  # fmt: skip
frames.SERIES_ATTRIBUTES.update(
    loc=lambda m, series: Accessor(series, "loc", _LOC),
    at=lambda m, series: Accessor(series, "loc", _LOC),
    iat=lambda m, series: Accessor(series, "iloc", {"[]": _iloc}),
    iloc=lambda m, series: Accessor(series, "iloc", {"[]": _iloc}),
)
