"""The values a column was seen to have, and the checks that hold the translation to them."""

from __future__ import annotations

import csv
from itertools import islice

from sqlglot import exp

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import sqlx, tried
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Frame, Series
from lester_duck.lift.relations import FileRel, GroupRel, Relation, SelectRel, UnionRel
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.values import Sym, Value

_READ = {"py_int": int, "py_float": float, "py_strip": str.strip, "py_upper": str.upper, "py_lower": str.lower,
         "py_title": str.title, "py_capitalize": str.capitalize}  # fmt: skip

_OF_ANOTHER_ROW = exp.Window | exp.IgnoreNulls | exp.Lag | exp.Lead | exp.FirstValue | exp.LastValue


def values_of(m: Machine, series: Series, written: bool = True) -> list[Value] | None:
    """The distinct values of a column in the observed files, sorted; None where they cannot be told.

    Where conditions or joins leave rows out, or the files do not tell, what was translated so far is run on
    them. Where that tells nothing either, a file that the script wrote may (``written``): a check holds the
    data to the values.
    """
    found = _values(m, series.rows_.rel, m.expand(series.sym).sql)
    if (found is None or not _entire(series)) and series.sym.type in ("str", "int", "float", "bool"):
        made = frames.closed(m, Frame(series.rows_, (("value", series.sym),)), "values")
        tried_values = tried.values(m, made.rows_.rel, made.columns[0][1].sql.name)
        found = found if tried_values is None else tried_values
    if found is None and written and series.sym.type in ("str", "int") and series.sym.name:
        found = _written(m, series.sym.name, int if series.sym.type == "int" else str)
    return None if found is None else sorted(found)


def _entire(series: Series) -> bool:
    """Whether every row of the files is a row of the series."""
    rel, rows = series.rows_.rel, series.rows_
    if rows.where or rows.joins:
        return False
    while isinstance(rel, SelectRel):
        if rel.query.where or rel.query.joins:
            return False
        rel = rel.query.base
    return isinstance(rel, FileRel)


def _written(m: Machine, name: str, kind: type) -> set[Value] | None:
    """The values under a heading of a table that the script wrote."""
    for path in m.observed.writes:
        where = m.observed.folder / path
        if not path.endswith((".csv", ".tsv")) or not where.is_file():
            continue
        with where.open(newline="", encoding="utf-8", errors="replace") as f:
            records = [r for r in csv.reader(f, delimiter="\t" if path.endswith(".tsv") else ",") if r]
        if records and name in records[0]:
            place = records[0].index(name)
            cells = {r[place] for r in records[1:] if place < len(r) and r[place]}
            return {kind(c) for c in cells} if kind is str or all(c.lstrip("-").isdigit() for c in cells) else None
    return None


def _values(m: Machine, rel: Relation, tree: Tree) -> set[Value] | None:
    tree = sqlx.bare(tree)
    if isinstance(tree, exp.Column):
        return _column(m, rel, tree)
    if isinstance(tree, exp.Literal):
        return {tree.name if tree.is_string else int(tree.name) if tree.name.isdigit() else float(tree.name)}
    if isinstance(tree, exp.Coalesce) and len(tree.expressions) == 1:
        inner, other = _values(m, rel, tree.this), _values(m, rel, tree.expressions[0])
        return None if inner is None or other is None else inner | other
    if isinstance(tree, exp.Case) and tree.this is None:
        kept = [i.args["true"] for i in tree.args["ifs"]] + [tree.args.get("default")]
        branches = [_values(m, rel, b) for b in kept if b is not None and not isinstance(b, exp.Null)]
        return None if any(b is None for b in branches) else set().union(*branches)
    if isinstance(tree, _OF_ANOTHER_ROW):
        return _values(m, rel, tree.this) if tree.args.get("default") is None else None
    if isinstance(tree, exp.Anonymous) and tree.name in _READ and len(tree.expressions) == 1:
        inner = _values(m, rel, tree.expressions[0])
        return None if inner is None else {_READ[tree.name](x) for x in inner}
    if isinstance(tree, exp.EQ) and isinstance(tree.expression, exp.Literal):
        inner = _values(m, rel, tree.this)
        return None if inner is None else {str(x) == tree.expression.name for x in inner}
    if isinstance(tree, exp.Upper | exp.Lower):
        inner = _values(m, rel, tree.this)
        return None if inner is None else {x.upper() if isinstance(tree, exp.Upper) else x.lower() for x in inner}
    return None


def _column(m: Machine, rel: Relation, tree: exp.Column) -> set[Value] | None:
    if isinstance(rel, FileRel) and tree.table == rel.token:
        return _cells(m, rel, tree.name)
    if isinstance(rel, UnionRel):
        found = [_values(m, member, sqlx.column(member.token, tree.name)) for member in rel.members]
        return None if any(f is None for f in found) else set().union(*found)
    if isinstance(rel, SelectRel) and tree.table == rel.token:
        made = dict(rel.outputs).get(tree.name)
        return None if made is None else _below(m, rel, m.expand(made).sql)
    if isinstance(rel, GroupRel) and tree.table == rel.token:
        made = dict(rel.keys).get(tree.name)
        return None if made is None else _below(m, rel, m.expand(made).sql)
    return None


def _below(m: Machine, rel: SelectRel | GroupRel, tree: Tree) -> set[Value] | None:
    """The values of an expression over a relation's query, of one relation's columns."""
    tables = sqlx.tables(tree)
    joined = next((j.rel for j in rel.query.joins if {j.alias} == tables), None)
    if joined is not None:
        alias = next(iter(tables))
        tree = sqlx.replace(tree, lambda n: _moved(n, alias, joined.token))
        return _values(m, joined, tree)
    if tables and tables != {rel.query.alias}:
        return None
    return _values(m, rel.query.base, sqlx.replace(tree, lambda n: _moved(n, rel.query.alias, rel.query.base.token)))


def _moved(node: Tree, old: str, new: str) -> Tree | None:
    return sqlx.column(new, node.name) if isinstance(node, exp.Column) and node.table == old else None


def _cells(m: Machine, rel: FileRel, name: str, kept: bool = False) -> set[Value] | None:
    where = m.observed.folder / rel.path
    if rel.mode != "records" or name not in rel.header or not where.is_file():
        return None
    place = rel.header.index(name)
    with where.open(newline="", encoding=rel.encoding) as f:
        records = [r for r in csv.reader(islice(f, rel.skip, None), delimiter=rel.delimiter) if r]
    cells = {r[place] for r in records[1 if rel.has_header else 0 :]}
    return cells if kept else cells - set(rel.null)


def misses(m: Machine, series: Series) -> bool:
    """Whether the column was read from a file in which cells of it were seen to be missing."""
    rel, tree = series.rows_.rel, sqlx.bare(m.expand(series.sym).sql)
    while True:
        if isinstance(tree, exp.Anonymous) and tree.name in _READ:
            tree = sqlx.bare(tree.expressions[0])
            continue
        if not isinstance(tree, exp.Column):
            return False
        if isinstance(rel, FileRel):
            cells = _cells(m, rel, tree.name, kept=True)
            return cells is not None and not cells.isdisjoint(rel.null)
        made = dict(rel.keys) if isinstance(rel, GroupRel) else dict(rel.outputs) if isinstance(rel, SelectRel) else {}
        if tree.name not in made:
            return False
        tree, query = sqlx.bare(m.expand(made[tree.name]).sql), rel.query
        rels = {query.alias: query.base, **{j.alias: j.rel for j in query.joins}}
        tables = sqlx.tables(tree)
        if len(tables) != 1 or not tables <= rels.keys():
            return False
        rel = rels[tables.pop()]


def owe_values(m: Machine, series: Series, values: list[Value], message: str) -> None:
    """Hold the data to these values: no other one, and each of them somewhere."""
    sym = series.sym
    literals = [sqlx.literal(x) for x in values]
    held = sym.sql if isinstance(sym.sql, exp.Column | exp.Func) else exp.Paren(this=sym.sql)
    other = sqlx.negate(exp.In(this=held.copy(), expressions=literals)) if values else exp.true()
    if sym.null:
        other = sqlx.conjunction([sql("_1 IS NOT NULL", sym.sql), other])
    frames.owe(m, series.rows_, other, message)
    closed = frames.close_series(m, series)
    count = m.whole("count_distinct", closed.rows_.rel, closed.sym, "int")
    m.asserted.append((sql("_1 <> _2", count.sql, sqlx.literal(len(values))), m.line))


def is_one(sym: Sym, value: Value) -> Tree:
    """Whether a column has a value."""
    tree = sql("_1 = _2", sym.sql, sqlx.literal(value))
    return sql("coalesce(_1, FALSE)", tree) if sym.null else tree


__all__ = ["is_one", "misses", "owe_values", "values_of"]
