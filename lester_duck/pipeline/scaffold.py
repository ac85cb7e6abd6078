"""The beginning of a pipeline by hand: sources read off files, one view over the first of them."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import pyarrow.parquet as pq

from lester_duck.errors import InputError, one_of
from lester_duck.names import check_name
from lester_duck.pipeline import model as ir

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_KNOWN = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson", ".txt")
_SAMPLE = 100


def begin(
    name: str, files: Mapping[str, Path], keys: Mapping[str, Sequence[str]], headless: Sequence[str] = ()
) -> ir.Pipeline:
    """A pipeline that reads ``files`` (source name -> path) and has one view to start from.

    ``keys`` names the key columns of sources, ``headless`` the sources whose text file has no
    header line (their columns are called c1, c2 ...).
    Raises InputError for a file that is missing or of no known format, or an unknown key column.
    """
    for asked, what in ((keys, "key"), (headless, "header")):
        for source in asked:
            if source not in files:
                raise InputError(f"{what}: {one_of('source', source, files)}")
    sources = tuple(
        _source(check_name(source, "source"), path, tuple(keys.get(source, ())), source not in headless)
        for source, path in files.items()
    )
    return ir.Pipeline(name=name, sources=sources, views=tuple(_view(source) for source in sources[:1]))


def _source(name: str, path: Path, key: tuple[str, ...], header: bool) -> ir.Source:
    if not path.is_file():
        raise InputError(f"no file '{path}'", hint="--source NAME=PATH names a file of data")
    ending = path.suffix.lower()
    if ending not in _KNOWN:
        raise InputError(f"'{path}': {one_of('format', ending or path.name, _KNOWN)}")
    if ending == ".txt":
        source = ir.Source(name=name, format="text", path=str(path), key=key)
        columns = ("line",)
    elif ending == ".parquet":
        columns = tuple(pq.read_schema(path).names)
        source = ir.Source(name=name, format="parquet", path=str(path), key=key)
    elif ending in _DELIMITERS:
        columns = _csv_columns(path, _DELIMITERS[ending], header)
        declared = tuple(ir.Column(name=column) for column in columns)
        source = ir.Source(
            name=name, format="csv", path=str(path), columns=declared, key=key, header=header,
            delimiter=_DELIMITERS[ending],
        )  # fmt: skip
    else:
        columns = _jsonl_columns(path)
        declared = tuple(ir.Column(name=column) for column in columns)
        source = ir.Source(name=name, format="jsonl", path=str(path), columns=declared, key=key)
    for column in key:
        if column not in columns:
            raise InputError(f"key of {name}: {one_of('column', column, columns)}")
    return source


def _csv_columns(path: Path, delimiter: str, header: bool) -> tuple[str, ...]:
    with path.open(encoding="utf-8", newline="") as file:
        first = next(csv.reader(file, delimiter=delimiter), None)
    if not first:
        raise InputError(f"'{path}' has no first line", hint="the columns are read off the first line")
    return tuple(first) if header else tuple(f"c{place}" for place in range(1, len(first) + 1))


def _jsonl_columns(path: Path) -> tuple[str, ...]:
    names: dict[str, None] = {}
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(islice(file, _SAMPLE), start=1):
            try:
                row = json.loads(line) if line.strip() else {}
            except json.JSONDecodeError as error:
                raise InputError(f"not valid JSON: {error}", where=f"{path}:{number}") from None
            names.update(dict.fromkeys(row))
    return tuple(names)


def _view(source: ir.Source) -> ir.View:
    columns = ["line"] if source.format == "text" else [column.name for column in source.columns]
    listed = ", ".join(_quoted(column) for column in columns) or "*"
    comment = "A first view: choose, clean and join here. Others can stand beside it and read from it."
    return ir.View(name="prepared", sql=f"SELECT {listed}\nFROM {source.name}", comment=comment)


def _quoted(name: str) -> str:
    """A column name as SQL.

    >>> _quoted("level"), _quoted("home town")
    ('level', '"home town"')
    """
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'
