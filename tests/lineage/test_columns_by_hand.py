"""Column lineage of the queries of columns.txt: what was said of them by hand before, or *unknown*, never else."""

from __future__ import annotations

import pytest
from column_examples import DATA, EXAMPLES, SOURCES, Edges, is_refused

import lester_duck as ld
from lester_duck.pipeline.model import Pipeline, View


@pytest.fixture(scope="module")
def asked() -> dict[str, Edges | None]:
    """What ``lester.column_lineage`` says of a view with each query; None where the view is refused."""
    views = {f"q{n}": name for n, (name, (query, _)) in enumerate(EXAMPLES.items()) if not is_refused(query)}
    pipeline = Pipeline(
        name="x", sources=SOURCES, views=tuple(View(name=v, sql=EXAMPLES[name][0]) for v, name in views.items())
    )
    with ld.run(pipeline, ":memory:", data=DATA) as run:
        rows = run.db.rows(
            "SELECT relation, coalesce(column_name, '*'), source || '.' || source_column, kind, subtype "
            "FROM lester.column_lineage"
        )
    found: dict[str, set] = {name: set() for name in views.values()}
    for view, column, origin, kind, subtype in rows:
        direct = subtype in ("IDENTITY", "TRANSFORMATION", "AGGREGATION")
        assert kind == ("UNKNOWN" if subtype == "UNKNOWN" else "DIRECT" if direct else "INDIRECT")
        if view in views:
            found[views[view]].add((column, origin, subtype))
    return {name: frozenset(found[name]) if name in found else None for name in EXAMPLES}


def verdict(found: Edges | None, expected: Edges) -> str:
    """``right``, ``unknown`` (where it says anything else, it is right), ``refused`` or ``wrong``."""
    if found is None:
        return "refused"
    if found == expected:
        return "right"
    unknown = {column for column, _, kind in found if kind == "UNKNOWN"}
    said = {edge for edge in found if edge[0] not in unknown}
    return "unknown" if unknown and said == {e for e in expected if e[0] not in unknown} else "wrong"


def test_no_answer_is_wrong_and_few_are_unknown(asked):
    verdicts = {name: verdict(asked[name], expected) for name, (_, expected) in EXAMPLES.items()}
    others = {name: said for name, said in verdicts.items() if said != "right"}
    wrong = {n: sorted(asked[n] ^ EXAMPLES[n][1], key=str) for n, said in others.items() if said == "wrong"}
    assert not wrong
    assert len(EXAMPLES) >= 100
    assert len(others) <= len(EXAMPLES) * 0.05, others


@pytest.mark.parametrize("name", ["correlated scalar subquery", "windows of windows", "union"])
def test_a_wrong_expectation_is_noticed(asked, name):
    expected = EXAMPLES[name][1]
    assert verdict(asked[name], expected) == "right"
    for edge in expected:
        assert verdict(asked[name], expected - {edge}) == "wrong"
    assert verdict(asked[name], expected | {("*", "people.boss", "FILTER")}) == "wrong"
