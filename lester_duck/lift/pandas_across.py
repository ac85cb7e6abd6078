"""Aggregates of a frame: across the columns of each row (``axis=1``), or one per column."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlglot import exp

from lester_duck.lift import pandas_aggregates as aggregates
from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_series as series_rules
from lester_duck.lift import pandas_whole as whole
from lester_duck.lift import scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Frame, Series, options
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.values import Poison, Refused, Sym, Value


def _rule(name: str) -> frames.FrameRule:
    def rule(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
        chosen = options(kwargs, args, ("axis",), name, axis=0, skipna=True, numeric_only=False, ddof=1)
        frames.only(chosen, name, skipna=(True,))
        if frame.rows_.array and "axis" not in kwargs and not args:
            raise Refused(f"the {name} of all cells of an array", f".{name}(axis=0)")
        if chosen["axis"] in (1, "columns", -1):
            return _across(m, _known(m, frame, name), name)
        return _per_column(m, frame, name, kwargs, chosen["numeric_only"] is True)

    return rule


def _known(m: Machine, frame: Frame, name: str) -> Frame:
    for sym in frames.syms(frame, frame.names):
        frames.FRAME_RULES["known"](m, Series(frame.rows_, sym), name)
    return frame


def _per_column(m: Machine, frame: Frame, name: str, kwargs: dict[str, Value], numeric: bool) -> Value:
    given = {k: x for k, x in kwargs.items() if k == "ddof"}
    cells = []
    for column, value in frame.columns:
        if not isinstance(value, Sym) or (numeric and value.type not in scalars.NUMERIC):
            continue
        try:
            with m.trial():
                made = frames.SERIES_METHODS[name](m, Series(frame.rows_, value), [], given)
        except Refused as error:
            made = Poison(error.reason, m.line)
        cells.append((column, made))
    return m.new(ColumnValues(tuple(cells)))


@dataclass(frozen=True, eq=False)
class ColumnValues(Library):
    """One value per column of a frame, by name."""

    cells: tuple[tuple[str, Value], ...]
    what = "Series with a value per column"

    def get(self, name: str) -> Value:
        """The value of one column."""
        found = dict(self.cells).get(name, v.MISSING)
        if found is v.MISSING:
            raise Refused(f"no value for the column {name!r}")
        if isinstance(found, Poison):
            raise found.refusal()
        return found

    def subscript(self, m: Machine, ref: Value, index: Value) -> Value:
        """By name."""
        return self.get(index)

    def attribute(self, m: Machine, ref: Value, name: str) -> Value:
        """``.sum()`` ... are beyond; a name is a column."""
        return self.get(name) if name in dict(self.cells) else v.Method(ref, name)

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """Whether all of them hold, or any; others are for reading only."""
        if name in ("all", "any") and not args and not kwargs:
            held = [frames.truth(scalars.scalar(self.get(n))) for n, _ in self.cells]
            return Sym(sqlx.conjunction(held) if name == "all" else functools.reduce(sqlx.disjunction, held), "bool")
        return Poison(f".{name}() of one value per column", m.line)

    def operate(self, m: Machine, op: type[ast.operator], a: Value, b: Value) -> Value:
        """With a frame or another of these, column by column."""
        x, y = m.content(a), m.content(b)
        frame = x if isinstance(x, Frame) else y if isinstance(y, Frame) else None
        if frame is None:
            names = [n for n, _ in self.cells]
            cells = tuple((n, _poisoned(lambda x, y: scalars.binary(m, op, x, y), _side(x, n), _side(y, n)))
                          for n in names)  # fmt: skip
            return m.new(ColumnValues(cells))
        made = []
        for name, sym in zip(frame.names, frames.syms(frame, frame.names), strict=True):
            series = Series(frame.rows_, sym)
            pair = (series, y.get(name)) if frame is x else (x.get(name), series)
            answer = series_rules.operate(m, op, *pair)
            made.append((name, answer.sym.named(sym.name)))
        return m.new(replace(frame, columns=tuple(made)))

    def compare(self, m: Machine, op: type[ast.cmpop], a: Value, b: Value) -> Value:
        """With a constant, column by column."""
        x, y = m.content(a), m.content(b)
        if isinstance(x, Frame) or isinstance(y, Frame):
            raise Refused("a comparison of a frame with one value per column", "one column at a time")
        cells = tuple((n, _poisoned(lambda p, q: Sym(scalars.compare(m, op, p, q), "bool"), _side(x, n), _side(y, n)))
                      for n, _ in self.cells)  # fmt: skip
        return m.new(ColumnValues(cells))

    def store(self, m: Machine, ref: Value, index: Value, value: Value) -> None:
        """``std[std == 0] = 1``: another value for the columns that a condition chooses."""
        mask = m.content(index)
        if not isinstance(mask, ColumnValues) or not isinstance(ref, v.Ref) or m.frames:
            raise Refused("a value per column set by this index", "std[std == 0] = 1")
        new = scalars.scalar(value)
        cells = []
        for name, old in self.cells:
            chosen = mask.get(name)
            kept = old if isinstance(old, Poison) else m.select(chosen.sql, _like(new, old), old)
            cells.append((name, kept))
        m.update(ref, replace(self, cells=tuple(cells)))


def _like(new: Sym, old: Value) -> Sym:
    """A constant as a number of the same type as the others of an array."""
    if isinstance(old, Sym) and (old.type, new.type) == ("float", "int"):
        return replace(new, sql=sql("CAST(_1 AS DOUBLE)", new.sql), type="float")
    return new


def _side(value: Value, name: str) -> Value:
    return dict(value.cells)[name] if isinstance(value, ColumnValues) else value


def _poisoned(rule: Callable[[Value, Value], Value], a: Value, b: Value) -> Value:
    if isinstance(a, Poison) or isinstance(b, Poison):
        return a if isinstance(a, Poison) else b
    return rule(a, b)


def _across(m: Machine, frame: Frame, name: str) -> Series:
    syms = frames.syms(frame, frame.names)
    if not syms or any(s.type not in scalars.NUMERIC for s in syms):
        raise Refused(f"{name} across columns that are no numbers", "numeric columns")
    numbers = [series_rules.number(s) for s in syms]
    kind = "int" if all(s.type in ("int", "bool") for s in syms) else "float"
    held = [o for s in syms for o in s.whole or ()] if all(whole.is_whole(s) for s in syms) else None
    if name in ("min", "max"):
        function = "least" if name == "min" else "greatest"
        tree: Tree = exp.Anonymous(this=function, expressions=[n.copy() for n in numbers])
        null = all(s.null for s in syms)
        kept = tuple(held) if held is not None and kind == "float" else None
        return Series(frame.rows_, Sym(tree, kind, null=null, nan=True, name=name, whole=kept))
    total = _plus([sql("coalesce(_1, 0)", n) if s.null else n for n, s in zip(numbers, syms, strict=True)])
    if name == "sum":
        kept = tuple(held) if held is not None and kind == "float" else None
        return Series(frame.rows_, Sym(total, kind, nan=True, name=name, whole=kept))
    counts = [sql("CAST(_1 IS NOT NULL AS BIGINT)", s.sql) if s.null else sqlx.literal(1) for s in syms]
    known = _plus(counts) if any(s.null for s in syms) else sqlx.literal(len(syms))
    if name == "count":
        return Series(frame.rows_, Sym(known, "int", name=name))
    if name != "mean":
        raise Refused(f"{name} across columns", "sum, mean, min, max, count")
    null = all(s.null for s in syms)
    tree = sql("_1 / nullif(_2, 0)" if null else "_1 / _2", exp.Paren(this=total), exp.Paren(this=known))
    return Series(frame.rows_, Sym(tree, "float", null=null, nan=True, name=name))


def _plus(trees: list[Tree]) -> Tree:
    made = trees[0]
    for tree in trees[1:]:
        made = sql("_1 + _2", made, tree)
    return made


def _truths(all_of_them: bool) -> frames.FrameRule:
    def rule(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
        axis = options(kwargs, args, ("axis",), "any", axis=0)["axis"]
        syms = frames.syms(frame, frame.names)
        if not syms or any(s.type != "bool" for s in syms):
            raise Refused("any or all of columns that are no conditions", "df.notna().all(axis=1)")
        if axis in (0, "index"):
            return _per_column(m, frame, "all" if all_of_them else "any", {}, False)
        if axis not in (1, "columns"):
            raise Refused("any or all of all cells at once", ".all().all()")
        tree: Tree = exp.true() if all_of_them else exp.false()
        for sym in syms:
            held = frames.truth(sym)
            tree = sqlx.conjunction([tree, held]) if all_of_them else sqlx.disjunction(tree, held)
        return Series(frame.rows_, Sym(tree, "bool"))

    return rule


for _name in aggregates.KINDS:
    frames.FRAME_METHODS[_name] = _rule(_name)
frames.FRAME_METHODS.update(any=_truths(False), all=_truths(True))
frames.FRAME_RULES["values"] = ColumnValues
