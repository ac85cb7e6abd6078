"""The script's own functions: inlined where SQL can say them, declared as row functions where not."""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass

from sqlglot import exp

from lester_duck.lift import calls, declared, infer, purity, scalars
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.values import SQL_TYPES, FromModel, Func, Refused, Sym, Value
from lester_duck.pipeline import model as ir


@dataclass(frozen=True, slots=True)
class Declared:
    """A declared function: its signature, the lines of the script it needs, and its text when it is made."""

    signature: ir.Function
    lines: tuple[tuple[int, int], ...]
    text: str = ""
    header: str = ""


def call(m: Machine, function: Func, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """A call of a function of the script."""
    if not m.frames or not any(_depends(m, a) for a in [*args, *kwargs.values()]):
        return calls.inline(m, function, args, kwargs)
    m.entire += 1
    try:
        with m.trial():
            return calls.inline(m, function, args, kwargs)
    except FromModel:
        raise
    except Refused as error:
        reason = error
    finally:
        m.entire -= 1
    try:
        with m.trial():
            return declare(m, function, calls.bind_arguments(m, function, args, kwargs), reason)
    except Refused as error:
        if m.entire:
            raise
        refused = error
    try:
        with m.trial():
            return calls.inline(m, function, args, kwargs)
    except FromModel:
        raise
    except Refused:
        raise refused from None


def _depends(m: Machine, value: Value) -> bool:
    if isinstance(value, Sym | v.Choice):
        return True
    content = m.content(value)
    if isinstance(content, tuple):
        return any(_depends(m, x) for x in content)
    return not v.is_const(content)


def declare(m: Machine, function: Func, bound: dict[str, Value], reason: Refused) -> Sym:
    """A call of the function as a declared row function; raises ``reason`` where it cannot be one."""
    if not function.top_level or not isinstance(function.node, ast.FunctionDef):
        raise reason
    try:
        arguments = [scalars.whole(scalars.scalar(value)) for value in bound.values()]
    except Refused:
        raise reason from None  # a list or record is no argument: what the function does with it is what counts
    if any(a.type not in SQL_TYPES or a.type in ("timedelta", "days", "array") for a in arguments):
        raise reason
    types = {n: a.type for n, a in zip(bound, arguments, strict=True)}
    returns = infer.return_type(function.node, types, definitions(m))
    if returns is None:
        raise Refused(
            f"{function.name}() cannot be said in SQL ({reason.reason}), and its type is not plain", reason.nearest
        )
    signature = ir.Function(
        name=function.name,
        arguments=tuple(ir.Column(name=n, type=SQL_TYPES[a.type]) for n, a in zip(bound, arguments, strict=True)),
        returns=SQL_TYPES[returns],
    )
    known = m.functions.get(function.name)
    if known is not None and known.signature != signature:
        raise Refused(f"{function.name}() called with arguments of different types")
    lines = needed_lines(m, function.node)
    if m.guards:
        named = {a.name or n: a for n, a in zip(bound, arguments, strict=True)}
        if len(named) != len(arguments) or not all(n.isidentifier() for n in named):
            named = dict(zip(bound, arguments, strict=True))
        body = f"return {function.name}({', '.join(named)})"
        none = infer.may_be_none(function.node)
        return declared.make(m, m.hint or function.name, named, body, (SQL_TYPES[returns], returns), none, lines)
    m.functions[function.name] = Declared(signature, lines)
    tree = exp.Anonymous(this=function.name, expressions=[a.sql.copy() for a in arguments])
    name = function.name.removeprefix("get_").removeprefix("compute_")
    return Sym(tree, returns, null=infer.may_be_none(function.node), name=name)


def needed_lines(m: Machine, node: ast.FunctionDef) -> tuple[tuple[int, int], ...]:
    """The line spans of the function and of every top-level definition, constant and import it needs."""
    return needed_for(m, {node.name}, f"{node.name}()")


def needed_for(m: Machine, names: set[str], who: str) -> tuple[tuple[int, int], ...]:
    """The line spans of every top-level definition, constant and import that some names need."""
    top = {name: statement for statement in m.tree.body for name in defines(statement)}
    wanted: dict[int, ast.stmt] = {}
    queue = set(names)
    while queue:
        name = queue.pop()
        if name not in top:
            if hasattr(builtins, name):
                continue
            raise Refused(f"{who} uses '{name}', which is defined nowhere at the top of the script")
        if id(top[name]) not in wanted:
            wanted[id(top[name])] = top[name]
            queue |= free_names(top[name])
        purity.check(_wanted_of(top[name], name), who)
    for statement in wanted.values():
        if not isinstance(statement, ast.FunctionDef | ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign):
            raise Refused(f"{who} needs a top-level statement that is no definition")
        if isinstance(statement, ast.Assign) and not _is_constant(m, statement):
            raise Refused(f"{who} uses a value that depends on data")
    return tuple(sorted((s.lineno, s.end_lineno or s.lineno) for s in wanted.values()))


def _wanted_of(statement: ast.stmt, name: str) -> ast.stmt:
    """The part of an import that gives a name; other statements as they are."""
    if not isinstance(statement, ast.Import | ast.ImportFrom):
        return statement
    kept = [a for a in statement.names if (a.asname or a.name.split(".")[0]) == name]
    made = ast.Import(kept) if isinstance(statement, ast.Import) else ast.ImportFrom(statement.module, kept, 0)
    return ast.copy_location(made, statement)


def definitions(m: Machine) -> dict[str, ast.FunctionDef]:
    """The functions at the top of the script."""
    return {s.name: s for s in m.tree.body if isinstance(s, ast.FunctionDef)}


def _is_constant(m: Machine, statement: ast.Assign) -> bool:
    for name in defines(statement):
        value = m.state.envs[0].get(name)
        content = m.state.heap[value.id] if isinstance(value, v.Ref) else value
        if isinstance(content, v.Poison | Sym | v.ListOf | v.DictOf | v.SetOf | v.GroupedOf | v.Vector | v.Matrix):
            return False
    return True


def defines(statement: ast.stmt) -> list[str]:
    """The names a top-level statement gives."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.Import):
        return [a.asname or a.name.split(".")[0] for a in statement.names]
    if isinstance(statement, ast.ImportFrom):
        return [a.asname or a.name for a in statement.names]
    if isinstance(statement, ast.Assign):
        return [n.id for t in statement.targets for n in ast.walk(t) if isinstance(n, ast.Name)]
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return [statement.target.id]
    return []


def free_names(node: ast.AST) -> set[str]:
    """The names a statement reads and does not bind itself.

    >>> sorted(free_names(ast.parse("def f(x):\\n    y = x + A\\n    return g(y)").body[0]))
    ['A', 'g']
    """
    read = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    bound = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    bound |= {a.arg for a in ast.walk(node) if isinstance(a, ast.arg)}
    bound |= {n.name for n in ast.walk(node) if isinstance(n, ast.FunctionDef)}
    return read - bound


def _trimmed(snippet: str, read: set[str]) -> str:
    """An import of several modules without those that no function reads."""
    statement = ast.parse(snippet).body[0]
    if not isinstance(statement, ast.Import | ast.ImportFrom):
        return snippet
    kept = [a for a in statement.names if (a.asname or a.name.split(".")[0]) in read]
    if len(kept) == len(statement.names) or not kept:
        return snippet
    statement.names = kept
    return ast.unparse(statement)


def needed(m: Machine, views: tuple[ir.View, ...]) -> tuple[ir.Function, ...]:
    """The declared functions that some views call."""
    text = "\n".join(view.sql.lower() for view in views)
    return tuple(d.signature for name, d in m.functions.items() if f"{name.lower()}(" in text)


def code(m: Machine, names: set[str]) -> str:
    """The text of functions.py: the needed lines of the script in their order, then what was made."""
    used = [f for name, f in m.functions.items() if name in names]
    spans = sorted({span for f in used for span in f.lines})
    lines = m.source.splitlines()
    bodies = [f.text for f in used] + ["\n".join(lines[a - 1 : b]) for a, b in spans]
    read = {n.id for body in bodies for n in ast.walk(ast.parse(body)) if isinstance(n, ast.Name)}
    text, previous = "".join(dict.fromkeys(f.header for f in used)), None
    for first, last in spans:
        snippet = _trimmed("\n".join(lines[first - 1 : last]), read)
        is_definition = snippet.startswith(("def ", "class "))
        if text:
            text += "\n\n" if is_definition or previous == "definition" else ""
        text += snippet + "\n"
        previous = "definition" if is_definition else "line"
    for made in used:
        if made.text:
            text += ("\n\n" if text else "") + made.text
    return text
