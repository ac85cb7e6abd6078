"""What a name is after a loop over rows: what the last row left, a total, or the best of all rows."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from lester_duck.lift import branches, previous, recurrences, scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine, unify
from lester_duck.lift.relations import Query, SelectRel, fresh
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.state import Effect, Frame, Whole
from lester_duck.lift.values import Poison, Refused, Sym, Value

_ORDERINGS = {exp.GT: (True, True), exp.GTE: (True, False), exp.LT: (False, True), exp.LTE: (False, False)}
_MIRRORED = {exp.GT: exp.LT, exp.GTE: exp.LTE, exp.LT: exp.GT, exp.LTE: exp.GTE}


@dataclass(frozen=True, eq=False)
class Left(Library):
    """The value of a name after a loop, made when it is read."""

    name: str
    frame: Frame
    effects: tuple[Effect, ...]
    starts: Mapping[str, Value]
    what = "value that a loop left"

    def made(self, m: Machine) -> Value:
        """The value; raises Refused where no rule says it."""
        key = ("left", self.frame.query.alias, self.name)
        if key not in m.files:
            m.files[key] = value(m, self)
        return m.files[key]


def leave(m: Machine, frame: Frame, names: set[str], effects: list[Effect]) -> None:
    """Bind the names that a loop changed to what it left."""
    starts = dict(m.env)
    for name in names:
        own = tuple(e for e in effects if e.kind == "total" and e.target == name)
        m.env[name] = Left(name, frame, own, starts)


def value(m: Machine, left: Left) -> Value:
    """What the loop left under a name."""
    frame, name = left.frame, left.name
    start = _start(m, left)
    if left.effects:
        if isinstance(start, Poison):
            raise start.refusal()
        return _total(m, left, start)
    end = frame.last.envs[-1].get(name, v.MISSING) if frame.last is not None else v.MISSING
    if v.is_const(end) and not isinstance(end, tuple):
        end = v.constant(end)
    whole = previous.left(m, frame, name, start) if not isinstance(end, Sym) else v.MISSING
    if whole is not v.MISSING:
        return whole
    if not isinstance(end, Sym) or frame.query.order:
        raise _unknown(left)
    tree = branches.united(m.expand_tree(end.sql))
    if not recurrences.unresolved(m, [tree]):
        return _last(m, left, scalars.whole(end), start)
    best = _best(m, left, tree)
    if best is None:
        raise _unknown(left)
    return best


def _start(m: Machine, left: Left) -> Value:
    """What the name was before the loop; why that cannot be said, where an earlier loop left it and no rule does."""
    start = left.starts.get(left.name, v.MISSING)
    if not isinstance(start, Left):
        return start
    asserted = len(m.asserted)
    try:
        with m.trial():
            return start.made(m)
    except Refused as error:
        del m.asserted[asserted:]
        return Poison(error.reason, error.line)


def depends_on(m: Machine, left: Left) -> set[str]:
    """The names whose earlier values the value of a name comes from, where no rule says it."""
    end = left.frame.last.envs[-1].get(left.name) if left.frame.end is not None else None
    if not isinstance(end, Sym):
        return {left.name} if isinstance(end, v.Choice | Poison) and left.name in left.frame.carried else set()
    tokens = sqlx.tables(m.expand_tree(end.sql))
    return {m.reads[t].key for t in tokens if t in m.reads and t not in m.lets and m.reads[t].kind == "carry"}


def _unknown(left: Left) -> Refused:
    return Poison(f"'{left.name}' as the last row left it", left.frame.lines[1]).refusal()


def _last(m: Machine, left: Left, end: Sym, start: Value) -> Sym:
    frame = left.frame
    rel = SelectRel(
        name=f"{frame.query.base.name}_{left.name}", what=f"{left.name}, row by row", lines=frame.lines,
        query=Query(frame.query.alias, frame.query.base, frame.query.joins, frame.reached),
    )  # fmt: skip
    column = rel.require(end.named(left.name), left.name)
    found = replace(m.whole("last", rel, column, end.type), null=end.null, name=left.name)
    first = v.constant(start) if v.is_const(start) and not isinstance(start, tuple) else start
    if not isinstance(first, Sym) or unify(first.type, end.type) is None:
        _never_empty(m, frame)
        return found
    if isinstance(first.sql, exp.Null):
        return replace(found, null=True)
    if end.null or first.type != end.type:
        _never_empty(m, frame)
        return found
    return replace(found, sql=sql("coalesce(_1, _2)", found.sql, first.sql))


def _never_empty(m: Machine, frame: Frame) -> None:
    """Without a row the name would not be there, or would be something else."""
    rows = m.whole("count", frame.query.base, None, "int")
    m.asserted.append((sql("_1 = 0", rows.sql), frame.lines[0]))


def _total(m: Machine, left: Left, start: Value) -> Sym:
    """``n += x`` where nothing in the loop reads ``n``."""
    frame = left.frame
    amounts = []
    for effect in left.effects:
        op, amount = effect.arguments
        amount = m.expand(scalars.scalar(amount))
        if op is not ast.Add or amount.type not in ("int", "float") or amount.null:
            raise Refused(f"'{left.name}' is a running value other than a sum of numbers")
        where = sqlx.conjunction(m.expand_tree(c) for c in effect.path[len(frame.start.path) :])
        zero = sqlx.literal(0 if amount.type == "int" else 0.0)
        amounts.append(replace(amount, sql=sqlx.case(where, amount.sql, zero)))
    kinds = {a.type for a in amounts}
    first = scalars.scalar(start)
    several = len(amounts) > 1 and not recurrences.exclusive(list(left.effects))
    if first.type not in ("int", "float") or len(kinds) > 1 or recurrences.unresolved(m, [a.sql for a in amounts]):
        raise Refused(f"'{left.name}' is a running total")
    kind = next(iter(kinds))
    nought = isinstance(first.sql, exp.Literal) and float(first.sql.name) == 0
    if frame.query.order or ("float" in (kind, first.type) and (several or not nought)):
        raise Refused(f"'{left.name}' is a running total whose rounding depends on the order")
    total = amounts[0].sql
    for further in amounts[1:]:
        total = sql("_1 + _2", total, further.sql)
    rel = SelectRel(
        name=f"{frame.query.base.name}_{left.name}", what=f"what each row adds to {left.name}", lines=frame.lines,
        query=Query(frame.query.alias, frame.query.base, frame.query.joins, frame.reached),
    )  # fmt: skip
    column = rel.require(Sym(total, kind, name=left.name), left.name)
    found = m.whole("sum", rel, column, kind)
    if kind == "float" and first.type == "int":
        _never_empty(m, frame)
    if first.type == "float" and kind == "int":
        found = Sym(sql("CAST(_1 AS DOUBLE)", found.sql), "float")
    return replace(found if nought else scalars.binary(m, ast.Add, first, found), name=left.name)


# -- the best of all rows ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Choice:
    """Rows under ``where`` compete by ``key``; they must beat ``limit`` (None: any row does)."""

    where: tuple[Tree, ...]
    key: Tree
    kind: type
    limit: Tree | None


def _best(m: Machine, left: Left, tree: Tree) -> Value:
    """``if x > best: best, which = x, y``: the first (``>=``: the last) of the rows with the most."""
    frame = left.frame
    token = frame.carried.get(left.name, [None])[0]
    if token is None or not isinstance(tree, exp.Case) or tree.this or len(tree.args["ifs"]) != 1:
        return None
    when, default = tree.args["ifs"][0], sqlx.bare(tree.args.get("default") or exp.null())
    condition, then = sqlx.bare(when.this), sqlx.bare(when.args["true"])
    own = sqlx.column(token, "carry")
    if sqlx.same(then, own):
        condition, then, default = sqlx.bare(sqlx.negate(condition)), default, then
    if not sqlx.same(default, own) or recurrences.unresolved(m, [then]):
        return None
    choice = _choice(m, left, condition)
    if choice is None:
        return None
    return _made(m, left, choice, then)


def _choice(m: Machine, left: Left, condition: Tree) -> _Choice | None:
    frame = left.frame
    names = {tokens[0]: name for name, tokens in frame.carried.items() if len(tokens) == 1}
    plain, rest = [], []
    for atom in sqlx.atoms(condition):
        (rest if sqlx.tables(m.expand_tree(atom)) & set(names) else plain).append(m.expand_tree(atom))
    if len(rest) != 1 or recurrences.unresolved(m, plain):
        return None
    test = sqlx.bare(rest[0])
    compared, optional = test, None
    if isinstance(test, exp.Or):
        optional, compared = sqlx.bare(test.left), sqlx.bare(test.right)
    compared = sqlx.relaxed(compared)
    kind = type(compared)
    if kind not in _ORDERINGS:
        return None
    new, old = sqlx.bare(compared.this), sqlx.bare(compared.expression)
    if sqlx.tables(new) & set(names):
        kind, new, old = _MIRRORED[kind], old, new
    used = sqlx.tables(old) & set(names)
    if len(used) != 1 or sqlx.tables(new) & set(names):
        return None
    token = next(iter(used))
    if optional is not None and sqlx.text(optional) != sqlx.text(sql("_1 IS NULL", sqlx.column(token, "carry"))):
        return None
    if not _keeps(m, frame, names[token], token, condition, old, new):
        return None
    start = scalars.scalar(left.starts[names[token]])
    nothing = isinstance(start.sql, exp.Null)
    if nothing is not (optional is not None):
        return None
    limit = None if nothing else _with(old, token, start.sql)
    return _Choice(tuple(plain), new, kind, limit)


def _keeps(m: Machine, frame: Frame, name: str, token: str, condition: Tree, old: Tree, new: Tree) -> bool:
    """Whether the compared name takes, under the same condition, what makes the two sides equal."""
    end = frame.last.envs[-1].get(name)
    if not isinstance(end, Sym):
        return False
    tree = branches.united(m.expand_tree(end.sql))
    if not isinstance(tree, exp.Case) or tree.this or len(tree.args["ifs"]) != 1:
        return False
    when, default = tree.args["ifs"][0], sqlx.bare(tree.args.get("default") or exp.null())
    test, then = sqlx.bare(when.this), sqlx.bare(when.args["true"])
    own = sqlx.column(token, "carry")
    if sqlx.same(then, own):
        test, then, default = sqlx.bare(sqlx.negate(test)), default, then
    taken = sqlx.bare(_with(old, token, then))
    return sqlx.same(test, condition) and sqlx.same(default, own) and sqlx.same(taken, new)


def _with(tree: Tree, token: str, value: Tree) -> Tree:
    return sqlx.replace(tree, lambda n: value if isinstance(n, exp.Column) and n.table == token else None)


def _made(m: Machine, left: Left, choice: _Choice, then: Tree) -> Sym:
    frame = left.frame
    end = frame.last.envs[-1][left.name]
    start = scalars.scalar(left.starts[left.name])
    if end.type == "float" and start.type == "int":
        raise Refused(f"'{left.name}' begins as an integer and becomes a float", "0.0")
    where = (*frame.reached, *choice.where)
    if choice.limit is not None:
        where = (*where, sqlx.bare(choice.kind(this=choice.key.copy(), expression=choice.limit.copy())))
    descending, first = _ORDERINGS[choice.kind]
    rel = SelectRel(
        name=f"{frame.query.base.name}_{left.name}", what=f"the rows that compete for {left.name}", lines=frame.lines,
        query=Query(frame.query.alias, frame.query.base, frame.query.joins, where),
    )  # fmt: skip
    column = rel.require(Sym(then, end.type, name=left.name), left.name)
    key = rel.require(Sym(choice.key, "int", name="by"), f"{left.name}_by")
    kind, order = ("first", descending) if first else ("last", not descending)
    token = fresh("agg")
    m.wholes[token] = Whole(kind, rel, column, ((key, order),))
    found = Sym(sqlx.column(token, kind), end.type)
    if isinstance(start.sql, exp.Null):
        return replace(found, null=True, name=left.name)
    return Sym(sql("coalesce(_1, _2)", found.sql, start.sql), end.type, name=left.name)


def likeness(value_: Value) -> Value:
    """A scalar like the one that a loop left, where it is one; without making it."""
    if not isinstance(value_, Left):
        return value_
    end = value_.frame.last.envs[-1].get(value_.name) if value_.frame.end is not None else None
    return Sym(exp.null(), end.type, True) if isinstance(end, Sym) else value_


def read(m: Any, value_: Value) -> Value:
    """The value behind a name."""
    return value_.made(m) if isinstance(value_, Left) else value_
