"""The index of a frame as a column: its keys, or the positions that its rows had when it was made."""

from __future__ import annotations

from dataclasses import replace

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Frame, Rows
from lester_duck.lift.relations import Relation, SelectRel
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.values import Refused, Sym, Value

NAME = "#index"
_SHOWN = "index"


def with_index(m: Machine, ref: Value, frame: Frame) -> Frame:
    """The frame with its index as first columns; raises Refused where positions cannot be said."""
    rows = frame.rows_
    if rows.index == "keys":
        return replace(frame, columns=(*rows.keys, *frame.columns))
    if rows.index not in ("range", "subset") or rows.part is not None or rows.joins:
        raise Refused("to_csv with the positions of these rows", "index=False")
    if not rows.where:
        place = Sym(_place(m, rows.rel, rows.index, rows.labels), "int", name=_SHOWN)
        return replace(frame, columns=((NAME, place), *frame.columns))
    if any(isinstance(x, Sym) and frames.windowed(m, x.sql) for _, x in frame.columns):
        raise Refused("to_csv with the positions of rows chosen after a window", "index=False")
    below = replace(rows, where=(), index="range")
    place = Sym(_place(m, rows.rel, _kind(m, rows.rel), rows.labels), "int", name=_SHOWN)
    title = frames.title_of(m, ref, frame)
    step = frames.closed(m, Frame(below, ((NAME, place), *frame.columns)), f"{title}_numbered")
    conditions = [frames.carry(m, step.rows_, below, Sym(c, "bool")).sql for c in rows.where]
    return replace(step, what_rows=frames.restricted(step.rows_, sqlx.conjunction(conditions)))


def _kind(m: Machine, rel: Relation) -> str:
    made: Rows | None = m.files.get(("closed", rel.token))
    return "range" if made is None else made.index


def _place(m: Machine, rel: Relation, index: str, labels: str) -> Tree:
    """The position of a relation's row in the frame that its labels are of."""
    numbered = sql("row_number() OVER (ORDER BY _1) - 1", sqlx.column(rel.token, "_pos"))
    if index == "range":
        return numbered
    lower: Rows | None = m.files.get(("closed", rel.token))
    if lower is None or not isinstance(rel, SelectRel) or lower.where or lower.joins or lower.labels != labels:
        raise Refused("to_csv with the positions of rows chosen before", "index=False")
    below = _place(m, lower.rel, _kind(m, lower.rel), labels)
    return rel.require(Sym(below, "int", name=_SHOWN), _SHOWN).sql


__all__ = ["NAME", "with_index"]
