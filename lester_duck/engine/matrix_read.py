"""The matrix read back: rows in matrix order, state applied on the way out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from scipy import sparse

from lester_duck.db import Database
from lester_duck.engine.matrix_blocks import stored_rows
from lester_duck.engine.matrix_order import OrderTerm, read_order, row_ids
from lester_duck.engine.matrix_state import fitted
from lester_duck.engine.template import block_table, statement, view_table
from lester_duck.errors import InputError, InternalError
from lester_duck.featurize.base import FeatureColumn
from lester_duck.featurize.plan import Fitted, column_map, plan_features
from lester_duck.pipeline.model import Features

FIELD_LIMIT = 4096
"""Matrices of more columns come as one FixedSizeList field per block."""

_CHUNK_BYTES = 64_000_000
_DENSE_BYTES = 8_000_000_000
Sources = Mapping[str, Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Reader:
    """The fitted matrix of a store at one moment."""

    db: Database
    features: Features
    order: tuple[OrderTerm, ...]
    fitted: tuple[Fitted, ...]

    @cached_property
    def columns(self) -> tuple[FeatureColumn, ...]:
        """Every column, left to right (made when first asked for: there may be a million)."""
        return column_map(self.fitted)

    @property
    def width(self) -> int:
        """Number of columns."""
        return sum(f.width for f in self.fitted)

    @property
    def dtype(self) -> np.dtype:
        """float64 or float32, as the features say."""
        return np.dtype(self.features.dtype)

    @property
    def is_sparse(self) -> bool:
        """Whether a block is read as index and value lists."""
        return any(f.plan.is_sparse for f in self.fitted)

    def row_ids(self, part: str) -> np.ndarray:
        """Row ids of a part in matrix order."""
        return row_ids(self.db, self.features.view, self.order, part)


def view_columns(db: Database, view: str) -> dict[str, str]:
    """The columns of a view with their DuckDB types."""
    return {row[0]: row[1] for row in db.rows(statement("SELECT * FROM (DESCRIBE $view)", view=view_table(view)))}


def reader(db: Database, features: Features, order: Sequence[OrderTerm] | None = None) -> Reader:
    """Fit every featurizer from its state table."""
    terms = read_order(db) if order is None else tuple(order)
    plans = plan_features(features, view_columns(db, features.view))
    all_fitted = tuple(fitted(db, plan, features.view, terms) for plan in plans)
    return Reader(db=db, features=features, order=terms, fitted=all_fitted)


def dense(source: Reader, part: str = "all") -> np.ndarray:
    """The matrix of a part, rows x columns in matrix order, C-contiguous.

    Blocks are streamed in storage order and written to their rows' places: nothing is sorted but
    the row ids. Raises InputError where a sparse matrix would need more than 8 GB.
    """
    rids = source.row_ids(part)
    if source.is_sparse and len(rids) * source.width * source.dtype.itemsize > _DENSE_BYTES:
        shape = f"{len(rids)} x {source.width}"
        raise InputError(f"a dense matrix of {shape} does not fit in memory", hint="read it as csr")
    out = np.empty((len(rids), source.width), dtype=source.dtype)
    start = 0
    for f in source.fitted:
        target = out[:, start : start + f.width]
        for places, values in _placed(source, f, rids):
            target[places] = values.toarray() if sparse.issparse(values) else values
        start += f.width
    return out


def csr(source: Reader, part: str = "all") -> sparse.csr_matrix:
    """The matrix of a part as scipy CSR, rows in matrix order."""
    rids = source.row_ids(part)
    blocks = [_csr_block(source, f, rids) for f in source.fitted]
    return sparse.hstack(blocks, format="csr", dtype=source.dtype)


def _csr_block(source: Reader, f: Fitted, rids: np.ndarray) -> sparse.csr_matrix:
    found = [(places, sparse.csr_matrix(values)) for places, values in _placed(source, f, rids)]
    if not found:
        return sparse.csr_matrix((0, f.width))
    back = np.empty(len(rids), dtype=np.int64)
    back[np.concatenate([places for places, _ in found])] = np.arange(len(rids))
    return sparse.vstack([values for _, values in found], format="csr")[back]


def _placed(source: Reader, f: Fitted, rids: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray | sparse.csr_matrix]]:
    """Pairs (places among ``rids``, matrix columns) that cover every row of a block once."""
    sorter = np.argsort(rids, kind="stable")
    ordered = rids[sorter]
    seen = 0
    rows = max(1024, min(65_536, _CHUNK_BYTES // (8 * min(f.plan.width, 4096))))
    query = statement("SELECT _rid, value FROM $block", block=block_table(f.plan.name))
    with source.db.batches(query, rows) as stream:
        for batch in stream:
            found = np.searchsorted(ordered, batch.column(0).to_numpy())
            own = found < len(ordered)
            own[own] = ordered[found[own]] == batch.column(0).to_numpy()[own]
            if own.any():
                stored = stored_rows(f.plan, batch.column(1) if own.all() else batch.column(1).filter(pa.array(own)))
                seen += int(own.sum())
                yield sorter[found[own]], f.apply(stored)
    if seen != len(rids):
        raise InternalError(f"block of featurizer '{f.plan.name}' holds {seen} of {len(rids)} rows")


def schema(source: Reader, sources: Sources | None = None) -> pa.Schema:
    """The Arrow schema of ``batches``.

    Up to 4,096 columns: one field each, whose metadata holds featurizer, kind, term, inputs and
    sources. Beyond: one field per featurizer, whose metadata holds its position and width;
    ``column_map`` then says what each column is.
    """
    number = pa.from_numpy_dtype(source.dtype)
    if not _is_wide(source):
        return pa.schema(
            [pa.field(c.name, number, nullable=False, metadata=_metadata(c, sources)) for c in source.columns],
            metadata={"lester.view": source.features.view},
        )
    fields, position = [], 0
    for f in source.fitted:
        about = _block_metadata(f, position, sources)
        fields.append(pa.field(f.plan.name, _block_type(f, number), nullable=False, metadata=about))
        position += f.width
    return pa.schema(fields, metadata={"lester.view": source.features.view})


def _is_wide(source: Reader) -> bool:
    return source.width > FIELD_LIMIT


def _block_type(f: Fitted, number: pa.DataType) -> pa.DataType:
    if f.plan.is_sparse:
        return pa.struct([("indices", pa.list_(pa.int32())), ("values", pa.list_(number))])
    return pa.list_(number, f.width)


def _described(c: FeatureColumn, sources: Sources | None) -> dict:
    return {
        "name": c.name, "position": c.position, "featurizer": c.featurizer, "kind": c.kind, "term": c.term,
        "inputs": list(c.inputs), **_sources(c.inputs, sources),
    }  # fmt: skip


def _sources(inputs: Sequence[str], sources: Sources | None) -> dict[str, list[str]]:
    return {} if sources is None else {"sources": sorted({s for i in inputs for s in sources.get(i, ())})}


def _metadata(c: FeatureColumn, sources: Sources | None) -> dict[str, str]:
    return {"lester": json.dumps(_described(c, sources), ensure_ascii=False)}


def _block_metadata(f: Fitted, position: int, sources: Sources | None) -> dict[str, str]:
    inputs = [c.name for c in f.plan.columns]
    about = {"featurizer": f.plan.name, "kind": f.plan.kind, "inputs": inputs, "position": position, "width": f.width}
    return {"lester": json.dumps({**about, **_sources(inputs, sources)}, ensure_ascii=False)}


def batches(
    source: Reader, part: str = "all", rows: int = 8192, sources: Sources | None = None
) -> pa.RecordBatchReader:
    """The matrix of a part as a stream of record batches in matrix order.

    Bounded memory: a few chunks of about 64 MB. Read it before the store changes; each chunk is a
    query of its own on the same connection, so other statements may run in between.
    """
    own = schema(source, sources)
    return pa.RecordBatchReader.from_batches(own, _stream(source, part, rows, own))


def _stream(source: Reader, part: str, rows: int, own: pa.Schema) -> Iterator[pa.RecordBatch]:
    rids = source.row_ids(part)
    width = sum(min(f.width, 4096) for f in source.fitted)
    chunk = max(rows, _CHUNK_BYTES // (8 * max(width, 1)) // rows * rows)
    for start in range(0, len(rids), chunk):
        blocks = [_lookup(source, f, rids[start : start + chunk]) for f in source.fitted]
        held = min(chunk, len(rids) - start)
        for first in range(0, held, rows):
            yield _batch(source, [block[first : first + rows] for block in blocks], own)


def chunks(source: Reader, part: str, rows: int) -> Iterator[np.ndarray | sparse.csr_matrix]:
    """The matrix of a part in matrix order, ``rows`` rows at a time; CSR when any block is sparse, else dense."""
    rids = source.row_ids(part)
    for start in range(0, len(rids), rows):
        blocks = [_lookup(source, f, rids[start : start + rows]) for f in source.fitted]
        yield sparse.hstack(blocks, format="csr") if source.is_sparse else np.hstack(blocks)


def _lookup(source: Reader, f: Fitted, rids: np.ndarray) -> np.ndarray | sparse.csr_matrix:
    with source.db.registered("_wanted", pa.table({"_rid": rids, "place": np.arange(len(rids))})):
        table = source.db.arrow(
            statement(
                "SELECT w.place, b.value FROM $block AS b JOIN _wanted AS w ON b._rid = w._rid",
                block=block_table(f.plan.name),
            )
        )  # fmt: skip
    if table.num_rows != len(rids):
        raise InternalError(f"block of featurizer '{f.plan.name}' holds {table.num_rows} of {len(rids)} rows")
    places = table.column(0).to_numpy()
    values = f.apply(stored_rows(f.plan, table.column(1)))
    back = np.empty(len(rids), dtype=np.int64)
    back[places] = np.arange(len(rids))
    return values[back]


def _batch(source: Reader, blocks: list, own: pa.Schema) -> pa.RecordBatch:
    typed = [block.astype(source.dtype, copy=False) for block in blocks]
    if _is_wide(source):
        return pa.RecordBatch.from_arrays([_nested(block, own.field(i)) for i, block in enumerate(typed)], schema=own)
    filled = [block.toarray() if sparse.issparse(block) else block for block in typed]
    arrays = [pa.array(column) for block in filled for column in np.ascontiguousarray(block.T)]
    return pa.RecordBatch.from_arrays(arrays, schema=own)


def _nested(block: np.ndarray | sparse.csr_matrix, field: pa.Field) -> pa.Array:
    if not sparse.issparse(block):
        return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(block).ravel()), block.shape[1])
    offsets = pa.array(block.indptr, pa.int32())
    indices = pa.ListArray.from_arrays(offsets, pa.array(block.indices, pa.int32()))
    values = pa.ListArray.from_arrays(offsets, pa.array(block.data))
    return pa.StructArray.from_arrays([indices, values], fields=list(field.type))
