"""Inputs whose lines share keys on purpose: what a script decides per group lies at, and beside, its own numbers.

A key is a column whose values occur in several lines. ``pairs`` leaves each key two lines, whose
dates and numbers are as far apart as the script's numbers say; ``sizes`` gives keys as many lines as
they say, with as large a share of blanks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from random import Random
from typing import Any

from lester_duck.rewrite.harvest import Constants, parse
from lester_duck.rewrite.mixes import MAX_FAR, Mix, Names, Row, Table, as_text

MAX_KEYS = 2
"""Columns that are taken for keys, those with the most values first."""
MAX_PAIRS = 300
MAX_SIZE = 40
MAX_LINES = 1500
_UNITS = (timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1))

Line = tuple[Names, Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyed:
    """The rows of a file, by the value of one of their columns."""

    column: int
    groups: tuple[tuple[Line, ...], ...]


def groups(
    table: Table, constants: Constants, header: bool, seed: str, keys: int = MAX_KEYS
) -> Iterator[tuple[str, list[str]]]:
    """What was made of at most so many keys, and the lines; ``header`` says that the first line holds names."""
    mix = Mix(table, constants, int(header), Random(f"{seed}:groups"))
    for keyed in keyed_by(mix)[:keys]:
        made = (("two lines per key, apart by the script's numbers", _pairs(mix, keyed, constants)),
                ("as many lines per key as the script's numbers", _sizes(mix, keyed, constants)))  # fmt: skip
        for what, rows in made:
            if rows:
                yield f"{what} (column {keyed.column + 1})", mix.written(rows)


def keyed_by(mix: Mix) -> list[Keyed]:
    """The columns that several lines share a value of, yet not most lines."""
    found = []
    for column in range(mix.width):
        by_value: dict[Any, list[Line]] = defaultdict(list)
        for names, row in mix.rows:
            if column < len(row) and len(row) == mix.width and isinstance(row[column], str | int):
                by_value[row[column]].append((names, row))
        by_value.pop("", None)
        shared = sum(len(rows) > 1 for rows in by_value.values())
        if shared > 3 and 2 * shared >= len(by_value) and mix.kinds[column] != "date":
            found.append(Keyed(column=column, groups=tuple(tuple(rows) for rows in by_value.values())))
    return sorted(found, key=lambda k: -len(k.groups))


def _pairs(mix: Mix, keyed: Keyed, constants: Constants) -> list[Line]:
    """Two lines of each key: the second's date or number is the first's, moved by a number of the script.

    Each distance is used as often as there are keys for it; of more distances than keys, a seeded choice.
    """
    shared = [g for g in keyed.groups if len(g) > 1]
    measured = [c for c in range(mix.width) if mix.kinds[c] in ("date", "number") and c != keyed.column]
    apart = list(_distances(constants))
    ways = [(c, far) for c in measured for kind, far in apart if kind == mix.kinds[c]]
    number = min(len(shared), MAX_PAIRS)
    ways = mix.random.sample(ways, number) if len(ways) > number else ways * (number // max(1, len(ways)))
    mix.random.shuffle(shared)
    found = []
    for (column, far), rows in zip(ways, shared, strict=False):
        (names, first), (others, last) = rows[0], rows[-1]
        changed = list(last)
        changed[column] = _moved(first[column], last[column], far, constants)
        found += [(names, list(first)), (others, _with_known_texts(mix, keyed.column, changed))]
    return found


def _distances(constants: Constants) -> Iterator[tuple[str, float | timedelta]]:
    """How far apart: each number of the script and one beside, as a number and in every unit of time."""
    numbers = [n for n in dict.fromkeys((0, *constants.numbers)) if abs(n) <= MAX_FAR]
    for number, step in product(numbers, (-1, 0, 1)):
        yield "number", number + step
    for number, unit in product(numbers, _UNITS):
        if number or unit is _UNITS[0]:
            yield from (("date", number * unit + step) for step in _steps(unit))


def _steps(unit: timedelta) -> tuple[timedelta, ...]:
    small = unit if unit <= _UNITS[2] else _UNITS[2]
    return (-small, timedelta(0), small, -unit) if unit is not small else (-small, timedelta(0), small)


def _moved(first: Any, last: Any, far: float | timedelta, constants: Constants) -> Any:
    """The first value moved, written as the last is; the last when either cannot be read."""
    if isinstance(far, timedelta):
        texts = isinstance(first, str) and isinstance(last, str)
        start = parse(first.strip(), constants.formats) if texts else None
        form = parse(last.strip(), constants.formats) if texts else None
        try:
            return (start[0] + far).strftime(form[1]) if start and form else last
        except OverflowError:
            return last
    if isinstance(first, bool) or first in ("", None):
        return last
    if isinstance(first, int | float):
        return first + far
    try:
        return as_text(float(first) + far, first)
    except ValueError:
        return last


def _with_known_texts(mix: Mix, key: int, row: Row) -> Row:
    """In half of the cases, one text of the row becomes another that both the column and the script hold."""
    if mix.random.random() < 0.5:
        return row
    known = mix.known_texts()
    columns = [c for c in known if c != key and known[c]]
    if columns:
        column = mix.random.choice(columns)
        row[column] = mix.random.choice(known[column])
    return row


def _sizes(mix: Mix, keyed: Keyed, constants: Constants) -> list[Line]:
    """Lines one after the other get one key, as many as a number of the script, one less and one more."""
    numbers = [n for n in constants.numbers if isinstance(n, int) and 1 < n <= MAX_SIZE]
    wanted = dict.fromkeys(n + step for n in dict.fromkeys(numbers) for step in (-1, 0, 1))
    shares = [0.0, *(n for n in dict.fromkeys(constants.numbers) if 0 < n < 1)]
    keys = [g[0][1][keyed.column] for g in keyed.groups]
    rows = [line for group in keyed.groups for line in group]
    found: list[Line] = []
    at = 0
    for (size, share, more), key in zip(product(wanted, shares, (0, 1)), keys, strict=False):
        if len(found) + size > MAX_LINES or (more and not share):
            continue
        chosen = [(names, list(row)) for names, row in (rows[(at + n) % len(rows)] for n in range(size))]
        at += size
        for _, row in chosen:
            row[keyed.column] = key
        if share:
            _blank(mix, keyed.column, chosen, int(share * size) + more)
        found += chosen
    return found


def _blank(mix: Mix, key: int, rows: list[Line], number: int) -> None:
    """Blank one column in so many of the rows, where the data have blanks in it already."""
    columns = [c for c in mix.blank_columns() if c != key]
    if columns:
        column = mix.random.choice(columns)
        for _, row in rows[:number]:
            row[column] = "" if isinstance(row[column], str) else None
