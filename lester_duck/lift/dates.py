"""Dates and times: parsing with Python's strictness, parts, durations."""

from __future__ import annotations

import _strptime
import re

from lester_duck.lift import classes, datetexts, scalars, sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Refused, Sym, Value

_DIRECTIVES = {
    "d": r"(?:3[01]|[12][0-9]|0[1-9]|[1-9]| [1-9])",
    "m": r"(?:1[0-2]|0[1-9]|[1-9])",
    "Y": r"[0-9]{4}",
    "y": r"[0-9]{2}",
    "H": r"(?:2[0-3]|[0-1][0-9]|[0-9])",
    "M": r"(?:[0-5][0-9]|[0-9])",
    "S": r"(?:[0-5][0-9]|[0-9])",
    "b": r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)",
}


def strptime_pattern(form: str) -> str:
    """The texts that ``datetime.strptime`` reads with a format, as a regular expression (case apart).

    Raises Refused for directives outside the common ones.

    >>> strptime_pattern("%Y-%m")
    '[0-9]{4}-(?:1[0-2]|0[1-9]|[1-9])'
    """
    pattern, position = "", 0
    while position < len(form):
        c = form[position]
        if c == "%":
            directive = form[position + 1 : position + 2]
            if directive not in _DIRECTIVES:
                raise Refused(f"the time format %{directive}")
            pattern += _DIRECTIVES[directive]
            position += 2
        elif c.isspace():
            pattern += r"\s+"
            position += 1
        else:
            pattern += re.escape(c) if not c.isalnum() and c not in "-/:,_" else c
            position += 1
    return pattern


def strptime(m: Machine, text: Sym, form: Value) -> Sym:
    """``datetime.strptime(text, form)``; raises ValueError where Python does, NULL there."""
    if not isinstance(form, str):
        raise Refused("a time format that depends on rows")
    _strptime.TimeRE().compile(form)
    datetexts.parsed(m, text, form)
    pattern = strptime_pattern(form)
    plain = scalars.whole(text).sql
    value = sql("try_strptime(_1, _2)", plain, sqlx.literal(form))
    bad = sql("NOT regexp_full_match(_1, _2, 'i') OR coalesce(year(_3), 0) < 1", plain, sqlx.literal(pattern), value)
    m.raise_if(bad, "ValueError", f"a time that is not of the form {form}")
    return Sym(value, "datetime", name=text.name)


def fromisoformat(m: Machine, text: Sym, kind: str) -> Sym:
    """``date.fromisoformat`` and the common forms of ``datetime.fromisoformat``."""
    plain = scalars.whole(text).sql
    if kind == "date":
        value = sql("py_date(_1)", plain)
    else:
        value = sql("py_datetime(_1)", plain)
    m.raise_if(sql("_1 IS NULL", value), "ValueError", "a date that is not in ISO form")
    return Sym(value, kind, name=text.name)


_PARTS = {part: f"{part}(_1)" for part in ("year", "month", "day", "hour", "minute", "second")}


def attribute(m: Machine, value: Sym, name: str) -> Value:
    """``.year``, ``.days`` ... of a date, time or duration."""
    if value.null:
        m.raise_if(sql("_1 IS NULL", value.sql), "AttributeError", f".{name} of None")
    if value.type in ("date", "datetime") and name in _PARTS:
        return Sym(sql(_PARTS[name], value.sql), "int", name=name)
    if value.type == "days" and name == "days":
        return Sym(value.sql, "int", name="days")
    if value.type == "timedelta" and name == "days":
        return Sym(sql("py_floordiv(_1, 86400000000)", value.sql), "int", name="days")
    if value.type == "timedelta" and name == "seconds":
        return Sym(sql("py_mod(_1, 86400000000) // 1000000", value.sql), "int", name="seconds")
    raise Refused(f"the attribute .{name} of a {value.type}")


def method(m: Machine, value: Sym, name: str, args: list[Value]) -> Value:
    """``.date()``, ``.isoformat()``, ``.weekday()``, ``.strftime()``, ``.total_seconds()``."""
    if value.null:
        m.raise_if(sql("_1 IS NULL", value.sql), "AttributeError", f".{name}() of None")
    if name == "total_seconds" and value.type in ("timedelta", "days"):
        return scalars.seconds(value)
    if value.type == "datetime" and name == "date" and not args:
        return Sym(sql("CAST(_1 AS DATE)", value.sql), "date", name=value.name)
    if value.type in ("date", "datetime") and name == "weekday":
        return Sym(sql("isodow(_1) - 1", value.sql), "int", name=name)
    if value.type in ("date", "datetime") and name == "isoweekday":
        return Sym(sql("isodow(_1)", value.sql), "int", name=name)
    if value.type in ("date", "datetime") and name == "isocalendar" and not args:
        return _week_of(m, value)
    if value.type == "date" and name == "isoformat":
        return Sym(sql("CAST(_1 AS VARCHAR)", value.sql), "str", name=value.name)
    if value.type == "datetime" and name == "isoformat" and not args:
        return Sym(sql("py_isoformat(_1)", value.sql), "str", name=value.name)
    if value.type in ("date", "datetime") and name == "strftime" and len(args) == 1:
        return strftime(m, value, args[0])
    raise Refused(f"the method .{name}() of a {value.type}")


def _week_of(m: Machine, value: Sym) -> Value:
    """``value.isocalendar()``: year, week and weekday as ISO 8601 counts them."""
    parts = {"year": "isoyear(_1)", "week": "weekofyear(_1)", "weekday": "isodow(_1)"}
    made = classes.Class("IsoCalendarDate", (), tuple((n, None) for n in parts), True)
    said = [Sym(sql(f"CAST({template} AS BIGINT)", value.sql), "int", name=n) for n, template in parts.items()]
    return made.call(m, list(said), {})


_WRITTEN = frozenset("YmdHMSyjbaBApIwUWVGuf%")


def strftime(m: Machine, value: Sym, form: Value) -> Sym:
    """``value.strftime(form)`` with directives that DuckDB writes as Python does, English names of days and months."""
    if not isinstance(form, str):
        raise Refused("a time format that depends on rows")
    directives = re.findall(r"%(.?)", form, re.DOTALL)
    unknown = [d for d in directives if d not in _WRITTEN or not d]
    if unknown:
        raise Refused(f"the time format %{unknown[0]}")
    if {"Y", "G"} & set(directives):
        m.oblige(sql("year(_1) < 1001", value.sql), "a year of less than four digits written as text")
    return Sym(sql("strftime(_1, _2)", value.sql, sqlx.literal(form)), "str", name=value.name)


def construct(m: Machine, kind: str, args: list[Value]) -> Value:
    """``date(y, m, d)`` and ``datetime(y, m, d, ...)`` with parts that depend on rows."""
    if not 3 <= len(args) <= (3 if kind == "date" else 6):
        raise Refused(f"a {kind} made from these parts", "datetime(year, month, day, hour, minute, second)")
    given = [scalars.scalar(a) for a in args]
    if any(a.type not in ("int", "bool") for a in given):
        raise Refused(f"a {kind} made from parts that are no whole numbers", "int(part)")
    parts = [scalars.number(m, a) for a in given]
    if kind == "date":
        value = sql("py_date_of(_1, _2, _3)", *parts)
    else:
        parts += [sqlx.literal(0)] * (6 - len(parts))
        value = sql("py_datetime_of(_1, _2, _3, _4, _5, _6)", *parts)
    m.raise_if(sql("_1 IS NULL", value), "ValueError", f"parts that are no {kind}")
    return Sym(value, kind)
