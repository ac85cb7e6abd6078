"""NumPy's functions of one or two columns, element by element; NaN is a missing value, infinities are values."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_series as series_rules
from lester_duck.lift import scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Frame, Series
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Refused, Sym, Value

_ONE = {
    "exp": "exp(_1)", "sin": "sin(_1)", "cos": "cos(_1)", "tan": "tan(_1)", "sinh": "sinh(_1)", "cosh": "cosh(_1)",
    "tanh": "tanh(_1)", "arctan": "atan(_1)", "arcsinh": "asinh(_1)", "cbrt": "cbrt(_1)", "expm1": "py_expm1(_1)",
    "deg2rad": "radians(_1)", "radians": "radians(_1)", "rad2deg": "degrees(_1)", "degrees": "degrees(_1)",
}  # fmt: skip
_PARTLY_DEFINED = {
    "log": "ln(_1)", "log2": "log2(_1)", "log10": "log10(_1)", "log1p": "py_log1p(_1)", "sqrt": "sqrt(_1)",
    "arcsin": "asin(_1)", "arccos": "acos(_1)", "arctanh": "atanh(_1)", "arccosh": "acosh(_1)",
}  # fmt: skip
"""NaN outside of their domain, which a column holds as a missing value."""
_OF_THEIR_KIND = {
    "abs": "abs(_1)", "absolute": "abs(_1)", "fabs": "abs(CAST(_1 AS DOUBLE))", "square": "_1 * _1",
}
_WHOLE = {"floor": "floor(_1)", "ceil": "ceil(_1)", "trunc": "trunc(_1)", "rint": "round_even(_1, 0)"}
"""Of whole numbers they are the numbers themselves."""
_TESTS = {
    "isfinite": "_1 IS NOT NULL AND isfinite(_1)", "isinf": "_1 IS NOT NULL AND isinf(_1)", "isnan": "_1 IS NULL",
    "isposinf": "_1 IS NOT NULL AND _1 = CAST('inf' AS DOUBLE)",
    "isneginf": "_1 IS NOT NULL AND _1 = CAST('-inf' AS DOUBLE)",
}  # fmt: skip
_TWO = {"maximum": "greatest(_1, _2)", "minimum": "least(_1, _2)"}
_ANGLES = {"arctan2": "atan2(_1, _2)", "hypot": "sqrt(_1 * _1 + _2 * _2)"}
_OPERATORS = {
    "add": ast.Add, "subtract": ast.Sub, "multiply": ast.Mult, "divide": ast.Div, "true_divide": ast.Div,
    "power": ast.Pow, "mod": ast.Mod, "floor_divide": ast.FloorDiv,
}  # fmt: skip


def _each(rule: Callable[[Sym], Sym]) -> frames.SeriesRule:
    """A function of each number of a column, or of each column of a frame."""

    def of_number(m: Machine, sym: Sym) -> Sym:
        held = replace(sym, sql=series_rules.number(sym), type="int" if sym.type == "bool" else sym.type)
        return replace(rule(held), name=sym.name, nan=True, parts=(), choices=())

    def applied(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
        held = m.content(args[0]) if len(args) == 1 and not kwargs else None
        if isinstance(held, Frame):
            made = [(n, of_number(m, s)) for n, s in zip(held.names, frames.syms(held, held.names), strict=True)]
            return m.new(replace(held, columns=tuple(made)))
        return Series(held.rows_, of_number(m, held.sym)) if isinstance(held, Series) else v.MISSING

    return applied


def _float(template: str) -> Callable[[Sym], Sym]:
    return lambda x: Sym(sql(template, x.sql), "float", null=x.null)


def _defined(template: str) -> Callable[[Sym], Sym]:
    return lambda x: Sym(sql(f"nullif({template}, {series_rules.NAN})", x.sql), "float", null=True)


def _alike(template: str) -> Callable[[Sym], Sym]:
    return lambda x: replace(x, sql=sql(template, x.sql))


def _rounded(template: str) -> Callable[[Sym], Sym]:
    return lambda x: x if x.type == "int" else replace(x, sql=sql(template, x.sql))


def _sign(x: Sym) -> Sym:
    return replace(x, sql=sql("CAST(sign(_1) AS BIGINT)" if x.type == "int" else "CAST(sign(_1) AS DOUBLE)", x.sql))


def _test(template: str) -> Callable[[Sym], Sym]:
    def rule(x: Sym) -> Sym:
        if x.type == "int" and not x.null:
            return Sym(sqlx.literal("isfinite" in template), "bool")
        return Sym(sql(template, x.sql), "bool")

    return rule


def _without_nan(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``np.nan_to_num(s, nan=0.0)``: infinities become the largest floats, as NumPy has it."""
    given = dict(kwargs)
    fill = given.pop("nan", 0.0)
    high, low = given.pop("posinf", _LARGEST), given.pop("neginf", -_LARGEST)
    if not args or not isinstance(m.content(args[0]), Series | Frame):
        return v.MISSING
    if len(args) != 1 or given or not all(isinstance(x, int | float) for x in (fill, high, low)):
        raise Refused("np.nan_to_num with these parameters", "np.nan_to_num(x, nan=0.0)")
    bounds = [sqlx.literal(float(x)) for x in (fill, high, low)]
    template = "CASE WHEN _1 IS NULL THEN _2 WHEN isinf(_1) AND _1 > 0 THEN _3 WHEN isinf(_1) THEN _4 ELSE _1 END"

    def rule(x: Sym) -> Sym:
        return x if x.type == "int" else Sym(sql(template, x.sql, *bounds), "float")

    return _each(rule)(m, args, {})


_LARGEST = sys.float_info.max


def _columns(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> bool:
    """Whether a function is called with two operands, of which one is a column."""
    return len(args) == 2 and not kwargs and any(isinstance(m.content(a), Series) for a in args)


def _pair(template: str, kind: str | None) -> frames.SeriesRule:
    """A function of two numbers; missing where one of them is."""

    def rule(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if not _columns(m, args, kwargs):
            return v.MISSING
        rows, x, y = series_rules.pair(m, *args)
        if not {x.type, y.type} <= scalars.NUMERIC - {"bool"}:
            raise Refused(f"this function of NumPy for columns of {x.type} and {y.type}")
        tree = sql(template, x.sql, y.sql)
        absent = [sql("_1 IS NOT NULL", s.sql) for s in (x, y) if s.null]
        if absent and kind is None:  # greatest and least leave NULL out
            tree = sqlx.case(sqlx.conjunction(absent), tree, exp.null())
        made = kind or ("int" if x.type == y.type == "int" else "float")
        return Series(rows, Sym(tree, made, null=x.null or y.null, nan=True, name=x.name or y.name))

    return rule


def _operator(op: type[ast.operator]) -> frames.SeriesRule:
    def rule(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
        return series_rules.operate(m, op, *args) if _columns(m, args, kwargs) else v.MISSING

    return rule


def _method(name: str) -> frames.SeriesRule:
    """A function that is a method of a column, of one without missing values."""

    def rule(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
        held = m.content(args[0]) if args else None
        if not isinstance(held, Series):
            return v.MISSING
        if name == "cumsum":
            held = frames.FRAME_RULES["known"](m, held, "running sum")
        return held.method(m, args[0], name, list(args[1:]), dict(kwargs))

    return rule


RULES: dict[str, frames.SeriesRule] = {
    **{f"numpy.{name}": _each(_float(template)) for name, template in _ONE.items()},
    **{f"numpy.{name}": _each(_defined(template)) for name, template in _PARTLY_DEFINED.items()},
    **{f"numpy.{name}": _each(_alike(template)) for name, template in _OF_THEIR_KIND.items()},
    **{f"numpy.{name}": _each(_rounded(template)) for name, template in _WHOLE.items()},
    **{f"numpy.{name}": _each(_test(template)) for name, template in _TESTS.items()},
    "numpy.sign": _each(_sign),
    "numpy.cumsum": _method("cumsum"),
    "numpy.isin": _method("isin"),
    "numpy.logical_and": _operator(ast.BitAnd),
    "numpy.logical_or": _operator(ast.BitOr),
    "numpy.nan_to_num": _without_nan,
    **{f"numpy.{name}": _pair(template, None) for name, template in _TWO.items()},
    **{f"numpy.{name}": _pair(template, "float") for name, template in _ANGLES.items()},
    **{f"numpy.{name}": _operator(op) for name, op in _OPERATORS.items()},
}
