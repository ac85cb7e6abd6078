"""How many mutants the comparison tells apart from the original: the user's data first, then directed inputs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lester_duck.errors import InternalError, LesterError, UsageError
from lester_duck.pipeline.model import Pipeline
from lester_duck.rewrite import many, rerun, try_mutant
from lester_duck.rewrite.equivalent import Arguments
from lester_duck.rewrite.judge import Wanted, wanted
from lester_duck.rewrite.mutate import Mutant, mutants, sample, types_of
from lester_duck.rewrite.observation import Evidence
from lester_duck.rewrite.try_mutant import TooSlow

Progress = Callable[[str], None]
SEED = 0
FEW = 3
"""Small inputs that are tried before the user's data."""


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

    def __add__(self, other: Outcome) -> Outcome:
        """The outcomes of two shares of the same mutants, as one."""
        return Outcome(
            sites=self.sites,
            told=self.told + other.told,
            survivors=self.survivors + other.survivors,
            equivalent=self.equivalent + other.equivalent,
            slow=self.slow + other.slow,
            stillborn=self.stillborn + other.stillborn,
            untried=self.untried + other.untried,
            tried=min(self.tried, other.tried),
            inputs=self.inputs,
        )

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
    pipeline: Pipeline,
    inputs: Sequence[Judged],
    *,
    number: int | None,
    seconds: float,
    progress: Progress,
    share: tuple[int, int] = (0, 1),
) -> Outcome:
    """Try mutants on one input after the other until each is told apart, or the time is up.

    ``number`` of them are drawn with a fixed seed, all when it is None; of these, ``share`` (which, of
    how many) says which are tried here. Raises a LesterError when the pipeline itself does not run.
    """
    deadline = time.monotonic() + seconds
    planned = rerun.Planned(pipeline)
    try:
        return _Trial(planned, inputs, deadline, progress).run(number, share)
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
        self.stillborn = 0
        self.bound: set[int] = set()
        """Those the engine is known not to refuse whatever the data."""
        self.planned_mutants: dict[int, try_mutant.Planned] = {}

    def run(self, number: int | None, share: tuple[int, int]) -> Outcome:
        state = self.planned.state(self.inputs[0].data)
        try:
            if state.error is not None:
                raise state.error
            self.plan = state.plan
        finally:
            state.close()
        self.progress("making mutants")
        everything = mutants(self.plan.pipeline, types_of(self.plan.types))
        chosen = (everything if number is None else sample(everything, number, SEED))[share[0] :: share[1]]
        self.rules = Arguments(self.planned.pipeline)
        self.arguments: dict[int, str] = {}
        self.coded = many.together([m.pipeline for m in chosen if m.pipeline.code != self.plan.pipeline.code])
        self.empty = rerun.empty_state(self.plan, self.planned.worker(self.plan.pipeline))
        try:
            return self._outcome(len(everything), *self._try(list(chosen)))
        finally:
            self.empty.close()
            for worker in list(self.coded.values())[:1]:
                worker.close()

    def _try(self, living: list[Mutant]) -> tuple[list[Mutant], int]:
        """Those not told apart, and the number of inputs on which all that lived were tried.

        Those argued equivalent are tried on a few inputs only, for a rule might be wrong.
        """
        tried, known = 0, []
        for turn, judged in enumerate(self._ordered()):
            if turn == FEW + 1:
                known = [m for m in living if self._argument(m)]
                living = [m for m in living if not self._argument(m)]
            if not living or time.monotonic() > self.deadline:
                break
            living, finished = self._next(judged, living)
            tried += finished
        return [*living, *known], tried if living else len(self.inputs)

    def _argument(self, mutant: Mutant) -> str:
        """Why no data can tell a mutant apart, or ''; looked for once, when the first inputs did not."""
        if id(mutant) not in self.arguments:
            self.arguments[id(mutant)] = self.rules.of(mutant)
        return self.arguments[id(mutant)]

    def _outcome(self, sites: int, living: list[Mutant], tried: int) -> Outcome:
        left = [m for m in living if id(m) in self.tries]
        arguments = {id(m): self._argument(m) for m in left}
        return Outcome(
            sites=sites,
            told=tuple(self.told),
            survivors=tuple(m for m in left if not arguments[id(m)]),
            equivalent=tuple((m, arguments[id(m)]) for m in left if arguments[id(m)]),
            slow=tuple(self.slow),
            stillborn=self.stillborn,
            untried=len(living) - len(left),
            tried=tried,
            inputs=len(self.inputs),
        )

    def _ordered(self) -> list[Judged]:
        """Small data first, then the user's: a mutant that twelve rows tell apart need not be run on a million.

        Inputs that leave little to compare (empty files, data the original refuses) come last.
        """
        bare = {id(j): j.refused or not all(_held(w) for w in wanted(self.planned.pipeline, j.evidence))
                for j in self.inputs}  # fmt: skip
        small = sorted(self.inputs, key=lambda j: (bare[id(j)], self._size(j)))
        few = [j for j in small if j.name and not bare[id(j)]][:FEW]
        return sorted(small, key=lambda j: (j not in few, bool(j.name)))

    def _size(self, judged: Judged) -> int:
        """Bytes of the files the pipeline reads."""
        paths = [judged.data / s.path for s in self.planned.pipeline.sources if s.path]
        return sum(path.stat().st_size for path in paths if path.is_file())

    def _next(self, judged: Judged, living: list[Mutant]) -> tuple[list[Mutant], bool]:
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

    def _on(self, judged: Judged, state: rerun.State, living: list[Mutant]) -> tuple[list[Mutant], bool]:
        """The mutants that live on after this input, and whether all were tried on it."""
        points = wanted(self.planned.pipeline, judged.evidence)
        refused = judged.refused and state.error is not None
        left = []
        for number, mutant in enumerate(living):
            if time.monotonic() > self.deadline:
                return [*left, *living[number:]], False
            if number % 20 == 0:
                what = f"{len(living)} mutants on {judged.name or 'the data'}"
                self.progress(f"{what}: {number} tried, {len(self.told)} told apart so far")
            self.tries.add(id(mutant))
            try:
                trial = self._trial(mutant, state, points, refused=refused)
            except TooSlow:
                self.slow.append(mutant)
                continue
            if trial is None:
                self.stillborn += 1
            elif trial.how:
                self.told.append(Told(mutant=mutant, input=judged.name, how=trial.how))
            else:
                left.append(mutant)
        return left, True

    def _trial(
        self, mutant: Mutant, state: rerun.State, points: Sequence[Wanted], *, refused: bool
    ) -> try_mutant.Trial | None:
        """What one input shows of a mutant; None when the engine refuses it whatever the data."""
        if id(mutant) not in self.planned_mutants:
            try:
                self.planned_mutants[id(mutant)] = try_mutant.plan_mutant(mutant, self.plan)
            except InternalError:
                raise
            except LesterError:
                return None
        found = self.planned_mutants[id(mutant)]
        worker = self.coded[found.plan.pipeline.code] if found.code else self.planned.worker(found.plan.pipeline)
        trial = try_mutant.told_apart(found, state, points, refused=refused, worker=worker)
        if trial.failed and id(mutant) not in self.bound:
            if try_mutant.refused_at_all(found, self.empty, worker):
                return None
            self.bound.add(id(mutant))
        if trial.how:
            del self.planned_mutants[id(mutant)]
        return trial


def _held(want: Wanted) -> bool:
    """Whether the original had anything at a point."""
    return bool(want.expected.rows) or (want.expected.matrix is not None and want.expected.matrix.size > 0)


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
