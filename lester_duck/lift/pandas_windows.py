"""Windows over frames: transform, shift, diff, cumsum, rank, rolling, per key and over all rows."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlglot import exp

from lester_duck.lift import calls, sqlx
from lester_duck.lift import pandas_aggregates as aggregates
from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_group as groups
from lester_duck.lift import pandas_series as series_rules
from lester_duck.lift import pandas_whole as whole
from lester_duck.lift import values as v
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Accessor, Frame, Series, options
from lester_duck.lift.pandas_group import WINDOWS, close_group, columns_of, part
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.values import Refused, Sym, Value


def ready(m: Machine, group: Accessor, names: list[str]) -> Frame:
    """The grouped frame closed, so that windows over it see its rows as they are."""
    frame: Frame = part(group, "frame")
    wanted = frames.syms(frame, [*part(group, "keys"), *names])
    clean = not frame.rows_.where and not frame.rows_.joins
    if clean and all(frames.is_own(frame.rows_, s) for s in wanted):
        return frame
    return close_group(m, group, frame)


def window(function: Tree, keys: list[Sym], order: list[Tree] | None = None, frame: str | None = None) -> exp.Window:
    """``function OVER (PARTITION BY keys ORDER BY order)``."""
    spec = None
    if frame is not None:
        spec = sqlx.sql(f"sum(x) OVER (ORDER BY y {frame})").args["spec"]
    ordering = exp.Order(expressions=[exp.Ordered(this=o, nulls_first=False) for o in order]) if order else None
    return exp.Window(this=function, partition_by=[k.sql.copy() for k in keys], order=ordering, spec=spec)


def position(frame: Frame) -> Tree:
    """The order of a frame's rows."""
    return sqlx.column(frame.rows_.rel.token, "_pos")


def known_keys(keys: list[Sym], tree: Tree) -> Tree:
    """A window's value, missing where a key is missing."""
    absent = [sql("_1 IS NOT NULL", k.sql) for k in keys if k.null]
    return sqlx.case(sqlx.conjunction(absent), tree, exp.null()) if absent else tree


WITHIN_FUNCTIONS: dict[str, Callable] = {}
"""Aggregates with parameters: their kind, made of the arguments."""
WITHIN_METHODS: dict[str, frames.SeriesRule] = {}
"""Methods of a column that look at other rows of its group, where a grouping has none of that name."""
ROLLED: dict[str, Callable] = {}
"""``rolling`` and ``expanding`` of a column within groups."""


def _absent(keys: list[Sym]) -> Tree:
    """Whether a key is missing."""
    tree: Tree = exp.false()
    for key in keys:
        tree = sqlx.disjunction(tree, sql("_1 IS NULL", key.sql)) if key.null else tree
    return tree


@dataclass(frozen=True, eq=False)
class GroupColumn(Library):
    """One column within each group, as the function of a ``transform`` sees it."""

    group: Accessor
    series: Series
    what = "column of a group"

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """A window within the group, else the method of a column."""
        args = [a.series if isinstance(a, GroupColumn) else a for a in args]
        if name in ("rolling", "expanding"):
            group = self._grouped(m)
            frame = ready(m, group, ["within"])
            sym, keys = frames.syms(frame, ["within"])[0], frames.syms(frame, part(group, "keys"))
            made = ROLLED[name](m, frame, sym, keys, args, kwargs)
            return replace(made, methods={n: self._within(rule) for n, rule in made.methods.items()})
        if name in WITHIN_FUNCTIONS:
            return replace(self, series=_windowed(m, self._grouped(m), WITHIN_FUNCTIONS[name](args, kwargs)))
        if name in WITHIN_METHODS:
            return replace(self, series=WITHIN_METHODS[name](m, self._grouped(m), args, kwargs))
        if name in _WITHIN:
            group = self._grouped(m)
            return replace(self, series=groups.GROUPED[name](m, group, args, kwargs))
        if name in WINDOWS and not args and not kwargs:
            return replace(self, series=_windowed(m, self._grouped(m), name))
        made = self.series.method(m, self.series, name, args, kwargs)
        if not isinstance(made, Series):
            raise Refused(f".{name}() of a column of a group")
        return replace(self, series=made)

    def length(self, m: Machine, ref: Value) -> Value:
        """``len(s)``: the rows of the group."""
        return replace(self, series=_windowed(m, self._grouped(m), "size"))

    def _within(self, rule: frames.SeriesRule) -> frames.SeriesRule:
        return lambda m, accessor, args, kwargs: replace(self, series=rule(m, accessor, args, kwargs))

    def _grouped(self, m: Machine) -> Accessor:
        held = m.content(self.group.of)
        frame = held if isinstance(held, Frame) else part(self.group, "frame")
        name = "within"
        frame = frames.assign(m, frame, name, self.series)
        extra = {**dict(self.group.extra), "frame": frame, "columns": name}
        return replace(self.group, extra=tuple(extra.items()))

    def operate(self, m: Machine, op: type[ast.operator], a: Value, b: Value) -> Value:
        """Arithmetic with constants and other columns of the group."""
        x, y = (p.series if isinstance(p, GroupColumn) else p for p in (a, b))
        return replace(self, series=series_rules.operate(m, op, x, y))


_WITHIN = ("shift", "diff", "cumsum", "cummax", "cummin", "rank", "ffill", "bfill", "cumcount")


def _transform(m: Machine, group: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if args and isinstance(args[0], v.Func):
        name = columns_of(group)[0]
        series = Series(part(group, "frame").rows_, frames.syms(part(group, "frame"), [name])[0])
        made = calls.call(m, args[0], [GroupColumn(group, series)], {})
        if not isinstance(made, GroupColumn):
            raise Refused("transform with a function of this kind", 'transform("mean")')
        return _of_known(m, group, made.series)
    kind = args[0].name.rsplit(".", 1)[-1] if args and isinstance(args[0], v.Lib) else args[0] if args else None
    if kind in WITHIN_FUNCTIONS:
        return _windowed(m, group, WITHIN_FUNCTIONS[kind](args[1:], kwargs))
    if kind in frames.FRAME_RULES["transforms"] and len(args) == 1 and not kwargs:
        return frames.FRAME_RULES["transforms"][kind](m, group)
    if kind not in WINDOWS or len(args) != 1 or kwargs:
        raise Refused("transform with this function", 'transform("mean")')
    return _windowed(m, group, kind)


def _of_known(m: Machine, group: Accessor, series: Series) -> Series:
    """What a function says of each row of a group; rows without a key are in none."""
    held = m.content(group.of)
    frame = held if isinstance(held, Frame) else part(group, "frame")
    keys = [k for k in frames.syms(frame, part(group, "keys")) if k.null]
    if not keys:
        return series
    rows, sym = series.rows_, series.sym
    keys = [replace(k, sql=frames.carry(m, rows, frame.rows_, k).sql) for k in keys]
    made = replace(sym, sql=known_keys(keys, sym.sql), null=True, parts=(), choices=())
    if sym.type == "int":
        made = whole.unless(m, rows, replace(made, type="float"), _absent(keys))
    return Series(rows, made)


def _windowed(m: Machine, group: Accessor, kind: str) -> Value:
    name = columns_of(group)[0]
    frame = ready(m, group, [name])
    keys = frames.syms(frame, part(group, "keys"))
    sym = frames.syms(frame, [name])[0]
    level = kind.removeprefix(aggregates.QUANTILE) if kind.startswith(aggregates.QUANTILE) else None
    numeric = aggregates.argument(aggregates.KINDS.get(kind, kind if level else "count"), sym)
    tree = window(sql(WINDOWS[kind] if level is None else f"quantile_cont(_1, {level})", numeric.sql), keys)
    type_ = "int" if kind in ("count", "size", "nunique") else aggregates.result_type(kind, numeric)
    if kind == "sum":
        tree = sql("coalesce(_1, 0)", tree)
        tree = sql("CAST(_1 AS BIGINT)", tree) if type_ == "int" else tree
    null = (
        (sym.null and kind not in ("count", "size", "sum", "nunique"))
        or kind in ("std", "var")
        or any(k.null for k in keys)
    )
    made = Sym(known_keys(keys, tree), type_, null=null, nan=True, name=name)
    if type_ == "int" and any(k.null for k in keys):
        made = whole.unless(m, frame.rows_, replace(made, type="float"), _absent(keys))
    return Series(frame.rows_, made)


def _shifted(m: Machine, frame: Frame, sym: Sym, keys: list[Sym], periods: int, fill: Value = None) -> Series:
    if type(periods) is not int or periods == 0:
        raise Refused("shift by a number that is no constant")
    name = "lag(_1, _2)" if periods > 0 else "lead(_1, _2)"
    function = sql(name if abs(periods) != 1 else name.replace(", _2", ""), sym.sql, sqlx.literal(abs(periods)))
    if fill is not None:
        return frames.FRAME_RULES["shift with a value"](m, frame, sym, keys, periods, fill)
    tree = known_keys(keys, window(function, keys, [position(frame)]))
    if sym.type == "bool":
        raise Refused("shift of a condition", ".astype(int) first")
    kind = "float" if sym.type == "int" else sym.type
    return Series(frame.rows_, Sym(tree, kind, null=True, nan=True, name=sym.name))


def _group_shift(m: Machine, group: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("periods",), "shift", periods=1, fill_value=None)
    name = columns_of(group)[0]
    frame = ready(m, group, [name])
    return _shifted(m, frame, frames.syms(frame, [name])[0], frames.syms(frame, part(group, "keys")), **_steps(chosen))


def _steps(chosen: dict[str, Value]) -> dict[str, Value]:
    fill = chosen["fill_value"]
    return {"periods": chosen["periods"], "fill": None if fill != fill else fill}


def _group_diff(m: Machine, group: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    name = columns_of(group)[0]
    frame = ready(m, group, [name])
    shifted = _group_shift(m, group, args, kwargs)
    return series_rules.operate(m, ast.Sub, Series(shifted.rows_, frames.syms(frame, [name])[0]), shifted)


def _cumcount(m: Machine, group: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    ascending = options(kwargs, args, ("ascending",), "cumcount", ascending=True)["ascending"]
    frame = ready(m, group, [])
    keys = frames.syms(frame, part(group, "keys"))
    order = exp.Ordered(this=position(frame), desc=None if ascending else True, nulls_first=False)
    tree = exp.Window(
        this=exp.RowNumber(), partition_by=[k.sql.copy() for k in keys], order=exp.Order(expressions=[order])
    )
    null = any(k.null for k in keys)
    tree = known_keys(keys, sql("_1 - 1", tree))
    made = Sym(tree, "float" if null else "int", null=null, nan=True, name="cumcount")
    return Series(frame.rows_, whole.unless(m, frame.rows_, made, _absent(keys)) if null else made)


def running(kind: str, template: str) -> frames.SeriesRule:
    """A running aggregate per key."""

    def rule(m: Machine, group: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if args or kwargs:
            raise Refused(f"{kind} with arguments")
        name = columns_of(group)[0]
        frame = ready(m, group, [name])
        return _running(m, frame, frames.syms(frame, [name])[0], frames.syms(frame, part(group, "keys")), template)

    return rule


def _running(m: Machine, frame: Frame, sym: Sym, keys: list[Sym], template: str) -> Series:
    number = series_rules.number(sym)
    kind = "int" if sym.type in ("int", "bool") else "float"
    tree: Tree = window(sql(template, number), keys, [position(frame)], "ROWS UNBOUNDED PRECEDING")
    tree = sql("CAST(_1 AS BIGINT)", tree) if kind == "int" else tree
    if sym.null:
        tree = sqlx.case(sql("_1 IS NOT NULL", sym.sql), tree, exp.null())
    absent = any(k.null for k in keys)
    made = Sym(known_keys(keys, tree), kind, null=sym.null or absent, nan=True, name=sym.name, whole=sym.whole)
    if kind == "int" and absent:
        made = whole.unless(m, frame.rows_, replace(made, type="float"), _absent(keys))
    return Series(frame.rows_, made)


def ranked(frame: Frame, sym: Sym, keys: list[Sym], chosen: dict[str, Value]) -> Series:
    """``rank``: average of ties unless told otherwise; missing values have no rank."""
    descending = not chosen["ascending"]
    parts = [k.sql.copy() for k in keys]
    if sym.null:
        parts.append(sql("_1 IS NULL", sym.sql))
    ordered = [exp.Ordered(this=sym.sql.copy(), desc=descending or None, nulls_first=False)]
    method = chosen["method"]
    if method == "first":
        ordered.append(exp.Ordered(this=position(frame), nulls_first=False))
    function = {"first": "row_number()", "dense": "dense_rank()"}.get(method, "rank()")
    tree: Tree = exp.Window(this=sql(function), partition_by=parts, order=exp.Order(expressions=ordered))
    if method in ("average", "max"):
        ties = exp.Window(this=sql("count(*)"), partition_by=[*[p.copy() for p in parts], sym.sql.copy()])
        tree = sql("_1 + _2 - 1" if method == "max" else "_1 + (_2 - 1) / 2", tree, ties)
    if chosen["pct"]:
        if method == "dense":
            raise Refused("rank(method='dense', pct=True)")
        tree = sql("_1 / _2", exp.Paren(this=tree), exp.Window(this=sql("count(*)"), partition_by=parts))
    tree = sql("CAST(_1 AS DOUBLE)", tree)
    if sym.null:
        tree = sqlx.case(sql("_1 IS NOT NULL", sym.sql), tree, exp.null())
    null = sym.null or any(k.null for k in keys)
    return Series(frame.rows_, Sym(known_keys(keys, tree), "float", null=null, nan=True, name=sym.name))


_RANK = {"method": "average", "ascending": True, "pct": False, "na_option": "keep"}


def _group_rank(m: Machine, group: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, (), "rank", **_RANK)
    frames.only(chosen, "rank", na_option=("keep",), method=("average", "min", "max", "first", "dense"))
    name = columns_of(group)[0]
    frame = ready(m, group, [name])
    return ranked(frame, frames.syms(frame, [name])[0], frames.syms(frame, part(group, "keys")), chosen)


def plain(m: Machine, series: Series) -> tuple[Frame, Sym]:
    """A column's rows as a frame, and the column over it."""
    clean = not series.rows_.where and not series.rows_.joins and frames.is_own(series.rows_, series.sym)
    closed = series if clean else frames.close_series(m, series)
    return Frame(closed.rows_, ()), closed.sym


def _shift(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("periods",), "shift", periods=1, fill_value=None)
    frame, sym = plain(m, series)
    return _shifted(m, frame, sym, [], **_steps(chosen))


def _diff(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    shifted = _shift(m, series, args, kwargs)
    return series_rules.operate(m, ast.Sub, series, shifted)


def _run(template: str) -> frames.SeriesRule:
    def rule(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
        frame, sym = plain(m, series)
        return _running(m, frame, sym, [], template)

    return rule


def _rank(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, (), "rank", **_RANK)
    frame, sym = plain(m, series)
    return ranked(frame, sym, [], chosen)


def _pct_change(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    periods = options(kwargs, args, ("periods",), "pct_change", periods=1, fill_method=None)["periods"]
    frame, sym = plain(m, series)
    before = _shifted(m, frame, sym, [], periods)
    ratio = series_rules.operate(m, ast.Div, Series(frame.rows_, sym), before)
    return series_rules.operate(m, ast.Sub, ratio, 1)


def _group_pct_change(m: Machine, group: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    before = _group_shift(m, group, args, kwargs)
    name = columns_of(group)[0]
    frame = ready(m, group, [name])
    ratio = series_rules.operate(m, ast.Div, Series(frame.rows_, frames.syms(frame, [name])[0]), before)
    return series_rules.operate(m, ast.Sub, ratio, 1)


def _extreme_rows(descending: bool) -> frames.SeriesRule:
    """``df.loc[df.groupby(k)[x].idxmax()]``: the first row with the extreme of each group, by key."""

    def rule(m: Machine, group: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if args or kwargs:
            raise Refused("idxmax with arguments")
        name = columns_of(group)[0]
        frame = ready(m, group, [name])
        keys, sym = frames.syms(frame, part(group, "keys")), frames.syms(frame, [name])[0]
        ordered = [
            exp.Ordered(this=sym.sql.copy(), desc=descending or None, nulls_first=False),
            exp.Ordered(this=position(frame), nulls_first=False),
        ]
        tree = exp.Window(
            this=exp.RowNumber(), partition_by=[k.sql.copy() for k in keys], order=exp.Order(expressions=ordered)
        )
        return Accessor(group.of, "the labels of rows", {}, (("place", tree), ("frame", frame), ("keys", tuple(keys))))

    return rule


WITHIN = {
    "pct_change": _group_pct_change, "idxmax": _extreme_rows(True), "idxmin": _extreme_rows(False),
    "transform": _transform, "shift": _group_shift, "diff": _group_diff, "cumcount": _cumcount,
    "rank": _group_rank, "cumsum": running("cumsum", "sum(_1)"),
    "cummax": running("cummax", "max(_1)"), "cummin": running("cummin", "min(_1)"),
}  # fmt: skip
groups.GROUPED.update(WITHIN)
frames.SERIES_METHODS.update(
    {
        "shift": _shift, "diff": _diff, "cumsum": _run("sum(_1)"), "cummax": _run("max(_1)"),
        "cummin": _run("min(_1)"), "rank": _rank,
        "pct_change": _pct_change,
    }
)  # fmt: skip
