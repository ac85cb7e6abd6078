"""``lester-duck export``."""

from __future__ import annotations

from pathlib import Path

import click

from lester_duck.cli.command import Command, json_option, store_argument, wait_option
from lester_duck.cli.output import emit, facts, progress
from lester_duck.errors import InputError, UsageError, one_of

FORMATS = (".arrow", ".parquet", ".npz", ".csv")


@click.command(
    cls=Command,
    examples=(
        "lester-duck export creditcard.duckdb --what features --split train -o X.arrow",
        "lester-duck export creditcard.duckdb --what labels -o y.npz",
        "lester-duck export creditcard.duckdb --what mails_joined -o prepared.parquet",
    ),
)
@store_argument
@click.option("--what", required=True, metavar="features|labels|VIEW", help="The matrix, the labels, or a view.")
@click.option(
    "--split",
    "part",
    type=click.Choice(["train", "test", "all"]),
    default="all",
    show_default=True,
    help="Which rows, in the order of the original.",
)
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False), help=f"File: {', '.join(FORMATS)}.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
@wait_option
@json_option
def export(store: str, what: str, part: str, output: str, force: bool, wait: float, as_json: bool) -> None:
    """Write features, labels or a view of a STORE to a file; Arrow and Parquet carry column provenance."""
    from lester_duck import api

    path = Path(output)
    if path.suffix not in FORMATS:
        raise UsageError(one_of("format", path.suffix or path.name, FORMATS), hint="the file's ending says the format")
    if path.exists() and not force:
        raise InputError(f"'{output}' exists", hint="give another name, or --force")
    with progress(f"writing {output}"), api.open(store, wait=wait, read_only=True) as opened:
        opened.export(what, str(path), part=part)
    written = {"what": what, "split": part, "path": str(path), "bytes": path.stat().st_size}
    emit(written, facts(written), as_json)
