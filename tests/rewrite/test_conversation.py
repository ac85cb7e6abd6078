"""A person in the loop: words for the model, files edited by hand, decisions kept and replayed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lester_duck import api
from lester_duck.errors import InputError
from lester_duck.pipeline import codec
from lester_duck.rewrite.decisions import Decision, Replayed, dump, load
from lester_duck.rewrite.rewrite import save

from .answers import as_json, asked, broken
from .endpoint import serving

pytestmark = pytest.mark.usefixtures("no_model")

STALE = """
for last in open("data/orders.csv"):
    parts = last.split(",")
for shop in shops:
    print(shop, parts[0])
"""


class Scripted:
    """A person who says what a test wants, and remembers what was shown."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.issues = []
        self.shown = []

    def decide(self, issue):
        self.issues.append(issue)
        answer = self.answers.pop(0) if self.answers else ""
        return answer(issue) if callable(answer) else answer

    def show(self, text):
        self.shown.append(text)


def talk(original, person, url, **options):
    return api.rewrite(
        original / "script.py", engine="llm", model="m", base_url=url, api_key="k" * 12, directed=False, samples=1,
        rounds=0, person=person, **options,
    )  # fmt: skip


def test_words_are_told_to_the_model_and_the_loop_goes_on(preparation, tmp_path):
    orders, pipeline = preparation
    answers = iter([as_json(broken(pipeline)), as_json(pipeline)])
    person = Scripted("ten itself belongs to the large ones")
    with serving(lambda request: next(answers)) as endpoint:
        result = talk(orders, person, endpoint.url)
    assert result.verdict.status == "agreed"
    assert "differs from the script" in person.issues[0].text
    assert "A person says: ten itself belongs" in endpoint.requests[1]["messages"][-1]["content"]
    assert result.decisions[0].answer == "ten itself belongs to the large ones"
    assert "## Decisions" in result.report
    save(result, tmp_path / "out")
    kept = load(tmp_path / "out" / "decisions.toml")
    assert kept == result.decisions
    answers = iter([as_json(broken(pipeline)), as_json(pipeline)])
    with serving(lambda request: next(answers)) as endpoint:
        again = talk(orders, Replayed(kept), endpoint.url, cache=False)
    assert again.verdict.status == "agreed"
    assert again.decisions == result.decisions


def test_a_question_is_answered_and_decides_nothing(preparation):
    orders, pipeline = preparation

    def answer(request):
        if asked(request) == "answer":
            return json.dumps({"answer": "line 20 keeps what costs ten"})
        return as_json(broken(pipeline))

    person = Scripted("what does line 20 do?", "stop")
    with serving(answer) as endpoint:
        result = talk(orders, person, endpoint.url)
    assert person.shown == ["line 20 keeps what costs ten"]
    assert result.verdict.status == "differs"
    assert [d.answer for d in result.decisions] == ["what does line 20 do?", "stop"]


def test_files_edited_by_hand_are_compared(preparation, tmp_path):
    orders, pipeline = preparation
    folder = tmp_path / "out"

    def edit(issue):
        assert codec.load(folder).views
        codec.dump(replace(pipeline, origin=replace(pipeline.origin, script="script.py")), folder)
        return "edited"

    with serving(lambda request: as_json(broken(pipeline))) as endpoint:
        result = talk(orders, Scripted(edit), endpoint.url, folder=folder)
    assert result.verdict.status == "agreed"


def test_what_looks_like_a_bug_is_kept_unless_a_person_wants_a_variant(preparation, tmp_path):
    orders, pipeline = preparation
    script = orders / "script.py"
    text = script.read_text(encoding="utf-8")
    script.write_text(text + STALE, encoding="utf-8")
    person = Scripted("keep")
    with serving(lambda request: as_json(pipeline)) as endpoint:
        result = talk(orders, person, endpoint.url)
        assert result.intended is None
        suspicions = [d for d in result.decisions if d.about.startswith("suspicion")]
        assert len(suspicions) == len(result.suspicions)
    assert suspicions, "the script reads a variable that an earlier loop left"
    sent = []

    def answer(request):
        sent.append(request["messages"][-1]["content"])
        return as_json(broken(pipeline)) if "A person now wants" in sent[-1] else as_json(pipeline)

    with serving(answer) as endpoint:
        result = talk(orders, Scripted("count only what costs more than ten"), endpoint.url, cache=False)
    assert result.verdict.status == "agreed"
    assert result.intended is not None
    assert "## On purpose" in result.report
    assert "count only what costs more than ten" in sent[-1]
    save(result, tmp_path / "out")
    assert codec.load(tmp_path / "out" / "intended") == result.intended


def test_a_file_of_decisions_that_is_none(tmp_path):
    path = tmp_path / "decisions.toml"
    dump([Decision(about="a", asked="b", answer="c")], path)
    assert load(path) == (Decision(about="a", asked="b", answer="c"),)
    path.write_text("[[decision]]\nother = 1\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"not a file of decisions"):
        load(path)
