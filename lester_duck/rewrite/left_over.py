"""Variables of one loop that a later loop reads and never assigns: they hold the last row's value for every row."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lester_duck.rewrite.finding import Finding


def left_over(tree: ast.Module) -> Iterator[Finding]:
    """What a loop reads of an earlier loop's own variables, those that nothing outside of that loop assigns."""
    for scope in [tree, *(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))]:
        bound = {a.arg for a in scope.args.args} if isinstance(scope, ast.FunctionDef) else set()
        yield from _in_block(scope.body, bound, {})


def _in_block(body: list[ast.stmt], bound: set[str], left: dict[str, int]) -> Iterator[Finding]:
    """``bound`` are names assigned outside of loops, ``left`` names that only the loop of that line assigned."""
    for statement in body:
        if isinstance(statement, ast.With):
            bound |= {n for item in statement.items for n in _names(item, ast.Store)}
            yield from _in_block(statement.body, bound, left)
            continue
        stored = _names(statement, ast.Store)
        if isinstance(statement, ast.For):
            for name, load in sorted(_loads(statement.body).items()):
                if name in left and name not in stored:
                    text = (
                        f"'{name}' is read in every turn of this loop and assigned in the loop of line {left[name]} "
                        "only: it keeps what its last row left"
                    )
                    yield Finding(kind="stale variable", line=load.lineno, text=text)
            left |= dict.fromkeys(stored - bound, statement.lineno)
        else:
            bound |= stored
            for name in stored:
                left.pop(name, None)


def _names(node: ast.AST, context: type[ast.expr_context]) -> set[str]:
    own = {n.id for c in ast.walk(node) if isinstance(c, ast.comprehension) for n in ast.walk(c.target)
           if isinstance(n, ast.Name)}  # fmt: skip
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, context)} - own


def _loads(body: list[ast.stmt]) -> dict[str, ast.Name]:
    """The first read of each name; names that a comprehension or a function binds are its own."""
    found: dict[str, ast.Name] = {}
    for statement in body:
        own = {n.id for c in ast.walk(statement) if isinstance(c, ast.comprehension) for n in ast.walk(c.target)
               if isinstance(n, ast.Name)}  # fmt: skip
        own |= {a.arg for f in ast.walk(statement) if isinstance(f, ast.Lambda) for a in f.args.args}
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in own:
                found.setdefault(node.id, node)
    return found
