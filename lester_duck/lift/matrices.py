"""NumPy's arithmetic over rows: vectors, matrices, one value per column, parts of them; element by element."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlglot import exp

from lester_duck.lift import arrays, builtin_rules, containers, scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import MERGES, Machine
from lester_duck.lift.relations import Query, Relation
from lester_duck.lift.sqlx import sql
from lester_duck.lift.state import Frame
from lester_duck.lift.values import Part, Poison, Refused, Sym, Value

ARRAYS = (v.Vector, v.Matrix, v.Part, v.HArray)
Rule = Callable[..., Value]


@contextmanager
def rows_of(m: Machine, rel: Relation) -> Iterator[None]:
    """What must hold while every row of a relation is computed is a data check on its rows."""
    frame = Frame(Query(rel.token, rel), m.mark, m.state, (m.line, m.line))
    m.frames.append(frame)
    try:
        yield
    finally:
        m.frames.pop()
    if frame.query.joins:
        raise Refused("a value looked up for each row of an array", "a loop over the rows")


def is_array(m: Machine, value: Value) -> bool:
    """Whether a value is an array of NumPy that depends on rows or has a known length."""
    return isinstance(m.content(value), ARRAYS)


def as_array(m: Machine, value: Value) -> Value:
    """A value as it takes part in arithmetic: lists of rows are arrays."""
    content = m.content(value)
    if isinstance(content, v.ListOf):
        return m.content(arrays.from_list(m, content, False))
    return v.HArray(tuple(content.items)) if isinstance(content, v.HList) else content


def broadcast(m: Machine, values: list[Value], rule: Rule) -> Value:
    """A rule of scalars on arrays, row by row and column by column."""
    contents = [as_array(m, x) for x in values]
    parts = [c for c in contents if isinstance(c, Part)]
    if parts:
        return _over_part(m, contents, parts, rule)
    wide = [c for c in contents if isinstance(c, v.Matrix)]
    long = [c for c in contents if isinstance(c, v.Vector)]
    short = [c for c in contents if isinstance(c, v.HArray)]
    if (wide and long) or (long and short):
        raise Refused("arrays of different shapes combined", "vector.reshape(-1, 1) with a matrix")
    if wide:
        return _by_column(m, contents, wide, rule)
    if long:
        rel = max((c.rel for c in long), key=depth)
        with rows_of(m, rel):
            sides = [arrays.align(m, rel, c.rel, c.element) if c in long else _scalar(m, c) for c in contents]
            return v.Vector(rel, scalars.scalar(rule(*sides)))
    if short:
        length = _common_width([len(c.items) for c in short])
        return v.HArray(tuple(rule(*[_item(m, c, i) for c in contents]) for i in range(length)))
    return rule(*contents)


def _over_part(m: Machine, contents: list[Value], parts: list[Part], rule: Rule) -> Part:
    first = parts[0]
    if any(isinstance(c, v.Vector | v.Matrix) for c in contents) or not all(same_part(p, first) for p in parts):
        raise Refused("arrays of different rows combined", "arrays of the same rows")
    inner = broadcast(m, [c.of if isinstance(c, Part) else c for c in contents], rule)
    return Part(inner, first.side, first.bound)


def same_part(a: Part, b: Part) -> bool:
    """Whether two parts are the same rows of collections with the same rows."""
    return a.side == b.side and sqlx.same(a.bound, b.bound) and arrays.same_rows(
        arrays.relation_of(a), arrays.relation_of(b)
    )


def _by_column(m: Machine, contents: list[Value], wide: list[v.Matrix], rule: Rule) -> v.Matrix:
    rel = max((c.rel for c in wide), key=depth)
    width = _common_width([len(c.columns) for c in wide] + [len(c.items) for c in contents if isinstance(c, v.HArray)])
    aligned = [
        v.HArray(tuple(arrays.align(m, rel, c.rel, v.Seq(c.columns)).items)) if isinstance(c, v.Matrix) else c
        for c in contents
    ]
    with rows_of(m, rel):
        columns = [scalars.scalar(rule(*[_item(m, c, i) for c in aligned])) for i in range(width)]
    return v.Matrix(rel, tuple(columns))


def _common_width(widths: list[int]) -> int:
    wide = set(widths) - {1}
    if len(wide) > 1:
        raise Refused("the script would fail here: arrays of different widths combined")
    return next(iter(wide)) if wide else 1


def _item(m: Machine, content: Value, i: int) -> Value:
    if not isinstance(content, v.HArray):
        return _scalar(m, content)
    return content.items[i if len(content.items) > 1 else 0]


def _scalar(m: Machine, value: Value) -> Value:
    if isinstance(value, Sym) and any(t not in m.wholes for t in sqlx.tables(m.expand_tree(value.sql))):
        raise Refused("an array combined with a value of one row")
    scalars.scalar(value)
    return value


def depth(rel: Relation) -> int:
    """How many relations add columns below this one."""
    found = 0
    while arrays.extends(rel):
        rel, found = rel.query.base, found + 1
    return found


def operate(m: Machine, op: type[ast.operator], x: Value, y: Value) -> Value:
    """``x op y`` with an array on either side."""
    if op in (ast.BitAnd, ast.BitOr):
        return broadcast(m, [x, y], lambda a, b: _logical(op, a, b))
    return broadcast(m, [x, y], lambda a, b: _arithmetic(m, op, a, b))


def _arithmetic(m: Machine, op: type[ast.operator], a: Value, b: Value) -> Value:
    """Arithmetic of NumPy, which gives nan and infinities where a divisor is 0."""
    if op is not ast.Div or v.is_const(b) or not sqlx.tables(m.expand_tree(b.sql)) - set(m.wholes):
        return scalars.binary(m, op, a, b)
    over, under = arrays.floating(m, scalars.scalar(a)).sql, arrays.floating(m, scalars.scalar(b)).sql
    zero = "CASE WHEN _1 = 0 THEN CAST('nan' AS DOUBLE) WHEN _1 > 0 THEN CAST('inf' AS DOUBLE) " \
        "ELSE CAST('-inf' AS DOUBLE) END"
    return Sym(sql(f"CASE WHEN _2 <> 0 THEN _1 / _2 ELSE {zero} END", over, under), "float")


def _logical(op: type[ast.operator], a: Value, b: Value) -> Value:
    one, other = scalars.scalar(a), scalars.scalar(b)
    if one.type != "bool" or other.type != "bool":
        raise Refused("& and | of numbers in an array", "conditions in parentheses")
    parts = [one.sql, other.sql]
    return Sym(sqlx.conjunction(parts) if op is ast.BitAnd else sqlx.disjunction(*parts), "bool")


def compare(m: Machine, op: type[ast.cmpop], x: Value, y: Value) -> Value:
    """``x < y`` with an array on either side."""

    def rule(a: Value, b: Value) -> Value:
        tree = scalars.compare(m, op, a, b)
        return bool(tree.this) if isinstance(tree, exp.Boolean) else Sym(tree, "bool")

    return broadcast(m, [x, y], rule)


def where(m: Machine, test: Value, a: Value, b: Value) -> Value:
    """``np.where(test, a, b)``."""
    return broadcast(m, [test, a, b], lambda t, x, y: m.select(scalars.truth(m, t), x, y))


def _merged(m: Machine, condition: exp.Expression, a: v.Matrix, b: v.Matrix) -> Value:
    """A matrix that was changed where a condition holds, which is no condition on its rows: column by column."""
    alike = arrays.same_rows(a.rel, b.rel) and len(a.columns) == len(b.columns)
    if m.frames or not alike or any(isinstance(c, v.Block) for c in (*a.columns, *b.columns)):
        return Poison("an array changed in one branch only", m.line)
    rel = max((a.rel, b.rel), key=depth)
    columns = zip(*(arrays.align(m, rel, x.rel, v.Seq(x.columns)).items for x in (a, b)), strict=True)
    return v.Matrix(rel, tuple(x if x is y else m.select(condition, x, y) for x, y in columns))


MERGES[v.Matrix] = _merged


def shape(m: Machine, content: v.Vector | v.Matrix) -> Value:
    """``x.shape``: the number of rows, and of columns where that is known."""
    if isinstance(content, v.Vector):
        return (arrays.count(m, content),)
    if all(isinstance(c, Sym) or v.is_const(c) for c in content.columns):
        return (arrays.count(m, content), len(content.columns))
    return Poison("the shape of an array with columns made of the data", m.line)


# -- aggregates ----------------------------------------------------------------------------------


def aggregate(m: Machine, value: Value, kind: str, axis: Value = None, ddof: Value = 0) -> Value:
    """``x.mean(axis=0)`` and its like: one value for all rows, one per column, or one per row."""
    content = as_array(m, value)
    if ddof not in (0, 1):
        raise Refused(f"{kind} with this ddof")
    part = None
    if isinstance(content, Part):
        if isinstance(content.of, Part):
            raise Refused("a part of a part of the rows")
        part, content = (content.side, content.bound), as_array(m, content.of)
    if isinstance(content, v.Vector) and axis in (None, 0):
        return _whole(m, content.rel, content.element, kind, ddof, part)
    if isinstance(content, v.Matrix) and axis == 0:
        return m.new(v.HArray(tuple(_whole(m, content.rel, c, kind, ddof, part) for c in content.columns)))
    if isinstance(content, v.Matrix) and axis in (1, -1):
        across = _across(m, content, kind)
        return across if part is None else Part(across, *part)
    if isinstance(content, v.HArray) and axis in (None, 0):
        return _of_items(m, list(content.items), kind)
    raise Refused(f"{kind} of a {scalars.kind_name(content)}", f"{kind}(axis=0)")


def _whole(m: Machine, rel: Relation, element: Value, kind: str, ddof: int, part: tuple | None) -> Sym:
    sym = scalars.scalar(element)
    if sym.type not in scalars.NUMERIC:
        raise Refused(f"{kind} of {sym.type} values", ".astype(float)")
    if any(t in m.wholes for t in sqlx.tables(m.expand_tree(sym.sql))):
        raise Refused(f"{kind} of values computed from aggregates", "the aggregate of the values as they were read")
    name = f"{kind}_sample" if kind in ("std", "var") and ddof == 1 else kind
    type_ = arrays.AGGREGATES[kind] or ("int" if sym.type == "bool" and kind == "sum" else sym.type)
    return m.whole(name, rel, m.expand(sym), type_, part)


def _across(m: Machine, matrix: v.Matrix, kind: str) -> v.Vector:
    with rows_of(m, matrix.rel):
        return v.Vector(matrix.rel, scalars.scalar(_of_items(m, list(matrix.columns), kind)))


def _of_items(m: Machine, items: list[Value], kind: str) -> Value:
    if kind in ("min", "max") and items:
        return builtin_rules.extreme(m, ast.Gt if kind == "max" else ast.Lt, items)
    if kind not in ("sum", "mean") or not items:
        raise Refused(f"{kind} of a few values", "sum or mean")
    total: Value = items[0]
    for item in items[1:]:
        total = scalars.binary(m, ast.Add, total, item)
    return total if kind == "sum" else scalars.binary(m, ast.Div, total, len(items))


# -- kinds of elements ---------------------------------------------------------------------------


def converted(m: Machine, value: Value, kind: str) -> Value:
    """``x.astype(float)`` and its like."""

    def rule(x: Value) -> Value:
        sym = scalars.scalar(x)
        if kind == "float" and sym.type != "str":
            return arrays.floating(m, sym)
        if kind == "str":
            return scalars.to_text(m, sym)
        return builtin_rules.RULES[kind](m, [sym], {})

    return broadcast(m, [value], rule)


# -- picking and setting -------------------------------------------------------------------------


def picked(m: Machine, content: Value, index: tuple) -> Value:
    """``x[rows, columns]``."""
    if len(index) != 2:
        raise Refused("an index of more than two dimensions")
    rows, columns = index
    if isinstance(content, Part):
        inner = picked(m, m.content(content.of), (slice(None), columns))
        return arrays.subscript(m, Part(inner, content.side, content.bound), rows)
    if isinstance(content, v.Vector) and columns is None and rows == slice(None):
        return v.Matrix(content.rel, (content.element,))
    if not isinstance(content, v.Matrix):
        raise Refused(f"this index into a {scalars.kind_name(content)}")
    if any(isinstance(c, v.Block) for c in content.columns):
        raise Refused("columns picked from a matrix with blocks of columns")
    chosen = _columns(m, content, columns)
    return chosen if rows == slice(None) else arrays.subscript(m, chosen, rows)


def _columns(m: Machine, content: v.Matrix, columns: Value) -> Value:
    if type(columns) is int:
        return v.Vector(content.rel, scalars.scalar(content.columns[columns]))
    if isinstance(columns, slice):
        return v.Matrix(content.rel, content.columns[columns])
    numbers = containers.known_items(m, columns)
    if not all(type(n) is int for n in numbers):
        raise Refused("columns of a matrix picked by something that is no number")
    return v.Matrix(content.rel, tuple(content.columns[n] for n in numbers))


def store(m: Machine, base: v.Ref, content: Value, index: Value, value: Value) -> None:
    """``x[:, j] = column``, ``x[x < 0] = 0``, ``x[np.arange(n), codes] = 1`` outside of loops."""
    index = tuple(m.content(i) for i in index) if isinstance(index, tuple) else m.content(index)
    if isinstance(index, v.Vector | v.Matrix | v.HArray):
        m.update(base, where(m, index, value, content))
        return
    if not isinstance(content, v.Matrix) or not isinstance(index, tuple) or len(index) != 2:
        raise Refused(f"this assignment into a {scalars.kind_name(content)}", "x[:, j] = column")
    rows, column = index
    if rows == slice(None) and type(column) is int:
        m.update(base, _columns_set(m, content, [column], _upright(m, value)))
        return
    if rows == slice(None) and isinstance(column, slice):
        m.update(base, _columns_set(m, content, list(range(len(content.columns)))[column], value))
        return
    codes = as_array(m, column)
    if isinstance(rows, v.Vector) and rows.element.position is not None and isinstance(codes, v.Vector):
        hits = [compare(m, ast.Eq, codes, j) for j in range(len(content.columns))]
        _in_range(m, codes, len(content.columns))
        test = arrays.stack(m, hits)
        m.update(base, where(m, test, value, content))
        return
    raise Refused("this assignment into a matrix", "x[:, j] = column")


def _columns_set(m: Machine, content: v.Matrix, places: list[int], value: Value) -> v.Matrix:
    """The matrix with some of its columns replaced."""
    old = v.Matrix(content.rel, tuple(content.columns[j] for j in places))
    new = broadcast(m, [old, value], lambda _, b: b)
    if not isinstance(new, v.Matrix) or len(new.columns) != len(places):
        raise Refused("this assignment into a matrix", "as many columns on both sides")
    target = max((new.rel, content.rel), key=depth)
    columns = list(arrays.align(m, target, content.rel, v.Seq(content.columns)).items)
    for place, column in zip(places, arrays.align(m, target, new.rel, v.Seq(new.columns)).items, strict=True):
        columns[place] = column
    return v.Matrix(target, tuple(columns))


def _upright(m: Machine, value: Value) -> Value:
    content = as_array(m, value)
    return v.Matrix(content.rel, (content.element,)) if isinstance(content, v.Vector) else content


def _in_range(m: Machine, codes: v.Vector, width: int) -> None:
    code = scalars.scalar(codes.element)
    if code.type != "int":
        raise Refused(f"an index that is a {code.type}")
    with rows_of(m, codes.rel):
        m.oblige(sql("_1 NOT BETWEEN 0 AND _2", code.sql, sqlx.literal(width - 1)), "an index outside the matrix")


@dataclass(frozen=True, eq=False)
class Places(Library):
    """``[i for i in range(len(rows)) if ...]``: the positions of the rows that satisfy a condition."""

    rel: Relation
    condition: Sym
    what = "list of row numbers"


@dataclass(frozen=True, eq=False)
class Eye(Library):
    """``np.eye(k)``: picked by codes it is a one-hot matrix."""

    width: int
    what = "unit matrix"

    def subscript(self, m: Machine, ref: Value, index: Value) -> Value:
        """``np.eye(k)[codes]``."""
        codes = as_array(m, index)
        if not isinstance(codes, v.Vector):
            raise Refused("this index into a unit matrix", "np.eye(k)[codes]")
        _in_range(m, codes, self.width)
        columns = [_hit(m, scalars.scalar(codes.element), j) for j in range(self.width)]
        return m.new(v.Matrix(codes.rel, tuple(columns)))


def _hit(m: Machine, code: Sym, j: int) -> Sym:
    return scalars.scalar(m.select(scalars.compare(m, ast.Eq, code, j), 1.0, 0.0))
