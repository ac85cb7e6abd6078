"""Options of commands that may ask a language model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

_OPTIONS = (
    click.option("--model", metavar="NAME", help="Model to ask, with --engine llm or auto."),
    click.option("--base-url", metavar="URL", help="OpenAI-compatible endpoint of the model."),
    click.option(
        "--rounds", type=click.IntRange(min=0), default=2, show_default=True, help="Repairs of an answer at most."
    ),
    click.option(
        "--samples", type=click.IntRange(min=1), default=3, show_default=True, help="Answers to a question at most."
    ),
    click.option("--max-tokens", type=click.IntRange(min=1), metavar="N", help="Tokens that may be spent altogether."),
    click.option(
        "--max-cost", type=click.FloatRange(min=0, min_open=True), metavar="X",
        help="Cost that may be spent altogether, in the currency of the prices in lester-duck.toml.",
    ),
    click.option(
        "--share-rows", type=click.IntRange(min=0), default=0, show_default=True, metavar="N",
        help="Sample lines of each file, and values in differences, that the model is shown.",
    ),
    click.option("--resume", is_flag=True, help="Go on: what the folder's answers/ holds is not asked again."),
    click.option(
        "--request", type=click.Path(file_okay=False), metavar="DIR",
        help="Folder of questions and answers, with --engine files.  [default: SCRIPT.request]",
    ),
)  # fmt: skip


def asking_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options above, in their order."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
