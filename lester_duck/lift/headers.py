"""A header skipped by a flag: ``if first: first = False; continue`` at the top of a loop over the lines of a file."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable
from dataclasses import replace

from lester_duck.lift import expressions, once
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.values import Poison, Refused, Value


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


def first_read(m: Machine, node: ast.For, run: Callable[[list[ast.stmt]], None]) -> ast.For:
    """``for i, row in enumerate(reader): if i == 0: header = row; continue`` with the first row read before the loop.

    The loop itself where it is no such loop, or where the rows are not those of a file.
    """
    found = _numbered_header(node)
    if found is None or m.frames:
        return node
    number, row, begins = found
    try:
        with m.trial():
            reader = expressions.evaluate(m, node.iter.args[0])
            content = m.content(reader)
            if not isinstance(content, v.HFile) and getattr(content, "what", "") != "csv.reader":
                raise Refused("a header that is an element of a list")
            name = f"reader of line {node.lineno}"
            m.env[name] = reader
            kept = node.body[0].body[:-1]
            source = ast.Name(name, ast.Load())
            default = [] if kept else [ast.Constant(None)]
            value = ast.Call(ast.Name("next", ast.Load()), [source, *default], [])
            first: list[ast.stmt] = [ast.Assign([ast.Name(row, ast.Store())], value)]
            counted = ast.Assign([ast.Name(number, ast.Store())], ast.Constant(begins))
            run([_placed(s, node) for s in (*first, counted, *kept)])
    except Refused:
        return node
    rest = copy.copy(node)
    rest.body = node.body[1:]
    rest.iter = _placed(ast.Call(node.iter.func, [source, ast.Constant(begins + 1)], []), node)
    return rest


def _placed(node: ast.AST, where: ast.AST) -> ast.AST:
    return ast.fix_missing_locations(ast.copy_location(node, where))


def _numbered_header(node: ast.For) -> tuple[str, str, int] | None:
    """The names of the number and of the row, and the number of the first row."""
    names = node.target.elts if isinstance(node.target, ast.Tuple) else []
    call, first = node.iter, node.body[0]
    if len(names) != 2 or not all(isinstance(n, ast.Name) for n in names) or node.orelse or len(node.body) < 2:
        return None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id != "enumerate":
        return None
    start = [*call.args[1:], *(k.value for k in call.keywords if k.arg == "start")]
    begins = start[0].value if start and isinstance(start[0], ast.Constant) else None if start else 0
    if not isinstance(first, ast.If) or first.orelse or not isinstance(first.body[-1], ast.Continue):
        return None
    if not all(isinstance(s, ast.Assign) for s in first.body[:-1]):
        return None
    number, row = (n.id for n in names)
    said = ast.unparse(first.test)
    fits = said == f"{number} == {begins}" or (begins == 0 and said == f"not {number}")
    return (number, row, begins) if fits and type(begins) is int else None


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
