"""Row provenance, values and order against a small interpreter in Python that carries sets of source rows.

The conventions are those of docs/provenance.md: all witnesses of a semi join, the rows of the whole
partition of a window, the left row only of an anti join.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import pyarrow as pa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import lester_duck as ld
from lester_duck.pipeline.model import Column, Pipeline, Source, View

FUZZ = int(os.environ.get("FUZZ_EXAMPLES", "0"))
EXAMPLES = FUZZ or 25
PHASES = (Phase.generate, Phase.shrink) if FUZZ else (Phase.generate,)
COLUMNS = (Column(name="x", type="INTEGER"), Column(name="y", type="INTEGER"))
SCHEMA = pa.schema([("x", pa.int32()), ("y", pa.int32())])


@dataclass(frozen=True)
class Row:
    """A row and the source rows it came from."""

    x: int | None
    y: int | None
    prov: frozenset[tuple[str, int]] = frozenset()


Rows = list[Row]
Step = tuple[str, Callable[[dict[str, Rows]], Rows], bool]
"""Text of a view, its meaning, and whether it is monotone with one derivation per row."""


def equal(a: int | None, b: int | None) -> bool:
    return a is not None and a == b


def above(a: int | None, b: int) -> bool:
    return a is not None and a > b


def groups(rows: Rows) -> dict[int | None, Rows]:
    found: dict[int | None, Rows] = {}
    for row in rows:
        found.setdefault(row.x, []).append(row)
    return found


def union(rows: Rows) -> frozenset[tuple[str, int]]:
    return frozenset().union(*(r.prov for r in rows))


def total(values: list[int | None]) -> int | None:
    known = [v for v in values if v is not None]
    return sum(known) if known else None


def largest(values: list[int | None]) -> int | None:
    return max((v for v in values if v is not None), default=None)


def left_join(left: Rows, right: Rows) -> list[tuple[Row, Row | None]]:
    return [(p, q) for p in left for q in [r for r in right if equal(p.x, r.x)] or [None]]


def padded(pairs: list[tuple[Row, Row | None]]) -> Rows:
    return [Row(a.x, b.y if b else None, a.prov | (b.prov if b else frozenset())) for a, b in pairs]


def witnessed(left: Rows, right: Rows) -> Rows:
    found = [(p, [q for q in right if equal(p.x, q.x)]) for p in left]
    return [Row(p.x, p.y, p.prov | union(qs)) for p, qs in found if qs]


def grouped(rows: Rows, value: Callable[[Rows], int | None]) -> Rows:
    return [Row(x, value(g), union(g)) for x, g in groups(rows).items()]


def lagged(rows: Rows) -> Rows:
    parts = groups(rows)
    before = {id(r): (g[n - 1].y if n else None) for g in parts.values() for n, r in enumerate(g)}
    return [Row(r.x, before[id(r)], union(parts[r.x])) for r in rows]


def last_of_each(rows: Rows) -> Rows:
    parts = groups(rows)
    return [Row(r.x, r.y, union(parts[r.x])) for r in rows if parts[r.x][-1] is r]


def distinct(rows: Rows) -> Rows:
    found: dict[tuple, Rows] = {}
    for row in rows:
        found.setdefault((row.x, row.y), []).append(row)
    return [Row(x, y, union(g)) for (x, y), g in found.items()]


def filtered(right: Rows, limit: int) -> Rows:
    return [q for q in right if above(q.y, limit)]


def right_join(left: Rows, right: Rows) -> Rows:
    return [Row(b.x, a.y if a else None, b.prov | (a.prov if a else frozenset())) for b, a in left_join(right, left)]


def full_join(left: Rows, right: Rows) -> Rows:
    met = [Row(a.x, b.y if b else None, a.prov | (b.prov if b else frozenset())) for a, b in left_join(left, right)]
    return met + [Row(b.x, b.y, b.prov) for b in right if not any(equal(a.x, b.x) for a in left)]


def values(rows: Rows) -> dict[tuple, Rows]:
    found: dict[tuple, Rows] = {}
    for row in rows:
        found.setdefault((row.x, row.y), []).append(row)
    return found


def intersected(left: Rows, right: Rows) -> Rows:
    there = values(right)
    return [Row(g.x, g.y, g.prov | union(there[g.x, g.y])) for g in distinct(left) if (g.x, g.y) in there]


def numbered(left: Rows, right: Rows, kept: Callable[[int, int], bool]) -> list[tuple[Row, Rows, Rows]]:
    """Left rows whose number among equal ones, and the number of equal ones on the right, are ``kept``."""
    mine, other, seen, found = values(left), values(right), {}, []
    for row in left:
        key = (row.x, row.y)
        seen[key] = seen.get(key, 0) + 1
        if kept(seen[key], len(other.get(key, ()))):
            found.append((row, mine[key], other.get(key, [])))
    return found


def by_y(rows: Rows) -> Rows:
    return sorted(rows, key=lambda a: (a.y is None, a.y or 0))


def nearest(left: Rows, right: Rows) -> list[tuple[Row, Row | None, Rows]]:
    """For each left row the first of the right rows with the greatest ``x`` up to its own, and all that qualify."""
    found = []
    for a in left:
        rows = [b for b in right if a.x is not None and b.x is not None and b.x <= a.x]
        found.append((a, max(rows, key=lambda b: b.x) if rows else None, rows))
    return found


def rolled_up(rows: Rows) -> Rows:
    return [*grouped(rows, len), Row(None, len(rows), union(rows))]


def draw_step(r: Random, names: list[str]) -> Step:
    """One view over one or two relations."""
    p, q, c = r.choice(names), r.choice(names), r.randint(0, 2)
    join = f"FROM {p} AS p JOIN {q} AS q ON p.x = q.x"
    return r.choice([
        (f"SELECT x, y FROM {p} WHERE y > {c}", lambda d: filtered(d[p], c), True),
        (f"SELECT y AS x, x + 1 AS y FROM {p}",
         lambda d: [Row(a.y, None if a.x is None else a.x + 1, a.prov) for a in d[p]], True),
        (f"SELECT p.x, q.y {join}",
         lambda d: [Row(a.x, b.y, a.prov | b.prov) for a, b in left_join(d[p], d[q]) if b], True),
        (f"SELECT p.x, q.y FROM {p} AS p LEFT JOIN {q} AS q ON p.x = q.x",
         lambda d: padded(left_join(d[p], d[q])), False),
        (f"SELECT x, y FROM {p} UNION ALL SELECT y, x FROM {q}",
         lambda d: d[p] + [Row(b.y, b.x, b.prov) for b in d[q]], True),
        (f"SELECT p.x, p.y FROM {p} AS p SEMI JOIN {q} AS q ON p.x = q.x", lambda d: witnessed(d[p], d[q]), True),
        (f"SELECT p.x, p.y FROM {p} AS p WHERE p.x IN (SELECT q.x FROM {q} AS q WHERE q.y > {c})",
         lambda d: witnessed(d[p], filtered(d[q], c)), True),
        (f"SELECT x, y FROM {p} WHERE EXISTS (SELECT 1 FROM {q} AS q WHERE q.x = {p}.x AND q.y > {c}) AND y > 0",
         lambda d: witnessed([a for a in d[p] if above(a.y, 0)], filtered(d[q], c)), True),
        (f"SELECT p.x, p.y FROM {p} AS p ANTI JOIN {q} AS q ON p.x = q.x",
         lambda d: [a for a in d[p] if not any(equal(a.x, b.x) for b in d[q])], False),
        (f"SELECT x, y FROM {p} AS p WHERE NOT EXISTS (SELECT 1 FROM {q} AS q WHERE q.x = p.x)",
         lambda d: [a for a in d[p] if not any(equal(a.x, b.x) for b in d[q])], False),
        (f"SELECT DISTINCT x, y FROM {p}", lambda d: distinct(d[p]), True),
        (f"SELECT x, y FROM {p} UNION SELECT x, y FROM {q}", lambda d: distinct(d[p] + d[q]), True),
        (f"SELECT x, count(*)::INTEGER AS y FROM {p} GROUP BY x", lambda d: grouped(d[p], len), False),
        (f"SELECT x, sum(y)::INTEGER AS y FROM {p} GROUP BY x HAVING count(*) > 1",
         lambda d: [g for g in grouped(d[p], lambda g: total([b.y for b in g])) if len(groups(d[p])[g.x]) > 1], False),
        (f"SELECT count(*)::INTEGER AS x, max(y) AS y FROM {p}",
         lambda d: [Row(len(d[p]), largest([b.y for b in d[p]]), union(d[p]))], False),
        (f"SELECT p.x, count(q.y)::INTEGER AS y FROM {p} AS p LEFT JOIN {q} AS q ON p.x = q.x GROUP BY p.x",
         lambda d: grouped(padded(left_join(d[p], d[q])), lambda g: sum(b.y is not None for b in g)), False),
        (f"SELECT p.x, count(*)::INTEGER AS y FROM {p} AS p SEMI JOIN {q} AS q ON p.x = q.x GROUP BY p.x",
         lambda d: grouped(witnessed(d[p], d[q]), len), False),
        (f"SELECT x, lag(y) OVER (PARTITION BY x ORDER BY {p}._pos) AS y FROM {p}", lambda d: lagged(d[p]), False),
        (f"SELECT x, row_number() OVER ()::INTEGER AS y FROM {p}",
         lambda d: [Row(a.x, n, union(d[p])) for n, a in enumerate(d[p], 1)], False),
        (f"SELECT x, y FROM {p} QUALIFY row_number() OVER (PARTITION BY x ORDER BY {p}._pos DESC) = 1",
         lambda d: last_of_each(d[p]), False),
        (f"SELECT q.x, p.y FROM {p} AS p RIGHT JOIN {q} AS q ON p.x = q.x", lambda d: right_join(d[p], d[q]), False),
        (f"SELECT x, q.y FROM {p} AS p FULL JOIN {q} AS q USING (x)", lambda d: full_join(d[p], d[q]), False),
        (f"SELECT x, y FROM {p} INTERSECT SELECT x, y FROM {q}", lambda d: intersected(d[p], d[q]), True),
        (f"SELECT x, y FROM {p} EXCEPT SELECT x, y FROM {q}",
         lambda d: [g for g in distinct(d[p]) if (g.x, g.y) not in values(d[q])], False),
        (f"SELECT x, y FROM {p} INTERSECT ALL SELECT x, y FROM {q}",
         lambda d: [Row(a.x, a.y, union(m + o)) for a, m, o in numbered(d[p], d[q], lambda n, k: n <= k)], True),
        (f"SELECT x, y FROM {p} EXCEPT ALL SELECT x, y FROM {q}",
         lambda d: [Row(a.x, a.y, union(m)) for a, m, _ in numbered(d[p], d[q], lambda n, k: n > k)], False),
        (f"SELECT x, y FROM {p} UNION SELECT x, y FROM {q} UNION ALL SELECT y, x FROM {p}",
         lambda d: distinct(d[p] + d[q]) + [Row(a.y, a.x, a.prov) for a in d[p]], True),
        (f"SELECT x, y FROM {p} ORDER BY y LIMIT {c + 1} OFFSET 1",
         lambda d: [Row(a.x, a.y, union(d[p])) for a in by_y(d[p])[1 : c + 2]], False),
        (f"SELECT p.x, q.y FROM {p} AS p ASOF JOIN {q} AS q ON p.x >= q.x",
         lambda d: [Row(a.x, b.y, a.prov | union(g)) for a, b, g in nearest(d[p], d[q]) if b], False),
        (f"SELECT p.x, q.y FROM {p} AS p ASOF LEFT JOIN {q} AS q ON q.x <= p.x",
         lambda d: [Row(a.x, b and b.y, a.prov | union(g)) for a, b, g in nearest(d[p], d[q])], False),
        (f"SELECT x, count(*)::INTEGER AS y FROM {p} GROUP BY ROLLUP (x)", lambda d: rolled_up(d[p]), False),
        (f"SELECT x, count(*) OVER ()::INTEGER AS y FROM {p} GROUP BY x",
         lambda d: [Row(x, len(groups(d[p])), union(d[p])) for x in groups(d[p])], False),
        (f"SELECT DISTINCT count(*)::INTEGER AS x, max(1) AS y FROM {p} GROUP BY x",
         lambda d: distinct([Row(g.y, 1, g.prov) for g in grouped(d[p], len)]), False),
        (f"WITH g AS (SELECT x, last(y ORDER BY {p}._pos) AS y FROM {p} GROUP BY x) "
         f"SELECT p.x, g.y FROM {q} AS p LEFT JOIN g ON p.x = g.x",
         lambda d: padded(left_join(d[q], grouped(d[p], lambda g: g[-1].y))), False),
    ])  # fmt: skip


def draw_rows(r: Random, most: int = 5) -> list[dict]:
    values = (0, 1, 2, 3, None)
    return [{"x": r.choice(values), "y": r.choice(values)} for _ in range(r.randint(0, most))]


def expected(run: ld.Run, steps: list[Step]) -> dict[str, Rows]:
    """What the views hold, by the interpreter, from the sources as the store has them."""
    relations = {}
    for name in ("s", "t"):
        held = run.db.rows(f"SELECT x, y, _rid FROM source.{name} ORDER BY _pos")
        relations[name] = [Row(x, y, frozenset([(name, rid)])) for x, y, rid in held]
    for number, (_, meaning, _) in enumerate(steps, 1):
        relations[f"v{number}"] = [Row(a.x, a.y, a.prov) for a in meaning(relations)]
    return relations


def actual(run: ld.Run, name: str) -> Rows:
    """A view's rows in its order, with the answer of ``backward`` for each."""
    relation = run.plan.relations[name]
    order = ", ".join(
        f'"{t.column}" {"DESC" if t.descending else "ASC"} NULLS {"LAST" if t.nulls_last else "FIRST"}'
        for t in relation.order
    )
    edges: dict[int, set] = {}
    for rid, source, source_rid in run.db.rows(
        f"SELECT _rid, source, source_rid FROM _lester.edges WHERE relation = '{name}'"
    ):
        edges.setdefault(rid, set()).add((source, source_rid))
    rows = run.db.rows(f"SELECT x, y, _rid FROM {name} ORDER BY {order}")
    return [Row(x, y, frozenset(edges.get(rid, ()))) for x, y, rid in rows]


def check(run: ld.Run, steps: list[Step]) -> None:
    relations = expected(run, steps)
    for number, (sql, _, _) in enumerate(steps, 1):
        assert actual(run, f"v{number}") == relations[f"v{number}"], f"v{number}: {sql}"
    last = f"v{len(steps)}"
    rids = [rid for (rid,) in run.db.rows(f"SELECT _rid FROM {last}")]
    backward = {rid: {tuple(e.values()) for e in run.backward(last, rid).to_pylist()} for rid in rids[:3]}
    for rid, found in backward.items():
        for source, source_rid in found:
            reached = run.forward(source, source_rid).to_pylist()
            assert {"relation": last, "_rid": rid} in reached


def delta(rows: list[dict], change: str) -> pa.Table:
    schema = SCHEMA.append(pa.field("_rid", pa.int64())).append(pa.field("_change_type", pa.string()))
    return pa.Table.from_pylist([{**row, "_change_type": change} for row in rows], schema=schema)


@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
    phases=PHASES, suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(st.randoms(use_true_random=False))
def test_random_provenance_is_that_of_an_interpreter(r):
    steps: list[Step] = []
    for _ in range(r.randint(1, 4)):
        steps.append(
            draw_step(r, ["s", "t", *(f"v{n}" for n in range(1, len(steps) + 1)), f"v{len(steps)}" if steps else "s"])
        )
    sources = tuple(Source(name=n, format="table", columns=COLUMNS) for n in ("s", "t"))
    views = tuple(View(name=f"v{n}", sql=sql) for n, (sql, _, _) in enumerate(steps, 1))
    data = {n: pa.Table.from_pylist(draw_rows(r), schema=SCHEMA) for n in ("s", "t")}
    with ld.run(Pipeline(name="random", sources=sources, views=views), ":memory:", data=data) as run:
        check(run, steps)
        held = run.db.arrow("SELECT x, y, _rid FROM source.s ORDER BY _rid").to_pylist()
        gone = [row for row in held if r.random() < 0.4]
        run.update(s=delta(gone, "delete"), t=delta(draw_rows(r, 2), "insert"))
        check(run, steps)
        only_what_made_it(r, run, steps)


def only_what_made_it(r: Random, run: ld.Run, steps: list[Step]) -> None:
    """Monotone views: without the source rows that a row did not come from, the row is still there."""
    if not all(monotone for _, _, monotone in steps):
        return
    rows = actual(run, f"v{len(steps)}")
    if not rows:
        return
    row = r.choice(rows)
    deltas = {}
    for name in ("s", "t"):
        held = run.db.arrow(f"SELECT x, y, _rid FROM source.{name} ORDER BY _rid").to_pylist()
        deltas[name] = delta([h for h in held if (name, h["_rid"]) not in row.prov], "delete")
    run.update(**deltas)
    assert row in actual(run, f"v{len(steps)}")
