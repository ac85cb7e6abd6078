"""What the roads have in common: the task, a proposal, and what became of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from lester_duck.errors import InputError, one_of
from lester_duck.pipeline.model import Origin, Pipeline
from lester_duck.rewrite.judge import Verdict
from lester_duck.rewrite.observation import Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A script to rewrite, what it was seen to do, and the keys its sources are to have."""

    script: Path
    name: str
    """The script's path inside its folder."""
    text: str
    evidence: Evidence
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One question to a model and its raw answer, kept with the pipeline."""

    task: str
    version: str
    prompt_sha256: str
    model: str
    form: str
    prompt_tokens: int
    completion_tokens: int
    raw: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A pipeline, or why there is none. ``refusals`` and ``suspicions`` are sentences with line numbers."""

    pipeline: Pipeline | None
    refusals: tuple[str, ...] = ()
    suspicions: tuple[str, ...] = ()
    problem: str = ""
    exchanges: tuple[Exchange, ...] = ()
    """Questions to a model since the attempt before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A proposal and its verdict (None when there was no pipeline to judge)."""

    proposal: Proposal
    verdict: Verdict | None

    @property
    def rank(self) -> tuple[bool, int, int]:
        """Higher is better: agreed, then what agrees at more points of the user's data, then what does not differ."""
        if self.verdict is None:
            return (False, -1, 0)
        wrong = {d.point for d in self.verdict.differences if not d.input}
        status = {"agreed": 2, "not comparable": 1, "differs": 0}[self.verdict.status]
        return (self.verdict.agreed, self.verdict.points - len(wrong), status)


def complete(pipeline: Pipeline, task: Task, engine: str) -> Pipeline:
    """The pipeline with its origin named and the declared keys on its sources.

    Raises InputError for a key of a source, or a column, that the pipeline does not have.
    """
    sources = {source.name: source for source in pipeline.sources}
    for name, columns in task.keys.items():
        if name not in sources:
            raise InputError(one_of("source", name, sources), where=f"key {name}")
        known = [column.name for column in sources[name].columns]
        for column in columns:
            if known and column not in known:
                raise InputError(one_of("column", column, known), where=f"key {name}")
        sources[name] = replace(sources[name], key=tuple(columns))
    digest = hashlib.sha256(task.text.encode("utf-8")).hexdigest()
    claimed = pipeline.origin or Origin(script="", sha256="", engine="")
    origin = replace(claimed, script=task.name, sha256=digest, engine=engine)
    return replace(pipeline, sources=tuple(sources.values()), origin=origin)
