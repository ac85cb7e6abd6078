"""The most frequent value of a column, over all rows or within a group: ``mode``, ``value_counts().index[0]``."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_group_loops as group_rules
from lester_duck.lift import sqlx
from lester_duck.lift import values as v
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Series, options
from lester_duck.lift.pandas_group_loops import GroupValues
from lester_duck.lift.relations import GroupRel, Query, fresh
from lester_duck.lift.render import column_name
from lester_duck.lift.sqlx import sql
from lester_duck.lift.state import Whole
from lester_duck.lift.values import Refused, Sym, Value


def _counted(m: Machine, name: str, query: Query, keys: tuple[tuple[str, Sym], ...], sym: Sym) -> GroupRel:
    """How often each value occurs, per key."""
    if sym.null:
        query.where = (*query.where, sql("_1 IS NOT NULL", sym.sql))
    shown = column_name(sym.name or "value")
    what = f"how often {name} has each {shown}"
    rel = GroupRel(name=f"{name}_{shown}_counts", what=what, lines=(m.line, m.line), query=query,
                   keys=(*keys, (shown, replace(sym, null=False))))  # fmt: skip
    rel.require("count", None, "int", "n")
    return rel


def _order(rel: GroupRel, least: bool) -> tuple[tuple[Sym, bool], ...]:
    """The most frequent first; of those the least one, or else the one that appears first."""
    columns, value = rel.columns(), rel.keys[-1][0]
    by = ((columns["n"], True),)
    return (*by, (columns[value], False)) if least else by


def of_group(m: Machine, values: GroupValues, least: bool) -> Sym:
    """The most frequent value within a group."""
    group, sym = values.group, values.series.sym
    rows = frames.restricted(group.frame.rows_, group.where) if group.where is not None else group.frame.rows_
    key = ("frequent", group.rel.token, sqlx.text(group.where) if group.where is not None else "", sqlx.text(sym.sql))
    if key not in m.files:
        query = rows.query()
        query.where = tuple(dict.fromkeys([*group.rel.query.where, *query.where]))
        m.files[key] = _counted(m, rows.title or rows.rel.name, query, group.rel.keys, sym)
    counted = m.files[key]
    keys = tuple(counted.columns()[n] for n, _ in counted.keys[:-1])
    over = frames.Frame(frames.Rows(counted, fresh("index"), title=counted.name), tuple(counted.columns().items()))
    found = group_rules.looked_up(m, over, keys, group.wanted(m))
    m.raise_if(sqlx.negate(found.present), "IndexError", "the most frequent of no values")
    value = counted.columns()[counted.keys[-1][0]]
    made = found.aggregate(m, "first", value, sym.type, f"most_frequent_{value.name}", by=_order(counted, least))
    return replace(made, null=False, nan=True)


def of_all(m: Machine, series: Series, least: bool) -> Sym:
    """The most frequent value of a column."""
    closed = frames.close_series(m, series)
    key = ("frequent", closed.rows_.rel.token, sqlx.text(closed.sym.sql))
    if key not in m.files:
        m.files[key] = _counted(m, closed.rows_.title or closed.rows_.rel.name, closed.rows_.query(), (), closed.sym)
    counted = m.files[key]
    value = counted.columns()[counted.keys[-1][0]]
    token = fresh("agg")
    m.wholes[token] = Whole("first", counted, value, _order(counted, least))
    return Sym(sqlx.column(token, "first"), closed.sym.type, name=f"most_frequent_{value.name}", nan=True)


@dataclass(frozen=True, eq=False)
class Ranked(Library):
    """The values of a column, the most frequent first; only the first one can be asked for."""

    top: Callable[[Machine], Sym]
    what = "list of values by frequency"

    def subscript(self, m: Machine, ref: Value, index: Value) -> Value:
        """The first."""
        if index != 0 or isinstance(index, bool):
            raise Refused("a value that is not the most frequent one", "mode()[0]")
        return self.top(m)

    def attribute(self, m: Machine, ref: Value, name: str) -> Value:
        """``.index``, ``.iloc``, ``.values``."""
        if name in ("index", "iloc", "values", "loc"):
            return self
        return v.Method(ref, name)

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """``.idxmax()``, ``.item()``."""
        if name in ("idxmax", "item") and not args:
            return self.top(m)
        if name in ("head", "tolist", "to_list"):
            return self
        raise Refused(f".{name}() of values by frequency", "mode()[0]")


def _mode(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    options(kwargs, args, (), "mode", dropna=True)
    return Ranked(lambda machine: of_all(machine, series, least=True))


def _group_mode(m: Machine, values: GroupValues, args: list[Value], kwargs: dict[str, Value]) -> Value:
    options(kwargs, args, (), "mode", dropna=True)
    return Ranked(lambda machine: of_group(machine, values, least=True))


def _group_counts(m: Machine, values: GroupValues, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, (), "value_counts", sort=True, ascending=False, dropna=True)
    frames.only(chosen, "value_counts", sort=(True,), ascending=(False,), dropna=(True,))
    return GroupCounts(values)


@dataclass(frozen=True, eq=False)
class GroupCounts(Library):
    """``g["x"].value_counts()``."""

    values: GroupValues
    what = "value_counts of a group"

    def attribute(self, m: Machine, ref: Value, name: str) -> Value:
        """``.index``: the values, the most frequent first."""
        if name == "index":
            return Ranked(lambda machine: of_group(machine, self.values, least=False))
        return v.Method(ref, name)

    def length(self, m: Machine, ref: Value) -> Value:
        """How many values there are."""
        return self.values.reduced(m, "nunique")

    def subscript(self, m: Machine, ref: Value, index: Value) -> Value:
        """How often one value occurs."""
        raise Refused("the count of one value within a group", '(g["x"] == value).sum()')

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """``.idxmax()``, ``.get(value, 0)``."""
        if name == "idxmax" and not args:
            return of_group(m, self.values, least=False)
        if name == "get" and len(args) == 2 and args[1] == 0 and v.is_const(args[0]):
            alike = self.values.compare(m, ast.Eq, self.values, args[0])
            return alike.reduced(m, "sum")
        raise Refused(f".{name}() of the value_counts of a group", "index[0], idxmax()")


def _group_unique(m: Machine, values: GroupValues, args: list[Value], kwargs: dict[str, Value]) -> Value:
    return GroupUnique(values)


@dataclass(frozen=True, eq=False)
class GroupUnique(Library):
    """``g["x"].unique()``: how many there are, and the first one."""

    values: GroupValues
    what = "unique values of a group"

    def length(self, m: Machine, ref: Value) -> Value:
        """How many, a missing one included."""
        known = self.values.reduced(m, "nunique")
        if not self.values.series.sym.null:
            return known
        missing = self.values.method(m, self.values, "isna", [], {})
        some = missing.method(m, missing, "any", [], {})
        return Sym(sql("_1 + CAST(_2 AS BIGINT)", known.sql, some.sql), "int")

    def attribute(self, m: Machine, ref: Value, name: str) -> Value:
        """``.size``."""
        return self.length(m, ref) if name == "size" else v.Method(ref, name)

    def subscript(self, m: Machine, ref: Value, index: Value) -> Value:
        """The first."""
        if index != 0:
            raise Refused("a unique value of a group that is not the first one", "[0]")
        return self.values.at(m, 0)


frames.SERIES_METHODS["mode"] = _mode
group_rules.VALUES.update({"mode": _group_mode, "value_counts": _group_counts, "unique": _group_unique})
