"""``lester-duck update``."""

from __future__ import annotations

from pathlib import Path

import click

from lester_duck.cli.command import (
    Command,
    assignments,
    json_option,
    model_option,
    sql_option,
    store_argument,
    wait_option,
)
from lester_duck.cli.output import document, emit, progress, statement
from lester_duck.errors import InputError, UsageError


@click.command(
    cls=Command,
    examples=(
        "lester-duck update creditcard.duckdb --delta mails=blanked.csv",
        "lester-duck update creditcard.duckdb --delta mails=new.parquet --delta customers=moved.csv --model later",
    ),
)
@store_argument
@click.option(
    "--delta",
    "deltas",
    multiple=True,
    required=True,
    metavar="SOURCE=PATH",
    help="Changed rows of a source (CSV, Parquet, JSON lines): its columns plus _change_type, one of insert, "
    "delete, update_preimage, update_postimage. Rows are named by the source's key or by _rid.",
)
@model_option
@wait_option
@sql_option
@json_option
def update(
    store: str, deltas: tuple[str, ...], model: str, wait: float, show_sql: bool, as_json: bool
) -> None:
    """Bring changed source rows into a STORE: views, features, labels and model follow, in one transaction."""
    from lester_duck import api

    paths = {name: Path(path) for name, path in assignments("--delta", deltas).items()}
    for name, path in paths.items():
        if not name.isidentifier():
            raise UsageError(f"--delta {name!r} is not the name of a source")
        if not path.is_file():
            raise InputError(f"no file '{path}'", hint="--delta SOURCE=PATH names a file of changed rows")
    tracer = statement if show_sql else None
    with progress("updating", quiet=show_sql), api.open(store, wait=wait, tracer=tracer) as opened:
        change = opened.update(model=model, **paths)
    facts = {"change": change.id, **{name: value for name, value in change.summary.items() if name != "id"}}
    emit(facts, document(facts), as_json)
