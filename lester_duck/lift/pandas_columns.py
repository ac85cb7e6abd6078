"""Methods of a series: missing values, types, lookups, numbers, aggregates."""

from __future__ import annotations

import ast
from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_series as series_rules
from lester_duck.lift import pandas_whole as whole
from lester_duck.lift import scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine, unify
from lester_duck.lift.pandas_frames import FRAME_RULES, Frame, Series, options
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Lib, Refused, Sym, Value

_INTS = frozenset(["int", "int64", "int32", "int8", "Int64"])
_FLOATS = frozenset(["float", "float64", "float32"])
_TEXTS = frozenset(["str", "string", "object"])


def type_name(value: Value) -> str:
    """A dtype argument as ``int``, ``float``, ``str``, ``bool``, ``category`` or ``datetime``."""
    name = value.name.rsplit(".", 1)[-1] if isinstance(value, Lib) else value
    for kind, names in (("int", _INTS), ("float", _FLOATS), ("str", _TEXTS)):
        if name in names:
            return kind
    if name in ("bool", "category", "bool_"):
        return name.rstrip("_")
    if isinstance(name, str) and name.startswith("datetime64"):
        return "datetime"
    raise Refused(f"the type {name!r}", "int, float, str, bool")


def with_sql(series: Series, template: str, *others: exp.Expression, kind: str | None = None) -> Series:
    """The series with its SQL changed; missing stays missing."""
    sym = series.sym
    made = replace(sym, sql=sql(template, sym.sql, *others), type=kind or sym.type, parts=(), choices=(), line=None)
    return replace(series, sym=replace(made, categories=None, whole=None))


def floating(sym: Sym) -> Sym:
    """A number as DOUBLE."""
    if sym.type == "float":
        return replace(sym, whole=None)
    return replace(sym, sql=sql("CAST(_1 AS DOUBLE)", sym.sql), type="float")


def fill(m: Machine, series: Series, value: Value) -> Series:
    """``s.fillna(value)``: a constant, an aggregate or another series."""
    if not series.sym.null:
        return series
    rows, x, y = series_rules.pair(m, series, value)
    x, y = series_rules._moments(x, y)
    kind = unify(x.type, y.type)
    if x.type == "bool" or y.type == "bool":
        kind = x.type if x.type == y.type else None
    if kind is None:
        raise Refused(f"fillna of a column of {x.type} with a {y.type}")
    if kind == "number":
        kind = "float"
    known = x.sql
    other = y.sql
    if kind == "float" and isinstance(other, exp.Literal) and "e" not in other.name.lower():
        other = sqlx.literal(float(other.name))
    categories = x.categories
    if categories is not None and isinstance(y.sql, exp.Literal) and y.sql.name not in categories:
        raise Refused("fillna with a value that is no category", ".astype(object).fillna(...)")
    return Series(rows, Sym(sql("coalesce(_1, _2)", known, other), kind, null=y.null, nan=True, name=x.name,
                            categories=categories, whole=x.whole))  # fmt: skip


def _fillna(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("value",), "fillna", inplace=False)
    if "value" not in chosen or chosen["inplace"]:
        raise Refused("fillna in place, or without a value", "s = s.fillna(value)")
    content = m.content(chosen["value"])
    if isinstance(content, v.HDict):
        raise Refused("fillna of a Series with a dict")
    return fill(m, series, chosen["value"])


def _is_missing(missing: bool) -> frames.SeriesRule:
    def rule(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if not series.sym.null:
            return Series(series.rows_, Sym(sqlx.literal(not missing), "bool"))
        tree = sql("_1 IS NULL" if missing else "_1 IS NOT NULL", series.sym.sql)
        return Series(series.rows_, Sym(tree, "bool"))

    return rule


def _apply(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    named = {k: frames.constant(m, x) for k, x in kwargs.items() if k not in ("func", "args")}
    given = {k: x for k, x in kwargs.items() if k in ("func", "args")}
    chosen = options(given, args, ("func",), "apply", args=())
    extra = list(frames.constant(m, chosen["args"]))
    given = FRAME_RULES["as list"](m, series) if series.sym.type == "pieces" else series.sym
    return series_rules.applied(m, series.rows_, chosen["func"], [given, *extra], named)


def _astype(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("dtype",), "astype", copy=True)
    if is_object(chosen["dtype"]):
        return as_objects(series)
    return cast(m, series, type_name(chosen["dtype"]))


def is_object(value: Value) -> bool:
    """Whether a dtype argument is Python's ``object``."""
    return (value.name.rsplit(".", 1)[-1] if isinstance(value, Lib) else value) in ("object", "O")


def as_objects(series: Series) -> Series:
    """``s.astype(object)``: the same values, no longer categories."""
    sym = series.sym
    if sym.type not in ("str", "int", "float") or sym.whole is not None:
        raise Refused(f"astype(object) of a column of {sym.type}", "astype(str)")
    return Series(series.rows_, replace(sym, categories=None))


def cast(m: Machine, series: Series, kind: str) -> Series:
    """``s.astype(kind)``."""
    sym, rows = series.sym, series.rows_
    if sym.categories is not None and kind != "category":
        sym = replace(sym, categories=None)
        series = Series(rows, sym)
    if sym.type == kind and sym.whole is None and not (kind == "bool" and sym.null):
        return series
    if kind == "category":
        return series
    if kind in ("int", "float") and sym.type == "str":
        parsed = sql(f"py_{kind}(_1)", sym.sql)
        frames.owe(m, rows, sql("_1 IS NOT NULL AND _2 IS NULL", sym.sql, parsed), f"a text that is no {kind}")
        made = replace(sym, sql=parsed, type=kind, parts=(), line=None)
        return Series(rows, _present(m, rows, made) if kind == "int" else made)
    if kind == "float" and sym.type == "float":
        return Series(rows, floating(sym))
    if kind == "int" and sym.type in ("bool", "float"):
        made = _present(m, rows, sym)
        tree = sql("CAST(_1 AS BIGINT)", made.sql) if sym.type == "bool" else sql("CAST(trunc(_1) AS BIGINT)", made.sql)
        return Series(rows, Sym(tree, "int", name=sym.name))
    if kind == "float" and sym.type in ("int", "bool"):
        return Series(rows, floating(replace(sym, sql=series_rules.number(sym))))
    if kind == "bool" and sym.type in ("int", "float"):
        return Series(rows, Sym(sql("coalesce(_1 <> 0, TRUE)" if sym.null else "_1 <> 0", sym.sql), "bool"))
    if kind == "str" and sym.whole is not None:
        if whole.is_exact(sym):
            sym = whole.settled(m, sym)
        else:
            whole.as_floats(m, sym)
    if kind == "str" and sym.type in ("int", "float", "bool"):
        text = scalars.to_text(m, replace(sym, null=False))
        return Series(rows, replace(text, null=sym.null, nan=True))
    if kind == "datetime" and sym.type == "str":
        parsed = sql("py_datetime(_1)", sym.sql)
        return Series(rows, replace(sym, sql=parsed, type="datetime"))
    raise Refused(f"astype({kind}) of a column of {sym.type}")


def _present(m: Machine, rows: frames.Rows, sym: Sym) -> Sym:
    """The column, which the script relies on to hold no missing value."""
    if sym.null:
        frames.owe(m, rows, sql("_1 IS NULL", sym.sql), "a missing value where a whole number is needed")
    return replace(sym, null=False)


def _round(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    digits = options(kwargs, args, ("decimals",), "round", decimals=0)["decimals"]
    if series.sym.type in ("int", "bool") or (whole.is_exact(series.sym) and type(digits) is int and digits >= 0):
        return series
    return with_sql(series, "py_np_round(_1, _2)", sqlx.literal(digits))


def _clip(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("lower", "upper"), "clip", lower=None, upper=None)
    made = series
    for side, template in (("lower", "greatest(_1, _2)"), ("upper", "least(_1, _2)")):
        if chosen[side] is not None:
            bound = scalars.scalar(m.content(chosen[side]))
            kind = "float" if "float" in (made.sym.type, bound.type) else made.sym.type
            tree = sql(template, made.sym.sql, bound.sql)
            if made.sym.null:  # least and greatest leave NULL out
                tree = sqlx.case(sql("_1 IS NOT NULL", made.sym.sql), tree, exp.null())
            made = replace(made, sym=replace(made.sym, sql=tree, type=kind))
    return made


def _between(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("left", "right"), "between", inclusive="both")
    low = ast.GtE if chosen["inclusive"] in ("both", "left") else ast.Gt
    high = ast.LtE if chosen["inclusive"] in ("both", "right") else ast.Lt
    first = series_rules.compare(m, low, series, chosen["left"])
    second = series_rules.compare(m, high, series, chosen["right"])
    return series_rules.operate(m, ast.BitAnd, first, second)


def chosen_where(m: Machine, condition: Series, then: Value, otherwise: Value) -> Series:
    """``then`` where the condition holds, else ``otherwise``, element by element."""
    rows, c, x = series_rules.pair(m, condition, then)
    held, y = Series(rows, c), otherwise
    rows, x2, y2 = series_rules.pair(m, Series(rows, x), y)
    c2 = frames.carry(m, rows, held.rows_, held.sym)
    x2, y2 = series_rules._moments(x2, y2)
    kind = unify(x2.type, y2.type)
    if kind is None:
        raise Refused(f"one column of {x2.type} and {y2.type} values")
    kind = {"number": "float", "none": "float"}.get(kind, kind)
    if kind == "int" and (x2.null or y2.null):
        kind = "float"
    tree = sqlx.case(frames.truth(c2), x2.sql, y2.sql)
    held = whole.together(x2, y2) if kind == "float" else None
    return Series(rows, Sym(tree, kind, x2.null or y2.null, x2.name or y2.name, nan=True, whole=held))


def _where(keep: bool) -> frames.SeriesRule:
    def rule(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
        chosen = options(kwargs, args, ("cond", "other"), "where", other=float("nan"))
        condition = m.content(chosen["cond"])
        if not isinstance(condition, Series):
            raise Refused("where with a condition that is no Series")
        pair = (series, chosen["other"]) if keep else (chosen["other"], series)
        made = chosen_where(m, condition, *pair)
        return replace(made, sym=made.sym.named(series.sym.name))

    return rule


def _replace(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("to_replace", "value"), "replace")
    old = frames.constant(m, chosen["to_replace"])
    if isinstance(old, dict) and "value" not in chosen:
        pairs = list(old.items())
    elif "value" in chosen:
        new = frames.constant(m, chosen["value"])
        olds = old if isinstance(old, list) else [old]
        pairs = list(zip(olds, new if isinstance(new, list) else [new] * len(olds), strict=True))
    else:
        raise Refused("replace with these arguments", "replace({old: new})")
    sym = series.sym
    tree, null = sym.sql, sym.null
    ifs: list[exp.If] = []
    for a, b in pairs:
        if a is None or a != a:
            raise Refused("replace of a missing value", "fillna")
        missing = b is None or b != b
        if sym.type == "int" and isinstance(a, float) and not a.is_integer():
            continue
        b = float(b) if sym.type == "float" and type(b) is int else b
        if not missing and unify(scalars.scalar(b).type, sym.type) not in (sym.type,):
            raise Refused(f"replace in a column of {sym.type} with {b!r}")
        if scalars.scalar(a).type != sym.type and not {scalars.scalar(a).type, sym.type} <= scalars.NUMERIC:
            continue
        null = null or missing
        ifs.append(exp.If(this=sqlx.literal(a), true=exp.null() if missing else sqlx.literal(b)))
    if ifs:
        tree = exp.Case(this=sym.sql.copy(), ifs=ifs, default=sym.sql.copy())
    made = replace(sym, sql=tree, null=null, nan=True, choices=(), parts=())
    if any(not isinstance(b, int) for _, b in pairs):
        made = replace(made, whole=None)
    if sym.type == "int" and null:
        made = whole.unless(m, series.rows_, replace(made, type="float"))
    return Series(series.rows_, made)


def _operator(op: type[ast.operator]) -> frames.SeriesRule:
    def rule(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
        chosen = options(kwargs, args, ("other",), op.__name__)
        return series_rules.operate(m, op, series, chosen["other"])

    return rule


def _comparison(op: type[ast.cmpop]) -> frames.SeriesRule:
    def rule(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
        chosen = options(kwargs, args, ("other",), op.__name__)
        return series_rules.compare(m, op, series, chosen["other"])

    return rule


def _combine_first(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``s.combine_first(other)`` of columns of the same rows."""
    other = m.content(options(kwargs, args, ("other",), "combine_first")["other"])
    if not isinstance(other, Series) or other.rows_.labels != series.rows_.labels or other.rows_.where:
        raise Refused("combine_first of other rows", "fillna")
    return _fillna(m, series, [other], {})


def _same(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    return series


def _rename(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    name = options(kwargs, args, ("index",), "rename")["index"]
    if not isinstance(name, str):
        raise Refused("a Series renamed by something that is no name")
    return replace(series, sym=series.sym.named(name))


def _absolute(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    series_rules.number(series.sym)
    made = with_sql(series, "abs(_1)")
    return replace(made, sym=replace(made.sym, whole=series.sym.whole))


def _dropna(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if args or kwargs:
        raise Refused("dropna of a Series with arguments")
    if not series.sym.null:
        return series
    rows = frames.restricted(series.rows_, sql("_1 IS NOT NULL", series.sym.sql))
    return Series(rows, replace(series.sym, null=False))


def _to_list(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    closed = frames.close_series(m, series)
    return m.new(v.ListOf(closed.rows_.rel, closed.sym))


def _to_dict(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if series.rows_.index != "keys":
        raise Refused("to_dict of a Series that is not indexed by a key")
    closed = frames.close_series(m, series)
    keys = tuple(s for _, s in closed.rows_.keys)
    return m.new(v.DictOf(closed.rows_.rel, keys[0] if len(keys) == 1 else keys, closed.sym))


def _to_frame(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    name = options(kwargs, args, ("name",), "to_frame", name=series.sym.name or 0)["name"]
    return m.new(Frame(series.rows_, ((name, series.sym),)))


def _reset_index(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, (), "reset_index", drop=False, name=None)
    name = chosen["name"] or series.sym.name or 0
    ref = m.new(Frame(series.rows_, ((name, series.sym),)))
    made = frames.FRAME_METHODS["reset_index"](m, ref, m.content(ref), [], {"drop": chosen["drop"]})
    return frames.column(m, made, m.content(made), name) if chosen["drop"] else made


frames.SERIES_METHODS.update(
    {
        "fillna": _fillna, "isna": _is_missing(True), "isnull": _is_missing(True), "notna": _is_missing(False),
        "notnull": _is_missing(False),   "apply": _apply, "astype": _astype,
        "round": _round, "clip": _clip, "between": _between, "where": _where(True), "mask": _where(False),
        "replace": _replace, "abs": _absolute, "dropna": _dropna, "copy": _same,
        "rename": _rename, "tolist": _to_list, "to_list": _to_list, "to_dict": _to_dict, "to_frame": _to_frame,
        "reset_index": _reset_index, "add": _operator(ast.Add), "sub": _operator(ast.Sub),
        "mul": _operator(ast.Mult), "div": _operator(ast.Div), "eq": _comparison(ast.Eq), "ne": _comparison(ast.NotEq),
        "gt": _comparison(ast.Gt), "ge": _comparison(ast.GtE), "lt": _comparison(ast.Lt), "le": _comparison(ast.LtE),
        "infer_objects": _same, "combine_first": _combine_first, "ravel": _same, "flatten": _same,
    }
)  # fmt: skip
frames.SERIES_ATTRIBUTES["array"] = lambda m, series: series
