"""``cut`` and ``qcut``: numbers as bins, by edges, of equal width or of equal size."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise

from sqlglot import exp

from lester_duck.lift import pandas_aggregates as aggregates
from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_whole as whole
from lester_duck.lift import scalars, sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Series, options
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Refused, Sym, Value


def cut(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``pd.cut(series, edges, labels=...)``."""
    chosen = options(kwargs, args, ("x", "bins", "right", "labels"), "cut", right=True, labels=None,
                     include_lowest=False)  # fmt: skip
    series = m.content(chosen["x"])
    edges = frames.constant(m, chosen["bins"])
    if isinstance(series, Series) and type(edges) is int and edges > 1 and series.sym.type in scalars.NUMERIC:
        return _equal_bins(m, series, edges, chosen)
    if not isinstance(series, Series) or not isinstance(edges, list | tuple):
        raise Refused("cut with these arguments", "cut with edges")
    if series.sym.type not in scalars.NUMERIC:
        raise Refused(f"cut of a column of {series.sym.type}")
    labels = frames.constant(m, chosen["labels"])
    if labels is None:
        raise Refused("cut without labels", "labels=[...] or labels=False")
    codes = list(range(len(edges) - 1)) if labels is False else list(labels)
    if len(codes) != len(edges) - 1:
        raise Refused("the script would fail here: another number of labels")
    sym, right = series.sym, chosen["right"]
    tree = _ladder(sym, [float(e) for e in edges], codes, bool(right), bool(chosen["include_lowest"]))
    kind = "str" if isinstance(codes[0], str) else "float"
    categories = tuple(codes) if labels is not False else None
    return Series(series.rows_, Sym(tree, kind, null=True, nan=True, name=sym.name, categories=categories))


def _equal_bins(m: Machine, series: Series, bins: int, chosen: dict) -> Series:
    """``pd.cut(s, n, labels=...)``: bins of equal width between the least and the greatest value."""
    labels = frames.constant(m, chosen["labels"])
    if labels is None or chosen["right"] is not True:
        raise Refused("cut into a number of bins without labels", "labels=False, or a list")
    codes = list(range(bins)) if labels is False else list(labels)
    if len(codes) != bins:
        raise Refused("the script would fail here: another number of labels")
    least, most = (aggregates.whole(m, series, kind) for kind in ("min", "max"))
    m.asserted.append((sql("_1 = _2", least.sql, most.sql), m.line))
    closed = frames.close_series(m, series)
    value = closed.sym
    ifs = []
    for i, code in enumerate(codes[:-1], 1):
        edge = sql("_1 + _2 * ((_3 - _1) / _4)", least.sql, sqlx.literal(i), most.sql, sqlx.literal(bins))
        ifs.append(exp.If(this=sql("_1 <= _2", value.sql, edge), true=sqlx.literal(code)))
    ifs.append(exp.If(this=sql("_1 IS NOT NULL", value.sql), true=sqlx.literal(codes[-1])))
    text = isinstance(codes[0], str)
    kind = "str" if text else "float" if value.null else "int"
    made = Sym(exp.Case(ifs=ifs), kind, null=value.null, nan=True, name=value.name,
               categories=None if labels is False else tuple(codes))  # fmt: skip
    if kind == "float":
        made = whole.unless(m, closed.rows_, made, sql("_1 IS NULL", value.sql))
    return Series(closed.rows_, made)


def _ladder(sym: Sym, edges: list[float], codes: list, right: bool, lowest: bool) -> exp.Expression:
    """CASE over growing edges; missing outside."""
    inside = _bound(sym, ">=" if lowest or not right else ">", edges[0])
    ifs = []
    outside = [exp.If(this=sqlx.negate(inside[0]), true=exp.null())] if inside else []
    for code, high in zip(codes, edges[1:], strict=True):
        condition = _bound(sym, "<=" if right else "<", high)
        test = condition[0] if condition else sql("_1 IS NOT NULL", sym.sql)
        ifs.append(exp.If(this=test, true=sqlx.literal(code)))
    return exp.Case(ifs=[*outside, *ifs])


def _bound(sym: Sym, op: str, edge: float) -> list[exp.Expression]:
    if edge in (float("inf"), float("-inf")):
        return []
    number = sqlx.literal(int(edge) if edge == int(edge) else float(edge))
    return [sql(f"_1 {op} _2", sym.sql, number)]


def qcut(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``pd.qcut(series, n, labels=False or [...])``: edges are quantiles of all rows."""
    chosen = options(kwargs, args, ("x", "q", "labels"), "qcut", labels=None, duplicates="raise")
    series, parts = m.content(chosen["x"]), frames.constant(m, chosen["q"])
    labels = frames.constant(m, chosen["labels"])
    if not isinstance(series, Series) or type(parts) is not int or labels is None:
        raise Refused("qcut with these arguments", "qcut(x, 4, labels=False)")
    codes = list(range(parts)) if labels is False else list(labels)
    ifs = []
    for i in range(1, parts):
        edge = aggregates.whole(m, series, "median" if i / parts == 0.5 else f"quantile:{i / parts}")
        ifs.append((edge, codes[i - 1]))
    ends = [aggregates.whole(m, series, "min"), *[e for e, _ in ifs], aggregates.whole(m, series, "max")]
    equal = [sql("_1 = _2", a.sql, b.sql) for a, b in pairwise(ends)]
    m.asserted.append((reduce(sqlx.disjunction, [sql("_1 IS NULL", ends[0].sql), *equal]), m.line))
    closed = frames.close_series(m, series)
    whens = [exp.If(this=sql("_1 <= _2", closed.sym.sql, e.sql), true=sqlx.literal(c)) for e, c in ifs]
    whens.append(exp.If(this=sql("_1 IS NOT NULL", closed.sym.sql), true=sqlx.literal(codes[-1])))
    kind = "str" if isinstance(codes[0], str) else "float" if closed.sym.null else "int"
    made = Sym(exp.Case(ifs=whens), kind, null=closed.sym.null, nan=True, name=closed.sym.name,
               categories=None if labels is False else tuple(codes))  # fmt: skip
    if kind == "float" and labels is False:
        made = whole.unless(m, closed.rows_, made, sql("_1 IS NULL", closed.sym.sql))
    return Series(closed.rows_, made)
