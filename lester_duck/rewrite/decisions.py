"""What a person is asked about a rewrite, and what was decided: kept in a file, and replayed from it."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import tomli_w

from lester_duck.errors import InputError

FILE = "decisions.toml"
KEEP, STOP, EDITED = "keep", "stop", "edited"
MEANING = {
    KEEP: "the behaviour of the script stays as it is",
    STOP: "leave it here",
    EDITED: "you have edited the files of the pipeline: compare again",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """Something to decide. ``about`` names it in a file of answers, ``text`` is what is shown.

    ``choices`` are words with a meaning of their own; anything else is taken as an instruction, or as
    a question when it ends with a question mark. The first choice is what silence means.
    """

    about: str
    text: str
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was answered to an issue."""

    about: str
    asked: str
    answer: str


class Person(Protocol):
    """Somebody who decides."""

    def decide(self, issue: Issue) -> str:
        """A choice, an instruction in words, or a question; empty for the first choice."""

    def show(self, text: str) -> None:
        """Say something that needs no answer."""


class Replayed:
    """Answers from an earlier conversation; an issue without one gets its first choice, which is said.

    ``otherwise`` is asked instead where it is given.
    """

    def __init__(self, decisions: Sequence[Decision], otherwise: Person | None = None) -> None:
        self._answers: dict[str, list[str]] = {}
        for decision in decisions:
            self._answers.setdefault(decision.about, []).append(decision.answer)
        self._otherwise = otherwise

    def decide(self, issue: Issue) -> str:
        """The next answer to this issue."""
        left = self._answers.get(issue.about)
        if left:
            return left.pop(0)
        return self._otherwise.decide(issue) if self._otherwise else issue.choices[0]

    def show(self, text: str) -> None:
        """Pass it on."""
        if self._otherwise:
            self._otherwise.show(text)


class Typed:
    """A person at a prompt that is not a terminal's: a notebook."""

    def decide(self, issue: Issue) -> str:
        """Ask with ``input``."""
        meanings = "; ".join(f"{choice}: {MEANING[choice]}" for choice in issue.choices)
        return input(f"{issue.text}\n({meanings}; or say in words what should be, or ask a question?) > ")

    def show(self, text: str) -> None:
        """Print it."""
        print(text)


def load(path: Path) -> tuple[Decision, ...]:
    """Decisions of a file as ``dump`` writes it; raises InputError naming what does not fit."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return tuple(Decision(**entry) for entry in content.get("decision", []))
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror}") from error
    except (ValueError, TypeError) as error:
        hint = "each [[decision]] has the texts about, asked and answer"
        raise InputError(f"not a file of decisions: {error}", where=str(path), hint=hint) from error


def dump(decisions: Sequence[Decision], path: Path) -> None:
    """Write decisions so that ``--answers`` can replay them."""
    text = tomli_w.dumps({"decision": [asdict(decision) for decision in decisions]}, multiline_strings=True)
    path.write_text(text, encoding="utf-8")
