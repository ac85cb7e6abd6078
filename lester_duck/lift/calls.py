"""Calls: of the script's own functions, of methods, of builtins and of libraries."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import replace

from lester_duck.lift import (
    builtin_rules,
    companions,
    concrete,
    containers,
    csv_quoted,
    dates,
    evolving,
    exploded,
    expressions,
    files,
    functions,
    histories,
    inner,
    joined,
    library_rules,
    lookups,
    matrices,
    models,
    once,
    purity,
    rows,
    scalars,
    so_far,
    statements,
    strings,
    tops,
    twolevels,
    wide,
)  # fmt: skip
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.values import Lib, Method, Poison, Refused, Sym, Value

_DEPTH = 40
LIBRARIES: list[dict[str, library_rules.Rule]] = []
"""Tables of rules of libraries that are lifted by modules of their own."""


def attribute(m: Machine, value: Value, name: str) -> Value:
    """``value.name``."""
    if isinstance(value, v.Choice):
        return _attribute_of_either(m, value, name)
    if isinstance(value, Lib):
        full = f"{value.name}.{name}"
        if full == "sys.argv":
            return m.new(v.HList((m.script,)))  # a script is observed without arguments
        return concrete.CONSTANTS.get(full, Lib(full))
    if isinstance(value, Sym) and value.type in ("date", "datetime", "days", "timedelta") and name not in _DATE_METHODS:
        return dates.attribute(m, value, name)
    if v.is_const(value):
        found = concrete.attribute(value, name)
        return Method(value, name) if found is v.MISSING else found
    content = m.content(value)
    if isinstance(content, v.Foreign):
        return content.attribute(m, value, name)
    if isinstance(content, v.HDict) and content.default == "row":
        found = content.get(name)
        return Method(value, name) if found is v.MISSING else found
    if name == "shape" and isinstance(content, v.Vector | v.Matrix):
        return matrices.shape(m, content)
    return Method(value, name)


def _attribute_of_either(m: Machine, value: v.Choice, name: str) -> Value:
    """The attribute of one record or another, or of a record or None; a method stays one of both."""
    known = m.implied(value.condition)
    if known is not None:
        return attribute(m, value.then if known else value.otherwise, name)
    records = [x for x in (value.then, value.otherwise) if isinstance(x, v.Ref) and isinstance(m.content(x), v.Foreign)]
    if not records or isinstance(attribute(m, records[0], name), Method):
        return Method(value, name)
    return scalars.spread(
        m, value,
        lambda x: scalars.never(m, "AttributeError", f".{name} of None") if x is None else attribute(m, x, name),
    )  # fmt: skip


_DATE_METHODS = frozenset(
    {"date", "time", "isoformat", "weekday", "isoweekday", "isocalendar", "strftime", "total_seconds", "replace"}
)


def lazy_call(m: Machine, function: Value, node: ast.Call) -> Value:
    """Calls whose arguments are not evaluated; ``MISSING`` for all others."""
    if isinstance(function, Lib) and function.name in concrete.QUIET and not _printed_to_file(m, function, node):
        _note_selections(m, node)
        return None
    if isinstance(function, Method) and isinstance(function.receiver, Poison):
        raise function.receiver.refusal()
    return v.MISSING


def _printed_to_file(m: Machine, function: Lib, node: ast.Call) -> bool:
    """Whether a ``print`` goes to a file of the script."""
    target = next((k.value for k in node.keywords if k.arg == "file"), None)
    if function.name != "builtins.print" or target is None:
        return False
    return isinstance(m.content(expressions.evaluate(m, target)), v.HFile)


def _note_selections(m: Machine, node: ast.Call) -> None:
    """What is printed is not translated; ``X[~train]`` in it says which rows the test part has."""
    for part in ast.walk(node):
        opposite = isinstance(part, ast.Subscript) and isinstance(part.slice, ast.UnaryOp)
        if m.frames or not opposite or not isinstance(part.slice.op, ast.Invert):
            continue
        try:
            with m.trial():
                expressions.evaluate(m, part)
        except Refused:
            return  # a part that cannot be said is none that a fit could be compared with


def call(m: Machine, function: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``function(*args, **kwargs)``."""
    if isinstance(function, Lib):
        return _library(m, function.name, args, kwargs)
    if isinstance(function, v.Func):
        return functions.call(m, function, args, kwargs)
    if isinstance(function, Method):
        return _method(m, function.receiver, function.name, args, kwargs)
    if isinstance(function, v.Choice):
        return scalars.spread(m, function, lambda f: call(m, f, args, kwargs))
    if isinstance(function, v.Foreign):
        return function.call(m, args, kwargs)
    raise Refused(f"a call of a {scalars.kind_name(function)}")


def _library(m: Machine, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
    short = name.removeprefix("builtins.")
    rule = builtin_rules.RULES.get(short) or library_rules.RULES.get(name)
    for known in LIBRARIES:
        if name in known:
            answer = known[name](m, args, kwargs)
            if answer is not v.MISSING:
                return answer
    if rule is not None:
        answer = rule(m, args, kwargs)
        if answer is not v.MISSING:
            return answer
    if name in concrete.FUNCTIONS and all(concrete.is_plain(m, a) for a in [*args, *kwargs.values()]):
        return concrete.run(m, concrete.FUNCTIONS[name], args, kwargs)
    if name.startswith("sklearn."):
        return models.construct(m, name, args, kwargs)
    for value in [*args, *kwargs.values()]:
        if isinstance(value, v.Choice) and name in concrete.FUNCTIONS and len(args) == 1:
            return scalars.spread(m, value, lambda x: _library(m, name, [x], kwargs))
    nearest = "items.append(x), then items.sort()" if short.startswith("bisect.insort") else ""
    raise Refused(f"a call of {short}", nearest)


def _method(m: Machine, receiver: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if isinstance(receiver, v.Choice) and any(isinstance(x, v.Ref) for x in (receiver.then, receiver.otherwise)):
        return containers.each_side(m, receiver, lambda x: _method(m, x, name, args, kwargs))
    if isinstance(receiver, v.Choice):
        return scalars.spread(
            m, receiver,
            lambda x: scalars.never(m, "AttributeError", f".{name}() of None") if x is None
            else _method(m, x, name, args, kwargs),
        )  # fmt: skip
    content = m.content(receiver)
    if isinstance(content, v.Foreign):
        return content.method(m, receiver, name, args, kwargs)
    if isinstance(content, Sym):
        if content.type == "str":
            return strings.text_method(m, content, name, args, kwargs)
        return dates.method(m, content, name, args)
    if isinstance(content, str) and name == "join":
        return _join(m, content, args[0])
    symbolic = not all(concrete.is_plain(m, a) for a in [*args, *kwargs.values()])
    if isinstance(content, str) and name == "format" and symbolic:
        return strings.template_format(m, content, args, kwargs)
    if isinstance(content, re.Pattern):
        answer = library_rules.pattern_method(m, content, name, args)
        if answer is not v.MISSING:
            return answer
    rule = METHODS.get((type(content), name))
    if rule is not None:
        return rule(m, receiver, args, kwargs)
    if v.is_const(content):
        if all(concrete.is_plain(m, a) for a in [*args, *kwargs.values()]):
            return concrete.method(m, content, name, args, kwargs)
        raise Refused(f"the method {type(content).__name__}.{name} with a value that depends on rows")
    if isinstance(content, v.Vector | v.Matrix):
        return library_rules.array_method(m, content, name, args, kwargs)
    if isinstance(content, v.Estimator):
        return models.method(m, content, name, args, kwargs)
    raise Refused(f"the method .{name}() of a {scalars.kind_name(content)}")


def _join(m: Machine, separator: str, items: Value) -> Value:
    content = m.content(items)
    if isinstance(content, v.Group | inner.Inner):
        return inner.joined(m, separator, content)
    if isinstance(content, exploded.Exploded):
        return content.joined(m, separator)
    if isinstance(content, v.Words) and separator == " ":
        return Sym(
            scalars.sqlx.sql("array_to_string(py_split(_1), ' ')", content.text.sql), "str", name=content.text.name
        )
    whole = joined.join(m, separator, items)
    return whole if whole is not None else strings.join(m, separator, containers.known_items(m, items))


def make_function(m: Machine, name: str, node: ast.FunctionDef | ast.Lambda) -> v.Func:
    """A function of the script; inner ones remember the names around them."""
    top_level = len(m.state.envs) == 1 and not m.frames
    closure = {} if top_level else dict(m.env)
    return v.Func(name, node, closure, top_level)


def inline(m: Machine, function: v.Func, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """Run a function's body on the arguments; the value is the merge of what its paths return."""
    if m.depth > _DEPTH:
        raise Refused("a recursion that deep")
    names = dict(function.closure)
    names.update(bind_arguments(m, function, args, kwargs))
    base = m.state.path
    m.depth += 1
    m.state.envs.append(names)
    if isinstance(function.node, ast.Lambda):
        value = expressions.evaluate(m, function.node.body)
    else:
        m.exits.append({"return": []})
        yielded = m.new(v.HList()) if _yields(function.node) else None
        if yielded is not None:
            m.env.update({function.name: yielded, "yield": yielded})
        statements.block(m, function.node.body)
        if m.state.alive:
            m.env["return value"] = None
        m.merge(base, [*m.exits.pop()["return"], m.state])
        if not m.state.alive:
            m.state.envs.pop()
            m.depth -= 1
            return None
        value = m.env["return value"] if yielded is None else once.generator(m, yielded)
    m.state.envs.pop()
    m.depth -= 1
    if isinstance(value, Poison):
        raise value.refusal()
    return value


def _yields(node: ast.FunctionDef) -> bool:
    """Whether a function is a generator: what it yields is then the list of all it would."""
    return any(isinstance(n, ast.Yield | ast.YieldFrom) for n in ast.walk(node))


def bind_arguments(m: Machine, function: v.Func, args: list[Value], kwargs: dict[str, Value]) -> dict[str, Value]:
    """Parameter names to values, with defaults."""
    spec = function.node.args
    names = [a.arg for a in [*spec.posonlyargs, *spec.args]]
    if len(args) > len(names) and not spec.vararg:
        raise Refused(f"the script would fail here: too many arguments for {function.name}")
    bound = dict(zip(names, args, strict=False))
    known = {*names, *(a.arg for a in spec.kwonlyargs)}
    others = {n: x for n, x in kwargs.items() if n not in known}
    if others and not spec.kwarg:
        raise Refused(f"the script would fail here: {function.name} without a parameter {next(iter(others))}")
    bound |= {n: x for n, x in kwargs.items() if n in known}
    if spec.vararg:
        bound[spec.vararg.arg] = tuple(args[len(names) :])
    if spec.kwarg:
        bound[spec.kwarg.arg] = m.new(v.HDict(tuple(others.items())))
    for name, node in zip(reversed(names), reversed(spec.defaults), strict=False):
        if name not in bound and name in purity.changed_in_place(function.node):
            raise Refused(f"{function.name}() with a default '{name}' that its calls share")
        if name not in bound:
            bound[name] = expressions.evaluate(m, node)
    for arg, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
        if arg.arg not in bound and default is not None:
            bound[arg.arg] = expressions.evaluate(m, default)
    missing = [n for n in names if n not in bound]
    if missing:
        raise Refused(f"the script would fail here: {function.name} without {missing[0]}")
    return bound


# -- methods of heap objects ---------------------------------------------------------------------


def _append(m: Machine, receiver: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if isinstance(m.content(receiver), v.Fields):
        m.update(receiver, v.HList(tuple(containers.known_items(m, receiver))))
    rows.add(m, receiver, args[0], "append")
    return None


def _slot_append(m: Machine, receiver: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
    element = lookups.freeze(m, args[0])
    so_far.note(m, receiver, element)
    m.log("slot", receiver.of, receiver.key, element)
    return None


def _slot_get(m: Machine, receiver: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
    content, default = m.content(receiver), args[1] if len(args) > 1 else None
    of = content if isinstance(content, v.Slot) else content.of
    if of.container != twolevels.KIND:
        raise Refused("get() of a list")
    rule = twolevels.entry if isinstance(content, v.Slot) else twolevels.found
    return rule(m, content, args[0], default)


def _group_part(at: int | None) -> Callable:
    def rule(m: Machine, receiver: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
        content = m.content(receiver)
        if content.of.container != twolevels.KIND:
            raise Refused("the entries of a list")
        listed = inner.entries(content)
        return listed if at is None else replace(listed, element=listed.element[at])

    return rule


def _set_add(m: Machine, receiver: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
    rows.add(m, receiver, args[0], "add")
    return None


def _extend(m: Machine, receiver: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if wide.is_wide(m, args[0]):
        wide.extend(m, receiver, args[0])
        return None
    for item in containers.known_items(m, args[0]):
        rows.add(m, receiver, item, "append")
    return None


def _dict_get(m: Machine, receiver: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
    content, key = m.content(receiver), args[0]
    default = args[1] if len(args) > 1 else None
    if isinstance(key, v.Choice):
        return scalars.spread(m, key, lambda k: _dict_get(m, receiver, [k, default], {}))
    if isinstance(content, v.DictOf):
        return lookups.find(m, content, key, default)
    if isinstance(content, v.GroupedOf):
        return lookups.find_group(m, content, key, default)
    if isinstance(content, evolving.Evolving) and content.container is not None:
        return so_far.got(m, receiver, key, default)
    if isinstance(content, evolving.Evolving):
        return evolving.get(m, content, key, default)
    if v.is_const(key):
        found = content.get(key)
        if isinstance(found, v.Choice):
            return scalars.spread(m, found, lambda x: default if x is v.MISSING else x)
        return default if found is v.MISSING else companions.found(m, found)
    if not content.items:
        return default
    return lookups.table(m, scalars.scalar(key), list(content.items), default)


def _setdefault(m: Machine, receiver: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
    key, default = args[0], args[1] if len(args) > 1 else None
    known = containers.contains(m, receiver, key)
    m.fork_on(known, lambda: None, lambda: containers.store(m, receiver, key, default))
    return containers.subscript(m, receiver, key)


def _dict_items(m: Machine, receiver: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
    content = m.content(receiver)
    companions.refuse_all(content)
    if isinstance(content, v.HDict):
        return tuple((k, x) for k, x in content.items)
    if isinstance(content, v.DictOf):
        return v.View(content.rel, (content.key, content.value))
    keys = rows.keys_view(m, content)
    return v.View(keys.rel, (keys.element, lookups.own_group(content, keys)))


def _dict_keys(m: Machine, receiver: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
    content = m.content(receiver)
    if isinstance(content, v.HDict):
        return tuple(k for k, _ in content.items)
    return rows.keys_view(m, content)


def _dict_values(m: Machine, receiver: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
    content = m.content(receiver)
    companions.refuse_all(content)
    if isinstance(content, v.HDict):
        return tuple(x for _, x in content.items)
    if isinstance(content, v.DictOf):
        return v.View(content.rel, content.value)
    keys = rows.keys_view(m, content)
    return v.View(keys.rel, lookups.own_group(content, keys))


def _list_index(m: Machine, receiver: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
    items = containers.known_items(m, receiver)
    key = args[0]
    if v.is_const(key):
        return concrete.run(m, items.index, [key], {})
    if not all(v.is_const(i) for i in items):
        raise Refused("index() in a list that depends on rows")
    m.raise_if(scalars.sqlx.negate(lookups.member(m, key, items)), "ValueError", "a value that the list does not have")
    first = {item: i for i, item in reversed(list(enumerate(items)))}
    return lookups.table(m, scalars.scalar(key), list(first.items()))


def _sort(m: Machine, receiver: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if m.frame_of(receiver) is not None:
        raise Refused("a list sorted inside a loop over rows")
    ordered = builtin_rules.ordered(m, m.content(receiver), kwargs)
    m.update(receiver, builtin_rules.settled(m, ordered, rows.folds.name_of(m, receiver.id)))
    return None


def _reverse(m: Machine, receiver: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if m.frame_of(receiver) is not None:
        raise Refused("a list reversed inside a loop over rows")
    content = m.content(receiver)
    if isinstance(content, v.HList):
        m.update(receiver, v.HList(tuple(reversed(content.items))))
        return None
    m.update(receiver, builtin_rules.turned(m, content, rows.folds.name_of(m, receiver.id)))
    return None


def _lines(m: Machine, receiver: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
    view = files.lines_of(m, m.content(receiver))
    return m.new(v.ListOf(view.rel, view.element))


def _readline(m: Machine, receiver: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
    return files.read_off(m, receiver)


def _file_write(m: Machine, receiver: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
    text = m.content(args[0])
    if isinstance(text, joined.Joined):
        joined.write(m, receiver, text)
        return None
    files.write(m, receiver, args[0])
    return None


def _writerow(m: Machine, receiver: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
    writer = m.content(receiver)
    items = tuple(containers.known_items(m, args[0]))
    csv_quoted.write(m, writer, items)
    return None


def _nothing(m: Machine, receiver: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
    return None


METHODS = {
    (v.HList, "append"): _append,
    (v.ListOf, "append"): _append,
    (v.Fields, "append"): _append,
    (v.HList, "extend"): _extend,
    (v.HList, "index"): _list_index,
    (v.HList, "sort"): _sort,
    (v.ListOf, "sort"): _sort,
    (v.HList, "reverse"): _reverse,
    (v.ListOf, "reverse"): _reverse,
    (v.HSet, "add"): _set_add,
    (v.HDict, "get"): _dict_get,
    (v.DictOf, "get"): _dict_get,
    (v.GroupedOf, "get"): _dict_get,
    (v.HDict, "items"): _dict_items,
    (v.DictOf, "items"): _dict_items,
    (v.GroupedOf, "items"): _dict_items,
    (v.HDict, "keys"): _dict_keys,
    (v.DictOf, "keys"): _dict_keys,
    (v.GroupedOf, "keys"): _dict_keys,
    (v.HDict, "values"): _dict_values,
    (v.DictOf, "values"): _dict_values,
    (v.GroupedOf, "values"): _dict_values,
    (v.Slot, "get"): _slot_get,
    (v.Group, "get"): _slot_get,
    (v.Group, "sort"): histories.sort,
    (v.DictOf, "most_common"): histories.most_common,
    (v.Group, "most_common"): tops.most_common,
    (v.Group, "items"): _group_part(None),
    (v.Group, "values"): _group_part(1),
    (v.Group, "keys"): _group_part(0),
    (v.Slot, "append"): _slot_append,
    (v.Slot, "add"): _slot_append,
    (v.HFile, "readlines"): _lines,
    (v.HFile, "readline"): _readline,
    (v.HFile, "write"): _file_write,
    (v.HFile, "close"): _nothing,
    (v.HFile, "flush"): _nothing,
    (v.HWriter, "writerow"): _writerow,
}
METHODS |= {(evolving.Evolving, name): METHODS[(v.HList, name)] for name in ("append", "extend")}
METHODS |= {(evolving.Evolving, "add"): _set_add, (evolving.Evolving, "get"): _dict_get}
METHODS |= {(kind, "setdefault"): _setdefault for kind in (v.HDict, evolving.Evolving, v.Slot)}
