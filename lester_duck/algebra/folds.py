"""Folds: declared sequential steps, called as window functions.

``rating(white, black) OVER (PARTITION BY season ORDER BY g._pos)`` calls the declared fold
``rating`` on the rows of each partition in order. Its values are kept in a table ``_rid -> value``
per call, filled by the engine before the block is computed; the call becomes a join to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from lester_duck.algebra.flatten import own_nodes
from lester_duck.algebra.relation import column, table
from lester_duck.errors import Unsupported
from lester_duck.names import INTERNAL_SCHEMA, RID


@dataclass(frozen=True, slots=True)
class FoldCall:
    """One fold of a block: its table, the function, SQL of arguments, partition and order, its input's alias."""

    table: str
    function: str
    arguments: tuple[str, ...]
    partition: tuple[str, ...]
    order: tuple[str, ...]
    input: str

    @property
    def alias(self) -> str:
        """How the join to the table is named in the block's SELECT."""
        return f"_{self.table}"


def find_folds(tree: exp.Select, block: str, folds: frozenset[str], where: str) -> tuple[FoldCall, ...]:
    """The fold calls of a SELECT, in order of appearance.

    Raises Unsupported unless the SELECT reads one relation without WHERE, and each call is ordered.
    """
    found: list[FoldCall] = []
    for window in own_nodes(tree, exp.Window):
        call = window.this
        if not (isinstance(call, exp.Anonymous) and call.name.lower() in folds):
            continue
        if tree.args.get("joins") or tree.args.get("where"):
            raise Unsupported(
                "a fold together with JOIN or WHERE is not supported",
                where=where,
                hint="join and filter in a CTE first",
            )
        order = window.args.get("order")
        if order is None:
            raise Unsupported(f"the fold {call.name}() has no order", where=where, hint="write ORDER BY t._pos")
        found.append(
            FoldCall(
                f"fold_{block}_{len(found) + 1}",
                call.name.lower(),
                tuple(a.sql("duckdb") for a in call.expressions),
                tuple(p.sql("duckdb") for p in window.args.get("partition_by") or ()),
                tuple(o.sql("duckdb") for o in order.expressions),
                tree.args["from_"].this.alias_or_name,
            )
        )
    return tuple(found)


def join_folds(tree: exp.Select, calls: tuple[FoldCall, ...]) -> exp.Select:
    """Replace fold calls by the values in their tables."""
    names = {c.function for c in calls}
    windows = [
        w for w in own_nodes(tree, exp.Window) if isinstance(w.this, exp.Anonymous) and w.this.name.lower() in names
    ]
    for window, call in zip(windows, calls, strict=True):
        window.replace(column("value", call.alias))
        same = exp.EQ(this=column(RID, call.alias), expression=column(RID, call.input))
        tree = tree.join(table(INTERNAL_SCHEMA, call.table, call.alias), on=same, join_type="left", copy=False)
    return tree


def fold_input(call: FoldCall, source: exp.Select) -> exp.Select:
    """Partition number, row id and arguments of the rows a fold runs over, in the order it runs.

    ``source`` is a SELECT over the fold's input (it may restrict the partitions).
    """
    partition = [sqlglot.parse_one(p, dialect="duckdb") for p in call.partition]
    order = [exp.maybe_parse(o, into=exp.Ordered, dialect="duckdb") for o in call.order]
    keys = [exp.Ordered(this=p.copy()) for p in partition]
    number = exp.Window(this=exp.DenseRank(), order=exp.Order(expressions=[k.copy() for k in keys]))
    place = exp.alias_(number if keys else exp.Literal.number(1), "_partition", quoted=True)
    arguments = [
        exp.alias_(sqlglot.parse_one(a, dialect="duckdb"), f"a{n}", quoted=True)
        for n, a in enumerate(call.arguments, 1)
    ]
    select = source.copy()
    select.set("expressions", [place, column(RID, call.input), *arguments])
    return select.order_by(*keys, *order)
