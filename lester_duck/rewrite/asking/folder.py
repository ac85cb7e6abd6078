"""Questions as folders, for whoever may only use a chat window: what to paste, and where the answer goes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lester_duck.errors import InputError
from lester_duck.rewrite.asking.files import next_number, plain, write_json, write_text
from lester_duck.rewrite.asking.question import Answer, NotAnswered, Question

ANSWERS = ("answer.json", "answer.md", "answer.txt")
"""Where an answer is looked for, in this order."""
REQUEST = "request.json"
_LINE = "\n----------------------------------------\n\n"
_WHAT_TO_DO = """\
Paste everything below the line into the chat window. Save the answer beside this file, in the folder
`{folder}`: as `answer.json`, or all of it as `answer.md` or `answer.txt` (the JSON block in it is found).
Then repeat the command.
"""
_HOW = """\
# How to answer

Answer with one JSON object and nothing else, in a block fenced with ```` ```json ````. It has to be valid
against this JSON schema:

```json
{schema}
```
"""


class FolderAsker:
    """Writes each question to a folder of its own, ``001-<task>/``, and reads the answer from it.

    A folder holds ``prompt.md`` to paste, ``request.json`` to send by a program, ``schema.json``; a
    question asked before is found again. Implements ``question.Asker``.
    """

    name = "files"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def ask(self, question: Question) -> Answer:
        """The answer in the question's folder; raises NotAnswered, saying what to read and to write, without one."""
        there = self._place(question)
        place = there or self._new(question)
        if there is None or not (place / "prompt.md").is_file():
            self._write(place, question)
        text = _written(place)
        if text is None:
            raise NotAnswered(_missing(place), hint=f"answer '{place / 'prompt.md'}' in '{place / ANSWERS[0]}' "
                              f"(or paste it into {ANSWERS[1]} there), then repeat the command")  # fmt: skip
        return Answer(text=text, model="files", form="file")

    def reject(self, question: Question) -> None:
        """Put an answer that is none aside, as ``rejected-1-answer.json``, so that a new one can be written."""
        place = self._place(question)
        for name in ANSWERS if place else ():
            assert place is not None
            if (place / name).is_file():
                number = 1 + sum(1 for _ in place.glob("rejected-*"))
                (place / name).replace(place / f"rejected-{number}-{name}")

    def _place(self, question: Question) -> Path | None:
        """The folder of a question asked before."""
        for request in sorted(self.folder.glob(f"[0-9]*-*/{REQUEST}")) if self.folder.is_dir() else ():
            if _identity(request) == question.identity:
                return request.parent
        return None

    def _new(self, question: Question) -> Path:
        there = [place.name for place in self.folder.iterdir()] if self.folder.is_dir() else []
        return self.folder / f"{next_number(there):03}-{plain(question.task)}"

    def _write(self, place: Path, question: Question) -> None:
        """``request.json`` last: a folder without it is no question, and is written anew."""
        write_json(place / "schema.json", dict(question.schema))
        write_text(place / "prompt.md", _prompt(place, question))
        request: dict[str, Any] = {
            "task": question.task,
            "version": question.version,
            "prompt_sha256": question.prompt_sha256,
            "question": question.identity,
            "sample": question.sample,
            "messages": list(question.messages),
            "schema": "schema.json",
            "answer": ANSWERS[0],
        }
        write_json(place / REQUEST, request)


def _prompt(place: Path, question: Question) -> str:
    """What to do, and below a line what to paste into a chat window, part by part."""
    titles = {
        "system": "System (instructions; without a field for them, paste this part first)",
        "user": "User",
        "assistant": "Assistant (its earlier answer; paste it as it is)",
    }
    parts = [f"# {titles.get(m['role'], m['role'])}\n\n{m['content'].strip()}\n" for m in question.messages]
    how = _HOW.format(schema=json.dumps(question.schema, indent=2))
    return _LINE.join([_WHAT_TO_DO.format(folder=place.name), *parts, how])


def _written(place: Path) -> str | None:
    """The text of the answer; None while there is none, or an empty one."""
    for name in ANSWERS:
        file = place / name
        if not file.is_file():
            continue
        content = file.read_bytes()
        coding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
        try:
            text = content.decode(coding)
        except UnicodeDecodeError as error:
            raise InputError(f"not readable as UTF-8: {error}", where=str(file), hint="save it as UTF-8") from error
        if text.strip():
            return text
    return None


def _missing(place: Path) -> str:
    put_aside = sorted(file.name for file in place.glob("rejected-*"))
    if put_aside:
        return f"the answer in '{place}' was not usable and is put aside as {put_aside[-1]}"
    return f"no answer in '{place}' yet"


def _identity(request: Path) -> str | None:
    try:
        content = json.loads(request.read_text(encoding="utf-8"))
    except ValueError as error:
        hint = "move its folder away: the question is then written again"
        raise InputError(f"not a request: {error}", where=str(request), hint=hint) from error
    return content.get("question") if isinstance(content, dict) else None
