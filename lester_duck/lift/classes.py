"""Classes of the script as records: attributes are entries, methods are functions over them."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace

from sqlglot import exp

from lester_duck.lift import calls, companions, concrete, evolving, expressions, functions
from lester_duck.lift import values as v
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine
from lester_duck.lift.sqlx import Tree
from lester_duck.lift.values import MISSING, Func, Lib, Refused, Value

_PLAIN_BASES = (Lib("builtins.object"), Lib("typing.NamedTuple"))
_DATACLASS = Lib("dataclasses.dataclass")
MARK = "class "
"""How a frozen record says that it is an object: the default of its entries is this and the class's name."""


@dataclass(frozen=True, eq=False)
class Class(Library):
    """A class: its methods, the parameters of its constructor, which are positions of a tuple when ``items``.

    ``shared`` are the values that the class itself holds.
    """

    name: str
    methods: tuple[tuple[str, ast.FunctionDef], ...]
    fields: tuple[tuple[str, ast.expr | None], ...] | None
    items: bool = False
    shared: tuple[tuple[str, Value], ...] = ()
    what = "class"

    def attribute(self, m: Machine, ref: Value, name: str) -> Value:
        """``Config.path``: a value of the class, or a function of it."""
        found = dict(self.shared).get(name, MISSING)
        return v.Method(ref, name) if found is MISSING else found

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """``Reader.open(path)``: a static method, or one of the class."""
        method = self.find(name)
        if method is None:
            raise Refused(f"the script would fail here: {self.name} has no {name}")
        given = [ref, *args] if _is_decorated(method, "classmethod") else args
        return functions.call(m, _bound(method), given, kwargs)

    def find(self, name: str) -> ast.FunctionDef | None:
        """A method's definition."""
        return dict(self.methods).get(name)

    def call(self, m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """A new object."""
        made = m.new(Object(self, ()))
        if self.fields is None:
            init = self.find("__init__")
            if init is None:
                if args or kwargs:
                    raise Refused(f"the script would fail here: {self.name}() takes no arguments")
                return made
            functions.call(m, _bound(init), [made, *args], kwargs)
            return made
        bound = dict(zip((n for n, _ in self.fields), args, strict=False)) | kwargs
        for name, default in self.fields:
            if name not in bound and default is None:
                raise Refused(f"the script would fail here: {self.name}() without {name}")
            value = bound[name] if name in bound else _default(m, default)
            m.content(made).set_attribute(m, made, name, value)
        if self.find("__post_init__") is not None:
            functions.call(m, _bound(self.find("__post_init__")), [made], {})
        return made


@dataclass(frozen=True, eq=False)
class Object(Library):
    """An object of a class of the script."""

    of: Class
    entries: tuple[tuple[str, Value], ...]
    what = "object"

    def attribute(self, m: Machine, ref: Value, name: str) -> Value:
        """An attribute, a property, or a method."""
        found = dict(self.entries).get(name, MISSING)
        if isinstance(found, v.Poison):
            raise found.refusal()
        if found is not MISSING:
            return companions.found(m, found)
        method = self.of.find(name)
        if method is not None and _is_decorated(method, "property"):
            return functions.call(m, _bound(method), [ref], {})
        return v.Method(ref, name) if method is not None else self.of.attribute(m, ref, name)

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """A call of a method."""
        method = self.of.find(name)
        if method is None:
            raise Refused(f"the script would fail here: {self.of.name} has no {name}")
        if _is_decorated(method, "classmethod"):
            return functions.call(m, _bound(method), [self.of, *args], kwargs)
        given = args if _is_decorated(method, "staticmethod") else [ref, *args]
        return functions.call(m, _bound(method), given, kwargs)

    def set_attribute(self, m: Machine, ref: Value, name: str, value: Value) -> None:
        """``x.name = value``."""
        if not isinstance(ref, v.Ref) or m.frame_of(ref) is not None:
            raise Refused("an object of another row changed in a loop over rows", "a dict per key")
        if isinstance(value, v.Sym):
            value = m.let(name, value)
        companions.not_one(dict(self.entries).get(name))
        kept = tuple((n, value if n == name else x) for n, x in self.entries)
        known = any(n == name for n, _ in self.entries)
        m.update(ref, replace(self, entries=kept if known else (*kept, (name, value))))
        evolving.changed(m, ref)

    def subscript(self, m: Machine, ref: Value, index: Value) -> Value:
        """``x[i]`` of a named tuple."""
        if not self.of.items or type(index) is not int:
            raise Refused(f"an index into a {self.of.name}")
        return self.entries[index][1]

    def rows(self, m: Machine, ref: Value) -> Value:
        """A named tuple unpacked, or what ``__iter__`` goes through."""
        walk = self.of.find("__iter__")
        if walk is not None:
            return functions.call(m, _bound(walk), [ref], {})
        if not self.of.items:
            raise Refused(f"a loop over a {self.of.name}")
        return m.new(v.HList(tuple(x for _, x in self.entries)))

    def length(self, m: Machine, ref: Value) -> Value:
        """``len(x)`` of a named tuple, or as ``__len__`` says."""
        size = self.of.find("__len__")
        if size is not None:
            return functions.call(m, _bound(size), [ref], {})
        if not self.of.items:
            raise Refused(f"the length of a {self.of.name}")
        return len(self.entries)

    def truth(self, m: Machine, ref: Value) -> Tree:
        """An object is true."""
        if self.of.find("__bool__") or self.of.find("__len__"):
            raise Refused(f"the truth of a {self.of.name}")
        return exp.true()

    def record(self, m: Machine) -> v.HDict:
        """The object as kept in a collection."""
        return v.HDict(self.entries, f"{MARK}{self.of.name}")

    def merged(self, m: Machine, condition: Tree, other: Value) -> Value:
        """The object after a branch that changed it."""
        names = [n for n, _ in self.entries]
        if not isinstance(other, Object) or [n for n, _ in other.entries] != names:
            return v.Poison("an object is changed in one branch only", m.line)
        pairs = zip(self.entries, other.entries, strict=True)
        return replace(self, entries=tuple((n, a if a is b else m.select(condition, a, b)) for (n, a), (_, b) in pairs))


def define(m: Machine, node: ast.ClassDef) -> None:
    """A class statement; raises Refused for what is more than a record with methods."""
    bases = [expressions.evaluate(m, b) for b in node.bases]
    decorators = [expressions.evaluate(m, d.func if isinstance(d, ast.Call) else d) for d in node.decorator_list]
    if any(b not in _PLAIN_BASES for b in bases) or any(d != _DATACLASS for d in decorators) or node.keywords:
        raise Refused("a class with bases or decorators of its own", "a plain class, a dataclass, a dict per record")
    methods: list[tuple[str, ast.FunctionDef]] = []
    fields: list[tuple[str, ast.expr | None]] = []
    for inner in node.body:
        if isinstance(inner, ast.FunctionDef) and all(_is_known(d) for d in inner.decorator_list):
            methods.append((inner.name, inner))
        elif isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name):
            fields.append((inner.target.id, inner.value))
        elif not _says_nothing(inner) and not _is_value(inner):
            raise Refused("a statement in a class that is neither a method nor a value", "attributes set in __init__")
    is_tuple = Lib("typing.NamedTuple") in bases
    own = tuple(fields) if decorators or is_tuple else None
    made = Class(node.name, tuple(methods), own, is_tuple, _values(m, node, is_tuple))
    m.env[node.name] = made
    m.files["class", node.name] = made


def _is_value(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and all(isinstance(t, ast.Name) for t in node.targets)


def _values(m: Machine, node: ast.ClassDef, is_tuple: bool) -> tuple[tuple[str, Value], ...]:
    """The values that a class gives names to in its body, those before seen by those after."""
    found: dict[str, Value] = {}
    for inner in node.body:
        annotated = isinstance(inner, ast.AnnAssign) and inner.value is not None and not is_tuple
        if not annotated and not _is_value(inner):
            continue
        made = isinstance(inner.value, ast.Call) and any(k.arg == "default_factory" for k in inner.value.keywords)
        if annotated and made:
            continue
        m.state.envs.append({**m.env, **found})
        value = expressions.evaluate(m, inner.value)
        m.state.envs.pop()
        targets = [inner.target] if annotated else inner.targets
        found.update({t.id: value for t in targets})
    return tuple(found.items())


def _is_decorated(method: ast.FunctionDef, name: str) -> bool:
    return any(isinstance(d, ast.Name) and d.id == name for d in method.decorator_list)


def _says_nothing(node: ast.stmt) -> bool:
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _is_known(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Name) and decorator.id in ("property", "staticmethod", "classmethod")


def _bound(node: ast.FunctionDef) -> Func:
    return Func(node.name, node, {}, False)


def _default(m: Machine, node: ast.expr) -> Value:
    keywords = node.keywords if isinstance(node, ast.Call) else []
    factory = next((k.value for k in keywords if k.arg == "default_factory"), None)
    if factory is not None:
        return calls.call(m, expressions.evaluate(m, factory), [], {})
    return expressions.evaluate(m, node)


def thawed(m: Machine, entries: tuple[tuple[str, Value], ...], mark: str) -> Value:
    """The object that a frozen record was."""
    return m.new(Object(m.files["class", mark.removeprefix(MARK)], entries))


def _named_tuple(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``collections.namedtuple(name, fields)``."""
    if len(args) != 2 or kwargs or not isinstance(args[0], str):
        raise Refused("namedtuple with these parameters")
    names = concrete.plain_value(m, args[1])
    names = names.replace(",", " ").split() if isinstance(names, str) else names
    made = Class(args[0], (), tuple((str(n), None) for n in names), True)
    m.files["class", args[0]] = made
    return made


RULES = {"collections.namedtuple": _named_tuple}


def install() -> None:
    """Make the rules known to calls of libraries."""
    if RULES not in calls.LIBRARIES:
        calls.LIBRARIES.append(RULES)
