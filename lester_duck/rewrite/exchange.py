"""The files road: the request is a folder, and so is where the answer is expected."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lester_duck.errors import InputError
from lester_duck.pipeline import codec
from lester_duck.pipeline.model import Pipeline
from lester_duck.rewrite.llm import Message

ANSWER = "answer.json"
ANSWER_FOLDER = "answer"


def write_request(folder: Path, messages: Sequence[Message], schema: dict[str, Any], *, task: str) -> None:
    """Write ``prompt.md`` (to read), ``request.json`` (to send as it is) and ``schema.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "schema.json").write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")
    request = {"task": task, "messages": list(messages), "answer": ANSWER}
    (folder / "request.json").write_text(json.dumps(request, indent=2) + "\n", encoding="utf-8")
    text = "\n\n".join(f"# {message['role']}\n\n{message['content']}" for message in messages)
    (folder / "prompt.md").write_text(text + "\n", encoding="utf-8")


def read_answer(folder: Path) -> tuple[str | None, Pipeline | None]:
    """The text of ``answer.json``, or the pipeline in ``answer/``.

    Raises InputError, saying what to do, when there is neither.
    """
    if (folder / ANSWER).is_file():
        return (folder / ANSWER).read_text(encoding="utf-8"), None
    if (folder / ANSWER_FOLDER / codec.MANIFEST).is_file():
        return None, codec.load(folder / ANSWER_FOLDER)
    raise InputError(
        f"no answer in '{folder}' yet",
        hint=f"answer prompt.md with a JSON object in {ANSWER} (schema.json describes it), or with a pipeline folder "
        f"{ANSWER_FOLDER}/, then repeat the command",
    )
