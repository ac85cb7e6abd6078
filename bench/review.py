"""Questions of a reviewer: time of each, and whether the answer equals an independent computation.

Reviews: 250,000 of them, five seeds; T1 (equal opportunity between reviews of third parties and others)
and T2 (which records of ratings and products trained the model), each one statement, against pandas.
Credit cards: the store of 10,000 customers; backward from one feature row, forward from one source row,
column lineage of one feature. Every question is asked in a plain DuckDB connection to the store's file;
cold is the first question of a new connection, warm the median of those that follow, each for another row.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
from measuring import Goal, finish, options, p50, reviews, table
from update import make_data

import lester_duck as ld

HERE = Path(__file__).parent
REVIEWS = 250_000
SEEDS = 5
STATEMENT_MS = 100.0
QUESTION_MS = 10.0
CONNECTIONS = 5

Ask = Callable[[duckdb.DuckDBPyConnection], Any]


Times = dict[str, list[float]]


def milliseconds(path: Path, asks: Sequence[Ask]) -> Times:
    """The times of the first of the questions in each of a few new connections, and of those that follow.

    ``cpu`` is the processors' time of those that follow: on a busy machine what waiting is not in.
    """
    found: Times = {"cold": [], "warm": [], "cpu": []}
    for start in range(CONNECTIONS):
        with duckdb.connect(str(path), read_only=True) as shell:
            for place, ask in enumerate(asks[start:] + asks[:start]):
                began, worked = time.perf_counter(), time.process_time()
                ask(shell)
                found["warm" if place else "cold"].append((time.perf_counter() - began) * 1000)
                if place:
                    found["cpu"].append((time.process_time() - worked) * 1000)
    return found


def statement(text: str) -> Ask:
    """A statement whose result is read as Arrow."""
    return lambda shell: shell.sql(text).to_arrow_table()


def asked_of_reviews(seed: int, count: int) -> dict[str, Any]:
    """Both statements on one draw of reviews, timed and compared."""
    with tempfile.TemporaryDirectory() as folder:
        root, path = Path(folder), Path(folder) / "bench.duckdb"
        reviews.write(root, count, seed)
        with ld.run(ld.load(HERE / "pipelines" / "reviews"), path, root=root) as run:
            predicted = run.predict("test")
        rows = reviews.prepared(root)
        with duckdb.connect(str(path), read_only=True) as shell:
            ((difference,),) = shell.execute(reviews.T1).fetchall()
            found = shell.sql(reviews.T2).to_arrow_table().to_pandas()
        used = found[found["trained"]]
        same = {
            "T1": abs(difference - reviews.difference(rows, predicted)) < 1e-12,
            "T2": all(set(used.loc[used["source"] == n, "_rid"]) == reviews.trained(rows, n) for n in SOURCES),
        }
        times = {name: milliseconds(path, [statement(text)] * 7) for name, text in QUESTIONS.items()}
    return {"seed": seed, "rows": len(rows), "same": same, "times": times}


SOURCES = ("ratings", "products")
QUESTIONS = {"T1": reviews.T1, "T2": reviews.T2}


def prepared(text: str, *values: Any) -> Ask:
    """A statement with values, all rows fetched."""
    return lambda shell: shell.execute(text, list(values)).fetchall()


def asked_of_letters(customers: int) -> dict[str, Any]:
    """The three questions on a store of credit-card customers, each for many rows or features."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.duckdb"
        make_data(Path(folder), customers)
        with ld.run(ld.load(HERE / "pipelines" / "creditcard"), path, root=folder, model="later") as run:
            rids = [r for (r,) in run.sql("SELECT _rid FROM prepared USING SAMPLE 21 (reservoir, 7)").fetchall()]
            mails = [
                m
                for rid in rids
                for s, m in run.sql(f"FROM lester.backward('prepared', {rid})").fetchall()
                if s == "mails"
            ]
            features = run.sql("SELECT name FROM _lester.feature USING SAMPLE 21 (reservoir, 7)").fetchall()
        asks = {
            "backward from a feature row": [prepared("FROM lester.backward('prepared', ?)", r) for r in rids],
            "forward from a source row": [prepared("FROM lester.forward('mails', ?)", m) for m in mails],
            "forward from a customer": [prepared("FROM lester.forward('customers', ?)", m) for m in range(100, 121)],
            "column lineage of a feature": [
                prepared("FROM lester.feature_lineage WHERE feature = ?", f) for (f,) in features
            ],
            "cells behind a matrix cell": [
                prepared("FROM lester.backward_feature(?, ?)", r, f) for r, (f,) in zip(rids, features)
            ],
        }
        return {name: milliseconds(path, questions) for name, questions in asks.items()}


def lines(times: dict[str, Times], of: str) -> list[tuple[Any, ...]]:
    """One line per question."""
    return [
        (of, name, f"{p50(t['cold']):.1f}", f"{p50(t['warm']):.1f}", f"{min(t['warm']):.1f}", f"{p50(t['cpu']):.1f}")
        for name, t in times.items()
    ]


HEADER = ("of", "question", "cold ms", "warm ms", "least ms", "cpu ms")


def main() -> None:
    """Measure, print, conclude."""
    args = options(__doc__)
    count, customers = (50_000, 2_000) if args.quick else (REVIEWS, 10_000)
    cells = [asked_of_reviews(seed, count) for seed in range(2 if args.quick else SEEDS)]
    letters = asked_of_letters(customers)
    shown = [line for c in cells for line in lines(c["times"], f"{count} reviews, seed {c['seed']}")]
    print(table(HEADER, shown + lines(letters, f"{customers} customers")))
    equal = sum(same for c in cells for same in c["same"].values())
    print(f"equal to pandas: {equal} of {2 * len(cells)}")
    right = {f"seed {c['seed']} {q}": p50(c["times"][q]["warm"]) for c in cells for q in QUESTIONS if c["same"][q]}
    wrong = {f"seed {c['seed']} {q}": 1.0 for c in cells for q in QUESTIONS if not c["same"][q]}
    finish(
        args,
        {"reviews": cells, "letters": letters},
        [
            Goal("answers that differ from pandas", 0, "answers", wrong or {"all seeds": 0.0}),
            Goal("T1 and T2, warm", STATEMENT_MS, "ms", right),
            Goal("questions on customers, warm", QUESTION_MS, "ms", {n: p50(t["warm"]) for n, t in letters.items()}),
            Goal("questions on customers, cold", QUESTION_MS, "ms", {n: p50(t["cold"]) for n, t in letters.items()}),
        ],
    )


if __name__ == "__main__":
    main()
