"""``groupby``: aggregates per key as a grouping view, transforms as windows; shift, rank, rolling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lester_duck.lift import pandas_aggregates as aggregates
from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_series as series_rules
from lester_duck.lift import scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Accessor, Frame, Rows, Series, options
from lester_duck.lift.relations import GroupRel, free_name, fresh
from lester_duck.lift.render import column_name
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Refused, Sym, Value

_AGGREGATES = {
    **aggregates.KINDS, "first": "first_known", "last": "last_known", "size": "count", "any": "max", "all": "min",
}  # fmt: skip
FUNCTIONS: dict[str, Callable] = {}
"""``agg`` with a function of the script."""
WINDOWS = {
    "mean": "avg(_1)", "sum": "sum(_1)", "min": "min(_1)", "max": "max(_1)", "count": "count(_1)",
    "size": "count(*)", "nunique": "count(DISTINCT _1)", "std": "stddev_samp(_1)",
    "var": "var_samp(_1)", "median": "median(_1)",
}  # fmt: skip


def groupby(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``df.groupby(keys)``."""
    chosen = options(kwargs, args, ("by",), "groupby", as_index=True, sort=True, dropna=True, observed=True,
                     group_keys=True)  # fmt: skip
    frames.only(chosen, "groupby", dropna=(True,))
    held = m.content(chosen["by"])
    several = held.items if isinstance(held, v.HList) else held if isinstance(held, tuple) else (chosen["by"],)
    keys: list[str] = []
    labels: list[str] = []
    for key in several:
        frame, name, label = _key(m, frame, m.content(key))
        keys.append(name)
        labels.append(label)
    extra = (("keys", tuple(keys)), ("labels", tuple(labels)), ("as_index", chosen["as_index"]),
             ("sort", chosen["sort"]), ("frame", frame), ("single", not isinstance(held, v.HList)))  # fmt: skip
    return Accessor(ref, "groupby", GROUPED, extra)


def _key(m: Machine, frame: Frame, held: Value) -> tuple[Frame, str, str]:
    """One key of a grouping: the frame that has it as a column, that column's name, and what the result calls it."""
    if not isinstance(held, Series):
        if isinstance(held, v.Func | v.Lib | v.HDict):
            raise Refused("groupby by a function of the index", "a column of the frame as the key")
        name = frames.constant(m, held)
        frames.syms(frame, [name])
        return frame, name, name
    known = {column_name(str(n)): n for n, x in frame.columns if isinstance(x, Sym)}
    label = known.get(held.sym.name, held.sym.name) or "key"
    if label in frame.names:
        own = dict(frame.columns)[label]
        if isinstance(own, Sym) and held.rows_ is frame.rows_ and sqlx.text(own.sql) == sqlx.text(held.sym.sql):
            return frame, label, label
        name = free_name(f"{label}_key", set(frame.names))
        return frames.assign(m, frame, name, held), name, label
    return frames.assign(m, frame, label, held), label, label


def _series_groupby(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    by = m.content(options(kwargs, args, ("by",), "groupby")["by"])
    if not isinstance(by, Series):
        raise Refused("groupby of a Series by this", "df.groupby(key)[column]")
    name, key = series.sym.name or "value", by.sym.name or "key"
    rows, x, k = series_rules.pair(m, series, by)
    ref = m.new(Frame(rows, ((key, k), (name, x))))
    return _picked(m, groupby(m, ref, m.content(ref), [key], {}), name)


def part(group: Accessor, name: str) -> Value:
    """A parameter of a grouping."""
    return dict(group.extra)[name]


def _picked(m: Machine, group: Accessor, index: Value) -> Value:
    names = frames.constant(m, index)
    group = _present(m, group)
    return replace(group, extra=(*group.extra, ("columns", names)))


def _present(m: Machine, group: Accessor) -> Accessor:
    """The grouping over the columns that its frame has by now; the keys are those of when it was made."""
    frame: Frame = part(group, "frame")
    held = m.content(group.of) if isinstance(group.of, v.Ref) else None
    if not isinstance(held, Frame) or held.rows_.part is not None or held.rows_.labels != frame.rows_.labels:
        return group
    known = dict(frame.columns)
    later = frames.between(held.rows_.rel, frame.rows_.rel)
    if later is None or all(known.get(n) is x for n, x in held.columns):
        return group
    chosen = [sqlx.text(c) for rows in (*[r.query for r in later], held.rows_) for c in rows.where]
    if sorted(chosen) != sorted(sqlx.text(c) for c in frame.rows_.where):
        return group
    names = []
    for key, label in zip(part(group, "keys"), part(group, "labels"), strict=True):
        sym = frames.carry(m, held.rows_, frame.rows_, frames.syms(frame, [key])[0])
        own = dict(held.columns).get(key)
        if isinstance(own, Sym) and sqlx.text(own.sql) == sqlx.text(sym.sql):
            names.append(key)
        else:
            names.append(free_name(f"{label}_key", set(held.names)))
            held = frames.put(held, names[-1], frames.named(m, names[-1], sym))
    return replace(group, extra=tuple({**dict(group.extra), "keys": tuple(names), "frame": held}.items()))


def columns_of(group: Accessor) -> list[str]:
    chosen = dict(group.extra).get("columns")
    if chosen is None:
        return [n for n, x in part(group, "frame").columns if n not in part(group, "keys") and isinstance(x, Sym)]
    return [chosen] if isinstance(chosen, str) else list(chosen)


def relation(m: Machine, group: Accessor) -> tuple[GroupRel, Rows, list[tuple[str, Sym]]]:
    """The grouping view, its rows indexed by key, and its key columns."""
    frame: Frame = part(group, "frame")
    names, labels = part(group, "keys"), part(group, "labels")
    keys = frames.syms(frame, names)
    if frame.rows_.part is not None:
        raise Refused("a grouping of a part of a split", "the grouping before the split")
    if any(frames.windowed(m, x.sql) for _, x in frame.columns if isinstance(x, Sym)):
        frame = close_group(m, group, frame)
        keys = frames.syms(frame, names)
    rel = _relation(frame, labels, keys, frames.title_of(m, group.of, frame), m.line)
    rel.ordered = bool(part(group, "sort"))
    m.files["frame of", rel.token] = frame
    shown = [
        (n, replace(k, sql=sqlx.column(rel.token, column_name(str(n))), null=False, parts=(), choices=(), line=None))
        for n, k in zip(labels, keys, strict=True)
    ]
    rows = Rows(rel, fresh("index"), index="keys", keys=tuple(shown), since=m.line, title=rel.name)
    return rel, rows, shown


def _relation(frame: Frame, names: list[str], keys: list[Sym], title: str, line: int) -> GroupRel:
    """One row per key that is not missing."""
    query = frame.rows_.query()
    for key in keys:
        if key.null:
            query.where = (*query.where, sql("_1 IS NOT NULL", key.sql))
    return GroupRel(
        name=f"{title}_by_{column_name(str(names[0]))}", what=f"{title} per {', '.join(map(str, names))}",
        lines=(line, line), query=query,
        keys=tuple((column_name(str(n)), replace(k, null=False)) for n, k in zip(names, keys, strict=True)),
    )  # fmt: skip


def frame_of(m: Machine, rel: GroupRel) -> Frame:
    """The frame whose rows a grouping groups, as it is said in the grouping."""
    return m.files["frame of", rel.token]


def _place(rows: Rows, keys: tuple[Sym, ...]) -> tuple:
    where = tuple(sqlx.text(c) for c in rows.where)
    return ("groups", rows.rel.token, where, tuple(j.alias for j in rows.joins), *[sqlx.text(k.sql) for k in keys])


def remember(m: Machine, rel: GroupRel, rows: Rows) -> None:
    """Note which rows a grouping groups: the rows of one key are asked of it."""
    m.files.setdefault(_place(rows, tuple(k for _, k in rel.keys)), rel)


def grouping(m: Machine, frame: Frame, keys: tuple[Sym, ...], missing_too: bool = False) -> GroupRel:
    """The grouping of a frame's rows by some columns, made once; without the rows whose key is missing or with."""
    if frame.rows_.part is not None:
        raise Refused("a grouping of a part of a split", "the grouping before the split")
    place = (*_place(frame.rows_, keys), *(["missing too"] if missing_too else []))
    if missing_too:
        keys = tuple(replace(k, null=False) for k in keys)
    if place not in m.files:
        names = [k.name or f"key_{i + 1}" for i, k in enumerate(keys)]
        m.files[place] = _relation(frame, names, list(keys), frame.rows_.title or frame.rows_.rel.name, m.line)
    return m.files[place]


def close_group(m: Machine, group: Accessor, frame: Frame) -> Frame:
    """The grouped frame closed, once for all uses of the grouping: the script's own, when it added no column."""
    place = ("grouped", id(frame))
    if place not in m.files:
        m.files[place] = (frame, _closed_group(m, group, frame))
    return m.files[place][1]


def _closed_group(m: Machine, group: Accessor, frame: Frame) -> Frame:
    held = m.content(group.of)
    title = frames.title_of(m, group.of, frame)
    made = frames.closed(m, frame, title)
    if not isinstance(held, Frame) or not isinstance(group.of, v.Ref) or held.rows_ is not frame.rows_:
        return made
    made = replace(made, what_rows=replace(made.rows_, owner=group.of.id))
    own = tuple((n, x) for n, x in made.columns if n in held.names)
    m.update(group.of, replace(made, columns=own))
    return made


def aggregated(m: Machine, rel: GroupRel, frame: Frame, column: str | None, kind: Value, name: str) -> Sym:
    """A column of the grouping: ``kind`` over a column of the frame."""
    if isinstance(kind, v.Func) and column is not None:
        return FUNCTIONS["agg"](m, rel, frame, column, kind, name)
    if isinstance(kind, v.Lib):
        kind = kind.name.rsplit(".", 1)[-1]
    kind = {"amin": "min", "amax": "max", "len": "size"}.get(kind, kind) if isinstance(kind, str) else kind
    known = isinstance(kind, str) and (kind in _AGGREGATES or kind.startswith(aggregates.QUANTILE))
    if not known:
        said = kind if isinstance(kind, str) else scalars.kind_name(kind)
        raise Refused(f"the aggregate {said}", "count, nunique, sum, mean, min, max, median, std, first, last, size")
    code = _AGGREGATES.get(kind, kind)
    if code == "count" or column is None:
        made = rel.require("count", None, "int", name)
        return replace(made, nan=True)
    sym = frames.syms(frame, [column])[0]
    argument = sym if code in ("first_known", "last_known") else aggregates.argument(code, sym)
    if code == "sum" and argument.type in ("int", "float"):
        code = "sum" if argument.type == "int" and not argument.null else "sum_known"
    type_ = aggregates.result_type(code, argument)
    made = rel.require(code, argument, type_, name)
    null = (sym.null and type_ != "int") or code in ("std_sample", "var_sample")
    kept = sym.whole if code in ("sum_known", "min", "max", "first_known", "last_known") else None
    return replace(made, null=null, nan=True, type=type_, whole=kept)


def _agg(m: Machine, group: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    rel, rows, keys = relation(m, group)
    frame = frame_of(m, rel)
    made: list[tuple[Value, Value]] = []
    single = isinstance(dict(group.extra).get("columns"), str)
    if kwargs and not args:
        for name, spec in kwargs.items():
            held = m.content(spec)
            column, kind = held if isinstance(held, tuple) else (columns_of(group)[0], held)
            made.append((name, aggregated(m, rel, frame, column, kind, name)))
    else:
        held = m.content(args[0] if args else kwargs["func"])
        if isinstance(held, v.HDict):
            listed = [isinstance(m.content(kind), v.HList) for _, kind in held.items]
            for column, kind in held.items:
                kinds = m.content(kind)
                for one in kinds.items if isinstance(kinds, v.HList) else (kinds,):
                    label = _label(one)
                    shown = f"{column}_{label}" if any(listed) else column
                    sym = aggregated(m, rel, frame, column, one, shown)
                    made.append(((column, label) if any(listed) else column, sym))
        elif isinstance(held, v.HList):
            for column in columns_of(group):
                for kind in held.items:
                    label = _label(kind)
                    shown = label if single else f"{column}_{label}"
                    sym = aggregated(m, rel, frame, column, kind, shown)
                    made.append((label if single else (column, label), sym))
        elif isinstance(held, v.Func):
            made = [(n, aggregated(m, rel, frame, n, held, n)) for n in columns_of(group)]
            if single and part(group, "as_index"):
                return Series(rows, made[0][1])
        else:
            return reduced(m, group, held)
    return result(m, group, rows, keys, made)


def _label(kind: Value) -> str:
    """What a column is called after the aggregate it holds."""
    if isinstance(kind, v.Func):
        return "<lambda_0>" if kind.name == "<lambda>" else kind.name
    return kind if isinstance(kind, str) else kind.name.rsplit(".", 1)[-1]


def result(m: Machine, group: Accessor, rows: Rows, keys: list, made: list) -> Value:
    """Aggregates per key as a frame, indexed by key unless told otherwise."""
    titled = [(n, s.named(column_name("_".join(map(str, n)) if isinstance(n, tuple) else str(n)))) for n, s in made]
    if part(group, "as_index"):
        return m.new(Frame(rows, tuple(titled)))
    return m.new(Frame(replace(rows, index="range", keys=()), (*keys, *titled)))


def reduced(m: Machine, group: Accessor, kind: Value) -> Value:
    """One aggregate of one column (a Series) or of several (a frame)."""
    rel, rows, keys = relation(m, group)
    frame = frame_of(m, rel)
    columns = dict(group.extra).get("columns")
    if kind == "size":
        made = aggregated(m, rel, frame, None, "size", "size")
        if part(group, "as_index"):
            return Series(rows, replace(made, name=None))
        return result(m, group, rows, keys, [("size", made)])
    if isinstance(columns, str):
        made = aggregated(m, rel, frame, columns, kind, columns)
        if part(group, "as_index"):
            return Series(rows, made.named(column_name(columns)))
        return result(m, group, rows, keys, [(columns, made)])
    return result(m, group, rows, keys, [(n, aggregated(m, rel, frame, n, kind, n)) for n in columns_of(group)])


def _reduce(kind: str) -> frames.SeriesRule:
    def rule(m: Machine, group: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if args or set(kwargs) - {"numeric_only"}:
            raise Refused(f"groupby.{kind} with arguments")
        return reduced(m, group, kind)

    return rule


def _value_counts(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """How often each value occurs, the most frequent first."""
    chosen = options(kwargs, args, ("normalize", "sort"), "value_counts", normalize=False, dropna=True, sort=True,
                     ascending=False)  # fmt: skip
    frames.only(chosen, "value_counts", normalize=(False, True), dropna=(True,), ascending=(False,))
    name = series.sym.name or "value"
    ref = m.new(Frame(series.rows_, ((name, series.sym),)))
    group = groupby(m, ref, m.content(ref), [name], {"sort": False})
    counted = reduced(m, replace(group, of=ref), "size")
    rel = counted.rows_.rel
    if chosen["sort"] is not False:
        rel.largest = rel.aggregates[-1].name
    if chosen["normalize"] is not True:
        return replace(counted, sym=replace(counted.sym, name="count"))
    total = sql("_1 / sum(_1) OVER ()", counted.sym.sql)
    return replace(counted, sym=Sym(total, "float", nan=True, name="proportion"))


def _unique(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """The values in order of first appearance; what the script does with them asks for the rows of each."""
    series = _of_closed(m, series)
    if series.sym.null:
        frames.owe(m, series.rows_, sql("_1 IS NULL", series.sym.sql), "a missing value among the unique ones")
    name = series.sym.name or "value"
    ref = m.new(Frame(series.rows_, ((name, series.sym),)))
    group = groupby(m, ref, m.content(ref), [name], {"sort": False})
    rel, rows, keys = relation(m, group)
    remember(m, rel, series.rows_)
    return Series(replace(rows, index="range", keys=()), keys[0][1])


def _of_closed(m: Machine, series: Series) -> Series:
    """The series of its frame as rows of their own, where other columns of the frame look at other rows."""
    owner = m.state.heap.get(series.rows_.owner) if series.rows_.owner is not None else None
    if not isinstance(owner, Frame) or owner.rows_.labels != series.rows_.labels or owner.rows_.part is not None:
        return series
    if not any(isinstance(x, Sym) and frames.windowed(m, x.sql) for _, x in owner.columns):
        return series
    made = frames.close(m, v.Ref(series.rows_.owner), owner)
    return Series(made.rows_, frames.carry(m, made.rows_, series.rows_, series.sym))


GROUPED = {
    "[]": _picked, "agg": _agg, "aggregate": _agg,
    "attribute": lambda m, group, name: (
        _picked(m, group, name) if name in part(_present(m, group), "frame").names else v.Method(group, name)
    ),
    **{kind: _reduce(kind) for kind in _AGGREGATES if kind not in ("any", "all")},
}  # fmt: skip
frames.FRAME_METHODS["groupby"] = groupby
frames.SERIES_METHODS.update({"groupby": _series_groupby, "value_counts": _value_counts, "unique": _unique})
