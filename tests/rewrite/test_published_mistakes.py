"""The mistakes a language model was published to have made on such a script, each as the first answer.

Lester (arXiv 2409.10081) had a bank's script rewritten by hand-fed prompts; four differences went
unnoticed: words counted instead of characters, categories taken from the data, a label loop that was
silently repaired, a random split that the script does not have.
"""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import pytest

from lester_duck import api

from .answers import asked
from .endpoint import serving

pytestmark = pytest.mark.usefixtures("no_model")

HERE = Path(__file__).parent / "published"
RIGHT = json.loads((HERE / "answers.json").read_text(encoding="utf-8"))


def words(answers):
    view = answers["preparation"]["views"][2]
    view["sql"] = view["sql"].replace("length(p.subject)", "len(string_split(p.subject, ' '))")


def categories(answers):
    answers["features"]["featurizers"][1]["steps"] = [{"kind": "one_hot", "params": {}}]


def repaired_label(answers):
    view = answers["preparation"]["views"][2]
    view["sql"] = view["sql"].replace("last_value(p.sentiment) OVER whole", "p.sentiment").replace(
        "last_value(p.level) OVER whole", "p.level"
    )  # fmt: skip


def added_split(answers):
    answers["target"]["split"] = {"kind": "shuffle", "params": {"test_size": 0.2, "random_state": 0}}


@pytest.mark.parametrize(
    ("mistake", "point", "mended"),
    [
        (words, "X given to DecisionTreeClassifier.fit", "preparation"),
        (categories, "X given to DecisionTreeClassifier.fit", "features"),
        (repaired_label, "y given to DecisionTreeClassifier.fit", "preparation"),
        (added_split, "given to DecisionTreeClassifier.fit", "target"),
    ],
)
def test_it_is_caught_located_and_repaired_in_two_rounds(tmp_path, mistake, point, mended):
    shutil.copytree(HERE, tmp_path / "case")
    script = (tmp_path / "case" / "script.txt").rename(tmp_path / "case" / "script.py")
    customers = tmp_path / "case" / "customers.csv"
    customers.write_text(customers.read_text(encoding="utf-8").replace(",FR,", ",NL,"), encoding="utf-8")
    wrong = copy.deepcopy(RIGHT)
    mistake(wrong)
    seen: list[str] = []

    def answer(request):
        name = asked(request)
        seen.append(name)
        return json.dumps((wrong if seen.count(name) == 1 else RIGHT)[name])

    with serving(answer) as endpoint:
        result = api.rewrite(
            script, engine="llm", model="m", base_url=endpoint.url, api_key="k" * 12, directed=False, samples=1,
            rounds=2,
        )  # fmt: skip
    assert result.verdict.status == "agreed", result.verdict
    repairs = endpoint.requests[3:]
    assert 1 <= len(repairs) <= 2
    assert seen[-1] == mended
    assert point in repairs[0]["messages"][-1]["content"]
    assert "DecisionTreeClassifier.fit" in repairs[0]["messages"][-1]["content"]
    assert any("keeps what its last row left" in suspicion for suspicion in result.suspicions)
