"""The demonstration, on few customers."""

from __future__ import annotations

import pytest

from program import lester_duck


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The folder of a demonstration and what it said."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    said = lester_duck("demo", "--customers", "120", "-o", folder, "--json")
    assert said.code == 0, said.err
    return folder, said.json


def test_it_tells_ten_steps_with_their_times(told):
    _, story = told
    assert len(story["steps"]) == 10
    assert all(step["seconds"] >= 0 for step in story["steps"])
    assert story["seconds"] < 60


def test_the_rewrite_agreed(told):
    assert told[1]["steps"][1]["lines"][0].startswith("verdict: agreed")


def test_every_block_of_the_matrix_names_its_source(told):
    blocks = {row["featurizer"]: row["source_columns"] for row in told[1]["steps"][3]["rows"]}
    assert set(blocks.values()) == {"mails.subject", "mails.body", "customers.country"}


def test_usage_agrees_with_a_count_by_hand(told):
    folder, story = told
    usage = {row["usage"]: row["mails"] for row in story["steps"][4]["rows"]}
    letters = (folder / "original" / "mails.csv").read_text(encoding="utf-8").splitlines()
    countries = ("NL", "BE", "DE", "AT")
    known: set[str] = set()
    for line in (folder / "original" / "customers.csv").read_text(encoding="utf-8").splitlines():
        _, email, _, country, _ = line.split(",")
        if country in countries:
            known.add(email)
    used = 0
    for line in letters:
        _, email, sent, _, text = line.split(",")
        recent = int(sent[6:10]) >= 2022
        used += recent and email in known and any(word in text for word in ("complaint", "refund", "account"))
    assert usage == {"train": used, "nothing": len(letters) - used}


def test_no_number_is_left(told):
    assert told[1]["steps"][9]["rows"] == [{"letters": 0, "features": 0}]


def test_an_earlier_demonstration_is_replaced_and_nothing_else(told, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    said = lester_duck("demo", "--customers", "120", "-o", tmp_path)
    assert (said.code, len(said.err.splitlines())) == (1, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
