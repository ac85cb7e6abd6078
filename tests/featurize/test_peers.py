"""Kinds and whole preparations against the scikit-learn or pandas code they stand for."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
    label_binarize,
)

from lester_duck.engine import matrix

NUMBERS = {"a": "DOUBLE", "b": "INTEGER"}
ROWS = [(1.5, 1), (None, 2), (4.0, 2), (-3.25, 7), (1e6, 1), (0.0, 5), (2.0, 2), (1.5, 9)]
X = np.array([[np.nan if v is None else v for v in row] for row in ROWS], dtype=float)
FULL = np.where(np.isnan(X), 0.0, X)
FILL = ("impute", {"strategy": "constant", "fill_value": 0})


@pytest.mark.parametrize(
    ("steps", "peer", "data"),
    [
        (["max_abs"], MaxAbsScaler(), X),
        (["robust_scale"], RobustScaler(), X),
        ([("robust_scale", {"quantile_range": (10, 80)})], RobustScaler(quantile_range=(10, 80)), X),
        ([("robust_scale", {"unit_variance": True})], RobustScaler(unit_variance=True), X),
        ([("robust_scale", {"with_centering": False})], RobustScaler(with_centering=False), X),
        ([("robust_scale", {"with_scaling": False})], RobustScaler(with_scaling=False), X),
        ([FILL, "normalize"], Normalizer(), FULL),
        ([FILL, ("normalize", {"norm": "l1"})], Normalizer("l1"), FULL),
        ([FILL, "min_max", ("normalize", {"norm": "max"})], make_pipeline(MinMaxScaler(), Normalizer("max")), FULL),
        ([FILL, ("binarize", {"threshold": 1.5})], Binarizer(threshold=1.5), FULL),
        ([FILL, ("elementwise", {"function": "square"}), "min_max"],
         make_pipeline(FunctionTransformer(np.square), MinMaxScaler()), FULL),
        ([("impute", {"strategy": "median", "add_indicator": True}), "standard_scale"],
         make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), X),
        ([("impute", {"strategy": "mean", "add_indicator": True}), "min_max"],
         make_pipeline(SimpleImputer(add_indicator=True), MinMaxScaler()), X),
        ([("impute", {"add_indicator": True})], SimpleImputer(add_indicator=True), X),
        ([FILL, "binarize", "standard_scale"], make_pipeline(Binarizer(), StandardScaler()), FULL),
        ([FILL, "robust_scale", "min_max"], make_pipeline(RobustScaler(), MinMaxScaler()), FULL),
        ([FILL, "max_abs", "standard_scale"], make_pipeline(MaxAbsScaler(), StandardScaler()), FULL),
    ],
)  # fmt: skip
def test_scalers(store, f, steps, peer, data):
    s = store(NUMBERS, ROWS)
    s.assign("position", rows="6")
    features = s.build(f("n", ("a", "b"), *steps))
    peer.fit(data[:6])
    np.testing.assert_allclose(matrix.dense(s.db, features), peer.transform(data), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("right", [True, False])
def test_cut_into_a_number_of_bins(store, f, right):
    values = [0.0, 1.0, 2.5, 7.0, None, 10.0, 3.3]
    x = np.array(values, dtype=float)
    s = store({"a": "DOUBLE"}, [(v,) for v in values])
    found = s.dense(f("a", ("a",), ("bins", {"n_bins": 3, "strategy": "cut", "right": right}))).ravel()
    codes = pd.cut(x, 3, right=right).codes
    np.testing.assert_array_equal(found, np.where(codes < 0, np.nan, codes))


@pytest.mark.parametrize("values", [[5.0, 1.0, 9.0, None, 2.0, 2.5, 8.0], [1.0, 1.0, 1.0, 1.0, 2.0, 3.0]])
def test_qcut(store, f, values):
    s = store({"a": "DOUBLE"}, [(v,) for v in values])
    params = {"n_bins": 3, "strategy": "qcut", "duplicates": "drop", "encode": "onehot"}
    found = s.dense(f("a", ("a",), ("bins", params)))
    dummies = pd.get_dummies(pd.qcut(np.array(values, dtype=float), 3, duplicates="drop"))
    np.testing.assert_array_equal(found, dummies.to_numpy())


def test_labelled_cut_as_dummies(store, f):
    """As ``get_dummies(cut(...))`` of students' lateness: all bins are columns, in their order."""
    values = [-20.0, -8.0, 0.0, 3.0, 8.0, None]
    s = store({"late": "DOUBLE"}, [(v,) for v in values])
    edges = (-1000, -8, 0, 7, 2000)
    late = pd.cut(np.array(values, dtype=float), list(edges), labels=["early", "in_time", "late", "very_late"])
    for drop in (None, "first"):
        found = s.dense(f("late", ("late",), ("bins", {"edges": edges, "encode": "onehot", "drop": drop})))
        np.testing.assert_array_equal(found, pd.get_dummies(late, drop_first=drop == "first").to_numpy())


TEXTS = [("DE", "x"), ("FR", "y"), (None, "x"), ("NL", "x"), ("DE", "y")]


@pytest.mark.parametrize(
    "options", [{}, {"drop_first": True}, {"dummy_na": True}, {"dummy_na": True, "drop_first": True}]
)
def test_get_dummies(store, f, options):
    s = store({"c": "VARCHAR", "d": "VARCHAR"}, TEXTS)
    params = {
        "missing": "always" if options.get("dummy_na") else "ignore",
        "drop": "first" if options.get("drop_first") else None,
    }
    found = s.dense(f("h", ("c", "d"), ("one_hot", params)))
    np.testing.assert_array_equal(found, pd.get_dummies(pd.DataFrame(TEXTS, columns=["c", "d"]), **options).to_numpy())


def test_label_binarize(store, f):
    for classes in (["y", "x"], ["y", "x", "z"]):
        s = store({"c": "VARCHAR", "d": "VARCHAR"}, TEXTS)
        params = {"categories": (tuple(classes),), "drop": "if_binary"}
        found = s.dense(f("h", ("d",), ("one_hot", params)))
        np.testing.assert_array_equal(found, label_binarize([d for _, d in TEXTS], classes=classes))


@pytest.mark.parametrize("normalize", [False, True])
def test_frequency(store, f, normalize):
    s = store({"c": "VARCHAR"}, [(c,) for c, _ in TEXTS])
    column = pd.Series([c for c, _ in TEXTS])
    expected = column.map(column.value_counts(normalize=normalize)).to_numpy()
    np.testing.assert_array_equal(s.dense(f("c", ("c",), ("frequency", {"normalize": normalize}))).ravel(), expected)
    filled = s.dense(f("c", ("c",), ("frequency", {"missing": 0}), "standard_scale")).ravel()
    numbers = np.array([2, 1, 0, 1, 2.0])
    np.testing.assert_allclose(filled, (numbers - numbers.mean()) / numbers.std(), rtol=1e-12)


PROSE = [
    "great food and great service", "the food was cold, never again", "Service slow; food OK", "great!",
    "éclair était très bon", "nice place 24/7",
]  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [
        {"n_features": 128, "norm": None, "alternate_sign": False},
        {"n_features": 256, "alternate_sign": False, "norm": None, "ngram_range": (1, 2)},
        {"n_features": 2**20}, {"n_features": 64, "stop_words": "english"}, {"n_features": 64, "binary": True},
        {"n_features": 64, "analyzer": "char_wb", "ngram_range": (3, 4)}, {"n_features": 64, "norm": "l1"},
        {"n_features": 64, "token_pattern": r"\w+", "strip_accents": "ascii", "lowercase": False},
        {"n_features": 64, "dtype": "float32"}, {"n_features": 5000, "dtype": "float32", "stop_words": ("food",)},
    ],
)  # fmt: skip
def test_hashed_words(store, f, options):
    s = store({"t": "VARCHAR"}, [(t,) for t in PROSE])
    features = s.build(f("t", ("t",), ("hash_words", {"hash": "murmur3", **options})))
    listed = {k: list(v) if k == "stop_words" and isinstance(v, tuple) else v for k, v in options.items()}
    dtype = getattr(np, options.get("dtype", "float64"))
    expected = HashingVectorizer(**{**listed, "dtype": dtype}).transform(PROSE)
    found = matrix.for_estimator(s.db, features)
    difference = abs(found - expected)
    assert difference.max() == 0


# Preparations as scripts write them.

TICKETS = pd.DataFrame(
    {
        "text": ["printer on fire", "printer jam again", "cannot log in", "log in broken", "new printer", "vpn log"],
        "channel": ["mail", "phone", "mail", "portal", "fax", "mail"], "size": ["L", "S", "L", "L", "XL", "L"],
        "seats": [3, 50, 7, 50, 12, 9], "major": [0, 2, 2, 3, 0, 1], "train": [1, 1, 1, 1, 0, 0],
    }
)  # fmt: skip


def rows_of(frame):
    missing = frame.astype(object).where(frame.notna(), None)
    return [tuple(v.item() if hasattr(v, "item") else v for v in row) for row in missing.itertuples(index=False)]


def test_a_column_transformer_of_texts_categories_and_numbers(store, f):
    types = dict.fromkeys(("text", "channel", "size"), "VARCHAR") | dict.fromkeys(
        ("seats", "major", "train"), "INTEGER"
    )
    s = store(types, rows_of(TICKETS))
    s.assign("predicate", train="train = 1")
    features = s.build(
        f("words", ("text",), ("tfidf", {"min_df": 2, "sublinear_tf": True})),
        f("cats", ("channel", "size"), ("one_hot", {"handle_unknown": "ignore"})),
        f("nums", ("seats", "major"), "standard_scale"),
        f("rest", ("train",), "passthrough"),
    )
    peer = ColumnTransformer(
        [
            ("words", TfidfVectorizer(min_df=2, sublinear_tf=True), "text"),
            ("cats", OneHotEncoder(handle_unknown="ignore"), ["channel", "size"]),
            ("nums", StandardScaler(), ["seats", "major"]),
        ],
        remainder="passthrough", sparse_threshold=0,
    ).fit(TICKETS[TICKETS.train == 1])  # fmt: skip
    for part, rows in (("train", TICKETS[TICKETS.train == 1]), ("test", TICKETS[TICKETS.train == 0])):
        np.testing.assert_allclose(matrix.dense(s.db, features, part=part), peer.transform(rows), rtol=1e-12)


def test_imputers_in_a_pipeline_under_a_shuffled_split(store, f):
    random = np.random.RandomState(0)
    flats = pd.DataFrame(
        {
            "area": random.choice([40.0, 55.5, 90.0, np.nan], 40), "rooms": random.choice([1.0, 2.0, 3.0, np.nan], 40),
            "heating": random.choice(["gas", "oil", None], 40), "district": random.choice(list("ABCDEFGH"), 40),
            "lift": random.randint(0, 2, 40), "y": random.choice(["lo", "hi"], 40),
        }
    )  # fmt: skip
    types = {"area": "DOUBLE", "rooms": "DOUBLE", "heating": "VARCHAR", "district": "VARCHAR", "lift": "INTEGER"}
    s = store({**types, "y": "VARCHAR"}, rows_of(flats))
    s.assign("shuffle", test_size=0.2, random_state=42, stratify="y")
    num, cat = ["area", "rooms"], ["heating", "district"]
    features = s.build(
        f("num", num, ("impute", {"strategy": "median"}), "standard_scale"),
        f(
            "cat",
            cat,
            ("impute", {"strategy": "constant", "fill_value": "?"}),
            ("one_hot", {"handle_unknown": "ignore"}),
        ),
        f("flat", ("lift",), "passthrough"),
    )
    constant = SimpleImputer(strategy="constant", fill_value="?", missing_values=None)
    peer = ColumnTransformer(
        [
            ("num", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), num),
            ("cat", make_pipeline(constant, OneHotEncoder(handle_unknown="ignore", sparse_output=False)), cat),
            ("flat", "passthrough", ["lift"]),
        ]
    )
    flats["heating"] = flats["heating"].astype(object).where(flats["heating"].notna(), None)
    train, test = train_test_split(flats, test_size=0.2, random_state=42, stratify=flats["y"])
    np.testing.assert_allclose(matrix.dense(s.db, features, part="train"), peer.fit_transform(train), rtol=1e-12)
    np.testing.assert_allclose(matrix.dense(s.db, features, part="test"), peer.transform(test), rtol=1e-12)


@pytest.mark.filterwarnings("ignore:Bins whose width")
def test_imputed_bins_beside_scaled_numbers(store, f):
    ages = [None, 18.0, 22.0, 22.0, 31.0, 47.0, 64.0, None, 29.0]
    s = store({"age": "DOUBLE", "n": "INTEGER"}, [(a, i * i) for i, a in enumerate(ages)])
    frame = pd.DataFrame({"age": np.array(ages, dtype=float), "n": [i * i for i in range(len(ages))]})
    features = s.build(
        f("num", ("n", "age"), ("impute", {"strategy": "mean"}), "standard_scale"),
        f("age", ("age",), ("impute", {"strategy": "most_frequent"}),
          ("bins", {"n_bins": 4, "strategy": "uniform", "encode": "onehot"})),
        f("quarter", ("n",), ("bins", {"n_bins": 4, "encode": "onehot"})),
        f("scaled", ("n",), ("min_max", {"clip": True})),
    )  # fmt: skip
    uniform = KBinsDiscretizer(n_bins=4, encode="onehot-dense", strategy="uniform")
    peer = ColumnTransformer(
        [
            ("num", Pipeline([("i", SimpleImputer()), ("s", StandardScaler())]), ["n", "age"]),
            ("age", Pipeline([("i", SimpleImputer(strategy="most_frequent")), ("b", uniform)]), ["age"]),
            ("q", KBinsDiscretizer(n_bins=4, encode="onehot-dense", subsample=None), ["n"]),
            ("m", MinMaxScaler(clip=True), ["n"]),
        ]
    )
    np.testing.assert_allclose(matrix.dense(s.db, features), peer.fit_transform(frame), rtol=1e-12)


def test_a_feature_union_is_two_featurizers_of_the_same_columns(store, f):
    s = store(NUMBERS, ROWS)
    features = s.build(f("s", ("a", "b"), FILL, "standard_scale"), f("m", ("a", "b"), FILL, "min_max"))
    peer = FeatureUnion([("s", StandardScaler()), ("m", MinMaxScaler())])
    np.testing.assert_allclose(matrix.dense(s.db, features), peer.fit_transform(FULL), rtol=1e-12)
    assert s.names(features) == ["s.a", "s.b", "m.a", "m.b"]


def test_ordinal_with_unknown_values(store, f):
    s = store({"c": "VARCHAR", "k": "INTEGER"}, [("b", 0), ("a", 0), ("z", 1), ("b", 0)])
    s.assign("predicate", train="k = 0")
    found = matrix.dense(s.db, s.build(f("o", ("c",), ("ordinal", {"unknown": -1}))))
    peer = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1).fit([["b"], ["a"], ["b"]])
    np.testing.assert_array_equal(found, peer.transform([["b"], ["a"], ["z"], ["b"]]))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("polynomial", r"featurizer 'x': featurizer kind 'polynomial' is not supported; compute the columns in a view"),
        ("power", "kind 'power' is not supported; its exponents"),
        ("target_encode", "kind 'target_encode' is not supported; scikit-learn fits it crosswise"),
        (("bins", {"n_bins": 3, "strategy": "kmeans"}), "bins with strategy 'kmeans' is not supported; its edges"),
        (("bins", {"n_bins": 3, "strategy": "qcut"}), "column 'a' has the same quantile twice"),
        ("normalize", "normalize: column 'a' has missing values; put an impute step before it"),
        ("binarize", "binarize: column 'a' has missing values; put an impute step before it"),
        ("impute", "column 'a' has no value in the fit rows; drop it, or use strategy = \"constant\""),
        (("robust_scale", {"quantile_range": (80, 20)}), r"quantile_range is \(80, 20\)"),
    ],
)
def test_refusals_say_what_to_do(store, f, step, message):
    values = [None, None] if step == "impute" else [1.0, 1.0, 1.0, 2.0, None]
    s = store({"a": "DOUBLE"}, [(v,) for v in values])
    with pytest.raises(Exception, match=message):
        matrix.dense(s.db, s.build(f("x", ("a",), step)))


def test_chains_without_a_meaning(store, f):
    s = store({**NUMBERS, "t": "VARCHAR"}, [(1.0, 1, "some text")])
    with pytest.raises(Exception, match=r"normalize then min_max.*cannot follow one that mixes them"):
        s.build(f("x", ("a", "b"), "normalize", "min_max"))
    with pytest.raises(Exception, match="tfidf with sparse output before standard_scale"):
        s.build(f("x", ("t",), "tfidf", ("standard_scale", {"with_mean": False})))


@pytest.mark.parametrize(
    "params",
    [
        {"min_frequency": 3}, {"min_frequency": 0.3}, {"max_categories": 3}, {"max_categories": 2, "min_frequency": 2},
        {"min_frequency": 3, "handle_unknown": "infrequent_if_exist"}, {"min_frequency": 100}, {"min_frequency": 1},
    ],
)  # fmt: skip
def test_rare_categories_share_a_column(store, f, params):
    params = {"handle_unknown": "ignore", **params}
    rows = [("a",), ("b",), ("a",), ("c",), ("d",), ("a",), ("b",), ("b",), (None,), ("d",), ("z",), ("a",)]
    s = store({"c": "VARCHAR"}, rows)
    s.assign("position", rows="10")
    features = s.build(f("n", ("c",), ("one_hot", params)))
    data = np.array(rows, dtype=object)
    peer = OneHotEncoder(sparse_output=False, **params).fit(data[:10])
    np.testing.assert_array_equal(matrix.dense(s.db, features), peer.transform(data))
