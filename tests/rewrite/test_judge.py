"""The judge against an executor that returns what the tests put in: no engine is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lester_duck.errors import Disagreement, InputError, InternalError
from lester_duck.pipeline.model import Checkpoint, Origin, Output, Pipeline, Source, View
from lester_duck.rewrite.judge import Execute, judge

from .watching import watched


@dataclass
class Fake:
    """A run whose content is given."""

    views: dict[str, pa.Table]
    x: np.ndarray
    y: np.ndarray

    def view(self, name: str) -> pa.Table:
        return self.views[name]

    def matrix(self, part: str = "train") -> np.ndarray:
        return self.x

    def columns(self) -> tuple[str, ...]:
        return ("amount: amount", "city: north", "city: south")

    def labels(self) -> np.ndarray:
        return self.y


def faking(run: Fake) -> Execute:
    @contextmanager
    def execute(pipeline: Pipeline, data: Path) -> Iterator[Fake]:
        yield run

    return execute


@pytest.fixture
def right(observed) -> Fake:
    """What a pipeline has that agrees with the original."""
    run = observed[1].first
    shops = run.value(run.snapshot("shops", 15).value)
    rows = run.value(run.snapshot("rows", 26).value)
    parts = {name: [s[name] for s in shops.values()] for name in ("city", "big")}
    views = {
        "shops": pa.table({"shop": list(shops), **parts}),
        "rows": pa.table(
            {name: [r[n] for r in rows] for n, name in enumerate(("order_id", "city", "big", "amount", "late"))}
        ),
    }
    fit = run.calls[0]
    return Fake(views=views, x=run.value(fit.x).copy(), y=run.value(fit.y).copy())


def verdict_of(observed, pipeline: Pipeline, run: Fake):
    folder, evidence = observed
    return judge(pipeline, evidence, faking(run), folder)


def test_everything_equal_agrees(observed, pipeline, right):
    verdict = verdict_of(observed, pipeline, right)
    assert verdict.status == "agreed"
    assert verdict.agreed
    assert verdict.compared == (
        "variable shops after line 15",
        "file out/orders.tsv",
        "X given to LogisticRegression.fit",
        "y given to LogisticRegression.fit",
    )
    assert verdict.inputs == 0
    assert "matrices given to score" in verdict.not_checked
    verdict.raise_if_different()


def changed(table: pa.Table, column: str, change: Callable[[list], list]) -> pa.Table:
    values = change(table.column(column).to_pylist())
    return table.set_column(table.column_names.index(column), column, pa.array(values))


def test_a_changed_cell_is_named_at_its_view(observed, pipeline, right):
    right.views["shops"] = changed(right.views["shops"], "big", lambda v: [not v[0], *v[1:]])
    verdict = verdict_of(observed, pipeline, right)
    assert verdict.status == "differs"
    assert verdict.first.view == "shops"
    assert verdict.first.mismatch.column == "big"
    assert verdict.first.mismatch.row == 1
    assert "1 of" in verdict.first.mismatch.text
    with pytest.raises(Disagreement, match="view shops"):
        verdict.raise_if_different()


def test_another_order_is_said_as_such(observed, pipeline, right):
    right.views["rows"] = right.views["rows"].take(list(reversed(range(right.views["rows"].num_rows))))
    verdict = verdict_of(observed, pipeline, right)
    assert verdict.first.view == "rows"
    assert verdict.first.mismatch.kind == "order"
    assert "another order" in str(verdict)


def test_missing_and_extra_rows_are_counted(observed, pipeline, right):
    right.views["rows"] = right.views["rows"].slice(1)
    found = verdict_of(observed, pipeline, right).first.mismatch
    assert found.kind == "rows"
    assert found.text.startswith("1 of ")
    assert found.row == 1


def test_an_upstream_view_is_reported_before_a_downstream_one(observed, pipeline, right):
    right.views["shops"] = right.views["shops"].slice(1)
    right.views["rows"] = right.views["rows"].slice(1)
    right.y = 1 - right.y
    verdict = verdict_of(observed, pipeline, right)
    assert [d.view for d in verdict.differences] == ["shops", "rows", "prepared"]


@pytest.mark.parametrize(
    ("change", "kind", "column"),
    [
        (lambda x: x * [1.0 + 1e-6, 1, 1], "value", "amount: amount"),
        (lambda x: x * [np.sqrt(len(x) / (len(x) - 1)), 1, 1], "value", "amount: amount"),
        (lambda x: x[:, [0, 2, 1]], "value", "city: north"),
        (lambda x: x[::-1], "order", None),
        (lambda x: x[:-1], "rows", None),
        (lambda x: x[:, :2], "columns", None),
    ],
    ids=["a millionth", "sample deviation", "columns swapped", "reversed", "a row less", "a column less"],
)
def test_differences_of_the_matrix(observed, pipeline, right, change, kind, column):
    right.x = change(right.x)
    verdict = verdict_of(observed, pipeline, right)
    assert verdict.status == "differs"
    assert (verdict.first.mismatch.kind, verdict.first.mismatch.column) == (kind, column)
    assert verdict.first.point == "X given to LogisticRegression.fit"


def test_rounding_of_the_matrix_is_within_the_tolerance(observed, pipeline, right):
    right.x = right.x + 1e-13
    assert verdict_of(observed, pipeline, right).status == "agreed"


def test_labels_are_compared(observed, pipeline, right):
    right.y[3] = 1 - right.y[3]
    first = verdict_of(observed, pipeline, right).first
    assert first.point == "y given to LogisticRegression.fit"
    assert first.mismatch.row == 4


def test_a_view_without_a_claimed_column_differs(observed, pipeline, right):
    right.views["shops"] = right.views["shops"].drop_columns(["big"])
    assert "no column 'big'" in verdict_of(observed, pipeline, right).first.mismatch.text


def test_a_pipeline_that_refuses_the_data_differs(observed, pipeline):
    @contextmanager
    def refusing(pipeline, data):
        raise InputError("no column 'x'", where="views/rows.sql:2")
        yield

    verdict = judge(pipeline, observed[1], refusing, observed[0])
    assert verdict.status == "differs"
    assert verdict.first.view == "rows"
    assert "no column 'x'" in str(verdict)


def test_views_are_still_compared_when_only_the_features_are_refused(observed, pipeline, right):
    right.views["shops"] = right.views["shops"].slice(1)

    @contextmanager
    def execute(given, data):
        if given.features:
            raise InputError("featurizer 'city': unknown kind")
        yield right

    verdict = judge(pipeline, observed[1], execute, observed[0])
    assert [d.point for d in verdict.differences] == ["variable shops after line 15", "run"]


def test_a_fault_of_ours_is_not_a_verdict(observed, pipeline):
    @contextmanager
    def broken(pipeline, data):
        raise InternalError("broken")
        yield

    with pytest.raises(InternalError):
        judge(pipeline, observed[1], broken, observed[0])


def test_what_the_pipeline_does_not_claim_keeps_it_from_agreeing(observed, pipeline, right):
    without_file = replace(pipeline, origin=replace(pipeline.origin, outputs=()))
    verdict = verdict_of(observed, without_file, right)
    assert verdict.status == "not comparable"
    assert "out/orders.tsv" in verdict.not_comparable[0]
    without_fit = replace(pipeline, origin=replace(pipeline.origin, fit=None))
    assert "X given to LogisticRegression.fit" in verdict_of(observed, without_fit, right).not_comparable[0]
    nothing = replace(pipeline, origin=None, features=None, label=None)
    assert verdict_of(observed, nothing, right).status == "not comparable"


def judged(folder: Path, code: str, origin: Origin, views: dict[str, pa.Table], files: dict[str, str] | None = None):
    made = Pipeline(
        name="p",
        sources=(Source(name="s", format="text", path="s.txt"),),
        views=tuple(View(name=name, sql="SELECT * FROM s") for name in views),
        origin=origin,
    )
    with watched(folder, code, files) as evidence:
        return judge(made, evidence, faking(Fake(views, np.zeros((0, 0)), np.zeros(0))), folder)


def origin_of(**claims) -> Origin:
    return Origin(script="script.py", sha256="", engine="test", **claims)


LETTERS = 'words = {"a", "b", "c", "d", "e", "f", "g"}\n'


def test_the_order_of_a_set_is_not_comparable(tmp_path):
    claim = Checkpoint(variable="ids", line=2, view="v", columns=(("item", "w"),))
    views = {"v": pa.table({"w": sorted("abcdefg")})}
    verdict = judged(tmp_path, LETTERS + "ids = list(words)\n", origin_of(checkpoints=(claim,)), views)
    assert verdict.status == "not comparable"
    assert "order differs between two runs" in verdict.not_comparable[0]
    fewer = {"v": pa.table({"w": sorted("abcdef")})}
    assert judged(tmp_path, LETTERS + "ids = list(words)\n", origin_of(checkpoints=(claim,)), fewer).status == "differs"


def test_a_set_itself_has_no_order_to_compare(tmp_path):
    claim = Checkpoint(variable="words", line=1, view="v", columns=(("item", "w"),))
    views = {"v": pa.table({"w": list("gfedcba")})}
    assert judged(tmp_path, LETTERS, origin_of(checkpoints=(claim,)), views).status == "agreed"


def test_codes_that_follow_a_set_are_not_comparable(tmp_path):
    code = LETTERS + "codes = {w: n for n, w in enumerate(words)}\n"
    claim = Checkpoint(variable="codes", line=2, view="v", columns=(("key", "w"), ("value", "n")), ordered=False)
    views = {"v": pa.table({"w": sorted("abcdefg"), "n": list(range(7))})}
    verdict = judged(tmp_path, code, origin_of(checkpoints=(claim,)), views)
    assert verdict.status == "not comparable"
    assert "differs between two runs" in verdict.not_comparable[0]


def test_the_clock_is_not_comparable(tmp_path):
    claim = Checkpoint(variable="age", line=2, view="v", columns=(("item", "days"),))
    code = "from datetime import date\nage = (date.today() - date(2020, 1, 1)).days\n"
    verdict = judged(tmp_path, code, origin_of(checkpoints=(claim,)), {"v": pa.table({"days": [1]})})
    assert verdict.status == "not comparable"


def test_a_variable_that_was_not_there_is_not_comparable(tmp_path):
    claim = Checkpoint(variable="gone", line=1, view="v", columns=(("item", "a"),))
    verdict = judged(tmp_path, "x = 1\n", origin_of(checkpoints=(claim,)), {"v": pa.table({"a": [1]})})
    assert verdict.not_comparable == ("variable gone after line 1: gone was not seen at line 1",)


@pytest.mark.parametrize(
    ("table", "status", "text"),
    [
        ({"n": [1, 2], "x": [0.30000000000000004, 2.0]}, "agreed", ""),
        ({"n": [1, 2], "x": [0.3, 2.0]}, "agreed", ""),
        ({"n": [1, 2], "x": [0.31, 2.0]}, "differs", "column 'x'"),
        ({"n": [1, 2], "x": [None, 2.0]}, "differs", "column 'x'"),
        ({"n": [1.0, 2.0], "x": [0.3, 2.0]}, "differs", "column 'n'"),
        ({"n": [2, 1], "x": [2.0, 0.30000000000000004]}, "differs", "another order"),
        ({"n": [1], "x": [0.3]}, "differs", "1 of 3 rows are missing"),
    ],
)
def test_files_are_compared_field_by_field(tmp_path, table, status, text):
    code = """\
        with open("out.csv", "w", newline="") as f:
            f.write("n,x\\n1,%s\\n2,2.0\\n" % (0.1 + 0.2))
        """
    claim = Output(path="out.csv", view="v", columns=("n", "x"), header=("n", "x"))
    verdict = judged(tmp_path, code, origin_of(outputs=(claim,)), {"v": pa.table(table)})
    assert verdict.status == status
    assert text in str(verdict)


def test_line_ends_are_part_of_a_file(tmp_path):
    code = 'open("out.csv", "w", newline="").write("1,2\\r\\n")\n'
    views = {"v": pa.table({"a": [1], "b": [2]})}
    claim = Output(path="out.csv", view="v", columns=("a", "b"), quoting=True)
    verdict = judged(tmp_path, code, origin_of(outputs=(claim,)), views)
    assert verdict.status == "differs"
    assert "line ends" in str(verdict)
    right = replace(claim, line_end="\r\n")
    assert judged(tmp_path, code, origin_of(outputs=(right,)), views).status == "agreed"


def test_a_missing_text_of_pandas_is_null_and_a_missing_number_is_not():
    from lester_duck.rewrite.compare import compare_rows, missing_texts

    nan = float("nan")
    names = ("name", "number")
    assert compare_rows(missing_texts([("a", 1.0), (nan, 2.0)]), [("a", 1.0), (None, 2.0)], names) is None
    assert compare_rows(missing_texts([("a", 1.0), ("b", nan)]), [("a", 1.0), ("b", None)], names) is not None
