"""Options of commands that may ask a language model."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import click

from lester_duck.rewrite.decisions import MEANING, Issue, Person, Replayed, load

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
    click.option(
        "--chat", is_flag=True, help="Talk about differences that are left, and about what looks like a bug."
    ),
    click.option(
        "--answers", type=click.Path(dir_okay=False), metavar="FILE",
        help="Replay the decisions of an earlier conversation (decisions.toml).",
    ),
    click.option("--resume", is_flag=True, help="Go on: what the folder's answers/ holds is not asked again."),
    click.option(
        "--request", type=click.Path(file_okay=False), metavar="DIR",
        help="Folder of questions and answers, with --engine files.  [default: SCRIPT.request]",
    ),
)  # fmt: skip


class Terminal:
    """A person at the terminal; what they are told goes to standard error."""

    def __init__(self, pause: Callable[[], AbstractContextManager[None]]) -> None:
        self._pause = pause

    def decide(self, issue: Issue) -> str:
        """Show an issue with its choices, and read the answer."""
        with self._pause():
            click.echo(f"\n{issue.text}\n", err=True)
            for choice in issue.choices:
                click.echo(f"  {choice}: {MEANING[choice]}", err=True)
            click.echo("  or say in words what should be; end with ? to ask a question", err=True)
            return click.prompt("lester-duck", default=issue.choices[0], err=True)

    def show(self, text: str) -> None:
        """Print it."""
        with self._pause():
            click.echo(f"\n{text}\n", err=True)


def person(chat: bool, answers: str | None, pause: Callable[[], AbstractContextManager[None]]) -> Person | None:
    """Who decides: recorded answers first, then the terminal; nobody unless one of the two is asked for."""
    terminal = Terminal(pause) if chat else None
    return Replayed(load(Path(answers)), terminal) if answers else terminal


def asking_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options above, in their order."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
