"""Statements that abbreviate others, written out: ``try`` around a lookup, ``counter.update(items)``."""

from __future__ import annotations

import ast

from lester_duck.lift import evolving, twolevels
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.values import Refused, Value

_PLAIN_CALLS = frozenset({"int", "float", "str", "len", "abs", "round", "strip", "lower", "upper"})


def as_if(m: Machine, node: ast.Try) -> ast.If | None:
    """``try: d[k].append(x)`` / ``except KeyError: d[k] = [x]`` as ``if k in d: ... else: ...``; None for others.

    Nothing but ``d[k]`` may raise KeyError in the body, or the handler raises it again at its beginning.
    """
    plain = len(node.body) == 1 and len(node.handlers) == 1 and not node.orelse and not node.finalbody
    handler = node.handlers[0] if plain else None
    if handler is None or handler.name or not isinstance(handler.type, ast.Name) or handler.type.id != "KeyError":
        return None
    found = _looked_up(node.body[0])
    if found is None or not isinstance(found.value, ast.Name) or not _is_filled(m, found.value.id):
        return None
    first = ast.unparse(handler.body[0]) if isinstance(handler.body[0], ast.Assign) else ""
    for part in ast.walk(node.body[0]):
        if part is found:
            continue
        if isinstance(part, ast.Subscript) and ast.unparse(part) not in first:
            return None
        if isinstance(part, ast.Call) and part.func is not node.body[0].value.func:
            name = part.func.attr if isinstance(part.func, ast.Attribute) else getattr(part.func, "id", "")
            if name not in _PLAIN_CALLS:
                return None
    test = ast.Compare(left=found.slice, ops=[ast.In()], comparators=[found.value])
    made = ast.If(test=test, body=node.body, orelse=handler.body)
    return ast.fix_missing_locations(ast.copy_location(made, node))


def _looked_up(node: ast.stmt) -> ast.Subscript | None:
    """``d[k]`` of ``d[k].method(...)`` as a statement."""
    called = node.value.func if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) else None
    inside = called.value if isinstance(called, ast.Attribute) else None
    return inside if isinstance(inside, ast.Subscript) else None


def _is_filled(m: Machine, name: str) -> bool:
    """Whether a name is a plain dict that the running loop fills: asking for a key does not make it."""
    value = m.env.get(name)
    content = m.state.heap.get(value.id) if isinstance(value, v.Ref) else None
    before = content.before if isinstance(content, evolving.Evolving) else content
    return isinstance(before, v.HDict) and before.default is None


def as_loop(m: Machine, node: ast.Expr, evaluate: object) -> ast.For | None:
    """``counter.update(items)`` as ``for item in items: counter[item] += 1``; None for other statements."""
    call = node.value
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or call.func.attr != "update":
        return None
    if len(call.args) != 1 or call.keywords or any(isinstance(n, ast.Call) for n in ast.walk(call.func.value)):
        return None
    if not _is_counter(m, evaluate(m, call.func.value)):
        return None
    with m.trial():
        given = m.content(evaluate(m, call.args[0]))
    if isinstance(given, v.HDict | v.DictOf | v.GroupedOf | v.Slot | evolving.Evolving | str):
        raise Refused("update() of a counter with another counter", "counts[k] += n in a loop over the other")
    target = ast.Subscript(value=call.func.value, slice=ast.Name("counted_item", ast.Load()), ctx=ast.Store())
    body: list[ast.stmt] = [ast.AugAssign(target=target, op=ast.Add(), value=ast.Constant(1))]
    made = ast.For(target=ast.Name("counted_item", ast.Store()), iter=call.args[0], body=body, orelse=[])
    return ast.fix_missing_locations(ast.copy_location(made, node))


def yields_each(node: ast.Expr) -> ast.For:
    """``yield from items`` as ``for item in items: yield item``."""
    made = ast.For(
        target=ast.Name("yielded", ast.Store()), iter=node.value.value,
        body=[ast.Expr(ast.Yield(ast.Name("yielded", ast.Load())))], orelse=[],
    )  # fmt: skip
    return ast.fix_missing_locations(ast.copy_location(made, node))


def _is_counter(m: Machine, value: Value) -> bool:
    if isinstance(value, v.Slot):
        return value.container == twolevels.KIND and ("counters", value.of.id) in m.files
    return isinstance(value, v.Ref) and ("counter", value.id) in m.files


def grows(m: Machine, base: v.Ref) -> bool:
    """Whether the script appends to what a dict holds: ``d[k].append(x)``."""
    for node in ast.walk(m.tree):
        if isinstance(node, ast.Attribute) and node.attr in ("append", "add") and isinstance(node.value, ast.Subscript):
            held = node.value.value
            if isinstance(held, ast.Name) and m.env.get(held.id) == base:
                return True
    return False
