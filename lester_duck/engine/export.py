"""Features, labels and views written to files: Arrow, Parquet, npz, csv; whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from scipy import sparse
from sqlglot import exp

from lester_duck.db import Database
from lester_duck.engine import matrix_read
from lester_duck.engine.matrix_order import OrderTerm, order_by, read_order
from lester_duck.engine.matrix_read import Sources
from lester_duck.engine.template import column, statement, view_table
from lester_duck.errors import InputError, Unsupported, one_of
from lester_duck.pipeline.model import Features

PARTS = ("train", "test", "all")


def export_features(
    db: Database,
    features: Features,
    order: Sequence[OrderTerm] | None,
    part: str,
    path: str | Path,
    *,
    label: str | None = None,
    sources: Sources | None = None,
) -> int:
    """Write the matrix of a part, rows in matrix order; returns the number of rows.

    Arrow and Parquet keep each column's provenance in its field metadata; npz holds ``X`` (or
    ``data, indices, indptr, shape`` of a CSR matrix), ``y`` if ``label`` names a column, and
    ``features`` (names). Raises InputError for an unknown extension or part, a missing folder, a
    full disk; the file is then as it was before.
    """
    check_part(part)
    suffix = _suffix(path)
    source = matrix_read.reader(db, features, order)
    if suffix != ".npz":
        reader = matrix_read.batches(source, part, sources=sources)
        _check_flat(reader.schema, path)
        return write_batches(reader, path)
    arrays = {} if label is None else {"y": _labels(db, features.view, order, part, label)}
    x = matrix_read.csr(source, part) if source.is_sparse else matrix_read.dense(source, part)
    if sparse.issparse(x):
        arrays |= {"data": x.data, "indices": x.indices, "indptr": x.indptr, "shape": np.array(x.shape)}
    else:
        arrays["X"] = x
    _write_npz({**arrays, "features": np.array([c.name for c in source.columns])}, path)
    return x.shape[0]


def export_labels(
    db: Database, view: str, order: Sequence[OrderTerm] | None, part: str, path: str | Path, *, label: str
) -> int:
    """Write the label column of a part, in matrix order (npz: as ``y``); returns the number of rows."""
    check_part(part)
    if _suffix(path) != ".npz":
        return write_batches(_view_batches(db, view, order, part, [label]), path)
    y = _labels(db, view, order, part, label)
    _write_npz({"y": y}, path)
    return len(y)


def export_view(
    db: Database, view: str, columns: Sequence[str], order: Sequence[OrderTerm] | None, part: str, path: str | Path
) -> int:
    """Write columns of a view in its order (part 'train' or 'test': of the feature view only)."""
    check_part(part)
    suffix = _suffix(path)
    reader = _view_batches(db, view, order, part, columns)
    return write_batches(reader, path) if suffix != ".npz" else _write_table(reader.read_all(), path)


def write_batches(reader: pa.RecordBatchReader, path: str | Path) -> int:
    """Write a stream of record batches in the format the path's extension names; returns the rows."""
    suffix = _suffix(path)
    if suffix == ".npz":
        return _write_table(reader.read_all(), path)
    rows = 0

    def write(file: IO[bytes]) -> None:
        nonlocal rows
        with _WRITERS[suffix](file, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
                rows += batch.num_rows

    with reader:
        atomically(path, write)
    return rows


def check_part(part: str) -> None:
    """Raise InputError unless ``part`` is 'train', 'test' or 'all'.

    >>> check_part("train")
    """
    if part not in PARTS:
        raise InputError(one_of("part", part, PARTS))


def _view_batches(
    db: Database, view: str, order: Sequence[OrderTerm] | None, part: str, columns: Sequence[str]
) -> pa.RecordBatchReader:
    existing = matrix_read.view_columns(db, view)
    for name in columns:
        if name not in existing:
            raise InputError(one_of(f"column of view {view}", name, [n for n in existing if not n.startswith("_")]))
    join = "" if part == "all" else "JOIN _lester.split AS s ON v._rid = s._rid WHERE s.part = $part"
    parts = {} if part == "all" else {"part": exp.Literal.string(part)}
    query = statement(f"SELECT 1 FROM $view AS v {join}", view=view_table(view), **parts)
    query.set("expressions", [column(name, "v") for name in columns])
    terms = read_order(db) if order is None else order
    query.set("order", exp.Order(expressions=order_by(terms, by_ordinal=part != "all")))
    return db.batches(query)


def _labels(db: Database, view: str, order: Sequence[OrderTerm] | None, part: str, label: str) -> np.ndarray:
    values = _view_batches(db, view, order, part, [label]).read_all().column(0)
    if values.null_count:
        raise InputError(
            f"{values.null_count} of {len(values)} rows have no label",
            hint=f"filter rows where {label} IS NULL in a view",
        )
    return np.asarray(values.to_numpy(zero_copy_only=False))


def _check_flat(schema: pa.Schema, path: str | Path) -> None:
    if _suffix(path) == ".csv" and any(pa.types.is_nested(field.type) for field in schema):
        hint = "use .arrow, .parquet or .npz for this matrix"
        raise Unsupported(f"'{path}': blocks of this width do not fit csv", hint=hint)


def _write_table(table: pa.Table, path: str | Path) -> int:
    names = table.column_names
    _write_npz({name: table.column(name).to_numpy(zero_copy_only=False) for name in names}, path)
    return table.num_rows


def _write_npz(arrays: dict[str, np.ndarray], path: str | Path) -> None:
    """Texts become fixed-width arrays, so that reading needs no pickle."""
    plain = {name: _plain(name, values, path) for name, values in arrays.items()}
    atomically(path, lambda file: np.savez(file, **plain))


def _plain(name: str, values: np.ndarray, path: str | Path) -> np.ndarray:
    if values.dtype != object:
        return values
    if not all(isinstance(value, str) for value in values):
        hint = "use .arrow or .parquet, which keep types and missing values"
        raise InputError(f"'{path}': column '{name}' is no plain array", hint=hint)
    return values.astype(str)


# Files.


_WRITERS: dict[str, Callable] = {
    ".arrow": pa.ipc.new_file,
    ".parquet": pq.ParquetWriter,
    ".csv": pa_csv.CSVWriter,
}


def _suffix(path: str | Path) -> str:
    suffix = Path(path).suffix.lower()
    known = [*_WRITERS, ".npz"]
    if suffix not in known:
        raise InputError(f"'{path}' has no known extension", hint=f"use one of {', '.join(known)}")
    return suffix


def atomically(path: str | Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write beside the target, then rename; on any failure nothing is left behind."""
    target = Path(path)
    with _file_errors(target):
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o666 & ~_umask())
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def _file_errors(target: Path) -> Iterator[None]:
    """Turn what the file system refuses into one clear line."""
    try:
        yield
    except FileNotFoundError as error:
        message = f"no folder '{target.parent}' to write '{target.name}' into"
        raise InputError(message, hint="create it first") from error
    except PermissionError as error:
        raise InputError(f"'{target}' may not be written: {error.strerror}") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
            raise InputError(f"the disk that holds '{target}' is full", hint="free some space and repeat") from error
        raise InputError(f"'{target}' cannot be written: {error}") from error
