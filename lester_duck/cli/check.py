"""``lester-duck check``: what is wrong with a pipeline folder, before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lester_duck.cli.command import Command, json_option
from lester_duck.cli.output import emit
from lester_duck.errors import Disagreement, LesterError


@click.command(
    cls=Command,
    examples=("lester-duck check creditcard/", "lester-duck check creditcard/ --root /data/bank --json"),
)
@click.argument("folder", type=click.Path(file_okay=False))
@click.option("--root", type=click.Path(file_okay=False), help="Folder that the sources' paths start from.")
@json_option
def check(folder: str, root: str | None, as_json: bool) -> None:
    """Check the pipeline in FOLDER: names, columns, circles, statements, featurizers, missing files.

    Prints one line per finding and exits with 3 when there is one.
    """
    from lester_duck import api

    findings = [describe(finding) for finding in api.check(api.load(folder), Path(root or folder))]
    text = "\n".join(finding["text"] for finding in findings) or "nothing found"
    emit({"findings": findings}, text, as_json)
    if findings:
        raise Disagreement(f"{len(findings)} finding{'s' if len(findings) > 1 else ''} in '{folder}'")


def describe(finding: Any) -> dict[str, Any]:
    """A finding as facts and as the line a person reads."""
    facts = finding.as_dict() if isinstance(finding, LesterError) else {"message": str(finding)}
    return {**facts, "text": str(finding)}
