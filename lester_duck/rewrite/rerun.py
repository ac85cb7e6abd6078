"""Stores built block by block in memory: planned once, run on many inputs, changed and undone.

What the judge runs on the user's data is the engine as a user runs it (``execute``). Directed inputs
and mutants take this shorter way: the same blocks, checks and matrix, without catalog and lineage,
every block as a table (a view would be bound again by all that read it), and one database emptied
from input to input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
from sqlglot import exp

from lester_duck.algebra.relation import table
from lester_duck.db import Database, Error, first_line
from lester_duck.engine import artefacts, checks
from lester_duck.engine.build import build_block
from lester_duck.engine.calls import create_caches, make_worker
from lester_duck.engine.ingest import Ingested, read
from lester_duck.engine.plan import Plan, Stored, install_macros, make_plan
from lester_duck.engine.sources import create_source
from lester_duck.engine.worker import Worker
from lester_duck.errors import InputError, LesterError
from lester_duck.pipeline.model import Pipeline, Source, fingerprint
from lester_duck.rewrite.execute import BOUNDS, SECONDS, StoreRun
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
    texts: dict[str, str] = field(default_factory=dict)
    """Statements that create blocks of the pipeline itself, for those who build them again."""
    done: Callable[[Database], None] = Database.close
    """What becomes of the database."""

    def close(self) -> None:
        """Drop everything."""
        self.done(self.db)


class Planned:
    """Plans a pipeline once and builds it on one input after another.

    As a callable it is an ``Execute`` of the judge. ``close`` ends the process of its functions.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = replace(pipeline, model=None)
        self._plans: dict[str, Plan] = {}
        self._empty: list[Database] = []
        self._fresh: frozenset[tuple[str, str, str]] = frozenset()
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
        db = self._empty.pop() if self._empty else self._new()
        try:
            with db.within(SECONDS):
                state = self._built(db, data, pipeline)
            state.done = self._emptied
            return state
        except LesterError:
            self._emptied(db)
            raise
        except BaseException:
            db.close()
            raise

    def _built(self, db: Database, data: Path, pipeline: Pipeline) -> State:
        ingested = [_read(db, source, data) for source in pipeline.sources]
        plan = self._plan(replace(pipeline, sources=tuple(i.source for i in ingested)))
        state = build(db, _as_tables(plan), ingested, self.worker(plan.pipeline))
        if state.error is not None and state.built < len(plan.blocks):
            failed = plan.blocks[state.built].name
            if plan.stored[failed].how == "view":  # its rows may never be read
                self._drop(db)
                state = build(db, plan, ingested, self.worker(plan.pipeline))
        return state

    def _new(self) -> Database:
        db = new_store()
        self._fresh = relations(db)
        return db

    def _emptied(self, db: Database) -> None:
        """Keep a database for the next input."""
        self._drop(db)
        self._empty.append(db)

    def _drop(self, db: Database) -> None:
        for schema, name, kind in relations(db) - self._fresh:
            db.execute(exp.Drop(tables=[table(schema, name)], kind=kind))

    def worker(self, pipeline: Pipeline) -> Worker:
        """The process of a pipeline's functions; pipelines with the same code share one."""
        key = pipeline.code
        if key not in self._workers:
            self._workers[key] = make_worker(pipeline)
        return self._workers[key]

    def close(self) -> None:
        """End all processes."""
        for worker in self._workers.values():
            worker.close()
        for db in self._empty:
            db.close()

    def _plan(self, resolved: Pipeline) -> Plan:
        key = fingerprint(resolved)
        if key not in self._plans:
            self._plans[key] = make_plan(resolved)
        return self._plans[key]


def _as_tables(plan: Plan) -> Plan:
    return replace(plan, stored={name: Stored(how="table", reason="a trial") for name in plan.stored})


def new_store() -> Database:
    """An empty store in memory, with the macros."""
    db = store.create_or_open(store.MEMORY, sealed=BOUNDS)
    try:
        install_macros(db)
    except BaseException:
        db.close()
        raise
    return db


def relations(db: Database) -> frozenset[tuple[str, str, str]]:
    """Schema, name and kind of all tables and views."""
    return frozenset(
        db.rows(
            "SELECT schema_name, table_name, 'TABLE' FROM duckdb_tables() WHERE NOT temporary UNION ALL "
            "SELECT schema_name, view_name, 'VIEW' FROM duckdb_views() WHERE NOT internal AND NOT temporary"
        )
    )


def _read(db: Database, source: Source, data: Path) -> Ingested:
    try:
        return read(db, source, data)
    except Error as error:
        raise InputError(first_line(error), where=source.path) from error


def empty_state(plan: Plan, worker: Worker) -> State:
    """The store of a plan whose sources have no rows: for binding."""
    db = new_store()
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
        artefacts.build(
            db, plan, worker, rebuilt=[block.name], live=None, model="later", lap=lambda _: None, origins={}
        )
