"""Terms of a text column: block and state built, moved by a change, read back.

``_lester.state_<featurizer>(id, term, n, occurrences, total)``: ``n`` fit rows hold the term,
``occurrences`` times, ``total`` rows of any part do. The row without a term (id -1) counts the
rows themselves. An id stays with its term as long as any row holds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
from sqlglot import exp

from lester_duck.db import Database
from lester_duck.engine.template import block_table, rendered, state_table, statement
from lester_duck.featurize.plan import Plan
from lester_duck.featurize.terms import TermState

ROWS_ID = -1
"""The id of the row that counts rows."""

Counts = dict[str, int]

_TYPES = {
    "id": pa.int32(), "term": pa.string(), "n": pa.int64(), "occurrences": pa.int64(), "total": pa.int64(),
}  # fmt: skip


class Vocabulary:
    """Ids given to terms in the order in which they are met."""

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}

    def lists(self, texts: Iterable[Counts]) -> pa.Array:
        """The stored value of each text: its term ids and their counts."""
        return term_lists([{self.ids.setdefault(t, len(self.ids)): n for t, n in text.items()} for text in texts])


def term_lists(texts: Sequence[dict[int, int]]) -> pa.Array:
    """Texts as STRUCT(indices INTEGER[], counts DOUBLE[]), ids in ascending order.

    >>> term_lists([{4: 1, 2: 3}]).to_pylist()
    [{'indices': [2, 4], 'counts': [3.0, 1.0]}]
    """
    offsets = pa.array(np.concatenate([[0], np.cumsum([len(t) for t in texts])]), pa.int32())
    pairs = [pair for text in texts for pair in sorted(text.items())]
    indices = pa.ListArray.from_arrays(offsets, pa.array([i for i, _ in pairs], pa.int32()))
    counts = pa.ListArray.from_arrays(offsets, pa.array([n for _, n in pairs], pa.float64()))
    return pa.StructArray.from_arrays([indices, counts], ["indices", "counts"])


def build_terms(db: Database, plan: Plan, vocabulary: Vocabulary) -> None:
    """Create the state from the block, which holds every row."""
    fit_row = "part = 'train'" if plan.featurizer.fit == "train" else "true"
    terms = pa.table({"id": pa.array(vocabulary.ids.values(), pa.int32()), "term": list(vocabulary.ids)})
    terms = terms.cast(pa.schema([("id", pa.int32()), ("term", pa.string())]))
    with db.registered("_terms", terms):
        db.execute(
            statement(
                "CREATE OR REPLACE TABLE $state AS WITH held AS ("
                "SELECT b._rid, b.value, coalesce($fit_row, false) AS fits "
                "FROM $block AS b LEFT JOIN _lester.split AS s ON b._rid = s._rid), "
                "counted AS (SELECT id, count(*) FILTER (WHERE fits) AS n, "
                "coalesce(sum(times) FILTER (WHERE fits), 0) AS occurrences, count(*) AS total FROM "
                "(SELECT unnest(value.indices) AS id, unnest(value.counts) AS times, fits FROM held) GROUP BY id) "
                "SELECT c.id::INTEGER AS id, t.term, c.n, c.occurrences::BIGINT AS occurrences, c.total "
                "FROM counted AS c JOIN _terms AS t ON c.id = t.id UNION ALL "
                "SELECT $rows_id::INTEGER, NULL, count(*) FILTER (WHERE fits), 0, count(*) FROM held",
                state=state_table(plan.name), block=block_table(plan.name), fit_row=exp.maybe_parse(fit_row),
                rows_id=exp.Literal.number(ROWS_ID),
            )
        )  # fmt: skip


def read_terms(db: Database, plan: Plan) -> TermState:
    """The terms kept for a featurizer."""
    query = "SELECT id, term, n, occurrences FROM $state ORDER BY id"
    table = db.arrow(rendered(query, state=state_table(plan.name)))
    ids, n, occurrences = (table.column(i).to_numpy().astype(np.int64) for i in (0, 2, 3))
    terms = ids != ROWS_ID
    texts = tuple(t for t in table.column(1).to_pylist() if t is not None)
    return TermState(ids[terms], texts, n[terms], occurrences[terms], int(n[~terms].sum()))


class TermBook:
    """The terms a change touches: taken out of the state table, counted, put back."""

    def __init__(self, db: Database, plan: Plan) -> None:
        self.db = db
        self.plan = plan
        self.table = state_table(plan.name)
        self._by_id: dict[int, list] = {}
        self._by_term: dict[str | None, list] = {}
        self._next_id: int | None = None

    def open(self, ids: Iterable[int], terms: Iterable[str]) -> None:
        """Take out of the table the terms of these ids, these terms, and the count of rows."""
        held, wanted = sorted({*ids, ROWS_ID}), sorted(set(terms))
        keys = {
            "id": pa.array(held + [None] * len(wanted), pa.int32()),
            "term": pa.array([None] * len(held) + wanted, pa.string()),
        }
        with self.db.registered("_keys", pa.table(keys)):
            rows = self.db.rows(
                rendered(
                    "DELETE FROM $state AS t WHERE t.id IN (SELECT k.id FROM _keys AS k) "
                    "OR t.term IN (SELECT k.term FROM _keys AS k) RETURNING t.id, t.term, t.n, t.occurrences, t.total",
                    state=self.table,
                )
            )
        for row in rows:
            self._know(list(row))

    def _know(self, row: list) -> list:
        self._by_id[row[0]] = self._by_term[row[1]] = row
        return row

    def _new_id(self) -> int:
        """An id above all that are in use."""
        if self._next_id is None:
            last = self.db.value(rendered("SELECT coalesce(max(id), -1) FROM $state", state=self.table))
            self._next_id = max(last, *self._by_id, -1) + 1
        self._next_id += 1
        return self._next_id - 1

    def add(self, row: dict[int, int], *, fits: int, rows: int) -> None:
        """A row's terms (id -> count) join or leave: ``fits`` fit rows, ``rows`` rows, each +1, 0 or -1."""
        for id_, count in [(ROWS_ID, 0), *row.items()]:
            held = self._by_id[id_]
            held[2] += fits
            held[3] += fits * count
            held[4] += rows

    def number(self, text: Counts) -> dict[int, int]:
        """A text's terms under their ids; new terms get new ones."""
        found = {}
        for term, count in text.items():
            held = self._by_term.get(term)
            if held is None:
                held = self._know([self._new_id(), term, 0, 0, 0])
            found[held[0]] = count
        return found

    def close(self) -> None:
        """Put back the terms that still have rows, and the count of rows."""
        rows = [row for row in self._by_id.values() if row[4] > 0 or row[0] == ROWS_ID]
        columns = {name: pa.array([r[i] for r in rows], type_) for i, (name, type_) in enumerate(_TYPES.items())}
        with self.db.registered("_kept", pa.table(columns)):
            self.db.execute(rendered("INSERT INTO $state SELECT * FROM _kept", state=self.table))
