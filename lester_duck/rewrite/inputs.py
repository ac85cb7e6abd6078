"""Directed inputs: the user's data changed where the script's own constants say it may matter.

Each input changes one file. Changes that leave every line well-formed share an input, each made to
a line of its own (of two lines with one key, a script may see the last only); those that may make
the original stop (a blank or missing field, an empty file) have one each.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, islice, zip_longest
from pathlib import Path

from lester_duck.rewrite.forms import alone, beside
from lester_duck.rewrite.groups import MAX_KEYS, groups
from lester_duck.rewrite.harvest import Constants, harvest, parse
from lester_duck.rewrite.mixes import MAX_FAR, Table, is_number, mixes
from lester_duck.rewrite.odd_dates import impossible, otherwise

MAX_COLUMNS = 12
MAX_ADDED = 200
MAX_CHUNKS = 4
MAX_SHIFTS = 4
TIMES = 3
"""Lines that get the same edit where there are enough: some lines a script leaves out whatever they hold."""
MAX_LOOKED_AT = 50
MAX_SAMPLE = 2000
MAX_MARK = 3
MAX_FILE = 64 * 2**20
_DELIMITERS = ("\t", ";", "|", ",")
_RUN = re.compile(r"\d[\d.,]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectedInput:
    """A changed copy of the data: what was done, and the new content of the files concerned."""

    name: str
    changed: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edit:
    """A field's new value: where it was found, and what it becomes there or in another line."""

    line: int
    column: int
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lines:
    """A text file: its lines without line ends, the line end, the delimiter ('' if it has none).

    ``usual`` is the number of delimiters that most lines without quotes have.
    """

    path: str
    lines: tuple[str, ...]
    end: str
    delimiter: str
    usual: int

    def fields(self, number: int) -> list[str]:
        return self.lines[number].split(self.delimiter) if self.delimiter else [self.lines[number]]

    def regular(self, number: int) -> int:
        """The first line from ``number`` on that has as many fields as most and no quotes."""
        if not self.delimiter:
            return number
        for n in chain(range(number, len(self.lines)), range(1, number)):
            if self.lines[n].count(self.delimiter) == self.usual and '"' not in self.lines[n]:
                return n
        return number

    def join(self, fields: Sequence[str]) -> str:
        return self.delimiter.join(fields)

    def change(self, what: str, lines: Sequence[str], *, last_end: bool = True) -> DirectedInput:
        text = self.end.join(lines) + (self.end if lines and last_end else "")
        return DirectedInput(name=f"{self.path}: {what}", changed={self.path: text.encode("utf-8")})


def directed(root: Path, reads: Sequence[str], script: str, rounds: int = 1) -> tuple[DirectedInput, ...]:
    """The directed inputs of a script, the files taken in turn, most telling changes first.

    Mixtures are made ``rounds`` times, each with a seed of its own. Files that are not text, or larger
    than 64 MB, are left alone. Deterministic.
    """
    constants = harvest(ast.parse(script))
    files = [file for file in (_read(root, path) for path in reads) if file and len(file.lines) > 2]
    further = (_mixed(file, constants, f"{file.path}:{n}") for n in range(1, rounds) for file in files)
    turns = zip_longest(*(_changes(file, constants) for file in files))
    return tuple(change for turn in chain(turns, zip_longest(*further)) for change in turn if change is not None)


def _read(root: Path, path: str) -> _Lines | None:
    target = root / path
    if not target.is_file() or target.stat().st_size > MAX_FILE:
        return None
    try:
        text = target.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return None
    end = "\r\n" if "\r\n" in text else "\n"
    lines = text.split(end)
    lines = lines if lines[-1] else lines[:-1]
    delimiter = delimiter_of(lines) if lines else ""
    counts = Counter(line.count(delimiter) for line in lines if delimiter and '"' not in line)
    usual = counts.most_common(1)[0][0] if counts else 0
    return _Lines(path=path, lines=tuple(lines), end=end, delimiter=delimiter, usual=usual)


def delimiter_of(lines: Sequence[str]) -> str:
    """The delimiter most lines agree about.

    >>> delimiter_of(["a;b,c", "d;e", "f;g"])
    ';'
    """
    if lines[0].startswith(("{", "[")):
        return ""
    sample = [line for line in lines[:200] if line and not line.startswith("#")]
    best, share = "", 0.6
    for delimiter in _DELIMITERS:
        counts = Counter(line.count(delimiter) for line in sample)
        if not counts:
            continue
        number, times = counts.most_common(1)[0]
        if number and times / len(sample) > share:
            best, share = delimiter, times / len(sample)
    return best


def _changes(file: _Lines, constants: Constants) -> Iterator[DirectedInput]:
    for what, lines in alone(*_table(file), constants, file.path):
        yield file.change(what, lines)
    for what, lines in _added(file, constants):
        yield file.change(f"{len(lines)} lines added: {what}", [*file.lines, *lines])
    if file.lines[0].startswith("{"):
        yield from _json_lines(file)
    yield file.change("lines after the first reversed", [file.lines[0], *reversed(file.lines[1:])])
    yield from _mixed(file, constants, file.path, keys=1)
    middle = len(file.lines) // 2
    if file.delimiter:
        yield from _fields(file, file.regular(middle))
    yield file.change(f"a blank line after line {middle}", [*file.lines[:middle], "", *file.lines[middle:]])
    yield file.change("the last line without its end", file.lines, last_end=False)
    yield file.change("only the first line", file.lines[:1])
    yield file.change("empty", [])


def _mixed(file: _Lines, constants: Constants, seed: str, keys: int = MAX_KEYS) -> Iterator[DirectedInput]:
    """``keys`` is how many columns are taken for keys: one in the first round, all in those that follow."""
    table, header = _table(file)
    apart = keys > 1
    made = (
        alone(table, header, constants, seed, apart=True) if apart else (),
        beside(table, header, constants, seed, apart=apart),
        groups(table, constants, header, seed, keys),
        mixes(table, constants, header, seed),
    )
    for what, lines in chain.from_iterable(made):
        yield file.change(what, lines)


def _table(file: _Lines) -> tuple[Table, bool]:
    """The file as rows, and whether its first line holds names."""
    is_json = file.lines[0].startswith("{")
    return Table(lines=file.lines, delimiter=file.delimiter, is_json=is_json), not is_json


def _added(file: _Lines, constants: Constants) -> Iterator[tuple[str, list[str]]]:
    """Well-formed lines that are added, so many at a time that no two of them repeat the same line.

    Kinds stay apart, so that one that stops the original does not hide the others.
    """
    size = max(1, min(MAX_ADDED, len(file.lines) - 1))
    kinds = {"texts": _texts, "numbers": _numbers, "dates": _dates}
    for kind, find in kinds.items():
        edits = list(dict.fromkeys(find(file, constants)))
        edits *= max(1, min(TIMES, size // max(1, len(edits))))
        chunks = [edits[start : start + size] for start in range(0, len(edits), size)][:MAX_CHUNKS]
        for number, chunk in enumerate(chunks):
            places = (1 + n * (len(file.lines) - 1) // len(chunk) for n in range(len(chunk)))
            lines = [_edited(file, edit, place) for edit, place in zip(chunk, places, strict=True)]
            yield f"{kind} of the script and what is beside them ({number + 1} of {len(chunks)})", lines
    yield "duplicate keys", list(_duplicates(file))
    marked = list(_marked(file, constants))
    if marked:
        yield "marks of the script before and after a line", marked
    for what, odd in (("dates that do not exist", impossible), ("dates written otherwise", otherwise)):
        lines = list(_odd_dates(file, constants, odd))
        if lines:
            yield what, lines
    for what, dates in (("dates", True), ("other fields", False)):
        padded = list(_padded(file, constants, dates=dates))
        if padded:
            yield f"padded {what}", padded


def _marked(file: _Lines, constants: Constants) -> Iterator[str]:
    """Lines that begin or end with a short text of the script without letters and digits (``#``)."""
    marks = [t for t in constants.texts if len(t) <= MAX_MARK and not any(c.isalnum() for c in t) and t.strip()]
    marks = [t for t in marks if t != file.delimiter and '"' not in t and not file.lines[0].startswith("{")]
    for n, mark in enumerate(marks[:MAX_COLUMNS]):
        line = file.lines[file.regular(1 + (7 * n) % (len(file.lines) - 1))]
        yield from (mark + line, line + mark)


def _padded(file: _Lines, constants: Constants, *, dates: bool) -> Iterator[str]:
    """Lines with one field (a date, or any other) between spaces."""
    middle = file.regular(len(file.lines) // 2)
    for column, field in enumerate(file.fields(middle)[:MAX_COLUMNS] if file.delimiter else ()):
        fields = file.fields(file.regular(1 + (middle + 5 * column) % (len(file.lines) - 1)))
        if (parse(field.strip(), constants.formats) is not None) is dates and column < len(fields):
            yield file.join([*fields[:column], f" {fields[column]} ", *fields[column + 1 :]])


def _edited(file: _Lines, edit: _Edit, number: int) -> str:
    """Line ``number`` with one field replaced; the edit's own line when the two have not the same form."""
    fields = file.fields(file.regular(number))
    if not file.delimiter or len(fields) != len(file.fields(edit.line)):
        fields = file.fields(edit.line)
    return file.join([*fields[: edit.column], edit.value, *fields[edit.column + 1 :]])


def _duplicates(file: _Lines) -> Iterator[str]:
    """A copy of a line, and copies of other lines that share one field with it, for every field."""
    middle = file.regular(len(file.lines) // 2)
    yield file.lines[middle]
    one = file.fields(middle)
    for column in range(min(len(one), MAX_COLUMNS) if file.delimiter else 0):
        other = file.fields(file.regular(1 + (middle + 3 * column + 1) % (len(file.lines) - 1)))
        if len(other) == len(one):
            yield file.join([*other[:column], one[column], *other[column + 1 :]])


def _texts(file: _Lines, constants: Constants) -> Iterator[_Edit]:
    """A text of the script where the data hold it: in another case, padded, cut, a word less, and left out."""
    for text in constants.texts:
        found = _holds(file, text, constants.texts)
        if found is None or text == file.delimiter or (file.delimiter and file.delimiter in text):
            continue
        fields = file.fields(found)
        column = next((n for n, field in enumerate(fields) if field == text), None)
        if column is None:
            column = next((n for n, field in enumerate(fields) if text in field), 0)
        cases = (text.upper(), text.lower(), text.capitalize())
        for variant in dict.fromkeys((*cases, f" {text} ", text[1:], text[:-1], *_fewer_words(text), "")):
            if variant != text:
                yield _Edit(line=found, column=column, value=fields[column].replace(text, variant))


def _holds(file: _Lines, text: str, texts: Sequence[str]) -> int | None:
    """The line that holds a text and the fewest others of the script (an *or* of them would hide it), or None."""
    lines = (n for n in range(1, len(file.lines)) if text in file.lines[n] and file.regular(n) == n)
    others = [other for other in texts if other not in text]
    return min(islice(lines, MAX_LOOKED_AT), key=lambda n: sum(o in file.lines[n] for o in others), default=None)


def _fewer_words(text: str) -> Iterator[str]:
    """A text of several words without one of them.

    >>> list(_fewer_words("bank account"))
    ['account', 'bank']
    """
    words = text.split()
    if len(words) > 1:
        for left in range(len(words)):
            yield " ".join(words[:left] + words[left + 1 :])


def _numbers(file: _Lines, constants: Constants) -> Iterator[_Edit]:
    """The script's numbers, one less and one more, in each column of numbers, or of numbers within a text."""
    middle = file.regular(len(file.lines) // 2)
    for column, field in enumerate(file.fields(middle)[:MAX_COLUMNS] if file.delimiter else ()):
        if not is_number(field):
            if parse(field.strip(), constants.formats) is None:
                yield from (_Edit(line=middle, column=column, value=v) for v in _within(field, constants.numbers))
            continue
        for number in (*constants.numbers[:MAX_COLUMNS], *_differences(file, column, constants)):
            for value in (number - 1, number, number + 1):
                text = str(value) if "." in field or isinstance(value, int) else str(int(value))
                yield _Edit(line=middle, column=column, value=text)


def _within(field: str, numbers: Sequence[float]) -> Iterator[str]:
    """A text with the one number it holds replaced by the script's whole numbers, one less and one more.

    >>> list(_within("1.250 EUR", (500, 0.5)))
    ['499 EUR', '500 EUR', '501 EUR']
    """
    found = _RUN.findall(field)
    for number in numbers[:MAX_COLUMNS] if len(found) == 1 else ():
        if isinstance(number, int):
            yield from (field.replace(found[0], str(number + step)) for step in (-1, 0, 1))


def _differences(file: _Lines, column: int, constants: Constants) -> list[float]:
    """Differences of two numbers of the script that lie among the values of a column (a year less an age)."""
    sample = (file.fields(n) for n in range(1, min(len(file.lines), MAX_SAMPLE)))
    values = [float(f[column]) for f in sample if column < len(f) and is_number(f[column])]
    numbers = constants.numbers[:MAX_COLUMNS]
    found = dict.fromkeys(a - b for a in numbers for b in numbers if a > b > 1 and a - b not in numbers)
    return [d for d in found if values and min(values) <= d <= max(values)][:MAX_COLUMNS]


def _dates(file: _Lines, constants: Constants) -> Iterator[_Edit]:
    """The script's dates, a second, a day, and so many days as the script says beside them, in each column of dates."""
    middle = file.regular(len(file.lines) // 2)
    for column, field in enumerate(file.fields(middle)[:MAX_COLUMNS] if file.delimiter else ()):
        read = parse(field.strip(), constants.formats)
        if read is None:
            continue
        far = [n for n in constants.numbers if isinstance(n, int) and 1 < n <= MAX_FAR][:MAX_SHIFTS]
        shifts = (timedelta(days=-1), timedelta(seconds=-1), timedelta(0), timedelta(days=1))
        for date in constants.dates[:6]:
            for shift in (*shifts, *(timedelta(days=days) for n in far for days in (n, -n))):
                yield _Edit(line=middle, column=column, value=(date + shift).strftime(read[1]))


def _odd_dates(
    file: _Lines, constants: Constants, odd: Callable[[datetime, str, str], Iterator[str]]
) -> Iterator[str]:
    """Lines with odd dates in the place of a date, for each column and each form of a date in it."""
    seen: set[tuple[int, str]] = set()
    for number in range(1, min(len(file.lines), MAX_LOOKED_AT)):
        fields = file.fields(number) if file.delimiter else []
        for column, field in enumerate(fields[:MAX_COLUMNS]):
            read = parse(field.strip(), constants.formats)
            if read is None or (column, read[1]) in seen:
                continue
            seen.add((column, read[1]))
            for n, value in enumerate(odd(*read, field)):
                other = file.fields(file.regular(1 + (number + 7 * n) % (len(file.lines) - 1)))
                like = other if len(other) == len(fields) else fields
                yield file.join([*like[:column], value, *like[column + 1 :]])


def _fields(file: _Lines, number: int) -> Iterator[DirectedInput]:
    fields = file.fields(number)
    before, after = file.lines[:number], file.lines[number + 1 :]
    for column in range(min(len(fields), MAX_COLUMNS)):
        line = file.join([*fields[:column], "", *fields[column + 1 :]])
        yield file.change(f"field {column + 1} of line {number + 1} blank", [*before, line, *after])
    yield file.change(f"line {number + 1} without its last field", [*before, file.join(fields[:-1]), *after])
    yield file.change(f"line {number + 1} with a field more", [*before, file.join([*fields, "x"]), *after])


def _json_lines(file: _Lines) -> Iterator[DirectedInput]:
    found = ((n, _record(line)) for n, line in enumerate(file.lines) if n >= len(file.lines) // 2)
    number, record = next(((n, r) for n, r in found if r), (0, {}))
    before, after = file.lines[:number], file.lines[number + 1 :]
    for key in list(record)[:MAX_COLUMNS]:
        without = {k: v for k, v in record.items() if k != key}
        for what, changed in ((f"without {key}", without), (f"with {key} null", {**record, key: None})):
            yield file.change(f"line {number + 1} {what}", [*before, json.dumps(changed), *after])
    yield file.change(f"line {number + 1} cut off", [*before, file.lines[number][:-2], *after])


def _record(line: str) -> dict:
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
