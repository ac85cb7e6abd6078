"""Joins that one grouping reads become part of it: which do, and that nothing else changes."""

from __future__ import annotations

import pyarrow as pa
import pytest

import lester_duck as ld
from lester_duck.engine.plan import make_plan
from lester_duck.pipeline.model import Column, Pipeline, Source, View

COLUMNS = (Column(name="k", type="INTEGER"), Column(name="a", type="INTEGER"))
SCHEMA = pa.schema([("k", pa.int32()), ("a", pa.int32())])
DATA = {"t": [(2, 5), (1, 6), (2, 7), (None, 8), (3, 9)], "u": [(2, 60), (3, 70), (None, 80), (2, 40), (1, 50)]}
JOIN = "SELECT t.k, t.a, u.a AS b FROM t JOIN u ON t.k = u.k WHERE u.a > 45"
LEFT = "SELECT t.k, t.a + coalesce(u.a, 0) AS b FROM t LEFT JOIN u ON t.k = u.k"
SEMI = "SELECT t.k, t.a AS b FROM t WHERE EXISTS (SELECT * FROM u WHERE u.k = t.k)"

MERGED = [
    (JOIN, "SELECT k, sum(b) AS b FROM j GROUP BY k"),
    (JOIN, "SELECT k % 2 AS odd, list(b) AS bs FROM j GROUP BY k % 2 ORDER BY odd DESC"),
    (JOIN, "SELECT DISTINCT b, a % 2 AS p FROM j"),
    (JOIN, "SELECT max(b) - min(a) AS d, first(a ORDER BY _pos DESC) AS f FROM j"),
    (JOIN, "SELECT k, count(*) FILTER (WHERE b > 55) AS n FROM j GROUP BY k HAVING count(*) > 1"),
    (LEFT, "SELECT k, sum(b) AS b, last(b) AS l FROM j GROUP BY k"),
    (SEMI, "SELECT k, sum(b * 2) AS b FROM j GROUP BY ALL"),
    (JOIN, "SELECT k, sum(b) AS b FROM j GROUP BY k HAVING sum(b) > (SELECT max(u.a) FROM u)"),
]
KEPT = [
    (JOIN, "SELECT k, sum(b) AS b FROM j WHERE b > 50 GROUP BY k"),
    (JOIN, "SELECT j.k, sum(b) AS b FROM j JOIN u ON u.k = j.k GROUP BY j.k"),
    (JOIN, "SELECT k, sum(b) AS b FROM j GROUP BY k HAVING sum(b) > (SELECT min(b) FROM j)"),
    (JOIN, "SELECT k, max(_rid) > 0 AS b FROM j GROUP BY k"),
    (JOIN, "SELECT k, sum(b) OVER (PARTITION BY k) AS b FROM j"),
    (JOIN + " ORDER BY u.a", "SELECT k, list(b) AS b FROM j GROUP BY k"),
    ("SELECT t.k, 1 AS b FROM t JOIN u ON t.k = u.k", "SELECT b, count(*) AS n FROM j GROUP BY b"),
    (JOIN, "SELECT DISTINCT ON (k) k, b FROM j ORDER BY k, b"),
    ("SELECT t.k, (SELECT max(a) FROM u WHERE u.k = t.k) AS b FROM t JOIN u AS w ON w.k = t.k",
     "SELECT b, count(*) AS n FROM j GROUP BY b"),
    ("SELECT t.k, t.a AS b FROM t WHERE t.a > 5", "SELECT k, sum(b) AS b FROM j GROUP BY k"),
]


def pipeline(*views: tuple[str, str]) -> Pipeline:
    sources = tuple(Source(name=n, format="table", columns=COLUMNS) for n in DATA)
    return Pipeline(name="merge", sources=sources, views=tuple(View(name=n, sql=sql) for n, sql in views))


def in_one(join: str, group: str) -> Pipeline:
    return pipeline(("v", f"WITH j AS ({join}) {group}"))


def rows_of(given: list[tuple]) -> pa.Table:
    return pa.Table.from_pylist([{"k": k, "a": a} for k, a in given], schema=SCHEMA)


def state(run: ld.Run) -> list[tuple]:
    """Rows of ``v`` in order, each with the source rows it came from."""
    order = ", ".join(f'"{t.column}"{" DESC" if t.descending else ""}' for t in run.plan.relations["v"].order)
    rids = [rid for (rid,) in run.db.rows(f"SELECT _rid FROM v ORDER BY {order}")]
    lineage = [[tuple(e.values()) for e in run.backward("v", rid).to_pylist()] for rid in rids]
    return list(zip(run.view("v").to_pylist(), lineage, strict=True))


@pytest.mark.parametrize(("join", "group"), MERGED)
def test_merged(join, group):
    assert "v__j" not in [b.name for b in make_plan(in_one(join, group)).blocks]


@pytest.mark.parametrize(("join", "group"), KEPT)
def test_kept(join, group):
    assert "v__j" in [b.name for b in make_plan(in_one(join, group)).blocks]


@pytest.mark.parametrize(("join", "group"), MERGED + KEPT)
def test_same_as_two_views(join, group):
    """A join that is a view of its own is stored; rows, order and lineage are the same, after changes too."""
    apart = pipeline(("j", join), ("v", group))
    data = {name: rows_of(rows) for name, rows in DATA.items()}
    with ld.run(in_one(join, group), ":memory:", data=data) as one, ld.run(apart, ":memory:", data=data) as two:
        assert state(one) == state(two)
        delta = pa.Table.from_pylist([
            {"k": 3, "a": 9, "_change_type": "delete"}, {"k": 1, "a": 4, "_change_type": "insert"},
            {"k": 2, "a": 7, "_change_type": "update_preimage"}, {"k": 3, "a": 7, "_change_type": "update_postimage"},
        ])  # fmt: skip
        for run in (one, two):
            run.update(t=delta)
            assert run.audit().differences == ()
        assert state(one) == state(two)
