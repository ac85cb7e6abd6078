"""What becomes of a statement that is refused: its names are poisoned, the rest goes on."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

from lester_duck.lift import aftermath
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.values import FromModel, Poison, Refused

_MUTATORS = frozenset(
    [
        "append",
        "add",
        "write",
        "writelines",
        "writerow",
        "writerows",
        "update",
        "setdefault",
        "extend",
        "insert",
        "pop",
        "remove",
        "sort",
        "clear",
        "discard",
        "reverse",
    ]
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A piece of the script that was not lifted: where, why, and the nearest supported form."""

    line: int
    reason: str
    nearest: str = ""

    def __str__(self) -> str:
        form = f"; nearest supported form: {self.nearest}" if self.nearest else ""
        return f"line {self.line}: {self.reason}{form}"


def attempt(m: Machine, node: ast.stmt, run: Callable[[Machine, ast.stmt], None]) -> None:
    """Run a statement outside loops over rows; when it is refused, record that and poison what it touches."""
    before = dict(m.state.heap)
    opened = set(m.written)
    try:
        with m.trial():
            run(m, node)
    except Refused as error:
        poison = refused(m, error, node)
        lost = [] if poison.model else [*given_away(m, node), *aftermath.changed(m, node)]
        lost = aftermath.reachable(m, [*mutated(m, node), *lost])
        for name in assigned_names(node):
            m.env[name] = poison
        for ref in lost:
            m.state.heap[ref.id] = poison
        named = {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        for path in (set(m.written) - opened) | (set(m.written) & named):
            m.state.heap[m.written[path]] = poison
        return
    if isinstance(node, ast.For | ast.With | ast.Try) and m.depth == 0:
        _snapshot(m, node, before)


def refused(m: Machine, error: Refused, node: ast.stmt | ast.expr) -> Poison:
    """Record a refusal; the result stands for the value that is missing."""
    line = error.line or m.line or node.lineno
    model = isinstance(error, FromModel) or (m.fit is not None and _asks_model(m, node))
    if not model:
        m.refusals.append(Refusal(line, error.reason, error.nearest))
    return Poison(error.reason, line, model)


def _asks_model(m: Machine, node: ast.AST) -> bool:
    """Whether a statement speaks of the fitted estimator, or of what it said."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            value = m.env.get(inner.id, m.state.envs[0].get(inner.id))
            content = m.state.heap.get(value.id) if isinstance(value, v.Ref) else value
            if isinstance(content, v.Estimator) or (isinstance(content, Poison) and content.model):
                return True
    return False


def _snapshot(m: Machine, node: ast.stmt, before: dict) -> None:
    """Remember the collections a top-level loop changed: the judge can compare them there."""
    for name, value in m.env.items():
        if isinstance(value, v.Ref):
            content = m.state.heap[value.id]
            if isinstance(content, v.ListOf | v.DictOf | v.SetOf) and before.get(value.id) is not content:
                m.snapshots.append((name, node.end_lineno or node.lineno, content))


def assigned_names(node: ast.stmt) -> set[str]:
    """The names a statement assigns."""
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        names = {node.name}
    return names


def given_away(m: Machine, node: ast.stmt) -> list[v.Ref]:
    """Heap objects that a refused statement may change through other names.

    They are the arguments of a bare call, and what a name was taken from that the script changes in place.
    """
    sources: list[ast.AST] = []
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        sources = [*node.value.args, *(k.value for k in node.value.keywords)]
    elif isinstance(node, ast.Assign) and assigned_names(node) & _changed_in_place(m.tree):
        sources = [node.value]
    names = {n.id for source in sources for n in ast.walk(source) if isinstance(n, ast.Name)}
    values = [m.env.get(name, m.state.envs[0].get(name)) for name in sorted(names)]
    return [value for value in values if isinstance(value, v.Ref)]


def _changed_in_place(tree: ast.AST) -> set[str]:
    return {target.id for inner in ast.walk(tree) for target in [receiver(inner)] if isinstance(target, ast.Name)}


def receiver(inner: ast.AST) -> ast.expr | None:
    """What a call of a mutating method, or an assignment to an index or attribute, changes."""
    target: ast.expr | None = None
    if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute) and inner.func.attr in _MUTATORS:
        target = inner.func.value
    elif isinstance(inner, ast.Subscript | ast.Attribute) and isinstance(inner.ctx, ast.Store):
        target = inner.value
    while isinstance(target, ast.Subscript | ast.Attribute):
        target = target.value
    return target


def _holders(m: Machine, element: v.Ref) -> list[v.Ref]:
    """The collections that hold an element which a name was given."""
    rel = m.elements.get(element.id)
    return [v.Ref(id_) for id_, x in m.state.heap.items() if rel is not None and getattr(x, "rel", None) is rel]


def _behind(node: ast.stmt) -> dict[str, set[str]]:
    """The collections that names of a statement are rows of: ``r`` of ``r = rows[i]`` and of ``for r in rows``."""
    found: dict[str, set[str]] = {}
    for part in ast.walk(node):
        if isinstance(part, ast.Assign) and len(part.targets) == 1 and isinstance(part.value, ast.Subscript):
            target, held = part.targets[0], part.value
        elif isinstance(part, ast.For) and isinstance(part.iter, ast.Name):
            target, held = part.target, part.iter
        else:
            continue
        while isinstance(held, ast.Subscript | ast.Attribute):
            held = held.value
        if isinstance(target, ast.Name) and isinstance(held, ast.Name):
            found.setdefault(target.id, set()).add(held.id)
    return found


def mutated(m: Machine, node: ast.stmt) -> list[v.Ref]:
    """Heap objects that a statement may change in place: receivers of mutating methods, indexed targets."""
    found: list[v.Ref] = []
    behind = _behind(node)
    for inner in ast.walk(node):
        if isinstance(inner, ast.Yield | ast.YieldFrom) and isinstance(m.env.get("yield"), v.Ref):
            found.append(m.env["yield"])
        target = receiver(inner)
        for name in [target.id, *behind.get(target.id, ())] if isinstance(target, ast.Name) else []:
            value = m.env.get(name, m.state.envs[0].get(name))
            if isinstance(value, v.Ref):
                content = m.state.heap[value.id]
                found.append(value)
                found += _holders(m, value)
                if isinstance(content, v.HWriter):
                    found.append(content.file)
    return found
