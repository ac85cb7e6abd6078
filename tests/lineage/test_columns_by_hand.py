"""Column lineage of the queries of columns.txt: what was said of them by hand before, or *unknown*, never else."""

from __future__ import annotations

import pytest
from column_examples import EXAMPLES, TABLES, Edges, planned

from lester_duck.algebra.columns import origins
from lester_duck.engine.second_opinion import agreed_edges


@pytest.fixture(scope="module")
def asked() -> dict[str, Edges | None]:
    """What is said of a view with each query, as it goes into the catalog; None where the view is refused."""
    plan, views = planned()
    said = origins(plan.blocks, agreed_edges(plan), list(TABLES))
    found: dict[str, Edges | None] = dict.fromkeys(EXAMPLES)
    for name, view in views.items():
        for edge in said[view]:
            direct = edge.subtype in ("IDENTITY", "TRANSFORMATION", "AGGREGATION")
            assert edge.kind == ("UNKNOWN" if edge.relation is None else "DIRECT" if direct else "INDIRECT")
        found[name] = frozenset((e.column or "*", f"{e.relation}.{e.origin}", e.subtype) for e in said[view])
    return found


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
