"""A loop body in two: the step that carries state from row to row, and the rest, which reads its values.

What reads or changes the state goes into the step, as it is written; every scalar of it that the rest
needs is *captured* under a name of its own where it is needed. The step becomes a fold; the rest is
lifted like any loop, with the captured values as columns.
"""

from __future__ import annotations

import ast
import copy
from dataclasses import dataclass, field

from lester_duck.lift.kinds import Kind, Kinds
from lester_duck.lift.relations import free_name
from lester_duck.lift.values import Refused

MARK = "fold "
"""How the names begin under which the rest reads captured values: no name of a script does."""
_SILENT = frozenset({"print"})


@dataclass(frozen=True, slots=True)
class Captured:
    """A value of the step that the rest of the body reads; ``at_end``: as the row leaves it."""

    name: str
    node: ast.expr
    kind: Kind
    at_end: bool = False


@dataclass(slots=True)
class Split:
    """The statements of the step (``return`` stands for ``continue``), those of the rest, what is captured."""

    step: list[ast.stmt] = field(default_factory=list)
    rest: list[ast.stmt] = field(default_factory=list)
    captured: list[Captured] = field(default_factory=list)


def root(node: ast.AST) -> str | None:
    """The name that an access begins with: ``a`` of ``a[0].b.get(1)``."""
    while isinstance(node, ast.Subscript | ast.Attribute | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def reads(node: ast.AST) -> set[str]:
    """The names that code reads."""
    found = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    added = [n.target for n in ast.walk(node) if isinstance(n, ast.AugAssign)]
    return found | {t.id for t in added if isinstance(t, ast.Name)}


def changes(node: ast.AST) -> set[str]:
    """The names that code assigns or changes in place.

    >>> sorted(changes(ast.parse("a = 1; b[0].append(2); c.x += 1; d.get(3)")))
    ['a', 'b', 'c']
    """
    found = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store | ast.Del)}
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr in _CHANGING:
            found.add(root(part.func.value) or "")
        elif isinstance(part, ast.Subscript | ast.Attribute) and isinstance(part.ctx, ast.Store | ast.Del):
            found.add(root(part) or "")
    return found - {""}


_CHANGING = frozenset(
    ["add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft", "remove"]
    + ["reverse", "setdefault", "sort", "update"]
)


def _changed_in_place(node: ast.AST) -> set[str]:
    return changes(node) - _bound(node)


def closed(body: list[ast.stmt], state: set[str], outer: set[str]) -> set[str]:
    """The state with every other name of the loop on which it depends."""
    changed = {n for s in body for n in changes(s)}
    needed = set(state)
    while True:
        before = set(needed)
        for node in (n for s in body for n in ast.walk(s)):
            if isinstance(node, ast.stmt) and changes(node) & needed:
                simple = not isinstance(node, ast.If | ast.For | ast.While | ast.With | ast.Try)
                parts = [node] if simple else [x for x in ast.iter_child_nodes(node) if isinstance(x, ast.expr)]
                needed |= {n for x in parts for n in reads(x)}
        if needed == before:
            return state | (needed & outer & changed)


def definite(body: list[ast.stmt], name: str) -> bool:
    """Whether the first statement that speaks of a name surely assigns it."""
    for node in body:
        if name in reads(node) | changes(node):
            return _assigns(node, name)
    return False


def _assigns(node: ast.stmt, name: str) -> bool:
    if isinstance(node, ast.If):
        return all(any(_assigns(s, name) for s in part) for part in (node.body, node.orelse))
    return isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign) and name in _bound(node)


def split(body: list[ast.stmt], state: set[str], outer: set[str], kinds: Kinds, wanted: set[str]) -> Split:
    """Divide a body. ``outer`` are names older than the loop, ``wanted`` those of the state read after it."""
    made = _Splitter(state, outer, _tainted(body, state, outer), kinds, wanted)
    first = made.left()
    step, rest = made.block(body)
    rest = [*first, *rest]
    result = Split(step, rest, made.captured)
    held = {n for s in step for n in _changed_in_place(s)} & made.tainted
    result.step = _pruned(step, state | held | {c.name for c in made.captured if not c.at_end})
    return result


def _tainted(body: list[ast.stmt], state: set[str], outer: set[str]) -> set[str]:
    """The state, and every local name of the body that is computed from it."""
    found = set(state)
    while True:
        before = set(found)
        for node in (n for s in body for n in ast.walk(s)):
            if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.NamedExpr) and node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                if reads(node.value) & found:
                    found |= {n for t in targets for n in changes(t)} - outer
            elif isinstance(node, ast.For) and reads(node.iter) & found:
                found |= changes(node.target) - outer
        if found == before:
            return found


@dataclass(slots=True)
class _Splitter:
    state: set[str]
    outer: set[str]
    tainted: set[str]
    kinds: Kinds
    wanted: set[str]
    captured: list[Captured] = field(default_factory=list)

    def left(self) -> list[ast.stmt]:
        """Scalar state that is read after the loop: assigned in the rest as the row leaves it."""
        rest: list[ast.stmt] = []
        for name in sorted(self.wanted & self.state):
            kind = self.kinds.names.get(name)
            if kind is not None and kind.scalar:
                title = free_name(f"{name}_after", self.outer | self.tainted)
                self.captured.append(Captured(title, ast.Name(name, ast.Load()), kind, at_end=True))
                rest.append(ast.Assign([ast.Name(name, ast.Store())], ast.Name(MARK + title, ast.Load())))
        self.wanted = self.wanted - {s.targets[0].id for s in rest}
        return rest

    def block(self, body: list[ast.stmt]) -> tuple[list[ast.stmt], list[ast.stmt]]:
        """The statements of the step and of the rest."""
        step: list[ast.stmt] = []
        rest: list[ast.stmt] = []
        for node in body:
            mine, others = self.statement(node)
            step += mine
            rest += others
        return step, rest

    def statement(self, node: ast.stmt) -> tuple[list[ast.stmt], list[ast.stmt]]:
        if isinstance(node, ast.If):
            return self._if(node)
        if isinstance(node, ast.Continue):
            return [ast.Return(value=None)], [node]
        if isinstance(node, ast.Break | ast.Return):
            raise Refused(f"{type(node).__name__.lower()} in a loop whose state is sequential")
        if isinstance(node, ast.Pass):
            return [], []
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and root(node.value) in _SILENT:
            return [], []
        if isinstance(node, ast.For | ast.While | ast.With | ast.Try):
            return self._compound(node)
        return self._simple(node)

    def _if(self, node: ast.If) -> tuple[list[ast.stmt], list[ast.stmt]]:
        mark = len(self.captured)
        step, rest = self.block(node.body)
        other_step, other_rest = self.block(node.orelse)
        before: list[ast.stmt] = []
        test, shown = node.test, node.test
        if self._touches(node.test) and (rest or other_rest):
            truth = ast.Call(ast.Name("bool", ast.Load()), [node.test], [])
            name = self._capture(truth, "test", before, Kind("bool"))
            self.captured.insert(mark, self.captured.pop())
            test, shown = ast.Name(name, ast.Load()), ast.Name(MARK + name, ast.Load())
        kept = [ast.If(test, rest or [ast.Pass()], other_rest)] if rest or other_rest else []
        kept = [ast.If(shown, k.body, k.orelse) for k in kept]
        return [*before, ast.If(test, step, other_step)], kept

    def _compound(self, node: ast.stmt) -> tuple[list[ast.stmt], list[ast.stmt]]:
        if not self._touches(node) and not changes(node) & self.tainted:
            return [node], [node]
        if any(isinstance(n, ast.Continue | ast.Break | ast.Return) for n in _own_exits(node)):
            raise Refused("a loop that is left from within a step with state")
        if changes(node) & (self.outer - self.state) or _calls_outside(node, self.tainted | _bound(node)):
            raise Refused("rows kept or written within a step of several parts")
        return [node], []

    def _simple(self, node: ast.stmt) -> tuple[list[ast.stmt], list[ast.stmt]]:
        targets = _targets(node)
        if targets is None:
            return self._effect(node)
        names = {n for t in targets for n in changes(t)}
        if not names & self.tainted:
            if names & self.outer or any(not isinstance(t, ast.Name | ast.Tuple | ast.List) for t in targets):
                return self._effect(node)
            return [node], [node]
        if names - self.tainted - self.state and names & self.outer - self.state:
            raise Refused("state and other names assigned at once")
        if not names & self.wanted:
            return [node], []
        return self._kept_state(node, targets)

    def _kept_state(self, node: ast.stmt, targets: list[ast.expr]) -> tuple[list[ast.stmt], list[ast.stmt]]:
        """State that is read after the loop: what the step leaves is assigned in the rest, too."""
        after: list[ast.stmt] = []
        rest: list[ast.stmt] = []
        for target in targets:
            for one in target.elts if isinstance(target, ast.Tuple | ast.List) else [target]:
                if root(one) not in self.wanted:
                    continue
                load = ast.parse(ast.unparse(one), mode="eval").body
                kind = self.kinds.of(load)
                nested = isinstance(one, ast.Subscript) and not isinstance(one.value, ast.Name)
                if kind is None or not kind.scalar or nested:
                    raise Refused("state that is no scalar, read after the loop")
                name = self._capture(load, _title(load), after, kind)
                if isinstance(one, ast.Subscript):
                    index = self._replaced(copy.deepcopy(one.slice), after)
                    one = ast.Subscript(copy.deepcopy(one.value), index, ast.Store())
                rest.append(ast.Assign([one], ast.Name(MARK + name, ast.Load())))
        return [node, *after], rest

    def _effect(self, node: ast.stmt) -> tuple[list[ast.stmt], list[ast.stmt]]:
        """A statement about something other than the state, which may speak of the state."""
        if isinstance(node, ast.Expr) and root(node.value) in self.tainted:
            return [node], []
        if not self._touches(node):
            return [], [node]
        if not isinstance(node, ast.Expr | ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete):
            raise Refused(f"a {type(node).__name__.lower()} that depends on sequential state")
        before: list[ast.stmt] = []
        shown = copy.deepcopy(node)
        shown.value = self._replaced(shown.value, before)
        if isinstance(shown, ast.Assign):
            shown.targets = [self._replaced(t, before) if isinstance(t, ast.Subscript) else t for t in shown.targets]
        elif isinstance(shown, ast.AugAssign) and isinstance(shown.target, ast.Subscript):
            shown.target = self._replaced(shown.target, before)
        return before, [shown]

    def _touches(self, node: ast.AST) -> bool:
        return bool(reads(node) & self.tainted)

    def _replaced(self, node: ast.AST, before: list[ast.stmt]) -> ast.AST:
        """The code with the scalars of the state in it captured."""
        if not isinstance(node, ast.AST) or not self._touches(node):
            return node
        if isinstance(node, ast.expr):
            access = isinstance(node, ast.Name | ast.Subscript | ast.Attribute | ast.Call)
            accessed = access and root(node) in self.tainted
            lazy = isinstance(node, ast.BoolOp | ast.IfExp | ast.ListComp | ast.GeneratorExp | ast.Compare)
            if accessed or lazy:
                return self._captured(node, before)
            saved = len(self.captured), len(before)
        made = copy.copy(node)
        try:
            for name, value in ast.iter_fields(node):
                if isinstance(value, list):
                    setattr(made, name, [self._replaced(x, before) if isinstance(x, ast.AST) else x for x in value])
                elif isinstance(value, ast.expr | ast.keyword | ast.FormattedValue):
                    setattr(made, name, self._replaced(value, before))
        except Refused:
            if not isinstance(node, ast.expr):
                raise
            del self.captured[saved[0] :], before[saved[1] :]
            return self._captured(node, before)
        return made

    def _captured(self, node: ast.expr, before: list[ast.stmt]) -> ast.Name:
        kind = self.kinds.of(node)
        if kind is None or not kind.scalar:
            raise Refused(f"'{ast.unparse(node)}' of sequential state, whose type is not plain")
        return ast.Name(MARK + self._capture(node, _title(node), before, kind), ast.Load())

    def _capture(self, node: ast.expr, title: str, before: list[ast.stmt], kind: Kind) -> str:
        text = ast.unparse(node)
        for statement in before:
            if isinstance(statement, ast.Assign) and ast.unparse(statement.value) == text:
                return statement.targets[0].id
        name = free_name(f"{title}_now", {c.name for c in self.captured} | self.outer | self.tainted)
        self.captured.append(Captured(name, node, kind))
        before.append(ast.Assign([ast.Name(name, ast.Store())], node))
        return name


def _title(node: ast.expr) -> str:
    """What a captured value is called."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
        return node.slice.value if node.slice.value.isidentifier() else "value"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id != "bool":
        return node.func.id
    return root(node) or "value"


def _targets(node: ast.stmt) -> list[ast.expr] | None:
    if isinstance(node, ast.Assign):
        return node.targets
    if isinstance(node, ast.AugAssign) or (isinstance(node, ast.AnnAssign) and node.value is not None):
        return [node.target]
    return node.targets if isinstance(node, ast.Delete) else None


def _bound(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _own_exits(node: ast.stmt) -> list[ast.AST]:
    """The exits of a compound statement that leave more than it."""
    if not isinstance(node, ast.For | ast.While):
        return list(ast.walk(node))
    return [n for n in ast.walk(node) if isinstance(n, ast.Return)]


def _calls_outside(node: ast.AST, own: set[str]) -> bool:
    """Whether code calls something for its effect on what is not its own."""
    calls = [n.value for n in ast.walk(node) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Call)]
    return any(root(c) not in own | _SILENT for c in calls)


def _pruned(step: list[ast.stmt], wanted: set[str]) -> list[ast.stmt]:
    """The step without assignments to names that nothing needs, and without empty branches."""
    needed = set(wanted)
    while True:
        kept = _needed(step, needed)
        more = needed | {n for s in kept for n in reads(s)}
        if more == needed:
            return kept
        needed = more


def _needed(body: list[ast.stmt], needed: set[str]) -> list[ast.stmt]:
    kept: list[ast.stmt] = []
    for node in body:
        if isinstance(node, ast.If):
            then, otherwise = _needed(node.body, needed), _needed(node.orelse, needed)
            if not then and otherwise:
                kept.append(ast.If(ast.UnaryOp(ast.Not(), node.test), otherwise, []))
            elif then:
                kept.append(ast.If(node.test, then, otherwise))
        elif isinstance(node, ast.Return) or changes(node) & needed:
            kept.append(node)
    return kept


def with_returns(body: list[ast.stmt], result: ast.expr) -> list[ast.stmt]:
    """The step with its early returns giving the result."""

    class Returns(ast.NodeTransformer):
        def visit_Return(self, node: ast.Return) -> ast.AST:
            return ast.Return(copy.deepcopy(result)) if node.value is None else node

        def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
            return node

    return [Returns().visit(copy.deepcopy(s)) for s in body]
