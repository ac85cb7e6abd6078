"""Choosing and setting: ``df[...]``, ``df.loc``, ``df.iloc``, ``df.at``, attributes of a frame."""

from __future__ import annotations

import ast
from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import arrays, scalars, sqlx
from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_series as series_rules
from lester_duck.lift import pandas_whole as wholes
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_aggregates import count
from lester_duck.lift.pandas_frames import Accessor, Block, Frame, Rows, Series
from lester_duck.lift.relations import fresh
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Poison, Refused, Sym, Value
from lester_duck.pipeline import model as ir


def subscript(m: Machine, ref: Value, frame: Frame, index: Value) -> Value:
    """``df["x"]``, ``df[["x", "y"]]``, ``df[mask]``, ``df[:n]``."""
    content = m.content(index)
    listed = frames.FRAME_RULES["labels"](m, content)
    if listed is not v.MISSING:
        return m.new(picked(explicit(m, frame, listed), listed))
    if isinstance(content, str) or type(content) is int:
        return frames.column(m, ref, frame, content)
    if isinstance(content, v.HList) and all(isinstance(x, str | int) for x in content.items):
        return m.new(picked(explicit(m, frame, list(content.items)), list(content.items)))
    if isinstance(content, Series) and content.sym.type == "bool":
        return m.new(noted(m, frame, frames.filtered(m, ref, frame, content)))
    if isinstance(content, frames.FRAME_RULES["mask"]):
        return frames.FRAME_RULES["matching"](m, ref, frame, content)
    if isinstance(content, slice):
        return m.new(replace(frame, what_rows=sliced(m, frame.rows_, content)))
    if isinstance(content, tuple) and len(content) == 2:
        return _two(m, ref, frame, content)
    raise Refused("this index into a DataFrame", 'df["x"], df[["x", "y"]], df[mask]')


def _two(m: Machine, ref: Value, frame: Frame, index: tuple) -> Value:
    rows, columns = index
    if isinstance(rows, slice) and rows == slice(None) and type(columns) is int:
        return frames.column(m, ref, frame, frame.names[columns])
    if isinstance(rows, slice) and isinstance(columns, slice) and frame.rows_.array:
        chosen = frame if rows == slice(None) else replace(frame, what_rows=sliced(m, frame.rows_, rows))
        return m.new(replace(chosen, columns=chosen.columns[columns]))
    raise Refused("rows and columns picked at once", "df.loc[mask, columns]")


def explicit(m: Machine, frame: Frame, names: list[Value]) -> Frame:
    """The frame, with one-hot columns as columns of their own where some are asked for by name."""
    if all(n in frame.names for n in names) or not any(isinstance(x, Block) for _, x in frame.columns):
        return frame
    return frames.FRAME_RULES["expanded"](m, frame)


def picked(frame: Frame, names: list[Value]) -> Frame:
    """The frame with these columns only."""
    known = dict(frame.columns)
    missing = [n for n in names if n not in known]
    if missing:
        raise Refused(f"the frame has no column {missing[0]!r}")
    return replace(frame, columns=tuple((n, known[n]) for n in names))


def noted(m: Machine, before: Frame, after: Frame) -> Frame:
    """Remember a selection of rows: two of them over the same rows may be training and test part."""
    base, more = before.rows_, after.rows_.where[len(before.rows_.where) :]
    if more:
        key = ("selections", after.rows_.rel.token, tuple(sqlx.text(c) for c in base.where))
        m.files.setdefault(key, []).append(sqlx.conjunction(more))
    return after


def sliced(m: Machine, rows: Rows, index: slice) -> Rows:
    """The first or the other rows by position, as a part of a split."""
    if index.step is not None or rows.part is not None:
        raise Refused("this slice of rows", "df[:n] and df[n:]")
    if index.start in (None, 0) and index.stop is None:
        return rows
    if index.start not in (None, 0) and index.stop is not None:
        raise Refused("a slice with two bounds", "df[:n] and df[n:]")
    side = "train" if index.start in (None, 0) else "test"
    bound = index.stop if side == "train" else index.start
    split = ir.Split(kind="position", params=(("rows", _bound(m, rows, bound)),))
    return replace(rows, part=(split, side), index="subset")


def _bound(m: Machine, rows: Rows, value: Value) -> str:
    from lester_duck.lift import render

    sym = scalars.scalar(m.content(value))
    if sym.type != "int" or (isinstance(sym.sql, exp.Neg) and isinstance(sym.sql.this, exp.Literal)):
        raise Refused("a slice bound that is no number of rows")
    counted = count(m, rows)

    def size(node: exp.Expression) -> exp.Expression | None:
        if isinstance(node, exp.Column):
            whole = m.wholes.get(node.table)
            if whole is None or whole.kind != "count" or whole.rel is not m.wholes[counted.sql.table].rel:
                raise Refused("a slice bound that depends on more than the number of rows")
            return exp.column("n")
        return None

    tree = sqlx.replace(m.expand(sym).sql, size)
    if isinstance(tree, exp.Cast) and isinstance(tree.this, exp.Trunc):
        tree = tree.this
    return render.expression(tree)


def store(m: Machine, ref: Value, frame: Frame, index: Value, value: Value) -> None:
    """``df["x"] = values`` and ``df[["x", "y"]] = frame``."""
    content = m.content(index)
    if isinstance(content, v.HList):
        _store_many(m, ref, frame, [frames.constant(m, x) for x in content.items], value)
        return
    if not isinstance(content, str | int):
        raise Refused("this assignment into a DataFrame", 'df["x"] = ..., df.loc[mask, "x"] = ...')
    m.update(ref, with_column(m, frame, content, value))


def _store_many(m: Machine, ref: Value, frame: Frame, names: list[str], value: Value) -> None:
    held = m.content(value)
    if isinstance(held, frames.FRAME_RULES["parts"]):
        held = held.frame(m, len(names))
    if isinstance(held, Frame) and any(isinstance(x, Block) for _, x in held.columns):
        held = frames.FRAME_RULES["expanded"](m, held)
    if not isinstance(held, Frame) or len(held.columns) != len(names):
        raise Refused("several columns assigned at once from this")
    for name, (_, item) in zip(names, held.columns, strict=True):
        frame = _put(m, frame, name, item, held)
    m.update(ref, frame)


def _put(m: Machine, frame: Frame, name: str, item: Value, held: Frame) -> Frame:
    if isinstance(item, Block):
        inputs = tuple(frames.carry(m, frame.rows_, held.rows_, s) for s in item.inputs)
        return frames.put(frame, name, replace(item, inputs=inputs))
    return frames.assign(m, frame, name, Series(held.rows_, item))


def with_column(m: Machine, frame: Frame, name: str, value: Value) -> Frame:
    """The frame after ``df[name] = value``."""
    if isinstance(value, Poison):
        raise value.refusal()
    held = m.content(value)
    placed = frames.FRAME_RULES["positions"](m, held)
    held = held if placed is v.MISSING else placed
    if isinstance(held, Series):
        return frames.assign(m, frame, name, held)
    if isinstance(held, Frame) and len(held.columns) == 1:
        return _put(m, frame, name, held.columns[0][1], held)
    counted = m.files.get(("rows of", held.rel.token)) if isinstance(held, v.View) else None
    if counted is not None and isinstance(held.element, Sym) and held.element.position == held.rel.token:
        return frames.assign(m, frame, name, place_of(m, counted))
    if isinstance(held, v.View):
        raise Refused("a column assigned from this", "np.arange(len(df)), or a list filled in a loop over the frame")
    if isinstance(held, v.ListOf | v.Vector):
        rows, element = matching(m, frame.rows_, held.rel), scalars.scalar(held.element)
        made = wholes.mixed(m, rows, element, series_rules.settled(element))
        return frames.assign(m, frame, name, Series(rows, made))
    sym = scalars.scalar(held) if held == held else Sym(exp.null(), "float", null=True)
    if isinstance(held, list | tuple | v.HList):
        raise Refused("a column assigned from a list of constants")
    kind = {"none": "float"}.get(sym.type, sym.type)
    if sym.type == "none":
        sym = replace(sym, sql=exp.null())
    return frames.put(frame, name, replace(sym, type=kind, nan=True, name=str(name)))


def matching(m: Machine, rows: Rows, rel: object) -> Rows:
    """The rows of a list filled in a loop over the frame: its own, by position."""
    alike = not rows.where and not any(j.always for j in rows.joins)
    if alike and rel is rows.rel:
        return rows
    if alike and arrays.same_rows(rel, rows.rel):
        return replace(rows, rel=rel, joins=())
    raise Refused("a list whose rows are not those of the frame", "a column computed from the frame's own columns")


def set_attribute(m: Machine, ref: Value, frame: Frame, name: str, value: Value) -> None:
    """``df.columns = [...]``, and ``df.x = values`` for an existing column."""
    if name == "columns":
        names = frames.constant(m, value)
        if len(names) != len(frame.columns):
            raise Refused("the script would fail here: another number of columns")
        m.update(ref, replace(frame, columns=tuple((n, x) for n, (_, x) in zip(names, frame.columns, strict=True))))
        return
    if name in frame.names:
        m.update(ref, with_column(m, frame, name, value))
        return
    if name == "index":
        frames.FRAME_RULES["set index"](m, ref, frame, value)
        return
    raise Refused(f"the attribute .{name} of a DataFrame set", f'df["{name}"] = ...')


def _shape(m: Machine, ref: Value, frame: Frame) -> Value:
    return (count(m, frame.rows_), len(frame.columns))


def operate(m: Machine, op: type[ast.operator], a: Value, b: Value) -> Value:
    """An operator on every column of a frame."""
    x, y = m.content(a), m.content(b)
    frame, other = (x, b) if isinstance(x, Frame) else (y, a)
    if isinstance(m.content(other), frames.FRAME_RULES["values"]):
        return m.content(other).operate(m, op, a, b)
    if isinstance(m.content(other), Frame | Series):
        raise Refused("an operator on two frames", "one column at a time")
    made = []
    for name, sym in zip(frame.names, frames.syms(frame, frame.names), strict=True):
        series = Series(frame.rows_, sym)
        pair = (series, other) if frame is x else (other, series)
        made.append((name, series_rules.operate(m, op, *pair).sym.named(sym.name)))
    return m.new(replace(frame, columns=tuple(made)))


def compare(m: Machine, op: type[ast.cmpop], a: Value, b: Value) -> Value:
    """A comparison of every column of a frame."""
    x, y = m.content(a), m.content(b)
    frame, other = (x, b) if isinstance(x, Frame) else (y, a)
    constants = frames.FRAME_RULES["matrix and constants"](m, op, frame, other, frame is y)
    if constants is not v.MISSING:
        return constants
    made = []
    for name, sym in zip(frame.names, frames.syms(frame, frame.names), strict=True):
        series = Series(frame.rows_, sym)
        pair = (series, other) if frame is x else (other, series)
        made.append((name, series_rules.compare(m, op, *pair).sym.named(sym.name)))
    return m.new(replace(frame, columns=tuple(made)))


def positions(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``np.arange(len(df))``: the place of each row, from 0."""
    bound = m.content(args[0]) if len(args) == 1 and not kwargs else None
    if not isinstance(bound, Sym):
        return v.MISSING
    tree = m.expand(bound).sql
    whole = m.wholes.get(tree.table) if isinstance(tree, exp.Column) else None
    rows = m.files.get(("rows of", whole.rel.token)) if whole is not None else None
    if rows is None:
        raise Refused("np.arange of a number that depends on rows", "np.arange(len(df))")
    return place_of(m, rows)


def span(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``range(k, len(df) + k)``: the places of the rows, from ``k``."""
    bound = m.content(args[1]) if len(args) == 2 and not kwargs and not m.frames else None
    if not isinstance(bound, Sym) or type(args[0]) is not int:
        return v.MISSING
    tree = sqlx.bare(m.expand(bound).sql)
    plus = isinstance(tree, exp.Add) and isinstance(tree.expression, exp.Literal)
    counted, more = (sqlx.bare(tree.this), int(tree.expression.name)) if plus else (tree, 0)
    whole = m.wholes.get(counted.table) if isinstance(counted, exp.Column) else None
    rows = m.files.get(("rows of", whole.rel.token)) if whole is not None and whole.kind == "count" else None
    if rows is None or more != args[0]:
        return v.MISSING
    return series_rules.operate(m, ast.Add, place_of(m, rows), args[0])


def place_of(m: Machine, rows: Rows) -> Series:
    """The position of each row, from 0, as a series."""
    for id_, content in list(m.state.heap.items()):
        if not isinstance(content, Frame) or content.rows_.labels != rows.labels:
            continue
        if content.rows_.rel is rows.rel and content.rows_.where == rows.where:
            if rows.where or rows.joins:
                rows = frames.close(m, v.Ref(id_), content).rows_
            break
    tree = sql("row_number() OVER (ORDER BY _1) - 1", sqlx.column(rows.rel.token, "_pos"))
    return Series(rows, Sym(tree, "int", name="position"))


def keys_of(m: Machine, series: Series) -> Value:
    if series.rows_.index == "keys" and len(series.rows_.keys) == 1:
        key = series.rows_.keys[0][1]
        return Series(series.rows_, key)
    return Accessor(series, ".index", {})


frames.FRAME_RULES.update(
    subscript=subscript, store=store, set_attribute=set_attribute, operate=operate, compare=compare,
    slice=sliced, picked=picked,
)
frames.FRAME_ATTRIBUTES.update(
    shape=_shape,
)  # fmt: skip
frames.SERIES_ATTRIBUTES.update(
    shape=lambda m, series: (count(m, series.rows_),),
    index=keys_of,
    name=lambda m, series: series.sym.name,
)


__all__ = ["fresh", "picked", "place_of", "positions", "sliced", "with_column"]
