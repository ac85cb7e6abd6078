"""Building blocks: as DuckDB views, or as tables whose rows get ids in the block's order."""

from __future__ import annotations

from sqlglot import exp

from lester_duck.algebra.compute import compute
from lester_duck.algebra.relation import Block, column, quoted, table
from lester_duck.db import Database
from lester_duck.engine.calls import fill_caches, refuse_consumed_errors
from lester_duck.engine.folds import build_folds
from lester_duck.engine.order import order_by
from lester_duck.engine.plan import Plan
from lester_duck.engine.worker import Worker
from lester_duck.names import INTERNAL_SCHEMA, RID

ROW_IDS = "_lester.row_ids"


def build_block(db: Database, plan: Plan, block: Block, worker: Worker) -> None:
    """Create the view or table of a block whose inputs exist.

    Raises InputError when a function fails on a row whose value is needed.
    """
    rows = compute(block, plan.relations, functions=plan.functions)
    if plan.stored[block.name].how == "view":
        db.execute(creation(plan, block, rows))
        return
    if block.folds:
        build_folds(db, plan, block, worker)
    if block.calls:
        fill_caches(db, plan, block, worker)
        refuse_consumed_errors(db, block, rows)
    db.execute(creation(plan, block, rows))


def creation(plan: Plan, block: Block, rows: exp.Query) -> exp.Create:
    """The statement that creates the view or table of a block, computed by ``rows``."""
    target = table(block.schema, block.table)
    if plan.stored[block.name].how == "view":
        return exp.Create(this=target, kind="VIEW", expression=rows)
    return exp.Create(this=target, kind="TABLE", expression=_numbered(block, rows))


def _numbered(block: Block, rows: exp.Query) -> exp.Select:
    """The block's rows in its order, with ids drawn from the store's sequence where they are its own."""
    names = [column(c) for c in block.stored_columns]
    body = exp.Subquery(this=rows, alias=exp.TableAlias(this=quoted("rows")))
    if not block.own_ids or block.family == "constant":
        return exp.select(*names, column(RID)).from_(body).order_by(*order_by(block))
    if block.order:
        ordered = exp.select(*names).from_(body).order_by(*order_by(block))
        body = exp.Subquery(this=ordered, alias=exp.TableAlias(this=quoted("ordered")))
    next_id = exp.Anonymous(this="nextval", expressions=[exp.Literal.string(ROW_IDS)])
    return exp.select(*[n.copy() for n in names], exp.alias_(next_id, RID, quoted=True)).from_(body)


def drop_block(db: Database, schema: str, name: str, how: str) -> None:
    """Remove the view or table of a block, and the tables of its folds."""
    db.execute(exp.Drop(tables=[table(schema, name)], kind=how.upper()))
    folds = db.rows(
        "SELECT table_name FROM duckdb_tables() WHERE schema_name = '_lester' AND regexp_full_match(table_name, ?)",
        [f"fold_{name.removeprefix('step_')}_[0-9]+"],
    )
    for (fold,) in folds:
        db.execute(exp.Drop(tables=[table(INTERNAL_SCHEMA, fold)], kind="TABLE"))
