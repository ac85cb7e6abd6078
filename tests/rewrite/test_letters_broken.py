"""The demonstration's script, lifted by the translator, then broken in one place at a time: each break is located."""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from lester_duck.demo import data
from lester_duck.pipeline.model import Featurizer, Pipeline
from lester_duck.rewrite.execute import execute
from lester_duck.rewrite.judge import judge
from lester_duck.rewrite.observe import observe, setting, workspace
from lester_duck.rewrite.proposal import Task
from lester_duck.rewrite.translator import translated

CUSTOMERS = 120
TWICE = "30000,{email},Harbour Bank,AT,basic\n"
ON_THE_FIRST_MINUTE = "600000,{email},01/01/2022 00:00,New year,a complaint\n"
ONE_WORD = "600001,{email},02/01/2022 10:00,Card,what of my account\n"


def edit(view: str, old: str, new: str):
    def change(pipeline: Pipeline) -> Pipeline:
        views = tuple(replace(v, sql=v.sql.replace(old, new, 1)) if v.name == view else v for v in pipeline.views)
        assert views != pipeline.views, f"{view} does not hold {old!r}"
        return replace(pipeline, views=views)

    return change


def featurizer(name: str, **params):
    def one(found: Featurizer) -> Featurizer:
        *before, last = found.steps
        changed = replace(last, params=tuple({**dict(last.params), **params}.items()))
        return replace(found, steps=(*before, changed)) if found.name == name else found

    def change(pipeline: Pipeline) -> Pipeline:
        features = replace(pipeline.features, featurizers=tuple(one(f) for f in pipeline.features.featurizers))
        assert features != pipeline.features
        return replace(pipeline, features=features)

    return change


BREAKS = {
    "join kind": (edit("letters", "\nJOIN", "\nLEFT JOIN"), "letters"),
    "comparison": (edit("letters", ">= CAST", "> CAST"), "letters"),
    "default": (edit("by_email", "level = 'premium'", "CASE WHEN level = 'premium' THEN TRUE END"), "by_email"),
    "column": (edit("letters", "by_email.bank", "by_email.country AS bank"), "letters"),
    "order": (edit("letters", "'account')\n  )", "'account')\n  )\nORDER BY mails.mail_id DESC"), "letters"),
    "category list": (featurizer("country", categories=(("BE", "NL", "DE", "AT"),)), "features"),
    "sample deviation": (featurizer("subject_scaled", ddof=1), "features"),
    "stale value": (edit("by_email", "last(country", "first(country"), "by_email"),
    "filter": (edit("letters", "'account'", "'bank account'"), "letters"),
    "label": (edit("features", "'negative'", "'neutral'"), "features"),
}


@pytest.fixture(scope="module")
def lifted(tmp_path_factory):
    """Folder, evidence and the translator's pipeline; the data hold a row for each boundary of the script."""
    folder = tmp_path_factory.mktemp("letters")
    customers, mails = data.write(folder, CUSTOMERS)
    email = mails.read_text(encoding="utf-8").splitlines()[-1].split(",")[1]
    _append(customers, TWICE.format(email=email))
    _append(mails, ON_THE_FIRST_MINUTE.format(email=email) + ONE_WORD.format(email=email))
    shutil.copy(str(files("lester_duck.demo") / "script.py"), folder)
    with workspace() as space, closing(setting(folder / "script.py", root=None, python=None, limits=None)) as how:
        evidence = observe(how, space)
        task = Task(script=folder / "script.py", name=how.script, text=how.code.text, evidence=evidence)
        yield folder, evidence, translated(task).pipeline


def _append(path: Path, lines: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(lines)


def test_the_lifted_pipeline_agrees(lifted):
    folder, evidence, pipeline = lifted
    verdict = judge(pipeline, evidence, execute, folder)
    assert str(verdict) == "agreed (8 observation points, 0 inputs)"


@pytest.mark.parametrize("name", BREAKS)
def test_a_break_is_located(lifted, name):
    folder, evidence, pipeline = lifted
    change, view = BREAKS[name]
    verdict = judge(change(pipeline), evidence, execute, folder)
    assert verdict.status == "differs"
    assert verdict.first.view == view, str(verdict)
