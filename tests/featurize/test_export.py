"""Files: what they hold, that they come whole or not at all, and what is said when they cannot."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from lester_duck.engine import export, matrix
from lester_duck.errors import InputError
from lester_duck.pipeline.model import Label

TYPES = {"a": "DOUBLE", "c": "VARCHAR", "y": "VARCHAR"}
ROWS = [(1.5, "u", "no"), (None, "v", "yes"), (3.0, "u", "no")]


@dataclass
class Run:
    """What ``export`` asks of an opened run."""

    db: object
    plan: object

    def features(self, part="all"):
        return matrix.batches(self.db, self.plan.pipeline.features, part=part, sources={"a": ["raw.a"]})

    def labels(self, part="all"):
        return np.array([r[0] for r in self.db.rows("SELECT y FROM main.prepared ORDER BY _pos")], dtype=object)

    def view(self, name):
        return self.db.arrow("SELECT a, c, y FROM main.prepared ORDER BY _pos")


@pytest.fixture
def run(store, f):
    s = store(TYPES, ROWS)
    s.assign("predicate", train="c = 'u'")
    features = s.build(f("a", ("a",), "impute"), f("c", ("c",), ("one_hot", {"handle_unknown": "ignore"})))
    return Run(s.db, SimpleNamespace(pipeline=SimpleNamespace(features=features, label=Label(column="y"))))


X = [[1.5, 1.0], [2.25, 0.0], [3.0, 1.0]]


def test_arrow_and_parquet_keep_provenance(run, tmp_path):
    arrow = export.export(run, "features", tmp_path / "x.arrow")
    parquet = export.export(run, "features", tmp_path / "x.parquet")
    for table in (pa.ipc.open_file(arrow).read_all(), pq.read_table(parquet)):
        assert np.column_stack([c.to_numpy() for c in table.columns]).tolist() == X
        about = json.loads(table.schema.field("a").metadata[b"lester"])
        assert about["featurizer"] == "a" and about["sources"] == ["raw.a"]
        assert json.loads(table.schema.field("c=u").metadata[b"lester"])["term"] == "u"


def test_npz_and_csv(run, tmp_path):
    content = np.load(export.export(run, "features", tmp_path / "x.npz"))
    assert content["X"].tolist() == X
    assert content["y"].tolist() == ["no", "yes", "no"] and content["features"].tolist() == ["a", "c=u"]
    table = pa_csv.read_csv(export.export(run, "features", tmp_path / "x.csv"))
    assert table.column_names == ["a", "c=u"] and table.column("a").to_pylist() == [1.5, 2.25, 3.0]


def test_labels_and_views(run, tmp_path):
    assert pq.read_table(export.export(run, "labels", tmp_path / "y.parquet")).to_pydict() == {"y": ["no", "yes", "no"]}
    whole = pa.ipc.open_file(export.export(run, "prepared", tmp_path / "v.arrow")).read_all()
    assert whole.column("a").to_pylist() == [1.5, None, 3.0]
    train = pa.ipc.open_file(export.export(run, "prepared", tmp_path / "t.arrow", "train")).read_all()
    assert train.column("c").to_pylist() == ["u", "u"]


def test_what_cannot_be_written(run, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"no known extension; use one of .arrow, .parquet, .csv, .npz"):
        export.export(run, "features", tmp_path / "x.xlsx")
    with pytest.raises(InputError, match=r"no folder '.*none' to write 'x.arrow' into; create it first"):
        export.export(run, "features", tmp_path / "none" / "x.arrow")
    with pytest.raises(InputError, match=r"no part 'tset'.*did you mean 'test'"):
        export.export(run, "features", tmp_path / "x.arrow", "tset")
    with pytest.raises(InputError, match=r"view 'other' has no train part; only the feature view has parts: prepared"):
        export.export(run, "other", tmp_path / "x.arrow", "train")
    with pytest.raises(InputError, match="full; free some space"):
        _full(run, tmp_path, monkeypatch)
    assert list(tmp_path.iterdir()) == []


def _full(run, tmp_path, monkeypatch):
    def refuse(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    export.export(run, "features", tmp_path / "x.parquet")


def test_a_failed_export_keeps_the_old_file(run, tmp_path, monkeypatch):
    path = export.export(run, "features", tmp_path / "x.parquet")
    before = path.read_bytes()
    with pytest.raises(InputError):
        _full(run, tmp_path, monkeypatch)
    assert path.read_bytes() == before
