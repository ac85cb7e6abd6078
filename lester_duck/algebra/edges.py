"""Row provenance as relations: pairs (row id, base row id) for each relation and base relation.

Conventions are in docs/provenance.md. A grouping or window view finds its input rows by joining
them back on its keys, so nothing is stored for it but the keys.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from lester_duck.algebra.compute import rows_before_mixing
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
    rows = exp.Subquery(this=rows_before_mixing(block, relations), alias=exp.TableAlias(this=quoted("i")))
    same_key = [exp.NullSafeEQ(this=column(k.column, "r"), expression=column(k.column, "i")) for k in block.keys]
    on = exp.and_(*same_key) if same_key else exp.true()
    joined = exp.select().from_(me).join(rows, on=on)
    carried = {p.column: p.base for i in block.inputs for p in i.provenance}
    return tuple((base, _pairs(joined.copy(), column(RID, "r"), column(name, "i"))) for name, base in carried.items())


def _pairs(select: exp.Select, rid: exp.Column, input_rid: exp.Column) -> exp.Select:
    present = exp.not_(exp.Is(this=input_rid.copy(), expression=exp.null()))
    return select.select(exp.alias_(rid, RID, quoted=True), exp.alias_(input_rid, INPUT_RID, quoted=True)).where(
        present
    )
