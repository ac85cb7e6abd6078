"""Stores built block by block in memory: planned once, run on many inputs, changed and undone.

What the judge runs on the user's data is the engine as a user runs it (``execute``). Directed inputs
and mutants take this shorter way: the same blocks, checks and matrix, without catalog and lineage.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa

from lester_duck.db import Database, Error, first_line
from lester_duck.engine import artefacts, checks
from lester_duck.engine.build import build_block
from lester_duck.engine.calls import create_caches, make_worker
from lester_duck.engine.ingest import Ingested, read
from lester_duck.engine.plan import Plan, install_macros, make_plan
from lester_duck.engine.sources import create_source
from lester_duck.engine.worker import Worker
from lester_duck.errors import InputError, LesterError
from lester_duck.pipeline.model import Pipeline, Source, fingerprint
from lester_duck.rewrite.execute import StoreRun
from lester_duck.store import store


@dataclass(slots=True)
class State:
    """A store after its sources were read and as many blocks built as the data allow.

    ``built`` is the number of blocks that were; ``error`` is what stopped it there (in a block, a
    check or a featurizer), or None.
    """

    db: Database
    plan: Plan
    built: int = 0
    error: LesterError | None = None
    content: dict[str, pa.Table] = field(default_factory=dict)
    """Rows of blocks of the pipeline itself, kept by those who change the store."""

    def close(self) -> None:
        """Drop everything."""
        self.db.close()


class Planned:
    """Plans a pipeline once and builds it on one input after another.

    As a callable it is an ``Execute`` of the judge. ``close`` ends the process of its functions.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = replace(pipeline, model=None)
        self._plans: dict[str, Plan] = {}
        self._workers: dict[str, Worker] = {}

    @contextmanager
    def __call__(self, pipeline: Pipeline, data: Path) -> Iterator[StoreRun]:
        """Run a pipeline (this one, or a part of it) on the files below ``data``."""
        state = self.state(data, replace(pipeline, model=None))
        try:
            if state.error is not None:
                raise state.error
            yield StoreRun(state.db, state.plan)
        finally:
            state.close()

    def state(self, data: Path, pipeline: Pipeline | None = None) -> State:
        """The store on the files below ``data``; raises a LesterError when a source is refused."""
        pipeline = pipeline or self.pipeline
        db = store.create_or_open(store.MEMORY)
        try:
            ingested = [_read(db, source, data) for source in pipeline.sources]
            plan = self._plan(replace(pipeline, sources=tuple(i.source for i in ingested)))
            return build(db, plan, ingested, self.worker(plan.pipeline))
        except BaseException:
            db.close()
            raise

    def worker(self, pipeline: Pipeline) -> Worker:
        """The process of a pipeline's functions; pipelines with the same code share one."""
        key = pipeline.code
        if key not in self._workers:
            self._workers[key] = make_worker(pipeline)
        return self._workers[key]

    def forget(self, pipeline: Pipeline) -> None:
        """End the process of a pipeline's functions, unless it is this one's."""
        if pipeline.code != self.pipeline.code and pipeline.code in self._workers:
            self._workers.pop(pipeline.code).close()

    def close(self) -> None:
        """End all processes."""
        for worker in self._workers.values():
            worker.close()

    def _plan(self, resolved: Pipeline) -> Plan:
        key = fingerprint(resolved)
        if key not in self._plans:
            self._plans[key] = make_plan(resolved)
        return self._plans[key]


def _read(db: Database, source: Source, data: Path) -> Ingested:
    try:
        return read(db, source, data)
    except Error as error:
        raise InputError(first_line(error), where=source.path) from error


def empty_state(plan: Plan, worker: Worker) -> State:
    """The store of a plan whose sources have no rows: for binding."""
    db = store.create_or_open(store.MEMORY)
    try:
        return build(db, plan, [Ingested(s, _no_rows(db, s)) for s in plan.pipeline.sources], worker)
    except BaseException:
        db.close()
        raise


def _no_rows(db: Database, source: Source) -> pa.Table:
    items = ", ".join(f'CAST(NULL AS {c.type}) AS "{c.name.replace(chr(34), chr(34) * 2)}"' for c in source.columns)
    return db.arrow(f"SELECT {items} LIMIT 0")


def build(db: Database, plan: Plan, ingested: list[Ingested], worker: Worker) -> State:
    """Store the sources and build block by block, until the end or the first error."""
    state = State(db, plan)
    install_macros(db)
    for source in ingested:
        create_source(db, source)
    create_caches(db, plan.pipeline)
    try:
        for block in plan.blocks:
            build_block(db, plan, block, worker)
            state.built += 1
        finish(db, plan, worker)
    except LesterError as error:
        state.error = error
    except Error as error:
        state.error = InputError(first_line(error))
    return state


def finish(db: Database, plan: Plan, worker: Worker) -> None:
    """Run the checks, then divide the rows and build the matrix."""
    checks.run(db, plan)
    block = artefacts.feature_block(plan)
    if block is not None:
        artefacts.build(db, plan, worker, rebuilt=[block.name], live=None, model="later", lap=lambda _: None)
