"""Row provenance as relations: a block's rows beside the rows they were made from.

Conventions are in docs/provenance.md. A grouping or window view finds its input rows by joining
them back on its keys, and a semi join or a subquery finds its witnesses by joining them back on the
condition, so nothing is stored for either but keys and row ids. The edges are read from there in two
ways: as pairs with one input, where a row of that input is asked for, or all in one pass.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from lester_duck.algebra.compute import rows_before_mixing
from lester_duck.algebra.flatten import own_nodes
from lester_duck.algebra.opened import opened
from lester_duck.algebra.relation import ORDINAL, Block, Input, Relation, column, quoted
from lester_duck.names import RID

INPUT_RID = "input_rid"
SOURCE, SOURCE_RID = "source", "source_rid"


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs ``_rid, input_rid`` of a block and a relation (distinct or not).

    ``witnesses`` tells that not the rows of ``relation`` are meant but their own witnesses.
    """

    relation: str
    query: exp.Select
    witnesses: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """A column of row ids of ``relation`` among the rows a block was made from.

    ``optional`` tells that it may be NULL. A test for NULL where there is none misleads DuckDB's choice of joins.
    """

    relation: str
    rid: exp.Column
    witnesses: bool = False
    optional: bool = True


@dataclass(frozen=True, slots=True)
class Beside:
    """A block's rows (``r``) beside the rows they were made from, and the ends of the edges between them.

    ``found`` joins them so that either side may be searched for a row. ``swept`` is for reading everything:
    the block's rows are looked up for each row they were made from, which leaves DuckDB the order of the
    joins below as it is without provenance. There ``r`` may have NULLs if ``partial``: no row was made.
    ``held`` names the step all of whose rows (``s``) stand beside every row, if it is such: what they came from
    is said once, for the step.
    """

    found: exp.Select
    swept: exp.Select
    ends: tuple[End, ...]
    partial: bool = False
    held: str | None = None

    def pairs(self) -> tuple[Pairs, ...]:
        """The edges to each end by themselves."""
        return tuple(_pairs(self.found, e) for e in self.ends)

    def all_to(self, sources: Collection[str]) -> exp.Select | None:
        """All edges that end at rows of ``sources``, in one pass: ``_rid, source, source_rid``."""
        ends = [e for e in self.ends if e.relation in sources and not e.witnesses]
        if not ends:
            return None
        if len(ends) == 1:
            end = ends[0]
            shown = {RID: column(RID, "r"), SOURCE: exp.Literal.string(end.relation), SOURCE_RID: end.rid.copy()}
            one = self.found if self.partial else self.swept
            return _if_present(one.select(*(exp.alias_(e, n, quoted=True) for n, e in shown.items())), end.rid, ends)
        names = exp.Array(expressions=[exp.Literal.string(e.relation) for e in ends])
        rids: exp.Expression = exp.Array(expressions=[e.rid.copy() for e in ends])
        if self.partial:
            none = exp.Is(this=column(RID, "r"), expression=exp.null())
            rids = exp.Case(ifs=[exp.If(this=none, true=exp.Array(expressions=[]))], default=rids)
        each = self.swept.select(
            exp.alias_(column(RID, "r"), RID, quoted=True),
            exp.alias_(exp.Explode(this=names), SOURCE, quoted=True),
            exp.alias_(exp.Explode(this=rids), SOURCE_RID, quoted=True),
        )
        inner = exp.Subquery(this=each, alias=exp.TableAlias(this=quoted("e")))
        shown = [column(c) for c in (RID, SOURCE, SOURCE_RID)]
        return _if_present(exp.select(*shown).from_(inner), column(SOURCE_RID), ends, self.partial)

    def by_reference(self) -> exp.Select:
        """Edges to the rows of the step that is held: ``_rid, source, source_rid``."""
        shown = {RID: column(RID, "r"), SOURCE: exp.Literal.string(self.held), SOURCE_RID: column(RID, "s")}
        return self.found.select(*(exp.alias_(e, n, quoted=True) for n, e in shown.items()))

    def all_beyond(self, sources: Collection[str]) -> tuple[Pairs, ...]:
        """The edges to each end that is no row of ``sources`` but has edges of its own."""
        ends = [e for e in self.ends if e.relation not in sources or e.witnesses]
        return tuple(_pairs(self.found if self.partial else self.swept, e) for e in ends)


def base_edges(block: Block, relations: Mapping[str, Relation]) -> tuple[Pairs, ...]:
    """Which rows of sources and of grouping or window blocks a block's rows were made from.

    A row without a partner (the missing side of an outer join) has no pair.
    """
    return tuple(p for beside in base_rows(block, relations) for p in beside.pairs())


def base_rows(block: Block, relations: Mapping[str, Relation]) -> tuple[Beside, ...]:
    """A block's rows beside the rows of sources and of grouping or window blocks they were made from."""
    if block.family == "constant":
        return ()
    if not block.mixes_rows:
        me = exp.select().from_(relations[block.name].reference("r"))
        return (Beside(me, me, tuple(End(base, column(name, "r")) for name, base in block.provenance)),)
    carried = {p.column: (p.base, _may_lack(i, relations)) for i in block.inputs for p in i.provenance}
    ends = tuple(End(base, column(name, "i"), optional=lacks) for name, (base, lacks) in carried.items())
    if is_prefix(block):
        joined = _prefix(block, relations)
        return (Beside(joined, joined, ends),)
    return (_joined_back(block, relations, rows_before_mixing(block, relations), ends),)


def _may_lack(occurrence: Input, relations: Mapping[str, Relation]) -> bool:
    """Whether a row of an occurrence may lack a base row: it is the missing side of a join, or has such below."""
    return occurrence.join == "left" or not relations[occurrence.relation].base


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
    return tuple(p for beside in witness_rows(block, relations, witnessed) for p in beside.pairs())


def witness_rows(block: Block, relations: Mapping[str, Relation], witnessed: frozenset[str]) -> tuple[Beside, ...]:
    """A block's rows beside the rows that let them pass."""
    found: list[Beside] = []
    for part in block.branches or (block,):
        found += _inherited(block, part, relations, witnessed)
        if part.family == "constant":
            continue
        own = sqlglot.parse_one(part.sql, dialect="duckdb")
        for tree, occurrences in opened(own, block.mixes_rows):
            found += _witnesses(block, part, tree, occurrences, relations, witnessed)
    return tuple(found)


def _inherited(block: Block, part: Block, relations: Mapping[str, Relation], witnessed: frozenset[str]) -> list[Beside]:
    rows = [i for i in part.inputs if i.row and i.relation in witnessed]
    if not rows:
        return []
    alias = "i" if block.mixes_rows else "r"
    ends = tuple(End(i.relation, column(i.row, alias), witnesses=True) for i in rows)
    if block.mixes_rows:
        return [_joined_back(block, relations, rows_before_mixing(block, relations), ends)]
    me = exp.select().from_(relations[block.name].reference("r"))
    return [Beside(me, me, ends)]


def _witnesses(
    block: Block,
    part: Block,
    tree: exp.Select,
    occurrences: list[tuple[str, str]],
    relations: Mapping[str, Relation],
    witnessed: frozenset[str],
) -> list[Beside]:
    if all(_is_unconditional(alias, tree) for alias, _ in occurrences) and not block.branches and _has_input(block):
        return [_held(block, relations[name], name in witnessed, relations) for _, name in occurrences]
    rows = rows_before_mixing(part, relations, tree=tree)
    wanted = []
    outer = {j.alias_or_name for j in tree.args.get("joins") or [] if j.side}
    for number, (alias, name) in enumerate(occurrences):
        relation = relations[name]
        if relation.constant:
            continue
        held = [(RID, name)] if relation.base else list(relation.provenance)
        for place, (origin, base) in enumerate(held):
            lacks = alias in outer or not relation.base
            wanted.append((column(origin, alias), End(base, column(f"_witness_{number}_{place}", "i"), optional=lacks)))
        if name in witnessed:
            wanted.append((column(RID, alias), End(name, column(f"_witness_{number}_row", "i"), witnesses=True)))
    rows.set("expressions", [*rows.expressions, *(exp.alias_(e, end.rid.name, quoted=True) for e, end in wanted)])
    ends = tuple(end for _, end in wanted)
    return [_joined_back(block, relations, rows, ends, None if block.mixes_rows else part)]


def _is_unconditional(alias: str, tree: exp.Select) -> bool:
    """Whether all rows of an occurrence are joined with each row: no condition names it."""
    conditions = [tree.args.get("where"), *(j.args.get("on") for j in tree.args.get("joins") or [])]
    named = any(c.table == alias for condition in conditions if condition for c in condition.find_all(exp.Column))
    return not named and not any(j.args.get("using") for j in tree.args.get("joins") or [])


def _has_input(block: Block) -> bool:
    """Whether each row was made from some row: all are, but one group of everything, which may be empty."""
    return block.family != "group" or bool(block.keys)


def _held(block: Block, step: Relation, witnessed: bool, relations: Mapping[str, Relation]) -> Beside:
    """A block's rows, each beside all rows of a relation (``s``)."""
    ends = [End(step.name, column(RID, "s"), optional=False)] if step.base else []
    ends += [End(base, column(name, "s")) for name, base in step.provenance]
    ends += [End(step.name, column(RID, "s"), witnesses=True)] if witnessed else []
    found = exp.select().from_(relations[block.name].reference("r")).join(step.reference("s"), join_type="cross")
    return Beside(found, found, tuple(ends) if not step.constant else (), held=step.name)


def _joined_back(
    block: Block,
    relations: Mapping[str, Relation],
    rows: exp.Select,
    ends: tuple[End, ...],
    part: Block | None = None,
) -> Beside:
    """A block's rows (``r``) beside the rows they were made from (``i``): by keys, or by row ids of ``part``."""
    names = [k.column for k in block.keys] if part is None else [n for n in part.row_columns if n != ORDINAL]
    same = [exp.NullSafeEQ(this=column(n, "r"), expression=column(n, "i")) for n in names]
    inner = exp.Subquery(this=rows, alias=exp.TableAlias(this=quoted("i")))
    me = relations[block.name].reference("r")
    on = exp.and_(*same) if same else exp.true()
    found = exp.select().from_(me).join(inner, on=on)
    if part is not None:
        return Beside(found, found, ends)
    tree = sqlglot.parse_one(block.sql, dialect="duckdb")
    partial = bool(tree.args.get("having") or tree.args.get("qualify"))
    swept = exp.select().from_(inner.copy()).join(me.copy(), on=on.copy(), join_type="left")
    return Beside(found, swept, ends, partial)


def _pairs(select: exp.Select, end: End) -> Pairs:
    shown = exp.alias_(column(RID, "r"), RID, quoted=True), exp.alias_(end.rid.copy(), INPUT_RID, quoted=True)
    return Pairs(end.relation, _if_present(select.select(*shown), end.rid, (end,)), end.witnesses)


def _if_present(select: exp.Select, rid: exp.Column, ends: Collection[End], padded: bool = False) -> exp.Select:
    """Without the rows that have no row id, if ``ends`` may have none or a list of them was ``padded``."""
    if not padded and not any(e.optional for e in ends):
        return select
    return select.where(exp.not_(exp.Is(this=rid.copy(), expression=exp.null())))
