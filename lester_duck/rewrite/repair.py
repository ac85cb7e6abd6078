"""Attempts until one agrees, the rounds are used up, or the same pipeline comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lester_duck.pipeline.model import Pipeline, fingerprint
from lester_duck.rewrite.judge import Verdict
from lester_duck.rewrite.proposal import Attempt, Engine, Task, complete

Judge = Callable[[Pipeline], Verdict]


def converge(
    engine: Engine, task: Task, judge: Judge, *, rounds: int, progress: Callable[[str], None]
) -> tuple[Attempt, tuple[Attempt, ...]]:
    """The best attempt, and all of them in order.

    The first proposal is not a repair: at most ``rounds + 1`` proposals are asked for, and one when
    the engine does not repair.
    """
    attempts: list[Attempt] = []
    seen: set[str] = set()
    for number in range(rounds + 1 if engine.repairs else 1):
        progress(f"repair {number} of {rounds}" if number else f"proposing ({engine.name})")
        attempt = _attempt(engine, task, judge, attempts, progress)
        attempts.append(attempt)
        if attempt.verdict and attempt.verdict.status == "agreed":
            break
        identity = fingerprint(attempt.proposal.pipeline) if attempt.proposal.pipeline else attempt.proposal.problem
        if identity in seen:
            break
        seen.add(identity)
    return max(attempts, key=lambda a: a.rank), tuple(attempts)


def _attempt(
    engine: Engine, task: Task, judge: Judge, attempts: list[Attempt], progress: Callable[[str], None]
) -> Attempt:
    proposal = engine.propose(task, tuple(attempts))
    if proposal.pipeline is None:
        return Attempt(proposal=proposal, verdict=None)
    pipeline = complete(proposal.pipeline, task, engine.name)
    progress("comparing")
    return Attempt(proposal=replace(proposal, pipeline=pipeline), verdict=judge(pipeline))
