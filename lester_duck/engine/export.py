"""Features, labels and views written to files: Arrow, Parquet, npz, csv; whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from scipy import sparse
from sqlglot import exp

from lester_duck.db import Database
from lester_duck.engine import matrix
from lester_duck.engine.matrix_order import order_by, read_order
from lester_duck.engine.template import column, statement, view_table
from lester_duck.errors import InputError, Unsupported, one_of

PARTS = ("train", "test", "all")


class Exportable(Protocol):
    """An opened run."""

    db: Database
    plan: Any

    def features(self, part: str = "all") -> pa.RecordBatchReader:
        """The matrix of a part."""

    def labels(self, part: str = "all") -> np.ndarray:
        """The labels of a part."""

    def view(self, name: str) -> pa.Table:
        """A view in its order."""


def export(run: Exportable, what: str, path: Path, part: str = "all") -> Path:
    """Write ``features``, ``labels`` or a view to .arrow, .parquet, .npz or .csv; returns the path.

    Rows come in matrix order, a view's in its own; ``part`` other than 'all' is for features,
    labels and the feature view. Arrow and Parquet keep each column's provenance in its metadata;
    npz holds ``X`` (or the parts of a CSR matrix), ``y`` if there is a label, and ``features``.
    Raises InputError for an unknown extension, a missing folder, a full disk; the file is then as
    it was before.
    """
    check_part(part)
    suffix = _suffix(path)
    if what == "features":
        if suffix == ".npz":
            _atomically(path, lambda file: np.savez(file, **_matrix_arrays(run, part)))
        else:
            reader = run.features(part)
            _check_flat(reader.schema, path)
            write_batches(reader, path)
        return path
    table = _label_table(run, part) if what == "labels" else _view_table(run, what, part)
    if suffix == ".npz":
        arrays = {name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names}
        _refuse_objects(arrays, path)
        _atomically(path, lambda file: np.savez(file, **arrays))
    else:
        write_batches(table.to_reader(), path)
    return path


def check_part(part: str) -> None:
    """Raise InputError unless ``part`` is 'train', 'test' or 'all'.

    >>> check_part("train")
    """
    if part not in PARTS:
        raise InputError(one_of("part", part, PARTS))


def _matrix_arrays(run: Exportable, part: str) -> dict[str, np.ndarray]:
    features = run.plan.pipeline.features
    x = matrix.for_estimator(run.db, features, part=part)
    names = np.array([c.name for c in matrix.column_map(run.db, features)])
    label = {"y": _plain(run.labels(part))} if run.plan.pipeline.label else {}
    if sparse.issparse(x):
        content = {"data": x.data, "indices": x.indices, "indptr": x.indptr, "shape": np.array(x.shape)}
    else:
        content = {"X": x}
    return {**content, **label, "features": names}


def _label_table(run: Exportable, part: str) -> pa.Table:
    values = run.labels(part)
    label = run.plan.pipeline.label
    return pa.table({label.column if label else "label": pa.array(values)})


def _view_table(run: Exportable, name: str, part: str) -> pa.Table:
    table = run.view(name)
    if part == "all":
        return table
    features = run.plan.pipeline.features
    if features is None or name != features.view:
        known = features.view if features else "none"
        raise InputError(f"view '{name}' has no {part} part", hint=f"only the feature view has parts: {known}")
    query = statement(
        "SELECT 1 FROM $view AS v JOIN _lester.split AS s ON v._rid = s._rid WHERE s.part = $part",
        view=view_table(name), part=exp.Literal.string(part),
    )  # fmt: skip
    query.set("expressions", [column(c, "v") for c in table.column_names])
    query.set("order", exp.Order(expressions=order_by(read_order(run.db), by_ordinal=True)))
    return run.db.arrow(query)


def _check_flat(schema: pa.Schema, path: Path) -> None:
    if _suffix(path) == ".csv" and any(pa.types.is_nested(field.type) for field in schema):
        hint = "use .arrow, .parquet or .npz for this matrix"
        raise Unsupported(f"'{path}': blocks of this width do not fit csv", hint=hint)


def _plain(values: np.ndarray) -> np.ndarray:
    """Texts as a fixed-width array, so that npz needs no pickle."""
    return values.astype(str) if values.dtype == object else values


def _refuse_objects(arrays: dict[str, np.ndarray], path: Path) -> None:
    for name, values in arrays.items():
        if values.dtype == object:
            if not all(isinstance(v, str) for v in values):
                hint = "use .arrow or .parquet, which keep types and missing values"
                raise InputError(f"'{path}': column '{name}' is no plain array", hint=hint)
            arrays[name] = values.astype(str)


# Files.


def write_batches(reader: pa.RecordBatchReader, path: str | Path) -> int:
    """Write a stream of record batches in the format the path's extension names; returns the rows."""
    suffix = _suffix(path)
    if suffix == ".npz":
        raise InputError(f"'{path}': a stream cannot be written as npz", hint="choose .arrow, .parquet or .csv")
    rows = 0

    def write(file: IO[bytes]) -> None:
        nonlocal rows
        with reader, _WRITERS[suffix](file, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
                rows += batch.num_rows

    _atomically(path, write)
    return rows


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


def _atomically(path: str | Path, write: Callable[[IO[bytes]], object]) -> None:
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
