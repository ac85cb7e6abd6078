"""``lester-duck audit``."""

from __future__ import annotations

from typing import Any

import click

from lester_duck.cli.command import Command, json_option, sql_option, store_argument, wait_option
from lester_duck.cli.output import emit, progress, statement


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
    with progress("recomputing", quiet=show_sql), api.open(store, wait=wait, read_only=True, tracer=tracer) as opened:
        result = opened.audit()
    facts = {"checked": result.checked, "unchecked": result.unchecked, "differences": result.differences}
    emit({**facts, "seconds": result.seconds}, text_of(facts), as_json)
    result.raise_if_different()


def text_of(facts: dict[str, Any]) -> str:
    """What was compared, what was not, and what differs, line by line."""
    lines = [f"compared: {name}" for name in facts["checked"]]
    lines += [f"not compared: {name}" for name in facts["unchecked"]]
    for found in facts["differences"]:
        lines += [f"differs: {found.artefact}, {found.rows} rows", *(f"  {example}" for example in found.examples)]
    return "\n".join([*lines, *([] if facts["differences"] else ["no difference"])])
