"""Relations to sources and views: what the outputs and features need, named, in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from lester_duck.lift import build, render, settle, sqlx, stages
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import FileRel, GroupRel, Join, Relation, SelectRel, UnionRel, free_name
from lester_duck.lift.sqlx import Tree
from lester_duck.pipeline import model as ir

_TAKEN = frozenset({"source", "main", "lester"})


@dataclass(frozen=True, slots=True, eq=False)
class Emitted:
    """Sources and views, and under which name each relation went."""

    sources: tuple[ir.Source, ...]
    views: tuple[ir.View, ...]
    names: dict[Relation, str]
    lines: dict[str, tuple[int, int]]
    columns: build.Columns


def emit(m: Machine, roots: list[Relation], *, shared: bool = True) -> Emitted:
    """Write every relation the roots are made of; what several collections of one loop need as a view they share."""
    order = _ordered(m, roots)
    if shared and stages.share(m, order):
        order = _ordered(m, roots)
    names = _names(order)
    settled = {rel: _settled(m, rel, order, names[rel]) for rel in order if isinstance(rel, FileRel)}

    def columns(rel: Relation, table: str, name: str) -> Tree:
        return settled[rel].column(table, name) if isinstance(rel, FileRel) else sqlx.column(table, name)

    views = []
    lines = {}
    for rel in order:
        if isinstance(rel, FileRel):
            continue
        statement = build.select(m, rel, lambda r: names[r], columns)
        comment = _comment(m, rel)
        views.append(ir.View(name=names[rel], sql=render.text(statement), comment=comment))
        lines[names[rel]] = rel.lines
    return Emitted(
        tuple(settled[r].source for r in order if isinstance(r, FileRel)), tuple(views), names, lines, columns
    )


def _ordered(m: Machine, roots: list[Relation]) -> list[Relation]:
    order: list[Relation] = []
    for root in roots:
        _visit(m, root, order)
    return order


def needs(m: Machine, root: Relation, rel: Relation) -> bool:
    """Whether a relation is made of another one."""
    return rel in _ordered(m, [root])


def _visit(m: Machine, rel: Relation, order: list[Relation]) -> None:
    if rel in order:
        return
    for needed in inputs(m, rel):
        _visit(m, needed, order)
    if rel not in order:
        order.append(rel)


def inputs(m: Machine, rel: Relation) -> list[Relation]:
    """The relations whose columns a relation really uses."""
    if isinstance(rel, UnionRel):
        return list(rel.members)
    if not isinstance(rel, SelectRel | GroupRel):
        return []
    used = {t for tree in trees(m, rel) for t in sqlx.tables(tree)}
    used |= {j.alias for j in rel.query.joins if j.always}
    joins = list(rel.query.joins)
    found: list[Join] = []
    while True:
        more = [j for j in joins if j.alias in used and j not in found]
        if not more:
            break
        for j in more:
            found.append(j)
            for s, _ in j.keys:
                used |= sqlx.tables(m.expand(s).sql)
    return [rel.query.base, *[j.rel for j in joins if j in found]]


def trees(m: Machine, rel: SelectRel | GroupRel) -> list[Tree]:
    """Every expression of a relation, join keys apart, with local names put in place."""
    found = [m.expand_tree(c) for c in rel.query.where] + [m.expand(s).sql for s, _ in rel.query.order]
    if isinstance(rel, SelectRel):
        return found + [m.expand(s).sql for _, s in rel.outputs]
    found += [m.expand(s).sql for _, s in rel.keys]
    return found + [m.expand(a.argument).sql for a in rel.aggregates if a.argument is not None]


def _names(order: list[Relation]) -> dict[Relation, str]:
    names: dict[Relation, str] = {}
    taken: set[str] = set(_TAKEN)
    for rel in sorted(order, key=lambda r: not isinstance(r, FileRel)):
        wanted = valid(rel.name)
        if wanted.lower() in {t.lower() for t in taken} and isinstance(rel, GroupRel) and rel.keys:
            wanted = f"{wanted}_by_{rel.keys[0][0]}" if rel.aggregates else f"{wanted}_distinct"
        elif wanted.lower() in {t.lower() for t in taken} and isinstance(rel, SelectRel):
            wanted = f"{wanted}_rows"
        names[rel] = free_name(wanted, taken)
        taken.add(names[rel])
    return names


def valid(name: str) -> str:
    """A usable source or view name.

    >>> valid("2020-sales"), valid("_rows")
    ('t_2020_sales', 'rows')
    """
    cleaned = "".join(c if c.isascii() and c.isalnum() else "_" for c in name).strip("_")
    if not cleaned[:1].isalpha() or cleaned.lower().startswith("py_"):
        cleaned = f"t_{cleaned}"
    return cleaned


def _settled(m: Machine, rel: FileRel, order: list[Relation], name: str) -> settle.Settled:
    uses: list[Tree] = []
    guards: set[int] = set()
    every = False
    blank_passed = rel.mode == "csv"
    for other in order:
        if not isinstance(other, SelectRel | GroupRel):
            continue
        aliases = {other.query.alias} if other.query.base is rel else set()
        aliases |= {j.alias for j in other.query.joins if j.rel is rel}
        if not aliases:
            continue
        blank_passed = blank_passed and settle.passes_blank(other, aliases)
        conditions = {sqlx.text(m.expand_tree(c)) for c in other.query.where}
        numbered = _looks_at_all(m, other)
        own: set[int] = set()
        for tree in [*trees(m, other), *[m.expand(s).sql for j in other.query.joins for s, _ in j.keys]]:
            guard = settle.is_width_guard(tree, aliases)
            if guard is not None and sqlx.text(tree) in conditions and not numbered(tree):
                own.add(guard)
            else:
                uses.append(_only(tree, aliases))
        guards |= own
        every = every or not own
    rel.blank_passed = blank_passed
    return settle.settle(m, rel, name, uses, guards, every)


def _looks_at_all(m: Machine, rel: SelectRel | GroupRel) -> Callable[[Tree], bool]:
    """Whether a window of a relation runs over rows that a condition drops, as one that numbers all rows does."""
    keys = [s.sql for j in rel.query.joins for s, _ in j.keys]
    plain = [*rel.query.where, *(s.sql for s, _ in rel.query.order), *keys]
    if isinstance(rel, SelectRel):
        plain += [s.sql for _, s in rel.outputs]
    else:
        plain += [s.sql for _, s in rel.keys] + [a.argument.sql for a in rel.aggregates if a.argument is not None]
    windows = [m.lets[token] for token in build.used_names(m, plain) if m.lets[token].over is not None]
    passed = [{sqlx.text(a) for c in let.over or () for a in sqlx.atoms(m.expand_tree(c))} for let in windows]
    return lambda condition: any(sqlx.text(condition) not in texts for texts in passed)


def _only(tree: Tree, aliases: set[str]) -> Tree:
    """The columns of a tree that belong to some aliases."""
    return exp.Tuple(expressions=[c.copy() for c in tree.find_all(exp.Column) if c.table in aliases])


def _comment(m: Machine, rel: Relation) -> str:
    first, last = rel.lines
    span = f"line {first}" if first == last else f"lines {first}-{last}"
    return f"{rel.what} ({m.script}, {span})"
