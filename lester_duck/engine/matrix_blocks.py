"""Block tables: what each featurizer stores of a row, made from the feature view.

``numbers`` and ``codes`` are one SQL statement each. ``vectors`` and ``lists`` are computed in
Python for distinct arguments, chunk by chunk, and joined back to the rows by DuckDB.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
from scipy import sparse
from sqlglot import exp

from lester_duck.db import Database
from lester_duck.engine.matrix_state import category_text
from lester_duck.engine.matrix_terms import Vocabulary, build_terms
from lester_duck.engine.template import array, block_table, column, state_table, statement, view_table
from lester_duck.errors import InputError, InternalError
from lester_duck.featurize.plan import Plan

Call = Callable[[str, pa.Table], tuple[pa.Array, pa.Array]]
"""``call(function, distinct arguments) -> (values, errors)``: one value, or an error text, per row."""

_CHUNK_BYTES = 64_000_000


def build_block(db: Database, plan: Plan, view: str, call: Call) -> None:
    """Create ``_lester.block_<featurizer>(_rid, value)`` for every row of the view."""
    if plan.storage == "numbers":
        db.execute(
            statement(
                "CREATE OR REPLACE TABLE $block AS SELECT _rid, $value AS value FROM $view",
                block=block_table(plan.name), value=number_value(plan), view=view_table(view),
            )
        )  # fmt: skip
    elif plan.storage == "codes":
        _build_codes(db, plan, view)
    else:
        value = exp.cast(exp.null(), stored_type(plan), dialect="duckdb")
        db.execute(
            statement(
                "CREATE OR REPLACE TABLE $block AS SELECT _rid, $value AS value FROM $view LIMIT 0",
                block=block_table(plan.name), value=value, view=view_table(view),
            )
        )  # fmt: skip
        if plan.storage == "terms":
            vocabulary = Vocabulary()
            _insert_computed(db, plan, view, lambda chunk: vocabulary.lists(counted_texts(plan, chunk)))
            build_terms(db, plan, vocabulary)
        else:
            _insert_computed(db, plan, view, lambda chunk: compute(plan, chunk, call))


def number_value(plan: Plan) -> exp.Expression:
    """The DOUBLE[k] of a row, as SQL over the feature view's columns."""
    return array([plan.head.expression(c) for c in plan.columns], "DOUBLE")


def stored_type(plan: Plan) -> str:
    """The DuckDB type of a block's values."""
    if plan.storage in ("lists", "terms"):
        return "STRUCT(indices INTEGER[], counts DOUBLE[])"
    return f"{plan.element}[{plan.width}]"


def _build_codes(db: Database, plan: Plan, view: str) -> None:
    ids: list[exp.Expression] = []
    query = statement("SELECT v._rid FROM $view AS v", view=view_table(view))
    for j, column_ in enumerate(plan.columns):
        alias = f"s{j}"
        text = category_text(column_)
        for name in text.find_all(exp.Column):
            name.set("table", exp.to_identifier("v"))
        same = exp.NullSafeEQ(this=column("category", alias), expression=text)
        slot = exp.EQ(this=column("slot", alias), expression=exp.Literal.number(j))
        state = statement("$t", t=state_table(plan.name))
        query = query.join(exp.alias_(state, alias, table=True), on=exp.and_(same, slot))
        ids.append(column("id", alias))
    query = query.select(exp.alias_(array(ids, "INTEGER"), "value"))
    create = "CREATE OR REPLACE TABLE $block AS SELECT * FROM ($query)"
    db.execute(statement(create, block=block_table(plan.name), query=query))


def _insert_computed(db: Database, plan: Plan, view: str, values_of: Callable[[pa.Table], pa.Array]) -> None:
    """Compute the values of all rows, each distinct tuple of arguments once, and insert them."""
    rows = view_table(view)
    names = [c.name for c in plan.columns]
    arguments = exp.select(*[exp.alias_(column(n), f"a{i}") for i, n in enumerate(names)])
    distinct = arguments.copy().select("min(_rid) AS first").from_(statement("$t", t=rows)).group_by("ALL")
    db.execute(
        statement(
            "CREATE OR REPLACE TEMP TABLE _arguments AS "
            "SELECT *, row_number() OVER (ORDER BY first) - 1 AS aid FROM ($distinct)",
            distinct=distinct,
        )
    )  # fmt: skip
    _number_rows(db, rows, names)
    total = db.value("SELECT count(*) FROM _arguments")
    step = max(256, min(65_536, _CHUNK_BYTES // (8 * (plan.width if plan.storage == "vectors" else 256))))
    for start in range(0, total, step):
        wanted = "SELECT * EXCLUDE (first) FROM _arguments WHERE aid >= ? AND aid < ? ORDER BY aid"
        chunk = db.arrow(wanted, [start, start + step])
        values = values_of(chunk.drop_columns(["aid"]))
        table = pa.table({"aid": chunk.column("aid"), "value": values})
        with db.registered("_computed", table):
            db.execute(
                statement(
                    "INSERT INTO $block SELECT r._rid, c.value FROM _argument_rows AS r "
                    "JOIN _computed AS c ON r.aid = c.aid",
                    block=block_table(plan.name),
                )
            )  # fmt: skip
    db.execute("DROP TABLE _arguments")
    db.execute("DROP TABLE _argument_rows")


def _number_rows(db: Database, rows: tuple[str, str], names: Sequence[str]) -> None:
    same = exp.and_(
        *[exp.NullSafeEQ(this=column(n, "v"), expression=column(f"a{i}", "a")) for i, n in enumerate(names)]
    )
    db.execute(
        statement(
            "CREATE OR REPLACE TEMP TABLE _argument_rows AS "
            "SELECT v._rid, a.aid FROM $relation AS v JOIN _arguments AS a ON $same",
            relation=rows, same=same,
        )
    )  # fmt: skip


def compute(plan: Plan, arguments: pa.Table, call: Call) -> pa.Array:
    """The stored values for a table of arguments, row by row.

    Raises InputError when a function raised, or a text is missing.
    """
    arguments = arguments.rename_columns([c.name for c in plan.columns])
    if plan.head.role == "function_head":
        return _vectors(plan, *_called(plan, arguments, call))
    counts = plan.head.compute(_texts(plan, arguments))
    return _lists(counts) if plan.storage == "lists" else _fixed(counts.toarray(), plan)


def counted_texts(plan: Plan, arguments: pa.Table) -> list[dict[str, int]]:
    """For each row of a table of texts its terms with their counts; raises InputError for a missing text."""
    return plan.head.count(_texts(plan, arguments))


def _texts(plan: Plan, arguments: pa.Table) -> list[str]:
    texts = arguments.column(0).to_pylist()
    if None in texts:
        raise InputError(
            f"column '{plan.columns[0].name}' has rows without a text", where=f"featurizer '{plan.name}'",
            hint="write coalesce(column, '') in the view, or filter those rows",
        )  # fmt: skip
    return texts


def _called(plan: Plan, arguments: pa.Table, call: Call) -> tuple[pa.Array, int]:
    values, errors = call(plan.head.function, arguments)
    if errors.null_count < len(errors):
        at = next(i for i, error in enumerate(errors) if error.is_valid)
        row = arguments.slice(at, 1).to_pylist()[0]
        given = ", ".join(f"{name} = {_short(value)}" for name, value in row.items())
        raise InputError(
            f"function '{plan.head.function}' raised {errors[at].as_py()} for {given}",
            where=f"featurizer '{plan.name}'",
            hint="let the function return a value for such rows, or filter them in a view",
        )  # fmt: skip
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values, arguments.num_rows


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _vectors(plan: Plan, values: pa.Array, rows: int) -> pa.Array:
    nested = pa.types.is_nested(values.type)
    flat = values.flatten() if nested else values
    if len(values) != rows or len(flat) != rows * plan.width or (values.null_count and nested):
        each = f"{len(flat) / max(rows, 1):g}"
        raise InputError(
            f"function '{plan.head.function}' returned {each} numbers per row, not {plan.width}",
            where=f"featurizer '{plan.name}'", hint="set width to the length of the function's result",
        )  # fmt: skip
    return _fixed(flat.to_numpy(zero_copy_only=False).reshape(rows, plan.width), plan)


def _fixed(matrix: np.ndarray, plan: Plan) -> pa.Array:
    dtype = np.float32 if plan.element == "FLOAT" else np.float64
    flat = np.ascontiguousarray(matrix, dtype=dtype).ravel()
    return pa.FixedSizeListArray.from_arrays(pa.array(flat, from_pandas=plan.storage == "numbers"), plan.width)


def _lists(matrix: sparse.csr_matrix) -> pa.Array:
    offsets = pa.array(matrix.indptr, pa.int32())
    indices = pa.ListArray.from_arrays(offsets, pa.array(matrix.indices, pa.int32()))
    counts = pa.ListArray.from_arrays(offsets, pa.array(matrix.data, pa.float64()))
    return pa.StructArray.from_arrays([indices, counts], ["indices", "counts"])


def stored_rows(plan: Plan, values: pa.ChunkedArray | pa.Array) -> np.ndarray | sparse.csr_matrix:
    """A block's values as read: rows x width floats (missing NaN) or codes, or a sparse matrix."""
    whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if isinstance(whole, pa.ChunkedArray):
        raise InternalError("a block does not fit one Arrow array; read it in smaller batches")
    if plan.storage not in ("lists", "terms"):
        return whole.flatten().to_numpy(zero_copy_only=False).reshape(-1, plan.width)
    indices, counts = whole.field("indices"), whole.field("counts")
    lengths = np.diff(indices.offsets.to_numpy())
    starts = np.concatenate([[0], np.cumsum(lengths)])
    columns = indices.flatten().to_numpy()
    width = plan.width if plan.storage == "lists" else int(columns.max(initial=0)) + 1
    return sparse.csr_matrix((counts.flatten().to_numpy(), columns, starts), shape=(len(whole), width))
