"""A question, its answer, and who can be asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lester_duck.errors import InputError

Message = dict[str, str]
"""``role`` (system, user or assistant) and ``content``."""


class NotAnswered(InputError):
    """The endpoint failed, was cancelled, or the budget does not allow the question; what was answered is kept."""


class BudgetSpent(NotAnswered):
    """The next question, or the last answer, is beyond ``--max-tokens`` or ``--max-cost``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: ``task`` and ``version`` name the prompt, ``prompt_sha256`` is the hash of its file.

    ``schema`` is the JSON schema of the answer, ``name`` what the schema is called. ``sample`` tells
    fresh samples of the same question apart (0, 1, ...): each is answered, and kept, on its own.
    """

    task: str
    version: str
    prompt_sha256: str
    name: str
    messages: tuple[Message, ...]
    schema: Mapping[str, Any]
    sample: int = 0

    @property
    def identity(self) -> str:
        """A hash (sha256, hex) of what is asked; the model's name and its settings are not part of it."""
        content = json.dumps([self.name, self.schema, list(self.messages), self.sample], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The raw text of an answer, the model that gave it, and how it was asked for.

    ``form`` is what enforced the schema: json_schema, json_object, text or file. Tokens are those the
    endpoint billed, or an estimate of ours (``estimated``) where it does not tell; a ``cached``
    answer cost nothing now.
    """

    text: str
    model: str
    form: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False
    cached: bool = False
    seconds: float = 0.0


class Asker(Protocol):
    """Somebody who answers questions."""

    name: str
    """What ``Origin.engine`` will say: ``llm:MODEL`` or ``files``."""

    def ask(self, question: Question) -> Answer:
        """The answer; raises NotAnswered (state kept) when there is none."""

    def reject(self, question: Question) -> None:
        """Forget an answer that turned out to be none (no JSON, not of the schema), so that it is asked again."""
