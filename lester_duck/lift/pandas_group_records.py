"""Single rows of a group: ``g.iloc[0]``, ``g.loc[g["x"].idxmax()]``, and their cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlglot import exp

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_group_loops as group_rules
from lester_duck.lift import sqlx
from lester_duck.lift import values as v
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Accessor, Frame
from lester_duck.lift.pandas_group_loops import GroupRows, GroupValues, Order
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.values import Refused, Sym, Value


@dataclass(frozen=True, eq=False)
class GroupRecord(Library):
    """One row of a group: ``cell`` says a column of it."""

    frame: Frame
    cell: Callable[[Sym], Sym]
    what = "row of a group"

    def subscript(self, m: Machine, ref: Value, index: Value) -> Value:
        """A cell."""
        name = self.frame.names[index] if type(index) is int else index
        return self.cell(frames.syms(self.frame, [name])[0]).named(str(name))

    def attribute(self, m: Machine, ref: Value, name: str) -> Value:
        """``row.x``."""
        return self.subscript(m, ref, name) if name in self.frame.names else v.Method(ref, name)

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """``row.get(name)``, ``row.to_dict()``."""
        if name == "get" and args and args[0] in self.frame.names:
            return self.subscript(m, ref, args[0])
        if name == "to_dict" and not args:
            return m.new(v.HDict(tuple((n, self.subscript(m, ref, n)) for n in self.frame.names)))
        raise Refused(f".{name}() of a row of a group")


def _one(m: Machine, group: GroupRows, place: Value, by: Order = ()) -> Callable[[Sym], Sym]:
    """How a column of the first or last row is said."""
    if place not in (0, -1) or isinstance(place, bool):
        raise Refused("this row of a group", "iloc[0], iloc[-1]")
    rows = group.apart(m)
    if isinstance(rows.present, exp.Boolean):
        absent: Tree = exp.false()
    else:
        absent = sqlx.negate(rows.present)
    m.raise_if(absent, "IndexError", "the first row of no rows")
    kind = "first" if place == 0 else "last"

    def cell(sym: Sym) -> Sym:
        made = rows.aggregate(m, kind, sym, sym.type, f"{kind}_{sym.name or 'value'}", by=by or rows.order)
        return replace(sym, sql=made.sql, parts=(), choices=(), line=None, position=None, nan=True)

    return cell


def _iloc(m: Machine, accessor: Accessor, index: Value) -> Value:
    group: GroupRows = accessor.of
    place, column = index if isinstance(index, tuple) else (index, None)
    record = GroupRecord(group.frame, _one(m, group, m.content(place)))
    return record if column is None else record.subscript(m, record, column)


def _loc(m: Machine, accessor: Accessor, index: Value) -> Value:
    group: GroupRows = accessor.of
    rows, column = index if isinstance(index, tuple) else (index, slice(None))
    held = m.content(rows)
    if isinstance(held, Extreme):
        record = GroupRecord(group.frame, _one(m, held.group, 0, held.by))
        return record if isinstance(column, slice) else record.subscript(m, record, column)
    made = group if isinstance(held, slice) and held == slice(None) else group.subscript(m, group, rows)
    return made if isinstance(column, slice) else made.subscript(m, made, column)


@dataclass(frozen=True, eq=False)
class Extreme(Library):
    """The label of the first row with the greatest or least value of a group."""

    group: GroupRows
    by: Order
    what = "label of a row"


def _extreme(descending: bool) -> Callable:
    def rule(m: Machine, values: GroupValues, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if args or kwargs:
            raise Refused("idxmax with arguments")
        known = values.reduced(m, "count")
        m.raise_if(sql("_1 = 0", known.sql), "ValueError", "the greatest of no values")
        return Extreme(values.group, ((values.series.sym, descending),))

    return rule


group_rules.INDEX.update(iloc=_iloc, loc=_loc, one=_one)
group_rules.VALUES.update(idxmax=_extreme(True), idxmin=_extreme(False))
