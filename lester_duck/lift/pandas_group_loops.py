"""``for key, g in df.groupby(...)``: one row per group, and what is asked of ``g`` as its aggregates."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlglot import exp

from lester_duck.lift import lookups, sqlx
from lester_duck.lift import pandas_aggregates as aggregates
from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_group as groups
from lester_duck.lift import pandas_series as series_rules
from lester_duck.lift import pandas_whole as whole
from lester_duck.lift import values as v
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Accessor, Frame, Series, options
from lester_duck.lift.relations import Aggregate, GroupRel, free_name
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.values import Refused, Sym, Value

Order = tuple[tuple[Sym, bool], ...]
INDEX: dict[str, Callable] = {}
"""``iloc`` and ``loc`` of a group, and how its first or last row is said."""
_NEAREST = "sum, mean, min, max, count, nunique, std, median, any, all, iloc[0]"


def loop(m: Machine, group: Accessor) -> Value:
    """The groups in order of key, as (key, rows)."""
    rel, rows, keys = groups.relation(m, group)
    frame = groups.frame_of(m, rel)
    del rows
    key: Value = keys[0][1] if groups.part(group, "single") else tuple(k for _, k in keys)
    groups.remember(m, rel, frame.rows_)
    chosen = dict(group.extra).get("columns")
    if isinstance(chosen, str):
        series = Series(frame.rows_, frames.syms(frame, [chosen])[0])
        return v.View(rel, (key, GroupValues(GroupRows(rel, frame), series)))
    if chosen is not None:
        frame = replace(frame, columns=tuple(zip(chosen, frames.syms(frame, chosen), strict=True)))
    return v.View(rel, (key, GroupRows(rel, frame)))


@dataclass(frozen=True, eq=False)
class GroupRows(Library):
    """The rows of one group, or those of it that satisfy ``where``, in the order ``order``.

    ``alias`` is the lookup that found the group, where the running loop does not go over the groups
    themselves; ``present`` says where there is one.
    """

    rel: GroupRel
    frame: Frame
    where: exp.Expression | None = None
    order: Order = ()
    alias: str = ""
    present: Tree = sqlx.TRUE
    what = "group of rows"

    def subscript(self, m: Machine, ref: Value, index: Value) -> Value:
        """A column, some columns, or the rows of a mask."""
        held = m.content(index)
        if isinstance(held, str):
            return GroupValues(self, Series(self.frame.rows_, frames.syms(self.frame, [held])[0]))
        if isinstance(held, v.HList):
            names = frames.strings(m, held)
            columns = tuple(zip(names, frames.syms(self.frame, names), strict=True))
            return replace(self, frame=replace(self.frame, columns=columns))
        if isinstance(held, GroupValues) and held.series.sym.type == "bool" and held.group.rel is self.rel:
            condition = frames.truth(held.series.sym)
            where = condition if self.where is None else sqlx.conjunction([self.where, condition])
            return replace(self, where=where)
        raise Refused("this index into the rows of a group", 'g["x"], g[g["x"] > 0]')

    def length(self, m: Machine, ref: Value) -> Value:
        """The number of rows."""
        if self.where is None:
            return self.aggregate(m, "count", None, "int", "n", 0)
        return self.aggregate(m, "count_true", Sym(self.where, "bool"), "int", "n", 0)

    def attribute(self, m: Machine, ref: Value, name: str) -> Value:
        """``g.shape``, ``g.empty``, ``g.iloc``, ``g.x``."""
        if name == "shape":
            return (self.length(m, ref), len(self.frame.columns))
        if name == "empty":
            return Sym(sql("_1 = 0", self.length(m, ref).sql), "bool")
        if name == "columns":
            return m.new(v.HList(tuple(self.frame.names)))
        if name in ("iloc", "loc"):
            return Accessor(self, f".{name} of a group", {"[]": INDEX[name]})
        if name in self.frame.names and name not in METHODS:
            return self.subscript(m, ref, name)
        return v.Method(ref, name)

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """A method by its rule."""
        if name not in METHODS:
            raise Refused(f".{name}() of the rows of a group", _NEAREST)
        return METHODS[name](m, self, args, kwargs)

    def aggregate(
        self, m: Machine, kind: str, argument: Sym | None, type_: str, name: str, empty: int | float | None = None,
        by: Order = (),
    ) -> Sym:  # fmt: skip
        """An aggregate of the group, over the running loop's row; ``empty`` is that of no rows."""
        said = [*([argument.sql] if argument is not None else []), *(s.sql for s, _ in by)]
        if INDEX["outer tables"](m, said):
            pairs, move = INDEX["over pairs"](m, self, said)
            moved = None if argument is None else replace(argument, sql=move(argument.sql), parts=(), choices=())
            ordered = tuple((replace(s, sql=move(s.sql)), d) for s, d in by)
            return pairs.aggregate(m, kind, moved, type_, name, empty, ordered)
        alias = self.alias or next((f.query.alias for f in reversed(m.frames) if f.query.base is self.rel), None)
        if alias is None:
            raise Refused("rows of a group outside the loop over the groups")
        made = required(self.rel, kind, argument, type_, name, by)
        found = Sym(sqlx.column(alias, made), type_, name=name, nan=True)
        if isinstance(self.present, exp.Boolean) or m.implied(self.present):
            return found
        if empty is not None:
            return replace(found, sql=sql("coalesce(_1, _2)", found.sql, sqlx.literal(empty)))
        return replace(found, null=True)

    def apart(self, m: Machine) -> GroupRows:
        """The same rows as a grouping of their own, where they are chosen by a condition."""
        if self.where is None:
            return self
        if INDEX["outer tables"](m, [self.where]):
            return INDEX["over pairs"](m, self, [self.where])[0].apart(m)
        rows = frames.restricted(self.frame.rows_, self.where)
        keys = tuple(k for _, k in self.rel.keys)
        return looked_up(m, replace(self.frame, what_rows=rows), keys, self.wanted(m), self.order)

    def wanted(self, m: Machine) -> tuple[Sym, ...]:
        """The group's key, over the running loop's row."""
        if self.alias:
            joined = next(j for f in m.frames for j in f.query.joins if j.alias == self.alias)
            return tuple(s for s, _ in joined.keys)
        own = next((f.query for f in reversed(m.frames) if f.query.base is self.rel), None)
        if own is None:
            raise Refused("rows of a group outside the loop over the groups")
        return tuple(replace(k, sql=sqlx.column(own.alias, n), parts=(), choices=()) for n, k in self.rel.keys)


def required(rel: GroupRel, kind: str, argument: Sym | None, type_: str, name: str, by: Order = ()) -> str:
    """The column of an aggregate of a grouping, added unless there is one like it."""
    if not by:
        return rel.require(kind, argument, type_, name).sql.name
    wanted = [kind, sqlx.text(argument.sql), *[(sqlx.text(s.sql), d) for s, d in by]]
    for a in rel.aggregates:
        if a.by and [a.kind, sqlx.text(a.argument.sql), *[(sqlx.text(s.sql), d) for s, d in a.by]] == wanted:
            return a.name
    free = free_name(name, {n for n, _ in rel.keys} | {a.name for a in rel.aggregates})
    rel.aggregates.append(Aggregate(free, kind, argument, type_, by=by))
    return free


def looked_up(m: Machine, frame: Frame, keys: tuple[Sym, ...], wanted: tuple[Sym, ...], order: Order = ()) -> GroupRows:
    """The rows of a frame whose ``keys`` are those that the running loop's row has."""
    rel = groups.grouping(m, frame, keys)
    join = lookups.join(m, rel, tuple(rel.columns()[n] for n, _ in rel.keys), wanted)
    if join is None:
        raise Refused("rows chosen by a value of another type than the column's")
    present = lookups.present(m, join)
    return GroupRows(rel, frame, None, order, "" if lookups.is_own(m, join) else join.alias, present)


@dataclass(frozen=True, eq=False)
class GroupValues(Library):
    """A column of one group."""

    group: GroupRows
    series: Series
    what = "column of a group"

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """An aggregate, else an element-wise method."""
        if name in VALUES:
            return VALUES[name](m, self, args, kwargs)
        if name in aggregates.KINDS and not set(kwargs) - {"skipna", "ddof"} and not args:
            return self.reduced(m, name, frames.constant(m, kwargs.get("ddof", 1)))
        made = self.series.method(m, self.series, name, args, kwargs)
        if not isinstance(made, Series):
            raise Refused(f".{name}() of a column of a group", _NEAREST)
        if made.rows_.rel is not self.series.rows_.rel:
            raise Refused(f".{name}() within the rows of a group")
        more = made.rows_.where[len(self.series.rows_.where) :]
        return self.kept(made, more)

    def kept(self, made: Series, more: tuple[Tree, ...]) -> GroupValues:
        """Another column of the group, of fewer rows."""
        if not more:
            return replace(self, series=made)
        where = sqlx.conjunction([*([self.group.where] if self.group.where is not None else []), *more])
        return replace(self, group=replace(self.group, where=where), series=replace(made, what_rows=self.series.rows_))

    def attribute(self, m: Machine, ref: Value, name: str) -> Value:
        """``x.iloc``, ``x.values``, ``x.str`` ..., else a method."""
        if name in ("values", "array"):
            return self
        if name == "iloc":
            return Accessor(self, ".iloc of a column of a group", {"[]": lambda m, a, i: a.of.at(m, i)})
        if name == "size":
            return self.length(m, ref)
        if name == "name":
            return self.series.sym.name
        made = self.series.attribute(m, self.series, name)
        if isinstance(made, Accessor):
            return replace(made, methods={n: self._element(rule) for n, rule in made.methods.items()})
        return v.Method(ref, name)

    def _element(self, rule: Callable) -> Callable:
        """A rule of ``.str`` or ``.dt`` that answers a column of the group."""

        def ruled(*given: Value) -> Value:
            made = rule(*given)
            return replace(self, series=made) if isinstance(made, Series) else made

        return ruled

    def subscript(self, m: Machine, ref: Value, index: Value) -> Value:
        """``x[mask]``; by position of an array."""
        held = m.content(index)
        if isinstance(held, GroupValues):
            return replace(self, group=self.group.subscript(m, self.group, held))
        if type(held) is int:
            return self.at(m, held)
        raise Refused("this index into a column of a group", "iloc[0], iloc[-1]")

    def at(self, m: Machine, place: Value) -> Sym:
        """The first or the last value."""
        return INDEX["one"](m, self.group, place)(self.series.sym)

    def reduced(self, m: Machine, name: str, ddof: int = 1) -> Sym:
        """An aggregate."""
        sym = self.series.sym
        if self.group.where is not None:
            number = series_rules.number(sym) if sym.type == "bool" else sym.sql
            kind = "int" if sym.type == "bool" else sym.type
            sym = replace(sym, sql=sqlx.case(self.group.where, number, exp.null()), type=kind, null=True)
        kind = aggregates.KINDS.get(name, name)
        if kind in ("std_sample", "var_sample") and ddof != 1:
            kind = kind.removesuffix("_sample")
        argument = aggregates.argument(kind, sym)
        type_ = aggregates.result_type(kind, argument)
        if kind == "sum" and type_ == "float":
            whole.as_floats(m, self.series.sym)
            whole.owe_rows(m, self.series.rows_)
        code = "sum_known" if kind == "sum" and (argument.null or type_ == "float") else kind
        label = f"{name}_{self.series.sym.name}" if self.series.sym.name else name
        never = kind in ("sum", "count_of", "count_distinct")
        zero = (0.0 if type_ == "float" else 0) if never else None
        made = self.group.aggregate(m, code, argument, type_, label, zero)
        null = made.null or (not never and (sym.null or kind in ("std_sample", "var_sample")))
        if null and type_ == "int":
            made = replace(made, type="float", sql=sql("CAST(_1 AS DOUBLE)", made.sql))
        return replace(made, null=null)

    def length(self, m: Machine, ref: Value) -> Value:
        """The number of rows."""
        return self.group.length(m, self.group)

    def loop(self, m: Machine, node: ast.For, bind: Callable[[Value], None], body: Callable[[], None]) -> bool:
        """A loop over the values."""
        return VALUES["loop"](m, self).loop(m, node, bind, body)

    def operate(self, m: Machine, op: type[ast.operator], a: Value, b: Value) -> Value:
        """Arithmetic, element by element."""
        return self._both(m, a, b, lambda x, y: series_rules.operate(m, op, x, y))

    def compare(self, m: Machine, op: type[ast.cmpop], a: Value, b: Value) -> Value:
        """A comparison, element by element."""
        return self._both(m, a, b, lambda x, y: series_rules.compared(m, op, x, y))

    def unary(self, m: Machine, op: type[ast.unaryop], value: Value) -> Value:
        """``~x``, ``-x``."""
        return replace(self, series=series_rules.unary(m, op, self.series))

    def _both(self, m: Machine, a: Value, b: Value, rule: Callable[[Value, Value], Value]) -> Value:
        sides = [s for s in (a, b) if isinstance(s, GroupValues)]
        if len(sides) == 2 and (a.group.rel is not b.group.rel or a.group.where is not b.group.where):
            raise Refused("columns of different groups")
        x, y = (s.series if isinstance(s, GroupValues) else s for s in (a, b))
        return replace(self, series=rule(x, y))


def _truth(all_of_them: bool) -> Callable:
    def rule(m: Machine, values: GroupValues, args: list[Value], kwargs: dict[str, Value]) -> Value:
        sym = values.series.sym
        if sym.type != "bool" or args or kwargs:
            raise Refused("any or all of values that are no conditions", "(g.x > 0).any()")
        held = frames.truth(sym)
        wanted = sqlx.negate(held) if all_of_them else held
        where = wanted if values.group.where is None else sqlx.conjunction([values.group.where, wanted])
        counted = replace(values.group, where=where).length(m, values.group)
        return Sym(sql("_1 = 0" if all_of_them else "_1 > 0", counted.sql), "bool")

    return rule


def _same(m: Machine, group: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
    return group


def _sorted(m: Machine, group: GroupRows, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("by",), "sort_values", ascending=True, kind="quicksort", ignore_index=False)
    names, ways = frames.strings(m, chosen["by"]), frames.constant(m, chosen["ascending"])
    ways = list(ways) if isinstance(ways, list | tuple) else [ways] * len(names)
    order = tuple((s, not up) for s, up in zip(frames.syms(group.frame, names), ways, strict=True))
    return replace(group, order=order)


def _dropna(m: Machine, group: GroupRows, args: list[Value], kwargs: dict[str, Value]) -> Value:
    names = frames.strings(m, options(kwargs, args, (), "dropna", subset=group.frame.names)["subset"])
    present = [sql("_1 IS NOT NULL", s.sql) for s in frames.syms(group.frame, names) if s.null]
    before = [group.where] if group.where is not None else []
    return replace(group, where=sqlx.conjunction([*before, *present])) if present else group


METHODS: dict[str, Callable] = {"copy": _same, "reset_index": _same, "sort_values": _sorted, "dropna": _dropna}
VALUES: dict[str, Callable] = {
    "any": _truth(False), "all": _truth(True),
    "to_numpy": _same, "copy": _same, "tolist": _same, "to_list": _same, "item": lambda m, x, a, k: x.at(m, 0),
}  # fmt: skip
groups.GROUPED["rows"] = loop
