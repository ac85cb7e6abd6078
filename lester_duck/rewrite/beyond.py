"""What directed inputs and mutants say of a pipeline that agrees on the user's data."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from lester_duck.pipeline.model import Pipeline
from lester_duck.rewrite import suspicions
from lester_duck.rewrite.directed import judge_directed
from lester_duck.rewrite.finding import Finding
from lester_duck.rewrite.inputs import directed
from lester_duck.rewrite.judge import Verdict
from lester_duck.rewrite.mutants import Judged, Outcome, rate_of
from lester_duck.rewrite.observation import Evidence
from lester_duck.rewrite.observe import Setting
from lester_duck.rewrite.rerun import Planned
from lester_duck.rewrite.shared_mutants import judge_shared

DIRECTED_SECONDS = 28.0
SECONDS = 58.0
"""What directed inputs and mutants may take together."""
ALL_SECONDS = 900.0
"""The same where all mutants are asked for."""
ALL_ROUNDS = 3
"""How often mixtures are made where all mutants are asked for, and how much longer directed inputs may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The verdict with directed inputs and mutants added, the mutants, and what looked like a bug of the original."""

    verdict: Verdict
    mutants: Outcome | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """How to go beyond the user's data: ``mutants`` is a number, None for all, 0 for none.

    ``seconds`` is what directed inputs and mutants may take together, the inputs half of it; None for
    what is usual.
    """

    how: Setting
    evidence: Evidence
    space: Path
    mutants: int | None
    progress: Callable[[str], None]
    seconds: float | None = None

    def judge(self, pipeline: Pipeline, verdict: Verdict) -> Said:
        """What more can be said; the verdict as it is when it says *differs* already."""
        if not _worth(verdict):
            return Said(verdict=verdict)
        started = time.monotonic()
        rounds = ALL_ROUNDS if self.mutants is None else 1
        pipeline = _without_keys(pipeline)
        kept = [Judged(name="", data=self.how.root, evidence=self.evidence)]
        planned = Planned(pipeline)
        try:
            verdict = judge_directed(
                pipeline,
                self.evidence,
                verdict,
                directed(self.how.root, self.evidence.first.reads, self.how.code.text, rounds),
                how=self.how,
                execute=planned,
                space=self.space,
                seconds=DIRECTED_SECONDS * rounds if self.seconds is None else self.seconds / 2,
                progress=self.progress,
                keep=kept.append,
            )
            findings = (*suspicions.of_inputs(kept), *self._in_data(planned))
        finally:
            planned.close()
        if self.mutants == 0 or not _worth(verdict):
            return Said(verdict=verdict, findings=findings)
        usual = ALL_SECONDS if self.mutants is None else SECONDS
        left = (usual if self.seconds is None else self.seconds) - (time.monotonic() - started)
        outcome = judge_shared(pipeline, kept, number=self.mutants, seconds=left, progress=self.progress)
        return Said(verdict=replace(verdict, mutants=rate_of(outcome)), mutants=outcome, findings=findings)

    def _in_data(self, planned: Planned) -> tuple[Finding, ...]:
        state = planned.state(self.how.root)
        try:
            return tuple(suspicions.of_data(planned.pipeline, state.db))
        finally:
            state.close()


def _worth(verdict: Verdict) -> bool:
    """Whether more can be said: something was compared, and nothing differs yet."""
    return verdict.points > 0 and verdict.status != "differs"


def _without_keys(pipeline: Pipeline) -> Pipeline:
    """Keys are what the user says of the data; directed inputs repeat rows, as the original allows."""
    return replace(pipeline, sources=tuple(replace(source, key=()) for source in pipeline.sources))
