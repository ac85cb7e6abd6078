"""``lester-duck completion``: the shell's completion script."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from lester_duck.cli.command import Command
from lester_duck.errors import InternalError

VARIABLE = "_LESTER_DUCK_COMPLETE"


@click.command(
    cls=Command,
    examples=(
        'eval "$(lester-duck completion bash)"',
        "lester-duck completion zsh > ~/.zfunc/_lester-duck",
        "lester-duck completion fish > ~/.config/fish/completions/lester-duck.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a SHELL, to be evaluated in its start-up file."""
    kind = get_completion_class(shell)
    if kind is None:
        raise InternalError(f"click knows no completion for {shell}")
    root = ctx.find_root()
    click.echo(kind(root.command, {}, root.info_name or "lester-duck", VARIABLE).source())
