"""The catalog's column map after updates, and audits of every storage, over the Python interface."""

import sys
from pathlib import Path

import pyarrow as pa
import pytest

import lester_duck as ld
from lester_duck.engine import matrix

sys.path.append(str(Path(__file__).parents[1]))
import shop

NOTES = """
[[featurizer]]
name = "note"
columns = ["note"]
kind = "tfidf"
token_pattern = '(?u)\\w+'

[[featurizer]]
name = "size"
columns = ["price"]
kind = "bins"
n_bins = 3
encode = "onehot"

[[featurizer]]
name = "many"
columns = ["note"]
kind = "hash_words"
hash = "murmur3"
n_features = 5000

[label]
"""


@pytest.fixture
def run(tmp_path):
    folder = shop.write(tmp_path / "shop")
    shop.replace(folder / "pipeline.toml", "[label]\n", NOTES)
    shop.replace(folder / "views" / "prepared.sql", "s.price, s.loud", "s.price, s.note, s.loud")
    with ld.run(folder, tmp_path / "shop.duckdb") as run:
        yield run


def sale(run, number, **values):
    """A delta that changes one sale."""
    row = run.sql(f"SELECT * EXCLUDE (_rid, _pos) FROM source.sales WHERE sale_id = '{number}'").to_arrow_table()
    rows = [row.to_pylist()[0], row.to_pylist()[0] | values]
    table = pa.Table.from_pylist(rows, schema=row.schema)
    return table.append_column("_change_type", pa.array(["update_preimage", "update_postimage"]))


CHANGES = [{"note": "something else!"}, {"price": 99.5}, {"shop_id": "s5"}, {"note": "note 1"}]


@pytest.mark.parametrize("values", CHANGES)
def test_the_column_map_follows_updates(run, values):
    for number in (1001, 1003):
        run.update(sales=sale(run, number, **values))
        columns = matrix.column_map(run.db, run.plan.pipeline.features)
        kept = run.sql("SELECT position, name, category FROM _lester.feature ORDER BY position").fetchall()
        assert kept == [(c.position, c.name, None if c.term is None else str(c.term)) for c in columns]
        assert all(row[0] for row in run.sql("SELECT sources FROM _lester.feature").fetchall())
    run.audit().raise_if_different()


def test_an_audit_finds_a_wrong_sparse_row(run):
    run.db.execute(
        "UPDATE _lester.block_many SET value = {'indices': value.indices, 'counts': list_transform(value.counts, "
        "lambda c: 2 * c)} WHERE _rid = (SELECT min(_rid) FROM _lester.block_many)"
    )
    found = run.audit()
    assert not found.agreed
    assert [(d.artefact, d.rows) for d in found.differences if d.artefact == "matrix"] == [("matrix", 1)]
