"""Writes the reference pages from the code: ``python -m lester_duck.cli.reference docs/reference``."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_type_hints

import click

from lester_duck.cli.command import CONTEXT
from lester_duck.cli.main import COMMANDS, PROGRAM, program
from lester_duck.errors import Disagreement, InputError, InternalError, LesterError, Unsupported, UsageError
from lester_duck.featurize.registry import KINDS, REFUSED
from lester_duck.pipeline import model as ir
from lester_duck.review.checks import CHECKS

NOTE = "<!-- Written from the code by `make docs`; a test compares. -->"
_WIDTH = 100
_CONTEXT = {**CONTEXT, "max_content_width": _WIDTH}

_SECTIONS = (
    ("name = ...", None, "The name of the pipeline, the first line of the file."),
    ("[[source]]", ir.Source, ""),
    ("[[function]]", ir.Function, ""),
    ("[features]", ir.Features, ""),
    ("[[featurizer]]", ir.Featurizer, ""),
    ("[label]", ir.Label, ""),
    ("[split]", ir.Split, ""),
    ("[model]", ir.Model, ""),
    ("[[check]]", ir.Check, ""),
    ("[review]", ir.Review, ""),
    ("[origin]", ir.Origin, ""),
    ("[[origin.output]]", ir.Output, ""),
    ("[[origin.checkpoint]]", ir.Checkpoint, ""),
)
_ELSEWHERE = {
    (ir.Features, "featurizers"): "the `[[featurizer]]` sections, from left to right",
    (ir.Origin, "outputs"): "the `[[origin.output]]` sections",
    (ir.Origin, "checkpoints"): "the `[[origin.checkpoint]]` sections",
    (ir.Featurizer, "steps"): "a list of tables with `kind` and its parameters; a single step may be written inline",
    (ir.Review, "thresholds"): "the table `[review.thresholds]`, described below",
    (ir.Split, "params"): "the parameters of the kind, written beside it",
    (ir.Model, "params"): "the constructor's parameters, written beside it",
}


def pages() -> dict[str, str]:
    """File name -> text of every generated page."""
    return {"command-line.md": command_line(), "pipeline.md": pipeline_toml(), "featurizers.md": featurizers()}


def command_line() -> str:
    """The reference of the command line."""
    parts = [NOTE, "# Command line", program.help or "", _exit_codes()]
    root = click.Context(program, info_name=PROGRAM)
    parts += [_command(root, name) for name in COMMANDS]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _command(root: click.Context, name: str) -> str:
    command = program.get_command(root, name)
    ctx = click.Context(command, info_name=name, parent=root, terminal_width=_WIDTH, **_CONTEXT)
    help_text = "\n".join(line.rstrip() for line in command.get_help(ctx).splitlines())
    return f"## {name}\n\n```text\n{help_text}\n```"


def _exit_codes() -> str:
    rows = ["| code | kind | meaning |", "|---|---|---|", "| 0 | | done |"]
    for kind in (InputError, UsageError, Disagreement, Unsupported, InternalError):
        rows.append(f"| {kind.exit_code} | {kind.kind} | {_first_sentence(kind)} |")
    rows.append("| 130 | | interrupted by Ctrl-C: the store is intact |")
    note = (
        "Standard output is data, standard error diagnostics. An error is one line on standard error; with `--json` it "
        "is one JSON object there, `{\"error\": {...}}` with the fields "
        + ", ".join(f"`{field}`" for field in LesterError("").as_dict())
        + "."
    )
    return "\n".join(["## Exit codes", "", *rows, "", note])


def pipeline_toml() -> str:
    """The reference of ``pipeline.toml``."""
    parts = [
        NOTE,
        "# pipeline.toml",
        "A pipeline is a folder: `pipeline.toml`, one SELECT per file in `views/` (leading `--` lines: its comment), "
        "`functions.py` with the declared functions, and `REWRITE.md` if it was rewritten from a script. A column is "
        "written `\"name TYPE\"`; without a type it is VARCHAR.",
    ]
    for heading, kind, text in _SECTIONS:
        parts.append(f"## `{heading}`")
        parts.append(_docstring(kind) if kind else text)
        if kind:
            parts.append("\n".join(_fields(kind)))
        if kind is ir.Review:
            parts.append(_reviewers_checks())
    return "\n\n".join(parts) + "\n"


def _reviewers_checks() -> str:
    """The checks that ``[review]`` may name, each with its default threshold."""
    rows = ["| check | says no when | threshold |", "|---|---|---|"]
    for name, check in CHECKS.items():
        threshold = "" if check.threshold is None else f"`{name} = {check.threshold:g}`"
        rows.append(f"| `{name}` | {check.says_no} | {threshold} |")
    return "\n".join(["Thresholds, each with its default:", "", *rows])


def featurizers() -> str:
    """The reference of the kinds of encoding steps."""
    parts = [
        NOTE,
        "# Featurizers",
        "The `kind` of a step in a `[[featurizer]]` section of `pipeline.toml`, with its parameters. State is kept "
        "true while rows come and go; what it says is applied on read. A parameter that is `None` is written "
        '`{ python = "None" }` where that is not the default.',
    ]
    for name, kind in KINDS.items():
        fields = list(_fields(kind))
        parts += [f"## `{name}`", _docstring(kind), "\n".join(fields) if len(fields) > 2 else "It has no parameters."]
    rows = [f"| `{name}` | {hint} |" for name, hint in REFUSED.items()]
    parts += ["## Not supported", "\n".join(["| kind | instead |", "|---|---|", *rows])]
    return "\n\n".join(parts) + "\n"


def _fields(kind: type) -> Iterator[str]:
    yield "| field | type | default |"
    yield "|---|---|---|"
    hints = get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if (kind, field.name) in _ELSEWHERE:
            yield f"| `{field.name}` | {_ELSEWHERE[kind, field.name]} | |"
            continue
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        default = "required" if required else f"`{_default(field.default)}`" if field.default is not None else ""
        yield f"| `{field.name}` | {_type(hints[field.name])} | {default} |"


def _default(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value == ():
        return "[]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _type(hint: object) -> str:
    """A type as a reader of TOML knows it.

    >>> _type(tuple[str, ...]), _type(str | None)
    ('list of text', 'text')
    """
    text = str(hint) if not isinstance(hint, type) or hasattr(hint, "__args__") else hint.__name__
    text = text.replace("typing.", "").replace("lester_duck.pipeline.model.", "").replace(" | None", "")
    choices = re.fullmatch(r"Literal\[(.*)\]", text)
    if choices:
        return " or ".join(f"`{choice.strip()}`" for choice in choices[1].replace("'", '"').split(","))
    pairs = {"tuple[str, ...]": "list of text", "tuple[Column, ...]": "list of columns", "str": "text"}
    pairs |= {"bool": "true or false", "int": "whole number", "tuple[tuple[str, str], ...]": "list of pairs of text"}
    pairs |= {"float": "number", "tuple[int, int]": "two whole numbers", "tuple[float, float]": "two numbers"}
    pairs |= {"tuple[float, ...]": "list of numbers", "tuple": "list of lists of values"}
    return " or ".join(dict.fromkeys(pairs.get(part, part) for part in text.split(" | ")))


def _docstring(kind: type) -> str:
    lines = (kind.__doc__ or "").strip().splitlines()
    return "\n".join(line.removeprefix("    ").rstrip() for line in lines).replace("``", "`")


def _first_sentence(kind: type) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0].rstrip(".")


def write(folder: Path) -> None:
    """Write every page into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/reference"))
