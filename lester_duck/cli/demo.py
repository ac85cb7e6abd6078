"""``lester-duck demo``: the whole story on made-up data."""

from __future__ import annotations

from pathlib import Path

import click

from lester_duck.cli.command import Command, json_option
from lester_duck.cli.output import progress, table, to_json
from lester_duck.errors import InputError


@click.command(
    cls=Command,
    examples=("lester-duck demo", "lester-duck demo --customers 10000 -o bank-demo/ --json"),
)
@click.option("--customers", type=click.IntRange(min=50), default=1_000, show_default=True, help="How many to make up.")
@click.option(
    "-o", "--output", default="demo-out", show_default=True, type=click.Path(file_okay=False), help="Where to work."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the made-up data.")
@click.option("--force", is_flag=True, help="Work in the folder although it is not empty.")
@json_option
def demo(customers: int, output: str, seed: int, force: bool, as_json: bool) -> None:
    """From messy script to audited update, on made-up letters to a bank.

    Makes data and a messy script, rewrites the script, runs the pipeline, asks where things came from, finds
    card numbers that leaked into the letters, blanks them, and audits that nothing is left behind.
    """
    from lester_duck.demo import story

    folder = Path(output)
    if folder.exists() and any(folder.iterdir()) and not force and not story.is_demo(folder):
        raise InputError(f"'{output}' is not empty", hint="give another folder, or --force")
    steps = []
    with progress("the demonstration", quiet=as_json) as shown:
        for step in story.tell(folder, customers=customers, seed=seed, progress=shown):
            steps.append(step)
            if not as_json:
                _print(len(steps), step)
    total = round(sum(step.seconds for step in steps), 2)
    if as_json:
        click.echo(to_json({"steps": steps, "seconds": total}))
        return
    click.echo(f"\n{total} s in all; everything is in {folder}/, for instance:")
    click.echo(f"  lester-duck sql {folder / story.STORE} \"FROM lester.usage('mails') LIMIT 5\"")


def _print(number: int, step: object) -> None:
    click.echo(f"\n{number}. {step.title}  ({step.seconds:.2f} s)")
    if step.sql:
        click.echo("\n".join(f"   {line}" for line in step.sql.splitlines()))
    for line in step.lines:
        click.echo(f"   {line}")
    if step.rows:
        click.echo("\n".join(f"   {line}" for line in table(step.rows).splitlines()))
