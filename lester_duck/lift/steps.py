"""Loops whose state is truly sequential: the step that carries it becomes a declared fold."""

from __future__ import annotations

import ast
import builtins
import copy
import datetime
import math
from collections.abc import Callable

from sqlglot import exp

from lester_duck.lift import (
    concrete,
    evolving,
    expressions,
    finals,
    functions,
    partition,
    purity,
    recurrences,
    scalars,
    sequential,
    sqlx,
)
from lester_duck.lift import statements as statement_rules
from lester_duck.lift import values as v
from lester_duck.lift.kinds import NONE, Kind, Kinds, joined
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import free_name, fresh
from lester_duck.lift.state import Frame, Let
from lester_duck.lift.values import SQL_TYPES, Poison, Refused, Sym, Value
from lester_duck.pipeline import model as ir

_PLAIN = frozenset(SQL_TYPES) - {"timedelta", "days", "array"}
_FACTORIES = {"int": "defaultdict(int)", "float": "defaultdict(float)", "list": "defaultdict(list)",
              "set": "defaultdict(set)", "str": "defaultdict(str)"}  # fmt: skip


class Step(ast.stmt):
    """The part of a loop's body from the first statement about its sequential state on."""

    def __init__(self, body: list[ast.stmt], state: set[str], line: int, wanted: set[str]) -> None:
        super().__init__()
        self.body = body
        self.state = state
        self.lineno = line
        self.wanted = wanted


def loop(m: Machine, node: ast.For, attempt: Callable[[list[ast.stmt]], None]) -> None:
    """Lift a loop over rows; what no relational idiom says of its state becomes a fold."""
    m.sequential.clear()
    poisoned = {i for i, x in m.state.heap.items() if isinstance(x, Poison)}
    seeds: set[str] = set()
    reason: Refused | None = None
    try:
        with m.trial():
            attempt(node.body)
            seeds = _seeds(m, node)
            new = [x for i, x in m.state.heap.items() if isinstance(x, Poison) and i not in poisoned]
            if seeds and new:
                raise new[0].refusal()
            unsaid = _unsaid(m, node)
            seeds |= _seeds(m, node) if unsaid is not None else set()
            if unsaid is None or not seeds:
                return
            raise unsaid
    except Refused as error:
        reason = error
    seeds = seeds or _seeds(m, node)
    body = _with_step(m, node, seeds) if seeds else None
    if body is not None:
        try:
            with m.trial():
                attempt(body)
                if any(isinstance(x, Poison) and i not in poisoned for i, x in m.state.heap.items()):
                    raise Refused(reason.reason)
                return
        except Refused as error:
            if "sequential" in error.reason:
                reason = error
    if not seeds:
        raise reason
    attempt(node.body)


def _unsaid(m: Machine, node: ast.For) -> Refused | None:
    """Why a name that is read after the loop has no value that a rule says."""
    found: Refused | None = None
    for name in sorted({n for s in node.body for n in sequential.changes(s)}):
        left = m.env.get(name)
        if not isinstance(left, finals.Left) or not _read_after(m, node, name):
            continue
        asserted = len(m.asserted)
        try:
            with m.trial():
                finals.value(m, left)
        except Refused as error:
            m.sequential |= finals.depends_on(m, left)
            found = found or error
        finally:
            del m.asserted[asserted:]
    return found


def _seeds(m: Machine, node: ast.For) -> set[str]:
    changed = {n for s in node.body for n in sequential.changes(s)}
    return m.sequential & changed & set(m.env)


def _with_step(m: Machine, node: ast.For, seeds: set[str]) -> list[ast.stmt] | None:
    """The body with what follows the first mention of its state as a step."""
    state = sequential.closed(node.body, seeds, set(m.env))
    for place, statement in enumerate(node.body):
        if (sequential.reads(statement) | sequential.changes(statement)) & state:
            wanted = {n for n in state if _read_after(m, node, n)}
            return [*node.body[:place], Step(node.body[place:], state, statement.lineno, wanted)]
    return None


def _read_after(m: Machine, node: ast.For, name: str) -> bool:
    inside = {id(n) for n in ast.walk(node)}
    last = node.end_lineno or node.lineno
    return any(
        isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load) and id(n) not in inside
        and n.lineno > last
        for n in ast.walk(m.tree)
    )  # fmt: skip


def run(m: Machine, node: Step) -> None:
    """The step as a fold whose values the rest of the body reads."""
    frame = m.frames[-1]
    outer = set(frame.start.envs[-1])
    arguments = _Arguments(m, frame, node)
    body = [ast.fix_missing_locations(arguments.visit(copy.deepcopy(s))) for s in node.body]
    initial = {name: _initial(m, frame, name) for name in sorted(node.state)}
    kinds = _kinds(m, body, arguments.found, {n: k for n, (_, k) in initial.items()})
    made = sequential.split(body, node.state, outer, kinds, node.wanted)
    if not made.captured:
        raise Refused("sequential state that nothing reads")
    used = {n for s in made.step for n in sequential.reads(s)}
    found = {n: s for n, s in arguments.found.items() if n in used}
    window = _declare(m, frame, node, made, found, {n: text for n, (text, _) in initial.items()})
    token = fresh("let")
    single = len(made.captured) == 1
    first = made.captured[0]
    m.lets[token] = Let(_title(first) if single else "step", Sym(window, "str"), (), window)
    for c in made.captured:
        column = sqlx.column(token, "value" if single else "step")
        tree = column if single else exp.Bracket(this=column, expressions=[exp.Literal.string(c.name)])
        m.env[sequential.MARK + c.name] = Sym(tree, c.kind.name, c.kind.null, name=_title(c))
    for name, sym in arguments.found.items():
        m.env.setdefault(name, sym)
    line = node.lineno
    for statement in made.rest:
        for part in ast.walk(statement):
            line = getattr(part, "lineno", line)
            if isinstance(part, ast.stmt | ast.expr):
                part.lineno = getattr(part, "lineno", line)
    statement_rules.block(m, made.rest)


def _kinds(m: Machine, body: list[ast.stmt], found: dict[str, Sym], initial: dict[str, Kind | None]) -> Kinds:
    """The kinds of all names of the step; a name that each row assigns first has no more that of its beginning."""
    known = {n: Kind(s.type, None, s.null) for n, s in found.items()}
    known |= {n: k for n, k in initial.items() if k is not None}
    kinds = Kinds(dict(known), functions.definitions(m))
    kinds.learn(body)
    for name in initial:
        if sequential.definite(body, name):
            later = Kinds({n: k for n, k in kinds.names.items() if n != name}, kinds.functions)
            values = [kinds.of(x) for x in _values(body, name)]
            if values and all(x is not None for x in values):
                later.names[name] = joined(values) or NONE
                kinds = later
    return kinds


def _values(body: list[ast.stmt], name: str) -> list[ast.expr]:
    found: list[ast.expr] = []
    for node in (n for s in body for n in ast.walk(s)):
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            found.append(node.value)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
            found.append(ast.BinOp(ast.Name(name, ast.Load()), node.op, node.value))
    return found


def _initial(m: Machine, frame: Frame, name: str) -> tuple[str, Kind | None]:
    """What the state is before the first row, as Python, and its kind."""
    value = frame.start.envs[-1].get(name, v.MISSING)
    content = frame.start.heap.get(value.id) if isinstance(value, v.Ref) else value
    content = content.before if isinstance(content, evolving.Evolving) else content
    if isinstance(content, v.HDict) and content.default in _FACTORIES and not content.items:
        item = {"list": Kind("list"), "set": Kind("set")}.get(content.default)
        return _FACTORIES[content.default], Kind("dict", item or Kind(content.default))
    if isinstance(content, v.HDict) and (content.default == "dict" or content.default in m.files):
        raise Refused("sequential state in a defaultdict of this factory", "a dict per value: d[k] = x")
    saved, m.state = m.state, frame.start
    try:
        plain = concrete.plain_value(m, value)
    finally:
        m.state = saved
    return _spelled(plain), Kinds({}).of(ast.parse(_spelled(plain), mode="eval").body)


def _spelled(plain: Value) -> str:
    if isinstance(plain, set) and not plain:
        return "set()"
    if isinstance(plain, float) and not math.isfinite(plain):
        return f"float('{plain}')"
    if isinstance(plain, dict | list | set | tuple | str | int | float | bool | type(None)):
        return repr(plain)
    if isinstance(plain, datetime.date):
        raise Refused("sequential state that begins with a date", "None")
    raise Refused(f"sequential state that begins as a {type(plain).__name__}")


def _declare(
    m: Machine, frame: Frame, node: Step, made: sequential.Split, found: dict[str, Sym], initial: dict[str, str]
) -> exp.Expression:
    """Declare the fold; its call as a window over the loop's rows."""
    names = list(initial)
    comma = "," if len(names) == 1 else ""
    state, beginning = f"{', '.join(names)}{comma}", f"{', '.join(initial.values())}{comma}"
    said = {c.name: c.node.id if c.at_end else c.name for c in made.captured}
    values = [c.name for c in made.captured if not c.at_end]
    pairs = ", ".join(f'"{n}": {x}' for n, x in said.items())
    value = next(iter(said.values())) if len(said) == 1 else f"{{{pairs}}}"
    result = ast.parse(f"({state}), {value}", mode="eval").body
    body = sequential.with_returns(made.step, result)
    early = any(isinstance(n, ast.Return) for s in body for n in ast.walk(s))
    top = {n for s in body if isinstance(s, ast.Assign) for n in sequential.changes(s)}
    unset = [n for n in values if early or n not in top]
    where = tuple(m.state.path[len(frame.start.path) :])
    arguments = {n: scalars.whole(s) for n, s in found.items()}
    held = free_name("state", set(arguments) | set(names) | set(values))
    lines = [f"    {state} = ({beginning}) if {held} is None else {held}"]
    lines += [f"    {' = '.join(unset)} = None"] if unset else []
    if where:
        reached = free_name("reached", set(arguments) | set(names))
        lines = [f"    if not {reached}:", f"        return {held}, None", *lines]
        arguments[reached] = Sym(sqlx.conjunction(where), "bool")
    if any(s.type not in _PLAIN for s in arguments.values()):
        raise Refused("sequential state computed from values of these types")
    text = "\n".join(ast.unparse(ast.fix_missing_locations(s)) for s in body)
    lines += [f"    {line}" for line in text.split("\n") if text]
    lines.append(f"    return {ast.unparse(result)}")
    title = _title(made.captured[0]) if len(said) == 1 else names[0]
    taken = set(m.state.envs[0]) | set(dir(builtins)) | set(arguments)
    tail = f"({', '.join([held, *arguments])}):\n" + "\n".join(lines) + "\n"
    name = _name(m, f"{title}_step", tail, taken)
    text = f"def {name}{tail}"
    tree = ast.parse(text)
    purity.check(tree.body[0], "a step with state")
    special = [n for n in ("Counter", "defaultdict") if any(x.startswith(n) for x in initial.values())]
    header = "".join(f"from collections import {n}\n" for n in special)
    free = functions.free_names(tree.body[0]) - set(arguments) - {held, name, "Counter", "defaultdict"}
    signature = ir.Function(
        name=name,
        arguments=tuple(ir.Column(name=n, type=SQL_TYPES[s.type]) for n, s in arguments.items()),
        returns=_returned(made.captured),
        fold=True,
    )
    needed = functions.needed_for(m, free, "a step with state")
    m.functions[name] = functions.Declared(signature, needed, text, header)
    trees = [_given(s) for s in arguments.values()]
    call = f"{name}({', '.join(f'_{i + 1}' for i in range(len(trees)))})"
    key = () if node.wanted else partition.key(node.body, node.state, arguments)
    return recurrences.window(m, frame, call, key, "", *trees)


def _title(captured: sequential.Captured) -> str:
    """What a captured value's column is called."""
    return captured.name.removesuffix("_now").removesuffix("_after")


def _returned(captured: list[sequential.Captured]) -> str:
    if len(captured) == 1:
        return SQL_TYPES[captured[0].kind.name]
    return "STRUCT(" + ", ".join(f'"{c.name}" {SQL_TYPES[c.kind.name]}' for c in captured) + ")"


def _given(sym: Sym) -> exp.Expression:
    """An argument as Python sees it: a missing number of a frame is NaN."""
    if sym.nan and sym.type == "float":
        return sqlx.sql("coalesce(_1, CAST('nan' AS DOUBLE))", sym.sql)
    if sym.nan:
        raise Refused("sequential state computed from a column with missing values")
    return sym.sql


def _name(m: Machine, wanted: str, tail: str, taken: set[str]) -> str:
    for name, declared in m.functions.items():
        if declared.text == f"def {name}{tail}":
            return name
    return free_name(wanted, set(m.functions) | taken)


class _Arguments(ast.NodeTransformer):
    """Replaces what depends on the row alone by parameters."""

    def __init__(self, m: Machine, frame: Frame, node: Step) -> None:
        self.m = m
        self.frame = frame
        self.found: dict[str, Sym] = {}
        self.own = set(node.state)
        self.changed = {n for s in node.body for n in sequential.changes(s)}
        self.bound = {n.id for s in node.body for n in ast.walk(s) if isinstance(n, ast.Name)
                      and isinstance(n.ctx, ast.Store)}  # fmt: skip
        self.inner = {a.arg for s in node.body for n in ast.walk(s) if isinstance(n, ast.arguments) for a in n.args}

    def visit(self, node: ast.AST) -> ast.AST:
        """Parts of records are parameters of their own."""
        if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Load) and self._of_row(node):
            sym = self._scalar(node)
            if sym is not None:
                return self._parameter(sym, sym.name or "value")
        return super().visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """A scalar of the row becomes a parameter of its name."""
        if node.id in self.own or node.id in self.inner or not isinstance(node.ctx, ast.Load):
            return node
        value = self.m.env.get(node.id)
        if not isinstance(value, Sym) or value.type not in _PLAIN:
            return node
        if value.line is not None and value.line.strip != "none" and value.line.strip != "both" and (
            value.line.strip == "field" or value.line.ragged
        ):  # fmt: skip
            return node
        if node.id in self.bound:
            self.found[node.id] = value
            return node
        return self._parameter(value, node.id)

    def _of_row(self, node: ast.expr) -> bool:
        name = sequential.root(node)
        if name is None or name in self.own | self.bound | self.inner | self.changed:
            return False
        if any(isinstance(n, ast.Name) and n.id in self.own | self.bound | self.inner for n in ast.walk(node)):
            return False
        value = self.m.env.get(name)
        if value is None or isinstance(value, Poison | Sym | v.Lib | v.Func):
            return False
        return not any(isinstance(n, ast.Call) for n in ast.walk(node)) and not concrete.is_plain(self.m, value)

    def _scalar(self, node: ast.expr) -> Sym | None:
        try:
            with self.m.trial():
                value = expressions.RULES[type(node)](self.m, node)
                return value if isinstance(value, Sym) and value.type in _PLAIN else None
        except Refused:
            return None

    def _parameter(self, sym: Sym, wanted: str) -> ast.Name:
        for name, known in self.found.items():
            if sqlx.same(known.sql, sym.sql):
                return ast.Name(name, ast.Load())
        taken = set(self.found) | self.own | self.bound | set(dir(builtins))
        wanted = wanted if wanted.isidentifier() else "value"
        if wanted in self.m.env and self.m.env[wanted] is not sym:
            taken |= {wanted}
        name = free_name(wanted, taken)
        self.found[name] = sym
        return ast.Name(name, ast.Load())


statement_rules.RULES[Step] = run
