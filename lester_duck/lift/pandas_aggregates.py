"""Aggregates over all rows of a series, which views join as a table of one row."""

from __future__ import annotations

from dataclasses import replace

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_series as series_rules
from lester_duck.lift import scalars, sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Frame, Rows, Series
from lester_duck.lift.relations import Aggregate, GroupRel, Join, Query, Relation, SelectRel, UnionRel
from lester_duck.lift.sqlx import Tree
from lester_duck.lift.state import Obligation, Whole
from lester_duck.lift.values import Refused, Sym, Value

QUANTILE = "quantile:"
"""How the aggregate for a quantile begins; its level follows."""
_NUMBERS = frozenset(["sum", "mean", "median", "std_sample", "var_sample"])
KINDS = {
    "sum": "sum", "mean": "mean", "median": "median", "min": "min", "max": "max", "std": "std_sample",
    "var": "var_sample", "count": "count_of", "nunique": "count_distinct",
}  # fmt: skip
TEMPLATES = {
    "sum": "sum_known", "mean": "mean", "median": "median", "min": "min", "max": "max", "std_sample": "std_sample",
    "var_sample": "var_sample", "count_of": "count_of", "count_distinct": "count_distinct", "count": "count",
    "count_true": "count_true",
}  # fmt: skip


def result_type(kind: str, sym: Sym) -> str:
    """The type of an aggregate of a column."""
    if kind in ("count_of", "count_distinct", "count", "count_true"):
        return "int"
    if kind in ("mean", "median", "std_sample", "var_sample", "std", "var") or kind.startswith(QUANTILE):
        return "float"
    return "int" if sym.type == "bool" else sym.type


def argument(kind: str, sym: Sym) -> Sym:
    """What is aggregated: booleans as numbers."""
    if (kind in _NUMBERS or kind.startswith(QUANTILE)) and sym.type not in scalars.NUMERIC:
        raise Refused(f"the {kind} of a column of {sym.type}")
    if sym.type == "bool" and kind != "count_distinct" and kind != "count_of":
        return replace(sym, sql=series_rules.number(sym), type="int")
    return sym


def whole(m: Machine, series: Series, kind: str) -> Sym:
    """The aggregate as a scalar that stands for it."""
    if series.rows_.part is not None:
        raise Refused("an aggregate over a part of a split", "SimpleImputer or a scaler, fitted on the training part")
    closed = frames.close_series(m, series)
    sym = argument(kind, closed.sym)
    made = m.whole(kind, closed.rows_.rel, sym, result_type(kind, closed.sym))
    return made.named(f"{kind.removesuffix('_sample').removesuffix('_of')}_{closed.sym.name or 'value'}")


def _rule(name: str) -> frames.SeriesRule:
    def rule(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
        array = series.rows_.array
        chosen = frames.options(kwargs, args, (), name, ddof=0 if array else 1, skipna=True, axis=0)
        series = frames.FRAME_RULES["known"](m, series, name)
        frames.only(chosen, name, skipna=(True,), axis=(0,))
        kind = KINDS[name]
        if kind in ("std_sample", "var_sample"):
            if chosen["ddof"] not in (0, 1):
                raise Refused(f"{name} with this ddof")
            kind = kind if chosen["ddof"] == 1 else kind.removesuffix("_sample")
        return _ordered(m, series, kind) if kind == "median" else whole(m, series, kind)

    return rule


def _truths(series: Series, of: bool) -> Series:
    """Where a column is true, or is not: a number that is not 0, a condition that holds; never where it is missing."""
    sym = series.sym
    if sym.type not in ("bool", "int", "float"):
        raise Refused(f"any or all of a column of {sym.type}", "a condition")
    tree = sym.sql if sym.type == "bool" else sqlx.sql("_1 <> 0", sym.sql)
    tree = tree if of else sqlx.negate(tree)
    return replace(series, sym=Sym(sqlx.sql("coalesce(_1, FALSE)", tree) if sym.null else tree, "bool", name=sym.name))


def _any(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    total = whole(m, _truths(series, True), "sum")
    return Sym(sqlx.sql("coalesce(_1, 0) > 0", total.sql), "bool")


def _all(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    total = whole(m, _truths(series, False), "sum")
    return Sym(sqlx.sql("coalesce(_1, 0) = 0", total.sql), "bool")


def _quantile(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    level = frames.options(kwargs, args, ("q",), "quantile", q=0.5)["q"]
    return _ordered(m, series, quantile_kind(level))


def _ordered(m: Machine, series: Series, kind: str) -> Sym:
    """A quantile of numbers or of moments."""
    if series.sym.type not in ("date", "datetime"):
        return whole(m, series, kind)
    moments = Sym(sqlx.sql("epoch_us(CAST(_1 AS TIMESTAMP))", series.sym.sql), "int", series.sym.null, series.sym.name)
    found = whole(m, frames.close_series(m, Series(series.rows_, moments)), kind)
    return replace(found, sql=sqlx.sql("make_timestamp(CAST(trunc(_1) AS BIGINT))", found.sql), type="datetime")


def quantile_kind(level: Value) -> str:
    """The aggregate for a quantile of one level; raises Refused for others."""
    if level == 0.5:
        return "median"
    if not isinstance(level, float) or not 0 < level < 1:
        raise Refused("quantile of this level", "a constant between 0 and 1")
    return f"{QUANTILE}{level}"


def count(m: Machine, rows: Rows) -> Sym:
    """``len(df)``; positions of the rows can be made from it."""
    if rows.part is not None:
        raise Refused("the number of rows of a part of a split")
    key = ("length", rows.rel.token, tuple(sqlx.text(c) for c in rows.where), tuple(j.alias for j in rows.joins))
    if key not in m.files:
        plain = Frame(rows, ())
        made = plain if not rows.where and not rows.joins else frames.closed(m, plain, rows.title or rows.rel.name)
        m.files[key] = made.rows_.rel
    m.files["rows of", m.files[key].token] = rows
    return m.whole("count", m.files[key], None, "int")


def asserted(m: Machine) -> list[Relation]:
    """Checks from assertions about whole relations; the relations that must be there for them."""
    needed: list[Relation] = []
    for fails, line in m.asserted:
        tree = m.expand_tree(fails)
        tokens = sorted(sqlx.tables(tree))
        if not tokens or any(t not in m.wholes for t in tokens):
            continue
        tables = [table_of(m, m.wholes[t]) for t in tokens]
        joins = [Join(t, rel, ()) for t, rel in zip(tokens[1:], tables[1:], strict=True)]
        message = "an assertion of the script"
        m.obligations.append(Obligation(Query(tokens[0], tables[0], joins), (), tree, message, line))
        needed += tables
    return needed


# -- aggregates in views --------------------------------------------------------------------------------


def place(m: Machine, roots: list[Relation]) -> None:
    """Join every aggregate that a relation speaks of as a table of one row."""
    seen: set[str] = set()
    queue = list(roots)
    while queue:
        rel = queue.pop()
        if isinstance(rel, UnionRel):
            queue += rel.members
        if rel.token in seen or not isinstance(rel, SelectRel | GroupRel):
            continue
        seen.add(rel.token)
        known = {j.alias for j in rel.query.joins}
        for token in sorted(_spoken(m, rel) - known):
            rel.query.joins.append(Join(token, table_of(m, m.wholes[token]), ()))
        queue += [rel.query.base, *[j.rel for j in rel.query.joins]]


def _spoken(m: Machine, rel: SelectRel | GroupRel) -> set[str]:
    trees: list[Tree] = list(rel.query.where) + [s.sql for s, _ in rel.query.order]
    trees += [s.sql for j in rel.query.joins for s, _ in j.keys]
    if isinstance(rel, SelectRel):
        trees += [s.sql for _, s in rel.outputs]
    else:
        trees += [s.sql for _, s in rel.keys] + [a.argument.sql for a in rel.aggregates if a.argument is not None]
    return {t for tree in trees for t in sqlx.tables(m.expand_tree(tree)) if t in m.wholes}


def table_of(m: Machine, made: Whole) -> GroupRel:
    """The relation of one row that holds an aggregate, under its kind as name."""
    if made.part is not None:
        raise Refused("an aggregate over a part of the rows, other than to scale them by it")
    key = ("summary of", made.rel.token, made.kind, sqlx.text(made.element.sql) if made.element else "",
           tuple((sqlx.text(s.sql), d) for s, d in made.by))  # fmt: skip
    if key not in m.files:
        name = made.element.name if made.element is not None and made.element.name else "rows"
        short = made.kind.split(":")[0].removesuffix("_sample").removesuffix("_of")
        rel = GroupRel(
            name=f"{made.rel.name}_{short}_{name}", what=f"{short} of {name} over all rows of {made.rel.name}",
            lines=made.rel.lines, query=Query(made.rel.token, made.rel), keys=(),
        )  # fmt: skip
        m.files[key] = rel
        if made.by:
            rel.aggregates.append(Aggregate(made.kind, made.kind, made.element, made.element.type, by=made.by))
            return rel
        kind = made.kind if ":" in made.kind else TEMPLATES.get(made.kind, made.kind)
        whole = made.element is not None and made.element.type == "int" and made.kind in ("sum", "min", "max")
        rel.require(kind, made.element, "int" if whole or made.kind == "count" else "float", made.kind)
        m.files[key] = rel
    return m.files[key]


for _name in KINDS:
    frames.SERIES_METHODS[_name] = _rule(_name)
frames.SERIES_METHODS.update({"any": _any, "all": _all})
frames.SERIES_METHODS["quantile"] = _quantile
frames.FRAME_RULES["length"] = count
