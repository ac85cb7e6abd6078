"""Views and changes that once went wrong, each as small as it could be made."""

from __future__ import annotations

import pyarrow as pa
import pytest

import lester_duck as ld
from lester_duck.errors import InputError
from lester_duck.pipeline.model import Column, Function, Pipeline, Source, View

COLUMNS = (Column(name="g", type="INTEGER"), Column(name="a", type="INTEGER"), Column(name="b"))
SCHEMA = pa.schema([("g", pa.int32()), ("a", pa.int32()), ("b", pa.string())])
DELTA = SCHEMA.append(pa.field("_rid", pa.int64())).append(pa.field("_pos", pa.int64()))
CODE = "def loud(text):\n    if not text:\n        raise ValueError('nothing to shout')\n    return text.upper()\n"


def run_views(*views: str, t=((1, 5, "p"), (1, 5, "q"), (2, 7, "r"), (1, None, "s")), u=((1, 1, "u"),)) -> ld.Run:
    """A store of two sources and the views v1, v2, ..."""
    named = tuple(View(name=f"v{n}", sql=sql) for n, sql in enumerate(views, 1))
    sources = tuple(Source(name=n, format="table", columns=COLUMNS) for n in ("t", "u"))
    function = Function(name="loud", arguments=(Column(name="text"),), returns="VARCHAR")
    data = {
        n: pa.Table.from_pylist([dict(zip("gab", row)) for row in rows], schema=SCHEMA)
        for n, rows in (("t", t), ("u", u))
    }
    pipeline = Pipeline(name="small", sources=sources, views=named, functions=(function,), code=CODE)
    return ld.run(pipeline, ":memory:", data=data)


def delta(*rows: dict) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=DELTA.append(pa.field("_change_type", pa.string())))


def inserted(g: int | None, a: int | None, b: str | None, pos: int | None = None) -> dict:
    return {"g": g, "a": a, "b": b, "_rid": None, "_pos": pos, "_change_type": "insert"}


def updated(rid: int, g: int | None, a: int | None, b: str | None, pos: int | None = None) -> dict:
    return {"g": g, "a": a, "b": b, "_rid": rid, "_pos": pos, "_change_type": "update_postimage"}


def rows(run: ld.Run, name: str) -> list[tuple]:
    assert run.audit().differences == ()
    return [tuple(r.values()) for r in run.view(name).to_pylist()]


def test_an_updated_row_of_a_union_is_not_there_twice():
    with run_views("SELECT a FROM t UNION ALL SELECT a FROM u") as run:
        run.update(u=delta(updated(1, 1, 9, "u")))
        assert rows(run, "v1") == [(5,), (5,), (7,), (None,), (9,)]


def test_branches_of_different_types_keep_the_type_of_the_union():
    with run_views("SELECT a AS x FROM t UNION ALL SELECT b FROM u", "SELECT length(x) AS n FROM v1") as run:
        run.update(t=delta(inserted(1, 123, "z")))
        assert rows(run, "v2") == [(1,), (1,), (1,), (None,), (3,), (1,)]


def test_a_case_guards_its_call_also_in_a_grouping_key():
    sql = "SELECT CASE WHEN b <> '' THEN loud(b) ELSE '?' END AS x, count(*) AS n FROM t GROUP BY ALL"
    with run_views(sql, t=((1, 1, ""), (1, 1, "p"))) as run:
        assert rows(run, "v1") == [("?", 1), ("P", 1)]
        run.update(t=delta(inserted(1, 1, None), inserted(1, 1, "P")))
        assert rows(run, "v1") == [("?", 2), ("P", 2)]


def test_a_call_under_an_ordered_aggregate_of_a_composite_order():
    with run_views(
        "SELECT x.b, y.a FROM t AS x JOIN t AS y ON x.g = y.g",
        "SELECT a, last(loud(b) ORDER BY v1._pos) AS l FROM v1 GROUP BY a",
    ) as run:
        run.update(t=delta(inserted(1, 7, "z", -1)))
        assert dict(rows(run, "v2")) == {5: "S", 7: "S", None: "S"}


def test_a_call_in_order_by_alone():
    with run_views("SELECT a FROM t ORDER BY loud(b) DESC") as run:
        run.update(t=delta(inserted(1, 8, "Zz")))
        assert rows(run, "v1") == [(8,), (None,), (7,), (5,), (5,)]


def test_a_failing_call_is_named_and_nothing_moves():
    with run_views("SELECT loud(b) AS l FROM t") as run:
        with pytest.raises(InputError, match=r"loud\(\) raised ValueError: nothing to shout"):
            run.update(t=delta(inserted(1, 1, "")))
        assert rows(run, "v1") == [("P",), ("Q",), ("R",), ("S",)]


def test_a_subquery_that_uses_the_outer_alias_again():
    with run_views("SELECT t.a FROM t WHERE t.g IN (SELECT t.g FROM t WHERE t.b = 'r')") as run:
        run.update(t=delta(inserted(2, 9, "x")))
        assert rows(run, "v1") == [(7,), (9,)]


@pytest.mark.parametrize(
    ("sql", "before", "after"),
    [
        ("SELECT g, first(b) AS x FROM t GROUP BY g", {(1, "p"), (2, "r")}, {(1, "new"), (2, "r")}),
        ("SELECT g, list(b) AS x FROM t GROUP BY g", {(1, "pqs"), (2, "r")}, {(1, "newqsmoved"), (2, "r")}),
        ("SELECT g, arg_max(b, a) AS x FROM t GROUP BY g", {(1, "p"), (2, "r")}, {(1, "new"), (2, "r")}),
        ("SELECT DISTINCT ON (g) g, b FROM t", {(1, "p"), (2, "r")}, {(1, "new"), (2, "r")}),
        (
            "SELECT row_number() OVER () AS n, b FROM t",
            {(1, "p"), (2, "q"), (3, "r"), (4, "s")},
            {(1, "new"), (2, "q"), (3, "r"), (4, "s"), (5, "moved")},
        ),
        (
            "SELECT g, last_value(b) OVER (PARTITION BY g) AS x FROM t QUALIFY row_number() OVER (PARTITION BY g) = 1",
            {(1, "s"), (2, "r")},
            {(1, "moved"), (2, "r")},
        ),
    ],
)
def test_an_order_left_open_is_the_order_of_the_rows(sql, before, after):
    def flat(found: list[tuple]) -> set[tuple]:
        return {(a, "".join(b) if isinstance(b, list) else b) for a, b in found}

    with run_views(sql) as run:
        assert flat(rows(run, "v1")) == before
        run.update(t=delta(updated(1, 1, 5, "moved", 90), inserted(1, 5, "new", -1)))
        assert flat(rows(run, "v1")) == after


def test_columns_in_upper_case():
    columns = (Column(name="Survived", type="INTEGER"), Column(name="Name"))
    source = Source(name="people", format="table", columns=columns)
    data = {"people": pa.table({"Survived": pa.array([1, 0], pa.int32()), "Name": ["a", "b"]})}
    views = (View(name="v", sql="SELECT NAME, survived FROM people WHERE Survived = 1"),)
    with ld.run(Pipeline(name="upper", sources=(source,), views=views), ":memory:", data=data) as run:
        assert run.view("v").to_pylist() == [{"Name": "a", "Survived": 1}]
