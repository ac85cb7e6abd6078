"""Which expressions of a function's text give a date or a time, or a number taken from one.

A time with a time zone is none of these: a column of times has no zone.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

Type = Callable[[ast.expr], "str | None"]
_PARTS = frozenset({"year", "month", "day", "hour", "minute", "second", "microsecond"})
_DATES = ("date", "datetime")


def of(node: ast.expr, type_of: Type) -> str | None:
    """``date``, ``datetime`` or ``int`` where the text says so; None if unclear.

    >>> of(ast.parse("datetime.strptime(x, '%d.%m.%y').date()", mode="eval").body, lambda n: None)
    'date'
    """
    if isinstance(node, ast.Attribute):
        return _part(node, type_of)
    if isinstance(node, ast.Call):
        return _call(node, type_of)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        left = type_of(node.left)
        return left if left in _DATES and _is_duration(node.right) else None
    return None


def _part(node: ast.Attribute, type_of: Type) -> str | None:
    """``day.year`` and ``(a - b).days``."""
    if node.attr in _PARTS and type_of(node.value) in _DATES:
        return "int"
    value = node.value
    if node.attr == "days" and isinstance(value, ast.BinOp) and isinstance(value.op, ast.Sub):
        both = {type_of(value.left), type_of(value.right)}
        return "int" if both in ({"date"}, {"datetime"}) else None
    return None


def _call(node: ast.Call, type_of: Type) -> str | None:
    said = ast.unparse(node.func)
    if said.endswith(".date") and not node.args and not node.keywords:
        return "date"
    if said == "date" or said.endswith((".date", "date.fromisoformat")):
        return "date"
    if said.endswith("datetime.strptime") and len(node.args) == 2:
        form = node.args[1].value if isinstance(node.args[1], ast.Constant) else None
        return "datetime" if isinstance(form, str) and "%z" not in form and "%Z" not in form else None
    if said in ("datetime", "datetime.datetime") and len(node.args) <= 7 and not node.keywords:
        return "datetime" if not any(isinstance(a, ast.Starred) for a in node.args) else None
    return None


def _is_duration(node: ast.expr) -> bool:
    """Whether an expression is a number of days, hours ...: ``timedelta(days=1)``, also times a number."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Add | ast.Sub):
        return _is_duration(node.left) or _is_duration(node.right)
    return isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "timedelta"
