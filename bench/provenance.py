"""The 22 TPC-H queries with row provenance, against the same queries without, side by side in one run.

Plain is the query's result put into a table. With provenance is all that a run does to have the view
with its provenance: every statement for every step, planned beforehand. Edges is reading every edge
(output row, source, source row) of the view as Arrow batches; what an uncorrelated subquery computed once
for all rows is one edge to that result, whose own edges are read once. A round times the three of a query
one after the other; ratios are taken within a round, and the median over the rounds counts. Ratios of
processor time, which other programs on the machine disturb less, are shown beside and not judged.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring import Goal, finish, options, p50, table, tpch

import lester_duck as ld
from lester_duck.algebra.compute import compute
from lester_duck.db import sql_text
from lester_duck.engine.build import creation
from lester_duck.pipeline.model import View

THREADS = 2
MEDIAN, WORST, EDGES = 1.16, 2.0, 3.0


@dataclass(frozen=True, slots=True)
class Lap:
    """How long something took: on the clock, and on all processors."""

    wall: float
    cpu: float


def lap(work: Callable[[], Any]) -> Lap:
    """Do the work and say how long it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Lap(time.perf_counter() - wall, time.process_time() - cpu)


def plain(run: ld.Run, view: View) -> Lap:
    """The query without provenance."""
    return lap(lambda: run.db.execute(f"CREATE OR REPLACE TABLE _lester.plain AS {view.sql}"))


def statements(run: ld.Run, view: View) -> tuple[list[str], list[str]]:
    """What drops the steps of a view, and what a run executes to have them: texts, made before the clock starts."""
    blocks = [b for b in run.plan.blocks if b.view == view.name]
    kinds = {b.name: run.plan.stored[b.name].how for b in blocks}
    drop = [f'DROP {kinds[b.name]} {b.schema}."{b.table}"' for b in reversed(blocks)]
    return drop, [sql_text(creation(run.plan, b, compute(b, run.plan.relations))) for b in blocks]


def with_provenance(run: ld.Run, drop: list[str], build: list[str]) -> Lap:
    """The steps of a view built again; dropping the old ones does not count."""
    for text in drop:
        run.db.execute(text)

    def in_one_transaction() -> None:
        with run.db.transaction():
            for text in build:
                run.db.execute(text)

    return lap(in_one_transaction)


def held(run: ld.Run, relation: str) -> list[str]:
    """The relation, and the steps whose rows its edges name, and so on."""
    query = f"SELECT DISTINCT source FROM _lester.lineage_{relation}"
    sources = {s.name for s in run.pipeline.sources}
    steps = [step for (step,) in run.db.rows(query) if step not in sources]
    return [relation, *(name for step in steps for name in held(run, step))]


def read_edges(run: ld.Run, relations: list[str]) -> int:
    """How many edges there are, each of them read."""
    texts = [f"SELECT _rid, source, source_rid FROM _lester.lineage_{name}" for name in relations]
    return sum(len(batch) for text in texts for batch in run.db.batches(text))


def cell(run: ld.Run, view: View, rounds: int) -> dict[str, Any]:
    """All figures of one query; the first round warms up."""
    laps: list[tuple[Lap, Lap, Lap]] = []
    relations = held(run, view.name)
    drop, build = statements(run, view)
    for _ in range(rounds + 1):
        once = plain(run, view), with_provenance(run, drop, build)
        laps.append((*once, lap(lambda: read_edges(run, relations))))
    laps = laps[1:]
    return {
        "query": view.name,
        **{f"{name}_s": [of[n].wall for of in laps] for n, name in enumerate(("plain", "with", "edges"))},
        "overhead": p50([w.wall / p.wall for p, w, _ in laps]),
        "overhead_cpu": p50([w.cpu / p.cpu for p, w, _ in laps]),
        "edges_ratio": p50([e.wall / p.wall for p, _, e in laps]),
        "edges_ratio_cpu": p50([e.cpu / p.cpu for p, _, e in laps]),
        "rows": run.db.value(f"SELECT count(*) FROM {view.name}"),
        "edges": read_edges(run, relations),
        "equal": run.view(view.name).equals(tpch.plain(run, view)),
    }


HEADER = ("query", "rows", "plain ms", "with ms", "ratio", "cpu", "edges", "edges ms", "ratio", "cpu", "result")


def row(c: dict[str, Any]) -> tuple[Any, ...]:
    """A cell as a line of the table."""
    return (
        c["query"],
        c["rows"],
        f"{p50(c['plain_s']) * 1000:.0f}",
        f"{p50(c['with_s']) * 1000:.0f}",
        f"{c['overhead']:.2f}",
        f"{c['overhead_cpu']:.2f}",
        c["edges"],
        f"{p50(c['edges_s']) * 1000:.0f}",
        f"{c['edges_ratio']:.2f}",
        f"{c['edges_ratio_cpu']:.2f}",
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
            views = [v for v in run.pipeline.views if not args.only or v.name in args.only]
            cells = [cell(run, v, 3 if args.quick else 7) for v in views]
    print(table(HEADER, [row(c) for c in cells]))
    finish(args, {"scale": scale, "cells": cells}, goals(cells))


if __name__ == "__main__":
    main()
