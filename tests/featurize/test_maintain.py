"""Maintained equals rebuilt: random changes, every kind of state, splits that move rows."""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from lester_duck.engine import matrix, matrix_maintain
from lester_duck.errors import InputError

TYPES = {"a": "DOUBLE", "b": "INTEGER", "c": "VARCHAR", "t": "VARCHAR"}

number = st.one_of(st.none(), st.integers(-3, 3).map(float), st.floats(-50, 50, width=16), st.just(1e9))
row = st.tuples(
    number, st.integers(0, 3), st.one_of(st.none(), st.sampled_from("uvwxyz")), st.sampled_from(["", "p q", "q r s"])
)
rows = st.lists(row, min_size=4, max_size=9)
step = st.tuples(st.integers(0, 10**6), st.integers(0, 3), st.lists(row, max_size=3), st.lists(row, max_size=3))
splits = st.sampled_from(
    [
        ("all", {}),
        ("position", {"rows": "n * 2 // 3 + 1"}),
        ("predicate", {"train": "b <> 3 OR _pos = 0", "test": "b = 3 AND a > 0"}),
        ("hash", {"train": 0.9, "key": ("t", "b")}),
        ("shuffle", {"test_size": 0.25, "random_state": 1}),
    ]
)


def all_kinds(f):
    onehot = {"handle_unknown": "ignore"}
    return (
        f("raw", ("a", "b"), "passthrough"),
        f("scaled", ("a", "b"), "standard_scale"),
        f("ranged", ("a", "b"), ("impute", {"strategy": "constant"}), "min_max"),
        f("ranged_all", ("b",), "min_max", fit="all"),
        f("middle", ("a",), ("impute", {"strategy": "constant", "fill_value": 2}), ("bins", {"n_bins": 3}), "min_max"),
        f("cut", ("a",), ("bins", {"edges": (-5, 0, 5), "encode": "onehot"})),
        f("largest", ("a", "b"), "max_abs"),
        f("robust", ("a", "b"), "robust_scale"),
        f("above", ("a",), ("impute", {"strategy": "constant"}), "binarize", "standard_scale"),
        f("roots", ("a",), ("impute", {"strategy": "constant"}), ("elementwise", {"function": "cbrt"}), "min_max"),
        f("noted", ("a", "b"), ("impute", {"strategy": "constant", "add_indicator": True}), "standard_scale"),
        f("rare", ("c", "b"), ("one_hot", {**onehot, "min_frequency": 2})),
        f("rows", ("a", "b"), ("impute", {"strategy": "constant"}), "normalize"),
        f(
            "thirds",
            ("a",),
            ("impute", {"strategy": "constant"}),
            ("bins", {"n_bins": 3, "strategy": "qcut", "duplicates": "drop", "encode": "onehot"}),
        ),
        f("common", ("c", "b"), "frequency"),
        f("country", ("c", "b"), ("one_hot", onehot)),
        f("country_all", ("c",), "one_hot", fit="all"),
        f("met", ("c", "b"), ("one_hot", {**onehot, "categories": "appearance"})),
        f("seen", ("c",), ("ordinal", {"categories": "appearance", "unknown": -1})),
        f("filled", ("c",), ("impute", {"strategy": "constant", "fill_value": "?"}), ("one_hot", onehot)),
        f("length", ("t",), "text_length", "standard_scale"),
        f("dummies", ("c",), ("one_hot", {**onehot, "missing": "always"})),
        f("words", ("t",), ("hash_words", {"n_features": 4})),
        f("terms", ("t",), ("tfidf", {"token_pattern": "[a-z]+", "vocabulary": ("p", "q")})),
        f("bag", ("t",), ("hash_words", {"n_features": 4}), "standard_scale"),
        f("called", ("t", "b"), ("function", {"function": "shout", "width": 2})),
    )


def frozen(store, features):
    """Matrix and column map, with the split as it is; None where it cannot be fitted."""
    columns = [(c.name, c.inputs, c.term) for c in matrix.column_map(store.db, features)]
    return columns, matrix.dense(store.db, features), store.db.rows("SELECT * FROM _lester.split ORDER BY ALL")


some = st.sets(st.integers(0, 100), min_size=4, max_size=7)


@settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", 15)),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=rows, steps=st.lists(step, min_size=1, max_size=3), kind=splits, chosen_kinds=some)
def test_random_changes_maintained_equal_rebuilt(store, f, data, steps, kind, chosen_kinds):
    s = store(TYPES, data)
    try:
        s.assign(kind[0], **kind[1])
    except InputError:  # no train row at all is refused
        reject()
    kinds = all_kinds(f)
    features = s.build(*{k.name: k for k in (kinds[i % len(kinds)] for i in chosen_kinds)}.values())
    for seed, deletes, updated, inserted in steps:
        rids = [r[0] for r in s.db.rows("SELECT _rid FROM main.prepared ORDER BY _rid")]
        chosen = np.random.RandomState(seed).permutation(rids).tolist()
        train = s.db.rows("SELECT _rid FROM _lester.split WHERE part = 'train' ORDER BY _rid")
        keep = {r[0] for r in train[:2]}
        gone = [r for r in chosen[:deletes] if r not in keep]
        changed = dict(zip([r for r in chosen if r not in gone and r not in keep], updated, strict=False))
        s.change(features, gone, changed, inserted)
    found = frozen(s, features)
    if kind[0] not in ("shuffle",):
        s.assign(kind[0], **kind[1])
    again = frozen(s, s.build(*features.featurizers))
    assert found[0] == again[0]
    assert found[2] == again[2]
    np.testing.assert_allclose(found[1], again[1], rtol=1e-9, atol=1e-9)


def test_only_featurizers_whose_inputs_differ_are_touched(store, f):
    s = store(TYPES, [(1.0, 1, "u", "p"), (2.0, 2, "v", "q"), (3.0, 3, "w", "r")])
    features = s.build(*all_kinds(f))
    change = s.change(features, updates={101: (2.0, 2, "z", "q")})
    assert set(change.rows) == {"common", "country", "country_all", "dummies", "met", "seen", "filled", "rare"}
    assert not s.change(features, updates={101: (2.0, 2, "z", "q")}).rows


def test_a_vanished_category_disappears(store, f):
    s = store(TYPES, [(1.0, 1, "u", ""), (2.0, 2, "v", ""), (3.0, 3, "v", "")])
    features = s.build(f("c", ("c",), "one_hot"))
    assert s.names(features) == ["c=u", "c=v"]
    s.change(features, deletes=[100], inserts=[(1.0, 1, "a", "")])
    assert s.names(features) == ["c=a", "c=v"]
    assert s.db.rows("SELECT category FROM _lester.state_c ORDER BY ALL") == [("a",), ("v",)]


def test_an_extremal_value_that_left_is_scanned_for_once(store, f):
    s = store(TYPES, [(float(i % 7), 1, "u", "") for i in range(40)])
    features = s.build(f("a", ("a",), "min_max"))
    assert not s.change(features, deletes=[100]).rescanned
    for rid in (107, 114, 121, 128):
        s.change(features, deletes=[rid])
    assert s.change(features, deletes=[135]).rescanned == ("a",)
    assert matrix.dense(s.db, features).min() == 0


def test_an_outlier_that_left_takes_its_rounding_along(store, f):
    values = [(i / 10, 1, "u", "") for i in range(50)]
    s = store(TYPES, [*values, (1e12, 1, "u", "")])
    features = s.build(f("a", ("a",), "standard_scale"))
    assert s.change(features, deletes=[150]).rescanned == ("a",)
    x = np.array([v[0] for v in values])
    np.testing.assert_allclose(matrix.dense(s.db, features).ravel(), (x - x.mean()) / x.std(), rtol=1e-12)


def test_a_failed_change_leaves_the_matrix_as_it_was(store, f):
    s = store(TYPES, [(1.0, 1, "u", "p"), (2.0, 2, "v", "q")])
    features = s.build(f("words", ("t",), ("hash_words", {"n_features": 4})), f("c", ("c",), "one_hot"))
    before = matrix.dense(s.db, features)
    with pytest.raises(Exception, match="rows without a text"):
        s.change(features, updates={100: (1.0, 1, "zz", None)})
    np.testing.assert_array_equal(matrix.dense(s.db, features), before)


def test_a_large_change_rebuilds(store, f, monkeypatch):
    monkeypatch.setattr(matrix_maintain, "_REBUILD_ROWS", 2)
    s = store(TYPES, [(float(i), 1, "u", "p") for i in range(6)])
    features = s.build(f("a", ("a",), "standard_scale"), f("c", ("c",), "one_hot"))
    change = s.change(features, updates={r: (float(-r), 1, f"c{r}", "p") for r in (100, 101, 102)})
    assert set(change.rebuilt) == {"a", "c"}
    assert s.names(features) == ["a", "c=c100", "c=c101", "c=c102", "c=u"]


def test_a_view_that_becomes_empty_and_fills_again(store, f):
    s = store(TYPES, [(1.0, 1, "u", "p"), (2.0, 2, "v", "q")])
    kinds = [k for k in all_kinds(f) if k.name not in ("middle", "thirds")]
    features = s.build(*kinds)
    s.change(features, deletes=[100, 101])
    empty = matrix.dense(s.db, features)
    assert empty.shape == (0, len(s.names(features)))
    assert matrix.batches(s.db, features).read_all().num_rows == 0
    s.change(features, inserts=[(3.0, 1, "w", "p q"), (5.0, 2, None, "")])
    found = frozen(s, features)
    again = frozen(s, s.build(*kinds))
    assert found[0] == again[0]
    np.testing.assert_allclose(found[1], again[1], rtol=1e-9)


def test_an_empty_view_is_built(store, f):
    s = store(TYPES)
    features = s.build(*[k for k in all_kinds(f) if k.name not in ("middle", "thirds")])
    assert matrix.dense(s.db, features).shape[0] == 0
    assert matrix.csr(s.db, features).shape[0] == 0
