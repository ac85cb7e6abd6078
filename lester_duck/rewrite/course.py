"""The course of a rewrite: the translator, a model for all or for what it refuses, or both in turn."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar

from lester_duck.errors import InternalError, LesterError
from lester_duck.pipeline.model import Pipeline
from lester_duck.rewrite import mask, profile
from lester_duck.rewrite.admission import reasons
from lester_duck.rewrite.asking.question import Asker
from lester_duck.rewrite.beyond import Beyond, Said
from lester_duck.rewrite.execute import columns_of, execute
from lester_duck.rewrite.fragments import Name
from lester_duck.rewrite.judge import Verdict, judge
from lester_duck.rewrite.kept import kept, needed
from lester_duck.rewrite.observe import Setting
from lester_duck.rewrite.proposal import Attempt, Proposal, Task, complete
from lester_duck.rewrite.rounds import Road, Rounds
from lester_duck.rewrite.telling import Telling
from lester_duck.rewrite.translator import translated

EngineName = Literal["auto", "static", "llm", "files"]
TRANSLATOR = "static"
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The best attempt and all of them in order; what was said of the best beyond the user's data.

    ``stopped`` says why no more was asked, where that was not the end.
    """

    best: Attempt
    attempts: tuple[Attempt, ...]
    said: Said | None = None
    stopped: str = ""


@dataclass(kw_only=True)
class Course:
    """One rewrite. ``mutants`` is a number, None for all; without ``directed`` inputs none are tried."""

    task: Task
    how: Setting
    space: Path
    progress: Callable[[str], None]
    directed: bool = True
    mutants: int | None = 0
    seconds: float | None = None
    rows: int = 0
    rounds: int = 2
    samples: int = 3
    _said: dict[int, Said] = field(default_factory=dict)
    _rounds: Rounds | None = None

    def translate(self) -> Ended:
        """The translator alone; what was lifted before a refusal is kept."""
        attempt = self._translated()
        return Ended(best=attempt, attempts=(attempt,), said=self._beyond(attempt))

    def ask(self, asker: Asker) -> Ended:
        """A model for everything."""
        return self._asked(asker, self.telling, needed(None, self.task.evidence.first))

    def translate_then_ask(self, asker: Asker | None) -> Ended:
        """The translator, then a model for what it refuses or what differs; without a model the translator alone."""
        first = self._translated()
        pipeline, verdict = first.proposal.pipeline, first.verdict
        if asker is None or (verdict is not None and verdict.agreed):
            return Ended(best=first, attempts=(first,), said=self._beyond(first))
        base = kept(pipeline, verdict) if pipeline is not None and verdict is not None else None
        telling = replace(self.telling, base=base, refusals=first.proposal.refusals)
        ended = self._asked(asker, telling, needed(base, self.task.evidence.first))
        best = max((first, ended.best), key=lambda a: (a.verdict is not None and a.verdict.agreed, a.rank))
        if best is first:
            return replace(ended, best=first, attempts=(first, *ended.attempts), said=self._beyond(first))
        suspicions = first.proposal.suspicions
        best = replace(best, proposal=replace(best.proposal, suspicions=suspicions))
        return replace(ended, best=best, attempts=(first, *ended.attempts))

    def _translated(self) -> Attempt:
        self.progress("translating")
        proposal, fault = _guarded("translating", lambda: translated(self.task))
        if proposal is None:
            return Attempt(proposal=Proposal(pipeline=None, problem=fault), verdict=None)
        if proposal.pipeline is None:
            return Attempt(proposal=proposal, verdict=None)
        proposal = replace(proposal, pipeline=complete(proposal.pipeline, self.task, TRANSLATOR))
        self.progress("comparing")
        verdict, fault = _guarded("comparing", lambda: self._judge(proposal.pipeline))
        return Attempt(proposal=replace(proposal, problem=fault) if fault else proposal, verdict=verdict)

    def _judge(self, pipeline: Pipeline) -> Verdict:
        return judge(pipeline, self.task.evidence, execute, self.how.root)

    @property
    def telling(self) -> Telling:
        """What may go out of this task."""
        hidden = profile.paths(self.task.evidence.first, self.task.text)
        return Telling(task=self.task, masked=mask.mask(self.task.text).also(hidden), rows=self.rows)

    def go_on(self, asker: Asker, ended: Ended, remark: str) -> Ended:
        """The model again, with what a person said about the difference that is left."""
        rounds = self._rounds
        if rounds is None or not rounds.attempts:
            telling = replace(self.telling, remarks=(remark,))
            return self._asked(asker, telling, needed(None, self.task.evidence.first))
        rounds.go_on(remark, needed(rounds.road.telling.base, self.task.evidence.first))
        return self._ended(rounds, ended.attempts)

    def vary(self, asker: Asker, attempt: Attempt, wanted: str) -> Attempt:
        """Something else than the script does, on purpose."""
        rounds = Rounds(road=self._road(asker, self.telling))
        rounds.vary(attempt.proposal.pipeline, wanted)
        problem = Proposal(pipeline=None, problem=rounds.stopped)
        return rounds.attempts[-1] if rounds.attempts else Attempt(proposal=problem, verdict=None)

    def judged(self, pipeline: Pipeline, ended: Ended) -> Ended:
        """A pipeline that a person edited, compared."""
        verdict, fault = _guarded("comparing", lambda: self._judge(pipeline))
        proposal = replace(ended.best.proposal, pipeline=pipeline, problem=fault, exchanges=())
        attempt = Attempt(proposal=proposal, verdict=verdict)
        return Ended(best=attempt, attempts=(*ended.attempts, attempt), said=self._beyond(attempt))

    def _asked(self, asker: Asker, telling: Telling, needs: Sequence[Name]) -> Ended:
        rounds = self._rounds = Rounds(road=self._road(asker, telling))
        rounds.run(needs)
        return self._ended(rounds, ())

    def _road(self, asker: Asker, telling: Telling) -> Road:
        first = self.task.evidence.first
        return Road(
            task=self.task,
            telling=telling,
            asker=asker,
            judge=lambda pipeline: _guarded("comparing", lambda: self._judge(pipeline)),
            further=self._further,
            refused=lambda pipeline: reasons(pipeline, first),
            columns=lambda pipeline: columns_of(pipeline, self.how.root),
            progress=self.progress,
            rounds=self.rounds,
            samples=self.samples,
        )

    def _ended(self, rounds: Rounds, before: tuple[Attempt, ...]) -> Ended:
        if not rounds.attempts:
            nothing = Attempt(proposal=Proposal(pipeline=None, problem=rounds.stopped), verdict=None)
            return Ended(best=nothing, attempts=before, stopped=rounds.stopped)
        best = max(rounds.attempts, key=lambda a: a.rank)
        known = {id(a) for a in before}
        attempts = (*before, *(a for a in rounds.attempts if id(a) not in known))
        return Ended(best=best, attempts=attempts, said=self._said.get(id(best.verdict)), stopped=rounds.stopped)

    def _further(self, pipeline: Pipeline, verdict: Verdict) -> Verdict:
        said = self._beyond(Attempt(proposal=Proposal(pipeline=pipeline), verdict=verdict))
        if said is None:
            return verdict
        self._said[id(said.verdict)] = said
        return said.verdict

    def _beyond(self, attempt: Attempt) -> Said | None:
        """Directed inputs and mutants, for what agrees on the user's data."""
        pipeline, verdict = attempt.proposal.pipeline, attempt.verdict
        if pipeline is None or verdict is None or not self.directed:
            return None
        space = self.space / f"beyond{time.monotonic_ns()}"
        space.mkdir()
        beyond = Beyond(
            how=self.how, evidence=self.task.evidence, space=space, mutants=self.mutants, progress=self.progress,
            seconds=self.seconds,
        )  # fmt: skip
        return beyond.judge(pipeline, verdict)


def _guarded(what: str, step: Callable[[], Result]) -> tuple[Result | None, str]:
    """The result of a step, or the fault of ours that ended it: an attempt fails, the rewrite goes on."""
    try:
        return step(), ""
    except LesterError as error:
        if not isinstance(error, InternalError):
            raise
        return None, f"internal error while {what}: {error}"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is reported as this attempt's fault
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}:{frame.lineno}"
        return None, f"internal error while {what}: {type(error).__name__}: {error} ({place}); a bug of lester-duck"
