"""Rows of another frame compared with values of the running loop's row: ``r[(r.date > row["out"])]``.

What a loop asks of such rows (how many, their sum, the first one) depends on all of the values they are compared
with. These values, each combination once, are paired with the rows that match; grouped by the values again, the
pairs are the group that the loop looks up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from sqlglot import exp

from lester_duck.lift import matches, sqlx
from lester_duck.lift import pandas_group_loops as group_rules
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Frame, Rows
from lester_duck.lift.pandas_group_loops import GroupRows
from lester_duck.lift.relations import GroupRel, Join, Query, Relation, SelectRel, free_name, fresh
from lester_duck.lift.render import column_name
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.values import Refused, Sym, Value


def outer_tables(m: Machine, trees: Iterable[Tree]) -> set[str]:
    """The aliases of running loops over rows that some expressions speak of."""
    known = {t for f in m.frames for t in (f.query.alias, *[j.alias for j in f.query.joins])}
    return {t for tree in trees for t in sqlx.tables(m.expand_tree(tree))} & known


@dataclass(frozen=True, eq=False)
class Pairs:
    """The pairs as rows, the groups' keys among their columns, and what the loop's row has for these."""

    rows: Rows
    keys: tuple[Sym, ...]
    wanted: tuple[Sym, ...]
    move: Callable[[Tree], Tree]


def pairs(m: Machine, group: GroupRows, trees: list[Tree]) -> Pairs:
    """The values of the loop's row that some expressions speak of, paired with the rows of the group."""
    trees = [m.expand_tree(t) for t in trees]
    tables = outer_tables(m, trees)
    outer = m.frames[-1]
    if not tables <= {outer.query.alias, *(j.alias for j in outer.query.joins)}:
        raise Refused("rows compared with values of two loops", "a merge before the loops")
    asked = [m.expand(s) for s in group.wanted(m)] if group.rel.keys else []
    columns: dict[str, exp.Column] = {}
    for tree in trees:
        for c in tree.find_all(exp.Column):
            if c.table in tables:
                columns.setdefault(sqlx.text(c), c)
    moved_query, moved = matches.copied(m, outer, {t for s in asked for t in sqlx.tables(s.sql)} | tables)
    distinct, names = _distinct(m, outer.query, moved_query, moved, asked, list(columns.values()))
    own = _owned(m, group)
    keys = [(n, k.sql) for n, k in group.rel.keys]
    alias = fresh("j")
    found = tuple((distinct.columns()[n], own.name(k)) for n, (_, k) in zip(names, keys, strict=False))
    join = Join(alias, own.rel, found, always=True)
    shown = dict(zip(columns, names[len(asked) :], strict=True))

    def move(tree: Tree) -> Tree:
        def said(node: Tree) -> Tree | None:
            if not isinstance(node, exp.Column):
                return None
            if sqlx.text(node) in shown:
                return sqlx.column(distinct.token, shown[sqlx.text(node)])
            return sqlx.column(alias, own.name(node)) if node.table in own.tables else None

        return sqlx.replace(m.expand_tree(tree), said)

    title = f"{outer.query.base.name}_{group.frame.rows_.title or group.frame.rows_.rel.name}"
    where = () if not found else (join.present,)
    rows = Rows(distinct, fresh("index"), where, (join,), since=m.line, title=title)
    made = tuple(distinct.columns()[n] for n in names)
    wanted = [*asked, *[_known(m, outer.query, c) for c in columns.values()]]
    typed = tuple(replace(k, type=w.type, null=False, name=n) for k, w, n in zip(made, wanted, names, strict=True))
    return Pairs(rows, typed, tuple(wanted), move)


def _known(m: Machine, query: Query, c: exp.Column) -> Sym:
    """A column of the loop's row with its type; there must be a value."""
    rel = next((j.rel for j in query.joins if j.alias == c.table), query.base)
    like = rel.columns().get(c.name)
    if like is None:
        raise Refused("rows compared with this value of the loop's row", "a column of the loop's row")
    if like.null or rel is not query.base:
        m.oblige(sql("_1 IS NULL", c), f"a missing {c.name} that other rows are compared with")
    return Sym(c.copy(), like.type, name=c.name)


def _distinct(
    m: Machine, outer: Query, query: Query, moved: dict[str, str], asked: list[Sym], columns: list[exp.Column]
) -> tuple[GroupRel, list[str]]:  # fmt: skip
    """Each combination of the values once."""

    def over(tree: Tree) -> Tree:
        return sqlx.replace(
            tree, lambda n: sqlx.column(moved[n.table], n.name) if isinstance(n, exp.Column) and n.table in moved else
            None,
        )  # fmt: skip

    names: list[str] = []
    keys: list[tuple[str, Sym]] = []
    for sym in [*asked, *[Sym(c, "str", name=c.name) for c in columns]]:
        rel = next((j.rel for j in outer.joins if j.alias == sqlx.bare(sym.sql).args.get("table")), outer.base)
        label = matches.label(rel, sym.name or "value")
        names.append(free_name(column_name(label), set(names)))
        keys.append((names[-1], Sym(over(sym.sql), sym.type, name=names[-1])))
    name = f"{outer.base.name}_{'_'.join(names[:2])}"
    what = f"each {', '.join(names)} once"
    missing = tuple(sql("_1 IS NOT NULL", k.sql) for s, (_, k) in zip(asked, keys, strict=False) if s.null)
    query = replace(query, where=(*query.where, *missing))
    return GroupRel(name=name, what=what, lines=(m.line, m.line), query=query, keys=tuple(keys)), names


@dataclass(frozen=True, eq=False)
class _Own:
    """The rows of the group's frame as a relation, and the names of its columns there."""

    rel: Relation
    tables: set[str]
    name: Callable[[Tree], str]


def _owned(m: Machine, group: GroupRows) -> _Own:
    rows = group.frame.rows_
    tables = {rows.rel.token, *(j.alias for j in rows.joins)}
    plain = all(isinstance(k.sql, exp.Column) and k.sql.table == rows.rel.token for _, k in group.rel.keys)
    if plain and not rows.where and not rows.joins:
        return _Own(rows.rel, tables, lambda node: node.name)
    key = ("rows of pairs", group.rel.token)
    if key not in m.files:
        title = rows.title or rows.rel.name
        m.files[key] = SelectRel(name=title, what=title, lines=(m.line, m.line), query=rows.query())
    rel = m.files[key]
    return _Own(rel, tables, lambda node: rel.require(Sym(node, "str"), column_name(node.name or "key")).sql.name)


def apart(m: Machine, group: GroupRows, trees: list[Tree]) -> tuple[GroupRows, Callable[[Tree], Tree]]:
    """The group over the pairs, looked up by all of the values; and how an expression is said over them."""
    made = pairs(m, group, trees)

    def column(value: Value) -> Value:
        return replace(value, sql=made.move(value.sql), parts=(), choices=()) if isinstance(value, Sym) else value

    frame = Frame(made.rows, tuple((n, column(x)) for n, x in group.frame.columns))
    found = group_rules.looked_up(m, frame, made.keys, made.wanted, tuple((column(s), d) for s, d in group.order))
    return replace(found, where=made.move(group.where) if group.where is not None else None), made.move


group_rules.INDEX.update({"outer tables": outer_tables, "over pairs": apart, "pairs": pairs})
