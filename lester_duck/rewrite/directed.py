"""Judge a pipeline on directed inputs: rerun the original on each, then the pipeline, and compare."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from lester_duck.errors import InputError
from lester_duck.pipeline.model import Pipeline
from lester_duck.rewrite.inputs import DirectedInput
from lester_duck.rewrite.judge import Comparison, Difference, Execute, Verdict, compare, unstable_points
from lester_duck.rewrite.mutants import Judged
from lester_duck.rewrite.observation import Evidence, Observation
from lester_duck.rewrite.observe import Setting, copy_folder, outcome, run
from lester_duck.rewrite.sandbox import Job

Progress = Callable[[str], None]
BATCH = 6
MAX_DIFFERENCES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ran:
    """An input, the folder that holds it, and what the original did with it."""

    input: DirectedInput
    data: Path
    observation: Observation


def judge_directed(
    pipeline: Pipeline,
    base: Evidence,
    verdict: Verdict,
    inputs: Sequence[DirectedInput],
    *,
    how: Setting,
    execute: Execute,
    space: Path,
    seconds: float,
    progress: Progress,
    keep: Callable[[Judged], None] | None = None,
) -> Verdict:
    """The verdict with directed inputs added, as many as fit into the time; at most five differences are kept.

    ``keep`` is called with each input on which no difference was found.

    An input on which the original takes longer than its limit is not judged, and said so.
    """
    deadline = time.monotonic() + seconds
    unstable = unstable_points(pipeline, base)
    watched = watch(pipeline, base.first)
    tally = _Tally()
    # the original runs on the next batch while this one is compared
    with ThreadPoolExecutor(1) as ahead, how.abandoning():
        starts = range(0, len(inputs), BATCH)
        coming = ahead.submit(_originals, how, inputs[:BATCH], space / "directed0", watched)
        for start in starts:
            batch, notes, took = coming.result()
            tally.notes.extend(notes)
            following = start + BATCH
            more = following < len(inputs) and time.monotonic() + took < deadline
            if more:
                next_inputs = inputs[following : following + BATCH]
                coming = ahead.submit(_originals, how, next_inputs, space / f"directed{following}", watched)
            progress(f"directed inputs {start + 1} to {min(following, len(inputs))} of {len(inputs)}")
            for ran in batch:
                if time.monotonic() > deadline or len(tally.differences) >= MAX_DIFFERENCES:
                    break
                evidence = replace(base, first=ran.observation, second=None, unstable=unstable)
                found = compare(pipeline, evidence, execute, ran.data)
                if found.differences and not found.malformed:
                    found = _confirm(pipeline, evidence, ran, how, execute, watched)
                tally.add(ran.input.name, found)
                if keep and not found.differences:
                    keep(Judged(name=ran.input.name, data=ran.data, evidence=evidence, refused=found.rejected))
            if not more or len(tally.differences) >= MAX_DIFFERENCES:
                break
    return tally.verdict(verdict, len(inputs))


class _Tally:
    """What the inputs judged so far showed."""

    def __init__(self) -> None:
        self.judged = 0
        self.rejected = 0
        self.differences: list[Difference] = []
        self.notes: list[str] = []
        self.stricter: list[str] = []

    def add(self, name: str, found: Comparison) -> None:
        if found.differences and found.differences[0].mismatch.spreadless:
            what = found.differences[0].mismatch.column
            self.notes.append(f"{name}: not judged: column '{what}' is divided by a spread that is 0 but for rounding")
            return
        self.judged += 1
        self.rejected += found.rejected
        self.notes.extend(f"{name}: {note}" for note in found.not_checked)
        if found.malformed:
            self.stricter.append(f"{name}: {found.malformed}")
        else:
            self.differences.extend(replace(d, input=name) for d in found.differences[:1])

    def verdict(self, verdict: Verdict, total: int) -> Verdict:
        notes = list(self.notes)
        if self.judged < total:
            left = total - self.judged
            notes.append(f"{left} of {total} directed inputs: not judged (time, or enough differences)")
        if self.rejected:
            notes.append(f"{self.rejected} directed inputs are refused by the original and the pipeline alike")
        return replace(
            verdict,
            status="differs" if self.differences else verdict.status,
            inputs=self.judged,
            differences=(*verdict.differences, *self.differences),
            not_checked=(*verdict.not_checked, *notes),
            stricter=tuple(self.stricter),
        )


def _originals(
    how: Setting, inputs: Sequence[DirectedInput], space: Path, watched: Watched
) -> tuple[list[_Ran], list[str], float]:
    """The runs of a batch, a note on each input whose run did not end by itself, and the seconds it took."""
    started = time.monotonic()
    jobs, notes = [], []
    for number, item in enumerate(inputs):
        copy_folder(how.root, space / f"data{number}", item.changed)
        jobs.append(_job(how, space / f"data{number}", space / f"run{number}", watched))
    found = []
    statuses = run(how, jobs, 0)
    for number, (item, job, status) in enumerate(zip(inputs, jobs, statuses, strict=True)):
        try:
            observation = outcome(how, job, status)
        except InputError as error:
            notes.append(f"{item.name}: {error}")
            continue
        found.append(_Ran(input=item, data=space / f"data{number}", observation=observation))
    return found, notes, time.monotonic() - started


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What of a run is compared: the fit at which it may end, the variables and the fits that are kept."""

    stop: str | None
    names: tuple[str, ...]
    fit: str | None

    def job(self, how: Setting, work: Path) -> Job:
        """A run in the folder ``work``."""
        return Job(folder=work, out=work.with_name(work.name + "_out"), script=how.script, stop=self.stop,
                   names=self.names, fit=self.fit, limits=how.limits)  # fmt: skip


def watch(pipeline: Pipeline, seen: Observation) -> Watched:
    """What must be watched when the original is run again; ``seen`` is its run on the user's data."""
    origin = pipeline.origin
    names = sorted({c.variable for c in origin.checkpoints}) if origin else ()
    return Watched(stop=early_stop(pipeline, seen), names=tuple(names), fit=origin.fit if origin else None)


def _job(how: Setting, data: Path, work: Path, watched: Watched) -> Job:
    copy_folder(data, work)
    return watched.job(how, work)


def _confirm(
    pipeline: Pipeline, evidence: Evidence, ran: _Ran, how: Setting, execute: Execute, watched: Watched
) -> Comparison:
    """Compare again with a second run of the original, whose hash seed is another one."""
    job = _job(how, ran.data, ran.data.with_name(ran.data.name + "_again"), watched)
    second = outcome(how, job, run(how, [job], 1)[0])
    return compare(pipeline, replace(evidence, second=second), execute, ran.data)


def early_stop(pipeline: Pipeline, seen: Observation) -> str | None:
    """The class at whose fit a run may end because nothing that is compared comes later."""
    origin = pipeline.origin
    fit = next(iter(seen.fits(origin.fit)), None) if origin and origin.fit else None
    if fit is None:
        return None
    written = dict(seen.wrote_at)
    last = [written.get(output.path, 0) for output in origin.outputs]
    for checkpoint in origin.checkpoints:
        snapshot = seen.snapshot(checkpoint.variable, checkpoint.line)
        last.append(snapshot.at if snapshot else 0)
    return origin.fit if max(last, default=0) < fit.at else None
