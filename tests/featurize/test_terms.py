"""Counted and weighed terms against scikit-learn, built and maintained."""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from lester_duck.engine import matrix
from lester_duck.pipeline.model import Split

TEXTS = [
    "the cat sat on the mat", "The dog ate the cat", "a dog, a cat and a mat", "été Été ça va", "", "mat mat mat x",
    "the cat sat on the mat", "zebra 42 straße", "cat's dog-house",
]  # fmt: skip
TYPES = {"t": "VARCHAR", "k": "INTEGER"}
PEERS = {"tfidf": TfidfVectorizer, "count_words": CountVectorizer}


def peer_of(kind, params):
    listed = {k: list(v) if isinstance(v, tuple) and k != "ngram_range" else v for k, v in params.items()}
    if listed.pop("tokenizer", None) == "split":
        listed |= {"tokenizer": str.split, "token_pattern": None}
    return PEERS[kind](**listed)


WORDS = [
    {}, {"binary": True}, {"min_df": 2}, {"max_df": 2}, {"min_df": 0.2, "max_df": 0.6}, {"max_features": 4},
    {"max_features": 3, "min_df": 2, "binary": True}, {"ngram_range": (1, 2)}, {"lowercase": False},
    {"token_pattern": r"(?u)\b\w+\b"}, {"token_pattern": "[a-z](at)"}, {"stop_words": "english"},
    {"stop_words": ("cat", "mat")}, {"analyzer": "char", "ngram_range": (2, 3)}, {"analyzer": "char_wb"},
    {"strip_accents": "unicode"}, {"tokenizer": "split"}, {"vocabulary": ("zebra", "cat", "unheard")},
]  # fmt: skip
WEIGHTS = [
    {"use_idf": False}, {"smooth_idf": False}, {"sublinear_tf": True}, {"norm": None}, {"norm": "l1"},
    {"min_df": 2, "sublinear_tf": True}, {"use_idf": False, "norm": None, "binary": True},
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "params"),
    [(kind, p) for kind in PEERS for p in WORDS] + [("tfidf", p) for p in WEIGHTS],
    ids=lambda v: v if isinstance(v, str) else ",".join(v) or "defaults",
)
def test_agrees_with_scikit_learn(store, f, kind, params):
    s = store(TYPES, [(t, i) for i, t in enumerate(TEXTS)])
    s.assign("predicate", train="k <> 1 AND k <> 7")
    fit_rows = [t for i, t in enumerate(TEXTS) if i not in (1, 7)]
    features = s.build(f("w", ("t",), (kind, params)))
    peer = peer_of(kind, params).fit(fit_rows)
    terms = peer.get_feature_names_out()
    columns = matrix.column_map(s.db, features)
    assert [c.term for c in columns] == terms.tolist()
    assert [c.name for c in columns] == [f"w={t}" for t in terms]
    for part, texts in (("train", fit_rows), ("test", [TEXTS[1], TEXTS[7]]), ("all", TEXTS)):
        expected = peer.transform(texts).toarray()
        np.testing.assert_allclose(matrix.dense(s.db, features, part=part), expected, rtol=1e-14)
        np.testing.assert_allclose(matrix.for_estimator(s.db, features, part=part).toarray(), expected, rtol=1e-14)
    batch = matrix.batches(s.db, features).read_all()
    assert batch.schema.names == [c.name for c in columns]
    np.testing.assert_allclose(np.column_stack(batch.columns), peer.transform(TEXTS).toarray(), rtol=1e-14)


def test_dense_output(store, f):
    s = store(TYPES, [(t, 0) for t in TEXTS])
    found = matrix.for_estimator(s.db, s.build(f("w", ("t",), ("count_words", {"sparse_output": False}))))
    np.testing.assert_array_equal(found, CountVectorizer().fit_transform(TEXTS).toarray())


def test_many_terms_come_as_one_field(store, f):
    texts = [" ".join(f"w{i * 7 + j}" for j in range(2000)) for i in range(400)]
    s = store(TYPES, [(t, 0) for t in texts])
    features = s.build(f("k", ("k",), "passthrough"), f("w", ("t",), "tfidf"))
    peer = TfidfVectorizer().fit_transform(texts)
    assert peer.shape[1] > 4096 and abs(matrix.csr(s.db, features)[:, 1:] - peer).max() < 1e-15
    batch = matrix.batches(s.db, features).read_all()
    assert batch.schema.names == ["k", "w"]
    assert sorted(batch.column("w")[3].as_py()["indices"]) == sorted(peer[3].indices)


PARAMS = [
    {}, {"min_df": 2}, {"max_features": 3}, {"binary": True, "norm": None}, {"sublinear_tf": True, "max_df": 0.8},
]  # fmt: skip
text = st.lists(st.sampled_from(["aa", "bb", "cc", "dd", "ee", "aa bb"]), max_size=5).map(" ".join)
change = st.tuples(st.integers(0, 10**6), st.integers(0, 3), st.lists(text, max_size=3), st.lists(text, max_size=3))


@settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", 12)),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    texts=st.lists(text, min_size=2, max_size=8), changes=st.lists(change, min_size=1, max_size=3),
    fit=st.sampled_from(["train", "all"]), first=st.integers(0, len(PARAMS) - 1),
)  # fmt: skip
def test_random_changes_maintained_equal_rebuilt_and_scikit_learn(store, f, texts, changes, fit, first):
    anchors = ["aa bb cc", "aa bb dd"]
    s = store(TYPES, [(t, i % 3) for i, t in enumerate([*anchors, *texts])])
    s.assign("predicate", train="k < 2 AND t <> 'cc'")
    chosen = [PARAMS[first], PARAMS[(first + 2) % len(PARAMS)]]
    kinds = [f(f"w{i}", ("t",), ("tfidf", p), fit=fit) for i, p in enumerate(chosen)]
    features = s.build(*kinds, f("n", ("t",), "count_words", fit=fit))
    for seed, deletes, updated, inserted in changes:
        rids = [r[0] for r in s.db.rows("SELECT _rid FROM main.prepared WHERE _pos > 1 ORDER BY _rid")]
        mixed = np.random.RandomState(seed).permutation(rids).tolist()
        gone, rest = mixed[:deletes], mixed[deletes:]
        s.change(features, gone, dict(zip(rest, [(t, seed % 3) for t in updated], strict=False)),
                 [(t, i) for i, t in enumerate(inserted)])  # fmt: skip
    found = matrix.dense(s.db, features), matrix.column_map(s.db, features), states(s, features)
    fit_rows = s.db.rows(
        "SELECT t FROM main.prepared JOIN _lester.split USING (_rid) "
        + ("WHERE part = 'train' " if fit == "train" else "") + "ORDER BY _rid"
    )  # fmt: skip
    ordered = [r[0] for r in s.db.rows("SELECT t FROM main.prepared ORDER BY _pos, _rid")]
    peers = [TfidfVectorizer(**p) for p in chosen] + [CountVectorizer()]
    expected = [peer.fit([r[0] for r in fit_rows]).transform(ordered).toarray() for peer in peers]
    np.testing.assert_allclose(found[0], np.hstack(expected), rtol=1e-14)
    again = s.build(*features.featurizers)
    np.testing.assert_array_equal(found[0], matrix.dense(s.db, again))
    assert found[1:] == (matrix.column_map(s.db, again), states(s, again))


def states(s, features):
    """Every state without the ids, which a rebuild may give out in another order."""
    query = "SELECT term, n, occurrences, total FROM _lester.state_{} ORDER BY ALL"
    return [s.db.rows(query.format(x.name)) for x in features.featurizers]


def test_a_term_whose_last_row_left_is_gone(store, f):
    s = store(TYPES, [("secret word", 0), ("word", 0), ("other", 1)])
    s.assign("predicate", train="k = 0")
    features = s.build(f("w", ("t",), "tfidf"))
    assert s.names(features) == ["w=secret", "w=word"]
    s.change(features, updates={100: ("word other", 0)})
    assert s.names(features) == ["w=other", "w=word"]
    assert s.db.rows("SELECT term, n, total FROM _lester.state_w ORDER BY term NULLS FIRST") == [
        (None, 2, 3), ("other", 1, 2), ("word", 2, 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"min_df": 2}, r"featurizer 'x': tfidf: no term remains; lower min_df"),
        ({"stop_words": ("one", "two")}, r"hold no term; check token_pattern and stop_words"),
        ({"min_df": 2, "max_df": 1}, r"max_df leaves fewer rows than min_df"),
        ({"min_df": 1.5}, r"min_df is 1.5; give a number of rows such as 2, or a share"),
        ({"norm": "l3"}, r"tfidf: norm is 'l3'; it may be None, 'l1', 'l2'"),
        ({"stop_words": "french"}, r"stop_words is 'french'; it may be 'english'"),
        ({"token_pattern": "("}, r"token_pattern '\(' is no pattern"),
        ({"ngram_range": (2, 1)}, r"ngram_range is \(2, 1\)"),
        ({"analyzer": "words"}, r"analyzer is 'words'; it may be 'word', 'char', 'char_wb'"),
        ({"vocabulary": ("a", "a")}, "holds a term twice"),
    ],
)
def test_errors(store, f, params, message):
    s = store(TYPES, [("one", 0), ("two", 0)])
    with pytest.raises(Exception, match=message):
        matrix.dense(s.db, s.build(f("x", ("t",), ("tfidf", params))))


def test_an_empty_view(store, f):
    s = store(TYPES)
    s.split = Split()
    features = s.build(f("w", ("t",), "tfidf"))
    assert matrix.dense(s.db, features).shape == (0, 0)
    s.change(features, inserts=[("some text", 0)])
    assert s.names(features) == ["w=some", "w=text"]


def test_a_missing_text_is_refused(store, f):
    with pytest.raises(Exception, match="column 't' has rows without a text; write coalesce"):
        store(TYPES, [("one", 0), (None, 0)]).build(f("x", ("t",), "tfidf"))
