"""Where Python and SQL differ in what one script does: one line per difference, for the model that translates it.

The hints are a data file; here is only which features of a script they go by. A feature is a short text: ``call:int``
(the full name of what is called, aliases of imports resolved), ``method:split/1`` (with its number of arguments) and
``method:split``, ``op:Mod``, ``cmp:In``, ``node:Break``, ``attr:days``, ``kw:key``, ``import:csv``, ``str:contains``
(of a pandas text column), and idioms found by their shape: ``running:Gt``, ``idiom:first``, ``loop:stale``.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from lester_duck import assets

MOST = 16
_VERSION = "v001"
_NOT_IN_RE2 = ("(?=", "(?!", "(?<=", "(?<!", "(?P=", r"\1", r"\2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """One difference: ``when`` are features any of which asks for it; ``python`` and ``sql`` give the same rows."""

    name: str
    when: tuple[str, ...]
    text: str
    python: str = ""
    sql: str = ""
    setup: str = ""

    def concerns(self, features: frozenset[str]) -> bool:
        """Whether a script with these features should know."""
        return any(all(part in features for part in wanted.split(" & ")) for wanted in self.when)


def hints(script: str) -> str:
    """What to heed in translating this script, at most sixteen lines, most specific first; '' when nothing is special.

    >>> print(hints("import csv\\nx = -7 // 2\\n"))
    - csv.reader understands quotes ...
    - a // b rounds down: ...
    """
    found = features(script)
    chosen = [hint for hint in known() if hint.concerns(found)]
    return "\n".join(f"- {hint.text}" for hint in chosen[:MOST])


@cache
def known() -> tuple[Hint, ...]:
    """All hints, in the order of the data file."""
    raw = tomllib.loads(assets.text(f"prompts/hints/{_VERSION}.toml"))["hint"]
    return tuple(Hint(**{**one, "when": tuple(one["when"])}) for one in raw)


def features(script: str) -> frozenset[str]:
    """The features of a script.

    >>> sorted(features("import numpy as np\\ns = np.std(x)"))
    ['attr:std', 'call:numpy.std', 'import:numpy', 'method:std', 'method:std/1']
    """
    tree = ast.parse(script)
    names = _imported(tree)
    found: set[str] = {f"import:{name.split('.')[0]}" for name in names.values()}
    if "import:pandas" in found:
        found.add("pandas")
    for node in ast.walk(tree):
        found.update(_single(node, names))
        if isinstance(node, ast.For | ast.While):
            found.update(_in_loop(node))
    for scope in ast.walk(tree):
        if isinstance(scope, ast.Module | ast.FunctionDef):
            found.update(_stale(scope))
    return frozenset(found)


def _imported(tree: ast.Module) -> dict[str, str]:
    """What names of the script stand for."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                names[one.asname or one.name.split(".")[0]] = one.name if one.asname else one.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module:
            for one in node.names:
                names[one.asname or one.name] = f"{node.module}.{one.name}"
    return names


def _full(node: ast.expr, names: dict[str, str]) -> str:
    """The full name of what is called, '' for a method of a value."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        root = _full(node.value, names)
        known = isinstance(node.value, ast.Attribute | ast.Name) and root.split(".")[0] in _roots(names)
        return f"{root}.{node.attr}" if known else ""
    return ""


def _roots(names: dict[str, str]) -> set[str]:
    return {full.split(".")[0] for full in names.values()}


def _single(node: ast.AST, names: dict[str, str]) -> Iterator[str]:
    """The features of one node."""
    if isinstance(node, ast.Call):
        yield from _call(node, names)
    elif isinstance(node, ast.BinOp | ast.AugAssign):
        yield from _arithmetic(node)
    elif isinstance(node, ast.Compare):
        yield "compare"
        yield from (f"cmp:{type(op).__name__}" for op in node.ops)
    elif isinstance(node, ast.Attribute):
        yield f"attr:{node.attr}"
    elif isinstance(node, ast.Subscript):
        yield from _subscript(node)
    elif isinstance(node, ast.FormattedValue) and node.format_spec is not None:
        yield "format:fixed"
    elif isinstance(node, ast.Constant) and node.value is None:
        yield "const:None"
    elif isinstance(node, ast.If | ast.IfExp | ast.comprehension | ast.BoolOp):
        yield from _tests(node)
    elif isinstance(node, ast.Break | ast.Continue | ast.Set | ast.SetComp):
        yield f"node:{type(node).__name__}"


def _call(node: ast.Call, names: dict[str, str]) -> Iterator[str]:
    full = _full(node.func, names)
    if full:
        yield f"call:{full}"
    yield from (f"kw:{word.arg}" for word in node.keywords if word.arg)
    pattern = node.args[0] if full.startswith("re.") and node.args else None
    if isinstance(pattern, ast.Constant) and any(mark in str(pattern.value) for mark in _NOT_IN_RE2):
        yield "regex:look"
    if not isinstance(node.func, ast.Attribute):
        return
    method = node.func.attr
    yield f"method:{method}"
    yield f"method:{method}/{len(node.args) + len(node.keywords)}"
    if isinstance(node.func.value, ast.Attribute) and node.func.value.attr == "str":
        yield f"str:{method}"


def _arithmetic(node: ast.BinOp | ast.AugAssign) -> Iterator[str]:
    left = node.left if isinstance(node, ast.BinOp) else node.target
    right = node.right if isinstance(node, ast.BinOp) else node.value
    if isinstance(node.op, ast.Mod) and isinstance(left, ast.Constant | ast.JoinedStr) and not _number(left):
        yield "format:percent"
        return
    yield f"op:{type(node.op).__name__}"
    if any(isinstance(side, ast.Constant) and isinstance(side.value, float) for side in (left, right)):
        yield "float:arithmetic"
    share = isinstance(node.op, ast.Mult) and any(_fraction(side) for side in (left, right))
    if share:
        yield "idiom:share"


def _number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def _fraction(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, float) and 0 < node.value < 1


def _subscript(node: ast.Subscript) -> Iterator[str]:
    if isinstance(node.slice, ast.Slice):
        yield "index:slice"
    elif isinstance(node.slice, ast.UnaryOp) and isinstance(node.slice.op, ast.USub):
        yield "index:negative"
    if isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Attribute) and node.value.attr in {"loc", "at"}:
        yield "store:loc"


def _tests(node: ast.If | ast.IfExp | ast.comprehension | ast.BoolOp) -> Iterator[str]:
    """A value taken for true or false."""
    tests = node.ifs if isinstance(node, ast.comprehension) else None
    tests = tests or (node.values if isinstance(node, ast.BoolOp) else [getattr(node, "test", None)])
    for test in tests:
        plain = test.operand if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not) else test
        if isinstance(plain, ast.Name | ast.Subscript):
            yield "test:value"


def _in_loop(loop: ast.For | ast.While) -> Iterator[str]:
    """Idioms by the shape of a loop."""
    if isinstance(loop, ast.For) and _is_lines(loop.iter):
        yield "loop:lines"
    for node in ast.walk(loop):
        if isinstance(node, ast.Try):
            yield "loop:try"
        elif isinstance(node, ast.For) and node is not loop:
            yield "loop:nested"
        elif isinstance(node, ast.If):
            yield from _running(node)
            yield from _first(node)
        elif isinstance(node, ast.Assign) and any(isinstance(t, ast.Subscript) for t in node.targets):
            yield "idiom:ids" if _is_size(node) else "idiom:last"
        elif isinstance(node, ast.Attribute) and node.attr == "append":
            yield from ["idiom:append per key"] if isinstance(node.value, ast.Subscript | ast.Call) else []
    body = loop.body
    if isinstance(loop, ast.For) and body and isinstance(body[-1], ast.Assign):
        targets = {n.id for n in ast.walk(loop.target) if isinstance(n, ast.Name)}
        value = body[-1].value
        if isinstance(value, ast.Name) and value.id in targets and isinstance(body[-1].targets[0], ast.Name):
            yield "loop:previous"


def _is_lines(node: ast.expr) -> bool:
    called = node.func if isinstance(node, ast.Call) else None
    names = {"open", "readlines", "splitlines"}
    if isinstance(called, ast.Name | ast.Attribute):
        return getattr(called, "id", getattr(called, "attr", "")) in names or any(_is_lines(a) for a in node.args)
    return isinstance(node, ast.Name) and node.id in {"f", "fh", "file", "fp", "handle", "infile", "lines"}


def _is_size(node: ast.Assign) -> bool:
    """``ids[k] = len(ids)``, perhaps plus a number."""
    value = node.value.left if isinstance(node.value, ast.BinOp) else node.value
    if not (isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "len" and value.args):
        return False
    size = ast.unparse(value.args[0])
    return any(isinstance(t, ast.Subscript) and ast.unparse(t.value) == size for t in node.targets)


def _running(node: ast.If) -> Iterator[str]:
    """``if x > best: best = x``, whichever side the best is on."""
    mirrored = {"Gt": "Lt", "Lt": "Gt", "GtE": "LtE", "LtE": "GtE"}
    for test in ast.walk(node.test):
        if not isinstance(test, ast.Compare) or len(test.ops) != 1 or type(test.ops[0]).__name__ not in mirrored:
            continue
        kind = type(test.ops[0]).__name__
        left, right = ast.unparse(test.left), ast.unparse(test.comparators[0])
        for target, value in _assigned(node):
            if (target, value) == (right, left):
                yield f"running:{kind}"
            elif (target, value) == (left, right):
                yield f"running:{mirrored[kind]}"


def _assigned(node: ast.If) -> Iterator[tuple[str, str]]:
    for statement in node.body:
        if not isinstance(statement, ast.Assign):
            continue
        for target in statement.targets:
            if isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple):
                pairs = zip(target.elts, statement.value.elts, strict=False)
                yield from ((ast.unparse(t), ast.unparse(v)) for t, v in pairs)
            else:
                yield ast.unparse(target), ast.unparse(statement.value)


def _first(node: ast.If) -> Iterator[str]:
    """``if k not in d: d[k] = v``, and ``if k in seen: continue``."""
    if not isinstance(node.test, ast.Compare) or len(node.test.ops) != 1:
        return
    held = ast.unparse(node.test.comparators[0])
    if isinstance(node.test.ops[0], ast.NotIn):
        changed = [n for s in node.body for n in ast.walk(s)]
        stored = any(
            isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store) and ast.unparse(n.value) == held
            for n in changed
        )
        added = any(
            isinstance(n, ast.Attribute) and n.attr in {"add", "append"} and ast.unparse(n.value) == held
            for n in changed
        )
        if stored or added:
            yield "idiom:first"
    elif isinstance(node.test.ops[0], ast.In) and isinstance(node.body[-1], ast.Continue) and "seen" in held:
        yield "idiom:first"


def _stale(scope: ast.Module | ast.FunctionDef) -> Iterator[str]:
    """A variable of a loop that is read after the loop, and not set again in between."""
    for number, statement in enumerate(scope.body):
        if not isinstance(statement, ast.For):
            continue
        names = {n.id for n in ast.walk(statement.target) if isinstance(n, ast.Name)} - {"_"}
        for later in scope.body[number + 1 :]:
            bound = {n.id for n in _bound(later)}
            read = {n.id for n in ast.walk(later) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
            if names & (read - bound):
                yield "loop:stale"
                return
            names -= bound


def _bound(node: ast.AST) -> Iterator[ast.Name]:
    """Names a statement sets; those of comprehensions and functions are their own, and count as set."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            yield part
        elif isinstance(part, ast.arg):
            yield ast.Name(id=part.arg)
