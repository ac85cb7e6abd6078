"""Names that one row of an inner loop leaves to the next: which row wins, the nearest, the first, the largest.

Within the loop such a name is a placeholder for what the rows before left. The condition under which it is
assigned says at the end which of the matching rows it was: the first one (``if best is None``), or the one
with the least or most of something (``if d < best``), the first or last of equals.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlglot import exp

from lester_duck.lift import branches, evolving, lookups, scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine, unify
from lester_duck.lift.relations import fresh
from lester_duck.lift.sqlx import Tree
from lester_duck.lift.values import Poison, Refused, Sym, Value

_NEAREST = "if d < best: best = d, found = row"
_ORDERINGS = {exp.GT: (True, True), exp.GTE: (True, False), exp.LT: (False, True), exp.LTE: (False, False)}
_MIRRORED = {exp.GT: exp.LT, exp.GTE: exp.LTE, exp.LT: exp.GT, exp.LTE: exp.GTE}


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """A name's placeholders, one per leaf, the flag that says that a row set it, and what it was before."""

    name: str
    tokens: tuple[str, ...]
    flag: str | None
    before: tuple[Value, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Winner:
    """Which of the rows under ``where`` leaves its values: the first, or the one with least or most of ``by``."""

    where: tuple[Tree, ...]
    kind: str = "first"
    by: tuple[tuple[Sym, bool], ...] = ()
    bounded: bool = True


def enter(m: Machine, shapes: dict[str, Value]) -> list[Turn]:
    """Bind the names that rows of the inner loop change to placeholders."""
    made: list[Turn] = []
    for name, shape in shapes.items():
        before = lookups.freeze(m, m.env[name]) if isinstance(m.env[name], v.Ref) else m.env[name]
        turn, value = _placeholder(m, name, before, shape)
        m.env[name] = value
        if turn is not None:
            made.append(turn)
    return made


def _placeholder(m: Machine, name: str, before: Value, shape: Value) -> tuple[Turn | None, Value]:
    poison = Poison(f"'{name}' as an earlier row of the inner loop left it", m.line)
    if isinstance(shape, Poison):
        return None, poison
    new = evolving.leaves_of(shape)
    old = [None] * len(new) if before is None else evolving.leaves_of(before)
    unknown = isinstance(before, Poison | v.Choice | v.Foreign) or any(isinstance(x, v.Choice) for x in new)
    if unknown or len(old) != len(new):
        return None, poison
    record = before is None and not isinstance(shape, Sym) and not (v.is_const(shape) and not isinstance(shape, tuple))
    tokens, leaves = [], []
    for a, b in zip(old, new, strict=True):
        x, y = scalars.scalar(a), scalars.scalar(b)
        kind = unify(x.type, y.type)
        if kind is None:
            return None, poison
        tokens.append(_token(m, name, len(tokens)))
        kind = "float" if kind == "number" else kind
        null = y.null or (x.null and not record)
        leaves.append(Sym(sqlx.column(tokens[-1], "turn"), kind, null, name=y.name or name))
    if record:
        flag = _token(m, name, -1)
        value = lookups.thaw(m, evolving.refilled(shape, iter(leaves)))
        return Turn(name, tuple(tokens), flag, tuple(old)), v.Choice(sqlx.column(flag, "turn"), value, None)
    value = lookups.thaw(m, evolving.refilled(before if before is not None else shape, iter(leaves)))
    return Turn(name, tuple(tokens), None, tuple(old)), value


def _token(m: Machine, name: str, leaf: int) -> str:
    token = fresh("read")
    m.reads[token] = evolving.Read(0, "turn", name, leaf, m.line)
    return token


def tokens_of(turns: list[Turn]) -> dict[str, Turn]:
    """The placeholders, with what they belong to."""
    return {t: turn for turn in turns for t in (*turn.tokens, *([turn.flag] if turn.flag else []))}


def winner(m: Machine, turns: list[Turn], conditions: list[Tree], values: dict[str, Value]) -> Winner:
    """Which row wins under conditions on what rows before left; ``values`` is what is assigned to each name."""
    test = sqlx.conjunction(m.expand_tree(c) for c in conditions)
    own = tokens_of(turns)
    begun: dict[str, bool] = {}
    later: dict[str, bool] = {}
    first: dict[str, Tree] = {}
    then: dict[str, Tree] = {}
    for turn in {own[t].name: own[t] for t in sqlx.tables(test) if t in own}.values():
        if turn.name not in values:
            raise Refused("an inner loop whose condition is about another row than the one it keeps", _NEAREST)
        if turn.flag:
            flag = sqlx.text(sqlx.column(turn.flag, "turn"))
            begun[flag], later[flag] = False, True
        for token, old, new in zip(turn.tokens, turn.before, evolving.leaves_of(values[turn.name]), strict=True):
            _leaf(m, token, old, scalars.scalar(new), begun, later, first, then)
    at_first = _put(branches.simplified(test, begun), first)
    if sqlx.tables(at_first) & set(own):
        raise Refused("an inner loop that begins depending on itself", _NEAREST)
    if isinstance(at_first, exp.Boolean) and not at_first.this:
        raise Refused("an inner loop that never finds anything")
    after = sqlx.relaxed(branches.simplified(test, later))
    where = tuple(sqlx.atoms(at_first))
    if isinstance(after, exp.Boolean) and not after.this:
        return Winner(where)
    terms = _terms(after, set(own), then)
    if terms is None:
        raise Refused("an inner loop that keeps a row under this condition", _NEAREST)
    by, strict = terms
    kinds = {sqlx.text(t): s for x in values.values() for s in _leaves(m, x) for t in [sqlx.bare(s.sql)]}
    ordering = tuple((kinds.get(sqlx.text(t), Sym(t, "float", name="nearest")), d is strict) for t, d in by)
    return Winner(where, "first" if strict else "last", ordering, bounded=bool(where))


def _leaves(m: Machine, value: Value) -> list[Sym]:
    return [m.expand(x) for x in evolving.leaves_of(value) if isinstance(x, Sym)]


def _leaf(
    m: Machine, token: str, old: Value, new: Sym, begun: dict[str, bool], later: dict[str, bool],
    first: dict[str, Tree], then: dict[str, Tree],
) -> None:  # fmt: skip
    own = sqlx.column(token, "turn")
    unset = sqlx.text(sqlx.sql("_1 IS NULL", own))
    if isinstance(old, bool):
        begun[sqlx.text(own)] = old
        if isinstance(new.sql, exp.Boolean):
            later[sqlx.text(own)] = bool(new.sql.this)
    if old is None:
        begun[unset] = True
        if new.null and not new.nan:
            raise Refused("an inner loop that may find None", _NEAREST)
        later[unset] = False
    else:
        first[token] = m.expand(scalars.scalar(old)).sql
    then[token] = sqlx.bare(branches.simplified(m.expand(new).sql, {}))


def _put(tree: Tree, known: dict[str, Tree]) -> Tree:
    return sqlx.bare(sqlx.replace(tree, lambda n: known.get(n.table) if isinstance(n, exp.Column) else None))


def _terms(tree: Tree, own: set[str], then: dict[str, Tree]) -> tuple[list[tuple[Tree, bool]], bool] | None:
    """What the winner has most or least of, in order of importance, and whether the first of equals wins."""
    tree = sqlx.bare(tree)
    if isinstance(tree, exp.Coalesce):
        return _terms(sqlx.relaxed(tree), own, then) if not isinstance(sqlx.relaxed(tree), exp.Coalesce) else None
    if type(tree) in _ORDERINGS:
        return _term(tree, own, then)
    if not isinstance(tree, exp.Or):
        return None
    for one, other in ((tree.left, tree.right), (tree.right, tree.left)):
        lead = _terms(one, own, then)
        parts = sqlx.atoms(sqlx.relaxed(other))
        same = sqlx.bare(parts[0])
        if lead is None or not lead[1] or len(lead[0]) != 1 or len(parts) < 2 or not isinstance(same, exp.EQ):
            continue
        rest = _terms(sqlx.conjunction(parts[1:]), own, then)
        sides = {sqlx.text(_put(s, then)) for s in (same.this, same.expression)}
        if rest is not None and sides == {sqlx.text(lead[0][0][0])} and sqlx.tables(same) & own:
            return [*lead[0], *rest[0]], rest[1]
    return None


def _term(tree: Tree, own: set[str], then: dict[str, Tree]) -> tuple[list[tuple[Tree, bool]], bool] | None:
    kind, new, old = type(tree), sqlx.bare(tree.this), sqlx.bare(tree.expression)
    if sqlx.tables(new) & own:
        kind, new, old = _MIRRORED[kind], old, new
    if sqlx.tables(new) & own or not sqlx.tables(old) & own or not sqlx.same(_put(old, then), new):
        return None
    descending, strict = _ORDERINGS[kind]
    return [(new, descending)], strict


def missing(m: Machine, found: Winner) -> list[Tree]:
    """Where what rows are compared by is missing, and Python would keep the first row whatever follows."""
    if found.bounded:
        return []
    return [sqlx.sql("_1 IS NULL", replace(s, nan=False).sql) for s, _ in found.by if s.null]
