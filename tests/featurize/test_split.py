"""Splits, as assigned and as maintained."""

import hashlib
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from lester_duck.engine import matrix, split, split_maintain
from lester_duck.engine.matrix_order import StoredTerm
from lester_duck.pipeline.model import Split

ROWS = [(i, "abc"[i % 3], i % 2) for i in range(30)]
TYPES = {"i": "INTEGER", "k": "VARCHAR", "y": "INTEGER"}


def parts(s):
    return dict(s.db.rows("SELECT i, part FROM main.prepared JOIN _lester.split USING (_rid)"))


def test_position(store):
    s = store(TYPES, ROWS)
    assert s.assign("position", rows="trunc(n * 0.8)") == {"test": 6, "train": 24}
    assert {i for i, part in parts(s).items() if part == "train"} == set(range(24))


def test_hash_is_md5_of_the_key(store):
    s = store(TYPES, ROWS)
    s.assign("hash", key=("i", "k"), train=0.6)

    def part(i, k):
        digest = hashlib.md5(f"{i}\x1f{k}".encode()).hexdigest()
        return "train" if int(digest[:15], 16) < round(0.6 * 2**60) else "test"

    assert parts(s) == {i: part(i, k) for i, k, _ in ROWS}


def test_predicate_and_column(store):
    s = store({**TYPES, "p": "VARCHAR"}, [(*r, ["train", "test", None][r[0] % 3]) for r in ROWS])
    assert s.assign("predicate", train="i < 10") == {"test": 20, "train": 10}
    assert s.assign("predicate", train="i < 10", test="i >= 20") == {"none": 10, "test": 10, "train": 10}
    assert s.assign("column", column="p") == {"none": 10, "test": 10, "train": 10}


@pytest.mark.parametrize("options", [{"test_size": 0.3}, {"train_size": 7, "test_size": 5}, {"stratify": "k"}])
def test_shuffle_is_scikit_learns(store, f, options):
    s = store(TYPES, ROWS)
    s.assign("shuffle", random_state=3, **options)
    features = s.build(f("i", ("i",), "passthrough"))
    peer = {**options, **({"stratify": [r[1] for r in ROWS]} if "stratify" in options else {})}
    train, test = train_test_split(np.arange(30), random_state=3, **peer)
    assert matrix.dense(s.db, features, part="train").ravel().tolist() == train.tolist()
    assert matrix.dense(s.db, features, part="test").ravel().tolist() == test.tolist()


def test_shuffle_membership_is_frozen(store, f):
    s = store(TYPES, ROWS)
    s.assign("shuffle", random_state=0, test_size=0.5)
    before = parts(s)
    features = s.build(f("i", ("i",), "passthrough"))
    s.change(features, deletes=[100], updates={101: (1, "z", 0)}, inserts=[(90 + i, "n", 0) for i in range(30)])
    after = parts(s)
    assert {i: p for i, p in after.items() if i < 90} == {i: p for i, p in before.items() if i != 0}
    assert {after[90 + i] for i in range(30)} == {"train", "test"}
    assert matrix.dense(s.db, features, part="train")[-1, 0] >= 90


key = st.one_of(st.none(), st.integers(0, 4))
change = st.tuples(
    st.sets(st.integers(100, 112)), st.dictionaries(st.integers(100, 112), key), st.lists(key, max_size=4)
)


@settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", 40)),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    keys=st.lists(key, min_size=1, max_size=9), changes=st.lists(change, min_size=1, max_size=3),
    rows=st.sampled_from(["n // 2 + 1", "3", "n - 1", "n", "trunc(n * 0.8)"]),
    descending=st.booleans(), nulls_last=st.booleans(),
)  # fmt: skip
def test_random_changes_of_a_position_split_equal_an_assigned_one(store, keys, changes, rows, descending, nulls_last):
    s = store({"k": "INTEGER"}, [(k,) for k in keys])
    s.db.execute("INSERT INTO main.prepared VALUES (2, 0, 50), (2, 0, 51)")
    order = (StoredTerm("k", descending, nulls_last),)
    declared = Split(kind="position", params=(("rows", rows),))
    split.assign(s.db, declared, "prepared", order)
    for deleted, updated, inserted in changes:
        before = dict(s.db.rows("SELECT _rid, part FROM _lester.split"))
        apply_images(s.db, deleted, updated, inserted)
        moved = split_maintain.maintain_split(s.db, declared, "prepared", order, "old_rows", "new_rows")
        found = dict(s.db.rows("SELECT _rid, part FROM _lester.split"))
        said = {r[0]: (r[1], r[2]) for r in s.db.rows("SELECT * FROM _split_changes")} if moved else {}
        every = {**before, **found}
        assert said == {r: (before.get(r), found.get(r)) for r in every if before.get(r) != found.get(r)}
        split.assign(s.db, declared, "prepared", order)
        assert found == dict(s.db.rows("SELECT _rid, part FROM _lester.split"))


def apply_images(db, deleted, updated, inserted):
    """Delete rows, set the key of others, insert rows; leaves ``old_rows`` and ``new_rows``."""
    updated = {rid: k for rid, k in updated.items() if rid not in deleted}
    wanted = [*deleted, *updated] or [-1]
    db.execute("CREATE OR REPLACE TEMP TABLE old_rows AS SELECT * FROM main.prepared WHERE _rid IN (SELECT unnest(?))",
               [wanted])  # fmt: skip
    db.execute("CREATE OR REPLACE TEMP TABLE new_rows AS SELECT * FROM old_rows WHERE NOT list_contains(?, _rid)",
               [list(deleted) or [-1]])  # fmt: skip
    for rid, k in updated.items():
        db.execute("UPDATE new_rows SET k = ? WHERE _rid = ?", [k, rid])
    last = db.value("SELECT max(_rid) FROM main.prepared")
    for i, k in enumerate(inserted, start=1):
        db.execute("INSERT INTO new_rows VALUES (?, 0, ?)", [k, last + i])
    db.execute("DELETE FROM main.prepared WHERE _rid IN (SELECT _rid FROM old_rows)")
    db.execute("INSERT INTO main.prepared SELECT * FROM new_rows")


@pytest.mark.parametrize(
    ("kind", "params", "message"),
    [
        ("position", {"rows": "m * 2"}, r"rows = 'm \* 2': .*m.*; write an expression over n"),
        ("position", {}, "needs the parameter rows"),
        ("predicate", {"train": "nope = 1"}, "nope"),
        ("predicate", {"train": "i <"}, "is no SQL expression"),
        ("column", {"column": "kk"}, r"no column 'kk'; there are: i, k, y"),
        ("column", {"column": "k"}, "holds 'a'; it may hold 'train', 'test' or NULL"),
        ("hash", {"train": 3}, "train is 3; give a share between 0 and 1"),
        ("shuffle", {"test_size": 2.5}, "shuffle split of 30 rows"),
        ("shuffle", {"size": 2.5}, r"no parameter of a shuffle split 'size'"),
        ("predicate", {"train": "false"}, "no row of 30 is in the train part"),
    ],
)
def test_errors(store, kind, params, message):
    with pytest.raises(Exception, match=message):
        store(TYPES, ROWS).assign(kind, **params)
