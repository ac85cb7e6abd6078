"""``while day <= end: ...; day += timedelta(days=1)`` within a loop over rows: one step per day between two dates."""

from __future__ import annotations

import ast
import datetime

from sqlglot import exp

from lester_duck.lift import expressions, scalars, sqlx, whiles
from lester_duck.lift.exploded import Exploded
from lester_duck.lift.machine import Machine
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Refused, Sym, Value

_STEPS = "steps of a while loop"
_BEGIN = exp.cast(exp.Literal.string("1970-01-01"), "DATE")


def as_for(m: Machine, node: ast.While) -> ast.stmt | None:
    """The loop over the dates or whole numbers from a name to a bound; None for other loops.

    Further conditions of the loop that nothing in it changes become an ``if`` around it.
    """
    every = isinstance(node.test, ast.BoolOp) and isinstance(node.test.op, ast.And)
    first, *others = node.test.values if every else [node.test]
    counts = isinstance(first, ast.Compare) and len(first.ops) == 1 and isinstance(first.left, ast.Name)
    if not m.frames or not counts or node.orelse or not isinstance(first.ops[0], ast.Lt | ast.LtE):
        return None
    name, bound, body = first.left.id, first.comparators[0], node.body[:-1]
    step = _step(m, node.body[-1], name)
    start = m.env.get(name)
    if step is None or not body or not isinstance(start, Sym) or whiles.goes_on(body):
        return None
    stored = {n.id for s in body for n in ast.walk(s) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    read = {n.id for part in (bound, *others) for n in ast.walk(part) if isinstance(n, ast.Name)}
    if name in stored | read or read & stored or any(whiles.is_grown(s, read) for s in body):
        return None
    m.env[_STEPS] = _steps(m, start, expressions.evaluate(m, bound), step, isinstance(first.ops[0], ast.LtE))
    made: ast.stmt = ast.For(ast.Name(name, ast.Store()), ast.Name(_STEPS, ast.Load()), body, [])
    if others:
        test = others[0] if len(others) == 1 else ast.BoolOp(ast.And(), others)
        made = ast.If(test, [ast.copy_location(made, node)], [])
    return ast.fix_missing_locations(ast.copy_location(made, node))


def _step(m: Machine, node: ast.stmt, name: str) -> int | datetime.timedelta | None:
    """What the loop's last statement adds to the name: a number, or a duration."""
    added: ast.expr | None = None
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add) and ast.unparse(node.target) == name:
        added = node.value
    elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name and len(node.targets) == 1:
        sum_ = node.value
        if isinstance(sum_, ast.BinOp) and isinstance(sum_.op, ast.Add) and ast.unparse(sum_.left) == name:
            added = sum_.right
    if added is None:
        return None
    value = expressions.evaluate(m, added)
    return value if type(value) is int or isinstance(value, datetime.timedelta) else None


def _steps(m: Machine, start: Sym, bound: Value, step: int | datetime.timedelta, inclusive: bool) -> Exploded:
    """The numbers from the start to the bound; dates by their number."""
    last = scalars.scalar(bound)
    if start.null or last.null or start.type != last.type or start.type not in ("int", "date"):
        raise Refused("a while loop between values of these types", "dates, or whole numbers, that are not None")
    by = step if start.type == "int" else step.days if isinstance(step, datetime.timedelta) else 0
    if type(by) is not int or by < 1 or (start.type == "date" and step != datetime.timedelta(days=by)):
        raise Refused("a while loop that adds this", "day += timedelta(days=1)")
    low, high = (_number(s) for s in (start, last))
    end = sql("_1 + 1", high) if inclusive else high
    numbers = Exploded(sql("range(_1, _2, _3)", low, end, sqlx.literal(by)), "int")
    if start.type == "int":
        return numbers
    return Exploded(numbers.items, "int", (_date,))


def _number(value: Sym) -> exp.Expression:
    return value.sql if value.type == "int" else sql("date_diff('day', _1, _2)", _BEGIN, value.sql)


def _date(number: Value) -> Value:
    return Sym(sql("_1 + CAST(_2 AS INTEGER)", _BEGIN, number.sql), "date", name=number.name)
