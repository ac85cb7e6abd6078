"""A process killed in the middle of updates leaves a store that agrees with its own audit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa

import lester_duck as ld
from lester_duck.pipeline.model import Column, Pipeline, Source, View

PIPELINE = Pipeline(
    name="killed",
    sources=(
        Source(name="t", format="table", key=("k",), columns=tuple(Column(name=n, type="INTEGER") for n in ("k", "a"))),
    ),
    views=(
        View(name="pairs", sql="SELECT x.k, y.k AS other FROM t AS x JOIN t AS y ON x.a = y.a"),
        View(name="groups", sql="SELECT a, count(*) AS n, last(k ORDER BY t._pos) AS newest FROM t GROUP BY a"),
        View(name="joined", sql="SELECT pairs.k, groups.n FROM pairs LEFT JOIN groups ON groups.newest = pairs.other"),
    ),
)
CHILD = """
import sys
import pyarrow as pa
import lester_duck as ld
with ld.open(sys.argv[1]) as run:
    first = run.sql("SELECT coalesce(max(k), 0) + 1 FROM source.t").fetchall()[0][0]
    for k in range(first, first + 10_000):
        schema = pa.schema([("k", pa.int32()), ("a", pa.int32()), ("_change_type", pa.string())])
        rows = [{"k": k, "a": k % 7, "_change_type": "insert"}]
        if k > 20:
            rows.append({"k": k - 20, "a": 0, "_change_type": "delete"})
        run.update(t=pa.Table.from_pylist(rows, schema=schema))
        print(k, flush=True)
"""


def kill_in_the_middle(store: Path, after: int, delay: float) -> int:
    """Let a process update the store, kill it a moment after its ``after``-th change; returns the last one told."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(store)], stdout=subprocess.PIPE, text=True)
    told = 0
    for _ in range(after):
        told = int(child.stdout.readline())
    time.sleep(delay)
    os.kill(child.pid, signal.SIGKILL)
    rest = child.stdout.read().split()
    child.wait()
    assert child.returncode == -signal.SIGKILL
    return int(rest[-1]) if rest else told


def test_killed_while_updating(tmp_path):
    store = tmp_path / "killed.duckdb"
    data = {"t": pa.table({n: pa.array([], pa.int32()) for n in ("k", "a")})}
    ld.run(PIPELINE, store, data=data).close()
    for after, delay in ((3, 0.0), (2, 0.017)):
        told = kill_in_the_middle(store, after, delay)
        with ld.open(store) as run:
            assert run.audit().differences == ()
            last = run.db.value("SELECT max(k) FROM source.t")
            assert last in (told, told + 1), "a change that was reported is there; at most one more is"
            assert run.db.value("SELECT count(*) FROM lester.changes") >= last
            run.update(t=pa.table({"k": pa.array([last], pa.int32()), "a": pa.array([5], pa.int32()),
                                   "_change_type": ["update_postimage"]}))  # fmt: skip
            assert run.audit().differences == ()
