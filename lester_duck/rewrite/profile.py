"""What a model is told about the data: shapes, types and names, never rows unless asked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

import numpy as np

from lester_duck.rewrite.decode import Frame, Opaque, Record
from lester_duck.rewrite.harvest import Constants, parse
from lester_duck.rewrite.inputs import delimiter_of
from lester_duck.rewrite.observation import Observation, shape

MAX_LINES = 5_000
MAX_VARIABLES = 80
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def profile(observation: Observation, script: str, *, rows: int = 0) -> str:
    """A text that describes one run. ``rows`` is the number of sample lines per file, 0 for none."""
    words = frozenset(_WORD.findall(script))
    parts = ["Files read:"]
    for path in (*observation.reads, *observation.rereads):
        parts.extend(_file(observation, path, words, rows))
    parts.append("Files written: " + (", ".join(observation.writes) or "none"))
    parts.append("Calls of estimators:")
    parts.extend(dict.fromkeys(_calls(observation)))
    parts.append("Module variables after the line given:")
    parts.extend(list(dict.fromkeys(_variables(observation, words)))[:MAX_VARIABLES])
    return "\n".join(parts)


def _file(observation: Observation, path: str, words: frozenset[str], rows: int) -> Iterator[str]:
    text = observation.text(path)
    if text is None or "\0" in text:
        yield f"- {path}: not text"
        return
    lines = text.splitlines()
    delimiter = delimiter_of(lines) if lines else ""
    end = "CR LF" if "\r\n" in text else "LF"
    yield f"- {path}: {len(lines)} lines (end {end}), delimiter {delimiter!r}"
    if delimiter:
        table = [line.split(delimiter) for line in lines[:MAX_LINES]]
        header = _header(table, words)
        regular = [row for row in table[bool(header) :] if len(row) == len(table[0])]
        for number, column in enumerate(zip(*regular, strict=True)):
            name = f" '{header[number]}'" if header else ""
            yield f"  - field {number}{name}: {describe(column)}"
        yield f"  - first line is {'a header' if header else 'data'}"
    for line in lines[:rows]:
        yield f"  - sample: {line}"


def _header(table: Sequence[Sequence[str]], words: frozenset[str]) -> list[str]:
    """The first line, when it holds names the script knows and no field of it recurs below it."""
    first = [field.strip().strip('"') for field in table[0]]
    named = sum(field in words for field in first)
    recurs = any(row[n] == field for row in table[1:] for n, field in enumerate(table[0]) if n < len(row))
    if recurs or named * 2 < len(first) or len(set(first)) < len(first):
        return []
    return first if all(_WORD.fullmatch(field) for field in first) else []


def describe(values: Sequence[str]) -> str:
    """Kind of a column of text: no value of it is shown.

    >>> describe(["1", "22", ""])
    'integers of 1 to 2 characters, 1 blank, 2 distinct'
    """
    filled = [v for v in values if v.strip()]
    if not filled:
        return "always blank"
    form = parse(filled[0].strip(), (*Constants().formats, "%d %b %Y %H:%M:%S", "%d/%m/%Y", "%d.%m.%Y"))
    if all(re.fullmatch(r"\s*[+-]?\d+\s*", v) for v in filled):
        kind = "integers"
    elif all(re.fullmatch(r"\s*[+-]?\d*\.?\d+(e[+-]?\d+)?\s*", v, re.IGNORECASE) for v in filled):
        kind = "decimals"
    elif form and all(parse(v.strip(), (form[1],)) for v in filled):
        kind = f"dates {form[1]}"
    else:
        kind = "texts"
    lengths = [len(v) for v in filled]
    blank = f", {len(values) - len(filled)} blank" if len(filled) < len(values) else ""
    return f"{kind} of {min(lengths)} to {max(lengths)} characters{blank}, {len(set(filled))} distinct"


def _calls(observation: Observation) -> Iterator[str]:
    for call in observation.calls:
        x, y = shape(observation.value(call.x)), shape(observation.value(call.y))
        given = f"X {x}" + (f", y {y}" if y else "")
        yield f"- line {call.line}: {call.estimator}.{call.method}({given})"


def _variables(observation: Observation, words: frozenset[str]) -> Iterator[str]:
    known: dict[str, int] = {}
    for snapshot in observation.snapshots:
        if known.get(snapshot.variable) == snapshot.value:
            continue  # as it was
        known[snapshot.variable] = snapshot.value
        value = observation.value(snapshot.value)
        if not isinstance(value, Opaque) and snapshot.last not in observation.repeated:
            yield f"- line {snapshot.last}: {snapshot.variable}: {sketch(value, words)}"


def sketch(value: Any, words: frozenset[str] = frozenset()) -> str:
    """The type of a value and of its parts; keys of a dict are shown only when the script names them.

    >>> sketch({"x@y.org": {"bank": "a", "n": 1}}, frozenset({"bank", "n"}))
    'dict of 1: text -> {bank: text, n: int}'
    """
    if isinstance(value, Record):
        value = dict(value.fields)
    if isinstance(value, dict):
        if value and all(isinstance(k, str) and k in words for k in value):
            return "{" + ", ".join(f"{k}: {sketch(v, words)}" for k, v in value.items()) + "}"
        inner = f": {_first(value, words)} -> {_first(value.values(), words)}" if value else ""
        return f"dict of {len(value)}{inner}"
    if isinstance(value, Frame):
        kinds = [f"{n}: {_first(c, words)}" for n, c in zip(value.names, value.columns, strict=True)]
        return f"frame of {len(value.columns[0]) if value.columns else 0} rows ({', '.join(kinds)})"
    if isinstance(value, np.ndarray):
        return f"array {value.shape} of {value.dtype}"
    if isinstance(value, tuple) and len(value) <= 12:
        return "(" + ", ".join(sketch(v, words) for v in value) + ")"
    if isinstance(value, list | tuple | frozenset):
        kind = "set" if isinstance(value, frozenset) else "list"
        return f"{kind} of {len(value)}" + (f": {_first(value, words)}" if value else "")
    return _scalar(value)


def _first(values: Any, words: frozenset[str]) -> str:
    return next((sketch(v, words) for v in values if v is not None), "None")


def _scalar(value: Any) -> str:
    names = {str: "text", datetime: "datetime", date: "date"}
    return "None" if value is None else names.get(type(value), type(value).__name__)
