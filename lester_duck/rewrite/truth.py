"""Conditions and CASEs compared for every value that their terms could have.

A condition is made of *terms*: what is neither AND, OR, NOT, a comparison with a literal, IN,
BETWEEN, IS NULL, CASE nor COALESCE is taken as it is, by its text. Each term gets one value of every
kind that the literals beside it tell apart: the literals, one between each two, one below, one above,
NULL. What is the same for all combinations of these is the same on all data, for the terms can have
no other kinds of values; that some combinations never occur only makes the answer more careful.

>>> import sqlglot
>>> a, b = sqlglot.parse_one("x < 3 OR x >= 3 AND y"), sqlglot.parse_one("x < 3 OR y AND x > 2.5")
>>> same(a, b, decides=True), same(a, sqlglot.parse_one("x < 3 OR x > 3 AND y"), decides=True)
(True, False)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from sqlglot import exp

from lester_duck.rewrite.terms import TRUTHS, Term, asked_of, copied, exclusive, is_square, is_whole

MAX_COMBINATIONS = 6000
Value = Any
Env = dict[str, Value]
Formula = Callable[[Env], Value]
_COMPARED: dict[type, Callable[[Any, Any], bool]] = {
    exp.EQ: lambda a, b: a == b, exp.NEQ: lambda a, b: a != b, exp.LT: lambda a, b: a < b,
    exp.LTE: lambda a, b: a <= b, exp.GT: lambda a, b: a > b, exp.GTE: lambda a, b: a >= b,
}  # fmt: skip
_MIRRORED = {exp.LT: exp.GT, exp.GT: exp.LT, exp.LTE: exp.GTE, exp.GTE: exp.LTE}
KINDS = (exp.And, exp.Or, exp.Not, exp.Paren, exp.Is, exp.In, exp.Between, exp.Case, exp.If, exp.Coalesce,
         exp.NullSafeEQ, exp.NullSafeNEQ, *_COMPARED)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A condition of which it is known that it is true, or (``holds`` False) that it is not true."""

    condition: exp.Expression
    holds: bool = True


class Compiler:
    """Formulas over shared terms; ``never_null`` says which terms are never NULL."""

    def __init__(self, never_null: Callable[[exp.Expression], bool] | None = None) -> None:
        self.terms: dict[str, Term] = {}
        self._never_null = never_null or (lambda _: False)

    def formula(self, node: exp.Expression, *, truth: bool) -> Formula:
        """The value of an expression; ``truth`` says that it is a truth value."""
        made = _RULES.get(type(node))
        if made is not None:
            return made(self, node, truth)
        if type(node) in _COMPARED:
            return self._comparison(node)
        literal = _literal(node)
        if literal is not None:
            return lambda _: literal
        return self.term(node, truth=truth)

    def term(self, node: exp.Expression, *, truth: bool = False, sign: bool = False, key: str = "") -> Formula:
        """A term as it is."""
        key = key or node.sql("duckdb")
        if key not in self.terms:
            null = not isinstance(node, exp.Star) and not self._never_null(node)
            self.terms[key] = Term(null=null, whole=is_whole(node), low=not is_square(node), asked=asked_of(node))
        term = self.terms[key]
        term.truth |= (truth or isinstance(node, TRUTHS)) and not sign
        term.sign |= sign
        return lambda env: env[key]

    def _comparison(self, node: exp.Expression) -> Formula:
        left, right, kind = node.this, node.expression, type(node)
        if _literal(left) is not None and _literal(right) is None:
            left, right, kind = right, left, _MIRRORED.get(kind, kind)
        literal, compare = _literal(right), _COMPARED[kind]
        if literal is None or isinstance(literal, bool):
            return self._sign(left, right, kind)
        value = self._value(left, (literal,))
        return lambda env: _apply(compare, value(env), literal)

    def _sign(self, left: exp.Expression, right: exp.Expression, kind: type) -> Formula:
        """Two terms compared: one is below, equal to or above the other, or either is NULL."""
        one, two = left.sql("duckdb"), right.sql("duckdb")
        if one > two:
            one, two, kind = two, one, _MIRRORED.get(kind, kind)
        both = exp.Tuple(expressions=[left.copy(), right.copy()])
        value, compare = self.term(both, sign=True, key=f"{one} <=> {two}"), _COMPARED[kind]
        self.terms[f"{one} <=> {two}"].null = not (self._never_null(left) and self._never_null(right))
        return lambda env: _apply(compare, value(env), 0)

    def _value(self, node: exp.Expression, literals: Iterable[Value]) -> Formula:
        """A value that is compared with literals: each term it may come from is told apart by them."""
        before = {key: (len(t.numbers), len(t.texts)) for key, t in self.terms.items()}
        made = self.formula(node, truth=False)
        for key in before.keys() | self.terms.keys():
            if any(part.sql("duckdb") == key for part in _results(node)):
                for literal in literals:
                    held = self.terms[key].texts if isinstance(literal, str) else self.terms[key].numbers
                    held.add(literal)
        return made


def _results(node: exp.Expression) -> Iterator[exp.Expression]:
    """The expressions whose value an expression may have."""
    if isinstance(node, exp.Paren):
        yield from _results(node.this)
    elif isinstance(node, exp.Coalesce):
        for part in (node.this, *node.expressions):
            yield from _results(part)
    elif isinstance(node, exp.Case):
        default = node.args.get("default")
        for part in (*(b.args["true"] for b in node.args["ifs"]), *([default] if default else [])):
            yield from _results(part)
    else:
        yield node


def _literal(node: exp.Expression) -> Value | None:
    """The value of a literal: a number, a text or a truth value; None for anything else."""
    if isinstance(node, exp.Paren):
        return _literal(node.this)
    if isinstance(node, exp.Neg):
        inner = _literal(node.this)
        return -inner if isinstance(inner, float) else None
    if isinstance(node, exp.Boolean):
        return bool(node.this)
    if isinstance(node, exp.Literal):
        return node.this if node.is_string else float(node.this)
    return None


def _apply(compare: Callable[[Any, Any], bool], one: Value, other: Value) -> bool | None:
    if one is None or other is None:
        return None
    if isinstance(one, str) is not isinstance(other, str):
        return False
    return compare(one, other)


def _and(compiler: Compiler, node: exp.Expression, _: bool) -> Formula:
    one, two = (compiler.formula(side, truth=True) for side in (node.this, node.expression))

    def both(env: Env) -> bool | None:
        a = one(env)
        if a is False:
            return False
        b = two(env)
        return False if b is False else None if a is None or b is None else True

    return both


def _or(compiler: Compiler, node: exp.Expression, _: bool) -> Formula:
    one, two = (compiler.formula(side, truth=True) for side in (node.this, node.expression))

    def either(env: Env) -> bool | None:
        a = one(env)
        if a is True:
            return True
        b = two(env)
        return True if b is True else None if a is None or b is None else False

    return either


def _not(compiler: Compiler, node: exp.Expression, _: bool) -> Formula:
    inner = compiler.formula(node.this, truth=True)

    def opposite(env: Env) -> bool | None:
        value = inner(env)
        return None if value is None else not value

    return opposite


def _paren(compiler: Compiler, node: exp.Expression, truth: bool) -> Formula:
    return compiler.formula(node.this, truth=truth)


def _is(compiler: Compiler, node: exp.Expression, truth: bool) -> Formula:
    if not isinstance(node.expression, exp.Null | exp.Boolean):
        return compiler.term(node, truth=True)
    asked = None if isinstance(node.expression, exp.Null) else bool(node.expression.this)
    value = compiler.formula(node.this, truth=asked is not None)
    return lambda env: value(env) is asked


def _in(compiler: Compiler, node: exp.Expression, truth: bool) -> Formula:
    literals = [_literal(e) for e in node.expressions]
    if not literals or any(v is None or isinstance(v, bool) for v in literals):
        return compiler.term(node, truth=True)
    value = compiler._value(node.this, literals)

    def among(env: Env) -> bool | None:
        found = value(env)
        return None if found is None else found in literals

    return among


def _between(compiler: Compiler, node: exp.Expression, truth: bool) -> Formula:
    low, high = _literal(node.args["low"]), _literal(node.args["high"])
    if low is None or high is None:
        return compiler.term(node, truth=True)
    value = compiler._value(node.this, (low, high))

    def within(env: Env) -> bool | None:
        found = value(env)
        above, below = _apply(_COMPARED[exp.GTE], found, low), _apply(_COMPARED[exp.LTE], found, high)
        return None if above is None or below is None else above and below

    return within


def _case(compiler: Compiler, node: exp.Expression, truth: bool) -> Formula:
    asked = node.this
    branches = []
    for branch in node.args["ifs"]:
        condition = exp.EQ(this=asked.copy(), expression=branch.this.copy()) if asked is not None else branch.this
        branches.append((compiler.formula(condition, truth=True), compiler.formula(branch.args["true"], truth=truth)))
    default = node.args.get("default")
    otherwise = compiler.formula(default, truth=truth) if default is not None else _nothing

    def chosen(env: Env) -> Value:
        for condition, result in branches:
            if condition(env) is True:
                return result(env)
        return otherwise(env)

    return chosen


def _nothing(_: Env) -> None:
    return None


def _null(compiler: Compiler, node: exp.Expression, truth: bool) -> Formula:
    return _nothing


def _coalesce(compiler: Compiler, node: exp.Expression, truth: bool) -> Formula:
    truth = truth or any(isinstance(e, exp.Boolean) for e in node.expressions)
    values = [compiler.formula(v, truth=truth) for v in (node.this, *node.expressions)]
    return lambda env: next((v for value in values if (v := value(env)) is not None), None)


def _null_safe(compiler: Compiler, node: exp.Expression, truth: bool) -> Formula:
    one, two = (compiler.formula(side, truth=_is_truth(side)) for side in (node.this, node.expression))
    equal = isinstance(node, exp.NullSafeEQ)
    return lambda env: (one(env) == two(env)) is equal


def _is_truth(node: exp.Expression) -> bool:
    return isinstance(node, exp.Is | exp.Not | exp.And | exp.Or | exp.In | exp.Between | exp.Predicate)


_RULES: dict[type, Callable[[Compiler, exp.Expression, bool], Formula]] = {
    exp.And: _and, exp.Or: _or, exp.Not: _not, exp.Paren: _paren, exp.Is: _is, exp.In: _in, exp.Between: _between,
    exp.Case: _case, exp.Coalesce: _coalesce, exp.Null: _null, exp.NullSafeEQ: _null_safe,
    exp.NullSafeNEQ: _null_safe,
}  # fmt: skip


def same(
    one: exp.Expression,
    other: exp.Expression,
    *,
    decides: bool,
    facts: Sequence[Fact] = (),
    never_null: Callable[[exp.Expression], bool] | None = None,
) -> bool:
    """Whether two expressions are the same for all values of their terms that the facts allow.

    ``decides`` says that both are only asked for being true (in WHERE, say): NULL is then like false.
    False as well where there are too many combinations to look at.
    """
    compiler = Compiler(never_null)
    if one == other:
        return True
    truth = decides or _is_truth(one)
    mine, theirs = compiler.formula(one, truth=truth), compiler.formula(other, truth=truth)
    known: list[tuple[Formula, bool]] = []
    if _size(compiler) > MAX_COMBINATIONS:
        return False
    waiting = sorted(facts, key=lambda f: len(f.condition.sql()))
    for _ in range(2):  # a fact may be about a term that another one names
        left = []
        for fact in waiting:
            wider = Compiler(never_null)
            wider.formula(fact.condition, truth=True)
            if not compiler.terms.keys() & wider.terms.keys():
                left.append(fact)
                continue
            before = {key: copied(term) for key, term in compiler.terms.items()}
            formula = compiler.formula(fact.condition, truth=True)
            if _size(compiler) > MAX_COMBINATIONS:
                compiler.terms = before
            else:
                known.append((formula, fact.holds))
        waiting = left
    names = list(compiler.terms)
    excluded = list(exclusive(compiler.terms))
    for values in product(*(compiler.terms[name].values() for name in names)):
        env = dict(zip(names, values, strict=True))
        if any((formula(env) is True) is not holds for formula, holds in known):
            continue
        if any(env[a] is True and env[b] is not_b for a, b, not_b in excluded):
            continue
        a, b = mine(env), theirs(env)
        if ((a is True) is not (b is True)) if decides else ((type(a), a) != (type(b), b)):
            return False
    return all(compiler.terms[name].values() for name in names)


def _size(compiler: Compiler) -> int:
    return prod(len(term.values()) for term in compiler.terms.values())
