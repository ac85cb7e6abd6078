"""Some rows of a frame: the first of each group, the largest ones, the last ones."""

from __future__ import annotations

from dataclasses import replace

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_group as groups
from lester_duck.lift import pandas_methods as method_rules
from lester_duck.lift import pandas_windows as windows
from lester_duck.lift import sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Accessor, Frame, Series, options
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Poison, Refused, Sym, Value


def kept(m: Machine, frame: Frame, title: str, place: Sym, condition: sqlx.Tree) -> Frame:
    """The rows whose ``place`` (a window over the frame) satisfies a condition on the column ``place``."""
    step = frames.closed(m, frames.put(frame, "place", place), f"{title}_places")
    found = dict(step.columns)["place"].sql
    said = sqlx.replace(condition, lambda n: found if isinstance(n, sqlx.exp.Column) and n.name == "place" else None)
    rows = frames.restricted(step.rows_, said)
    return Frame(rows, tuple((n, x) for n, x in step.columns if n != "place"))


def _of_each(last: bool) -> frames.SeriesRule:
    def rule(m: Machine, group: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
        n = options(kwargs, args, ("n",), "groupby.head", n=5)["n"]
        if type(n) is not int or n < 0:
            raise Refused("groupby.head of this number", "groupby(key).head(n)")
        frame = windows.ready(m, group, [])
        keys = frames.syms(frame, groups.part(group, "keys"))
        tree = method_rules.numbered(frame, keys, descending=last)
        condition = sql("place <= _1", sqlx.literal(n))
        known = [sql("_1 IS NOT NULL", k.sql) for k in keys if k.null]
        if known:
            tree = sqlx.case(sqlx.conjunction(known), tree, sqlx.literal(n + 1))
        made = kept(m, frame, frames.title_of(m, group.of, frame), Sym(tree, "int", name="place"), condition)
        chosen = dict(group.extra).get("columns")
        if isinstance(chosen, str):
            return Series(made.rows_, frames.syms(made, [chosen])[0])
        return m.new(made)

    return rule


def _largest(descending: bool) -> frames.FrameRule:
    def rule(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
        chosen = options(kwargs, args, ("n", "columns"), "nlargest", n=5, keep="first")
        frames.only(chosen, "nlargest", keep=("first",))
        names = frames.strings(m, chosen["columns"])
        for sym in frames.syms(frame, names):
            if sym.null:
                frames.owe(m, frame.rows_, sql("_1 IS NULL", sym.sql), "a missing value among the largest")
        order = tuple((s, descending) for s in frames.syms(frame, names))
        made = method_rules.sorted_frame(m, ref, frame, order)
        return m.new(_first(m, made, frames.title_of(m, ref, frame), chosen["n"]))

    return rule


def _first(m: Machine, frame: Frame, title: str, n: Value, last: bool = False) -> Frame:
    if type(n) is not int or n < 0:
        raise Refused("a number of rows that depends on rows", "head(n)")
    tree = method_rules.numbered(frame, [], descending=last)
    return kept(m, frame, title, Sym(tree, "int", name="place"), sql("place <= _1", sqlx.literal(n)))


def _tail(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    n = options(kwargs, args, ("n",), "tail", n=5)["n"]
    made = frames.close(m, ref, frame)
    return m.new(_first(m, made, frames.title_of(m, ref, frame), n, last=True))


def _series_largest(descending: bool) -> frames.SeriesRule:
    def rule(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
        n = options(kwargs, args, ("n",), "nlargest", n=5)["n"]
        if series.sym.null:
            frames.owe(m, series.rows_, sql("_1 IS NULL", series.sym.sql), "a missing value among the largest")
        name = series.sym.name or "value"
        frame = Frame(series.rows_, ((name, series.sym),))
        made = _first(m, method_rules.sorted_frame(m, series, frame, ((series.sym, descending),)), name, n)
        return Series(made.rows_, replace(made.columns[0][1], name=series.sym.name))

    return rule


def first_keys(m: Machine, series: Series, n: Value, last: bool = False) -> Series:
    """The first or last ``n`` of a value per key, in the order of the keys, or of how often they occur."""
    name = series.sym.name or "value"
    frame = Frame(series.rows_, ((name, series.sym),))
    title = series.rows_.title or series.rows_.rel.name
    made = _first(m, frame, title, n, last)
    known = {sqlx.text(k.sql): own for (_, k), (_, own) in zip(series.rows_.keys, made.rows_.keys, strict=True)}
    return Series(made.rows_, known.get(sqlx.text(series.sym.sql), replace(made.columns[0][1], name=series.sym.name)))


def _series_first(last: bool) -> frames.SeriesRule:
    def rule(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
        n = options(kwargs, args, ("n",), "head", n=5)["n"]
        if series.rows_.index == "keys" and series.rows_.part is None:
            return first_keys(m, series, n, last)
        if last:
            raise Refused("the last values of a column", "df.tail(n)")
        return Series(frames.FRAME_RULES["slice"](m, series.rows_, slice(None, n)), series.sym)

    return rule


def _shown(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    return Poison("statistics of a column, for reading only", m.line)


def _frame_of(m: Machine, series: Series, ref: Value) -> tuple[Value, Frame]:
    made = m.new(Frame(series.rows_, ((series.sym.name or "0", series.sym),)))
    return made, m.content(made)


def _to_csv(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    ref, frame = _frame_of(m, series, None)
    return frames.FRAME_METHODS["to_csv"](m, ref, frame, args, kwargs)


def _sort_index(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, (), "sort_index", ascending=True, inplace=False)
    if frame.rows_.index != "keys":
        raise Refused("sort_index of positions", "sort_values")
    order = tuple((k, not chosen["ascending"]) for _, k in frame.rows_.keys)
    return method_rules.answer(m, ref, method_rules.sorted_frame(m, ref, frame, order), chosen["inplace"])


def _series_sort_index(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    ref, frame = _frame_of(m, series, None)
    made = m.content(_sort_index(m, ref, frame, args, kwargs))
    return Series(made.rows_, replace(made.columns[0][1], name=series.sym.name))


groups.GROUPED.update(head=_of_each(False), tail=_of_each(True))
frames.FRAME_METHODS.update(
    nlargest=_largest(True), nsmallest=_largest(False), tail=_tail, sort_index=_sort_index,
)  # fmt: skip
frames.FRAME_RULES["first keys"] = first_keys
frames.SERIES_METHODS.update(
    nlargest=_series_largest(True), nsmallest=_series_largest(False), describe=_shown, to_csv=_to_csv,
    sort_index=_series_sort_index, head=_series_first(False), tail=_series_first(True),
)  # fmt: skip
