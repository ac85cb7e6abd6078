"""What lineage means, tested by deleting rows: random queries, judged by DuckDB alone on fewer rows.

- The view has exactly the rows of the query, before and after a change, in order where it is ordered.
- Without the source rows outside of a row's lineage, the row is still there (monotone queries, and any one
  operator over monotone ones).
- Without any one row of its lineage, a row is gone or changed: where each row is made in one way only, and where
  it counts what it is made of.
- Without all rows of its lineage, a row of a monotone query is gone.
"""

from __future__ import annotations

import os
from collections import Counter
from random import Random

import pyarrow as pa
import pytest
from random_queries import Query, draw_query

import lester_duck as ld
from lester_duck.db import Database, connect
from lester_duck.errors import LesterError
from lester_duck.pipeline.model import Column, Pipeline, Source, View

QUERIES_PER_RUN = 8
RUNS = max(1, int(os.environ.get("FUZZ_EXAMPLES", "0")) // QUERIES_PER_RUN) if "FUZZ_EXAMPLES" in os.environ else 14
FIRST = int(os.environ.get("FUZZ_FIRST", "0"))
COLUMNS = (Column(name="x", type="INTEGER"), Column(name="y", type="INTEGER"))
SCHEMA = pa.schema([("x", pa.int32()), ("y", pa.int32())])
SOURCES = ("s", "t")
Rids = frozenset[tuple[str, int]]


def draw_rows(r: Random, most: int) -> list[dict]:
    values = (0, 1, 2, 3, None)
    return [{"x": r.choice(values), "y": r.choice(values)} for _ in range(r.randint(0, most))]


def everything(run: ld.Run) -> dict[tuple[str, int], tuple]:
    """The current rows of the sources, by source and row id."""
    return {
        (name, rid): (x, y) for name in SOURCES for x, y, rid in run.db.rows(f"SELECT x, y, _rid FROM source.{name}")
    }


def fill(db: Database, rows: dict[tuple[str, int], tuple]) -> None:
    """The plain tables hold these rows."""
    for name in SOURCES:
        db.execute(f"CREATE OR REPLACE TABLE {name} (x INTEGER, y INTEGER)")
        own = [values for (source, _), values in sorted(rows.items()) if source == name]
        if own:
            db.connection.executemany(f"INSERT INTO {name} VALUES (?, ?)", own)


class Plain:
    """DuckDB alone, over some of the rows; answers are kept."""

    def __init__(self, db: Database, rows: dict[tuple[str, int], tuple]) -> None:
        self._db, self._rows, self._held = db, rows, None
        self._answers: dict[tuple[str, Rids], Counter] = {}

    def result(self, sql: str, without: Rids = frozenset()) -> Counter:
        """The rows of a query without some source rows, as a multiset."""
        key = (sql, without)
        if key not in self._answers:
            if self._held != without:
                fill(self._db, {rid: row for rid, row in self._rows.items() if rid not in without})
                self._held = without
            self._answers[key] = Counter(self._db.rows(f"SELECT x, y FROM ({sql}) AS result"))
        return self._answers[key]


def lineage(run: ld.Run, names: list[str]) -> dict[str, list[tuple[tuple, Rids]]]:
    """The rows of views, with the source rows each came from."""
    edges: dict[tuple[str, int], set] = {}
    for name, rid, source, source_rid in run.db.rows("SELECT relation, _rid, source, source_rid FROM _lester.edges"):
        edges.setdefault((name, rid), set()).add((source, source_rid))
    return {
        name: [
            ((x, y), frozenset(edges.get((name, rid), ())))
            for x, y, rid in run.db.rows(f"SELECT x, y, _rid FROM {name} ORDER BY _rid")
        ]
        for name in names
    }


def values_of(run: ld.Run, name: str) -> list[tuple]:
    """A view's rows in its order."""
    return [(row["x"], row["y"]) for row in run.view(name).to_pylist()]


def check_rows(run: ld.Run, queries: list[Query], plain: Plain) -> None:
    for number, query in enumerate(queries, 1):
        rows = values_of(run, f"v{number}")
        assert Counter(rows) == plain.result(query.sql), f"rows of {query.sql}"
    ordered = values_of(run, "ordered")
    assert ordered == sorted(ordered, key=lambda v: [(c is None, c or 0) for c in v]), queries[0].sql
    assert Counter(ordered) == plain.result(queries[0].sql)


def check_lineage(r: Random, rows: list[tuple[tuple, Rids]], query: Query, plain: Plain, all_rids: Rids) -> int:
    """The properties, for some rows of a view; how many were looked at."""
    before = plain.result(query.sql)
    chosen = r.sample(rows, min(3, len(rows)))
    for values, inside in chosen:
        what = f"{values} <- {sorted(inside)} of {query.sql}"
        if query.over_monotone:
            assert plain.result(query.sql, all_rids - inside)[values] >= 1, f"lost without the others: {what}"
        if query.monotone and inside:
            assert plain.result(query.sql, inside)[values] < before[values], f"still there without all: {what}"
        for one in sorted(inside) if query.exact or query.counting else ():
            after = plain.result(query.sql, frozenset([one]))[values]
            assert after < before[values], f"still there without {one}: {what}"
    return len(chosen)


def delta(rows: list[dict], change: str) -> pa.Table:
    schema = SCHEMA.append(pa.field("_rid", pa.int64())).append(pa.field("_change_type", pa.string()))
    return pa.Table.from_pylist([{**row, "_change_type": change} for row in rows], schema=schema)


def one_run(seed: int, db: Database) -> int:
    r = Random(seed)
    queries = [draw_query(r, r.choice([1, 2, 2, 3])) for _ in range(QUERIES_PER_RUN)]
    views = [View(name=f"v{n}", sql=q.sql) for n, q in enumerate(queries, 1)]
    views.append(View(name="ordered", sql=f"SELECT x, y FROM ({queries[0].sql}) AS o ORDER BY x, y"))
    sources = tuple(Source(name=n, format="table", columns=COLUMNS) for n in SOURCES)
    data = {n: pa.Table.from_pylist(draw_rows(r, 6), schema=SCHEMA) for n in SOURCES}
    try:
        run = ld.run(Pipeline(name="random", sources=sources, views=tuple(views)), ":memory:", data=data)
    except LesterError as error:
        raise AssertionError(f"refused: {error}\n" + "\n".join(q.sql for q in queries)) from error
    with run:
        check_rows(run, queries, Plain(db, everything(run)))
        held = run.db.arrow("SELECT x, y, _rid FROM source.s ORDER BY _rid").to_pylist()
        gone = [row for row in held if r.random() < 0.3]
        run.update(s=delta(gone, "delete"), t=delta(draw_rows(r, 2), "insert"))
        rows = everything(run)
        plain = Plain(db, rows)
        check_rows(run, queries, plain)
        found = lineage(run, [f"v{n}" for n in range(1, QUERIES_PER_RUN + 1)])
        pairs = zip(queries, found.values(), strict=True)
        return sum(check_lineage(r, held, query, plain, frozenset(rows)) for query, held in pairs)


@pytest.fixture(scope="module")
def db():
    db = connect()
    yield db
    db.close()


def test_random_queries_have_the_lineage_property(db):
    looked_at = 0
    for seed in range(FIRST, FIRST + RUNS):
        try:
            looked_at += one_run(seed, db)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error}") from error
    print(f"{RUNS * QUERIES_PER_RUN} queries, {looked_at} rows")
    assert looked_at > RUNS * QUERIES_PER_RUN // 2
