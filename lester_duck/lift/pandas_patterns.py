"""Regular expressions on columns of texts, said for DuckDB (RE2) where they mean the same."""

from __future__ import annotations

import re

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import regex, sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_objects import Series
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Refused


def pattern_of(m: Machine, series: Series, pattern: str, ignore_case: bool = False, kept: bool = False) -> str:
    """The pattern for RE2, with checks of the texts it is asked of; ``kept``: what matches is cut out or counted.

    Raises Refused for what RE2 lacks.
    """
    try:
        compiled = re.compile(pattern, re.IGNORECASE if ignore_case else 0)
        said = regex.re2(compiled, loose=True)
    except re.error as error:
        raise Refused(f"the script would fail here: {error}") from None
    except regex.Different:
        nearest = "one without look-around, flags or back references"
        raise Refused(f"the regular expression {pattern!r}", nearest) from None
    bare = re.sub(r"\\\\", "", pattern)
    if r"\b" in bare or r"\B" in bare:
        beyond = sql("regexp_matches(_1, _2)", series.sym.sql, sqlx.literal(r"[^\x{0}-\x{7f}]"))
        message = "a character beyond ASCII, where the edges of words are asked for"
        frames.owe(m, series.rows_, sql("coalesce(_1, FALSE)", beyond), message)
    if kept and "$" in bare:
        ends = sql("coalesce(ends_with(_1, _2), FALSE)", series.sym.sql, sqlx.literal("\n"))
        frames.owe(m, series.rows_, ends, "a line end at the end of a text, where $ is asked for")
    return said
