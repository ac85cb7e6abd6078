"""State tables: built from blocks, read back as frozen summaries.

| keeps | columns of ``_lester.state_<featurizer>`` |
|---|---|
| moments | all in ``state__moments``: ``featurizer, slot, n, missing, center, s1, s2, low, high, at_low, at_high`` |
| values | ``slot, value, n`` (value NULL = missing) |
| categories | ``slot, id, category, n, total`` (n: fit rows, total: all rows; category NULL = missing) |
| terms | see ``matrix_terms`` |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from lester_duck.db import Database
from lester_duck.engine.matrix_order import OrderTerm, order_by
from lester_duck.engine.matrix_terms import read_terms
from lester_duck.engine.template import block_table, column, state_table, statement, view_table
from lester_duck.featurize.base import Input
from lester_duck.featurize.categories import Category
from lester_duck.featurize.plan import Fitted, Plan, fit
from lester_duck.featurize.summary import Distribution, Moments

_ROWS = 65_536
_TRAIN = "SEMI JOIN (SELECT _rid FROM _lester.split WHERE part = 'train') USING (_rid)"
_COUNTS = ("n", "missing", "at_low", "at_high")
_MOMENTS = {f.name: pa.int64() if f.name in _COUNTS else pa.float64() for f in fields(Moments)}
MOMENTS = "_lester.state__moments"
"""The moments of all featurizers; no featurizer's name begins with an underscore."""


def rows_as_floats(values: pa.ChunkedArray | pa.Array, width: int) -> np.ndarray:
    """An Arrow column of fixed-size lists as an array rows x width; missing elements are NaN."""
    flat = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if isinstance(flat, pa.ChunkedArray):
        return np.concatenate([rows_as_floats(chunk, width) for chunk in flat.chunks]).reshape(-1, width)
    return flat.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)


def build_state(db: Database, plan: Plan, view: str) -> None:
    """Create the state table of a featurizer from its block (categories: from the view)."""
    if plan.keeps == "moments":
        write_moments(db, {plan.name: scan_moments(db, plan)})
    elif plan.keeps == "values":
        _build_values(db, plan)
    elif plan.keeps == "categories":
        _build_categories(db, plan, view)


def scan_moments(db: Database, plan: Plan) -> Moments:
    """Moments of the fit rows by one scan of the block, by a second one where the first guess at a
    centre was too far off to keep precision."""
    first = _scan(db, plan, None)
    spread = first.s2 - first.s1 * first.s1 / np.maximum(first.n, 1)
    with np.errstate(invalid="ignore"):
        poor = (spread < 1e-3 * first.s2) & (first.low < first.high)
    return _scan(db, plan, np.where(np.isfinite(first.mean()), first.mean(), 0.0)) if poor.any() else first


def _scan(db: Database, plan: Plan, center: np.ndarray | None) -> Moments:
    moments = None if center is None else Moments.empty(center)
    for values in _fit_rows(db, plan):
        if moments is None:
            moments = Moments.empty(_first_center(values))
        moments = moments.plus(Moments.of(values, moments.center))
    return Moments.empty(np.zeros(plan.width)) if moments is None else moments


def _first_center(values: np.ndarray) -> np.ndarray:
    usable = np.where(np.isfinite(values), values, 0.0)
    return usable.sum(axis=0, dtype=float) / np.maximum(np.isfinite(values).sum(axis=0), 1)


def _fit_rows(db: Database, plan: Plan) -> Iterator[np.ndarray]:
    scope = _TRAIN if plan.featurizer.fit == "train" else ""
    query = statement(f"SELECT value FROM $block {scope}", block=block_table(plan.name))
    rows = max(1024, min(_ROWS, 8_000_000 // plan.width))
    with db.batches(query, rows) as stream:
        for batch in stream:
            if batch.num_rows:
                yield rows_as_floats(batch.column(0), plan.width)


def write_moments(db: Database, moments: Mapping[str, Moments]) -> None:
    """Replace the moments of featurizers, all in two statements."""
    parts = [
        pa.table(
            {
                "featurizer": pa.array([name] * len(m.n), pa.string()),
                "slot": np.arange(len(m.n), dtype=np.int32),
                **{f: pa.array(getattr(m, f), _MOMENTS[f]) for f in _MOMENTS},
            }
        )
        for name, m in moments.items()
    ]
    with db.registered("_moments", pa.concat_tables(parts)):
        db.execute(f"DELETE FROM {MOMENTS} WHERE featurizer IN (SELECT featurizer FROM _moments)")
        db.execute(f"INSERT INTO {MOMENTS} SELECT * FROM _moments")


def create_moments(db: Database) -> None:
    """Create the table of moments, empty."""
    columns = [
        exp.alias_(exp.cast(exp.null(), type_, dialect="duckdb"), name)
        for name, type_ in (("featurizer", "VARCHAR"), ("slot", "INTEGER"), *_duckdb_types())
    ]
    db.execute(statement(f"CREATE OR REPLACE TABLE {MOMENTS} AS $query", query=exp.select(*columns).limit(0)))


def _duckdb_types() -> list[tuple[str, str]]:
    return [(name, "BIGINT" if pa.types.is_integer(type_) else "DOUBLE") for name, type_ in _MOMENTS.items()]


def read_moments(db: Database, names: Sequence[str]) -> dict[str, Moments]:
    """The moments kept for featurizers, by name."""
    table = db.arrow(f"SELECT * FROM {MOMENTS} ORDER BY featurizer, slot")
    found = {}
    for name in names:
        own = table.filter(pc.equal(table.column("featurizer"), name))
        found[name] = Moments(*(own.column(field).to_numpy() for field in _MOMENTS))
    return found


def _build_values(db: Database, plan: Plan) -> None:
    scope = _TRAIN if plan.featurizer.fit == "train" else ""
    db.execute(
        statement(
            "CREATE OR REPLACE TABLE $state AS SELECT slot::INTEGER AS slot, value::DOUBLE AS value, count(*) AS n "
            f"FROM (SELECT unnest(range($width)) AS slot, unnest(value) AS value FROM $block {scope}) GROUP BY ALL",
            state=state_table(plan.name), block=block_table(plan.name), width=exp.Literal.number(plan.width),
        )
    )  # fmt: skip


def _read_values(db: Database, plan: Plan) -> Distribution:
    table = db.arrow(statement("SELECT slot, value, n FROM $state ORDER BY slot, value", state=state_table(plan.name)))
    slot, value, n = (table.column(i).to_numpy() for i in range(3))
    columns, missing = [], np.zeros(plan.width, dtype=np.int64)
    for j in range(plan.width):
        own, absent = slot == j, np.isnan(value)
        columns.append((value[own & ~absent], n[own & ~absent].astype(np.int64)))
        missing[j] = int(n[own & absent].sum())
    return Distribution(tuple(columns), missing)


def category_text(column_: Input) -> exp.Expression:
    """The text under which a column's value is a category: NULL and NaN are one, and -0.0 is 0.0."""
    name = column(column_.name)
    if column_.is_float:
        number = exp.Add(this=name, expression=exp.Literal.number(0))
        name = exp.case().when(exp.Anonymous(this="isnan", expressions=[name.copy()]), exp.null()).else_(number)
    return exp.cast(name, "VARCHAR", dialect="duckdb")


def category_texts(plan: Plan) -> exp.Expression:
    """The list of a row's categories, as text."""
    return exp.Array(expressions=[category_text(c) for c in plan.columns])


def _build_categories(db: Database, plan: Plan, view: str) -> None:
    counted = "count(*) FILTER (WHERE part = 'train')" if plan.featurizer.fit == "train" else "count(*)"
    db.execute(
        statement(
            "CREATE OR REPLACE TABLE $state AS "
            "SELECT slot, (row_number() OVER (ORDER BY slot, category NULLS LAST) - 1)::INTEGER AS id, "
            "category, n, total "
            f"FROM (SELECT slot::INTEGER AS slot, category, {counted} AS n, count(*) AS total FROM "
            "(SELECT unnest(range($width)) AS slot, unnest($texts) AS category, s.part "
            "FROM $view AS v LEFT JOIN _lester.split AS s ON v._rid = s._rid) GROUP BY slot, category)",
            state=state_table(plan.name), width=exp.Literal.number(plan.width), texts=category_texts(plan),
            view=view_table(view),
        )
    )  # fmt: skip


def read_categories(
    db: Database, plan: Plan, view: str, order: tuple[OrderTerm, ...]
) -> tuple[tuple[Category, ...], ...]:
    """The categories of each column with their counts, and first places where the plan asks for them."""
    first = _first_places(db, plan, view, order) if plan.by_appearance else {}
    found: list[tuple[Category, ...]] = []
    for j, column_ in enumerate(plan.columns):
        typed = exp.cast(exp.column("category"), _python_type(column_), dialect="duckdb")
        rows = db.rows(
            statement(
                "SELECT $typed, id, n FROM $state WHERE slot = $slot ORDER BY id",
                typed=typed, state=state_table(plan.name), slot=exp.Literal.number(j),
            )
        )  # fmt: skip
        found.append(tuple(Category(value, (id_,), n, first.get(id_)) for value, id_, n in rows))
    return tuple(found)


def _python_type(column_: Input) -> str:
    """The type a category is read back as: numbers by value, others as their text."""
    if column_.type.upper().startswith("DECIMAL"):
        return "DOUBLE"
    return column_.type if column_.is_number else "VARCHAR"


def _first_places(db: Database, plan: Plan, view: str, order: tuple[OrderTerm, ...]) -> dict[int, int]:
    train = plan.featurizer.fit == "train"
    ranked = statement(
        "SELECT v._rid, row_number() OVER (ORDER BY 1) AS place FROM $view AS v " + _split_join(train),
        view=view_table(view),
    )
    window = ranked.find(exp.Window)
    window.set("order", exp.Order(expressions=order_by(order, by_ordinal=train)))
    rows = db.rows(
        statement(
            "SELECT id, min(place) FROM (SELECT unnest(b.value) AS id, r.place FROM $block AS b "
            "JOIN ($ranked) AS r ON b._rid = r._rid) GROUP BY id",
            block=block_table(plan.name), ranked=ranked,
        )
    )  # fmt: skip
    return dict(rows)


def _split_join(train: bool) -> str:
    return "JOIN _lester.split AS s ON v._rid = s._rid WHERE s.part = 'train'" if train else ""


def fitted(db: Database, plan: Plan, view: str, order: tuple[OrderTerm, ...]) -> Fitted:
    """A featurizer with the state the store holds for it."""
    if plan.keeps == "moments":
        return fit(plan, read_moments(db, [plan.name])[plan.name])
    if plan.keeps == "values":
        return fit(plan, _read_values(db, plan))
    if plan.keeps == "categories":
        return fit(plan, read_categories(db, plan, view, order))
    if plan.keeps == "terms":
        return fit(plan, read_terms(db, plan))
    return fit(plan, None)
