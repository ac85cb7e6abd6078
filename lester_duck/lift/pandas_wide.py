"""Wide tables: ``pivot_table``, ``pivot``, ``crosstab``, ``unstack``; one-hot columns as columns of a frame.

Their columns are the values that were observed; a check holds the data to them.
"""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import pandas_aggregates as aggregates
from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_group as groups
from lester_duck.lift import pandas_observed as observed
from lester_duck.lift import pandas_whole as whole
from lester_duck.lift import sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Block, Frame, Rows, Series, options
from lester_duck.lift.pandas_functions import each_group
from lester_duck.lift.pandas_group_loops import GroupRows, GroupValues
from lester_duck.lift.relations import GroupRel, free_name
from lester_duck.lift.render import column_name
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Refused, Sym, Value

_NEAREST = "a column read from a file"


def _known_values(m: Machine, series: Series, what: str) -> list[Value]:
    values = observed.values_of(m, series)
    if values is None:
        raise Refused(f"{what} by a column whose values are not those of a file", _NEAREST)
    observed.owe_values(m, series, values, f"a value that makes another column of {what}")
    order = series.sym.categories
    return values if order is None or not set(values) <= set(order) else [x for x in order if x in values]


def _grouped(m: Machine, ref: Value, frame: Frame, index: list[str]) -> tuple[GroupRel, Rows, list, Frame]:
    group = groups.groupby(m, ref, frame, [index[0] if len(index) == 1 else frame_list(m, index)], {})
    rel, rows, keys = groups.relation(m, group)
    return rel, rows, keys, groups.frame_of(m, rel)


def frame_list(m: Machine, names: list[str]) -> Value:
    """A list of names, as the script would hold it."""
    return m.new(v.HList(tuple(names)))


def spread(
    m: Machine, ref: Value, frame: Frame, index: list[str], by: str, value: str | list[str] | None, kind: str,
    fill: Value,
) -> Frame:
    """One row per key of ``index``, one column per value of ``by``: an aggregate of ``value``.

    Of several values come the columns of the first, then those of the next, named by both.
    """
    series = Series(frame.rows_, frames.syms(frame, [by])[0])
    if series.sym.null:
        frames.owe(m, frame.rows_, sql("_1 IS NULL", series.sym.sql), f"a missing {by}, which has no column")
    values = _known_values(m, series, "a pivot")
    rel, rows, keys, held = _grouped(m, ref, frame, index)
    del keys
    key = frames.syms(held, [by])[0]
    columns: list[tuple[Value, Value]] = []
    with each_group(m, rel):
        for wanted in value if isinstance(value, list) else [value]:
            for one in values:
                group = GroupRows(rel, held, where=observed.is_one(key, one), alias=rel.token)
                name = (wanted, one) if isinstance(value, list) else one
                columns.append((name, _cell(m, group, held, wanted, kind, one)))
    made = []
    for one, cell in columns:
        sym = m.expand(cell)
        if fill is not None and sym.null:
            sym = replace(sym, sql=sql("coalesce(_1, _2)", sym.sql, sqlx.literal(fill)), null=False)
            sym = replace(sym, whole=() if sym.whole is not None and type(fill) is int else None)
        elif sym.whole is not None:
            sym = whole.unless(m, rows, replace(sym, whole=()))
        shown = "_".join(map(str, one)) if isinstance(one, tuple) else str(one)
        made.append((one, sym.named(column_name(shown))))
    return Frame(rows, tuple(made), by)


def _cell(m: Machine, group: GroupRows, frame: Frame, value: str | None, kind: str, one: Value) -> Sym:
    name = column_name(str(one))
    if value is None or kind in ("size", "len"):
        return replace(group.length(m, group), name=name)
    source = frames.syms(frame, [value])[0]
    values = GroupValues(group, Series(frame.rows_, source))
    if kind == "count":
        return values.reduced(m, "count")
    if kind == "first":
        argument = replace(source, sql=sqlx.case(group.where, source.sql, sqlx.exp.null()), null=True, parts=())
        made = group.aggregate(m, "first_known", argument, source.type, name)
        return _float(replace(made, null=True), source)
    if kind not in aggregates.KINDS:
        raise Refused(f"a pivot with {kind}", "sum, mean, count, min, max, first")
    made = values.reduced(m, kind)
    if kind == "sum":  # a cell without rows is missing, not 0
        some = group.length(m, group)
        made = replace(made, sql=sqlx.case(sql("_1 > 0", some.sql), made.sql, sqlx.exp.null()), null=True)
        return _float(made, source)
    return replace(_float(made, source), null=True) if kind in ("min", "max") else replace(made, null=True)


def _float(made: Sym, source: Sym) -> Sym:
    if not whole.is_exact(source):
        return replace(made, whole=None)
    tree = made.sql if made.type == "float" else sql("CAST(_1 AS DOUBLE)", made.sql)
    return replace(made, sql=tree, type="float", whole=())


def _pivot_table(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("values", "index", "columns", "aggfunc"), "pivot_table", values=None, index=None,
                     columns=None, aggfunc="mean", fill_value=None, observed=True)  # fmt: skip
    index, by = frames.strings(m, chosen["index"]), frames.constant(m, chosen["columns"])
    value = frames.constant(m, chosen["values"])
    value = value[0] if isinstance(value, list) and len(value) == 1 and by is None else value
    kind = chosen["aggfunc"]
    kind = kind if isinstance(kind, str) else getattr(kind, "name", "").rsplit(".", 1)[-1]
    by = by[0] if isinstance(by, list) and len(by) == 1 else by
    fill = frames.constant(m, chosen["fill_value"])
    if isinstance(by, str) and isinstance(value, list) and all(isinstance(x, str) for x in value):
        return m.new(spread(m, ref, frame, index, by, sorted(value), kind, fill))
    if not isinstance(by, str) or not isinstance(value, str):
        raise Refused("pivot_table with these arguments", 'pivot_table(index="a", columns="b", values="c")')
    return m.new(spread(m, ref, frame, index, by, value, kind, fill))


def _pivot(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, (), "pivot", index=None, columns=None, values=None)
    index, by, value = (frames.constant(m, chosen[n]) for n in ("index", "columns", "values"))
    if not all(isinstance(x, str) for x in (index, by, value)):
        raise Refused("pivot with these arguments", 'pivot(index="a", columns="b", values="c")')
    made = spread(m, ref, frame, [index], by, value, "first", None)
    _once(m, made, [index, by])
    return m.new(made)


def crosstab(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``pd.crosstab(a, b)``: how often each pair occurs."""
    chosen = options(kwargs, args, ("index", "columns"), "crosstab", normalize=False)
    frames.only(chosen, "crosstab", normalize=(False, "index"))
    a, b = m.content(chosen["index"]), m.content(chosen["columns"])
    if not isinstance(a, Series) or not isinstance(b, Series):
        raise Refused("crosstab of this", "pd.crosstab(df.a, df.b)")
    rows, x, y = frames.both(m, a, b)
    index, by = a.sym.name or "row_0", b.sym.name or "col_0"
    owner = Rows(rows.rel, rows.labels, rows.where, rows.joins, rows.index, rows.keys, title=rows.title)
    ref = m.new(Frame(owner, ((index, x), (by, y))))
    made = spread(m, ref, m.content(ref), [index], by, None, "size", 0)
    return m.new(_shares(made) if chosen["normalize"] else made)


def _shares(frame: Frame) -> Frame:
    """Counts as shares of their row."""
    total = exp.Literal.number(0)
    for sym in frames.syms(frame, frame.names):
        total = sql("_1 + _2", total, sym.sql) if not isinstance(total, exp.Literal) else sym.sql
    share = [(n, replace(s, sql=sql("_1 / _2", s.sql, exp.Paren(this=total)), type="float", whole=None)) for n, s in
             zip(frame.names, frames.syms(frame, frame.names), strict=True)]  # fmt: skip
    return replace(frame, columns=tuple(share))


def _unstack(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("level",), "unstack", level=-1, fill_value=None)
    keys = series.rows_.keys
    names, level = [n for n, _ in keys], chosen["level"]
    if type(level) is int and -len(keys) <= level < len(keys) and level not in names:
        level = names[level]
    if series.rows_.index != "keys" or len(keys) < 2 or names.count(level) != 1:
        raise Refused("unstack of this", "groupby of two keys, then unstack()")
    value = series.sym.name or "value"
    value = free_name(value, set(names))
    columns = (*keys, (value, series.sym))
    ref = m.new(Frame(replace(series.rows_, index="range", keys=()), columns))
    index = [n for n in names if n != level]
    fill = frames.constant(m, chosen["fill_value"])
    made = spread(m, ref, m.content(ref), index, level, value, "first", fill)
    if not frames.FRAME_RULES["unique index"](series.rows_.rel, len(keys)):
        _once(m, made, [*index, level])
    return m.new(made)


def _frame_unstack(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """One column per column and value of a key, which pandas names by both."""
    chosen = options(kwargs, args, ("level",), "unstack", level=-1, fill_value=None)
    keys, rows = frame.rows_.keys, frame.rows_
    names = [n for n, _ in keys]
    level = names[chosen["level"]] if chosen["level"] in (-1, len(keys) - 1) and len(keys) > 1 else chosen["level"]
    if rows.index != "keys" or len(keys) < 2 or names.count(level) != 1 or not frame.columns:
        raise Refused("unstack of this frame", 'df.set_index(["a", "b"])[["x"]].unstack("b")')
    ref = m.new(Frame(replace(rows, index="range", keys=()), (*keys, *frame.columns)))
    index = [n for n in names if n != level]
    fill = frames.constant(m, chosen["fill_value"])
    made = spread(m, ref, m.content(ref), index, level, frame.names, "first", fill)
    _once(m, made, [*index, level])
    return m.new(made)


def _once(m: Machine, made: Frame, names: list[str]) -> None:
    """A cell has one value at the most: pandas refuses two."""
    held = groups.frame_of(m, made.rows_.rel)
    pair = groups.grouping(m, held, tuple(frames.syms(held, names)))
    total = m.whole("max", pair, pair.require("count", None, "int", "n"), "int")
    m.asserted.append((sql("_1 > 1", total.sql), m.line))


# -- one-hot columns ------------------------------------------------------------------------------------------


def expanded(m: Machine, frame: Frame) -> Frame:
    """The frame with its one-hot blocks as columns of their own."""
    if not any(isinstance(x, Block) and x.prefix is not None for _, x in frame.columns):
        return frame
    columns: list[tuple[Value, Value]] = []
    for name, value in frame.columns:
        known = isinstance(value, Block) and value.prefix is not None
        columns += _dummies(m, frame, value) if known else [(name, value)]
    return replace(frame, columns=tuple(columns))


def _dummies(m: Machine, frame: Frame, block: Block) -> list[tuple[Value, Value]]:
    sym = block.inputs[0]
    params = dict(block.steps[0].params)
    if "categories" in params:
        values = list(params["categories"][0])
    else:
        values = _known_values(m, Series(replace(frame.rows_, part=None), sym), "get_dummies")
    if params.get("drop") == "first":
        values = values[1:]
    made = []
    for one in values:
        tree = observed.is_one(sym, one)
        name = f"{block.prefix}{one}"
        cell = Sym(tree, "bool")
        if block.kind != "bool":
            cell = Sym(sql(f"CAST(_1 AS {_SQL[block.kind]})", tree), block.kind)
        made.append((name, cell.named(column_name(name))))
    return made


_SQL = {"int": "BIGINT", "float": "DOUBLE"}
frames.FRAME_METHODS.update(pivot_table=_pivot_table, pivot=_pivot, unstack=_frame_unstack)
frames.SERIES_METHODS["unstack"] = _unstack
frames.FRAME_RULES["expanded"] = expanded
