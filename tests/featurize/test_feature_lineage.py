"""``lester.feature_lineage`` of every kind of featurizer: category, term, bin or dimension, and the source columns."""

from __future__ import annotations

import pyarrow as pa
import pytest

import lester_duck as ld
from lester_duck.engine import second_opinion
from lester_duck.featurize.registry import KINDS
from lester_duck.pipeline.model import Column, Features, Featurizer, Function, Pipeline, Source, Step, View

SOURCES = (
    Source(
        name="t",
        format="table",
        columns=(
            Column(name="k", type="INTEGER"), Column(name="n", type="DOUBLE"), Column(name="m", type="DOUBLE"),
            Column(name="w", type="VARCHAR"), Column(name="x", type="VARCHAR"),
        ),
    ),
    Source(name="u", format="table", columns=(Column(name="k", type="INTEGER"), Column(name="z", type="DOUBLE"))),
)  # fmt: skip
DATA = {
    "t": pa.table({
        "k": pa.array([1, 2, 3, 4], pa.int32()), "n": [1.0, 2.0, 3.0, 4.0], "m": [0.0, 5.0, 6.0, None],
        "w": ["a", "b", "a", "c"], "x": ["red car", "blue car", "red sky", "sky"],
    }),
    "u": pa.table({"k": pa.array([1, 2, 3, 4], pa.int32()), "z": [4.0, 3.0, 2.0, 1.0]}),
}  # fmt: skip
PREPARED = "SELECT n, m, w, x, n * z AS nz, w || ' ' || x AS wx FROM t JOIN u USING (k)"
CODE = "def vector(x):\n    return [1.0, 2.0]\n"
VECTOR = Function(name="vector", arguments=(Column(name="x", type="VARCHAR"),), returns="DOUBLE[2]")


def lineage(columns: tuple[str, ...], *steps: tuple) -> dict[str, tuple]:
    """Feature -> its category, its inputs, its source columns."""
    made = tuple(Step(kind=kind, params=tuple(params.items())) for kind, params in steps)
    pipeline = Pipeline(
        name="x", sources=SOURCES, views=(View(name="f", sql=PREPARED),), code=CODE, functions=(VECTOR,),
        features=Features(view="f", featurizers=(Featurizer(name="enc", columns=columns, steps=made),)),
    )  # fmt: skip
    with ld.run(pipeline, ":memory:", data=DATA) as run:
        rows = run.sql(
            "SELECT feature, any_value(featurizer), any_value(category), any_value(inputs), "
            "list(source_column ORDER BY source_column) FROM lester.feature_lineage GROUP BY feature, position "
            "ORDER BY position"
        ).fetchall()
    assert all(featurizer == "enc" for _, featurizer, *_ in rows)
    return {feature: (category, inputs, sources) for feature, _, category, inputs, sources in rows}


def same(*names: str) -> dict[str, tuple]:
    """Columns that keep their name, each from the source column of that name."""
    return {name: (None, [name], [f"t.{name}"]) for name in names}


WORDS = ["t.w", "t.x"]
EXPECTED = {
    "passthrough": (
        lambda: lineage(("n", "nz"), ("passthrough", {})),
        same("n") | {"nz": (None, ["nz"], ["t.n", "u.z"])},
    ),
    "standard_scale": (lambda: lineage(("n",), ("standard_scale", {})), same("n")),
    "min_max": (lambda: lineage(("n",), ("min_max", {})), same("n")),
    "max_abs": (lambda: lineage(("n",), ("max_abs", {})), same("n")),
    "robust_scale": (lambda: lineage(("n",), ("robust_scale", {})), same("n")),
    "normalize": (
        lambda: lineage(("n", "nz"), ("normalize", {})),
        {"n": (None, ["n", "nz"], ["t.n", "u.z"]), "nz": (None, ["nz", "n"], ["t.n", "u.z"])},
    ),
    "binarize": (lambda: lineage(("n",), ("binarize", {"threshold": 2.0})), same("n")),
    "elementwise": (lambda: lineage(("n",), ("elementwise", {"function": "log1p"})), same("n")),
    "impute": (
        lambda: lineage(("m",), ("impute", {"strategy": "mean", "add_indicator": True})),
        same("m") | {"m missing": ("missing", ["m"], ["t.m"])},
    ),
    "bins": (
        lambda: lineage(("n",), ("bins", {"edges": (0, 2, 5), "encode": "onehot"})),
        {"n=(0,2]": ("(0,2]", ["n"], ["t.n"]), "n=(2,5]": ("(2,5]", ["n"], ["t.n"])},
    ),
    "one_hot": (
        lambda: lineage(("w",), ("one_hot", {})),
        {f"w={c}": (c, ["w"], ["t.w"]) for c in ("a", "b", "c")},
    ),
    "ordinal": (lambda: lineage(("w",), ("ordinal", {})), same("w")),
    "frequency": (lambda: lineage(("w",), ("frequency", {})), same("w")),
    "text_length": (lambda: lineage(("x",), ("text_length", {})), {"enc": (None, ["x"], ["t.x"])}),
    "hash_words": (
        lambda: lineage(("wx",), ("hash_words", {"n_features": 2})),
        {f"enc[{n}]": (str(n), ["wx"], WORDS) for n in range(2)},
    ),
    "count_words": (
        lambda: lineage(("x",), ("count_words", {})),
        {f"enc={w}": (w, ["x"], ["t.x"]) for w in ("blue", "car", "red", "sky")},
    ),
    "tfidf": (
        lambda: lineage(("wx",), ("tfidf", {})),
        {f"enc={w}": (w, ["wx"], WORDS) for w in ("blue", "car", "red", "sky")},
    ),
    "function": (
        lambda: lineage(("x",), ("function", {"function": "vector", "width": 2})),
        {f"enc[{n}]": (str(n), ["x"], ["t.x"]) for n in range(2)},
    ),
}


def test_every_kind_is_asked():
    assert set(EXPECTED) == set(KINDS)


@pytest.mark.parametrize("kind", EXPECTED)
def test_feature_lineage(kind):
    asked, expected = EXPECTED[kind]
    assert asked() == expected


def test_a_chain_of_steps_keeps_the_category():
    found = lineage(("w", "x"), ("one_hot", {"drop": "first"}), ("standard_scale", {"with_mean": False}))
    assert found == {
        "w=b": ("b", ["w"], ["t.w"]), "w=c": ("c", ["w"], ["t.w"]), "x=red car": ("red car", ["x"], ["t.x"]),
        "x=red sky": ("red sky", ["x"], ["t.x"]), "x=sky": ("sky", ["x"], ["t.x"]),
    }  # fmt: skip


def test_what_is_unknown_of_a_column_is_unknown_of_its_features(monkeypatch):
    right = second_opinion.block_edges
    monkeypatch.setattr(
        second_opinion, "block_edges",
        lambda block, relations: tuple(e for e in right(block, relations) if e.origin != "z"),
    )  # fmt: skip
    assert lineage(("n", "nz"), ("passthrough", {})) == same("n") | {"nz": (None, ["nz"], ["unknown"])}
