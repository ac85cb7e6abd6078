"""Blocks and states after a change of the feature view, at the cost of the change.

Per featurizer whose inputs differ: delete the changed rows of its block, insert their new values,
and move the state by what left and what came. Rows that only changed their part move the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from sqlglot import exp

from lester_duck.db import Database
from lester_duck.engine.matrix_blocks import Call, insert_computed, number_value
from lester_duck.engine.matrix_state import (
    category_texts,
    read_moments,
    rows_as_floats,
    scan_moments,
    write_moments,
)
from lester_duck.engine.template import block_table, column, state_table, statement
from lester_duck.featurize.plan import Plan, plan_features
from lester_duck.featurize.summary import Moments
from lester_duck.pipeline.model import Features


@dataclass(frozen=True, kw_only=True)
class MatrixChange:
    """What an update did to the matrix.

    ``rows``: featurizer -> rows written or removed in its block; ``tables``: tables touched;
    ``rescanned``: featurizers whose state needed one scan of their block.
    """

    rows: dict[str, int] = field(default_factory=dict)
    tables: tuple[str, ...] = ()
    rescanned: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Delta:
    """Changed rows: ids, whether they are now in the view, where inputs differ, fit membership."""

    rids: np.ndarray
    has: np.ndarray
    differs: dict[str, np.ndarray]
    was_train: np.ndarray
    is_train: np.ndarray


def maintain(
    db: Database,
    features: Features,
    columns: Mapping[str, str],
    old: str,
    new: str,
    call: Call,
    split_changes: str | None = None,
) -> MatrixChange:
    """Bring every block and state up to the view, which has changed already; runs in the caller's transaction.

    ``old`` and ``new`` name temporary tables with the view's columns, images before and after,
    paired by ``_rid``. ``split_changes`` names the result of ``maintain_split``, or None if the
    split has not changed. Afterwards matrix and state equal a rebuild (sums within 1e-9).
    """
    plans = plan_features(features, columns)
    delta = _delta(db, plans, old, new, split_changes)
    rows: dict[str, int] = {}
    tables: list[str] = []
    rescanned: list[str] = []
    for plan in plans:
        changed = _changed(plan, delta)
        moved = _moved(plan, delta) & ~changed
        if changed.any():
            rows[plan.name] = int(changed.sum())
            tables.append(f"block_{plan.name}")
        if not changed.any() and not moved.any():
            continue
        if _MAINTAIN[plan.keeps](db, plan, _Work(delta, changed, moved, new, call)):
            rescanned.append(plan.name)
        if plan.keeps != "nothing":
            tables.append(f"state_{plan.name}")
    return MatrixChange(rows=rows, tables=tuple(tables), rescanned=tuple(rescanned))


@dataclass(frozen=True, eq=False)
class _Work:
    """The change as one featurizer sees it; masks over ``delta.rids``."""

    delta: Delta
    changed: np.ndarray
    moved: np.ndarray
    new: str
    call: Call

    def fit_before(self, plan: Plan) -> np.ndarray:
        """Row ids that counted for the state before."""
        touched = self.changed | self.moved
        return self.delta.rids[touched & self.delta.was_train if plan.featurizer.fit == "train" else touched]

    def fit_after(self, plan: Plan) -> np.ndarray:
        """Row ids that count for the state now."""
        touched = (self.changed | self.moved) & self.delta.has
        return self.delta.rids[touched & self.delta.is_train if plan.featurizer.fit == "train" else touched]


def _delta(db: Database, plans: tuple[Plan, ...], old: str, new: str, split_changes: str | None) -> Delta:
    inputs = sorted({c.name for plan in plans for c in plan.columns})
    query = statement(
        "SELECT coalesce(o._rid, n._rid) AS _rid, n._rid IS NOT NULL AS has, "
        "(o._rid IS NULL) <> (n._rid IS NULL) AS whole FROM $old AS o FULL JOIN $new AS n ON o._rid = n._rid",
        old=_temp(old), new=_temp(new),
    )  # fmt: skip
    for i, name in enumerate(inputs):
        query = query.select(exp.alias_(exp.NullSafeNEQ(this=column(name, "o"), expression=column(name, "n")), f"d{i}"))
    images = db.arrow(query)
    rids = images.column("_rid").to_numpy()
    has, whole = (_flags(images.column(i)) for i in (1, 2))
    differs = {name: _flags(images.column(f"d{i}")) | whole for i, name in enumerate(inputs)}
    if split_changes is not None:
        others = db.arrow(
            statement(
                "SELECT c._rid, c.new_part IS NOT NULL AS has FROM $c AS c "
                "WHERE c._rid NOT IN (SELECT _rid FROM $old UNION ALL SELECT _rid FROM $new)",
                c=_temp(split_changes), old=_temp(old), new=_temp(new),
            )
        )  # fmt: skip
        extra = others.num_rows
        rids = np.concatenate([rids, others.column(0).to_numpy()])
        has = np.concatenate([has, np.ones(extra, dtype=bool)])
        differs = {name: np.concatenate([d, np.zeros(extra, dtype=bool)]) for name, d in differs.items()}
    return Delta(rids, has, differs, *_membership(db, rids, split_changes))


def _membership(db: Database, rids: np.ndarray, split_changes: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Whether each row was, and is, in the train part."""
    changes = "LEFT JOIN $c AS c ON r._rid = c._rid" if split_changes else ""
    was = "CASE WHEN c._rid IS NOT NULL THEN c.old_part ELSE s.part END" if split_changes else "s.part"
    with db.registered("_delta_rows", pa.table({"_rid": rids, "place": np.arange(len(rids))})):
        table = db.arrow(
            statement(
                f"SELECT r.place, coalesce({was} = 'train', false) AS was, coalesce(s.part = 'train', false) AS now "
                f"FROM _delta_rows AS r LEFT JOIN _lester.split AS s ON r._rid = s._rid {changes} ORDER BY r.place",
                **({"c": _temp(split_changes)} if split_changes else {}),
            )
        )  # fmt: skip
    return _flags(table.column(1)), _flags(table.column(2))


def _changed(plan: Plan, delta: Delta) -> np.ndarray:
    return np.logical_or.reduce([delta.differs[c.name] for c in plan.columns])


def _moved(plan: Plan, delta: Delta) -> np.ndarray:
    if plan.featurizer.fit != "train" or plan.keeps == "nothing":
        return np.zeros(len(delta.rids), dtype=bool)
    return delta.was_train != delta.is_train


def _flags(values: pa.ChunkedArray) -> np.ndarray:
    return values.to_numpy(zero_copy_only=False).astype(bool)


def _temp(name: str) -> str:
    return name.removeprefix("temp.")


# Blocks: rows out, rows in.


def _take(db: Database, plan: Plan, rids: np.ndarray, *, delete: bool) -> tuple[np.ndarray, pa.ChunkedArray]:
    """Ids and stored values of block rows, which are deleted or only read."""
    if not len(rids):
        return rids, pa.chunked_array([pa.array([], pa.null())])
    text = (
        "DELETE FROM $block WHERE _rid IN (SELECT _rid FROM _ids) RETURNING _rid, value"
        if delete
        else "SELECT _rid, value FROM $block WHERE _rid IN (SELECT _rid FROM _ids)"
    )
    with db.registered("_ids", pa.table({"_rid": rids})):
        table = db.arrow(statement(text, block=block_table(plan.name)))
    return table.column(0).to_numpy(), table.column(1)


def _insert(db: Database, plan: Plan, work: _Work, rids: np.ndarray) -> tuple[np.ndarray, pa.ChunkedArray]:
    """Insert the new values of changed rows; returns their ids and stored values."""
    if not len(rids):
        return rids, pa.chunked_array([pa.array([], pa.null())])
    with db.registered("_ids", pa.table({"_rid": rids})):
        if plan.storage == "numbers":
            table = db.arrow(
                statement(
                    "INSERT INTO $block SELECT _rid, $value FROM $new WHERE _rid IN (SELECT _rid FROM _ids) "
                    "RETURNING _rid, value",
                    block=block_table(plan.name), value=number_value(plan), new=_temp(work.new),
                )
            )  # fmt: skip
            return table.column(0).to_numpy(), table.column(1)
        rows = statement("(SELECT * FROM $new WHERE _rid IN (SELECT _rid FROM _ids))", new=_temp(work.new))
        insert_computed(db, plan, rows, work.call)
    return _take(db, plan, rids, delete=False) if plan.keeps != "nothing" else (rids, pa.chunked_array([pa.array([])]))


def _exchange(db: Database, plan: Plan, work: _Work) -> tuple[np.ndarray, np.ndarray]:
    """Replace changed block rows; returns the stored values that left and that came to the fit rows."""
    delta = work.delta
    gone = _take(db, plan, delta.rids[work.changed], delete=True)
    came = _insert(db, plan, work, delta.rids[work.changed & delta.has])
    if plan.keeps == "nothing":
        return np.zeros((0, plan.width)), np.zeros((0, plan.width))
    stay = _take(db, plan, delta.rids[work.moved], delete=False)
    before, after = work.fit_before(plan), work.fit_after(plan)
    left = np.concatenate([_chosen(plan, *gone, before), _chosen(plan, *stay, before)])
    entered = np.concatenate([_chosen(plan, *came, after), _chosen(plan, *stay, after)])
    return left, entered


def _chosen(plan: Plan, rids: np.ndarray, values: pa.ChunkedArray, wanted: np.ndarray) -> np.ndarray:
    if not len(rids):
        return np.zeros((0, plan.width))
    return rows_as_floats(values, plan.width)[np.isin(rids, wanted)].astype(float)


# States: one rule for each content. A rule returns whether it needed a scan.


def _without_state(db: Database, plan: Plan, work: _Work) -> bool:
    _exchange(db, plan, work)
    return False


def _moments(db: Database, plan: Plan, work: _Work) -> bool:
    left, entered = _exchange(db, plan, work)
    before = read_moments(db, plan)
    # Extremes: what came first, so that a row put back at an extreme needs no scan.
    after = before.plus(Moments.of(entered, before.center)).minus(Moments.of(left, before.center))
    rescan = after.unsettled(before)
    write_moments(db, plan, scan_moments(db, plan) if rescan else after)
    return rescan


def _values(db: Database, plan: Plan, work: _Work) -> bool:
    left, entered = _exchange(db, plan, work)
    change = _counted(left, -1)
    for key, n in _counted(entered, 1).items():
        change[key] = change.get(key, 0) + n
    change = {key: n for key, n in change.items() if n}
    if not change:
        return False
    with db.registered("_change", _value_rows(change)):
        held = db.rows(
            statement(
                "DELETE FROM $state AS t USING _change AS c WHERE t.slot = c.slot AND t.value IS NOT DISTINCT FROM c.value "
                "RETURNING t.slot, t.value, t.n",
                state=state_table(plan.name),
            )
        )  # fmt: skip
    for slot, value, n in held:
        change[slot, value] = change.get((slot, value), 0) + n
    with db.registered("_change", _value_rows({key: n for key, n in change.items() if n})):
        db.execute(statement("INSERT INTO $state SELECT slot, value, n FROM _change", state=state_table(plan.name)))
    return False


def _counted(rows: np.ndarray, sign: int) -> dict[tuple[int, float | None], int]:
    counts: dict[tuple[int, float | None], int] = {}
    for j in range(rows.shape[1]):
        distinct, n = np.unique(rows[:, j], return_counts=True)
        for value, count in zip(distinct.tolist(), n.tolist(), strict=True):
            key = (j, None if value != value else value)
            counts[key] = counts.get(key, 0) + sign * count
    return counts


def _value_rows(change: dict[tuple[int, float | None], int]) -> pa.Table:
    return pa.table(
        {
            "slot": pa.array([slot for slot, _ in change], pa.int32()),
            "value": pa.array([value for _, value in change], pa.float64()),
            "n": pa.array(list(change.values()), pa.int64()),
        }
    )


def _categories(db: Database, plan: Plan, work: _Work) -> bool:
    delta = work.delta
    gone_ids, gone = _take(db, plan, delta.rids[work.changed], delete=True)
    stay_ids, stay = _take(db, plan, delta.rids[work.moved], delete=False)
    came_ids, came = _new_texts(db, plan, work, delta.rids[work.changed & delta.has])
    before, after = work.fit_before(plan), work.fit_after(plan)
    book = _CategoryBook(db, plan)
    book.open(np.concatenate([_codes(plan, gone), _codes(plan, stay)]), came)
    book.count(_codes(plan, gone), np.isin(gone_ids, before), -1, -1)
    book.count(_codes(plan, stay), np.isin(stay_ids, before), -1, 0)
    book.count(_codes(plan, stay), np.isin(stay_ids, after), 1, 0)
    codes = book.enter(came, np.isin(came_ids, after))
    book.close()
    if len(came_ids):
        value = pa.FixedSizeListArray.from_arrays(pa.array(codes.ravel(), pa.int32()), plan.width)
        with db.registered("_coded", pa.table({"_rid": came_ids, "value": value})):
            db.execute(statement("INSERT INTO $block SELECT _rid, value FROM _coded", block=block_table(plan.name)))
    return False


def _codes(plan: Plan, values: pa.ChunkedArray) -> np.ndarray:
    if not len(values):
        return np.zeros((0, plan.width), dtype=np.int64)
    return rows_as_floats(values, plan.width).astype(np.int64)


def _new_texts(db: Database, plan: Plan, work: _Work, rids: np.ndarray) -> tuple[np.ndarray, list[list[str | None]]]:
    if not len(rids):
        return rids, []
    with db.registered("_ids", pa.table({"_rid": rids})):
        rows = db.rows(
            statement(
                "SELECT _rid, $texts FROM $new WHERE _rid IN (SELECT _rid FROM _ids)",
                texts=category_texts(plan), new=_temp(work.new),
            )
        )  # fmt: skip
    return np.array([row[0] for row in rows], dtype=np.int64), [row[1] for row in rows]


class _CategoryBook:
    """The categories a change touches: taken out of the state table, counted, put back.

    Rows of the table: slot, id, category, n (fit rows), total (all rows).
    """

    def __init__(self, db: Database, plan: Plan) -> None:
        self.db = db
        self.plan = plan
        self.table = state_table(plan.name)
        self.by_id: dict[int, list] = {}
        self.by_text: dict[tuple[int, str | None], list] = {}
        self.next_id = 0

    def open(self, codes: np.ndarray, texts: list[list[str | None]]) -> None:
        """Take out of the table every category that has one of the ids or texts."""
        self.next_id = self.db.value(statement("SELECT coalesce(max(id), -1) + 1 FROM $state", state=self.table))
        ids = np.unique(codes)
        wanted = {(j, text) for row in texts for j, text in enumerate(row)}
        keys = pa.table(
            {
                "id": pa.array(ids.tolist() + [None] * len(wanted), pa.int32()),
                "slot": pa.array([None] * len(ids) + [slot for slot, _ in wanted], pa.int32()),
                "category": pa.array([None] * len(ids) + [text for _, text in wanted], pa.string()),
            }
        )
        with self.db.registered("_keys", keys):
            rows = self.db.rows(
                statement(
                    "DELETE FROM $state WHERE id IN (SELECT id FROM _keys WHERE id IS NOT NULL UNION ALL "
                    "SELECT t.id FROM $state AS t JOIN _keys AS k ON t.slot = k.slot "
                    "AND t.category IS NOT DISTINCT FROM k.category) RETURNING slot, id, category, n, total",
                    state=self.table,
                )
            )  # fmt: skip
        for row in rows:
            self._know(list(row))

    def _know(self, row: list) -> list:
        self.by_id[row[1]] = self.by_text[row[0], row[2]] = row
        return row

    def count(self, codes: np.ndarray, fits: np.ndarray, n: int, total: int) -> None:
        """Add ``n`` for rows that are fit rows and ``total`` for all of them."""
        for row, fit_row in zip(codes.tolist(), fits.tolist(), strict=True):
            for id_ in row:
                self.by_id[id_][3] += n if fit_row else 0
                self.by_id[id_][4] += total

    def enter(self, texts: list[list[str | None]], fits: np.ndarray) -> np.ndarray:
        """Count new rows, giving unseen categories an id; returns their codes (rows x k)."""
        codes = np.zeros((len(texts), self.plan.width), dtype=np.int32)
        for i, row in enumerate(texts):
            for j, text in enumerate(row):
                held = self.by_text.get((j, text))
                if held is None:
                    held = self._know([j, self.next_id, text, 0, 0])
                    self.next_id += 1
                held[3] += bool(fits[i])
                held[4] += 1
                codes[i, j] = held[1]
        return codes

    def close(self) -> None:
        """Put back the categories that still have rows."""
        rows = [row for row in self.by_id.values() if row[4] > 0]
        if not rows:
            return
        types = (pa.int32(), pa.int32(), pa.string(), pa.int64(), pa.int64())
        names = ("slot", "id", "category", "n", "total")
        table = pa.table({n: pa.array([r[i] for r in rows], t) for i, (n, t) in enumerate(zip(names, types, strict=True))})
        with self.db.registered("_kept", table):
            self.db.execute(statement("INSERT INTO $state SELECT * FROM _kept", state=self.table))


_MAINTAIN = {"nothing": _without_state, "moments": _moments, "values": _values, "categories": _categories}
