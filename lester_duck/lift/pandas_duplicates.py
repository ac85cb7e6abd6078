"""``drop_duplicates`` and ``duplicated``: rows whose keys another row has too."""

from __future__ import annotations

from sqlglot import exp

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Frame, Series, options
from lester_duck.lift.pandas_methods import answer, numbered, renumbered
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Sym, Value


def _drop_duplicates(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("subset",), "drop_duplicates", subset=None, keep="first", inplace=False,
                     ignore_index=False)  # fmt: skip
    frames.only(chosen, "drop_duplicates", keep=("first", "last", False))
    names = frames.strings(m, chosen["subset"]) if chosen["subset"] is not None else frame.names
    made = frames.close(m, ref, frame) if _needs_close(m, frame, names) else frame
    keys = frames.syms(made, names)
    tree = numbered(made, keys, descending=chosen["keep"] == "last")
    if chosen["keep"] is False:
        tree = alike(made, names)
    flagged = frames.put(made, "place", Sym(tree, "int", name="place"))
    step = frames.closed(m, flagged, f"{frames.title_of(m, ref, frame)}_places")
    place = dict(step.columns)["place"]
    rows = frames.restricted(step.rows_, sql("_1 = 1", place.sql))
    kept = Frame(rows, tuple((n, x) for n, x in step.columns if n != "place"))
    if chosen["ignore_index"]:
        kept = renumbered(m, ref, kept)
    return answer(m, ref, kept, chosen["inplace"])


def _needs_close(m: Machine, frame: Frame, names: list[str]) -> bool:
    return bool(frame.rows_.joins) or any(not frames.is_own(frame.rows_, s) for s in frames.syms(frame, names))


def alike(frame: Frame, names: list[str]) -> exp.Expression:
    """How many rows have the same keys."""
    return exp.Window(this=sql("count(*)"), partition_by=[k.sql.copy() for k in frames.syms(frame, names)])


def _duplicated(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("subset",), "duplicated", subset=None, keep="first")
    frames.only(chosen, "duplicated", keep=("first", "last", False))
    names = frames.strings(m, chosen["subset"]) if chosen["subset"] is not None else frame.names
    made = frames.close(m, ref, frame)
    if chosen["keep"] is False:
        return Series(made.rows_, Sym(sql("_1 > 1", alike(made, names)), "bool", name="duplicated"))
    tree = numbered(made, frames.syms(made, names), descending=chosen["keep"] == "last")
    return Series(made.rows_, Sym(sql("_1 > 1", tree), "bool", name="duplicated"))


def _series_duplicated(m: Machine, series: Series, args: list[Value], kwargs: dict[str, Value]) -> Value:
    closed = frames.close_series(m, series)
    keep = options(kwargs, args, ("keep",), "duplicated", keep="first")["keep"]
    tree = numbered(Frame(closed.rows_, ()), [closed.sym], descending=keep == "last")
    return Series(closed.rows_, Sym(sql("_1 > 1", tree), "bool", name="duplicated"))


frames.FRAME_METHODS.update(drop_duplicates=_drop_duplicates, duplicated=_duplicated)
frames.SERIES_METHODS["duplicated"] = _series_duplicated
