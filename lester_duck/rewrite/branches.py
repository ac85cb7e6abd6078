"""Conditions of a CASE that its earlier branches imply: mutants that only weaken them are equivalent."""

from __future__ import annotations

from sqlglot import exp

from lester_duck.rewrite import mutate_sql

_ORDERING = exp.GT | exp.GTE | exp.LT | exp.LTE


def implied(node: exp.Expression, changed: exp.Expression) -> str:
    """Why a comparison in a branch may be weakened: an earlier branch takes the rows on which it does not hold.

    ``node`` is the site, the comparison or its number, ``changed`` what stands there in the mutant.
    """
    old = node if isinstance(node, _ORDERING) else node.parent
    new = changed if isinstance(changed, _ORDERING) else changed.parent
    if not isinstance(old, _ORDERING) or not isinstance(new, _ORDERING) or old.this != new.this:
        return ""
    branch = _branch(old)
    if branch is None or not _weaker(old, new):
        return ""
    negated = mutate_sql.NEGATED[type(old)](this=old.this.copy(), expression=old.expression.copy())
    before = [b.this for b in branch.parent.args["ifs"][: branch.index or 0]]
    if any(condition == negated for condition in before):
        return f"an earlier branch takes the rows with {negated.sql()}"
    return ""


def _branch(comparison: exp.Expression) -> exp.If | None:
    """The branch of a CASE of which a comparison is a condition, alone or with others joined by AND."""
    place = comparison.parent
    while isinstance(place, exp.And | exp.Paren):
        place = place.parent
    searched = isinstance(place, exp.If) and isinstance(place.parent, exp.Case) and place.parent.this is None
    return place if searched and comparison in mutate_sql.conjuncts(place.this) else None


def _weaker(old: exp.Expression, new: exp.Expression) -> bool:
    """Whether each number that meets the old comparison meets the new one.

    >>> x = exp.column("x")
    >>> _weaker(x > 5, x >= 5), _weaker(x > 5, x > 4), _weaker(x > 5, x > 6), _weaker(x < 5, x >= 5)
    (True, True, False, False)
    """
    a, b = old.expression, new.expression
    if not (isinstance(a, exp.Literal) and isinstance(b, exp.Literal) and a.is_number and b.is_number):
        return False
    up = isinstance(old, exp.GT | exp.GTE)
    if up is not isinstance(new, exp.GT | exp.GTE):
        return False
    one, other = float(a.this), float(b.this)
    if one == other:
        return isinstance(new, exp.GTE | exp.LTE) or type(old) is type(new)
    return other < one if up else other > one
