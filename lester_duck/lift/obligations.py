"""What the script relied upon (a key found, a text that is a number) as data checks of the pipeline."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import build, emit, placed, render, sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import GroupRel, Query
from lester_duck.lift.sqlx import Tree
from lester_duck.lift.state import Obligation
from lester_duck.pipeline import model as ir


def checks(m: Machine, emitted: emit.Emitted) -> tuple[ir.Check, ...]:
    """One check per line and path over emitted relations: the rows on which the original would raise."""
    made: dict[str, ir.Check] = {}
    names: set[str] = set()
    for owed in _merged(m, emitted):
        statement = _statement(m, owed, emitted)
        if statement is None:
            continue
        text = render.expression(statement)
        if text not in made:
            name = _free(f"{emitted.names[owed.query.base]}_line_{owed.line}", names)
            made[text] = ir.Check(name=name, sql=text, message=f"line {owed.line} of {m.script}: {owed.message}")
    return tuple(made.values())


def _merged(m: Machine, emitted: emit.Emitted) -> list[Obligation]:
    """The obligations that can be said and may fail; those of one line under one path as one."""
    merged: dict[tuple, Obligation] = {}
    for owed in m.obligations:
        if not _sayable(m, owed, emitted) or _impossible(owed):
            continue
        apart = sqlx.text(owed.fails) if owed.some else ""
        key = (owed.query.alias, owed.line, apart, tuple(sqlx.text(m.expand_tree(p)) for p in owed.path))
        before = merged.get(key)
        if before is None:
            merged[key] = owed
        elif sqlx.text(sqlx.bare(owed.fails)) not in _alternatives(before.fails):
            message = before.message if owed.message in before.message else f"{before.message}, or {owed.message}"
            merged[key] = replace(before, fails=sqlx.disjunction(before.fails, owed.fails), message=message)
    return list(merged.values())


def _alternatives(fails: Tree) -> set[str]:
    """The conditions that OR joins, as text."""
    bare = sqlx.bare(fails)
    parts = bare.flatten() if isinstance(bare, exp.Or) else [bare]
    return {sqlx.text(bare), *(sqlx.text(sqlx.bare(p)) for p in parts)}


def _impossible(owed: Obligation) -> bool:
    """Whether a condition says that a counted group is empty."""
    tree = sqlx.bare(owed.fails)
    if not isinstance(tree, exp.EQ) or not isinstance(tree.this, exp.Column) or tree.expression.name != "0":
        return False
    relations = {owed.query.alias: owed.query.base, **{j.alias: j.rel for j in owed.query.joins}}
    rel = relations.get(tree.this.table)
    if not isinstance(rel, GroupRel) or not rel.keys:
        return False
    return any(a.name == tree.this.name and a.kind == "count" for a in rel.aggregates)


def _free(name: str, names: set[str]) -> str:
    n, free = 1, name
    while free in names:
        n += 1
        free = f"{name}_{n}"
    names.add(free)
    return free


def _sayable(m: Machine, owed: Obligation, emitted: emit.Emitted) -> bool:
    condition = [m.expand_tree(c) for c in (*owed.path, owed.fails)]
    if any(inner is not w for tree in condition for w in tree.find_all(exp.Window) for inner in w.find_all(exp.Window)):
        return False  # a check is one query over sources and views, where a window over windows has no row order
    used = {t for tree in condition for t in sqlx.tables(tree)}
    joins = _closure(m, owed.query, used)
    if not used <= {owed.query.alias} | {j.alias for j in joins}:
        return False
    if any(tree.find(exp.Window) for tree in condition) and not placed.sayable(m, owed.query.base, emitted):
        return _suspect(m, owed)
    if any(r not in emitted.names for r in [owed.query.base, *[j.rel for j in joins]]):
        return False
    decided = [*condition, *(m.expand(s).sql for j in joins for s, _ in j.keys)]
    if any(n.name in m.functions for tree in decided for n in tree.find_all(exp.Anonymous)):
        return _suspect(m, owed, "a declared function decides about it")
    return True


def _suspect(m: Machine, owed: Obligation, why: str = "it depends on the order of grouped rows") -> bool:
    """Say that data on which the original would end is not found, once per line."""
    begins = f"not checked, for {why}: "
    if not any(line == owed.line and text.startswith(begins) for line, text in m.suspicions):
        m.suspicions.append((owed.line, begins + owed.message))
    return False


def _statement(m: Machine, owed: Obligation, emitted: emit.Emitted) -> exp.Select | None:
    """The rows that reach the obligation and break it; None where there can be none."""
    return _one_needed(m, owed, emitted) if owed.some else _rows(m, owed, emitted)


def _one_needed(m: Machine, owed: Obligation, emitted: emit.Emitted) -> exp.Select:
    """A row when there are rows and none satisfies the condition."""
    used = {t for c in (*owed.path, owed.fails) for t in sqlx.tables(m.expand_tree(c))}
    query = Query(owed.query.alias, owed.query.base, _closure(m, owed.query, used), owed.path)
    block = build.prepare(m, query, [("found", owed.fails)], emitted.columns)
    ctes, inner = build.write(block, lambda r: emitted.names[r])
    step = "rows_to_check"
    none = sqlx.sql("count(*) > 0 AND NOT coalesce(bool_or(found), FALSE)")
    if isinstance(owed.fails, exp.Boolean):  # any row at all
        none = sqlx.sql("count(*) = 0")
    statement = exp.select(sqlx.sql("count(*)").as_("n")).from_(step).having(none)
    for name, cte in placed.handed([*ctes, (step, inner)], False):
        statement = statement.with_(name, cte)
    return statement


def _rows(m: Machine, owed: Obligation, emitted: emit.Emitted) -> exp.Select | None:
    used = {t for c in (*owed.path, owed.fails) for t in sqlx.tables(m.expand_tree(c))}
    if any(m.expand_tree(c).find(exp.Window) for c in (*owed.path, owed.fails)):
        return _after_windows(m, owed, emitted, used)
    query = Query(owed.query.alias, owed.query.base, _closure(m, owed.query, used), (*owed.path, owed.fails))
    block = build.prepare(m, query, _shown(m, owed, emitted), emitted.columns)
    block.where = [_possible(w) for w in block.where]
    if any(_is_false(w) for w in block.where):
        return None
    ctes, statement = build.write(block, lambda r: emitted.names[r])
    for name, cte in placed.handed([*ctes, ("", statement)], False)[:-1]:
        statement = statement.with_(name, cte)
    return statement


def _after_windows(m: Machine, owed: Obligation, emitted: emit.Emitted, used: set[str]) -> exp.Select:
    """The failing rows where the condition looks at other rows: found in a step, which sees all of them."""
    query = Query(owed.query.alias, owed.query.base, _closure(m, owed.query, used))
    failing = sqlx.conjunction([*owed.path, owed.fails])
    shown = [(n, t) for n, t in _shown(m, owed, emitted) if n != "failing"]
    block = build.prepare(m, query, [*shown, ("failing", failing)], emitted.columns)
    below = placed.steps(m, owed.query.base, emitted)
    base = owed.query.base
    ctes, inner = build.write(block, lambda r: placed.named(r, emitted) if below and r is base else emitted.names[r])
    step = "rows_to_check"
    statement = exp.select(*[render.column(None, n) for n, _ in shown]).from_(step).where(exp.column("failing"))
    for name, cte in [*below, *placed.handed([*ctes, (step, inner)], bool(below))]:
        statement = statement.with_(name, cte)
    return statement


def _possible(condition: Tree) -> Tree:
    """A condition without the alternatives that cannot be."""
    tree = sqlx.bare(condition)
    if isinstance(tree, exp.Or) and _is_false(tree.this):
        return _possible(tree.expression)
    return _possible(tree.this) if isinstance(tree, exp.Or) and _is_false(tree.expression) else condition


def _is_false(condition: Tree) -> bool:
    """Whether a condition compares settled numbers, and says no."""
    tree = sqlx.bare(condition)
    if isinstance(tree, exp.Or):
        return _is_false(tree.this) and _is_false(tree.expression)
    sides = [sqlx.bare(x) for x in (tree.this, tree.expression)] if isinstance(tree, exp.LTE | exp.NEQ) else []
    if not sides or any(not isinstance(x, exp.Literal) or x.is_string for x in sides):
        return False
    a, b = (float(x.name) for x in sides)
    return not (a <= b if isinstance(tree, exp.LTE) else a != b)


def _closure(m: Machine, query: Query, used: set[str]) -> list:
    found: list = []
    while True:
        more = [j for j in query.joins if j.alias in used and j not in found]
        if not more:
            return [j for j in query.joins if j in found]
        for j in more:
            found.append(j)
            for s, _ in j.keys:
                used |= sqlx.tables(m.expand(s).sql)


def _shown(m: Machine, owed: Obligation, emitted: emit.Emitted) -> list[tuple[str, Tree]]:
    """The columns a failing row shows: those the condition is about."""
    relations = {owed.query.alias: owed.query.base, **{j.alias: j.rel for j in owed.query.joins}}
    shown: dict[str, Tree] = {}
    for c in m.expand_tree(owed.fails).find_all(exp.Column):
        if c.name == "_pos":
            continue
        settled = emitted.columns(relations[c.table], c.table, c.name)
        shown.setdefault(settled.name if isinstance(settled, exp.Column) else "found", c)
    return list(shown.items()) or [("found", sqlx.literal(1))]
