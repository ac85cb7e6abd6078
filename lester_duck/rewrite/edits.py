"""Random edits of text data, one at a time: what people do to a file between two runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from lester_duck.errors import InputError
from lester_duck.rewrite.inputs import delimiter_of
from lester_duck.rewrite.mixes import Table

KINDS = (
    "row deleted", "row duplicated", "rows swapped",
    "cell blanked", "cell taken from another row", "number one off",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What was done, and the file's new content."""

    name: str
    path: str
    content: bytes


def random_edit(files: Mapping[str, bytes], random: Random) -> Edit:
    """One edit of one of the files (path -> content); raises InputError when none of them is text with two rows."""
    paths = sorted(path for path, content in files.items() if _lines(content)[2] is not None)
    while paths:
        path = random.choice(paths)
        found = _edit(path, files[path], random)
        if found:
            return found
        paths.remove(path)
    raise InputError("no file of the script can be edited: none is text with two rows")


def _lines(content: bytes) -> tuple[list[str], str, Table | None]:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return [], "", None
    end = "\r\n" if "\r\n" in text else "\n"
    lines = text.split(end)
    lines = lines if lines[-1] else lines[:-1]
    if len(lines) < 3:
        return lines, end, None
    return lines, end, Table(lines=lines, delimiter=delimiter_of(lines), is_json=lines[0].startswith("{"))


def _edit(path: str, content: bytes, random: Random) -> Edit | None:
    lines, end, table = _lines(content)
    first = 0 if table.is_json else 1
    rows = [n for n in range(first, len(lines)) if table.row(n) is not None]
    if len(rows) < 2:
        return None
    kind = random.choice(KINDS)
    at, other = random.sample(rows, 2)
    what = f"{path}: {kind}, line {at + 1}"
    if kind == "row deleted":
        del lines[at]
    elif kind == "row duplicated":
        lines.insert(random.randrange(at, len(lines)) + 1, lines[at])
    elif kind == "rows swapped":
        lines[at], lines[other] = lines[other], lines[at]
        what += f" and {other + 1}"
    else:
        column, lines[at] = _cell(table, at, other, kind, random)
        what += f", field {column + 1}"
    return Edit(name=what, path=path, content=(end.join(lines) + end).encode("utf-8"))


def _cell(table: Table, at: int, other: int, kind: str, random: Random) -> tuple[int, str]:
    """The column that was changed, and the line."""
    names, row = table.row(at)
    numbers = [n for n, v in enumerate(row) if _number(v) is not None]
    if kind == "number one off" and numbers:
        column = random.choice(numbers)
        row[column] = _moved(row[column], random.choice((-1, 1)))
    elif kind == "cell blanked":
        column = random.randrange(len(row))
        row[column] = "" if isinstance(row[column], str) else None
    else:
        column = random.randrange(len(row))
        _, source = table.row(other)
        row[column] = source[column] if column < len(source) else row[column]
    return column, table.text(names, row)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _moved(value: str | int | float, step: int) -> str | int | float:
    """A number one off, written like the one it replaces.

    >>> _moved("7", 1), _moved("1.5", -1), _moved(3, 1)
    ('8', '0.5', 4)
    """
    if not isinstance(value, str):
        return value + step
    digits = len(value.partition(".")[2])
    return f"{float(value) + step:.{digits}f}" if "." in value else str(int(float(value)) + step)
