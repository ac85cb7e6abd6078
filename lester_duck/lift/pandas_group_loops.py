"""``for key, g in df.groupby(...)``: one row per group, and what is asked of ``g`` as its aggregates."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace

from sqlglot import exp

from lester_duck.lift import pandas_aggregates as aggregates
from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_group as groups
from lester_duck.lift import pandas_series as series_rules
from lester_duck.lift import sqlx
from lester_duck.lift import values as v
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Accessor, Frame, Series
from lester_duck.lift.relations import GroupRel
from lester_duck.lift.values import Refused, Sym, Value


def loop(m: Machine, group: Accessor) -> Value:
    """The groups in order of key, as (key, rows)."""
    rel, rows, keys = groups.relation(m, group)
    del rows
    key: Value = keys[0][1] if groups.part(group, "single") else tuple(k for _, k in keys)
    frame: Frame = groups.part(group, "frame")
    return v.View(rel, (key, GroupRows(rel, frame)))


def aggregate(m: Machine, rel: GroupRel, kind: str, argument: Sym | None, type_: str, name: str) -> Sym:
    """An aggregate of the running loop's group."""
    alias = next((f.query.alias for f in reversed(m.frames) if f.query.base is rel), None)
    if alias is None:
        raise Refused("rows of a group outside the loop over the groups")
    made = rel.require(kind, argument, type_, name)
    return replace(made, sql=sqlx.column(alias, made.sql.name), type=type_, nan=True)


@dataclass(frozen=True, eq=False)
class GroupRows(Library):
    """The rows of one group, or those of it that satisfy ``where``."""

    rel: GroupRel
    frame: Frame
    where: exp.Expression | None = None
    what = "group of rows"

    def subscript(self, m: Machine, ref: Value, index: Value) -> Value:
        """A column, or the rows of a mask."""
        held = m.content(index)
        if isinstance(held, str):
            sym = frames.syms(self.frame, [held])[0]
            return GroupValues(self.rel, Series(self.frame.rows_, sym), self.where)
        if isinstance(held, GroupValues) and held.series.sym.type == "bool":
            condition = frames.truth(held.series.sym)
            where = condition if self.where is None else sqlx.conjunction([self.where, condition])
            return replace(self, where=where)
        raise Refused("this index into the rows of a group", 'g["x"], g[g["x"] > 0]')

    def length(self, m: Machine, ref: Value) -> Value:
        """The number of rows."""
        if self.where is None:
            return aggregate(m, self.rel, "count", None, "int", "n")
        return aggregate(m, self.rel, "count_true", Sym(self.where, "bool"), "int", "n")

    def attribute(self, m: Machine, ref: Value, name: str) -> Value:
        """``g.shape``, ``g.x``."""
        if name == "shape":
            return (self.length(m, ref), len(self.frame.columns))
        if name in self.frame.names:
            return self.subscript(m, ref, name)
        return v.Method(ref, name)


@dataclass(frozen=True, eq=False)
class GroupValues(Library):
    """A column of one group."""

    rel: GroupRel
    series: Series
    where: exp.Expression | None = None
    what = "column of a group"

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """An aggregate, else an element-wise method."""
        if name in aggregates.KINDS and not args and not kwargs:
            return self._reduced(m, name)
        made = self.series.method(m, self.series, name, args, kwargs)
        if not isinstance(made, Series):
            raise Refused(f".{name}() of a column of a group", "sum, mean, min, max, count, nunique, std, median")
        if made.rows_.rel is not self.series.rows_.rel:
            raise Refused(f".{name}() within the rows of a group")
        return replace(self, series=made)

    def _reduced(self, m: Machine, name: str) -> Sym:
        sym = self.series.sym
        if self.where is not None:
            kind = "float" if sym.type in ("int", "bool") else sym.type
            number = series_rules.number(sym) if sym.type == "bool" else sym.sql
            sym = replace(sym, sql=sqlx.case(self.where, number, exp.null()), type=kind, null=True)
        kind = aggregates.KINDS[name]
        argument = aggregates.argument(kind, sym)
        type_ = aggregates.result_type(kind, argument)
        code = "sum_known" if kind == "sum" and (argument.null or type_ == "float") else kind
        label = f"{name}_{self.series.sym.name}" if self.series.sym.name else name
        made = aggregate(m, self.rel, code, argument, type_, label)
        never = kind in ("sum", "count_of", "count_distinct")
        return replace(made, null=not never and (sym.null or kind in ("std_sample", "var_sample")))

    def length(self, m: Machine, ref: Value) -> Value:
        """The number of rows."""
        return GroupRows(self.rel, Frame(self.series.rows_, ()), self.where).length(m, ref)

    def operate(self, m: Machine, op: type[ast.operator], a: Value, b: Value) -> Value:
        """Arithmetic, element by element."""
        return self._both(m, a, b, lambda x, y: series_rules.operate(m, op, x, y))

    def compare(self, m: Machine, op: type[ast.cmpop], a: Value, b: Value) -> Value:
        """A comparison, element by element."""
        return self._both(m, a, b, lambda x, y: series_rules.compare(m, op, x, y))

    def unary(self, m: Machine, op: type[ast.unaryop], value: Value) -> Value:
        """``~x``, ``-x``."""
        return replace(self, series=series_rules.unary(m, op, self.series))

    def _both(self, m: Machine, a: Value, b: Value, rule: object) -> Value:
        sides = [s for s in (a, b) if isinstance(s, GroupValues)]
        if len(sides) == 2 and (a.rel is not b.rel or a.where is not b.where):
            raise Refused("columns of different groups")
        other = [s for s in (a, b) if not isinstance(s, GroupValues)]
        if any(isinstance(m.content(s), Sym) for s in other):
            raise Refused("a column of a group beside a value of the group", "an aggregate over all rows")
        x, y = (s.series if isinstance(s, GroupValues) else s for s in (a, b))
        return replace(self, series=rule(x, y))


groups.GROUPED["rows"] = loop
