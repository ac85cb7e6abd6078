"""The 22 TPC-H queries with row provenance, against the same queries without, side by side in one run.

Plain is the query's result put into a table. With provenance is all that a run does to have the view
with its provenance: every step of it, stored where it is stored. Edges is reading every pair
(output row, source, source row) of the view, all of them, as Arrow batches. A round times the three of
a query one after the other; ratios are taken within a round, and the median over the rounds counts.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measuring import Goal, finish, options, p50, table, tpch

import lester_duck as ld
from lester_duck.engine.build import build_block, drop_block
from lester_duck.engine.calls import make_worker
from lester_duck.pipeline.model import View

THREADS = 2
MEDIAN, WORST, EDGES = 1.16, 2.0, 3.0


def seconds(work: Callable[[], Any]) -> float:
    """How long something takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def plain(run: ld.Run, view: View) -> None:
    """The query without provenance."""
    run.db.execute(f"CREATE OR REPLACE TABLE _lester.plain AS {view.sql}")


def with_provenance(run: ld.Run, view: View, worker: Any) -> float:
    """Seconds for the steps of a view to be built again; dropping the old ones does not count."""
    blocks = [b for b in run.plan.blocks if b.view == view.name]
    for block in reversed(blocks):
        drop_block(run.db, block.schema, block.table, run.plan.stored[block.name].how)

    def build() -> None:
        with run.db.transaction():
            for block in blocks:
                build_block(run.db, run.plan, block, worker)

    return seconds(build)


def read_edges(run: ld.Run, view: View) -> int:
    """How many edges the view's rows have, each of them read."""
    return sum(len(b) for b in run.db.batches(f"SELECT _rid, source, source_rid FROM _lester.edges_{view.name}"))


def cell(run: ld.Run, view: View, rounds: int, worker: Any) -> dict[str, Any]:
    """All figures of one query; the first round warms up."""
    figures: dict[str, list[float]] = {"plain_s": [], "with_s": [], "edges_s": []}
    edges = 0
    for _ in range(rounds + 1):
        figures["plain_s"].append(seconds(lambda: plain(run, view)))
        figures["with_s"].append(with_provenance(run, view, worker))
        started = time.perf_counter()
        edges = read_edges(run, view)
        figures["edges_s"].append(time.perf_counter() - started)
    figures = {name: values[1:] for name, values in figures.items()}
    return {
        "query": view.name,
        **figures,
        "overhead": p50([w / p for w, p in zip(figures["with_s"], figures["plain_s"], strict=True)]),
        "edges_ratio": p50([e / p for e, p in zip(figures["edges_s"], figures["plain_s"], strict=True)]),
        "rows": run.db.value(f"SELECT count(*) FROM {view.name}"),
        "edges": edges,
        "equal": run.view(view.name).equals(tpch.plain(run, view)),
    }


HEADER = ("query", "rows", "plain ms", "with ms", "ratio", "edges", "edges ms", "ratio", "result")


def row(c: dict[str, Any]) -> tuple[Any, ...]:
    """A cell as a line of the table."""
    return (
        c["query"],
        c["rows"],
        f"{p50(c['plain_s']) * 1000:.0f}",
        f"{p50(c['with_s']) * 1000:.0f}",
        f"{c['overhead']:.2f}",
        c["edges"],
        f"{p50(c['edges_s']) * 1000:.0f}",
        f"{c['edges_ratio']:.2f}",
        "equal" if c["equal"] else "DIFFERS",
    )


def goals(cells: list[dict[str, Any]]) -> list[Goal]:
    """No cell counts unless every result is that of the plain query."""
    eligible = cells if all(c["equal"] for c in cells) else []
    overhead = {c["query"]: c["overhead"] for c in eligible}
    middle = {f"of {len(overhead)} queries": p50(list(overhead.values()))} if overhead else {}
    return [
        Goal("median overhead of provenance", MEDIAN, "x", middle),
        Goal("overhead of provenance", WORST, "x", overhead),
        Goal("reading all edges", EDGES, "x", {c["query"]: c["edges_ratio"] for c in eligible}),
    ]


def arguments(parser: Any) -> None:
    """Options of this benchmark alone."""
    parser.add_argument("--scale", type=float, help="scale factor (default: 1, with --quick 0.2)")
    parser.add_argument("--only", nargs="+", metavar="QUERY", help="these queries only: q01 q09")


def main() -> None:
    """Measure, print, conclude."""
    args = options(__doc__, arguments)
    scale = args.scale or (0.2 if args.quick else 1)
    with tempfile.TemporaryDirectory() as folder:
        tpch.generate(Path(folder), scale)
        with ld.run(tpch.PIPELINE, Path(folder) / "bench.duckdb", root=folder) as run:
            run.db.execute(f"SET threads = {THREADS}")
            run.db.execute("SET search_path = 'main,source'")
            worker = make_worker(run.pipeline, total=1.0)
            views = [v for v in run.pipeline.views if not args.only or v.name in args.only]
            cells = [cell(run, v, 3 if args.quick else 7, worker) for v in views]
            worker.close()
    print(table(HEADER, [row(c) for c in cells]))
    finish(args, {"scale": scale, "cells": cells}, goals(cells))


if __name__ == "__main__":
    main()
