"""``.dt``, ``to_datetime`` and ``to_numeric``."""

from __future__ import annotations

import re
from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import dates, scalars, sqlx
from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_observed as observed
from lester_duck.lift import pandas_series as series_rules
from lester_duck.lift import pandas_whole as whole
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Accessor, Series, options
from lester_duck.lift.pandas_text import changed, text_of
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.values import Refused, Sym, Value

_LIKE_A_DATE = "[0-9]|^(now|today)$|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun"
"""What pandas might read as a date in a form of its own; other texts are missing in any case."""


def to_moment(m: Machine, series: Series, form: str | None, errors: str) -> Series:
    """A text column as moments: ISO texts, or by a format; others are missing under ``errors='coerce'``."""
    sym = series.sym
    if sym.type in ("date", "datetime"):
        tree = series_rules.as_timestamp(sym) if sym.type == "date" else sym.sql
        return replace(series, sym=replace(sym, sql=tree, type="datetime"))
    if sym.type != "str":
        raise Refused(f"to_datetime of a column of {sym.type}")
    parsed, fits = _parsed(sym, form, _iso_form(m, series) if form is None else "")
    if errors == "coerce":
        made = sqlx.case(fits, parsed, exp.null())
        if form is None:
            like = sql("regexp_matches(_1, _2, 'i')", sym.sql, sqlx.literal(_LIKE_A_DATE))
            bad = sql("_1 IS NOT NULL AND NOT _2 AND _3", sym.sql, fits, like)
            frames.owe(m, series.rows_, bad, "a date that is not in ISO form")
        return Series(series.rows_, Sym(made, "datetime", null=True, nan=True, name=sym.name))
    bad = sql("_1 IS NOT NULL AND (NOT _2 OR _3 IS NULL)", sym.sql, fits, parsed)
    frames.owe(m, series.rows_, bad, "a text that is no date of this form")
    return Series(series.rows_, Sym(parsed, "datetime", null=sym.null, nan=True, name=sym.name))


def _parsed(sym: Sym, form: str | None, iso: str) -> tuple[Tree, Tree]:
    """A text as a moment, and whether it has the form: that of ISO dates, ``iso``, unless another is given."""
    if form is None or form in _ISO_FORMS:
        pattern = iso if form is None else _ISO_FORMS[form]
        parsed = sql("TRY_CAST(_1 AS TIMESTAMP)", sym.sql)
    else:
        pattern = dates.strptime_pattern(form)
        parsed = sql("try_strptime(_1, _2)", sym.sql, sqlx.literal(form))
    return parsed, sql("regexp_full_match(_1, _2, 'i')", sym.sql, sqlx.literal(pattern))


def _of_row(m: Machine, sym: Sym, form: Value) -> Sym:
    """``pd.to_datetime(row["day"])``: one text of the loop's row; a missing one stays missing."""
    if sym.type in ("date", "datetime"):
        return sym
    if sym.type != "str" or not (form is None or isinstance(form, str)):
        raise Refused(f"to_datetime of a {sym.type} of a row", "a text")
    parsed, fits = _parsed(sym, form, _ISO)
    bad = sql("_1 IS NOT NULL AND (NOT _2 OR _3 IS NULL)", sym.sql, fits, parsed)
    m.oblige(bad, "a text that is no date of this form")
    return Sym(parsed, "datetime", null=sym.null, nan=True, name=sym.name)


_SECONDS = {"s": 1, "m": 60, "h": 3600, "D": 86400}
_FARTHEST = 9_223_372_036
"""Seconds from 1970 to the last moment that pandas tells in nanoseconds."""


def _since_1970(m: Machine, series: Series, unit: Value) -> Series:
    """``to_datetime(epoch, unit="s")``: whole numbers of seconds since 1970."""
    sym = series.sym
    if sym.type != "int" or unit not in (*_SECONDS, "ms"):
        raise Refused(f"to_datetime with unit={unit!r} of a column of {sym.type}", 'whole numbers, unit="s"')
    per_second = 1000 if unit == "ms" else 1
    most = _FARTHEST * per_second // _SECONDS.get(unit, 1)
    frames.owe(m, series.rows_, sql("abs(_1) > _2", sym.sql, sqlx.literal(most)), "a moment out of range")
    micros = _SECONDS.get(unit, 1) * 1_000_000 // per_second
    made = sql("make_timestamp(_1 * _2)", sym.sql, sqlx.literal(micros))
    return Series(series.rows_, Sym(made, "datetime", nan=True, name=sym.name))


_ISO = "[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?)?"
_ISO_FORMS = {
    "ISO8601": _ISO,
    "%Y-%m-%d": "[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}",
    "%Y-%m-%d %H:%M:%S": "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}",
    "%Y-%m-%dT%H:%M:%S": "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}",
}
"""What is read as ISO dates are, by the format that is given."""


def _iso_form(m: Machine, series: Series) -> str:
    """The pattern of ISO dates; only those as long as the observed ones, where these are all of one length.

    pandas guesses the form of the first text, and the others must have the same one, without a blank after it.
    """
    texts = observed.values_of(m, series, written=False) or ()
    lengths = {len(text) for text in texts}
    if len(lengths) != 1 or not all(re.fullmatch(_ISO, text) for text in texts):
        return _ISO
    return re.sub("[0-9]", "[0-9]", re.sub(r"\d", "0", texts[0])).replace(".", "[.]")


def to_datetime(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``pd.to_datetime(series or text, format=..., errors=...)``."""
    chosen = options(kwargs, args, ("arg", "errors", "dayfirst"), "to_datetime", errors="raise", dayfirst=False,
                     format=None, utc=None, unit=None)  # fmt: skip
    frames.only(chosen, "to_datetime", dayfirst=(False, True), utc=(None, False), errors=("raise", "coerce"))
    content = m.content(chosen["arg"])
    if isinstance(content, str):
        return series_rules.moment(content)
    if isinstance(content, Sym) and m.frames and not chosen["dayfirst"] and chosen["unit"] is None:
        if chosen["errors"] == "coerce":
            raise Refused("to_datetime of a row's text with errors='coerce'", "the column, before the loop")
        return _of_row(m, content, chosen["format"])
    if isinstance(content, Series) and chosen["unit"] is not None:
        return _since_1970(m, content, chosen["unit"])
    if isinstance(content, Series):
        form = chosen["format"]
        if form is None and content.sym.type == "str":
            form = _guessed(m, content, chosen["dayfirst"])
            return to_moment(m, content, form, chosen["errors"] if form is None else "raise")
        return to_moment(m, content, form, chosen["errors"])
    raise Refused("to_datetime of this", "a column of texts")


_PARTS_OF_A_DATE = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2\d{4}(?:( |T)\d{1,2}:\d{2}(:\d{2})?)?")


def _guessed(m: Machine, series: Series, dayfirst: bool) -> str | None:
    """The format pandas guesses of dates that are not in ISO form: that of all observed texts.

    It is guessed of the first text; as all of them must fit it (a check says so), the first one does.
    """
    texts = observed.values_of(m, series)
    if texts is None and dayfirst:
        raise Refused("to_datetime with dayfirst=True of texts that are not those of a file", "format=...")
    found = [_PARTS_OF_A_DATE.fullmatch(t) for t in texts or ()]
    if not found or None in found:
        if dayfirst:
            raise Refused("to_datetime with dayfirst=True of texts that are not all of one form", "format=...")
        return None
    first, second = (max(int(f[i]) for f in found) for i in (1, 3))
    if len({(f[2], f[4], f[5] is None) for f in found}) > 1 or (first if not dayfirst else second) > 12:
        raise Refused("to_datetime of texts whose form pandas guesses of the first one", "format=...")
    _, dash, _, between, seconds = found[0].groups()
    day = dash.join(("%d", "%m", "%Y") if dayfirst else ("%m", "%d", "%Y"))
    return day if between is None else f"{day}{between}%H:%M{'' if seconds is None else ':%S'}"


def to_numeric(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``pd.to_numeric(series, errors=...)``."""
    chosen = options(kwargs, args, ("arg", "errors"), "to_numeric", errors="raise")
    frames.only(chosen, "to_numeric", errors=("raise", "coerce"))
    series = m.content(chosen["arg"])
    if not isinstance(series, Series):
        raise Refused("to_numeric of this", "a column")
    if series.sym.type in scalars.NUMERIC:
        return series
    parsed = sql("py_float(_1)", series.sym.sql)
    if chosen["errors"] == "raise":
        bad = sql("_1 IS NOT NULL AND _2 IS NULL", series.sym.sql, parsed)
        frames.owe(m, series.rows_, bad, "a text that is no number")
    made = Sym(parsed, "float", null=True, nan=True, name=series.sym.name)
    other = sql("_1 IS NULL OR py_int(_1) IS NULL", series.sym.sql)
    return Series(series.rows_, whole.unless(m, series.rows_, made, other))


_PARTS = {
    "year": "year(_1)", "month": "month(_1)", "day": "day(_1)", "hour": "hour(_1)", "minute": "minute(_1)",
    "second": "second(_1)", "dayofweek": "isodow(_1) - 1", "day_of_week": "isodow(_1) - 1", "weekday": "isodow(_1) - 1",
    "quarter": "quarter(_1)", "dayofyear": "dayofyear(_1)", "day_of_year": "dayofyear(_1)",
    "days_in_month": "day(last_day(_1))",
}  # fmt: skip


def _of_moments(accessor: Accessor, name: str) -> Series:
    """The column of dates or moments that a rule of ``.dt`` needs."""
    series = text_of(accessor)
    if series.sym.type not in ("date", "datetime"):
        raise Refused(f".dt.{name} of a column of {series.sym.type}")
    return series


def _part(name: str, template: str) -> frames.SeriesRule:
    def rule(m: Machine, accessor: Accessor) -> Value:
        series = _of_moments(accessor, name)
        made = changed(series, sql(template, series.sym.sql), "float" if series.sym.null else "int")
        return _counted(m, made)

    return rule


def _counted(m: Machine, series: Series) -> Series:
    """Whole numbers, unless one is missing."""
    if not series.sym.null:
        return series
    return replace(series, sym=whole.unless(m, series.rows_, series.sym))


def _days(m: Machine, accessor: Accessor) -> Value:
    series = text_of(accessor)
    kind = "float" if series.sym.null else "int"
    if series.sym.type == "days":
        return _counted(m, changed(series, series.sym.sql, kind))
    if series.sym.type != "timedelta":
        raise Refused(f".dt.days of a column of {series.sym.type}")
    tree = sqlx.bare(series.sym.sql)
    days = Sym(sql("py_floordiv(_1, 86400000000)", tree), kind, null=series.sym.null, nan=True, name=series.sym.name)
    return _counted(m, replace(series, sym=days))


def _date(m: Machine, accessor: Accessor) -> Value:
    series = text_of(accessor)
    return changed(series, sql("CAST(_1 AS DATE)", series.sym.sql), "date")


def _normalize(m: Machine, accessor: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    series = text_of(accessor)
    return changed(series, sql("date_trunc('day', _1)", series.sym.sql), "datetime")


_WIDTHS = {
    "s": "SECOND", "sec": "SECOND", "min": "MINUTE", "T": "MINUTE", "h": "HOUR", "H": "HOUR", "D": "DAY",
}  # fmt: skip


def _bucket(up: bool) -> frames.SeriesRule:
    """``.dt.floor("10min")`` and ``.dt.ceil("h")``: multiples of a width, counted from 1970."""

    def rule(m: Machine, accessor: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
        freq = options(kwargs, args, ("freq",), ".dt.floor")["freq"]
        read = re.fullmatch(r"(\d*)([A-Za-z]+)", freq) if isinstance(freq, str) else None
        series = text_of(accessor)
        if read is None or read[2] not in _WIDTHS or series.sym.type not in ("date", "datetime") or read[1] == "0":
            raise Refused(f".dt.floor({freq!r})", '.dt.floor("10min")')
        width = f"INTERVAL '{read[1] or 1}' {_WIDTHS[read[2]]}"
        time = series_rules.as_timestamp(series.sym) if series.sym.type == "date" else series.sym.sql
        tree = sql(f"time_bucket({width}, _1, TIMESTAMP '1970-01-01')", time)
        if up:
            tree = sqlx.case(sql("_1 = _2", tree, time), time, sql(f"_1 + {width}", tree))
        return changed(series, tree, "datetime")

    return rule


def _seconds(m: Machine, accessor: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    series = text_of(accessor)
    if series.sym.type not in ("timedelta", "days"):
        raise Refused(f".dt.total_seconds() of a column of {series.sym.type}")
    made = scalars.seconds(replace(series.sym, null=False))
    return changed(series, made.sql, "float")


def _strftime(m: Machine, accessor: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    form = options(kwargs, args, ("date_format",), ".dt.strftime")["date_format"]
    if not isinstance(form, str) or any(d in form for d in ("%U", "%W", "%c", "%x", "%X", "%Z", "%z", "%G", "%V")):
        raise Refused(f".dt.strftime({form!r})")
    series = text_of(accessor)
    return changed(series, sql("strftime(_1, _2)", series.sym.sql, sqlx.literal(form)))


def _named_part(template: str) -> frames.SeriesRule:
    def rule(m: Machine, accessor: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
        series = text_of(accessor)
        return changed(series, sql(template, series.sym.sql))

    return rule


_ENDS = {
    "is_month_end": "day(_1 + INTERVAL 1 DAY) = 1", "is_month_start": "day(_1) = 1",
    "is_year_start": "dayofyear(_1) = 1", "is_year_end": "dayofyear(_1 + INTERVAL 1 DAY) = 1",
    "is_quarter_start": "day(_1) = 1 AND month(_1) IN (1, 4, 7, 10)",
    "is_quarter_end": "day(_1 + INTERVAL 1 DAY) = 1 AND month(_1) IN (3, 6, 9, 12)",
    "is_leap_year": "day(last_day(make_date(year(_1), 2, 1))) = 29",
}  # fmt: skip


def _end(name: str, template: str) -> frames.SeriesRule:
    """``.dt.is_month_end`` and its like: false of a missing moment."""

    def rule(m: Machine, accessor: Accessor) -> Value:
        series = _of_moments(accessor, name)
        tree = sql(template, series.sym.sql)
        return changed(series, sql("coalesce(_1, FALSE)", tree) if series.sym.null else tree, "bool")

    return rule


def _calendar(m: Machine, accessor: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``.dt.isocalendar()``: the year, week and day of the ISO calendar."""
    if args or kwargs:
        raise Refused(".dt.isocalendar() with parameters")
    parts = (("year", "isoyear(_1)"), ("week", "week(_1)"), ("day", "isodow(_1)"))
    made = [(name, _part(name, template)(m, accessor)) for name, template in parts]
    return m.new(frames.Frame(made[0][1].rows_, tuple((n, s.sym.named(n)) for n, s in made)))


def _dt(m: Machine, series: Series) -> Accessor:
    return Accessor(series, ".dt", MOMENTS)


MOMENTS = {
    **{f"{name}!": _part(name, template) for name, template in _PARTS.items()},
    **{f"{name}!": _end(name, template) for name, template in _ENDS.items()},
    "days!": _days, "date!": _date, "normalize": _normalize, "floor": _bucket(False),
    "ceil": _bucket(True), "total_seconds": _seconds, "strftime": _strftime,
    "day_name": _named_part("dayname(_1)"), "month_name": _named_part("monthname(_1)"),
    "isocalendar": _calendar,
}  # fmt: skip
frames.SERIES_ATTRIBUTES["dt"] = _dt
