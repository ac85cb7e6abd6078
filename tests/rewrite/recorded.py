"""Recorded exchanges with a model: the real questions by hash, and the answers that were given to them.

``recordings/<case>.<engine>.json`` holds how they were made and, in order, task, hash of the messages
and answer. A question that is not among them is an error: a prompt, a hint or a profile was changed, and
the recording says nothing about it any more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asking.server import Server

from .endpoint import serving

HERE = Path(__file__).parent / "recordings"


@dataclass(frozen=True)
class Recording:
    """The exchanges of one rewrite; ``answers`` maps the hash of the messages to the answer, ``repairs`` of them second
    ones."""

    case: str
    engine: str
    made: str
    answers: dict[str, str]
    repairs: int


def recordings(engine: str) -> list[Recording]:
    """All recordings of an engine, by case."""
    return [load(path) for path in sorted(HERE.glob(f"*.{engine}.json"))]


def load(path: Path) -> Recording:
    """One recording."""
    content = json.loads(path.read_text(encoding="utf-8"))
    answers = {e["messages_sha256"]: e["answer"] for e in content["exchanges"]}
    repairs = sum(e["task"] == "repair" for e in content["exchanges"])
    return Recording(
        case=content["case"], engine=content["engine"], made=content["made"], answers=answers, repairs=repairs
    )


def identity(messages: Sequence[dict[str, str]]) -> str:
    """The hash of what was asked."""
    return hashlib.sha256(json.dumps(list(messages), sort_keys=True).encode()).hexdigest()


def from_requests(folder: Path, case: str, engine: str, made: str) -> dict[str, Any]:
    """A recording from the folder of the files engine."""
    exchanges = []
    for request in sorted(folder.glob("[0-9]*-*/request.json")):
        answer = request.parent / "answer.json"
        if answer.is_file():
            asked = json.loads(request.read_text(encoding="utf-8"))
            exchanges.append({
                "task": asked["task"],
                "messages_sha256": identity(asked["messages"]),
                "answer": answer.read_text(encoding="utf-8"),
            })  # fmt: skip
    return {"case": case, "engine": engine, "made": made, "exchanges": exchanges}


def answering(recording: Recording) -> Callable[[dict[str, Any]], Any]:
    """A model that answers as it did; 400 for a question it was not asked."""

    def answer(request: dict[str, Any]) -> Any:
        found = recording.answers.get(identity(request["messages"]))
        return found if found is not None else (404, "this question was not recorded: it is not the one of that day")

    return answer


@contextmanager
def replaying(recording: Recording) -> Iterator[Server]:
    """A server on the loopback interface that gives the recorded answers."""
    with serving(answering(recording)) as endpoint:
        yield endpoint
