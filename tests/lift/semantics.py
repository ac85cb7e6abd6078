"""Python expressions and their SQL, evaluated on the same rows."""

from __future__ import annotations

import ast
import datetime as dt
import math
from pathlib import Path
from typing import Any

import pyarrow as pa

from lester_duck.db import Error
from lester_duck.lift import Observed, expressions, sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import FileRel, Query
from lester_duck.lift.state import Frame
from lester_duck.lift.values import Lib, Refused, Sym

NAMES = {"date": dt.date, "datetime": dt.datetime, "timedelta": dt.timedelta, "math": math}
LIBS = {"math": Lib("math")} | {n: Lib(f"datetime.{n}") for n in ("date", "datetime", "timedelta")}
COLUMNS = {"s": "str", "o": "str", "n": "int", "x": "float", "d": "date", "t": "datetime", "z": "float"}


def expressions_of(name: str) -> list[str]:
    """The expressions of a file beside this one, one per line."""
    return (Path(__file__).parent / "expressions" / f"{name}.txt").read_text(encoding="utf-8").splitlines()


def lifted(expression: str) -> tuple[Sym, list[sqlx.Tree]]:
    """The SQL of an expression over the columns of ``rows``, and the conditions on which it raises.

    Raises Refused for what is no SQL, also when it would be kept as it is, as a declared function.
    """
    m = Machine("", "test", Observed(folder=Path()))
    m.entire = 1  # what SQL alone can say
    m.tree = ast.parse("")
    query = Query("rows", FileRel(name="rows", path="rows"))
    m.frames.append(Frame(query, 0, m.state, (1, 1)))
    m.state.envs[0].update(
        {n: Sym(sqlx.column("rows", n), kind, null=n in "oz", nan=n == "z", name=n) for n, kind in COLUMNS.items()}
    )
    m.state.envs[0].update(LIBS)
    value = expressions.evaluate(m, ast.parse(expression, mode="eval").body)
    if m.functions:
        raise Refused("SQL says no such thing: a declared function")
    symbol = value if isinstance(value, Sym) else Sym(sqlx.literal(value), "constant")
    return symbol, [sqlx.conjunction((*o.path, o.fails)) for o in m.obligations]


def expected(expression: str, row: dict[str, Any]) -> Any:
    """Python's own answer, or the exception's class."""
    try:
        return eval(expression, NAMES | row)
    except (ValueError, ArithmeticError, LookupError, TypeError, AttributeError) as error:
        return type(error)


LOUD = ("py_", "Overflow", "Out of Range", "Conversion")
"""What the database says when it refuses a row: no answer, which is no wrong answer."""
TYPES = {
    "s": pa.string(),
    "o": pa.string(),
    "n": pa.int64(),
    "x": pa.float64(),
    "d": pa.date32(),
    "t": pa.timestamp("us"),
    "z": pa.float64(),
}


def _schema(row: dict[str, Any]) -> pa.Schema:
    return pa.schema([(name, TYPES[name]) for name in row])


def answers(db: Any, expression: str, rows: list[dict[str, Any]]) -> tuple[Sym, list[tuple[Any, bool]]]:
    """What the SQL says of each row: its value, and whether a condition on which it raises holds."""
    symbol, raising = lifted(expression)
    fails = sqlx.FALSE.copy()
    for condition in raising:
        fails = sqlx.disjunction(fails, condition)
    table = pa.Table.from_pylist([_without_nan(row) for row in rows], schema=_schema(rows[0]))
    text = f"SELECT {sqlx.text(symbol.sql)}, coalesce({sqlx.text(fails)}, FALSE) FROM rows"
    with db.registered("rows", table):
        return symbol, db.rows(text)


def _without_nan(row: dict[str, Any]) -> dict[str, Any]:
    return {name: None if name == "z" and math.isnan(value) else value for name, value in row.items()}


def same(symbol: Sym, value: Any, want: Any) -> bool:
    """Whether the SQL's value is Python's, type and all (a missing number of pandas is NaN)."""
    if isinstance(want, dt.timedelta):
        value = dt.timedelta(microseconds=value) if symbol.type == "timedelta" else dt.timedelta(days=value)
    if isinstance(want, float) and symbol.type == "number":
        value = float(value)
    if isinstance(want, float) and math.isnan(want):
        return (value is None and symbol.nan) or (isinstance(value, float) and math.isnan(value))
    return value == want and (type(value) is type(want) or symbol.type == "number")


def check(db: Any, expression: str, rows: list[dict[str, Any]]) -> None:
    """Compare on all rows; where Python raises, one of the conditions must hold, and only there."""
    symbol, found = answers(db, expression, rows)
    for row, (value, failed) in zip(rows, found, strict=True):
        want = expected(expression, row)
        if isinstance(want, type):
            assert failed, f"{expression} raises {want.__name__} on {row}, the SQL says {value!r}"
        elif failed:
            nan = isinstance(want, float) and math.isnan(want)
            assert nan or "nan" in str(row), f"{expression} on {row}: {want!r}"
        else:
            assert same(symbol, value, want), f"{expression} on {row}: {want!r}, the SQL says {value!r}"


def answered(db: Any, expression: str, rows: list[dict[str, Any]]) -> int:
    """Compare where the SQL gives a value, and return of how many rows both say the same.

    Where Python raises the SQL must give none: a condition holds, or the database refuses the row.
    A row that the SQL refuses and Python does not is no difference, and not counted.
    """
    try:
        symbol, found = answers(db, expression, rows)
    except Error as error:
        if len(rows) > 1:
            return sum(answered(db, expression, [row]) for row in rows)
        assert any(word in str(error) for word in LOUD), f"{expression} on {rows[0]}: {error}"
        return 0
    for row, (value, failed) in zip(rows, found, strict=True):
        want = expected(expression, row)
        raised = isinstance(want, type)
        assert failed or not raised, f"{expression} raises {want} on {row}, the SQL says {value!r}"
        assert failed or same(symbol, value, want), f"{expression} on {row}: {want!r}, the SQL says {value!r}"
    raising = [isinstance(expected(expression, row), type) for row in rows]
    return sum(raised or not failed for raised, (_, failed) in zip(raising, found, strict=True))
