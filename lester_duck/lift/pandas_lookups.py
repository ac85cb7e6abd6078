"""``isin`` and ``map``: constant lists and tables, other columns, dicts filled in loops."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import lookups, scalars, sqlx
from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_whole as whole
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Series, options
from lester_duck.lift.relations import GroupRel, Join, Relation, SelectRel, fresh
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Refused, Sym, Value


def _isin(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("values",), "isin")
    content = m.content(chosen["values"])
    sym = series.sym
    if isinstance(content, Series | v.ListOf | v.SetOf | v.DictOf):
        return _is_member(m, series, content)
    values = frames.constant(m, chosen["values"])
    plain = [x for x in values if x is not None and x == x]
    kinds = {x: scalars.scalar(x).type for x in plain}
    alike = [x for x in plain if kinds[x] == sym.type or {kinds[x], sym.type} <= scalars.NUMERIC]
    if isinstance(values, set):
        alike = sorted(alike)
    tree: exp.Expression = exp.false()
    if len(alike) == 1:
        tree = sql("_1 = _2", sym.sql, sqlx.literal(alike[0]))
    elif alike:
        tree = exp.In(this=sym.sql.copy(), expressions=[sqlx.literal(x) for x in alike])
    if sym.null:
        tree = sql("coalesce(_1, _2)", tree, sqlx.literal(False))
    if len(plain) < len(values):
        tree = sqlx.disjunction(tree, sql("_1 IS NULL", sym.sql))
    return Series(series.rows_, Sym(tree, "bool"))


def distinct(m: Machine, series: Series, title: str) -> GroupRel:
    """The values of a series, each once, without the missing one."""
    closed = frames.close_series(m, series)
    rel, column = closed.rows_.rel, closed.sym.sql
    query = closed.rows_.query()
    if closed.sym.null:
        query.where = (sql("_1 IS NOT NULL", column),)
    name = column.name if isinstance(column, exp.Column) else "value"
    key = ("values", rel.token, name)
    if key not in m.files:
        m.files[key] = GroupRel(
            name=title, what=f"the values of {name} in {rel.name}", lines=(m.line, m.line), query=query,
            keys=((name, closed.sym),),
        )  # fmt: skip
    return m.files[key]


def _is_member(m: Machine, series: Series, content: Value) -> Series:
    if isinstance(content, Series):
        title = f"{content.rows_.title or content.rows_.rel.name}_{content.sym.name or 'values'}"
        rel = distinct(m, content, title)
        key, kind = rel.keys[0][0], content.sym.type
    else:
        rel, shape = lookups.distinct(m, content) if not isinstance(content, v.DictOf) else (content.rel, content.key)
        leaves = lookups.leaves(shape)
        if len(leaves) != 1:
            raise Refused("isin of a collection of tuples")
        key, kind = leaves[0].sql.name, leaves[0].type
    if kind != series.sym.type and not {kind, series.sym.type} <= scalars.NUMERIC:
        raise Refused(f"isin of {kind} values in a column of {series.sym.type}")
    join = find_join(m, series.rows_, rel, ((series.sym, key),))
    return Series(frames.with_joins(series.rows_, (join,)), Sym(join.present, "bool"))


def find_join(m: Machine, rows: frames.Rows, rel: object, keys: tuple[tuple[Sym, str], ...]) -> Join:
    """The lookup of a key in a relation that holds it at most once; made once."""
    texts = [sqlx.text(m.expand(s).sql) for s, _ in keys]
    for made in rows.joins:
        if made.rel is rel and [sqlx.text(m.expand(s).sql) for s, _ in made.keys] == texts:
            return made
    return Join(fresh("j"), rel, keys)


def _map(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("arg", "func"), "map", na_action=None)
    if chosen["na_action"] not in (None,):
        raise Refused("map with na_action")
    mapper = chosen.get("arg", chosen.get("func"))
    content = m.content(mapper)
    if isinstance(content, v.HDict) and content.default in (None, "row"):
        return _map_table(m, series, content)
    if isinstance(content, Series):
        return map_keyed(m, series, content)
    if isinstance(content, v.DictOf) and not content.default:
        return _map_rows(m, series, content)
    if isinstance(content, v.Func | v.Lib | v.Method):
        return frames.SERIES_METHODS["apply"](m, series, [mapper], {})
    raise Refused("map with this argument", "a dict, a Series or a function")


def _map_table(m: Machine, series: Series, table: v.HDict) -> Series:
    entries = [(k, x) for k, x in table.items if k == k and k is not None]
    made = lookups.table(m, series.sym, entries)
    if not isinstance(made, Sym):
        raise Refused("map to records")
    tree, kind = made.sql, made.type
    if kind in ("int", "number"):
        tree, kind = sql("CAST(_1 AS DOUBLE)", tree), "float"
    found = Sym(tree, kind, null=True, nan=True, name=series.sym.name)
    return Series(series.rows_, whole.unless(m, series.rows_, found) if made.type == "int" else found)


def map_keyed(m: Machine, series: Series, keyed: Series) -> Series:
    """``s.map(t)`` with ``t`` indexed by key: a lookup."""
    if keyed.rows_.index != "keys" or len(keyed.rows_.keys) != 1:
        raise Refused("map with a Series that is not indexed by a key", "df.groupby(key)[...].mean()")
    closed = frames.close_series(m, keyed)
    key = closed.rows_.keys[0][1]
    _owe_unique(m, closed, key)
    join = find_join(m, series.rows_, closed.rows_.rel, ((series.sym, key.sql.name),))
    found = replace(closed.sym, sql=sqlx.column(join.alias, closed.sym.sql.name), null=True, nan=True)
    return _found(m, frames.with_joins(series.rows_, (join,)), found)


def _owe_unique(m: Machine, closed: Series, key: Sym) -> None:
    """Say that pandas looks values up in an index only where no key is there twice."""
    rel = closed.rows_.rel
    if is_unique(rel, key.sql.name):
        return
    if key.null:
        frames.owe(m, closed.rows_, sql("_1 IS NULL", key.sql), "a missing key, which pandas would match with another")
    total = m.whole("count", rel, None, "int")
    different = m.whole("count_distinct", rel, key, "int")
    m.asserted.append((sql("_1 <> _2", total.sql, different.sql), m.line))


def is_unique(rel: Relation, name: str) -> bool:
    """Whether a column is known to have each value once: it is the key of a grouping."""
    while isinstance(rel, SelectRel):
        made = dict(rel.outputs).get(name)
        own = made is not None and isinstance(made.sql, exp.Column) and made.sql.table == rel.query.alias
        if not own or any(j.always for j in rel.query.joins):
            return False
        rel, name = rel.query.base, made.sql.name
    return isinstance(rel, GroupRel) and [n for n, _ in rel.keys] == [name]


def _found(m: Machine, rows: frames.Rows, sym: Sym) -> Series:
    """What was looked up, missing where it was not found."""
    if sym.type != "int":
        return Series(rows, replace(sym, null=True, nan=True))
    return Series(rows, whole.unless(m, rows, replace(sym, type="float", null=True, nan=True)))


def _map_rows(m: Machine, series: Series, mapping: v.DictOf) -> Series:
    leaves = lookups.leaves(mapping.key)
    if len(leaves) != 1 or not isinstance(mapping.value, Sym):
        raise Refused("map with a dict of records")
    join = find_join(m, series.rows_, mapping.rel, ((series.sym, leaves[0].sql.name),))
    found = v.rebind(mapping.value, mapping.rel.token, join.alias)
    return _found(m, frames.with_joins(series.rows_, (join,)), found)


frames.SERIES_METHODS.update({"isin": _isin, "map": _map})
