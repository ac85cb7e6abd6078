"""``[review]`` in pipeline.toml, and the command that asks a store for it."""

from __future__ import annotations

import pytest

import lester_duck as ld
from lester_duck.errors import InputError
from lester_duck.pipeline import codec
from lester_duck.pipeline.model import Review

from . import people
from program import lester_duck

REVIEW = Review(
    checks=("equal_opportunity", "label_shift", "illegal_features"), groups=("people.sex",), positive="1",
    illegal=("people.city",), thresholds=(("equal_opportunity", 1),),
)  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("review") / "people.duckdb"
    people.run(people.people(80), people.pipeline(review=REVIEW), str(path)).close()
    return path


def test_a_review_is_written_and_read_again(tmp_path):
    made = people.pipeline(review=REVIEW)
    codec.dump(made, tmp_path)
    assert "[review.thresholds]" in (tmp_path / "pipeline.toml").read_text()
    assert codec.load(tmp_path) == made


def test_a_pipeline_without_review_says_nothing_of_it():
    assert "review" not in codec.render_manifest(people.pipeline())


@pytest.mark.parametrize("line", ["positiv = '1'", "groups = 'people.sex'", "part = 'dev'"])
def test_a_fault_in_review_names_its_line(line):
    text = codec.render_manifest(people.pipeline()) + f"\n[review]\n{line}\n"
    with pytest.raises(InputError) as caught:
        codec.from_texts(text, {}, "")
    assert caught.value.where.startswith("pipeline.toml:")


def test_the_store_knows_its_review(store):
    with ld.open(store, read_only=True) as run:
        found = run.review()
        assert {f.check for f in found.findings} == set(REVIEW.checks)
        assert {f.threshold for f in found.findings if f.check == "equal_opportunity"} == {1}
        assert [f.subject for f in found.failed] == ["people.city"]


def test_check_of_a_store(store):
    said = lester_duck("check", store)
    assert said.code == 3
    assert "people.city" in said.out
    assert "1 failed, 2 passed, 0 not applicable" in said.out
    assert "equal_opportunity" not in said.out
    assert said.err == "error: 1 finding fails: illegal_features\n"
    assert "equal_opportunity" in lester_duck("check", store, "--all").out


def test_check_of_a_store_as_json(store):
    said = lester_duck("check", store, "--only", "label_shift", "--only", "train_test_overlap", "--json")
    assert said.code == 0
    assert said.json["counts"] == {"failed": 0, "passed": 2, "not applicable": 0}
    assert {f["check"] for f in said.json["findings"]} == {"label_shift", "train_test_overlap"}
    assert set(said.json["findings"][0]) == {"check", "subject", "metric", "value", "threshold", "verdict", "detail"}


def test_check_of_a_store_shows_its_statements(store):
    said = lester_duck("check", store, "--only", "label_shift", "--sql")
    assert "FROM lester.check_label_shift(threshold := ?);" in said.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--only", "label_shft"], 1, "did you mean 'label_shift'?"),
        (["--root", "/"], 2, "--root is for a pipeline folder"),
    ],
)
def test_check_asked_wrongly(store, arguments, code, words):
    said = lester_duck("check", store, *arguments)
    assert (said.code, said.out) == (code, "")
    assert words in said.err


def test_check_of_nothing(tmp_path):
    said = lester_duck("check", tmp_path / "no")
    assert said.code == 1
    assert "no folder and no store" in said.err
    assert lester_duck("check", tmp_path, "--all").code == 2


def test_a_folder_with_an_impossible_review(tmp_path):
    made = people.pipeline(review=Review(groups=("people.sexx",)))
    codec.dump(made, tmp_path)
    (tmp_path / "pipeline.toml").write_text((tmp_path / "pipeline.toml").read_text().replace('"table"', '"csv"'))
    (tmp_path / "people.csv").write_text("name,sex,city,score,year,good\n")
    text = (tmp_path / "pipeline.toml").read_text().replace('format = "csv"', 'format = "csv"\npath = "people.csv"')
    (tmp_path / "pipeline.toml").write_text(text)
    said = lester_duck("check", tmp_path)
    assert said.code == 3
    assert "did you mean 'sex'?" in said.out
