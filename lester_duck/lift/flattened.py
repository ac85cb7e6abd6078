"""``[x for rows in d.values() for x in rows]``: the elements of all lists of a dict, one after the other."""

from __future__ import annotations

import ast
import copy

from lester_duck.lift import expressions, histories
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine

_NAME = "elements of all lists"
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def comprehension(m: Machine, node: Comprehension) -> Comprehension:
    """The comprehension over one list of all elements with their key; itself where it is no such one."""
    found = _parts(node)
    if found is None or m.frames:
        return node
    holder, key, rows = found
    with m.trial():
        content = m.content(expressions.evaluate(m, holder))
    if not isinstance(content, v.GroupedOf) or content.container != "list":
        return node
    first, second = node.generators[0], node.generators[1]
    mentioned = [*first.ifs, *(n for g in node.generators[2:] for n in (g.iter, *g.ifs)), *second.ifs, *_results(node)]
    if any(isinstance(n, ast.Name) and n.id == rows for part in mentioned for n in ast.walk(part)):
        return node
    every = histories.in_order_of_keys(m, content)
    name = f"{_NAME} {len(m.files)}"
    m.env[name] = m.new(v.ListOf(every.rel, (every.key, every.element)))
    made = copy.copy(node)
    target = ast.Tuple([ast.Name(key, ast.Store()), second.target], ast.Store())
    one = ast.comprehension(target, ast.Name(name, ast.Load()), [*first.ifs, *second.ifs], 0)
    made.generators = [one, *node.generators[2:]]
    for part in (target, one.iter):
        ast.copy_location(part, first.iter)
        ast.fix_missing_locations(part)
    return made


def _results(node: Comprehension) -> list[ast.expr]:
    return [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]


def _parts(node: Comprehension) -> tuple[ast.expr, str, str] | None:
    """The dict, and the names of the key and of the list; None for other comprehensions."""
    if len(node.generators) < 2:
        return None
    first, second = node.generators[0], node.generators[1]
    call = first.iter
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or call.args or call.keywords:
        return None
    target, key = first.target, "key of the list"
    if call.func.attr == "items" and isinstance(target, ast.Tuple) and len(target.elts) == 2:
        if not isinstance(target.elts[0], ast.Name):
            return None
        key, target = target.elts[0].id, target.elts[1]
    elif call.func.attr != "values":
        return None
    whole = isinstance(target, ast.Name) and isinstance(second.iter, ast.Name) and second.iter.id == target.id
    return (call.func.value, key, target.id) if whole else None
