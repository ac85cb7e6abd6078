"""The translator first, a model for the rest: what is lifted stands, and only what is missing is asked for."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lester_duck import api
from lester_duck.pipeline.model import Label
from lester_duck.rewrite import kept
from lester_duck.rewrite.compare import Mismatch
from lester_duck.rewrite.judge import Difference, Verdict

from .answers import asked
from .endpoint import serving

pytestmark = pytest.mark.usefixtures("no_model")

PAIRS = """
import itertools

with open("out/pairs.tsv", "w") as f:
    for a, b in itertools.combinations(sorted(shops), 2):
        f.write(a + "\\t" + b + "\\n")
"""


@pytest.fixture
def partly(preparation):
    """A script of which the translator refuses one file, and what it lifts."""
    orders, _ = preparation
    with (orders / "script.py").open("a", encoding="utf-8") as file:
        file.write(PAIRS)
    lifted = api.rewrite(orders / "script.py", engine="static", directed=False)
    assert lifted.refusals
    assert lifted.pipeline.views
    return orders, lifted


def test_only_what_is_missing_is_asked_for_and_the_rest_stands(partly):
    orders, lifted = partly
    shops = next(c for c in lifted.pipeline.origin.checkpoints if c.variable == "shops")
    key = dict(shops.columns)["key"]
    view = shops.view
    sql = f"SELECT a.{key} AS a, b.{key} AS b FROM {view} AS a JOIN {view} AS b ON a.{key} < b.{key} ORDER BY 1, 2"
    answer = {
        "sources": [], "views": [{"name": "pairs", "sql": sql, "comment": "combinations"}],
        "outputs": [{"path": "out/pairs.tsv", "view": "pairs", "columns": ["a", "b"], "delimiter": "\t"}],
    }  # fmt: skip
    with serving(lambda request: json.dumps(answer)) as endpoint:
        result = api.rewrite(
            orders / "script.py", engine="auto", model="m", base_url=endpoint.url, directed=False, samples=1, rounds=0
        )  # fmt: skip
    assert result.verdict.status == "agreed", result.verdict
    assert [asked(request) for request in endpoint.requests] == ["preparation"]
    user = endpoint.requests[0]["messages"][1]["content"]
    assert f"- {shops.view}({key} VARCHAR" in user
    assert lifted.refusals[0] in user
    assert "Wanted: file out/pairs.tsv" in user
    assert {v.name for v in result.pipeline.views} == {"pairs", *(v.name for v in lifted.pipeline.views)}
    assert result.refusals == ()


def test_a_name_that_is_taken_is_told(partly):
    orders, lifted = partly
    taken = lifted.pipeline.views[0].name
    answer = {"sources": [], "views": [{"name": taken, "sql": "SELECT 1 AS x", "comment": ""}]}
    with serving(lambda request: json.dumps(answer)) as endpoint:
        result = api.rewrite(
            orders / "script.py", engine="auto", model="m", base_url=endpoint.url, directed=False, samples=1, rounds=1
        )  # fmt: skip
    assert f"there is a view '{taken}' already" in endpoint.requests[1]["messages"][-1]["content"]
    assert result.refusals == lifted.refusals  # the translator's part is still the best there is


def test_without_refusals_nobody_is_asked(preparation):
    orders, _ = preparation
    with serving(lambda request: "{}") as endpoint:
        result = api.rewrite(
            orders / "script.py", engine="auto", model="m", base_url=endpoint.url, directed=False
        )  # fmt: skip
    assert result.verdict.status == "agreed"
    assert endpoint.requests == []


def differs(view: str, point: str) -> Verdict:
    mismatch = Mismatch(kind="value", text="x")
    found = Difference(view=view, point=point, mismatch=mismatch)
    return Verdict(status="differs", compared=(point,), differences=(found,))


def test_a_view_that_differs_goes_with_what_reads_it(pipeline):
    left = kept.kept(pipeline, differs("shops", "variable shops after line 15"))
    assert "shops" not in {view.name for view in left.views}
    assert left.features is None
    assert left.label is None
    assert not [c for c in left.origin.checkpoints if c.view == "shops"]


def test_a_matrix_that_differs_leaves_the_preparation(pipeline, observed):
    left = kept.kept(pipeline, differs(pipeline.features.view, "X given to LogisticRegression.fit"))
    assert left.views == pipeline.views
    assert (left.features, left.label, left.origin.fit) == (None, None, None)
    assert kept.needed(left, observed[1].first) == ("preparation", "target", "features")
    assert kept.needed(replace(pipeline, label=Label(column="y")), observed[1].first) == ()
    assert kept.needed(None, observed[1].first) == ("preparation", "target", "features")
