"""Numbers that may be NaN because pandas has NaN for what is missing, which a view has as NULL."""

from __future__ import annotations

from dataclasses import replace

from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.values import Sym

TESTS = {
    "isnan": "_1 IS NULL OR isnan(_1)", "isinf": "_1 IS NOT NULL AND isinf(_1)",
    "isfinite": "_1 IS NOT NULL AND isfinite(_1)",
}  # fmt: skip
"""What Python says of a number that may be missing, where missing is NaN."""


def may_be(sym: Sym) -> bool:
    """Whether a value may be missing, and a missing one is NaN."""
    return sym.null and sym.nan


def test(name: str, sym: Sym, tree: Tree) -> Tree:
    """``isnan(x)``, ``isinf(x)`` or ``isfinite(x)`` of a number, said as ``tree``."""
    return sql(TESTS[name] if may_be(sym) else f"{name}(_1)", tree)


def spread(made: Sym, *arguments: Sym) -> Sym:
    """The result of a function of numbers: NaN where one of them is."""
    return replace(made, null=True, nan=True) if any(may_be(a) for a in arguments) else made
