"""``.str`` of a column of lists: an element by its place, and how many there are."""

from __future__ import annotations

from dataclasses import replace

from lester_duck.lift import sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_objects import FRAME_RULES, Accessor, Series
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Refused, Sym, Value

MARK = "list:"
"""How the type of a list begins; its element's type follows."""


def _item(m: Machine, accessor: Accessor, index: Value) -> Value:
    """``.str[i]``: missing where the list is too short."""
    if type(index) is not int:
        raise Refused("a slice of a column of lists", ".str[0]")
    series: Series = accessor.of
    place = sqlx.literal(index + 1 if index >= 0 else index)
    tree = sql("list_extract(_1, _2)", series.sym.sql, place)
    element = Sym(tree, series.sym.type.removeprefix(MARK), null=True, nan=True, name=series.sym.name)
    return replace(series, sym=element)


def _length(m: Machine, accessor: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``.str.len()``."""
    series: Series = accessor.of
    return replace(series, sym=Sym(sql("len(_1)", series.sym.sql), "int", name=series.sym.name))


def as_list(m: Machine, series: Series) -> Value:
    """The pieces of each text as the list that a function of the row gets."""
    sym = series.sym
    limit, separator = sym.categories or (-1, None)
    if limit not in (-1, 0):
        raise Refused("a function applied to the pieces of a split with n=", ".str[0] and .str[1]")
    if sym.null:
        FRAME_RULES["owe"](m, series.rows_, sql("_1 IS NULL", sym.sql), "a missing value where a list is needed")
    text = Sym(sym.sql.expressions[0].copy() if separator is None else sym.sql.this.copy(), "str", name=sym.name)
    return v.Words(text) if separator is None else v.Pieces(text.sql, separator)


FRAME_RULES["as list"] = as_list
LISTS = {"[]": _item, "len": _length}
