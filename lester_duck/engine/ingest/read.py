"""One reader per source format; each returns the rows it could read and those it could not."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from sqlglot import exp

from lester_duck.algebra.relation import column, quoted
from lester_duck.db import Database, Error, connect, first_line
from lester_duck.engine.ingest.lines import has_lines, read_lines, split_lines, strip_lines
from lester_duck.errors import InputError, one_of
from lester_duck.pipeline.model import Column, Source


@dataclass(frozen=True, slots=True)
class Malformed:
    """A row that could not be read: its line (or record) number, its text and the reason."""

    line: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ingested:
    """What a source holds: its resolved declaration, its rows in file order, and what was put aside."""

    source: Source
    table: pa.Table
    malformed: tuple[Malformed, ...] = ()
    sha256: str | None = None


def read(db: Database, source: Source, root: Path) -> Ingested:
    """Read a source's file below ``root``.

    Raises InputError naming file and line for a missing file, an unreadable one, or, unless the
    source sets them aside, malformed rows.
    """
    if source.path is None:
        raise InputError(
            f"source '{source.name}' has no path",
            hint=f"declare path = \"...\", or give its rows: run(..., data={{'{source.name}': table}})",
        )
    path = root / source.path
    if not path.is_file():
        raise InputError(
            f"no file '{source.path}' for source '{source.name}'",
            hint=f"looked in '{root}'; use --root FOLDER to look elsewhere",
        )
    header = source.header and source.format == "csv"
    if source.empty == "refuse" and not has_lines(path, source.encoding, source.skip, header):
        raise InputError("the file is empty", where=str(source.path), hint='declare empty = "accept" to read no rows')
    ingested = _READERS[source.format](db, source, path)
    _refuse_malformed(ingested, source)
    ingested = _typed(db, ingested)
    return replace(ingested, sha256=_digest(path))


def read_given(db: Database, source: Source, data: Any) -> Ingested:
    """Take a source's rows from an Arrow table, a frame, a relation or anything DuckDB can scan."""
    table = to_arrow(db, data)
    resolved = _resolve_columns(source, table.schema)
    return _typed(db, Ingested(resolved, table.select([c.name for c in resolved.columns])))


def to_arrow(db: Database, data: Any) -> pa.Table:
    """Any tabular value as an Arrow table: Arrow itself, pandas, polars, a DuckDB relation, a reader."""
    if isinstance(data, pa.Table):
        return data
    if hasattr(data, "to_arrow_table"):
        return data.to_arrow_table()
    if isinstance(data, pa.RecordBatchReader):
        return data.read_all()
    if hasattr(data, "__arrow_c_stream__"):
        return pa.table(data)
    with db.registered("_given", data) as name:
        return db.arrow(f"FROM {name}")


def _resolve_columns(source: Source, schema: pa.Schema) -> Source:
    """Declared columns must exist; without a declaration all of the data's are taken with their types."""
    if source.columns:
        for declared in source.columns:
            if declared.name not in schema.names:
                raise InputError(one_of("column", declared.name, schema.names), where=f"source '{source.name}'")
        return source
    return replace(source, columns=tuple(Column(name=n, type="") for n in schema.names))


def _read_text(db: Database, source: Source, path: Path) -> Ingested:
    lines = strip_lines(read_lines(path, source.encoding)[source.skip :], source.strip)
    return Ingested(replace(source, columns=(Column(name="line"),)), pa.table({"line": lines}))


def _read_csv(db: Database, source: Source, path: Path) -> Ingested:
    return _read_quoted(source, path) if source.quoting else _read_split(source, path)


def _read_split(source: Source, path: Path) -> Ingested:
    """Fields by splitting at every delimiter; no quoting."""
    lines = strip_lines(read_lines(path, source.encoding)[source.skip :], source.strip)
    fields = split_lines(lines, source.delimiter)
    first = source.skip + 1
    names = [c.name for c in source.columns]
    if source.header:
        header = fields[0].as_py() if len(fields) else []
        source, names = _with_header(source, header, path)
        lines, fields, first = lines[1:], fields[1:], first + 1
    if not names:
        raise InputError(
            f"source '{source.name}' has neither a header nor declared columns", hint="declare columns = [...]"
        )
    widths = pc.list_value_length(fields)
    fits = pc.equal(widths, len(names))
    bad = pc.indices_nonzero(pc.invert(fits)).to_pylist() if len(fields) else []
    malformed = tuple(
        Malformed(first + i, lines[i].as_py(), f"{widths[i].as_py()} fields, expected {len(names)}") for i in bad
    )
    kept = fields.filter(fits) if bad else fields
    flat = kept.combine_chunks() if isinstance(kept, pa.ChunkedArray) else kept
    columns = [_nulls(pc.list_element(flat, i), source.null) for i in range(len(names))]
    return Ingested(_declare(source, names), pa.table(columns, names=names), malformed)


def _nulls(values: pa.Array, null: tuple[str, ...]) -> pa.Array:
    if not null:
        return values
    return pc.if_else(pc.is_in(values, value_set=pa.array(null, values.type)), pa.scalar(None, values.type), values)


def _with_header(source: Source, header: list[str], path: Path) -> tuple[Source, list[str]]:
    """Check declared columns against the header; data columns keep the header's names and order."""
    for declared in source.columns:
        if declared.name not in header:
            raise InputError(one_of("column", declared.name, header), where=f"{path.name}:{source.skip + 1}")
    return source, header


def _declare(source: Source, names: list[str]) -> Source:
    types = {c.name: c.type for c in source.columns}
    twice = [n for n in names if names.count(n) > 1]
    if twice:
        raise InputError(
            f"source '{source.name}' has two columns named {twice[0]!r}",
            hint="declare header = false with skip = 1 and columns = [...]",
        )
    return replace(source, columns=tuple(Column(name=n, type=types.get(n, "VARCHAR")) for n in names))


def _read_quoted(source: Source, path: Path) -> Ingested:
    """Fields as the csv module reads them (double quotes, blank lines passed over)."""
    malformed: list[Malformed] = []

    def put_aside(row: pyarrow.csv.InvalidRow) -> str:
        malformed.append(
            Malformed(row.number or 0, row.text, f"{row.actual_columns} fields, expected {row.expected_columns}")
        )
        return "skip"

    names = [c.name for c in source.columns]
    options = pa.csv.ReadOptions(
        use_threads=False, encoding=source.encoding, skip_rows=source.skip, block_size=16 << 20,
        column_names=None if source.header else names,
    )  # fmt: skip
    parse = pa.csv.ParseOptions(
        delimiter=source.delimiter, newlines_in_values=True, invalid_row_handler=put_aside, ignore_empty_lines=True
    )
    try:
        header = _header(source, path) if source.header else names
        convert = pa.csv.ConvertOptions(
            column_types=dict.fromkeys(header, pa.string()), null_values=list(source.null),
            strings_can_be_null=bool(source.null), quoted_strings_can_be_null=bool(source.null),
        )  # fmt: skip
        table = pa.csv.read_csv(path, options, parse, convert)
        if source.blank_lines == "malformed" and len(names) > 1:
            malformed += _blank_lines(path, options, parse, convert, table.num_rows)
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            table = pa.table({n: pa.array([], pa.string()) for n in names})
        else:
            raise InputError(f"not readable as CSV: {error}", where=str(source.path)) from None
    if source.header:
        source, _ = _with_header(source, table.column_names, path)
    return Ingested(_declare(source, table.column_names), table, tuple(malformed))


def _blank_lines(
    path: Path, options: pa.csv.ReadOptions, parse: pa.csv.ParseOptions, convert: pa.csv.ConvertOptions, rows: int
) -> list[Malformed]:
    """The blank lines of a file with ``rows`` others: rows of empty fields when they are not passed over."""
    every = pa.csv.ParseOptions(
        delimiter=parse.delimiter, newlines_in_values=True, invalid_row_handler=lambda row: "skip",
        ignore_empty_lines=False,
    )  # fmt: skip
    table = pa.csv.read_csv(path, options, every, convert)
    if table.num_rows == rows:
        return []
    empty = [pc.fill_null(pc.equal(column, ""), True) for column in table.columns]
    first = pc.index(functools.reduce(pc.and_, empty), True).as_py()
    return [Malformed(options.skip_rows + first + 1, "", f"a blank line ({table.num_rows - rows} in all)")]


def _header(source: Source, path: Path) -> list[str]:
    """The names in the first line; rows are not looked at."""
    options = pa.csv.ReadOptions(use_threads=False, encoding=source.encoding, skip_rows=source.skip)
    parse = pa.csv.ParseOptions(
        delimiter=source.delimiter, newlines_in_values=True, invalid_row_handler=lambda row: "skip"
    )
    with pa.csv.open_csv(path, options, parse) as reader:
        return reader.schema.names


def _read_parquet(db: Database, source: Source, path: Path) -> Ingested:
    return _scan(db, source, path, "read_parquet")


def _read_jsonl(db: Database, source: Source, path: Path) -> Ingested:
    return _scan(db, source, path, "read_ndjson_auto")


def _scan(db: Database, source: Source, path: Path, function: str) -> Ingested:
    try:
        with _reaching_files(db) as reader:
            table = reader.arrow(f"FROM {function}(?)", [str(path)])
    except Error as error:
        raise InputError(f"not readable as {source.format}: {first_line(error)}", where=str(source.path)) from None
    resolved = _resolve_columns(source, table.schema)
    return Ingested(resolved, table.select([c.name for c in resolved.columns]))


@contextmanager
def _reaching_files(db: Database) -> Iterator[Database]:
    """A database that may read files, for statements that are fixed: a sealed one may not."""
    if not db.sealed:
        yield db
        return
    reader = connect()
    try:
        yield reader
    finally:
        reader.close()


def _read_table(db: Database, source: Source, path: Path) -> Ingested:
    """A table of another DuckDB file; the table has the source's name."""
    with _reaching_files(db) as reader:
        reader.execute("ATTACH ? AS _external (READ_ONLY)", [str(path)])
        try:
            table = reader.arrow(exp.select("*").from_(exp.table_(quoted(source.name), db=quoted("_external"))))
        except Error as error:
            said = f"no table '{source.name}' in the file: {first_line(error)}"
            raise InputError(said, where=str(source.path)) from None
        finally:
            reader.execute("DETACH _external")
    resolved = _resolve_columns(source, table.schema)
    return Ingested(resolved, table.select([c.name for c in resolved.columns]))


_READERS: dict[str, Callable[[Database, Source, Path], Ingested]] = {
    "text": _read_text,
    "csv": _read_csv,
    "parquet": _read_parquet,
    "jsonl": _read_jsonl,
    "table": _read_table,
}


def _refuse_malformed(ingested: Ingested, source: Source) -> None:
    if not ingested.malformed or source.malformed == "set_aside":
        return
    first, more = ingested.malformed[0], len(ingested.malformed) - 1
    rest = f" ({more} more such rows)" if more else ""
    raise InputError(
        f"{first.reason}{rest}", where=f"{source.path}:{first.line}",
        hint=f"mend the file, or declare malformed = \"set_aside\" for source '{source.name}'",
    )  # fmt: skip


def _typed(db: Database, ingested: Ingested) -> Ingested:
    """Cast to the declared types; a value that does not fit makes its row malformed."""
    source = ingested.source
    with db.registered("_ingested", ingested.table):
        found = {name: type_ for name, type_, *_ in db.rows("DESCRIBE FROM _ingested")}
        resolved = replace(source, columns=tuple(replace(c, type=c.type or found[c.name]) for c in source.columns))
        casts = [c for c in resolved.columns if c.type.upper() != found[c.name].upper()]
        if not casts:
            return replace(ingested, source=resolved)
        bad = _failed_casts(db, resolved, casts)
        result = replace(ingested, source=resolved, malformed=ingested.malformed + bad)
        _refuse_malformed(replace(result, malformed=bad), source)
        items = ", ".join(
            f"TRY_CAST({_q(c.name)} AS {c.type}) AS {_q(c.name)}" if c in casts else _q(c.name)
            for c in resolved.columns
        )
        keep = " AND ".join(_fits(c) for c in casts) if bad else "true"
        return replace(result, table=db.arrow(f"SELECT {items} FROM _ingested WHERE {keep}"))


def _q(name: str) -> str:
    return column(name).sql("duckdb")


def _fits(c: Column) -> str:
    return f"({_q(c.name)} IS NULL OR TRY_CAST({_q(c.name)} AS {c.type}) IS NOT NULL)"


def _failed_casts(db: Database, source: Source, casts: list[Column]) -> tuple[Malformed, ...]:
    first = source.skip + 1 + int(source.header and source.format == "csv")
    failed: list[Malformed] = []
    for c in casts:
        rows = db.rows(
            f"SELECT _n, {_q(c.name)}::VARCHAR FROM (SELECT *, row_number() OVER () AS _n FROM _ingested) "
            f"WHERE NOT {_fits(c)}"
        )
        failed += [Malformed(first + n - 1, value, f"column '{c.name}': {value!r} is no {c.type}") for n, value in rows]
    return tuple(sorted(failed, key=lambda m: m.line))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
