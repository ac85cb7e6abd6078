"""``break`` in a loop over rows: rows after the first that breaks were never read."""

from __future__ import annotations

from sqlglot import exp

from lester_duck.lift import recurrences, sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import fresh
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.state import Frame, Let, State
from lester_duck.lift.values import Refused, Sym

_BEFORE = "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"


def begin(m: Machine, frame: Frame) -> None:
    """Interpret the body for a row that is reached: no earlier one has left the loop."""
    token = fresh("let")
    frame.reached = (exp.Not(this=sqlx.column(token, "stopped")),)
    m.state.path = (*m.state.path, *frame.reached)


def finish(m: Machine, frame: Frame, broken: list[State]) -> None:
    """Say what it is that an earlier row has left the loop."""
    if not frame.reached:
        return
    if frame.running or any(e.kind == "rewrite" for e in frame.effects):
        raise Refused("break in a loop that updates records")
    own = sqlx.text(frame.reached[0])
    stops: Tree = exp.false()
    for state in broken:
        path = [c for c in state.path[len(frame.start.path) :] if sqlx.text(c) != own]
        stops = sqlx.disjunction(stops, sqlx.conjunction(path))
    window = recurrences.window(m, frame, "bool_or(_1)", (), _BEFORE, stops)
    tree = sql("coalesce(_1, FALSE)", window)
    token = frame.reached[0].this.table
    m.lets[token] = Let("stopped", Sym(tree, "bool"), (), tree)
