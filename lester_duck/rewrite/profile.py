"""What a model is told about the data: shapes, types and names, never rows unless asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from itertools import chain, islice
from typing import Any

import numpy as np

from lester_duck.rewrite.decode import Frame, Opaque, Record, Sparse
from lester_duck.rewrite.observation import Observation, shape
from lester_duck.rewrite.profile_files import Known, describe, known_names, read_file, shown_paths, written_file

__all__ = ["calls", "describe", "paths", "profile", "sketch"]
MAX_VARIABLES = 80
LOOKED_AT = 200
"""Elements of a collection that its sketch is made from."""
MAX_KINDS = 3
LONG = 60


def profile(observation: Observation, script: str, *, rows: int = 0) -> str:
    """A text that describes one run. ``rows`` is the number of sample lines per file, 0 for none."""
    known = known_names(script)
    shown = dict.fromkeys(_paths(observation)) if rows else shown_paths(_paths(observation), script)
    parts = ["Files read:"]
    for path in (*observation.reads, *observation.rereads):
        parts.extend(read_file(shown[path] or path, observation.text(path), known, rows))
    parts.append("Files written:" if observation.writes else "Files written: none")
    parts.extend(written_file(shown[path] or path, observation.text(path), known) for path in observation.writes)
    parts.append("Calls of estimators:")
    parts.extend(dict.fromkeys(calls(observation)))
    parts.append("Module variables after the line given:")
    parts.extend(list(_variables(observation, known))[:MAX_VARIABLES])
    return "\n".join(parts)


def paths(observation: Observation, script: str) -> tuple[tuple[str, str], ...]:
    """Paths that are not shown as they are: what is shown, and the path; for a mask to put back in what comes."""
    shown = shown_paths(_paths(observation), script)
    return tuple((place, path) for path, place in shown.items() if place != path)


def _paths(observation: Observation) -> tuple[str, ...]:
    return (*observation.reads, *observation.rereads, *observation.writes)


def calls(observation: Observation) -> Iterator[str]:
    """A line per call of an estimator: what was called, with which shapes."""
    for call in observation.calls:
        x, y = shape(observation.value(call.x)), shape(observation.value(call.y))
        given = f"X {x}" + (f", y {y}" if y else "")
        yield f"- line {call.line}: {call.estimator}.{call.method}({given})"


def _variables(observation: Observation, known: Known) -> Iterator[str]:
    """Collections a line each, where they change; plain values of a line together."""
    seen: dict[str, int] = {}
    sketches: dict[tuple[str, str], list[int]] = {}
    for snapshot in observation.snapshots:
        if seen.get(snapshot.variable) == snapshot.value or snapshot.last in observation.repeated:
            continue  # as it was, or kept from the first of several times only
        seen[snapshot.variable] = snapshot.value
        value = observation.value(snapshot.value)
        if not isinstance(value, Opaque) and not _empty(value):
            sketches.setdefault((snapshot.variable, _sketch(value, known)), []).append(snapshot.last)
    plain: dict[int, list[str]] = {}
    listed: list[tuple[int, str]] = []
    bodies: dict[str, str] = {}
    for (variable, said), lines in sketches.items():
        if " " in said or said[0] in "{(":
            numbers = ", ".join(map(str, dict.fromkeys(lines)))
            listed.append((lines[0], f"- line {numbers}: {variable}: {_shorter(variable, said, bodies)}"))
        else:
            plain.setdefault(lines[0], []).append(f"{variable} {said}")
    listed += [(line, f"- line {line}: {', '.join(said)}") for line, said in plain.items()]
    yield from (text for _, text in sorted(listed, key=lambda pair: pair[0]))


def _shorter(variable: str, said: str, bodies: dict[str, str]) -> str:
    """A sketch without the fields that another variable's sketch listed before."""
    start = min((at for at in (said.find("{"), said.find("(")) if at >= 0), default=len(said))
    body = said[start:]
    if len(body) < LONG:
        return said
    before = bodies.setdefault(body, variable)
    return said if before == variable else f"{said[:start]}{body[0]}as {before}{body[-1]}"


def _empty(value: Any) -> bool:
    return isinstance(value, list | dict | frozenset) and not value


def sketch(value: Any, words: frozenset[str] = frozenset()) -> str:
    """The type of a value and of its parts; keys of a dict are shown only when the script names them.

    >>> sketch({"x@y.org": {"bank": "a", "n": 1}, "z@y.org": {"bank": None, "n": 2}}, frozenset({"bank", "n"}))
    'dict of 2: text -> {bank: text or None, n: int}'
    >>> sketch([(1, "a"), (2.5, "b")]), sketch({"a": [1, 2], "b": [3]})
    ('list of 2: (int or float, text)', 'dict of 2: text -> list of 1 to 2: int')
    """
    return _sketch(value, Known(script="", words=words))


def _sketch(value: Any, known: Known) -> str:
    return _union([value], known)


def _union(values: Sequence[Any], known: Known) -> str:
    """One sketch of several values."""
    values = [dict(v.fields) if isinstance(v, Record) else v for v in values[:LOOKED_AT]]
    groups: dict[str, list[Any]] = {}
    for value in values:
        groups.setdefault(_form(value), []).append(value)
    none = "None" in groups and len(groups) > 1
    said = [_one(group, known) for form, group in groups.items() if not (none and form == "None")]
    said = list(dict.fromkeys(said))
    said = [*said[:MAX_KINDS], "others"] if len(said) > MAX_KINDS else said
    return " or ".join([*said, "None"] if none else said)


def _form(value: Any) -> str:
    """Values of one form have one sketch together."""
    if isinstance(value, dict):
        return "dict"
    if isinstance(value, list):
        return "list"
    if isinstance(value, frozenset):
        return "set"
    if isinstance(value, tuple):
        return f"tuple of {len(value)}" if len(value) <= 12 else "tuple"
    return _scalar(value)


def _one(values: Sequence[Any], known: Known) -> str:
    """The sketch of values of one form."""
    first = values[0]
    if isinstance(first, dict):
        return _dicts(values, known)
    if isinstance(first, tuple) and len(first) <= 12:
        return "(" + ", ".join(_union(column, known) for column in zip(*values, strict=True)) + ")"
    if isinstance(first, list | tuple | frozenset):
        kind = "set" if isinstance(first, frozenset) else "list"
        return _sized(kind, values) + _inner(": ", chain.from_iterable(values), known)
    if isinstance(first, Frame):
        return _frame(first, known)
    return _scalar(first)


def _dicts(values: Sequence[dict[Any, Any]], known: Known) -> str:
    keys = list(dict.fromkeys(key for value in values for key in value))
    if keys and all(isinstance(k, str) and known.named(k) for k in keys):
        parts = []
        for key in keys:
            held = [value[key] for value in values if key in value]
            parts.append(f"{key}: {_union(held, known)}" + (" (if any)" if len(held) < len(values) else ""))
        return "{" + ", ".join(parts) + "}"
    held = chain.from_iterable(value.values() for value in values)
    return _sized("dict", values) + _inner(": ", keys, known) + _inner(" -> ", held, known)


def _sized(kind: str, values: Sequence[Any]) -> str:
    least, most = min(map(len, values)), max(map(len, values))
    return f"{kind} of {most}" if least == most else f"{kind} of {least} to {most}"


def _inner(before: str, values: Any, known: Known) -> str:
    held = list(islice(values, LOOKED_AT))
    return before + _union(held, known) if held else ""


def _frame(frame: Frame, known: Known) -> str:
    """Columns that the script names, with their types and how many values are missing."""
    size = len(frame.columns[0]) if frame.columns else 0
    if frame.series:
        return f"series of {size}: {_column(frame.columns[0], known)}"
    pairs = list(zip(frame.names, frame.columns, strict=True))
    shown = [f"{name}: {_column(column, known)}" for name, column in pairs if known.named(str(name))]
    more = [f"{len(pairs) - len(shown)} more columns"] if len(shown) < len(pairs) else []
    return f"frame of {size} rows ({', '.join([*shown, *more])})"


def _column(column: Sequence[Any], known: Known) -> str:
    there = [v for v in column if v is not None and v == v]
    missing = len(column) - len(there)
    return (_union(there, known) if there else "nothing") + (f", {missing} missing" if missing else "")


def _scalar(value: Any) -> str:
    if isinstance(value, Frame):
        return f"frame {len(value.names)}"
    if isinstance(value, np.ndarray):
        return f"array {value.shape} of {value.dtype}"
    if isinstance(value, Sparse):
        return f"sparse matrix {value.shape} of {value.data.dtype}"
    names = {str: "text", datetime: "datetime", date: "date"}
    return "None" if value is None else names.get(type(value), type(value).__name__)
