"""``rolling`` and ``expanding``: aggregates over the rows up to each row."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlglot import exp

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_group as groups
from lester_duck.lift import pandas_series as series_rules
from lester_duck.lift import pandas_windows as windows
from lester_duck.lift import sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Accessor, Frame, Series, options
from lester_duck.lift.pandas_group import GROUPED, WINDOWS
from lester_duck.lift.pandas_windows import plain, position, window
from lester_duck.lift.relations import Relation, SelectRel
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Refused, Sym, Value


def _rolling(m: Machine, frame: Frame, sym: Sym, keys: list[Sym], args: list, kwargs: dict) -> Value:
    chosen = options(kwargs, args, ("window", "min_periods"), "rolling", min_periods=None)
    size = chosen["window"]
    if type(size) is not int:
        raise Refused("rolling over a span of time", "rolling(n)")
    needed = size if chosen["min_periods"] is None else chosen["min_periods"]
    return Accessor(Series(frame.rows_, sym), "rolling", ROLLING, (("frame", frame), ("keys", keys), ("size", size),
                                                                  ("needed", needed)))  # fmt: skip


def _expanding(m: Machine, frame: Frame, sym: Sym, keys: list[Sym], args: list, kwargs: dict) -> Value:
    needed = options(kwargs, args, ("min_periods",), "expanding", min_periods=1)["min_periods"]
    extra = (("frame", frame), ("keys", keys), ("size", None), ("needed", needed))
    return Accessor(Series(frame.rows_, sym), "expanding", ROLLING, extra)


def _per_group(rule: Callable[..., Value]) -> frames.SeriesRule:
    """``rolling`` or ``expanding`` of a grouping."""

    def ruled(m: Machine, group: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
        chosen = dict(group.extra).get("columns")
        if not isinstance(chosen, str):
            picked = {"[]": lambda m, held, index: ruled(m, GROUPED["[]"](m, group, index), args, kwargs)}
            picked["attribute"] = picked["[]"]
            return Accessor(group.of, "rolling of several columns per group", picked)
        frame = windows.ready(m, group, [chosen])
        labels = groups.part(group, "labels")
        keys = frames.syms(frame, groups.part(group, "keys"))
        made = rule(m, frame, frames.syms(frame, [chosen])[0], keys, args, kwargs)
        return replace(made, methods={kind: _indexed(labels, keys, way) for kind, way in made.methods.items()})

    return ruled


def _indexed(labels: tuple[str, ...], keys: list[Sym], rule: frames.SeriesRule) -> frames.SeriesRule:
    """An aggregate whose rows are indexed by the keys and by the frame's own index, until the keys are dropped."""

    def ruled(m: Machine, rolling: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
        series = rule(m, rolling, args, kwargs)
        series = replace(series, sym=replace(series.sym, sql=windows.known_keys(keys, series.sym.sql)))
        extra = (("labels", labels), ("keys", tuple(keys)))
        return Accessor(series, "rolling per group", BY_KEY, extra)

    return ruled


def _stands_by_key(rel: Relation, keys: tuple[Sym, ...]) -> bool:
    """Whether rows stand group after group already: sorted by the only key."""
    if len(keys) != 1 or not isinstance(keys[0].sql, exp.Column) or keys[0].sql.table != rel.token:
        return False
    name = keys[0].sql.name
    while isinstance(rel, SelectRel):
        made = dict(rel.outputs).get(name)
        if made is None or any(j.always for j in rel.query.joins):
            return False
        if rel.query.order:
            sym, descending = rel.query.order[0]
            return not descending and sqlx.same(sym.sql, made.sql)
        if not isinstance(made.sql, exp.Column) or made.sql.table != rel.query.alias:
            return False
        name, rel = made.sql.name, rel.query.base
    return False


def _without_keys(m: Machine, of: Accessor, level: Value) -> Value:
    labels = dict(of.extra)["labels"]
    levels = frames.constant(m, level)
    dropped = list(levels) if isinstance(levels, list | tuple) else [levels]
    places = sorted(labels.index(d) if d in labels else d for d in dropped if d in labels or type(d) is int)
    if places != list(range(len(labels))):
        raise Refused("rolling per group, of whose keys some are kept", f"reset_index(level={list(labels)}, drop=True)")
    return Regrouped(of.of.rows_, of.of.sym)


def _reset_index(m: Machine, of: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("level",), "reset_index", level=None, drop=False)
    if chosen["drop"] is not True or chosen["level"] is None:
        raise Refused("rolling per group by position", "reset_index(level=0, drop=True), which keeps the frame's index")
    return _without_keys(m, of, chosen["level"])


def _droplevel(m: Machine, of: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    return _without_keys(m, of, options(kwargs, args, ("level",), "droplevel", axis=0)["level"])


def _by_position(m: Machine, of: Accessor, name: str) -> Value:
    rows, keys = of.of.rows_, dict(of.extra)["keys"]
    if name == "values" and _stands_by_key(rows.rel, keys):
        if keys[0].null:
            frames.owe(m, rows, sql("_1 IS NULL", keys[0].sql), "a missing key of groups whose rows are taken by place")
        return Series(replace(rows, array=True), of.of.sym)
    if name in ("values", "array", "iloc", "index"):
        nearest = "reset_index(level=0, drop=True), or a frame sorted by the key"
        raise Refused("rolling per group by position", nearest)
    return v.Method(of, name)


def _to_numpy(m: Machine, of: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if args or kwargs:
        raise Refused("to_numpy with parameters of a rolling per group", ".to_numpy()")
    return _by_position(m, of, "values")


BY_KEY = {"reset_index": _reset_index, "droplevel": _droplevel, "to_numpy": _to_numpy, "attribute": _by_position}


_BY_PLACE = frozenset(
    {"to_numpy", "tolist", "to_list", "to_csv", "head", "tail", "reset_index", "cumsum", "shift", "diff"}
)


@dataclass(frozen=True, eq=False)
class Regrouped(Series):
    """A value for each row of a frame whose rows stand group after group: matched by index, not by place."""

    def attribute(self, m: Machine, ref: Value, name: str) -> Value:
        """No positions."""
        if name in ("values", "iloc", "array"):
            raise Refused("rolling per group by position", "the same without ." + name)
        return super().attribute(m, ref, name)

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """A method that keeps each row in its place gives a column of this order too."""
        if name in _BY_PLACE:
            raise Refused(f".{name}() of a rolling per group", "the column assigned to its frame first")
        made = super().method(m, ref, name, args, kwargs)
        return Regrouped(made.rows_, made.sym) if type(made) is Series else made

    def operate(self, m: Machine, op: type[ast.operator], a: Value, b: Value) -> Value:
        """Arithmetic; with a column of the frame the rows are in the frame's order again."""
        made = super().operate(m, op, a, b)
        alone = all(isinstance(x, Regrouped) or not isinstance(x, Series) for x in (m.content(a), m.content(b)))
        return Regrouped(made.rows_, made.sym) if alone and type(made) is Series else made


def _rolled(kind: str) -> frames.SeriesRule:
    def rule(m: Machine, rolling: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
        said = dict(rolling.extra)
        sym, frame = rolling.of.sym, said["frame"]
        number = series_rules.number(sym)
        first = "UNBOUNDED" if said["size"] is None else said["size"] - 1
        preceding = f"ROWS BETWEEN {first} PRECEDING AND CURRENT ROW"
        tree = window(sql(WINDOWS[kind], number), said["keys"], [position(frame)], preceding)
        held = window(sql("count(_1)", number), said["keys"], [position(frame)], preceding)
        made = sqlx.case(sql("_1 >= _2", held, sqlx.literal(max(said["needed"], 1))), sql("CAST(_1 AS DOUBLE)", tree),
                         exp.null())  # fmt: skip
        return Series(frame.rows_, Sym(made, "float", null=True, nan=True, name=sym.name))

    return rule


ROLLING = {kind: _rolled(kind) for kind in ("mean", "sum", "min", "max", "std", "median", "count")}


def _series_expanding(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    frame, sym = plain(m, series)
    return _expanding(m, frame, sym, [], args, kwargs)


def _series_rolling(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    frame, sym = plain(m, series)
    return _rolling(m, frame, sym, [], args, kwargs)


windows.ROLLED.update(rolling=_rolling, expanding=_expanding)
GROUPED.update(rolling=_per_group(_rolling), expanding=_per_group(_expanding))
frames.SERIES_METHODS.update(rolling=_series_rolling, expanding=_series_expanding)
