"""What of the translator's pipeline stands, and what is left to ask a model for."""

from __future__ import annotations

from dataclasses import replace

from lester_duck.pipeline.model import Pipeline, Split
from lester_duck.rewrite.claims import unclaimed
from lester_duck.rewrite.fragments import Name
from lester_duck.rewrite.judge import Verdict
from lester_duck.rewrite.observation import Observation
from lester_duck.rewrite.points import inputs_of, view_order


def kept(pipeline: Pipeline, verdict: Verdict) -> Pipeline:
    """The pipeline without views that differ, what reads them, and what is claimed of them.

    A difference that no view is at fault for (of X, y, or the run) takes the matrix, label and split.
    """
    wrong = {d.view for d in verdict.differences if not _of_matrix(d.point)}
    dropped: set[str] = set()
    reads = {view.name: inputs_of(view.sql) for view in pipeline.views}
    for name in view_order(pipeline):
        if name in wrong or reads[name] & dropped:
            dropped.add(name)
    found = replace(
        pipeline,
        views=tuple(v for v in pipeline.views if v.name not in dropped),
        checks=tuple(c for c in pipeline.checks if not inputs_of(c.sql) & dropped),
    )
    if found.origin:
        origin = replace(
            found.origin,
            outputs=tuple(o for o in found.origin.outputs if o.view not in dropped),
            checkpoints=tuple(c for c in found.origin.checkpoints if c.view not in dropped),
        )
        found = replace(found, origin=origin)
    differs = any(_of_matrix(d.point) for d in verdict.differences)
    if found.features and (differs or found.features.view in dropped):
        return without_matrix(found)
    return found


def without_matrix(pipeline: Pipeline) -> Pipeline:
    """The preparation alone."""
    origin = replace(pipeline.origin, fit=None) if pipeline.origin else None
    return replace(pipeline, features=None, label=None, split=Split(), model=None, origin=origin)


def needed(pipeline: Pipeline | None, observation: Observation) -> tuple[Name, ...]:
    """The fragments that are not there: files nobody reproduces, a matrix that is fitted on.

    Without a matrix the preparation is asked for too, for the rows that are encoded may be missing.
    """
    fitted = any(c.method.startswith("fit") and not c.nested for c in observation.calls)
    if pipeline is None:
        return ("preparation", "target", "features") if fitted else ("preparation",)
    files = any(reason.startswith("file ") for reason in unclaimed(pipeline, observation))
    matrix = fitted and pipeline.features is None
    found: tuple[Name, ...] = ("preparation",) if files or matrix or not pipeline.views else ()
    return (*found, "target", "features") if matrix else found


def _of_matrix(point: str) -> bool:
    return point == "run" or point.startswith(("X given", "y given"))
