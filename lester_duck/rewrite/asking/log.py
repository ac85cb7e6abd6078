"""Every exchange beside the pipeline, one file each, written at once: what a later run replays."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from lester_duck.errors import InputError
from lester_duck.rewrite.asking.accounts import Spent
from lester_duck.rewrite.asking.files import next_number, plain, write_json
from lester_duck.rewrite.asking.question import Answer, Asker, Message, Question

FOLDER = "answers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One exchange: what was asked, as it was sent, and the raw answer or why there is none.

    ``question`` is ``Question.identity``. Tokens and cost include what requests without a usable
    answer were billed; ``attempts`` says what they met. A ``rejected`` answer was none, and is not
    replayed.
    """

    task: str
    version: str
    prompt_sha256: str
    question: str
    sample: int
    messages: tuple[Message, ...]
    raw: str | None
    model: str
    form: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False
    cost: float | None = None
    seconds: float = 0.0
    cached: bool = False
    rejected: bool = False
    failure: str | None = None
    attempts: tuple[str, ...] = ()

    @property
    def answer(self) -> Answer | None:
        """What can be replayed."""
        if self.raw is None or self.failure is not None or self.rejected:
            return None
        return Answer(
            text=self.raw, model=self.model, form=self.form, prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens, estimated=self.estimated, cached=True,
        )  # fmt: skip

    @property
    def spent(self) -> Spent:
        """What it took; a cached answer took nothing."""
        if self.cached:
            return Spent()
        return Spent(prompt_tokens=self.prompt_tokens, completion_tokens=self.completion_tokens, cost=self.cost,
                     estimated=self.estimated)  # fmt: skip


class Log:
    """A folder of exchanges, ``001-<task>.json`` and on. ``Log(folder)`` starts after what is there.

    ``Log.load(folder)`` knows what is there: answers to replay, and what they cost.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._entries: dict[Path, Entry] = {}

    @classmethod
    def load(cls, folder: Path) -> Log:
        """The log in a folder, empty when there is none; raises InputError naming a file that is no exchange."""
        log = cls(folder)
        for place in sorted(folder.glob("[0-9]*-*.json")) if folder.is_dir() else ():
            log._entries[place] = _read(place)
        return log

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The exchanges this log knows, in order."""
        return tuple(self._entries.values())

    @property
    def spent(self) -> tuple[Spent, ...]:
        """What each exchange took."""
        return tuple(entry.spent for entry in self._entries.values())

    def answer(self, question: Question) -> Answer | None:
        """The last answer to a question; None when there is none that was accepted."""
        known = [entry for entry in self._entries.values() if entry.question == question.identity]
        return next((entry.answer for entry in reversed(known) if entry.answer), None)

    def write(self, entry: Entry) -> Path:
        """Add an exchange; raises InputError when it cannot be written."""
        there = [place.name for place in self.folder.iterdir()] if self.folder.is_dir() else []
        place = self.folder / f"{next_number(there):03}-{plain(entry.task)}.json"
        write_json(place, asdict(entry))
        self._entries[place] = entry
        return place

    def reject(self, question: Question) -> None:
        """Mark the answers to a question as none."""
        for place, entry in list(self._entries.items()):
            if entry.question == question.identity and entry.answer:
                self._entries[place] = replace(entry, rejected=True)
                write_json(place, asdict(self._entries[place]))


class Resumed:
    """Somebody who answers from a log what was answered before, and asks the rest."""

    def __init__(self, asker: Asker, log: Log) -> None:
        self.name = asker.name
        self._asker = asker
        self._log = log

    def ask(self, question: Question) -> Answer:
        """The answer of the log, or a new one."""
        return self._log.answer(question) or self._asker.ask(question)

    def reject(self, question: Question) -> None:
        """Mark the answer as none, in the log and wherever else it is kept."""
        self._log.reject(question)
        self._asker.reject(question)


def _read(place: Path) -> Entry:
    try:
        content: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
        known = {f.name for f in fields(Entry)}
        if not isinstance(content, dict) or content.keys() - known:
            raise ValueError("its fields are not those of an exchange")
        return Entry(**{**content, "messages": tuple(content["messages"]), "attempts": tuple(content["attempts"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        hint = "move the file away: its question is then asked again"
        raise InputError(f"not a logged exchange: {error}", where=str(place), hint=hint) from error
