"""The built-in translator as a proposal."""

from __future__ import annotations

from lester_duck.lift import lift
from lester_duck.rewrite.observation import as_observed
from lester_duck.rewrite.proposal import Proposal, Task


def translated(task: Task) -> Proposal:
    """Lift the script; what was lifted before a refusal is kept."""
    lifted = lift(task.text, as_observed(task.evidence.first), script=task.name)
    return Proposal(
        pipeline=lifted.pipeline,
        refusals=tuple(str(refusal) for refusal in lifted.refusals),
        suspicions=tuple(str(suspicion) for suspicion in lifted.suspicions),
    )
