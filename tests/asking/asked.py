"""A question, and somebody to ask, for the tests of this folder."""

from __future__ import annotations

from typing import Any

from lester_duck.rewrite.asking.endpoint import EndpointAsker
from lester_duck.rewrite.asking.patience import Patience
from lester_duck.rewrite.asking.question import Question
from lester_duck.rewrite.asking.settings import Budget, Endpoint

SECRET = "key-of-a-test-0123456789"
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
QUICK = Patience(first=0.01, longest=0.04, asked=1.0, total=0.5, tick=0.05)
GOOD = '{"a": 1}'


def question(text: str = "Which number?", *, sample: int = 0, task: str = "rewrite") -> Question:
    """A question with a system and a user message."""
    return Question(
        task=task, version="v1", prompt_sha256="0" * 64, name="number", schema=SCHEMA, sample=sample,
        messages=({"role": "system", "content": "Be short."}, {"role": "user", "content": text}),
    )  # fmt: skip


def asker(url: str, *, budget: Budget | None = None, cache=None, log=None, said: list[str] | None = None,
          patience: Patience = QUICK, **settings: Any) -> EndpointAsker:  # fmt: skip
    """An asker of the model 'm' at an address."""
    given = {"model": "m", "base_url": url, "key": SECRET, "timeout": 5.0, **settings}
    said = [] if said is None else said
    return EndpointAsker(Endpoint(**given), budget, cache, log, said.append, patience)
