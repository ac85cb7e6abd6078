"""What a run of the original was seen to do, as frozen values read from its record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lester_duck.errors import InputError
from lester_duck.lift.observed import Fit, Observed
from lester_duck.rewrite.decode import DAMAGE, Decoder, Frame, Opaque, Record, Sparse
from lester_duck.rewrite.sandbox import SandboxLevel, Status

MAX_RECORD = 512 * 2**20
MAX_PARTS = 40_000_000
"""Brackets and commas of a record: what it takes in memory goes with them."""
MAX_TEXT = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of an estimator's method; ``x`` and ``y`` are numbers of values, ``at`` orders events."""

    estimator: str
    method: str
    line: int
    nested: bool
    x: int
    y: int
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A variable after the statement that stands on lines ``first`` to ``last``."""

    variable: str
    first: int
    last: int
    value: int
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The exception that ended the run, and the script's line it came through (0: unknown)."""

    type: str
    message: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One run. ``folder`` holds the files it left, ``out`` its record and arrays."""

    folder: Path
    out: Path
    reads: tuple[str, ...]
    """Files of the folder it read before, or without, writing them."""
    writes: tuple[str, ...]
    rereads: tuple[str, ...]
    """Files it wrote and read afterwards."""
    wrote_at: tuple[tuple[str, int], ...]
    """When each file was last opened for writing."""
    calls: tuple[Call, ...]
    snapshots: tuple[Snapshot, ...]
    repeated: frozenset[int]
    """Last lines of statements that ran more than once: only the first time was kept."""
    failure: Failure | None
    stopped: bool
    seconds: float
    values: tuple[Any, ...]

    def value(self, number: int) -> Any:
        """A value in plain Python data."""
        return Decoder(self.out).decode(self.values[number])

    def text(self, path: str) -> str | None:
        """A file the run left, as text (undecodable bytes kept as surrogates), or None."""
        target = self.folder / path
        inside = target.resolve().is_relative_to(self.folder.resolve())
        if not inside or target.is_symlink() or not target.is_file() or target.stat().st_size > MAX_RECORD:
            return None
        return target.read_bytes().decode("utf-8", errors="surrogateescape")

    def fits(self, estimator: str) -> tuple[Call, ...]:
        """The fits of estimators of that class, in order."""
        return tuple(c for c in self.calls if c.estimator == estimator and c.method.startswith("fit"))

    def snapshot(self, variable: str, line: int) -> Snapshot | None:
        """The variable after the statement that ends (or, failing that, begins) at a line.

        When no statement there touches the variable, its value is that of the last one before; a
        run that ended early may not have come so far, and then there is none.
        """
        mine = [s for s in self.snapshots if s.variable == variable]
        for found in ([s for s in mine if s.last == line], [s for s in mine if s.first == line]):
            if found:
                return found[-1]
        earlier = [s for s in mine if s.last <= line and not (self.failure or self.stopped)]
        return earlier[-1] if earlier else None

    def output(self, name: str) -> str:
        """What the run printed (``stdout`` or ``stderr``), its beginning."""
        return output(self.out, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Runs of the original on one set of inputs: a second one with another hash seed and clock, or none."""

    script: str
    first: Observation
    second: Observation | None
    level: SandboxLevel
    unstable: tuple[tuple[str, str], ...] = ()
    """Points already known to differ between two runs, each with ``content`` or ``order``."""
    notes: tuple[str, ...] = ()
    """What a person should know of the text that was run: cells out of order, lines left out."""
    causes: tuple[str, ...] = ()
    """Where the two runs begin to differ, by line."""

    @property
    def because(self) -> str:
        """The first place where the two runs begin to differ, as the end of a sentence; or nothing."""
        return f"; {self.causes[0]}" if self.causes else ""


def output(out: Path, name: str) -> str:
    """The beginning of what a run printed."""
    path = out / name
    if not path.is_file() or path.is_symlink():
        return ""
    with path.open("rb") as file:
        return file.read(MAX_TEXT).decode("utf-8", errors="replace")


def read(folder: Path, out: Path, status: Status) -> Observation:
    """Read the record of a job that wrote one; raises InputError when it is missing or damaged."""
    path = out / "events.json"
    if not path.is_file() or path.is_symlink() or path.stat().st_size > MAX_RECORD:
        raise InputError("the run left no record", hint="raise the limits of the run")
    try:
        data = path.read_bytes()
        if sum(data.count(mark) for mark in (b"[", b"{", b",")) > MAX_PARTS:
            raise InputError("the record of the run is too large", hint="give the script less data")
        return _build(folder, out, status, json.loads(data.decode("ascii")))
    except DAMAGE as error:
        raise InputError(f"the record of the run is damaged: {error}") from error


def _build(folder: Path, out: Path, status: Status, raw: dict[str, Any]) -> Observation:
    values = tuple(raw["values"])
    events = [(at, _checked(event, len(values))) for at, event in enumerate(raw["events"])]
    reads, rereads = _reads([event for _, event in events])
    last = {e["path"]: at for at, e in events if e["kind"] == "write"}
    failure = raw["failure"]
    return Observation(
        folder=folder,
        out=out,
        reads=reads,
        writes=tuple(path for path in last if (folder / path).is_file()),
        rereads=rereads,
        wrote_at=tuple(last.items()),
        calls=tuple(_take(Call, e, at) for at, e in events if e["kind"] == "call"),
        snapshots=tuple(_take(Snapshot, e, at) for at, e in events if e["kind"] == "value"),
        repeated=frozenset(e["line"] for _, e in events if e["kind"] == "again"),
        failure=_failure(failure) if failure else None,
        stopped=any(e["kind"] == "stopped" for _, e in events),
        seconds=status.seconds,
        values=values,
    )


_FIELDS: dict[str, type] = {
    "kind": str, "path": str, "estimator": str, "method": str, "variable": str, "nested": bool,
    "line": int, "first": int, "last": int, "x": int, "y": int, "value": int,
}  # fmt: skip
_NUMBERS = ("x", "y", "value")


def _checked(event: dict[str, Any], values: int) -> dict[str, Any]:
    """An event of the form the recorder gives: known fields, numbers of values there are, paths inside the folder."""
    for name, found in event.items():
        if name not in _FIELDS or type(found) is not _FIELDS[name]:
            raise ValueError(f"an event with {name} = {found!r:.40}")
        if name in _NUMBERS and not 0 <= found < values:
            raise ValueError(f"an event with value {found}")
        if name == "path" and (Path(found).is_absolute() or ".." in Path(found).parts or "\0" in found):
            raise ValueError(f"a path outside of the folder: {found!r:.80}")
    return event


def _failure(raw: dict[str, Any]) -> Failure:
    message = "\n".join(printable(line) for line in str(raw["message"]).split("\n"))
    return Failure(type=printable(str(raw["type"]))[:200], message=message, line=int(raw["line"]))


def printable(text: str) -> str:
    """A line that a terminal only shows.

    >>> printable("a\\x1b[2Jb")
    'a?[2Jb'
    """
    return "".join(char if char.isprintable() else "?" for char in text)


def _take(kind: type, event: dict[str, Any], at: int) -> Any:
    return kind(at=at, **{k: v for k, v in event.items() if k != "kind"})


def _reads(events: list[dict[str, Any]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    reads: dict[str, None] = {}
    rereads: dict[str, None] = {}
    written: set[str] = set()
    for event in events:
        if event["kind"] == "write":
            written.add(event["path"])
        elif event["kind"] == "read":
            (rereads if event["path"] in written else reads)[event["path"]] = None
    return tuple(reads), tuple(rereads)


def as_observed(observation: Observation) -> Observed:
    """The translator's view of a run: paths, shapes and snapshots in plain Python data."""
    variables = {}
    for snapshot in observation.snapshots:
        value = simplify(observation.value(snapshot.value))
        if not isinstance(value, Opaque):
            variables[snapshot.variable, snapshot.last] = value
    return Observed(
        folder=observation.folder,
        reads=(*observation.reads, *observation.rereads),
        rereads=observation.rereads,
        writes=observation.writes,
        fits=tuple(_fits(observation)),
        variables=variables,
    )


def _fits(observation: Observation) -> Iterator[Fit]:
    for call in observation.calls:
        shapes = {"x_shape": shape(observation.value(call.x)), "y_shape": shape(observation.value(call.y))}
        yield Fit(estimator=call.estimator, method=call.method, line=call.line, **shapes)


def shape(value: Any) -> tuple[int, ...]:
    """The shape of a matrix, frame or list; ``()`` for anything else.

    >>> shape([1, 2, 3]), shape(None)
    ((3,), ())
    """
    if isinstance(value, np.ndarray | Sparse):
        return tuple(value.shape)
    if isinstance(value, Frame):
        rows = len(value.columns[0]) if value.columns else len(value.index)
        return (rows,) if value.series else (rows, len(value.names))
    return (len(value),) if isinstance(value, list | tuple) else ()


def simplify(value: Any) -> Any:
    """Frames as lists of dicts (series as lists), records as dicts, arrays as nested lists."""
    if isinstance(value, Frame):
        if value.series:
            return list(value.columns[0])
        return [dict(zip(value.names, row, strict=True)) for row in zip(*value.columns, strict=True)]
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Sparse):
        return Opaque("a sparse matrix")
    if isinstance(value, Record):
        return {name: simplify(v) for name, v in value.fields}
    if isinstance(value, list | tuple):
        return type(value)(simplify(v) for v in value)
    if isinstance(value, dict):
        return {k: simplify(v) for k, v in value.items()}
    return value
