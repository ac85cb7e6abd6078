"""The review pipeline: which records trained the model, and a fairness figure, each one statement in a plain shell."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import duckdb
import pytest

import lester_duck as ld

BENCH = Path(__file__).resolve().parents[2] / "bench"
pytestmark = pytest.mark.skipif(not BENCH.is_dir(), reason="the benchmarks are not part of this installation")


def made_up():
    spec = importlib.util.spec_from_file_location("made_up_reviews", BENCH / "measuring" / "reviews.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("seed", range(5))
def test_both_questions_equal_pandas(seed, tmp_path):
    reviews = made_up()
    reviews.write(tmp_path, 3_000, seed)
    with ld.run(ld.load(BENCH / "pipelines" / "reviews"), tmp_path / "reviews.duckdb", root=tmp_path) as run:
        predicted, labels = run.predict("test"), run.labels("test")
    rows = reviews.prepared(tmp_path)
    assert labels.tolist() == rows.loc[~rows["train"], "label"].tolist()
    with duckdb.connect(str(tmp_path / "reviews.duckdb"), read_only=True) as shell:
        ((difference,),) = shell.execute(reviews.T1).fetchall()
        found = shell.execute(reviews.T2).fetchall()
        usage = shell.execute("SELECT _rid FROM lester.usage('ratings') WHERE train_rows > 0").fetchall()
    assert difference == pytest.approx(reviews.difference(rows, predicted), abs=1e-12)
    assert difference > 0
    for source in ("ratings", "products"):
        lines = sum(1 for _ in (tmp_path / f"{source}.csv").open()) - 1
        assert sorted(rid for name, rid, _ in found if name == source) == list(range(1, lines + 1))
        assert {rid for name, rid, used in found if name == source and used} == reviews.trained(rows, source)
    assert {rid for (rid,) in usage} == reviews.trained(rows, "ratings")


def test_the_data_has_the_traps(tmp_path):
    reviews = made_up()
    reviews.write(tmp_path, 3_000, 0)
    rows = reviews.prepared(tmp_path)
    assert rows["reviews_line"].duplicated().any()  # joins fan out
    assert rows["ratings_line"].duplicated().any()
    assert rows["title"].isna().any()
    both = set(rows.loc[rows["train"], "products_line"]) & set(rows.loc[~rows["train"], "products_line"])
    assert both  # a product's key says nothing of its part
