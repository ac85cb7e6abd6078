"""``None if math.isnan(x) else x``: a text that says nan is no fault of the data where the script asks for it.

A view has no NaN that is read from a text, as comparisons and sums of Python treat it unlike those of SQL.
Where the script tests a number before it uses it, and leaves it alone where it is NaN, it may be one.
"""

from __future__ import annotations

import ast

from lester_duck.lift import sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Sym

_TESTS = frozenset({"math.isnan", "isnan", "np.isnan", "numpy.isnan"})
_LEAVING = (ast.Return, ast.Continue, ast.Raise)


def note(m: Machine, node: ast.IfExp | ast.If) -> None:
    """Forget that a number read from a text must not be NaN, where this is the test that takes care of it."""
    name = _tested(node.test)
    value = m.env.get(name) if name else None
    if not m.frames or not isinstance(value, Sym) or value.type != "float" or not _is_safe(m, node, name):
        return
    fails = sqlx.text(sql("isnan(_1)", m.expand(value).sql))
    m.obligations[:] = [o for o in m.obligations if sqlx.text(m.expand_tree(o.fails)) != fails]


def _tested(test: ast.expr) -> str | None:
    """The name that a condition asks first whether it is NaN: the condition holds then."""
    first = test.values[0] if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or) else test
    if isinstance(first, ast.Call) and ast.unparse(first.func) in _TESTS and isinstance(first.args[0], ast.Name):
        return first.args[0].id
    unequal = isinstance(first, ast.Compare) and len(first.ops) == 1 and isinstance(first.ops[0], ast.NotEq)
    same = unequal and isinstance(first.left, ast.Name) and ast.unparse(first.left) == ast.unparse(first.comparators[0])
    return first.left.id if same else None


def _is_safe(m: Machine, node: ast.IfExp | ast.If, name: str) -> bool:
    """Whether nothing reads the name before the test, nor where the test holds."""
    around = _around(m.tree, node)
    inside = {id(n) for n in ast.walk(node)}
    others = [n for n in _loads(around, name) if id(n) not in inside]
    if isinstance(node, ast.IfExp):
        return not others and not _loads(node.body, name)
    left = isinstance(node.body[-1], _LEAVING)
    replaced = isinstance(node.body[0], ast.Assign) and ast.unparse(node.body[0].targets[0]) == name
    first = node.body[0].value if replaced else ast.Module(node.body, [])
    earlier = [n for n in others if n.lineno <= (node.end_lineno or node.lineno)]
    return (left or replaced) and not _loads(first, name) and not earlier


def _loads(node: ast.AST, name: str) -> list[ast.Name]:
    return [n for n in ast.walk(node) if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)]


def _around(tree: ast.AST, node: ast.AST) -> ast.AST:
    """The innermost function around a part of the script, else the outermost loop, else all of it."""
    blocks = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.For)]
    holding = [n for n in blocks if any(x is node for x in ast.walk(n))]
    functions = [n for n in holding if isinstance(n, ast.FunctionDef)]
    return functions[-1] if functions else holding[0] if holding else tree
