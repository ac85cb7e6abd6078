"""Reading relations in their order."""

from __future__ import annotations

from sqlglot import exp

from lester_duck.algebra.relation import Relation, column
from lester_duck.names import RID


def ordered_rows(relation: Relation, *extra: str) -> exp.Select:
    """SELECT of a relation's user columns (and ``extra`` internal ones) in its order."""
    order = [
        exp.Ordered(this=column(t.column), desc=t.descending, nulls_first=not t.nulls_last) for t in relation.order
    ]
    columns = [column(c) for c in (*relation.columns, *extra)]
    return exp.select(*columns).from_(relation.reference()).order_by(*order, column(RID))
