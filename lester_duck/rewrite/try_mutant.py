"""One mutant on one input: its blocks are built in place of the pipeline's, compared, and undone.

Whether the engine would refuse a mutant is asked only when it fails on data: to bind its SQL over
an empty store costs as much as to try it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Timer

from sqlglot import exp

from lester_duck.algebra.block import build_blocks
from lester_duck.algebra.compute import compute
from lester_duck.algebra.relation import Block, table
from lester_duck.db import Database, Error, first_line, sql_text
from lester_duck.engine import artefacts, checks
from lester_duck.engine.build import build_block, creation
from lester_duck.engine.calls import create_caches, drop_caches
from lester_duck.engine.plan import Plan, Stored, fold_names, function_names
from lester_duck.engine.read import ordered_rows
from lester_duck.engine.worker import Worker
from lester_duck.errors import InternalError, LesterError
from lester_duck.rewrite.execute import StoreRun
from lester_duck.rewrite.judge import Wanted, mismatch_at
from lester_duck.rewrite.mutate import Mutant
from lester_duck.rewrite.points import last_views
from lester_duck.rewrite.rerun import State

SECONDS = 5.0
"""The most one mutant may take on one input."""


class TooSlow(Exception):
    """The mutant did not end within its time (a join that multiplies rows, say)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A mutant's plan; ``changed`` names the blocks that differ from those of the pipeline."""

    mutant: Mutant
    plan: Plan
    changed: frozenset[str]
    declared: bool
    """Whether featurizers, label or split differ."""
    code: bool
    """Whether the code of functions differs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What told a mutant from the original ('' when nothing did), and whether it failed (on data or altogether)."""

    how: str
    failed: bool = False


def plan_mutant(mutant: Mutant, base: Plan) -> Planned:
    """Plan a mutant of the pipeline planned in ``base``; raises a LesterError when its views have no plan."""
    was = base.pipeline
    pipeline = replace(mutant.pipeline, sources=was.sources, model=None)
    relations = dict(base.relations)
    blocks: list[Block] = []
    views = {view.name: view for view in pipeline.views}
    for view in (views[name] for name in dict.fromkeys(b.view for b in base.blocks)):
        mine = [b for b in base.blocks if b.view == view.name]
        reads = {r for b in mine for r in b.reads}
        if view.name == mutant.view or any(relations[r] != base.relations[r] for r in reads):
            functions, folds = function_names(pipeline), fold_names(pipeline)
            mine = list(build_blocks(view.name, view.sql, relations, functions, first_line=1, folds=folds))
        for block in mine:
            blocks.append(block)
            relations[block.name] = block.relation()
    same = {b.name: b for b in base.blocks}
    changed = frozenset(b.name for b in blocks if b != same.get(b.name))
    stored = {
        b.name: base.stored[b.name] if b.name not in changed else Stored(how="table", reason="a mutant")
        for b in blocks
    }
    plan = replace(base, pipeline=pipeline, relations=relations, blocks=tuple(blocks), stored=stored)
    declared = (pipeline.features, pipeline.split, pipeline.label) != (was.features, was.split, was.label)
    return Planned(mutant=mutant, plan=plan, changed=changed, declared=declared, code=pipeline.code != was.code)


def refused_at_all(found: Planned, empty: State, worker: Worker) -> bool:
    """Whether the engine refuses a mutant whatever the data; ``empty`` is the store of the pipeline without rows."""
    plan = found.plan
    try:
        with _undone(empty.db):
            plan = _built(found, empty, worker)
            for check in plan.pipeline.checks:
                empty.db.rows(f"SELECT * FROM ({check.sql}) LIMIT 0")
        artefacts.check_declared(plan)
    except InternalError:
        raise
    except (Error, LesterError):
        return True
    return False


def _built(found: Planned, empty: State, worker: Worker) -> Plan:
    """Build what a mutant changes, or reads with another type, over the empty store; its plan with the types."""
    plan, exists = found.plan, {b.name for b in empty.plan.blocks}
    if found.code:
        _new_caches(empty.db, plan)
    for block in found.plan.blocks:
        retyped = any(plan.types.get(r) != empty.plan.types.get(r) for r in block.reads)
        if _own(found, block) or retyped:
            plan = _put(empty, block, plan, worker, exists=block.name in exists)
    return plan


@contextmanager
def _undone(db: Database) -> Iterator[None]:
    """A transaction that is rolled back, with a limit on its time."""
    db.execute("BEGIN TRANSACTION")
    timer = Timer(SECONDS, db.connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Error as error:
        if type(error).__name__ == "InterruptException":
            raise TooSlow from error
        raise
    finally:
        timer.cancel()
        timer.join()
        db.execute("ROLLBACK")


def _own(found: Planned, block: Block) -> bool:
    """Whether the mutant changes what this block computes."""
    return block.name in found.changed or (found.code and bool(block.calls or block.folds))


def _new_caches(db: Database, plan: Plan) -> None:
    drop_caches(db)
    create_caches(db, plan.pipeline)


def _put(state: State, block: Block, plan: Plan, worker: Worker, *, exists: bool) -> Plan:
    """Build a block of a mutant in the place of the pipeline's; the mutant's plan with the types of its columns."""
    name = table(block.schema, block.table)
    if exists:
        how = state.plan.stored[block.name].how
        state.db.execute(exp.Drop(tables=[name], kind=how.upper()))
    same = all(plan.relations[r] == state.plan.relations.get(r) for r in block.reads)
    if block == _own_block(state, block.name) and same and not (block.calls or block.folds):
        if block.name not in state.texts:
            rows = compute(block, plan.relations, functions=plan.functions)
            state.texts[block.name] = sql_text(creation(plan, block, rows))
        state.db.execute(state.texts[block.name])
        if all(plan.types[r] == state.plan.types[r] for r in block.reads):
            return plan
    else:
        build_block(state.db, plan, block, worker)
    described = state.db.rows(exp.Describe(this=name.copy()))
    return replace(plan, types={**plan.types, block.name: {c: t for c, t, *_ in described}})


def _own_block(state: State, name: str) -> Block | None:
    return next((b for b in state.plan.blocks if b.name == name), None)


def _building(found: Planned, state: State, worker: Worker) -> Iterator[tuple[Block, Plan]]:
    """Build what the mutant changes and what reads it, block by block; yields those whose rows differ.

    What reads a block that came out equal is left as it is. With each block comes the mutant's plan
    with the types known by then.
    """
    db, plan = state.db, found.plan
    if found.code:
        _new_caches(db, plan)
    exists = {b.name for b in state.plan.blocks[: state.built]}
    different: set[str] = set()
    touched = _downstream(found)
    for name in touched & exists - state.content.keys():
        state.content[name] = _rows(db, state.plan, name)
    for block in plan.blocks:
        if block.name in exists and not _own(found, block) and not different.intersection(block.reads):
            continue
        plan = _put(state, block, plan, worker, exists=block.name in exists)
        if block.name not in exists or not _rows(db, plan, block.name).equals(state.content[block.name]):
            different.add(block.name)
            yield block, plan


def _downstream(found: Planned) -> set[str]:
    names: set[str] = set()
    for block in found.plan.blocks:
        if _own(found, block) or names.intersection(block.reads):
            names.add(block.name)
    return names


def _rows(db: Database, plan: Plan, name: str):
    """A block's rows in order, its order columns with them, without row ids."""
    relation = plan.relations[name]
    extra = [t.column for t in relation.order if t.column not in relation.columns]
    return db.arrow(ordered_rows(relation, *dict.fromkeys(extra)))


def told_apart(found: Planned, state: State, wanted: Sequence[Wanted], *, refused: bool, worker: Worker) -> Trial:
    """What tells a mutant from the original on one input.

    ``refused`` says that the original ends with an error there and the pipeline refuses the data
    too. Raises TooSlow.
    """
    try:
        with _undone(state.db):
            return Trial(how=_told(found, state, wanted, refused=refused, worker=worker))
    except InternalError:
        raise
    except LesterError as error:
        return Trial(how="" if refused else f"refuses the data: {error}", failed=True)
    except Error as error:
        return Trial(how="" if refused else f"refuses the data: {first_line(error)}", failed=True)


def _told(found: Planned, state: State, wanted: Sequence[Wanted], *, refused: bool, worker: Worker) -> str:
    plan = found.plan
    executed = StoreRun(state.db, plan)
    pipeline = plan.pipeline
    different: set[str] = set()
    for block, plan in _building(found, state, worker):  # noqa: B007 - its last value is what is built
        different.add(block.name)
        for want in wanted if not refused else ():
            if want.point.view == block.name and not isinstance(want.point.claim, str):
                mismatch = mismatch_at(pipeline, want, executed)
                if mismatch:
                    return f"{want.point.describe()}: {mismatch.text}"
    feature = artefacts.feature_block(plan)
    matrix = feature is not None and (found.declared or found.code or refused or feature.name in different)
    if different or refused:
        checks.run(state.db, plan)
    if matrix:
        artefacts.check_declared(plan)
        lap = _no_lap
        artefacts.build(state.db, plan, worker, rebuilt=[feature.name], live=None, model="later", lap=lap, origins={})
    if refused:
        results = [feature.name] if feature else last_views(pipeline)
        accepted = any(executed.view(name).num_rows for name in results)
        return "accepts data on which the original ends with an error" if accepted else ""
    for want in wanted if matrix else ():
        mismatch = mismatch_at(pipeline, want, executed) if isinstance(want.point.claim, str) else None
        if mismatch:
            return f"{want.point.describe()}: {mismatch.text}"
    return ""


def _no_lap(step: str) -> None:
    """Nobody listens."""
