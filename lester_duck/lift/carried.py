"""Names that one row of an inner loop leaves to the next, where the loop fills collections: windows per outer row."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlglot import exp

from lester_duck.lift import branches, carries, lookups, scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import GroupRel, Query, Relation, SelectRel, free_name, fresh
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.state import Frame, Let, State
from lester_duck.lift.turns import Turn
from lester_duck.lift.values import Refused, Sym, Value

_NEAREST = "one loop over the rows, with what the row before of the same key left in a dict per key"


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """The names the rows of an inner loop change, what they are after a row, and the path all rows are on."""

    turns: list[Turn]
    end: State | None
    bound: tuple[Tree, ...]

    @property
    def tokens(self) -> dict[str, Turn]:
        """The placeholders of what the row before left."""
        return {t: turn for turn in self.turns for t in (*turn.tokens, *([turn.flag] if turn.flag else []))}


def partition(m: Machine, outer: Frame) -> list[Sym]:
    """What tells one row of the outer loop from another, over the outer loop."""
    keys = _keys(m, outer.query.base)
    if not keys:
        raise Refused("what the row before left in an inner loop over the rows of something that has no key", _NEAREST)
    return [Sym(sqlx.column(outer.query.alias, n), s.type, name=n) for n, s in keys]


def _keys(m: Machine, rel: Relation) -> list[tuple[str, Sym]]:
    """The columns that tell the rows of a relation apart: the keys of a grouping, also of a sorted one."""
    if isinstance(rel, GroupRel):
        return list(rel.keys)
    if not isinstance(rel, SelectRel) or any(j.always for j in rel.query.joins):
        return []
    shown = {sqlx.text(m.expand(s).sql): (n, s) for n, s in rel.outputs}
    below = [shown.get(sqlx.text(sqlx.column(rel.query.alias, n))) for n, _ in _keys(m, rel.query.base)]
    return [] if None in below else below


def in_turn(flat: Frame) -> None:
    """The pairs with a number within each row of the outer loop, as a relation that the loop runs over."""
    pairs, alias = flat.query.base, fresh("t")
    shown = [(n, Sym(sqlx.column(alias, n), s.type, s.null, name=n)) for n, s in pairs.outputs]
    keys = [sqlx.column(alias, s.sql.name) for s in flat.partition]
    by = ", ".join(f"_{i + 2}" for i in range(len(keys)))
    number = sql(f"row_number() OVER (PARTITION BY {by} ORDER BY _1)", sqlx.column(alias, "_pos"), *keys)
    name = free_name("turn", {n for n, _ in shown})
    flat.query.base = SelectRel(
        name=f"{pairs.name}_in_turn", what=f"{pairs.what}, numbered for each row of the outer loop", lines=flat.lines,
        query=Query(alias, pairs), outputs=[*shown, (name, Sym(number, "int", name=name))],
    )  # fmt: skip
    flat.turn = Sym(sqlx.column(flat.query.alias, name), "int", name=name)


def definitions(m: Machine, run: Run, say: object, asked: set[str]) -> dict[str, tuple[Turn, Sym, Sym, Tree]]:
    """For each placeholder that is needed: its turn, what it was before the loop, what a row makes of it."""
    own, made = run.tokens, {}
    queue = [t for t in own if t in asked]
    while queue:
        token = queue.pop(0)
        if token in made:
            continue
        turn = own[token]
        value = run.end.envs[-1].get(turn.name, v.MISSING) if run.end is not None else v.MISSING
        found = dict(zip([*turn.tokens, turn.flag], _leaves(m, value, turn, run.end), strict=True))
        old = dict(zip(turn.tokens, turn.before, strict=True))
        first = say.value(scalars.scalar(old[token])) if token in old else Sym(exp.false(), "bool")
        last = found[token]
        tree = say.tree(branches.united(branches.opened(m, m.expand(last).sql)))
        made[token] = (turn, first, last, tree)
        queue += [t for t in sqlx.tables(tree) if t in own]
    return made


def explain(m: Machine, flat: Frame, made: dict[str, tuple[Turn, Sym, Sym, Tree]]) -> None:
    """Say each placeholder as a window over the pairs, one partition per row of the outer loop."""
    for token, (turn, first, last, tree) in made.items():
        name = turn.name
        if isinstance(tree, exp.Boolean) and tree.this and token == turn.flag:
            m.lets[token] = Let(f"has_{name}", Sym(sql("_1 > 1", flat.turn.sql), "bool"))
            continue
        said = sqlx.replace(tree, lambda n, t=token: _carry(n, t))
        start = State([{name: first}], {}, flat.start.path)
        title = last.name if token != turn.flag and last.name else name
        after = fresh("let")
        m.lets[after] = Let(title, last)
        end = replace(last, sql=sqlx.column(after, title), parts=(), choices=())
        carries.explain(m, replace(flat, start=start), name, token, end, said)
        if token in m.lets and title != name:
            m.lets[token] = replace(m.lets[token], name=f"previous_{title}")
    missing = {t for t in made if t not in m.lets}
    if missing:
        turn = made[sorted(missing)[0]][0]
        raise Refused(f"'{turn.name}' as the row before left it in an inner loop", "last = row, or n += x")


def _carry(node: Tree, token: str) -> Tree | None:
    return sqlx.column(token, "carry") if isinstance(node, exp.Column) and node.table == token else None


def _leaves(m: Machine, value: Value, turn: Turn, end: State | None) -> list[Sym]:
    """What a name is after a row, leaf by leaf, and whether it is there at all."""
    if isinstance(value, v.Choice):
        then, other = _leaves(m, value.then, turn, end), _leaves(m, value.otherwise, turn, end)
        return [scalars.scalar(m.select(value.condition, a, b)) for a, b in zip(then, other, strict=True)]
    if value is None and turn.flag:
        return [*(Sym(exp.null(), "none", True) for _ in turn.tokens), Sym(exp.false(), "bool")]
    saved, m.state = m.state, end
    try:
        found = carries.evolving.leaves_of(lookups.freeze(m, value))
    finally:
        m.state = saved
    if len(found) != len(turn.tokens):
        raise Refused(f"'{turn.name}' of several forms in an inner loop", _NEAREST)
    return [*(scalars.scalar(x) for x in found), Sym(exp.true(), "bool")]
