"""Observation points: what of the original a pipeline claims to reproduce, in dependency order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from lester_duck.pipeline.model import Checkpoint, Output, Pipeline
from lester_duck.rewrite import elements, render
from lester_duck.rewrite.decode import Frame, Opaque, Sparse
from lester_duck.rewrite.elements import NotKept, Row
from lester_duck.rewrite.observation import Call, Observation

MAX_CELLS = 200_000_000
"""Cells of a matrix that are compared (1.6 GB as floats)."""

Claim = Checkpoint | Output | str
"""A checkpoint, an output, or ``X``, ``y`` or ``TESTED``."""
TESTED = "X of the test part"
ASKS = frozenset({"predict", "predict_proba", "score"})
"""Methods of a fitted estimator that take the rows it was not fitted on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One place where original and pipeline are compared; ``view`` is what is at fault when they differ."""

    view: str
    claim: Claim
    fit: str = ""

    def describe(self) -> str:
        """What is compared, for a report."""
        if isinstance(self.claim, Checkpoint):
            return f"variable {self.claim.variable} after line {self.claim.line}"
        if isinstance(self.claim, Output):
            return f"file {self.claim.path}"
        if self.claim == TESTED:
            return f"X given to {self.fit}.predict or score"
        return f"{self.claim} given to {self.fit}.fit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the original had at a point: rows with column names, or a matrix, or the text of a file."""

    rows: tuple[Row, ...] = ()
    names: tuple[str, ...] = ()
    matrix: np.ndarray | None = None
    text: str | None = None
    matrices: tuple[np.ndarray, ...] = ()
    """What was given to predict and score, each once, without the matrix given to fit."""
    frame: bool = False
    bag: bool = False
    """True for sets, which have no order."""


class NotReached(Exception):
    """The run ended before this point."""


def points(pipeline: Pipeline) -> tuple[Point, ...]:
    """All observation points of a pipeline; views in dependency order, then X, then y, then X of the test part."""
    origin = pipeline.origin
    if origin is None:
        return ()
    rank = {name: number for number, name in enumerate(view_order(pipeline))}
    claims = [*sorted(origin.checkpoints, key=lambda c: c.line), *origin.outputs]
    found = [Point(view=c.view, claim=c) for c in claims]
    found.sort(key=lambda p: rank.get(p.view, -1))
    if origin.fit and pipeline.features:
        found.append(Point(view=pipeline.features.view, claim="X", fit=origin.fit))
        if pipeline.label:
            found.append(Point(view=pipeline.features.view, claim="y", fit=origin.fit))
        if pipeline.split.kind != "all":
            found.append(Point(view=pipeline.features.view, claim=TESTED, fit=origin.fit))
    return tuple(found)


def inputs_of(sql: str) -> frozenset[str]:
    """Names of the relations a SELECT reads; empty when it cannot be parsed.

    >>> sorted(inputs_of("SELECT * FROM a JOIN b USING (k)"))
    ['a', 'b']
    """
    try:
        tree = sqlglot.parse_one(sql, dialect="duckdb")
    except SqlglotError:
        return frozenset()
    return frozenset(table.name for table in tree.find_all(exp.Table))


def view_order(pipeline: Pipeline) -> tuple[str, ...]:
    """Views so that each comes after those it reads (sources and unknown names are left out)."""
    reads = {view.name: inputs_of(view.sql) for view in pipeline.views}
    done: dict[str, None] = {}

    def visit(name: str, above: frozenset[str]) -> None:
        if name in done or name in above:
            return
        for other in sorted(reads[name] & reads.keys()):
            visit(other, above | {name})
        done[name] = None

    for name in reads:
        visit(name, frozenset())
    return tuple(done)


def last_views(pipeline: Pipeline) -> tuple[str, ...]:
    """Views that no other view reads."""
    read = frozenset().union(*(inputs_of(view.sql) for view in pipeline.views))
    return tuple(view.name for view in pipeline.views if view.name not in read)


def suspects(pipeline: Pipeline, view: str, agreed: Sequence[str]) -> tuple[str, ...]:
    """The view that differs and those before it back to views (or sources) that were seen to agree."""
    reads = {v.name: inputs_of(v.sql) for v in pipeline.views}
    found: set[str] = set()
    todo = [view]
    while todo:
        name = todo.pop()
        if name in reads and name not in found and (name == view or name not in agreed):
            found.add(name)
            todo.extend(reads[name])
    return tuple(name for name in view_order(pipeline) if name in found)


def expected(point: Point, observation: Observation) -> Expected:
    """What the original had at a point.

    Raises NotReached when the run ended before, NotKept when it cannot be compared.
    """
    if isinstance(point.claim, Checkpoint):
        return _variable(point.claim, observation)
    if isinstance(point.claim, Output):
        return _file(point.claim, observation)
    call = next(iter(observation.fits(point.fit)), None)
    if call is None:
        _absent(observation, f"no call of {point.fit}.fit was seen")
    if point.claim == "X":
        return Expected(matrix=matrix(observation.value(call.x)))
    if point.claim == TESTED:
        return Expected(matrices=_given_later(observation, call))
    return Expected(rows=tuple((v,) for v in vector(observation.value(call.y))), names=("y",))


def _given_later(observation: Observation, fit: Call) -> tuple[np.ndarray, ...]:
    """What the estimator was given to predict and score after its first fit and before a next one.

    Raises NotReached where that is nothing, or only what it was fitted on.
    """
    again = min((c.at for c in observation.fits(fit.estimator) if c.at > fit.at), default=None)
    asked: dict[tuple[str, int], list[int]] = {}
    for c in observation.calls:
        if c.estimator == fit.estimator and c.method in ASKS and c.at > fit.at and (again is None or c.at < again):
            asked.setdefault((c.method, c.line), []).append(c.x)
    found = [matrix(observation.value(fit.x))]
    for numbers in asked.values():
        for given in _stacked(_kept(observation, numbers)):
            if not any(np.array_equal(given, other, equal_nan=True) for other in found):
                found.append(given)
    if len(found) == 1:
        raise NotReached(f"nothing but X of fit was given to {fit.estimator}")
    return tuple(found[1:])


def _kept(observation: Observation, numbers: Sequence[int]) -> Iterator[np.ndarray]:
    for number in numbers:
        try:
            yield matrix(observation.value(number))
        except NotKept:
            continue  # nothing is claimed of it: what is not kept is no evidence against the pipeline


def _stacked(given: Iterator[np.ndarray]) -> list[np.ndarray]:
    """The matrices one call was given; those of one row each, given in a loop, as one matrix."""
    found = list(given)
    single = len(found) > 1 and len({m.shape for m in found}) == 1 and len(found[0]) == 1
    return [np.vstack(found)] if single else found


def _variable(claim: Checkpoint, observation: Observation) -> Expected:
    snapshot = observation.snapshot(claim.variable, claim.line)
    if snapshot is None:
        _absent(observation, f"{claim.variable} was not seen at line {claim.line}")
    if snapshot.last in observation.repeated:
        raise NotKept(f"line {snapshot.last} ran more than once")
    value = observation.value(snapshot.value)
    paths = [path for path, _ in claim.columns]
    names = tuple(name for _, name in claim.columns)
    rows = tuple(elements.rows(value, paths))
    return Expected(rows=rows, names=names, frame=isinstance(value, Frame), bag=isinstance(value, frozenset))


def _file(claim: Output, observation: Observation) -> Expected:
    text = observation.text(claim.path)
    if text is None or claim.path not in observation.writes:
        _absent(observation, f"{claim.path} was not written")
    lines = render.fields(text, claim)
    names = claim.header or claim.columns
    return Expected(rows=tuple(lines), names=names, text=text)


def _absent(observation: Observation, why: str) -> None:
    if observation.failure or observation.stopped:
        raise NotReached(why)
    raise NotKept(why)


def matrix(value: Any) -> np.ndarray:
    """What an estimator was given as X, as a float matrix (rows x columns); raises NotKept."""
    if isinstance(value, Opaque):
        raise NotKept(f"X is {value.what}")
    if isinstance(value, Sparse):
        if value.shape[0] * value.shape[1] > MAX_CELLS:
            raise NotKept(f"X has {value.shape[0]} x {value.shape[1]} cells, too many to compare")
        value = value.dense()
    if isinstance(value, Frame):
        value = [list(row) for row in zip(*value.columns, strict=True)]
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise NotKept("X is not a matrix of numbers") from None
    if array.ndim == 1 and not array.size:
        return array.reshape(0, 0)
    if array.ndim != 2:
        raise NotKept(f"X has {array.ndim} dimensions")
    return array


def vector(value: Any) -> Iterator[Any]:
    """What an estimator was given as y, one value per row; raises NotKept."""
    if isinstance(value, Opaque) or value is None:
        raise NotKept(f"y is {value.what if value else 'absent'}")
    if isinstance(value, Frame):
        if len(value.names) != 1:
            raise NotKept(f"y has {len(value.names)} columns")
        value = value.columns[0]
    array = value if isinstance(value, np.ndarray) else list(value)
    if isinstance(array, np.ndarray):
        array = array.reshape(-1) if array.ndim == 2 and array.shape[1] == 1 else array
        if array.ndim != 1:
            raise NotKept(f"y has {array.ndim} dimensions")
        array = array.tolist()
    return iter(array)
