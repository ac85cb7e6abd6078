"""The order of the matrix's rows: place in the part, then the view's order, then the row id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
from sqlglot import exp

from lester_duck.db import Database
from lester_duck.engine.template import column, statement, view_table

ORDER_TABLE = "_lester.matrix_order"


class OrderTerm(Protocol):
    """A column of the feature view that orders its rows."""

    @property
    def column(self) -> str:
        """The column's name."""

    @property
    def descending(self) -> bool:
        """Whether larger values come first."""

    @property
    def nulls_last(self) -> bool:
        """Whether NULL comes last."""


@dataclass(frozen=True, slots=True)
class StoredTerm:
    """An order term read back from the store."""

    column: str
    descending: bool
    nulls_last: bool


def order_by(order: Sequence[OrderTerm], *, by_ordinal: bool, view: str = "v") -> list[exp.Expression]:
    """The ORDER BY terms over ``v`` (the feature view) and ``s`` (the split); NULL last unless a term says first.

    >>> [term.sql("duckdb") for term in order_by((), by_ordinal=True)]
    ['"s"."ordinal"', '"v"."_rid"']
    """
    ordinal = [exp.Ordered(this=column("ordinal", "s"), nulls_first=False)] if by_ordinal else []
    terms = [
        exp.Ordered(this=column(term.column, view), desc=term.descending, nulls_first=not term.nulls_last)
        for term in order
    ]
    return [*ordinal, *terms, exp.Ordered(this=column("_rid", view), nulls_first=False)]


def row_ids(db: Database, view: str, order: Sequence[OrderTerm], part: str) -> np.ndarray:
    """Row ids of a part ('train', 'test' or 'all') in matrix order; int64."""
    join = "" if part == "all" else "JOIN _lester.split AS s ON v._rid = s._rid WHERE s.part = $part"
    query = statement(
        f"SELECT v._rid FROM $view AS v {join}",
        view=view_table(view), **({} if part == "all" else {"part": exp.Literal.string(part)}),
    )  # fmt: skip
    query.set("order", exp.Order(expressions=order_by(order, by_ordinal=part != "all")))
    return db.arrow(query).column(0).to_numpy()


def write_order(db: Database, order: Sequence[OrderTerm]) -> None:
    """Keep the view's order beside the matrix."""
    table = pa.table(
        {
            "place": pa.array(range(len(order)), pa.int32()),
            "column": pa.array([t.column for t in order], pa.string()),
            "descending": pa.array([t.descending for t in order], pa.bool_()),
            "nulls_last": pa.array([t.nulls_last for t in order], pa.bool_()),
        }
    )
    with db.registered("_order", table):
        db.execute(f"CREATE OR REPLACE TABLE {ORDER_TABLE} AS SELECT * FROM _order")


def read_order(db: Database) -> tuple[OrderTerm, ...]:
    """The order kept by the last build."""
    rows = db.rows(f'SELECT "column", descending, nulls_last FROM {ORDER_TABLE} ORDER BY place')
    return tuple(StoredTerm(*row) for row in rows)
