"""The real engine under the judge: the right pipeline agrees, broken ones are located."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lester_duck.pipeline.model import Featurizer, Label, Pipeline, Split, Step
from lester_duck.rewrite.execute import execute
from lester_duck.rewrite.judge import judge


def edit(view: str, old: str, new: str):
    def change(pipeline: Pipeline) -> Pipeline:
        views = tuple(replace(v, sql=v.sql.replace(old, new)) if v.name == view else v for v in pipeline.views)
        assert views != pipeline.views
        return replace(pipeline, views=views)

    return change


def featurizer(name: str, **params):
    def change(pipeline: Pipeline) -> Pipeline:
        def one(f: Featurizer) -> Featurizer:
            if f.name != name:
                return f
            step = Step(kind=f.steps[0].kind, params=tuple({**dict(f.steps[0].params), **params}.items()))
            return replace(f, steps=(step,))

        features = replace(pipeline.features, featurizers=tuple(one(f) for f in pipeline.features.featurizers))
        return replace(pipeline, features=features)

    return change


def swapped(pipeline: Pipeline) -> Pipeline:
    features = replace(pipeline.features, featurizers=pipeline.features.featurizers[::-1])
    return replace(pipeline, features=features)


MUTANTS = {
    "join kind": (edit("rows", "JOIN", "LEFT JOIN"), "rows"),
    "comparison": (edit("rows", ">= 10", "> 10"), "rows"),
    "filter": (edit("shops", "<> 'closed'", "<> 'big'"), "shops"),
    "stale value": (edit("shops", "last(city", "first(city"), "shops"),
    "default": (edit("shops", "last(kind ORDER BY s._pos) = 'big'", "false"), "shops"),
    "column": (edit("rows", "s.city,", "s.shop AS city,"), "rows"),
    "order": (edit("rows", ">= 10", ">= 10 ORDER BY o.order_id DESC"), "rows"),
    "label": (edit("prepared", "= 'yes'", "= 'no'"), "prepared"),
    "category list": (featurizer("city", categories=(("south", "north"),)), "prepared"),
    "sample deviation": (featurizer("amount", ddof=1), "prepared"),
    "block order": (swapped, "prepared"),
    "split": (lambda p: replace(p, split=Split(kind="position", params=(("rows", "n - 1"),))), "prepared"),
    "label column": (lambda p: replace(p, label=Label(column="amount")), "prepared"),
}


def test_the_right_pipeline_agrees(observed, pipeline):
    verdict = judge(pipeline, observed[1], execute, observed[0])
    assert str(verdict) == "agreed (4 observation points, 0 inputs)"


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_translation_is_located(observed, pipeline, name):
    change, view = MUTANTS[name]
    verdict = judge(change(pipeline), observed[1], execute, observed[0])
    assert verdict.status == "differs"
    assert verdict.first.view == view, str(verdict)


def test_a_difference_names_the_source_rows_it_comes_from(prepared):
    broken = edit("shops", "last(city ORDER BY", "'x' || last(city ORDER BY")(prepared[2])
    verdict = judge(broken, prepared[1], execute, prepared[0])
    assert verdict.first.view == "shops"
    assert verdict.first.sources[0].startswith("shop_lines row ")
    assert "made from" in str(verdict)
