"""Files: what they hold, that they come whole or not at all, and what is said when they cannot."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from lester_duck.engine import export
from lester_duck.errors import InputError

TYPES = {"a": "DOUBLE", "c": "VARCHAR", "y": "VARCHAR"}
ROWS = [(1.5, "u", "no"), (None, "v", "yes"), (3.0, "u", "no")]


@pytest.fixture
def run(store, f):
    """A store with a matrix of two columns, and a writer of all that can be exported."""
    s = store(TYPES, ROWS)
    s.assign("predicate", train="c = 'u'")
    features = s.build(f("a", ("a",), "impute"), f("c", ("c",), ("one_hot", {"handle_unknown": "ignore"})))

    def write(what, path, part="all"):
        if what == "features":
            export.export_features(s.db, features, None, part, path, label="y", sources={"a": ["raw.a"]})
        elif what == "labels":
            export.export_labels(s.db, "prepared", None, part, path, label="y")
        else:
            export.export_view(s.db, "prepared", [*TYPES], None, part, path)
        return path

    return write


X = [[1.5, 1.0], [2.25, 0.0], [3.0, 1.0]]


def test_arrow_and_parquet_keep_provenance(run, tmp_path):
    arrow = run("features", tmp_path / "x.arrow")
    parquet = run("features", tmp_path / "x.parquet")
    for table in (pa.ipc.open_file(arrow).read_all(), pq.read_table(parquet)):
        assert np.column_stack([c.to_numpy() for c in table.columns]).tolist() == X
        about = json.loads(table.schema.field("a").metadata[b"lester"])
        assert about["featurizer"] == "a" and about["sources"] == ["raw.a"]
        assert json.loads(table.schema.field("c=u").metadata[b"lester"])["term"] == "u"


def test_npz_and_csv(run, tmp_path):
    content = np.load(run("features", tmp_path / "x.npz"))
    assert content["X"].tolist() == X
    assert content["y"].tolist() == ["no", "yes", "no"] and content["features"].tolist() == ["a", "c=u"]
    table = pa_csv.read_csv(run("features", tmp_path / "x.csv"))
    assert table.column_names == ["a", "c=u"] and table.column("a").to_pylist() == [1.5, 2.25, 3.0]


def test_labels_and_views(run, tmp_path):
    assert pq.read_table(run("labels", tmp_path / "y.parquet")).to_pydict() == {"y": ["no", "yes", "no"]}
    whole = pa.ipc.open_file(run("view", tmp_path / "v.arrow")).read_all()
    assert whole.column("a").to_pylist() == [1.5, None, 3.0]
    train = pa.ipc.open_file(run("view", tmp_path / "t.arrow", "train")).read_all()
    assert train.column("c").to_pylist() == ["u", "u"]


def test_what_cannot_be_written(run, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"no known extension; use one of .arrow, .parquet, .csv, .npz"):
        run("features", tmp_path / "x.xlsx")
    with pytest.raises(InputError, match=r"no folder '.*none' to write 'x.arrow' into; create it first"):
        run("features", tmp_path / "none" / "x.arrow")
    with pytest.raises(InputError, match=r"no part 'tset'.*did you mean 'test'"):
        run("features", tmp_path / "x.arrow", "tset")
    with pytest.raises(InputError, match="full; free some space"):
        _full(run, tmp_path, monkeypatch)
    assert list(tmp_path.iterdir()) == []


def _full(run, tmp_path, monkeypatch):
    def refuse(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    run("features", tmp_path / "x.parquet")


def test_a_failed_export_keeps_the_old_file(run, tmp_path, monkeypatch):
    path = run("features", tmp_path / "x.parquet")
    before = path.read_bytes()
    with pytest.raises(InputError):
        _full(run, tmp_path, monkeypatch)
    assert path.read_bytes() == before
