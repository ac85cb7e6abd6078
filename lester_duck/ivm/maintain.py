"""Executing a delta rule: images of a block before and after, then the block itself."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from lester_duck.algebra.compute import compute
from lester_duck.algebra.relation import Block, column, quoted, table
from lester_duck.db import Database
from lester_duck.engine.calls import fill_caches, refuse_consumed_errors
from lester_duck.engine.identity import SAME, with_known_ids
from lester_duck.engine.plan import Plan
from lester_duck.engine.worker import Worker
from lester_duck.ivm import images
from lester_duck.ivm.affected import Affected, affected, new_rows, recompute
from lester_duck.names import POS, RID, SOURCE_SCHEMA
from lester_duck.pipeline.model import Source

FULL_SHARE = 0.3
"""A change of more than this share of an input is cheaper to follow by computing the view again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintained:
    """How one block followed a change: strategy, reason, rows removed and added (changed rows count in both)."""

    name: str
    strategy: str
    reason: str
    removed: int
    added: int

    @property
    def changed(self) -> bool:
        """Whether any row of the block differs."""
        return bool(self.removed or self.added)


def apply_source(db: Database, source: Source) -> None:
    """Replace the images before by the images after in a source's table."""
    target = table(SOURCE_SCHEMA, source.name)
    names = [RID, POS, *[c.name for c in source.columns]]
    _exchange(db, source.name, target, names)


def _exchange(db: Database, name: str, target: exp.Table, names: list[str]) -> None:
    gone = exp.select(column(RID)).from_(images.old(name))
    db.execute(exp.delete(target).where(exp.In(this=column(RID), query=exp.Subquery(this=gone))))
    columns = [quoted(n) for n in names]
    rows = exp.select(*[column(n) for n in names]).from_(images.new(name))
    db.execute(exp.insert(rows, target, columns=columns))


def maintain_block(db: Database, plan: Plan, block: Block, changed: frozenset[str], worker: Worker) -> Maintained:
    """Bring one block up to its inputs, which have changed already.

    ``changed`` are the inputs with images. Leaves the block's own images behind. Raises InputError
    when a function fails on a row whose value is needed.
    """
    if plan.stored[block.name].how == "view":
        return _images_of_view(db, plan, block)
    rule = affected(block, plan.relations, changed)
    if rule.strategy == "delta" and _is_large(db, plan, block, changed):
        rule = recompute(block, "the change is large: computing again is cheaper")
    for prepare in rule.prepare:
        _temp(db, prepare.name, prepare.query)
    _old_images(db, block, rule)
    _new_images(db, plan, block, rule, worker)
    removed, added = _drop_unchanged(db, block)
    if removed or added:
        _exchange(db, block.name, table(block.schema, block.table), [*block.stored_columns, RID])
    return Maintained(name=block.name, strategy=rule.strategy, reason=rule.reason, removed=removed, added=added)


def _temp(db: Database, name: str, query: exp.Query) -> None:
    properties = exp.Properties(expressions=[exp.TemporaryProperty()])
    db.execute(exp.Create(this=images.images(name), kind="TABLE", expression=query, replace=True, properties=properties))


def _is_large(db: Database, plan: Plan, block: Block, changed: frozenset[str]) -> bool:
    for name in changed:
        count = exp.select("count(*)")
        moved = db.value(count.copy().from_(images.old(name))) + db.value(count.copy().from_(images.new(name)))
        if moved > 2000 and moved > FULL_SHARE * db.value(count.copy().from_(plan.relations[name].reference())):
            return True
    return False


def _images_of_view(db: Database, plan: Plan, block: Block) -> Maintained:
    """A view that is not stored: its images are computed from its input's."""
    source = next(i for i in block.inputs if i.row)
    for name, image in ((images.old_name, images.old), (images.new_name, images.new)):
        _temp(db, name(block.name), compute(block, plan.relations, {source.alias: image(source.relation)}))
    removed, added = _count(db, images.old_name(block.name)), _count(db, images.new_name(block.name))
    return Maintained(name=block.name, strategy="view", reason="not stored: selection and projection on reading", removed=removed, added=added)


def _count(db: Database, name: str) -> int:
    return db.value(exp.select("count(*)").from_(images.images(name)))


def _old_images(db: Database, block: Block, rule: Affected) -> None:
    names = [column(n) for n in (*block.stored_columns, RID)]
    stored = exp.select(*names).from_(table(block.schema, block.table))
    _temp(db, images.old_name(block.name), stored.where(rule.old) if rule.old is not None else stored)


def _new_images(db: Database, plan: Plan, block: Block, rule: Affected, worker: Worker) -> None:
    """New images with the row ids of the old ones where the identity is the same."""
    queries = []
    for part in rule.parts:
        if part.block.calls:
            fill_caches(db, plan, part.block, worker, part.substitutes)
        query = new_rows(part, plan.relations, plan.functions)
        if part.block.calls:
            refuse_consumed_errors(db, plan, part.block, query)
        queries.append(_padded(block, part.block, query))
    union = queries[0]
    for query in queries[1:]:
        union = exp.Union(this=union, expression=query, distinct=False)
    _temp(db, images.new_name(block.name), with_known_ids(block, union, images.old_name(block.name)))


def _padded(block: Block, part: Block, query: exp.Query) -> exp.Query:
    """The block's own columns in order, whatever branch the rows come from."""
    if part is block and not isinstance(query, exp.Union):
        names = [*block.stored_columns, *([] if block.own_ids else [RID])]
    else:
        names = list(part.stored_columns)
    inner = exp.Subquery(this=query, alias=exp.TableAlias(this=quoted("part")))
    wanted = [*block.stored_columns, *([] if block.own_ids else [RID])]
    return exp.select(*[column(n) if n in names else exp.alias_(exp.null(), n, quoted=True) for n in wanted]).from_(inner)


def _drop_unchanged(db: Database, block: Block) -> tuple[int, int]:
    """Leave out rows that are the same before and after; returns (rows before, rows after) that differ."""
    old, new = images.old(block.name), images.new(block.name)
    same = exp.select(column(RID)).from_(new.copy()).where(column(SAME))
    if db.value(exp.select("count(*)").from_(new.copy()).where(column(SAME))):
        db.execute(exp.delete(old.copy()).where(exp.In(this=column(RID), query=exp.Subquery(this=same))))
        db.execute(exp.delete(new.copy()).where(column(SAME)))
    return _count(db, images.old_name(block.name)), _count(db, images.new_name(block.name))


