"""Dicts, sets and lists of distinct things that a loop filled, as groupings: one rule per recurrence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlglot import exp

from lester_duck.lift import companions, evolving, fields, fixed, folds, recurrences, scalars, sqlx, twolevels
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.recurrences import Recurrence
from lester_duck.lift.relations import Aggregate, GroupRel, Join, Query, SelectRel, fresh
from lester_duck.lift.shapes import columns_of, leaf_name
from lester_duck.lift.sqlx import sql
from lester_duck.lift.state import Frame, Let, Obligation
from lester_duck.lift.values import Refused, Sym, Value


def query_of(frame: Frame, found: Recurrence) -> Query:
    """The loop's rows that change a collection."""
    return Query(frame.query.alias, frame.query.base, frame.query.joins, found.where, frame.query.order)


def _empty_before(m: Machine, id_: int, kind: type, what: str) -> Value:
    content = m.state.heap[id_]
    before = content.before if isinstance(content, evolving.Evolving) else content
    if not isinstance(before, kind) or before.items:
        raise Refused(f"{what} that was not empty before the loop")
    return before


def entries(m: Machine, frame: Frame, id_: int, found: Recurrence) -> None:
    """``d[k] = value``: one row per key, where it first came; the first, last or best entry stays."""
    before = _empty_before(m, id_, v.HDict, "a dict")
    name = folds.name_of(m, id_) or "entries"
    if found.kind == "first" and any(_is_count(m, x) for x in evolving.leaves_of(found.value)):
        _codes(m, frame, id_, found, name)
        return
    rel, key, value = _grouped(m, frame, found, name)
    m.state.heap[id_] = v.DictOf(rel, _there(key), companions.kept(m, id_, _there(key), value), before.default)
    twolevels.nest(m, id_)
    if found.kind == "first":
        _answer_after(m, frame, id_, found, rel, evolving.leaves_of(value))


def _grouped(m: Machine, frame: Frame, found: Recurrence, name: str) -> tuple[GroupRel, Value, Value]:
    query = query_of(frame, found)
    if query.order:
        raise Refused("a dict filled from sorted rows", "rows.sort(...) before the loop")
    count = len([x for x in evolving.leaves_of(found.key) if isinstance(x, Sym)])
    outputs, shape = columns_of(m, (found.key, found.value), "value" if count else "key")
    keys = outputs[:count]
    _no_none(m, query, keys, frame.lines[0])
    by_text = {sqlx.text(m.expand(s).sql): n for n, s in keys}
    rel = GroupRel(
        name=name, what=f"{name}, {_which(found)} per {', '.join(n for n, _ in keys)}", lines=frame.lines,
        query=query, keys=tuple(keys),
    )  # fmt: skip
    renamed: dict[str, str] = {}
    by_tree = sqlx.text(m.expand(found.by).sql) if found.by is not None else None
    for n, s in outputs[count:]:
        tree = sqlx.text(m.expand(s).sql)
        renamed[n] = by_text.get(tree, n)
        if n != renamed[n]:
            continue
        if found.kind == "best" and tree == by_tree:
            rel.aggregates.append(Aggregate(n, "max" if found.descending else "min", s, s.type, s.null))
            continue
        kind = found.kind if found.kind != "best" else "first" if found.first_tie else "last"
        ordering = () if found.by is None else ((found.by, found.descending is found.first_tie),)
        rel.aggregates.append(Aggregate(n, kind, s, s.type, s.null, ordering))
    key, value = v.map_syms(shape(rel), lambda s: rel.column(renamed.get(s.sql.name, s.sql.name), s))
    return rel, key, value


def records(m: Machine, frame: Frame, id_: int, found: fields.Records) -> None:
    """``d[k]["n"] += 1``: one row per key with an aggregate per field."""
    before = _empty_before(m, id_, v.HDict, "a dict of records")
    query = query_of(frame, found)
    if query.order:
        raise Refused("records filled from sorted rows", "rows.sort(...) before the loop")
    rel, key, value = fields.grouping(m, frame, query, found, folds.name_of(m, id_) or "records")
    _no_none(m, query, list(rel.keys), frame.lines[0])
    m.state.heap[id_] = v.DictOf(rel, _there(key), companions.kept(m, id_, _there(key), value), before.default)


def _which(found: Recurrence) -> str:
    if found.kind == "best":
        most = "most" if found.descending else "least"
        return f"the {'first' if found.first_tie else 'last'} with the {most} {found.by.name or 'value'}"
    return f"the {found.kind}"


def _no_none(m: Machine, query: Query, keys: list[tuple[str, Sym]], line: int) -> None:
    """None is a key like others in Python; a NaN is not equal to itself, and is refused where the data has one."""
    if any(s.null and not s.nan for _, s in keys):
        raise Refused("a dict key that may be None")
    for name, s in keys:
        if s.null:
            missing = sql("_1 IS NULL", s.sql)
            m.obligations.append(Obligation(query, query.where, missing, f"a key that is missing ({name})", line))


def _there(key: Value) -> Value:
    """A key of a dict, of which a data check says that it is never missing."""
    return v.map_syms(key, lambda s: replace(s, null=False, nan=False))


def _is_count(m: Machine, leaf: Value) -> bool:
    return isinstance(leaf, Sym) and is_count(m, leaf.sql)


def is_count(m: Machine, tree: exp.Expression) -> bool:
    """Whether an expression is the number of keys a collection had so far."""
    tree = sqlx.bare(m.expand_tree(tree))
    read = m.reads.get(tree.table) if isinstance(tree, exp.Column) else None
    return read is not None and read.kind == "len"


def _codes(m: Machine, frame: Frame, id_: int, found: Recurrence, name: str) -> None:
    """``if k not in d: d[k] = len(d)``: numbers from 0 in the order in which the keys came."""
    if not all(_is_count(m, x) for x in evolving.leaves_of(found.value)) or not isinstance(found.value, Sym):
        raise Refused("a number by order of appearance together with other values", "d[k] = len(d)")
    query = query_of(frame, found)
    if query.order:
        raise Refused("codes by appearance in sorted rows", "rows.sort(...) before the loop")
    keys, shape = columns_of(m, found.key, leaf_name(found.key) or "key")
    _no_none(m, query, keys, frame.lines[0])
    seen = GroupRel(
        name=f"{name}_seen", what=f"the keys of {name}, as they come", lines=frame.lines, query=query, keys=tuple(keys)
    )
    alias = fresh("t")
    rel = SelectRel(
        name=name, what=f"{name}: a number for each key, by order of appearance", lines=frame.lines,
        query=Query(alias, seen),
    )  # fmt: skip
    rel.outputs = [(n, Sym(sqlx.column(alias, n), s.type, name=n)) for n, s in keys]
    number = sql("CAST(row_number() OVER (ORDER BY _1) - 1 AS BIGINT)", sqlx.column(alias, "_pos"))
    code = rel.require(Sym(number, "int", name="code"), "code")
    key = v.map_syms(shape(seen), lambda s: rel.column(s.sql.name, s))
    m.state.heap[id_] = v.DictOf(rel, key, code)
    _answer_after(m, frame, id_, found, rel, [code])


def _answer_after(
    m: Machine, frame: Frame, id_: int, found: Recurrence, rel: GroupRel | SelectRel, columns: list[Value]
) -> None:
    """What a row reads right after it may have made the entry: what the dict holds in the end."""
    asked = [t for t in recurrences.own_tokens(m, id_) if m.reads[t].kind == "after" and t not in m.lets]
    if not asked:
        return
    leaves = [x for x in evolving.leaves_of(found.key) if isinstance(x, Sym)]
    keys = tuple((scalars.whole(s), n) for s, (n, _) in zip(leaves, _keys(rel, len(leaves)), strict=True))
    made = Join(fresh("j"), rel, keys)
    frame.query.joins.append(made)
    for token in asked:
        column = columns[m.reads[token].leaf]
        if isinstance(column, Sym):
            m.lets[token] = Let(column.name or "value", Sym(sqlx.column(made.alias, column.sql.name), column.type))


def _keys(rel: Any, count: int) -> list[tuple[str, Sym]]:
    return list(rel.keys if isinstance(rel, GroupRel) else rel.outputs)[:count]


def totals(m: Machine, frame: Frame, id_: int, found: Recurrence) -> None:
    """``d[k] += x``: a count or sum per key."""
    query = query_of(frame, found)
    if fixed.is_fixed(m, id_):
        fixed.totals(m, frame, id_, query, found)
        return
    before = _empty_before(m, id_, v.HDict, "a counter")
    if query.order:
        raise Refused("counting over sorted rows", "rows.sort(...) before the loop")
    keys, shape = columns_of(m, found.key, leaf_name(found.key) or "key")
    _no_none(m, query, keys, frame.lines[0])
    name = folds.name_of(m, id_) or "counts"
    rel = GroupRel(
        name=name, what=f"{name} per {', '.join(n for n, _ in keys)}", lines=frame.lines, query=query, keys=tuple(keys)
    )
    one = isinstance(found.value.sql, exp.Literal) and found.value.sql.name == "1" and found.value.type == "int"
    value = rel.require("count", None, "int", "n") if one else _sum(rel, found.value)
    m.state.heap[id_] = v.DictOf(rel, _there(shape(rel)), value, before.default)
    twolevels.nest(m, id_)


def _sum(rel: GroupRel, amount: Value) -> Sym:
    sym = scalars.scalar(amount)
    if sym.type not in ("int", "float"):
        raise Refused(f"a running total of {sym.type}")
    return rel.require("sum", sym, sym.type, "total")


def slots(m: Machine, frame: Frame, id_: int, found: Recurrence) -> None:
    """``d[k].append(x)``: the elements with their key, each once where the script asks for that."""
    before = _empty_before(m, id_, v.HDict, "lists per key")
    name = folds.name_of(m, id_) or "groups"
    container = before.default if before.default in ("list", "set") else found.container or "list"
    outputs, shape = columns_of(m, found.key, name)
    query = query_of(frame, found)
    once = bool(found.value) or container == "set"
    if once:
        _no_none(m, query, outputs, frame.lines[0])
        rel: GroupRel | SelectRel = GroupRel(
            name=name, what=f"{name}, each element once per key", lines=frame.lines, query=query, keys=tuple(outputs)
        )
    else:
        rel = SelectRel(
            name=name, what=f"{name}, one row per element", lines=frame.lines, query=query, outputs=outputs
        )
    key, element = shape(rel)
    m.state.heap[id_] = v.GroupedOf(rel, key, element, container, before.default)


def members(m: Machine, frame: Frame, id_: int, found: Recurrence) -> None:
    """``s.add(x)``: the distinct elements; the same for a list that takes each element once."""
    content = m.state.heap[id_]
    before = content.before if isinstance(content, evolving.Evolving) else content
    _empty_before(m, id_, v.HSet | v.HList, "a set or list")
    name = folds.name_of(m, id_) or "members"
    keys, shape = columns_of(m, found.key, leaf_name(found.key) or name)
    if any(s.null for _, s in keys):
        raise Refused("a set that may hold None")
    rel = GroupRel(
        name=name, what=f"{name}, each once", lines=frame.lines, query=query_of(frame, found), keys=tuple(keys)
    )
    element = shape(rel)
    m.state.heap[id_] = v.ListOf(rel, element) if isinstance(before, v.HList) else v.SetOf(rel, element, distinct=True)


RULES = {
    "first": entries,
    "last": entries,
    "best": entries,
    "sum": totals,
    "slots": slots,
    "fields": records,
    "members": members,
}
