"""Sources in the store: rows with ids and places, keys checked, malformed rows put aside."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
from sqlglot import exp

from lester_duck.algebra.relation import column, quoted, table
from lester_duck.db import Database
from lester_duck.engine.ingest import Ingested
from lester_duck.errors import InputError
from lester_duck.names import POS, RID, SOURCE_SCHEMA
from lester_duck.pipeline.model import Source
from lester_duck.store import catalog


def create_source(db: Database, ingested: Ingested) -> None:
    """Store a source read for the first time: ``_rid`` and ``_pos`` count from 1 in file order.

    Raises InputError for duplicate or missing keys.
    """
    source = ingested.source
    with db.registered("_ingested", ingested.table) as name:
        check_key(db, source, exp.to_table(name))
        number = exp.Window(this=exp.RowNumber())
        select = exp.select(
            exp.alias_(number, RID, quoted=True),
            exp.alias_(number.copy(), POS, quoted=True),
            *[column(c.name) for c in source.columns],
        ).from_(name)
        db.execute(exp.Create(this=table(SOURCE_SCHEMA, source.name), kind="TABLE", expression=select))
    if source.malformed == "set_aside":
        _set_aside(db, ingested)
    following = ingested.table.num_rows + 1
    catalog.insert(db, "source", [(
        source.name, source.format, source.path, ingested.sha256, ingested.table.num_rows, len(ingested.malformed),
        datetime.now(UTC).replace(tzinfo=None), following, following,
    )])  # fmt: skip


def _set_aside(db: Database, ingested: Ingested) -> None:
    rows = pa.table({
        "line": pa.array([m.line for m in ingested.malformed], pa.int64()),
        "text": pa.array([m.text for m in ingested.malformed], pa.string()),
        "reason": pa.array([m.reason for m in ingested.malformed], pa.string()),
    })  # fmt: skip
    with db.registered("_malformed", rows) as name:
        target = table(SOURCE_SCHEMA, f"{ingested.source.name}__malformed")
        db.execute(exp.Create(this=target, kind="TABLE", expression=exp.select("*").from_(name)))


def check_key(db: Database, source: Source, rows: exp.Table) -> None:
    """Raise InputError when the declared key is unknown, missing in a row, or held by two rows."""
    if not source.key:
        return
    names = [c.name for c in source.columns]
    for name in source.key:
        if name not in names:
            raise InputError(
                f"key column '{name}' is no column of source '{source.name}'", hint=f"there are: {', '.join(names)}"
            )
    keys = [column(n) for n in source.key]
    missing = exp.or_(*[exp.Is(this=k.copy(), expression=exp.null()) for k in keys])
    if db.value(exp.select("count(*)").from_(rows.copy()).where(missing)):
        raise InputError(
            f"a row of source '{source.name}' has no value in its key ({', '.join(source.key)})",
            hint="mend the file, or declare another key",
        )
    twice = db.row(
        exp.select(*keys, exp.alias_(exp.Count(this=exp.Star()), "n")).from_(rows.copy())
        .group_by(*[k.copy() for k in keys]).having("count(*) > 1").order_by(quoted("n")).limit(1)
    )  # fmt: skip
    if twice:
        value = ", ".join(f"{n} = {v!r}" for n, v in zip(source.key, twice, strict=False))
        raise InputError(
            f"duplicate key in source '{source.name}': {value} in {twice[-1]} rows",
            hint="mend the file, or drop the key from pipeline.toml",
        )
