"""What is right is admitted: the translator's SQL, functions as scripts have them; random queries never get out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from admission import hostile
from hypothesis import given, settings
from hypothesis import strategies as st

from lester_duck.pipeline.model import Check, Column, Function, Source, Split, View
from lester_duck.rewrite.admission import reasons
from lester_duck.rewrite.admission.catalog import TABLE_FUNCTIONS, known

SELECTS = [
    "SELECT r.a, count(*) AS n FROM rows AS r GROUP BY r.a HAVING count(*) > 1 ORDER BY n DESC",
    "SELECT a, row_number() OVER (PARTITION BY b ORDER BY _pos) AS n FROM rows QUALIFY n = 1",
    "WITH x AS (SELECT a FROM rows) SELECT x.a, y.b FROM x LEFT JOIN rows AS y ON x.a = y.a",
    "SELECT a FROM rows UNION ALL SELECT b FROM rows",
    "SELECT a, unnest(string_split(b, ' ')) AS word FROM rows",
    "SELECT a, list_transform([1, 2], lambda x: x + 1) AS b FROM rows",
    "SELECT CAST(a AS DECIMAL(10, 2)) AS a, {'x': b}.x AS b FROM rows",
    "SELECT extract(year FROM CAST(a AS DATE)) AS y, strptime(b, '%Y') + INTERVAL 3 DAY AS t FROM rows",
    "SELECT py_strip(a) AS a, py_round(CAST(b AS DOUBLE), 2) AS b FROM rows",
    "SELECT a FROM rows WHERE a IN (SELECT b FROM rows) AND NOT EXISTS (SELECT 1 FROM rows AS z WHERE z.a = rows.b)",
    'SELECT r.user, "user" FROM rows AS r',
    "SELECT x.range AS n FROM range(10) AS x",
    "SELECT coalesce(last(a ORDER BY _pos), error('none')) AS a FROM rows",
    "SELECT a -- a comment; with a semicolon\nFROM rows /* and ' another */",
    "SELECT a COLLATE NOCASE AS a, a LIKE 'x%' AS b, b ~ '^[0-9]+$' AS c, a ->> '$.x' AS d FROM rows",
]
FUNCTIONS = sorted(Path(__file__).with_name("right").glob("*.txt"))


@pytest.mark.parametrize("sql", SELECTS)
def test_a_select_is_admitted(sql: str) -> None:
    pipeline = replace(hostile.RIGHT, views=(*hostile.RIGHT.views, View(name="other", sql=sql)))
    assert [str(reason) for reason in reasons(pipeline, hostile.SEEN)] == []


@pytest.mark.parametrize("path", FUNCTIONS, ids=lambda path: path.stem)
def test_a_function_is_admitted(path: Path) -> None:
    code = path.read_text(encoding="utf-8")
    assert [str(reason) for reason in reasons(replace(hostile.RIGHT, code=code), hostile.SEEN)] == []


def test_a_long_sum_is_admitted() -> None:
    columns = tuple(Column(name=f"a{n}", type="BIGINT") for n in range(200))
    source = replace(hostile.RIGHT.sources[0], columns=(*hostile.RIGHT.sources[0].columns, *columns))
    total = View(name="total", sql=f"SELECT {' + '.join(c.name for c in columns)} AS total FROM rows")
    pipeline = replace(hostile.RIGHT, sources=(source,), views=(*hostile.RIGHT.views, total))
    assert reasons(pipeline, hostile.SEEN) == ()


def test_the_rows_set_aside_may_be_checked() -> None:
    source = replace(hostile.RIGHT.sources[0], malformed="set_aside")
    check = Check(name="few", sql="SELECT count(*) FROM rows__malformed HAVING count(*) > 3")
    assert reasons(replace(hostile.RIGHT, sources=(source,), checks=(check,)), hostile.SEEN) == ()
    assert reasons(replace(hostile.RIGHT, checks=(check,)), hostile.SEEN) != ()


def test_types_and_splits_are_admitted() -> None:
    types = ("BIGINT", "DECIMAL(10,2)", "VARCHAR[]", 'STRUCT("a b" BIGINT, c DOUBLE[])', "MAP(VARCHAR, BIGINT)")
    fold = Function(
        name="g",
        arguments=tuple(Column(name=f"a{n}", type=t) for n, t in enumerate(types)),
        returns="FLOAT[3]",
        fold=True,
    )
    code = hostile.RIGHT.code + "\n\ndef g(state, *values):\n    return state, values\n"
    pipeline = replace(hostile.RIGHT, functions=(*hostile.RIGHT.functions, fold), code=code)
    split = Split(kind="position", params=(("rows", "trunc(n * 0.8)"),))
    assert [str(reason) for reason in reasons(replace(pipeline, split=split), hostile.SEEN)] == []


def test_several_sources_and_their_files() -> None:
    other = Source(name="other", format="text", path="data/other.txt", encoding="latin-1")
    pipeline = replace(hostile.RIGHT, sources=(*hostile.RIGHT.sources, other))
    [reason] = reasons(pipeline, hostile.SEEN)
    assert "of files the original reads there are: rows.csv" in str(reason)


_NAMES = st.sampled_from(
    ["rows", "result", "x", "a", "main", "source", "_lester", "information_schema", "duckdb_tables"]
)
_BAD = sorted(known().every - TABLE_FUNCTIONS)


@st.composite
def _query(draw: st.DrawFn, depth: int = 0) -> tuple[str, bool]:
    """A query, and whether it calls a table function, or names a relation with a schema."""
    kind = draw(st.sampled_from(["plain", "function", "qualified", "nested", "cte", "join", "where", "union"]))
    if depth > 2 or kind == "plain":
        return "SELECT a FROM rows", False
    if kind == "function":
        name = draw(st.sampled_from(_BAD))
        return f'SELECT 1 AS a FROM "{name}"({draw(st.sampled_from(["", "1", "a := 1", "[1]"]))}) AS t', True
    if kind == "qualified":
        quote = draw(st.sampled_from(["", '"']))
        return f"SELECT 1 AS a FROM {quote}{draw(_NAMES)}{quote}.{quote}{draw(_NAMES)}{quote}", True
    inner, bad = draw(_query(depth + 1))
    other, worse = draw(_query(depth + 1))
    text = {
        "nested": f"SELECT (SELECT max(a) FROM ({inner}) AS i) AS a FROM ({other}) AS o",
        "cte": f"WITH x AS ({inner}), y AS MATERIALIZED ({other}) SELECT x.a FROM x, y",
        "join": f"SELECT l.a FROM ({inner}) AS l LEFT JOIN LATERAL ({other}) AS r ON l.a = r.a",
        "where": f"SELECT a FROM ({inner}) AS i WHERE a IN ({other}) ORDER BY a",
        "union": f"({inner}) UNION ALL ({other})",
    }[kind]
    return text, bad or worse


@settings(max_examples=60, deadline=None)
@given(_query())
def test_no_table_function_and_no_schema_gets_through(made: tuple[str, bool]) -> None:
    sql, bad = made
    found = reasons(replace(hostile.RIGHT, views=(*hostile.RIGHT.views, View(name="made", sql=sql))), hostile.SEEN)
    assert bool(found) == bad, (sql, [str(reason) for reason in found])


@settings(max_examples=25, deadline=None)
@given(
    st.text(max_size=80), st.sampled_from(["view", "check", "code", "source.type", "split.train", "source.encoding"])
)
def test_any_text_is_answered(text: str, part: str) -> None:
    for reason in reasons(hostile.pipeline(part, text), hostile.SEEN):
        assert reason.message and reason.where
