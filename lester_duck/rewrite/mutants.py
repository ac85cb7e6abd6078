"""How many mutants the comparison tells apart from the original: the user's data first, then directed inputs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lester_duck.errors import InternalError, LesterError, UsageError
from lester_duck.pipeline.model import Pipeline
from lester_duck.rewrite import rerun, try_mutant
from lester_duck.rewrite.equivalent import argument
from lester_duck.rewrite.judge import wanted
from lester_duck.rewrite.mutate import Mutant, mutants, sample, types_of
from lester_duck.rewrite.observation import Evidence
from lester_duck.rewrite.try_mutant import TooSlow

Progress = Callable[[str], None]
SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """An input on which original and pipeline were compared and no difference was found.

    ``refused`` says that the original ends with an error there and the pipeline refuses the data too.
    """

    name: str
    data: Path
    evidence: Evidence
    refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A mutant, and what told it apart on which input."""

    mutant: Mutant
    input: str
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of the mutants.

    ``survivors`` were not told apart on any input they were tried on; ``equivalent`` are those of
    them for which a rule shows that no input can. ``stillborn`` is the number the engine refuses,
    ``slow`` are those that did not end in their time, ``untried`` is the number of those for which
    no time was left: none of these counts. ``tried`` of ``inputs`` inputs were used on all that
    lived. ``sites`` is the number of all mutants, before sampling.
    """

    sites: int
    told: tuple[Told, ...]
    survivors: tuple[Mutant, ...]
    equivalent: tuple[tuple[Mutant, str], ...]
    slow: tuple[Mutant, ...]
    stillborn: int
    untried: int
    tried: int
    inputs: int

    @property
    def counted(self) -> int:
        """Mutants told apart or surviving, those argued equivalent left out."""
        return len(self.told) + len(self.survivors)

    @property
    def rate(self) -> float:
        """The share told apart of those that count (1 when none does)."""
        return len(self.told) / self.counted if self.counted else 1.0

    def __str__(self) -> str:
        left = f", {len(self.equivalent)} argued equivalent" if self.equivalent else ""
        slow = f", {len(self.slow)} too slow to judge" if self.slow else ""
        slow += f", {self.untried} not tried (time)" if self.untried else ""
        return (
            f"{len(self.told)} of {self.counted} mutants told apart ({self.rate:.0%}) on {self.tried} of {self.inputs} "
            f"inputs{left}{slow}, {self.stillborn} refused by the engine"
        )


def number_of(text: str | int) -> int | None:
    """What ``--mutants`` says: a number, None for all, 0 for none.

    >>> number_of("all"), number_of("none"), number_of("20")
    (None, 0, 20)
    """
    if text in ("all", "none"):
        return None if text == "all" else 0
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < 0:
        raise UsageError(f"'{text}' is no number of mutants", hint="give a number, all or none")
    return number


def judge_mutants(
    pipeline: Pipeline, inputs: Sequence[Judged], *, number: int | None, seconds: float, progress: Progress
) -> Outcome:
    """Try mutants on one input after the other until each is told apart, or the time is up.

    ``number`` of them are drawn with a fixed seed, all when it is None. Raises a LesterError when
    the pipeline itself does not run.
    """
    deadline = time.monotonic() + seconds
    planned = rerun.Planned(pipeline)
    try:
        return _Trial(planned, inputs, deadline, progress).run(number)
    finally:
        planned.close()


class _Trial:
    """Mutants on trial: those still living, and what is known of the others."""

    def __init__(
        self, planned: rerun.Planned, inputs: Sequence[Judged], deadline: float, progress: Progress
    ) -> None:
        self.planned = planned
        self.inputs = inputs
        self.deadline = deadline
        self.progress = progress
        self.told: list[Told] = []
        self.tries: set[int] = set()
        self.slow: list[Mutant] = []

    def run(self, number: int | None) -> Outcome:
        state = self.planned.state(self.inputs[0].data)
        try:
            if state.error is not None:
                raise state.error
            everything = mutants(state.plan.pipeline, types_of(state.plan.types))
            chosen = everything if number is None else sample(everything, number, SEED)
            living = self._plan(chosen, state.plan)
        finally:
            state.close()
        stillborn, tried = len(chosen) - len(living), 0
        # small data first: a mutant that twelve rows tell apart need not be run on a million
        ordered = sorted(self.inputs, key=self._size)
        first = ordered[0]
        ordered.sort(key=lambda judged: (judged is not first, bool(judged.name)))
        for judged in ordered:
            if not living or time.monotonic() > self.deadline:
                break
            living, finished = self._next(judged, living)
            tried += finished
        left = [found.mutant for found in living if id(found) in self.tries]
        arguments = {id(m): argument(self.planned.pipeline, m) for m in left}
        return Outcome(
            sites=len(everything),
            told=tuple(self.told),
            survivors=tuple(m for m in left if not arguments[id(m)]),
            equivalent=tuple((m, arguments[id(m)]) for m in left if arguments[id(m)]),
            slow=tuple(self.slow),
            stillborn=stillborn,
            untried=len(living) - len(left),
            tried=tried if living else len(self.inputs),
            inputs=len(self.inputs),
        )

    def _plan(self, chosen: Sequence[Mutant], plan: rerun.Plan) -> list[try_mutant.Planned]:
        """The mutants the engine does not refuse."""
        found = []
        self.progress(f"planning {len(chosen)} mutants")
        empty = rerun.empty_state(plan, self.planned.worker(plan.pipeline))
        try:
            for mutant in chosen:
                try:
                    found.append(try_mutant.plan_mutant(mutant, empty, self.planned.worker(mutant.pipeline)))
                except InternalError:
                    raise
                except LesterError:
                    continue  # stillborn: counted by what is missing
                finally:
                    self.planned.forget(mutant.pipeline)
        finally:
            empty.close()
        return found

    def _size(self, judged: Judged) -> int:
        """Bytes of the files the pipeline reads."""
        paths = [judged.data / s.path for s in self.planned.pipeline.sources if s.path]
        return sum(path.stat().st_size for path in paths if path.is_file())

    def _next(self, judged: Judged, living: list[try_mutant.Planned]) -> tuple[list[try_mutant.Planned], bool]:
        try:
            state = self.planned.state(judged.data)
        except InternalError:
            raise
        except LesterError:
            return living, True  # a source refuses this input, for every mutant alike
        try:
            return self._on(judged, state, living)
        finally:
            state.close()

    def _on(
        self, judged: Judged, state: rerun.State, living: list[try_mutant.Planned]
    ) -> tuple[list[try_mutant.Planned], bool]:
        """The mutants that live on after this input, and whether all were tried on it."""
        points = wanted(self.planned.pipeline, judged.evidence)
        refused = judged.refused and state.error is not None
        left = []
        for number, found in enumerate(living):
            if time.monotonic() > self.deadline:
                return [*left, *living[number:]], False
            if number % 20 == 0:
                what = f"{len(living)} mutants on {judged.name or 'the data'}"
                self.progress(f"{what}: {number} tried, {len(self.told)} told apart so far")
            worker = self.planned.worker(found.plan.pipeline)
            self.tries.add(id(found))
            try:
                how = try_mutant.told_apart(found, state, points, refused=refused, worker=worker)
            except TooSlow:
                self.slow.append(found.mutant)
                continue
            finally:
                self.planned.forget(found.plan.pipeline)
            if how:
                self.told.append(Told(mutant=found.mutant, input=judged.name, how=how))
            else:
                left.append(found)
        return left, True


def rate_of(outcome: Outcome | None) -> tuple[int, int] | None:
    """The two numbers a verdict shows; None when no mutant counts."""
    return (len(outcome.told), outcome.counted) if outcome and outcome.counted else None


def describe(outcome: Outcome) -> dict[str, object]:
    """The outcome for ``--json``."""
    return {
        "sites": outcome.sites,
        "told_apart": len(outcome.told),
        "counted": outcome.counted,
        "rate": round(outcome.rate, 4),
        "stillborn": outcome.stillborn,
        "untried": outcome.untried,
        "inputs": outcome.inputs,
        "inputs_tried": outcome.tried,
        "survivors": [_facts(m) for m in outcome.survivors],
        "equivalent": [{**_facts(m), "argument": why} for m, why in outcome.equivalent],
        "too_slow": [_facts(m) for m in outcome.slow],
    }


def _facts(mutant: Mutant) -> dict[str, str]:
    return {"place": mutant.place, "operator": mutant.operator, "before": mutant.before, "after": mutant.after}
