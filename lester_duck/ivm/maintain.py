"""Executing delta rules: images of a block before and after, then the block itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from lester_duck.algebra.relation import Block
from lester_duck.db import Database
from lester_duck.engine.calls import consumed, fill
from lester_duck.engine.folds import run_fold
from lester_duck.engine.plan import Plan
from lester_duck.engine.worker import Worker
from lester_duck.ivm.program import Calls, Program, compile_block

LARGE_CHANGE = 2000
FULL_SHARE = 0.3
"""Changes of more than ``LARGE_CHANGE`` images and this share of an input are followed by computing
the view again: docs/design/0002."""


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


class Programs:
    """The programs of a plan, compiled when first needed."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._made: dict[tuple[str, frozenset[str], str | None], Program] = {}

    def of(self, block: Block, changed: frozenset[str], full: str | None) -> Program:
        """The program of a block for a set of changed inputs."""
        key = (block.name, changed, full)
        if key not in self._made:
            self._made[key] = compile_block(self.plan, block, changed, full=full)
        return self._made[key]


def maintain_block(
    db: Database, programs: Programs, block: Block, moved: Mapping[str, int], worker: Worker
) -> Maintained:
    """Bring one block up to its inputs, which have changed already.

    ``moved`` gives the number of images of each changed input. Leaves the block's own images behind.
    Raises InputError when a function fails on a row whose value is needed.
    """
    full = "the change is large: computing again is cheaper" if _is_large(db, programs.plan, block, moved) else None
    program = programs.of(block, frozenset(moved), full)
    for statement in program.prepare:
        db.execute(statement)
    removed = db.value(program.old)
    for fold in program.folds:
        for statement in fold.forget:
            db.execute(statement)
        run_fold(db, block, fold.call, fold.rows, worker)
    for calls in program.calls:
        _call(db, block, calls, worker)
    added = db.value(program.new)
    same = db.value(program.same) if program.same and removed and added else 0
    for statement in program.prune if same else ():
        db.execute(statement)
    removed, added = removed - same, added - same
    for statement in program.apply if removed or added else ():
        db.execute(statement)
    return Maintained(name=block.name, strategy=program.strategy, reason=program.reason, removed=removed, added=added)


def _is_large(db: Database, plan: Plan, block: Block, moved: Mapping[str, int]) -> bool:
    if plan.stored[block.name].how == "view":
        return False
    return any(
        images > LARGE_CHANGE
        and images > FULL_SHARE * db.value(exp.select("count(*)").from_(plan.relations[name].reference()))
        for name, images in moved.items()
    )


def _call(db: Database, block: Block, calls: Calls, worker: Worker) -> None:
    for function, request in calls.requests:
        fill(db, function, db.arrow(request), worker)
    if any(db.value(query) for query in calls.errors_exist):
        found = db.row(calls.first_error)
        if found:
            raise consumed(db, block, found)
