"""Rewrites with recorded answers of a model, through a real server; see ``recorded.py``.

The cases that ship with these tests are replayed here, all of them by ``bench/rewrite.py --engine llm --replay``.
"""

from __future__ import annotations

import shutil

import pytest

from lester_duck import api

from . import recorded

pytestmark = pytest.mark.usefixtures("no_model")

CASES = recorded.HERE / "cases"


@pytest.mark.parametrize("name", sorted(path.name for path in CASES.iterdir()))
def test_the_recorded_answers_agree(tmp_path, name):
    shutil.copytree(CASES / name, tmp_path / name)
    script = (tmp_path / name / "script.txt").rename(tmp_path / name / "script.py")
    recording = recorded.load(recorded.HERE / f"{name}.llm.json")
    with recorded.replaying(recording) as endpoint:
        result = api.rewrite(
            script, engine="llm", model="recorded", base_url=endpoint.url, directed=False, mutants="none", samples=1,
            cache=False,
        )  # fmt: skip
    assert result.stopped == ""
    assert result.verdict.status == "agreed", result.verdict
    assert len(result.exchanges) <= len(recording.answers)


def test_every_recording_says_how_it_was_made():
    for recording in recorded.recordings("llm"):
        assert "prompt" in recording.made
        assert recording.answers
