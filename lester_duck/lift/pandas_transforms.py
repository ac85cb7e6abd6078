"""``transform`` by the name of a method of groups; ``shift`` with a value for the rows that are not there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_group as groups
from lester_duck.lift import pandas_whole as whole
from lester_duck.lift import scalars, sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Accessor, Frame, Series
from lester_duck.lift.pandas_windows import known_keys, position, ready, window
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Refused, Sym, Value

_WHOLE_GROUP = "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"


def filled(m: Machine, frame: Frame, sym: Sym, keys: list[Sym], periods: int, fill: Value) -> Series:
    """``shift(fill_value=x)``: the value where there is no such row; keys that are missing have none."""
    other = scalars.scalar(fill)
    if other.type != sym.type and {other.type, sym.type} != {"int", "float"}:
        raise Refused(f"shift of a column of {sym.type} with this fill_value=")
    if sym.type == "int" and other.type == "float":
        raise Refused("shift of whole numbers with a fill_value= that is none", "fill_value=0")
    name = "lag(_1, _2, _3)" if periods > 0 else "lead(_1, _2, _3)"
    function = sql(name, sym.sql, sqlx.literal(abs(periods)), other.sql)
    tree = known_keys(keys, window(function, keys, [position(frame)]))
    null = sym.null or any(k.null for k in keys)
    made = replace(sym, sql=tree, null=null, nan=True, parts=(), choices=(), whole=None)
    if sym.type == "int" and null:
        made = whole.unless(m, frame.rows_, replace(made, type="float"), _absent(keys))
    return Series(frame.rows_, made)


def _absent(keys: list[Sym]) -> sqlx.Tree:
    """Whether one of the keys is missing."""
    found = sqlx.literal(False)
    for key in keys:
        found = sqlx.disjunction(found, sql("_1 IS NULL", key.sql)) if key.null else found
    return found


def _at_end(kind: type[exp.FirstValue | exp.LastValue]) -> Callable[[Machine, Accessor], Series]:
    """``transform("first")``: the first value of each group that is not missing."""

    def rule(m: Machine, group: Accessor) -> Series:
        name = groups.columns_of(group)[0]
        frame = ready(m, group, [name])
        keys, sym = frames.syms(frame, groups.part(group, "keys")), frames.syms(frame, [name])[0]
        found = exp.IgnoreNulls(this=kind(this=sym.sql.copy()))
        tree = known_keys(keys, window(found, keys, [position(frame)], _WHOLE_GROUP))
        some = any(k.null for k in keys)
        made = replace(sym, sql=tree, null=sym.null or some, nan=True, parts=(), choices=(), name=name)
        if sym.type == "int" and some:
            made = whole.unless(m, frame.rows_, replace(made, type="float"), _absent(keys))
        return Series(frame.rows_, made)

    return rule


def _method(name: str) -> Callable[[Machine, Accessor], Value]:
    return lambda m, group: groups.GROUPED[name](m, group, [], {})


def ngroup(m: Machine, group: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if args or kwargs:
        raise Refused("ngroup with arguments")
    frame = ready(m, group, [])
    keys = frames.syms(frame, groups.part(group, "keys"))
    for key in keys:
        if key.null:
            frames.owe(m, frame.rows_, sql("_1 IS NULL", key.sql), "a missing key, whose group has no number")
    return Series(frame.rows_, Sym(sql("_1 - 1", window(sql("dense_rank()"), [], [k.sql for k in keys])), "int"))


groups.GROUPED["ngroup"] = ngroup
frames.FRAME_RULES["shift with a value"] = filled
frames.FRAME_RULES["transforms"] = {
    "first": _at_end(exp.FirstValue),
    "last": _at_end(exp.LastValue),
    **{n: _method(n) for n in ("cumsum", "cummax", "cummin", "shift", "diff", "rank", "ffill", "bfill", "cumcount")},
}
