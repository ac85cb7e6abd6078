"""What hangs on the feature view: split, blocks and states, column map, model, predictions."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from scipy import sparse
from sqlglot import exp

from lester_duck import models
from lester_duck.algebra.relation import Block, OrderTerm, column, table
from lester_duck.db import Database
from lester_duck.engine import matrix, split
from lester_duck.engine.matrix_order import order_by
from lester_duck.engine.plan import Plan
from lester_duck.engine.worker import Worker
from lester_duck.errors import InputError
from lester_duck.featurize.plan import plan_features
from lester_duck.names import INTERNAL_SCHEMA, RID
from lester_duck.pipeline.model import Pipeline
from lester_duck.store import catalog

Lap = Callable[[str], None]


def feature_block(plan: Plan) -> Block | None:
    """The block of the feature view, if the pipeline has features."""
    if plan.pipeline.features is None:
        return None
    return next(b for b in plan.blocks if b.name.lower() == plan.pipeline.features.view.lower())


def order_of(block: Block) -> tuple[OrderTerm, ...]:
    """The order key of a view as terms over its stored columns."""
    return tuple(o.term for o in block.order)


def data_types(plan: Plan, block: Block) -> dict[str, str]:
    """User columns of a view with their DuckDB types."""
    return {name: plan.types[block.name][name] for name in block.columns}


def check_declared(plan: Plan) -> None:
    """Raise for featurizers, a split or a model that could not be built, without looking at data."""
    block = feature_block(plan)
    if block is not None:
        plan_features(plan.pipeline.features, data_types(plan, block))
    if plan.pipeline.model is not None:
        models.construct(plan.pipeline.model)


def build(
    db: Database, plan: Plan, worker: Worker, *, rebuilt: list[str], live: Pipeline | None, model: str, lap: Lap,
    origins: Mapping[str, list[str]] | None = None,
) -> dict[str, float]:
    """Build split, matrix and model where the feature view or their declaration is new or changed.

    ``origins`` are the source columns of the feature view's columns, read from the catalog unless given.
    Returns the model's metrics.
    """  # fmt: skip
    block = feature_block(plan)
    pipeline = plan.pipeline
    same = live is not None and (live.features, live.split, live.label) == (
        pipeline.features,
        pipeline.split,
        pipeline.label,
    )
    if same and (block is None or block.name not in rebuilt):
        if live is not None and live.model != pipeline.model:
            return fit(db, plan, lap) if model == "now" else mark_stale(db)
        return {}
    _drop(db)
    if block is None:
        return {}
    label = pipeline.label.column if pipeline.label else None
    split.assign(db, pipeline.split, block.name, order_of(block), label)
    lap("split")
    matrix.build(db, pipeline.features, data_types(plan, block), worker.call, order_of(block))
    lap("matrix")
    record_features(db, plan, origins)
    if pipeline.model is None:
        return {}
    return fit(db, plan, lap) if model == "now" else mark_stale(db)


def _drop(db: Database) -> None:
    for (name,) in db.rows(
        "SELECT table_name FROM duckdb_tables() WHERE schema_name = '_lester' AND (starts_with(table_name, 'block_') "
        "OR starts_with(table_name, 'state_') OR table_name IN ('split', 'matrix_order'))"
    ):
        db.execute(exp.Drop(tables=[table(INTERNAL_SCHEMA, name)], kind="TABLE", cascade=False))
    for name in ("feature", "model", "prediction"):
        db.execute(exp.delete(table(INTERNAL_SCHEMA, name)))


def source_columns(db: Database, view: str) -> dict[str, list[str]]:
    """View column -> source columns its values are made from ('mails.mail_subject', 'unknown'), transitively."""
    rows = db.rows(
        "SELECT name, list_sort(list(DISTINCT coalesce(source || '.' || source_column, 'unknown'))) "
        "FROM _lester.column_origin WHERE relation = ? AND name IS NOT NULL GROUP BY name", [view],
    )  # fmt: skip
    return dict(rows)


def record_features(db: Database, plan: Plan, origins: Mapping[str, list[str]] | None = None) -> None:
    """Write the matrix's column map, with the source columns of each column, into the catalog.

    The origins of the feature view's columns are read from the catalog unless given.
    """
    block = feature_block(plan)
    if block is None:
        return
    known = source_columns(db, block.name) if origins is None else origins
    columns = matrix.column_map(db, plan.pipeline.features)
    rows = [
        {
            "position": c.position, "featurizer": c.featurizer, "kind": c.kind, "name": c.name,
            "category": None if c.term is None else str(c.term), "inputs": list(c.inputs),
            "sources": sorted({s for i in c.inputs for s in known.get(i, [])}),
        }
        for c in columns
    ]  # fmt: skip
    db.execute("DELETE FROM _lester.feature")
    with db.registered("_features", pa.Table.from_pylist(rows, schema=_FEATURE_SCHEMA)) as name:
        db.execute(f"INSERT INTO _lester.feature BY NAME FROM {name}")


_FEATURE_SCHEMA = pa.schema([
    ("position", pa.int32()), ("featurizer", pa.string()), ("kind", pa.string()), ("name", pa.string()),
    ("category", pa.string()), ("inputs", pa.list_(pa.string())), ("sources", pa.list_(pa.string())),
])  # fmt: skip


def labels(db: Database, plan: Plan, part: str) -> np.ndarray:
    """The label of each row of a part, in matrix order.

    Raises InputError when the pipeline has no label.
    """
    block = feature_block(plan)
    if block is None or plan.pipeline.label is None:
        raise InputError(
            "the pipeline declares no label", where="pipeline.toml", hint='add [label] with column = "..."'
        )
    select = (
        exp.select(column(plan.pipeline.label.column, "v")).from_(plan.relations[block.name].reference("v"))
        .join(table(INTERNAL_SCHEMA, "split", "s"), on=exp.EQ(this=column(RID, "v"), expression=column(RID, "s")))
    )  # fmt: skip
    if part != "all":
        select = select.where(exp.EQ(this=column("part", "s"), expression=exp.Literal.string(part)))
    select = select.order_by(*order_by(order_of(block), by_ordinal=part != "all"))
    return db.arrow(select).column(0).to_numpy(zero_copy_only=False)


def fit(db: Database, plan: Plan, lap: Lap | None = None) -> dict[str, float]:
    """Fit the declared model on the train part, store it, predict every row; returns its metrics."""
    declared = plan.pipeline.model
    if declared is None:
        return {}
    started = time.perf_counter()
    x = matrix.for_estimator(db, plan.pipeline.features, part="train")
    y = labels(db, plan, "train") if plan.pipeline.label else None
    estimator = models.fit(declared, x, y)
    seconds = time.perf_counter() - started
    db.execute("DELETE FROM _lester.model")
    catalog.insert(db, "model", [(
        declared.estimator, catalog.as_json(dict(declared.params)), models.dump(estimator), False,
        datetime.now(UTC).replace(tzinfo=None), x.shape[0], _digest(x, y),
    )])  # fmt: skip
    metrics = {"model_seconds": seconds, "train_rows": float(x.shape[0])}
    metrics.update(_scores(db, plan, estimator, x, y))
    _predict_all(db, plan, estimator)
    if lap:
        lap("model")
    return metrics


def training_digest(db: Database, plan: Plan) -> str:
    """A hash of the matrix and label the model would be fitted on now."""
    y = labels(db, plan, "train") if plan.pipeline.label else None
    return _digest(matrix.for_estimator(db, plan.pipeline.features, part="train"), y)


def _digest(x: np.ndarray | sparse.csr_matrix, y: np.ndarray | None) -> str:
    digest = hashlib.sha256(repr(x.shape).encode())
    for part in (x.data, x.indices, x.indptr) if sparse.issparse(x) else (x,):
        digest.update(memoryview(np.ascontiguousarray(part)).cast("B") if part.size else b"")
    digest.update(repr(y.tolist()).encode() if y is not None else b"")
    return digest.hexdigest()


def _scores(db: Database, plan: Plan, estimator: object, x: object, y: np.ndarray | None) -> dict[str, float]:
    if y is None:
        return {}
    scores = {"train_score": models.score(estimator, x, y)}
    if db.value("SELECT count(*) FROM _lester.split WHERE part = 'test'"):
        test = matrix.for_estimator(db, plan.pipeline.features, part="test")
        scores["test_score"] = models.score(estimator, test, labels(db, plan, "test"))
    return scores


def _predict_all(db: Database, plan: Plan, estimator: object) -> None:
    db.execute("DELETE FROM _lester.prediction")
    rids = row_ids(db, plan, "all")
    if len(rids):
        values = models.predict(estimator, matrix.for_estimator(db, plan.pipeline.features, part="all"))
        found = pa.table({"_rid": rids, "value": pa.array([str(v) for v in values.tolist()], pa.string())})
        with db.registered("_predictions", found) as name:
            db.execute(f"INSERT INTO _lester.prediction FROM {name}")


def row_ids(db: Database, plan: Plan, part: str) -> np.ndarray:
    """Row ids of a part of the feature view, in matrix order (int64)."""
    from lester_duck.engine.matrix_order import row_ids as in_order

    block = feature_block(plan)
    return in_order(db, block.name, order_of(block), part) if block else np.empty(0, np.int64)


def mark_stale(db: Database) -> dict[str, float]:
    """Say that the stored model, if any, no longer fits the data."""
    db.execute("UPDATE _lester.model SET stale = true")
    return {}
