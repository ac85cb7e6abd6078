"""A small store with a feature view, for tests of blocks, states and splits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest

from lester_duck.db import Database, connect
from lester_duck.engine import matrix, split, split_maintain
from lester_duck.pipeline.model import Features, Featurizer, Split, Step


@dataclass(frozen=True)
class Term:
    column: str
    descending: bool = False
    nulls_last: bool = True


ORDER = (Term("_pos"),)


def featurizer(name, columns, *steps, fit="train"):
    """``featurizer("age", ("age",), ("impute", {"strategy": "mean"}), "standard_scale")``"""
    pairs = [(step, {}) if isinstance(step, str) else step for step in steps]
    return Featurizer(
        name=name, columns=tuple(columns), fit=fit,
        steps=tuple(Step(kind=kind, params=tuple(params.items())) for kind, params in pairs),
    )  # fmt: skip


def call(function, arguments):
    """Declared functions of the tests: ``shout`` (two numbers per text), ``fail``."""
    texts = arguments.column(0).to_pylist()
    if function == "fail":
        return pa.nulls(len(texts), pa.float64()), pa.array([None] + ["ValueError: no"] * (len(texts) - 1))
    rows = [[len(t or ""), sum(map(ord, t or "")) / 7] for t in texts]
    values = pa.array(rows, pa.list_(pa.float64(), 2)) if rows else pa.array([], pa.list_(pa.float64(), 2))
    return values, pa.nulls(len(texts), pa.string())


class Store:
    """A database with ``main.prepared`` and everything derived from it."""

    def __init__(self, types: dict[str, str]) -> None:
        self.db: Database = connect()
        self.types = types
        self.split = Split()
        columns = ", ".join(f'"{name}" {type_}' for name, type_ in types.items())
        self.db.execute("CREATE SCHEMA _lester")
        self.db.execute(f"CREATE TABLE main.prepared ({columns}, _pos BIGINT, _rid BIGINT)")

    def add(self, rows: list[tuple]) -> Store:
        start = self.db.value("SELECT coalesce(max(_rid) + 1, 100) FROM main.prepared")
        marks = ", ".join("?" * (len(self.types) + 2))
        for i, row in enumerate(rows):
            self.db.execute(f"INSERT INTO main.prepared VALUES ({marks})", [*row, i, start + i])
        return self

    def assign(self, kind: str = "all", **params) -> dict:
        self.split = Split(kind=kind, params=tuple(params.items()))
        return split.assign(self.db, self.split, "prepared", ORDER)

    def features(self, *featurizers, dtype="float64") -> Features:
        return Features(view="prepared", featurizers=featurizers, dtype=dtype)

    def build(self, *featurizers, dtype="float64") -> Features:
        if self.db.value("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'split'") == 0:
            self.assign()
        features = self.features(*featurizers, dtype=dtype)
        matrix.build(self.db, features, self.types, call, ORDER)
        return features

    def dense(self, *featurizers, part="all") -> np.ndarray:
        return matrix.dense(self.db, self.build(*featurizers), ORDER, part)

    def names(self, features: Features) -> list[str]:
        return [c.name for c in matrix.column_map(self.db, features)]

    def change(self, features: Features, deletes=(), updates=None, inserts=()):
        """Apply a change to the view and maintain split and matrix in one transaction."""
        db, names = self.db, list(self.types)
        with db.transaction():
            db.execute("CREATE OR REPLACE TEMP TABLE old_rows AS SELECT * FROM main.prepared LIMIT 0")
            db.execute("CREATE OR REPLACE TEMP TABLE new_rows AS SELECT * FROM main.prepared LIMIT 0")
            for rid in [*deletes, *(updates or {})]:
                db.execute("INSERT INTO old_rows SELECT * FROM main.prepared WHERE _rid = ?", [rid])
            for rid, values in (updates or {}).items():
                db.execute("INSERT INTO new_rows SELECT * FROM main.prepared WHERE _rid = ?", [rid])
                for name, value in zip(names, values, strict=True):
                    db.execute(f'UPDATE new_rows SET "{name}" = ? WHERE _rid = ?', [value, rid])
            last = db.row("SELECT coalesce(max(_rid), 99), coalesce(max(_pos), 0) FROM main.prepared")
            marks = ", ".join("?" * (len(names) + 2))
            for i, row in enumerate(inserts, start=1):
                db.execute(f"INSERT INTO new_rows VALUES ({marks})", [*row, last[1] + i, last[0] + i])
            db.execute("DELETE FROM main.prepared WHERE _rid IN (SELECT _rid FROM old_rows)")
            db.execute("INSERT INTO main.prepared SELECT * FROM new_rows")
            moved = split_maintain.maintain_split(db, self.split, "prepared", ORDER, "old_rows", "new_rows")
            rows = db.value("SELECT (SELECT count(*) FROM old_rows) + (SELECT count(*) FROM new_rows)")
            change = matrix.ViewChange("old_rows", "new_rows", rows)
            return matrix.maintain(db, features, self.types, change, call, self.split, moved)


@pytest.fixture
def store():
    """Make a store: ``store({"age": "DOUBLE"}, [(1.0,), ...])``."""
    made = []

    def make(types, rows=()):
        made.append(Store(types).add(list(rows)))
        return made[-1]

    yield make
    for one in made:
        one.db.close()


@pytest.fixture
def f():
    """The short constructor of featurizers."""
    return featurizer
