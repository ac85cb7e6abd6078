"""``lester-duck init``: a pipeline folder to fill in by hand."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import click

from lester_duck.cli.command import Command, assignments, json_option
from lester_duck.cli.output import emit
from lester_duck.errors import InputError
from lester_duck.names import check_name
from lester_duck.pipeline import codec, scaffold


@click.command(
    cls=Command,
    examples=(
        "lester-duck init creditcard/ --source customers=customers.csv --source mails=mails.csv",
        "lester-duck init creditcard/ --source mails=mails.csv --no-header mails --key mails=c1",
    ),
)
@click.argument("folder", type=click.Path(file_okay=False))
@click.option(
    "--source", "sources", multiple=True, required=True, metavar="NAME=PATH",
    help="A file of data: .csv, .tsv, .parquet, .jsonl, .txt (lines).",
)  # fmt: skip
@click.option("--key", "keys", multiple=True, metavar="NAME=COLUMN[,COLUMN]", help="The columns that name a row.")
@click.option("--no-header", "headless", multiple=True, metavar="NAME", help="The file of this source has no header.")
@json_option
def init(
    folder: str, sources: tuple[str, ...], keys: tuple[str, ...], headless: tuple[str, ...], as_json: bool
) -> None:
    """Make a pipeline FOLDER by hand: pipeline.toml with the sources, and a first view."""
    target = Path(folder)
    if (target / codec.MANIFEST).exists():
        raise InputError(f"'{folder}' holds a pipeline already", hint="give another folder")
    files = {name: Path(path) for name, path in assignments("--source", sources).items()}
    named = {name: tuple(columns.split(",")) for name, columns in assignments("--key", keys).items()}
    name = check_name(target.resolve().name.replace("-", "_"), "pipeline")
    pipeline = scaffold.begin(name, files, named, headless)
    # paths in a pipeline folder start from that folder
    moved = tuple(replace(s, path=_from(target, Path(s.path or ""))) for s in pipeline.sources)
    codec.dump(replace(pipeline, sources=moved), target)
    written = [str(target / codec.MANIFEST), *(str(target / "views" / f"{v.name}.sql") for v in pipeline.views)]
    text = "\n".join([*(f"wrote {path}" for path in written), f"next: lester-duck check {folder}"])
    emit({"folder": str(target), "written": written}, text, as_json)


def _from(folder: Path, path: Path) -> str:
    return str(path) if path.is_absolute() else Path(os.path.relpath(path, folder)).as_posix()
