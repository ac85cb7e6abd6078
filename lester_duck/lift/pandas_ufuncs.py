"""NumPy's functions of one or two columns, element by element; missing values stay missing."""

from __future__ import annotations

import ast

from sqlglot import exp

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_series as series_rules
from lester_duck.lift import pandas_shape as shape_rules
from lester_duck.lift import scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Series
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Refused, Sym, Value

_ONE = {
    "deg2rad": "radians(_1)", "radians": "radians(_1)", "rad2deg": "degrees(_1)", "degrees": "degrees(_1)",
    "tan": "tan(_1)", "tanh": "tanh(_1)", "arctan": "atan(_1)", "cbrt": "cbrt(_1)",
}  # fmt: skip
_TWO = {"maximum": "greatest(_1, _2)", "minimum": "least(_1, _2)"}
_ANGLES = {"arctan2": "atan2(_1, _2)", "hypot": "sqrt(_1 * _1 + _2 * _2)"}
_OPERATORS = {
    "add": ast.Add, "subtract": ast.Sub, "multiply": ast.Mult, "divide": ast.Div, "true_divide": ast.Div,
    "power": ast.Pow, "mod": ast.Mod, "floor_divide": ast.FloorDiv,
}  # fmt: skip


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


RULES: dict[str, frames.SeriesRule] = {
    **{f"numpy.{name}": shape_rules.numeric(template) for name, template in _ONE.items()},
    **{f"numpy.{name}": _pair(template, None) for name, template in _TWO.items()},
    **{f"numpy.{name}": _pair(template, "float") for name, template in _ANGLES.items()},
    **{f"numpy.{name}": _operator(op) for name, op in _OPERATORS.items()},
}
