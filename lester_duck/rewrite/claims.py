"""What the original was seen to do and a pipeline does not claim to reproduce."""

from __future__ import annotations

from collections.abc import Sequence

from lester_duck.pipeline.model import Pipeline
from lester_duck.rewrite.observation import Observation
from lester_duck.rewrite.points import ASKS, TESTED, points


def unclaimed(pipeline: Pipeline, observation: Observation) -> tuple[str, ...]:
    """What the original shows before its last fit and the pipeline does not claim: files, X and y."""
    origin = pipeline.origin
    claimed = {o.path for o in origin.outputs} if origin else set()
    given = [c for c in observation.calls if observation.values[c.y] is not None]
    fits = [c for c in given if c.method.startswith("fit") and not c.nested]
    end = max((c.at for c in fits), default=None)
    written = [p for p, at in observation.wrote_at if p in observation.writes and (end is None or at < end)]
    missing = [p for p in written if p not in claimed and _is_text(observation, p)]
    reasons = [f"file {p}: written by the original, claimed by no view" for p in missing]
    if fits and not (origin and origin.fit):
        reasons.append(f"X given to {fits[-1].estimator}.fit: not claimed by the pipeline")
    elif fits and pipeline.label is None:
        reasons.append(f"y given to {fits[-1].estimator}.fit: the pipeline has no label")
    return tuple(reasons)


def _is_text(observation: Observation, path: str) -> bool:
    text = observation.text(path)
    return text is not None and "\0" not in text


def ignored(pipeline: Pipeline, observation: Observation, compared: Sequence[str]) -> tuple[str, ...]:
    """What was seen and not compared, for the report: later files, further fits, matrices given elsewhere."""
    origin = pipeline.origin
    claimed = {o.path for o in origin.outputs} if origin else set()
    reasons = unclaimed(pipeline, observation)
    notes = [
        f"file {p}: written after the last fit, or not text"
        for p in observation.writes
        if p not in claimed and not any(r.startswith(f"file {p}:") for r in reasons)
    ]
    further = observation.fits(origin.fit)[1:] if origin and origin.fit else ()
    if further:
        notes.append(f"{len(further)} further fits of {origin.fit}: only the first was compared")
    asked = any(p.claim == TESTED and p.describe() in compared for p in points(pipeline))
    matrices = {c.method for c in observation.calls if not c.method.startswith("fit")} - (ASKS if asked else set())
    if matrices:
        notes.append(f"matrices given to {', '.join(sorted(matrices))}")
    return tuple(notes)
