"""Keeping the caches of declared functions filled: each distinct argument is evaluated once."""

from __future__ import annotations

import math

import pyarrow as pa
from sqlglot import exp

from lester_duck.algebra.calls import ERROR, cache_table
from lester_duck.algebra.compute import Substitutes, call_requests
from lester_duck.algebra.relation import Block, column, quoted, table
from lester_duck.db import Database, connect
from lester_duck.engine.order import order_by
from lester_duck.engine.plan import Plan
from lester_duck.engine.worker import Worker
from lester_duck.errors import InputError, LesterError
from lester_duck.names import INTERNAL_SCHEMA, POS, RID, SOURCE_SCHEMA
from lester_duck.pipeline.model import Function, Pipeline


def make_worker(pipeline: Pipeline, timeout: float = 600.0, total: float = math.inf) -> Worker:
    """The worker of a pipeline's functions (not started yet); times are in seconds, per batch and for all."""
    db = connect()
    try:
        types = {f.name.lower(): _arrow_type(db, f) for f in pipeline.functions}
    finally:
        db.close()
    return Worker(pipeline.code, pipeline.functions, types, timeout, total)


def _arrow_type(db: Database, function: Function) -> pa.DataType:
    value = exp.cast(exp.null(), exp.DataType.build(function.returns, dialect="duckdb"))
    return db.arrow(exp.select(exp.alias_(value, "value"))).schema.field("value").type


def create_caches(db: Database, pipeline: Pipeline) -> None:
    """Make the empty cache table of each function that has none."""
    for function in pipeline.functions:
        columns = [(f"a{n}", a.type) for n, a in enumerate(function.arguments, 1)]
        columns += [("value", function.returns), ("error", "VARCHAR")]
        definitions = [exp.ColumnDef(this=quoted(n), kind=exp.DataType.build(t, dialect="duckdb")) for n, t in columns]
        schema = exp.Schema(this=table(INTERNAL_SCHEMA, cache_table(function.name.lower())), expressions=definitions)
        db.execute(exp.Create(this=schema, kind="TABLE", exists=True))


def drop_caches(db: Database) -> None:
    """Forget all cached values (the code of the functions has changed)."""
    names = db.rows(
        "SELECT table_name FROM duckdb_tables() WHERE schema_name = '_lester' AND starts_with(table_name, 'fn_')"
    )
    for (name,) in names:
        db.execute(exp.Drop(tables=[table(INTERNAL_SCHEMA, name)], kind="TABLE"))


def fill_caches(db: Database, plan: Plan, block: Block, worker: Worker, substitutes: Substitutes | None = None) -> None:
    """Evaluate the calls of a block whose arguments are not cached yet, inner calls first."""
    for function, request in call_requests(block, plan.relations, plan.functions, substitutes):
        fill(db, function, db.arrow(request), worker)


def fill(db: Database, function: str, arguments: pa.Table, worker: Worker) -> None:
    """Evaluate ``arguments`` (distinct, not cached) and append them to the cache."""
    if not arguments.num_rows:
        return
    values, errors = worker.call(function, arguments)
    filled = arguments.append_column("value", values).append_column("error", _named(function, errors))
    with db.registered("_filled", filled) as name:
        db.execute(exp.insert(exp.select("*").from_(name), table(INTERNAL_SCHEMA, cache_table(function))))


def _named(function: str, errors: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return pc.binary_join_element_wise(f"{function}() raised", errors, " ")


def error_exists(function: str) -> exp.Select:
    """A query with a row when the cache of ``function`` holds an error."""
    return exp.select("1").from_(table(INTERNAL_SCHEMA, cache_table(function))).where("error IS NOT NULL").limit(1)


def consumed_errors(block: Block, rows: exp.Query) -> exp.Select:
    """The first row of a block, in its order, whose error the original would have met.

    ``rows`` computes the block with its ``_error`` column; the result is the error and, if the block
    has one, the row id in its first base relation.
    """
    base = next(iter(block.provenance), None)
    shown = [column(ERROR)] + ([column(base[0])] if base else [])
    has_error = exp.not_(exp.Is(this=column(ERROR), expression=exp.null()))
    inner = exp.Subquery(this=rows, alias=exp.TableAlias(this=quoted("rows")))
    return exp.select(*shown).from_(inner).where(has_error).order_by(*order_by(block)).limit(1)


def refuse_consumed_errors(db: Database, block: Block, rows: exp.Query) -> None:
    """Raise InputError when a row of a block consumes an error (see ``consumed_errors``)."""
    if any(db.value(error_exists(function)) for function in block.calls):
        found = db.row(consumed_errors(block, rows))
        if found:
            raise consumed(db, block, found)


def consumed(db: Database, block: Block, found: tuple) -> LesterError:
    """The error to report for a row found by ``consumed_errors``: the call, its fault, the source row."""
    error, *rid = found
    base = next(iter(block.provenance), None)
    row = f" on {_named_row(db, base[1], rid[0])}" if base and rid and rid[0] is not None else ""
    return InputError(
        f"{error}{row}", where=f"views/{block.view}.sql", hint="mend functions.py or the row; nothing has been changed"
    )


def _named_row(db: Database, base: str, rid: int) -> str:
    if not db.value("SELECT count(*) FROM _lester.source WHERE name = ?", [base]):
        return f"row {rid} of '{base}'"
    same = exp.EQ(this=column(RID), expression=exp.Literal.number(rid))
    place = db.value(exp.select(column(POS)).from_(table(SOURCE_SCHEMA, base)).where(same))
    return f"row {place} of '{base}' (_rid {rid})"
