"""A change of sources followed through views, split, matrix and model, in one transaction."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lester_duck.db import Database
from lester_duck.engine import artefacts, matrix, split_maintain
from lester_duck.engine.calls import make_worker
from lester_duck.engine.plan import Plan
from lester_duck.errors import InputError, UsageError, one_of
from lester_duck.ivm.delta import SourceChange, normalise
from lester_duck.ivm.follow_checks import Checks
from lester_duck.ivm.images import new_name, old_name
from lester_duck.ivm.maintain import LARGE_CHANGE, Maintained, Programs, maintain_block
from lester_duck.ivm.program import exchange_source
from lester_duck.ivm.read_delta import read_delta
from lester_duck.store import catalog

MODEL_POLICIES = ("now", "later")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What an update did: rows per source, strategy and rows per view, featurizers touched, seconds."""

    id: int
    sources: tuple[SourceChange, ...]
    views: tuple[Maintained, ...]
    featurizers: Mapping[str, int]
    tables: tuple[str, ...]
    model: str
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def summary(self) -> dict[str, Any]:
        """The same facts as plain values, for JSON."""
        return {
            "id": self.id,
            "sources": {
                s.source: {"inserted": s.inserted, "deleted": s.deleted, "updated": s.updated} for s in self.sources
            },
            "views": {
                v.name: {"strategy": v.strategy, "reason": v.reason, "removed": v.removed, "added": v.added}
                for v in self.views
            },
            "featurizers": dict(self.featurizers),
            "tables": list(self.tables),
            "model": self.model,
            "seconds": {k: round(v, 6) for k, v in self.seconds.items()},
        }


class Maintainer:
    """Applies deltas to one open store; holds the plan and the function worker between updates."""

    def __init__(self, db: Database, plan: Plan) -> None:
        self._db = db
        self._plan = plan
        self._programs = Programs(plan)
        self._checks = Checks(plan)
        self._worker = make_worker(plan.pipeline)
        block = artefacts.feature_block(plan)
        self._features = block
        self._types = artefacts.data_types(plan, block) if block else {}

    def close(self) -> None:
        """End the function worker."""
        self._worker.close()

    def update(self, deltas: Mapping[str, Any], *, model: str = "now") -> Change:
        """Apply deltas (source name -> delta) and everything that follows from them.

        ``model`` is ``now`` (fit again inside the transaction) or ``later`` (mark the model stale).
        Raises InputError for a delta that does not fit; the store is then untouched.
        """
        if model not in MODEL_POLICIES:
            raise UsageError(one_of("model policy", model, MODEL_POLICIES))
        started = datetime.now(UTC).replace(tzinfo=None)
        begin = time.perf_counter()
        given = self._read(deltas)
        small = sum(t.num_rows for t in given.values()) <= LARGE_CHANGE
        with self._db.one_thread() if small else nullcontext(), self._db.transaction():
            sources = tuple(self._apply(name, table) for name, table in given.items())
            views, featurizers, tables = self._follow({s.source: s.images for s in sources if s.rows})
            derived = time.perf_counter()
            policy = self._follow_model(model, bool(featurizers or self._features_changed(views)))
            fitted = time.perf_counter()
            tables = (*[f"source.{s.source}" for s in sources if s.rows], *tables, "change")
            number = self._record(started, derived - begin, sources, views, policy)
        end = time.perf_counter()
        seconds = {"derive": derived - begin, "model": fitted - derived, "commit": end - fitted, "total": end - begin}
        return Change(
            id=number,
            sources=sources,
            views=views,
            featurizers=featurizers,
            tables=tables,
            model=policy,
            seconds=seconds,
        )

    def _read(self, deltas: Mapping[str, Any]) -> dict[str, Any]:
        names = {s.name.lower(): s.name for s in self._plan.pipeline.sources}
        given = {}
        for name, delta in deltas.items():
            if name.lower() not in names:
                raise InputError(one_of("source", name, names.values()))
            given[names[name.lower()]] = read_delta(self._db, name, delta)
        if not given:
            raise UsageError("no delta given", hint="update(SOURCE=delta)")
        return given

    def _apply(self, name: str, delta: Any) -> SourceChange:
        source = next(s for s in self._plan.pipeline.sources if s.name == name)
        change = normalise(self._db, source, delta)
        for text in exchange_source(source):
            self._db.execute(text)
        return change

    def _follow(self, moved: dict[str, int]) -> tuple[tuple[Maintained, ...], dict[str, int], tuple[str, ...]]:
        """Maintain blocks in dependency order, then split and matrix; ``moved``: images per source."""
        views: list[Maintained] = []
        tables: list[str] = []
        for block in self._plan.blocks:
            inputs = {name: moved[name] for name in block.reads if name in moved}
            if not inputs:
                continue
            done = maintain_block(self._db, self._programs, block, inputs, self._worker)
            views.append(done)
            if done.changed:
                moved = {**moved, block.name: done.removed + done.added}
                if self._plan.stored[block.name].how == "table":
                    tables.append(f"{block.schema}.{block.table}")
        featurizers: dict[str, int] = {}
        if self._features is not None and self._features.name in moved:
            featurizers, touched_tables = self._follow_features(moved[self._features.name])
            tables += touched_tables
        if moved:
            self._checks.follow(self._db, frozenset(moved))
        return tuple(views), featurizers, tuple(tables)

    def _follow_features(self, images: int) -> tuple[dict[str, int], list[str]]:
        block, pipeline = self._features, self._plan.pipeline
        rows = matrix.ViewChange(old_name(block.name), new_name(block.name), images)
        order = artefacts.order_of(block)
        moved = split_maintain.maintain_split(self._db, pipeline.split, block.name, order, rows.old, rows.new)
        change = matrix.maintain(
            self._db, pipeline.features, self._types, rows, self._worker.call, pipeline.split, moved
        )
        if change.renamed:
            artefacts.record_features(self._db, self._plan)
        tables = [f"_lester.{name}" for name in change.tables]
        return dict(change.rows), ["_lester.split", *tables] if moved else tables

    def _features_changed(self, views: tuple[Maintained, ...]) -> bool:
        return self._features is not None and any(v.name == self._features.name and v.changed for v in views)

    def _follow_model(self, policy: str, touched: bool) -> str:
        if self._plan.pipeline.model is None:
            return "none"
        if not touched:
            return "unaffected"
        if policy == "later":
            artefacts.mark_stale(self._db)
            return "stale"
        with self._db.all_threads():
            artefacts.fit(self._db, self._plan)
        return "fitted"

    def _record(
        self,
        started: datetime,
        seconds: float,
        sources: tuple[SourceChange, ...],
        views: tuple[Maintained, ...],
        model: str,
    ) -> int:
        changed = {s.source: {"inserted": s.inserted, "deleted": s.deleted, "updated": s.updated} for s in sources}
        followed = {v.name: {"strategy": v.strategy, "removed": v.removed, "added": v.added} for v in views}
        return self._db.value(
            "INSERT INTO _lester.change SELECT coalesce(max(id), 0) + 1, ?::TIMESTAMP, ?, ?, ?, ? FROM _lester.change "
            "RETURNING id",
            [started, seconds, catalog.as_json(changed), catalog.as_json(followed), model],
        )
