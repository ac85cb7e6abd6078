"""Blocks and states after a change of the feature view, at the cost of the change.

Per featurizer whose inputs differ: delete the changed rows of its block, insert their new values,
and move the state by what left and what came. Rows that only changed their part move the state.
A change of more than a fifth of the rows rebuilds the featurizer instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from lester_duck.db import Database
from lester_duck.engine.matrix_blocks import Call, build_block, counted_texts
from lester_duck.engine.matrix_categories import CategoryBook
from lester_duck.engine.matrix_delta import Delta, Images, ViewChange, read_delta
from lester_duck.engine.matrix_state import (
    MOMENTS,
    build_state,
    read_moments,
    rows_as_floats,
    scan_moments,
    write_moments,
)
from lester_duck.engine.matrix_terms import TermBook, term_lists
from lester_duck.engine.split_maintain import enrol
from lester_duck.engine.template import block_table, rendered, state_table, view_table
from lester_duck.featurize.plan import Plan, plan_features
from lester_duck.featurize.summary import Moments
from lester_duck.pipeline.model import Features, Split

_REBUILD_SHARE = 0.2
_REBUILD_ROWS = 1000


@dataclass(frozen=True, kw_only=True)
class MatrixChange:
    """What an update did to the matrix.

    ``rows``: featurizer -> rows written or removed in its block; ``tables``: tables touched, without
    their schema; ``rescanned``: featurizers whose state needed a scan of their block; ``rebuilt``:
    featurizers built anew because most rows changed; ``renamed``: featurizers whose columns may have
    other names or another number now.
    """

    rows: Mapping[str, int] = field(default_factory=dict)
    tables: tuple[str, ...] = ()
    rescanned: tuple[str, ...] = ()
    rebuilt: tuple[str, ...] = ()
    renamed: tuple[str, ...] = ()


def maintain(
    db: Database,
    features: Features,
    columns: Mapping[str, str],
    change: ViewChange,
    call: Call,
    split: Split,
    split_changes: str | None = None,
) -> MatrixChange:
    """Bring every block and state up to the view, which has changed already; runs in the caller's transaction.

    ``split_changes`` names the result of ``maintain_split``, or None if nothing
    moved; a split of kind ``all`` follows here. Afterwards matrix and state equal a rebuild (sums
    within 1e-9).
    Raises InputError when a function raised or a text is missing.
    """
    plans = plan_features(features, columns)
    large = _is_large(db, features.view, change.rows)
    delta, values = read_delta(db, plans, change, split, split_changes, values=not large)
    enrolled = split.kind == "all" and enrol(db, delta.rids[delta.had & ~delta.has], delta.rids[delta.has & ~delta.had])
    touched = [i for i, plan in enumerate(plans) if (delta.changed(plan) | delta.moved(plan)).any()]
    large = large or _is_large(db, features.view, len(delta.rids))
    works = [_Work(i, plans[i], delta, values, call) for i in touched]
    rows = {w.plan.name: int(delta.changed(w.plan).sum()) for w in works}
    if large:
        for w in works:
            rebuild_one(db, w.plan, features.view, call)
    learning = tuple(w.plan.name for w in works if w.plan.keeps != "nothing")
    rescanned, renamed = ((), learning) if large else _follow(db, works)
    blocks = [f"block_{name}" for name, n in rows.items() if n]
    states = [f"state_{w.plan.name}" for w in works if w.plan.keeps not in ("nothing", "moments")]
    moments = [MOMENTS.partition(".")[2]] if any(w.plan.keeps == "moments" for w in works) else []
    states += ["split"] if enrolled else []
    return MatrixChange(
        rows={name: n for name, n in rows.items() if n}, tables=(*blocks, *states, *moments), rescanned=rescanned,
        rebuilt=tuple(rows) if large else (), renamed=renamed,
    )  # fmt: skip


def _follow(db: Database, works: Sequence[_Work]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Maintain featurizers by delta; returns those whose state needed a scan, and those with other columns."""
    moments, renamed = {}, []
    for work in works:
        if work.plan.keeps == "moments":
            moments[work] = _exchange(db, work)
            renamed += [work.plan.name] if work.plan.names_learned else []
        elif _MAINTAIN[work.plan.keeps](db, work):
            renamed.append(work.plan.name)
    return (_moments(db, moments) if moments else ()), tuple(renamed)


def rebuild_one(db: Database, plan: Plan, view: str, call: Call) -> None:
    """Build one featurizer anew: its state first where codes are looked up in it."""
    if plan.keeps == "categories":
        build_state(db, plan, view)
    build_block(db, plan, view, call)
    if plan.keeps not in ("categories", "terms"):  # terms are counted while their block is built
        build_state(db, plan, view)


def _is_large(db: Database, view: str, rows: int) -> bool:
    if rows <= _REBUILD_ROWS:
        return False
    return rows > _REBUILD_SHARE * db.value(rendered("SELECT count(*) FROM $view", view=view_table(view)))


@dataclass(frozen=True, eq=False)
class _Work:
    """One featurizer's share of a change."""

    index: int
    plan: Plan
    delta: Delta
    images: Images
    call: Call

    @property
    def out(self) -> np.ndarray:
        """Row ids whose stored values are no longer true."""
        return self.delta.rids[self.delta.changed(self.plan) & self.delta.had]

    @property
    def into(self) -> np.ndarray:
        """Row ids whose values must be stored."""
        return self.delta.rids[self.delta.changed(self.plan) & self.delta.has]

    @property
    def moved(self) -> np.ndarray:
        """Row ids whose stored values stay while they enter or leave the fit rows."""
        return self.delta.rids[self.delta.moved(self.plan)]

    def fits(self, rids: np.ndarray, *, after: bool) -> np.ndarray:
        """Whether each of the rows was, or is, a fit row."""
        members = self.delta.entered(self.plan) if after else self.delta.left(self.plan)
        return np.isin(rids, self.delta.rids[members])


def _read(db: Database, plan: Plan, rids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ids and stored values (rows x width, float) of block rows."""
    if not len(rids):
        return rids, np.zeros((0, plan.width))
    wanted = "SELECT _rid, value FROM $block WHERE _rid IN (SELECT _rid FROM _ids)"
    query = rendered(wanted, block=block_table(plan.name))
    with db.registered("_ids", pa.table({"_rid": rids})):
        table = db.arrow(query)
    return table.column(0).to_numpy(), rows_as_floats(table.column(1), plan.width).astype(float)


def _write(db: Database, work: _Work, rids: np.ndarray, values: pa.Array) -> None:
    """Replace the changed rows of a block by those given."""
    gone = work.out[~np.isin(work.out, rids)]
    table = pa.table(
        {
            "_rid": np.concatenate([rids, gone]),
            "value": pa.concat_arrays([values, pa.nulls(len(gone), values.type)]),
            "stays": np.arange(len(rids) + len(gone)) < len(rids),
        }
    )
    block = block_table(work.plan.name)
    with db.registered("_values", table):
        if len(work.out):
            db.execute(rendered("DELETE FROM $block WHERE _rid IN (SELECT _rid FROM _values)", block=block))
        if len(rids):
            db.execute(rendered("INSERT INTO $block SELECT _rid, value FROM _values WHERE stays", block=block))


def _exchange(db: Database, work: _Work) -> tuple[np.ndarray, np.ndarray]:
    """Replace changed rows of a block of numbers or vectors.

    Returns the values that left the fit rows and those that entered them, each rows x width.
    """
    plan, keeps = work.plan, work.plan.keeps != "nothing"
    gone = _before(db, work) if keeps else None
    if plan.storage == "numbers":
        rids, values = work.images.numbers(work.index, after=True, wanted=work.into)
    else:
        rids, values = work.images.computed(work.index, plan, work.into, work.call)
    _write(db, work, rids, values)
    if gone is None:
        return np.zeros((0, plan.width)), np.zeros((0, plan.width))
    came = (rids, rows_as_floats(values, plan.width).astype(float))
    stay = _read(db, plan, work.moved)
    left = [rows[work.fits(ids, after=False)] for ids, rows in (gone, stay)]
    entered = [rows[work.fits(ids, after=True)] for ids, rows in (came, stay)]
    return np.concatenate(left), np.concatenate(entered)


def _before(db: Database, work: _Work) -> tuple[np.ndarray, np.ndarray]:
    if work.plan.storage != "numbers":
        return _read(db, work.plan, work.out)
    rids, values = work.images.numbers(work.index, after=False, wanted=work.out)
    return rids, rows_as_floats(values, work.plan.width)


# States: one rule for each content. A rule returns whether names or number of columns may have changed.


def _without_state(db: Database, work: _Work) -> bool:
    _exchange(db, work)
    return False


def _moments(db: Database, moved: Mapping[_Work, tuple[np.ndarray, np.ndarray]]) -> tuple[str, ...]:
    """Move the moments of featurizers by the rows that left and entered; returns those scanned anew."""
    before = read_moments(db, [w.plan.name for w in moved])
    after, rescanned = {}, []
    for work, (left, entered) in moved.items():
        own = before[work.plan.name]
        # What entered comes first, so that a value put back at an extreme needs no scan.
        now = own.plus(Moments.of(entered, own.center)).minus(Moments.of(left, own.center))
        if now.unsettled(own):
            now = scan_moments(db, work.plan)
            rescanned.append(work.plan.name)
        after[work.plan.name] = now
    write_moments(db, after)
    return tuple(rescanned)


def _values(db: Database, work: _Work) -> bool:
    left, entered = _exchange(db, work)
    change = _counted(left, -1)
    for key, n in _counted(entered, 1).items():
        change[key] = change.get(key, 0) + n
    change = {key: n for key, n in change.items() if n}
    if not change:
        return False
    state = state_table(work.plan.name)
    with db.registered("_change", _value_rows(change)):
        held = db.rows(
            rendered(
                "DELETE FROM $state AS t USING _change AS c WHERE t.slot = c.slot "
                "AND t.value IS NOT DISTINCT FROM c.value RETURNING t.slot, t.value, t.n",
                state=state,
            )
        )
    for slot, value, n in held:
        change[slot, value] = change.get((slot, value), 0) + n
    with db.registered("_change", _value_rows({key: n for key, n in change.items() if n})):
        db.execute(rendered("INSERT INTO $state SELECT slot, value, n FROM _change", state=state))
    return work.plan.names_learned


def _counted(rows: np.ndarray, sign: int) -> dict[tuple[int, float | None], int]:
    """How often each (slot, value) occurs, times ``sign``; value None is missing."""
    counts: dict[tuple[int, float | None], int] = {}
    for j in range(rows.shape[1]):
        distinct, n = np.unique(rows[:, j], return_counts=True)
        for value, count in zip(distinct.tolist(), n.tolist(), strict=True):
            key = (j, None if np.isnan(value) else value)
            counts[key] = counts.get(key, 0) + sign * count
    return counts


def _value_rows(change: Mapping[tuple[int, float | None], int]) -> pa.Table:
    return pa.table(
        {
            "slot": pa.array([slot for slot, _ in change], pa.int32()),
            "value": pa.array([value for _, value in change], pa.float64()),
            "n": pa.array(list(change.values()), pa.int64()),
        }
    )


def _categories(db: Database, work: _Work) -> bool:
    plan = work.plan
    out_ids, out_texts = work.images.numbers(work.index, after=False, wanted=work.out)
    in_ids, in_texts = work.images.numbers(work.index, after=True, wanted=work.into)
    gone, came = out_texts.to_pylist(), in_texts.to_pylist()
    moved_ids, moved = _read(db, plan, work.moved)
    codes = moved.astype(np.int64)
    book = CategoryBook(db, plan)
    book.open([*gone, *came], np.unique(codes).tolist())
    book.leave(gone, work.fits(out_ids, after=False))
    book.move(codes, work.fits(moved_ids, after=False), work.fits(moved_ids, after=True))
    new_codes = book.enter(came, work.fits(in_ids, after=True))
    renamed = book.close()
    _write(db, work, in_ids, pa.FixedSizeListArray.from_arrays(pa.array(new_codes.ravel(), pa.int32()), plan.width))
    return renamed or plan.by_appearance or bool(plan.fills) or plan.names_learned


def _terms(db: Database, work: _Work) -> bool:
    plan = work.plan
    held_ids, held = _read_lists(db, plan, np.concatenate([work.out, work.moved]))
    in_ids, texts = work.images.texts(work.index, work.into)
    came = counted_texts(plan, texts)
    book = TermBook(db, plan)
    book.open([i for row in held for i in row], [term for row in came for term in row])
    left, stays = work.fits(held_ids, after=False), np.isin(held_ids, work.moved)
    entered = work.fits(held_ids, after=True) & stays
    for row, was, now, stay in zip(held, left.tolist(), entered.tolist(), stays.tolist(), strict=True):
        book.add(row, fits=now - was, rows=0 if stay else -1)
    numbered = [book.number(text) for text in came]
    for row, fit_row in zip(numbered, work.fits(in_ids, after=True).tolist(), strict=True):
        book.add(row, fits=int(fit_row), rows=1)
    book.close()
    _write(db, work, in_ids, term_lists(numbered))
    return True


def _read_lists(db: Database, plan: Plan, rids: np.ndarray) -> tuple[np.ndarray, list[dict[int, int]]]:
    """Ids and stored terms (id -> count) of block rows."""
    wanted = "SELECT _rid, value FROM $block WHERE _rid IN (SELECT _rid FROM _ids)"
    query = rendered(wanted, block=block_table(plan.name))
    with db.registered("_ids", pa.table({"_rid": rids})):
        table = db.arrow(query)
    values = [dict(zip(v["indices"], map(int, v["counts"]), strict=True)) for v in table.column(1).to_pylist()]
    return table.column(0).to_numpy(), values


_MAINTAIN = {"nothing": _without_state, "values": _values, "categories": _categories, "terms": _terms}
