"""Series: arithmetic, comparisons, logic; missing values as pandas has them."""

from __future__ import annotations

import ast
import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import calls, durations, lookups, scalars, sqlx
from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_whole as whole
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Frame, Rows, Series
from lester_duck.lift.relations import Query
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.state import Frame as LoopFrame
from lester_duck.lift.values import Refused, Sym, Value

_SIMPLE = {ast.Add: "_1 + _2", ast.Sub: "_1 - _2", ast.Mult: "_1 * _2"}
_COMPARE = {
    ast.Eq: "_1 = _2", ast.NotEq: "_1 <> _2", ast.Lt: "_1 < _2", ast.LtE: "_1 <= _2", ast.Gt: "_1 > _2",
    ast.GtE: "_1 >= _2",
}  # fmt: skip
_TIMES = ("date", "datetime")
_PRODUCTS = (1, 2, 3, 4)
NAN = "CAST('nan' AS DOUBLE)"


def operand(m: Machine, value: Value) -> Series | Sym:
    """One side of an operator: a series, or a scalar."""
    content = m.content(value)
    if isinstance(content, Series):
        return content
    if isinstance(content, Sym):
        return content
    if isinstance(content, Frame):
        if len(content.columns) == 1:
            return frames.column(m, value, content, content.names[0])
        raise Refused("an operator on a Series and a DataFrame")
    if content != content:
        return Sym(exp.null(), "float", null=True, nan=True)
    return v.constant(content)


def pair(m: Machine, a: Value, b: Value) -> tuple[Rows, Sym, Sym]:
    """Both sides of an operator over one set of rows."""
    x, y = operand(m, a), operand(m, b)
    if isinstance(x, Series) and isinstance(y, Series):
        rows, p, q = frames.both(m, x, y)
        return replace(rows, array=x.rows_.array and y.rows_.array), p, q
    if isinstance(x, Series):
        return x.rows_, x.sym, y
    return y.rows_, x, y.sym


def operate(m: Machine, op: type[ast.operator], a: Value, b: Value) -> Value:
    """``a op b``, element by element."""
    for side in (a, b):
        if isinstance(m.content(side), frames.FRAME_RULES["values"]):
            return m.content(side).operate(m, op, a, b)
    if isinstance(m.content(a), Frame) or isinstance(m.content(b), Frame):
        return frames.FRAME_RULES["operate"](m, op, a, b)
    for side in (a, b):
        if isinstance(m.content(side), frames.FRAME_RULES["mask"]):
            return m.content(side).operate(m, op, a, b)
    rows, x, y = pair(m, a, b)
    return Series(rows, binary(m, rows, op, x, y))


def binary(m: Machine, rows: Rows, op: type[ast.operator], x: Sym, y: Sym) -> Sym:
    """An operator on two columns with NumPy's semantics; missing values spread."""
    null = x.null or y.null
    name = x.name or y.name
    if op in (ast.BitAnd, ast.BitOr, ast.BitXor):
        return logic(op, x, y)
    if x.type in scalars.NUMERIC and y.type in scalars.NUMERIC:
        made = _numeric(m, rows, op, x, y)
        exact = op in _SIMPLE or (op in (ast.FloorDiv, ast.Mod) and whole.is_exact(x) and y.type == "int")
        held = whole.together(x, y) if exact and made.type == "float" else None
        return replace(made, null=null or made.null, nan=True, name=name, whole=held)
    if x.type == "str" and y.type == "str" and op is ast.Add:
        return Sym(sql("_1 || _2", x.sql, y.sql), "str", null=null, nan=True, name=name)
    if {x.type, y.type} & {"date", "datetime", "timedelta", "days"}:
        return replace(_times(m, op, x, y), null=null, nan=True, name=name)
    raise Refused(f"a Series of {x.type} {op.__name__} {y.type}")


def logic(op: type[ast.operator], x: Sym, y: Sym) -> Sym:
    """``&``, ``|`` and ``^`` of conditions."""
    a, b = frames.truth(x), frames.truth(y)
    if op is ast.BitXor:
        return Sym(sql("_1 <> _2", sqlx.exp.Paren(this=a), sqlx.exp.Paren(this=b)), "bool")
    return Sym(sqlx.conjunction([a, b]) if op is ast.BitAnd else sqlx.disjunction(a, b), "bool")


def number(sym: Sym) -> Tree:
    """A numeric column, booleans as 0 and 1."""
    if sym.type not in scalars.NUMERIC:
        raise Refused(f"arithmetic on a column of type {sym.type}")
    return sql("CAST(_1 AS BIGINT)", sym.sql) if sym.type == "bool" else sym.sql


def _numeric(m: Machine, rows: Rows, op: type[ast.operator], x: Sym, y: Sym) -> Sym:
    if x.type == "bool" and y.type == "bool" and op is not ast.Mult:
        raise Refused("arithmetic on two boolean columns", ".astype(int) first")
    a, b = number(x), number(y)
    kind = "int" if {x.type, y.type} <= {"int", "bool"} else "float"
    if op in _SIMPLE:
        return Sym(sql(_SIMPLE[op], a, b), kind)
    if op is ast.Div:
        tree = sql("_1 / _2" if _nonzero(m, y) else "py_quotient(_1, _2)", a, b)
        return Sym(tree, "float", null=not isinstance(b, exp.Literal) or not _nonzero(m, y))
    if op in (ast.FloorDiv, ast.Mod) and kind == "int":
        if not _nonzero(m, y):
            frames.owe(m, rows, sql("coalesce(_1 = 0, FALSE)", b), "a division of whole numbers by zero")
        return Sym(sql("py_floordiv(_1, _2)" if op is ast.FloorDiv else "py_mod(_1, _2)", a, b), "int")
    if op in (ast.FloorDiv, ast.Mod) and whole.is_exact(x) and y.type == "int" and _nonzero(m, y):
        form = "py_floordiv(CAST(_1 AS BIGINT), _2)" if op is ast.FloorDiv else "py_mod(CAST(_1 AS BIGINT), _2)"
        return Sym(sql(f"CAST({form} AS DOUBLE)", a, b), "float")
    if op in (ast.FloorDiv, ast.Mod):
        form = "py_np_floordiv(_1, _2)" if op is ast.FloorDiv else "py_np_mod(_1, _2)"
        return Sym(sql(form, a, b), "float", null=True)
    if op is ast.Pow:
        return _power(a, b, kind)
    raise Refused(f"the operator {op.__name__} on columns of {x.type} and {y.type}")


def _power(a: Tree, b: Tree, kind: str) -> Sym:
    """``a ** b``: a product for small whole exponents, else the power of floats."""
    exponent = float(b.name) if isinstance(b, exp.Literal) else None
    if exponent == 2 or (kind == "int" and exponent in _PRODUCTS):
        product = a
        for _ in range(int(exponent) - 1):
            product = sql("_1 * _2", product, a)
        return Sym(product, kind)
    if kind == "int":
        raise Refused("a power of whole numbers with this exponent", ".astype(float) ** n")
    made = sql("py_np_pow(_1, _2)", a, b) if exponent in (None, 0) else sql(f"nullif(pow(_1, _2), {NAN})", a, b)
    return Sym(made, "float", null=True)


def _nonzero(m: Machine, y: Sym) -> bool:
    """Whether a divisor is a constant that is not 0, or an aggregate that feature scaling divides by."""
    if isinstance(y.sql, exp.Literal):
        return float(y.sql.name) != 0
    columns = list(y.sql.find_all(exp.Column))
    return bool(columns) and all(c.table in m.wholes for c in columns)


def _times(m: Machine, op: type[ast.operator], x: Sym, y: Sym) -> Sym:
    x, y = (replace(s, type="datetime", sql=as_timestamp(s)) if s.type == "date" else s for s in (x, y))
    x, y = (replace(s, type="timedelta", sql=sql("_1 * 86400000000", s.sql)) if s.type == "days" else s for s in (x, y))
    if x.type == "datetime" and y.type == "str" and isinstance(y.sql, exp.Literal):
        y = moment(y.sql.name)
    if (y.type == "timedelta" and op in (ast.Mult, ast.Div)) or (x.type == "timedelta" and y.type in scalars.NUMERIC):
        if op is ast.Div and x.type == "timedelta" and y.type == "timedelta":
            return Sym(sql("_1 / _2", x.sql, y.sql), "float")
        raise Refused("this arithmetic on durations", ".dt.days or .dt.total_seconds()")
    return durations.arithmetic(m, op, replace(x, null=False), replace(y, null=False))


def as_timestamp(sym: Sym) -> Tree:
    """A date as a moment."""
    return sql("CAST(_1 AS TIMESTAMP)", sym.sql)


def moment(text: str) -> Sym:
    """A constant text as a moment; raises Refused unless it is in ISO form."""
    try:
        return v.constant(datetime.datetime.fromisoformat(text))
    except ValueError:
        raise Refused(f"the moment {text!r}", "YYYY-MM-DD") from None


def compare(m: Machine, op: type[ast.cmpop], a: Value, b: Value) -> Value:
    """``a op b``, element by element; missing values are unequal to all."""
    if isinstance(m.content(a), Frame) or isinstance(m.content(b), Frame):
        return frames.FRAME_RULES["compare"](m, op, a, b)
    of_row = frames.FRAME_RULES["matched"](m, op, a, b)
    return compared(m, op, a, b) if of_row is None else of_row


def compared(m: Machine, op: type[ast.cmpop], a: Value, b: Value) -> Series:
    """``a op b``, of the rows at hand."""
    rows, x, y = pair(m, a, b)
    return Series(rows, replace(comparison(op, x, y), name=_called(m.content(a), m.content(b))))


def _called(a: Value, b: Value) -> str | None:
    """What the result of two sides is called: as its columns are, where they are called alike."""
    names = {s.sym.name for s in (a, b) if isinstance(s, Series)}
    return names.pop() if len(names) == 1 else None


def comparison(op: type[ast.cmpop], x: Sym, y: Sym) -> Sym:
    """A comparison of two columns as a condition that is never NULL."""
    x, y = _moments(x, y)
    alike = x.type == y.type or {x.type, y.type} <= scalars.NUMERIC or "none" in (x.type, y.type)
    alike = alike or {x.type, y.type} == {"days", "timedelta"}
    if not alike:
        if op in (ast.Eq, ast.NotEq):
            return Sym(sqlx.literal(op is ast.NotEq), "bool")
        raise Refused(f"a column of {x.type} {op.__name__} {y.type}")
    if x.categories and op not in (ast.Eq, ast.NotEq):
        raise Refused("an ordering of categories")
    p, q = scalars.comparable(x, y)
    if (op is ast.NotEq and x.null and not y.null) or (op is ast.NotEq and y.null and not x.null):
        return Sym(sql("_1 IS DISTINCT FROM _2", p, q), "bool")
    if op is ast.Eq and x.null != y.null and isinstance((y if x.null else x).sql, exp.Literal):
        return Sym(sql("_1 IS NOT DISTINCT FROM _2", p, q), "bool")
    tree = sql(_COMPARE[op], p, q)
    if x.null or y.null:
        tree = sql("coalesce(_1, _2)", tree, sqlx.literal(op is ast.NotEq))
    return Sym(tree, "bool")


def _moments(x: Sym, y: Sym) -> tuple[Sym, Sym]:
    """Texts compared with moments become moments."""
    if x.type in _TIMES and y.type == "str" and isinstance(y.sql, exp.Literal):
        y = moment(y.sql.name)
    if y.type in _TIMES and x.type == "str" and isinstance(x.sql, exp.Literal):
        x = moment(x.sql.name)
    if {x.type, y.type} == {"date", "datetime"}:
        x, y = (replace(s, type="datetime", sql=as_timestamp(s)) for s in (x, y))
    return x, y


def unary(m: Machine, op: type[ast.unaryop], series: Series) -> Series:
    """``~s``, ``-s``, ``+s``."""
    if op is ast.Invert and series.sym.type == "bool":
        return Series(series.rows_, Sym(sqlx.negate(frames.truth(series.sym)), "bool", name=series.sym.name))
    if op is ast.USub:
        return Series(series.rows_, replace(series.sym, sql=sql("-_1", exp.Paren(this=number(series.sym)))))
    if op is ast.UAdd:
        return series
    raise Refused(f"the operator {op.__name__} on a column of {series.sym.type}")


def subscript(m: Machine, series: Series, index: Value) -> Value:
    """``s[mask]``, ``s[:n]``."""
    content = m.content(index)
    at = frames.FRAME_RULES["row of the loop"](m, content) if series.rows_.index != "keys" else None
    if at is not None:
        return frames.FRAME_RULES["cell of a column"](m, series, at)
    if isinstance(content, frames.FRAME_RULES["mask"]):
        return frames.FRAME_RULES["matching"](m, series, series, content)
    if isinstance(content, Series) and content.sym.type == "bool":
        frame = Frame(series.rows_, ((series.sym.name or "value", series.sym),))
        made = frames.filtered(m, series, frame, content)
        return Series(made.rows_, made.columns[0][1])
    if isinstance(content, tuple) and content == (slice(None), 0):
        return series
    column = frames.FRAME_RULES["column of an array"](m, series, content)
    if column is not v.MISSING:
        return column
    if type(content) is int and content in (0, -1) and not m.frames and series.rows_.index != "keys":
        if series.rows_.index != "range" and content == 0:
            raise Refused("the row with the label 0", "iloc[0]")
        return frames.FRAME_RULES["one"](m, series, content)
    if isinstance(content, slice):
        rows = series.rows_
        if rows.index == "keys" and rows.part is None and content.start in (None, 0) and type(content.stop) is int:
            return frames.FRAME_RULES["first keys"](m, series, content.stop)
        return Series(frames.FRAME_RULES["slice"](m, series.rows_, content), series.sym)
    if isinstance(content, Sym) and series.rows_.index == "keys":
        return _by_key(m, series, content)
    raise Refused("this index into a Series", "a mask, or a slice by position")


def _by_key(m: Machine, series: Series, key: Value) -> Value:
    closed = frames.close_series(m, series)
    shape = tuple(s for _, s in closed.rows_.keys)
    mapping = v.DictOf(closed.rows_.rel, shape[0] if len(shape) == 1 else shape, closed.sym)
    return lookups.find(m, mapping, key)


def rows_view(m: Machine, series: Series) -> Value:
    """A loop over the values of a series."""
    closed = frames.close_series(m, series)
    return v.View(closed.rows_.rel, closed.sym)


# -- functions of rows --------------------------------------------------------------------------------


@contextmanager
def each_row(m: Machine, rows: Rows) -> Iterator[Query]:
    """Inside the block a function is interpreted once for all rows; what it would raise becomes a check."""
    query = rows.query()
    frame = LoopFrame(query, m.mark, m.state.fork(), (m.line, m.line))
    base = m.state.path
    m.frames.append(frame)
    m.state.path = (*base, *rows.where)
    yield query
    m.frames.remove(frame)
    m.state.path = base
    if frame.effects:
        raise Refused("a function called for each row that changes something outside", "a function of the row alone")


def applied(m: Machine, rows: Rows, function: Value, args: list[Value], kwargs: dict[str, Value]) -> Series:
    """``function(*args)`` for each row."""
    with each_row(m, rows) as query:
        result = m.content(calls.call(m, function, args, kwargs))
        if isinstance(result, tuple | v.HList | v.HDict):
            raise Refused("a function that returns several values for a row", "one function per column")
        sym = scalars.scalar(_text_or_none(m, result))
    rows = frames.with_joins(rows, query.joins)
    return Series(rows, settled(_without_nan(m, rows, sym)))


def settled(sym: Sym) -> Sym:
    """A function's result as a column: None becomes missing, whole numbers beside missing ones floats."""
    kind = {"number": "float", "none": "float"}.get(sym.type, sym.type)
    return replace(sym, type=kind, nan=True, parts=(), line=None)


def _text_or_none(m: Machine, value: Value) -> Value:
    """A text or NaN, as the column has it: a text or nothing."""
    if not isinstance(value, v.Choice):
        return value
    sides = [_text_or_none(m, x) for x in (value.then, value.otherwise)]
    sides = [None if not isinstance(x, Sym) and v.is_const(x) and x != x else x for x in sides]
    return m.select(value.condition, *sides)


def _without_nan(m: Machine, rows: Rows, sym: Sym) -> Sym:
    """The column with NaN, where the function returned it, as a missing value."""
    tree = _nan_missing(m.expand_tree(sym.sql).copy())
    if tree is None:
        return replace(sym, whole=None)
    made = replace(sym, sql=tree, null=True, nan=True, choices=(), whole=None)
    return whole.unless(m, rows, made) if sym.type == "number" and sym.whole is not None else made


_SPREADS = (exp.Paren, exp.Neg, exp.Add, exp.Sub, exp.Mul, exp.Div)


def _nan_missing(tree: Tree) -> Tree | None:
    """The expression with NULL for the NaN it may give; None where it says none."""
    if isinstance(tree, exp.Cast) and tree.this.name.lower() == "nan":
        return exp.null()
    if isinstance(tree, exp.Case) and tree.this is None:
        ends = [*((i, "true") for i in tree.args["ifs"]), (tree, "default")]
    elif isinstance(tree, _SPREADS):
        ends = [(tree, "this"), (tree, "expression")]
    else:
        return None
    made = [(node, key, _nan_missing(node.args[key])) for node, key in ends if node.args.get(key) is not None]
    if all(new is None for _, _, new in made):
        return None
    for node, key, new in made:
        if new is not None:
            node.set(key, new)
    return tree


frames.SERIES_RULES.update(
    operate=operate, compare=compare, unary=unary, subscript=subscript, rows=rows_view,
)  # fmt: skip
