"""Expressions over families of awkward inputs: missing, huge, not finite, other scripts, odd dates."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from lift.semantics import answered, expressions_of, lifted

from lester_duck import db as database
from lester_duck.engine.plan import install_macros
from lester_duck.lift.values import Refused

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0")) or 150
HUGE = [0, 1, -1, 6, -7, 2**53, 2**53 + 1, -(2**53) - 1, 2**62, -(2**62), 10**18, 999_999_999_999_999_999]
ODD = [4.0, math.inf, -math.inf, -0.0, 0.0, 1.0, -1.5, 5e-324, 1.7e308, -1.7e308, 0.1, 2.5]
OPTIONAL = [None, "", " ", "a", "A", "ab", "12", "-1", "None", "nan"]
SCRIPTS = [
    "straße", "ẞ", "STRASSE", "İzmir", "ısı", "e\u0301te\u0301", "été", "\u00a0x\u2003", "Ǆ", "naïve café", "٣", "１２",
    "日本", "\U0001f600", "a\u200bb", "½", "²", "ﬁn", "ŉ", "\u0130", "i\u0307", "x\x1cy", "x\x85y", "\ufeffa", "",
]  # fmt: skip
DATES = [
    "2020-02-29", "2021-02-29", "1900-02-29", "2000-02-29", "2022-02-30", "2022-13-01", "2022-00-10", "2022-1-5",
    "0001-01-01", "0000-01-01", "9999-12-31", "10000-01-01", "-001-01-01", "20200229", "29.02.2020", "31.12.1999",
    "1/2/99", "2022-01-31 10:05", "2022-01-31T23:59:59", "2022-01-31T24:00:00", "2022-06-15T10", "25:00", "23:59",
    "2022-01-31Z", " 2022-01-31", "2022-01-31 ", "", "today", "2022-W05-1", "1969-12-31", "2022-1-05", "２０２２-01-01",
]  # fmt: skip
FAMILIES = {
    "missing": [{"o": o, "s": s} for o in OPTIONAL for s in ("", "a")],
    "extreme_numbers": [{"n": n, "x": x} for n, x in zip(HUGE, ODD, strict=True)],
    "not_a_number": [{"z": z, "n": n} for z in (math.nan, 0.0, 1.5, -2.0, math.inf) for n in (0, 1, -3)],
    "unicode": [{"s": s} for s in SCRIPTS],
    "calendar": [{"s": s} for s in DATES],
}


@pytest.fixture(scope="module")
def db() -> Iterator[Any]:
    """A database with the macros."""
    opened = database.connect()
    install_macros(opened)
    yield opened
    opened.close()


@pytest.mark.parametrize(("family", "expression"), [(f, e) for f in FAMILIES for e in expressions_of(f)])
def test_family(db: Any, family: str, expression: str) -> None:
    rows = FAMILIES[family]
    try:
        lifted(expression)
    except Refused as refused:
        assert refused.reason
        return
    assert answered(db, expression, rows) >= len(rows) // 2


def test_enough_expressions_are_tried() -> None:
    names = [*FAMILIES, "texts", "numbers", "times"]
    pairs = {(name, expression) for name in names for expression in expressions_of(name)}
    assert len(pairs) >= 300
    refused = 0
    for name in FAMILIES:
        for expression in expressions_of(name):
            try:
                lifted(expression)
            except Refused:
                refused += 1
    assert len(pairs) - refused >= 300


TEXT = st.deferred(lambda: st.one_of(st.sampled_from(["s", "o", "'a'", "''", "'ß'", "' A b '"]), TEXT_STEP))
NUMBER = st.deferred(lambda: st.one_of(st.sampled_from(["n", "x", "0", "2", "-3", "0.5"]), NUMBER_STEP))
TRUTH = st.deferred(lambda: st.one_of(TRUTH_STEP, st.sampled_from(["o is None", "n > 1", "s == 'a'"])))


def _say(pattern: str, *parts: Any) -> Any:
    return st.tuples(*parts).map(lambda given: pattern.format(*(f"({part})" for part in given)))


TEXT_STEP = st.one_of(
    _say("{}.strip()", TEXT), _say("{}.lower()", TEXT), _say("{} + {}", TEXT, TEXT), _say("{}[:2]", TEXT),
    _say("{}[-1:]", TEXT), _say("{}.replace('a', 'xy')", TEXT), _say("str({})", NUMBER), _say("{} or {}", TEXT, TEXT),
    _say("{} if {} else {}", TEXT, TRUTH, TEXT), _say("'%d' % {}", NUMBER), _say("'-'.join([{}, {}])", TEXT, TEXT),
)  # fmt: skip
NUMBER_STEP = st.one_of(
    _say("len({})", TEXT), _say("int({})", TEXT), _say("float({})", TEXT), _say("{} + {}", NUMBER, NUMBER),
    _say("{} - {}", NUMBER, NUMBER), _say("{} * {}", NUMBER, NUMBER), _say("{} / {}", NUMBER, NUMBER),
    _say("{} // {}", NUMBER, NUMBER), _say("{} % {}", NUMBER, NUMBER), _say("abs({})", NUMBER), _say("-{}", NUMBER),
    _say("int({})", NUMBER), _say("round({})", NUMBER), _say("round({}, 1)", NUMBER), _say("max({}, 1)", NUMBER),
    _say("{} if {} else {}", NUMBER, TRUTH, NUMBER), _say("{}.count('a')", TEXT), _say("{} + {}", TRUTH, NUMBER),
)  # fmt: skip
TRUTH_STEP = st.one_of(
    _say("{} < {}", NUMBER, NUMBER), _say("{} == {}", NUMBER, NUMBER), _say("{} >= {}", NUMBER, NUMBER),
    _say("{} < {}", TEXT, TEXT), _say("{} == {}", TEXT, TEXT), _say("{} in {}", TEXT, TEXT), _say("not {}", TRUTH),
    _say("{} and {}", TRUTH, TRUTH), _say("{} or {}", TRUTH, TRUTH), _say("{} in ('a', '12')", TEXT),
    _say("{}.startswith('a')", TEXT), _say("bool({})", TEXT), _say("bool({})", NUMBER), _say("0 <= {} < 5", NUMBER),
    _say("{} == {}", NUMBER, TEXT), _say("{} != {}", NUMBER, NUMBER),
)  # fmt: skip
ROWS = [
    {"s": s, "o": o, "n": n, "x": x}
    for s, o, n, x in [
        ("", None, 0, 0.0), ("a", "a", 1, -0.0), (" A b ", "", -7, 0.1), ("12", "ß", 3, 2.5), ("-1", " a", -1, -2.5),
        ("1_0", "x", 7, 1e15), ("3.5", None, 2**31, 1.5), ("nan", "12", -(2**31), -1e-7), ("\ta\xa0", "é", 10, 1e300),
    ]
]  # fmt: skip


NESTED = 10
"""Brackets of an expression at most: DuckDB inlines macros, and takes minutes to plan a deep nest of them."""


@settings(max_examples=EXAMPLES, deadline=None, derandomize="FUZZ_EXAMPLES" not in os.environ)
@given(expression=st.one_of(TEXT_STEP, NUMBER_STEP, TRUTH_STEP))
def test_random_expressions(db: Any, expression: str) -> None:
    assume(expression.count("(") <= NESTED)
    try:
        lifted(expression)
    except Refused:
        assume(False)
    answered(db, expression, ROWS)
