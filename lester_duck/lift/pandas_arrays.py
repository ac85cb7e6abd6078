"""Columns taken out of their frame as NumPy arrays: matched by position, with NumPy's aggregates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Frame, Rows, Series
from lester_duck.lift.relations import Join, Relation
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Refused, Value


def unlabelled(m: Machine, value: Value) -> Value:
    """``.values``, ``.to_numpy()``, ``np.asarray(x)`` of a series or frame."""
    content = m.content(value)
    made = replace(content, what_rows=replace(content.rows_, array=True))
    return m.new(made) if isinstance(made, Frame) else made


def by_position(m: Machine, target: Rows, source: Rows) -> Rows:
    """The rows of an array as rows with the target's labels; raises Refused unless they are the same rows."""
    same = source.part == target.part and (
        _unordered(target.rel, source, target) or _unordered(source.rel, target, source)
    )
    if not same:
        raise Refused("an array beside rows in another order or number", "a column of the frame, or a merge by key")
    return replace(source, labels=target.labels, array=target.array)


def _unordered(top: Relation, lower: Rows, upper: Rows) -> bool:
    """Whether the upper rows are all of the lower ones, in their order."""
    chain = frames.between(top, lower.rel)
    if chain is None:
        return False
    if not chain:
        return _chosen(lower) == _chosen(upper)
    first, *later = [rel.query for rel in chain]
    if _chosen(lower) != (_texts(first.where), _multiplied(first.joins)) or any(_chosen(upper)):
        return False
    further = any(q.where or _multiplied(q.joins) for q in later)
    return not further and not any(rel.query.order for rel in chain)


def _chosen(rows: Rows) -> tuple[set[str], set[str]]:
    """What makes the rows others than those of their relation: conditions, and joins with several matches."""
    return _texts(rows.where), _multiplied(rows.joins)


def _multiplied(joins: Iterable[Join]) -> set[str]:
    return {j.alias for j in joins if j.always}


def _texts(conditions: Iterable[sqlx.Tree]) -> set[str]:
    return {sqlx.text(c) for c in conditions}


def known(m: Machine, series: Series, what: str) -> Series:
    """The series with its missing values excluded by a check: in an array each would make the aggregate NaN."""
    if series.rows_.array and series.sym.null:
        fails = sql("_1 IS NULL", series.sym.sql)
        frames.owe(m, series.rows_, fails, f"a missing value in an array whose {what} is taken, which would be NaN")
    return series


def plain(series: Series) -> Series:
    """The series with pandas' aggregates: missing values are left out."""
    return replace(series, what_rows=replace(series.rows_, array=False))


def ignoring(name: str) -> frames.SeriesRule:
    """``np.nanmean(x)`` and its like."""

    def rule(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
        held = m.content(args[0]) if args else None
        if not isinstance(held, Series):
            return v.MISSING
        given = {"ddof": 0, **kwargs} if name in ("std", "var") else kwargs
        return frames.SERIES_METHODS[name](m, plain(held), list(args[1:]), given)

    return rule


def quantile(percent: bool, missing_too: bool) -> frames.SeriesRule:
    """``np.quantile(x, q)``, ``np.nanpercentile(x, p)``: one level, by linear interpolation."""

    def rule(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
        held = m.content(args[0]) if args else None
        if not isinstance(held, Series):
            return v.MISSING
        level = args[1] if len(args) == 2 and not kwargs else None
        if not isinstance(level, int | float):
            raise Refused("a quantile of NumPy with these parameters", "np.quantile(x, 0.9)")
        series = plain(held if missing_too else known(m, replace(held, what_rows=as_array(held.rows_)), "quantile"))
        return frames.SERIES_METHODS["quantile"](m, series, [level / 100 if percent else float(level)], {})

    return rule


def as_array(rows: Rows) -> Rows:
    """The rows without their labels."""
    return replace(rows, array=True)


def made_array(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``np.array(s)``, ``np.asarray(df)``."""
    held = m.content(args[0]) if len(args) == 1 and not set(kwargs) - {"dtype"} else None
    if not isinstance(held, Series | Frame):
        return v.MISSING
    made = unlabelled(m, args[0])
    if kwargs.get("dtype") is None:
        return made
    rules = frames.FRAME_METHODS if isinstance(held, Frame) else frames.SERIES_METHODS
    given = ([made, m.content(made)] if isinstance(held, Frame) else [made])  # fmt: skip
    return rules["astype"](m, *given, [kwargs["dtype"]], {})


RULES: dict[str, frames.SeriesRule] = {
    "numpy.array": made_array,
    "numpy.asarray": made_array,
    **{f"numpy.nan{name}": ignoring(name) for name in ("mean", "median", "std", "var", "min", "max", "sum")},
    "numpy.quantile": quantile(False, False),
    "numpy.percentile": quantile(True, False),
    "numpy.nanquantile": quantile(False, True),
    "numpy.nanpercentile": quantile(True, True),
}

frames.FRAME_RULES["by position"] = by_position
frames.FRAME_RULES["known"] = known
frames.FRAME_RULES["array"] = unlabelled
frames.SERIES_ATTRIBUTES["values"] = unlabelled
frames.SERIES_METHODS["to_numpy"] = lambda m, series, args, kwargs: unlabelled(m, series)
frames.FRAME_ATTRIBUTES["values"] = lambda m, ref, frame: unlabelled(m, ref)
