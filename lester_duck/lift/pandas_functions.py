"""Functions given to a grouping: ``agg`` with lambdas, ``apply`` that answers a value or a record, ``filter``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from lester_duck.lift import calls, scalars, sqlx
from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_group as groups
from lester_duck.lift import pandas_series as series_rules
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Accessor, Frame, Rows, Series
from lester_duck.lift.pandas_group_loops import GroupRows, GroupValues
from lester_duck.lift.relations import GroupRel, Join, fresh
from lester_duck.lift.render import column_name
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Refused, Sym, Value


@contextmanager
def each_group(m: Machine, rel: GroupRel) -> Iterator[None]:
    """Inside the block a function is interpreted once for all groups."""
    with series_rules.each_row(m, Rows(rel, fresh("index"))) as query:
        yield
        if query.joins:
            raise Refused("a function of a group that looks something up", "a merge before the grouping")


def aggregated(m: Machine, rel: GroupRel, frame: Frame, column: str, function: Value, name: str) -> Sym:
    """``agg(name=(column, function))``: what the function says of the column of each group."""
    series = Series(frame.rows_, frames.syms(frame, [column])[0])
    with each_group(m, rel):
        made = calls.call(m, function, [GroupValues(GroupRows(rel, frame, alias=rel.token), series)], {})
        sym = scalars.scalar(m.content(made))
    return series_rules.settled(m.expand(sym)).named(column_name(name))


def _rows_of(m: Machine, group: Accessor, rel: GroupRel) -> Value:
    frame = groups.frame_of(m, rel)
    chosen = dict(group.extra).get("columns")
    if isinstance(chosen, str):
        series = Series(frame.rows_, frames.syms(frame, [chosen])[0])
        return GroupValues(GroupRows(rel, frame, alias=rel.token), series)
    if chosen is not None:
        frame = replace(frame, columns=tuple(zip(chosen, frames.syms(frame, list(chosen)), strict=True)))
    return GroupRows(rel, frame, alias=rel.token)


def _apply(m: Machine, group: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = frames.options(kwargs, args, ("func",), "groupby.apply", include_groups=False)
    function = chosen["func"]
    if not isinstance(function, v.Func | v.Lib):
        raise Refused("groupby.apply of this", "agg")
    rel, rows, keys = groups.relation(m, group)
    with each_group(m, rel):
        made = m.content(calls.call(m, function, [_rows_of(m, group, rel)], {}))
        if isinstance(made, GroupRows | GroupValues):
            raise Refused("groupby.apply with a function that answers rows", "agg, or a record of numbers")
        record = isinstance(made, v.HDict)
        items = made.items if record else ((None, made),)
        columns = [(n, series_rules.settled(m.expand(scalars.scalar(m.content(x))))) for n, x in items]
    if not record:
        sym = columns[0][1]
        if groups.part(group, "as_index"):
            chosen = dict(group.extra).get("columns")
            return Series(rows, replace(sym, name=chosen if isinstance(chosen, str) else None))
        return groups.result(m, group, rows, keys, [(None, sym)])
    if all(s.type in scalars.NUMERIC for _, s in columns) and any(s.type == "float" for _, s in columns):
        columns = [(n, _float(s)) for n, s in columns]
    return groups.result(m, group, rows, keys, columns)


def _float(sym: Sym) -> Sym:
    return sym if sym.type == "float" else replace(sym, sql=sql("CAST(_1 AS DOUBLE)", sym.sql), type="float")


def _filter(m: Machine, group: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if len(args) != 1 or kwargs or not isinstance(args[0], v.Func):
        raise Refused("groupby.filter with these arguments", "groupby.filter(lambda g: len(g) > 1)")
    rel, _, keys = groups.relation(m, group)
    with each_group(m, rel):
        made = m.content(calls.call(m, args[0], [_rows_of(m, group, rel)], {}))
        kept = scalars.truth(m, made)
    frame = groups.frame_of(m, rel)
    wanted = frames.syms(frame, groups.part(group, "keys"))
    join = Join(fresh("j"), rel, tuple((k, s.sql.name) for k, (_, s) in zip(wanted, keys, strict=True)))
    said = v.rebind(Sym(m.expand_tree(kept), "bool"), rel.token, join.alias).sql
    rows = frames.with_joins(frame.rows_, [join])
    return m.new(replace(frame, what_rows=frames.restricted(rows, sqlx.conjunction([join.present, said]))))


def record(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``pd.Series({...})`` of one row or group: its record; ``MISSING`` for other things."""
    chosen = frames.options(kwargs, args, ("data", "index"), "Series", data=None, index=None, name=None, dtype=None)
    content = m.content(chosen["data"])
    if not m.frames:
        return v.MISSING
    if isinstance(content, v.HDict) and chosen["index"] is None:
        return chosen["data"]
    if isinstance(content, v.HList) and chosen["index"] is not None:
        names = frames.strings(m, chosen["index"])
        return m.new(v.HDict(tuple(zip(names, content.items, strict=True))))
    return v.MISSING


frames.FRAME_RULES["record"] = record
groups.FUNCTIONS["agg"] = aggregated
groups.GROUPED.update(apply=_apply, filter=_filter)
