"""Loops over the parts of one text, or the days between two dates, that count: ``if p(x): n += 1``, as ``sum()``.

``n += f(x)`` becomes ``n = n + sum(f(x) for x in parts if p(x))``, and ``found = True`` becomes ``any()``.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

from lester_duck.lift.exploded import Exploded
from lester_duck.lift.machine import Machine
from lester_duck.lift.values import Poison, Refused, Sym

_PARTS = "parts of the loop"


@dataclass(frozen=True, slots=True)
class Tally:
    """A name that adds ``amount`` where all tests hold, or becomes true there (no amount)."""

    name: str
    amount: ast.expr | None
    tests: tuple[ast.expr, ...]


def loop(m: Machine, node: ast.For, parts: Exploded, run: Callable[[list[ast.stmt]], None]) -> bool:
    """Interpret a loop that only counts, as one statement per name; says whether it was one."""
    found = _tallies(node.body, ())
    if found is None or node.orelse or not isinstance(node.target, ast.Name):
        return False
    if len(found) > 1 and any(isinstance(n, ast.Break) for n in ast.walk(node)):
        return False  # what the others count ends with it
    names = {t.name for t in found}
    read = {n.id for t in found for e in (t.amount, *t.tests) if e is not None for n in ast.walk(e)
            if isinstance(n, ast.Name)}  # fmt: skip
    counted = all(_is_whole(m, t.name) if t.amount is not None else True for t in found)
    if not found or names & (read | {node.target.id}) or not counted:
        return False
    made = [ast.fix_missing_locations(ast.copy_location(_statement(t, node.target.id), node)) for t in found]
    try:
        with m.trial():
            m.env[_PARTS] = parts
            run(made)
    except Refused:
        return False
    m.env[node.target.id] = Poison(f"'{node.target.id}' after the loop over the parts", node.lineno)
    return True


def _is_whole(m: Machine, name: str) -> bool:
    value = m.env.get(name)
    return type(value) is int or (isinstance(value, Sym) and value.type == "int" and not value.null)


def _tallies(body: list[ast.stmt], tests: tuple[ast.expr, ...]) -> list[Tally] | None:
    """What a body counts; None where it does something else."""
    found: list[Tally] = []
    for at, node in enumerate(body):
        if isinstance(node, ast.If):
            sides = (_tallies(node.body, (*tests, node.test)),
                     _tallies(node.orelse, (*tests, ast.UnaryOp(ast.Not(), node.test))))  # fmt: skip
            if None in sides:
                return None
            found += [*sides[0], *sides[1]]
        elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add) and isinstance(node.target, ast.Name):
            found.append(Tally(node.target.id, node.value, tests))
        elif isinstance(node, ast.Assign) and ast.unparse(node.value) == "True" and len(node.targets) == 1:
            if not isinstance(node.targets[0], ast.Name):
                return None
            found.append(Tally(node.targets[0].id, None, tests))
        elif not isinstance(node, ast.Pass):
            flagged = len(found) == 1 and found[0].amount is None and found[0].tests == tests
            if not (isinstance(node, ast.Break) and at == len(body) - 1 and tests and flagged):
                return None
    return found


def _statement(tally: Tally, target: str) -> ast.stmt:
    """The name after the loop, from what it was before."""
    parts = ast.comprehension(ast.Name(target, ast.Store()), ast.Name(_PARTS, ast.Load()), list(tally.tests), 0)
    old = ast.Name(tally.name, ast.Load())
    if tally.amount is not None:
        made = ast.Call(ast.Name("sum", ast.Load()), [ast.GeneratorExp(tally.amount, [parts])], [])
        return ast.Assign([ast.Name(tally.name, ast.Store())], ast.BinOp(old, ast.Add(), made))
    test = tally.tests[0] if len(tally.tests) == 1 else ast.BoolOp(ast.And(), list(tally.tests))
    plain = ast.comprehension(parts.target, parts.iter, [], 0)
    found = ast.Call(ast.Name("any", ast.Load()), [ast.GeneratorExp(test, [plain])], [])
    return ast.If(found, [ast.Assign([ast.Name(tally.name, ast.Store())], ast.Constant(True))], [])
