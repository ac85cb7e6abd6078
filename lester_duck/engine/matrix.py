"""The matrix of a store: blocks and states built, maintained by delta, read in order.

One table per featurizer, ``_lester.block_<featurizer>(_rid, value)``, and one for its fitted state.
A changed mean, median, edge or category order touches no stored row: state is applied on read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
from scipy import sparse

from lester_duck.db import Database
from lester_duck.engine import matrix_read
from lester_duck.engine.matrix_blocks import Call
from lester_duck.engine.matrix_delta import ViewChange
from lester_duck.engine.matrix_maintain import MatrixChange, maintain, rebuild_one
from lester_duck.engine.matrix_order import OrderTerm, write_order
from lester_duck.engine.matrix_read import Sources, reader
from lester_duck.engine.matrix_state import create_moments
from lester_duck.featurize.base import FeatureColumn
from lester_duck.featurize.plan import plan_features
from lester_duck.pipeline.model import Features

Matrix = np.ndarray | sparse.csr_matrix

__all__ = [
    "Call",
    "Matrix",
    "MatrixChange",
    "OrderTerm",
    "ViewChange",
    "batches",
    "build",
    "chunks",
    "column_map",
    "csr",
    "dense",
    "for_estimator",
    "maintain",
]


def build(
    db: Database, features: Features, columns: Mapping[str, str], call: Call, order: Sequence[OrderTerm] = ()
) -> dict[str, str]:
    """Create the block and the state of every featurizer for all rows of the feature view.

    ``columns`` maps the view's columns to DuckDB types; ``call`` runs declared functions;
    ``order`` is the view's order and is kept for later reads. ``_lester.split`` must exist.
    Returns featurizer -> block table. Raises InputError (type, missing text, function raised) and
    Unsupported (a chain of steps without meaning), naming the featurizer.
    """
    plans = plan_features(features, columns)
    write_order(db, order)
    create_moments(db)
    for plan in plans:
        rebuild_one(db, plan, features.view, call)
    return {plan.name: f"_lester.block_{plan.name}" for plan in plans}


def batches(
    db: Database,
    features: Features,
    order: Sequence[OrderTerm] | None = None,
    part: str = "all",
    rows: int = 8192,
    sources: Sources | None = None,
) -> pa.RecordBatchReader:
    """The matrix of a part ('train', 'test', 'all') as record batches, in matrix order.

    ``order`` None takes the order kept by ``build``; ``sources`` maps a view column to its source
    columns ('mails.title') for the field metadata.
    """
    return matrix_read.batches(reader(db, features, order), part, rows, sources)


def dense(db: Database, features: Features, order: Sequence[OrderTerm] | None = None, part: str = "all") -> np.ndarray:
    """The matrix of a part, rows x columns, float64 or float32 as the features say, in matrix order."""
    return matrix_read.dense(reader(db, features, order), part)


def csr(
    db: Database, features: Features, order: Sequence[OrderTerm] | None = None, part: str = "all"
) -> sparse.csr_matrix:
    """The matrix of a part as scipy CSR, in matrix order."""
    return matrix_read.csr(reader(db, features, order), part)


def chunks(db: Database, features: Features, part: str = "all", rows: int = 8192) -> Iterator[Matrix]:
    """The matrix of a part in matrix order, some rows at a time; CSR when any block is sparse, else dense."""
    return matrix_read.chunks(reader(db, features), part, rows)


def for_estimator(
    db: Database, features: Features, order: Sequence[OrderTerm] | None = None, part: str = "all"
) -> Matrix:
    """The matrix of a part as an estimator takes it: CSR when any block is sparse, else dense."""
    source = reader(db, features, order)
    return matrix_read.csr(source, part) if source.is_sparse else matrix_read.dense(source, part)


def column_map(db: Database, features: Features, order: Sequence[OrderTerm] | None = None) -> tuple[FeatureColumn, ...]:
    """Every column of the matrix as it is now: position, featurizer, kind, name, inputs, term."""
    return reader(db, features, order).columns
