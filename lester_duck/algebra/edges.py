"""Row provenance as relations: pairs (row id, row id of an input) for each relation and input.

Conventions are in docs/provenance.md. A grouping or window view finds its input rows by joining
them back on its keys, and a semi join, IN or EXISTS finds its witnesses by joining them back on the
condition, so nothing is stored for either but keys and row ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from lester_duck.algebra.compute import rows_before_mixing
from lester_duck.algebra.flatten import is_plain, own_nodes
from lester_duck.algebra.relation import Block, Relation, column, quoted
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
    """Which rows let a block's rows pass a semi join, IN or EXISTS: all of them, also those of inputs.

    ``witnessed`` are the relations below that have witnesses of their own.
    """
    found: list[Pairs] = []
    for part in block.branches or (block,):
        found += _inherited(block, part, relations, witnessed)
        if part.family == "constant":
            continue
        for tree, occurrences in _opened(part):
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


def _opened(block: Block) -> list[tuple[exp.Select, list[tuple[str, str]]]]:
    """Variants of a block's SELECT with one semi join or positive subquery made a join.

    Each comes with (alias, relation) of the occurrences that are witnesses. The rest of WHERE is
    kept only where rows are found by key: a row id has passed it already.
    """
    variants = []
    tree = sqlglot.parse_one(block.sql, dialect="duckdb")
    conditions = _conjuncts(tree.args.get("where"))
    for place, occurrence in enumerate(block.inputs):
        if occurrence.join == "semi":
            variant = tree.copy()
            variant.args["joins"][place - 1].set("kind", None)
            if not block.mixes_rows:
                variant.set("where", None)
            variants.append((variant, [(occurrence.alias, occurrence.relation)]))
    for condition in conditions:
        if _is_positive(condition):
            joins, tests, occurrences = _as_joins(condition)
            variant = tree.copy()
            variant.set("joins", [*(variant.args.get("joins") or []), *joins])
            others = [c for c in conditions if c is not condition] if block.mixes_rows else []
            kept = [exp.paren(c.copy()) for c in (*others, *tests)]
            variant.set("where", exp.Where(this=exp.and_(*kept)) if kept else None)
            variants.append((variant, occurrences))
    return variants


def _conjuncts(where: exp.Where | None) -> list[exp.Expression]:
    if where is None:
        return []
    return [c.unnest() for c in where.this.flatten()] if isinstance(where.this, exp.And) else [where.this.unnest()]


def _is_positive(node: exp.Expression) -> bool:
    """Whether a condition is IN or EXISTS over a plain SELECT of tables."""
    query = _query(node)
    if query is None or not is_plain(query) or not query.args.get("from_"):
        return False
    return len(list(query.find_all(exp.Query))) == 1 and not isinstance(node.this, exp.Tuple)


def _query(node: exp.Expression) -> exp.Select | None:
    query = node.args.get("query") if isinstance(node, exp.In) else node.this if isinstance(node, exp.Exists) else None
    query = query.this if isinstance(query, exp.Subquery) else query
    return query if isinstance(query, exp.Select) else None


def _as_joins(
    condition: exp.Expression,
) -> tuple[list[exp.Join], list[exp.Expression], list[tuple[str, str]]]:
    """An IN or EXISTS as joins, conditions on them, and (alias, relation) of its tables.

    The tables get aliases of their own, since a subquery may use an outer alias again.
    """
    query = _query(condition).copy()
    items = [query.args["from_"], *(query.args.get("joins") or [])]
    renamed = {i.this.alias_or_name: f"witness_{n}" for n, i in enumerate(items, 1)}
    for node in query.find_all(exp.Column):
        if node.table in renamed:
            node.set("table", quoted(renamed[node.table]))
    joins, occurrences = [], []
    for item in items:
        alias, relation = renamed[item.this.alias_or_name], item.this.name
        new = exp.Table(this=quoted(relation), alias=exp.TableAlias(this=quoted(alias)))
        join = exp.Join(this=new, kind="CROSS") if isinstance(item, exp.From) else item.copy()
        join.set("this", new)
        joins.append(join)
        if item.args.get("kind") not in ("SEMI", "ANTI"):
            occurrences.append((alias, relation))
    tests = [query.args["where"].this] if query.args.get("where") else []
    if isinstance(condition, exp.In):
        tests.append(exp.EQ(this=condition.this.copy(), expression=query.expressions[0].unalias().copy()))
    return joins, tests, occurrences


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
    names = [k.column for k in block.keys] if part is None else part.row_columns
    same = [exp.NullSafeEQ(this=column(n, "r"), expression=column(n, "i")) for n in names]
    inner = exp.Subquery(this=rows, alias=exp.TableAlias(this=quoted("i")))
    me = relations[block.name].reference("r")
    return exp.select().from_(me).join(inner, on=exp.and_(*same) if same else exp.true())


def _pairs(select: exp.Select, rid: exp.Column, input_rid: exp.Column) -> exp.Select:
    present = exp.not_(exp.Is(this=input_rid.copy(), expression=exp.null()))
    return select.select(exp.alias_(rid, RID, quoted=True), exp.alias_(input_rid, INPUT_RID, quoted=True)).where(
        present
    )
