"""Python expressions against their SQL: same values, and raising on the same inputs."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lift.semantics import check, expressions_of, lifted

from lester_duck import db as database
from lester_duck.engine.plan import install_macros
from lester_duck.lift.values import Refused

TEXTS = [
    "", " ", "a", "A b", "  padded\t", "ÄÖÜ straße", "x,y,,z", "007", "-12", "+5", " 42 ", "1_000", "3.5", "1e3",
    ".5", "5.", "nan", "inf", "-0", "abc-def", "DE", "de", "premium", "a\u00a0b", "\u2003x\u2003", "e\u0301", "it's",
    "100%", "a%b_c", "True", "None", "kg", "12kg", "9" * 15, "İstanbul", "\U0001f600 smile", "tab\there", "x" * 50,
    "2022-01-31", "20220131", "2022-02-30", "31/12/2021", "1/2/2021", "0000-01-01",
]  # fmt: skip
WHOLE = [0, 1, -1, 2, 3, 7, -7, 10, 100, -100, 2**30, -(2**30)]
FLOATS = [0.0, -0.0, 0.5, 1.5, 2.5, -2.5, 0.1, 2.675, 1e-7, 123456.789, -3.7, 1e15]
DAYS = [dt.date(2022, 1, 31), dt.date(2020, 2, 29), dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.date(1969, 12, 31)]
TIMES = [dt.datetime(2022, 1, 31, 23, 59, 59), dt.datetime(2020, 2, 29), dt.datetime(1960, 1, 1, 0, 0, 0, 123000)]


@pytest.fixture(scope="module")
def db() -> Any:
    """A database with the macros."""
    opened = database.connect()
    install_macros(opened)
    yield opened
    opened.close()


@pytest.mark.parametrize("expression", expressions_of("texts"))
def test_texts(db: Any, expression: str) -> None:
    check(db, expression, [{"s": s} for s in TEXTS])


@pytest.mark.parametrize("expression", expressions_of("numbers"))
def test_numbers(db: Any, expression: str) -> None:
    rows = [{"n": n, "x": FLOATS[i % len(FLOATS)]} for i, n in enumerate(WHOLE)]
    rows += [{"n": WHOLE[i % len(WHOLE)], "x": x} for i, x in enumerate(FLOATS)]
    check(db, expression, rows)


@pytest.mark.parametrize("expression", expressions_of("times"))
def test_times(db: Any, expression: str) -> None:
    check(db, expression, [{"d": d, "t": t} for d in DAYS for t in TIMES])


@pytest.mark.parametrize("expression", ["str(x)", "round(x, 2)", "x * 2", "x / 3", "x > 1", "abs(x)", "max(x, 1.0)"])
def test_large_and_small_floats(db: Any, expression: str) -> None:
    check(db, expression, [{"x": x} for x in (1e16, 1e22, -1e300, 5e-324, 1e-5, 0.0001, 123456789012345680.0)])


@pytest.mark.parametrize("expression", ["'%.2f' % x", "int(x)", "round(x)"])
def test_what_has_too_many_digits_is_an_error(db: Any, expression: str) -> None:
    with pytest.raises((database.Error, AssertionError)):
        check(db, expression, [{"x": 1e300}])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=12), min_size=1, max_size=20))
def test_any_text(texts: list[str]) -> None:
    opened = database.connect()
    install_macros(opened)
    rows = [{"s": s.replace("Σ", "S").replace("\0", "0")} for s in texts if s.isprintable() or s.isspace()]
    for expression in ("s.strip()", "s.lower()", "len(s)", "len(s.split())", "s[:3]", "s[-1:]", "s.replace('a', 'bb')"):
        if rows:
            check(opened, expression, rows)
    opened.close()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e15, 1e15, allow_nan=False), min_size=1, max_size=20))
def test_any_float(values: list[float]) -> None:
    opened = database.connect()
    install_macros(opened)
    for expression in ("str(x)", "round(x, 2)", "round(x)", "int(x)", "'%.3f' % x", "x / 3"):
        check(opened, expression, [{"x": x} for x in values])
    opened.close()


@pytest.mark.parametrize("expression", expressions_of("refused"))
def test_refused_rather_than_wrong(expression: str) -> None:
    with pytest.raises(Refused):
        lifted(expression)
