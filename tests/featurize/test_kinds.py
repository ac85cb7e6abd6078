"""Every kind against scikit-learn, pandas or plain Python."""

import json
import zlib
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

from lester_duck.engine import matrix
from lester_duck.featurize.hash_words import HashWords

NUMBERS = {"a": "DOUBLE", "b": "INTEGER"}
ROWS = [(1.5, 1), (None, 2), (float("nan"), 2), (-3.25, 7), (1e6, 1), (0.0, 5), (2.0, 2), (1.5, 9)]
X = np.array([[np.nan if v is None else v for v in row] for row in ROWS], dtype=float)


@pytest.mark.parametrize(
    ("steps", "peer"),
    [
        (["standard_scale"], StandardScaler()),
        ([("standard_scale", {"with_mean": False})], StandardScaler(with_mean=False)),
        ([("standard_scale", {"with_std": False})], StandardScaler(with_std=False)),
        (["min_max"], MinMaxScaler()),
        ([("min_max", {"feature_range": (-1, 2)})], MinMaxScaler(feature_range=(-1, 2))),
        (["impute"], SimpleImputer()),
        ([("impute", {"strategy": "median"})], SimpleImputer(strategy="median")),
        ([("impute", {"strategy": "most_frequent"})], SimpleImputer(strategy="most_frequent")),
        ([("impute", {"strategy": "constant", "fill_value": 4})], SimpleImputer(strategy="constant", fill_value=4)),
        (["impute", "standard_scale"], make_pipeline(SimpleImputer(), StandardScaler())),
        (["impute", "standard_scale", "min_max"], make_pipeline(SimpleImputer(), StandardScaler(), MinMaxScaler())),
        (
            [("impute", {"strategy": "median"}), "standard_scale", ("bins", {"n_bins": 3, "strategy": "uniform"})],
            make_pipeline(
                SimpleImputer(strategy="median"), StandardScaler(),
                KBinsDiscretizer(3, encode="ordinal", strategy="uniform"),
            ),
        ),
        (
            ["impute", ("bins", {"n_bins": 3, "encode": "onehot"})],
            make_pipeline(SimpleImputer(), KBinsDiscretizer(3, encode="onehot-dense", subsample=None)),
        ),
        (
            ["impute", ("bins", {"n_bins": 4}), "standard_scale"],
            make_pipeline(SimpleImputer(), KBinsDiscretizer(4, encode="ordinal", subsample=None), StandardScaler()),
        ),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Bins whose width")
def test_numeric_chains_agree_with_scikit_learn(store, f, steps, peer):
    found = store(NUMBERS, ROWS).dense(f("n", ("a", "b"), *steps))
    np.testing.assert_allclose(found, peer.fit_transform(X), rtol=1e-12, atol=1e-12)


def test_only_train_rows_fit(store, f):
    s = store(NUMBERS, ROWS)
    s.assign("position", rows="5")
    features = s.build(f("n", ("a", "b"), "impute", "standard_scale"))
    peer = make_pipeline(SimpleImputer(), StandardScaler()).fit(X[:5])
    np.testing.assert_allclose(matrix.dense(s.db, features, part="test"), peer.transform(X[5:]), rtol=1e-12)
    np.testing.assert_allclose(matrix.dense(s.db, features, part="train"), peer.transform(X[:5]), rtol=1e-12)


def test_population_and_sample_deviation(store, f):
    s = store({"a": "DOUBLE"}, [(1.0,), (2.0,), (4.0,)])
    x = np.array([1.0, 2.0, 4.0])
    for ddof in (0, 1):
        found = s.dense(f("a", ("a",), ("standard_scale", {"ddof": ddof}))).ravel()
        np.testing.assert_allclose(found, (x - x.mean()) / x.std(ddof=ddof), rtol=1e-12)


@pytest.mark.parametrize("kind", ["standard_scale", "min_max"])
def test_a_constant_column(store, f, kind):
    s = store({"a": "DOUBLE"}, [(0.1,)] * 7)
    zero = "zero_variance" if kind == "standard_scale" else "zero_range"
    assert (s.dense(f("a", ("a",), kind)) == 0).all()
    assert np.isnan(s.dense(f("a", ("a",), (kind, {zero: "nan"})))).all()


def test_large_offset_keeps_precision(store, f):
    values = [1e8 + i / 1000 for i in range(50)]
    s = store({"a": "DOUBLE"}, [(v,) for v in values])
    x = np.array(values)
    found = s.dense(f("a", ("a",), "standard_scale")).ravel()
    np.testing.assert_allclose(np.diff(found), np.diff(x) / (x - 1e8).std(), rtol=1e-9)


def test_bins_with_edges_agree_with_pandas(store, f):
    values = [0, 1, 5, 10, 10.5, 20, None, -1]
    s = store({"a": "DOUBLE"}, [(v,) for v in values])
    for right in (True, False):
        for lowest in (True, False):
            params = {"edges": (0, 5, 10, 20), "right": right, "include_lowest": lowest}
            peer = pd.cut(np.array(values, dtype=float), [0, 5, 10, 20], right=right, include_lowest=lowest)
            found = s.dense(f("a", ("a",), ("bins", params))).ravel()
            expected = np.where(peer.codes == -1, np.nan, peer.codes)
            if not right and lowest:
                continue  # pandas then closes the last bin, which scikit-learn and numpy do not
            np.testing.assert_array_equal(found, expected)
            onehot = s.dense(f("a", ("a",), ("bins", {**params, "encode": "onehot"})))
            np.testing.assert_array_equal(onehot, pd.get_dummies(peer).to_numpy())


WORDS = {"c": "VARCHAR", "d": "VARCHAR"}
TEXTS = [("DE", "x"), ("FR", "y"), (None, "x"), ("NL", "x"), ("DE", "y"), ("Ä", "x"), (None, "y"), ("a", "x")]
OBJECTS = np.array(TEXTS, dtype=object)


@pytest.mark.parametrize("drop", [None, "first", "if_binary"])
def test_one_hot_agrees_with_scikit_learn(store, f, drop):
    s = store(WORDS, TEXTS)
    features = s.build(f("h", ("c", "d"), ("one_hot", {"drop": drop})))
    peer = OneHotEncoder(drop=drop, sparse_output=False).fit(OBJECTS)
    np.testing.assert_array_equal(matrix.dense(s.db, features), peer.transform(OBJECTS))
    terms = [c.term for c in matrix.column_map(s.db, features)]
    assert terms[-1] == "y"
    if drop is None:
        assert s.names(features) == ["c=DE", "c=FR", "c=NL", "c=a", "c=Ä", "c=<missing>", "d=x", "d=y"]


def test_one_hot_of_numbers_sorts_by_value(store, f):
    s = store({"a": "INTEGER", "b": "BOOLEAN"}, [(10, True), (9, False), (100, True), (-1, None)])
    assert s.names(s.build(f("h", ("a", "b"), "one_hot"))) == [
        "a=-1", "a=9", "a=10", "a=100", "b=False", "b=True", "b=<missing>",
    ]  # fmt: skip


def test_one_hot_orders(store, f):
    s = store(WORDS, TEXTS)
    assert s.names(s.build(f("h", ("c",), ("one_hot", {"categories": "appearance", "missing": "ignore"})))) == [
        "c=DE", "c=FR", "c=NL", "c=Ä", "c=a",
    ]  # fmt: skip
    fixed = f("h", ("c",), ("one_hot", {"categories": (("FR", "DE", "XX"),), "handle_unknown": "ignore"}))
    features = s.build(fixed)
    assert s.names(features) == ["c=FR", "c=DE", "c=XX"]
    np.testing.assert_array_equal(
        matrix.dense(s.db, features), [[t == c for c in ("FR", "DE", "XX")] for t, _ in TEXTS]
    )


def test_ordinal_agrees_with_scikit_learn_and_pandas(store, f):
    s = store(WORDS, TEXTS)
    own = s.dense(f("o", ("c", "d"), ("ordinal", {"missing": "category"})))
    np.testing.assert_array_equal(own, OrdinalEncoder().fit_transform(OBJECTS))
    nans = np.where(OBJECTS == None, np.nan, OBJECTS)  # noqa: E711
    np.testing.assert_array_equal(s.dense(f("o", ("c", "d"), "ordinal")), OrdinalEncoder().fit_transform(nans))
    found = s.dense(f("o", ("c",), ("ordinal", {"categories": "appearance", "missing": -1})))
    np.testing.assert_array_equal(found.ravel(), pd.factorize(OBJECTS[:, 0])[0])
    from_one = s.dense(f("o", ("d",), ("ordinal", {"start": 1})))
    np.testing.assert_array_equal(from_one.ravel(), [{"x": 1, "y": 2}[d] for _, d in TEXTS])


def test_unknown_categories_of_test_rows(store, f):
    s = store({"c": "VARCHAR"}, [("a",), ("b",), ("z",), ("a",)])
    s.assign("position", rows="2")
    ignoring = s.build(f("h", ("c",), ("one_hot", {"handle_unknown": "ignore"})))
    np.testing.assert_array_equal(matrix.dense(s.db, ignoring, part="test"), [[0, 0], [1, 0]])
    numbered = s.build(f("o", ("c",), ("ordinal", {"unknown": -7})))
    np.testing.assert_array_equal(matrix.dense(s.db, numbered, part="test"), [[-7], [0]])
    strict = s.build(f("h", ("c",), "one_hot"))
    assert matrix.dense(s.db, strict, part="train").shape == (2, 2)
    with pytest.raises(Exception, match=r"column 'c' holds the unknown category 'z'; known are: a, b"):
        matrix.dense(s.db, strict, part="test")
    assert s.db.value("SELECT count(*) FROM main.prepared") == 4  # the refusal left no open result behind


@pytest.mark.parametrize("strategy", ["most_frequent", "constant"])
def test_impute_then_one_hot(store, f, strategy):
    s = store(WORDS, TEXTS)
    found = s.dense(f("h", ("c", "d"), ("impute", {"strategy": strategy}), "one_hot"))
    imputer = SimpleImputer(strategy=strategy, missing_values=None, fill_value="missing_value")
    peer = make_pipeline(imputer, OneHotEncoder(sparse_output=False))
    np.testing.assert_array_equal(found, peer.fit_transform(OBJECTS))


def test_scaled_codes(store, f):
    s = store(WORDS, TEXTS)
    found = s.dense(f("h", ("d",), "one_hot", "standard_scale"))
    peer = make_pipeline(OneHotEncoder(sparse_output=False), StandardScaler()).fit_transform(OBJECTS[:, [1]])
    np.testing.assert_allclose(found, peer, rtol=1e-12)
    found = s.dense(f("o", ("d",), "ordinal", "min_max"))
    np.testing.assert_array_equal(found.ravel(), [d == "y" for _, d in TEXTS])


PROSE = ["the Cat sat  on the mat", "", "été\u2003été\x1cx", "a\tb\n a", "émoji 👨‍👩‍👧 x", " lone "]


def test_text_length(store, f):
    s = store({"t": "VARCHAR"}, [(t,) for t in PROSE])
    assert s.dense(f("t_len", ("t",), "text_length")).ravel().tolist() == [len(t) for t in PROSE]
    words = s.dense(f("t_len", ("t",), ("text_length", {"unit": "words"}))).ravel()
    assert words.tolist() == [len(t.split()) for t in PROSE]


def test_hash_words_by_crc32_as_written_by_hand(store, f):
    s = store({"t": "VARCHAR"}, [(t,) for t in PROSE * 2])

    def hashed(text, n=16):
        vector = np.zeros(n)
        for token in text.split():
            vector[zlib.crc32(token.encode("utf-8")) % n] += 1
        return vector

    features = s.build(f("title", ("t",), ("hash_words", {"n_features": 16})))
    np.testing.assert_array_equal(matrix.dense(s.db, features), [hashed(t) for t in PROSE * 2])
    assert s.names(features)[:2] == ["title[0]", "title[1]"]


@pytest.mark.parametrize("options", [{}, {"norm": None, "ngram_range": (1, 2)}, {"binary": True, "norm": "l1"}])
def test_hash_words_by_murmur3_as_scikit_learn(store, f, options):
    s = store({"t": "VARCHAR"}, [(t,) for t in PROSE])
    found = s.dense(f("t", ("t",), ("hash_words", {"n_features": 32, "hash": "murmur3", **options})))
    np.testing.assert_allclose(found, HashingVectorizer(n_features=32, **options).transform(PROSE).toarray())


@pytest.mark.parametrize("kind", ["crc32", "murmur3"])
def test_no_texts_are_no_rows(kind):
    assert HashWords(n_features=8, hash=kind).compute([]).shape == (0, 8)


def test_wide_hashing_is_sparse(store, f):
    s = store({"t": "VARCHAR", "a": "DOUBLE"}, [(t, i) for i, t in enumerate(PROSE)])
    wide = f("t", ("t",), ("hash_words", {"n_features": 2**18, "hash": "murmur3"}))
    features = s.build(f("a", ("a",), "passthrough"), wide)
    found = matrix.for_estimator(s.db, features)
    expected = HashingVectorizer(n_features=2**18).transform(PROSE)
    assert (found[:, 1:] != expected).nnz == 0
    assert found[:, [0]].toarray().ravel().tolist() == list(range(len(PROSE)))
    batch = matrix.batches(s.db, features).read_all()
    assert batch.schema.names == ["a", "t"]
    assert json.loads(batch.schema.field("t").metadata[b"lester"]) == {
        "featurizer": "t", "kind": "hash_words", "inputs": ["t"], "position": 1, "width": 2**18,
    }  # fmt: skip


def test_function(store, f):
    s = store({"t": "VARCHAR"}, [(t,) for t in [*PROSE, "the Cat sat  on the mat"]])
    features = s.build(f("v", ("t",), ("function", {"function": "shout", "width": 2, "dtype": "float32"})))
    assert s.db.value("SELECT typeof(value) FROM _lester.block_v LIMIT 1") == "FLOAT[2]"
    assert matrix.dense(s.db, features)[:, 0].tolist() == [len(t) for t in PROSE] + [23]


def test_matrix_order_and_dtype(store, f):
    s = store({"a": "DOUBLE"}, [(float(i),) for i in range(20)])
    s.db.execute("UPDATE main.prepared SET _pos = (_rid * 7) % 20")
    expected = [row[0] for row in s.db.rows("SELECT a FROM main.prepared ORDER BY _pos, _rid")]
    features = s.build(f("a", ("a",), "passthrough"), dtype="float32")
    found = matrix.dense(s.db, features)
    assert found.dtype == np.float32 and found.ravel().tolist() == expected
    batches = list(matrix.batches(s.db, features, rows=6, sources={"a": ["raw.a"]}))
    assert [b.num_rows for b in batches] == [6, 6, 6, 2]
    assert [v for b in batches for v in b.column(0).to_pylist()] == expected
    assert b'"sources": ["raw.a"]' in batches[0].schema.field(0).metadata[b"lester"]


def test_matrix_order_with_missing_and_descending_keys(store, f):
    s = store({"a": "DOUBLE", "k": "INTEGER"}, [(float(i), [None, 1, 2][i % 3]) for i in range(9)])
    features = s.build(f("a", ("a",), "passthrough"))
    for descending in (False, True):
        for nulls_last in (False, True):
            order = (SimpleNamespace(column="k", descending=descending, nulls_last=nulls_last),)
            keys = [2, 1] if descending else [1, 2]
            keys = [*keys, None] if nulls_last else [None, *keys]
            expected = [i for key in keys for i in range(9) if [None, 1, 2][i % 3] == key]
            assert matrix.dense(s.db, features, order).ravel().tolist() == expected


def test_names_are_unique(store, f):
    s = store({"a": "DOUBLE"}, [(1.0,), (2.0,)])
    features = s.build(f("raw", ("a",), "passthrough"), f("scaled", ("a", "a"), "standard_scale"))
    assert s.names(features) == ["raw.a", "scaled.a", "scaled.a#2"]


@pytest.mark.parametrize(
    ("step", "columns", "message"),
    [
        ("one_hat", ("c",), r"featurizer 'x': no featurizer kind 'one_hat'.*did you mean 'one_hot'"),
        (("one_hot", {"dorp": None}), ("c",), r"no parameter of one_hot 'dorp'.*did you mean 'drop'"),
        ("standard_scale", ("c",), r"featurizer 'x': column 'c' is VARCHAR, not a number; cast it in the view"),
        ("standard_scale", ("cc",), r"no column 'cc'; there are: a, c \(did you mean 'c'\?\)"),
        (("impute", {"strategy": "avg"}), ("a",), r"impute: strategy is 'avg'; it may be 'mean'"),
        (("hash_words", {"n_features": 4}), ("a",), r"hash_words reads one text column"),
        ("hash_words", ("c",), r"hash_words needs the parameter n_features"),
        (("hash_words", {"n_features": 4}), ("c",), r"column 'c' has rows without a text; write coalesce"),
        (("function", {"function": "fail"}), ("c",), r"function 'fail' raised ValueError: no for c = "),
        (("function", {"function": "shout"}), ("c",), r"returned 2 numbers per row, not 1; set width"),
    ],
)
def test_errors_say_what_and_where(store, f, step, columns, message):
    s = store({"a": "DOUBLE", "c": "VARCHAR"}, [(1.0, "x"), (2.0, None)])
    with pytest.raises(Exception, match=message):
        s.build(f("x", columns, step))
