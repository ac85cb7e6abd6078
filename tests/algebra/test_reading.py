"""A view means what DuckDB reads in its text, or it is refused by name: nothing is read differently in silence."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from evaluate import RELATIONS, database, evaluate

from lester_duck.algebra.block import build_blocks
from lester_duck.db import connect
from lester_duck.errors import InputError, Unsupported

HERE = Path(__file__).parent
MORE = [
    "SELECT a -- a comment\nFROM t /* another */",
    "SELECT sum(a) AS s, sum(a) + 1 AS t1 FROM t",
]


def lines(name: str) -> list[str]:
    """The statements of a file beside this one."""
    text = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [line for line in text if line and not line.startswith(("--", "#"))]


@pytest.fixture(scope="module")
def db():
    db = database()
    yield db
    db.close()


@pytest.mark.parametrize("sql", [*lines("read_alike.sql"), *MORE])
def test_rows_are_those_of_duckdb(db, sql):
    assert sorted(map(repr, evaluate(db, sql))) == sorted(map(repr, db.rows(sql)))


@pytest.mark.parametrize("sql", [*lines("read_alike.sql"), *MORE])
def test_columns_are_those_of_duckdb(db, sql):
    names = [c[0] for c in db.connection.execute(sql).description]
    assert list(build_blocks("v", sql, RELATIONS, frozenset())[-1].columns) == names


@pytest.mark.parametrize("line", lines("refused.txt"))
def test_refused_by_name(line):
    sql, message = line.rsplit(" => ", 1)
    with pytest.raises(Unsupported) as refusal:
        build_blocks("v", sql, RELATIONS, frozenset())
    assert refusal.value.message == message


@pytest.mark.parametrize("line", lines("faulty.txt"))
def test_a_fault_names_what_is_wrong(line):
    sql, message = line.split(" => ")
    with pytest.raises(InputError) as fault:
        build_blocks("v", sql, RELATIONS, frozenset())
    assert fault.value.message.startswith(message)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT a FROM t JOIN u ON f(t.k) = u.k", "a function call in a JOIN condition is not supported"),
        ("SELECT a FROM t WHERE a IN (SELECT f(a) FROM u)", "a function call in a subquery is not supported"),
        ("SELECT f(a) AS x FROM t UNION ALL SELECT a FROM u", "a function call in a UNION ALL branch is not supported"),
        ("SELECT a, f(max(k)) AS x FROM t GROUP BY a", "a function of an aggregate is not supported here"),
        ("SELECT a, max(k) AS x FROM t GROUP BY a ORDER BY f(a)", "a function call in ORDER BY is not supported here"),
    ],
)
def test_calls_that_cannot_be_hoisted_are_refused(sql, message):
    with pytest.raises(Unsupported) as refusal:
        build_blocks("v", sql.replace("SELECT a FROM", "SELECT t.a FROM"), RELATIONS, frozenset({"f"}))
    assert refusal.value.message == message


def test_every_function_that_changes_from_run_to_run_is_refused():
    """DuckDB's own list of volatile functions, whatever version is installed."""
    db = connect()
    names = [n for (n,) in db.rows(
        "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = 'scalar' "
        "AND stability IN ('VOLATILE', 'CONSISTENT_WITHIN_QUERY') AND function_name <> 'error'"
    )]  # fmt: skip
    db.close()
    assert len(names) > 20
    read = []
    for name, arguments in itertools.product(names, ("", "'x'", "a")):
        try:
            build_blocks("v", f"SELECT {name}({arguments}) AS x FROM t", RELATIONS, frozenset())
        except (Unsupported, InputError):
            continue
        read.append(f"{name}({arguments})")
    assert read == []


def test_an_aggregate_the_parser_does_not_know_still_groups():
    """Every aggregate of the installed DuckDB makes a group, so that maintenance and provenance see one."""
    db = connect()
    names = {n for (n,) in db.rows("SELECT function_name FROM duckdb_functions() WHERE function_type = 'aggregate'")}
    db.close()
    spj = []
    for name in sorted(names):
        for arguments in ("a", "a, k", "a, k, 2"):
            try:
                family = build_blocks("v", f"SELECT {name}({arguments}) AS x FROM t", RELATIONS, frozenset())[-1].family
            except (Unsupported, InputError):
                continue
            if family != "group":
                spj.append(f"{name}({arguments})")
    assert spj == []
