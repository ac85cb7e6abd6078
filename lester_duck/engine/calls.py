"""Keeping the caches of declared functions filled: each distinct argument is evaluated once."""

from __future__ import annotations

import pyarrow as pa
from sqlglot import exp

from lester_duck.algebra.calls import ERROR, cache_table
from lester_duck.algebra.compute import Substitutes, call_requests
from lester_duck.algebra.relation import Block, column, quoted, table
from lester_duck.db import Database, connect
from lester_duck.engine.plan import Plan
from lester_duck.engine.worker import Worker
from lester_duck.errors import InputError, LesterError
from lester_duck.names import INTERNAL_SCHEMA
from lester_duck.pipeline.model import Function, Pipeline


def make_worker(pipeline: Pipeline) -> Worker:
    """The worker of a pipeline's functions (not started yet)."""
    db = connect()
    try:
        types = {f.name.lower(): _arrow_type(db, f) for f in pipeline.functions}
    finally:
        db.close()
    return Worker(pipeline.code, pipeline.functions, types)


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


def has_errors(db: Database, block: Block) -> bool:
    """Whether any cache the block reads holds an error."""
    return any(
        db.value(exp.select("1").from_(table(INTERNAL_SCHEMA, cache_table(f))).where("error IS NOT NULL").limit(1))
        for f in block.calls
    )


def refuse_consumed_errors(db: Database, plan: Plan, block: Block, rows: exp.Query) -> None:
    """Raise InputError for the first row, in order, whose error the original would have met.

    ``rows`` computes the block with its ``_error`` column.
    """
    if not has_errors(db, block):
        return
    order = [
        exp.Ordered(this=column(o.term.column), desc=o.term.descending, nulls_first=not o.term.nulls_last)
        for o in block.order
    ]
    base = next(iter(block.provenance), None)
    shown = [column(ERROR)] + ([column(base[0])] if base else [])
    found = db.row(
        exp.select(*shown).from_(exp.Subquery(this=rows, alias=exp.TableAlias(this=quoted("rows"))))
        .where(exp.not_(exp.Is(this=column(ERROR), expression=exp.null()))).order_by(*order).limit(1)
    )  # fmt: skip
    if found:
        raise consumed(db, block, found[0], (base[1], found[1]) if base else None)


def consumed(db: Database, block: Block, error: str, origin: tuple[str, int] | None) -> LesterError:
    """The error to report for a call that failed on a row of ``origin`` (base relation, row id)."""
    row = ""
    if origin and origin[1] is not None:
        base, rid = origin
        is_source = db.value("SELECT count(*) FROM _lester.source WHERE name = ?", [base])
        place = (
            db.value(
                exp.select("_pos")
                .from_(table("source", base))
                .where(exp.EQ(this=column("_rid"), expression=exp.Literal.number(rid)))
            )
            if is_source
            else None
        )
        row = f" on row {place} of '{base}' (_rid {rid})" if place is not None else f" on row {rid} of '{base}'"
    return InputError(
        f"{error}{row}", where=f"views/{block.view}.sql", hint="mend functions.py or the row; nothing has been changed"
    )
