"""State that is kept apart by a key of the row: dicts that a step only reads and changes under that key."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from lester_duck.lift.values import Sym, Value

_METHODS = frozenset({"get", "setdefault"})


def key(body: list[ast.stmt], state: set[str], arguments: Mapping[str, Sym]) -> Value:
    """The argument by which all of the state is kept apart; an empty key where there is none."""
    changed = {n.id for s in body for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    keys: set[str] = set()
    held = 0
    for statement in body:
        for node in ast.walk(statement):
            under = _under(node, state)
            if under is not None:
                keys.add(under)
                held += 1
    mentioned = sum(isinstance(n, ast.Name) and n.id in state for s in body for n in ast.walk(s))
    if mentioned != held or len(keys) != 1:
        return ()
    name = next(iter(keys))
    return arguments[name] if name in arguments and name not in changed and not arguments[name].null else ()


def _under(node: ast.AST, state: set[str]) -> str | None:
    """The name under which an entry of the state is used; an empty text where it is no name."""
    if isinstance(node, ast.Subscript) and _is(node.value, state):
        return _name(node.slice)
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.In | ast.NotIn):
        return _name(node.left) if _is(node.comparators[0], state) else None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is(node.func.value, state):
        return _name(node.args[0]) if node.func.attr in _METHODS and node.args else ""
    return None


def _is(node: ast.expr, state: set[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in state


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""
