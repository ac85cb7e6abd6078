"""Variables that keep the value of an earlier row, and groups a control break forgets: read from the program."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lester_duck.rewrite.finding import Finding

_ENDS = (ast.Continue, ast.Break, ast.Return, ast.Raise)
_WRITES = ("append", "write", "writerow", "add", "extend")


def stale(tree: ast.Module) -> Iterator[Finding]:
    """Names a loop's body reads that only some turns of the loop assign, and nothing before the loop."""
    for scope in [tree, *(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))]:
        bound = {a.arg for a in scope.args.args} if isinstance(scope, ast.FunctionDef) else set()
        yield from _in_block(scope.body, bound)


def _in_block(body: list[ast.stmt], bound: set[str]) -> Iterator[Finding]:
    for statement in body:
        if isinstance(statement, ast.For | ast.While):
            turn = _Turn(statement, bound)
            yield from turn.findings()
        elif isinstance(statement, ast.If | ast.With | ast.Try):
            for block in _blocks(statement):
                yield from _in_block(block, bound)
        bound |= _stored(statement)


def _blocks(statement: ast.stmt) -> list[list[ast.stmt]]:
    names = ("body", "orelse", "finalbody")
    blocks = [getattr(statement, name) for name in names if getattr(statement, name, None)]
    return blocks + [h.body for h in getattr(statement, "handlers", [])]


def _stored(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)} | {
        n.name for n in ast.walk(node) if isinstance(n, ast.FunctionDef | ast.ClassDef)
    }


class _Turn:
    """One turn of a loop: what is certainly assigned at each read."""

    def __init__(self, loop: ast.For | ast.While, bound: set[str]) -> None:
        self.loop = loop
        self.bound = bound
        self.tests: dict[str, set[str]] = {}
        self.assigned_at: dict[str, int] = {}
        self.found: dict[str, Finding] = {}

    def findings(self) -> list[Finding]:
        target = _stored(self.loop.target) if isinstance(self.loop, ast.For) else set()
        self._block(self.loop.body, set(self.bound) | target, ())
        return list(self.found.values())

    def _block(self, body: list[ast.stmt], sure: set[str], tests: tuple[str, ...]) -> set[str] | None:
        """Names certainly assigned afterwards, or None when the turn never gets there."""
        for statement in body:
            after = self._statement(statement, sure, tests)
            if after is None:
                return None
            sure = after
        return sure

    def _statement(self, statement: ast.stmt, sure: set[str], tests: tuple[str, ...]) -> set[str] | None:
        if isinstance(statement, _ENDS):
            self._reads(statement, sure, tests)
            return None
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            return sure | {statement.name}
        if isinstance(statement, ast.If):
            self._reads(statement.test, sure, tests)
            test = ast.dump(statement.test)
            return _both(
                self._block(statement.body, set(sure), (*tests, test)),
                self._block(statement.orelse, set(sure), (*tests, f"not {test}")),
            )
        if isinstance(statement, ast.For | ast.While):
            self._reads(statement.iter if isinstance(statement, ast.For) else statement.test, sure, tests)
            target = _stored(statement.target) if isinstance(statement, ast.For) else set()
            inner = f"loop {statement.lineno}"
            self._block(statement.body, sure | target, (*tests, inner))
            self._note(target, statement.lineno, (*tests, inner))
            return sure
        if isinstance(statement, ast.Try):
            body = self._block(statement.body, set(sure), tests)
            ends = [self._block(h.body, set(sure), tests) for h in statement.handlers]
            for end in ends:
                body = _both(body, end)
            return body
        if isinstance(statement, ast.With):
            self._reads(ast.Tuple(elts=[i.context_expr for i in statement.items], ctx=ast.Load()), sure, tests)
            names = {n for i in statement.items if i.optional_vars for n in _stored(i.optional_vars)}
            return self._block(statement.body, sure | names, tests)
        self._reads(statement, sure, tests)
        names = _stored(statement)
        self._note(names, statement.lineno, tests)
        return sure | names

    def _note(self, names: set[str], line: int, tests: tuple[str, ...]) -> None:
        for name in names:
            self.assigned_at.setdefault(name, line)
            self.tests.setdefault(name, set()).update(tests)

    def _reads(self, node: ast.AST, sure: set[str], tests: tuple[str, ...]) -> None:
        own = {n for c in ast.walk(node) if isinstance(c, ast.comprehension) for n in _stored(c.target)}
        own |= {a.arg for f in ast.walk(node) if isinstance(f, ast.Lambda) for a in f.args.args}
        for name in ast.walk(node):
            if not isinstance(name, ast.Name) or not isinstance(name.ctx, ast.Load) or name.id in own | sure:
                continue
            line = self.assigned_at.get(name.id)
            if line is not None and not self.tests[name.id] & set(tests):
                text = (
                    f"'{name.id}' is assigned at line {line} in some turns of the loop only: "
                    "in the others it keeps the value of an earlier row"
                )
                self.found.setdefault(name.id, Finding(kind="stale variable", line=name.lineno, text=text))


def _both(one: set[str] | None, other: set[str] | None) -> set[str] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def forgotten(tree: ast.Module) -> Iterator[Finding]:
    """A loop that writes a group when the key changes, and nothing that writes the last one.

    A group that is kept when it begins, and filled later, is not forgotten.
    """
    for holder in ast.walk(tree):
        for block in _blocks(holder) if isinstance(holder, ast.Module | ast.stmt | ast.FunctionDef) else []:
            for number, statement in enumerate(block):
                if isinstance(statement, ast.For):
                    yield from _break(statement, block[number + 1 :])


def _break(loop: ast.For, later: list[ast.stmt]) -> Iterator[Finding]:
    assigned = {n for s in loop.body for n in _stored(s)}
    afterwards = {target for s in later for target, _ in _written(s)}
    for test in [s for s in loop.body if isinstance(s, ast.If)]:
        unlike = [c for c in ast.walk(test.test) if isinstance(c, ast.Compare) and isinstance(c.ops[0], ast.NotEq)]
        names = {n.id for c in unlike for n in ast.walk(c) if isinstance(n, ast.Name)}
        previous = names & assigned - _stored(loop.target)
        for target, call in (w for s in test.body for w in _written(s)):
            reset = {n for s in test.body if s.lineno > call.lineno for n in _stored(s)}
            arguments = {n.id for a in call.args for n in ast.walk(a) if isinstance(n, ast.Name)}
            begun = {n for s in test.body if s.lineno < call.lineno for n in _stored(s)}
            if previous and arguments & (reset | previous) - begun and target not in afterwards:
                text = f"a group is written to '{target}' when the next one begins, and nothing writes the last one"
                yield Finding(kind="control break", line=call.lineno, text=text)


def _written(node: ast.AST) -> list[tuple[str, ast.Call]]:
    """Calls that write to a collection or file by its name."""
    return [
        (c.func.value.id, c)
        for c in ast.walk(node)
        if isinstance(c, ast.Call) and isinstance(c.func, ast.Attribute) and c.func.attr in _WRITES
        and isinstance(c.func.value, ast.Name)
    ]  # fmt: skip
