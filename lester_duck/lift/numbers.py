"""Numbers that are whole in some rows and floats in others: ``best = 99`` and then ``best = float(text)``.

They compare and add up alike; only their text differs, ``99`` and ``7.5``.
"""

from __future__ import annotations

import operator
from dataclasses import replace
from typing import Any

from sqlglot import exp

from lester_duck.lift import sqlx
from lester_duck.lift.values import Sym, Value

_OPERATORS = {exp.GT: operator.gt, exp.GTE: operator.ge, exp.LT: operator.lt, exp.LTE: operator.le,
              exp.EQ: operator.eq, exp.NEQ: operator.ne}  # fmt: skip


def merged(m: Any, condition: exp.Expression, made: Sym, one: tuple[Value, Sym], other: tuple[Value, Sym]) -> Sym:
    """One number or another, with the whole ones among them; how it was made is kept for its text."""
    m.numbers[sqlx.text(made.sql)] = (condition, one[1], other[1])
    sides = [_ints(value, sym) for value, sym in (one, other)]
    return made if None in sides else replace(made, ints=tuple(dict.fromkeys((*sides[0], *sides[1]))))


def _ints(value: Value, sym: Sym) -> tuple[int, ...] | None:
    if sym.type == "float":
        return ()
    return sym.ints if sym.type == "number" else (value,) if type(value) is int else None


def parts(m: Any, sym: Sym) -> tuple[exp.Expression, Value, Value] | None:
    """The condition and the two numbers that a number was made of; None where that is not known."""
    tree = sym.sql
    while isinstance(tree, exp.Column) and tree.table in m.lets and sqlx.text(tree) not in m.numbers:
        tree = m.lets[tree.table].value.sql
    return m.numbers.get(sqlx.text(tree))


def narrowed(m: Any, sym: Sym) -> Sym:
    """A number that is a float where the present path excludes all whole ones."""
    if sym.type != "number" or sym.ints is None:
        return sym
    text = sqlx.text(m.expand_tree(sym.sql))
    tests = [_test(sqlx.bare(m.expand_tree(atom)), text) for atom in m.state.path]
    if all(any(t is not None and not t[0](n, t[1]) for t in tests) for n in sym.ints):
        return replace(sym, type="float", ints=None)
    return sym


def _test(tree: exp.Expression, text: str) -> tuple[Any, float] | None:
    """The comparison of the number with a constant that a condition is."""
    denied = isinstance(tree, exp.Not)
    tree = sqlx.bare(tree.this) if denied else tree
    compare = _OPERATORS.get(type(tree))
    if compare is None or sqlx.text(sqlx.bare(tree.this)) != text:
        return None
    bound = sqlx.bare(tree.expression)
    sign = -1 if isinstance(bound, exp.Neg) else 1
    bound = sqlx.bare(bound.this) if isinstance(bound, exp.Neg) else bound
    if not isinstance(bound, exp.Literal) or bound.is_string:
        return None
    return (lambda a, b: not compare(a, b)) if denied else compare, sign * float(bound.name)
