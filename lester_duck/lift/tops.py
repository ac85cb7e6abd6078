"""The largest entries of the dict or list of one key: ``most_common``, ``max`` and ``min``, sums and sorts by value."""

from __future__ import annotations

import ast
import copy
from dataclasses import replace

from lester_duck.lift import builtin_rules, inner, lookups, scalars, sqlx, twolevels
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import free_name
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Refused, Sym, Value

_ORDERED = frozenset({"int", "float", "bool", "str", "date", "datetime", "timedelta", "days"})


def most_common(m: Machine, receiver: Value, args: list[Value], kwargs: dict[str, Value]) -> inner.Inner:
    """``counts[k].most_common(n)``: the largest counts of one key first, of equal ones what came first."""
    group = m.content(receiver)
    count = args[0] if args else kwargs.get("n")
    if group.of.container != twolevels.KIND or not isinstance(group.of.element[1], Sym):
        raise Refused("most_common() of something that is no counter")
    if group.of.element[1].null or not (count is None or (type(count) is int and count >= 0)):
        raise Refused("most_common() of these counts", "counts[k].most_common(n) with a constant n")
    listed = replace(inner.entries(group), order=((group.of.element[1], True),))
    return listed if count is None else listed.subscript(m, receiver, slice(None, count))


def listed_of(m: Machine, value: Value) -> inner.Inner | None:
    """All elements of one key; None for other things."""
    content = m.content(value)
    if isinstance(content, v.Group):
        return inner.of(content)
    return content if isinstance(content, inner.Inner) else None


def extreme(m: Machine, kind: str, value: Value, kwargs: dict[str, Value]) -> Value:
    """``max(d[k], key=...)`` and ``min``: the element with the most or least, the first of equals."""
    listed = listed_of(m, value)
    if set(kwargs) - {"key"}:
        raise Refused(f"{kind}() of this list of one key", f"{kind}(items, key=...)")
    listed = inner.settled(m, listed)
    terms = builtin_rules.ordered(m, *_by_entry(m, listed, kwargs)).order
    if any(s.type not in _ORDERED or s.nan for s, _ in terms):
        raise Refused(f"{kind}() with a key of this type")
    for s, _ in terms:
        _no_nan(m, listed, s)
    group = listed.group
    m.raise_if(sqlx.negate(group.present), "ValueError", f"{kind}() of an empty list")
    order = tuple((s, descending is not (kind == "max")) for s, descending in terms)
    found = v.map_syms(listed.element, lambda s: inner.aggregated(m, group, "first", s, (*order, *listed.order)))
    return lookups.thaw(m, found)


def _no_nan(m: Machine, listed: inner.Inner, term: Sym) -> None:
    """What is compared is a number: one that is not has no place among the others."""
    if term.type == "float":
        most = lookups.aggregate(m, listed.group, "max", term, "float")  # NaN is above all numbers
        m.oblige(sql("isnan(_1)", most.sql), "a key that is not a number")


def plain(m: Machine, kind: str, listed: inner.Inner) -> Value:
    """``sum``, ``max`` and ``min`` of ``d[k].values()``, ``d[k].keys()`` or a sorted list of one key."""
    listed = inner.settled(m, listed)
    element = scalars.scalar(listed.element)
    numbers = element.type in ("int", "float")
    if element.null or element.nan or not (numbers or (kind != "sum" and element.type in _ORDERED)):
        raise Refused(f"{kind}() of this part of the list of one key")
    if kind == "sum" and element.type == "float" and listed.order:
        raise Refused("sum() of sorted numbers", "sum() of the list")
    group = listed.group
    if kind != "sum":
        m.raise_if(sqlx.negate(group.present), "ValueError", f"{kind}() of an empty list")
    found = lookups.aggregate(m, group, kind, element, element.type)
    if kind != "sum" or m.implied(group.present):
        return found
    return Sym(sql("coalesce(_1, 0)", found.sql), element.type, name=found.name)


def ordered(m: Machine, listed: inner.Inner, kwargs: dict[str, Value]) -> inner.Inner:
    """``sorted(d[k], key=...)``, also by what the dict ``d[k]`` holds."""
    if listed.order:
        raise Refused("a sort of sorted rows")
    listed = inner.settled(m, listed)
    return replace(listed, order=builtin_rules.ordered(m, *_by_entry(m, listed, kwargs)).order)


def _by_entry(m: Machine, listed: inner.Inner, kwargs: dict[str, Value]) -> tuple[v.View, dict[str, Value]]:
    """The elements to be compared, and by what; where the key asks the dict itself, its entries."""
    view, function = v.View(listed.rel, listed.element), kwargs.get("key")
    of = listed.group.of
    if of.container != twolevels.KIND or listed.rel is not of.rel or listed.element is not of.element[0]:
        return view, kwargs
    asks = isinstance(function, v.Method) and function.name in ("get", "__getitem__")
    if asks and _is_own(m, function.receiver, listed.group):
        return replace(view, element=of.element), {**kwargs, "key": _lambda("lambda pair: pair[1]")}
    if isinstance(function, v.Func) and isinstance(function.node, ast.Lambda) and len(function.node.args.args) == 1:
        name = function.node.args.args[0].arg
        names = {n.id for n in ast.walk(function.node) if isinstance(n, ast.Name)}
        dicts = {n for n in names if _is_own(m, function.closure.get(n, m.env.get(n)), listed.group)}
        pair = free_name("pair", names)
        body = _Entries(dicts, name, pair).visit(copy.deepcopy(function.node))
        body.args.args[0].arg = pair
        return replace(view, element=of.element), {**kwargs, "key": replace(function, node=body)}
    return view, kwargs


def _is_own(m: Machine, value: Value, group: v.Group) -> bool:
    content = m.content(value) if isinstance(value, v.Ref | v.Group) else None
    return isinstance(content, v.Group) and content.of is group.of and content.alias == group.alias


def _lambda(text: str) -> v.Func:
    return v.Func("lambda", ast.parse(text, mode="eval").body, {}, False)


class _Entries(ast.NodeTransformer):
    """A function of a key as one of the pair of key and value: ``d[k]`` becomes the value."""

    def __init__(self, dicts: set[str], key: str, pair: str) -> None:
        self.dicts = dicts
        self.key = key
        self.pair = pair

    def _part(self, at: int) -> ast.expr:
        return ast.parse(f"{self.pair}[{at}]", mode="eval").body

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """``d[k]``."""
        own = isinstance(node.value, ast.Name) and node.value.id in self.dicts
        if own and isinstance(node.slice, ast.Name) and node.slice.id == self.key:
            return self._part(1)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """``d.get(k)``."""
        called = node.func
        own = isinstance(called, ast.Attribute) and called.attr == "get" and isinstance(called.value, ast.Name)
        if own and called.value.id in self.dicts and node.args and ast.unparse(node.args[0]) == self.key:
            return self._part(1)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """The key itself."""
        return self._part(0) if node.id == self.key else node
