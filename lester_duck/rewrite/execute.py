"""The judge's executor: the engine, run in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from sqlglot import exp

from lester_duck import lineage
from lester_duck.algebra.relation import column, table
from lester_duck.db import Bounds, Database, Error, first_line
from lester_duck.engine import artefacts, matrix
from lester_duck.engine import run as engine
from lester_duck.engine.plan import Plan, make_plan
from lester_duck.engine.read import ordered_rows
from lester_duck.errors import InputError, LesterError, one_of
from lester_duck.names import POS, RID, SOURCE_SCHEMA
from lester_duck.pipeline.model import Pipeline, Split
from lester_duck.rewrite.compare import show
from lester_duck.store import catalog, store

BOUNDS = Bounds()
"""What a run for the judge may take."""
SECONDS = 600.0
"""The most seconds that a run for the judge, and reading what it made, may take."""
SHOWN = 3
"""Source rows named with a difference."""


@dataclass(frozen=True, slots=True)
class StoreRun:
    """A pipeline run into a store in memory, seen as the judge wants it."""

    db: Database
    plan: Plan

    def view(self, name: str) -> pa.Table:
        """The user columns of a view, rows in view order; raises InputError for an unknown name."""
        if name not in self.plan.relations:
            raise InputError(one_of("view", name, (v.name for v in self.plan.pipeline.views)))
        return self.db.arrow(ordered_rows(self.plan.relations[name]))

    def matrix(self, part: str = "train") -> np.ndarray:
        """A part of the matrix (train, test or all), rows x columns."""
        return matrix.dense(self.db, self.plan.pipeline.features, part=part)

    def columns(self) -> Sequence[str]:
        """Featurizer and column name of each column of the matrix."""
        found = matrix.column_map(self.db, self.plan.pipeline.features)
        return tuple(f"{column.featurizer}: {column.name}" for column in found)

    def labels(self) -> np.ndarray:
        """The labels of the train part."""
        return artefacts.labels(self.db, self.plan, "train")


    def source_rows(self, view: str, row: int) -> tuple[str, ...]:
        """The source rows behind row ``row`` (from 1) of a view, at most three, as text; none without a catalog."""
        relation = self.plan.relations.get(view)
        if relation is None or catalog.get_pipeline(self.db) is None:
            return ()
        rids = self.db.arrow(ordered_rows(relation, RID)).column(RID).to_pylist()
        if not 0 < row <= len(rids):
            return ()
        with self.db.transaction():
            lineage.install(self.db, self.plan)
        found = self.db.rows("FROM lester.backward(?, ?)", [relation.name, rids[row - 1]])
        return tuple(self._source_row(source, rid) for source, rid in sorted(found)[:SHOWN])

    def _source_row(self, source: str, rid: int) -> str:
        same = exp.EQ(this=column(RID), expression=exp.Literal.number(rid))
        columns = [column(c) for c in self.plan.relations[source].columns]
        place, *values = self.db.row(exp.select(column(POS), *columns).from_(table(SOURCE_SCHEMA, source)).where(same))
        return f"{source} row {place}: {show(tuple(values))}"


def columns_of(pipeline: Pipeline, data: Path) -> dict[str, tuple[tuple[str, str], ...]]:
    """Name and type of the columns of sources and views; empty when the preparation does not run on the data."""
    preparation = replace(pipeline, features=None, label=None, split=Split(), checks=())
    try:
        with execute(preparation, data) as run:
            types = run.plan.types
            return {
                name: tuple((column, types[name][column]) for column in relation.columns)
                for name, relation in run.plan.relations.items()
                if name in types
            }
    except LesterError:
        return {}


@contextmanager
def execute(pipeline: Pipeline, data: Path) -> Iterator[StoreRun]:
    """Run a pipeline on the files below ``data``; the model is left out, for X and y are compared.

    The store is sealed: it reaches no file, keeps its configuration, and is bounded in memory, disk
    and time. Raises a LesterError when the pipeline, or the data, is refused.
    """
    db = store.create_or_open(store.MEMORY, sealed=BOUNDS)
    try:
        with db.within(SECONDS):
            try:
                engine.run(db, replace(pipeline, model=None), data, patience=SECONDS)
                live = catalog.get_pipeline(db)
                found = StoreRun(db, make_plan(live if live is not None else pipeline))
            except Error as error:
                raise InputError(first_line(error)) from error
            yield found
    finally:
        db.close()
