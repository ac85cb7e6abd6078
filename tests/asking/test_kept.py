"""What is spent and what is kept: budget, cache, log and resuming."""

from __future__ import annotations

import json

import pytest

from lester_duck.errors import InputError
from lester_duck.rewrite.asking.cache import cache_folder
from lester_duck.rewrite.asking.log import Log, Resumed
from lester_duck.rewrite.asking.question import BudgetSpent, NotAnswered
from lester_duck.rewrite.asking.settings import Budget

from .asked import GOOD, asker, question
from .server import Says, completion, error, in_turn, serving


def test_a_question_beyond_the_budget_is_not_asked():
    with serving(in_turn(GOOD)) as server:
        asking = asker(server.url, budget=Budget(max_tokens=30))
        asking.ask(question("one"))
        with pytest.raises(BudgetSpent) as raised:
            asking.ask(question("x" * 36))
    assert len(server.requests) == 1
    assert str(raised.value) == (
        "the next question may take 15 tokens; 18 of 30 tokens are spent; "
        "repeat the command with --resume and a higher --max-tokens: what was answered is kept"
    )


def test_the_longest_answer_asked_for_counts_before_the_question():
    with serving(in_turn(GOOD)) as server:
        with pytest.raises(BudgetSpent, match="the next question may take 108 tokens; 0 of 100 tokens"):
            asker(server.url, budget=Budget(max_tokens=100), answer_tokens=100).ask(question())
        assert not server.requests
        asker(server.url, budget=Budget(max_tokens=108), answer_tokens=100).ask(question())


def test_an_answer_billed_beyond_the_budget_is_kept_and_ends_the_work(tmp_path):
    with serving(in_turn(Says(body=completion(GOOD, usage=(20, 5000))))) as server:
        asking = asker(server.url, budget=Budget(max_tokens=1000), log=Log(tmp_path))
        with pytest.raises(BudgetSpent, match=r"^5,020 of 1,000 tokens are spent; .*--resume"):
            asking.ask(question())
    assert Log.load(tmp_path).answer(question()).text == GOOD


def test_a_budget_of_cost():
    prices = {"price_in": 1000.0, "price_out": 10_000.0}
    with serving(in_turn(GOOD)) as server:
        asking = asker(server.url, budget=Budget(max_cost=0.1), **prices)
        asking.ask(question())
        assert asking.accounts.spent.cost == pytest.approx(0.081)
        with pytest.raises(BudgetSpent, match=r"0\.081 of 0\.1 \(the limit of cost\) are spent.*--max-cost"):
            asking.ask(question("x" * 60))


def test_estimates_are_said_to_be_estimates():
    with serving(in_turn(Says(body=completion(GOOD, usage=None)))) as server:
        asking = asker(server.url, budget=Budget(max_tokens=15))
        asking.ask(question())
        with pytest.raises(BudgetSpent, match="about 11 of 15 tokens"):
            asking.ask(question())


def test_requests_without_an_answer_are_paid_for_too(tmp_path):
    with serving(in_turn(Says(body=completion(None, usage=(100, 400))))) as server:
        asking = asker(server.url, budget=Budget(max_tokens=900), log=Log(tmp_path))
        with pytest.raises(BudgetSpent, match="1,000 of 900 tokens"):
            asking.ask(question())
    (entry,) = Log.load(tmp_path).entries
    assert (entry.prompt_tokens, entry.completion_tokens) == (200, 800)


def test_a_cached_answer_is_not_asked_for_and_costs_nothing(tmp_path):
    with serving(in_turn(GOOD)) as server:
        first = asker(server.url, cache=tmp_path).ask(question())
        asking = asker(server.url, cache=tmp_path, budget=Budget(max_tokens=1))
        again = asking.ask(question())
        assert (again.cached, again.text, again.model) == (True, first.text, first.model)
        assert asking.accounts.spent.tokens == 0
        assert len(server.requests) == 1
        asker(server.url, cache=tmp_path).ask(question(sample=1))
        asker(server.url, cache=tmp_path, temperature=0.5).ask(question())
        asker(server.url, cache=tmp_path, model="other").ask(question())
        assert len(server.requests) == 4
        asking = asker(server.url, cache=tmp_path)
        asking.reject(question())
        assert not asking.ask(question()).cached
    assert len(server.requests) == 5


@pytest.mark.parametrize("damaged", ["", "{", "[]", '{"text": "x"}', '{"text": 1, "model": "m", "form": "text"}'])
def test_a_damaged_cache_is_asked_again(tmp_path, damaged):
    with serving(in_turn(GOOD)) as server:
        asker(server.url, cache=tmp_path).ask(question())
        (place,) = tmp_path.iterdir()
        place.write_text(damaged)
        assert asker(server.url, cache=tmp_path).ask(question()).text == GOOD
        assert asker(server.url, cache=tmp_path).ask(question()).cached


def test_a_cache_that_cannot_be_written_does_not_lose_the_answer(tmp_path):
    said: list[str] = []
    (tmp_path / "file").write_text("")
    with serving(in_turn(GOOD)) as server:
        assert asker(server.url, cache=tmp_path / "file" / "cache", said=said).ask(question()).text == GOOD
    assert any(line.startswith("the answer is not kept for other runs: cannot write") for line in said)


def test_the_cache_is_where_the_desktop_standard_says(tmp_path):
    assert cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "lester-duck" / "answers"


def test_every_exchange_is_a_file(tmp_path):
    prices = {"price_in": 1.0, "price_out": 2.0}
    with serving(in_turn(error(500, "once"), GOOD, error(400, "no"), error(400, "no"), error(400, "no"))) as server:
        asking = asker(server.url, cache=tmp_path / "cache", log=Log(tmp_path / "log"), **prices)
        asking.ask(question(task="rewrite"))
        asking.ask(question(task="rewrite"))
        with pytest.raises(NotAnswered):
            asking.ask(question("two", task="repair/view"))
    names = sorted(place.name for place in (tmp_path / "log").iterdir())
    assert names == ["001-rewrite.json", "002-rewrite.json", "003-repair-view.json"]
    first, second, third = (json.loads((tmp_path / "log" / name).read_text()) for name in names)
    assert first["seconds"] >= 0
    assert {**first, "seconds": 0.0} == {
        "task": "rewrite", "version": "v1", "prompt_sha256": "0" * 64, "question": question().identity, "sample": 0,
        "messages": list(question().messages), "raw": GOOD, "model": "m-2026", "form": "json_schema",
        "prompt_tokens": 11, "completion_tokens": 7, "estimated": False, "cost": pytest.approx(25e-6),
        "seconds": 0.0, "cached": False, "rejected": False, "failure": None,
        "attempts": ["HTTP 500: once (invalid_request_error)"],
    }  # fmt: skip
    assert (second["cached"], second["raw"]) == (True, GOOD)
    assert third["failure"].startswith("the endpoint refuses the request: no")
    assert (third["raw"], len(third["attempts"])) == (None, 3)
    assert "valid against this JSON schema" in third["messages"][-1]["content"]


def test_resuming_replays_what_was_answered_and_counts_what_it_cost(tmp_path):
    with serving(in_turn(GOOD, "no JSON", '{"a": 2}', '{"a": 3}')) as server:
        asking = asker(server.url, log=Log(tmp_path))
        asking.ask(question("one"))
        asking.ask(question("two"))
        asking.reject(question("two"))

        log = Log.load(tmp_path)
        again = Resumed(asker(server.url, log=log, budget=Budget(max_tokens=55)), log)
        assert again.name == "llm:m"
        replayed = again.ask(question("one"))
        assert (replayed.text, replayed.cached) == (GOOD, True)
        assert len(server.requests) == 2
        assert again.ask(question("two")).text == '{"a": 2}'
        assert again.ask(question("two")).text == '{"a": 2}'
        assert len(server.requests) == 3
        with pytest.raises(BudgetSpent, match="may take 5 tokens; 54 of 55 tokens"):
            again.ask(question("three"))
        log = Log.load(tmp_path)
        assert [entry.rejected for entry in log.entries] == [False, True, False, False]
        more = Resumed(asker(server.url, log=log, budget=Budget(max_tokens=500)), log)
        assert more.ask(question("three")).text == '{"a": 3}'
        more.reject(question("one"))
    assert Log.load(tmp_path).answer(question("one")) is None


def test_a_cached_answer_in_the_log_does_not_count_when_resuming(tmp_path):
    with serving(in_turn(GOOD)) as server:
        asker(server.url, cache=tmp_path / "cache").ask(question())
        asker(server.url, cache=tmp_path / "cache", log=Log(tmp_path / "log")).ask(question())
        asking = asker(server.url, log=Log.load(tmp_path / "log"))
    assert asking.accounts.spent.tokens == 0


def test_a_run_without_resume_starts_after_what_is_there_and_does_not_replay_it(tmp_path):
    with serving(in_turn(GOOD, '{"a": 2}')) as server:
        asker(server.url, log=Log(tmp_path)).ask(question())
        assert asker(server.url, log=Log(tmp_path)).ask(question()).text == '{"a": 2}'
    assert sorted(place.name for place in tmp_path.iterdir()) == ["001-rewrite.json", "002-rewrite.json"]


@pytest.mark.parametrize("damaged", ["", "{", "[]", "{}", '{"task": "rewrite", "surplus": 1}'])
def test_a_damaged_log_is_named(tmp_path, damaged):
    (tmp_path / "001-rewrite.json").write_text(damaged)
    with pytest.raises(InputError, match=r"001-rewrite\.json: not a logged exchange.*; move the file away"):
        Log.load(tmp_path)


def test_a_log_that_is_not_there_is_empty(tmp_path):
    assert Log.load(tmp_path / "none").entries == ()


def test_halves_of_surrogate_pairs_and_other_letters_are_kept(tmp_path):
    text = '{"a": "\ud83d ü 😀"}'
    with serving(in_turn(text)) as server:
        asking = asker(server.url, cache=tmp_path / "cache", log=Log(tmp_path / "log"))
        assert asking.ask(question("für \ud83d")).text == text
        assert asking.ask(question("für \ud83d")).text == text
    assert Log.load(tmp_path / "log").answer(question("für \ud83d")).text == text
