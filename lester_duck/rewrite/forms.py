"""Inputs in which each key has one line, or two, and one text of it takes another form.

What is computed per key (a maximum, the last value) hides how a text was read when another line of the
key decides. Here no other line does, or only one beside it. The forms are those the data have, each in
another case and padded, and numbers with the short texts of the script that stand beside numbers in
the data (units, separators), alone and two at a time.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, permutations, zip_longest
from random import Random
from typing import Any

from lester_duck.rewrite.groups import Keyed, Line, keyed_by
from lester_duck.rewrite.harvest import Constants
from lester_duck.rewrite.mixes import Mix, Row, Table, is_number

MAX_KEYS = 300
MAX_FORMS = 8
MAX_UNITS = 5
MAX_UNIT = 12
MAX_VALUES = 2000
TIMES = 3
"""Keys that get the same value where there are enough: some lines a script leaves out whatever they hold."""
_DIGITS = re.compile(r"\d+")
_RUN = re.compile(r"\d+(?:[.,]\d+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    """A new text for one column, and what the other line of its key gets, if there is one."""

    column: int
    value: str
    other: str = ""


def alone(
    table: Table, header: bool, constants: Constants, seed: str, *, apart: bool = False
) -> Iterator[tuple[str, list[str]]]:
    """One line per key, each with one text changed; ``apart`` makes an input of units for every column."""
    mix = Mix(table, constants, int(header), Random(f"{seed}:alone"))
    for keyed in keyed_by(mix)[:1]:
        texts = _in_turn(
            [_Text(column=c, value=v) for v in dict.fromkeys(_written(mix, c))] for c in _columns(mix, keyed)
        )
        if texts:
            yield "one line per key, texts in another case and padded", mix.written(_single(mix, keyed, texts))
        for what, found in _with_units(mix, keyed, apart=apart):
            yield f"one line per key, {what}", mix.written(_single(mix, keyed, found))


def beside(
    table: Table, header: bool, constants: Constants, seed: str, *, apart: bool = False
) -> Iterator[tuple[str, list[str]]]:
    """Two lines per key, the first or the second with a number changed, the number in the other close to it."""
    mix = Mix(table, constants, int(header), Random(f"{seed}:beside"))
    for keyed in keyed_by(mix)[:1]:
        for what, texts in _with_units(mix, keyed, apart=apart):
            yield f"two lines per key, {what}", mix.written(_double(mix, keyed, texts))


def _with_units(mix: Mix, keyed: Keyed, *, apart: bool) -> Iterator[tuple[str, list[_Text]]]:
    """What was made, and the numbers with units: of all columns in turn, or of one column after the other."""
    found = {c: list(dict.fromkeys(_dressed(mix, c))) for c in _columns(mix, keyed)}
    if apart:
        yield from ((f"numbers with units (column {c + 1})", texts) for c, texts in found.items() if texts)
    elif any(found.values()):
        yield "numbers with units", _in_turn(found.values())


def _in_turn(found: Iterable[list[_Text]]) -> list[_Text]:
    return [text for turn in zip_longest(*found) for text in turn if text is not None]


def _columns(mix: Mix, keyed: Keyed) -> list[int]:
    return [c for c in range(mix.width) if c != keyed.column and _is_text(mix, c)]


def _is_text(mix: Mix, column: int) -> bool:
    """Whether a column holds texts, or numbers of which some are written as texts that are no plain numbers."""
    if mix.kinds[column] == "number":
        return any(not is_number(value) for value in _values(mix, column))
    return mix.kinds[column] == "text"


def _values(mix: Mix, column: int) -> list[str]:
    """The texts of a column, without blanks and those that need quotes."""
    found = (row[column] for _, row in mix.rows[:MAX_VALUES] if column < len(row))
    return [v for v in found if isinstance(v, str) and v.strip() and _is_plain(mix, v)]


def _is_plain(mix: Mix, value: str) -> bool:
    return not any(c in value for c in ('"', "\n", mix.table.delimiter or "\n"))


def _written(mix: Mix, column: int) -> Iterator[str]:
    """A text of each of the most frequent forms (digits taken as one), as it is, in another case, and padded."""
    values = _values(mix, column)
    by_form: dict[str, list[str]] = {}
    for value in values:
        by_form.setdefault(_DIGITS.sub("9", value), []).append(value)
    counts = Counter({form: len(same) for form, same in by_form.items()})
    chosen = [mix.random.choice(by_form[form]) for form, _ in counts.most_common(MAX_FORMS)]
    for change in (str, str.upper, str.lower, "{} ".format, " {}".format, str.title):
        yield from (change(value) for value in chosen)


def _dressed(mix: Mix, column: int) -> Iterator[_Text]:
    """A number of the column before and after the script's units, in both cases, and between two of them.

    The number changes from text to text; it has the separators of the data in about half of them. Beside
    it goes a plain number one less, or one more.
    """
    values = [v for v in _values(mix, column) if _RUN.search(v)]
    units = _units(mix, values)
    if not units:
        return
    singles = (
        (form, text, "")
        for form in ("{0}", "{0}{1}", "{0} {1}", "{1}{0}", "{0}{1} ", " {0}{1}", "{1} {0}")
        for unit in units
        for text in dict.fromkeys((unit, unit.upper(), unit.lower()))
    )
    doubles = (
        (form, *two)
        for form in ("{0}{1}{2}", "{0}{1} {2}", "{1}{0}{2}", "{0} {1}{2}")
        for two in permutations(units, 2)
    )
    upper = (("{0}{1} {2}", one.upper(), other.upper()) for one, other in permutations(units, 2))
    for form, one, other in chain(singles, doubles, upper):
        run = _RUN.search(mix.random.choice(values))
        number = run[0] if run else ""
        digits = "".join(_DIGITS.findall(number))
        near = str(max(0, int(digits) + mix.random.choice((-1, 1))))
        written = form.format(mix.random.choice((number, digits)), one, other)
        yield _Text(column=column, value=written, other=near)


def _units(mix: Mix, values: Sequence[str]) -> list[str]:
    """The short texts of the script that stand before or after a digit in the values, the most frequent first."""
    counts: Counter[str] = Counter()
    for text in dict.fromkeys(t.strip() for t in mix.constants.texts if len(t) <= MAX_UNIT):
        if text and _is_plain(mix, text) and not any(c.isdigit() for c in text):
            mark = re.escape(text)
            near = re.compile(rf"\d\s*{mark}|{mark}\s*\d", re.IGNORECASE)
            counts[text] = sum(near.search(value) is not None for value in values)
    return [text for text, number in counts.most_common(MAX_UNITS) if number]


def _single(mix: Mix, keyed: Keyed, texts: Sequence[_Text]) -> list[Line]:
    """One line of each of so many keys as there are texts; each text is given to up to three keys."""
    groups = _distinct(mix, keyed)
    found = []
    for text, rows in zip(_often(texts, len(groups)), groups, strict=False):
        names, row = mix.random.choice(rows)
        found.append((names, _with(row, text.column, text.value)))
    return found


def _double(mix: Mix, keyed: Keyed, texts: Sequence[_Text]) -> list[Line]:
    """Two lines of each key: in every other key the first has the text, else the last."""
    groups = [rows for rows in _distinct(mix, keyed) if len(rows) > 1]
    found = []
    for turn, (text, rows) in enumerate(zip(_often(texts, len(groups)), groups, strict=False)):
        (names, first), (others, last) = rows[0], rows[-1]
        one, two = (text.other, text.value) if turn % 2 else (text.value, text.other)
        found += [(names, _with(first, text.column, one)), (others, _with(last, text.column, two))]
    return found


def _distinct(mix: Mix, keyed: Keyed) -> list[tuple[Line, ...]]:
    """The groups in a seeded order; keys that differ in case and spaces only are one, and the first stands for it."""
    found: dict[str, tuple[Line, ...]] = {}
    for rows in keyed.groups:
        found.setdefault(str(rows[0][1][keyed.column]).strip().casefold(), rows)
    groups = list(found.values())
    mix.random.shuffle(groups)
    return groups[:MAX_KEYS]


def _often(texts: Sequence[_Text], keys: int) -> list[_Text]:
    """The texts up to three times, as many as there are keys."""
    return (list(texts) * max(1, min(TIMES, keys // max(1, len(texts)))))[:keys]


def _with(row: Sequence[Any], column: int, value: str) -> Row:
    """A copy of a row with another value in one column."""
    return [*row[:column], value, *row[column + 1 :]]
