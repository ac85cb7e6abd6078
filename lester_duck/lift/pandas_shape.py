"""Other shapes: concat, get_dummies, cut, np.where, np.select, melt, pivot_table, explode."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import pandas_columns as column_rules
from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_whole as whole
from lester_duck.lift import scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine, unify
from lester_duck.lift.pandas_frames import Block, Frame, Rows, Series, options
from lester_duck.lift.relations import SelectRel, UnionRel, free_name, fresh
from lester_duck.lift.render import column_name
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Refused, Sym, Value
from lester_duck.pipeline import model as ir


def concat(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``pd.concat([...], axis=0 or 1)``."""
    chosen = options(kwargs, args, ("objs", "axis"), "concat", axis=0, ignore_index=False, sort=False)
    items = m.content(chosen["objs"])
    if not isinstance(items, v.HList | tuple):
        raise Refused("concat of a list of unknown length", "pd.concat([a, b])")
    parts = [m.content(x) for x in (items.items if isinstance(items, v.HList) else items)]
    if not parts or not all(isinstance(p, Frame | Series) for p in parts):
        raise Refused("concat of something that is no frame")
    wide = [p if isinstance(p, Frame) else Frame(p.rows_, ((p.sym.name or 0, p.sym),)) for p in parts]
    if chosen["axis"] in (1, "columns"):
        return m.new(beside(m, wide, aligned=True))
    if isinstance(parts[0], Series):
        raise Refused("concat of Series along rows")
    refs = list(items.items if isinstance(items, v.HList) else items)
    return m.new(stacked(m, refs, wide, bool(chosen["ignore_index"])))


def beside(m: Machine, parts: list[Frame], aligned: bool) -> Frame:
    """Frames side by side, matched by index (pandas) or by position (NumPy)."""
    made = parts[0]
    for other in parts[1:]:
        other = frames.FRAME_RULES["aligned frame"](m, made, other) if aligned else other
        rows = made.rows_
        if not aligned and other.rows_.labels != rows.labels:
            raise Refused("two arrays whose rows do not correspond")
        if other.rows_.rel is not rows.rel and frames.between(other.rows_.rel, rows.rel) is not None:
            made = replace(made, what_rows=other.rows_, columns=_carried(m, other.rows_, made))
            rows = made.rows_
        if [sqlx.text(c) for c in other.rows_.where] != [sqlx.text(c) for c in rows.where]:
            raise Refused("frames side by side that have different rows")
        rows = frames.with_joins(rows, other.rows_.joins if other.rows_.rel is rows.rel else ())
        made = Frame(rows, (*made.columns, *_carried(m, rows, other)))
    return made


def _carried(m: Machine, rows: Rows, frame: Frame) -> tuple[tuple[str, Value], ...]:
    """A frame's columns over other rows with the same index."""

    return tuple((n, frames.carried(m, rows, frame.rows_, x)) for n, x in frame.columns)


def stacked(m: Machine, refs: list[Value], parts: list[Frame], ignore_index: bool) -> Frame:
    """The rows of frames one after the other; columns that one lacks are missing there."""
    names: list[str] = list(dict.fromkeys(n for p in parts for n in p.names))
    rel = UnionRel(name="rows", what="the rows of several frames, one after the other", lines=(m.line, m.line))
    kinds: dict[str, tuple[str, bool]] = {}
    for name in names:
        present = [dict(p.columns).get(name) for p in parts]
        kind: str | None = None
        for sym in present:
            if isinstance(sym, Sym):
                kind = sym.type if kind is None else unify(kind, sym.type)
            elif sym is not None:
                raise Refused("concat of encoded columns")
            if sym is not None and kind is None:
                raise Refused(f"concat of columns {name!r} of different types")
        null = any(s is None or s.null for s in present)
        kind = "float" if kind == "number" or (kind == "int" and null) else kind
        kinds[name] = (str(kind), null)
    titles = [frames.title_of(m, ref, part) for ref, part in zip(refs, parts, strict=True)]
    for ref, part, title in zip(refs, parts, titles, strict=True):
        del ref
        rel.members.append(_member(part, names, kinds, title))
    rel.name = "_and_".join(dict.fromkeys(titles)) if len(titles) < 3 else f"{titles[0]}_all"
    columns = []
    for name in names:
        kind, null = kinds[name]
        shown = column_name(str(name))
        rel.outputs.append((shown, Sym(exp.null(), kind, null)))
        columns.append((name, Sym(sqlx.column(rel.token, shown), kind, null, shown, nan=True)))
    index = "range" if ignore_index else "repeated"
    rows = Rows(rel, fresh("index"), index=index, since=m.line, title=rel.name)
    return Frame(rows, tuple((n, _whole(m, rows, s, [dict(p.columns).get(n) for p in parts])) for n, s in columns))


def _whole(m: Machine, rows: Rows, sym: Sym, parts: list[Sym | None]) -> Sym:
    """The column, noted as one of whole numbers that floats only where one is missing."""
    exact = all(p is None or whole.is_exact(p) for p in parts)
    return whole.unless(m, rows, sym) if sym.type == "float" and exact else sym


def _member(part: Frame, names: list[str], kinds: dict[str, tuple[str, bool]], title: str) -> SelectRel:
    rows = part.rows_
    if rows.part is not None:
        raise Refused("concat of parts of a split")
    rel = SelectRel(name=f"{title}_aligned", what=f"{title} with the columns of all", lines=(rows.since, rows.since),
                    query=rows.query())  # fmt: skip
    known = dict(part.columns)
    types = {"int": "BIGINT", "float": "DOUBLE", "str": "VARCHAR", "bool": "BOOLEAN", "datetime": "TIMESTAMP",
             "date": "DATE", "timedelta": "BIGINT"}  # fmt: skip
    for name in names:
        sym = known.get(name)
        kind = kinds[name][0]
        if sym is None:
            sym = Sym(exp.cast(exp.null(), types.get(kind, "VARCHAR")), kind, null=True)
        elif kind == "float":
            sym = column_rules.floating(sym)
        rel.outputs.append((column_name(str(name)), sym))
    return rel


# -- categories -------------------------------------------------------------------------------------------


def get_dummies(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``pd.get_dummies``: one-hot columns behind the others, in order of category."""
    chosen = options(kwargs, args, ("data", "prefix"), "get_dummies", columns=None, drop_first=False, dtype=None,
                     prefix=None, prefix_sep="_", dummy_na=False)  # fmt: skip
    frames.only(chosen, "get_dummies", dummy_na=(False,))
    kind = "bool" if chosen["dtype"] is None else column_rules.type_name(chosen["dtype"])
    if kind not in ("bool", "int", "float"):
        raise Refused(f"get_dummies of {kind} cells", "dtype=int")
    held = m.content(chosen["data"])
    if isinstance(held, Series):
        frame = Frame(held.rows_, ((held.sym.name or "value", held.sym),))
        names = frame.names
        given = chosen["prefix"] if isinstance(chosen["prefix"], str) else None
        starts = {names[0]: "" if given is None else f"{given}{chosen['prefix_sep']}"}
    elif isinstance(held, Frame):
        frame = held
        names = frames.strings(m, chosen["columns"]) if chosen["columns"] is not None else [
            n for n, x in frame.columns if isinstance(x, Sym) and (x.type == "str" or x.categories)
        ]  # fmt: skip
        starts = {n: f"{p}{chosen['prefix_sep']}" for n, p in _prefixes(m, chosen["prefix"], names).items()}
    else:
        raise Refused("get_dummies of this")
    rest = tuple((n, x) for n, x in frame.columns if n not in names)
    made = tuple(
        (n, replace(dummies(frame.rows_, s, bool(chosen["drop_first"])), prefix=starts[n], kind=kind))
        for n, s in zip(names, frames.syms(frame, names), strict=True)
    )
    return m.new(replace(frame, columns=(*rest, *made)))


def _prefixes(m: Machine, given: Value, names: list[str]) -> dict[str, str]:
    """What the columns made of each column begin with."""
    plain = frames.constant(m, given)
    if plain is None:
        return {n: str(n) for n in names}
    if isinstance(plain, str):
        return dict.fromkeys(names, plain)
    return {n: plain[n] for n in names} if isinstance(plain, dict) else dict(zip(names, plain, strict=True))


def dummies(rows: Rows, sym: Sym, drop_first: bool) -> Block:
    """The one-hot columns of a column; its categories are those of all rows."""
    params: list[tuple[str, ir.Value]] = [("handle_unknown", "ignore"), ("missing", "ignore")]
    if sym.categories:
        params.insert(0, ("categories", (tuple(sym.categories),)))
    if drop_first:
        params.append(("drop", "first"))
    return Block((sym,), (ir.Step(kind="one_hot", params=tuple(params)),), rows, f"{sym.name}_dummies")


# -- choices ----------------------------------------------------------------------------------------------


def where(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``np.where(condition, a, b)`` with columns."""
    if len(args) != 3 or not any(isinstance(m.content(a), Series) for a in args):
        return v.MISSING
    condition = m.content(args[0])
    if not isinstance(condition, Series):
        raise Refused("np.where with a condition that is no column")
    return _unlabelled(column_rules.chosen_where(m, condition, args[1], args[2]))


def _unlabelled(series: Series) -> Series:
    """What NumPy makes of columns: an array."""
    return replace(series, what_rows=replace(series.rows_, array=True))


def select(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``np.select(conditions, choices, default)``."""
    chosen = options(kwargs, args, ("condlist", "choicelist", "default"), "np.select", default=0)
    conditions = m.content(chosen["condlist"]).items
    choices = m.content(chosen["choicelist"]).items
    made: Value = chosen["default"]
    for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
        made = column_rules.chosen_where(m, m.content(condition), choice, made)
    return _unlabelled(made) if isinstance(made, Series) else made


def method_of(name: str) -> frames.SeriesRule:
    """A NumPy function that is a method of a column: ``np.mean(s)``."""

    def rule(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
        held = m.content(args[0]) if args else None
        if not isinstance(held, Series):
            return v.MISSING
        given = dict(kwargs)
        if name in ("std", "var"):
            given.setdefault("ddof", 0)
        if name == "median":
            held = replace(held, what_rows=replace(held.rows_, array=True))
        return held.method(m, args[0], name, list(args[1:]), given)

    return rule


def stack(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``np.hstack``, ``np.column_stack``, ``scipy.sparse.hstack``, ``np.concatenate(axis=1)``."""
    items = m.content(args[0])
    items = items.items if isinstance(items, v.HList) else items
    parts = [m.content(x) for x in items] if isinstance(items, tuple) else []
    if not any(isinstance(p, Frame | Series) for p in parts):
        return v.MISSING
    wide = []
    for part in parts:
        if isinstance(part, Series):
            part = Frame(part.rows_, ((part.sym.name or "x", part.sym),))
        if isinstance(part, v.Matrix | v.Vector | v.ListOf):
            part = as_frame(m, part)
        if not isinstance(part, Frame):
            raise Refused("arrays of different kinds stacked")
        wide.append(part)
    made = _told_apart(beside(m, wide, aligned=False))
    return m.new(replace(made, what_rows=replace(made.rows_, array=True)))


def _told_apart(frame: Frame) -> Frame:
    """The columns of a matrix under names of their own: what it was made of may have the same."""
    taken: list[str] = []
    for name in frame.names:
        taken.append(free_name(str(name), set(taken)))
    if taken == frame.names or len(set(frame.names)) == len(frame.names):
        return frame
    return replace(frame, columns=tuple((n, x) for n, (_, x) in zip(taken, frame.columns, strict=True)))


def as_frame(m: Machine, content: Value) -> Frame:
    """A matrix, vector or list of rows as a frame without names."""
    from lester_duck.lift.pandas_read import _rows_of

    if isinstance(content, v.Matrix):
        columns = tuple((f"x_{i + 1}", scalars.scalar(c)) for i, c in enumerate(content.columns))
        return Frame(_rows_of(m, content.rel), columns)
    element = content.element
    items = element.items if isinstance(element, v.Seq) else element if isinstance(element, tuple) else (element,)
    columns = tuple((s.name or f"x_{i + 1}", s) for i, s in enumerate(scalars.scalar(x) for x in items))
    return Frame(_rows_of(m, content.rel), columns)


# -- long and wide ----------------------------------------------------------------------------------------


def _melt(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("id_vars", "value_vars"), "melt", id_vars=None, value_vars=None,
                     var_name=frame.axis or "variable", value_name="value", ignore_index=True)  # fmt: skip
    ids = frames.strings(m, chosen["id_vars"]) if chosen["id_vars"] is not None else []
    names = frames.strings(m, chosen["value_vars"]) if chosen["value_vars"] is not None else [
        n for n in frame.names if n not in ids
    ]  # fmt: skip
    made = frames.close(m, ref, frame)
    parts = []
    for name in names:
        columns = [(n, s) for n, s in zip(ids, frames.syms(made, ids), strict=True)]
        value = frames.syms(made, [name])[0]
        columns += [(chosen["var_name"], v.constant(name)), (chosen["value_name"], value)]
        parts.append(Frame(made.rows_, tuple(columns)))
    made = stacked(m, [ref] * len(parts), parts, True)
    for rel, name in zip(made.rows_.rel.members, names, strict=True):
        rel.name = f"{frames.title_of(m, ref, frame)}_{column_name(str(name))}"
    made.rows_.rel.name = f"{frames.title_of(m, ref, frame)}_long"
    return m.new(made)


def _explode(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """One row per piece of a text; a missing text keeps its row."""
    chosen = options(kwargs, args, ("column",), "explode", ignore_index=False)
    name = frames.constant(m, chosen["column"])
    sym = dict(frame.columns).get(name)
    if not isinstance(sym, Sym) or sym.type != "pieces" or (sym.categories or (-1,))[0] not in (-1, 0):
        raise Refused("explode of a column of lists", "explode of a column made by .str.split")
    title = frames.title_of(m, ref, frame)
    made = frames.closed(m, frame, f"{title}_pieces")
    known = dict(made.columns)
    pieces = known[name].sql
    if sym.null:
        pieces = sql("coalesce(_1, [NULL])", pieces)
    item = Sym(exp.Explode(this=pieces), "str", null=True, nan=True, name=column_name(str(name)))
    columns = tuple((n, item if n == name else x) for n, x in made.columns)
    step = frames.closed(m, replace(made, columns=columns), title)
    ignored = chosen["ignore_index"] is True
    rows = replace(step.rows_, labels=fresh("index"), index="range" if ignored else "repeated", keys=())
    return m.new(replace(step, what_rows=rows))


frames.FRAME_METHODS.update(melt=_melt, explode=_explode)
frames.FRAME_RULES["side by side"] = beside
