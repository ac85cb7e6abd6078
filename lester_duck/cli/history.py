"""``lester-duck runs`` and ``lester-duck diff``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from lester_duck.cli.command import Command, json_option, store_argument, wait_option
from lester_duck.cli.output import emit, table
from lester_duck.errors import InputError, one_of

_JSON = ("counts", "metrics", "versions", "sources", "relations")


@click.command(
    cls=Command,
    examples=("lester-duck runs creditcard.duckdb", "lester-duck runs creditcard.duckdb --changes --json"),
)
@store_argument
@click.option("--changes", is_flag=True, help="List the changes (updates) too.")
@wait_option
@json_option
def runs(store: str, changes: bool, wait: float, as_json: bool) -> None:
    """List what ran in a STORE: when, with which texts, with what counts, times and metrics."""
    from lester_duck import api

    with api.open(store, wait=wait, read_only=True) as opened:
        found = {"runs": rows_of(opened.runs())}
        if changes:
            found["changes"] = rows_of(opened.changes())
    parts = (f"{name}\n{table([shown(row) for row in rows])}" for name, rows in found.items())
    emit(found, "\n\n".join(parts), as_json)


@click.command(
    cls=Command,
    examples=("lester-duck diff creditcard.duckdb", "lester-duck diff creditcard.duckdb 1 3"),
)
@store_argument
@click.argument("first", type=int, required=False)
@click.argument("second", type=int, required=False)
@wait_option
@json_option
def diff(store: str, first: int | None, second: int | None, wait: float, as_json: bool) -> None:
    """Compare two runs of a STORE, by their ids; without ids, the last two."""
    from lester_duck import api

    with api.open(store, wait=wait, read_only=True) as opened:
        found = rows_of(opened.runs())
    before, after = pick(found, first, second)
    rows = differences(before, after)
    value = {"first": before["id"], "second": after["id"], "differences": rows}
    emit(value, table(rows) if rows else "the runs agree in everything recorded", as_json)


def rows_of(found: Any) -> list[dict[str, Any]]:
    """Runs or changes as plain rows; what the catalog keeps as JSON is unpacked.

    >>> rows_of([{"id": 1, "counts": '{"mails": 3}'}])
    [{'id': 1, 'counts': {'mails': 3}}]
    """
    return [{name: _unpacked(name, value) for name, value in row.items()} for row in found]


def _unpacked(name: str, value: Any) -> Any:
    return json.loads(value) if name in _JSON and isinstance(value, str) else value


def shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """A run or change as a row for a person: short hash, no versions."""
    short = {name: value for name, value in row.items() if name != "versions"}
    return {**short, **({"fingerprint": row["fingerprint"][:12]} if "fingerprint" in row else {})}


def pick(found: Sequence[Mapping[str, Any]], first: int | None, second: int | None) -> tuple[Any, Any]:
    """The two runs meant by the ids; raises InputError when there are no two such runs."""
    by_id = {row["id"]: row for row in sorted(found, key=lambda row: row["id"])}
    ids = list(by_id)
    if len(ids) < 2:
        raise InputError(f"the store has {len(ids)} run(s), two are needed", hint="run again after an edit")
    first = ids[-2] if first is None else first
    second = ids[-1] if second is None else second
    for wanted in (first, second):
        if wanted not in by_id:
            raise InputError(one_of("run", str(wanted), [str(i) for i in ids]))
    return by_id[first], by_id[second]


def differences(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> list[dict[str, Any]]:
    """What differs between two records, nested ones by dotted path.

    >>> differences({"rows": {"mails": 5}}, {"rows": {"mails": 7}})
    [{'what': 'rows.mails', 'first': 5, 'second': 7}]
    """
    rows: list[dict[str, Any]] = []
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            rows += differences(old, new, f"{prefix}{name}.")
        elif old != new:
            rows.append({"what": f"{prefix}{name}", "first": old, "second": new})
    return rows
