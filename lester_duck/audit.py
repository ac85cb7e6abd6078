"""Audit: everything recomputed from the current sources beside the store, and compared.

The recomputation runs in a database in memory with the store's own row ids, so rows are compared
one to one: views with their order and provenance columns, split, matrix, and whether the model was
fitted on exactly this matrix. Exact for exact types; floating values within ``TOLERANCE``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from scipy import sparse
from sqlglot import exp

from lester_duck.algebra.compute import compute
from lester_duck.algebra.relation import Block, column, quoted, table
from lester_duck.db import Database
from lester_duck.engine import artefacts, matrix, split
from lester_duck.engine.build import build_block
from lester_duck.engine.calls import create_caches, fill_caches, make_worker, refuse_consumed_errors
from lester_duck.engine.folds import build_folds
from lester_duck.engine.identity import with_known_ids
from lester_duck.engine.plan import Plan, install_macros
from lester_duck.engine.worker import Worker
from lester_duck.errors import Disagreement
from lester_duck.names import INTERNAL_SCHEMA, RID, SOURCE_SCHEMA
from lester_duck.store import store

TOLERANCE = 1e-9
"""Relative to the larger of 1 and the value."""
_EXAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One artefact that differs: how many rows, and a few of them in words."""

    artefact: str
    rows: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What was compared, how, and what differs."""

    checked: tuple[str, ...]
    unchecked: tuple[str, ...]
    differences: tuple[Difference, ...]
    seconds: float

    @property
    def agreed(self) -> bool:
        """Whether everything that was compared is equal."""
        return not self.differences

    def raise_if_different(self) -> Audit:
        """Raise Disagreement naming the first difference; else return self."""
        if self.differences:
            first = self.differences[0]
            more = f" and {len(self.differences) - 1} more artefacts" if len(self.differences) > 1 else ""
            raise Disagreement(
                f"{first.artefact} differs from a recompute in {first.rows} rows{more}: {'; '.join(first.examples)}"
            )
        return self


def audit(db: Database, plan: Plan, progress: Callable[[str], None] | None = None) -> Audit:
    """Recompute and compare; the store is only read."""
    started = time.perf_counter()
    say = progress or (lambda text: None)
    shadow = store.create_or_open(store.MEMORY)
    worker = make_worker(plan.pipeline)
    checked, unchecked, found = [], [], []
    try:
        install_macros(shadow)
        create_caches(shadow, plan.pipeline)
        for source in plan.pipeline.sources:
            _copy(db, shadow, SOURCE_SCHEMA, source.name, source.name, temporary=False)
        for block in plan.blocks:
            say(f"recomputing {block.name}")
            if plan.stored[block.name].how == "view":
                build_block(shadow, plan, block, worker)
            else:
                found += _audit_block(db, shadow, plan, block, worker)
                checked.append(f"view {block.name}")
        if artefacts.feature_block(plan) is not None:
            say("recomputing the matrix")
            found += _audit_split(db, shadow, plan, checked)
            found += _audit_matrix(db, shadow, plan, worker, checked)
            found += _audit_model(db, plan, checked, unchecked)
    finally:
        worker.close()
        shadow.close()
    return Audit(
        checked=tuple(checked),
        unchecked=tuple(unchecked),
        differences=tuple(found),
        seconds=time.perf_counter() - started,
    )


def _copy(db: Database, shadow: Database, schema: str, name: str, target: str, *, temporary: bool) -> None:
    rows = db.arrow(exp.select("*").from_(table(schema, name)))
    with shadow.registered("_copied", rows) as registered:
        properties = exp.Properties(expressions=[exp.TemporaryProperty()]) if temporary else None
        into = exp.Table(this=quoted(target)) if temporary else table(schema, target)
        shadow.execute(
            exp.Create(this=into, kind="TABLE", expression=exp.select("*").from_(registered), properties=properties)
        )


def _audit_block(db: Database, shadow: Database, plan: Plan, block: Block, worker: Worker) -> list[Difference]:
    known = f"_known_{block.name}"
    _copy(db, shadow, block.schema, block.table, known, temporary=True)
    rows = compute(block, plan.relations, functions=plan.functions)
    if block.folds:
        build_folds(shadow, plan, block, worker)
    if block.calls:
        fill_caches(shadow, plan, block, worker)
        refuse_consumed_errors(shadow, block, rows)
    if block.family == "constant":
        shadow.execute(exp.Create(this=table(block.schema, block.table), kind="TABLE", expression=rows))
        return []
    target = table(block.schema, block.table)
    shadow.execute(exp.Create(this=target, kind="TABLE", expression=with_known_ids(block, rows, known)))
    return _compare(shadow, plan, block, known)


def _compare(shadow: Database, plan: Plan, block: Block, known: str) -> list[Difference]:
    """Rows of the recomputation (``r``) against the store's (``k``), paired by id."""
    pairs = []
    for name in block.stored_columns:
        same = exp.NullSafeEQ(this=column(name, "r"), expression=column(name, "k"))
        if plan.types[block.name].get(name, "").upper() in ("DOUBLE", "FLOAT"):
            pairs.append(exp.paren(exp.or_(same, _close(name))))
        else:
            pairs.append(same)
    on = exp.EQ(this=column(RID, "r"), expression=column(RID, "k"))
    me = table(block.schema, block.table, "r")
    store_rows = exp.Table(this=quoted(known), alias=exp.TableAlias(this=quoted("k")))
    absent = exp.or_(
        exp.Is(this=column(RID, "r"), expression=exp.null()), exp.Is(this=column(RID, "k"), expression=exp.null())
    )
    differing = (
        exp.select(exp.alias_(column(RID, "k"), "stored"), exp.alias_(column(RID, "r"), "recomputed"))
        .from_(me).join(store_rows, on=on, join_type="full").where(exp.or_(absent, exp.not_(exp.and_(*pairs))))
    )  # fmt: skip
    rows = shadow.rows(differing)
    if not rows:
        return []
    return [
        Difference(artefact=f"view {block.name}", rows=len(rows), examples=tuple(_told(r) for r in rows[:_EXAMPLES]))
    ]


def _close(name: str) -> exp.Expression:
    a, b = column(name, "r"), column(name, "k")
    scale = exp.Greatest(this=exp.Literal.number(1), expressions=[exp.Abs(this=b.copy())])
    return exp.LTE(
        this=exp.Abs(this=exp.paren(exp.Sub(this=a, expression=b))),
        expression=exp.Mul(this=exp.Literal.number(str(TOLERANCE)), expression=scale),
    )


def _told(row: tuple) -> str:
    stored, recomputed = row
    if stored is None:
        return "a recomputed row is missing from the store"
    return f"row {stored} is not in a recompute" if recomputed is None else f"row {stored} has other values"


def _audit_split(db: Database, shadow: Database, plan: Plan, checked: list[str]) -> list[Difference]:
    block, pipeline = artefacts.feature_block(plan), plan.pipeline
    if pipeline.split.kind == "shuffle":
        _copy(db, shadow, INTERNAL_SCHEMA, "split", "split", temporary=False)
        checked.append("split (frozen membership: one entry per row)")
        same = exp.EQ(this=column(RID, "s"), expression=column(RID, "v"))
        rows = shadow.rows(
            exp.select(column(RID, "s"), column(RID, "v")).from_(table(INTERNAL_SCHEMA, "split", "s"))
            .join(table(block.schema, block.table, "v"), on=same, join_type="full")
            .where("s._rid IS NULL OR v._rid IS NULL")
        )  # fmt: skip
    else:
        label = pipeline.label.column if pipeline.label else None
        split.assign(shadow, pipeline.split, block.name, artefacts.order_of(block), label)
        _copy(db, shadow, INTERNAL_SCHEMA, "split", "_known_split", temporary=True)
        checked.append("split")
        rows = shadow.rows(
            "SELECT k._rid, s._rid FROM _lester.split AS s FULL JOIN _known_split AS k ON k._rid = s._rid "
            "WHERE s._rid IS NULL OR k._rid IS NULL OR s.part IS DISTINCT FROM k.part"
        )
    return (
        [Difference(artefact="split", rows=len(rows), examples=tuple(_told(r) for r in rows[:_EXAMPLES]))]
        if rows
        else []
    )


def _audit_matrix(db: Database, shadow: Database, plan: Plan, worker: Worker, checked: list[str]) -> list[Difference]:
    block, features = artefacts.feature_block(plan), plan.pipeline.features
    matrix.build(shadow, features, artefacts.data_types(plan, block), worker.call, artefacts.order_of(block))
    mine = [(c.name, c.inputs, c.term) for c in matrix.column_map(db, features)]
    again = [(c.name, c.inputs, c.term) for c in matrix.column_map(shadow, features)]
    checked.append(f"matrix ({len(again)} columns, within {TOLERANCE:g})")
    if mine != again:
        changed = [m[0] for m, a in zip_longest(mine, again, fillvalue=("nothing",)) if m != a]
        return [Difference(artefact="matrix columns", rows=len(changed), examples=tuple(map(str, changed[:_EXAMPLES])))]
    return _compare_matrices(db, shadow, plan)


def _compare_matrices(db: Database, shadow: Database, plan: Plan) -> list[Difference]:
    rows, examples = 0, []
    streams = (matrix.chunks(d, plan.pipeline.features, rows=4096) for d in (db.cursor(), shadow.cursor()))
    for stored, recomputed in zip_longest(*streams):
        if stored is None or recomputed is None or stored.shape != recomputed.shape:
            return [Difference(artefact="matrix", rows=-1, examples=("the numbers of rows differ",))]
        wrong = _unequal(stored, recomputed)
        rows += len({row for row, *_ in wrong})
        for _, place, own, other in wrong[: _EXAMPLES - len(examples)]:
            examples.append(f"column {place}: {own} stored, {other} recomputed")
    return [Difference(artefact="matrix", rows=rows, examples=tuple(examples))] if rows else []


def _unequal(stored: matrix.Matrix, recomputed: matrix.Matrix) -> list[tuple[int, int, float, float]]:
    """Row, column and both values of each cell that differs by more than the tolerance.

    >>> _unequal(np.array([[1.0, np.nan]]), np.array([[1.5, np.nan]]))
    [(0, 0, 1.0, 1.5)]
    """
    rows, columns = (stored != recomputed).nonzero()
    if not len(rows):
        return []
    picked = (m[rows, columns] for m in (stored, recomputed))
    own, other = (np.asarray(p.toarray() if sparse.issparse(p) else p, dtype=float).ravel() for p in picked)
    wrong = ~np.isclose(own, other, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
    cells = (rows[wrong], columns[wrong], own[wrong], other[wrong])
    return list(zip(*(c.tolist() for c in cells), strict=True))


def _audit_model(db: Database, plan: Plan, checked: list[str], unchecked: list[str]) -> list[Difference]:
    row = db.row("SELECT stale, matrix_sha256 FROM _lester.model")
    if row is None:
        return []
    stale, fitted_on = row
    if stale:
        unchecked.append("model: marked stale, to be fitted again")
        return []
    checked.append("model (fitted on exactly this matrix and label)")
    if artefacts.training_digest(db, plan) == fitted_on:
        return []
    return [Difference(artefact="model", rows=0, examples=("it was fitted on another matrix or label",))]
