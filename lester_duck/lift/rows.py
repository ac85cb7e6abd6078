"""Loops and comprehensions: over known items they are unrolled, over rows they run once."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from lester_duck.lift import (
    carries,
    companions,
    containers,
    evolving,
    exploded,
    expressions,
    files,
    finals,
    flushes,
    folds,
    headers,
    indexed,
    inner,
    lookups,
    nested,
    numbered,
    once,
    pairs,
    records,
    running,
    scalars,
    so_far,
    sqlx,
    steps,
    tallies,
    wide,
    words,
)
from lester_duck.lift import stops as stop_rules
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import Query, fresh
from lester_duck.lift.state import Effect, Frame, State
from lester_duck.lift.values import Refused, Value

_UNROLL = 10_000


def loop(
    m: Machine, node: ast.For, run: Callable[[list[ast.stmt]], None], assign: Callable[[ast.expr, Value], None]
) -> None:
    """A ``for`` statement; ``run`` executes a body, ``assign`` binds the target."""
    node = indexed.loop(m, headers.first_read(m, node, run))
    iterable = expressions.evaluate(m, node.iter)
    node = headers.without(m, node, iterable)
    content = m.content(iterable)
    if isinstance(content, v.Choice):
        known = m.implied(content.condition)
        if known is None:
            raise Refused("a loop over one thing or another")
        content = m.content(content.then if known else content.otherwise)
    if isinstance(content, v.Words) and words.is_hashed(node):
        words.loop(m, node, content)
        return
    if m.frames:
        content = exploded.of(content)
    so_far_ = so_far.of(m, content) if m.frames else content
    if isinstance(so_far_, exploded.Exploded) and m.frames and tallies.loop(m, node, so_far_, run):
        return
    if isinstance(content, v.Group):
        content = inner.of(content)
    if m.frames and wide.loop(m, node, content, lambda item: assign(node.target, item), lambda: run(node.body)):
        return
    if isinstance(content, v.Foreign) and content.loop(
        m, node, lambda item: assign(node.target, item), lambda: run(node.body)
    ):
        return
    view = as_view(m, content)
    if view is None:
        items = containers.known_items(m, iterable)
        unroll(m, items, lambda item: assign(node.target, item), lambda: run(node.body), lambda: run(node.orelse))
        once.left_early(m, iterable, node)
        return
    if node.orelse:
        raise Refused("for ... else over rows")
    if m.frames:
        nested.loop(m, node, view, lambda item: assign(node.target, item), lambda: run(node.body))
        return
    lines = (node.lineno, node.end_lineno)
    loads = frozenset(n.id for part in node.body for n in ast.walk(part)
                      if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))  # fmt: skip
    owner = iterable if isinstance(content, v.ListOf) and isinstance(iterable, v.Ref) else None
    if getattr(content, "fresh", False):
        owner = v.MISSING  # each row is made anew: what is changed in it nobody sees later

    def attempt(body: list[ast.stmt]) -> None:
        over_rows(m, view, lines, lambda item: assign(node.target, item), lambda: run(body), owner, loads)

    steps.loop(m, node, attempt)
    once.left_early(m, iterable, node)


def unroll(
    m: Machine, items: list[Value], bind: Callable[[Value], None], body: Callable[[], None],
    otherwise: Callable[[], None] = lambda: None,
) -> None:  # fmt: skip
    """Run a body for each known item, ``otherwise`` after the last; ``break`` and ``continue`` may depend on rows."""
    if len(items) > _UNROLL:
        raise Refused(f"a loop over {len(items)} known items")
    base = m.state.path
    m.exits.append({"break": [], "continue": []})
    for item in items:
        bind(item)
        body()
        states = [m.state, *m.exits[-1]["continue"]]
        m.exits[-1]["continue"] = []
        m.merge(base, states) if len(states) > 1 else None
        if not m.state.alive:
            break
    broken = m.exits.pop()["break"]
    if m.state.alive:
        otherwise()
    if broken:
        m.merge(base, [*broken, m.state])


def as_view(m: Machine, content: Value) -> v.View | None:
    """The rows an iterable yields; None where its items are known."""
    if isinstance(content, v.Foreign):
        content = m.content(content.rows(m, content))
    if isinstance(content, v.View):
        return content
    if isinstance(content, v.ListOf):
        return v.View(content.rel, content.element)
    if isinstance(content, v.Vector):
        return v.View(content.rel, content.element)
    if isinstance(content, v.DictOf | v.GroupedOf):
        return keys_view(m, content)
    if isinstance(content, v.SetOf):
        raise Refused("a loop over a set, whose order differs from run to run", "sorted(...)")
    if isinstance(content, v.HFile) and not once.is_ended(content):
        view = files.lines_of(m, content)
        once.read_to_end(m, content)
        return view
    if isinstance(content, v.Part):
        return numbered.part(m, content)
    return None


def keys_view(m: Machine, content: v.DictOf | v.GroupedOf) -> v.View:
    """The keys of a dict, in insertion order."""
    if isinstance(content, v.DictOf):
        return v.View(content.rel, content.key)
    rel, key = lookups.summary(m, content)
    return v.View(rel, key if len(key) > 1 or isinstance(content.key, tuple) else key[0])


def over_rows(
    m: Machine, view: v.View, lines: tuple[int, int], bind: Callable[[Value], None], body: Callable[[], None],
    owner: v.Ref | None = None, loads: frozenset[str] = frozenset(),
) -> None:  # fmt: skip
    """Run a body once for all rows of a view, then turn what it did into relations.

    ``owner`` is the list whose records the body may change in place, ``loads`` the names it reads. The
    body is run again while that reveals names or objects carried from one row to the next.
    """
    touched: set[int] = set()
    carried: set[str] = set()
    shapes: dict[int, Value] = {}
    names: dict[str, Value] = {}
    stops = False
    for _ in range(6):
        known = {i: shapes.get(i) for i in touched}
        done = _one_pass(m, view, lines, bind, body, known, carried, names, loads, stops)
        _note_shapes(done.frame, shapes)
        more = _note_names(m, done, names, loads)
        unknown = bool(done.broken) and not stops
        stops = stops or unknown
        if done.frame.touched <= touched and done.changed <= carried and not more and not unknown:
            if done.refusal is not None:
                raise done.refusal
            stop_rules.finish(m, done.frame, done.broken)
            carries.finish(m, done.frame)
            groups = running.finish(m, done.frame)
            records.rewrite(m, done.frame, owner, done.item)
            folds.finish(m, done.frame)
            pairs.finish(m, done.frame)
            totals = {e.target for e in done.frame.effects if e.kind == "total"}
            finals.leave(m, done.frame, done.changed | done.made | totals, done.frame.effects)
            m.env.update({name: m.new(group) for name, group in groups.items()})
            return
        touched |= done.frame.touched
        carried |= done.changed
    raise Refused("a loop whose state does not settle")


@dataclass(frozen=True, slots=True, eq=False)
class _Pass:
    """One interpretation of a loop body: names it changed, names it made, and why it was refused."""

    frame: Frame
    changed: set[str]
    made: set[str]
    refusal: Refused | None
    item: Value
    broken: list[State]


def _one_pass(
    m: Machine, view: v.View, lines: tuple[int, int], bind: Callable[[Value], None], body: Callable[[], None],
    touched: dict[int, Value], carried: set[str], names: dict[str, Value], loads: frozenset[str],
    stops: bool,
) -> _Pass:  # fmt: skip
    alias = fresh("t")
    query = Query(alias, view.rel, order=tuple((v.rebind(s, view.rel.token, alias), d) for s, d in view.order))
    before = m.state
    owed = len(m.obligations)
    frame = Frame(query, m.mark, before, lines, shapes=dict(names), loads=loads)
    m.state = before.fork()
    carries.enter(m, frame, names, carried)
    for id_, shape in touched.items():
        folds.mark_evolving(m, id_, shape)
    if stops:
        stop_rules.begin(m, frame)
    m.frames.append(frame)
    m.exits.append({"break": [], "continue": [], "rows": [before]})
    exits, guards, depth = len(m.exits), len(m.guards), m.depth
    start = dict(m.env)
    refusal: Refused | None = None
    item = lookups.thaw(m, numbered.placed(m, v.rebind(view.element, view.rel.token, alias)))
    made = dict(m.state.heap)
    try:
        bind(item)
        body()
    except Refused as error:
        refusal = error
        error.line = error.line or m.line
        del m.exits[exits:], m.guards[guards:]
        m.depth = depth
    left = m.exits.pop()
    ends = [m.state, *left["continue"]]
    frame.end = _merged_end(m, before, ends) if refusal is None else None
    ends += left["break"]
    frame.last = _merged_end(m, before, ends) if refusal is None and left["break"] else frame.end
    m.state = before
    m.frames.pop()
    if refusal is not None:
        del m.obligations[owed:]
    bound = {n for end in ends for n, x in end.envs[-1].items() if x is not start.get(n)}
    outer = set(before.envs[-1])
    return _Pass(frame, bound & outer, bound - outer, refusal, records.Item(item, made), left["break"])


def _note_names(m: Machine, done: _Pass, names: dict[str, Value], loads: frozenset[str]) -> bool:
    """Shapes of names that rows leave to the next ones; says whether there were new ones."""
    known = set(names)
    names.update({n: x for n, x in done.frame.shapes.items() if n in done.frame.held})
    read = {n.id for n in ast.walk(m.tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    for name in (done.changed & (loads | read)) - known:
        shape = carries.shape_of(m, name, done.frame.lines, done.frame.start, done.frame.end)
        if shape is not None:
            names[name] = shape
    return set(names) != known


def _merged_end(m: Machine, before: State, ends: list[State]) -> State | None:
    """What a row leaves, whichever way it went; None where that cannot be said."""
    m.state = before.fork()
    try:
        m.merge(before.path, ends)
    except Refused:
        return None
    return m.state


def _note_shapes(frame: Frame, shapes: dict[int, Value]) -> None:
    by_target: dict[int, list[Effect]] = {}
    for effect in [*frame.effects, *(e for flat in frame.flat for e in flat.effects)]:
        if isinstance(effect.target, v.Ref):
            by_target.setdefault(effect.target.id, []).append(effect)
    for id_, effects in by_target.items():
        shape = evolving.shape_of(effects)
        if shape is not None:
            shapes[id_] = shape


def add(m: Machine, ref: v.Ref, value: Value, how: str) -> None:
    """``list.append`` or ``set.add``: kept, or logged when the collection is older than the loop."""
    if isinstance(value, v.Choice) and m.implied(value.condition) is not None:
        value = value.then if m.implied(value.condition) else value.otherwise
    if not m.frames and how == "append" and flushes.flush(m, ref, value):
        return
    if m.frame_of(ref) is not None:
        frozen = lookups.freeze(m, value)
        if isinstance(value, v.Ref):
            m.frames[-1].stored[len(m.frames[-1].effects)] = value.id
        m.log(how, ref, frozen)
        evolving.note(m, ref, frozen if evolving.is_key(frozen) else "an element", v.MISSING)
        return
    content = m.content(ref)
    if m.frames:
        evolving.grown(m, ref)
    if isinstance(content, v.HList):
        m.update(ref, v.HList((*content.items, value)))
    elif isinstance(content, v.HSet) and v.is_const(value):
        m.update(ref, v.HSet(content.items if value in content.items else (*content.items, value)))
    else:
        raise Refused(f"{how} to a {scalars.kind_name(content)}")


def bind_target(m: Machine, target: ast.expr, value: Value) -> None:
    """Assign to the target of a loop or comprehension: a name or a tuple of names."""
    if isinstance(target, ast.Name):
        m.bind(target.id, files.name_field(m, value, target.id))
        return
    if isinstance(target, ast.Tuple | ast.List):
        parts, items = parts_of(m, target, value)
        for part, item in zip(parts, items, strict=True):
            bind_target(m, part, item)
        return
    raise Refused("this target of a loop")


def parts_of(m: Machine, target: ast.Tuple | ast.List, value: Value) -> tuple[list[ast.expr], list[Value]]:
    """The targets of an unpacking, and what each of them gets; one with a star gets a list of the rest."""
    at = next((i for i, t in enumerate(target.elts) if isinstance(t, ast.Starred)), None)
    if at is None:
        return target.elts, unpack(m, value, len(target.elts))
    targets = [t.value if isinstance(t, ast.Starred) else t for t in target.elts]
    after = len(targets) - at - 1
    content = m.content(value)
    if isinstance(content, v.Words | v.Pieces):
        parts = exploded.of(content)
        few = sqlx.sql("_1 < _2", parts.length(m, parts).sql, sqlx.literal(at + after))
        m.raise_if(few, "ValueError", "too few parts to unpack")
        first = [containers.subscript(m, content, i) for i in range(at)]
        last = [containers.subscript(m, content, i - after) for i in range(after)]
        return targets, [*first, parts.part(at, after), *last]
    if isinstance(content, v.Fields) and not after and not _is_read(m, targets[at]):
        return targets, [*files.first_fields(m, content, at), v.Poison("the other fields of a line", target.lineno)]
    items = containers.known_items(m, value)
    if len(items) < at + after:
        raise Refused(f"the script would fail here: {len(items)} items for at least {at + after} names")
    rest = m.new(v.HList(tuple(items[at : len(items) - after])))
    return targets, [*items[:at], rest, *items[len(items) - after :]]


def _is_read(m: Machine, target: ast.expr) -> bool:
    """Whether the script reads a name anywhere."""
    return not isinstance(target, ast.Name) or any(
        isinstance(n, ast.Name) and n.id == target.id and isinstance(n.ctx, ast.Load) for n in ast.walk(m.tree)
    )


def unpack(m: Machine, value: Value, count: int) -> list[Value]:
    """The items of a value unpacked into ``count`` targets."""
    if isinstance(value, v.Choice | v.Poison):
        whole = scalars.spread(m, value, lambda x: tuple(unpack(m, x, count)))
        if not isinstance(whole, tuple):
            raise Refused("unpacking one thing or another")
        return list(whole)
    content = m.content(value)
    if isinstance(content, v.Fields):
        return files.unpack(m, content, count)
    if isinstance(content, v.Pieces | v.Words):
        other = sqlx.sql("_1 <> _2", containers.length(m, content).sql, sqlx.literal(count))
        m.raise_if(other, "ValueError", "another number of fields")
        return [containers.subscript(m, content, i) for i in range(count)]
    if isinstance(content, exploded.Exploded):
        return content.exactly(m, count, "ValueError")
    parts = content.unpack(m, value, count) if isinstance(content, v.Foreign) else None
    if parts is not None:
        return parts
    record = m.state.heap.get(value.id) if isinstance(value, v.Ref) else None
    if isinstance(record, v.HList):
        items = [companions.found(m, x) for x in record.items]
    else:
        items = containers.known_items(m, value)
    if len(items) != count:
        m.raise_if(exp.true(), "ValueError", "another number of items to unpack")
        raise Refused(f"the script would fail here: {len(items)} items for {count} names")
    return items
