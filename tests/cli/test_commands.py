"""Every command that works on a store, on a small pipeline by hand."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import shop
from program import lester_duck


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with the pipeline and a store it was run into; not to be changed."""
    base = tmp_path_factory.mktemp("made")
    shop.write(base / "shop")
    said = lester_duck("run", base / "shop", "--store", base / "shop.duckdb", "--json")
    assert said.code == 0, said.err
    assert said.json["features"]["columns"] == 5
    assert said.json["seconds"] > 0
    return base


@pytest.fixture
def spare(made, tmp_path) -> Path:
    """A copy of it, to be changed."""
    subprocess.run(["cp", "-r", f"{made}/.", str(tmp_path)], check=True)
    return tmp_path


def test_run_says_what_the_store_holds(made, tmp_path):
    said = lester_duck("run", made / "shop", "--store", tmp_path / "x.duckdb")
    assert said.code == 0
    assert "prepared" in said.out
    assert "prepared" not in said.err.replace("view prepared", "")  # at most progress, when the machine is slow


def test_run_shows_its_statements_on_stderr(made, tmp_path):
    said = lester_duck("run", made / "shop", "--store", tmp_path / "x.duckdb", "--sql", "--json")
    assert "BEGIN TRANSACTION;" in said.err
    assert "CREATE" in said.err
    assert said.json["pipeline"] == "shop"


def test_run_with_the_model_later(made, tmp_path):
    store = tmp_path / "x.duckdb"
    assert lester_duck("run", made / "shop", "--store", store, "--model", "later").code == 0
    said = lester_duck("predict", store)
    assert said.code == 1
    assert len(said.err.splitlines()) == 1


def test_status(made):
    said = lester_duck("status", made / "shop.duckdb", "--json")
    assert {s["name"]: s["rows"] for s in said.json["sources"]} == {"sales": 40, "shops": 5}
    assert said.json["split"] == {"train": 16, "test": 4}
    assert isinstance(said.json["last_run"]["metrics"], dict)
    text = lester_duck("status", made / "shop.duckdb").out
    assert "join: its rows have ids of their own" in text


def test_sql_as_table_csv_and_json(made):
    store, query = made / "shop.duckdb", "SELECT town, n FROM per_town ORDER BY town"
    assert lester_duck("sql", store, query).out.splitlines()[2].split()[0] == "Aro"
    rows = list(csv.DictReader(io.StringIO(lester_duck("sql", store, query, "--csv").out)))
    assert sum(int(row["n"]) for row in rows) == 20
    assert lester_duck("sql", store, query, "--json").json["columns"] == ["town", "n"]
    assert lester_duck("sql", store, query, "--json", "--csv").code == 2


def test_sql_from_standard_input(made):
    command = [sys.executable, "-m", "lester_duck", "sql", str(made / "shop.duckdb"), "-", "--csv"]
    done = subprocess.run(command, input="SELECT 1 + 1 AS two", capture_output=True, text=True, timeout=60)
    assert done.stdout == '"two"\n2\n'


@pytest.mark.parametrize(
    ("question", "column"),
    [
        (["columns"], "source_column"),
        (["features"], "featurizer"),
        (["usage", "sales"], "usage"),
        (["backward", "prepared", "1"], "source_rid"),
        (["forward", "sales", "2"], "relation"),
        (["predictions"], "_rid"),
        (["trained-on", "sales"], "trained"),
        (["backward-column", "prepared", "dear"], "scope"),
        (["forward-column", "sales", "price"], "column_name"),
        (["backward-feature", "1", "price"], "source_column"),
        (["forward-feature", "sales", "2", "price"], "feature"),
        (["backward-prediction", "1"], "source_rid"),
        (["forward-prediction", "sales", "2"], "stale"),
        (["why-not", "sales", "2", "prepared"], "outcome"),
    ],
)
def test_lineage(made, question, column):
    said = lester_duck("lineage", made / "shop.duckdb", *question, "--json")
    assert said.code == 0, said.err
    assert said.json["count"] > 0
    assert column in said.json["columns"]


@pytest.mark.parametrize(
    ("question", "code", "words"),
    [
        (["colums"], 2, "did you mean 'columns'?"),
        (["usage"], 2, "usage takes SOURCE"),
        (["backward", "prepared", "one"], 2, "RID must be a whole number"),
        (["backward", "prepard", "1"], 1, "did you mean 'prepared'?"),
        (["forward", "prepared", "1"], 1, "no source 'prepared'"),
        (["why-not", "sales", "1"], 2, "why-not takes SOURCE RID RELATION"),
        (["why-not", "sales", "1", "prepard"], 1, "did you mean 'prepared'?"),
    ],
)
def test_lineage_asked_wrongly(made, question, code, words):
    said = lester_duck("lineage", made / "shop.duckdb", *question)
    assert (said.code, said.out) == (code, "")
    assert words in said.err


def test_lineage_shows_its_statement(made):
    said = lester_duck("lineage", made / "shop.duckdb", "usage", "sales", "--sql")
    assert said.err == "FROM lester.usage('sales') ORDER BY _rid;\n"


def test_update_then_audit(spare):
    delta = spare / "delta.csv"
    delta.write_text(
        "sale_id,shop_id,day,price,note,_change_type\n"
        "5000,s2,2024-05-01,9.5,new!,insert\n"
        "1003,s4,2024-04-11,8.5,note 3,delete\n",
        encoding="utf-8",
    )
    said = lester_duck("update", spare / "shop.duckdb", "--delta", f"sales={delta}", "--json")
    assert said.code == 0, said.err
    assert said.json["change"] == 1
    rows = lester_duck("sql", spare / "shop.duckdb", "SELECT sale_id, loud FROM sold WHERE sale_id > '2'", "--json")
    assert rows.json["rows"] == [{"sale_id": "5000", "loud": 1}]
    audit = lester_duck("audit", spare / "shop.duckdb", "--json")
    assert audit.code == 0, audit.err
    assert audit.json["differences"] == []
    changes = lester_duck("runs", spare / "shop.duckdb", "--changes", "--json")
    assert len(changes.json["changes"]) == 1


def test_audit_says_no_to_a_store_that_was_tampered_with(spare):
    from lester_duck.db import connect

    db = connect(spare / "shop.duckdb")
    db.execute("UPDATE main.prepared SET price = price + 1 WHERE sale_id = '1003'")
    db.close()
    said = lester_duck("audit", spare / "shop.duckdb")
    assert said.code == 3
    assert "prepared" in said.out
    assert len(said.err.splitlines()) == 1


def test_update_with_a_file_that_is_missing(spare):
    said = lester_duck("update", spare / "shop.duckdb", "--delta", "sales=none.csv")
    assert (said.code, len(said.err.splitlines())) == (1, 1)


def test_predict(made):
    said = lester_duck("predict", made / "shop.duckdb", "--split", "test", "--json")
    assert said.json["count"] == 4
    assert lester_duck("predict", made / "shop.duckdb", "--csv").out.splitlines()[0] == '"row","prediction"'


def test_export_in_every_format(made, tmp_path):
    store = made / "shop.duckdb"

    def export(what: str, name: str, *more: str) -> Path:
        said = lester_duck("export", store, "--what", what, "-o", tmp_path / name, "--json", *more)
        assert said.code == 0, said.err
        assert said.json["bytes"] == (tmp_path / name).stat().st_size
        return tmp_path / name

    with pa.ipc.open_file(export("features", "X.arrow", "--split", "train")) as reader:
        matrix = reader.read_all()
    assert matrix.num_rows == 16
    assert any(b"shops.town" in value for field in matrix.schema for value in (field.metadata or {}).values())
    assert pq.read_table(export("prepared", "prepared.parquet")).num_rows == 20
    labels = np.load(export("labels", "y.npz"), allow_pickle=False)
    assert {array.shape[0] for array in labels.values()} == {20}
    assert len(export("per_town", "t.csv").read_text().splitlines()) == 4


def test_export_does_not_overwrite(made, tmp_path):
    (tmp_path / "X.csv").write_text("mine")
    arguments = ("export", made / "shop.duckdb", "--what", "features", "-o", tmp_path / "X.csv")
    assert lester_duck(*arguments).code == 1
    assert (tmp_path / "X.csv").read_text() == "mine"
    assert lester_duck(*arguments, "--force").code == 0
    assert (tmp_path / "X.csv").read_text() != "mine"


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (("--what", "prepard", "-o", "x.csv"), 1, "did you mean 'prepared'?"),
        (("--what", "features", "-o", "x.xlsx"), 2, ".parquet"),
    ],
)
def test_export_asked_wrongly(made, tmp_path, monkeypatch, more, code, words):
    monkeypatch.chdir(tmp_path)
    said = lester_duck("export", made / "shop.duckdb", *more)
    assert (said.code, len(said.err.splitlines())) == (code, 1)
    assert words in said.err
    assert not list(tmp_path.iterdir())


def test_runs_and_their_difference(spare):
    shop.replace(spare / "shop" / "views" / "sold.sql", "2024-01-01", "2023-01-01")
    assert lester_duck("diff", spare / "shop.duckdb").code == 1
    assert lester_duck("run", spare / "shop", "--store", spare / "shop.duckdb").code == 0
    assert [run["id"] for run in lester_duck("runs", spare / "shop.duckdb", "--json").json["runs"]] == [1, 2]
    said = lester_duck("diff", spare / "shop.duckdb", "--json")
    found = {row["what"]: (row["first"], row["second"]) for row in said.json["differences"]}
    assert found["counts.sold"] == (20, 40)
    assert "counts.sales" not in found
    assert lester_duck("diff", spare / "shop.duckdb", "1", "7").code == 1
    assert "counts.sold" in lester_duck("diff", spare / "shop.duckdb", "1", "2").out


def test_check(spare):
    assert lester_duck("check", spare / "shop").out == "nothing found\n"
    shop.replace(spare / "shop" / "views" / "prepared.sql", "t.town", "t.twon")
    shop.replace(spare / "shop" / "pipeline.toml", 'column = "dear"', 'column = "daer"')
    (spare / "shop" / "shops.csv").unlink()
    said = lester_duck("check", spare / "shop", "--json")
    assert said.code == 3
    messages = json.dumps(said.json["findings"])
    assert "did you mean 'town'?" in messages
    assert "shops.csv" in messages
    assert json.loads(said.err)["error"]["kind"] == "disagreement"
