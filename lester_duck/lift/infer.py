"""The type a function of the script returns, read from its text."""

from __future__ import annotations

import ast

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


def return_type(node: ast.FunctionDef) -> str | None:
    """``str``, ``int``, ``float`` or ``bool``: what every ``return`` gives (None apart); None if unclear.

    >>> return_type(ast.parse("def f(x):\\n    if x: return 'a'\\n    return x.lower()").body[0])
    'str'
    """
    locals_ = _locals(node)
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


def _locals(node: ast.FunctionDef) -> dict[str, str | None]:
    known: dict[str, str | None] = {}
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
            kind = _type(value, known)
            known[name] = kind if known.get(name, kind) == kind else None
    return known


def _type(node: ast.expr, locals_: dict[str, str | None]) -> str | None:
    if isinstance(node, ast.Constant):
        kinds = {str: "str", int: "int", float: "float", bool: "bool", type(None): "none"}
        return kinds.get(type(node.value))
    if isinstance(node, ast.JoinedStr):
        return "str"
    if isinstance(node, ast.Name):
        return locals_.get(node.id)
    if isinstance(node, ast.Compare) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)):
        return "bool"
    if isinstance(node, ast.UnaryOp):
        return _type(node.operand, locals_)
    if isinstance(node, ast.IfExp):
        return _common({_type(node.body, locals_), _type(node.orelse, locals_)} - {"none"})
    if isinstance(node, ast.BoolOp):
        return _common({_type(x, locals_) for x in node.values})
    if isinstance(node, ast.BinOp):
        return _arithmetic(node, locals_)
    if isinstance(node, ast.Call):
        return _call(node)
    return None


def _arithmetic(node: ast.BinOp, locals_: dict[str, str | None]) -> str | None:
    left, right = _type(node.left, locals_), _type(node.right, locals_)
    if (isinstance(node.op, ast.Mod) and left == "str") or {left, right} == {"str"}:
        return "str"
    if isinstance(node.op, ast.Div):
        return "float"
    if left in ("int", "float") and right in ("int", "float"):
        return "float" if "float" in (left, right) else "int"
    return None


def _call(node: ast.Call) -> str | None:
    if isinstance(node.func, ast.Name):
        if node.func.id == "round":
            return "int" if len(node.args) == 1 else "float"
        return _CALLS.get(node.func.id)
    if isinstance(node.func, ast.Attribute):
        return next((kind for kind, names in _METHODS.items() if node.func.attr in names), None)
    return None
