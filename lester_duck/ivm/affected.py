"""Delta rules: which stored rows a change may touch, and the query of their new images.

One rule per operator family, in the order of ``RULES``; the result of a rule is a superset of the
rows that really differ (affected-key recompute: Katsis et al., SIGMOD 2015). Nothing is executed
here.

- projection and selection: Q(images after).
- inner join: the changed images of each input joined with the new state of the others, a pair that
  changed on both sides counted once.
- left, semi and anti join: *anchors*, the rows of the leftmost input that meet a changed row of
  another input, are computed again.
- grouping and windows: keys (partitions) that a row before grouping had before or has after are
  computed again.
- union: the rule of each branch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from lester_duck.algebra.compute import Substitutes, compute, rows_before_mixing
from lester_duck.algebra.relation import Block, Input, Relation, column, quoted
from lester_duck.ivm import images
from lester_duck.names import RID

KEYS = "_affected_keys"
ANCHORS = "_affected_anchors"


@dataclass(frozen=True, slots=True)
class Prepare:
    """A temporary table to fill before the affected rows are asked for."""

    name: str
    query: exp.Query


@dataclass(frozen=True, slots=True)
class Part:
    """A share of the new images: a block (or branch) and what stands for its inputs."""

    block: Block
    substitutes: Substitutes
    keys: str | None = None
    """Temporary table of keys the rows before grouping are restricted to."""


@dataclass(frozen=True, slots=True)
class Affected:
    """How one block follows a change: strategy and reason for people, queries for the engine.

    ``old`` is a condition over the stored block (None: all rows).
    """

    strategy: str
    reason: str
    prepare: tuple[Prepare, ...]
    old: exp.Expression | None
    parts: tuple[Part, ...]


def affected(block: Block, relations: Mapping[str, Relation], changed: frozenset[str]) -> Affected:
    """The rule that fits a block some of whose inputs changed."""
    for applies, rule in RULES:
        if applies(block, changed):
            return rule(block, relations, changed)
    return recompute(block, "no delta rule for this operator")


def recompute(block: Block, reason: str) -> Affected:
    """Compute everything again."""
    return Affected("full", reason, (), None, (Part(block, {}),))


def _reads_by_reference(block: Block, changed: frozenset[str]) -> bool:
    references = block.references + tuple(r for b in block.branches for r in b.references)
    return any(r in changed for r in references)


def _subquery(block: Block, relations: Mapping[str, Relation], changed: frozenset[str]) -> Affected:
    return recompute(block, "a relation read by a subquery has changed")


def _is_union(block: Block, changed: frozenset[str]) -> bool:
    return block.family == "union"


def _union(block: Block, relations: Mapping[str, Relation], changed: frozenset[str]) -> Affected:
    prepare: list[Prepare] = []
    parts: list[Part] = []
    conditions: list[exp.Expression] = []
    for branch in block.branches:
        if any(i.relation in changed for i in branch.inputs):
            one = affected(branch, relations, changed)
            prepare += [Prepare(f"{p.name}_{branch.name}", p.query) for p in one.prepare]
            renames = {p.name: f"{p.name}_{branch.name}" for p in one.prepare}
            parts += [Part(p.block, {a: _renamed(s, renames) for a, s in p.substitutes.items()}) for p in one.parts]
            conditions.append(_renamed(one.old, renames))
    return Affected("delta", "union: rule of each branch", tuple(prepare), exp.or_(*conditions), tuple(parts))


def _renamed(tree: exp.Expression, renames: Mapping[str, str]) -> exp.Expression:
    tree = tree.copy()
    for node in tree.find_all(exp.Table):
        if node.name in renames:
            node.set("this", quoted(renames[node.name]))
    return tree


def _is_inner(block: Block, changed: frozenset[str]) -> bool:
    return block.family == "spj" and all(i.join in ("from", "inner") for i in block.inputs)


def _inner(block: Block, relations: Mapping[str, Relation], changed: frozenset[str]) -> Affected:
    moved = [i for i in block.inputs if i.relation in changed]
    parts = []
    for place, own in enumerate(moved):
        earlier = {j.alias: images.unchanged(relations[j.relation]) for j in moved[:place]}
        parts.append(Part(block, {own.alias: images.new(own.relation), **earlier}))
    old = exp.or_(*[_in(_stored_row(block, i), images.old(i.relation)) for i in moved])
    what = "inner join" if len(block.inputs) > 1 else "selection and projection"
    return Affected("delta", f"{what}: rows by provenance", (), old, tuple(parts))


def _stored_row(block: Block, occurrence: Input) -> str:
    return occurrence.row if block.own_ids else RID


def _in(name: str, table: exp.Table) -> exp.Expression:
    return exp.In(this=column(name), query=exp.Subquery(this=exp.select(column(RID)).from_(table)))


def _has_anchor(block: Block, changed: frozenset[str]) -> bool:
    return block.family == "spj"


def _anchored(block: Block, relations: Mapping[str, Relation], changed: frozenset[str]) -> Affected:
    anchor = block.inputs[0]
    chosen = images.restricted(relations[anchor.relation], _selected(ANCHORS))
    return Affected(
        "delta", "outer, semi or anti join: affected rows of the left input",
        (Prepare(ANCHORS, _anchors(block, relations, changed)),),
        _in(_stored_row(block, anchor), images.images(ANCHORS)),
        (Part(block, {anchor.alias: chosen}),),
    )  # fmt: skip


def _selected(name: str) -> exp.Select:
    return exp.select(column(RID)).from_(images.images(name))


def _anchors(block: Block, relations: Mapping[str, Relation], changed: frozenset[str]) -> exp.Query:
    """Ids of leftmost rows that changed, or that meet a changed row of another input."""
    anchor = block.inputs[0]
    queries: list[exp.Query] = []
    if anchor.relation in changed:
        queries += [exp.select(column(RID)).from_(t(anchor.relation)) for t in (images.old, images.new)]
    for own in block.inputs[1:]:
        if own.relation in changed:
            queries += [_meeting(block, own, relations, changed, before) for before in (True, False)]
    union = queries[0]
    for query in queries[1:]:
        union = exp.Union(this=union, expression=query, distinct=True)
    return union


def _meeting(
    block: Block, own: Input, relations: Mapping[str, Relation], changed: frozenset[str], before: bool
) -> exp.Select:
    """Anchors that meet an image of ``own``, the other inputs in the state before or after."""
    tree = sqlglot.parse_one(block.sql, dialect="duckdb")
    joins = []
    for join in tree.args.get("joins") or []:
        alias = join.this.alias_or_name
        if alias == own.alias:
            join.set("side", None)
            join.set("kind", None)
        elif join.kind in ("SEMI", "ANTI"):
            continue
        joins.append(join)
    tree.set("joins", joins)
    for clause in ("where", "group", "having", "qualify", "distinct", "order"):
        tree.set(clause, None)
    tree.set("expressions", [column(RID, block.inputs[0].alias)])
    states = _states(block, relations, changed, before)
    states[own.alias] = images.old(own.relation) if before else images.new(own.relation)
    for node in list(tree.find_all(exp.Table)):
        alias = node.alias_or_name
        if alias in states:
            node.replace(_aliased(states[alias], alias))
        else:
            node.replace(relations[node.name].reference(alias))
    return tree.distinct()


def _states(
    block: Block, relations: Mapping[str, Relation], changed: frozenset[str], before: bool
) -> dict[str, exp.Expression]:
    if not before:
        return {}
    return {i.alias: images.old_state(relations[i.relation]) for i in block.inputs if i.relation in changed}


def _aliased(item: exp.Expression, alias: str) -> exp.Expression:
    name = exp.TableAlias(this=quoted(alias))
    if isinstance(item, exp.Query):
        return exp.Subquery(this=item.copy(), alias=name)
    item = item.copy()
    item.set("alias", name)
    return item


def _is_keyed(block: Block, changed: frozenset[str]) -> bool:
    return block.mixes_rows and bool(block.keys)


def _keyed(block: Block, relations: Mapping[str, Relation], changed: frozenset[str]) -> Affected:
    simple = all(i.join in ("from", "inner") for i in block.inputs)
    prepare: list[Prepare] = []
    if simple:
        queries = _keys_of_images(block, relations, changed)
    else:
        prepare.append(Prepare(ANCHORS, _anchors(block, relations, changed)))
        queries = _keys_of_anchors(block, relations, changed)
    union = queries[0]
    for query in queries[1:]:
        union = exp.Union(this=union, expression=query, distinct=True)
    prepare.append(Prepare(KEYS, union))
    same = [exp.NullSafeEQ(this=_own(k.column, block), expression=column(k.column, "k")) for k in block.keys]
    old = exp.Exists(this=exp.select("1").from_(_aliased(images.images(KEYS), "k")).where(exp.and_(*same)))
    what = "groups" if block.family == "group" else "partitions"
    return Affected("delta", f"affected {what} computed again", tuple(prepare), old, (Part(block, {}, KEYS),))


def _own(name: str, block: Block) -> exp.Column:
    return column(name, block.table)


def _key_query(block: Block, relations: Mapping[str, Relation], substitutes: Substitutes) -> exp.Select:
    rows = rows_before_mixing(block, relations, substitutes)
    rows.set("expressions", rows.expressions[: len(block.keys)])
    return rows.distinct()


def _keys_of_images(block: Block, relations: Mapping[str, Relation], changed: frozenset[str]) -> list[exp.Query]:
    queries: list[exp.Query] = []
    for own in (i for i in block.inputs if i.relation in changed):
        before = {**_states(block, relations, changed, True), own.alias: images.old(own.relation)}
        queries.append(_key_query(block, relations, before))
        queries.append(_key_query(block, relations, {own.alias: images.new(own.relation)}))
    return queries


def _keys_of_anchors(block: Block, relations: Mapping[str, Relation], changed: frozenset[str]) -> list[exp.Query]:
    anchor = block.inputs[0]
    relation = relations[anchor.relation]
    now = {anchor.alias: images.restricted(relation, _selected(ANCHORS))}
    before = _states(block, relations, changed, True)
    state = before.get(anchor.alias)
    if state is None:
        before[anchor.alias] = now[anchor.alias].copy()
    else:
        inner = exp.Subquery(this=state, alias=exp.TableAlias(this=quoted("state")))
        before[anchor.alias] = (
            exp.select("*").from_(inner).where(exp.In(this=column(RID), query=exp.Subquery(this=_selected(ANCHORS))))
        )
    return [_key_query(block, relations, before), _key_query(block, relations, now)]


def _is_unkeyed(block: Block, changed: frozenset[str]) -> bool:
    return block.mixes_rows


def _one_group(block: Block, relations: Mapping[str, Relation], changed: frozenset[str]) -> Affected:
    what = "one group over all rows" if block.family == "group" else "a window without a common PARTITION BY"
    return recompute(block, what)


Rule = Callable[[Block, Mapping[str, Relation], frozenset[str]], Affected]
RULES: tuple[tuple[Callable[[Block, frozenset[str]], bool], Rule], ...] = (
    (_reads_by_reference, _subquery),
    (_is_union, _union),
    (_is_inner, _inner),
    (_has_anchor, _anchored),
    (_is_keyed, _keyed),
    (_is_unkeyed, _one_group),
)


def new_rows(part: Part, relations: Mapping[str, Relation], functions: frozenset[str]) -> exp.Query:
    """The query of a part's new images."""
    query = compute(part.block, relations, part.substitutes, functions)
    return restrict_to_keys(part, query)


def restrict_to_keys(part: Part, query: exp.Query) -> exp.Query:
    """A query over a block's inputs, restricted to the affected keys (if the part has any)."""
    if part.keys is None:
        return query
    on = exp.and_(*[
        exp.NullSafeEQ(this=sqlglot.parse_one(k.expression, dialect="duckdb"), expression=column(k.column, KEYS))
        for k in part.block.keys
    ])  # fmt: skip
    return query.join(_aliased(images.images(part.keys), KEYS), on=on, join_type="semi")
