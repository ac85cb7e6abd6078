"""A delta rule as ready SQL texts, made once per block and set of changed inputs.

Building SQL trees costs more than running the statements of a small change, so a ``Maintainer``
keeps the programs it has made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from sqlglot import exp

from lester_duck.algebra.compute import call_requests, compute, input_rows
from lester_duck.algebra.folds import FoldCall, fold_input
from lester_duck.algebra.relation import Block, column, quoted, table
from lester_duck.db import sql_text
from lester_duck.engine.calls import consumed_errors, error_exists
from lester_duck.engine.identity import SAME, with_known_ids
from lester_duck.engine.plan import Plan
from lester_duck.ivm import images
from lester_duck.ivm.affected import Affected, Part, affected, new_rows, recompute, restrict_to_keys
from lester_duck.names import INTERNAL_SCHEMA, POS, RID, SOURCE_SCHEMA
from lester_duck.pipeline.model import Source


@dataclass(frozen=True, slots=True)
class Calls:
    """What a part that calls functions does first: requests to fill caches, then a look for errors.

    ``errors_exist`` asks cheaply whether any cache holds an error; ``first_error`` finds the first
    row that consumes one.
    """

    requests: tuple[tuple[str, str], ...]
    errors_exist: tuple[str, ...]
    first_error: str


@dataclass(frozen=True, slots=True)
class Fold:
    """Replaying a fold over the affected partitions: forget the values of old and new rows, then run."""

    call: FoldCall
    forget: tuple[str, ...]
    rows: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The statements that bring one block up to its changed inputs, in order."""

    strategy: str
    reason: str
    prepare: tuple[str, ...]
    old: str
    folds: tuple[Fold, ...]
    calls: tuple[Calls, ...]
    new: str
    same: str | None
    """Number of rows that are the same before and after (None: not asked)."""
    prune: tuple[str, ...]
    apply: tuple[str, ...]


def compile_block(plan: Plan, block: Block, changed: frozenset[str], *, full: str | None = None) -> Program:
    """The program of a block for a set of changed inputs; ``full`` is a reason to compute it again."""
    if plan.stored[block.name].how == "view":
        return _view_program(plan, block)
    rule = recompute(block, full) if full else affected(block, plan.relations, changed)
    stored = exp.select(*[column(n) for n in (*block.stored_columns, RID)]).from_(table(block.schema, block.table))
    old = stored.where(rule.old) if rule.old is not None else stored
    return Program(
        strategy=rule.strategy,
        reason=rule.reason,
        prepare=tuple(fill(p.name, p.query) for p in rule.prepare),
        old=fill(images.old_name(block.name), old),
        folds=_folds(plan, block, rule),
        calls=tuple(_calls(plan, part) for part in rule.parts if part.block.calls),
        new=fill(images.new_name(block.name), _identified(plan, block, rule)),
        same=_same(block.name),
        prune=_prune(block.name),
        apply=exchange(block.name, table(block.schema, block.table), (*block.stored_columns, RID)),
    )


def _view_program(plan: Plan, block: Block) -> Program:
    """A view that is not stored: its images are computed from its input's."""
    source = next(i for i in block.inputs if i.row)
    before, after = (
        fill(name(block.name), compute(block, plan.relations, {source.alias: image(source.relation)}))
        for name, image in ((images.old_name, images.old), (images.new_name, images.new))
    )
    return Program(
        strategy="view",
        reason="not stored: selection and projection on reading",
        prepare=(),
        old=before,
        folds=(),
        calls=(),
        new=after,
        same=None,
        prune=(),
        apply=(),
    )


def fill(name: str, query: exp.Query) -> str:
    """A statement that makes a temporary table of a query's rows."""
    properties = exp.Properties(expressions=[exp.TemporaryProperty()])
    create = exp.Create(this=images.images(name), kind="TABLE", expression=query, replace=True, properties=properties)
    return sql_text(create)


def _calls(plan: Plan, part: Part) -> Calls:
    requests = call_requests(part.block, plan.relations, plan.functions, part.substitutes)
    rows = new_rows(part, plan.relations, plan.functions)
    return Calls(
        tuple((function, sql_text(query)) for function, query in requests),
        tuple(sql_text(error_exists(function)) for function in part.block.calls),
        sql_text(consumed_errors(part.block, rows)),
    )


def _folds(plan: Plan, block: Block, rule: Affected) -> tuple[Fold, ...]:
    programs = []
    for call in block.folds:
        source = restrict_to_keys(rule.parts[0], input_rows(block, plan.relations))
        target = table(INTERNAL_SCHEMA, call.table)
        gone = exp.select(column(RID)).from_(images.old(block.name))
        again = exp.select(column(RID, call.input))
        rerun = source.copy()
        rerun.set("expressions", again.expressions)
        forget = tuple(
            sql_text(exp.delete(target.copy()).where(exp.In(this=column(RID), query=exp.Subquery(this=query))))
            for query in (_input_ids(block, gone), rerun)
        )
        programs.append(Fold(call, forget, sql_text(fold_input(call, source))))
    return tuple(programs)


def _input_ids(block: Block, gone: exp.Select) -> exp.Select:
    """Old images name the input's row in the block's row column."""
    query = gone.copy()
    query.set("expressions", [column(next(i.row for i in block.inputs if i.row))])
    return query


def _identified(plan: Plan, block: Block, rule: Affected) -> exp.Query:
    """New images with the row ids of the old ones where the identity is the same."""
    types = plan.types[block.name]
    queries = [_padded(block, part, new_rows(part, plan.relations, plan.functions), types) for part in rule.parts]
    union = queries[0]
    for query in queries[1:]:
        union = exp.Union(this=union, expression=query, distinct=False)
    return with_known_ids(block, union, images.old_name(block.name))


def _padded(block: Block, part: Part, query: exp.Query, types: Mapping[str, str]) -> exp.Query:
    """The block's own columns in order and with its types, whatever branch the rows come from."""
    wanted = [*block.stored_columns, *([] if block.own_ids else [RID])]
    have = wanted if part.block is block else part.block.stored_columns
    inner = exp.Subquery(this=query, alias=exp.TableAlias(this=quoted("part")))
    if part.block is block:
        return exp.select(*[column(n) for n in wanted]).from_(inner)
    columns = [
        exp.alias_(exp.cast(column(n) if n in have else exp.null(), types[n], dialect="duckdb"), n, quoted=True)
        for n in wanted
    ]
    return exp.select(*columns).from_(inner)


def _same(name: str) -> str:
    return sql_text(exp.select("count(*)").from_(images.new(name)).where(column(SAME)))


def _prune(name: str) -> tuple[str, ...]:
    same = exp.select(column(RID)).from_(images.new(name)).where(column(SAME))
    return (
        sql_text(exp.delete(images.old(name)).where(exp.In(this=column(RID), query=exp.Subquery(this=same)))),
        sql_text(exp.delete(images.new(name)).where(column(SAME))),
    )


def exchange(name: str, target: exp.Table, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Statements that replace the images before by the images after in a stored relation."""
    gone = exp.select(column(RID)).from_(images.old(name))
    rows = exp.select(*[column(n) for n in columns]).from_(images.new(name))
    return (
        sql_text(exp.delete(target.copy()).where(exp.In(this=column(RID), query=exp.Subquery(this=gone)))),
        sql_text(exp.insert(rows, target.copy(), columns=[quoted(n) for n in columns])),
    )


@lru_cache(maxsize=256)
def exchange_source(source: Source) -> tuple[str, ...]:
    """The same for a source."""
    columns = (RID, POS, *[c.name for c in source.columns])
    return exchange(source.name, table(SOURCE_SCHEMA, source.name), columns)
