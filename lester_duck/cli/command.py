"""What every command shares: examples in its help, ``--json``, ``--sql``, ``--wait``.

Standard output is data, standard error diagnostics (progress, statements, errors).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from lester_duck.errors import UsageError, one_of

Function = TypeVar("Function", bound=Callable[..., Any])

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class Command(click.Command):
    """A command whose help ends with examples that can be pasted into a shell."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", CONTEXT)
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples below the options."""
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


class Group(click.Group):
    """A group that answers an unknown command with the commands that exist."""

    command_class = Command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command named first in ``args``; raises UsageError when there is none of that name."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            raise UsageError(one_of("command", name, self.list_commands(ctx)))
        return super().resolve_command(ctx, args)


def json_option(function: Function) -> Function:
    """``--json``: the result as one JSON document."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print the result (and any error, on stderr) as one JSON document."
    )(function)


def sql_option(function: Function) -> Function:
    """``--sql``: every statement as it is sent to DuckDB."""
    return click.option("--sql", "show_sql", is_flag=True, help="Show every SQL statement on stderr as it is run.")(
        function
    )


def wait_option(function: Function) -> Function:
    """``--wait``: how long to wait for another process that has the store open."""
    return click.option(
        "--wait",
        type=click.FloatRange(min=0),
        default=0.0,
        metavar="SECONDS",
        help="Wait so long for another process that has the store open.  [default: 0]",
    )(function)


def store_argument(function: Function) -> Function:
    """The store, an existing file."""
    return click.argument("store", type=click.Path(dir_okay=False))(function)


def model_option(function: Function) -> Function:
    """``--model now|later``: whether the model is fitted at once."""
    return click.option(
        "--model",
        type=click.Choice(["now", "later"]),
        default="now",
        show_default=True,
        help="Fit the model now, or mark it stale (predict then refuses it until the next fit).",
    )(function)


def assignments(what: str, values: Sequence[str]) -> dict[str, str]:
    """Read repeated ``NAME=VALUE`` options.

    >>> assignments("--delta", ["mails=fix.csv"])
    {'mails': 'fix.csv'}
    """
    pairs: dict[str, str] = {}
    for value in values:
        name, equals, rest = value.partition("=")
        if not (name and equals and rest):
            raise UsageError(f"{what} {value!r} is not of the form NAME=VALUE")
        if name in pairs:
            raise UsageError(f"{what} names '{name}' twice")
        pairs[name] = rest
    return pairs
