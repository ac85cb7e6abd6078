"""The rules of pandas and scikit-learn by full dotted name, and NumPy's for columns of frames."""

from __future__ import annotations

import datetime

from lester_duck.lift import (
    calls,
    instances,
    pandas_across,
    pandas_aggregates,
    pandas_arrays,
    pandas_bins,
    pandas_broadcast,
    pandas_categories,
    pandas_cells,
    pandas_codes,
    pandas_columns,
    pandas_correlated,
    pandas_duplicates,
    pandas_fills,
    pandas_frames,
    pandas_frequent,
    pandas_functions,
    pandas_gaps,
    pandas_group,
    pandas_group_loops,
    pandas_group_records,
    pandas_group_rows,
    pandas_index,
    pandas_join,
    pandas_keyed_sets,
    pandas_labels,
    pandas_loc,
    pandas_lookups,
    pandas_matches,
    pandas_methods,
    pandas_moments,
    pandas_named,
    pandas_outer,
    pandas_picks,
    pandas_quantiles,
    pandas_query,
    pandas_read,
    pandas_rolling,
    pandas_select,
    pandas_shape,
    pandas_stacked,
    pandas_text,
    pandas_transforms,
    pandas_ufuncs,
    pandas_wide,
    pandas_windows,
    pandas_write,
    sklearn_encoders,
    sklearn_splits,
)  # fmt: skip
from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.values import Refused, Value

_UNITS = {"D": "days", "h": "hours", "H": "hours", "m": "minutes", "min": "minutes", "s": "seconds", "W": "weeks"}


def timedelta(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``pd.Timedelta(days=3)`` and ``pd.Timedelta(3, "D")``."""
    given = {k: frames.constant(m, x) for k, x in kwargs.items() if k != "unit"}
    if args:
        unit = args[1] if len(args) > 1 else kwargs.get("unit")
        if isinstance(args[0], str) and unit is None and args[0].split()[0].isdigit() and len(args[0].split()) == 2:
            number, word = args[0].split()
            return datetime.timedelta(**{word if word.endswith("s") else f"{word}s": int(number)})
        if unit not in _UNITS or type(args[0]) not in (int, float):
            raise Refused("Timedelta of this", "pd.Timedelta(days=n)")
        given = {_UNITS[unit]: args[0]}
    return datetime.timedelta(**given)


def timedelta64(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``np.timedelta64(1, "h")``, to divide by; here a letter has one meaning: M is a month."""
    if len(args) != 2 or kwargs or type(args[0]) is not int or args[1] not in _NUMPY_UNITS:
        raise Refused("timedelta64 of this", 'np.timedelta64(1, "h")')
    return datetime.timedelta(**{_NUMPY_UNITS[args[1]]: args[0]})


_NUMPY_UNITS = {"D": "days", "h": "hours", "m": "minutes", "s": "seconds", "W": "weeks", "ms": "milliseconds"}


def timestamp(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``pd.Timestamp("2021-04-01")``, ``pd.Timestamp(year, month, day)``."""
    if 3 <= len(args) <= 6 and not kwargs and not all(v.is_const(a) for a in args):
        return calls.call(m, v.Lib("datetime.datetime"), args, {})
    given = [frames.constant(m, a) for a in args]
    if len(given) == 1 and isinstance(given[0], str) and not kwargs:
        try:
            return datetime.datetime.fromisoformat(given[0])
        except ValueError:
            raise Refused(f"Timestamp({given[0]!r})", "YYYY-MM-DD") from None
    parts = {k: frames.constant(m, x) for k, x in kwargs.items()}
    return datetime.datetime(*given, **parts)


def missing(absent: bool) -> frames.SeriesRule:
    """``pd.isna(x)`` of a column, or of one value of a row."""

    def rule(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
        held = m.content(args[0])
        if isinstance(held, v.Foreign):
            return held.method(m, args[0], "isna" if absent else "notna", [], {})
        if isinstance(held, v.Sym):
            if not held.null:
                return not absent
            form = "_1 IS NULL" if absent else "_1 IS NOT NULL"
            return v.Sym(pandas_text.sql(form, held.sql), "bool")
        return (held is None or held != held) is absent

    return rule


def _positions(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    found = pandas_select.span(m, args, kwargs)
    return pandas_select.positions(m, args, kwargs) if found is v.MISSING else found


def _range(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    found = pandas_select.span(m, args, kwargs)
    return pandas_cells.numbers(m, args) if found is v.MISSING and not kwargs else found


RULES: dict[str, frames.SeriesRule] = {
    "pandas.read_csv": pandas_read.read_csv,
    "pandas.read_table": lambda m, a, k: pandas_read.read_csv(m, a, {"sep": "\t", **k}),
    "pandas.DataFrame": pandas_read.frame_of,
    "pandas.DataFrame.from_records": pandas_read.frame_of,
    "pandas.Series": pandas_read.series_of,
    "pandas.merge": pandas_join.merge,
    "pandas.concat": pandas_shape.concat,
    "pandas.factorize": pandas_codes.factorize,
    "pandas.get_dummies": pandas_shape.get_dummies,
    "pandas.Categorical": pandas_codes.categorical,
    "pandas.crosstab": pandas_wide.crosstab,
    "pandas.cut": pandas_bins.cut,
    "pandas.qcut": pandas_bins.qcut,
    "pandas.to_datetime": pandas_moments.to_datetime,
    "pandas.to_numeric": pandas_moments.to_numeric,
    "pandas.isna": missing(True),
    "pandas.isnull": missing(True),
    "pandas.notna": missing(False),
    "pandas.notnull": missing(False),
    "pandas.Timedelta": timedelta,
    "pandas.Timestamp": timestamp,
    "numpy.where": pandas_shape.where,
    "numpy.select": pandas_shape.select,
    "numpy.arange": _positions,
    "numpy.timedelta64": timedelta64,
    "builtins.range": _range,
    **instances.RULES,
    "numpy.hstack": pandas_shape.stack,
    "numpy.column_stack": pandas_shape.stack,
    "numpy.c_": pandas_shape.stack,
    "scipy.sparse.hstack": pandas_shape.stack,
    **{f"numpy.{n}": pandas_shape.method_of(n) for n in ("mean", "median", "std", "var", "min", "max", "sum", "round",
                                                         "clip")},
    **pandas_ufuncs.RULES,
    **pandas_arrays.RULES,
    **pandas_broadcast.RULES,
    **pandas_categories.RULES,
    **sklearn_encoders.RULES,
    **sklearn_splits.RULES,
}  # fmt: skip


def install() -> None:
    """Make the rules known to calls."""
    if RULES not in calls.LIBRARIES:
        calls.LIBRARIES.append(RULES)


__all__ = [
    "RULES",
    "pandas_across",
    "pandas_aggregates",
    "pandas_arrays",
    "pandas_columns",
    "pandas_correlated",
    "pandas_duplicates",
    "pandas_fills",
    "pandas_frames",
    "pandas_frequent",
    "pandas_functions",
    "pandas_gaps",
    "pandas_group",
    "pandas_group_loops",
    "pandas_group_records",
    "pandas_group_rows",
    "pandas_index",
    "pandas_keyed_sets",
    "pandas_labels",
    "pandas_loc",
    "pandas_lookups",
    "pandas_matches",
    "pandas_methods",
    "pandas_named",
    "pandas_outer",
    "pandas_picks",
    "pandas_quantiles",
    "pandas_query",
    "pandas_rolling",
    "pandas_stacked",
    "pandas_transforms",
    "pandas_windows",
    "pandas_write",
]
