"""Evaluation of expressions: one rule per kind of node."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import (
    calls,
    comprehensions,
    concrete,
    containers,
    declared,
    exploded,
    finals,
    indexed,
    matrices,
    nan_tests,
    once,
    rows,
    scalars,
    sqlx,
    strings,
)
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.values import Choice, Poison, Refused, Sym, Value

Rule = Callable[[Machine, ast.expr], Value]


def evaluate(m: Machine, node: ast.expr) -> Value:
    """The value of an expression; raises Refused where it cannot be lifted."""
    rule = RULES.get(type(node))
    if rule is None:
        raise Refused(f"an expression of kind {type(node).__name__}")
    m.line = getattr(node, "lineno", m.line)
    if m.frames and not m.entire and isinstance(node, declared.DECLARABLE):
        return declared.evaluate(m, node, rule)
    return rule(m, node)


def condition(m: Machine, node: ast.expr) -> exp.Expression:
    """The truth of an expression, with ``and`` and ``or`` evaluated as Python does."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return sqlx.negate(condition(m, node.operand))
    if isinstance(node, ast.BoolOp):
        conjunctive = isinstance(node.op, ast.And)
        return _connective(m, node.values, conjunctive)
    return scalars.truth(m, evaluate(m, node))


def _connective(m: Machine, operands: list[ast.expr], conjunctive: bool) -> exp.Expression:
    first = condition(m, operands[0])
    if len(operands) == 1:
        return first
    decided = m.implied(first)
    if decided is not None and decided != conjunctive:
        return sqlx.literal(not conjunctive)
    with scalars.under(m, first if conjunctive else sqlx.negate(first)):
        rest = _connective(m, operands[1:], conjunctive)
    return sqlx.conjunction([first, rest]) if conjunctive else sqlx.disjunction(first, rest)


def _constant(m: Machine, node: ast.Constant) -> Value:
    return node.value


def _name(m: Machine, node: ast.Name) -> Value:
    for env in (m.state.envs[-1], m.state.envs[0]):
        if node.id in env:
            value = env[node.id]
            if isinstance(value, Poison):
                raise value.refusal()
            return once.loaded(m, finals.read(m, value))
    full = f"builtins.{node.id}"
    return concrete.CONSTANTS.get(full, v.Lib(full))


def _attribute(m: Machine, node: ast.Attribute) -> Value:
    return calls.attribute(m, evaluate(m, node.value), node.attr)


def _call(m: Machine, node: ast.Call) -> Value:
    function = evaluate(m, node.func)
    lazy = calls.lazy_call(m, function, node)
    if lazy is not v.MISSING:
        return lazy
    args: list[Value] = []
    for arg in node.args:
        if isinstance(arg, ast.Starred):
            args.extend(_spread(m, function, node, evaluate(m, arg.value)))
        else:
            args.append(evaluate(m, arg))
    kwargs: dict[str, Value] = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            kwargs |= _named_arguments(m, keyword.value)
            continue
        kwargs[keyword.arg] = evaluate(m, keyword.value)
    m.line = node.lineno
    return calls.call(m, function, args, kwargs)


_PLACES = {"datetime.date": 3}
"""Functions of a library that take so many arguments by position, no more and no fewer."""


def _spread(m: Machine, function: Value, node: ast.Call, value: Value) -> list[Value]:
    """``f(*values)``: as many of a text's parts as the function takes, the others raise TypeError."""
    parts = exploded.of(m.content(value))
    if not isinstance(parts, exploded.Exploded):
        return containers.known_items(m, value)
    places = _PLACES.get(function.name) if isinstance(function, v.Lib) else None
    if isinstance(function, v.Func) and not function.node.args.vararg and not function.node.args.defaults:
        places = len(function.node.args.posonlyargs) + len(function.node.args.args)
    if places is None or node.keywords:
        raise Refused("a call with * of a list of parts of unknown length", "a, b = parts; f(a, b)")
    return parts.exactly(m, places - len(node.args) + 1, "TypeError")


def _named_arguments(m: Machine, node: ast.expr) -> dict[str, Value]:
    """``**record`` in a call."""
    content = m.content(evaluate(m, node))
    if not isinstance(content, v.HDict) or not all(isinstance(k, str) for k, _ in content.items):
        raise Refused("a call with ** of a dict whose keys are not known", "f(name=value)")
    return dict(content.items)


def _binary(m: Machine, node: ast.BinOp) -> Value:
    a, b = evaluate(m, node.left), evaluate(m, node.right)
    return operate(m, type(node.op), a, b)


def operate(m: Machine, op: type[ast.operator], a: Value, b: Value) -> Value:
    """``a op b`` for scalars, containers, vectors and formats."""
    if op is ast.Mod and isinstance(a, str):
        return strings.percent_format(m, a, b)
    special = containers.operate(m, op, a, b)
    return scalars.binary(m, op, a, b) if special is v.MISSING else special


def _unary(m: Machine, node: ast.UnaryOp) -> Value:
    if isinstance(node.op, ast.Not):
        return boolean(condition(m, node))
    value = evaluate(m, node.operand)
    if isinstance(m.content(value) if isinstance(value, v.Ref) else value, v.Foreign):
        return m.content(value).unary(m, type(node.op), value)
    if isinstance(node.op, ast.USub):
        if v.is_const(value):
            return -value
        if isinstance(value, Choice):
            return scalars.spread(m, value, lambda x: operate(m, ast.Mult, -1, x))
        if isinstance(value, Sym):
            kind = "int" if value.type == "bool" else value.type
            return Sym(sqlx.sql("-(_1)", scalars.number(m, value)), kind, null=value.nan, nan=value.nan)
    if isinstance(node.op, ast.USub) and matrices.is_array(m, value):
        return matrices.operate(m, ast.Mult, -1, value)
    if isinstance(node.op, ast.UAdd):
        return value
    return containers.negated(m, value)


def boolean(tree: exp.Expression) -> Value:
    """A condition as a value."""
    bare = sqlx.bare(tree)
    return bool(bare.this) if isinstance(bare, exp.Boolean) else Sym(tree, "bool")


def _boolop(m: Machine, node: ast.BoolOp) -> Value:
    return _chained(m, node.values, isinstance(node.op, ast.And))


def _chained(m: Machine, operands: list[ast.expr], conjunctive: bool) -> Value:
    first = evaluate(m, operands[0])
    if len(operands) == 1:
        return first
    truth = scalars.truth(m, first)
    decided = m.implied(truth)
    if decided is not None:
        return first if decided != conjunctive else _chained(m, operands[1:], conjunctive)
    with scalars.under(m, truth if conjunctive else sqlx.negate(truth)):
        rest = _chained(m, operands[1:], conjunctive)
    if conjunctive:
        return m.select(truth, rest, first)
    return m.select(truth, replace(first, null=False) if isinstance(first, Sym) and not first.nan else first, rest)


def _compare(m: Machine, node: ast.Compare) -> Value:
    left = evaluate(m, node.left)
    parts: list[exp.Expression] = []
    for op, right_node in zip(node.ops, node.comparators, strict=True):
        right = evaluate(m, right_node)
        special = containers.compare(m, type(op), left, right)
        if special is not v.MISSING:
            if len(node.ops) > 1:
                raise Refused("a chained comparison of arrays")
            return special
        if isinstance(op, ast.In | ast.NotIn):
            found = containers.contains(m, right, left)
            parts.append(found if isinstance(op, ast.In) else sqlx.negate(found))
        else:
            parts.append(scalars.compare(m, type(op), left, right))
        left = right
    return boolean(sqlx.conjunction(parts))


def _conditional(m: Machine, node: ast.IfExp) -> Value:
    nan_tests.note(m, node)
    test = condition(m, node.test)
    decided = m.implied(test)
    if decided is not None:
        return evaluate(m, node.body if decided else node.orelse)
    with scalars.under(m, test):
        then = evaluate(m, node.body)
    with scalars.under(m, sqlx.negate(test)):
        otherwise = evaluate(m, node.orelse)
    if then is v.MISSING or otherwise is v.MISSING:
        return otherwise if then is v.MISSING else then  # the other side raises
    return m.select(test, then, otherwise)


def _subscript(m: Machine, node: ast.Subscript) -> Value:
    beside = indexed.neighbour(m, node)
    if beside is not v.MISSING:
        return beside
    return containers.subscript(m, evaluate(m, node.value), index(m, node.slice))


def index(m: Machine, node: ast.expr) -> Value:
    """What stands between the brackets; slices become Python slices."""
    if isinstance(node, ast.Slice):
        return slice(*(evaluate(m, part) if part else None for part in (node.lower, node.upper, node.step)))
    if isinstance(node, ast.Tuple):
        return tuple(index(m, part) for part in node.elts)
    return evaluate(m, node)


def _items(m: Machine, nodes: list[ast.expr]) -> Iterator[Value]:
    for node in nodes:
        if isinstance(node, ast.Starred):
            yield from containers.known_items(m, evaluate(m, node.value))
        else:
            yield evaluate(m, node)


def _tuple(m: Machine, node: ast.Tuple) -> Value:
    return tuple(_items(m, node.elts))


def _list(m: Machine, node: ast.List) -> Value:
    return m.new(v.HList(tuple(_items(m, node.elts))))


def _set(m: Machine, node: ast.Set) -> Value:
    return m.new(v.HSet(tuple(_items(m, node.elts))))


def _dict(m: Machine, node: ast.Dict) -> Value:
    content = v.HDict()
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            inner = m.content(evaluate(m, value))
            if not isinstance(inner, v.HDict):
                raise Refused("** of a dict with unknown keys")
            for k, x in inner.items:
                content = content.put(k, x)
            continue
        evaluated = evaluate(m, key)
        if not v.is_const(evaluated):
            raise Refused("a dict display with a key that depends on rows")
        outer, m.hint = m.hint, evaluated if isinstance(evaluated, str) and evaluated.isidentifier() else m.hint
        content = content.put(evaluated, evaluate(m, value))
        m.hint = outer
    return m.new(content)


def _joined(m: Machine, node: ast.JoinedStr) -> Value:
    return strings.joined(m, node, lambda n: evaluate(m, n))


def _lambda(m: Machine, node: ast.Lambda) -> Value:
    return calls.make_function(m, "<lambda>", node)


def _comprehension(kind: str) -> Callable[[Machine, ast.expr], Value]:
    def rule(m: Machine, node: ast.expr) -> Value:
        return comprehensions.comprehension(m, kind, node)

    return rule


def _yield(m: Machine, node: ast.Yield) -> Value:
    made = m.env.get("yield")
    if not isinstance(made, v.Ref) or node.value is None:
        raise Refused("yield outside a function of the script")
    rows.add(m, made, evaluate(m, node.value), "append")
    return None


def _named(m: Machine, node: ast.NamedExpr) -> Value:
    m.bind(node.target.id, evaluate(m, node.value))
    return m.env[node.target.id]


RULES: dict[type[ast.expr], Callable[[Machine, ast.expr], Value]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Call: _call,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _boolop,
    ast.Compare: _compare,
    ast.IfExp: _conditional,
    ast.Subscript: _subscript,
    ast.Tuple: _tuple,
    ast.List: _list,
    ast.Set: _set,
    ast.Dict: _dict,
    ast.JoinedStr: _joined,
    ast.Lambda: _lambda,
    ast.ListComp: _comprehension("list"),
    ast.SetComp: _comprehension("set"),
    ast.DictComp: _comprehension("dict"),
    ast.GeneratorExp: _comprehension("list"),
    ast.NamedExpr: _named,
    ast.Yield: _yield,
}
