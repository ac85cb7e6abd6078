"""Matching by index: results of different groupings by key, and rows that one side has closed already."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_whole as whole
from lester_duck.lift import sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Frame, Rows, Series
from lester_duck.lift.pandas_lookups import find_join
from lester_duck.lift.relations import GroupRel, Relation, SelectRel
from lester_duck.lift.sqlx import Tree
from lester_duck.lift.values import Refused, Sym


def aligned(m: Machine, target: Rows, series: Series) -> Series:
    """A series indexed by key over other rows indexed by key: looked up, missing where there is none.

    Series that are matched in other ways are left as they are.
    """
    source = series.rows_
    if source.array or target.array or source.labels == target.labels or "keys" not in (source.index, target.index):
        return series
    if source.index != target.index or len(source.keys) != len(target.keys) or target.part or source.part:
        raise Refused("two things whose index cannot be matched", "columns of one frame, or a merge")
    for (_, a), (_, b) in zip(source.keys, target.keys, strict=True):
        if a.type != b.type or a.null or b.null:
            raise Refused("an index by keys of different types, or with missing ones", "a merge")
    if len(target.keys) > 1 and [n for n, _ in source.keys] != [n for n, _ in target.keys]:
        raise Refused("indexes with different names of their levels", "a merge")
    same = _same_groups(m, source, target)
    closed = frames.close_series(m, series)
    rel = closed.rows_.rel
    if not _unique(rel, len(source.keys)):
        raise Refused("an index whose keys may be repeated, matched with another", "a merge")
    wanted = [(t, s.sql.name) for (_, t), (_, s) in zip(target.keys, closed.rows_.keys, strict=True)]
    join = find_join(m, target, rel, tuple(wanted))
    rows = frames.with_joins(target, (join,))
    found = replace(closed.sym, sql=sqlx.column(join.alias, closed.sym.sql.name), parts=(), choices=(), whole=None)
    if same:
        return Series(rows, found)
    found = replace(found, null=True, nan=True)
    return Series(rows, whole.unless(m, rows, replace(found, type="float")) if found.type == "int" else found)


def _unique(rel: Relation, keys: int) -> bool:
    """Whether a relation is a grouping by that many keys, or a selection of its rows."""
    while isinstance(rel, SelectRel):
        rel = rel.query.base
    return isinstance(rel, GroupRel) and len(rel.keys) == keys


def _same_groups(m: Machine, a: Rows, b: Rows) -> bool:
    """Whether two groupings have the same keys: the same rows by the same columns, none left out since."""
    places = [_grouped(m, rows) for rows in (a, b)]
    return None not in places and places[0] == places[1]


def _grouped(m: Machine, rows: Rows) -> tuple | None:
    rel, kept = rows.rel, [*rows.where]
    while isinstance(rel, SelectRel):
        kept += rel.query.where
        rel = rel.query.base
    if kept or not isinstance(rel, GroupRel):
        return None
    conditions = sorted(sqlx.text(m.expand_tree(c)) for c in rel.query.where)
    joins = tuple(sorted(j.alias for j in rel.query.joins))
    return (rel.query.base.token, tuple(conditions), joins, rel.ordered, rel.largest,
            *(sqlx.text(m.expand_tree(k.sql)) for _, k in rel.keys))  # fmt: skip


def both(m: Machine, a: Series, b: Series) -> tuple[Series, Series]:
    """Two series side by side; of two groupings only where they have the same keys."""
    x, y = a.rows_, b.rows_
    if x.array or y.array or x.labels == y.labels or (x.index, y.index) != ("keys", "keys"):
        return a, b
    if not _same_groups(m, x, y):
        raise Refused("two groupings of different rows side by side", "a merge of both, after reset_index()")
    made = aligned(m, x, b)
    return replace(a, what_rows=made.rows_), made


def beside(m: Machine, first: Frame, other: Frame) -> Frame:
    """Another grouping's columns over the rows of the first one."""
    rows = first.rows_
    if rows.array or other.rows_.array or rows.labels == other.rows_.labels:
        return other
    if (rows.index, other.rows_.index) != ("keys", "keys"):
        return other
    made = []
    for name, sym in zip(other.names, frames.syms(other, other.names), strict=True):
        _, series = both(m, Series(rows, rows.keys[0][1]), Series(other.rows_, sym))
        rows = series.rows_
        made.append((name, series.sym.named(sym.name)))
    return Frame(rows, tuple(made))


def at_rows_of(m: Machine, frame: Frame, series: Series) -> Frame:
    """The frame over the rows that a series looks at, where these are the frame's own, closed before."""
    rows, above = frame.rows_, frames.between(series.rows_.rel, frame.rows_.rel)
    if not above or rows.part is not None or series.rows_.where or not frames.windowed(m, series.sym.sql):
        return frame
    kept = {sqlx.text(c) for c in rows.where}
    if {sqlx.text(c) for c in above[0].query.where} != kept or any(r.query.where for r in above[1:]):
        return frame
    target = replace(series.rows_, index=rows.index, title=rows.title, owner=rows.owner)
    bare = replace(rows, where=())
    made = replace(target, joins=())
    columns = tuple((n, frames.carried(m, made, bare, x)) for n, x in frame.columns)
    keys = tuple((n, frames.carry(m, made, bare, k)) for n, k in rows.keys)
    return Frame(replace(target, keys=keys), columns)


def apart(m: Machine, series: Series) -> Series:
    """A series over other rows with its windows as columns of a relation, which further ones share."""
    rows = series.rows_
    if rows.where or rows.joins or rows.part:
        raise Refused("a condition over other rows of a selection", "assign it to a column first")
    key = ("windows of", rows.rel.token)
    if key not in m.files:
        name = f"{rows.title or rows.rel.name}_places"
        what = f"{rows.title or rows.rel.name} with what each row is among the others"
        m.files[key] = SelectRel(name=name, what=what, lines=(m.line, m.line), query=rows.query())
    rel = m.files[key]

    def said(node: Tree) -> Tree | None:
        if isinstance(node, exp.Window):
            return rel.require(Sym(node, "int"), series.sym.name or "place").sql
        return None

    tree = sqlx.replace(m.expand_tree(series.sym.sql), said)
    tree = sqlx.replace(tree, lambda n: None if not _below(n, rel) else rel.require(Sym(n, "str"), n.name).sql)
    return Series(replace(rows, rel=rel), replace(series.sym, sql=tree, parts=(), choices=()))


def _below(node: Tree, rel: SelectRel) -> bool:
    return isinstance(node, exp.Column) and node.table == rel.query.alias


frames.FRAME_RULES.update(
    {"aligned": aligned, "aligned pair": both, "aligned frame": beside, "at rows of": at_rows_of, "apart": apart,
     "unique index": _unique}
)
