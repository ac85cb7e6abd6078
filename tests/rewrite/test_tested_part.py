"""What a fitted estimator is asked about is compared, too: with the test part, or with all rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest

from lester_duck.pipeline.model import Features, Label, Origin, Pipeline, Source, Split, View
from lester_duck.rewrite.judge import judge

from .watching import watched

X = np.arange(12, dtype=float).reshape(6, 2)
Y = np.array([0, 1, 0, 1, 0, 1])
BEGIN = """
import numpy as np
from sklearn.tree import DecisionTreeClassifier
X = np.arange(12, dtype=float).reshape(6, 2)
y = [0, 1, 0, 1, 0, 1]
model = DecisionTreeClassifier(random_state=0)
model.fit(X[:4], y[:4])
"""
PIPELINE = Pipeline(
    name="p",
    sources=(Source(name="t", format="csv"),),
    views=(View(name="v", sql="SELECT a, b, y FROM t"),),
    features=Features(view="v", featurizers=()),
    label=Label(column="y"),
    split=Split(kind="position", params=(("rows", "4"),)),
    origin=Origin(script="script.py", sha256="", engine="static", fit="DecisionTreeClassifier"),
)
POINT = "X given to DecisionTreeClassifier.predict or score"


@dataclass
class Parts:
    """A run whose train part is right; ``rows`` are those of its test part."""

    rows: list[int]

    def matrix(self, part: str = "train") -> np.ndarray:
        return {"train": X[:4], "test": X[self.rows], "all": X}[part]

    def columns(self) -> tuple[str, ...]:
        return ("a", "b")

    def labels(self) -> np.ndarray:
        return Y[:4]


def judged(folder, asked: str, rows: list[int]):
    @contextmanager
    def execute(pipeline, data) -> Iterator[Parts]:
        yield Parts(rows)

    with watched(folder, BEGIN + asked) as evidence:
        return judge(PIPELINE, evidence, execute, folder)


@pytest.mark.parametrize(
    "asked",
    [
        "model.score(X[4:], y[4:])",
        "model.score(X[:4], y[:4]); model.predict_proba(X[4:])",
        "for i in range(4, 6):\n    model.predict([X[i]])",
        "for i in range(4, 6):\n    model.predict(X[i : i + 1])",
        "model.predict(X)",
        "model.predict(X[4:5]); model.predict(X[4:])",
    ],
    ids=["score", "train too", "row by row", "slices", "all rows", "an example too"],
)
def test_what_is_asked_about_is_the_test_part(tmp_path, asked):
    verdict = judged(tmp_path, asked, [4, 5])
    assert verdict.agreed, verdict
    assert POINT in verdict.compared
    assert not any("matrices given" in note for note in verdict.not_checked)


@pytest.mark.parametrize("rows", [[4], [5, 4], [0, 4], []])
def test_another_test_part_differs(tmp_path, rows):
    verdict = judged(tmp_path, "model.score(X[4:], y[4:])", rows)
    assert verdict.status == "differs"
    assert verdict.first.point == POINT


@pytest.mark.parametrize(
    "asked",
    ["model.score(X[:4], y[:4])", "model.predict(X[4:5])", "model.score(X[3:5], y[3:5]); model.predict(X[1:2])"],
)
def test_what_is_no_part_says_nothing_and_is_named(tmp_path, asked):
    verdict = judged(tmp_path, asked, [4, 5])
    assert verdict.agreed, verdict
    assert POINT not in verdict.compared
    assert any("matrices given" in note for note in verdict.not_checked)


def test_a_second_fit_ends_what_is_compared(tmp_path):
    verdict = judged(tmp_path, "model.fit(X, y)\nmodel.predict(X[4:])", [0])
    assert verdict.agreed, verdict
    assert POINT not in verdict.compared
