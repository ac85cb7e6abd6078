"""Rules for Python's builtins on values that depend on rows."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import (
    arrays,
    calls,
    containers,
    exploded,
    extremes,
    files,
    grouped,
    hashes,
    histories,
    inner,
    listed,
    lookups,
    numbered,
    once,
    rows,
    scalars,
    shapes,
    sqlx,
    texts,
    tops,
)
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import Query, SelectRel, fresh
from lester_duck.lift.sqlx import sql
from lester_duck.lift.state import Frame
from lester_duck.lift.values import MISSING, Refused, Sym, Value

Rule = Callable[[Machine, list[Value], dict[str, Value]], Value]


def _open(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    return files.open_file(m, args, kwargs)


def _len(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    return containers.length(m, args[0])


def _str(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    return scalars.to_text(m, args[0]) if args else ""


def _int(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if len(args) == 2 and isinstance(args[0], Sym):
        return hashes.whole(m, args[0], args[1])
    if len(args) != 1 or kwargs:
        return MISSING
    if isinstance(args[0], v.Choice):
        return scalars.spread(m, args[0], lambda x: _called(m, "int", x))
    if not isinstance(args[0], Sym):
        return MISSING
    value = args[0]
    if value.type == "str":
        text = value.sql
        if value.null:
            m.raise_if(sql("_1 IS NULL", text), "TypeError", "int(None)")
        parsed = sql("py_int(_1)", text)
        m.raise_if(sql("_1 IS NULL", parsed), "ValueError", "a text that is no integer")
        return Sym(parsed, "int", name=value.name)
    tree = scalars.number(m, value)
    if value.type in ("int", "bool"):
        return Sym(tree, "int", name=value.name)
    return _whole(m, sql("TRY_CAST(trunc(_1) AS BIGINT)", tree), value.name)


def _whole(m: Machine, tree: exp.Expression, name: str | None) -> Sym:
    """A float cut to an integer; nan, infinity and what has more than 64 bits are not accepted."""
    m.oblige(sql("_1 IS NULL", tree), "a number without a 64-bit integer part")
    return Sym(tree, "int", name=name)


def _float(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if isinstance(args[0], v.Choice):
        return scalars.spread(m, args[0], lambda x: _called(m, "float", x))
    if not isinstance(args[0], Sym):
        return MISSING
    value = args[0]
    if value.type == "str":
        if value.null:
            m.raise_if(sql("_1 IS NULL", value.sql), "TypeError", "float(None)")
        parsed = sql("py_float(_1)", value.sql)
        m.raise_if(sql("_1 IS NULL", parsed), "ValueError", "a text that is no number")
        m.oblige(sql("isnan(_1)", parsed), "a text that says nan")
        return Sym(parsed, "float", name=value.name)
    return arrays.floating(m, Sym(scalars.number(m, value), value.type, name=value.name))


def _called(m: Machine, name: str, value: Value) -> Value:
    return calls.call(m, v.Lib(f"builtins.{name}"), [value], {})


def _bool(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    tree = scalars.truth(m, args[0])
    return bool(tree.this) if isinstance(tree, exp.Boolean) else Sym(tree, "bool")


def _abs(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if not isinstance(args[0], Sym):
        return MISSING
    tree = sql("abs(_1)", scalars.number(m, args[0]))
    return Sym(tree, args[0].type, null=args[0].nan, name=args[0].name, nan=args[0].nan)


def _round(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if isinstance(args[0], v.Choice):
        return scalars.spread(m, args[0], lambda x: calls.call(m, v.Lib("builtins.round"), [x, *args[1:]], {}))
    if not isinstance(args[0], Sym):
        return MISSING
    tree = scalars.number(m, args[0])
    digits = args[1] if len(args) > 1 else None
    if args[0].type == "int" and (digits is None or (type(digits) is int and digits >= 0)):
        return args[0]
    if args[0].type != "float":
        raise Refused(f"round() of a {args[0].type}")
    if digits is None:
        return _whole(m, sql("TRY_CAST(round_even(_1, 0) AS BIGINT)", tree), args[0].name)
    if type(digits) is not int or digits < 0:
        raise Refused("round() to these digits")
    return Sym(sql("py_round(_1, _2)", tree, sqlx.literal(digits)), "float", name=args[0].name)


def _extreme(kind: str) -> Rule:
    op = ast.Gt if kind == "max" else ast.Lt

    def rule(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
        by_key = kwargs.get("key") is not None and len(args) == 1
        if by_key and tops.listed_of(m, args[0]) is not None:
            return tops.extreme(m, kind, args[0], kwargs)
        view = rows.as_view(m, m.content(args[0])) if by_key else None
        if view is not None:
            return extremes.of_rows(m, view, kind, kwargs, lambda: key_of(m, view, kwargs["key"]))
        if kwargs:
            raise Refused(f"{kind}() with {', '.join(kwargs)}")
        if len(args) > 1:
            return extreme(m, op, args)
        content = m.content(args[0])
        if isinstance(content, inner.Inner) or (isinstance(content, v.Group) and content.of.container == "dict"):
            return tops.plain(m, kind, tops.listed_of(m, content))
        if isinstance(content, v.Group):
            return _of_group(m, content)
        parts = listed.of(m, content)
        if parts is not None:
            return listed.extreme(m, parts, kind)
        if isinstance(content, v.ListOf | v.View | v.Vector):
            return arrays.aggregate(m, content, kind)
        items = containers.known_items(m, args[0])
        return MISSING if all(v.is_const(i) for i in items) else extreme(m, op, items)

    def _of_group(m: Machine, group: v.Group) -> Value:
        m.raise_if(sqlx.negate(group.present), "ValueError", f"{kind}() of an empty list")
        element = scalars.scalar(group.of.element)
        if element.type not in ("int", "float", "str", "date", "datetime") or element.null:
            raise Refused(f"{kind}() of {element.type} values")
        return lookups.aggregate(m, group, kind, element, element.type)

    return rule


def extreme(m: Machine, op: type[ast.cmpop], items: list[Value]) -> Value:
    best = items[0]
    for item in items[1:]:
        if v.is_const(best) and v.is_const(item):
            best = item if scalars.compare(m, op, item, best).this else best
        else:
            best = m.select(scalars.compare(m, op, item, best), item, best)
    return best


def _sum(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    content = m.content(args[0])
    if isinstance(content, inner.Inner):
        return tops.plain(m, "sum", content)
    if isinstance(content, v.Group):
        element = scalars.scalar(content.of.element)
        if element.type not in ("int", "float"):
            raise Refused(f"sum() of {element.type} values")
        total = lookups.aggregate(m, content, "sum", element, element.type)
        if m.implied(content.present):
            return total
        return Sym(sql("coalesce(_1, 0)", total.sql), element.type, name=total.name)
    parts = listed.of(m, content)
    if parts is not None and len(args) == 1:
        return listed.total(m, parts)
    if isinstance(content, v.ListOf | v.View | v.Vector):
        return arrays.aggregate(m, content, "sum")
    items = containers.known_items(m, args[0])
    total: Value = args[1] if len(args) > 1 else 0
    for item in items:
        total = scalars.binary(m, ast.Add, total, item)
    return total


def _range(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if all(type(a) is int for a in args):
        return tuple(range(*args)) if len(range(*args)) <= 10_000 else MISSING
    exploding = exploded.numbers(m, args)
    if exploding is not None:
        return exploding
    if len(args) == 2 and type(args[0]) is int and args[0] == 0:
        args = args[1:]
    if len(args) == 1:
        return arrays.positions(m, args[0])
    raise Refused("this range()", "range(len(rows))")


def _enumerate(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    start = args[1] if len(args) > 1 else kwargs.get("start", 0)
    history = histories.of(m, args[0]) if m.frames else None
    if history is not None:
        return histories.numbered(m, history, start)
    lines = m.content(args[0])
    if isinstance(lines, texts.Lines) and type(start) is int:
        return replace(lines, counted=start)
    view = rows.as_view(m, lines)
    if view is None:
        return tuple((start + i, item) for i, item in enumerate(containers.known_items(m, args[0])))
    rel, element, place = view.rel, view.element, arrays.place(view.rel)
    if view.order:
        rel, element, place = numbered.numbered(m, view)
    if start != 0:
        place = Sym(sql("_1 + _2", place.sql, sqlx.literal(start)), "int", name="position")
    return v.View(rel, (place, element))


def _zip(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    contents = [m.content(a) for a in args]
    lists = [histories.of(m, c) for c in contents]
    if lists and all(x is not None for x in lists):
        return histories.zipped(m, lists)
    views = [rows.as_view(m, c) for c in contents]
    if all(view is None for view in views):
        return tuple(zip(*(containers.known_items(m, a) for a in args), strict=False))
    if any(view is None for view in views):
        raise Refused("zip() of rows with something else")
    if any(view.order or not arrays.same_rows(view.rel, views[0].rel) for view in views):
        return numbered.zipped(m, views)
    target = max((view.rel for view in views), key=_added_columns)
    return v.View(target, tuple(arrays.align(m, target, view.rel, view.element) for view in views))


def _added_columns(rel: Value) -> int:
    depth = 0
    while arrays.extends(rel):
        rel, depth = rel.query.base, depth + 1
    return depth


def _sorted(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    content = m.content(args[0])
    if isinstance(content, v.Group | inner.Inner):
        return tops.ordered(m, tops.listed_of(m, content), kwargs)
    parts = listed.of(m, content)
    if parts is not None:
        return listed.ordered(parts, kwargs)
    if isinstance(content, v.SetOf):
        content = numbered.distinct(m, content)
    if rows.as_view(m, content) is None:
        items = containers.known_items(m, args[0])
        if kwargs or not all(v.is_const(i) for i in items):
            raise Refused("sorted() of a short list of values that depend on rows")
        return m.new(v.HList(tuple(sorted(items))))
    return ordered(m, content, kwargs)


def ordered(m: Machine, content: Value, kwargs: dict[str, Value]) -> v.View:
    """The rows of a collection sorted by a key; equal keys keep their order."""
    view = rows.as_view(m, content)
    if view is None:
        raise Refused("a sort of a list of known length")
    reverse = kwargs.get("reverse", False)
    if view.order or not isinstance(reverse, bool):
        raise Refused("a sort of sorted rows")
    key = view.element
    if kwargs.get("key") is not None:
        key = key_of(m, view, kwargs["key"])
    elif isinstance(key, tuple) and len(key) == 2 and isinstance(key[1], v.Group):
        key = key[0]  # no two items have the same key: their lists are never compared
    terms: list[tuple[Sym, bool]] = []
    for leaf in lookups.leaves(key):
        if leaf.null or leaf.type in ("json", "number"):
            raise Refused(f"a sort key that may be None or is a {leaf.type}")
        descending = isinstance(sqlx.bare(leaf.sql), exp.Neg) and leaf.type in ("int", "float")
        tree = sqlx.bare(sqlx.bare(leaf.sql).this) if descending else leaf.sql
        terms.append((Sym(tree, leaf.type, name=leaf.name), descending is not reverse))
    return v.View(view.rel, view.element, tuple(terms))


def key_of(m: Machine, view: v.View, function: Value) -> Value:
    """A sort key as a shape over the view's relation."""
    alias = fresh("t")
    m.frames.append(Frame(Query(alias, view.rel), m.mark, m.state.fork(), (m.line, m.line)))
    try:
        element = lookups.thaw(m, v.rebind(view.element, view.rel.token, alias))
        key = lookups.freeze(m, calls.call(m, function, [element], {}))
        joined = m.frames[-1].query.joins
    finally:
        m.frames.pop()
    if joined:
        raise Refused("a sort key that is looked up elsewhere", "compute it in the loop before")
    key = v.map_syms(key, m.expand) if isinstance(key, tuple) else v.map_syms((key,), m.expand)
    return v.rebind(key, alias, view.rel.token)


def settled(m: Machine, view: v.View, name: str | None) -> v.ListOf:
    """A sorted view as a list of its own: a relation in the new order."""
    alias = fresh("t")
    query = Query(alias, view.rel, order=tuple((v.rebind(s, view.rel.token, alias), d) for s, d in view.order))
    rel = SelectRel(
        name=f"{name or view.rel.name}_sorted",
        what=f"{name or view.rel.name}, sorted",
        lines=(m.line, m.line),
        query=query,
    )
    outputs, shape = shapes.columns_of(m, v.rebind(view.element, view.rel.token, alias), name or "item")
    rel.outputs = outputs
    return v.ListOf(rel, shape(rel))


def _reversed(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    content = m.content(args[0])
    if isinstance(content, v.SetOf | v.Group | inner.Inner | v.Part):
        raise Refused("reversed() of this", "reversed() of a list of rows")
    parts = exploded.of(content)
    if isinstance(parts, exploded.Exploded):
        return parts.reversed()
    view = rows.as_view(m, content)
    if view is None:
        return tuple(reversed(containers.known_items(m, args[0])))
    return arrays.backwards(view)


def turned(m: Machine, content: v.ListOf, name: str | None) -> v.ListOf:
    """A list from its last row to its first."""
    return settled(m, arrays.backwards(v.View(content.rel, content.element)), name)


def _list(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if not args:
        return m.new(v.HList())
    content = m.content(args[0])
    if isinstance(content, v.Group) and content.of.container != "set":
        copied = replace(content, of=replace(content.of))  # sorted in place, it leaves the dict alone
        return inner.of(copied) if content.of.container == "dict" else copied
    if isinstance(content, inner.Inner):
        return content
    view = rows.as_view(m, content)
    if view is None:
        return m.new(v.HList(tuple(containers.known_items(m, args[0]))))
    return m.new(settled(m, view, None) if view.order else v.ListOf(view.rel, view.element))


def _tuple(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    return tuple(containers.known_items(m, args[0])) if args else ()


def _set(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if not args:
        return m.new(v.HSet())
    content = m.content(args[0])
    if isinstance(content, v.Group):
        return grouped.distinct(m, content)
    parts = listed.of(m, content)
    if parts is not None:
        return listed.distinct(parts)
    view = rows.as_view(m, content)
    if view is not None:
        return m.new(v.SetOf(view.rel, view.element))
    items = containers.known_items(m, args[0])
    if not all(v.is_const(i) for i in items):
        raise Refused("a set of values that depend on rows")
    return m.new(v.HSet(tuple(dict.fromkeys(items))))


def _dict(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if not args:
        return m.new(v.HDict(tuple(kwargs.items())))
    if kwargs or len(args) != 1:
        raise Refused("dict() of an iterable and names", "a dict comprehension")
    made, view = m.new(v.HDict()), rows.as_view(m, m.content(args[0]))
    held: list[Value] = []

    def put() -> None:
        key, value = rows.unpack(m, held[-1], 2)
        containers.store(m, made, key, value)

    if view is None:
        rows.unroll(m, containers.known_items(m, args[0]), held.append, put)
    elif m.frames:
        raise Refused("dict() of rows in a loop over rows", "a dict made before the loop")
    else:
        rows.over_rows(m, view, (m.line, m.line), held.append, put)
    return made


def _fromkeys(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    value = args[1] if len(args) > 1 else None
    view = rows.as_view(m, m.content(args[0]))
    if view is not None:
        if view.order or not (v.is_const(value) or isinstance(value, Sym)):
            raise Refused("dict.fromkeys() of these rows")
        return m.new(numbered.keyed(m, view, value))
    made = v.HDict()
    for key in containers.known_items(m, args[0]):
        if not v.is_const(key):
            raise Refused("dict.fromkeys() of a short list of values that depend on rows")
        made = made.put(key, value)
    return m.new(made)


def _next(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    content = m.content(args[0])
    if isinstance(content, v.HFile):
        if len(args) == 1:
            m.files["begins", content.path] = True
        return files.read_off(m, args[0])
    if isinstance(m.content(args[0]), v.Foreign) and hasattr(m.content(args[0]), "following"):
        return m.content(args[0]).following(m)
    raise Refused("next() of this iterator")


def _print(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``print(..., file=f)``."""
    given = {"sep": " ", "end": "\n"} | {k: x for k, x in kwargs.items() if x is not None}
    file, sep, end = given.pop("file"), given.pop("sep"), given.pop("end")
    given.pop("flush", None)
    if given or not isinstance(sep, str) or not isinstance(end, str):
        raise Refused("print with these parameters")
    parts: list[Value] = []
    for i, arg in enumerate(args):
        parts += ([sep] if i else []) + [scalars.to_text(m, arg)]
    files.write(m, file, scalars.concat(m, [*parts, end]))
    return None


def _map(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``map(f, items)`` of items that are known: the list of what ``f`` says of each."""
    content = m.content(args[1]) if len(args) == 2 else None
    if isinstance(content, v.Fields | v.Pieces | exploded.Exploded):
        return replace(content, each=(*content.each, lambda field: calls.call(m, args[0], [field], {})))
    if len(args) != 2 or rows.as_view(m, m.content(args[1])) is not None:
        raise Refused("map() of rows, or of several lists", "a comprehension")
    items = [calls.call(m, args[0], [item], {}) for item in containers.known_items(m, args[1])]
    return once.generator(m, m.new(v.HList(tuple(items))))


def _quantifier(all_of: bool) -> Rule:
    def rule(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
        parts = listed.of(m, args[0])
        if parts is not None:
            return Sym(listed.quantified(parts, all_of), "bool")
        tree: exp.Expression = sqlx.literal(all_of)
        for item in containers.known_items(m, args[0]):
            truth = scalars.truth(m, item)
            tree = sqlx.conjunction([tree, truth]) if all_of else sqlx.disjunction(tree, truth)
        return bool(tree.this) if isinstance(tree, exp.Boolean) else Sym(tree, "bool")

    return rule


RULES: dict[str, Rule] = {
    "open": _open,
    "print": _print,
    "len": _len,
    "str": _str,
    "int": _int,
    "float": _float,
    "bool": _bool,
    "abs": _abs,
    "round": _round,
    "max": _extreme("max"),
    "min": _extreme("min"),
    "sum": _sum,
    "range": _range,
    "enumerate": _enumerate,
    "zip": _zip,
    "sorted": _sorted,
    "list": _list,
    "reversed": _reversed,
    "tuple": _tuple,
    "set": _set,
    "dict": _dict,
    "dict.fromkeys": _fromkeys,
    "map": _map,
    "next": _next,
    "any": _quantifier(False),
    "all": _quantifier(True),
}
