"""Answers kept between runs, by a hash of who was asked, how, and what."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lester_duck.errors import InputError
from lester_duck.rewrite.asking.files import write_json
from lester_duck.rewrite.asking.question import Answer, Question
from lester_duck.rewrite.asking.settings import Endpoint


def cache_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Where answers are kept: ``$XDG_CACHE_HOME/lester-duck/answers``."""
    environment = os.environ if environment is None else environment
    home = environment.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "lester-duck" / "answers"


@dataclass(frozen=True, slots=True)
class Cache:
    """Answers of one endpoint in a folder."""

    folder: Path
    endpoint: Endpoint

    def get(self, question: Question) -> Answer | None:
        """The answer kept; None when there is none, or when its file cannot be read as one."""
        try:
            content = json.loads(self._place(question).read_text(encoding="utf-8"))
            answer = Answer(**content)
        except (OSError, ValueError, TypeError):
            return None  # asked again, and written anew
        return replace(answer, cached=True, seconds=0.0) if isinstance(answer.text, str) else None

    def put(self, question: Question, answer: Answer) -> None:
        """Keep an answer; raises InputError when it cannot be written."""
        write_json(self._place(question), asdict(answer))

    def forget(self, question: Question) -> None:
        """Drop the answer to a question, if there is one."""
        place = self._place(question)
        try:
            place.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(f"cannot remove '{place}': {error.strerror or error}") from error

    def _place(self, question: Question) -> Path:
        asked = self.endpoint
        content = json.dumps([asked.base_url, asked.model, asked.form, asked.temperature, asked.answer_tokens,
                              question.identity])  # fmt: skip
        return self.folder / f"{hashlib.sha256(content.encode()).hexdigest()}.json"
