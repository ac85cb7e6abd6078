"""Methods of a frame that keep its rows, choose among them or order them."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import lookups, sqlx
from lester_duck.lift import pandas_cells as cells
from lester_duck.lift import pandas_columns as column_rules
from lester_duck.lift import pandas_dropped as dropped
from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_places as places
from lester_duck.lift import pandas_select as select_rules
from lester_duck.lift import pandas_series as series_rules
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Block, Frame, Series, options
from lester_duck.lift.relations import fresh
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Poison, Refused, Sym, Value


def answer(m: Machine, ref: Value, made: Frame, inplace: Value) -> Value:
    """The result of a method: a new frame, or the old one changed."""
    if inplace is True:
        m.update(ref, made)
        return None
    return m.new(made)


def _copy(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    return m.new(frame)


def _numpy(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    return frames.FRAME_RULES["array"](m, frame)


def _assign(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    made = m.new(frame)
    for name, value in kwargs.items():
        if isinstance(value, v.Func):
            value = frames_call(m, value, [made])
        m.update(made, select_rules.with_column(m, m.content(made), name, value))
    return made


def frames_call(m: Machine, function: Value, args: list[Value]) -> Value:
    """A function of the script called with frames."""
    from lester_duck.lift import calls

    return calls.call(m, function, args, {})


def _pipe(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    from lester_duck.lift import calls

    return calls.call(m, args[0], [ref, *args[1:]], kwargs)


def row_shape(frame: Frame) -> v.Rec:
    """A row as ``iterrows`` gives it: numbers of different kinds in a frame of numbers become floats."""
    columns = [(n, s) for n, s in frame.columns if isinstance(s, Sym)]
    kinds = {s.type for _, s in columns}
    if kinds <= {"int", "float"} and len(kinds) == 2:
        columns = [(n, column_rules.floating(s)) for n, s in columns]
    return v.Rec(tuple((n, replace(s, name=s.name or str(n))) for n, s in columns), "row")


def _apply(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("func", "axis"), "apply", axis=0, args=())
    if chosen["axis"] not in (1, "columns"):
        raise Refused("apply to each column", "apply(function, axis=1)")
    rows = frame.rows_
    row = lookups.thaw(m, row_shape(frame))
    extra = list(frames.constant(m, chosen["args"]))
    return series_rules.applied(m, rows, chosen["func"], [row, *extra], {})


def _iterrows(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if cells.label_is_read(m):
        numbered = places.with_index(m, ref, frame)
        made = frames.closed(m, numbered, frames.title_of(m, ref, frame))
        label = made.columns[0][1]
        return v.View(made.rows_.rel, (label, row_shape(replace(made, columns=made.columns[1:]))))
    made = frames.close(m, ref, frame)
    rel = made.rows_.rel
    position = Sym(sqlx.column(rel.token, "#position"), "int", name="position", position=rel.token)
    return v.View(rel, (position, row_shape(made)))


def _itertuples(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("index", "name"), "itertuples", index=True, name="Pandas")
    made = frames.close(m, ref, frame)
    columns = [(n, s) for n, s in made.columns if isinstance(s, Sym)]
    if chosen["name"] is None:
        if chosen["index"]:
            raise Refused("itertuples without a name, with index", "itertuples(index=False, name=None)")
        return v.View(made.rows_.rel, tuple(s for _, s in columns))
    return v.View(made.rows_.rel, v.Rec(tuple((n, replace(s, name=s.name or str(n))) for n, s in columns), "row"))


def _dropna(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, (), "dropna", subset=None, how="any", axis=0, inplace=False, ignore_index=False)
    frames.only(chosen, "dropna", axis=(0, "index"), how=("any", "all"))
    names = frames.strings(m, chosen["subset"]) if chosen["subset"] is not None else frame.names
    tree: exp.Expression = exp.true() if chosen["how"] == "any" else exp.false()
    for sym in frames.syms(frame, names):
        present = sql("_1 IS NOT NULL", sym.sql) if sym.null else exp.true()
        if chosen["how"] == "any":
            tree = sqlx.conjunction([tree, present])
        else:
            tree = sqlx.disjunction(tree, present)
    if isinstance(tree, exp.Boolean) and tree.this:
        made = frame
    else:
        made = frames.filtered(m, ref, frame, Series(frame.rows_, Sym(tree, "bool")))
    if chosen["how"] == "any":
        known = dict(made.columns)
        made = replace(made, columns=tuple(
            (n, replace(s, null=False) if n in names and isinstance(s, Sym) else s) for n, s in known.items()
        ))  # fmt: skip
    if chosen["ignore_index"]:
        made = renumbered(m, ref, made)
    return answer(m, ref, made, chosen["inplace"])


def renumbered(m: Machine, ref: Value, frame: Frame) -> Frame:
    """The frame with a new index 0, 1, 2 ..."""
    rows = frame.rows_
    if rows.index == "range" and not rows.where:
        return frame
    if rows.part is not None:
        return frame
    return replace(frame, what_rows=replace(rows, labels=fresh("index"), index="range", keys=()))


def _reset_index(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("level", "drop"), "reset_index", level=None, drop=False, inplace=False, names=None)
    frames.only(chosen, "reset_index", level=(None,), names=(None,))
    rows = frame.rows_
    if not chosen["drop"]:
        if rows.index != "keys":
            raise Refused("reset_index that keeps positions as a column", "reset_index(drop=True)")
        frame = replace(frame, columns=(*rows.keys, *frame.columns))
    return answer(m, ref, renumbered(m, ref, frame), chosen["inplace"])


def _set_index(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("keys",), "set_index", inplace=False, drop=True)
    names = frames.strings(m, chosen["keys"])
    keys = tuple(zip(names, frames.syms(frame, names), strict=True))
    rest = tuple((n, x) for n, x in frame.columns if n not in names or chosen["drop"] is False)
    rows = replace(frame.rows_, labels=fresh("index"), index="keys", keys=keys)
    return answer(m, ref, Frame(rows, rest), chosen["inplace"])


_TEXT_METHODS = frozenset(f"builtins.str.{n}" for n in ("upper", "lower", "strip", "title", "capitalize"))


def _rename(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("mapper",), "rename", mapper=None, columns=None, axis=None, inplace=False)
    mapping = chosen["columns"] if chosen["columns"] is not None else chosen["mapper"]
    if chosen["columns"] is None and chosen["axis"] not in (1, "columns"):
        raise Refused("rename of rows", "rename(columns={...})")
    if isinstance(mapping, v.Lib) and mapping.name in _TEXT_METHODS:
        rule = getattr(str, mapping.name.rsplit(".", 1)[-1])
        table = {n: rule(n) for n in frame.names}
    elif isinstance(mapping, v.Lib | v.Func | v.Method):
        table = {n: frames_call(m, mapping, [n]) for n in frame.names}
    else:
        table = frames.constant(m, mapping)
    made = tuple((table.get(n, n), _titled(x, table[n]) if n in table else x) for n, x in frame.columns)
    return answer(m, ref, replace(frame, columns=made), chosen["inplace"])


def _titled(value: Value, name: Value) -> Value:
    return value.named(str(name)) if isinstance(value, Sym) else value


def _drop(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("labels",), "drop", labels=None, columns=None, axis=0, inplace=False,
                     index=None, errors="raise")  # fmt: skip
    gone = dropped.rows_of(m.content(chosen["labels"] if chosen["index"] is None else chosen["index"]))
    if gone is not None and chosen["columns"] is None and chosen["axis"] in (0, "index"):
        return answer(m, ref, dropped.without(m, ref, frame, gone), chosen["inplace"])
    given = chosen["columns"] if chosen["columns"] is not None else chosen["labels"]
    if chosen["columns"] is None and chosen["axis"] not in (1, "columns"):
        raise Refused("drop of rows by label", "df.drop(df[mask].index), or df[~mask]")
    if chosen["index"] is not None:
        raise Refused("drop of rows and columns at once", "two calls of drop")
    names = frames.strings(m, given)
    frame = select_rules.explicit(m, frame, names)
    missing = [n for n in names if n not in frame.names]
    if missing and chosen["errors"] == "raise":
        raise Refused(f"the script would fail here: no column {missing[0]!r}")
    made = replace(frame, columns=tuple((n, x) for n, x in frame.columns if n not in names))
    return answer(m, ref, made, chosen["inplace"])


def _fillna(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("value",), "fillna", inplace=False)
    content = m.content(chosen["value"])
    if isinstance(content, v.HDict):
        fills = dict(content.items)
    elif isinstance(content, frames.FRAME_RULES["values"]):
        known = {n for n, _ in content.cells}
        fills = {n: content.get(n) for n, x in frame.columns if n in known and isinstance(x, Sym) and x.null}
    elif isinstance(content, Frame | Series):
        raise Refused("fillna with a value per column from a frame", "one column at a time")
    else:
        fills = {n: chosen["value"] for n, x in frame.columns if isinstance(x, Sym) and x.null}
    for name, value in fills.items():
        series = Series(frame.rows_, dict(frame.columns)[name])
        frame = frames.assign(m, frame, name, column_rules.fill(m, series, value))
    return answer(m, ref, frame, chosen["inplace"])


def _astype(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("dtype",), "astype", copy=True)
    held = m.content(chosen["dtype"])
    types = dict(held.items) if isinstance(held, v.HDict) else dict.fromkeys(frame.names, held)
    for name, wanted in types.items():
        value = dict(frame.columns)[name]
        kind = column_rules.type_name(wanted)
        if isinstance(value, Block):
            if kind not in ("int", "float"):
                raise Refused(f"encoded columns as {kind}")
            frame = frames.put(frame, name, replace(value, kind=kind))
            continue
        series = Series(frame.rows_, value)
        objects = column_rules.is_object(wanted)
        made = column_rules.as_objects(series) if objects else column_rules.cast(m, series, kind)
        frame = frames.put(frame, name, frames.named(m, str(name), made.sym))
    return m.new(frame)


def _replace(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = dict(kwargs)
    inplace = chosen.pop("inplace", False)
    held = m.content(args[0]) if args else None
    nested = isinstance(held, v.HDict) and all(isinstance(m.content(x), v.HDict) for _, x in held.items)
    for name, value in frame.columns:
        if nested and held.get(name) is v.MISSING:
            continue
        given = [held.get(name), *args[1:]] if nested else args
        if isinstance(value, Sym):
            made = frames.SERIES_METHODS["replace"](m, Series(frame.rows_, value), given, chosen)
            frame = frames.put(frame, name, frames.named(m, str(name), made.sym))
    return answer(m, ref, frame, inplace)


def _each(name: str) -> frames.FrameRule:
    def rule(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
        made = []
        for label, value in frame.columns:
            if isinstance(value, Sym):
                made.append((label, frames.SERIES_METHODS[name](m, Series(frame.rows_, value), args, kwargs).sym))
        return m.new(replace(frame, columns=tuple(made)))

    return rule


def _round(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``df.round(2)``, ``df.round({"x": 1})``: numbers; other columns stay as they are."""
    given = frames.constant(m, options(kwargs, args, ("decimals",), "round", decimals=0)["decimals"])
    digits = given if isinstance(given, dict) else dict.fromkeys(frame.names, given)
    made = []
    for name, value in frame.columns:
        if isinstance(value, Sym) and name in digits and value.type in ("int", "float"):
            value = frames.SERIES_METHODS["round"](m, Series(frame.rows_, value), [digits[name]], {}).sym
        made.append((name, value))
    return m.new(replace(frame, columns=tuple(made)))


def _sort_values(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("by",), "sort_values", ascending=True, inplace=False, kind="quicksort",
                     na_position="last", ignore_index=False, key=None)  # fmt: skip
    frames.only(chosen, "sort_values", na_position=("last", "first"))
    names = frames.strings(m, chosen["by"])
    if chosen["by"] is not None and set(names) & set(dict(frame.rows_.keys)) - set(frame.names):
        frame = replace(frame, columns=(*frame.columns, *[k for k in frame.rows_.keys if k[0] in names]))
    ways = frames.constant(m, chosen["ascending"])
    ways = list(ways) if isinstance(ways, list | tuple) else [ways] * len(names)
    if isinstance(chosen.get("key"), v.Func):
        keyed = [frames_call(m, chosen["key"], [Series(frame.rows_, s)]) for s in frames.syms(frame, names)]
        syms = [m.content(k).sym for k in keyed]
    else:
        syms = frames.syms(frame, names)
    order = tuple((s, not bool(up)) for s, up in zip(syms, ways, strict=True))
    if chosen["na_position"] == "first":
        order = tuple(part for s, down in order for part in _missing_first(s, down))
    if len(names) == 1 and chosen["kind"] not in ("stable", "mergesort"):
        m.suspicions.append((m.line, f"rows with equal {names[0]} come in no certain order (the sort is not stable)"))
    return answer(m, ref, sorted_frame(m, ref, frame, order, bool(chosen["ignore_index"])), chosen["inplace"])


def _missing_first(sym: Sym, down: bool) -> list[tuple[Sym, bool]]:
    known = Sym(sql("_1 IS NOT NULL", sym.sql), "bool", name="known")
    return [(known, False), (sym, down)] if sym.null else [(sym, down)]


def sorted_frame(m: Machine, ref: Value, frame: Frame, order: tuple, ignore_index: bool = False) -> Frame:
    """The frame in another order, closed."""
    if any(frames.windowed(m, s.sql) for s, _ in order):
        names = [next(n for n, x in frame.columns if x is s) for s, _ in order]
        frame = frames.close(m, ref, frame)
        order = tuple((dict(frame.columns)[n], d) for n, (_, d) in zip(names, order, strict=True))
    made = frames.closed(m, frame, frames.title_of(m, ref, frame), order)
    return renumbered(m, ref, made) if ignore_index else made


def numbered(frame: Frame, keys: list[Sym], descending: bool = False) -> exp.Expression:
    """The number of a row among those with the same keys, from 1, in order of rows."""
    position = sqlx.column(frame.rows_.rel.token, "_pos")
    ordered = exp.Ordered(this=position, desc=descending or None, nulls_first=False)
    return exp.Window(
        this=exp.RowNumber(), partition_by=[k.sql.copy() for k in keys], order=exp.Order(expressions=[ordered])
    )


def _head(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    rows = options(kwargs, args, ("n",), "head", n=5)["n"]
    return m.new(replace(frame, what_rows=select_rules.sliced(m, frame.rows_, slice(None, rows))))


def _info(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    return None


def _shown(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    return Poison("statistics of a frame, for reading only", m.line)


def _records(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``df.to_dict("records")``: a dict per row."""
    if options(kwargs, args, ("orient",), "to_dict", orient="dict")["orient"] != "records":
        raise Refused("to_dict of a DataFrame", 'to_dict("records")')
    made = frames.close(m, ref, frame)
    columns = zip(made.names, frames.syms(made, made.names), strict=True)
    record = v.Rec(tuple((n, replace(s, name=s.name or str(n))) for n, s in columns))
    return m.new(v.ListOf(made.rows_.rel, record))


frames.FRAME_METHODS.update(
    {
        "copy": _copy, "assign": _assign, "pipe": _pipe, "apply": _apply, "iterrows": _iterrows,
        "itertuples": _itertuples, "dropna": _dropna, "reset_index": _reset_index, "set_index": _set_index,
        "rename": _rename, "drop": _drop, "fillna": _fillna, "astype": _astype, "replace": _replace,
        "sort_values": _sort_values, "head": _head, "to_dict": _records,
        "info": _info, "describe": _shown, "corr": _shown, "cov": _shown, "memory_usage": _shown, "hist": _shown,
        "to_numpy": _numpy, "toarray": _numpy, "todense": _numpy, "tocsr": _numpy,
        "isna": _each("isna"), "isnull": _each("isna"), "notna": _each("notna"),
        "round": _round, "abs": _each("abs"), "clip": _each("clip"), "isin": _each("isin"),
    }
)  # fmt: skip


def _series_sort(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, (), "sort_values", ascending=True, kind="quicksort")
    frame = Frame(series.rows_, ((series.sym.name or "value", series.sym),))
    made = sorted_frame(m, series, frame, ((series.sym, not chosen["ascending"]),))
    return Series(made.rows_, made.columns[0][1])


frames.SERIES_METHODS["sort_values"] = _series_sort
frames.FRAME_RULES["row shape"] = row_shape
