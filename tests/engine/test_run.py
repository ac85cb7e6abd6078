"""Running: functions through the cache, views rebuilt after an edit, usage counted by hand."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

import lester_duck as ld
from lester_duck.errors import InputError, Unsupported
from lester_duck.pipeline.model import (
    Check,
    Column,
    Features,
    Featurizer,
    Function,
    Label,
    Pipeline,
    Source,
    Split,
    Step,
    View,
)

CODE = """
def half(x):
    return 10 // x

def calls(x):
    return str(x) + "!"
"""
FUNCTIONS = (
    Function(name="half", arguments=(Column(name="x", type="BIGINT"),), returns="BIGINT"),
    Function(name="calls", arguments=(Column(name="x", type="BIGINT"),), returns="VARCHAR"),
)


def pipeline(*views: tuple[str, str], **more) -> Pipeline:
    return Pipeline(
        name="p",
        sources=(Source(name="t", format="table", key=("k",)), Source(name="u", format="table")),
        views=tuple(View(name=n, sql=s) for n, s in views),
        functions=FUNCTIONS,
        code=CODE,
        **more,
    )


DATA = {
    "t": pa.table({"k": [1, 2, 3, 4], "n": [5, 0, 2, 2], "g": ["a", "a", "b", None]}),
    "u": pa.table({"g": ["a", "b", "b"], "w": [1.0, 2.0, 3.0]}),
}


def run(p: Pipeline, store=":memory:"):
    return ld.run(p, store, data=DATA)


def test_an_error_counts_only_where_the_value_is_consumed():
    with run(pipeline(("v", "SELECT CASE WHEN n > 0 THEN half(n) ELSE -1 END AS h FROM t"))) as r:
        assert r.view("v")["h"].to_pylist() == [2, -1, 5, 5]
    with run(pipeline(("v", "SELECT half(n) AS h FROM t WHERE n > 0"))) as r:
        assert r.view("v")["h"].to_pylist() == [2, 5, 5]
    with run(pipeline(("v", "SELECT half(n) AS h FROM t JOIN u ON u.g = t.g WHERE t.k <> 2"))) as r:
        assert r.view("v")["h"].to_pylist() == [2, 5, 5]
    with run(pipeline(("v", "SELECT k FROM t WHERE n > 0 AND half(n) > 2"))) as r:
        assert r.view("v")["k"].to_pylist() == [3, 4]


def test_a_consumed_error_names_function_row_and_view():
    with pytest.raises(
        InputError, match=r"views/v.sql: half\(\) raised ZeroDivisionError: .* on row 2 of 't' \(_rid 2\)"
    ):
        run(pipeline(("v", "SELECT half(n) AS h FROM t")))


def test_each_distinct_argument_is_evaluated_once():
    with run(pipeline(("v", "SELECT calls(n) AS a, calls(n) AS b FROM t"), ("w", "SELECT calls(n) AS c FROM t"))) as r:
        assert r.sql("SELECT a1, value FROM _lester.fn_calls ORDER BY a1").fetchall() == [
            (0, "0!"),
            (2, "2!"),
            (5, "5!"),
        ]
        assert r.view("v")["a"].to_pylist() == ["5!", "0!", "2!", "2!"]


def test_calls_below_a_grouping_and_nested_calls():
    views = (
        ("v", "SELECT calls(n) AS c, count(*) AS m FROM t GROUP BY calls(n)"),
        ("w", "SELECT calls(half(n)) AS c FROM t WHERE n > 0"),
    )
    with run(pipeline(*views)) as r:
        assert r.view("v").to_pylist() == [{"c": "5!", "m": 1}, {"c": "0!", "m": 1}, {"c": "2!", "m": 2}]
        assert r.view("w")["c"].to_pylist() == ["2!", "5!", "5!"]
        change = r.update(t=pa.table({"k": [4], "_change_type": ["delete"]}))
        assert change.views[-1].name == "w" and r.view("v")["m"].to_pylist() == [1, 1, 1]
        r.audit().raise_if_different()


def test_an_edit_rebuilds_only_what_depends_on_it(tmp_path):
    store = tmp_path / "s.duckdb"
    views = [
        ("a", "SELECT g, count(*) AS m FROM t GROUP BY g"),
        ("b", "SELECT t.k, u.w FROM t JOIN u ON u.g = t.g"),
        ("c", "SELECT a.m, b.w FROM a JOIN b ON b.k = a.m"),
    ]
    with run(pipeline(*views), store) as r:
        before = r.sql("SELECT _rid, k FROM source.t ORDER BY k").fetchall()
        a_before = r.sql("SELECT * FROM main.a ORDER BY _rid").fetchall()
    views[1] = ("b", "SELECT t.k, u.w + 1 AS w FROM t JOIN u ON u.g = t.g")
    with ld.run(pipeline(*views), store) as r:
        assert r.summary.built == ("b", "c")
        assert r.sql("SELECT _rid, k FROM source.t ORDER BY k").fetchall() == before
        assert r.sql("SELECT * FROM main.a ORDER BY _rid").fetchall() == a_before
        assert r.view("b")["w"].to_pylist() == [2.0, 2.0, 3.0, 4.0]
        r.audit().raise_if_different()
    with ld.run(pipeline(*views[:1]), store) as r:
        assert r.summary.built == ()
        assert {v["name"] for v in r.status()["views"]} == {"a"}
        assert len(r.runs()) == 3


def test_a_changed_source_declaration_is_refused(tmp_path):
    with run(pipeline(), tmp_path / "s.duckdb"):
        pass
    other = replace(
        pipeline(), sources=(Source(name="t", format="table", key=("g",)), Source(name="u", format="table"))
    )
    with pytest.raises(Unsupported, match="source 't' differs"):
        ld.run(other, tmp_path / "s.duckdb")


ONE_HOT = Step(kind="one_hot", params=(("categories", "sorted"),))
FEATURES = Features(
    view="f",
    featurizers=(
        Featurizer(name="w", columns=("w",), steps=(Step(kind="passthrough"),)),
        Featurizer(name="g", columns=("g",), steps=(ONE_HOT,)),
    ),
)
JOINED = ("f", "SELECT t.k, t.g, u.w, CAST(u.w > 1 AS INTEGER) AS y FROM t JOIN u ON u.g = t.g")


def test_usage_agrees_with_a_count_by_hand():
    split = Split(kind="predicate", params=(("train", "k <= 2"), ("test", "k = 3 AND w < 2.5")))
    with run(pipeline(JOINED, features=FEATURES, label=Label(column="y"), split=split)) as r:
        by_hand = {1: "train", 2: "train", 3: "test", 4: "nothing"}
        assert {row["_rid"]: row["usage"] for row in r.usage("t").to_pylist()} == by_hand
        usage = {row["_rid"]: (row["train_rows"], row["test_rows"]) for row in r.usage("u").to_pylist()}
        assert usage == {1: (2, 0), 2: (0, 1), 3: (0, 0)}


def test_every_matrix_column_names_its_source_columns():
    with run(pipeline(JOINED, features=FEATURES, label=Label(column="y"))) as r:
        rows = r.sql("SELECT feature, source_column FROM lester.feature_lineage ORDER BY position").fetchall()
        assert rows == [("w", "u.w"), ("g=a", "t.g"), ("g=b", "t.g")]
        fields = r.features("all").schema
        assert [b'"sources"' in field.metadata[b"lester"] for field in fields] == [True] * 3
        r.update(t=pa.table({"k": [3], "_change_type": ["delete"]}))
        assert [
            f
            for f, _ in r.sql("SELECT feature, source_column FROM lester.feature_lineage ORDER BY position").fetchall()
        ] == ["w", "g=a"]
        r.audit().raise_if_different()


def test_a_check_that_finds_a_row_refuses_the_change_that_broke_it():
    checks = (Check(name="small", sql="SELECT k FROM t WHERE n > 5", message="n is at most 5"),)
    with run(pipeline(checks=checks)) as r:
        delta = pa.table({"k": [1], "n": [6], "_change_type": ["update_postimage"]})
        with pytest.raises(InputError, match="check 'small' found"):
            r.update(t=delta)
        assert r.sql("SELECT max(n) FROM t").fetchall() == [(5,)]
        assert r.changes() == []


def test_a_failing_update_leaves_everything_as_it_was():
    with run(
        pipeline(
            ("v", "SELECT g, count(*) AS m FROM u GROUP BY g"), ("w", "SELECT half(n - 4) AS h FROM t WHERE n > 3")
        )
    ) as r:
        before = r.sql("FROM source.t ORDER BY _rid").fetchall(), r.view("v").to_pylist(), r.view("w").to_pylist()
        deltas = {
            "t": pa.table({"k": [1], "n": [4], "_change_type": ["update_postimage"]}),
            "u": pa.table({"g": ["z"], "w": [0.0], "_change_type": ["insert"]}),
        }
        with pytest.raises(InputError, match=r"half\(\) raised ZeroDivisionError: .* on row 1 of 't'"):
            r.update(**deltas)
        assert (
            r.sql("FROM source.t ORDER BY _rid").fetchall(),
            r.view("v").to_pylist(),
            r.view("w").to_pylist(),
        ) == before
        r.audit().raise_if_different()


def test_checks_look_at_what_a_change_brings_only():
    checks = (
        Check(name="known", sql="SELECT t.k FROM t ANTI JOIN u ON u.g = t.g WHERE t.g IS NOT NULL"),
        Check(name="few", sql="SELECT g FROM t GROUP BY g HAVING count(*) > 2"),
    )
    with run(pipeline(checks=checks)) as r:
        r.update(t=pa.table({"k": [5], "n": [1], "g": ["b"], "_change_type": ["insert"]}))
        with pytest.raises(InputError, match="check 'few'"):
            r.update(t=pa.table({"k": [6], "n": [1], "g": ["b"], "_change_type": ["insert"]}))
        with pytest.raises(InputError, match="check 'known'"):
            r.update(u=pa.table({"g": ["a"], "w": [1.0], "_change_type": ["delete"]}))
        assert len(r.changes()) == 1
    with pytest.raises(InputError, match=r"pipeline.toml \[\[check\]\] wrong: .*nope"):
        run(pipeline(checks=(Check(name="wrong", sql="SELECT nope FROM t"),)))
