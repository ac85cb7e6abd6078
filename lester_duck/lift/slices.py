"""Slices of rows: ``rows[1:]``, ``rows[:n]``, ``rows[::5]``; ``[rows[i] for i in range(len(rows)) if ...]``."""

from __future__ import annotations

import ast
from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import arrays, csv_files, expressions, files, matrices, scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import MISSING, Part, Refused, Value


def cut(m: Machine, content: Value, index: slice) -> Value:
    """``rows[a:b]`` and ``rows[a::k]``."""
    start, stop = index.start, index.stop
    if index.step is not None:
        return _stepped(m, content, index)
    if arrays.is_lines(content) and type(start) is int and start >= 0 and stop is None:
        rel = content.rel
        further = v.HFile(rel.path, "r", (rel.encoding,), rel.skip + start)
        view = files.lines_of(m, further)
        return m.new(v.ListOf(view.rel, view.element))
    if arrays.is_split(content) and type(start) is int and start >= 0 and stop is None:
        return m.new(_further(m, content, start))
    if start is None and stop is None:
        return content if isinstance(content, v.Vector | v.Matrix) else m.new(content)
    if start is None:
        return Part(content, "head", bound(m, content, stop))
    if stop is None:
        return Part(content, "tail", bound(m, content, start))
    raise Refused("a slice with two bounds of a collection of rows", "rows[:n] and rows[n:]")


def _stepped(m: Machine, content: Value, index: slice) -> Part:
    """Every k-th row, from one on."""
    start, step = index.start or 0, index.step
    plain = type(start) is int and type(step) is int and start >= 0 and step > 0 and index.stop is None
    if not plain or isinstance(content, Part):
        raise Refused("this slice with a step of a collection of rows", "rows[::2] and rows[1::2]")
    number = sql("row_number() OVER (ORDER BY _1) - 1", sqlx.column(arrays.relation_of(content).token, "_pos"))
    test = sql("(_1) % _2 = _3", number, sqlx.literal(step), sqlx.literal(start % step))
    if start >= step:
        test = sqlx.conjunction([sql("_1 >= _2", number, sqlx.literal(start)), test])
    return Part(content, "where", test)


def _further(m: Machine, content: v.ListOf, start: int) -> v.ListOf:
    """``rows[1:]`` of the lines of a file, split: the file without its first lines."""
    fields, rel = content.element, content.rel
    file = v.HFile(rel.path, "r", (rel.encoding,), rel.skip + start)
    if fields.strip == "csv":
        view = csv_files.csv_rows(m, file, fields.delimiter)
        return v.ListOf(view.rel, replace(view.element, each=fields.each))
    further = files.lines_of(m, file).rel
    further.note_split(fields.strip, fields.delimiter)
    split = v.Fields(further.token, further, fields.strip, fields.delimiter)
    return v.ListOf(further, replace(split, each=fields.each))


def bound(m: Machine, content: Value, value: Value) -> exp.Expression:
    """A slice's bound as SQL over ``n``, the number of rows."""
    sym = scalars.scalar(value)
    if sym.type != "int":
        raise Refused("a slice bound that is no integer")
    rel = arrays.relation_of(content)

    def rows(node: exp.Expression) -> exp.Expression | None:
        if isinstance(node, exp.Column):
            whole = m.wholes.get(node.table)
            if whole is None or whole.kind != "count" or not arrays.same_rows(whole.rel, rel):
                raise Refused("a slice bound that depends on more than the number of rows")
            return exp.column("n")
        return None

    return sqlx.replace(m.expand(sym).sql, rows)


def picked(m: Machine, node: ast.expr) -> Value:
    """``[x[i] for i in range(len(x)) if ...]`` of an array: the rows with these numbers; ``MISSING`` for others."""
    clause = node.generators[0] if isinstance(node, ast.ListComp) and len(node.generators) == 1 else None
    taken = node.elt if clause is not None else None
    by_number = (
        isinstance(taken, ast.Subscript) and isinstance(taken.slice, ast.Name)
        and isinstance(taken.value, ast.Name | ast.Attribute)
        and isinstance(clause.target, ast.Name) and taken.slice.id == clause.target.id
        and not any(isinstance(n, ast.Name) and n.id == clause.target.id for n in ast.walk(taken.value))
    )  # fmt: skip
    if not by_number or m.frames:
        return MISSING
    array = m.content(expressions.evaluate(m, taken.value))
    if not isinstance(array, v.Vector | v.Matrix):
        return MISSING
    numbers = m.content(expressions.evaluate(m, _numbers(node, clause)))
    if isinstance(numbers, matrices.Places):
        return arrays.subscript(m, array, numbers)
    return MISSING


def _numbers(node: ast.ListComp, clause: ast.comprehension) -> ast.expr:
    """The numbers of the rows that are taken."""
    if not clause.ifs and isinstance(clause.iter, ast.Name):
        return clause.iter
    number = ast.copy_location(ast.Name(clause.target.id, ast.Load()), node)
    return ast.copy_location(ast.ListComp(number, [clause]), node)
