"""``rolling`` and ``expanding``: aggregates over the rows up to each row."""

from __future__ import annotations

from sqlglot import exp

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_group as groups
from lester_duck.lift import pandas_series as series_rules
from lester_duck.lift import pandas_windows as windows
from lester_duck.lift import sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Accessor, Frame, Series, options
from lester_duck.lift.pandas_group import WINDOWS
from lester_duck.lift.pandas_windows import plain, position, window
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Refused, Sym, Value


def _rolling(m: Machine, frame: Frame, sym: Sym, keys: list[Sym], args: list, kwargs: dict) -> Value:
    chosen = options(kwargs, args, ("window", "min_periods"), "rolling", min_periods=None)
    size = chosen["window"]
    if type(size) is not int:
        raise Refused("rolling over a span of time", "rolling(n)")
    needed = size if chosen["min_periods"] is None else chosen["min_periods"]
    return Accessor(Series(frame.rows_, sym), "rolling", ROLLING, (("frame", frame), ("keys", keys), ("size", size),
                                                                  ("needed", needed)))  # fmt: skip


def _expanding(m: Machine, frame: Frame, sym: Sym, keys: list[Sym], args: list, kwargs: dict) -> Value:
    needed = options(kwargs, args, ("min_periods",), "expanding", min_periods=1)["min_periods"]
    extra = (("frame", frame), ("keys", keys), ("size", None), ("needed", needed))
    return Accessor(Series(frame.rows_, sym), "expanding", ROLLING, extra)


def _group_rolling(m: Machine, group: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    raise Refused("rolling per group, whose index is another", "transform, or shift and a mean")


def _rolled(kind: str) -> frames.SeriesRule:
    def rule(m: Machine, rolling: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
        said = dict(rolling.extra)
        sym, frame = rolling.of.sym, said["frame"]
        number = series_rules.number(sym)
        first = "UNBOUNDED" if said["size"] is None else said["size"] - 1
        preceding = f"ROWS BETWEEN {first} PRECEDING AND CURRENT ROW"
        tree = window(sql(WINDOWS[kind], number), said["keys"], [position(frame)], preceding)
        held = window(sql("count(_1)", number), said["keys"], [position(frame)], preceding)
        made = sqlx.case(sql("_1 >= _2", held, sqlx.literal(max(said["needed"], 1))), sql("CAST(_1 AS DOUBLE)", tree),
                         exp.null())  # fmt: skip
        return Series(frame.rows_, Sym(made, "float", null=True, nan=True, name=sym.name))

    return rule


ROLLING = {kind: _rolled(kind) for kind in ("mean", "sum", "min", "max", "std", "median", "count")}


def _series_expanding(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    frame, sym = plain(m, series)
    return _expanding(m, frame, sym, [], args, kwargs)


def _series_rolling(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    frame, sym = plain(m, series)
    return _rolling(m, frame, sym, [], args, kwargs)


windows.ROLLED.update(rolling=_rolling, expanding=_expanding)
groups.GROUPED["rolling"] = _group_rolling
frames.SERIES_METHODS.update(rolling=_series_rolling, expanding=_series_expanding)
