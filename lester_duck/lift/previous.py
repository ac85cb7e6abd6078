"""A tuple or record that each row leaves to the next one: ``if key != previous: ...`` and ``previous = key``.

What a row finds is None, or a thing whose parts are placeholders; at the end of the loop each part is
the window that says what the row before made of it.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace

from sqlglot import exp

from lester_duck.lift import branches, evolving, lookups, recurrences, scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine, unify
from lester_duck.lift.relations import Query, SelectRel, fresh
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.state import Frame, Let, State
from lester_duck.lift.values import Refused, Sym, Value

_BEFORE = "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
_CHANGING = frozenset({"add", "append", "clear", "extend", "insert", "pop", "remove", "setdefault", "sort", "update"})


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What the name holds after a row."""

    like: Value


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """The placeholders of a carried thing: ``there`` says that it is not None."""

    there: str
    parts: tuple[str, ...]
    like: Value


def shape_of(m: Machine, name: str, lines: tuple[int, int], before: State, end: State | None) -> Shape | None:
    """The shape of a name that is None before the loop and that each row assigns anew; None where it is none."""
    if end is None or before.envs[-1].get(name, v.MISSING) is not None or not _is_replaced(m, name, lines):
        return None
    saved, m.state = m.state, end.fork()
    try:
        like = _frozen(m, end.envs[-1].get(name, v.MISSING))
    except Refused:
        return None
    finally:
        m.state = saved
    leaves = evolving.leaves_of(like)
    plain = all(isinstance(x, Sym) or (v.is_const(x) and not isinstance(x, tuple)) for x in leaves)
    return Shape(like) if isinstance(like, v.Rec | v.Seq | tuple) and leaves and plain else None


def _frozen(m: Machine, value: Value) -> Value:
    """The thing that a row leaves: of a choice with what it found, the new one."""
    while isinstance(value, v.Choice):
        value = value.otherwise if value.then is None else value.then
    return lookups.freeze(m, value)


def _is_replaced(m: Machine, name: str, lines: tuple[int, int]) -> bool:
    """Whether the loop's own statements assign the name, and nothing in it changes what it stands for."""
    loop = next((n for n in ast.walk(m.tree) if isinstance(n, ast.For) and (n.lineno, n.end_lineno) == lines), None)
    if loop is None or not any(_assigns(s, name) for s in loop.body):
        return False
    for part in (n for s in loop.body for n in ast.walk(s)):
        changed = isinstance(part, ast.Subscript | ast.Attribute) and isinstance(part.ctx, ast.Store | ast.Del)
        called = isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr in _CHANGING
        target = part.value if changed else part.func.value if called else None
        while isinstance(target, ast.Subscript | ast.Attribute):
            target = target.value
        if isinstance(target, ast.Name) and target.id == name:
            return False
    return True


def _assigns(node: ast.stmt, name: str) -> bool:
    return isinstance(node, ast.Assign) and any(
        isinstance(part, ast.Name) and part.id == name for t in node.targets for part in ast.walk(t)
    )


def enter(m: Machine, frame: Frame, name: str, shape: Shape) -> None:
    """Bind the name to None or the thing of placeholders."""
    tokens: list[str] = []

    def placeholder() -> str:
        token = fresh("read")
        m.reads[token] = evolving.Read(0, "carry", name, len(tokens), m.line)
        return token

    there = placeholder()
    made: list[Value] = []
    for like in evolving.leaves_of(shape.like):
        tokens.append(placeholder())
        sym = scalars.scalar(like)
        made.append(Sym(sqlx.column(tokens[-1], "carry"), sym.type, sym.null, name=sym.name, nan=sym.nan))
    frame.running[name] = Carried(there, tuple(tokens), shape.like)
    thing = lookups.thaw(m, evolving.refilled(shape.like, iter(made)))
    m.env[name] = v.Choice(sqlx.column(there, "carry"), thing, None)


def finish(m: Machine, frame: Frame) -> None:
    """Say what the row before left as windows; a thing that no rule says stays without one."""
    mine = {n: c for n, c in frame.running.items() if isinstance(c, Carried)}
    for name, carried in mine.items():
        del frame.running[name]
        own = [sqlx.column(t, "carry") for t in (carried.there, *carried.parts)]
        ends = _ends(m, frame, name, carried)
        if ends is None:
            m.sequential.add(name)
            continue
        first: list[Tree] = [exp.false(), *(exp.null() for _ in carried.parts)]
        for column, (end, type_), start in zip(own, ends, first, strict=True):
            value = _before(m, frame, column, branches.united(branches.opened(m, end)), start, set(_tokens(own)))
            if value is None:
                m.sequential.add(name)
                break
            title = f"previous_{name}" if column is own[0] else f"{name}_before"
            m.lets[column.table] = Let(title, Sym(value, type_, True), over=(), filtered=value)


def _tokens(columns: list[exp.Expression]) -> list[str]:
    return [c.table for c in columns]


def _ends(m: Machine, frame: Frame, name: str, carried: Carried) -> list[tuple[Tree, str]] | None:
    """What the present row leaves: whether there is a thing, and each of its parts."""
    if frame.end is None:
        return None
    saved, m.state = m.state, frame.end
    try:
        return _spread(m, frame.end.envs[-1].get(name, v.MISSING), carried)
    except Refused:
        return None
    finally:
        m.state = saved


def _spread(m: Machine, value: Value, carried: Carried) -> list[tuple[Tree, str]]:
    likes = [scalars.scalar(x) for x in evolving.leaves_of(carried.like)]
    if value is None:
        return [(exp.false(), "bool"), *((exp.null(), x.type) for x in likes)]
    if isinstance(value, v.Choice):
        sides = [_spread(m, x, carried) for x in (value.then, value.otherwise)]
        return [(sqlx.case(value.condition, a, b), kind) for (a, kind), (b, _) in zip(*sides, strict=True)]
    leaves = [scalars.scalar(x) for x in evolving.leaves_of(lookups.freeze(m, value))]
    if len(leaves) != len(likes) or any(unify(a.type, b.type) != b.type for a, b in zip(leaves, likes, strict=True)):
        raise Refused("a name that stands for different things from row to row")
    return [(exp.true(), "bool"), *((scalars.whole(x).sql, b.type) for x, b in zip(leaves, likes, strict=True))]


def _before(m: Machine, frame: Frame, own: Tree, tree: Tree, first: Tree, tokens: set[str]) -> Tree | None:
    """What the row before left of one part; None where no window says it."""
    tree = sqlx.bare(tree)
    if not recurrences.mentions(m, tree, tokens):
        return recurrences.window(m, frame, "lag(_1, 1, _2)", (), "", tree, first)
    kept = branches.replaced(tree, own, exp.null(), True)
    if kept is None or recurrences.mentions(m, kept, tokens):
        return None
    held = recurrences.window(m, frame, "last_value(_1 IGNORE NULLS)", (), _BEFORE, kept)
    return sqlx.case(sql("_1 IS NULL", held), first, sql("struct_extract(_1, 'kept')", held))


def left(m: Machine, frame: Frame, name: str, start: Value) -> Value:
    """What the last row left under a name that was None before the loop; ``MISSING`` where no rule says it."""
    if start is not None or frame.last is None or frame.query.order:
        return v.MISSING
    saved, m.state = m.state, frame.last.fork()
    try:
        end = m.state.envs[-1].get(name, v.MISSING)
        like = _frozen(m, end)
        if not isinstance(like, v.Rec | v.Seq | tuple):
            return v.MISSING
        parts = _spread(m, end, Carried("", (), like))
    except Refused:
        return v.MISSING
    finally:
        m.state = saved
    trees = [branches.united(m.expand_tree(tree)) for tree, _ in parts]
    if recurrences.unresolved(m, trees):
        return v.MISSING
    rel = SelectRel(
        name=f"{frame.query.base.name}_{name}", what=f"{name}, row by row", lines=frame.lines,
        query=Query(frame.query.alias, frame.query.base, frame.query.joins, frame.reached),
    )  # fmt: skip
    leaves = [None, *(scalars.scalar(x) for x in evolving.leaves_of(like))]
    found = []
    for tree, (_, type_), leaf in zip(trees, parts, leaves, strict=True):
        title = (leaf.name if leaf is not None else f"{name}_there") or name
        column = rel.require(Sym(tree, type_, True, name=title), title)
        found.append(replace(m.whole("last", rel, column, type_), null=leaf is not None and leaf.null, name=title))
    thing = lookups.thaw(m, evolving.refilled(like, iter(found[1:])))
    there = sqlx.bare(trees[0])
    if isinstance(there, exp.Boolean) and there.this:
        return v.Choice(sql("_1 > 0", m.whole("count", rel, None, "int").sql), thing, None)
    return v.Choice(sql("coalesce(_1, FALSE)", found[0].sql), thing, None)
