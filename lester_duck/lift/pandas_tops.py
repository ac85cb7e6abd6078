"""Lines that ``read_csv`` leaves out: the first ones (``skiprows=2``), and comments."""

from __future__ import annotations

import io

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_objects import Rows
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Refused, Sym, Value


def skipped(text: io.StringIO, path: str, rows: Value, comment: Value) -> int:
    """How many lines stand before the header, or the first row; ``text`` stands there afterwards.

    >>> skipped(io.StringIO("# made by hand\\na;b\\n1;2\\n"), "x.csv", None, "#")
    1
    """
    if rows is not None and (type(rows) is not int or rows < 0):
        raise Refused("read_csv with skiprows= that is no number of lines", "skiprows=2")
    if comment is not None and (not isinstance(comment, str) or len(comment) != 1):
        raise Refused("read_csv with comment= that is no character", 'comment="#"')
    count = rows or 0
    for _ in range(count):
        text.readline()
    place = text.tell()
    while comment and text.readline().startswith(comment):
        count, place = count + 1, text.tell()
    text.seek(place)
    if comment and any(comment in line for line in text):
        raise Refused(f"comments in {path} after the first rows", "comments before the header only")
    text.seek(place)
    return count


def owe_no_comment(m: Machine, rows: Rows, raw: Sym, comment: Value) -> None:
    """No cell holds the sign of a comment: the rest of its line would not be read."""
    if comment:
        said = f"a comment ({comment}) after the first lines"
        frames.owe(m, rows, sql("coalesce(contains(_1, _2), FALSE)", raw.sql, sqlx.literal(comment)), said)
