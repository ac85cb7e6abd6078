"""``lester-duck export``."""

from __future__ import annotations

from pathlib import Path

import click

from lester_duck.cli.command import Command, json_option, store_argument, wait_option
from lester_duck.cli.output import emit, facts, progress
from lester_duck.errors import InputError, UsageError, one_of

FORMATS = (".arrow", ".parquet", ".npz", ".csv")
EVENTS = (".json", ".jsonl", ".ndjson")


@click.command(
    cls=Command,
    examples=(
        "lester-duck export creditcard.duckdb --what features --split train -o X.arrow",
        "lester-duck export creditcard.duckdb --what labels -o y.npz",
        "lester-duck export creditcard.duckdb --what mails_joined -o prepared.parquet",
        "lester-duck export creditcard.duckdb --what openlineage -o events.json",
    ),
)
@store_argument
@click.option("--what", required=True, metavar="features|labels|VIEW|openlineage", help="What to write.")
@click.option(
    "--split",
    "part",
    type=click.Choice(["train", "test", "all"]),
    default="all",
    show_default=True,
    help="Which rows, in the order of the original.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False),
    help=f"File: {', '.join(FORMATS)}; events: {', '.join(EVENTS)}.",
)
@click.option("--namespace", help="Of jobs and datasets in OpenLineage events.  [default: duckdb://STORE]")
@click.option("--force", is_flag=True, help="Overwrite the file.")
@wait_option
@json_option
def export(
    store: str, what: str, part: str, output: str, namespace: str | None, force: bool, wait: float, as_json: bool
) -> None:
    """Write features, labels, a view or the lineage of a STORE to a file.

    Arrow and Parquet carry column provenance. openlineage writes the latest run as events that catalogues
    read: datasets with their columns, jobs, and where each column comes from.
    """
    from lester_duck import api

    path, known = Path(output), EVENTS if what == "openlineage" else FORMATS
    if path.suffix not in known:
        raise UsageError(one_of("format", path.suffix or path.name, known), hint="the file's ending says the format")
    if namespace is not None and what != "openlineage":
        raise UsageError("--namespace is for --what openlineage")
    if path.exists() and not force:
        raise InputError(f"'{output}' exists", hint="give another name, or --force")
    with progress(f"writing {output}"), api.open(store, wait=wait, read_only=True) as opened:
        opened.export(what, str(path), part=part, namespace=namespace)
    written = {"what": what, "split": part, "path": str(path), "bytes": path.stat().st_size}
    emit(written, facts(written), as_json)
