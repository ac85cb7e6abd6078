"""``while i < len(rows): ...; i += 1`` as ``for i in range(i, len(rows)): ...``."""

from __future__ import annotations

import ast

from lester_duck.lift import expressions
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.values import Sym


def as_for(m: Machine, node: ast.While) -> ast.For | None:
    """The loop that counts, where the bound depends on rows; None for other loops."""
    test = node.test
    counts = isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Lt)
    if not counts or not isinstance(test.left, ast.Name) or node.orelse or len(node.body) < 2:
        return None
    name, bound = test.left.id, test.comparators[0]
    first = m.env.get(name)
    if type(first) is not int or first < 0 or not _adds_one(node.body[-1], name):
        return None
    body = node.body[:-1]
    stored = {n.id for s in body for n in ast.walk(s) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    read = {n.id for n in ast.walk(bound) if isinstance(n, ast.Name)}
    if name in stored or read & stored or goes_on(body) or any(is_grown(s, read) for s in body):
        return None
    if not _is_text(m, bound) and not isinstance(expressions.evaluate(m, bound), Sym):
        return None
    call = ast.Call(ast.Name("range", ast.Load()), [ast.Constant(first), bound], [])
    made = ast.For(target=ast.Name(name, ast.Store()), iter=call, body=body, orelse=[])
    ast.copy_location(made, node)
    made.end_lineno = node.end_lineno
    return ast.fix_missing_locations(made)


def _adds_one(node: ast.stmt, name: str) -> bool:
    return ast.unparse(node) in (f"{name} += 1", f"{name} = {name} + 1", f"{name} = 1 + {name}")


def _is_text(m: Machine, bound: ast.expr) -> bool:
    """Whether the bound is the number of lines of a text that was cut, which has no length of its own."""
    plain = isinstance(bound, ast.Call) and ast.unparse(bound.func) == "len" and isinstance(bound.args[0], ast.Name)
    value = m.env.get(bound.args[0].id) if plain else None
    content = m.state.heap.get(value.id) if isinstance(value, v.Ref) else None
    return getattr(content, "what", "") == "list of lines and the end of the last one"


def goes_on(body: list[ast.stmt]) -> bool:
    """Whether the loop itself has a ``continue``, which would leave out the counting."""
    found = list(body)
    while found:
        part = found.pop()
        if isinstance(part, ast.Continue):
            return True
        if not isinstance(part, ast.For | ast.While | ast.FunctionDef):
            found += [n for n in ast.iter_child_nodes(part) if isinstance(n, ast.stmt | ast.ExceptHandler)]
    return False


def is_grown(node: ast.stmt, names: set[str]) -> bool:
    """Whether a list that bounds the loop is changed by it."""
    return any(
        isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id in names
        and n.attr in ("append", "pop", "insert", "extend", "remove", "clear")
        for n in ast.walk(node)
    )  # fmt: skip
