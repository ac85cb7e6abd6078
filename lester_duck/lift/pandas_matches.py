"""``df[df["k"] == x]`` with ``x`` of the running loop's row: the rows of another frame that have its key."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_series as series_rules
from lester_duck.lift import sqlx
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Frame, Series
from lester_duck.lift.pandas_group_loops import GroupRows, GroupValues, looked_up
from lester_duck.lift.relations import GroupRel
from lester_duck.lift.values import Ref as Held
from lester_duck.lift.values import Refused, Sym, Value


@dataclass(frozen=True, eq=False)
class Matched(Library):
    """A mask: where columns are equal to values of the running loop's row, and ``rest`` holds."""

    keys: tuple[tuple[Series, Sym], ...]
    rest: Series | None = None
    what = "condition on the rows that match"

    def operate(self, m: Machine, op: type[ast.operator], a: Value, b: Value) -> Value:
        """``&`` with another condition."""
        x, y = m.content(a), m.content(b)
        if op is not ast.BitAnd:
            raise Refused(f"the operator {op.__name__} on a comparison with the loop's row", "&")
        if isinstance(x, Matched) and isinstance(y, Matched):
            rest = [r for r in (x.rest, y.rest) if r is not None]
            joined = rest[0].operate(m, op, *rest) if len(rest) == 2 else rest[0] if rest else None
            return Matched((*x.keys, *y.keys), joined)
        mine, other = (x, y) if isinstance(x, Matched) else (y, x)
        if not isinstance(other, Series):
            raise Refused("a comparison with the loop's row & this", "a condition on columns")
        return replace(mine, rest=other if mine.rest is None else other.operate(m, op, mine.rest, other))

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """``.sum()`` counts the rows, ``.any()`` asks for one."""
        if name not in ("sum", "any") or args or kwargs:
            raise Refused(f".{name}() of a comparison with the loop's row", "sum, any")
        series = self.keys[0][0] if self.keys else self.rest
        counted = self.rows_of(m, series.rows_.owner, Frame(series.rows_, ())).length(m, ref)
        return counted if name == "sum" else Sym(sqlx.sql("_1 > 0", counted.sql), "bool")

    def rows_of(self, m: Machine, owner: int | None, frame: Frame) -> GroupRows:
        """The rows of a frame that the mask chooses."""
        ref = Held(owner) if owner is not None else None
        if any(isinstance(x, Sym) and frames.windowed(m, x.sql) for _, x in frame.columns):
            frame = frames.close(m, ref, frame)
        beside = self.rest is not None and of_loop(m, self.rest.sym)
        if self.rest is not None and not beside:
            frame = frames.filtered(m, ref, frame, self.rest)
        keys = []
        for series, _ in self.keys:
            joins = series.rows_.joins if series.rows_.rel is frame.rows_.rel else ()
            frame = replace(frame, what_rows=frames.with_joins(frame.rows_, joins))
            keys.append(frames.carry(m, frame.rows_, series.rows_, series.sym))
        made = looked_up(m, frame, tuple(keys), tuple(wanted for _, wanted in self.keys)) if keys else every(frame)
        if not beside:
            return made
        if self.rest.rows_.rel is not frame.rows_.rel:
            raise Refused("a comparison of another frame's rows with the loop's row", "one frame in one condition")
        return replace(made, where=frames.truth(self.rest.sym))


def every(frame: Frame) -> GroupRows:
    """All rows of a frame, of which a condition chooses some."""
    name = frame.rows_.title or frame.rows_.rel.name
    return GroupRows(GroupRel(name=name, query=frame.rows_.query(), keys=()), frame)


def matched(m: Machine, op: type[ast.cmpop], a: Value, b: Value) -> Matched | None:
    """A column compared with a value of the running loop's row; None where that is not so."""
    x, y = m.content(a), m.content(b)
    series, value = (x, y) if isinstance(x, Series) else (y, x)
    if not m.frames or not isinstance(series, Series) or not isinstance(value, Sym) or not of_loop(m, value):
        return None
    if op is ast.Eq:
        return Matched(((series, value),))
    closed = frames.close_series(m, series)
    sides = (closed, value) if series is x else (value, closed)
    return Matched((), series_rules.compared(m, op, *sides))


def of_loop(m: Machine, value: Sym) -> bool:
    """Whether a scalar depends on the row of a running loop."""
    known = {t for f in m.frames for t in (f.query.alias, *[j.alias for j in f.query.joins])}
    return bool(sqlx.tables(m.expand(value).sql) & known)


def select(m: Machine, ref: Value, held: Frame | Series, mask: Matched) -> Value:
    """``df[mask]`` and ``s[mask]``."""
    owner = ref.id if isinstance(ref, Held) else held.rows_.owner
    if isinstance(held, Frame):
        return mask.rows_of(m, owner, held)
    frame = Frame(held.rows_, ((held.sym.name or "value", held.sym),))
    group = mask.rows_of(m, None, frame)
    return GroupValues(group, Series(group.frame.rows_, group.frame.columns[0][1]))


frames.FRAME_RULES.update(matched=matched, matching=select, mask=Matched)
