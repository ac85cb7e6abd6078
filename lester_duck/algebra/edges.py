"""Row provenance as relations: pairs (row id, base row id) for each relation and base relation.

Conventions are in docs/provenance.md. A grouping or window view finds its input rows by joining
them back on its keys, so nothing is stored for it but the keys.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlglot
from sqlglot import exp

from lester_duck.algebra.compute import rows_before_mixing
from lester_duck.algebra.flatten import own_nodes
from lester_duck.algebra.relation import Block, Relation, column, quoted
from lester_duck.names import RID

INPUT_RID = "input_rid"


def base_edges(block: Block, relations: Mapping[str, Relation]) -> tuple[tuple[str, exp.Select], ...]:
    """(base relation, query of distinct-or-not pairs ``_rid, input_rid``) for one block.

    Base relations are sources and grouping or window blocks. A row without a partner (the missing
    side of an outer join) has no pair.
    """
    if block.family == "constant":
        return ()
    if block.mixes_rows:
        return _mixed_edges(block, relations)
    me = relations[block.name].reference("r")
    return tuple(
        (base, _pairs(exp.select().from_(me.copy()), column(RID, "r"), column(name, "r")))
        for name, base in block.provenance
    )


def _mixed_edges(block: Block, relations: Mapping[str, Relation]) -> tuple[tuple[str, exp.Select], ...]:
    me = relations[block.name].reference("r")
    if is_prefix(block):
        joined = _prefix(block, relations, me)
    else:
        rows = exp.Subquery(this=rows_before_mixing(block, relations), alias=exp.TableAlias(this=quoted("i")))
        joined = exp.select().from_(me).join(rows, on=_same_key(block, "r", "i"))
    carried = {p.column: p.base for i in block.inputs for p in i.provenance}
    return tuple((base, _pairs(joined.copy(), column(RID, "r"), column(name, "i"))) for name, base in carried.items())


def _same_key(block: Block, left: str, right: str) -> exp.Expression:
    same = [exp.NullSafeEQ(this=column(k.column, left), expression=column(k.column, right)) for k in block.keys]
    return exp.and_(*same) if same else exp.true()


def is_prefix(block: Block) -> bool:
    """Whether a block's rows come from the rows of their partition up to their own: folds in one order."""
    windows = list(own_nodes(sqlglot.parse_one(block.sql, dialect="duckdb"), exp.Window)) if block.folds else []
    return bool(block.folds) and len(windows) == len(block.folds) and len({f.order for f in block.folds}) == 1


def _prefix(block: Block, relations: Mapping[str, Relation], me: exp.Table) -> exp.Select:
    """Rows of a fold (``r``) joined with the input rows (``i``) at or before their own place."""
    row = next(i.row for i in block.inputs if i.row)
    numbered = rows_before_mixing(block, relations)
    order = [exp.maybe_parse(o, into=exp.Ordered, dialect="duckdb") for o in block.folds[0].order]
    keys = [exp.maybe_parse(k.expression, dialect="duckdb") for k in block.keys]
    place = exp.Window(this=exp.RowNumber(), partition_by=keys, order=exp.Order(expressions=order))
    numbered = numbered.select(exp.alias_(place, "_place", quoted=True))
    own, before = (exp.Subquery(this=numbered.copy(), alias=exp.TableAlias(this=quoted(a))) for a in ("o", "i"))
    here = exp.EQ(this=column(row, "o"), expression=column(row, "r"))
    earlier = exp.LTE(this=column("_place", "i"), expression=column("_place", "o"))
    return exp.select().from_(me).join(own, on=here).join(before, on=exp.and_(_same_key(block, "o", "i"), earlier))


def _pairs(select: exp.Select, rid: exp.Column, input_rid: exp.Column) -> exp.Select:
    present = exp.not_(exp.Is(this=input_rid.copy(), expression=exp.null()))
    return select.select(exp.alias_(rid, RID, quoted=True), exp.alias_(input_rid, INPUT_RID, quoted=True)).where(
        present
    )
