"""One list unnested into rows: order, identity, provenance and maintenance."""

from __future__ import annotations

import random

import pyarrow as pa

import lester_duck as ld
from lester_duck.pipeline.model import Pipeline, Source, View

VIEWS = (
    View(name="words", sql="SELECT k, unnest(list_filter(string_split(s, ' '), lambda w: w <> '')) AS word FROM t"),
    View(name="long_words", sql="SELECT k, word FROM words WHERE length(word) > 1"),
    View(name="counts", sql="SELECT word, count(*) AS n, min(k) AS first FROM words GROUP BY word"),
)


def by_hand(rows: list[dict]) -> tuple[list, list, dict]:
    words = [(r["k"], w) for r in rows if r["s"] is not None for w in r["s"].split(" ") if w]
    counts: dict = {}
    for k, w in words:
        n, first = counts.get(w, (0, k))
        counts[w] = (n + 1, min(first, k))
    return words, [w for w in words if len(w[1]) > 1], counts


def seen(run) -> tuple[list, list, dict]:
    words, long_words = ([tuple(r.values()) for r in run.view(v).to_pylist()] for v in ("words", "long_words"))
    return words, long_words, {r["word"]: (r["n"], r["first"]) for r in run.view("counts").to_pylist()}


def test_unnested_rows_follow_changes_in_order():
    draw = random.Random(5)

    def text() -> str | None:
        return draw.choice([None, "", "a", "a bb", "bb a a", " cc  a", "dd bb cc a"])

    rows = [{"k": k, "s": text()} for k in range(12)]
    schema = pa.schema([("k", pa.int64()), ("s", pa.string())])
    pipeline = Pipeline(name="p", sources=(Source(name="t", format="table", key=("k",)),), views=VIEWS)
    with ld.run(pipeline, ":memory:", data={"t": pa.Table.from_pylist(rows, schema=schema)}) as run:
        assert seen(run) == by_hand(rows)
        for _ in range(10):
            place, kind = draw.randrange(len(rows)), draw.choice(["insert", "delete", "update_postimage"])
            row = {"k": max(r["k"] for r in rows) + 1 if kind == "insert" else rows[place]["k"], "s": text()}
            if kind == "insert":
                rows.append(row)
            elif kind == "delete":
                rows.pop(place)
            else:
                rows[place] = row
            delta = {**row, "_change_type": kind}
            run.update(t=pa.Table.from_pylist([delta], schema=schema.append(pa.field("_change_type", pa.string()))))
            assert seen(run) == by_hand(rows)
            run.audit().raise_if_different()
        rid, k = run.sql("SELECT _rid, k FROM words ORDER BY _rid LIMIT 1").fetchall()[0]
        found = run.backward("words", rid).to_pylist()
        assert [run.sql(f"SELECT k FROM t WHERE _rid = {f['source_rid']}").fetchall()[0][0] for f in found] == [k]
