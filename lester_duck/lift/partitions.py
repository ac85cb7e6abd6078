"""A text cut at the first or last place of a separator: ``partition``, ``rpartition``, ``split(separator, n)``."""

from __future__ import annotations

from lester_duck.lift import exploded, scalars, sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Refused, Sym, Value


def partition(m: Machine, receiver: Sym, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``text.partition(separator)``: what is before its first place, the separator, what is after it."""
    text, separator = _operands(receiver, args)
    place = sql("strpos(_1, _2)", text, separator)
    there = sql("contains(_1, _2)", text, separator)
    head = sql("CASE WHEN _1 THEN left(_2, _3 - 1) ELSE _2 END", there, text, place)
    after = sql("_1 + _2", place, sqlx.literal(len(args[0])))
    tail = sql("CASE WHEN _1 THEN substring(_2, _3) ELSE '' END", there, text, after)
    middle = sql("CASE WHEN _1 THEN _2 ELSE '' END", there, separator)
    return tuple(Sym(tree, "str", name=receiver.name) for tree in (head, middle, tail))


def rpartition(m: Machine, receiver: Sym, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``text.rpartition(separator)``: the same at its last place."""
    text, separator = _operands(receiver, args)
    if len(args[0]) > 1:
        raise Refused("rpartition() at a separator of several characters", "one character")
    there = sql("contains(_1, _2)", text, separator)
    tail = sql("list_extract(string_split(_1, _2), -1)", text, separator)
    head = sql("CASE WHEN _1 THEN left(_2, length(_2) - length(_3) - 1) ELSE '' END", there, text, tail)
    middle = sql("CASE WHEN _1 THEN _2 ELSE '' END", there, separator)
    return tuple(Sym(tree, "str", name=receiver.name) for tree in (head, middle, tail))


def split(m: Machine, receiver: Sym, separator: Value, limit: Value) -> exploded.Exploded:
    """``text.split(separator, limit)``: so many cuts at most, the last part being all of the rest."""
    text, separator_sql = _operands(receiver, [separator])
    if type(limit) is not int or limit < 1:
        raise Refused("str.split with this limit", "a constant of at least 1")
    parts = sql("string_split(_1, _2)", text, separator_sql)
    first = sql("list_slice(_1, 1, _2)", parts, sqlx.literal(limit))
    rest = sql("list_slice(_1, _2, len(_1))", parts, sqlx.literal(limit + 1))
    joined = sql("list_append(_1, array_to_string(_2, _3))", first, rest, separator_sql)
    some = sql("len(_1) > _2", parts, sqlx.literal(limit + 1))
    return exploded.Exploded(sql("CASE WHEN _1 THEN _2 ELSE _3 END", some, joined, parts), "str")


def _operands(receiver: Sym, args: list[Value]) -> tuple[sqlx.Tree, sqlx.Tree]:
    if len(args) != 1 or not isinstance(args[0], str) or not args[0]:
        raise Refused("a text cut at a separator that is no constant text")
    return scalars.whole(receiver).sql, sqlx.literal(args[0])
