"""Running a pipeline into a store: the first time, and again after an edit.

One transaction: on any error, or Ctrl-C, the store is as it was before.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lester_duck.db import Database
from lester_duck.engine import artefacts, checks
from lester_duck.engine.build import build_block, drop_block
from lester_duck.engine.calls import create_caches, drop_caches, make_worker
from lester_duck.engine.ingest import Ingested, read, read_given
from lester_duck.engine.plan import Plan, install_macros, make_plan
from lester_duck.engine.record import Relations, count_rows, stored_fingerprints, versions
from lester_duck.engine.sources import create_source
from lester_duck.errors import Unsupported
from lester_duck.pipeline.model import Pipeline, Source, fingerprint
from lester_duck.store import catalog

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """What a run did: its number, seconds per step, rows per relation, the blocks it (re)built."""

    id: int
    seconds: Mapping[str, float]
    counts: Mapping[str, int]
    built: tuple[str, ...]
    metrics: Mapping[str, float]


class _Clock:
    """Seconds spent per step, reported as they pass."""

    def __init__(self, progress: Progress | None) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress
        self._last = time.perf_counter()

    def lap(self, step: str) -> None:
        now = time.perf_counter()
        self.seconds[step] = self.seconds.get(step, 0.0) + now - self._last
        self._last = now
        if self._progress:
            self._progress(f"{step} ({self.seconds[step]:.2f} s)")


def run(
    db: Database,
    pipeline: Pipeline,
    root: Path,
    *,
    data: Mapping[str, Any] | None = None,
    model: str = "now",
    progress: Progress | None = None,
    finish: Callable[[Database, Plan], None] | None = None,
    patience: float = math.inf,
) -> RunSummary:
    """Run ``pipeline`` into the open store ``db``; files are looked up below ``root``.

    ``data`` gives the rows of sources directly. ``model`` is ``now``, or ``later`` to leave the model
    unfitted. ``patience`` is how many seconds all calls of functions may take. ``finish`` runs inside
    the transaction after everything is built. A store that holds an earlier version of the pipeline
    keeps its sources; only changed views and their dependants are built again. Raises InputError for
    faults of data or pipeline, Unsupported for a changed source.
    """
    clock = _Clock(progress)
    started = datetime.now(UTC).replace(tzinfo=None)
    live = catalog.get_pipeline(db)
    ingested, resolved = _resolve(db, pipeline, live, root, data or {})
    clock.lap("read sources")
    plan = make_plan(resolved)
    clock.lap("plan")
    worker = make_worker(resolved, total=patience)
    try:
        with db.transaction():
            if live is None:
                install_macros(db)
            for source in ingested:
                create_source(db, source)
            clock.lap("store sources")
            built = _build(db, plan, live, worker, clock)
            checks.run(db, plan)
            Relations(plan=plan).write(db)
            clock.lap("provenance of columns")
            metrics = artefacts.build(db, plan, worker, rebuilt=built, live=live, model=model, lap=clock.lap)
            catalog.put_pipeline(db, resolved)
            if finish:
                finish(db, plan)
            counts = count_rows(db, plan)
            number = catalog.next_id(db, "run")
            catalog.insert(db, "run", [(
                number, started, sum(clock.seconds.values()), fingerprint(pipeline), "", catalog.as_json(counts),
                catalog.as_json(metrics), catalog.as_json(versions()),
            )])  # fmt: skip
        clock.lap("commit")
    finally:
        worker.close()
    return RunSummary(id=number, seconds=clock.seconds, counts=counts, built=tuple(built), metrics=metrics)


def _resolve(
    db: Database, pipeline: Pipeline, live: Pipeline | None, root: Path, data: Mapping[str, Any]
) -> tuple[list[Ingested], Pipeline]:
    """Read the sources the store does not hold yet; fill in the columns of all."""
    held = {s.name: s for s in live.sources} if live else {}
    ingested, sources = [], []
    for source in pipeline.sources:
        if source.name in held:
            sources.append(_unchanged(source, held[source.name]))
            continue
        new = read_given(db, source, data[source.name]) if source.name in data else read(db, source, root)
        ingested.append(new)
        sources.append(new.source)
    return ingested, replace(pipeline, sources=tuple(sources))


def _unchanged(declared: Source, held: Source) -> Source:
    comparable = declared if declared.columns else replace(declared, columns=held.columns)
    types = {c.name: c.type for c in held.columns}
    columns = tuple(replace(c, type=c.type or types.get(c.name, "")) for c in comparable.columns)
    if not set(columns) <= set(held.columns) or replace(comparable, columns=held.columns) != held:
        raise Unsupported(
            f"the declaration of source '{declared.name}' differs from the one the store was made with",
            hint="run into a new store",
        )
    return held


def _build(db: Database, plan: Plan, live: Pipeline | None, worker: Any, clock: _Clock) -> list[str]:
    """Build what is new or changed; returns the names of the blocks built."""
    if live is not None and live.code != plan.pipeline.code:
        drop_caches(db)
    create_caches(db, plan.pipeline)
    clock.lap("prepare")
    before = stored_fingerprints(db)
    changed = _changed(plan, before)
    _drop_stale(db, plan, changed)
    for block in plan.blocks:
        if block.name in changed:
            build_block(db, plan, block, worker)
            clock.lap(f"view {block.view}")
    return changed


def _changed(plan: Plan, before: Mapping[str, str]) -> list[str]:
    changed: list[str] = []
    for block in plan.blocks:
        if before.get(block.name) != plan.fingerprint(block) or any(r in changed for r in block.reads):
            changed.append(block.name)
    return changed


def _drop_stale(db: Database, plan: Plan, changed: list[str]) -> None:
    """Drop, latest first, relations that are to be built again or that the pipeline no longer has."""
    kept = {b.name for b in plan.blocks} - set(changed)
    rows = db.rows(
        "SELECT name, schema_name, table_name, stored FROM _lester.relation WHERE family <> 'source' "
        "ORDER BY position DESC"
    )
    for name, schema, table_name, how in rows:
        if name not in kept:
            drop_block(db, schema, table_name, how)
