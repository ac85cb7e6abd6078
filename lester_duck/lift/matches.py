"""The rows of an inner loop that match a row of the outer one: grouped by what they depend on, and looked up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlglot import exp

from lester_duck.lift import evolving, exploded, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import Aggregate, GroupRel, Join, Query, free_name, fresh
from lester_duck.lift.shapes import columns_of
from lester_duck.lift.sqlx import Tree
from lester_duck.lift.state import Frame, Obligation
from lester_duck.lift.values import Refused, Sym, Value


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """What is asked of the rows under ``path``: ``value`` of the first or last of them by ``by``, a count, a sum.

    No matching row may satisfy one of ``never``.
    """

    name: str
    value: Value
    kind: str
    path: tuple[Tree, ...]
    by: tuple[tuple[Sym, bool], ...] = ()
    never: tuple[Tree, ...] | list[Tree] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """The matching rows as a query, its keys as (name, tree over it, tree of the outer row), and ``over``."""

    query: Query
    keys: tuple[tuple[str, Tree, Tree], ...]
    over: Callable[[Tree], Tree]


def grouped(m: Machine, frame: Frame, outer: Frame, asked: Wanted) -> tuple[GroupRel, Join, Callable]:
    """The matching rows, grouped by what of the outer row they depend on, and the lookup of the group."""
    if isinstance(frame.query.base, exploded.Listed):
        raise Refused("a loop over the parts of a text that finds or counts something", "a list or dict of the parts")
    asked = replace(asked, path=tuple(a for c in asked.path for a in sqlx.atoms(sqlx.relaxed(c))))
    by = (*asked.by, *frame.query.order)
    same = ("matches", frame.query.alias, asked.kind, tuple(sqlx.text(c) for c in asked.path), _text(by))
    if same not in m.files:
        plan = _plan(m, frame, outer, asked)
        names: list[tuple[str, Sym]] = []
        for wanted, tree, _ in plan.keys:
            names.append((free_name(wanted, {n for n, _ in names}), Sym(tree, "str")))
        what = f"the {asked.kind} of the matches per {', '.join(n for n, _ in names)}"
        made = GroupRel(
            name=f"{asked.name}_by_{names[0][0]}", what=f"{asked.name}: {what}", lines=frame.lines,
            query=plan.query, keys=tuple(names),
        )  # fmt: skip
        for tree in asked.never:
            said = f"the value by which {asked.name} is chosen is missing"
            m.obligations.append(Obligation(plan.query, plan.query.where, plan.over(tree), said, frame.lines[0]))
        m.files[same] = (made, plan)
    rel, plan = m.files[same]
    ordering = tuple((v.change_sql(m.expand(s), plan.over), d) for s, d in by)
    shown = _aggregates(m, rel, asked, plan, ordering)
    made = next((j for j in outer.query.joins if j.rel is rel), None)
    if made is None:
        found = tuple((Sym(o, "str"), n) for (n, _), (_, _, o) in zip(rel.keys, plan.keys, strict=True))
        made = Join(fresh("j"), rel, found)
        outer.query.joins.append(made)
    return rel, made, shown


def _text(by: tuple[tuple[Sym, bool], ...]) -> tuple:
    return tuple((sqlx.text(s.sql), d) for s, d in by)


def _aggregates(
    m: Machine, rel: GroupRel, asked: Wanted, plan: _Plan, ordering: tuple[tuple[Sym, bool], ...]
) -> Callable[[GroupRel], Value]:
    """Add what is asked for to the grouping; returns how to see the value over it."""
    said = v.map_syms(asked.value, lambda s: v.change_sql(s, plan.over)) if asked.value is not None else None
    outputs, shape = columns_of(m, said, asked.name) if said is not None else ([], lambda rel: None)
    known = {sqlx.text(s.sql): n for n, s in rel.keys}
    known |= {sqlx.text(a.argument.sql): a.name for a in rel.aggregates if a.argument is not None}
    renamed: dict[str, str] = {}
    for n, s in outputs:
        renamed[n] = known.get(sqlx.text(s.sql)) or free_name(n, set(rel.columns()))
        if renamed[n] not in rel.columns():
            by = () if asked.kind == "sum" else ordering
            kind = asked.kind
            if len(by) == 1 and sqlx.same(by[0][0].sql, s.sql):
                kind, by = ("max" if by[0][1] is (asked.kind == "first") else "min"), ()
            rel.aggregates.append(Aggregate(renamed[n], kind, s, s.type, s.null, by))
    if asked.value is None:
        rel.aggregates.append(Aggregate(free_name("n", set(rel.columns())), "count", None, "int"))

    def shown(of: GroupRel) -> Value:
        return v.map_syms(shape(of), lambda s: of.column(renamed.get(s.sql.name, s.sql.name), s))

    return shown


def _plan(m: Machine, frame: Frame, outer: Frame, asked: Wanted) -> _Plan:
    inner = {frame.query.alias, *(j.alias for j in frame.query.joins)}
    own, keys, rest = _sorted_out(list(asked.path), inner)
    trees = [m.expand(s).sql for s, _ in asked.by]
    trees += [x.sql for x in evolving.leaves_of(asked.value) if isinstance(x, Sym)] if asked.value is not None else []
    used = {t for tree in trees for t in sqlx.tables(tree)}
    if keys and not rest and used <= inner and all(isinstance(k, exp.Column) for k, _ in keys):
        query = Query(frame.query.alias, frame.query.base, frame.query.joins, tuple(own))
        owe_flat(m, frame, outer)
        names = [label(frame.query.base, k.name) for k, _ in keys]
        return _Plan(query, tuple((n, k, o) for n, (k, o) in zip(names, keys, strict=True)), lambda tree: tree)
    return _pairs(m, frame, outer, asked.path, trees, inner)


def owe_flat(m: Machine, frame: Frame, outer: Frame) -> None:
    """What the inner loop relies on, asked of each row of the outer loop with each row of the inner one."""
    joins = [*outer.query.joins, Join(frame.query.alias, frame.query.base, (), always=True), *frame.query.joins]
    query = Query(outer.query.alias, outer.query.base, joins)
    for i, owed in enumerate(m.obligations):
        if owed.query is frame.query:
            m.obligations[i] = replace(owed, query=query, path=certain(m, owed.path[len(outer.start.path) :]))


def certain(m: Machine, path: tuple[Tree, ...]) -> tuple[Tree, ...]:
    """The conditions of a path on the rows alone: without those on what rows before left a check asks for more."""
    atoms = [a for c in path for a in sqlx.atoms(m.expand_tree(c))]
    return tuple(a for a in atoms if not any(t in m.reads for t in sqlx.tables(a)))


def _sorted_out(path: list[Tree], inner: set[str]) -> tuple[list[Tree], list[tuple[Tree, Tree]], list[Tree]]:
    """The conditions on the inner row, the pairs (inner, outer) that must be equal, and the others."""
    own: list[Tree] = []
    keys: list[tuple[Tree, Tree]] = []
    rest: list[Tree] = []
    for atom in path:
        tree = sqlx.bare(atom)
        if sqlx.tables(tree) <= inner:
            own.append(atom)
            continue
        sides = (sqlx.bare(tree.this), sqlx.bare(tree.expression)) if isinstance(tree, exp.EQ) else ()
        pair = next(
            (
                (a, b)
                for a, b in ((sides, sides[::-1]) if sides else ())
                if sqlx.tables(a) and sqlx.tables(a) <= inner and not sqlx.tables(b) & inner
            ),
            None,
        )
        keys.append(pair) if pair else rest.append(atom)
    return own, keys, rest


# -- pairs of what matters of the outer row with the inner rows ----------------------------------------------


def _pairs(
    m: Machine, frame: Frame, outer: Frame, path: tuple[Tree, ...], trees: list[Tree], inner: set[str]
) -> _Plan:  # fmt: skip
    """The distinct values of the outer row that matter, paired with the inner rows they match."""
    columns: dict[str, exp.Column] = {}
    for tree in [*path, *trees, *_others(m, frame)]:
        for c in tree.find_all(exp.Column):
            if c.table not in inner:
                columns.setdefault(sqlx.text(c), c)
    if not columns:
        raise Refused("an inner loop that does not depend on the outer row", "a loop before")
    rows, moved = copied(m, outer, {c.table for c in columns.values()})
    alias, pairs = rows.alias, fresh("p")
    shown: dict[str, str] = {}
    for text, c in columns.items():
        rel = next((j.rel for j in outer.query.joins if j.alias == c.table), outer.query.base)
        shown[text] = free_name(label(rel, c.name), set(shown.values()))
    keys = tuple((shown[t], Sym(sqlx.column(moved[c.table], c.name), "str")) for t, c in columns.items())
    named = [n for n, _ in keys]
    distinct = GroupRel(
        name=f"{outer.query.base.name}_{'_'.join(named[:2])}", what=f"each {', '.join(named)} once",
        lines=frame.lines, query=replace(rows, alias=alias), keys=keys,
    )  # fmt: skip

    def over(tree: Tree) -> Tree:
        def said(n: Tree) -> Tree | None:
            mine = isinstance(n, exp.Column) and sqlx.text(n) in shown
            return sqlx.column(pairs, shown[sqlx.text(n)]) if mine else None

        return sqlx.replace(tree, said)

    joins = [Join(frame.query.alias, frame.query.base, (), always=True), *frame.query.joins]
    query = Query(pairs, distinct, joins, tuple(over(c) for c in path))
    _owe_known(m, frame, columns, list(path), distinct, query)
    for i, owed in enumerate(m.obligations):
        if owed.query is frame.query:
            rest = tuple(over(m.expand_tree(c)) for c in owed.path[len(frame.start.path) :])
            m.obligations[i] = replace(owed, query=query, path=rest, fails=over(m.expand_tree(owed.fails)))
    asked = tuple((n, sqlx.column(pairs, n), c) for n, c in zip(named, columns.values(), strict=True))
    return _Plan(query, asked, over)


def _others(m: Machine, frame: Frame) -> list[Tree]:
    """What else the loop assigns: other names of the same rows are asked for later."""
    found = [x for e in frame.effects if e.kind == "assign" for x in evolving.leaves_of(e.arguments[0])]
    return [m.expand(x).sql for x in found if isinstance(x, Sym)]


def copied(m: Machine, outer: Frame, needed: set[str]) -> tuple[Query, dict[str, str]]:
    """The outer loop's rows and what they look up, under names of their own."""
    moved = {outer.query.alias: fresh("d")}
    joins: list[Join] = []

    def over(tree: Tree) -> Tree:
        def said(n: Tree) -> Tree | None:
            return sqlx.column(moved[n.table], n.name) if isinstance(n, exp.Column) and n.table in moved else None

        return sqlx.replace(tree, said)

    queue, wanted = list(needed), set(needed)
    while queue:
        made = next((j for j in outer.query.joins if j.alias == queue[0]), None)
        for t in [t for s, _ in (made.keys if made else ()) for t in sqlx.tables(m.expand(s).sql)]:
            queue += [t] if t not in wanted else []
            wanted.add(t)
        queue.pop(0)
    for j in outer.query.joins:
        if j.alias in wanted and not j.always:
            keys = tuple((v.change_sql(m.expand(s), over), n) for s, n in j.keys)
            moved[j.alias] = fresh("j")
            joins.append(Join(moved[j.alias], j.rel, keys))
    if not wanted <= set(moved):
        raise Refused("an inner loop that compares with what earlier rows left", "a collection of records")
    atoms = [a for c in m.state.path[len(outer.start.path) :] for a in sqlx.atoms(m.expand_tree(c))]
    where = tuple(over(a) for a in atoms if sqlx.tables(a) <= set(moved) and not a.find(exp.Window))
    return Query(moved[outer.query.alias], outer.query.base, joins, where), moved


def _owe_known(
    m: Machine, frame: Frame, columns: dict[str, exp.Column], path: list[Tree], distinct: GroupRel, query: Query
) -> None:
    """A missing value of the outer row finds no group: it must be one that no condition lets through."""
    rejected = {
        sqlx.text(c)
        for a in path
        if isinstance(sqlx.bare(a), exp.EQ | exp.NEQ | exp.GT | exp.GTE | exp.LT | exp.LTE) and _plain(a)
        for c in a.find_all(exp.Column)
    }
    for (name, sym), text in zip(distinct.keys, columns, strict=True):
        rel = next((j.rel for j in distinct.query.joins if j.alias == sym.sql.table), distinct.query.base)
        like = rel.columns().get(sym.sql.name)
        if text in rejected or (like is not None and not like.null):
            continue
        unknown = sqlx.sql("_1 IS NULL", sqlx.column(query.alias, name))
        said = f"a missing {name} in an inner loop"
        m.obligations.append(Obligation(query, query.where, unknown, said, frame.lines[0]))


def _plain(tree: Tree) -> bool:
    """Whether an expression is NULL as soon as one of its columns is."""
    hides = exp.Coalesce | exp.Case | exp.Is | exp.NullSafeEQ | exp.NullSafeNEQ
    return not any(isinstance(n, hides) for n in tree.walk())


def label(rel: object, name: str) -> str:
    """A column's name, that of a split line's field included."""
    if name.startswith("@"):
        raise Refused("an inner loop that compares with the number of a row", "a collection of records")
    if not name.startswith("#"):
        return name
    what = name.split(":")[1]
    if not what.isdigit():
        raise Refused("an inner loop that compares with the number of fields", "a collection of records")
    return rel.names.get(int(what), f"field_{int(what) + 1}")
