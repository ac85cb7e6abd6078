"""``lester-duck audit``."""

from __future__ import annotations

from typing import Any

import click

from lester_duck.cli.command import Command, json_option, sql_option, store_argument, wait_option
from lester_duck.cli.output import emit, progress, statement, table
from lester_duck.errors import Disagreement


@click.command(
    cls=Command,
    examples=("lester-duck audit creditcard.duckdb", "lester-duck audit creditcard.duckdb --json"),
)
@store_argument
@wait_option
@sql_option
@json_option
def audit(store: str, wait: float, show_sql: bool, as_json: bool) -> None:
    """Recompute everything in a STORE from its current sources, beside it, and say what differs.

    Exits with 3 when something does.
    """
    from lester_duck import api

    tracer = statement if show_sql else None
    with progress("recomputing", quiet=show_sql), api.open(store, wait=wait, tracer=tracer) as opened:
        result = opened.audit()
    facts = {"agreed": result.agreed, "differences": result.differences}
    emit(facts, text_of(result), as_json)
    if result.differences:
        raise Disagreement(f"the store differs from a recompute in {len(result.differences)} place(s)")


def text_of(result: Any) -> str:
    """What was compared and what differs, as lines."""
    agreed = result.agreed if isinstance(result.agreed, list | tuple) else [result.agreed]
    lines = [f"agrees: {', '.join(str(name) for name in agreed) or 'nothing'}"]
    rows = [d if isinstance(d, dict) else {"difference": str(d)} for d in result.differences]
    return "\n".join([*lines, table(rows)] if rows else lines)
