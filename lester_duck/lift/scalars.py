"""Scalar operations with Python's semantics, on values that may be constants or row expressions."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from datetime import date, datetime, timedelta

from sqlglot import exp

from lester_duck.lift import datetexts, durations, nans, numbers, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import MISSING, Choice, Poison, Refused, Sym, Value

Tree = exp.Expression

NUMERIC = frozenset({"int", "float", "bool", "number"})
CONSTANT_OPERATORS: dict[type[ast.operator], Callable] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
}


def spread(m: Machine, value: Value, rule: Callable[[Value], Value]) -> Value:
    """Apply a rule to both sides of a choice, each under its condition; to anything else directly."""
    if isinstance(value, Poison):
        raise value.refusal()
    if not isinstance(value, Choice):
        return rule(value)
    known = m.implied(value.condition)
    if known is not None:
        return spread(m, value.then if known else value.otherwise, rule)
    with under(m, value.condition):
        a = spread(m, value.then, rule)
    with under(m, sqlx.negate(value.condition)):
        b = spread(m, value.otherwise, rule)
    if a is MISSING or b is MISSING:
        return b if a is MISSING else a
    return a if _same_slot(a, b) else m.select(value.condition, a, b)


def _same_slot(a: Value, b: Value) -> bool:
    """Whether two values are the same list of the same key."""
    both = isinstance(a, v.Slot) and isinstance(b, v.Slot) and a.of == b.of and a.container == b.container
    return both and _key_texts(a.key) == _key_texts(b.key)


def _key_texts(key: Value) -> list[str]:
    parts = key if isinstance(key, tuple) else (key,)
    return [sqlx.text(p.sql) if isinstance(p, Sym) else repr(p) for p in parts]


def never(m: Machine, exception: str, message: str) -> Value:
    """One side of a choice always raises: there is no value of it."""
    m.raise_if(exp.true(), exception, message)
    return MISSING


def fails(m: Machine, exception: str, message: str) -> Value:
    """Python raises here: outside of loops over rows nothing goes on where the present path is taken."""
    if m.frames or m.guards:
        return never(m, exception, message)
    if not m.state.path:
        raise Refused(f"the script would fail here: {message}")
    m.asserted.append((sqlx.conjunction(m.expand_tree(c) for c in m.state.path), m.line))
    return MISSING


class under:
    """The condition is assumed inside the block; what is raised inside is excluded afterwards."""

    def __init__(self, m: Machine, condition: Tree) -> None:
        self.m = m
        self.condition = condition

    def __enter__(self) -> None:
        self.base = self.m.state.path
        self.counts = [len(g.states) for g in self.m.guards]
        self.m.assume(self.condition)

    def __exit__(self, kind: type | None, *_: object) -> None:
        self.m.state.path = self.base
        if kind is not None:
            return
        for guard, count in zip(self.m.guards, self.counts, strict=True):
            for _, state in guard.states[count:]:
                self.m.assume(sqlx.negate(sqlx.conjunction(state.path[len(self.base) :])))


def scalar(value: Value) -> Sym:
    """A value as a row expression; raises Refused for what is no scalar."""
    if isinstance(value, Sym):
        return value
    if isinstance(value, Poison):
        raise value.refusal()
    if v.is_const(value):
        return v.constant(value)
    raise Refused(f"a {kind_name(value)} where a scalar is needed")


def kind_name(value: Value) -> str:
    """What to call a value in a message."""
    if isinstance(value, Sym):
        return value.type
    if isinstance(value, v.Foreign):
        return getattr(value, "what", "object of a library")
    return {"Ref": "list, dict or set", "Choice": "value of one kind or another"}.get(
        type(value).__name__, type(value).__name__
    )


def is_raw(value: Value) -> bool:
    """Whether a text still carries the end of its line."""
    return isinstance(value, Sym) and value.line is not None and value.line.strip == "raw"


def whole(value: Sym) -> Sym:
    """The text with its line end said."""
    if value.line is not None and (value.line.strip == "field" or (is_raw(value) and value.line.ragged)):
        raise Refused("a line with its line end, which the last one may not have", "strip the line, or the field")
    return Sym(sql("_1 || chr(10)", value.sql), "str") if is_raw(value) else value


def number(m: Machine, value: Sym) -> Tree:
    """The SQL of a numeric operand; raises where Python would (None)."""
    if value.type not in NUMERIC:
        raise Refused(f"arithmetic on a {value.type}")
    if value.null and not value.nan:
        m.raise_if(sql("_1 IS NULL", value.sql), "TypeError", "arithmetic on None")
    return sql("CAST(_1 AS BIGINT)", value.sql) if value.type == "bool" else value.sql


def binary(m: Machine, op: type[ast.operator], a: Value, b: Value) -> Value:
    """``a op b``."""
    if v.is_const(a) and v.is_const(b):
        return constant_binary(op, a, b)
    if isinstance(a, Choice | Poison):
        return spread(m, a, lambda x: binary(m, op, x, b))
    if isinstance(b, Choice | Poison):
        return spread(m, b, lambda y: binary(m, op, a, y))
    x, y = scalar(a), scalar(b)
    if x.type == "str" and op is ast.Add and y.type == "str":
        return concat(m, [a, b])
    if x.type in NUMERIC and y.type in NUMERIC:
        return arithmetic(m, op, x, y)
    if {x.type, y.type} & {"date", "datetime", "timedelta", "days"}:
        return durations.arithmetic(m, op, x, y)
    if x.type == "str" and op is ast.Mult and isinstance(b, int):
        return Sym(sql("repeat(_1, _2)", x.sql, sqlx.literal(max(b, 0))), "str")
    raise Refused(f"{x.type} {op.__name__} {y.type}")


def constant_binary(op: type[ast.operator], a: Value, b: Value) -> Value:
    """An operator on two constants, computed."""
    if op not in CONSTANT_OPERATORS:
        raise Refused(f"the operator {op.__name__}")
    if op is ast.Pow and isinstance(b, int) and abs(b) > 1000:
        raise Refused("a power that large")
    if op is ast.Mult and isinstance(b, int) and isinstance(a, str | tuple) and len(a) * b > 100_000:
        raise Refused("a repetition that long")
    try:
        return CONSTANT_OPERATORS[op](a, b)
    except (TypeError, ArithmeticError, ValueError) as error:
        raise Refused(f"the script would fail here: {error}") from None


def arithmetic(m: Machine, op: type[ast.operator], x: Sym, y: Sym) -> Sym:
    """Numbers: integers stay integers except under ``/``; NaN spreads."""
    return nans.spread(_arithmetic(m, op, x, y), x, y)


def _arithmetic(m: Machine, op: type[ast.operator], x: Sym, y: Sym) -> Sym:
    a, b = number(m, x), number(m, y)
    whole_numbers = {x.type, y.type} <= {"int", "bool"}
    if "number" in (x.type, y.type):
        kind = "float" if "float" in (x.type, y.type) else "number"
    else:
        kind = "int" if whole_numbers else "float"
    name = x.name or y.name
    if op in (ast.Add, ast.Sub, ast.Mult):
        template = {ast.Add: "_1 + _2", ast.Sub: "_1 - _2", ast.Mult: "_1 * _2"}[op]
        return Sym(sql(template, a, b), kind, name=name)
    if op in (ast.Div, ast.FloorDiv, ast.Mod):
        if not (isinstance(y.sql, exp.Literal) and float(y.sql.name) != 0):
            m.raise_if(sql("_1 = 0", b), "ZeroDivisionError", "division by zero")
        if op is ast.Div:
            return Sym(sql("_1 / _2", a, b), "float", name=name)
        if whole_numbers:
            return Sym(sql("py_floordiv(_1, _2)" if op is ast.FloorDiv else "py_mod(_1, _2)", a, b), "int", name=name)
        if op is ast.FloorDiv:
            raise Refused("// of floats", "int(a / b) of whole numbers")
    if op is ast.Pow and isinstance(y.sql, exp.Literal) and y.sql.name in ("2", "2e0", "2.0e0"):
        square = sql("_1 * _2", a, a)
        if kind != "int":
            m.oblige(sql("isinf(_1)", square), "a square that large")
        return Sym(square, kind, name=name)
    raise Refused(f"the operator {op.__name__} on {x.type} and {y.type}")


def concat(m: Machine, pieces: list[Value]) -> Value:
    """Texts joined, remembering the pieces."""
    flat: list[Value] = []
    for piece in pieces:
        if isinstance(piece, Sym) and piece.line is not None:
            piece = whole(piece)
        if isinstance(piece, Sym) and piece.null:
            m.raise_if(sql("_1 IS NULL", piece.sql), "TypeError", "None joined to a text")
        for part in piece.parts if isinstance(piece, Sym) and piece.parts else (piece,):
            if isinstance(part, str) and flat and isinstance(flat[-1], str):
                flat[-1] += part
            elif part != "":
                flat.append(part)
    if all(isinstance(p, str) for p in flat):
        return "".join(flat)
    tree = scalar(flat[0]).sql
    for part in flat[1:]:
        tree = sql("_1 || _2", tree, scalar(part).sql)
    names = [p.name for p in flat if isinstance(p, Sym) and p.name]
    return Sym(tree, "str", parts=tuple(flat), name=names[0] if len(names) == 1 else None)


def to_text(m: Machine, value: Value) -> Value:
    """``str(value)``."""
    if isinstance(value, Choice | Poison):
        return spread(m, value, lambda x: to_text(m, x))
    if not isinstance(value, Sym):
        if v.is_const(value) and isinstance(value, str | int | float | bool | type(None) | date | datetime):
            return str(value)
        raise Refused(f"str() of a {kind_name(value)}")
    templates = {
        "int": "CAST(_1 AS VARCHAR)",
        "days": "",
        "bool": "py_str_bool(_1)",
        "float": "py_str_float(_1)",
        "date": "CAST(_1 AS VARCHAR)",
    }
    if value.type == "str":
        text = whole(value)
    elif templates.get(value.type):
        text = Sym(sql(templates[value.type], value.sql), "str", name=value.name)
    elif value.type == "number":
        return _number_text(m, numbers.narrowed(m, value))
    else:
        raise Refused(f"str() of a {value.type}")
    if not value.null:
        return text
    return Sym(sql("coalesce(_1, _2)", text.sql, sqlx.literal("nan" if value.nan else "None")), "str", name=value.name)


def _number_text(m: Machine, value: Sym) -> Value:
    """The text of a number that is whole in some rows and a float in others."""
    if value.type == "float":
        return to_text(m, value)
    made = numbers.parts(m, value)
    if made is None:
        raise Refused("the text of a number that is an int in some rows and a float in others", "a float in both")
    condition, a, b = made
    return m.select(condition, to_text(m, a), to_text(m, b))


TRUTHS: dict[type, Callable[[Machine, Value], Tree]] = {}
"""By kind of description: its truth, where a module of its own says it."""


def truth(m: Machine, value: Value) -> Tree:
    """``bool(value)`` as a condition that is never NULL."""
    if isinstance(value, Choice | Poison):
        answer = spread(m, value, lambda x: Sym(truth(m, x), "bool"))
        return scalar(answer).sql
    if v.is_const(value):
        return sqlx.literal(bool(value))
    if isinstance(value, Sym):
        return _truth_of(value)
    content = m.content(value)
    if isinstance(content, v.Foreign):
        return content.truth(m, value)
    if type(content) in TRUTHS:
        return TRUTHS[type(content)](m, content)
    if isinstance(content, v.HList | v.HDict | v.HSet):
        return sqlx.literal(bool(content.items))
    if isinstance(content, tuple | v.Seq | v.Rec):
        return sqlx.literal(bool(content if isinstance(content, tuple) else content.items))
    if isinstance(content, v.Group):
        return content.present.copy()
    if isinstance(content, v.ListOf | v.DictOf | v.SetOf | v.GroupedOf):
        return sql("_1 > 0", m.whole("count", content.rel, None, "int").sql)
    if isinstance(content, v.Fields):
        return exp.true() if content.strip != "csv" else sql("_1 > 0", content.width())
    raise Refused(f"the truth of a {kind_name(content)}")


def _truth_of(value: Sym) -> Tree:
    if is_raw(value):
        return exp.true()
    if value.type == "bool":
        tree = value.sql.copy()
    elif value.type == "str":
        tree = sql("_1 <> ''", value.sql)
    elif value.type in ("int", "float", "number", "days", "timedelta"):
        tree = sql("_1 <> 0", value.sql)
    elif value.type in ("date", "datetime"):
        tree = exp.true()
        return sql("_1 IS NOT NULL", value.sql) if value.null else tree
    else:
        raise Refused(f"the truth of a {value.type}")
    return sql("coalesce(_1, _2)", tree, sqlx.literal(value.nan)) if value.null else tree


ORDERINGS = {ast.Lt: "_1 < _2", ast.LtE: "_1 <= _2", ast.Gt: "_1 > _2", ast.GtE: "_1 >= _2"}
_CONSTANT_COMPARISONS: dict[type[ast.cmpop], Callable] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}


def compare(m: Machine, op: type[ast.cmpop], a: Value, b: Value) -> Tree:
    """``a op b`` (not ``in``) as a condition that is never NULL."""
    if isinstance(a, Choice | Poison):
        return scalar(spread(m, a, lambda x: Sym(compare(m, op, x, b), "bool"))).sql
    if isinstance(b, Choice | Poison):
        return scalar(spread(m, b, lambda y: Sym(compare(m, op, a, y), "bool"))).sql
    if v.is_const(a) and v.is_const(b):
        try:
            return sqlx.literal(bool(_CONSTANT_COMPARISONS[op](a, b)))
        except TypeError as error:
            raise Refused(f"the script would fail here: {error}") from None
    if op in (ast.Is, ast.IsNot):
        return _identity(m, op, a, b)
    if isinstance(a, tuple) and isinstance(b, tuple) and op in (ast.Eq, ast.NotEq):
        equal = exp.false() if len(a) != len(b) else sqlx.conjunction(
            compare(m, ast.Eq, x, y) for x, y in zip(a, b, strict=True)
        )  # fmt: skip
        return equal if op is ast.Eq else sqlx.negate(equal)
    if (a is None or b is None) and op in (ast.Eq, ast.NotEq):
        return _identity(m, ast.Is if op is ast.Eq else ast.IsNot, a, b)
    x, y = scalar(a), scalar(b)
    if op in (ast.Eq, ast.NotEq):
        equal = _equal(m, x, y)
        return equal if op is ast.Eq else sqlx.negate(equal)
    return _ordering(m, op, x, y)


def _identity(m: Machine, op: type[ast.cmpop], a: Value, b: Value) -> Tree:
    if a is None:
        a, b = b, a
    if b is not None:
        raise Refused("'is' between values", "== for values, 'is None' for None")
    if isinstance(m.content(a), v.Foreign):
        null = m.content(a).identity(m, a)
        return null if op is ast.Is else sqlx.negate(null)
    null = sql("_1 IS NULL", a.sql) if isinstance(a, Sym) and a.null and not a.nan else exp.false()
    return null if op is ast.Is else sqlx.negate(null)


def _equal(m: Machine, x: Sym, y: Sym) -> Tree:
    if x.type == "float" and not x.null and not x.nan and sqlx.same(x.sql, y.sql):
        return sql("NOT isnan(_1)", x.sql)
    for one, other in ((x, y), (y, x)):
        if one.choices and isinstance(other.sql, exp.Literal | exp.Neg):
            return _choice_equal(one, other)
    if (x.type == "number" and y.type == "number") or {x.type, y.type} <= NUMERIC:
        a, b = comparable(x, y)
    elif x.type == y.type or {x.type, y.type} == {"days", "timedelta"}:
        a, b = comparable(whole(x), whole(y))
    elif {x.type, y.type} == {"date", "datetime"} or "json" in (x.type, y.type):
        raise Refused(f"{x.type} == {y.type}")
    else:
        return exp.false()
    if x.nan or y.nan:
        return sql("coalesce(_1, FALSE)", sql("_1 = _2", a, b))
    return sql("_1 IS NOT DISTINCT FROM _2", a, b) if x.null or y.null else sql("_1 = _2", a, b)


def _choice_equal(one: Sym, other: Sym) -> Tree:
    tree: Tree = exp.false()
    for condition, value in one.choices:
        if sqlx.same(sqlx.literal(value), other.sql):
            tree = sqlx.disjunction(tree, condition)
    return tree


def comparable(x: Sym, y: Sym) -> tuple[Tree, Tree]:
    """Both sides with types that compare as in Python: booleans as numbers, days as durations."""
    a, b = x.sql, y.sql
    if x.type != y.type:
        a = sql("CAST(_1 AS BIGINT)", a) if x.type == "bool" else a
        b = sql("CAST(_1 AS BIGINT)", b) if y.type == "bool" else b
        a = sql("_1 * _2", a, sqlx.literal(durations.DAY)) if x.type == "days" else a
        b = sql("_1 * _2", b, sqlx.literal(durations.DAY)) if y.type == "days" else b
    return a, b


def _ordering(m: Machine, op: type[ast.cmpop], x: Sym, y: Sym) -> Tree:
    same_kind = x.type == y.type or {x.type, y.type} <= NUMERIC or {x.type, y.type} == {"days", "timedelta"}
    if not same_kind or x.type == "json":
        raise Refused(f"{x.type} {op.__name__} {y.type}")
    for side in (x, y):
        if side.null and not side.nan:
            m.raise_if(sql("_1 IS NULL", side.sql), "TypeError", "None in an ordering")
    a, b = comparable(whole(x), whole(y))
    datetexts.ordered(m, x, y)
    tree = sql(ORDERINGS[op], a, b)
    return sql("coalesce(_1, FALSE)", tree) if x.null or y.null else tree


def seconds(value: Value) -> Value:
    """``timedelta.total_seconds()``."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    factor, template = (86_400, "_1 * _2") if value.type == "days" else (1_000_000, "_1 / _2")
    tree = sql(template, value.sql, sqlx.literal(factor))
    return Sym(sql("CAST(_1 AS DOUBLE)", tree) if value.type == "days" else tree, "float")
