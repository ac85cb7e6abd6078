"""``json.load(file)`` of settings and tables: a constant, and a check that the file still says it."""

from __future__ import annotations

import io
import json
from typing import Any

from sqlglot import exp

from lester_duck.lift import concrete, files, once, sqlx, texts
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import FileRel, Query, Relation
from lester_duck.lift.sqlx import sql
from lester_duck.lift.state import Obligation
from lester_duck.lift.values import MISSING, Refused, Value

_MOST = 400
"""How many values a file of settings may hold; more of them are data."""
_NEAREST = "one JSON object per line, or a CSV file"


def load(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``json.load(file)``."""
    file = m.content(args[0]) if args else None
    if not isinstance(file, v.HFile) or file.mode != "r" or file.path in m.written or once.is_ended(file) or kwargs:
        raise Refused("json.load of this", "json.load(open(path))")
    view = files.lines_of(m, file)
    once.read_to_end(m, file)
    return _constant(m, view)


def loads(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``json.loads(file.read())``; ``MISSING`` for other texts."""
    text = m.content(args[0]) if args else None
    return _constant(m, text.view) if isinstance(text, texts.WholeText) and not kwargs else MISSING


def relations(m: Machine) -> list[Relation]:
    """The files that were taken as constants: their checks need them as sources."""
    return [rel for known, rel in m.files.items() if isinstance(known, tuple) and known[0] == "constant file"]


def _constant(m: Machine, view: v.View) -> Value:
    rel = view.rel
    if m.frames or not isinstance(rel, FileRel) or rel.skip:
        raise Refused("JSON that is read here", "json.load(open(path)) before the loops")
    text = files.text_of(m.observed.folder / rel.path, rel.encoding)
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Refused(f"the script would fail here: {error}") from None
    records = isinstance(found, list) and any(isinstance(x, dict) for x in found)
    if records or _size(found) > _MOST:
        raise Refused(f"data in {rel.path}, read as one JSON value", _NEAREST)
    rel.whole_lines = True
    m.files["constant file", rel.path] = rel
    lines = exp.Array(expressions=[sqlx.literal(line.rstrip("\n")) for line in io.StringIO(text)])
    number = sql("row_number() OVER (ORDER BY _1)", sqlx.column(rel.token, "_pos"))
    other = sql("coalesce(list_extract(_1, _2) <> _3, TRUE)", lines, number, sqlx.column(rel.token, "line"))
    message = f"{rel.path} says something else than when the script was rewritten"
    m.obligations.append(Obligation(Query(rel.token, rel), (), other, message, m.line))
    return concrete.heap_value(m, found)


def _size(found: Any) -> int:
    if isinstance(found, dict):
        return sum(map(_size, found.values()))
    return sum(map(_size, found)) if isinstance(found, list) else 1
