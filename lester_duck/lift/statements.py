"""Statements and control flow: one rule per kind of statement."""

from __future__ import annotations

import ast
from collections.abc import Callable

from sqlglot import exp

from lester_duck.lift import (
    calls,
    classes,
    containers,
    eafp,
    evolving,
    expressions,
    files,
    harmless,
    lookups,
    nan_tests,
    nested,
    numbers,
    recovery,
    rows,
    spans,
    sqlx,
    whiles,
    wide,
)
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine, catches
from lester_duck.lift.state import Guard, State
from lester_duck.lift.values import Refused, Sym, Value


def block(m: Machine, body: list[ast.stmt]) -> None:
    """Run statements until the path ends; outside loops over rows, a refused one does not stop the rest."""
    for node in body:
        if not m.state.alive:
            return
        if m.frames:
            statement(m, node)
        else:
            recovery.attempt(m, node, statement)


def statement(m: Machine, node: ast.stmt) -> None:
    """Run one statement; raises Refused where it cannot be lifted."""
    m.line = node.lineno
    rule = RULES.get(type(node))
    if rule is None:
        raise Refused(f"a statement of kind {type(node).__name__}")
    rule(m, node)


def assign(m: Machine, target: ast.expr, value: Value) -> None:
    """Assign a value to a name, tuple, element or attribute."""
    if isinstance(target, ast.Name):
        if isinstance(value, v.Foreign) or (isinstance(value, v.Ref) and isinstance(m.state.heap[value.id], v.Foreign)):
            m.content(value).called(m, target.id)
        value = numbers.narrowed(m, value) if isinstance(value, Sym) else value
        if _is_inner(m):
            nested.assigned(m, target.id, value)
        m.bind(target.id, files.name_field(m, value, target.id))
    elif isinstance(target, ast.Tuple | ast.List):
        parts, items = rows.parts_of(m, target, value)
        for part, item in zip(parts, items, strict=True):
            assign(m, part, item)
    elif isinstance(target, ast.Subscript):
        base, index = expressions.evaluate(m, target.value), expressions.index(m, target.slice)
        if isinstance(value, Sym) and isinstance(index, str):
            value = m.let(index, value)
        containers.store(m, base, index, value)
    elif isinstance(target, ast.Attribute):
        _set_attribute(m, expressions.evaluate(m, target.value), target.attr, value)
    else:
        raise Refused("this target of an assignment")


def _set_attribute(m: Machine, base: Value, name: str, value: Value) -> None:
    if isinstance(base, v.Choice):
        containers.each_side(m, base, lambda x: _set_attribute(m, x, name, value))
    elif isinstance(base, v.Lib) and harmless.is_display(f"{base.name}.{name}"):
        return
    elif isinstance(m.content(base), v.Foreign):
        m.content(base).set_attribute(m, base, name, value)
    else:
        raise Refused("this target of an assignment")


def _assign(m: Machine, node: ast.Assign) -> None:
    outer, m.hint = m.hint, node.targets[0].id if isinstance(node.targets[0], ast.Name) else m.hint
    value = expressions.evaluate(m, node.value)
    m.hint = outer
    for target in node.targets:
        assign(m, target, value)


def _ann_assign(m: Machine, node: ast.AnnAssign) -> None:
    if node.value is not None:
        assign(m, node.target, expressions.evaluate(m, node.value))


def _aug_assign(m: Machine, node: ast.AugAssign) -> None:
    amount = expressions.evaluate(m, node.value)
    if isinstance(node.target, ast.Name):
        name = node.target.id
        unread = m.frames and name not in m.frames[-1].loads
        if unread and _is_outer(m, name) and not isinstance(m.env.get(name), v.Ref):
            m.log("total", name, type(node.op), amount)
            return
        old = expressions.evaluate(m, ast.Name(id=name, ctx=ast.Load(), lineno=node.lineno))
        lists = isinstance(m.content(old), v.HList | wide.Wide) and isinstance(node.op, ast.Add)
        if lists and (wide.is_wide(m, old) or wide.is_wide(m, amount)):
            wide.extend(m, old, amount)
            return
        if lists:
            for item in containers.known_items(m, amount):
                rows.add(m, old, item, "append")
            return
        changed = expressions.operate(m, type(node.op), old, amount)
        if _is_inner(m):
            nested.assigned(m, name, changed)
        m.bind(name, changed)
        return
    if isinstance(node.target, ast.Attribute):
        held = expressions.evaluate(m, node.target.value)
        old = calls.attribute(m, held, node.target.attr)
        _set_attribute(m, held, node.target.attr, expressions.operate(m, type(node.op), old, amount))
        return
    if not isinstance(node.target, ast.Subscript):
        raise Refused("this target of an augmented assignment")
    base = expressions.evaluate(m, node.target.value)
    index = expressions.index(m, node.target.slice)
    if isinstance(base, v.Ref) and m.frame_of(base) is not None:
        if isinstance(node.op, ast.Sub):
            amount = expressions.operate(m, ast.Mult, amount, -1)
        elif not isinstance(node.op, ast.Add):
            raise Refused("a running value other than a sum", "d[k] += x")
        frozen = lookups.freeze(m, index)
        m.log("bump", base, frozen, amount)
        evolving.bump(m, base, frozen, amount)
        return
    old = containers.subscript(m, base, index)
    containers.store(m, base, index, expressions.operate(m, type(node.op), old, amount))


def _is_inner(m: Machine) -> bool:
    """Whether this is the body of a loop over rows inside another one."""
    return len(m.frames) > 1 and len(m.frames[-1].start.envs) == len(m.state.envs)


def _is_outer(m: Machine, name: str) -> bool:
    frame = m.frames[-1]
    start = frame.start.envs[-1] if len(frame.start.envs) == len(m.state.envs) else {}
    if name not in start:
        return False
    now = m.env.get(name)
    return now is start[name] or isinstance(now, v.Poison)


def _expr(m: Machine, node: ast.Expr) -> None:
    if isinstance(node.value, ast.YieldFrom):
        statement(m, eafp.yields_each(node))
        return
    counting = eafp.as_loop(m, node, expressions.evaluate)
    if counting is not None:
        statement(m, counting)
    elif not isinstance(node.value, ast.Constant):
        expressions.evaluate(m, node.value)


def _if(m: Machine, node: ast.If) -> None:
    nan_tests.note(m, node)
    test = expressions.condition(m, node.test)
    for ref in recovery.mutated(m, node):
        containers.spell_out(m, ref)
    m.fork_on(test, lambda: block(m, node.body), lambda: block(m, node.orelse))


def _for(m: Machine, node: ast.For) -> None:
    rows.loop(m, node, lambda body: block(m, body), lambda target, value: assign(m, target, value))


def _while(m: Machine, node: ast.While) -> None:
    counting = whiles.as_for(m, node)
    if counting is not None:
        _for(m, counting)
        m.env[counting.target.id] = v.Poison(f"'{counting.target.id}' after the loop that counts it", node.lineno)
        return
    spanning = spans.as_for(m, node)
    if spanning is not None:
        statement(m, spanning)
        m.env[node.body[-1].target.id if isinstance(node.body[-1], ast.AugAssign) else node.body[-1].targets[0].id] = (
            v.Poison("a name after the loop that counts it", node.lineno)
        )
        return
    for _ in range(1_000):
        test = expressions.condition(m, node.test)
        known = m.implied(test)
        if known is None:
            raise Refused("while with a condition that depends on rows", "for")
        if not known:
            return
        block(m, node.body)
    raise Refused("a while loop that long")


def _leave(kind: str) -> Callable[[Machine, ast.stmt], None]:
    def rule(m: Machine, node: ast.stmt) -> None:
        for level in reversed(m.exits):
            if kind in level:
                level[kind].append(_left(m))
                m.state.alive = False
                return
        raise Refused(f"{kind} outside a loop")

    return rule


def _left(m: Machine) -> State:
    return m.state.fork()


def _return(m: Machine, node: ast.Return) -> None:
    m.env["return value"] = _returned(m, node.value) if node.value is not None else None
    for level in reversed(m.exits):
        if "return" in level:
            level["return"].append(_left(m))
            m.state.alive = False
            return
        if level.get("rows"):
            raise Refused("return inside a loop over rows")
    raise Refused("return outside a function")


def _returned(m: Machine, node: ast.expr) -> v.Value:
    """The value of a return; outside loops over rows, what is refused poisons its place only."""
    if isinstance(node, ast.Tuple) and not m.frames:
        return tuple(_returned(m, item) for item in node.elts)
    if m.frames or m.entire:
        return expressions.evaluate(m, node)
    try:
        with m.trial():
            return expressions.evaluate(m, node)
    except Refused as error:
        return recovery.refused(m, error, node)


def _function(m: Machine, node: ast.FunctionDef) -> None:
    if node.decorator_list:
        raise Refused("a decorated function")
    m.env[node.name] = calls.make_function(m, node.name, node)


def _class(m: Machine, node: ast.ClassDef) -> None:
    classes.define(m, node)


def _import(m: Machine, node: ast.Import) -> None:
    for alias in node.names:
        if alias.asname:
            m.env[alias.asname] = v.Lib(alias.name)
        else:
            m.env[alias.name.split(".")[0]] = v.Lib(alias.name.split(".")[0])


def _import_from(m: Machine, node: ast.ImportFrom) -> None:
    for alias in node.names:
        m.env[alias.asname or alias.name] = v.Lib(f"{node.module}.{alias.name}")


def _with(m: Machine, node: ast.With) -> None:
    for item in node.items:
        value = expressions.evaluate(m, item.context_expr)
        if not isinstance(m.content(value), v.HFile):
            raise Refused("with of something that is no file")
        if item.optional_vars is not None:
            assign(m, item.optional_vars, value)
    block(m, node.body)


def _try(m: Machine, node: ast.Try) -> None:
    branches = eafp.as_if(m, node)
    if branches is not None:
        statement(m, branches)
        return
    caught = tuple(name for handler in node.handlers for name in _exception_names(handler))
    base, functions = m.state.path, len(m.state.envs)
    guard = Guard(caught, len(node.handlers))
    m.guards.append(guard)
    try:
        for inner in node.body:
            if m.state.alive:
                statement(m, inner)
    finally:
        m.guards.remove(guard)
    if m.state.alive:
        block(m, node.orelse)
    ends = [m.state]
    for exception, state in guard.states:
        m.state = state
        del m.state.envs[functions:]
        handler = next(h for h in node.handlers if _handles(h, exception))
        block(m, handler.body)
        ends.append(m.state)
    m.merge(base, [*ends[1:], ends[0]])
    if m.state.alive:
        block(m, node.finalbody)


def _exception_names(handler: ast.ExceptHandler) -> list[str]:
    if handler.type is None:
        return ["Exception"]
    nodes = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = [n.id if isinstance(n, ast.Name) else n.attr if isinstance(n, ast.Attribute) else "" for n in nodes]
    return ["ValueError" if n == "JSONDecodeError" else n for n in names]


def _handles(handler: ast.ExceptHandler, exception: str) -> bool:
    return any(catches(name, exception) for name in _exception_names(handler))


def _assert(m: Machine, node: ast.Assert) -> None:
    test = expressions.condition(m, node.test)
    m.raise_if(sqlx.negate(test), "AssertionError", "an assertion of the script")
    if not m.frames:
        m.asserted.append((sqlx.negate(test), m.line))


def _raise(m: Machine, node: ast.Raise) -> None:
    name = "Exception"
    if isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
        name = node.exc.func.id
    elif isinstance(node.exc, ast.Name):
        name = node.exc.id
    m.raise_if(exp.true(), name, "an exception the script raises")
    if not m.guards:
        harmless.stopped(m)
    m.state.alive = False


def _delete(m: Machine, node: ast.Delete) -> None:
    for target in node.targets:
        if not isinstance(target, ast.Name):
            raise Refused("del of an element")
        m.env.pop(target.id, None)


def _nothing(m: Machine, node: ast.stmt) -> None:
    return None


def _global(m: Machine, node: ast.Global) -> None:
    raise Refused("global names changed in a function", "return the value")


RULES: dict[type[ast.stmt], Callable] = {
    ast.Assign: _assign,
    ast.AnnAssign: _ann_assign,
    ast.AugAssign: _aug_assign,
    ast.Expr: _expr,
    ast.If: _if,
    ast.For: _for,
    ast.While: _while,
    ast.Break: _leave("break"),
    ast.Continue: _leave("continue"),
    ast.Return: _return,
    ast.FunctionDef: _function,
    ast.ClassDef: _class,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
    ast.With: _with,
    ast.Try: _try,
    ast.Assert: _assert,
    ast.Raise: _raise,
    ast.Delete: _delete,
    ast.Global: _global,
    ast.Pass: _nothing,
}
