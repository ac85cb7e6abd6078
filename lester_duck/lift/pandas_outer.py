"""``merge(how="outer")``: the rows of both sides, sorted by key."""

from __future__ import annotations

from dataclasses import replace

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_group as groups
from lester_duck.lift import pandas_join as join_rules
from lester_duck.lift import pandas_methods as method_rules
from lester_duck.lift import pandas_shape as shape_rules
from lester_duck.lift import sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Frame
from lester_duck.lift.relations import Join, fresh
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Sym, Value


def outer(m: Machine, left: tuple, right: tuple, drop: set[str], suffixes: tuple, indicator: Value) -> Frame:
    """Left rows with their matches, right rows without one, in order of key."""
    left_ref, left_frame, left_on = left
    right_ref, right_frame, right_on = right
    left_frame = frames.close(m, left_ref, left_frame)
    right_frame = frames.close(m, right_ref, right_frame)
    both = join_rules.joined(m, (left_ref, left_frame, left_on), (right_ref, right_frame, right_on), "left", drop,
                             suffixes)  # fmt: skip
    missing_too = bool(both.rows_.joins[-1].known)
    known = groups.grouping(m, left_frame, tuple(frames.syms(left_frame, left_on)), missing_too)
    both = join_rules.marked(both, indicator, "left_only")
    wanted = frames.syms(right_frame, right_on)
    keys = tuple((s, n) for s, (n, _) in zip(wanted, known.keys, strict=True))
    counted = known.require("count", None, "int", "rows").sql.name if missing_too else ""
    join = Join(fresh("j"), known, keys, known=counted)
    rows = frames.restricted(frames.with_joins(right_frame.rows_, [join]), sqlx.negate(join.present))
    shared = {n for n in left_frame.names if n in right_frame.names and n not in drop}
    columns = tuple((f"{n}{suffixes[1] or ''}" if n in shared else n, x) for n, x in right_frame.columns)
    alone = Frame(rows, columns)
    if indicator is not False:
        name = "_merge" if indicator is True else str(indicator)
        alone = frames.put(alone, name, Sym(sqlx.literal("right_only"), "str", name="merge"))
    titles = [frames.title_of(m, left_ref, left_frame), frames.title_of(m, right_ref, right_frame)]
    stacked = shape_rules.stacked(m, [left_ref, right_ref], [both, alone], True)
    for member, title in zip(stacked.rows_.rel.members, ("matched", "alone"), strict=True):
        member.name = f"{titles[0]}_{titles[1]}_{title}"
    known_columns = dict(stacked.columns)
    order = []
    for a, b in zip(left_on, right_on, strict=True):
        key = known_columns[a] if a in known_columns else known_columns[f"{a}{suffixes[0]}"]
        if a != b:
            other = known_columns[b] if b in known_columns else known_columns[f"{b}{suffixes[1]}"]
            key = replace(key, sql=sql("coalesce(_1, _2)", key.sql, other.sql))
        order.append((key, False))
    made = frames.closed(m, stacked, f"{titles[0]}_{titles[1]}", tuple(order))
    return method_rules.renumbered(m, left_ref, made)


frames.FRAME_RULES["outer"] = outer
