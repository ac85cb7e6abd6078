"""``ffill`` and ``bfill``: missing values from the last known one before, or the first after, within a limit."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Accessor, Frame, Series, options
from lester_duck.lift.pandas_group import GROUPED, columns_of, part
from lester_duck.lift.pandas_windows import known_keys, plain, position, ready, window
from lester_duck.lift.values import Refused, Sym, Value


def filled(frame: Frame, sym: Sym, keys: list[Sym], backward: bool = False, limit: int | None = None) -> Series:
    """A column with what is missing taken from the rows before or after, at most ``limit`` rows away."""
    if not sym.null and not any(k.null for k in keys):
        return Series(frame.rows_, sym)
    reach = "UNBOUNDED" if limit is None else limit
    if backward:
        function: exp.Expression = exp.FirstValue(this=sym.sql.copy())
        span = f"ROWS BETWEEN CURRENT ROW AND {reach} FOLLOWING"
    else:
        function = exp.LastValue(this=sym.sql.copy())
        span = f"ROWS BETWEEN {reach} PRECEDING AND CURRENT ROW"
    tree = window(exp.IgnoreNulls(this=function), keys, [position(frame)], span)
    return Series(frame.rows_, replace(sym, sql=known_keys(keys, tree), null=True, parts=(), choices=()))


def _limit(args: list[Value], kwargs: dict[str, Value], name: str) -> int | None:
    chosen = options(kwargs, args, (), name, limit=None, inplace=False)
    limit = chosen["limit"]
    if chosen["inplace"] is not False or not (limit is None or (type(limit) is int and limit > 0)):
        raise Refused(f"{name} with these parameters", f"{name}(limit=n)")
    return limit


def _of_group(name: str) -> frames.SeriesRule:
    def rule(m: Machine, group: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
        column, limit = columns_of(group)[0], _limit(args, kwargs, name)
        frame = ready(m, group, [column])
        keys = frames.syms(frame, part(group, "keys"))
        return filled(frame, frames.syms(frame, [column])[0], keys, name == "bfill", limit)

    return rule


def _of_series(name: str) -> frames.SeriesRule:
    def rule(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
        limit = _limit(args, kwargs, name)
        frame, sym = plain(m, series)
        return filled(frame, sym, [], name == "bfill", limit)

    return rule


GROUPED.update({name: _of_group(name) for name in ("ffill", "bfill")})
frames.SERIES_METHODS.update({name: _of_series(name) for name in ("ffill", "bfill")})
