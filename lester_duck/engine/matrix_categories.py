"""The state of coded featurizers after a change: categories counted, new ones given an id."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from lester_duck.db import Database
from lester_duck.engine.template import rendered, state_table
from lester_duck.featurize.plan import Plan

Texts = Sequence[Sequence[str | None]]
"""One row per element, one category text per column."""

_TYPES = {"slot": pa.int32(), "id": pa.int32(), "category": pa.string(), "n": pa.int64(), "total": pa.int64()}


class CategoryBook:
    """The categories a change touches: taken out of the state table, counted, put back.

    An id stays with its category as long as any row, of any part, has it.
    """

    def __init__(self, db: Database, plan: Plan) -> None:
        self.db = db
        self.plan = plan
        self.table = state_table(plan.name)
        self._by_text: dict[tuple[int, str | None], list] = {}
        self._by_id: dict[int, list] = {}
        self._next_id: int | None = None
        self._fitted: dict[int, bool] = {}

    def open(self, texts: Texts, ids: Sequence[int]) -> None:
        """Take out of the table every category that has one of the texts, or one of the ids."""
        wanted = sorted({(j, text) for row in texts for j, text in enumerate(row)}, key=repr)
        held = sorted(set(ids))
        keys = pa.table(
            {
                "id": pa.array(held + [None] * len(wanted), pa.int32()),
                "slot": pa.array([None] * len(held) + [slot for slot, _ in wanted], pa.int32()),
                "category": pa.array([None] * len(held) + [text for _, text in wanted], pa.string()),
            }
        )
        with self.db.registered("_keys", keys):
            rows = self.db.rows(
                rendered(
                    "DELETE FROM $state AS t WHERE t.id IN (SELECT id FROM _keys) "
                    "OR (t.slot, t.category IS NULL, coalesce(t.category, '')) "
                    "IN (SELECT (slot, category IS NULL, coalesce(category, '')) FROM _keys) "
                    "RETURNING t.slot, t.id, t.category, t.n, t.total",
                    state=self.table,
                )
            )
        for row in rows:
            self._know(list(row))
            self._fitted[row[1]] = row[3] > 0

    def _know(self, row: list) -> list:
        self._by_text[row[0], row[2]] = self._by_id[row[1]] = row
        return row

    def _new_id(self) -> int:
        """An id above all that are in use."""
        if self._next_id is None:
            last = self.db.value(rendered("SELECT coalesce(max(id), -1) FROM $state", state=self.table))
            self._next_id = max(last, *self._by_id, -1) + 1
        self._next_id += 1
        return self._next_id - 1

    def leave(self, texts: Texts, fits: np.ndarray) -> None:
        """Rows that left the view, or had other values before; ``fits``: whether they were fit rows."""
        for row, fit_row in zip(texts, fits.tolist(), strict=True):
            for j, text in enumerate(row):
                held = self._by_text[j, text]
                held[3] -= fit_row
                held[4] -= 1

    def move(self, codes: np.ndarray, was: np.ndarray, now: np.ndarray) -> None:
        """Rows that only entered or left the fit rows."""
        for row, before, after in zip(codes.tolist(), was.tolist(), now.tolist(), strict=True):
            for id_ in row:
                self._by_id[id_][3] += int(after) - int(before)

    def enter(self, texts: Texts, fits: np.ndarray) -> np.ndarray:
        """Rows that are new, or have new values; returns their codes, rows x k, int32."""
        codes = np.zeros((len(texts), self.plan.width), dtype=np.int32)
        for i, (row, fit_row) in enumerate(zip(texts, fits.tolist(), strict=True)):
            for j, text in enumerate(row):
                held = self._by_text.get((j, text))
                if held is None:
                    held = self._know([j, self._new_id(), text, 0, 0])
                held[3] += fit_row
                held[4] += 1
                codes[i, j] = held[1]
        return codes

    def close(self) -> bool:
        """Put back the categories that still have rows; returns whether one got its first fit row or lost its last."""
        self._close()
        return any((row[3] > 0) != self._fitted.get(row[1], False) for row in self._by_id.values())

    def _close(self) -> None:
        rows = [row for row in self._by_id.values() if row[4] > 0]
        if not rows:
            return
        columns = {name: pa.array([r[i] for r in rows], type_) for i, (name, type_) in enumerate(_TYPES.items())}
        with self.db.registered("_kept", pa.table(columns)):
            self.db.execute(rendered("INSERT INTO $state SELECT * FROM _kept", state=self.table))
