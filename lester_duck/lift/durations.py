"""Durations: ``timedelta(minutes=n)``, differences of dates and times, shifts of them, ratios.

A duration is a number of microseconds; one of whole days (a difference of dates) is a number of days.
"""

from __future__ import annotations

import ast

from lester_duck.lift import sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.values import Refused, Sym, Value, constant, is_const

DAY = 86_400_000_000
_UNITS = {"days": DAY, "seconds": 1_000_000, "microseconds": 1, "milliseconds": 1_000, "minutes": 60_000_000,
          "hours": 3_600_000_000, "weeks": 7 * DAY}  # fmt: skip
KINDS = frozenset({"timedelta", "days"})


def construct(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Sym:
    """``timedelta(minutes=n)`` of whole numbers, or of one float that depends on rows."""
    given = [*zip(_UNITS, args, strict=False), *kwargs.items()]
    if set(dict(given)) - set(_UNITS) or len(dict(given)) != len(given):
        raise Refused("a timedelta of these parts")
    parts = [(unit, _amount(m, x)) for unit, x in given]
    if len(parts) == 1 and parts[0][0] == "days" and parts[0][1].type != "float":
        return Sym(parts[0][1].sql, "days", name=parts[0][1].name)
    whole = [_scaled(x.sql, _UNITS[unit]) for unit, x in parts if x.type != "float"]
    floats = [(x.sql, _UNITS[unit]) for unit, x in parts if x.type == "float"]
    if floats and (len(floats) > 1 or whole):
        raise Refused("a timedelta of several parts that are not whole numbers", "timedelta(seconds=x)")
    for tree, _ in floats:
        m.raise_if(sql("NOT isfinite(_1)", tree), "ValueError", "a timedelta of a number that is not finite")
        return Sym(sql("py_microseconds(_1, _2)", tree, sqlx.literal(floats[0][1])), "timedelta")
    total = whole[0]
    for tree in whole[1:]:
        total = sql("_1 + _2", total, tree)
    return Sym(total, "timedelta")


def _amount(m: Machine, value: Value) -> Sym:
    sym = value if isinstance(value, Sym) else constant(value) if is_const(value) else None
    if sym is None or sym.type not in ("int", "float", "bool") or sym.nan:
        raise Refused("a timedelta of something other than a number")
    if sym.null:
        m.raise_if(sql("_1 IS NULL", sym.sql), "TypeError", "a timedelta of None")
    return Sym(sql("CAST(_1 AS BIGINT)", sym.sql), "int", name=sym.name) if sym.type == "bool" else sym


def _scaled(tree: Tree, factor: int) -> Tree:
    return sql("_1 * _2", tree, sqlx.literal(factor)) if factor != 1 else tree


def microseconds(value: Sym) -> Tree:
    """A duration in microseconds."""
    return _scaled(value.sql, DAY) if value.type == "days" else value.sql


def arithmetic(m: Machine, op: type[ast.operator], x: Sym, y: Sym) -> Sym:
    """Differences of dates and times, shifts of them, and durations among themselves."""
    for side in (x, y):
        if side.null:
            m.raise_if(sql("_1 IS NULL", side.sql), "TypeError", "arithmetic on None")
    if (x.type, op, y.type) == ("date", ast.Sub, "date"):
        return Sym(sql("date_diff('day', _1, _2)", y.sql, x.sql), "days")
    if (x.type, op, y.type) == ("datetime", ast.Sub, "datetime"):
        return Sym(sql("epoch_us(_1) - epoch_us(_2)", x.sql, y.sql), "timedelta")
    if op is ast.Add and x.type in KINDS and y.type in ("date", "datetime"):
        x, y = y, x
    if op in (ast.Add, ast.Sub) and x.type in ("date", "datetime") and y.type in KINDS:
        return _moved(m, "+" if op is ast.Add else "-", x, y)
    if x.type in KINDS and y.type in KINDS:
        return _among(m, op, x, y)
    if op is ast.Mult and {x.type, y.type} & {"int"} and {x.type, y.type} & KINDS:
        kind = x.type if x.type in KINDS else y.type
        return Sym(sql("_1 * _2", x.sql, y.sql), kind)
    raise Refused(f"{x.type} {op.__name__} {y.type}")


def _moved(m: Machine, sign: str, x: Sym, y: Sym) -> Sym:
    if x.type == "datetime":
        moved = sql(f"_1 {sign} to_microseconds(_2)", x.sql, microseconds(y))
    else:
        days = y.sql if y.type == "days" else sql("py_floordiv(_1, _2)", y.sql, sqlx.literal(DAY))
        moved = sql(f"_1 {sign} CAST(_2 AS INTEGER)", x.sql, days)
    m.raise_if(sql("year(_1) NOT BETWEEN 1 AND 9999", moved), "OverflowError", "a time out of range")
    return Sym(moved, x.type, name=x.name)


def _among(m: Machine, op: type[ast.operator], x: Sym, y: Sym) -> Sym:
    same = x.type == y.type == "days"
    a, b = (x.sql, y.sql) if same else (microseconds(x), microseconds(y))
    if op in (ast.Add, ast.Sub):
        return Sym(sql("_1 + _2" if op is ast.Add else "_1 - _2", a, b), "days" if same else "timedelta")
    if op not in (ast.Div, ast.FloorDiv, ast.Mod):
        raise Refused(f"timedelta {op.__name__} timedelta")
    m.raise_if(sql("_1 = 0", b), "ZeroDivisionError", "a division by a duration of zero")
    if op is ast.Div:
        return Sym(sql("_1 / _2", a, b), "float")
    if op is ast.FloorDiv:
        return Sym(sql("py_floordiv(_1, _2)", a, b), "int")
    return Sym(sql("py_mod(_1, _2)", a, b), "days" if same else "timedelta")
