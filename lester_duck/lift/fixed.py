"""Counters whose keys are known before the loop: ``{"low": 0, "high": 0}``, ``dict.fromkeys(kinds, 0)``."""

from __future__ import annotations

import ast

from sqlglot import exp

from lester_duck.lift import evolving, lookups, scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.recurrences import Recurrence
from lester_duck.lift.relations import Query, SelectRel
from lester_duck.lift.shapes import columns_of, leaf_name
from lester_duck.lift.sqlx import sql
from lester_duck.lift.state import Frame, Obligation
from lester_duck.lift.values import Refused, Sym, Value


def _before(m: Machine, id_: int) -> Value:
    content = m.state.heap[id_]
    return content.before if isinstance(content, evolving.Evolving) else content


def is_fixed(m: Machine, id_: int) -> bool:
    """Whether a dict had constant keys and numbers before the loop, and makes no new ones by itself."""
    before = _before(m, id_)
    if not isinstance(before, v.HDict) or not before.items or before.default is not None:
        return False
    return all(v.is_const(k) and type(x) in (int, float) for k, x in before.items)


def totals(m: Machine, frame: Frame, id_: int, query: Query, found: Recurrence) -> None:
    """``d[k] += x`` under keys that are known: one total over all rows per key."""
    before, amount = _before(m, id_), scalars.scalar(found.value)
    if amount.type not in ("int", "float") or amount.null or not isinstance(found.key, Sym):
        raise Refused(f"a running total of {amount.type} under these keys")
    if amount.type == "float" and any(x != 0 for _, x in before.items):
        raise Refused("a sum of floats that does not begin at 0")
    keys = [k for k, _ in before.items]
    other = sqlx.negate(lookups.member(m, found.key, keys))
    said = "a key that the dict does not have"
    m.obligations.append(Obligation(query, query.where, m.expand_tree(other), said, frame.lines[0]))
    name = _name(m, id_)
    outputs, shape = columns_of(m, (found.key, amount), leaf_name(found.key) or "key")
    rel = SelectRel(name=f"{name}_rows", what=f"what {name} counts", lines=frame.lines, query=query, outputs=outputs)
    key, value = shape(rel)
    items = tuple((k, _total(m, rel, key, value, k, old)) for k, old in before.items)
    m.state.heap[id_] = v.HDict(items, before.default)


def _name(m: Machine, id_: int) -> str:
    names = [n for env in m.state.envs for n, x in env.items() if isinstance(x, v.Ref) and x.id == id_]
    return names[0] if names else "counts"


def _total(m: Machine, rel: SelectRel, key: Sym, amount: Sym, wanted: Value, old: Value) -> Value:
    mine = scalars.compare(m, ast.Eq, key, wanted)
    if amount.type == "float" and type(old) is int:
        raise Refused("a total that is a whole number until a row adds to it, and a float then", "0.0")
    of = Sym(sqlx.case(mine, amount.sql, exp.null()), amount.type, null=True)
    total = m.whole("sum_known", rel, of, amount.type)
    return total if old == 0 else Sym(sql("_1 + _2", sqlx.literal(old), total.sql), amount.type)
