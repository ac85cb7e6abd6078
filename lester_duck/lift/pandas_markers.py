"""What ``read_csv`` reads as missing: the markers of all columns, and those of one."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_objects import Rows
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Sym, Value

MISSING_TEXTS = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
"""What ``pandas.read_csv`` reads as missing unless told otherwise."""


def everywhere(given: Value, defaults: Value) -> tuple[str, ...]:
    """The markers that hold in every column.

    >>> everywhere({"a": "-"}, False), everywhere(["-", 0], False)
    ((), ('-', '0'))
    """
    more = () if isinstance(given, dict) else _texts(given)
    return tuple(dict.fromkeys([*(() if defaults is False else MISSING_TEXTS), *more]))


def of_column(given: Value, name: str) -> tuple[str, ...]:
    """The markers of one column alone (``na_values={"price": "-"}``)."""
    return _texts(given.get(name)) if isinstance(given, dict) else ()


def _texts(given: Value) -> tuple[str, ...]:
    listed = given if isinstance(given, list | tuple) else [] if given is None else [given]
    return tuple(str(x) for x in listed)


def without(raw: Sym, marks: tuple[str, ...]) -> Sym:
    """A column of texts with its markers as missing values."""
    if not marks:
        return raw
    among = exp.In(this=raw.sql.copy(), expressions=[sqlx.literal(x) for x in marks])
    return replace(raw, sql=sqlx.case(sqlx.negate(among), raw.sql, exp.null()))


def owe_spelled(m: Machine, rows: Rows, sym: Sym, kind: str, given: Value, name: str) -> None:
    """A marker that is a number also means other spellings of it (``-999`` and ``-999.0``): there may be none."""
    numbers = [x for x in of_column(given, name) or everywhere(given, False) if _number(x)]
    if kind in ("int", "float") and numbers:
        other = exp.In(this=sql("py_float(_1)", sym.sql), expressions=[sqlx.literal(float(x)) for x in numbers])
        frames.owe(m, rows, sql("coalesce(_1, FALSE)", other), "a marker of missing values in another spelling")


def _number(text: str) -> bool:
    bare = text.lstrip("+-")
    return bare.replace(".", "", 1).isdigit() and bare.isascii()
