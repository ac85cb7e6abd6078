"""Running numbers that begin again: ``if key != last: n = 1``, else ``n += 1``, as sums within groups of rows."""

from __future__ import annotations

from sqlglot import exp

from lester_duck.lift import branches, finals, recurrences, scalars, sqlx
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
    """When the number is set anew, what to, and what is added else."""
    tree = sqlx.bare(tree)
    if isinstance(tree, exp.Add):
        for old, amount in ((tree.left, tree.right), (tree.right, tree.left)):
            inner = _parts(old, own) if own.table in sqlx.tables(old) else None
            if inner is not None and own.table not in sqlx.tables(amount):
                return inner[0], sql("_1 + _2", inner[1], amount), _sum(inner[2], amount)
    if not isinstance(tree, exp.Case) or tree.this or len(tree.args["ifs"]) != 1 or tree.args.get("default") is None:
        return None
    test, then = sqlx.bare(tree.args["ifs"][0].this), sqlx.bare(tree.args["ifs"][0].args["true"])
    otherwise = sqlx.bare(tree.args["default"])
    if own.table in sqlx.tables(then):
        test, then, otherwise = sqlx.bare(sqlx.negate(test)), otherwise, then
    step = branches.step(otherwise, own)
    if step is None or own.table in sqlx.tables(then) or own.table in sqlx.tables(test):
        return None
    return test, then, sqlx.bare(step)


def _sum(a: Tree, b: Tree) -> Tree:
    return b.copy() if isinstance(a, exp.Literal) and a.name == "0" else sql("_1 + _2", a, b)
