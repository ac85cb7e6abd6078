"""A header skipped by a flag: ``if first: first = False; continue`` at the top of a loop over the lines of a file."""

from __future__ import annotations

import ast
import copy
from dataclasses import replace

from lester_duck.lift import once
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.values import Poison, Value


def without(m: Machine, node: ast.For, iterable: Value) -> ast.For:
    """The loop without the flag, and the file without its first line; the loop itself where there is no such flag."""
    content = m.content(iterable)
    flag = _flag(node)
    if flag is None or m.frames or not isinstance(content, v.HFile) or once.is_ended(content):
        return node
    name, begins = flag
    if m.env.get(name) is not begins or len(node.body) < 2 or _mentioned(m, node, name):
        return node
    m.update(iterable, replace(content, skipped=content.skipped + 1))
    m.env[name] = Poison(f"'{name}' after the first line, if there was one", node.lineno)
    rest = copy.copy(node)
    rest.body = node.body[1:]
    return rest


def _flag(node: ast.For) -> tuple[str, bool] | None:
    """The name of the flag, and what it is before the first line."""
    first = node.body[0]
    if not isinstance(first, ast.If) or first.orelse or len(first.body) != 2:
        return None
    inverse = isinstance(first.test, ast.UnaryOp) and isinstance(first.test.op, ast.Not)
    test = first.test.operand if inverse else first.test
    done, leave = first.body
    if not isinstance(test, ast.Name) or not isinstance(leave, ast.Continue) or not isinstance(done, ast.Assign):
        return None
    same = len(done.targets) == 1 and isinstance(done.targets[0], ast.Name) and done.targets[0].id == test.id
    value = done.value.value if isinstance(done.value, ast.Constant) else None
    return (test.id, not inverse) if same and value is inverse else None


def _mentioned(m: Machine, node: ast.For, name: str) -> bool:
    """Whether the flag is used again: in the rest of the loop, or read after it before it is set anew."""
    inside = [n for s in node.body[1:] for n in ast.walk(s)]
    after = [n for n in ast.walk(m.tree) if getattr(n, "lineno", 0) > (node.end_lineno or node.lineno)]
    used = [n for n in [*inside, *after] if isinstance(n, ast.Name) and n.id == name]
    return any(n in inside for n in used) or (bool(used) and isinstance(min(used, key=_place).ctx, ast.Load))


def _place(node: ast.Name) -> tuple[int, int]:
    return node.lineno, node.col_offset
