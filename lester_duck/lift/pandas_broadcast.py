"""NumPy's broadcasting of one column against a row of constants: ``x[:, None] == np.array(["a", "b"])``."""

from __future__ import annotations

import ast

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_series as series_rules
from lester_duck.lift import pandas_shape as shape_rules
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Frame, Series
from lester_duck.lift.render import column_name
from lester_duck.lift.values import Refused, Value


def as_column(m: Machine, series: Series, index: Value) -> Value:
    """``x[:, None]``: an array as a matrix of one column; ``MISSING`` for other indexes."""
    if index != (slice(None), None) or not series.rows_.array:
        return v.MISSING
    return m.new(Frame(series.rows_, ((series.sym.name or "x", series.sym),)))


def compared(m: Machine, op: type[ast.cmpop], frame: Frame, other: Value, turned: bool) -> Value:
    """A matrix compared with a row of constants; ``MISSING`` where the other side is none.

    A matrix of one column is compared with each constant, others column by column.
    """
    held = m.content(other)
    if not isinstance(held, v.HArray) or not frame.rows_.array:
        return v.MISSING
    columns = list(zip(frame.names, frames.syms(frame, frame.names), strict=True))
    if len(columns) == 1:
        columns *= len(held.items)
    if len(columns) != len(held.items):
        raise Refused("the script would fail here: a matrix and a row of another length")
    made = []
    for (name, sym), one in zip(columns, held.items, strict=True):
        pair = (one, Series(frame.rows_, sym)) if turned else (Series(frame.rows_, sym), one)
        cell = series_rules.compare(m, op, *pair).sym
        label = f"{name}={one}"
        made.append((label, cell.named(column_name(label))))
    return m.new(Frame(frame.rows_, tuple(made)))


def side_by_side(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``np.concatenate([a, b], axis=1)``; ``MISSING`` for arrays that are not of a frame, or one after the other."""
    axis = args[1] if len(args) > 1 else kwargs.get("axis", 0)
    return shape_rules.stack(m, args[:1], {}) if axis in (1, -1) and not set(kwargs) - {"axis"} else v.MISSING


frames.FRAME_RULES.update({"column of an array": as_column, "matrix and constants": compared})
RULES: dict[str, frames.SeriesRule] = {"numpy.concatenate": side_by_side}
