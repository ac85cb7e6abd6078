"""``lester-duck sql``."""

from __future__ import annotations

import sys
from typing import Any

import click
import pyarrow as pa
from pyarrow import csv

from lester_duck.cli.command import Command, json_option, store_argument, wait_option
from lester_duck.cli.output import SHOWN_ROWS, table, to_json
from lester_duck.errors import InputError, UsageError


@click.command(
    cls=Command,
    examples=(
        "lester-duck sql creditcard.duckdb \"FROM lester.usage('mails')\"",
        'lester-duck sql creditcard.duckdb "SELECT country, count(*) FROM customers GROUP BY ALL" --csv > counts.csv',
        "lester-duck sql creditcard.duckdb - < question.sql",
    ),
)
@store_argument
@click.argument("query")
@click.option("--csv", "as_csv", is_flag=True, help="Print every row as CSV.")
@wait_option
@json_option
def sql(store: str, query: str, as_csv: bool, wait: float, as_json: bool) -> None:
    """Ask a STORE a QUERY in DuckDB's SQL (- reads it from standard input); the store is not changed.

    Views are found under their names, sources in schema source, questions of lineage in schema lester.
    """
    from lester_duck import api

    if as_csv and as_json:
        raise UsageError("--csv and --json exclude each other")
    text = sys.stdin.read() if query == "-" else query
    with api.open(store, wait=wait, read_only=True) as opened:
        result = answer(opened, text)
    show(result, as_csv=as_csv, as_json=as_json)


def answer(opened: Any, query: str) -> pa.Table:
    """The rows of a query; raises InputError when DuckDB refuses it, or it has none."""
    from lester_duck.db import Error, first_line

    relation = opened.sql(query)
    if relation is None:
        raise InputError("the statement has no result", hint="ask with SELECT ... or FROM ...", sql=query)
    try:
        return relation.to_arrow_table()
    except Error as error:
        raise InputError(first_line(error), sql=query) from error


def show(result: pa.Table, *, as_csv: bool = False, as_json: bool = False) -> None:
    """Print a table: for a person the first rows, for machines all of them."""
    if as_json:
        click.echo(to_json({"columns": result.column_names, "rows": result.to_pylist(), "count": result.num_rows}))
        return
    if as_csv:
        sink = pa.BufferOutputStream()
        csv.write_csv(result, sink)
        click.echo(sink.getvalue().to_pybytes().decode(), nl=False)
        return
    click.echo(table(result.slice(0, SHOWN_ROWS).to_pylist(), result.column_names))
    if result.num_rows > SHOWN_ROWS:
        click.echo(f"{result.num_rows} rows, {SHOWN_ROWS} shown: --csv or --json prints all", err=True)
