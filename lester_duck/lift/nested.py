"""A loop over rows inside a loop over rows that looks something up: one of its matches, or a total."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

from lester_duck.lift import carries, classes, evolving, lookups, matches, pairs, recurrences, scalars, sqlx, turns
from lester_duck.lift import values as v
from lester_duck.lift.carried import Run
from lester_duck.lift.machine import Machine
from lester_duck.lift.matches import Wanted
from lester_duck.lift.relations import Query, fresh
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.state import Effect, Frame, State
from lester_duck.lift.turns import Turn, Winner
from lester_duck.lift.values import Poison, Refused, Sym, Value

_NEAREST = "an inner loop that finds a row, or counts rows"


@dataclass(frozen=True, slots=True, eq=False)
class _Pass:
    """One interpretation of the inner body: its effects, the names rows leave to rows, the ways out."""

    frame: Frame
    run: Run
    broken: list[tuple[Tree, ...]]

    @property
    def turns(self) -> list[Turn]:
        """The names rows leave to rows."""
        return self.run.turns


def loop(m: Machine, node: ast.For, view: v.View, bind: Callable[[Value], None], body: Callable[[], None]) -> None:
    """Interpret the inner loop; the names it leaves are looked up by what they depend on."""
    shapes: dict[str, Value] = {}
    for _ in range(4):
        undo, known = _undone(m), set(m.reads)
        done = _one_pass(m, node, view, bind, body, shapes)
        more = {n: x for n, x in _shapes(m, done).items() if n not in shapes}
        if not more:
            break
        undo()
        shapes |= more
    frame = done.frame
    unknown = {e.target for e in frame.effects if e.kind == "unknown"}
    for name in unknown & m.env.keys():
        m.env[name] = Poison(f"'{name}' as an inner loop left it", frame.lines[1])
    frame.effects[:] = [e for e in frame.effects if e.kind != "unknown" and e.target not in unknown]
    own = {n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)}
    wanted = _read_elsewhere(m, node) - own
    by_name: dict[str, list[Effect]] = {}
    for effect in frame.effects:
        if effect.kind in ("assign", "total"):
            by_name.setdefault(effect.target, []).append(effect)
    if done.broken and any(e.kind != "assign" for e in frame.effects):
        raise Refused("a total or collection that stops at a break")
    collected = [e for e in frame.effects if e.kind not in ("assign", "total")]
    if collected:
        pairs.collect(m, frame, m.frames[-1], collected, known, done.run)
    for name in by_name:
        if name in wanted and collected and done.turns:
            _answer_if_known(m, done, name, by_name)
        elif name in wanted:
            _answer(m, done, name, by_name)
        else:
            m.env[name] = Poison(f"'{name}' as the last row left it", frame.lines[1])


def _one_pass(
    m: Machine, node: ast.For, view: v.View, bind: Callable[[Value], None], body: Callable[[], None],
    shapes: dict[str, Value],
) -> _Pass:  # fmt: skip
    alias = fresh("t")
    order = tuple((v.rebind(s, view.rel.token, alias), d) for s, d in view.order)
    before = m.state
    loads = frozenset(n.id for part in node.body for n in ast.walk(part)
                      if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))  # fmt: skip
    lines = (node.lineno, node.end_lineno or node.lineno)
    frame = Frame(Query(alias, view.rel, order=order), m.mark, before, lines, loads=loads)
    m.state = before.fork()
    made = turns.enter(m, shapes)
    m.frames.append(frame)
    m.exits.append({"break": [], "continue": [], "rows": [before]})
    try:
        bind(lookups.thaw(m, v.rebind(view.element, view.rel.token, alias)))
        bound = m.state.path
        body()
        broken = m.exits[-1]["break"]
        run = Run(made, _end(m, bound), bound)
    finally:
        m.exits.pop()
        m.frames.pop()
        m.state = before
    return _Pass(frame, run, [s.path for s in broken])


def _end(m: Machine, bound: tuple[Tree, ...]) -> State | None:
    """What a row leaves, whichever way it went on; None where that cannot be said."""
    ends = [m.state, *m.exits[-1]["continue"]]
    try:
        m.merge(bound, [s.fork() for s in ends])
    except Refused:
        return None
    return m.state


def _answer_if_known(m: Machine, done: _Pass, name: str, by_name: dict[str, list[Effect]]) -> None:
    """A name after a loop that filled collections: unknown where no rule says it."""
    try:
        with m.trial():
            _answer(m, done, name, by_name)
    except Refused as error:
        m.env[name] = Poison(error.reason, error.line or m.line)


def _undone(m: Machine) -> Callable[[], None]:
    """Forgets what is owed, caught and joined since now."""
    owed, raised = len(m.obligations), [len(g.states) for g in m.guards]
    joined = [len(f.query.joins) for f in m.frames]

    def undo() -> None:
        del m.obligations[owed:]
        for guard, count in zip(m.guards, raised, strict=True):
            del guard.states[count:]
        for frame, count in zip(m.frames, joined, strict=True):
            del frame.query.joins[count:]

    return undo


def _shapes(m: Machine, done: _Pass) -> dict[str, Value]:
    """What the rows assign to names that were there before the loop."""
    known = done.frame.start.envs[-1]
    found = {e.target: e.arguments[0] for e in done.frame.effects if e.kind == "assign" and e.target in known}
    unknown = {e.target for e in done.frame.effects if e.kind == "unknown" and e.target in known}
    return found | {name: Poison(f"'{name}' as an earlier row left it", done.frame.lines[0]) for name in unknown}


def assigned(m: Machine, name: str, value: Value) -> None:
    """Remember an assignment in an inner loop: which row made it last, or first, is what counts."""
    content = value if isinstance(value, Poison) else m.content(value)
    plain = isinstance(value, Sym) or v.is_const(value) or isinstance(content, v.HDict | v.HList | tuple)
    if plain or isinstance(content, classes.Object):
        m.log("assign", name, lookups.freeze(m, value))
    else:
        m.log("unknown", name)


def _read_elsewhere(m: Machine, node: ast.For) -> set[str]:
    return {
        n.id
        for n in ast.walk(m.tree)
        if isinstance(n, ast.Name)
        and isinstance(n.ctx, ast.Load)
        and not node.lineno <= n.lineno <= (node.end_lineno or node.lineno)
    }


def _path(m: Machine, frame: Frame, effect: Effect) -> list[Tree]:
    return [a for c in effect.path[len(frame.start.path) :] for a in sqlx.atoms(m.expand_tree(c))]


def _answer(m: Machine, done: _Pass, name: str, by_name: dict[str, list[Effect]]) -> None:
    frame, outer = done.frame, m.frames[-1]
    effect = recurrences.single(m, by_name[name])
    path = _path(m, frame, effect)
    if done.broken and not _leaves_at_once(m, frame, path, done.broken):
        raise Refused("a break under another condition than the assignment before it", _NEAREST)
    own = set(turns.tokens_of(done.turns))
    held = [a for a in path if sqlx.tables(a) & own]
    rest = [a for a in path if not sqlx.tables(a) & own]
    if effect.kind == "total":
        if held:
            raise Refused("a total that depends on what the rows before left", "n += 1")
        _total(m, frame, outer, name, effect, rest)
        return
    value = v.map_syms(effect.arguments[0], m.expand)
    if any(sqlx.tables(x.sql) & own for x in evolving.leaves_of(value) if isinstance(x, Sym)):
        raise Refused(f"'{name}' built on what the rows before left in an inner loop", "n += 1")
    if held and done.broken:
        raise Refused("a break in an inner loop that compares with what the rows before left")
    if held:
        found = turns.winner(m, done.turns, held, _together(m, frame, by_name, path))
    else:
        found = Winner((), "first" if done.broken else "last")
    if not done.broken and not held:
        said = (effect.line, f"'{name}' keeps the last match of the inner loop, where one may be meant")
        m.suspicions += [said] if said not in m.suspicions else []
    old = m.env.get(name, v.MISSING)
    asked = Wanted(name, value, found.kind, (*rest, *found.where), found.by, turns.missing(m, found))
    rel, made, shown = matches.grouped(m, frame, outer, asked)
    new = v.map_syms(shown(rel), lambda s: Sym(sqlx.column(made.alias, s.sql.name), s.type, s.null, name=s.name))
    present = lookups.present(m, made)
    if old is v.MISSING or carries.is_held(m, outer, name):
        carries.hold(m, outer, name, new, present, frame.lines[0])
        return
    m.bind(name, m.select(present, lookups.thaw(m, new), old))


def _together(m: Machine, frame: Frame, by_name: dict[str, list[Effect]], path: list[Tree]) -> dict[str, Value]:
    """What is assigned to each name by the rows that pass the same conditions."""
    texts = [sqlx.text(a) for a in path]
    found: dict[str, Value] = {}
    for name, effects in by_name.items():
        if {e.kind for e in effects} != {"assign"}:
            continue
        effect = recurrences.single(m, effects)
        if [sqlx.text(a) for a in _path(m, frame, effect)] == texts:
            found[name] = effect.arguments[0]
    return found


def _leaves_at_once(m: Machine, frame: Frame, path: list[Tree], broken: list[tuple[Tree, ...]]) -> bool:
    wanted = {sqlx.text(a) for a in path}
    ways = [{sqlx.text(a) for c in p[len(frame.start.path) :] for a in sqlx.atoms(m.expand_tree(c))} for p in broken]
    return len(ways) == 1 and ways[0] == wanted


def _total(m: Machine, frame: Frame, outer: Frame, name: str, effect: Effect, path: list[Tree]) -> None:
    op, amount = effect.arguments
    if op is not ast.Add:
        raise Refused("a running value other than a sum in an inner loop", "n += 1")
    amount = m.expand(scalars.scalar(amount))
    one = isinstance(amount.sql, sqlx.exp.Literal) and amount.sql.name == "1"
    asked = Wanted(name, None if one else amount, "count" if one else "sum", tuple(path))
    rel, made, _ = matches.grouped(m, frame, outer, asked)
    column = rel.aggregates[-1].name
    found = Sym(sqlx.column(made.alias, column), amount.type, null=True, name=name)
    zero = sqlx.literal(0 if amount.type == "int" else 0.0)
    counted = Sym(sql("coalesce(_1, _2)", found.sql, zero), amount.type, name=name)
    old = m.env[name]
    plain = v.is_const(old) and not isinstance(old, bool) and old == 0
    m.bind(name, counted if plain else scalars.binary(m, ast.Add, old, counted))
