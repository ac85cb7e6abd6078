"""Folds: sequential steps as window functions, replayed when a partition changes."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

import lester_duck as ld
from lester_duck.errors import InputError, Unsupported
from lester_duck.pipeline.model import Column, Function, Pipeline, Source, View

CODE = """
def hysteresis(state, level):
    on = bool(state)
    if level > 7:
        on = True
    elif level < 3:
        on = False
    return on, on

def budget(state, amount):
    left = (10 if state is None else state) - amount
    if left < 0:
        left = 10
    return left, {"left": left, "spent": 10 - left}
"""
FUNCTIONS = (
    Function(name="hysteresis", arguments=(Column(name="level", type="BIGINT"),), returns="BOOLEAN", fold=True),
    Function(
        name="budget",
        arguments=(Column(name="amount", type="BIGINT"),),
        returns='STRUCT("left" BIGINT, spent BIGINT)',
        fold=True,
    ),
)


def pipeline(sql: str) -> Pipeline:
    views = (View(name="v", sql=sql), View(name="w", sql="SELECT g, count(*) AS n FROM v WHERE s GROUP BY g"))
    return Pipeline(
        name="p", sources=(Source(name="t", format="table", key=("k",)),), views=views, functions=FUNCTIONS, code=CODE
    )


SQL = (
    "SELECT k, g, hysteresis(n) OVER (PARTITION BY g ORDER BY _pos) AS s, "
    "(budget(n) OVER (PARTITION BY g ORDER BY _pos))['left'] AS b FROM t"
)


def by_hand(rows: list[dict]) -> list[tuple]:
    scope: dict = {}
    exec(CODE, scope)
    states: dict = {}
    out = []
    for row in rows:
        first, second = states.get(row["g"], (None, None))
        first, s = scope["hysteresis"](first, row["n"])
        second, b = scope["budget"](second, row["n"])
        states[row["g"]] = (first, second)
        out.append((row["k"], row["g"], s, b["left"]))
    return out


def rows_of(run) -> list[tuple]:
    return [tuple(r.values()) for r in run.view("v").to_pylist()]


def test_a_fold_runs_in_order_and_follows_changes():
    draw = random.Random(3)
    rows = [{"k": k, "n": draw.randrange(10), "g": draw.choice(["a", "b", None])} for k in range(40)]
    with ld.run(pipeline(SQL), ":memory:", data={"t": pa.Table.from_pylist(rows)}) as run:
        assert rows_of(run) == by_hand(rows)
        for _ in range(12):
            place = draw.randrange(len(rows))
            kind = draw.choice(["insert", "delete", "update_postimage"])
            row = {"k": rows[place]["k"], "n": draw.randrange(10), "g": draw.choice(["a", "b", None])}
            if kind == "insert":
                row["k"] = max(r["k"] for r in rows) + 1
                rows.append(row)
            elif kind == "delete":
                row = rows.pop(place)
            else:
                rows[place] = row
            run.update(t=pa.Table.from_pylist([{**row, "_change_type": kind}], schema=SCHEMA))
            assert rows_of(run) == by_hand(rows)
            run.audit().raise_if_different()


SCHEMA = pa.schema([("k", pa.int64()), ("n", pa.int64()), ("g", pa.string()), ("_change_type", pa.string())])


def test_a_fold_comes_from_the_rows_up_to_its_own():
    data = pa.table({"k": [1, 2, 3, 4], "n": [5, 5, 5, 5], "g": ["a", "a", "b", "a"]})
    with ld.run(pipeline(SQL), ":memory:", data={"t": data}) as run:
        rids = [r for (r,) in run.sql("SELECT _rid FROM v ORDER BY k").fetchall()]
        found = [[s for (_, s) in run.sql(f"FROM lester.backward('v', {rid})").fetchall()] for rid in rids]
        assert found == [[1], [1, 2], [3], [1, 2, 4]]


def test_a_failing_step_names_its_row():
    broken = pipeline("SELECT g, hysteresis(g) OVER (ORDER BY _pos) AS s FROM t")
    with pytest.raises(InputError, match=r"views/v.sql: hysteresis\(\) raised TypeError"):
        ld.run(broken, ":memory:", data={"t": pa.table({"k": [1], "n": [2], "g": ["x"]})})


def test_a_fold_needs_an_order_and_a_relation_of_its_own():
    data = {"t": pa.table({"k": [1], "n": [2], "g": ["x"]})}
    with pytest.raises(Unsupported, match="has no order"):
        ld.run(pipeline("SELECT g, hysteresis(n) OVER () AS s FROM t"), ":memory:", data=data)
    with pytest.raises(Unsupported, match="together with JOIN or WHERE"):
        ld.run(pipeline("SELECT g, hysteresis(n) OVER (ORDER BY _pos) AS s FROM t WHERE n > 1"), ":memory:", data=data)
