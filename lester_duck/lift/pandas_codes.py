"""Categories as numbers: ``factorize``, ``cat.codes``; ``select_dtypes``; texts split into columns; periods."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_lookups as lookups
from lester_duck.lift import pandas_moments as moment_rules
from lester_duck.lift import sqlx
from lester_duck.lift import values as v
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Accessor, Frame, Series, options
from lester_duck.lift.pandas_text import changed, text_of
from lester_duck.lift.pandas_windows import window
from lester_duck.lift.relations import Query, SelectRel
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Poison, Refused, Sym, Value


def factorize(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``pd.factorize(s)``: numbers in order of first appearance, -1 where missing; and the values."""
    chosen = options(kwargs, args, ("values",), "factorize", sort=False)
    series = m.content(chosen["values"])
    if not isinstance(series, Series):
        raise Refused("factorize of this", "a column")
    codes = _in_order(m, series) if chosen["sort"] is True else _by_appearance(m, series)
    return (codes, Poison("the values behind the codes", m.line))


def _series_factorize(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    return factorize(m, [series, *args], kwargs)


def _by_appearance(m: Machine, series: Series) -> Series:
    """Codes by the place of each value's first row."""
    title = f"{series.rows_.title or series.rows_.rel.name}_{series.sym.name or 'values'}"
    rel = lookups.distinct(m, series, title)
    key = ("codes", rel.token)
    if key not in m.files:
        name = rel.keys[0][0]
        place = sql("row_number() OVER (ORDER BY _1) - 1", sqlx.column(rel.token, "_pos"))
        outputs = [(name, rel.columns()[name]), ("code", Sym(place, "int", name="code"))]
        what = f"the values of {name}, numbered in order of appearance"
        query = Query(rel.token, rel)
        m.files[key] = SelectRel(name=f"{title}_codes", what=what, lines=(m.line, m.line), query=query, outputs=outputs)
    codes = m.files[key]
    join = lookups.find_join(m, series.rows_, codes, ((series.sym, codes.outputs[0][0]),))
    tree = sql("coalesce(_1, -1)", sqlx.column(join.alias, "code"))
    return Series(frames.with_joins(series.rows_, (join,)), Sym(tree, "int", name=series.sym.name))


def _in_order(m: Machine, series: Series) -> Series:
    """Codes by the sorted values."""
    closed = frames.close_series(m, series)
    return Series(closed.rows_, _code(closed.sym, window(sql("dense_rank()"), [], [closed.sym.sql])))


def _code(sym: Sym, rank: sqlx.Tree) -> Sym:
    tree = sql("_1 - 1", rank)
    if sym.null:
        tree = sqlx.case(sql("_1 IS NOT NULL", sym.sql), tree, sqlx.literal(-1))
    return Sym(tree, "int", name=sym.name)


def _cat(m: Machine, series: Series) -> Accessor:
    return Accessor(series, ".cat", {"codes!": _codes, "add_categories": _add_categories})


def _add_categories(m: Machine, accessor: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``s.cat.add_categories(["none"])``: behind the others."""
    series = text_of(accessor)
    more = frames.constant(m, options(kwargs, args, ("new_categories",), "add_categories")["new_categories"])
    more = tuple(more) if isinstance(more, list | tuple) else (more,)
    known = series.sym.categories
    if known is None or any(type(x) is not type(known[0]) for x in more):
        raise Refused("add_categories of this", "pd.cut with labels, .astype(object).fillna(...)")
    return Series(series.rows_, replace(series.sym, categories=(*known, *more)))


def _codes(m: Machine, accessor: Accessor) -> Value:
    series = text_of(accessor)
    known = series.sym.categories
    if not known:
        return _in_order(m, series)
    ifs = [sqlx.exp.If(this=sqlx.literal(c), true=sqlx.literal(i)) for i, c in enumerate(known)]
    tree = sqlx.exp.Case(this=series.sym.sql.copy(), ifs=ifs, default=sqlx.literal(-1))
    return Series(series.rows_, Sym(tree, "int", name=series.sym.name))


def categorical(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``pd.Categorical(s, categories=[...])``: other values are missing."""
    chosen = options(kwargs, args, ("values", "categories"), "Categorical", categories=None, ordered=False)
    series, known = m.content(chosen["values"]), frames.constant(m, chosen["categories"])
    if not isinstance(series, Series) or series.sym.type != "str" or not isinstance(known, list | tuple):
        raise Refused("Categorical of this", "pd.Categorical(df.x, categories=[...])")
    listed = sqlx.exp.In(this=series.sym.sql.copy(), expressions=[sqlx.literal(c) for c in known])
    tree = sqlx.case(listed, series.sym.sql, sqlx.exp.null())
    made = replace(series.sym, sql=tree, null=True, nan=True, categories=tuple(known), parts=(), choices=())
    return replace(series, sym=made)


_KINDS = {
    "number": ("int", "float"), "int": ("int",), "int64": ("int",), "float": ("float",), "float64": ("float",),
    "object": ("str",), "str": ("str",), "string": ("str",), "bool": ("bool",), "datetime": ("datetime",),
    "datetime64": ("datetime",), "datetime64[ns]": ("datetime",), "category": (),
}  # fmt: skip


def _select(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("include", "exclude"), "select_dtypes", include=None, exclude=None)
    wanted, gone = (None if chosen[n] is None else _types(m, chosen[n]) for n in ("include", "exclude"))
    one_kind = len((wanted or gone or set()) & {"int", "float"}) == 1
    if one_kind and any(isinstance(x, Sym) and x.whole is not None for _, x in frame.columns):
        raise Refused("select_dtypes of a column that is int or float by its missing values", "a list of names")
    kept = tuple(
        (n, x) for n, x in frame.columns
        if isinstance(x, Sym) and (wanted is None or x.type in wanted) and (gone is None or x.type not in gone)
    )  # fmt: skip
    return m.new(replace(frame, columns=kept))


def _types(m: Machine, value: Value) -> set[str]:
    given = frames.constant(m, value)
    found: set[str] = set()
    for one in given if isinstance(given, list | tuple) else [given]:
        name = one.name.rsplit(".", 1)[-1] if isinstance(one, v.Lib) else one
        if name not in _KINDS:
            raise Refused(f"select_dtypes of {name!r}", "number, object, bool")
        found |= set(_KINDS[name])
    return found


_PERIODS = {"M": "%Y-%m", "Y": "%Y", "A": "%Y", "D": "%Y-%m-%d"}


def _period(m: Machine, accessor: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    form = _PERIODS.get(options(kwargs, args, ("freq",), ".dt.to_period")["freq"])
    series = text_of(accessor)
    if form is None or series.sym.type not in ("date", "datetime"):
        raise Refused(".dt.to_period of this", '.dt.to_period("M")')
    return changed(series, sql("strftime(_1, _2)", series.sym.sql, sqlx.literal(form)))


@dataclass(frozen=True, eq=False)
class Parts(Library):
    """``s.str.split(sep, expand=True)``: as many columns as the script takes."""

    pieces: Series
    piece: object
    what = "DataFrame of the pieces of a text"

    def subscript(self, m: Machine, ref: Value, index: Value) -> Value:
        """One of the columns."""
        if type(index) is not int or index < 0:
            raise Refused("this index into the pieces of a text", "parts[0]")
        return self.piece(self.pieces, index)

    def frame(self, m: Machine, count: int) -> Frame:
        """The first ``count`` columns, of which there must be no more."""
        sym = self.pieces.sym
        fails = sql("len(_1) > _2", sym.sql, sqlx.literal(count))
        fails = sql("coalesce(_1, FALSE)", fails) if sym.null else fails
        frames.owe(m, self.pieces.rows_, fails, "more pieces of a text than columns")
        columns = tuple((i, self.piece(self.pieces, i).sym) for i in range(count))
        return Frame(self.pieces.rows_, columns)


frames.SERIES_METHODS["factorize"] = _series_factorize
frames.SERIES_ATTRIBUTES["cat"] = _cat
frames.FRAME_METHODS["select_dtypes"] = _select
moment_rules.MOMENTS["to_period"] = _period
frames.FRAME_RULES["parts"] = Parts
