"""Random queries over two tables ``s`` and ``t`` of integer columns x and y; each gives x and y again.

A query knows what may be asked of its lineage (docs/provenance.md). *Monotone*: more rows in, no row less out.
*Exact*: monotone, and each row is made in one way only. *Counting*: a row holds how many rows it was made of.
*Over monotone*: any operator, but the queries it reads are monotone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Query:
    """A text and what is known of its lineage."""

    sql: str
    monotone: bool = False
    exact: bool = False
    counting: bool = False
    over_monotone: bool = False


Read = tuple[str, Query]
"""What stands in FROM, and what it is."""


def draw_query(r: Random, depth: int = 3) -> Query:
    """A query of up to ``depth`` levels."""
    return r.choice(OPERATORS)(r, depth - 1)


def draw_read(r: Random, depth: int) -> Read:
    """A table, or a query in parentheses."""
    if depth < 1 or r.random() < 0.45:
        return r.choice(["s", "t"]), Query("", monotone=True, exact=True)
    query = draw_query(r, depth)
    return f"({query.sql})", query


def monotone(sql: str, *reads: Read, exact: bool = False) -> Query:
    """A query that is monotone where what it reads is."""
    held = [q for _, q in reads]
    plain = all(q.monotone for q in held)
    return Query(sql, monotone=plain, exact=exact and all(q.exact for q in held), over_monotone=plain)


def other(sql: str, *reads: Read, counting: bool = False) -> Query:
    """A query that is not monotone."""
    held = [q for _, q in reads]
    counts = counting and all(q.exact for q in held)
    return Query(sql, counting=counts, over_monotone=all(q.monotone for q in held))


def condition(r: Random, alias: str) -> str:
    c = r.randint(0, 3)
    return r.choice([
        f"{alias}.x > {c}", f"{alias}.y <= {c}", f"{alias}.x IS NOT NULL", f"{alias}.y IS NULL", f"NOT {alias}.x = {c}",
        f"{alias}.x IS DISTINCT FROM {alias}.y", f"{alias}.x IN (0, {c})", f"{alias}.x < {alias}.y",
    ])  # fmt: skip


def match(r: Random, left: str = "p", right: str = "q") -> str:
    return r.choice([
        f"{left}.x = {right}.x", f"{left}.x = {right}.y", f"{left}.x <= {right}.x", f"{left}.y > {right}.y",
        f"{left}.x IS NOT DISTINCT FROM {right}.x", f"{left}.x = {right}.x AND {left}.y < {right}.y",
    ])  # fmt: skip


def _filter(r: Random, d: int) -> Query:
    p = draw_read(r, d)
    return monotone(f"SELECT * FROM {p[0]} AS p WHERE {condition(r, 'p')}", p, exact=True)


def _project(r: Random, d: int) -> Query:
    p = draw_read(r, d)
    return monotone(
        r.choice([
            f"SELECT p.y AS x, p.x + 1 AS y FROM {p[0]} AS p",
            f"SELECT coalesce(x, 9) AS x, y FROM {p[0]} AS p",
            f"SELECT * REPLACE (y % 2 AS y) FROM {p[0]} AS p",
            f"SELECT y, COLUMNS('^x') FROM {p[0]} AS p",
            f"SELECT COLUMNS(*) * 2 FROM {p[0]} AS p",
            f"SELECT z AS x, y FROM (SELECT * RENAME (x AS z) FROM {p[0]} AS p) AS w",
        ]), p, exact=True,
    )  # fmt: skip


def _join(r: Random, d: int) -> Query:
    p, q = draw_read(r, d), draw_read(r, d)
    if r.random() < 0.25:
        sql = f"SELECT x, z AS y FROM {p[0]} AS p NATURAL JOIN (SELECT x, y AS z FROM {q[0]} AS q) AS w"
        return monotone(sql, p, q, exact=True)
    kind = r.choice([f"JOIN {q[0]} AS q ON {match(r)}", f"CROSS JOIN {q[0]} AS q", f"JOIN {q[0]} AS q USING (x)"])
    return monotone(f"SELECT p.x, q.y FROM {p[0]} AS p {kind}", p, q, exact=True)


def _outer(r: Random, d: int) -> Query:
    p, q = draw_read(r, d), draw_read(r, d)
    kind, on = r.choice(["LEFT", "RIGHT", "FULL"]), match(r)
    if kind == "FULL":  # the database joins so on equations only
        on = "p.x = q.x"
    return other(f"SELECT p.x, q.y FROM {p[0]} AS p {kind} JOIN {q[0]} AS q ON {on}", p, q)


def _semi(r: Random, d: int) -> Query:
    p, q, where = draw_read(r, d), draw_read(r, d), condition(r, "q")
    return monotone(
        r.choice([
            f"SELECT p.x, p.y FROM {p[0]} AS p SEMI JOIN {q[0]} AS q ON {match(r)}",
            f"SELECT p.x, p.y FROM {p[0]} AS p WHERE p.x IN (SELECT q.y FROM {q[0]} AS q WHERE {where})",
            f"SELECT p.x, p.y FROM {p[0]} AS p WHERE EXISTS (SELECT 1 FROM {q[0]} AS q WHERE {match(r)} AND {where})",
            f"SELECT p.x, p.y FROM {p[0]} AS p WHERE EXISTS (SELECT 1 FROM {q[0]} AS q WHERE {where})",
            f"SELECT p.x, p.y FROM {p[0]} AS p WHERE p.y > ANY (SELECT q.y FROM {q[0]} AS q)",
            f"SELECT x, y FROM {p[0]} AS p WHERE {condition(r, 'p')} OR EXISTS (FROM {q[0]} AS q WHERE {match(r)})",
            f"SELECT x, y FROM {p[0]} AS p WHERE (x, y) IN (SELECT q.y, q.x FROM {q[0]} AS q)",
            f"SELECT x, y FROM {p[0]} AS p WHERE x IN (SELECT DISTINCT q.x FROM {q[0]} AS q UNION SELECT 2)",
            f"SELECT x, y FROM {p[0]} AS p WHERE x IN (WITH w AS (SELECT q.x AS z FROM {q[0]} AS q) "
            f"SELECT z FROM w INTERSECT SELECT z + 1 FROM w)",
            f"SELECT x, y FROM {p[0]} AS p WHERE EXISTS (SELECT 1 FROM {q[0]} AS q WHERE {match(r)} "
            f"UNION ALL SELECT 1 FROM s AS w WHERE w.x = p.y)",
            f"SELECT x, y FROM {p[0]} AS p WHERE EXISTS (SELECT 1 FROM {q[0]} AS q WHERE {match(r)} "
            f"AND q.y IN (SELECT w.x FROM t AS w WHERE w.y >= p.x))",
        ]), p, q,
    )  # fmt: skip


def _anti(r: Random, d: int) -> Query:
    p, q = draw_read(r, d), draw_read(r, d)
    return other(
        r.choice([
            f"SELECT p.x, p.y FROM {p[0]} AS p ANTI JOIN {q[0]} AS q ON {match(r)}",
            f"SELECT p.x, p.y FROM {p[0]} AS p WHERE p.x NOT IN (SELECT q.y FROM {q[0]} AS q)",
            f"SELECT p.x, p.y FROM {p[0]} AS p WHERE NOT EXISTS (SELECT 1 FROM {q[0]} AS q WHERE {match(r)})",
            f"SELECT p.x, p.y FROM {p[0]} AS p WHERE p.y >= ALL (SELECT q.y FROM {q[0]} AS q)",
        ]), p, q,
    )  # fmt: skip


def _scalar(r: Random, d: int) -> Query:
    p, q = draw_read(r, d), draw_read(r, d)
    return other(
        r.choice([
            f"SELECT p.x, (SELECT max(q.y) FROM {q[0]} AS q) AS y FROM {p[0]} AS p",
            f"SELECT p.x, (SELECT count(*) FROM {q[0]} AS q WHERE {match(r)})::INTEGER AS y FROM {p[0]} AS p",
            f"SELECT p.x, p.y FROM {p[0]} AS p WHERE p.x >= (SELECT avg(q.x) FROM {q[0]} AS q)",
            f"SELECT p.x, (SELECT q.y FROM {q[0]} AS q WHERE {match(r)} ORDER BY q.y LIMIT 1) AS y FROM {p[0]} AS p",
            f"SELECT p.x, (SELECT q.y FROM {q[0]} AS q ORDER BY y DESC NULLS LAST LIMIT 1) AS y FROM {p[0]} AS p",
            f"SELECT p.x, EXISTS (SELECT 1 FROM {q[0]} AS q WHERE {match(r)})::INTEGER AS y FROM {p[0]} AS p",
            f"SELECT p.x, (p.y IN (SELECT q.y FROM {q[0]} AS q))::INTEGER AS y FROM {p[0]} AS p",
            f"SELECT x, count(*)::INTEGER AS y FROM {p[0]} AS p GROUP BY x "
            f"HAVING count(*) >= (SELECT count(*) FROM {q[0]} AS q WHERE q.x = p.x)",
            f"SELECT x, w.m AS y FROM {p[0]} AS p, "
            f"LATERAL (SELECT min(q.y) AS m FROM {q[0]} AS q WHERE {match(r)}) AS w",
            f"SELECT p.x, w.y FROM {p[0]} AS p LEFT JOIN LATERAL (SELECT q.y FROM {q[0]} AS q WHERE {match(r)} "
            f"ORDER BY q.y LIMIT 1) AS w ON true",
        ]), p, q,
    )  # fmt: skip


def _lateral(r: Random, d: int) -> Query:
    p, q = draw_read(r, d), draw_read(r, d)
    if r.random() < 0.5:
        sql = f"SELECT p.y AS x, w.y FROM {p[0]} AS p, LATERAL (SELECT q.y FROM {q[0]} AS q WHERE {match(r)}) AS w"
        return monotone(sql, p, q, exact=True)
    return monotone(
        r.choice([
            f"SELECT x, unnest([x, y, 1]) AS y FROM {p[0]} AS p",
            f"SELECT unnest([x, y]) AS x, unnest(CASE WHEN y > 1 THEN [1] ELSE [x, 1, 2] END) + 1 AS y "
            f"FROM {p[0]} AS p",
            f"SELECT p.x, n.z AS y FROM {p[0]} AS p, unnest([p.y, 7]) AS n(z)",
            f"SELECT p.x, i::INTEGER AS y FROM {p[0]} AS p, range(p.y) AS n(i)",
            f"SELECT p.x, a.z + b.z AS y FROM {p[0]} AS p, (SELECT p.y + 1 AS z) AS a, "
            f"LATERAL (SELECT a.z * 2 AS z) AS b",
            f"SELECT v AS x, length(n)::INTEGER AS y FROM (UNPIVOT (SELECT x, y AS yy FROM {p[0]} AS p) "
            f"ON x, yy INTO NAME n VALUE v)",
            f"SELECT p.x, v.n AS y FROM {p[0]} AS p JOIN (VALUES (0, 'a'), (2, 'b'), (2, 'c')) AS v(n, l) ON p.x = v.n",
            f"SELECT p.x, i::INTEGER AS y FROM range(3) AS n(i) JOIN {p[0]} AS p ON p.y = n.i",
        ]), p, exact=True,
    )  # fmt: skip


def _set(r: Random, d: int) -> Query:
    p, q = draw_read(r, d), draw_read(r, d)
    left, right = f"SELECT x, y FROM {p[0]} AS p", f"SELECT {r.choice(['x, y', 'y, x'])} FROM {q[0]} AS q"
    kind = r.choice(["UNION ALL", "UNION ALL", "UNION", "INTERSECT", "INTERSECT ALL", "EXCEPT", "EXCEPT ALL"])
    if kind.startswith("EXCEPT"):
        return other(f"{left} {kind} {right}", p, q)
    return monotone(f"{left} {kind} {right}", p, q, exact=kind == "UNION ALL")


def _distinct(r: Random, d: int) -> Query:
    p = draw_read(r, d)
    if r.random() < 0.3:
        return other(f"SELECT DISTINCT ON (x) x, y FROM {p[0]} AS p ORDER BY y DESC NULLS LAST", p)
    return monotone(f"SELECT DISTINCT {r.choice(['x, y', 'y AS x, 1 AS y'])} FROM {p[0]} AS p", p)


def _counted(r: Random, d: int) -> Query:
    p = draw_read(r, d)
    return other(
        r.choice([
            f"SELECT x, count(*)::INTEGER AS y FROM {p[0]} AS p GROUP BY x",
            f"SELECT 1 AS x, count(*)::INTEGER AS y FROM {p[0]} AS p",
            f"SELECT x, (count(*) OVER (PARTITION BY x))::INTEGER AS y FROM {p[0]} AS p",
        ]), p, counting=True,
    )  # fmt: skip


def _group(r: Random, d: int) -> Query:
    p = draw_read(r, d)
    return other(
        r.choice([
            f"SELECT x, sum(y)::INTEGER AS y FROM {p[0]} AS p GROUP BY x HAVING count(*) > 1",
            f"SELECT max(x) AS x, min(y) AS y FROM {p[0]} AS p",
            f"SELECT x, count(*)::INTEGER AS y FROM {p[0]} AS p GROUP BY ROLLUP (x)",
            f"SELECT x, max(y) AS y FROM {p[0]} AS p GROUP BY GROUPING SETS ((x), (x, y))",
            f"SELECT x, (sum(count(*)) OVER (ORDER BY x))::INTEGER AS y FROM {p[0]} AS p GROUP BY x",
            f"SELECT x, \"1\"::INTEGER AS y FROM (PIVOT {p[0]} ON y IN (0, 1, NULL) USING count(*) GROUP BY x)",
            f"SELECT \"0\" AS x, \"2\" AS y FROM {p[0]} PIVOT (max(x) FOR y IN (0, 2))",
            f"SELECT y AS x, (SELECT count(*) FROM t AS w WHERE w.x = p.y)::INTEGER AS y FROM {p[0]} AS p GROUP BY y",
            f"SELECT x, unnest(list(y ORDER BY y)) AS y FROM {p[0]} AS p GROUP BY x",
        ]), p,
    )  # fmt: skip


def _window(r: Random, d: int) -> Query:
    p = draw_read(r, d)
    return other(
        r.choice([
            f"SELECT x, (row_number() OVER (PARTITION BY x ORDER BY y))::INTEGER AS y FROM {p[0]} AS p",
            f"SELECT x, lag(y) OVER (PARTITION BY x ORDER BY y) AS y FROM {p[0]} AS p",
            f"SELECT x, y FROM {p[0]} AS p QUALIFY row_number() OVER (PARTITION BY x ORDER BY y DESC) = 1",
            f"SELECT x, y FROM {p[0]} AS p ORDER BY x, y LIMIT {r.randint(1, 4)} OFFSET {r.randint(0, 1)}",
            f"SELECT x, (max(y) OVER (ORDER BY x, y))::INTEGER AS y FROM {p[0]} AS p",
        ]), p,
    )  # fmt: skip


def _cte(r: Random, d: int) -> Query:
    p = draw_read(r, d)
    body = f"SELECT x, y FROM {p[0]} AS p"
    join = "SELECT a.x, b.y FROM c AS a JOIN c AS b ON a.y = b.x"
    return monotone(f"WITH c AS ({body}) {join}", p, exact=True)


OPERATORS: tuple[Callable[[Random, int], Query], ...] = (
    _filter, _project, _join, _join, _outer, _semi, _semi, _semi, _anti, _scalar, _scalar, _lateral, _lateral, _set,
    _set, _distinct, _counted, _group, _group, _window, _cte,
)  # fmt: skip
