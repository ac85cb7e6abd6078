"""Row provenance as relations: pairs (row id, row id of an input) for each relation and input.

Conventions are in docs/provenance.md. A grouping or window view finds its input rows by joining
them back on its keys, and a semi join or a subquery finds its witnesses by joining them back on the
condition, so nothing is stored for either but keys and row ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from lester_duck.algebra.compute import rows_before_mixing
from lester_duck.algebra.flatten import own_nodes
from lester_duck.algebra.opened import opened
from lester_duck.algebra.relation import ORDINAL, Block, Relation, column, quoted
from lester_duck.names import RID

INPUT_RID = "input_rid"


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs ``_rid, input_rid`` of a block and a relation (distinct or not).

    ``witnesses`` tells that not the rows of ``relation`` are meant but their own witnesses.
    """

    relation: str
    query: exp.Select
    witnesses: bool = False


def base_edges(block: Block, relations: Mapping[str, Relation]) -> tuple[Pairs, ...]:
    """Which rows of sources and of grouping or window blocks a block's rows were made from.

    A row without a partner (the missing side of an outer join) has no pair.
    """
    if block.family == "constant":
        return ()
    if not block.mixes_rows:
        me = relations[block.name].reference("r")
        return tuple(
            Pairs(base, _pairs(exp.select().from_(me.copy()), column(RID, "r"), column(name, "r")))
            for name, base in block.provenance
        )
    if is_prefix(block):
        joined = _prefix(block, relations)
    else:
        joined = _joined_back(block, relations, rows_before_mixing(block, relations))
    carried = {p.column: p.base for i in block.inputs for p in i.provenance}
    return tuple(
        Pairs(base, _pairs(joined.copy(), column(RID, "r"), column(name, "i"))) for name, base in carried.items()
    )


def is_prefix(block: Block) -> bool:
    """Whether a block's rows come from the rows of their partition up to their own: folds in one order."""
    windows = list(own_nodes(sqlglot.parse_one(block.sql, dialect="duckdb"), exp.Window)) if block.folds else []
    return bool(block.folds) and len(windows) == len(block.folds) and len({f.order for f in block.folds}) == 1


def _prefix(block: Block, relations: Mapping[str, Relation]) -> exp.Select:
    """Rows of a fold (``r``) joined with the input rows (``i``) at or before their own place."""
    row = next(i.row for i in block.inputs if i.row)
    order = [exp.maybe_parse(o, into=exp.Ordered, dialect="duckdb") for o in block.folds[0].order]
    keys = [exp.maybe_parse(k.expression, dialect="duckdb") for k in block.keys]
    place = exp.Window(this=exp.RowNumber(), partition_by=keys, order=exp.Order(expressions=order))
    numbered = rows_before_mixing(block, relations).select(exp.alias_(place, "_place", quoted=True))
    own, before = (exp.Subquery(this=numbered.copy(), alias=exp.TableAlias(this=quoted(a))) for a in ("o", "i"))
    here = exp.EQ(this=column(row, "o"), expression=column(row, "r"))
    same = [exp.NullSafeEQ(this=column(k.column, "o"), expression=column(k.column, "i")) for k in block.keys]
    earlier = exp.and_(*same, exp.LTE(this=column("_place", "i"), expression=column("_place", "o")))
    return exp.select().from_(relations[block.name].reference("r")).join(own, on=here).join(before, on=earlier)


def witness_edges(block: Block, relations: Mapping[str, Relation], witnessed: frozenset[str]) -> tuple[Pairs, ...]:
    """Which rows a semi join or a subquery met for a block's rows: all of them, also those of inputs.

    ``witnessed`` are the relations below that have witnesses of their own.
    """
    found: list[Pairs] = []
    for part in block.branches or (block,):
        found += _inherited(block, part, relations, witnessed)
        if part.family == "constant":
            continue
        own = sqlglot.parse_one(part.sql, dialect="duckdb")
        for tree, occurrences in opened(own, block.mixes_rows):
            found += _witnesses(block, part, tree, occurrences, relations, witnessed)
    return tuple(found)


def _inherited(block: Block, part: Block, relations: Mapping[str, Relation], witnessed: frozenset[str]) -> list[Pairs]:
    rows = [i for i in part.inputs if i.row and i.relation in witnessed]
    if not rows:
        return []
    if block.mixes_rows:
        joined, alias = _joined_back(block, relations, rows_before_mixing(block, relations)), "i"
    else:
        joined, alias = exp.select().from_(relations[block.name].reference("r")), "r"
    return [
        Pairs(i.relation, _pairs(joined.copy(), column(RID, "r"), column(i.row, alias)), witnesses=True) for i in rows
    ]


def _witnesses(
    block: Block,
    part: Block,
    tree: exp.Select,
    occurrences: list[tuple[str, str]],
    relations: Mapping[str, Relation],
    witnessed: frozenset[str],
) -> list[Pairs]:
    rows = rows_before_mixing(part, relations, tree=tree)
    wanted = []
    for number, (alias, name) in enumerate(occurrences):
        relation = relations[name]
        if relation.constant:
            continue
        held = [(RID, name)] if relation.base else list(relation.provenance)
        for place, (origin, base) in enumerate(held):
            wanted.append((f"_witness_{number}_{place}", column(origin, alias), base, False))
        if name in witnessed:
            wanted.append((f"_witness_{number}_row", column(RID, alias), name, True))
    rows.set("expressions", [*rows.expressions, *(exp.alias_(e, n, quoted=True) for n, e, _, _ in wanted)])
    joined = _joined_back(block, relations, rows, None if block.mixes_rows else part)
    return [
        Pairs(base, _pairs(joined.copy(), column(RID, "r"), column(name, "i")), witnesses)
        for name, _, base, witnesses in wanted
    ]


def _joined_back(
    block: Block, relations: Mapping[str, Relation], rows: exp.Select, part: Block | None = None
) -> exp.Select:
    """A block's rows (``r``) with the rows they were made from (``i``): by keys, or by row ids of ``part``."""
    names = [k.column for k in block.keys] if part is None else [n for n in part.row_columns if n != ORDINAL]
    same = [exp.NullSafeEQ(this=column(n, "r"), expression=column(n, "i")) for n in names]
    inner = exp.Subquery(this=rows, alias=exp.TableAlias(this=quoted("i")))
    me = relations[block.name].reference("r")
    return exp.select().from_(me).join(inner, on=exp.and_(*same) if same else exp.true())


def _pairs(select: exp.Select, rid: exp.Column, input_rid: exp.Column) -> exp.Select:
    present = exp.not_(exp.Is(this=input_rid.copy(), expression=exp.null()))
    return select.select(exp.alias_(rid, RID, quoted=True), exp.alias_(input_rid, INPUT_RID, quoted=True)).where(
        present
    )
