"""The entry point: finds the command, and turns errors into one line and an exit code, once.

0 done; 1 input at fault; 2 usage; 3 a comparison or check said no; 4 unsupported; 5 internal;
130 interrupted; 141 the reader of the output went away.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
import warnings
from collections.abc import Sequence

import click

from lester_duck.cli.command import CONTEXT, Group
from lester_duck.cli.output import to_json
from lester_duck.errors import InternalError, LesterError, UsageError, one_of

PROGRAM = "lester-duck"
INTERRUPTED = 130
CLOSED_PIPE = 141
TRACEBACK = "LESTER_DUCK_TRACEBACK"

COMMANDS = {
    "rewrite": "rewriting",
    "verify": "rewriting",
    "init": "init",
    "check": "check",
    "run": "run",
    "status": "run",
    "sql": "query",
    "lineage": "lineage",
    "update": "update",
    "audit": "audit",
    "predict": "predict",
    "export": "export",
    "runs": "history",
    "diff": "history",
    "demo": "demo",
    "completion": "completion",
}
"""Command -> the module of this package that defines it, in the order of the help."""


class Commands(Group):
    """The program: loads the module of a command only when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order one would use them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"lester_duck.cli.{COMMANDS[cmd_name]}")
        return getattr(module, cmd_name)


@click.group(
    cls=Commands,
    context_settings=CONTEXT,
    epilog="Exit codes: 0 done, 1 input at fault, 2 usage, 3 a comparison or check said no, 4 unsupported, "
    "5 internal, 130 interrupted.",
)
@click.version_option(package_name="lester-duck", prog_name=PROGRAM)
def program() -> None:
    """Rewrite messy Python data preparation into DuckDB views and featurizers, and keep it true.

    Begin with: lester-duck demo
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    warnings.showwarning = _warn
    try:
        code = program.main(arguments, prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except (click.Abort, KeyboardInterrupt):
        return _interrupted()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 2
    except click.ClickException as error:
        return _report(_usage(error), arguments)
    except LesterError as error:
        return _report(error, arguments)
    except Exception as error:  # noqa: BLE001 - the one place where an unforeseen error becomes an exit code
        return _interrupted() if _is_interrupt(error) else _report(_unforeseen(error), arguments)


def _warn(message: Warning | str, category: type[Warning], *_: object) -> None:
    """A library's warning (a solver that did not converge, for instance) is one line on standard error."""
    click.echo(f"warning: {' '.join(str(message).split())} ({category.__name__})", err=True)


def run() -> None:
    """The console script."""
    sys.exit(main())


def _is_interrupt(error: Exception) -> bool:
    """DuckDB reports Ctrl-C during a statement as an error of its own."""
    return type(error).__name__ == "InterruptException" or str(error) == "Query interrupted"


def _interrupted() -> int:
    click.echo("interrupted: the store is intact, nothing of the unfinished work was kept", err=True)
    return INTERRUPTED


def _report(error: LesterError, arguments: Sequence[str]) -> int:
    if wants_json(arguments):
        click.echo(to_json({"error": error.as_dict()}), err=True)
    else:
        click.echo(f"error: {' '.join(str(error).split())}", err=True)
    if os.environ.get(TRACEBACK):
        traceback.print_exception(error)
    return error.exit_code


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether ``--json`` was given as an option.

    >>> wants_json(["sql", "s.duckdb", "--json", "FROM t"]), wants_json(["sql", "--", "--json"])
    (True, False)
    """
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options


def _usage(error: click.ClickException) -> LesterError:
    command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else PROGRAM
    hint = f"see {command} --help"
    if isinstance(error, click.NoSuchOption) and error.ctx:
        known = [name for parameter in error.ctx.command.get_params(error.ctx) for name in parameter.opts]
        options = [name for name in known if name.startswith("--")]
        return UsageError(one_of("option", error.option_name, options), hint=hint)
    return UsageError(error.format_message().rstrip("."), hint=hint)


def _unforeseen(error: Exception) -> InternalError:
    wrapped = InternalError(
        f"{type(error).__name__}: {error}",
        hint=f"this is a bug in lester-duck; set {TRACEBACK}=1 to see where it happened",
    )
    wrapped.__cause__ = error
    return wrapped
