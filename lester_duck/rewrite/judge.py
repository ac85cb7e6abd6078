"""Run a pipeline and compare it with the original at every observation point."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from lester_duck.errors import (
    CheckFailed,
    Disagreement,
    InputError,
    InternalError,
    LesterError,
    NothingToLearn,
)
from lester_duck.pipeline.model import Checkpoint, Pipeline, Split
from lester_duck.rewrite.at_point import Executed, compare_at
from lester_duck.rewrite.claims import ignored, unclaimed
from lester_duck.rewrite.compare import (
    Mismatch,
    compare_matrix,
    compare_rows,
)
from lester_duck.rewrite.elements import NotKept
from lester_duck.rewrite.observation import Evidence, Observation
from lester_duck.rewrite.points import TESTED, Expected, NotReached, Point, expected, last_views, points, suspects
from lester_duck.rewrite.trace import source_rows

Execute = Callable[[Pipeline, Path], AbstractContextManager[Executed]]
"""Runs a pipeline on the data in a folder; a LesterError means that it refuses the data."""

Status = Literal["agreed", "differs", "not comparable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that differs: at which view and observation point, on which input ('' is the user's data).

    ``suspects`` are the views from the last ones seen to agree up to ``view``; ``sources`` the source
    rows behind the first row that differs.
    """

    view: str
    point: str
    mismatch: Mismatch
    suspects: tuple[str, ...] = ()
    input: str = ""
    sources: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = f"view {self.view}: " if self.view else ""
        on = f" [input: {self.input}]" if self.input else ""
        others = [name for name in self.suspects if name != self.view]
        also = f" (or before it: {', '.join(others)}, which nothing observes)" if others else ""
        rows = f"; made from {'; '.join(self.sources)}" if self.sources else ""
        return f"{where}{self.point}: {self.mismatch.text}{rows}{also}{on}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What comparing showed, and no more.

    ``compared`` names the observation points that were compared on the user's data, ``inputs`` is
    the number of directed inputs judged; ``differences`` come in dependency order, the user's data
    first. ``not_comparable`` and ``not_checked`` say what the status does not cover.
    """

    status: Status
    compared: tuple[str, ...]
    inputs: int = 0
    differences: tuple[Difference, ...] = ()
    not_comparable: tuple[str, ...] = ()
    not_checked: tuple[str, ...] = ()
    stricter: tuple[str, ...] = ()
    """Directed inputs whose form a source or check of the pipeline refuses and the original accepts."""
    mutants: tuple[int, int] | None = None
    """Mutants told apart from the original, and mutants judged (those argued equivalent left out)."""

    @property
    def points(self) -> int:
        """The number of observation points compared on the user's data."""
        return len(self.compared)

    @property
    def agreed(self) -> bool:
        """True when every observation point was compared and none differs, on any input."""
        return self.status == "agreed"

    @property
    def first(self) -> Difference | None:
        """The first difference in dependency order."""
        return self.differences[0] if self.differences else None

    def raise_if_different(self) -> None:
        """Raise Disagreement, with the first difference, unless the verdict is *agreed*."""
        if self.status == "differs":
            raise Disagreement(f"the pipeline differs from the original: {self.differences[0]}")
        if self.status == "not comparable":
            why = self.not_comparable[0] if self.not_comparable else "nothing was compared"
            raise Disagreement(f"the pipeline could not be compared with the original: {why}")

    def __str__(self) -> str:
        if self.status == "differs":
            return f"differs: {self.differences[0]}"
        strict = f", {len(self.stricter)} of them refused as malformed" if self.stricter else ""
        told = f", {self.mutants[0]} of {self.mutants[1]} mutants told apart" if self.mutants else ""
        text = f"{self.status} ({self.points} observation points, {self.inputs} inputs{strict}{told})"
        return f"{text}: {self.not_comparable[0]}" if self.not_comparable else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The outcome at the points of one input."""

    compared: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    not_comparable: tuple[str, ...] = ()
    not_checked: tuple[str, ...] = ()
    rejected: bool = False
    """True when original and pipeline both refused the input."""
    malformed: str = ""
    """Why a source or check of the pipeline refused what the original accepted."""


def judge(pipeline: Pipeline, evidence: Evidence, execute: Execute, data: Path) -> Verdict:
    """Compare a pipeline, run on ``data``, with what the original did on the same data."""
    outcome = compare(pipeline, evidence, execute, data)
    reasons = outcome.not_comparable + unclaimed(pipeline, evidence.first)
    if not outcome.compared and not reasons and not outcome.differences:
        reasons = ("the pipeline claims no file, variable or matrix of the original",)
    status: Status = "differs" if outcome.differences else "not comparable" if reasons else "agreed"
    return Verdict(
        status=status,
        compared=outcome.compared,
        differences=outcome.differences,
        not_comparable=reasons,
        not_checked=outcome.not_checked + ignored(pipeline, evidence.first, outcome.compared),
    )


def compare(pipeline: Pipeline, evidence: Evidence, execute: Execute, data: Path) -> Comparison:
    """Run the pipeline on a folder and compare at every point that the original reached."""
    failure = evidence.first.failure
    try:
        with execute(pipeline, data) as executed:
            outcome = _compare_points(pipeline, evidence, executed)
            if failure and not outcome.differences:
                return _one_sided(pipeline, evidence, executed, outcome)
            return outcome
    except LesterError as error:
        if isinstance(error, InternalError):
            raise
        if failure:
            return Comparison(rejected=True)
        return _refused(pipeline, evidence, execute, data, error)


def _refused(pipeline: Pipeline, evidence: Evidence, execute: Execute, data: Path, error: LesterError) -> Comparison:
    """The pipeline refused what the original accepts; its views alone may still run and be compared."""
    text = f"the pipeline refuses the data: {error}"
    difference = Difference(view=_view_in(error), point="run", mismatch=_error(text))
    refused = Comparison(differences=(difference,), malformed=str(error) if about_form(pipeline, error) else "")
    if pipeline.features is None:
        return refused
    views = replace(pipeline, features=None, label=None, model=None, split=Split())
    try:
        with execute(views, data) as executed:
            found = _compare_points(views, evidence, executed)
    except LesterError as again:
        if isinstance(again, InternalError):
            raise
        return refused
    malformed = "" if found.differences else refused.malformed
    return replace(found, differences=(*found.differences, difference), malformed=malformed)


def about_form(pipeline: Pipeline, error: LesterError) -> bool:
    """Whether an error is about the form of a source's rows, a declared check, or a column without values.

    A view or a featurizer that fails in another way is at fault itself.
    """
    where = error.where or ""
    paths = [source.path for source in pipeline.sources if source.path]
    return any(where.startswith(path) for path in paths) or isinstance(error, CheckFailed | NothingToLearn)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An observation point, what the original had there, and whether its order is compared."""

    point: Point
    expected: Expected
    ordered: bool


def wanted(pipeline: Pipeline, evidence: Evidence) -> tuple[Wanted, ...]:
    """The points that can be compared on one input, in dependency order."""
    found = []
    for point in points(pipeline):
        try:
            want = expected(point, evidence.first)
            unstable = dict(evidence.unstable).get(point.describe()) or _unstable(point, want, evidence.second)
        except (NotReached, NotKept, InputError):
            continue
        if unstable != "content":
            found.append(Wanted(point=point, expected=want, ordered=unstable is None))
    return tuple(found)


def mismatch_at(pipeline: Pipeline, want: Wanted, executed: Executed) -> Mismatch | None:
    """The first difference at a point, or None."""
    try:
        return compare_at(pipeline, want.point, want.expected, executed, ordered=want.ordered)
    except (NotKept, NotReached):
        return None
    except InputError as error:
        return _error(str(error))


def _compare_points(pipeline: Pipeline, evidence: Evidence, executed: Executed) -> Comparison:
    result = Comparison()
    agreed: list[str] = []
    for point in points(pipeline):
        try:
            want = expected(point, evidence.first)
            unstable = dict(evidence.unstable).get(point.describe()) or _unstable(point, want, evidence.second)
            if unstable == "content":
                raise NotKept(f"it differs between two runs of the original (hash seed, clock){evidence.because}")
            mismatch = compare_at(pipeline, point, want, executed, ordered=unstable is None)
        except NotReached:
            continue
        except NotKept as why:
            result = replace(result, not_comparable=(*result.not_comparable, f"{point.describe()}: {why}"))
            continue
        except InputError as error:
            mismatch = _error(str(error))
        result = replace(result, compared=(*result.compared, point.describe()))
        if unstable == "order":
            reason = f"{point.describe()}: its order differs between two runs of the original; compared without order"
            reason += evidence.because
            result = replace(result, not_comparable=(*result.not_comparable, reason))
        if mismatch is None:
            agreed.append(point.view)
            continue
        own = () if isinstance(point.claim, str) and point.view in agreed else suspects(pipeline, point.view, agreed)
        rows = () if result.differences else source_rows(point, mismatch, executed)
        difference = Difference(view=point.view, point=point.describe(), mismatch=mismatch, suspects=own, sources=rows)
        result = replace(result, differences=(*result.differences, difference))
    return result


def _unstable(point: Point, want: Expected, second: Observation | None) -> str | None:
    """What two runs of the original disagree about at a point: ``content``, ``order`` or nothing."""
    if second is None:
        return None
    again = expected(point, second)
    if want.matrices:
        pairs = zip(want.matrices, again.matrices, strict=False)
        same = len(want.matrices) == len(again.matrices) and all(compare_matrix(a, b, ()) is None for a, b in pairs)
        return None if same else "content"
    if want.matrix is not None and again.matrix is not None:
        if want.matrix.shape != again.matrix.shape:
            return "content"
        mismatch = compare_matrix(want.matrix, again.matrix, ())
    else:
        mismatch = compare_rows(want.rows, again.rows, want.names or ("",) * 99)
        if mismatch is None and want.text != again.text:
            return "content"
    if mismatch is None:
        return None
    if mismatch.kind == "order" and (want.bag or (isinstance(point.claim, Checkpoint) and not point.claim.ordered)):
        return None
    return "order" if mismatch.kind == "order" else "content"


def unstable_points(pipeline: Pipeline, evidence: Evidence) -> tuple[tuple[str, str], ...]:
    """Points about which two runs of the original disagree, each with ``content`` or ``order``."""
    found = []
    for point in points(pipeline):
        try:
            kind = _unstable(point, expected(point, evidence.first), evidence.second)
        except (NotReached, NotKept, InputError):
            kind = "content"
        if kind:
            found.append((point.describe(), kind))
    return tuple(found)


def _one_sided(pipeline: Pipeline, evidence: Evidence, executed: Executed, outcome: Comparison) -> Comparison:
    """The original raised and the pipeline did not: a difference, unless nothing was left to compare."""
    failure = evidence.first.failure
    everything = {p.describe() for p in points(pipeline) if p.claim != TESTED}
    if everything <= set(outcome.compared):
        return outcome
    what = f"the original raises {failure.type} at line {failure.line}"
    results = [pipeline.features.view] if pipeline.features else last_views(pipeline)
    if not any(executed.view(name).num_rows for name in results):
        return replace(outcome, not_checked=(f"{what}, where the pipeline has no rows",))
    if _estimator_refuses(pipeline, evidence, outcome):
        note = f"{what}: the estimator refuses X and y, which agree; nothing later was reached"
        return replace(outcome, not_checked=(note,))
    why = failure.message.splitlines()[0] if failure.message else "no message"
    text = f"{what} ({why}), the pipeline accepts the data"
    return replace(outcome, differences=(Difference(view="", point="run", mismatch=_error(text)),))


def _estimator_refuses(pipeline: Pipeline, evidence: Evidence, outcome: Comparison) -> bool:
    """Whether the original ended within the fit whose X and y were compared, or in asking that estimator."""
    given = [p for p in points(pipeline) if p.claim in ("X", "y")]
    if not given or not {p.describe() for p in given} <= set(outcome.compared):
        return False
    failure = evidence.first.failure
    return any(call.line == failure.line and call.estimator == given[0].fit for call in evidence.first.calls)


def _error(text: str) -> Mismatch:
    return Mismatch(kind="error", text=text)


def _view_in(error: LesterError) -> str:
    where = error.where or ""
    return Path(where.split(":")[0]).stem if where.startswith("views/") else ""
