"""What a refused statement may have changed through the script's own functions and methods: it is not known any more.

Read from the text: a function that changes anything in place, or calls others that may, is taken to change
everything that it is given, the object it is a method of, and what it knows by a global name.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from lester_duck.lift import classes, recovery
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.values import Func, Value


def changed(m: Machine, node: ast.stmt) -> list[v.Ref]:
    """Heap objects that calls within a statement may change."""
    found: list[v.Ref] = []
    for call in [n for n in ast.walk(node) if isinstance(n, ast.Call)]:
        arguments = [*call.args, *(k.value for k in call.keywords)]
        if isinstance(call.func, ast.Name):
            function = _value(m, call.func)
            if isinstance(function, Func) and _changes(m, function.node):
                found += [*_refs(m, arguments), *_globals(m, function)]
        elif isinstance(call.func, ast.Attribute):
            found += _by_method(m, node, call.func, arguments)
    return found


def _by_method(m: Machine, node: ast.stmt, called: ast.Attribute, arguments: list[ast.expr]) -> list[v.Ref]:
    """What ``x.f(...)`` may change; an ``x`` that only the statement knows came from what the statement names."""
    owner = _value(m, called.value)
    if isinstance(owner, classes.Class):
        method = owner.find(called.attr)
        return _refs(m, arguments) if method is not None and _changes(m, method) else []
    if isinstance(owner, v.Ref):
        content = m.state.heap.get(owner.id)
        method = content.of.find(called.attr) if isinstance(content, classes.Object) else None
        return [owner, *_refs(m, arguments)] if method is not None and _changes(m, method) else []
    methods = [c.find(called.attr) for k, c in m.files.items() if k[0] == "class" and isinstance(c, classes.Class)]
    if owner is None and any(x is not None and _changes(m, x) for x in methods):
        return _refs(m, [node])
    return []


def _changes(m: Machine, function: ast.FunctionDef | ast.Lambda) -> bool:
    """Whether a function may change something: by a method or assignment that does, or by calling what may."""
    for inner in ast.walk(function):
        if recovery.receiver(inner) is not None or isinstance(inner, ast.Global | ast.Nonlocal):
            return True
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name):
            if isinstance(_value(m, inner.func), Func):
                return True
        elif isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
            named = inner.func.attr
            if any(k[0] == "class" and isinstance(c, classes.Class) and c.find(named) for k, c in m.files.items()):
                return True
    return False


def _globals(m: Machine, function: Func) -> Iterator[v.Ref]:
    """What a function knows by names that are not its own."""
    own = {a.arg for a in ast.walk(function.node.args) if isinstance(a, ast.arg)}
    for name in {n.id for n in ast.walk(function.node) if isinstance(n, ast.Name)} - own:
        value = function.closure.get(name, m.state.envs[0].get(name))
        if isinstance(value, v.Ref):
            yield value


def _value(m: Machine, node: ast.expr) -> Value | None:
    """What a name, or an attribute of an object, stands for outside of the statement."""
    if isinstance(node, ast.Name):
        value = m.env.get(node.id, m.state.envs[0].get(node.id))
        return None if isinstance(value, v.Poison) else value
    if isinstance(node, ast.Attribute):
        owner = _value(m, node.value)
        content = m.state.heap.get(owner.id) if isinstance(owner, v.Ref) else None
        return dict(content.entries).get(node.attr) if isinstance(content, classes.Object) else None
    return None


def _refs(m: Machine, nodes: Iterable[ast.AST]) -> list[v.Ref]:
    names = (n for node in nodes for n in ast.walk(node) if isinstance(n, ast.Name))
    return [x for n in names for x in [_value(m, n)] if isinstance(x, v.Ref)]


def reachable(m: Machine, refs: Iterable[v.Ref]) -> list[v.Ref]:
    """Heap objects, and those that they hold."""
    found: dict[int, v.Ref] = {}
    queue = list(refs)
    while queue:
        ref = queue.pop()
        content = m.state.heap.get(ref.id)
        if ref.id in found or content is None:
            continue
        found[ref.id] = ref
        if isinstance(content, v.HDict):
            held = [x for _, x in content.items]
        elif isinstance(content, classes.Object):
            held = [x for _, x in content.entries]
        elif isinstance(content, v.HList | v.HSet):
            held = list(content.items)
        else:
            held = [content.file] if isinstance(content, v.HWriter) else []
        queue += [x for x in held if isinstance(x, v.Ref)]
    return list(found.values())
