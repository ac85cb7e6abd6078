"""``for k in keys: df.loc[df["key"] == k, "x"] = value``: a column set for the rows of one key after the other.

The keys are all different, so no row is set twice by one statement: the loop is a lookup of the value by the key.
"""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import folds, scalars, sqlx
from lester_duck.lift import pandas_frames as frames
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Frame, Series
from lester_duck.lift.pandas_lookups import find_join, is_unique
from lester_duck.lift.pandas_matches import Matched
from lester_duck.lift.relations import GroupRel, Query, SelectRel
from lester_duck.lift.render import column_name
from lester_duck.lift.state import Effect
from lester_duck.lift.state import Frame as LoopFrame
from lester_duck.lift.values import Refused, Sym

_NEAREST = 'one df.loc[df["key"] == k, "x"] = value per column, k from df["key"].unique() or a grouping'


def rows_set(m: Machine, loop: LoopFrame, key: int, effects: list[Effect]) -> None:
    """What a loop over keys set in the rows of each key, looked up by the key."""
    frame = m.state.heap[key]
    names = [n for effect in effects for n in effect.arguments[1]]
    if not isinstance(frame, Frame) or len(set(names)) != len(names):
        raise Refused("a column set twice for the rows of one key", _NEAREST)
    for effect in effects:
        mask, wanted, value = effect.arguments
        held = scalars.scalar(value)
        for name in wanted:
            frame = _set(m, loop, frame, effect, mask, name, held)
    m.state.heap[key] = frame


def _set(
    m: Machine, loop: LoopFrame, frame: Frame, effect: Effect, mask: Matched, name: str, value: Sym
) -> Frame:  # fmt: skip
    if len(mask.keys) != 1 or frame.rows_.part is not None:
        raise Refused("rows chosen by several values of the loop", _NEAREST)
    series, asked = mask.keys[0]
    own = m.expand(asked).sql
    if not isinstance(own, exp.Column) or own.table != loop.query.alias or not is_unique(loop.query.base, own.name):
        raise Refused("rows set by a value that may come twice in the loop", _NEAREST)
    _owe_unread(m, loop, frame, series, name, value)
    label = column_name(asked.name or own.name)
    path = effect.path[len(loop.start.path) :]
    rel = SelectRel(
        name=f"{frames.title_of(m, None, frame)}_{column_name(name)}_by_{label}",
        what=f"{name} per {label}", lines=loop.lines,
        query=Query(loop.query.alias, loop.query.base, list(loop.query.joins), tuple(path)),
        outputs=[(label, replace(asked, sql=own))],
    )  # fmt: skip
    shown = rel.require(m.expand(value), column_name(name)).sql.name
    looked = frames.carry(m, frame.rows_, series.rows_, series.sym)
    join = find_join(m, frame.rows_, rel, ((looked, label),))
    rows = frames.with_joins(frame.rows_, [*_joins(frame, series), join])
    chosen = Sym(join.present, "bool")
    if mask.rest is not None:
        rest = frames.carry(m, rows, mask.rest.rows_, mask.rest.sym)
        rows = frames.with_joins(rows, _joins(frame, mask.rest))
        chosen = Sym(sqlx.conjunction([frames.truth(rest), join.present]), "bool")
    found = replace(value, sql=sqlx.column(join.alias, shown), parts=(), choices=(), position=None)
    return frames.FRAME_RULES["set where"](m, replace(frame, what_rows=rows), Series(rows, chosen), name, found)


def _joins(frame: Frame, series: Series) -> tuple:
    return series.rows_.joins if series.rows_.rel is frame.rows_.rel else ()


def _owe_unread(m: Machine, loop: LoopFrame, frame: Frame, series: Series, name: str, value: Sym) -> None:
    """The value may depend on what other rows hold in the column only if these have the same key."""
    asked = sqlx.text(m.expand(series.sym).sql)
    for join in loop.query.joins:
        rel = join.rel
        if isinstance(rel, GroupRel) and rel.query.base is frame.rows_.rel:
            keys = [sqlx.text(m.expand(k).sql) for _, k in rel.keys]
            if keys != [asked]:
                raise Refused(f"a value from other rows of the frame whose column {name!r} the loop sets", _NEAREST)
    for token in sqlx.tables(m.expand(value).sql):
        whole = m.wholes.get(token)
        if whole is not None and (whole.rel is frame.rows_.rel or frames.between(whole.rel, frame.rows_.rel)):
            raise Refused(f"a value from all rows of the frame whose column {name!r} the loop sets", _NEAREST)


folds.RULES["frame rows"] = rows_set
