"""The type a function of the script returns, read from its text."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from lester_duck.lift import infer_dates

_CALLS = {
    "int": "int",
    "len": "int",
    "ord": "int",
    "float": "float",
    "str": "str",
    "bool": "bool",
    "any": "bool",
    "all": "bool",
}
_MODULES = {"ceil": "int", "floor": "int", "crc32": "int", "adler32": "int"} | dict.fromkeys(
    ("sqrt", "log", "log10", "log2", "log1p", "exp", "sin", "cos", "tan", "atan2", "hypot", "radians"), "float"
)
_METHODS = {
    "str": frozenset(
        [
            "lower",
            "upper",
            "strip",
            "lstrip",
            "rstrip",
            "replace",
            "join",
            "title",
            "capitalize",
            "format",
            "zfill",
            "strftime",
            "isoformat",
            "hexdigest",
            "decode",
            "group",
            "sub",
            "swapcase",
            "casefold",
            "removeprefix",
            "removesuffix",
            "center",
            "ljust",
            "rjust",
        ]
    ),
    "bool": frozenset(
        ["startswith", "endswith", "isdigit", "isalpha", "isalnum", "isupper", "islower", "isspace", "isnumeric"]
    ),
    "int": frozenset({"count", "find", "rfind", "index", "weekday", "toordinal"}),
    "float": frozenset({"total_seconds"}),
}


Functions = Mapping[str, ast.FunctionDef]


def expression_type(node: ast.expr, names: Mapping[str, str], functions: Functions) -> str | None:
    """The type of an expression over names of known types; None if unclear.

    >>> expression_type(ast.parse("sum(1 for w in x.split() if w)", mode="eval").body, {"x": "str"}, {})
    'int'
    """
    return _type(node, _Scope(dict(names), functions))


@dataclass(slots=True)
class _Scope:
    """What is known of names while a text is read; ``depth`` counts the calls of functions within."""

    names: dict[str, str | None]
    functions: Functions
    depth: int = 0


def return_type(
    node: ast.FunctionDef, names: Mapping[str, str] | None = None, functions: Functions | None = None, depth: int = 0
) -> str | None:
    """``str``, ``int``, ``float`` or ``bool``: what every ``return`` gives (None apart); None if unclear.

    >>> return_type(ast.parse("def f(x):\\n    if x: return 'a'\\n    return x.lower()").body[0])
    'str'
    """
    locals_ = _locals(node, _Scope(dict(names or {}), functions or {}, depth))
    found: set[str] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Return) and inner.value is not None:
            kind = _type(inner.value, locals_)
            if kind is None:
                return None
            found.add(kind)
    found.discard("none")
    return _common(found)


def may_be_none(node: ast.FunctionDef) -> bool:
    """Whether some path of the function gives None."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Return) and (
            inner.value is None or (isinstance(inner.value, ast.Constant) and inner.value.value is None)
        ):
            return True
    return not _ends(node.body)


def _ends(body: list[ast.stmt]) -> bool:
    last = body[-1]
    if isinstance(last, ast.Return | ast.Raise):
        return True
    if isinstance(last, ast.If):
        return bool(last.orelse) and _ends(last.body) and _ends(last.orelse)
    if isinstance(last, ast.Try):
        return _ends(last.body) and all(_ends(h.body) for h in last.handlers)
    return False


def _common(kinds: set[str]) -> str | None:
    return next(iter(kinds)) if len(kinds) == 1 else None


def _locals(node: ast.FunctionDef, scope: _Scope) -> _Scope:
    known = scope.names
    given = set(known)
    for _ in range(2):
        for inner in ast.walk(node):
            value: ast.expr | None = None
            if isinstance(inner, ast.Assign) and len(inner.targets) == 1 and isinstance(inner.targets[0], ast.Name):
                name, value = inner.targets[0].id, inner.value
            elif isinstance(inner, ast.AugAssign) and isinstance(inner.target, ast.Name):
                name = inner.target.id
                value = ast.BinOp(left=ast.Name(id=name, ctx=ast.Load()), op=inner.op, right=inner.value)
            if value is None:
                continue
            kind = _type(value, scope)
            if name in given and known[name] != kind:
                given.discard(name)
                known[name] = None
            known[name] = kind if known.get(name, kind) == kind else None
    return scope


def _type(node: ast.expr, scope: _Scope) -> str | None:
    own = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in scope.functions
    dated = None if own else infer_dates.of(node, lambda part: _type(part, scope))
    if dated is not None:
        return dated
    if isinstance(node, ast.Constant):
        kinds = {str: "str", int: "int", float: "float", bool: "bool", type(None): "none"}
        return kinds.get(type(node.value))
    if isinstance(node, ast.JoinedStr):
        return "str"
    if isinstance(node, ast.Name):
        return scope.names.get(node.id)
    if isinstance(node, ast.Compare) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)):
        return "bool"
    if isinstance(node, ast.UnaryOp):
        return _type(node.operand, scope)
    if isinstance(node, ast.IfExp):
        return _common({_type(node.body, scope), _type(node.orelse, scope)} - {"none"})
    if isinstance(node, ast.BoolOp):
        return _common({_type(x, scope) for x in node.values})
    if isinstance(node, ast.BinOp):
        return _arithmetic(node, scope)
    if isinstance(node, ast.Call):
        return _call(node, scope)
    if isinstance(node, ast.Subscript):
        return "str" if _type(node.value, scope) == "str" else None
    return None


def _arithmetic(node: ast.BinOp, scope: _Scope) -> str | None:
    left, right = _type(node.left, scope), _type(node.right, scope)
    if (isinstance(node.op, ast.Mod) and left == "str") or {left, right} == {"str"}:
        return "str"
    if isinstance(node.op, ast.Div):
        return "float"
    if left in ("int", "float") and right in ("int", "float"):
        return "float" if "float" in (left, right) else "int"
    return None


def _call(node: ast.Call, scope: _Scope) -> str | None:
    if isinstance(node.func, ast.Name):
        return _plain_call(node, node.func.id, scope)
    if isinstance(node.func, ast.Attribute):
        if isinstance(node.func.value, ast.Name) and node.func.value.id in ("math", "zlib"):
            return _MODULES.get(node.func.attr)
        return next((kind for kind, names in _METHODS.items() if node.func.attr in names), None)
    return None


def _plain_call(node: ast.Call, name: str, scope: _Scope) -> str | None:
    if name == "round":
        return "int" if len(node.args) == 1 else "float"
    if name == "abs" and node.args:
        return _type(node.args[0], scope)
    if name in ("sum", "min", "max") and node.args:
        kind = _common({_element(a, scope) if len(node.args) == 1 else _type(a, scope) for a in node.args})
        if name == "sum":
            return {"bool": "int", "int": "int", "float": "float"}.get(kind or "")
        return kind
    if name in scope.functions and scope.depth < 5:
        return return_type(scope.functions[name], {}, scope.functions, scope.depth + 1)
    return _CALLS.get(name)


def _element(node: ast.expr, scope: _Scope) -> str | None:
    """The type of what an iterable yields."""
    if isinstance(node, ast.GeneratorExp | ast.ListComp | ast.SetComp):
        inner = _Scope(dict(scope.names), scope.functions, scope.depth)
        for clause in node.generators:
            if isinstance(clause.target, ast.Name):
                inner.names[clause.target.id] = _element(clause.iter, inner)
        return _type(node.elt, inner)
    method = node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""
    if method in ("split", "splitlines"):
        return "str"
    return "str" if _type(node, scope) == "str" else None
