"""Functions of NumPy on arrays of rows, and methods of such arrays: one rule per name."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable

from lester_duck.lift import arrays, builtin_rules, calls, containers, library_rules, matrices, nans, scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import MISSING, Refused, Sym, Value

_KINDS = {
    **{v.Lib(f"builtins.{k}"): k for k in ("float", "int", "str", "bool")},
    **{v.Lib(f"numpy.float{b}"): "float" for b in ("64", "_")}, v.Lib("numpy.double"): "float",
    **{v.Lib(f"numpy.int{b}"): "int" for b in ("64", "32", "_")}, v.Lib("numpy.bool_"): "bool",
    "float": "float", "float64": "float", "f8": "float", "int": "int", "int64": "int", "str": "str", "bool": "bool",
}  # fmt: skip


def kind_of(dtype: Value) -> str:
    """The kind of elements that a dtype names."""
    known = _KINDS.get(dtype) if isinstance(dtype, str | v.Lib) else None
    if known is None:
        raise Refused("an array of this dtype", "dtype=float")
    return known


def _array(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    given = dict(kwargs)
    dtype = args[1] if len(args) > 1 else given.pop("dtype", None)
    if len(args) > 2 or set(given) - {"copy", "order"}:
        raise Refused("np.array with these parameters", "np.array(rows, dtype=float)")
    content = m.content(args[0])
    if isinstance(content, v.HList | tuple) and any(matrices.is_array(m, x) for x in _items(content)):
        return m.new(Stacked(tuple(_items(content))))
    made = m.content(arrays.array(m, args[0], False)) if not isinstance(content, v.View) else _of_view(m, content)
    if dtype is not None and dtype != v.Lib("builtins.object"):
        made = matrices.converted(m, made, kind_of(dtype))
    return m.new(made)


def _items(content: Value) -> list[Value]:
    return list(content) if isinstance(content, tuple) else list(content.items)


def _of_view(m: Machine, view: v.View) -> Value:
    return m.content(arrays.from_list(m, m.content(builtin_rules.RULES["list"](m, [view], {})), False))


class Stacked(matrices.Library):
    """``np.array([a, b])`` of vectors: its transpose has them as columns."""

    __slots__ = ("vectors",)
    what = "array of vectors, one below the other"

    def __init__(self, vectors: tuple[Value, ...]) -> None:
        self.vectors = vectors

    def attribute(self, m: Machine, ref: Value, name: str) -> Value:
        """``.T``."""
        if name == "T":
            return m.new(arrays.stack(m, list(self.vectors)))
        return super().attribute(m, ref, name)

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """``.transpose()``."""
        if name == "transpose" and not args:
            return self.attribute(m, ref, "T")
        return super().method(m, ref, name, args, kwargs)


def _side_by_side(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    return m.new(arrays.stack(m, containers.known_items(m, args[0])))


def _below(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    return m.new(Stacked(tuple(containers.known_items(m, args[0]))))


def _stack(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    axis = args[1] if len(args) > 1 else kwargs.get("axis", 0)
    return (_side_by_side if axis in (1, -1) else _below)(m, args, {})


def _unique(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``np.unique(x)``: each value once, sorted."""
    content = m.content(args[0])
    if not isinstance(content, v.ListOf | v.Vector | v.SetOf | v.View):
        return MISSING
    element = content.element
    if len(args) != 1 or kwargs or not isinstance(element, Sym) or element.type == "float" or element.null:
        raise Refused("np.unique of this", "np.unique of texts or whole numbers")
    given = content if isinstance(content, v.SetOf) else v.SetOf(content.rel, element)
    made = builtin_rules.settled(m, builtin_rules.RULES["sorted"](m, [given], {}), m.hint)
    return m.new(v.Vector(made.rel, scalars.scalar(made.element)))


def _concatenate(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if (args[1] if len(args) > 1 else kwargs.get("axis", 0)) not in (1, -1):
        raise Refused("np.concatenate along rows", "np.concatenate(blocks, axis=1)")
    return _side_by_side(m, args, {})


def _aggregate(kind: str) -> library_rules.Rule:
    def rule(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
        given = dict(kwargs)
        axis = args[1] if len(args) > 1 else given.pop("axis", None)
        ddof = given.pop("ddof", 0)
        if len(args) > 2 or given:
            raise Refused(f"np.{kind} with these parameters", f"np.{kind}(x, axis=0)")
        content = m.content(args[0])
        if isinstance(content, v.View):
            return arrays.aggregate(m, content, kind, ddof)
        if isinstance(content, v.HList | tuple) and all(v.is_const(x) for x in _items(content)):
            return MISSING
        return matrices.aggregate(m, args[0], kind, axis, ddof)

    return rule


def _each(rule: Callable[[Machine, Sym], Value]) -> library_rules.Rule:
    def applied(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if len(args) != 1 or kwargs:
            raise Refused("a function of NumPy with these parameters")
        if v.is_const(m.content(args[0])):
            return MISSING
        return matrices.broadcast(m, args, lambda x: rule(m, scalars.scalar(x)))

    return applied


def _function(template: str) -> library_rules.Rule:
    """A function of a float, with the nan and infinities NumPy gives where it is not defined."""

    def rule(m: Machine, x: Sym) -> Value:
        return nans.spread(Sym(sql(template, arrays.floating(m, x).sql), "float", name=x.name), x)

    return _each(rule)


def _pair(rule: Callable[[Machine, Value, Value], Value]) -> library_rules.Rule:
    def applied(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if len(args) != 2 or kwargs:
            raise Refused("a function of NumPy with these parameters")
        return matrices.broadcast(m, args, lambda a, b: rule(m, a, b))

    return applied


def _larger(m: Machine, a: Value, b: Value) -> Value:
    return builtin_rules.extreme(m, ast.Gt, [a, b])


def _smaller(m: Machine, a: Value, b: Value) -> Value:
    return builtin_rules.extreme(m, ast.Lt, [a, b])


def clip(m: Machine, value: Value, low: Value, high: Value) -> Value:
    """``np.clip(x, low, high)``."""
    if low is not None:
        value = matrices.broadcast(m, [value, low], lambda a, b: _larger(m, a, b))
    return value if high is None else matrices.broadcast(m, [value, high], lambda a, b: _smaller(m, a, b))


def _clip(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if len(args) != 3 or kwargs:
        raise Refused("np.clip with these parameters", "np.clip(x, low, high)")
    return clip(m, *args)


def _where(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if len(args) != 3 or kwargs:
        raise Refused("np.where without two alternatives", "np.where(test, a, b)")
    return matrices.where(m, *args)


def _filled(number: float) -> library_rules.Rule:
    def rule(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
        dtype = args[1] if len(args) > 1 else kwargs.get("dtype", v.Lib("builtins.float"))
        if len(args) > 2 or set(kwargs) - {"dtype"}:
            raise Refused("np.zeros with these parameters")
        kind = kind_of(dtype)
        return arrays.filled(m, args[0], int(number) if kind == "int" else number)

    return rule


def _full(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``np.full(shape, number)``; whole numbers would make an array that cuts off what is put into it."""
    number = args[1] if len(args) == 2 else kwargs.get("fill_value")
    asked = kind_of(kwargs["dtype"]) if "dtype" in kwargs else None
    if set(kwargs) - {"dtype", "fill_value"} or len(args) > 2 or type(number) not in (int, float):
        raise Refused("np.full with these parameters", "np.full((len(rows), width), 0.0)")
    if asked == "float":
        number = float(number)
    if asked not in (None, "float") or type(number) is not float:
        raise Refused("np.full with a whole number, whose array cuts off fractions", "np.full(shape, 0.0)")
    return arrays.filled(m, args[0], number)


def _empty(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``np.empty((rows, width))``: a cell may be read only after it is set."""
    if len(args) != 1 or set(kwargs) - {"dtype"} or kind_of(kwargs.get("dtype", "float")) != "float":
        raise Refused("np.empty with these parameters", "np.zeros((len(rows), width))")
    content = m.content(arrays.filled(m, args[0], 0.0))
    if not isinstance(content, v.Matrix):
        raise Refused("np.empty of this shape", "np.zeros(len(rows))")
    unset = v.Poison("a cell of np.empty() that is never set", m.line)
    return m.new(v.Matrix(content.rel, (unset,) * len(content.columns)))


def _arange(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if len(args) != 1 or kwargs:
        return MISSING
    if type(args[0]) is int:
        return m.new(v.HArray(tuple(range(args[0]))))
    view = arrays.positions(m, args[0])
    frame = view is not None and ("rows of", view.rel.token) in m.files
    return MISSING if view is None or frame else v.Vector(view.rel, view.element)


def _eye(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if len(args) != 1 or set(kwargs) - {"dtype"} or type(args[0]) is not int:
        raise Refused("np.eye of this size", "np.eye(3)[codes]")
    return matrices.Eye(args[0])


def _rounded(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    raise Refused("np.round of an array, which rounds otherwise than round()", "round(x, 2) for each row")


def _sign(m: Machine, x: Sym) -> Value:
    if x.type == "int":
        return Sym(sql("CAST(sign(_1) AS BIGINT)", x.sql), "int", name=x.name)
    tree = sql("CASE WHEN isnan(_1) THEN _1 ELSE CAST(sign(_1) AS DOUBLE) END", x.sql)
    return nans.spread(Sym(tree, "float", name=x.name), x)


def _square(m: Machine, x: Sym) -> Value:
    return scalars.binary(m, ast.Mult, x, x)


def _test(name: str, of_whole: bool) -> library_rules.Rule:
    def rule(m: Machine, x: Sym) -> Value:
        known = x.type not in ("float", "number")
        return Sym(sqlx.literal(of_whole) if known else nans.test(name, x, x.sql), "bool")

    return _each(rule)


def _nan_to_num(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``np.nan_to_num(x, nan=0.0)``: infinities become the largest floats."""
    given = dict(kwargs)
    fill, high, low = given.pop("nan", 0.0), given.pop("posinf", _LARGEST), given.pop("neginf", -_LARGEST)
    if len(args) != 1 or given or not all(isinstance(x, int | float) for x in (fill, high, low)):
        raise Refused("np.nan_to_num with these parameters", "np.nan_to_num(x, nan=0.0)")
    bounds = [sqlx.literal(float(x)) for x in (fill, high, low)]
    template = "CASE WHEN isnan(_1) THEN _2 WHEN isinf(_1) AND _1 > 0 THEN _3 WHEN isinf(_1) THEN _4 ELSE _1 END"

    def rule(m: Machine, x: Sym) -> Value:
        if x.type == "int":
            return x
        tree = sql("coalesce(_1, _2)", x.sql, bounds[0]) if nans.may_be(x) else x.sql
        return Sym(sql(template, tree, *bounds), "float", name=x.name)

    return _each(rule)(m, args, {})


_LARGEST = sys.float_info.max
_KNOWN = {
    "log": "ln(_1)", "log1p": "py_log1p(_1)", "log2": "log2(_1)", "log10": "log10(_1)", "sqrt": "sqrt(_1)",
    "exp": "exp(_1)", "expm1": "py_expm1(_1)", "floor": "floor(_1)", "ceil": "ceil(_1)", "trunc": "trunc(_1)",
    "rint": "round_even(_1, 0)", "sin": "sin(_1)", "cos": "cos(_1)", "tan": "tan(_1)", "arcsin": "asin(_1)",
    "arccos": "acos(_1)", "arctan": "atan(_1)", "sinh": "sinh(_1)", "cosh": "cosh(_1)", "tanh": "tanh(_1)",
    "cbrt": "cbrt(_1)", "deg2rad": "radians(_1)", "radians": "radians(_1)", "rad2deg": "degrees(_1)",
    "degrees": "degrees(_1)",
}  # fmt: skip


def method(m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """Methods of vectors, matrices, values per column, and parts of them."""
    content = m.content(ref)
    if name in arrays.AGGREGATES:
        return _aggregate(name)(m, [ref, *args], kwargs)
    if name == "astype" and len(args) == 1:
        return m.new(matrices.converted(m, ref, kind_of(args[0])))
    if name == "clip" and len(args) == 2:
        return clip(m, ref, *args)
    if name == "copy" and not args:
        return m.new(content)
    if name in ("ravel", "flatten") and isinstance(content, v.Vector | v.HArray) and not args:
        return m.new(content)
    if name in ("ravel", "flatten") and isinstance(content, v.Matrix) and len(content.columns) == 1:
        return m.new(v.Vector(content.rel, scalars.scalar(content.columns[0])))
    if name == "tolist" and isinstance(content, v.HArray):
        return m.new(v.HList(content.items))
    if name == "tolist" and isinstance(content, v.Matrix):
        return m.new(v.ListOf(content.rel, v.Seq(content.columns)))
    if isinstance(content, v.Vector | v.Matrix):
        return library_rules.array_method(m, content, name, args, kwargs)
    raise Refused(f"the method .{name}() of an array")


RULES: dict[str, library_rules.Rule] = {
    "numpy.array": _array,
    "numpy.asarray": _array,
    "numpy.zeros": _filled(0.0),
    "numpy.ones": _filled(1.0),
    "numpy.full": _full,
    "numpy.empty": _empty,
    "numpy.eye": _eye,
    "numpy.identity": _eye,
    "numpy.arange": _arange,
    "numpy.hstack": _side_by_side,
    "numpy.column_stack": _side_by_side,
    "numpy.vstack": _below,
    "numpy.stack": _stack,
    "numpy.concatenate": _concatenate,
    "numpy.unique": _unique,
    "numpy.where": _where,
    "numpy.clip": _clip,
    "numpy.isnan": _test("isnan", False),
    "numpy.isinf": _test("isinf", False),
    "numpy.isfinite": _test("isfinite", True),
    "numpy.nan_to_num": _nan_to_num,
    "numpy.sign": _each(_sign),
    "numpy.square": _each(_square),
    "numpy.abs": _each(lambda m, x: builtin_rules.RULES["abs"](m, [x], {})),
    "numpy.absolute": _each(lambda m, x: builtin_rules.RULES["abs"](m, [x], {})),
    "numpy.maximum": _pair(_larger),
    "numpy.minimum": _pair(_smaller),
    "numpy.round": _rounded,
    **{f"numpy.{kind}": _aggregate(kind) for kind in ("mean", "std", "var", "median", "sum", "min", "max")},
    "numpy.amin": _aggregate("min"),
    "numpy.amax": _aggregate("max"),
    **{f"numpy.{name}": _function(known) for name, known in _KNOWN.items()},
}


def _own(rule: library_rules.Rule) -> library_rules.Rule:
    """A rule for arrays and lists; objects of other libraries are left to the rules of those."""

    def applied(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
        contents = [m.content(a) for a in args]
        contents += [m.content(x) for c in contents if isinstance(c, v.HList | tuple) for x in _items(c)]
        return MISSING if any(isinstance(c, v.Foreign) for c in contents) else rule(m, args, kwargs)

    return applied


RULES = {name: _own(rule) for name, rule in RULES.items()}


def install() -> None:
    """Make the rules known to calls of libraries."""
    if RULES not in calls.LIBRARIES:
        calls.LIBRARIES.append(RULES)
        for kind in matrices.ARRAYS:
            for name in (*arrays.AGGREGATES, "astype", "clip", "copy", "ravel", "flatten", "tolist"):
                calls.METHODS[kind, name] = _bound(name)


def _bound(name: str) -> Callable[[Machine, Value, list[Value], dict[str, Value]], Value]:
    return lambda m, receiver, args, kwargs: method(m, receiver, name, args, kwargs)
