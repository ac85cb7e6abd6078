"""A loop that fed several collections becomes one view of its rows, which they all read."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import render, sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import Aggregate, GroupRel, Join, Query, Relation, SelectRel, free_name, fresh
from lester_duck.lift.sqlx import Tree
from lester_duck.lift.values import Sym, change_sql

Fed = SelectRel | GroupRel


def share(m: Machine, order: list[Relation]) -> bool:
    """Insert the shared views; says whether there were any (the order then has to be made again)."""
    loops: dict[str, list[Fed]] = {}
    for rel in order:
        if isinstance(rel, SelectRel | GroupRel) and rel.query.alias != rel.query.base.token:
            loops.setdefault(rel.query.alias, []).append(rel)
    changed = False
    for rels in loops.values():
        if len(rels) > 1 and _worth_it(m, rels):
            _insert(m, rels)
            changed = True
    return changed


def _worth_it(m: Machine, rels: list[Fed]) -> bool:
    """Whether at least two of the relations use the same join or the same computed name."""
    seen: set[str] = set()
    for rel in rels:
        own: set[str] = set()
        for tree in _trees(rel):
            own |= _names_used(m, tree)
        own = {
            t for t in own if (t in m.lets and not isinstance(m.lets[t].value.sql, exp.Column)) or t.startswith("j@")
        }
        if own & seen:
            return True
        seen |= own
    return False


def _names_used(m: Machine, tree: Tree) -> set[str]:
    used = sqlx.tables(tree)
    for token in list(used):
        if token in m.lets:
            used |= _names_used(m, m.lets[token].value.sql)
    return used


def _trees(rel: Fed) -> list[Tree]:
    found = [*rel.query.where, *[s.sql for s, _ in rel.query.order]]
    if isinstance(rel, SelectRel):
        return found + [s.sql for _, s in rel.outputs]
    found += [s.sql for _, s in rel.keys]
    return found + [a.argument.sql for a in rel.aggregates if a.argument is not None]


def _insert(m: Machine, rels: list[Fed]) -> None:
    first = rels[0].query
    conditions = {rel: [a for c in rel.query.where for a in sqlx.atoms(c)] for rel in rels}
    texts = [{sqlx.text(m.expand_tree(c)) for c in conditions[rel]} for rel in rels]
    common = [c for c in conditions[rels[0]] if all(sqlx.text(m.expand_tree(c)) in t for t in texts)]
    late = {j.alias: j for j in first.joins if _leads_to(j.rel, rels)}
    common = [c for c in common if not sqlx.tables(m.expand_tree(c)) & set(late)]
    shared = {sqlx.text(m.expand_tree(c)) for c in common}
    early = [j for j in first.joins if j.alias not in late]
    stage = SelectRel(
        name=f"{first.base.name}_rows",
        what=f"the rows of {first.base.name} as the loop sees them",
        lines=rels[0].lines,
        query=Query(first.alias, first.base, early, tuple(common), ()),
    )
    for rel in rels:
        alias = fresh("t")
        rest = [c for c in conditions[rel] if sqlx.text(m.expand_tree(c)) not in shared]
        move = _Move(m, stage, alias, set(late))
        order = tuple((change_sql(s, move.tree), d) for s, d in rel.query.order)
        joins = [replace(j, keys=tuple((change_sql(s, move.tree), n) for s, n in j.keys)) for j in _used(m, rel, late)]
        rel.query = Query(alias, stage, joins, tuple(move.tree(c) for c in rest), order)
        if isinstance(rel, SelectRel):
            rel.outputs = [(n, change_sql(s, move.tree)) for n, s in rel.outputs]
        else:
            rel.keys = tuple((n, change_sql(s, move.tree)) for n, s in rel.keys)
            rel.aggregates = [_moved(a, move) for a in rel.aggregates]


def _leads_to(rel: Relation, targets: list[Fed]) -> bool:
    """Whether a relation is made of one of the targets."""
    seen: list[Relation] = []
    queue = [rel]
    while queue:
        one = queue.pop()
        if one in targets:
            return True
        if one not in seen:
            seen.append(one)
            queue += one.inputs()
    return False


def _used(m: Machine, rel: Fed, joins: dict[str, Join]) -> list[Join]:
    """Those of the joins that a relation's expressions need."""
    used: set[str] = set()
    for tree in _trees(rel):
        used |= sqlx.tables(m.expand_tree(tree))
    return [j for alias, j in joins.items() if alias in used]


def _moved(a: Aggregate, move: _Move) -> Aggregate:
    argument = change_sql(a.argument, move.tree) if a.argument is not None else None
    return replace(a, argument=argument, by=tuple((change_sql(s, move.tree), d) for s, d in a.by))


class _Move:
    """Says expressions of a loop over the columns of the shared view, adding the columns they need."""

    def __init__(self, m: Machine, stage: SelectRel, alias: str, late: set[str]) -> None:
        self.m = m
        self.stage = stage
        self.alias = alias
        self.late = late

    def tree(self, tree: Tree) -> Tree:
        """The expression over the shared view."""

        def moved(node: Tree) -> Tree | None:
            if not isinstance(node, exp.Column) or not node.table:
                return None
            if node.table in self.late:
                return node
            if node.table in self.m.lets and sqlx.tables(self.m.expand_tree(node)) & self.late:
                return self.tree(self.m.lets[node.table].value.sql)
            return sqlx.column(self.alias, self._column(node))

        return sqlx.replace(tree, moved)

    def _column(self, node: exp.Column) -> str:
        wanted = sqlx.text(self.m.expand_tree(node))
        for name, sym in self.stage.outputs:
            if sqlx.text(self.m.expand_tree(sym.sql)) == wanted:
                return name
        hint = self._hint(node)
        name = free_name(render.column_name(hint), {n for n, _ in self.stage.outputs})
        self.stage.outputs.append((name, Sym(node.copy(), "str")))
        return name

    def _hint(self, node: exp.Column) -> str:
        if node.name.startswith("#"):
            what = node.name.split(":")[1]
            return self.stage.query.base.names.get(int(what), f"field_{what}") if what.isdigit() else "width"
        joined = next((j for j in self.stage.query.joins if j.alias == node.table), None)
        if joined is not None and any(n == node.name for _, n in joined.keys):
            return f"{joined.rel.name}_{node.name}"
        return node.name
