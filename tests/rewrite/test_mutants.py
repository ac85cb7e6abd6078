"""Mutants: what the operators change, what the comparison tells apart, and that trying leaves no trace."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lester_duck.errors import UsageError
from lester_duck.pipeline.model import Check, Features, Featurizer, Function, Label, Pipeline, Source, Split, Step, View
from lester_duck.rewrite import mutate_declared, mutate_sql, rerun
from lester_duck.rewrite.equivalent import argument
from lester_duck.rewrite.mutants import Judged, describe, judge_mutants, number_of
from lester_duck.rewrite.mutate import Mutant, mutants, sample
from lester_duck.rewrite.shared_mutants import judge_shared

TYPES = {"t": {"a": "VARCHAR", "b": "VARCHAR", "n": "BIGINT"}, "u": {"a": "VARCHAR"}}


def changed(sql: str, operator: str) -> list[str]:
    made = Pipeline(name="p", sources=(Source(name="t", format="csv"),), views=(View(name="v", sql=sql),))
    return [" ".join(m.pipeline.views[0].sql.split()) for m in mutants(made, TYPES) if m.operator == operator]


@pytest.mark.parametrize(
    ("operator", "sql", "expected"),
    [
        ("join", "SELECT t.a FROM t LEFT JOIN u ON t.a = u.a", "SELECT t.a FROM t JOIN u ON t.a = u.a"),
        ("join", "SELECT t.a FROM t JOIN u ON t.a = u.a", "SELECT t.a FROM t LEFT JOIN u ON t.a = u.a"),
        ("comparison", "SELECT a FROM t WHERE n < 3", "SELECT a FROM t WHERE n <= 3"),
        ("comparison", "SELECT a FROM t WHERE n < 3", "SELECT a FROM t WHERE n >= 3"),
        ("connective", "SELECT a FROM t WHERE n = 1 AND a = 'x'", "SELECT a FROM t WHERE (n = 1 OR a = 'x')"),
        ("condition", "SELECT a FROM t WHERE n = 1 AND a = 'x'", "SELECT a FROM t WHERE a = 'x'"),
        ("condition", "SELECT a FROM t WHERE n = 1", "SELECT a FROM t"),
        ("condition", "SELECT a FROM t GROUP BY a HAVING count(*) > 1", "SELECT a FROM t GROUP BY a"),
        ("negation", "SELECT a FROM t WHERE a IS NULL", "SELECT a FROM t WHERE NOT (a IS NULL)"),
        ("constant", "SELECT a FROM t WHERE n = 1", "SELECT a FROM t WHERE n = 2"),
        ("constant", "SELECT a FROM t WHERE n = 0", "SELECT a FROM t WHERE n = (-1)"),
        ("constant", "SELECT a FROM t WHERE a = 'x'", "SELECT a FROM t WHERE a = 'X'"),
        ("constant", "SELECT a FROM t WHERE a > '2020-02-28'", "SELECT a FROM t WHERE a > '2020-02-29'"),
        ("aggregate", "SELECT a, min(n) AS m FROM t GROUP BY a", "SELECT a, max(n) AS m FROM t GROUP BY a"),
        ("aggregate", "SELECT a, last(n ORDER BY _pos) AS m FROM t GROUP BY a",
         "SELECT a, first(n ORDER BY _pos) AS m FROM t GROUP BY a"),
        ("default", "SELECT coalesce(a, 'z') AS a FROM t", "SELECT a AS a FROM t"),
        ("case", "SELECT CASE WHEN n > 1 THEN 'x' ELSE 'y' END AS c FROM t",
         "SELECT CASE WHEN n > 1 THEN 'x' END AS c FROM t"),
        ("order", "SELECT a FROM t ORDER BY n", "SELECT a FROM t"),
        ("order", "SELECT a FROM t ORDER BY n", "SELECT a FROM t ORDER BY n DESC"),
        ("partition", "SELECT row_number() OVER (PARTITION BY a ORDER BY n) AS k FROM t",
         "SELECT row_number() OVER (ORDER BY n) AS k FROM t"),
        ("column", "SELECT t.a FROM t", "SELECT t.b AS a FROM t"),
        ("distinct", "SELECT DISTINCT a FROM t", "SELECT a FROM t"),
        ("arithmetic", "SELECT n + 1 AS m FROM t", "SELECT (n - 1) AS m FROM t"),
        ("call", "SELECT py_strip(a) AS a FROM t", "SELECT (a) AS a FROM t"),
    ],
)  # fmt: skip
def test_what_an_operator_changes(operator, sql, expected):
    found = [mutate_sql.parsed(text).sql("duckdb") for text in changed(sql, operator)]
    assert mutate_sql.parsed(expected).sql("duckdb") in found


def test_every_documented_operator_exists():
    documented = {line.split("|")[1].strip() for line in mutate_sql.__doc__.splitlines() if line.startswith("| ")}
    assert documented - {"operator"} == {name for name, _ in mutate_sql.RULES} | {"column"}


def test_equalities_of_joins_stay():
    assert not changed("SELECT t.a FROM t JOIN u ON t.a = u.a", "comparison")


def test_declarations_are_mutated_too():
    edges = Step(kind="bins", params=(("edges", (0, 5)), ("right", True)))
    bins = Featurizer(name="size", columns=("n",), steps=(edges,))
    scaled = Featurizer(name="scaled", columns=("n",), steps=(Step(kind="standard_scale"),))
    made = Pipeline(
        name="p",
        sources=(Source(name="t", format="csv"),),
        views=(View(name="v", sql="SELECT a, b, n FROM t"),),
        features=Features(view="v", featurizers=(bins, scaled)),
        label=Label(column="a"),
        split=Split(kind="position", params=(("rows", "n * 7 // 10"),)),
        functions=(Function(name="f", arguments=(), returns="BIGINT"),),
        code="def f(x):\n    return 1 if x < 2 else 0\n",
    )
    found = {(op, before, after) for _, op, before, after, _ in mutate_declared.mutations(made, TYPES["t"])}
    assert ("parameter", "right = True", "False") in found
    assert ("parameter", "edges = (0, 5)", "(0, 6)") in found
    assert ("parameter", "ddof = 0", "1") in found
    assert ("fit", "train", "all") in found
    assert ("featurizer", "size", "left out") in found
    assert ("label", "a", "b") in found
    assert ("function", "line 2: x < 2", "x <= 2") in found
    assert any(op == "split" and after == "rows = n * 8 // 10" for op, _, after in found)


def mutant_of(sql: str, operator: str, wanted: str) -> tuple[Pipeline, Mutant]:
    made = Pipeline(name="p", sources=(Source(name="t", format="csv"),), views=(View(name="v", sql=sql),))
    return made, next(m for m in mutants(made, TYPES) if m.operator == operator and wanted in m.before.lower())


@pytest.mark.parametrize(
    ("sql", "operator", "site"),
    [
        ("SELECT coalesce(count(*), 0) AS c FROM t", "default", "coalesce"),
        ("SELECT coalesce(count(*), 0) AS c FROM t", "constant", "0"),
        ("SELECT a, max(a) AS m FROM t GROUP BY a", "aggregate", "max"),
        ("SELECT t.a FROM t LEFT JOIN u ON t.a = u.a WHERE u.a IS NOT NULL", "join", "left join"),
        ("SELECT a FROM t WHERE a IN (SELECT DISTINCT a FROM u)", "distinct", "distinct"),
        ("SELECT CASE WHEN a IS NULL THEN 1 WHEN a IS NOT NULL THEN 2 ELSE 7 END AS c FROM t", "constant", "7"),
        ("SELECT a, row_number() OVER (PARTITION BY a ORDER BY n, _pos) AS r FROM t", "aggregate", "row_number"),
        ("SELECT (length(a) - length(b)) // 1 AS r FROM t", "arithmetic", "// 1"),
        ("SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a = t.a)", "constant", "1"),
        ("SELECT CASE WHEN n <= 5 THEN 1 WHEN n > 5 AND n <= 9 THEN 2 ELSE 3 END AS c FROM t", "comparison", "n > 5"),
    ],
)
def test_equivalents_are_argued(sql, operator, site):
    assert argument(*mutant_of(sql, operator, site))


@pytest.mark.parametrize(
    ("sql", "operator", "site"),
    [
        ("SELECT coalesce(max(n), 0) AS c FROM t", "default", "coalesce"),
        ("SELECT a, max(b) AS m FROM t GROUP BY a", "aggregate", "max"),
        ("SELECT t.a FROM t LEFT JOIN u ON t.a = u.a WHERE t.n > 1", "join", "left join"),
        ("SELECT t.a FROM t LEFT JOIN u ON t.a = u.a WHERE u.a IS NULL", "join", "left join"),
        ("SELECT a FROM t WHERE a IN (SELECT DISTINCT a FROM u LIMIT 3)", "distinct", "distinct"),
        ("SELECT CASE WHEN a IS NULL THEN 1 WHEN b IS NOT NULL THEN 2 ELSE 7 END AS c FROM t", "constant", "7"),
        ("SELECT a, row_number() OVER (PARTITION BY a ORDER BY n) AS r FROM t", "aggregate", "row_number"),
        ("SELECT t.a, row_number() OVER (ORDER BY t._pos) AS r FROM t JOIN u ON t.a = u.a", "aggregate", "row_number"),
        ("SELECT n // 1 AS r FROM t", "arithmetic", "// 1"),
        ("SELECT a FROM t WHERE n IN (SELECT 1 FROM u WHERE u.a = t.a)", "constant", "1"),
        ("SELECT CASE WHEN n <= 5 THEN 1 WHEN n > 5 AND n <= 9 THEN 2 ELSE 3 END AS c FROM t", "comparison", "n <= 9"),
        ("SELECT CASE WHEN n < 5 THEN 1 WHEN n > 5 AND n <= 9 THEN 2 ELSE 3 END AS c FROM t", "comparison", "n > 5"),
        ("SELECT CASE WHEN n > 9 THEN 1 WHEN n > 5 OR n <= 1 THEN 2 ELSE 3 END AS c FROM t", "comparison", "n <= 1"),
        ("SELECT (length(a) - length(b)) // 2 AS r FROM t", "arithmetic", "// 2"),
    ],
)
def test_no_argument_where_data_could_tell(sql, operator, site):
    assert argument(*mutant_of(sql, operator, site)) == ""


JOINED = "SELECT t.a FROM t LEFT JOIN u ON t.a = u.a"


@pytest.mark.parametrize(
    ("check", "argued"),
    [
        (f"{JOINED} WHERE u.a IS NULL", True),
        (f"{JOINED} WHERE u.b IS NULL", False),
        (f"{JOINED} WHERE t.n > 3 AND u.a IS NULL", False),
        ("SELECT t.a FROM t LEFT JOIN u ON t.a = u.b WHERE u.b IS NULL", False),
    ],
)
def test_a_check_of_partners_makes_the_kind_of_a_join_equivalent(check, argued):
    made, mutant = mutant_of(JOINED, "join", "left join")
    assert bool(argument(replace(made, checks=(Check(name="c", sql=check),)), mutant)) is argued


@pytest.mark.parametrize(
    ("reader", "argued"),
    [("SELECT a FROM v", True), ("SELECT a, m FROM v", False), ("SELECT * FROM v", False)],
)
def test_a_column_that_nothing_reads(reader, argued):
    made, mutant = mutant_of("SELECT a, last(b ORDER BY _pos) AS m FROM t GROUP BY a", "aggregate", "last")
    made = replace(made, views=(*made.views, View(name="w", sql=reader)))
    assert bool(argument(made, mutant)) is argued


def judged(prepared) -> Judged:
    return Judged(name="", data=prepared[0], evidence=prepared[1])


def test_most_mutants_are_told_apart_on_the_data(prepared):
    outcome = judge_mutants(prepared[2], [judged(prepared)], number=None, seconds=30, progress=str)
    parts = outcome.counted + len(outcome.equivalent) + len(outcome.slow) + outcome.stillborn + outcome.untried
    assert parts == outcome.sites
    assert outcome.untried == 0
    assert outcome.tried == outcome.inputs == 1
    assert outcome.rate > 0.5
    assert {t.input for t in outcome.told} == {""}
    facts = describe(outcome)
    assert facts["told_apart"] + len(facts["survivors"]) == facts["counted"]
    assert all(m["before"] != m["after"] for m in facts["survivors"])


def test_a_mutant_that_the_data_do_not_show_is_listed(prepared):
    """No shop of the data is spelt with a blank, so the mutant without the trim survives."""
    view = next(v for v in prepared[2].views if "kind <>" in v.sql)
    always = replace(view, sql=view.sql.replace("kind <>", "py_strip(kind) <>"))
    made = replace(prepared[2], views=tuple(always if v is view else v for v in prepared[2].views))
    outcome = judge_mutants(made, [judged(prepared)], number=None, seconds=30, progress=str)
    assert any(m.operator == "call" and "py_strip" in m.before for m in outcome.survivors)


def test_no_time_means_not_tried(prepared):
    outcome = judge_mutants(prepared[2], [judged(prepared)], number=5, seconds=0, progress=str)
    assert (len(outcome.told), outcome.survivors) == (0, ())
    assert outcome.untried + outcome.stillborn == 5
    assert "not tried" in str(outcome)


def test_trying_leaves_the_store_as_it_was(prepared):
    from lester_duck.rewrite.judge import wanted
    from lester_duck.rewrite.try_mutant import plan_mutant, told_apart

    planned = rerun.Planned(prepared[2])
    state = planned.state(prepared[0])
    names = [b.name for b in state.plan.blocks]
    before = {n: state.db.rows(f'SELECT * FROM "{n}" ORDER BY ALL') for n in names if "__" not in n}
    points = wanted(planned.pipeline, prepared[1])
    worker = planned.worker(state.plan.pipeline)
    for mutant in sample(mutants(state.plan.pipeline, {}), 12):
        found = plan_mutant(mutant, state.plan)
        once = told_apart(found, state, points, refused=False, worker=worker)
        assert told_apart(found, state, points, refused=False, worker=worker) == once
    assert {n: state.db.rows(f'SELECT * FROM "{n}" ORDER BY ALL') for n in before} == before
    state.close()
    planned.close()


def test_a_sample_is_drawn_with_a_seed(prepared):
    everything = mutants(prepared[2], {})
    assert sample(everything, 5) == sample(everything, 5)
    assert len(sample(everything, 5)) == 5
    assert sample(everything, 10_000) == everything


def test_numbers_of_mutants():
    with pytest.raises(UsageError, match="no number of mutants"):
        number_of("many")


def test_two_processes_tell_apart_what_one_does(prepared):
    one = judge_mutants(prepared[2], [judged(prepared)], number=30, seconds=60, progress=str)
    two = judge_shared(prepared[2], [judged(prepared)], number=30, seconds=60, progress=str)
    assert {m.mutant for m in two.told} == {m.mutant for m in one.told}
    assert set(two.survivors) == set(one.survivors)
    assert (two.counted, two.stillborn, two.untried) == (one.counted, one.stillborn, one.untried)
