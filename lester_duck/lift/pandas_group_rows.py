"""A loop over the rows of one group: what it counts, adds up and keeps, as aggregates of the group."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlglot import exp

from lester_duck.lift import lookups, scalars, sqlx
from lester_duck.lift import pandas_group_loops as group_rules
from lester_duck.lift import pandas_methods as method_rules
from lester_duck.lift import values as v
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import options
from lester_duck.lift.pandas_group_loops import GroupRows, GroupValues
from lester_duck.lift.relations import Query
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.state import Effect, Obligation
from lester_duck.lift.state import Frame as LoopFrame
from lester_duck.lift.values import Poison, Refused, Sym, Value

_NEAREST = "counters, sums, and the last value that fits"


@dataclass(frozen=True, eq=False)
class GroupItems(Library):
    """What a loop over the rows of a group yields, one by one."""

    group: GroupRows
    item: Value
    what = "loop over the rows of a group"

    def loop(self, m: Machine, node: ast.For, bind: Callable[[Value], None], body: Callable[[], None]) -> bool:
        """Interpret the body once; what it adds up is an aggregate of the group."""
        group = self.group
        base = group.rel.query
        assigned, loads = _names(node, ast.Store), _names(node, ast.Load)
        before = m.state
        lines = (node.lineno, node.end_lineno or node.lineno)
        query = Query(base.alias, base.base, list(base.joins), base.where)
        frame = LoopFrame(query, m.mark, before, lines, loads=frozenset(loads))
        m.state = before.fork()
        for name in assigned & loads & set(m.env):
            m.env[name] = Poison(f"'{name}' as an earlier row of the group left it", node.lineno)
        if group.where is not None:
            m.assume(group.where)
        owed = len(m.obligations)
        m.frames.append(frame)
        m.exits.append({"break": [], "continue": [], "rows": [before]})
        try:
            bind(lookups.thaw(m, self.item))
            body()
            if m.exits[-1]["break"]:
                raise Refused("break in a loop over the rows of a group")
        finally:
            m.exits.pop()
            m.frames.pop()
            m.state = before
        base.joins.extend(j for j in query.joins if j not in base.joins)
        depth = len(before.path)
        for i in range(owed, len(m.obligations)):
            debt = m.obligations[i]
            if debt.query is query:
                m.obligations[i] = self._owed(m, replace(debt, path=debt.path[depth:]))
        self._leave(m, frame, assigned)
        return True

    def _owed(self, m: Machine, debt: Obligation) -> Obligation:
        """What a row of the group must not be; over the pairs where that depends on the loop's row."""
        base, beside = self.group.rel.query, group_rules.INDEX["outer tables"]
        if beside(m, [debt.fails]):
            made = group_rules.INDEX["pairs"](m, self.group, [*debt.path, debt.fails])
            path = (*made.rows.where, *(made.move(c) for c in debt.path))
            return replace(debt, query=made.rows.query(), path=path, fails=made.move(debt.fails))
        own = [a for c in debt.path for a in sqlx.atoms(m.expand_tree(c)) if not beside(m, [a])]
        return replace(debt, path=(*base.where, *own))

    def _leave(self, m: Machine, frame: LoopFrame, assigned: set[str]) -> None:
        by_name: dict[str, list[Effect]] = {}
        unknown = {e.target for e in frame.effects if e.kind == "unknown"}
        for effect in [e for e in frame.effects if e.target not in unknown]:
            if effect.kind not in ("assign", "total"):
                raise Refused("a collection filled by a loop over the rows of a group", _NEAREST)
            by_name.setdefault(effect.target, []).append(effect)
        for name in assigned:
            if name not in by_name:
                m.env[name] = Poison(f"'{name}' as the last row left it", frame.lines[1])
        for name, effects in by_name.items():
            kinds = {e.kind for e in effects}
            if name not in m.env:
                m.env[name] = Poison(f"'{name}' as the last row left it", frame.lines[1])
            elif kinds == {"total"}:
                self._total(m, frame, name, effects)
            elif len(effects) == 1:
                self._last(m, frame, name, effects[0])
            else:
                m.env[name] = Poison(f"'{name}' is set in several ways by the rows of a group", effects[0].line)

    def _condition(self, m: Machine, frame: LoopFrame, effect: Effect, *trees: Tree) -> Tree | None:
        """Under which condition on the row an effect happens; None: always."""
        path = [m.expand_tree(c) for c in effect.path[len(frame.start.path) :]]
        inner = {frame.query.alias, *(j.alias for j in frame.query.joins)}
        used = {t for tree in [*path, *trees] for t in sqlx.tables(m.expand_tree(tree))}
        beside = group_rules.INDEX["outer tables"](m, [*path, *trees])
        if any(t not in inner and t not in m.wholes and t not in beside for t in used):
            raise Refused("a row of a group compared with a value of the group", "transform before the loop")
        found = sqlx.conjunction(a for c in path for a in sqlx.atoms(c))
        return None if isinstance(found, exp.Boolean) and found.this else found

    def _total(self, m: Machine, frame: LoopFrame, name: str, effects: list[Effect]) -> None:
        for effect in effects:
            op, amount = effect.arguments
            if op not in (ast.Add, ast.Sub):
                raise Refused("a running value other than a sum in a loop over the rows of a group", "n += 1")
            sym = m.expand(scalars.scalar(amount))
            where = self._condition(m, frame, effect, sym.sql)
            if sym.type not in scalars.NUMERIC:
                raise Refused(f"a running {sym.type} in a loop over the rows of a group", "numbers")
            self._owe_present(m, frame, effect, sym)
            made = self._summed(m, name, sym, where)
            old = m.env[name]
            fresh = op is ast.Add and v.is_const(old) and type(old) in (int, float) and old == 0
            if fresh and (type(old) is int or made.type == "float"):
                m.bind(name, made)
            else:
                m.bind(name, scalars.binary(m, op, old, made))

    def _summed(self, m: Machine, name: str, sym: Sym, where: Tree | None) -> Sym:
        group = replace(self.group, where=None)
        if isinstance(sym.sql, exp.Literal) and sym.sql.name == "1":
            if where is None:
                return _plain(group.length(m, group))
            return _plain(group.aggregate(m, "count_true", Sym(where, "bool"), "int", name, 0))
        number = sql("CAST(_1 AS BIGINT)", sym.sql) if sym.type == "bool" else sym.sql
        kind = "int" if sym.type in ("int", "bool") else "float"
        tree = number if where is None else sqlx.case(where, number, exp.null())
        argument = Sym(tree, kind, null=True, name=name)
        return _plain(group.aggregate(m, "sum_known", argument, kind, name, 0 if kind == "int" else 0.0))

    def _owe_present(self, m: Machine, frame: LoopFrame, effect: Effect, sym: Sym) -> None:
        """A missing value would make the sum missing."""
        path = [sqlx.text(m.expand_tree(c)) for p in effect.path for c in sqlx.atoms(p)]
        if not sym.null or sqlx.text(sql("_1 IS NOT NULL", sym.sql)) in path:
            return
        own = effect.path[len(frame.start.path) :]
        said = "a missing value kept by a loop"
        debt = Obligation(frame.query, own, sql("_1 IS NULL", sym.sql), said, effect.line)
        m.obligations.append(self._owed(m, debt))

    def _last(self, m: Machine, frame: LoopFrame, name: str, effect: Effect) -> None:
        value = effect.arguments[0]
        if not isinstance(value, Sym) and not v.is_const(value):
            m.env[name] = Poison(f"'{name}' as the last row of a group left it", effect.line)
            return
        sym = m.expand(scalars.scalar(value))
        where = self._condition(m, frame, effect, sym.sql)
        self._owe_present(m, frame, effect, sym)
        tree = sym.sql if where is None else sqlx.case(where, sym.sql, exp.null())
        group = replace(self.group, where=None)
        argument = replace(sym, sql=tree, null=True, parts=(), choices=())
        by = self.group.order
        if by:
            raise Refused("the last value in a loop over sorted rows of a group", "sort_values before the loop")
        found = group.aggregate(m, "last_known", argument, sym.type, f"last_{name}")
        held = replace(found, null=False, nan=False)
        if where is None and isinstance(self.group.present, exp.Boolean):
            m.bind(name, held)
            return
        m.bind(name, m.select(sql("_1 IS NOT NULL", found.sql), held, m.env[name]))


def _plain(sym: Sym) -> Sym:
    return replace(sym, null=False, nan=False)


def _names(node: ast.For, kind: type) -> set[str]:
    return {n.id for part in node.body for n in ast.walk(part) if isinstance(n, ast.Name) and isinstance(n.ctx, kind)}


def _iterrows(m: Machine, group: GroupRows, args: list[Value], kwargs: dict[str, Value]) -> Value:
    label = Poison("the label of a row within a group", m.line)
    return GroupItems(group, (label, method_rules.row_shape(group.frame)))


def _itertuples(m: Machine, group: GroupRows, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("index", "name"), "itertuples", index=True, name="Pandas")
    shape = method_rules.row_shape(group.frame)
    columns = tuple((n, s) for n, s in group.frame.columns if isinstance(s, Sym))
    if chosen["name"] is None:
        return GroupItems(group, tuple(s for _, s in columns) if not chosen["index"] else (None, *columns))
    return GroupItems(group, replace(shape, items=columns))


def _records(m: Machine, group: GroupRows, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if options(kwargs, args, ("orient",), "to_dict", orient="dict")["orient"] != "records":
        raise Refused("to_dict of the rows of a group", 'to_dict("records")')
    columns = tuple((n, s) for n, s in group.frame.columns if isinstance(s, Sym))
    return GroupItems(group, v.Rec(columns))


def _values(m: Machine, values: GroupValues) -> Value:
    return GroupItems(values.group, values.series.sym)


group_rules.METHODS.update({"iterrows": _iterrows, "itertuples": _itertuples, "to_dict": _records})
group_rules.VALUES["loop"] = _values
