"""``lester-duck run`` and ``lester-duck status``."""

from __future__ import annotations

import time
from typing import Any

import click

from lester_duck.cli.command import Command, json_option, model_option, sql_option, store_argument, wait_option
from lester_duck.cli.history import rows_of
from lester_duck.cli.output import document, emit, progress, statement


@click.command(
    cls=Command,
    examples=(
        "lester-duck run creditcard/ --store creditcard.duckdb",
        "lester-duck run creditcard/ --store creditcard.duckdb --root /data/bank --model later",
    ),
)
@click.argument("folder", type=click.Path(file_okay=False))
@click.option("--store", required=True, type=click.Path(dir_okay=False), help="The DuckDB file to make or to renew.")
@click.option("--root", type=click.Path(file_okay=False), help="Folder that the sources' paths start from.")
@model_option
@wait_option
@sql_option
@json_option
def run(
    folder: str, store: str, root: str | None, model: str, wait: float, show_sql: bool, as_json: bool
) -> None:
    """Run the pipeline in FOLDER into a store: sources, views, features, split, label, model.

    Run again after an edit: row ids stay, and only what changed and what depends on it is rebuilt.
    """
    from lester_duck import api

    started = time.perf_counter()
    tracer = statement if show_sql else None
    with (
        progress(f"running {folder}") as shown,
        api.run(folder, store, root=root, model=model, wait=wait, progress=shown, tracer=tracer) as result,
    ):
        facts = {**readable(result.status()), "seconds": round(time.perf_counter() - started, 3)}
    emit(facts, document(facts), as_json)


@click.command(
    cls=Command,
    examples=("lester-duck status creditcard.duckdb", "lester-duck status creditcard.duckdb --json"),
)
@store_argument
@wait_option
@json_option
def status(store: str, wait: float, as_json: bool) -> None:
    """Show what a STORE holds: sources, views (stored how and why), features, split, model."""
    from lester_duck import api

    with api.open(store, wait=wait, read_only=True) as opened:
        facts = readable(opened.status())
    emit(facts, document(facts), as_json)


def readable(status: dict[str, Any]) -> dict[str, Any]:
    """The status of a store with the catalog's JSON unpacked."""
    last = {name: rows_of([status[name]])[0] for name in ("last_run", "last_change") if status.get(name)}
    return {**status, **last}
