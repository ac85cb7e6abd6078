"""Where a source row was lost, and by what; asked in a plain DuckDB shell."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
import sqlglot

import lester_duck as ld
from lester_duck.pipeline.model import Column, Function, Pipeline, Source, View
from lester_duck.review.why_not import _all_of, _three_valued

HERE = Path(__file__).parent
EXAMPLES = [block.split("\n") for block in (HERE / "why_not.txt").read_text("utf-8").strip().split("\n\n")[1:]]
OPERATORS = (HERE.parent / "lineage" / "operators.txt").read_text("utf-8").strip().split("\n\n")[1:]
SCHEMA = pa.schema([("k", pa.int32()), ("a", pa.int32())])
DATA = {"t": [(1, 5), (2, 6), (2, 6), (None, 7)], "u": [(2, 6), (3, 8), (None, 7)]}
COLUMNS = (Column(name="k", type="INTEGER"), Column(name="a", type="INTEGER"))


def run(views: dict[str, str], path: str = ":memory:", **more) -> ld.Run:
    made = Pipeline(
        name="example", sources=tuple(Source(name=n, format="table", columns=COLUMNS) for n in DATA),
        views=tuple(View(name=n, sql=s) for n, s in views.items()), **more,
    )  # fmt: skip
    data = {n: pa.Table.from_pylist([{"k": k, "a": a} for k, a in rows], schema=SCHEMA) for n, rows in DATA.items()}
    return ld.run(made, path, data=data)


def told(shell: duckdb.DuckDBPyConnection, source: str, rid: int) -> str:
    """The answer as the file of examples writes it."""
    rows = shell.execute("FROM lester.why_not(?, ?, 'v')", [source, rid]).fetchall()
    lines = []
    for outcome, relation, _, kind, condition in rows:
        place = f" in {relation}" if relation else ""
        lines.append(f"{outcome}{place}" + (f": {kind} {condition}" if kind else ""))
    return "; ".join(lines)


def views_of(lines: list[str]) -> str:
    return " / ".join(line for line in lines if "SELECT" in line[:20])


@pytest.mark.parametrize("lines", EXAMPLES, ids=views_of)
def test_example(lines, tmp_path):
    asked = [re.fullmatch(r"([tu]) (\d+): (.*)", line) for line in lines]
    views = dict(line.split(": ", 1) for line, found in zip(lines, asked, strict=True) if not found)
    run(views, str(tmp_path / "x.duckdb")).close()
    with duckdb.connect(str(tmp_path / "x.duckdb"), read_only=True) as shell:
        for found in filter(None, asked):
            assert f"{found[1]} {found[2]}: {told(shell, found[1], int(found[2]))}" == found[0]


MIXING = ("LIMIT", "OVER", "QUALIFY", "DISTINCT ON", "ASOF", "EXCEPT", "INTERSECT")
PLAIN = [block.split("\n")[0] for block in OPERATORS]
PLAIN = [query for query in PLAIN if not any(word in query for word in MIXING)]


@pytest.mark.parametrize("query", PLAIN)
def test_a_row_arrived_where_a_row_of_the_view_comes_from_it(query):
    """Two independent roads: edges from the view back, and the row followed forward."""
    with run({"v": query}) as store:
        for source, rows in DATA.items():
            for rid in range(1, len(rows) + 1):
                answers = store.why_not(source, rid, "v").to_pylist()
                derived = "v" in store.forward(source, rid).column("relation").to_pylist()
                outcomes = {a["outcome"] for a in answers}
                assert outcomes == {"arrived"} if derived else outcomes <= {"lost", "unknown", "not read"}, answers


CODE = "def odd(x):\n    return x % 2 == 1\n\n\ndef small(x):\n    return x < 6\n"
GIVEN = (Column(name="x", type="INTEGER"),)
FUNCTIONS = tuple(Function(name=n, arguments=GIVEN, returns="BOOLEAN") for n in ("odd", "small"))


@pytest.mark.parametrize(
    ("where", "answers"),
    [
        ("k IS NOT NULL AND odd(a)", {1: "arrived", 2: "lost ODD(t.a)", 4: "lost NOT t.k IS NULL"}),
        ("odd(a) AND small(a)", {1: "arrived", 2: "lost ODD(t.a) AND SMALL(t.a)", 4: "lost ODD(t.a) AND SMALL(t.a)"}),
    ],
)
def test_a_condition_that_calls_a_function_is_decided_by_elimination(where, answers):
    with run({"v": f"SELECT k, a FROM t WHERE {where}"}, functions=FUNCTIONS, code=CODE) as store:
        for rid, wanted in answers.items():
            (found,) = store.why_not("t", rid, "v").to_pylist()
            assert f"{found['outcome']} {found['condition'] or ''}".strip() == wanted


def test_it_follows_an_update():
    with run({"v": "SELECT t.k FROM t JOIN u ON t.k = u.k"}) as store:
        assert store.why_not("t", 1, "v").to_pylist()[0]["outcome"] == "lost"
        row = {"k": 1, "a": 1, "_change_type": "insert"}
        store.update(u=pa.Table.from_pylist([row], schema=SCHEMA.append(pa.field("_change_type", pa.string()))))
        assert store.why_not("t", 1, "v").to_pylist()[0]["outcome"] == "arrived"


@pytest.mark.parametrize(
    ("tests", "values", "passed"),
    [
        (["x > 1", "y"], "(1, true), (2, true)", True),
        (["x > 1", "y"], "(1, true), (2, false), (2, NULL)", False),
        (["x > 1", "y"], "", False),
        (["CAST(z AS INTEGER) = 1"], "(1, true)", None),
        (["x > 1", "CAST(z AS INTEGER) = 1"], "(1, true)", False),
        (["x > 0", "x = 2 OR CAST(z AS INTEGER) = 1"], "(1, true), (2, true)", True),
    ],
)
def test_a_condition_that_fails_with_an_error_is_not_known(tests, values, passed):
    given = f"FROM (VALUES {values or '(0, false)'}) AS t(x, y), (SELECT 'a' AS z) AS s"
    rows = sqlglot.parse_one(given, dialect="duckdb")
    rows = rows if values else rows.where("false")
    rows.set("expressions", [sqlglot.exp.alias_(_all_of([sqlglot.parse_one(t) for t in tests]), "passed")])
    ((found,),) = duckdb.sql(f"SELECT {_three_valued(rows).sql('duckdb')}").fetchall()
    assert found is passed
