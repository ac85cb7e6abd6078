"""Whether Python code gives the same for the same arguments, so that it may be a declared function."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lester_duck.lift.values import Refused

_IMPURE = {
    "eval": "eval()", "exec": "exec()", "compile": "compile()", "open": "open()", "input": "input()",
    "hash": "hash(), which differs from run to run", "id": "id(), which differs from run to run",
    "globals": "globals()", "locals": "locals()", "vars": "vars()", "__import__": "__import__()",
}  # fmt: skip
_MODULES = {"os", "random", "secrets", "shelve", "socket", "sqlite3", "subprocess", "sys", "tempfile", "threading",
            "time", "urllib", "uuid"}  # fmt: skip
_CLOCK = {"now", "today", "utcnow"}
_ZONE = {"astimezone", "fromtimestamp", "localtime", "mktime", "timestamp"}
_CHANGING = {"add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "remove",
             "reverse", "setdefault", "sort", "update", "write", "writerow"}  # fmt: skip
_ORDERED = {"enumerate", "iter", "list", "next", "reversed", "tuple", "zip"}
_UNORDERED = {"all", "any", "frozenset", "len", "max", "min", "set", "sorted", "sum"}


def check(node: ast.AST, who: str) -> None:
    """Raise Refused, saying why, when the code depends on more than its arguments, or changes something."""
    for reason in _reasons(node):
        raise Refused(f"{who} with {reason}")


def _reasons(node: ast.AST) -> Iterator[str]:
    """Why code is no function of its arguments.

    >>> list(_reasons(ast.parse("hash(x)")))
    ['hash(), which differs from run to run']
    >>> list(_reasons(ast.parse("' '.join(set(x))"))), list(_reasons(ast.parse("sorted(set(x))")))
    (['the order of a set'], [])
    """
    own = _bound(node)
    sets = {n for n, values in _assigned(node).items() if any(_is_set(value, set()) for value in values)}
    settled = {id(a) for n in ast.walk(node) if _calls(n, _UNORDERED) and not n.keywords for a in n.args}
    for part in ast.walk(node):
        if isinstance(part, ast.Global | ast.Nonlocal):
            yield f"'{part.names[0]}', which it changes for later calls"
        elif isinstance(part, ast.FunctionDef | ast.Lambda) and any(_is_container(d) for d in part.args.defaults):
            yield "a default that its calls share"
        elif isinstance(part, ast.Name) and part.id in _IMPURE and part.id not in own:
            yield _IMPURE[part.id]
        elif isinstance(part, ast.Import | ast.ImportFrom):
            yield from _imported(part)
        elif isinstance(part, ast.Attribute):
            yield from _attribute(part, own)
        elif isinstance(part, ast.Subscript) and isinstance(part.ctx, ast.Store | ast.Del):
            if isinstance(part.value, ast.Name) and part.value.id not in own:
                yield f"'{part.value.id}', which it changes for later calls"
        elif any(_is_set(i, sets) for i in _in_order(part, settled)):
            yield "the order of a set"


def changed_in_place(node: ast.AST) -> set[str]:
    """The names whose value some code changes in place.

    >>> sorted(changed_in_place(ast.parse("a.append(1); b[0] = 2; c = d.get(1)")))
    ['a', 'b']
    """
    found = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr in _CHANGING:
            target: ast.AST = part.func.value
        elif isinstance(part, ast.Subscript | ast.Attribute) and isinstance(part.ctx, ast.Store | ast.Del):
            target = part.value
        else:
            continue
        if isinstance(target, ast.Name):
            found.add(target.id)
    return found


def _imported(part: ast.Import | ast.ImportFrom) -> Iterator[str]:
    names = [part.module or ""] if isinstance(part, ast.ImportFrom) else [alias.name for alias in part.names]
    yield from (f"the module {name}" for name in names if name.split(".")[0] in _MODULES)


def _attribute(part: ast.Attribute, own: set[str]) -> Iterator[str]:
    if part.attr in _CLOCK:
        yield f".{part.attr}, which reads the clock"
    elif part.attr in _ZONE:
        yield f".{part.attr}, which depends on the machine's time zone"
    elif isinstance(part.value, ast.Name) and part.value.id not in own:
        if part.attr in _CHANGING:
            yield f"'{part.value.id}', which it changes for later calls"
        elif part.attr == "random":
            yield "random numbers"


def _bound(node: ast.AST) -> set[str]:
    own = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return own | {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}


def _assigned(node: ast.AST) -> dict[str, list[ast.expr]]:
    found: dict[str, list[ast.expr]] = {}
    for part in ast.walk(node):
        if isinstance(part, ast.Assign):
            for target in part.targets:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, []).append(part.value)
    return found


def _in_order(part: ast.AST, settled: set[int]) -> list[ast.expr]:
    """What is gone through in its own order here."""
    if isinstance(part, ast.For):
        return [part.iter]
    if isinstance(part, ast.ListComp | ast.GeneratorExp | ast.DictComp) and id(part) not in settled:
        return [g.iter for g in part.generators]
    if isinstance(part, ast.Call):
        method = part.func.attr if isinstance(part.func, ast.Attribute) else ""
        if method == "join" or _calls(part, _ORDERED) or (_calls(part, {"sorted"}) and part.keywords):
            return part.args
        if method == "pop" and isinstance(part.func, ast.Attribute) and not part.args:
            return [part.func.value]
    return [part.value] if isinstance(part, ast.Starred) else []


def _calls(part: ast.AST, names: set[str]) -> bool:
    return isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id in names


def _is_set(value: ast.expr, known: set[str]) -> bool:
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.BitAnd | ast.BitOr | ast.Sub | ast.BitXor):
        return _is_set(value.left, known) or _is_set(value.right, known)
    if isinstance(value, ast.Name):
        return value.id in known
    return isinstance(value, ast.Set | ast.SetComp) or _calls(value, {"set", "frozenset"})


def _is_container(value: ast.expr | None) -> bool:
    made = {"list", "dict", "set", "defaultdict", "Counter", "deque"}
    return isinstance(value, ast.List | ast.Dict | ast.Set) or (value is not None and _calls(value, made))
