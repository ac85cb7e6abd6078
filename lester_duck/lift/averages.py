"""The ``statistics`` module: means, medians and deviations of all rows, or of the list of one key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lester_duck.lift import arrays, inner, lookups, scalars, sqlx, tops
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import MISSING, Refused, Value

Rule = Callable[[Machine, list[Value], dict[str, Value]], Value]
_KINDS = {"mean": ("mean", 0), "fmean": ("mean", 0), "median": ("median", 0), "pstdev": ("std", 0),
          "stdev": ("std", 1), "pvariance": ("var", 0), "variance": ("var", 1)}  # fmt: skip


def _rule(name: str) -> Rule:
    kind, ddof = _KINDS[name]

    def rule(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
        content = m.content(args[0])
        if len(args) > 1 or kwargs:
            return MISSING
        if isinstance(content, v.Group | inner.Inner):
            return _of_key(m, tops.listed_of(m, content))
        if not isinstance(content, v.ListOf | v.View | v.Vector):
            return MISSING
        element = scalars.scalar(content.element)
        _plain(element)
        count = m.whole("count", content.rel, None, "int")
        m.asserted.append((sql("_1 <= _2", count.sql, sqlx.literal(ddof)), m.line))
        found = arrays.aggregate(m, content, kind, ddof)
        return _typed(found, element)

    def _of_key(m: Machine, listed: inner.Inner) -> Value:
        listed = inner.settled(m, listed)
        element = scalars.scalar(listed.element)
        _plain(element)
        few = sql("_1 <= _2", lookups.size(m, listed.group).sql, sqlx.literal(ddof))
        m.raise_if(few, "ValueError", f"statistics.{name}() of too few values")
        said = f"{kind}_sample" if ddof else kind
        return _typed(lookups.aggregate(m, listed.group, said, element, "float"), element)

    def _plain(element: v.Sym) -> None:
        if element.type not in ("int", "float") or element.null or element.nan:
            raise Refused(f"statistics.{name}() of {element.type} values")

    def _typed(found: v.Sym, element: v.Sym) -> v.Sym:
        """A mean of whole numbers may be whole in Python, and so print without a point."""
        whole = element.type == "int" and name not in ("fmean", "pstdev", "stdev")
        return replace(found, type="number" if whole else "float")

    return rule


RULES = {f"statistics.{name}": _rule(name) for name in _KINDS}
