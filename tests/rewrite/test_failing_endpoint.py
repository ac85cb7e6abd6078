"""An endpoint that fails in the middle of a rewrite: a clear end, what was answered kept, and --resume goes on."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import pytest
from asking.server import Says, completion, error, serving

from lester_duck.cli.main import main

from .answers import as_json, asked

pytestmark = pytest.mark.usefixtures("no_model")


@dataclass
class Ended:
    """The exit code of a command and what it wrote to standard error."""

    exit_code: int
    stderr: str


@pytest.fixture
def command(capsys, monkeypatch):
    monkeypatch.setenv("LESTER_DUCK_API_KEY", "key-of-a-test")

    def run(folder, url, *more):
        capsys.readouterr()
        code = main(arguments(folder, url, *more))
        return Ended(code, capsys.readouterr().err)

    return run


def arguments(folder, url, *more):
    places = [str(folder / "script.py"), "-o", str(folder.parent / "out")]
    options = ["--engine", "llm", "--model", "m", "--base-url", url, "--mutants", "none", "--samples", "1"]
    return ["rewrite", *places, *options, *more]


def falling(pipeline, fault, at=2):
    """Right answers, but for the request number ``at``, which gets the fault; and the requests."""
    seen = []

    def answer(request):
        seen.append(request)
        return fault if len(seen) == at else as_json(pipeline, asked(request))

    return answer, seen


DYING = {
    "it closes the connection": lambda: Says(body=completion("{}"), cut=0),
    "half an answer": lambda: Says(body=completion('{"view": "prepa'), cut=60),
    "no credit left": lambda: error(402, "no credit left"),
    "an error of its own": lambda: error(403, "not for you"),
}


@pytest.mark.parametrize("how", DYING)
def test_it_ends_clearly_and_resume_asks_only_for_the_rest(command, orders, pipeline, how):
    answer, seen = falling(pipeline, DYING[how]())
    with serving(answer) as server:
        ended = command(orders, server.url)
        first = [asked(request) for request in seen]
        again = command(orders, server.url, "--resume")
    assert ended.exit_code in (0, 1), ended.stderr
    if ended.exit_code == 1:
        assert "--resume" in ended.stderr
        assert first[0] == "preparation"
        assert "preparation" not in [asked(request) for request in seen[len(first):]]
    assert again.exit_code == 0, again.stderr
    logged = sorted((orders.parent / "out" / "answers").glob("*.json"))
    assert json.loads(logged[0].read_text(encoding="utf-8"))["task"] == "preparation"


def test_one_that_is_busy_for_a_while_is_waited_for(command, orders, pipeline):
    seen = []

    def answer(request):
        seen.append(request)
        busy = replace(error(429, "slow down"), headers={"Retry-After": "0.1"}) if len(seen) in (1, 3) else None
        return busy or as_json(pipeline, asked(request))

    with serving(answer) as server:
        ended = command(orders, server.url)
    assert ended.exit_code == 0, ended.stderr
    assert len(seen) == 5


def test_one_that_ignores_the_schema_is_told_again(command, orders, pipeline):
    answer, seen = falling(pipeline, "SELECT 1;", at=1)
    with serving(answer) as server:
        ended = command(orders, server.url)
    assert ended.exit_code == 0, ended.stderr
    assert "holds no JSON object" in seen[1]["messages"][-1]["content"]


def test_one_that_bills_beyond_the_budget_is_stopped(command, orders, pipeline):
    def answer(request):
        body = completion(as_json(pipeline, asked(request)), usage={"prompt_tokens": 900_000, "completion_tokens": 1})
        return Says(body=body)

    with serving(answer) as server:
        ended = command(orders, server.url, "--max-tokens", "200000")
        assert ended.exit_code == 1
        assert "900,001 of 200,000 tokens are spent" in ended.stderr
        again = command(orders, server.url, "--resume", "--max-tokens", "9000000")
    assert again.exit_code == 0, again.stderr
