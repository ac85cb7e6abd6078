"""``best = None`` and then ``best = (name, x)``: a tuple that a script only takes apart, as one name per part."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_NUMBERS = frozenset({"abs", "float", "int", "len", "round", "str", "sum"})
_TEXTS = frozenset({"capitalize", "format", "join", "lower", "lstrip", "replace", "rstrip", "strip", "title", "upper"})


@dataclass(frozen=True)
class _Parts:
    """The names of a tuple's parts, and the one that is None only where the tuple is."""

    names: tuple[str, ...]
    sure: str

    def read(self, index: int) -> ast.expr:
        """A part; where there is no tuple, asking for it fails as an index into None does."""
        there = ast.Compare(ast.Name(self.sure, ast.Load()), [ast.IsNot()], [ast.Constant(None)])
        fails = ast.Subscript(ast.Constant(None), ast.Constant(0), ast.Load())
        return ast.IfExp(there, ast.Name(self.names[index], ast.Load()), fails)


def apart(tree: ast.Module) -> ast.Module:
    """The script with such tuples taken apart.

    >>> text = "b = None\\nfor n, s in y:\\n    x = float(s)\\n    if b is None:\\n        b = (n, x)\\nprint(b[0])"
    >>> print(ast.unparse(apart(ast.parse(text))))
    b_0 = b_1 = None
    for n, s in y:
        x = float(s)
        if b_1 is None:
            b_0, b_1 = (n, x)
    print(b_0 if b_1 is not None else None[0])
    """
    found = _found(tree)
    return ast.fix_missing_locations(_Taking(found).visit(tree)) if found else tree


def _found(tree: ast.Module) -> dict[str, _Parts]:
    given: dict[str, list[ast.expr]] = {}
    settled: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            given.setdefault(node.targets[0].id, []).append(node.value)
            settled.add(id(node.targets[0]))
    taken = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} | {
        n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)
    }
    refused = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and not _loaded(n) and id(n) not in settled}
    refused |= {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)} | set(_declared(tree))
    made: dict[str, _Parts] = {}
    for name, values in given.items():
        tuples = [x for x in values if isinstance(x, ast.Tuple)]
        count = {len(x.elts) for x in tuples}
        other = [x for x in values if not isinstance(x, ast.Tuple) and not _is_none(x)]
        if name in refused or other or len(count) != 1 or len(tuples) == len(values) or _starred(tuples):
            continue
        width = count.pop()
        sure = [i for i in range(width) if all(_is_something(x.elts[i], given, refused) for x in tuples)]
        names = tuple(f"{name}_{i}" for i in range(width))
        if sure and not set(names) & taken and _only_taken_apart(tree, name, width):
            made[name] = _Parts(names, names[sure[-1]])
    return made


def _loaded(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Load)


def _starred(tuples: list[ast.Tuple]) -> bool:
    return any(isinstance(e, ast.Starred) for t in tuples for e in t.elts)


def _declared(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Global | ast.Nonlocal):
            yield from node.names


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_something(node: ast.expr, given: dict[str, list[ast.expr]], refused: set[str], depth: int = 3) -> bool:
    """Whether an expression is surely not None, read from its text."""
    if isinstance(node, ast.Constant):
        return node.value is not None
    if isinstance(node, ast.Call):
        function = node.func
        named = isinstance(function, ast.Name) and function.id in _NUMBERS and function.id not in given
        return named or (isinstance(function, ast.Attribute) and function.attr in _TEXTS)
    if isinstance(node, ast.Name) and depth and node.id in given and node.id not in refused:
        return all(_is_something(x, given, refused, depth - 1) for x in given[node.id])
    return isinstance(node, ast.BinOp | ast.JoinedStr | ast.Tuple | ast.List)


def _only_taken_apart(tree: ast.Module, name: str, width: int) -> bool:
    """Whether a name is only asked for its parts and for None."""
    settled: set[int] = set()
    for node in ast.walk(tree):
        if _part_of(node, name) is not None and -width <= _part_of(node, name) < width and _loaded_part(node):
            settled.add(id(node.value))
        elif _asks_none(node, name):
            settled.add(id(node.left))
        elif isinstance(node, ast.Assign) and _unpacks(node, name, width):
            settled.add(id(node.value))
    reads = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == name and _loaded(n)]
    return all(id(n) in settled for n in reads)


def _part_of(node: ast.AST, name: str) -> int | None:
    """``i`` of ``name[i]``."""
    if not isinstance(node, ast.Subscript) or not isinstance(node.value, ast.Name) or node.value.id != name:
        return None
    index = node.slice
    negative = isinstance(index, ast.UnaryOp) and isinstance(index.op, ast.USub)
    index = index.operand if negative else index
    if not isinstance(index, ast.Constant) or type(index.value) is not int:
        return None
    return -index.value if negative else index.value


def _loaded_part(node: ast.Subscript) -> bool:
    return isinstance(node.ctx, ast.Load)


def _asks_none(node: ast.AST, name: str) -> bool:
    """``name is None`` and ``name is not None``."""
    if not isinstance(node, ast.Compare) or not isinstance(node.left, ast.Name) or node.left.id != name:
        return False
    return len(node.ops) == 1 and isinstance(node.ops[0], ast.Is | ast.IsNot) and _is_none(node.comparators[0])


def _unpacks(node: ast.Assign, name: str, width: int) -> bool:
    """``a, b = name``."""
    target = node.targets[0]
    whole = isinstance(node.value, ast.Name) and node.value.id == name and len(node.targets) == 1
    return whole and isinstance(target, ast.Tuple) and len(target.elts) == width and not _starred([target])


class _Taking(ast.NodeTransformer):
    def __init__(self, found: dict[str, _Parts]) -> None:
        self.found = found

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        """An assignment of such a tuple, of None, or of the tuple to other names."""
        self.generic_visit(node)
        target = node.targets[0]
        if isinstance(target, ast.Name) and target.id in self.found:
            stores = [ast.Name(n, ast.Store()) for n in self.found[target.id].names]
            targets = stores if _is_none(node.value) else [ast.Tuple(stores, ast.Store())]
            return ast.copy_location(ast.Assign(targets=targets, value=node.value), node)
        if isinstance(node.value, ast.Name) and node.value.id in self.found:
            parts = self.found[node.value.id]
            loads = [parts.read(i) for i in range(len(parts.names))]
            return ast.copy_location(ast.Assign(targets=node.targets, value=ast.Tuple(loads, ast.Load())), node)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        """A part."""
        if isinstance(node.value, ast.Name) and node.value.id in self.found:
            return ast.copy_location(self.found[node.value.id].read(_part_of(node, node.value.id)), node)
        return self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """Whether there is a tuple."""
        if isinstance(node.left, ast.Name) and node.left.id in self.found and _asks_none(node, node.left.id):
            sure = ast.copy_location(ast.Name(self.found[node.left.id].sure, ast.Load()), node.left)
            return ast.copy_location(ast.Compare(sure, node.ops, node.comparators), node)
        return self.generic_visit(node)
