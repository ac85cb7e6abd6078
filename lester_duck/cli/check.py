"""``lester-duck check``: a pipeline folder before anything runs, or what a reviewer asks of a store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lester_duck.cli.command import Command, json_option, sql_option, wait_option
from lester_duck.cli.output import emit, statement, table
from lester_duck.errors import Disagreement, InputError, LesterError, UsageError


@click.command(
    cls=Command,
    examples=(
        "lester-duck check creditcard/",
        "lester-duck check creditcard/ --root /data/bank --json",
        "lester-duck check creditcard.duckdb",
        "lester-duck check creditcard.duckdb --only label_leakage --only label_shift --json",
    ),
)
@click.argument("target", metavar="FOLDER|STORE", type=click.Path())
@click.option("--root", type=click.Path(file_okay=False), help="FOLDER: where the sources' paths start from.")
@click.option("--only", multiple=True, metavar="NAME", help="STORE: run this check (may be repeated).")
@click.option("--all", "show_all", is_flag=True, help="STORE: show what passed, too.")
@wait_option
@sql_option
@json_option
def check(
    target: str, root: str | None, only: tuple[str, ...], show_all: bool, wait: float, show_sql: bool, as_json: bool
) -> None:
    """Check a pipeline before it runs, or a store as a reviewer would.

    \b
    FOLDER  a pipeline: names, columns, circles, statements, featurizers, missing files
    STORE   what was made of it: fairness of groups, overlap of train and test, leakage,
            change of a group's share, constant and unnormalised features, shift, illegal features

    Which checks of a store are run, on which columns and with which thresholds, is said in [review] of
    pipeline.toml. A check whose inputs are missing says so and does not pass. Exits with 3 when a check says no.
    """
    path = Path(target)
    if path.is_dir():
        if only or show_all:
            raise UsageError("--only and --all are for a store", hint=f"'{target}' is a folder")
        _folder(target, root, as_json)
    elif path.is_file():
        if root:
            raise UsageError("--root is for a pipeline folder", hint=f"'{target}' is a file")
        _store(target, only, show_all, wait, show_sql, as_json)
    else:
        raise InputError(f"no folder and no store '{target}'", hint="give a pipeline folder, or a store")


def _folder(folder: str, root: str | None, as_json: bool) -> None:
    from lester_duck import api

    findings = [describe(finding) for finding in api.check(api.load(folder), Path(root or folder))]
    text = "\n".join(finding["text"] for finding in findings) or "nothing found"
    emit({"findings": findings}, text, as_json)
    if findings:
        raise Disagreement(f"{len(findings)} finding{'s' if len(findings) > 1 else ''} in '{folder}'")


def _store(store: str, only: tuple[str, ...], show_all: bool, wait: float, show_sql: bool, as_json: bool) -> None:
    from lester_duck import api

    with api.open(store, wait=wait, read_only=True, tracer=statement if show_sql else None) as opened:
        reviewed = opened.review(*only)
    counts = {verdict: reviewed.count(verdict) for verdict in ("failed", "passed", "not applicable")}
    rows = [row for row in reviewed.as_dicts() if show_all or row["verdict"] != "passed"]
    summary = ", ".join(f"{number} {verdict}" for verdict, number in counts.items())
    text = f"{table(rows)}\n\n{summary}" if rows else summary
    emit({"findings": reviewed.as_dicts(), "counts": counts}, text, as_json)
    reviewed.raise_if_failed()


def describe(finding: Any) -> dict[str, Any]:
    """A finding as facts and as the line a person reads."""
    facts = finding.as_dict() if isinstance(finding, LesterError) else {"message": str(finding)}
    return {**facts, "text": str(finding)}
