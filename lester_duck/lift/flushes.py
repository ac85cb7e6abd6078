"""The running record after its loop: the last group, which the script keeps by a statement of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from lester_duck.lift import sqlx
from lester_duck.lift import values as v
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import GroupRel, SelectRel
from lester_duck.lift.sqlx import Tree
from lester_duck.lift.values import Refused, Sym, Value


@dataclass(frozen=True, eq=False)
class LastGroup(Library):
    """The running record after the loop: the last group."""

    groups: GroupRel
    closed: SelectRel
    columns: tuple[tuple[Value, Sym], ...]
    what = "running record after its loop"

    def subscript(self, m: Machine, ref: Value, index: Value) -> Value:
        """A field of the last group."""
        found = dict(self.columns).get(index)
        if found is None:
            raise Refused(f"the entry {index!r} of a running record")
        return replace(m.whole("last", self.groups, found, found.type), null=True)

    def truth(self, m: Machine, ref: Value) -> Tree:
        """``if cur:`` guards the last group, which is there where any is."""
        return exp.true()


def flush(m: Machine, ref: v.Ref, value: Value) -> bool:
    """``kept.append(cur)`` after the loop, or of what was kept of each: the list then holds the last group, too."""
    content = m.content(ref)
    if not isinstance(content, v.ListOf):
        return False
    last = m.content(value)
    if isinstance(last, LastGroup):
        value = v.Rec(tuple((k, last.subscript(m, value, k)) for k, _ in last.columns))
    elif isinstance(value, v.Ref) and isinstance(last, v.HDict):
        value = v.Rec(last.items)
    groups: set[str] = set()
    found = v.map_syms(value, lambda s: _of_last(m, s, groups))
    closed = m.files.get(("groups kept", next(iter(groups)))) if len(groups) == 1 else None
    if closed is None:
        return False
    shown = v.map_syms(content.element, lambda s: _traced(s, content.rel, closed))
    if not _alike(found, shown):
        return False
    closed.query.where = ()
    m.snapshots[:] = [x for x in m.snapshots if x[2] is not content]
    return True


def _of_last(m: Machine, sym: Sym, groups: set[str]) -> Value:
    """The name of the group's column that a value of the last group is."""
    whole = m.wholes.get(sym.sql.table) if isinstance(sym.sql, exp.Column) else None
    if whole is None or whole.kind != "last" or ("groups kept", whole.rel.token) not in m.files:
        return sym
    groups.add(whole.rel.token)
    return whole.element.sql.name


def _traced(sym: Sym, rel: Any, closed: SelectRel) -> Value:
    """The name of the group's column that a column of a list of groups is."""
    tree = sym.sql
    while isinstance(tree, exp.Column) and rel is not closed and isinstance(rel, SelectRel):
        if rel.query.where or rel.query.order or tree.table != rel.token:
            return sym
        output = dict(rel.outputs).get(tree.name)
        if output is None or not isinstance(output.sql, exp.Column) or output.sql.table != rel.query.alias:
            return sym
        tree, rel = sqlx.column(rel.query.base.token, output.sql.name), rel.query.base
    return tree.name if rel is closed and isinstance(tree, exp.Column) else sym


def _alike(a: Value, b: Value) -> bool:
    if isinstance(a, v.Rec) and isinstance(b, v.Rec):
        return [k for k, _ in a.items] == [k for k, _ in b.items] and all(
            _alike(x, y) for (_, x), (_, y) in zip(a.items, b.items, strict=True)
        )
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(_alike(x, y) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and not isinstance(a, Sym | v.Ref | v.Choice) and a == b
