"""Arguments that two conditions are the same: what they rest on, and that data bear them out."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from lester_duck.pipeline.model import Check, Origin, Output, Pipeline, Source, View
from lester_duck.rewrite import mutate_sql
from lester_duck.rewrite.alike import cut, simpler, without_case
from lester_duck.rewrite.equivalent import argument
from lester_duck.rewrite.mutate import Mutant, mutants
from lester_duck.rewrite.truth import Fact, same
from lester_duck.rewrite.unread import unordered_in

NUMBERS = (-1.0, 0.0, 1.0, 2.0, 2.5, 3.0, 4.0, 9.0, float("nan"), None)
TEXTS = ("", "a", "b", "A", "ab", "ba", "c", None)
TYPES = {
    "t": {"a": "VARCHAR", "b": "VARCHAR", "n": "BIGINT", "m": "BIGINT"},
    "u": {"a": "VARCHAR", "b": "VARCHAR"},
    "v": {"a": "VARCHAR", "b": "VARCHAR", "n": "BIGINT"},
}


def parse(text: str) -> exp.Expression:
    return sqlglot.parse_one(text, dialect="duckdb")


def condition(random: Random, depth: int) -> str:
    """A condition over x and y (numbers) and s (a text)."""
    if depth:
        one, two = condition(random, depth - 1), condition(random, depth - 1)
        return random.choice((f"({one} AND {two})", f"({one} OR {two})", f"(NOT {one})", f"coalesce({one}, FALSE)",
                              f"(CASE WHEN {one} THEN {two} WHEN {two} THEN {one} ELSE x > 2 END)"))  # fmt: skip
    number, text = random.choice(("x", "y")), random.choice(("'a'", "'b'", "'ab'"))
    return random.choice((
        f"{number} {random.choice(('<', '<=', '>', '>=', '=', '<>'))} {random.choice((1, 2, 3))}",
        f"{number} IS NULL", f"{number} BETWEEN 1 AND 3", f"s = {text}", f"s IN ('a', {text})", f"s < {text}",
        "s IS NOT NULL", "x < y", "x >= y", "x = y", f"ends_with(s, {text})", f"starts_with(s, {text})",
        f"contains(s, {text})", "coalesce(x, 2) > 1",
    ))  # fmt: skip


@pytest.fixture(scope="module")
def rows() -> duckdb.DuckDBPyConnection:
    found = duckdb.connect()
    found.execute("CREATE TABLE r (x DOUBLE, y DOUBLE, s VARCHAR)")
    found.executemany("INSERT INTO r VALUES (?, ?, ?)", [(x, y, s) for x in NUMBERS for y in NUMBERS for s in TEXTS])
    return found


def test_what_is_said_to_be_the_same_is_on_all_rows(rows):
    """Mutants of random conditions: those said to be the same never differ, and most that never differ are found."""
    random = Random(3)
    argued = unargued = 0
    for _ in range(120):
        one = parse(condition(random, 2))
        found = list(mutate_sql.mutations(one, {}))
        for _, number, new in random.sample(found, min(6, len(found))):
            other = mutate_sql.applied(one, number, new)
            values, truths = (
                rows.execute(f"SELECT count(*) FROM r WHERE ({a}) IS DISTINCT FROM ({b})").fetchone()[0]
                for a, b in ((one.sql("duckdb"), other.sql("duckdb")),
                             (f"coalesce({one.sql('duckdb')}, FALSE)", f"coalesce({other.sql('duckdb')}, FALSE)"))
            )  # fmt: skip
            for decides, differ in ((False, values), (True, truths)):
                said = same(one, other, decides=decides)
                assert not (said and differ), f"{one} | {other} | decides={decides}"
                argued += said
                unargued += not said and not differ
    assert argued > 40
    assert unargued < argued


def test_facts_leave_rows_out():
    one, other = parse("CASE WHEN x < 3 THEN 1 ELSE 2 END"), parse("CASE WHEN x < 4 THEN 1 ELSE 2 END")
    assert not same(one, other, decides=False)
    assert same(one, other, decides=False, facts=[Fact(condition=parse("x >= 4"))])
    assert same(one, other, decides=False, facts=[Fact(condition=parse("x < 4"), holds=False)])
    assert not same(one, other, decides=False, facts=[Fact(condition=parse("x >= 3"))])


@pytest.mark.parametrize("text", ["", "x", "xy", "xyz", "ab cd"])
@pytest.mark.parametrize("less", [1, 2])
def test_a_text_without_its_last_characters(text, less):
    one = parse(f"left(t, greatest(length(t) - {less}, -1))")
    sql = "SELECT {} = {} FROM (SELECT ? AS t)".format(one.sql("duckdb"), cut(one).sql("duckdb"))
    assert duckdb.execute(sql, [text]).fetchone() == (True,)
    assert cut(one) != one


def test_what_is_not_the_same_for_every_text():
    for text in ("left(t, greatest(length(t) - 3, -1))", "left(t, greatest(length(u) - 1, -1))",
                 "contains(py_strip(t), ' a')", "contains(py_strip(t), '')", "regexp_full_match(t, 'A')"):  # fmt: skip
        node = parse(text)
        assert cut(without_case(simpler(node))) == node
    one, other = (parse(f"regexp_full_match(t, '{p}', 'i')") for p in ("\\d", "\\D"))
    assert without_case(one) != without_case(other)


def pipeline(*views: str, checks: tuple[str, ...] = (), text: bool = False, ends: str = "z") -> Pipeline:
    made = tuple(View(name=name, sql=sql) for name, sql in (v.split(": ", 1) for v in views))
    source = Source(name="t", format="text" if text else "csv")
    output = Output(path="o", view=ends, columns=("k",))
    return Pipeline(
        name="p", sources=(source, Source(name="u", format="csv")), views=made,
        checks=tuple(Check(name=f"c{n}", sql=sql, message="-") for n, sql in enumerate(checks)),
        origin=Origin(script="s.py", sha256="", engine="hand", outputs=(output,)),
    )  # fmt: skip


def site(made: Pipeline, view: str, operator: str, wanted: str, after: str = "") -> Mutant:
    return next(
        m for m in mutants(made, TYPES)
        if m.view == view and m.operator == operator and wanted in m.before.lower() and after in m.after.lower()
    )  # fmt: skip


END = "z: SELECT c AS k FROM v"


@pytest.mark.parametrize(
    ("views", "checks", "text", "operator", "wanted", "after", "argued"),
    [
        (("v: SELECT CASE WHEN n < 3 THEN 1 WHEN n >= 3 AND n >= 9 THEN 2 ELSE 3 END AS c FROM t", END), (), False,
         "constant", "3 (in n >= 3)", "4", True),
        (("v: SELECT CASE WHEN n < 3 THEN 1 WHEN n >= 3 AND n >= 9 THEN 2 ELSE 3 END AS c FROM t", END), (), False,
         "constant", "9 (in n >= 9)", "10", False),
        (("w: SELECT n AS q, a FROM t WHERE n >= 3", "v: SELECT CASE WHEN q < 3 THEN 1 ELSE 2 END AS c FROM w", END),
         (), False, "constant", "3 (in q < 3)", "2", True),
        (("w: SELECT n AS q, a FROM t WHERE n >= 3", "v: SELECT CASE WHEN q < 3 THEN 1 ELSE 2 END AS c FROM w", END),
         (), False, "constant", "3 (in q < 3)", "4", False),
        (("w: SELECT n, m FROM t WHERE m >= 3", "v: SELECT CASE WHEN n < 3 THEN 1 ELSE 2 END AS c FROM w", END),
         (), False, "constant", "3 (in n < 3)", "2", False),
        (("v: SELECT a AS c FROM t WHERE n IS NOT NULL", END), ("SELECT n FROM t WHERE n IS NULL",), False,
         "condition", "where", "no where", True),
        (("v: SELECT a AS c FROM t WHERE n IS NOT NULL", END), ("SELECT n FROM t WHERE n IS NULL AND m > 1",), False,
         "condition", "where", "no where", False),
        (("v: SELECT a AS c FROM t WHERE n IS NOT NULL", END), ("SELECT n FROM u WHERE n IS NULL",), False,
         "condition", "where", "no where", False),
        (("v: SELECT coalesce(py_strip(a), 'x') AS c FROM t", END), (), True, "constant", "'x'", "'xx'", True),
        (("v: SELECT coalesce(py_strip(a), 'x') AS c FROM t", END), (), False, "constant", "'x'", "'xx'", False),
        (("v: SELECT CASE WHEN u.a IS NULL THEN 1 ELSE 2 END AS c FROM t LEFT JOIN u ON t.a = u.a AND t.b = u.b", END),
         (), False, "column", "u.a (in u.a is", "u.b", True),
        (("v: SELECT CASE WHEN u.a IS NULL THEN 1 ELSE 2 END AS c FROM t LEFT JOIN u ON t.a = u.a", END),
         (), False, "column", "u.a (in u.a is", "u.b", False),
        (("v: SELECT a AS c FROM t WHERE n > 3 OR CAST(a AS INT) > 4 OR n > 3", END), (), False,
         "comparison", "n > 3", "n >= 3", False),
    ],
)  # fmt: skip
def test_what_is_known_of_rows(views, checks, text, operator, wanted, after, argued):
    made = pipeline(*views, checks=checks, text=text)
    assert bool(argument(made, site(made, "v", operator, wanted, after))) is argued


@pytest.mark.parametrize(
    ("views", "expected"),
    [
        (("m: SELECT a FROM t ORDER BY n", "z: SELECT a AS k FROM m"), set()),
        (("m: SELECT a FROM t ORDER BY n", "g: SELECT a, count(*) AS c FROM m GROUP BY a",
          "z: SELECT t.a AS k, g.c FROM t LEFT JOIN g ON t.a = g.a"), {"m", "g"}),
        (("m: SELECT a, b FROM t ORDER BY n", "g: SELECT a, b, count(*) AS c FROM m GROUP BY a, b",
          "z: SELECT t.a AS k, g.c FROM t LEFT JOIN g ON t.a = g.a"), set()),
        (("m: SELECT a, n FROM t ORDER BY n", "g: SELECT a, sum(n) AS c FROM m GROUP BY a",
          "z: SELECT t.a AS k, g.c FROM t LEFT JOIN g ON t.a = g.a"), {"g"}),
        (("m: SELECT a, n FROM t ORDER BY n", "g: SELECT a, first(n ORDER BY _pos) AS c FROM m GROUP BY a",
          "z: SELECT t.a AS k, g.c FROM t LEFT JOIN g ON t.a = g.a"), {"g"}),
        (("m: SELECT a FROM t ORDER BY n LIMIT 3", "g: SELECT a, count(*) AS c FROM m GROUP BY a",
          "z: SELECT t.a AS k, g.c FROM t LEFT JOIN g ON t.a = g.a"), {"m", "g"}),
        (("m: SELECT a FROM t ORDER BY n", "g: SELECT a FROM m LIMIT 3",
          "z: SELECT t.a AS k FROM t WHERE a IN (SELECT a FROM g)"), {"g"}),
    ],
)  # fmt: skip
def test_relations_in_any_order(views, expected):
    assert unordered_in(pipeline(*views)) == expected


def test_a_checkpoint_reads_the_order():
    made = pipeline("m: SELECT a FROM t ORDER BY n", "g: SELECT a, count(*) AS c FROM m GROUP BY a",
                    "z: SELECT t.a AS k, g.c FROM t LEFT JOIN g ON t.a = g.a")  # fmt: skip
    origin = replace(made.origin, outputs=(*made.origin.outputs, Output(path="x", view="g", columns=("a",))))
    assert unordered_in(replace(made, origin=origin)) == frozenset()


@pytest.mark.parametrize(
    ("keys", "argued"), [("a, b", True), ("a", False), ("a, b, n", True)]
)
def test_groups_of_one_row(keys, argued):
    made = pipeline("v: SELECT a, b, max(n) AS n FROM t GROUP BY a, b",
                    f"z: SELECT a AS k, first(n ORDER BY _pos) AS f FROM v GROUP BY {keys}")  # fmt: skip
    assert bool(argument(made, site(made, "z", "aggregate", "first"))) is argued


def test_the_order_of_what_is_only_asked_for_membership():
    rare = "rare: SELECT a FROM t GROUP BY a HAVING count(*) < 3 ORDER BY min(_pos)"
    asked = pipeline(rare, "z: SELECT n FROM t WHERE a IN (SELECT a FROM rare)")
    assert argument(asked, site(asked, "rare", "order", "order by", "no order"))
    first = pipeline(rare, "z: SELECT n FROM t WHERE a IN (SELECT first(a) FROM rare)")
    assert not argument(first, site(first, "rare", "order", "order by", "no order"))


def test_an_order_that_says_which_rows_stay():
    made = pipeline("g: SELECT a FROM t ORDER BY n LIMIT 3", "z: SELECT n FROM t WHERE a IN (SELECT a FROM g)")
    assert unordered_in(made) == {"g"}
    assert not argument(made, site(made, "g", "order", "n", "desc"))


def test_an_order_that_nothing_reads():
    views = ("m: SELECT a, n FROM t ORDER BY n", "g: SELECT a, count(*) AS c FROM m GROUP BY a")
    lookup = pipeline(*views, "z: SELECT t.a AS k, g.c FROM t LEFT JOIN g ON t.a = g.a")
    assert argument(lookup, site(lookup, "m", "order", "order by", "no order"))
    rows = pipeline(*views, "z: SELECT g.a AS k, g.c FROM g")
    assert not argument(rows, site(rows, "m", "order", "order by", "no order"))
