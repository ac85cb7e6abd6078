"""Row order is the original's: random Python loops over records, and the views that say the same.

Each step takes lists of (k, v) and gives a list of (k, v); None equals None, as it does in Python.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random

import pytest
from evaluate import evaluate

from lester_duck.algebra.relation import source_relation
from lester_duck.db import connect

PROGRAMS = int(os.environ.get("FUZZ_EXAMPLES", "0")) or 200
Records = list[tuple[str | None, int | None]]
RELATIONS = {name: source_relation(name, ("k", "v")) for name in ("r", "s")}


def last_wins(rows: Records) -> Records:
    d = {}
    for k, v in rows:
        d[k] = v
    return list(d.items())


def first_wins(rows: Records) -> Records:
    d = {}
    for k, v in rows:
        if k not in d:
            d[k] = v
    return list(d.items())


def moved_to_the_end(rows: Records) -> Records:
    d = {}
    for k, v in rows:
        d.pop(k, None)
        d[k] = v
    return list(d.items())


def counted(rows: Records) -> Records:
    d = {}
    for k, _ in rows:
        d[k] = d.get(k, 0) + 1
    return list(d.items())


def grouped(rows: Records, of: Callable[[list[int]], int | None]) -> Records:
    d = {}
    for k, v in rows:
        group = d.setdefault(k, [])
        if v is not None:
            group.append(v)
    return [(k, of(values)) for k, values in d.items()]


def only_new(rows: Records) -> Records:
    seen, out = set(), []
    for row in rows:
        if row not in seen:
            seen.add(row)
            out.append(row)
    return out


def running(rows: Records) -> Records:
    count, out = {}, []
    for k, _ in rows:
        count[k] = count.get(k, 0) + 1
        out.append((k, count[k]))
    return out


def looked_up(rows: Records, others: Records) -> Records:
    names = dict(others)
    return [(k, names[k]) for k, _ in rows if k in names]


def looked_up_or_none(rows: Records, others: Records) -> Records:
    names = dict(others)
    return [(k, names.get(k)) for k, _ in rows]


def nested_loops(rows: Records, others: Records) -> Records:
    return [(k, w) for k, _ in rows for j, w in others if j == k]


def known_keys(rows: Records, others: Records) -> Records:
    keys = {k for k, _ in others}
    return [(k, v) for k, v in rows if k in keys]


def all_of_the_right(rows: Records, others: Records) -> Records:
    out = []
    for j, _ in others:
        out += [(j, v) for k, v in rows if k == j] or [(j, None)]
    return out


def all_of_both(rows: Records, others: Records) -> Records:
    out = []
    for k, _ in rows:
        out += [(k, w) for j, w in others if j == k] or [(k, None)]
    return out + [(j, w) for j, w in others if j not in {k for k, _ in rows}]


def taken_away(rows: Records, others: Records) -> Records:
    out = list(rows)
    for row in others:
        if row in out:
            out.remove(row)
    return out


def found_there(rows: Records, others: Records) -> Records:
    left, out = list(others), []
    for row in rows:
        if row in left:
            left.remove(row)
            out.append(row)
    return out


def by_value(row: tuple[str | None, int | None]) -> tuple:
    return (row[1] is None, row[1] or 0)


def by_key(row: tuple[str | None, int | None]) -> tuple:
    return (row[0] is None, row[0] or "")


LOOK = "WITH look AS (SELECT k, last(v ORDER BY {s}._pos) AS v FROM {s} GROUP BY k) SELECT x.k, look.v FROM {r} AS x"
SAME = "IS NOT DISTINCT FROM"
STEPS: list[tuple[str, Callable[[Records, Records], Records]]] = [
    ("SELECT k, last(v ORDER BY {r}._pos) AS v FROM {r} GROUP BY k", lambda r, s: last_wins(r)),
    ("SELECT k, arg_max(v, {r}._pos) AS v FROM {r} WHERE v > 0 GROUP BY k",
     lambda r, s: last_wins([x for x in r if (x[1] or 0) > 0])),
    ("SELECT k, first(v ORDER BY {r}._pos) AS v FROM {r} GROUP BY k", lambda r, s: first_wins(r)),
    ("SELECT DISTINCT ON (k) k, v FROM {r} ORDER BY {r}._pos", lambda r, s: first_wins(r)),
    ("SELECT k, v FROM {r} QUALIFY row_number() OVER (PARTITION BY k ORDER BY {r}._pos DESC) = 1",
     lambda r, s: moved_to_the_end(r)),
    ("SELECT k, count(*)::INTEGER AS v FROM {r} GROUP BY k", lambda r, s: counted(r)),
    ("SELECT k, sum(v)::INTEGER AS v FROM {r} GROUP BY k", lambda r, s: grouped(r, lambda g: sum(g) if g else None)),
    ("SELECT k, max(v) AS v FROM {r} GROUP BY k", lambda r, s: grouped(r, lambda g: max(g, default=None))),
    ("SELECT k, list(v)[1] AS v FROM {r} WHERE v IS NOT NULL GROUP BY k",
     lambda r, s: grouped([x for x in r if x[1] is not None], lambda g: g[0])),
    ("SELECT DISTINCT k, v FROM {r}", lambda r, s: only_new(r)),
    ("SELECT k, v FROM {r} UNION SELECT k, v FROM {s}", lambda r, s: only_new(r + s)),
    ("SELECT k, v FROM {r} UNION ALL SELECT k, v FROM {s}", lambda r, s: r + s),
    ("SELECT k, row_number() OVER ()::INTEGER AS v FROM {r}", lambda r, s: [(k, n) for n, (k, _) in enumerate(r, 1)]),
    ("SELECT k, row_number() OVER (PARTITION BY k ORDER BY {r}._pos)::INTEGER AS v FROM {r}", lambda r, s: running(r)),
    ("SELECT k, lag(v) OVER (ORDER BY {r}._pos) AS v FROM {r}",
     lambda r, s: [(k, r[n - 1][1] if n else None) for n, (k, _) in enumerate(r)]),
    (LOOK + f" JOIN look ON look.k {SAME} x.k", looked_up),
    (LOOK + f" LEFT JOIN look ON look.k {SAME} x.k", looked_up_or_none),
    (f"SELECT x.k, y.v FROM {{r}} AS x JOIN {{s}} AS y ON x.k {SAME} y.k", nested_loops),
    (f"SELECT x.k, x.v FROM {{r}} AS x SEMI JOIN {{s}} AS y ON x.k {SAME} y.k", known_keys),
    (f"SELECT x.k, x.v FROM {{r}} AS x ANTI JOIN {{s}} AS y ON x.k {SAME} y.k",
     lambda r, s: [x for x in r if x[0] not in {k for k, _ in s}]),
    (f"SELECT y.k, x.v FROM {{r}} AS x RIGHT JOIN {{s}} AS y ON x.k {SAME} y.k", all_of_the_right),
    (f"SELECT coalesce(x.k, y.k) AS k, y.v FROM {{r}} AS x FULL JOIN {{s}} AS y ON x.k {SAME} y.k", all_of_both),
    ("SELECT k, v FROM {r} EXCEPT SELECT k, v FROM {s}", lambda r, s: only_new([x for x in r if x not in s])),
    ("SELECT k, v FROM {r} INTERSECT SELECT k, v FROM {s}", lambda r, s: only_new([x for x in r if x in s])),
    ("SELECT k, v FROM {r} EXCEPT ALL SELECT k, v FROM {s}", taken_away),
    ("SELECT k, v FROM {r} INTERSECT ALL SELECT k, v FROM {s}", found_there),
    ("SELECT k, v FROM {r} UNION SELECT k, v FROM {s} UNION ALL SELECT k, v FROM {r}",
     lambda r, s: only_new(r + s) + r),
    ("SELECT k, v FROM {r} LIMIT 3 OFFSET 1", lambda r, s: r[1:4]),
    ("SELECT k, v FROM {r} ORDER BY v LIMIT 4", lambda r, s: sorted(r, key=by_value)[:4]),
    ("SELECT k, count(*)::INTEGER AS v FROM {r} GROUP BY ROLLUP (k)", lambda r, s: [*counted(r), (None, len(r))]),
    ("SELECT k, sum(count(*)) OVER ()::INTEGER AS v FROM {r} GROUP BY k",
     lambda r, s: [(k, len(r)) for k, _ in counted(r)]),
    ("SELECT k, v FROM {r} ORDER BY v", lambda r, s: sorted(r, key=by_value)),
    ("SELECT k, v FROM {r} ORDER BY v DESC NULLS FIRST", lambda r, s: sorted(r, key=by_value, reverse=True)),
    ("SELECT k, v FROM {r} ORDER BY k, v DESC NULLS FIRST",
     lambda r, s: sorted(sorted(r, key=by_value, reverse=True), key=by_key)),
    ("SELECT k, v FROM {r} ORDER BY {r}._pos DESC", lambda r, s: r[::-1]),
    ("SELECT k, v + 1 AS v FROM {r} WHERE k <> 'b' ORDER BY v",
     lambda r, s: sorted([(k, None if v is None else v + 1) for k, v in r if k not in ("b", None)], key=by_value)),
    ("SELECT coalesce(k, 'none') AS k, v FROM {r} WHERE v IS NULL OR v < 3",
     lambda r, s: [("none" if k is None else k, v) for k, v in r if v is None or v < 3]),
]  # fmt: skip


@pytest.fixture(scope="module")
def db():
    db = connect()
    db.execute("CREATE SCHEMA source; CREATE SCHEMA _lester")
    yield db
    db.close()


def random_records(r: Random) -> Records:
    return [(r.choice(["a", "b", "c", "d", None]), r.choice([0, 1, 2, 3, None])) for _ in range(r.randint(0, 12))]


def one_program(db, r: Random) -> None:
    held: dict[str, Records] = {name: random_records(r) for name in ("r", "s")}
    for name, rows in held.items():
        db.execute(f"CREATE OR REPLACE TABLE source.{name} (_rid BIGINT, _pos BIGINT, k VARCHAR, v INTEGER)")
        if rows:  # the physical order is not the order of the rows
            stored = [(n, n, k, v) for n, (k, v) in enumerate(rows, 1)]
            r.shuffle(stored)
            db.connection.executemany(f"INSERT INTO source.{name} VALUES (?, ?, ?, ?)", stored)
    views: list[str] = []
    for number in range(1, r.randint(1, 5) + 1):
        text, step = r.choice(STEPS)
        names = {"r": r.choice([*held, *list(held)[-1:] * 2]), "s": r.choice(list(held))}
        views.append(text.format(**names))
        held[f"v{number}"] = step(held[names["r"]], held[names["s"]])
        if len(held[f"v{number}"]) > 400:
            break
    assert evaluate(db, *views, relations=RELATIONS) == held[f"v{len(views)}"], "\n".join(views)


def test_row_order_in_random_programs(db):
    for seed in range(PROGRAMS):
        one_program(db, Random(seed))
