"""``interpolate``: missing values on the line between the known ones before and after, by position."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_group as groups
from lester_duck.lift import sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Accessor, Frame, Series
from lester_duck.lift.pandas_windows import WITHIN_METHODS, known_keys, plain, position, ready, window
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.values import Refused, Sym, Value

_DOWN = "ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING"
_UP = "ROWS UNBOUNDED PRECEDING"


@dataclass(frozen=True, slots=True)
class _Way:
    """How many values of a gap are filled, and whether those before the first known value are, too."""

    limit: int | None
    first_too: bool


def _chosen(args: list[Value], kwargs: dict[str, Value]) -> _Way:
    chosen = frames.options(kwargs, args, ("method",), "interpolate", method="linear", limit=None,
                            limit_direction="forward", axis=0)  # fmt: skip
    frames.only(chosen, "interpolate", method=("linear",), limit_direction=("forward", None, "both"), axis=(0,))
    if chosen["limit"] is not None and (type(chosen["limit"]) is not int or chosen["limit"] < 1):
        raise Refused("interpolate with this limit", "limit=2")
    first_too = chosen["limit_direction"] == "both"
    if first_too and chosen["limit"] is not None:
        raise Refused("interpolate with limit= in both directions", 'limit_direction="both" alone')
    return _Way(chosen["limit"], first_too)


def _between(m: Machine, frame: Frame, sym: Sym, keys: list[Sym], way: _Way) -> Series:
    """The column without its gaps; before the first known value it stays missing, or is that one; so after the last."""
    if sym.type not in ("int", "float"):
        raise Refused(f"interpolate of a column of {sym.type}", "a column of numbers")
    number = window(exp.RowNumber(), keys, [position(frame)])
    columns = (("value", sym), ("place", Sym(number, "int", name="place")), *((f"key {i}", k) for i, k in
               enumerate(keys)))  # fmt: skip
    title = f"{frame.rows_.title or frame.rows_.rel.name}_numbered"
    step = frames.closed(m, Frame(frame.rows_, columns), title)
    value, place, *by = frames.syms(step, step.names)
    order = [position(step)]
    there = sqlx.case(sql("_1 IS NOT NULL", value.sql), place.sql, exp.null())

    def over(function: Tree, span: str) -> Tree:
        return window(function, by, order, span)

    before = over(exp.IgnoreNulls(this=exp.LastValue(this=value.sql.copy())), _UP)
    after = over(exp.IgnoreNulls(this=exp.FirstValue(this=value.sql.copy())), _DOWN)
    low, high = over(sql("max(_1)", there), _UP), over(sql("min(_1)", there), _DOWN)
    line = sql("_1 + (_2 - _1) / (_3 - _4) * (_5 - _4)", before, after, high, low, place.sql)
    filled = sqlx.case(sql("_1 IS NULL", after), before, line)
    if way.first_too:
        filled = sqlx.case(sql("_1 IS NULL", before), after, filled)
    if way.limit is not None:
        filled = sqlx.case(sql("_1 - _2 <= _3", place.sql, low, sqlx.literal(way.limit)), filled, exp.null())
    tree = sqlx.case(sql("_1 IS NOT NULL", value.sql), value.sql, filled)
    return Series(step.rows_, Sym(known_keys(by, tree), "float", null=True, nan=True, name=sym.name))


def _grouped(m: Machine, group: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    way = _chosen(args, kwargs)
    name = groups.columns_of(group)[0]
    frame = ready(m, group, [name])
    keys = frames.syms(frame, groups.part(group, "keys"))
    return _between(m, frame, frames.syms(frame, [name])[0], keys, way)


def _interpolate(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    way = _chosen(args, kwargs)
    if not series.sym.null:
        return series
    frame, sym = plain(m, series)
    return _between(m, frame, sym, [], way)


WITHIN_METHODS["interpolate"] = _grouped
frames.SERIES_METHODS["interpolate"] = _interpolate
