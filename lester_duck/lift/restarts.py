"""Running numbers that begin again: ``if key != last: n = 1``, else ``n += 1``, as sums within groups of rows."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from lester_duck.lift import finals, recurrences, scalars, sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import fresh
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.state import Frame, Let
from lester_duck.lift.values import Sym, Value


def explain(m: Machine, frame: Frame, name: str, token: str, end: Value, tree: Tree) -> bool:
    """Say a whole number that some rows set anew and the others add to; False where it is no such number."""
    if not isinstance(end, Sym) or end.type != "int" or end.null or end.sql.table not in m.lets:
        return False
    own = sqlx.column(token, "carry")
    first = scalars.scalar(finals.read(m, frame.start.envs[-1][name]))
    parts = _parts(tree, own)
    if parts is None or first.type != "int" or not isinstance(first.sql, exp.Literal):
        return False
    breaks, anew, step = parts
    if any(recurrences.mentions(m, t, {token}) for t in parts):
        return False
    group = fresh("let")
    count = recurrences.window(m, frame, "count(*) FILTER (WHERE _1)", (), "", breaks)
    m.lets[group] = Let(f"{name}_group", Sym(count, "int"), over=(), filtered=count)
    key = Sym(sqlx.column(group, "group"), "int", name="group")
    one = all(isinstance(t, exp.Literal) and t.name == "1" for t in (anew, step))
    amount = anew if sqlx.same(anew, step) else sqlx.case(breaks, anew, step)
    total = sql("CAST(_1 AS BIGINT)", recurrences.window(m, frame, "sum(_1)", key, "ROWS UNBOUNDED PRECEDING", amount))
    value = recurrences.window(m, frame, "row_number()", key) if one else total
    if float(first.sql.name) != 0:
        value = sql("_1 + _2", sqlx.case(sql("_1 = 0", key.sql), first.sql, sqlx.literal(0)), value)
    m.lets[end.sql.table] = Let(name, Sym(value, "int", name=name), over=(), filtered=value)
    before(m, frame, name, token, end, first)
    return True


def before(m: Machine, frame: Frame, name: str, token: str, end: Sym, first: Sym) -> None:
    """What a row finds under the name: what the row before left."""
    window = recurrences.window(m, frame, "lag(_1, 1, _2)", (), "", end.sql, first.sql)
    m.lets[token] = Let(f"previous_{name}", Sym(window, end.type, name=name), over=(), filtered=window)


def _parts(tree: Tree, own: Tree) -> tuple[Tree, Tree, Tree] | None:
    """When the number is set anew, what to, and what is added else; None where no row sets it anew."""
    found = _opened(tree, own)
    if found is None or found.anew is None or found.step is None or own.table in sqlx.tables(found.breaks):
        return None
    return sqlx.bare(found.breaks), found.anew, found.step


@dataclass(frozen=True)
class _Change:
    """What a row makes of a number: under ``breaks`` it becomes ``anew``, else ``step`` is added."""

    breaks: Tree
    anew: Tree | None
    step: Tree | None


def _opened(tree: Tree, own: Tree) -> _Change | None:
    tree = sqlx.bare(tree)
    if own.table not in sqlx.tables(tree):
        return _Change(exp.true(), tree, None)
    if sqlx.same(tree, own):
        return _Change(exp.false(), None, sqlx.literal(0))
    if isinstance(tree, exp.Add):
        for old, amount in ((tree.left, tree.right), (tree.right, tree.left)):
            if own.table not in sqlx.tables(amount):
                inner = _opened(old, own)
                return inner and _Change(inner.breaks, _sum(inner.anew, amount), _sum(inner.step, amount))
    if isinstance(tree, exp.Sub) and own.table not in sqlx.tables(tree.right):
        inner, less = _opened(tree.left, own), sql("-(_1)", tree.right)
        return inner and _Change(inner.breaks, _sum(inner.anew, less), _sum(inner.step, less))
    if isinstance(tree, exp.Case) and not tree.this and tree.args.get("default") is not None:
        made = _opened(tree.args["default"], own)
        for when in reversed(tree.args["ifs"]):
            then = _opened(when.args["true"], own)
            if made is None or then is None or own.table in sqlx.tables(when.this):
                return None
            made = _either(sqlx.bare(when.this), then, made)
        return made
    return None


def _either(test: Tree, then: _Change, other: _Change) -> _Change:
    """One change or another."""
    breaks = sqlx.disjunction(
        sqlx.conjunction([test, then.breaks]), sqlx.conjunction([sqlx.negate(test), other.breaks])
    )  # fmt: skip

    def chosen(a: Tree | None, b: Tree | None) -> Tree | None:
        if a is None or b is None:
            return a if b is None else b
        return a if sqlx.same(a, b) else sqlx.case(test, a, b)

    return _Change(breaks, chosen(then.anew, other.anew), chosen(then.step, other.step))


def _sum(a: Tree | None, b: Tree) -> Tree | None:
    if a is None:
        return None
    return b.copy() if isinstance(a, exp.Literal) and a.name == "0" else sql("_1 + _2", a, b)
