"""What a model is told about files: their form, and the kind of each field. Values are never shown.

A name of a field is shown when the script holds it, or when the first line is a header beyond doubt and the name looks
like one; a word of a path is shown when the script holds it.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lester_duck.rewrite.harvest import Constants, parse
from lester_duck.rewrite.inputs import delimiter_of

MAX_LINES = 5_000
MAX_FIELDS = 60
MAX_NAME = 40
MAX_ENDING = 8
SAMPLE = 500
AGREED = 0.8
_DELIMITERS = (",", ";", "\t", "|")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MISSING = frozenset({"", "-", "?", "n/a", "na", "nan", "null", "none", "unknown", "missing", "true", "false"})
_FORMATS = (*Constants().formats, "%d %b %Y %H:%M:%S", "%d/%m/%Y", "%d.%m.%Y")


@dataclass(frozen=True, slots=True)
class Known:
    """The script, and which names it holds."""

    script: str
    words: frozenset[str]

    def named(self, name: str) -> bool:
        """Whether the script holds a name: as a word, or between quotes."""
        if not 0 < len(name) <= MAX_NAME:
            return False
        return name in self.words or any(f"{q}{name}{q}" in self.script for q in "'\"")


def known_names(script: str) -> Known:
    """What a script names."""
    return Known(script=script, words=frozenset(_NAME.findall(script)))


def shown_paths(paths: Iterable[str], script: str) -> dict[str, str]:
    """Paths as they may be shown: words that the script does not hold are numbered, in order.

    >>> shown_paths(["data/sales_2024_jan.csv", "data/sales_2024_feb.csv"], "open(f'data/sales_{year}_{month}.csv')")
    {'data/sales_2024_jan.csv': 'data/sales_2024_word1.csv', 'data/sales_2024_feb.csv': 'data/sales_2024_word2.csv'}
    """
    held = script.lower()
    numbers: dict[str, int] = {}

    def word(match: re.Match[str]) -> str:
        if match[0].lower() in held:
            return match[0]
        return f"word{numbers.setdefault(match[0], len(numbers) + 1)}"

    shown = {}
    for path in paths:
        stem, dot, ending = path.rpartition(".")
        kept = bool(dot) and len(ending) <= MAX_ENDING
        shown[path] = re.sub(r"[^\W\d_]+", word, stem if kept else path) + (f".{ending}" if kept else "")
    return shown


def read_file(shown: str, text: str | None, known: Known, rows: int) -> Iterator[str]:
    """Lines about one file the script reads, under the path ``shown``; ``rows`` sample lines of it."""
    if text is None or "\0" in text:
        yield f"- {shown}: not text"
        return
    lines = re.split(r"\r\n|\r|\n", text)
    ended = not lines[-1]
    lines = lines[:-1] if ended else lines
    end = "CR LF" if "\r\n" in text else "LF"
    delimiter = _delimiter(lines)
    parts = [f"{len(lines)} lines (end {end}), delimiter {delimiter!r}" if delimiter else _plain(lines, end)]
    parts += _oddities(lines, delimiter, ended)
    yield f"- {shown}: {', '.join(parts)}"
    if text.lstrip()[:1] in ("{", "["):
        yield from _json(text, lines, known)
    elif delimiter:
        yield from _table(lines, delimiter, known)
    elif lines:
        yield f"  - each line: {describe(lines[:MAX_LINES])}"
    for line in lines[:rows]:
        yield f"  - sample: {line}"


def written_file(shown: str, text: str | None, known: Known) -> str:
    """A line about one file the script writes: its header only as far as the script itself spells it."""
    if text is None or "\0" in text:
        return f"- {shown}: not text"
    lines = text.splitlines()
    delimiter = delimiter_of(lines) if lines else ""
    if not delimiter:
        return f"- {shown}: {len(lines)} lines"
    first = lines[0].split(delimiter)
    header = all(known.named(field.strip().strip('"')) for field in first)
    form = f"first line {lines[0]!r}" if header else "no header that the script spells"
    return f"- {shown}: {len(lines)} lines, delimiter {delimiter!r}, {len(first)} fields, {form}"


def _plain(lines: Sequence[str], end: str) -> str:
    return f"{len(lines)} lines (end {end})" if lines else "empty"


def _oddities(lines: Sequence[str], delimiter: str, ended: bool) -> list[str]:
    """What a reader of the lines should be prepared for."""
    said = []
    blank = sum(not line.strip() for line in lines)
    if blank:
        said.append(f"{blank} blank lines")
    quoted = sum('"' in line for line in lines)
    if delimiter and quoted:
        said.append(f"quotes in {quoted} lines")
    if delimiter:
        counts = Counter(map(len, _records(lines, delimiter)))
        usual = counts.most_common(1)[0][0] if counts else 0
        odd = {n: times for n, times in counts.items() if n != usual}
        if odd:
            said.append(f"{sum(odd.values())} lines not of {usual} fields ({min(odd)} to {max(odd)})")
        comments = sum(line.startswith("#") for line in lines)
        if comments:
            said.append(f"{comments} lines begin with '#'")
    if lines and not ended:
        said.append("the last line has no end")
    return said


def _delimiter(lines: Sequence[str]) -> str:
    """The delimiter lines agree about, as text or, where there are quotes, as records that respect them."""
    plain = delimiter_of(lines) if lines else ""
    if plain or not any('"' in line for line in lines[:SAMPLE]) or lines[0].startswith(("{", "[")):
        return plain
    for delimiter in _DELIMITERS:
        counts = Counter(map(len, _records(lines[:SAMPLE], delimiter)))
        usual, times = counts.most_common(1)[0] if counts else (0, 0)
        if usual > 1 and times >= AGREED * counts.total():
            return delimiter
    return ""


def _records(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """The records of lines, blank ones left out: quotes are respected when that makes most records alike."""
    plain = [line.split(delimiter) for line in lines if line.strip()]
    if not any('"' in line for line in lines):
        return plain
    try:
        quoted = [row for row in csv.reader((line + "\n" for line in lines), delimiter=delimiter) if row]
    except csv.Error:
        return plain
    counts = Counter(map(len, quoted))
    return quoted if counts and max(counts.values()) >= AGREED * len(quoted) else plain


def _table(lines: Sequence[str], delimiter: str, known: Known) -> Iterator[str]:
    filled = _records(lines[:MAX_LINES], delimiter)
    usual = Counter(len(row) for row in filled).most_common(1)[0][0]
    header = _header(filled, usual, known)
    regular = [row for row in filled[bool(header) :] if len(row) == usual]
    for number, column in enumerate(zip(*regular, strict=True)):
        if number == MAX_FIELDS:
            yield f"  - {usual - MAX_FIELDS} more fields"
            break
        name = f" '{header[number]}'" if header and header[number] else ""
        yield f"  - field {number}{name}: {describe(column)}"
    yield f"  - first line is {'a header' if header else 'data'}"


def _header(table: Sequence[Sequence[str]], usual: int, known: Known) -> list[str]:
    """The names of a first line that is a header, '' for those not shown; [] when it is data.

    It is one when the script holds half of its names, or when a text stands there above nothing but numbers or dates;
    and no field of it recurs below.
    """
    first = [field.strip().strip('"').lstrip("\ufeff") for field in table[0]]
    below = [row for row in table[1:] if len(row) == usual]
    if len(first) != usual or len(set(first)) < len(first) or any(_kind([f])[0] != "texts" for f in first):
        return []
    if any(row[n].strip() == field for row in below for n, field in enumerate(first)):
        return []
    columns = [[v for v in column if v.strip()] for column in zip(*below, strict=True)]
    named = sum(known.named(field) for field in first) * 2 >= len(first)
    if not named and any(field.lower() in _MISSING for field in first):
        return []
    above = any(column and _kind(column)[0] != "texts" for column in columns)
    if not (named or above):
        return []
    return [field if known.named(field) or _like_a_name(field) else "" for field in first]


def _like_a_name(text: str) -> bool:
    return bool(_NAME.fullmatch(text)) and len(text) <= MAX_NAME


def describe(values: Sequence[str]) -> str:
    """Kind of a column of text: no value of it is shown.

    >>> describe(["1", "22", ""])
    'integers of 1 to 2 characters, 1 blank, 2 distinct'
    >>> describe(["a ", "b"])
    'texts of 1 to 2 characters, unique, 1 with blanks around'
    """
    filled = [v for v in values if v.strip()]
    if not filled:
        return "always blank"
    lengths = [len(v) for v in filled]
    size = str(min(lengths)) if min(lengths) == max(lengths) else f"{min(lengths)} to {max(lengths)}"
    said = [f"{_kind(filled)[1]} of {size} characters"]
    if len(filled) < len(values):
        said.append(f"{len(values) - len(filled)} blank")
    distinct = len(set(filled))
    said.append("unique" if distinct == len(values) else f"{distinct} distinct")
    around = sum(v != v.strip() for v in filled)
    if around:
        said.append(f"{around} with blanks around")
        if len({v.strip() for v in filled}) < distinct:
            said.append(f"{len({v.strip() for v in filled})} distinct without them")
    if "integers" in said[0] and any(re.match(r"\s*[+-]?0\d", v) for v in filled):
        said.append("some with leading zeros")
    return ", ".join(said)


def _kind(filled: Sequence[str]) -> tuple[str, str]:
    """What a column of filled texts holds, and how that is said."""
    plain = [v.strip() for v in filled]
    if all(re.fullmatch(r"[+-]?\d+", v) for v in plain):
        return "integers", "integers"
    if all(re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", v, re.IGNORECASE) for v in plain):
        return "decimals", "decimals"
    form = parse(plain[0], _FORMATS)
    if form and all(parse(v, (form[1],)) for v in plain):
        return "dates", f"dates {form[1]}"
    numbers = sum(bool(re.fullmatch(r"[+-]?\d*\.?\d+", v)) for v in plain)
    if numbers * 2 > len(plain):
        return "texts", f"numbers but for {len(plain) - numbers}"
    if all(re.fullmatch(r"[+-]?[\d.]*,\d+|[+-]?\d+", v) for v in plain):
        return "texts", "numbers with decimal comma"
    return "texts", "texts"


def _json(text: str, lines: Sequence[str], known: Known) -> Iterator[str]:
    """Fields of JSON lines, or of a JSON document that is a list of objects."""
    values, wrong = _values(text, lines)
    objects = [value for value in values if isinstance(value, dict)]
    whole = " (a sample)" if len(lines) > MAX_LINES else ""
    said = f"  - {len(objects)} JSON objects{whole}"
    said += f", {len(values) - len(objects)} other values" if len(values) > len(objects) else ""
    yield said + (f", {wrong} lines that are no JSON" if wrong else "")
    present: dict[str, list[Any]] = {}
    for value in objects:
        for name, held in _flat(value):
            present.setdefault(name, []).append(held)
    hidden = 0
    for number, (name, held) in enumerate(present.items()):
        shown = all(known.named(p) for p in name.split(".")) or (
            len(held) * 2 >= len(objects) and all(_like_a_name(p) for p in name.split("."))
        )
        if (not shown and len(held) * 2 < len(objects)) or number >= MAX_FIELDS:
            hidden += 1
            continue
        where = "" if len(held) == len(objects) else f", in {len(held)} of {len(objects)}"
        yield f"  - {f'{name!r}' if shown else f'field {number}'}: {_described(held)}{where}"
    if hidden:
        yield f"  - {hidden} other names of fields, not shown"


def _values(text: str, lines: Sequence[str]) -> tuple[list[Any], int]:
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if document is not None:
        return (document[:MAX_LINES] if isinstance(document, list) else [document]), 0
    values, wrong = [], 0
    for line in lines[:MAX_LINES]:
        try:
            values.append(json.loads(line))
        except ValueError:
            wrong += bool(line.strip())
    return values, wrong


def _flat(value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The fields of an object, and of objects in it."""
    for name, held in value.items():
        yield name, held
        if isinstance(held, dict):
            yield from ((f"{name}.{inner}", part) for inner, part in held.items())


def _described(held: Sequence[Any]) -> str:
    names = {bool: "true or false", int: "integers", float: "decimals", dict: "objects", list: "lists"}
    texts = [v for v in held if isinstance(v, str)]
    kinds = Counter(names[type(v)] for v in held if type(v) in names)
    said = [f"{kind} ({n})" if len(kinds) + bool(texts) > 1 else kind for kind, n in kinds.items()]
    if texts:
        said.append(describe(texts))
    missing = sum(v is None for v in held)
    return " and ".join(said or ["nothing"]) + (f", {missing} null" if missing else "")
