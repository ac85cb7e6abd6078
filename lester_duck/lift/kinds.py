"""The types of names in a sequential step, read from its text: scalars, and what lists and dicts hold."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from lester_duck.lift import infer

_SCALARS = frozenset({"str", "int", "float", "bool", "date", "datetime"})
_CONTAINERS = {"dict": "dict", "list": "list", "set": "set", "defaultdict": "dict", "Counter": "dict"}
_ITEMS = {"get": 1, "pop": 1, "setdefault": 1}


@dataclass(frozen=True, slots=True)
class Kind:
    """A type: ``name`` of a scalar, ``none``, ``list``, ``dict``, ``tuple`` or ``mixed``; ``item`` is what it holds.

    ``null`` says that the value may be None.
    """

    name: str
    item: Kind | None = None
    null: bool = False
    parts: tuple[tuple[object, Kind], ...] = ()

    @property
    def scalar(self) -> bool:
        """Whether a column can hold it."""
        return self.name in _SCALARS


MIXED = Kind("mixed")
NONE = Kind("none", null=True)


def joined(kinds: Iterable[Kind | None]) -> Kind | None:
    """The kind of a value that is of one of the kinds; None where nothing is known.

    >>> joined([Kind("int"), NONE])
    Kind(name='int', item=None, null=True, parts=())
    >>> joined([Kind("int"), Kind("float")]).name
    'mixed'
    """
    found: Kind | None = None
    for kind in kinds:
        if kind is None or kind == found:
            continue
        if found is None:
            found = kind
        elif kind.name == "none" or found.name == "none":
            found = replace(found if kind.name == "none" else kind, null=True)
        elif kind.name != found.name:
            return MIXED
        else:
            parts = found.parts if found.parts == kind.parts else _merged(found.parts, kind.parts)
            found = Kind(kind.name, joined([found.item, kind.item]), found.null or kind.null, parts)
    return found


def _merged(a: tuple, b: tuple) -> tuple[tuple[object, Kind], ...]:
    both = dict(a)
    for key, kind in b:
        both[key] = joined([both.get(key), kind]) or kind
    return tuple(both.items())


@dataclass(slots=True)
class Kinds:
    """What is known of the names of a step."""

    names: dict[str, Kind]
    functions: Mapping[str, ast.FunctionDef] = field(default_factory=dict)

    def learn(self, statements: list[ast.stmt]) -> None:
        """Read every assignment until nothing new is learnt."""
        for _ in range(6):
            before = dict(self.names)
            for statement in statements:
                for node in ast.walk(statement):
                    self._note(node)
            if self.names == before:
                return

    def _note(self, node: ast.AST) -> None:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self._assign(target, self.of(node.value), node.value)
        elif (isinstance(node, ast.AnnAssign) and node.value is not None) or isinstance(node, ast.NamedExpr):
            self._assign(node.target, self.of(node.value), node.value)
        elif isinstance(node, ast.AugAssign):
            load = ast.parse(ast.unparse(node.target), mode="eval").body
            self._assign(node.target, self.of(ast.BinOp(left=load, op=node.op, right=node.value)), node.value)
        elif isinstance(node, ast.For):
            kind = self.of(node.iter)
            item = kind.item if kind is not None else None
            if kind is not None and kind.name == "str":
                item = Kind("str")
            self._assign(node.target, item, None)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            self._called(node.func, node.args)

    def _called(self, func: ast.Attribute, args: list[ast.expr]) -> None:
        name = func.attr
        if name in ("append", "add", "appendleft"):
            self._hold(func.value, Kind("list" if name != "add" else "set", self.of(args[0])))
        elif name == "insert" and len(args) == 2:
            self._hold(func.value, Kind("list", self.of(args[1])))
        elif name == "setdefault" and len(args) == 2:
            self._hold(func.value, Kind("dict", self.of(args[1])))

    def _assign(self, target: ast.expr, kind: Kind | None, value: ast.expr | None) -> None:
        if isinstance(target, ast.Tuple | ast.List):
            parts = value.elts if isinstance(value, ast.Tuple | ast.List) else []
            for i, inner in enumerate(target.elts):
                part = self.of(parts[i]) if len(parts) == len(target.elts) else _part(kind, i)
                self._assign(inner, part, parts[i] if len(parts) == len(target.elts) else None)
        elif isinstance(target, ast.Subscript) and kind is not None:
            self._store(target, kind)
        elif isinstance(target, ast.Name) and kind is not None:
            self.names[target.id] = joined([self.names.get(target.id), kind]) or kind

    def _store(self, target: ast.Subscript, kind: Kind) -> None:
        base = self.of(target.value)
        key = target.slice.value if isinstance(target.slice, ast.Constant) else None
        name = base.name if base is not None and base.name in ("list", "dict") else "dict"
        if isinstance(key, str) and base is not None and base.parts:
            self._hold(target.value, Kind(name, None, False, ((key, kind),)))
        else:
            self._hold(target.value, Kind(name, kind))

    def _hold(self, receiver: ast.expr, kind: Kind) -> None:
        """Something is put into what an expression stands for."""
        if isinstance(receiver, ast.Name):
            self.names[receiver.id] = joined([self.names.get(receiver.id), kind]) or kind
        elif isinstance(receiver, ast.Subscript):
            self._store(receiver, kind)

    def of(self, node: ast.expr) -> Kind | None:
        """The kind of an expression; None where it is not known."""
        rule = _RULES.get(type(node))
        return rule(self, node) if rule is not None else None


def _part(kind: Kind | None, index: object) -> Kind | None:
    if kind is None:
        return None
    return dict(kind.parts).get(index, kind.item)


def _constant(self: Kinds, node: ast.Constant) -> Kind | None:
    if node.value is None:
        return NONE
    name = type(node.value).__name__
    return Kind(name) if name in _SCALARS else None


def _name(self: Kinds, node: ast.Name) -> Kind | None:
    return self.names.get(node.id)


def _boolean(self: Kinds, node: ast.expr) -> Kind:
    return Kind("bool")


def _unary(self: Kinds, node: ast.UnaryOp) -> Kind | None:
    if isinstance(node.op, ast.Not):
        return Kind("bool")
    kind = self.of(node.operand)
    return Kind("int") if kind is not None and kind.name == "bool" else kind


def _chosen(self: Kinds, node: ast.IfExp) -> Kind | None:
    a, b = self.of(node.body), self.of(node.orelse)
    tested = _not_none(node.test)
    if tested is not None:
        wanted, side = tested
        a = _known(a, node.body, wanted) if side else a
        b = _known(b, node.orelse, wanted) if not side else b
    return joined([a, b]) if a is not None and b is not None else a or b


def _not_none(test: ast.expr) -> tuple[str, bool] | None:
    """The name that a test says is not None, and whether it says so where it holds."""
    is_none = isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.left, ast.Name)
    if not is_none or not isinstance(test.comparators[0], ast.Constant) or test.comparators[0].value is not None:
        return None
    if isinstance(test.ops[0], ast.Is | ast.IsNot):
        return test.left.id, isinstance(test.ops[0], ast.IsNot)
    return None


def _known(kind: Kind | None, node: ast.expr, name: str) -> Kind | None:
    return replace(kind, null=False) if kind is not None and isinstance(node, ast.Name) and node.id == name else kind


def _any_of(self: Kinds, node: ast.BoolOp) -> Kind | None:
    found = [self.of(x) for x in node.values]
    return joined(found) if all(k is not None for k in found) else None


def _arithmetic(self: Kinds, node: ast.BinOp) -> Kind | None:
    a, b = self.of(node.left), self.of(node.right)
    if isinstance(node.op, ast.Mod) and a is not None and a.name == "str":
        return Kind("str")
    if a is not None and b is not None and a.name == b.name and a.name in ("str", "list", "tuple"):
        return joined([replace(a, null=False), replace(b, null=False)])
    numbers = {x.name for x in (a, b) if x is not None}
    if isinstance(node.op, ast.Div) and numbers <= {"int", "float", "bool", "mixed"}:
        return Kind("float")
    if "float" in numbers and numbers <= {"int", "float", "bool", "mixed"} and not isinstance(node.op, ast.Pow):
        return Kind("float")
    if a is None or b is None or isinstance(node.op, ast.Pow):
        return None
    if numbers <= {"int", "bool"}:
        return Kind("int")
    return MIXED if numbers <= {"int", "float", "bool", "mixed"} else None


def _call(self: Kinds, node: ast.Call) -> Kind | None:
    if isinstance(node.func, ast.Attribute):
        base = self.of(node.func.value)
        if base is not None and base.name == "dict" and node.func.attr in _ITEMS:
            key = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
            default = self.of(node.args[1]) if len(node.args) > 1 else NONE
            return joined([_part(base, key), default])
        if base is not None and base.name == "list" and node.func.attr in ("pop", "popleft"):
            return base.item
    elif isinstance(node.func, ast.Name):
        name = node.func.id
        if name in _CONTAINERS and name not in self.functions:
            made = self.of(node.args[0]) if name in ("list", "set") and node.args else None
            if name == "defaultdict" and node.args and isinstance(node.args[0], ast.Name):
                made = Kind("dict", {"int": Kind("int"), "float": Kind("float"), "list": Kind("list"),
                                     "dict": Kind("dict"), "str": Kind("str")}.get(node.args[0].id))  # fmt: skip
            return Kind(_CONTAINERS[name], made.item if made is not None else None)
        if name in ("min", "max", "sum") and node.args and name not in self.functions:
            found = [self.of(a) for a in node.args]
            if len(found) == 1:
                found = [found[0].item if found[0] is not None else None]
            if name == "sum":
                whole = found[0] is not None and found[0].name in ("int", "bool")
                return Kind("int") if whole else None
            return joined(found) if all(k is not None for k in found) else None
        if name in ("sorted", "reversed") and node.args:
            kind = self.of(node.args[0])
            return Kind("list", kind.item) if kind is not None else None
    plain = {n: k.name for n, k in self.names.items() if k.scalar}
    found = infer.expression_type(node, plain, self.functions)
    return Kind(found) if found in _SCALARS else None


def _index(self: Kinds, node: ast.Subscript) -> Kind | None:
    base = self.of(node.value)
    if base is None:
        return None
    if base.name == "str" or isinstance(node.slice, ast.Slice):
        return replace(base, null=False)
    return _part(base, node.slice.value if isinstance(node.slice, ast.Constant) else None)


def _sequence(self: Kinds, node: ast.List | ast.Tuple | ast.Set) -> Kind:
    found = [self.of(x) for x in node.elts]
    name = {"List": "list", "Tuple": "tuple", "Set": "set"}[type(node).__name__]
    parts = tuple((i, k) for i, k in enumerate(found) if k is not None) if name != "set" else ()
    return Kind(name, joined(found), False, parts)


def _mapping(self: Kinds, node: ast.Dict) -> Kind:
    pairs = [(k.value, self.of(x)) for k, x in zip(node.keys, node.values, strict=True) if isinstance(k, ast.Constant)]
    known = tuple((k, kind) for k, kind in pairs if kind is not None)
    return Kind("dict", joined(self.of(x) for x in node.values), False, known)


def _comprehension(self: Kinds, node: ast.ListComp) -> Kind | None:
    inner = Kinds(dict(self.names), self.functions)
    for clause in node.generators:
        kind = inner.of(clause.iter)
        inner._assign(clause.target, kind.item if kind is not None else None, None)
    return Kind("list", inner.of(node.elt))


def _joined_text(self: Kinds, node: ast.JoinedStr) -> Kind:
    return Kind("str")


_RULES = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Compare: _boolean,
    ast.UnaryOp: _unary,
    ast.IfExp: _chosen,
    ast.BoolOp: _any_of,
    ast.BinOp: _arithmetic,
    ast.Call: _call,
    ast.Subscript: _index,
    ast.List: _sequence,
    ast.Tuple: _sequence,
    ast.Set: _sequence,
    ast.Dict: _mapping,
    ast.ListComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.JoinedStr: _joined_text,
}
