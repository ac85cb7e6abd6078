"""Column provenance: direct and indirect, through CTEs, stars, unions, functions, to the sources."""

from __future__ import annotations

import pyarrow as pa
import pytest

import lester_duck as ld
from lester_duck.algebra.block import build_blocks
from lester_duck.algebra.columns import Edge, block_edges, origins
from lester_duck.algebra.relation import source_relation
from lester_duck.pipeline.model import Column, Pipeline, Source, View

SOURCES = {"t": ("k", "a", "b"), "u": ("k", "e")}


def shown(edges: tuple[Edge, ...]) -> set[str]:
    """One line per edge: ``column <- source.column subtype``."""
    direct = ("IDENTITY", "TRANSFORMATION", "AGGREGATION")
    assert all((e.kind == "DIRECT") == (e.subtype in direct) for e in edges)
    return {f"{e.column or '*'} <- {e.relation}.{e.origin} {e.subtype}" for e in edges}


def lineage(*views: str) -> set[str]:
    """The lineage of the last view, down to the sources."""
    relations = {name: source_relation(name, columns) for name, columns in SOURCES.items()}
    blocks = []
    for number, sql in enumerate(views, 1):
        for block in build_blocks(f"v{number}", sql, relations, frozenset({"shout"})):
            blocks.append(block)
            relations[block.name] = block.relation()
    edges = {b.name: block_edges(b, relations) for b in blocks}
    return shown(origins(tuple(blocks), edges, list(SOURCES))[f"v{len(views)}"])


CASES = {
    "identity": (["SELECT a FROM t"], ["a <- t.a IDENTITY"]),
    "transformation": (["SELECT a + k AS s FROM t"], ["s <- t.a TRANSFORMATION", "s <- t.k TRANSFORMATION"]),
    "literal": (["SELECT 1 AS one FROM t"], []),
    "count": (["SELECT count(*) AS n FROM t"], []),
    "function": (["SELECT shout(b) AS s FROM t"], ["s <- t.b TRANSFORMATION"]),
    "function in a group": (
        ["SELECT shout(b) AS s, count(*) AS n FROM t GROUP BY shout(b)"],
        ["s <- t.b TRANSFORMATION", "* <- t.b GROUP_BY"],
    ),
    "filter": (["SELECT a FROM t WHERE b = 'x'"], ["a <- t.a IDENTITY", "* <- t.b FILTER"]),
    "join": (
        ["SELECT t.a, u.e FROM t JOIN u ON t.k = u.k"],
        ["a <- t.a IDENTITY", "e <- u.e IDENTITY", "* <- t.k JOIN", "* <- u.k JOIN"],
    ),
    "join using": (
        ["SELECT t.a, e FROM t LEFT JOIN u USING (k)"],
        ["a <- t.a IDENTITY", "e <- u.e IDENTITY", "* <- t.k JOIN", "* <- u.k JOIN"],
    ),
    "semi join": (
        ["SELECT t.a FROM t SEMI JOIN u ON t.k = u.k AND u.e = 'z'"],
        ["a <- t.a IDENTITY", "* <- t.k JOIN", "* <- u.k JOIN", "* <- u.e JOIN"],
    ),
    "in": (
        ["SELECT a FROM t WHERE k IN (SELECT u.k FROM u WHERE u.e = 'z')"],
        ["a <- t.a IDENTITY", "* <- t.k FILTER", "* <- u.k FILTER", "* <- u.e FILTER"],
    ),
    "scalar subquery": (
        ["SELECT a, (SELECT max(u.e) FROM u WHERE u.k = t.k) AS m FROM t"],
        ["a <- t.a IDENTITY", "m <- u.e AGGREGATION", "m <- u.k FILTER", "m <- t.k FILTER"],
    ),
    "column of using": (
        ["SELECT k, e FROM t LEFT JOIN u USING (k)"],
        ["k <- t.k IDENTITY", "e <- u.e IDENTITY", "* <- t.k JOIN", "* <- u.k JOIN"],
    ),
    "right join": (
        ["SELECT k, a FROM t RIGHT JOIN u USING (k)"],
        ["k <- u.k IDENTITY", "a <- t.a IDENTITY", "* <- t.k JOIN", "* <- u.k JOIN"],
    ),
    "full join": (
        ["SELECT k, a, e FROM t FULL JOIN u USING (k)"],
        [
            "k <- t.k TRANSFORMATION",
            "k <- u.k TRANSFORMATION",
            "a <- t.a IDENTITY",
            "e <- u.e IDENTITY",
            "* <- t.k JOIN",
            "* <- u.k JOIN",
        ],
    ),
    "asof join": (
        ["SELECT t.a, u.e FROM t ASOF JOIN u ON t.k >= u.k"],
        ["a <- t.a IDENTITY", "e <- u.e IDENTITY", "* <- t.k JOIN", "* <- u.k JOIN", "* <- u.k FILTER"],
    ),
    "except": (
        ["SELECT a FROM t EXCEPT SELECT e FROM u"],
        ["a <- t.a IDENTITY", "* <- t.a GROUP_BY", "* <- u.e FILTER"],
    ),
    "intersect": (
        ["SELECT a FROM t INTERSECT SELECT e FROM u"],
        ["a <- t.a IDENTITY", "* <- t.a GROUP_BY", "* <- u.e FILTER"],
    ),
    "except all": (
        ["SELECT a FROM t EXCEPT ALL SELECT e FROM u"],
        ["a <- t.a IDENTITY", "* <- t.a JOIN", "* <- u.e FILTER"],
    ),
    "limit": (["SELECT a FROM t ORDER BY b LIMIT 2"], ["a <- t.a IDENTITY", "* <- t.b SORT"]),
    "window beside group": (
        ["SELECT b, rank() OVER (ORDER BY sum(a)) AS n FROM t GROUP BY b"],
        ["b <- t.b IDENTITY", "n <- t.a WINDOW", "* <- t.b GROUP_BY"],
    ),
    "distinct beside group": (
        ["SELECT DISTINCT sum(a) AS s FROM t GROUP BY b"],
        ["s <- t.a AGGREGATION", "* <- t.b GROUP_BY", "* <- t.a GROUP_BY"],
    ),
    "rollup": (
        ["SELECT b, sum(a) AS s FROM t GROUP BY ROLLUP (b)"],
        ["b <- t.b IDENTITY", "s <- t.a AGGREGATION", "* <- t.b GROUP_BY"],
    ),
    "group": (
        ["SELECT b, sum(a) AS s FROM t GROUP BY b HAVING max(k) > 0"],
        ["b <- t.b IDENTITY", "s <- t.a AGGREGATION", "* <- t.b GROUP_BY", "* <- t.k FILTER"],
    ),
    "aggregate the parser does not know": (
        ["SELECT b, fsum(a) AS s FROM t GROUP BY b"],
        ["b <- t.b IDENTITY", "s <- t.a AGGREGATION", "* <- t.b GROUP_BY"],
    ),
    "aggregate with filter and order": (
        ["SELECT last(a ORDER BY k) FILTER (WHERE b = 'x') AS s FROM t"],
        ["s <- t.a AGGREGATION", "s <- t.k SORT", "s <- t.b FILTER"],
    ),
    "window": (
        ["SELECT sum(a) OVER (PARTITION BY b ORDER BY k) AS s FROM t"],
        ["s <- t.a AGGREGATION", "s <- t.b WINDOW", "s <- t.k WINDOW"],
    ),
    "named window": (
        ["SELECT lag(a) OVER w AS s FROM t WINDOW w AS (PARTITION BY b ORDER BY k)"],
        ["s <- t.a AGGREGATION", "s <- t.b WINDOW", "s <- t.k WINDOW"],
    ),
    "qualify": (
        ["SELECT a FROM t QUALIFY row_number() OVER (PARTITION BY b ORDER BY k) = 1"],
        ["a <- t.a IDENTITY", "* <- t.b FILTER", "* <- t.k FILTER"],
    ),
    "distinct on": (
        ["SELECT DISTINCT ON (b) a FROM t ORDER BY k"],
        ["a <- t.a IDENTITY", "* <- t.b FILTER", "* <- t.k FILTER", "* <- t.k SORT"],
    ),
    "sort": (["SELECT a FROM t ORDER BY b DESC"], ["a <- t.a IDENTITY", "* <- t.b SORT"]),
    "conditional": (
        ["SELECT CASE WHEN b = 'x' THEN a ELSE k END AS s FROM t"],
        ["s <- t.b CONDITIONAL", "s <- t.a TRANSFORMATION", "s <- t.k TRANSFORMATION"],
    ),
    "case with operand": (
        ["SELECT CASE b WHEN 'x' THEN a END AS s FROM t"],
        ["s <- t.b CONDITIONAL", "s <- t.a TRANSFORMATION"],
    ),
    "star": (["SELECT * FROM t"], ["k <- t.k IDENTITY", "a <- t.a IDENTITY", "b <- t.b IDENTITY"]),
    "star over a join": (
        ["SELECT t.*, u.e FROM t JOIN u USING (k)"],
        [
            "k <- t.k IDENTITY",
            "a <- t.a IDENTITY",
            "b <- t.b IDENTITY",
            "e <- u.e IDENTITY",
            "* <- t.k JOIN",
            "* <- u.k JOIN",
        ],
    ),
    "union": (
        ["SELECT a AS x FROM t UNION ALL SELECT k FROM u WHERE e <> ''"],
        ["x <- t.a IDENTITY", "x <- u.k IDENTITY", "* <- u.e FILTER"],
    ),
    "union distinct": (
        ["SELECT a AS x FROM t UNION SELECT k FROM u"],
        ["x <- t.a IDENTITY", "x <- u.k IDENTITY", "* <- t.a GROUP_BY", "* <- u.k GROUP_BY"],
    ),
    "values": (
        ["SELECT t.a, m.label FROM t JOIN (VALUES (1, 'one')) AS m(n, label) ON t.k = m.n"],
        ["a <- t.a IDENTITY", "* <- t.k JOIN"],
    ),
    "cte": (
        ["WITH q AS (SELECT a + 1 AS x, k FROM t WHERE b = 'x') SELECT x * 2 AS y FROM q"],
        ["y <- t.a TRANSFORMATION", "* <- t.b FILTER"],
    ),
    "transitive": (
        ["SELECT b, sum(a) AS s FROM t GROUP BY b", "SELECT u.e, v1.s + 1 AS z FROM v1 JOIN u ON u.e = v1.b"],
        ["z <- t.a AGGREGATION", "e <- u.e IDENTITY", "* <- t.b GROUP_BY", "* <- t.b JOIN", "* <- u.e JOIN"],
    ),
    "indirect stays indirect": (
        ["SELECT CASE WHEN b = 'x' THEN 1 ELSE 0 END AS f FROM t", "SELECT f + 1 AS g FROM v1"],
        ["g <- t.b CONDITIONAL"],
    ),
    "a name that shadows": (["SELECT k AS a, a AS k FROM t"], ["a <- t.k IDENTITY", "k <- t.a IDENTITY"]),
    "self join": (
        ["SELECT x.a, y.b FROM t AS x JOIN t AS y ON x.k = y.a"],
        ["a <- t.a IDENTITY", "b <- t.b IDENTITY", "* <- t.k JOIN", "* <- t.a JOIN"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_column_lineage(name):
    views, expected = CASES[name]
    assert lineage(*views) == set(expected)


def test_the_question_in_sql_says_the_same():
    views, expected = CASES["transitive"]
    sources = tuple(
        Source(name=n, format="table", columns=tuple(Column(name=c) for c in cs)) for n, cs in SOURCES.items()
    )
    data = {n: pa.table({c: pa.array([], pa.string()) for c in cs}) for n, cs in SOURCES.items()}
    named = tuple(View(name=f"v{n}", sql=sql.replace("sum(a)", "sum(a::INTEGER)")) for n, sql in enumerate(views, 1))
    with ld.run(Pipeline(name="columns", sources=sources, views=named), ":memory:", data=data) as run:
        rows = run.db.rows("SELECT column_name, source, source_column, kind, subtype FROM lester.column_lineage "
                           "WHERE relation = 'v2'")  # fmt: skip
    assert shown(tuple(Edge(*row) for row in rows)) == set(expected)
