"""``lester-duck predict``."""

from __future__ import annotations

import click
import pyarrow as pa

from lester_duck.cli.command import Command, json_option, store_argument, wait_option
from lester_duck.cli.query import show


@click.command(
    cls=Command,
    examples=("lester-duck predict creditcard.duckdb --split test", "lester-duck predict creditcard.duckdb --csv"),
)
@store_argument
@click.option(
    "--split",
    "part",
    type=click.Choice(["train", "test", "all"]),
    default="all",
    show_default=True,
    help="Which rows to predict.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print every row as CSV.")
@wait_option
@json_option
def predict(store: str, part: str, as_csv: bool, wait: float, as_json: bool) -> None:
    """Predict with the model in a STORE, one row per row of the matrix, in its order; a stale model is refused."""
    from lester_duck import api

    with api.open(store, wait=wait, read_only=True) as opened:
        predicted = opened.predict(part)
    rows = pa.table({"row": range(len(predicted)), "prediction": predicted})
    show(rows, as_csv=as_csv, as_json=as_json)
