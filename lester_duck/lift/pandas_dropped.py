"""``df.drop(other.index)``: the rows of a frame without those of another, matched by index."""

from __future__ import annotations

from dataclasses import replace

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Accessor, Frame, Rows, Series
from lester_duck.lift.values import Refused, Sym, Value

INDEX = ".index"
"""The kind of the accessor that stands for the index of some rows."""
_NEAREST = "df.drop(df[mask].index), or df[~mask]"


def index_of(ref: Value, frame: Frame) -> Accessor:
    """``df.index`` of rows that were chosen among others."""
    rules = {"rows": lambda m, index: frames.FRAME_RULES["loop over labels"](m, ref, rows_of(index))}
    return Accessor(ref, INDEX, rules, (("rows", frame.rows_),))


def rows_of(content: Value) -> Rows | None:
    """The rows whose index a value is; None for other things."""
    if isinstance(content, Accessor) and content.kind == INDEX:
        return dict(content.extra)["rows"]
    return None


def without(m: Machine, ref: Value, frame: Frame, gone: Rows) -> Frame:
    """The rows of ``frame`` that are not among ``gone``; raises Refused where the two cannot be matched."""
    rows = frame.rows_
    if gone.labels != rows.labels or rows.index not in ("range", "subset") or rows.part or gone.part:
        raise Refused("drop of the rows of another frame", _NEAREST)
    later = frames.between(gone.rel, rows.rel)
    earlier = frames.between(rows.rel, gone.rel)
    if any(r.query.where for r in [*(later or ()), *(earlier or ())]):
        raise Refused("drop of rows of a frame that was chosen from in between", _NEAREST)
    known = [sqlx.text(c) for c in rows.where] if gone.rel is rows.rel else []
    conditions = [c for c in gone.where if sqlx.text(c) not in known]
    if not conditions:
        raise Refused("drop of all rows", _NEAREST)
    kept = Sym(sqlx.negate(sqlx.conjunction(conditions)), "bool")
    return frames.filtered(m, ref, frame, Series(replace(gone, where=()), kept))
