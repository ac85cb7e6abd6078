"""Seeded mixtures of small edits: many lines of a file changed at once, each in a way the script may react to.

Kinds stay apart, so that an edit that stops the original (a blank where a number is read) does not
hide the others. The same file and seed give the same mixture.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

from lester_duck.rewrite.harvest import Constants, parse

SHARE = 0.15
MAX_EDITS = 300
FEW = 12
_SHORT = 12
MAX_FAR = 1000
_SAMPLE = 200
_KNOWN = 2000
KINDS = (
    ("values of the data and the script moved", ("other", "twin", "constant", "near"), False),
    ("few lines, values moved", ("other", "twin", "constant", "near"), True),
    ("values moved, in another case or padded", ("other", "twin", "case", "pad"), False),
    ("few lines, some repeated", ("other", "repeat", "twin", "key"), True),
    ("values moved, some blank", ("other", "blank", "constant", "key"), False),
    ("lines repeated and left out", ("repeat", "drop", "key", "swap"), False),
    ("few lines, some blank", ("other", "near", "blank", "key"), True),
    ("few lines, texts of the script put in, left out and in another case", ("text", "text", "case", "pad"), True),
)

Names = tuple[str, ...]
Row = list[Any]
"""The fields of a line; of a JSON line the values of the record, with its names beside."""


@dataclass(slots=True)
class Table:
    """A text file as rows that can be edited and written again; rows without a safe form stay as they are."""

    lines: Sequence[str]
    delimiter: str
    is_json: bool

    def row(self, number: int) -> tuple[tuple[str, ...], Row] | None:
        """Names (of a JSON record) and fields of a line, or None when it cannot be written again as it was."""
        line = self.lines[number]
        if self.is_json:
            try:
                record = json.loads(line)
            except ValueError:
                return None
            return (tuple(record), list(record.values())) if isinstance(record, dict) else None
        if '"' in line and self.delimiter:
            fields = next(csv.reader([line], delimiter=self.delimiter), [])
            return ((), fields) if self.text((), fields) == line else None
        return (), line.split(self.delimiter) if self.delimiter else [line]

    def text(self, names: tuple[str, ...], row: Row) -> str:
        """A row as a line."""
        if self.is_json:
            return json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False)
        if any(self.delimiter and (self.delimiter in v or '"' in v) for v in row):
            target = io.StringIO()
            csv.writer(target, delimiter=self.delimiter, lineterminator="").writerow(row)
            return target.getvalue()
        return self.delimiter.join(row) if self.delimiter else row[0]


def mixes(table: Table, constants: Constants, header: bool, seed: str) -> Iterator[tuple[str, list[str]]]:
    """What was mixed, and the lines; ``header`` says that the first line holds names."""
    for number, (what, kinds, few) in enumerate(KINDS):
        yield what, Mix(table, constants, int(header), Random(f"{seed}:{number}")).lines(kinds, few)


class Mix:
    """One mixture in the making: the rows of a file that can be written again, and what their columns hold."""

    def __init__(self, table: Table, constants: Constants, start: int, random: Random) -> None:
        self.table = table
        self.constants = constants
        self.random = random
        self.head = list(table.lines[:start])
        self.rows = [found for n in range(start, len(table.lines)) if (found := table.row(n)) and found[1]]
        widths = Counter(len(row) for _, row in self.rows[:_SAMPLE])
        self.width = widths.most_common(1)[0][0] if widths else 0
        """The number of fields that most lines have."""
        self.kinds = [self._kind(column) for column in range(self.width)]

    def lines(self, kinds: tuple[str, ...], few: bool) -> list[str]:
        rows = [(names, list(row)) for names, row in self.rows]
        if few and len(rows) > FEW:
            rows = [rows[n] for n in sorted(self.random.sample(range(len(rows)), FEW))]
        share = 0.7 if few else SHARE
        for _ in range(min(MAX_EDITS, max(4, int(len(rows) * share)))):
            if rows:
                self._edit(rows, self.random.choice(kinds))
        return self.written(rows)

    def written(self, rows: Sequence[tuple[Names, Row]]) -> list[str]:
        """The lines of a file that holds these rows."""
        return self.head + [self.table.text(names, row) for names, row in rows]

    def known_texts(self) -> dict[int, list[str]]:
        """The values of each column, among the first rows, that the script names."""
        texts = set(self.constants.texts)
        sample = self.rows[:_KNOWN]
        return {
            column: sorted({row[column] for _, row in sample if column < len(row) and isinstance(row[column], str)}
                           & texts)
            for column in range(self.width)
        }  # fmt: skip

    def blank_columns(self) -> list[int]:
        """The columns in which some row is blank."""
        return [c for c in range(self.width) if any(c < len(r) and r[c] in ("", None) for _, r in self.rows)]

    def _edit(self, rows: list[tuple[tuple[str, ...], Row]], kind: str) -> None:
        at = self.random.randrange(len(rows))
        names, row = rows[at]
        if kind == "repeat":
            rows.insert(self.random.randrange(at, len(rows)) + 1, (names, list(row)))
        elif kind == "drop":
            del rows[at]
        elif kind == "swap":
            other = self.random.randrange(len(rows))
            rows[at], rows[other] = rows[other], rows[at]
        elif kind == "key":
            column = self.random.randrange(len(row))
            _, other = self.random.choice(self.rows)
            copied = list(other)
            if len(copied) == len(row):
                copied[column] = row[column]
                rows.insert(self.random.randrange(at, len(rows)) + 1, (names, copied))
        else:
            column = self.random.randrange(len(row))
            row[column] = self._value(row, column, kind)

    def _value(self, row: Row, column: int, kind: str) -> Any:
        value = row[column]
        what = self.kinds[column] if column < self.width else ""
        if kind == "blank":
            return ("" if isinstance(value, str) else None) if self._may_be_blank(column) else value
        if kind == "constant":
            return self._constant(value, what)
        if kind == "twin":
            twins = [v for n, v in enumerate(row) if n != column and n < self.width and self.kinds[n] == what != "text"]
            return self._moved(self.random.choice(twins), what, self._far()) if twins else self._other(column, value)
        if kind == "near":
            return self._moved(value, what)
        if what == "text" and isinstance(value, str) and kind == "case":
            return self.random.choice((value.upper(), value.lower(), value.swapcase()))
        if what == "text" and isinstance(value, str) and kind == "text":
            return self._with_text(value)
        if what == "text" and isinstance(value, str) and kind == "pad" and value:
            return self.random.choice((f" {value}", f"{value} ", f"  {value} "))
        return self._other(column, value)

    def _with_text(self, value: str) -> str:
        """A text of the script left out, doubled or in another case where the value holds it, else put at its end."""
        plain = [t for t in self.constants.texts if self._is_plain(t)]
        held = [t for t in plain if t.lower() in value.lower()]
        if not held:
            return value + self.random.choice(plain) if plain and self.random.random() < 0.5 else value.swapcase()
        text = self.random.choice(held)
        at = value.lower().index(text.lower())
        there = value[at : at + len(text)]
        new = self.random.choice(("", there * 2, there.upper(), there.lower(), f" {there} "))
        return value[:at] + new + value[at + len(there) :]

    def _is_plain(self, text: str) -> bool:
        """Whether a text is short and can be put into a field as it is."""
        return len(text) <= _SHORT and not any(c in text for c in ('"', self.table.delimiter or '"', "\n", "%"))

    def _other(self, column: int, value: Any) -> Any:
        _, other = self.random.choice(self.rows)
        return other[column] if column < len(other) else value

    def _may_be_blank(self, column: int) -> bool:
        sample = [row[column] for _, row in self.rows[:_SAMPLE] if column < len(row)]
        return (column < self.width and self.kinds[column] == "text") or any(v in ("", None) for v in sample)

    def _constant(self, value: Any, what: str) -> Any:
        if what == "number" and self.constants.numbers:
            number = self.random.choice(self.constants.numbers) + self.random.choice((-1, 0, 1))
            return number if not isinstance(value, str) else as_text(number, value)
        if what == "date" and self.constants.dates and isinstance(value, str):
            read = parse(value.strip(), self.constants.formats)
            date = self.random.choice(self.constants.dates) + timedelta(days=self.random.choice((-1, 0, 1)))
            return date.strftime(read[1]) if read else value
        if what == "text" and self.constants.texts and isinstance(value, str):
            known = {str(v) for _, row in self.rows[:_SAMPLE] for v in row if isinstance(v, str)}
            held = [t for t in self.constants.texts if any(t in v or t == v.lower() for v in known)]
            return self.random.choice(held or self.constants.texts) if held else value
        return value

    def _far(self) -> float:
        """Nothing, or a number of the script: how far apart two values may have to be."""
        numbers = [n for n in self.constants.numbers if abs(n) <= MAX_FAR]
        return self.random.choice((0, self.random.choice(numbers))) if numbers else 0

    def _moved(self, value: Any, what: str, far: float = 0) -> Any:
        """A number or date, one less, the same, or one more; ``far`` further."""
        step = self.random.choice((-1, 0, 1)) + far
        if isinstance(value, bool) or value in ("", None):
            return value
        if isinstance(value, int | float):
            return value + step
        if what == "number" and is_number(value):
            return as_text(float(value) + step, value)
        read = parse(value.strip(), self.constants.formats) if what == "date" and isinstance(value, str) else None
        return (read[0] + timedelta(days=step)).strftime(read[1]) if read else value

    def _kind(self, column: int) -> str:
        """``number``, ``date`` or ``text``: what nearly all values of a column are."""
        values = [row[column] for _, row in self.rows[:_SAMPLE] if column < len(row)]
        values = [v for v in values if v not in ("", None)]
        if not values or not all(isinstance(v, str | int | float) for v in values):
            return ""
        numbers = sum(is_number(v) for v in values)
        dates = sum(isinstance(v, str) and parse(v.strip(), self.constants.formats) is not None for v in values)
        most = 0.9 * len(values)
        return "number" if numbers > most else "date" if dates > most else "text"


def is_number(value: Any) -> bool:
    """Whether a value is a number, or a text that says one."""
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def as_text(number: float, like: str) -> str:
    """A number written as the text it replaces: with a point only when that has one.

    >>> as_text(3.0, "12"), as_text(3.0, "1.5"), as_text(2.25, "1.50")
    ('3', '3.0', '2.25')
    """
    if "." not in like:
        return str(int(number))
    return repr(round(float(number), 6))
