"""Filling the tables of folds: rows run through a declared sequential step, partition by partition."""

from __future__ import annotations

import pyarrow as pa
from sqlglot import exp

from lester_duck.algebra.compute import input_rows
from lester_duck.algebra.folds import FoldCall, fold_input
from lester_duck.algebra.relation import Block, table
from lester_duck.db import Database
from lester_duck.engine.plan import Plan, create_fold_tables
from lester_duck.engine.worker import Worker
from lester_duck.errors import InputError
from lester_duck.names import INTERNAL_SCHEMA, RID


def build_folds(db: Database, plan: Plan, block: Block, worker: Worker) -> None:
    """Make and fill the tables of all folds of a block whose input exists."""
    create_fold_tables(db, plan.pipeline, block)
    for call in block.folds:
        run_fold(db, block, call, fold_input(call, input_rows(block, plan.relations)), worker)


def run_fold(db: Database, block: Block, call: FoldCall, rows: exp.Query | str, worker: Worker) -> None:
    """Run a fold over ``rows`` (partition, row id, arguments; in order) and append its values.

    Raises InputError naming the row whose step fails.
    """
    found = db.arrow(rows)
    if not found.num_rows:
        return
    values, errors = worker.fold(call.function, found.drop_columns([RID]))
    failed = errors.is_valid().to_numpy(zero_copy_only=False).nonzero()[0]
    if len(failed):
        place = int(failed[0])
        raise InputError(
            f"{call.function}() raised {errors[place].as_py()} on row {found.column(RID)[place].as_py()} of its input",
            where=f"views/{block.view}.sql",
            hint="mend functions.py or the row; nothing has been changed",
        )
    filled = pa.table({RID: found.column(RID), "value": values})
    with db.registered("_folded", filled) as name:
        db.execute(exp.insert(exp.select("*").from_(name), table(INTERNAL_SCHEMA, call.table)))
