"""Rules for library functions on values that depend on rows: NumPy, csv, datetime, re, collections."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from lester_duck.lift import (
    arrays,
    averages,
    calls,
    concrete,
    consecutive,
    dates,
    durations,
    hashes,
    lookups,
    maths,
    once,
    regex,
    rows,
    scalars,
    twolevels,
)
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.values import MISSING, Refused, Sym, Value

Rule = Callable[[Machine, list[Value], dict[str, Value]], Value]


def array_method(m: Machine, content: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """Methods of vectors and matrices."""
    if name in arrays.AGGREGATES and isinstance(content, v.Vector) and not args and not set(kwargs) - {"ddof"}:
        return arrays.aggregate(m, content, name, kwargs.get("ddof", 0))
    if name == "reshape":
        shape = args[0] if len(args) == 1 and isinstance(args[0], tuple) else tuple(args)
        if isinstance(content, v.Vector) and shape == (-1, 1):
            return v.Matrix(content.rel, (content.element,))
        if isinstance(content, v.Vector) and shape == (-1,):
            return content
        raise Refused("this reshape", "vector.reshape(-1, 1)")
    if name == "astype":
        kind = args[0]
        if kind in (v.Lib("builtins.float"), v.Lib("numpy.float64"), "float64", "float"):
            if isinstance(content, v.Vector):
                return v.Vector(content.rel, arrays.floating(m, content.element))
            return content
        if kind in (v.Lib("builtins.int"), v.Lib("numpy.int64"), "int64", "int") and isinstance(content, v.Vector):
            whole = Sym(scalars.number(m, content.element), "int", name=content.element.name)
            if content.element.type in ("int", "bool"):
                return v.Vector(content.rel, whole)
        raise Refused("astype of this kind")
    if name in ("copy", "toarray", "todense", "tocsr") and not args:
        return content
    if name == "tolist" and isinstance(content, v.Vector):
        return m.new(v.ListOf(content.rel, content.element))
    raise Refused(f"the method .{name}() of an array")


# -- collections -----------------------------------------------------------------------------------


def _defaultdict(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    factory = args[0] if args else None
    known = {f"builtins.{n}": n for n in ("int", "float", "list", "set", "str")}
    if len(args) == 1 and isinstance(factory, v.Lib) and factory.name in known:
        return m.new(v.HDict((), known[factory.name]))
    inner = twolevels.made_by(m, factory) if len(args) == 1 else None
    if inner is not None:
        made = m.new(v.HDict((), twolevels.KIND))
        twolevels.note(m, made.id)
        m.files["inner default", made.id] = inner
        if factory == v.Lib("collections.Counter"):
            m.files["counters", made.id] = True
        return made
    if len(args) == 1 and isinstance(factory, v.Func | v.Foreign):
        name = f"factory {len(m.files)}"
        m.files[name] = factory
        return m.new(v.HDict((), name))
    raise Refused("a defaultdict of this factory", "defaultdict(list), defaultdict(int)")


def _counter(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    made = m.new(v.HDict((), "int"))
    m.files["counter", made.id] = True
    if not args:
        return made
    view = rows.as_view(m, m.content(args[0]))
    if view is None:
        raise Refused("a Counter of known items")
    rows.over_rows(
        m, view, (m.line, m.line), lambda item: m.bind("counted", item),
        lambda: m.log("bump", made, lookups.freeze(m, m.env["counted"]), 1),
    )  # fmt: skip
    m.env.pop("counted", None)
    return made


def _itemgetter(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``operator.itemgetter(1)``: the function that takes an item out of a row."""
    if kwargs or not args or not all(isinstance(a, int | str) for a in args):
        return MISSING
    items = [f"row[{a!r}]" for a in args]
    node = ast.parse(f"lambda row: {items[0] if len(items) == 1 else ', '.join(items).join('()')}", mode="eval").body
    for part in ast.walk(node):
        if isinstance(part, ast.expr):
            part.lineno = part.end_lineno = m.line
    return v.Func("itemgetter", node, {}, False)


def _iter(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``iter(rows)``: what is gone through once."""
    content = m.content(args[0])
    if len(args) == 1 and isinstance(content, v.ListOf | v.HList):
        return once.generator(m, m.new(content))
    if len(args) == 1 and isinstance(content, v.HFile | v.View):
        return args[0]
    raise Refused("iter() of this", "a loop over it")


# -- datetime, zlib, os, re -------------------------------------------------------------------------


def _symbolic(args: list[Value]) -> bool:
    return any(isinstance(a, Sym) for a in args)


def _strptime(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if isinstance(args[0], v.Choice):
        return scalars.spread(m, args[0], lambda x: _strptime(m, [x, args[1]], kwargs))
    return dates.strptime(m, args[0], args[1]) if isinstance(args[0], Sym) else MISSING


def _fromiso(kind: str) -> Rule:
    def rule(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if isinstance(args[0], v.Choice):
            return scalars.spread(m, args[0], lambda x: rule(m, [x], kwargs))
        return dates.fromisoformat(m, args[0], kind) if isinstance(args[0], Sym) else MISSING

    return rule


def _make(kind: str) -> Rule:
    def rule(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
        return dates.construct(m, kind, args) if _symbolic(args) else MISSING

    return rule


def _timedelta(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    given, positions, names = [*args, *kwargs.values()], len(args), list(kwargs)
    at = next((i for i, x in enumerate(given) if isinstance(x, v.Choice)), None)
    if at is None:
        return durations.construct(m, args, kwargs) if _symbolic(given) else MISSING

    def with_one(x: Value) -> Value:
        chosen = [*given[:at], x, *given[at + 1 :]]
        return _timedelta(m, chosen[:positions], dict(zip(names, chosen[positions:], strict=True)))

    return scalars.spread(m, given[at], with_one)


def _exists(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if not isinstance(args[0], str):
        raise Refused("a path that depends on rows")
    return args[0] in m.written or (m.observed.folder / args[0]).exists()


def _re_function(name: str) -> Rule:
    def rule(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
        flags = kwargs.get("flags", 0)
        if not isinstance(args[0], str | re.Pattern) or set(kwargs) - {"flags"} or not isinstance(flags, int):
            raise Refused(f"re.{name} with these parameters")
        pattern = re.compile(args[0], flags) if isinstance(args[0], str) else args[0]
        answer = pattern_method(m, pattern, name, args[1:])
        return concrete.method(m, pattern, name, args[1:], {}) if answer is MISSING else answer

    return rule


def pattern_method(m: Machine, pattern: re.Pattern, name: str, args: list[Value]) -> Value:
    """``pattern.name(...)`` on a text that depends on rows; ``MISSING`` for constants."""
    if not any(isinstance(a, Sym | v.Choice) for a in args):
        return MISSING
    return regex.method(m, pattern, name, args)


RULES: dict[str, Rule] = averages.RULES | hashes.RULES | maths.RULES | {
    "collections.defaultdict": _defaultdict,
    "builtins.iter": _iter,
    "collections.Counter": _counter,
    "collections.OrderedDict": lambda m, args, kwargs: calls.call(m, v.Lib("builtins.dict"), args, kwargs),
    "datetime.datetime.strptime": _strptime,
    "datetime.date.fromisoformat": _fromiso("date"),
    "datetime.datetime.fromisoformat": _fromiso("datetime"),
    "datetime.date": _make("date"),
    "datetime.datetime": _make("datetime"),
    "datetime.timedelta": _timedelta,
    "itertools.chain": consecutive.chain,
    "itertools.groupby": consecutive.groupby,
    "operator.itemgetter": _itemgetter,
    "os.path.exists": _exists,
    "os.path.isdir": _exists,
    "os.path.isfile": _exists,
    "re.sub": _re_function("sub"),
    "re.search": _re_function("search"),
    "re.match": _re_function("match"),
    "re.fullmatch": _re_function("fullmatch"),
    "re.findall": _re_function("findall"),
    "re.split": _re_function("split"),
}
