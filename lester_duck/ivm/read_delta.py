"""Reading the delta a user hands over: a file, a frame, a relation or Arrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet

from lester_duck.db import Database
from lester_duck.engine.ingest.read import to_arrow
from lester_duck.errors import InputError, one_of


def read_delta(db: Database, source: str, given: Any) -> pa.Table:
    """A delta as an Arrow table; a path may end in .csv (all text), .parquet or .arrow.

    Raises InputError for a missing file, an unknown format or an unreadable file.
    """
    if not isinstance(given, str | Path):
        return to_arrow(db, given)
    path = Path(given)
    if not path.is_file():
        raise InputError(f"no file '{path}' for the delta of source '{source}'")
    if path.suffix not in _READERS:
        raise InputError(one_of("delta format", path.suffix, _READERS), where=str(path))
    try:
        return _READERS[path.suffix](path)
    except pa.ArrowInvalid as error:
        raise InputError(f"not readable as {path.suffix[1:]}: {error}", where=str(path)) from None


def _read_csv(path: Path) -> pa.Table:
    """Every value as text; an empty ``_rid`` or ``_pos`` means none."""
    parse = pa.csv.ParseOptions(newlines_in_values=True)
    with pa.csv.open_csv(path, parse_options=parse) as reader:
        names = reader.schema.names
    convert = pa.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
    found = pa.csv.read_csv(path, convert_options=convert, parse_options=parse)
    for name in ("_rid", "_pos"):
        if name in found.column_names:
            place = found.schema.get_field_index(name)
            found = found.set_column(place, name, _blank_is_null(found.column(name)))
    return found


def _blank_is_null(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.compute.if_else(pa.compute.equal(values, ""), pa.scalar(None, pa.string()), values)


def _read_arrow(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()


_READERS = {".csv": _read_csv, ".parquet": pa.parquet.read_table, ".arrow": _read_arrow}
