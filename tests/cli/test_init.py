"""``init`` reads columns off files and never overwrites."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lester_duck.pipeline import codec

from program import lester_duck


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "people.csv").write_text('id,"home town"\n1,Oslo\n', encoding="utf-8")
    (folder / "plain.tsv").write_text("1\tx\n", encoding="utf-8")
    (folder / "events.jsonl").write_text(json.dumps({"at": 1}) + "\n" + json.dumps({"who": "a"}) + "\n")
    (folder / "notes.txt").write_text("a\n", encoding="utf-8")
    pq.write_table(pa.table({"n": [1]}), folder / "numbers.parquet")
    return folder


def test_every_format_is_described(data, tmp_path):
    sources = ["people=people.csv", "plain=plain.tsv", "events=events.jsonl", "notes=notes.txt", "n=numbers.parquet"]
    options = [o for s in sources for o in ("--source", s.replace("=", f"={data}/"))]
    target = tmp_path / "first"
    said = lester_duck("init", target, *options, "--no-header", "plain", "--key", "people=id", "--json")
    assert said.code == 0, said.err
    assert said.json["written"] == [str(target / "pipeline.toml"), str(target / "views" / "prepared.sql")]
    pipeline = codec.load(target)
    by_name = {source.name: source for source in pipeline.sources}
    assert [c.name for c in by_name["people"].columns] == ["id", "home town"]
    assert by_name["people"].key == ("id",)
    assert ([c.name for c in by_name["plain"].columns], by_name["plain"].header) == (["c1", "c2"], False)
    assert by_name["plain"].delimiter == "\t"
    assert [c.name for c in by_name["events"].columns] == ["at", "who"]
    assert (by_name["notes"].format, by_name["n"].format) == ("text", "parquet")
    assert pipeline.views[0].sql == 'SELECT id, "home town"\nFROM people'


def test_paths_start_from_the_folder(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert lester_duck("init", "deep/er", "--source", "people=data/people.csv").code == 0
    assert codec.load("deep/er").sources[0].path == "../../data/people.csv"


def test_a_pipeline_is_not_overwritten(data, tmp_path):
    arguments = ("init", tmp_path / "p", "--source", f"people={data}/people.csv")
    assert lester_duck(*arguments).code == 0
    said = lester_duck(*arguments)
    assert said.code == 1
    assert "holds a pipeline already" in said.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--source", "people=missing.csv"], 1, "no file 'missing.csv'"),
        (["--source", "people"], 2, "not of the form NAME=VALUE"),
        (["--source", "people={}/people.csv", "--key", "people=idd"], 1, "did you mean 'id'?"),
        (["--source", "people={}/people.csv", "--key", "peple=id"], 1, "did you mean 'people'?"),
        (["--source", "_x={}/people.csv"], 1, "not usable"),
        (["--source", "x={}/people.xls"], 1, "no file"),
    ],
)
def test_bad_input_is_one_line(data, tmp_path, arguments, code, words):
    said = lester_duck("init", tmp_path / "p", *(a.format(data) for a in arguments))
    assert (said.code, len(said.err.splitlines())) == (code, 1)
    assert words in said.err
    assert not (tmp_path / "p").exists()
