"""Attempts until one agrees, the rounds are used up, or the same pipeline comes back."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from lester_duck.errors import InternalError, LesterError
from lester_duck.pipeline.model import Pipeline, fingerprint
from lester_duck.rewrite.judge import Verdict
from lester_duck.rewrite.proposal import Attempt, Engine, Proposal, Task, complete

Judge = Callable[[Pipeline], Verdict]
Result = TypeVar("Result")


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
    proposal, fault = _guarded(f"proposing ({engine.name})", lambda: engine.propose(task, tuple(attempts)))
    if proposal is None:
        return Attempt(proposal=Proposal(pipeline=None, problem=fault), verdict=None)
    if proposal.pipeline is None:
        return Attempt(proposal=proposal, verdict=None)
    pipeline = complete(proposal.pipeline, task, engine.name)
    progress("comparing")
    proposal = replace(proposal, pipeline=pipeline)
    verdict, fault = _guarded("comparing", lambda: judge(pipeline))
    return Attempt(proposal=replace(proposal, problem=fault) if fault else proposal, verdict=verdict)


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
