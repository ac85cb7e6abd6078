"""Questions as folders."""

from __future__ import annotations

import json

import pytest

from lester_duck.errors import InputError
from lester_duck.rewrite.asking.answers import json_object
from lester_duck.rewrite.asking.folder import FolderAsker
from lester_duck.rewrite.asking.question import NotAnswered

from .asked import GOOD, SCHEMA, question


def unanswered(folder, asked) -> str:
    with pytest.raises(NotAnswered) as raised:
        FolderAsker(folder).ask(asked)
    return str(raised.value)


def test_a_question_becomes_a_numbered_folder_that_says_what_to_do(tmp_path):
    said = unanswered(tmp_path, question())
    place = tmp_path / "001-rewrite"
    assert said == (
        f"no answer in '{place}' yet; answer '{place / 'prompt.md'}' in '{place / 'answer.json'}' "
        "(or paste it into answer.md there), then repeat the command"
    )
    assert sorted(file.name for file in place.iterdir()) == ["prompt.md", "request.json", "schema.json"]
    assert json.loads((place / "schema.json").read_text()) == SCHEMA
    request = json.loads((place / "request.json").read_text())
    assert request["messages"] == list(question().messages)
    assert request["answer"] == "answer.json"
    prompt = (place / "prompt.md").read_text()
    parts = prompt.split("\n----------------------------------------\n")
    assert [part.strip().splitlines()[0] for part in parts[1:]] == [
        "# System (instructions; without a field for them, paste this part first)", "# User", "# How to answer"
    ]  # fmt: skip
    wanted = ["`001-rewrite`: as `answer.json`", "Be short.", "Which number?", '"required"']
    assert all(text in part for text, part in zip(wanted, parts, strict=True))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("answer.json", GOOD.encode()),
        ("answer.md", f"Here:\n\n```json\n{GOOD}\n```\n".encode()),
        ("answer.txt", b"\xef\xbb\xbf" + GOOD.encode()),
        ("answer.txt", GOOD.encode("utf-16")),
    ],
)
def test_an_answer_is_read_from_the_folder_of_its_question(tmp_path, name, content):
    unanswered(tmp_path, question("one"))
    unanswered(tmp_path, question("two", task="repair"))
    (tmp_path / "001-rewrite" / name).write_bytes(content)
    answer = FolderAsker(tmp_path).ask(question("one"))
    assert json_object(answer.text) == {"a": 1}
    assert (answer.model, answer.form) == ("files", "file")
    assert "002-repair" in unanswered(tmp_path, question("two", task="repair"))
    assert sorted(place.name for place in tmp_path.iterdir()) == ["001-rewrite", "002-repair"]


def test_fresh_samples_are_questions_of_their_own(tmp_path):
    unanswered(tmp_path, question())
    assert "002-rewrite" in unanswered(tmp_path, question(sample=1))


def test_an_empty_answer_is_none(tmp_path):
    unanswered(tmp_path, question())
    (tmp_path / "001-rewrite" / "answer.json").write_text("\n")
    assert "no answer" in unanswered(tmp_path, question())


def test_a_rejected_answer_is_put_aside(tmp_path):
    unanswered(tmp_path, question())
    place = tmp_path / "001-rewrite"
    (place / "answer.json").write_text("I cannot.")
    asking = FolderAsker(tmp_path)
    asking.ask(question())
    asking.reject(question())
    assert "was not usable and is put aside as rejected-1-answer.json" in unanswered(tmp_path, question())
    assert (place / "rejected-1-answer.json").read_text() == "I cannot."
    (place / "answer.md").write_text(GOOD)
    assert asking.ask(question()).text == GOOD


def test_an_answer_in_no_known_coding_is_named(tmp_path):
    unanswered(tmp_path, question())
    (tmp_path / "001-rewrite" / "answer.txt").write_bytes(b'{"a": "\xe9"}')
    with pytest.raises(InputError, match=r"answer\.txt: not readable as UTF-8.*; save it as UTF-8"):
        FolderAsker(tmp_path).ask(question())


def test_a_folder_that_was_not_finished_is_not_taken_for_a_question(tmp_path):
    (tmp_path / "001-rewrite").mkdir()
    (tmp_path / "001-rewrite" / "prompt.md").write_text("half")
    assert "002-rewrite" in unanswered(tmp_path, question())


def test_halves_of_surrogate_pairs_can_be_written(tmp_path):
    assert "001-rewrite" in unanswered(tmp_path, question("half \ud83d, whole 😀"))
    assert "half \\ud83d, whole 😀" in (tmp_path / "001-rewrite" / "prompt.md").read_text(encoding="utf-8")
    assert "001-rewrite" in unanswered(tmp_path, question("half \ud83d, whole 😀"))
