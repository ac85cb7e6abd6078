"""An inner loop that fills collections or files: one row per pair of an outer and an inner row, in order."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import carried, exploded, folds, matches, recurrences, render, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import Join, Query, SelectRel, free_name, fresh
from lester_duck.lift.sqlx import Tree
from lester_duck.lift.state import Effect, Frame
from lester_duck.lift.values import Poison, Refused, Sym, Value

_NEAREST = "one list filled by one loop"


def collect(
    m: Machine, frame: Frame, outer: Frame, effects: list[Effect], known: set[str], run: carried.Run
) -> None:  # fmt: skip
    """What an inner loop does to older collections becomes a loop over the pairs; ``known`` are older placeholders."""
    if any(isinstance(e.target, v.Ref) and e.target.id > outer.mark for e in effects):
        raise Refused("a list made for one row of the outer loop and filled by an inner one", "a comprehension")
    if len(m.frames) > 1:
        raise Refused("a collection filled by a loop within a loop within a loop over rows", _NEAREST)
    paths = [_path(m, outer, e) for e in effects]
    texts = [{sqlx.text(a) for a in p} for p in paths]
    listed = frame.query.base if isinstance(frame.query.base, exploded.Listed) else None
    early = {frame.query.alias, *(j.alias for j in frame.query.joins)} if listed else set()
    common = [a for a in paths[0] if all(sqlx.text(a) in t for t in texts) and not _reads(m, a)]
    if listed:
        before = {sqlx.text(a) for c in frame.start.path for a in sqlx.atoms(m.expand_tree(c))}
        common = [a for a in common if sqlx.text(a) in before and not a.find(exp.Window)]
    asked = _asked(m, frame, effects, paths) & run.tokens.keys()
    if asked:
        if listed:
            raise Refused("parts of a text whose loop reads what the part before left", _NEAREST)
        on_all = {sqlx.text(a) for c in run.bound for a in sqlx.atoms(m.expand_tree(c))}
        common = [a for a in common if sqlx.text(a) in on_all and not a.find(exp.Window)]
    rel = _relation(m, frame, outer, effects, common)
    say = _Saying(m, rel, fresh("t"), known, early - {frame.query.alias}, listed is not None, set(run.tokens))
    start = outer.start
    flat = Frame(Query(say.alias, rel), outer.mark, start, frame.lines)
    if listed:
        rel.outputs.append((render.column_name(listed.name), Sym(sqlx.column(frame.query.alias, "item"), "str")))
        flat.query.joins = [replace(j, keys=tuple((say.value(s), n) for s, n in j.keys)) for j in frame.query.joins]
    kept = {sqlx.text(a) for a in common}
    for effect, path in zip(effects, paths, strict=True):
        rest = tuple(say.tree(a) for a in path if sqlx.text(a) not in kept)
        arguments = tuple(say.value(x) for x in effect.arguments)
        flat.effects.append(replace(effect, arguments=arguments, path=(*start.path, *rest)))
    if asked:
        flat.partition = tuple(say.value(s) for s in carried.partition(m, outer))
        _owe(m, frame, outer, flat, say, set(kept))
        made = carried.definitions(m, run, say, asked)
        carried.in_turn(flat)
        carried.explain(m, flat, made)
    targets = {e.target.id for e in effects if isinstance(e.target, v.Ref)}
    for token, read in list(m.reads.items()):
        if token not in known and read.id in targets:
            fallback = say.tree(read.fallback) if read.fallback is not None else None
            m.reads[token] = replace(read, key=say.value(read.key), fallback=fallback)
    if listed:
        _owe(m, frame, outer, flat, say)
        rel.outputs[0] = (rel.outputs[0][0], exploded.unnested(m, listed))
    elif not asked:
        matches.owe_flat(m, frame, outer)
    outer.flat.append(flat)
    outer.touched |= targets
    for id_ in targets:
        said = "a collection changed by an inner loop and used in the same row of the outer one"
        m.state.heap[id_] = Poison(said, m.line)


def _asked(m: Machine, frame: Frame, effects: list[Effect], paths: list[list[Tree]]) -> set[str]:
    """What the effects of an inner loop, and what it relies on, are about."""
    trees = [*recurrences.trees_of(effects), *(a for p in paths for a in p)]
    trees += [t for o in m.obligations if o.query is frame.query for t in (*o.path, o.fails)]
    return {t for tree in trees for t in sqlx.tables(m.expand_tree(tree))}


def _owe(
    m: Machine, frame: Frame, outer: Frame, flat: Frame, say: _Saying, kept: set[str] | None = None
) -> None:  # fmt: skip
    """What the inner loop relies on, asked of the pairs; all of its path where it is known what ``kept`` holds."""
    for i, owed in enumerate(m.obligations):
        if owed.query is frame.query:
            path = owed.path[len(outer.start.path) :]
            atoms = [a for c in path for a in sqlx.atoms(m.expand_tree(c))]
            rest = matches.certain(m, path) if kept is None else [a for a in atoms if sqlx.text(a) not in kept]
            said = tuple(say.tree(a) for a in rest)
            m.obligations[i] = replace(owed, query=flat.query, path=said, fails=say.tree(owed.fails))


def finish(m: Machine, frame: Frame) -> None:
    """Say what the inner loops filled as relations over their pairs."""
    own = [_targets(frame), *[_targets(f) for f in frame.flat]]
    for i, ids in enumerate(own):
        for other in own[i + 1 :]:
            if ids & other:
                raise Refused("a collection or file that two levels of loops change", _NEAREST)
    for flat in frame.flat:
        folds.finish(m, flat)


def _targets(frame: Frame) -> set[int]:
    return {e.target.id for e in frame.effects if isinstance(e.target, v.Ref)}


def _path(m: Machine, outer: Frame, effect: Effect) -> list[Tree]:
    return [a for c in effect.path[len(outer.start.path) :] for a in sqlx.atoms(m.expand_tree(c))]


def _reads(m: Machine, tree: Tree) -> bool:
    return any(t in m.reads and t not in m.lets for t in sqlx.tables(m.expand_tree(tree)))


def _relation(m: Machine, frame: Frame, outer: Frame, effects: list[Effect], where: list[Tree]) -> SelectRel:
    names = {folds.name_of(m, e.target.id) for e in effects if e.kind == "append"} if len(effects) == 1 else set()
    name = next((n for n in names if n), None) or f"{frame.query.base.name}_pairs"
    listed = isinstance(frame.query.base, exploded.Listed)
    inner = [] if listed else [Join(frame.query.alias, frame.query.base, (), always=True), *frame.query.joins]
    joins = [replace(j, keys=tuple((m.expand(s), n) for s, n in j.keys)) for j in [*outer.query.joins, *inner]]
    order = tuple((m.expand(s), d) for s, d in outer.query.order)
    if frame.query.order:
        place = Sym(sqlx.column(outer.query.alias, "_pos"), "int", name="_pos")
        order = (*order, (place, False), *((m.expand(s), d) for s, d in frame.query.order))
    query = Query(outer.query.alias, outer.query.base, joins, tuple(where), order)
    return SelectRel(name=name, what=f"{name}: the pairs the inner loop sees", lines=outer.lines, query=query)


class _Saying:
    """Says expressions of both loops over the pairs, adding the columns they need."""

    def __init__(
        self, m: Machine, rel: SelectRel, alias: str, known: set[str], joined: set[str], listed: bool,
        turns: set[str],
    ) -> None:  # fmt: skip
        self.m = m
        self.rel = rel
        self.alias = alias
        self.known = known
        self.joined = joined
        self.listed = listed
        self.turns = turns

    def value(self, value: Value) -> Value:
        """A shape over the pairs; its whole leaves become columns where they can."""
        if isinstance(value, v.Cells):
            return replace(value, items=tuple(self.value(x) for x in value.items))
        if isinstance(value, bool | None):
            return value
        return v.map_syms(value, self._leaf)

    def _leaf(self, sym: Sym) -> Sym:
        sym = self.m.expand(sym)
        plain = isinstance(sym.sql, exp.Column) or not sqlx.tables(sym.sql)
        if plain or sym.parts or self.listed or self._held(sym.sql):
            return v.change_sql(sym, self.tree)
        made = self._column(sym.sql, sym.name)
        return replace(sym, sql=made, choices=(), position=None)

    def tree(self, tree: Tree) -> Tree:
        """An expression over the pairs."""

        def said(node: Tree) -> Tree | None:
            if not isinstance(node, exp.Column) or not node.table or node.table in self.m.wholes:
                return None
            if node.table in self.joined:
                return None
            if node.table in self.m.reads:
                return self._read(node)
            return self._column(node, None)

        return sqlx.replace(self.m.expand_tree(tree), said)

    def _held(self, tree: Tree) -> bool:
        return any(t in self.m.reads or t in self.m.wholes for t in sqlx.tables(tree))

    def _read(self, node: exp.Column) -> Tree:
        read = self.m.reads[node.table]
        if node.table in self.known or (read.kind == "turn" and node.table not in self.turns):
            raise Refused("an inner loop that fills a collection from what rows before left", _NEAREST)
        return node

    def _column(self, tree: Tree, name: str | None) -> Tree:
        if tree.find(exp.Window) or any(c.name.startswith("@") for c in tree.find_all(exp.Column)):
            raise Refused("an inner loop that uses the number or the neighbours of a row", _NEAREST)
        wanted = sqlx.text(tree)
        for taken, sym in self.rel.outputs:
            if sqlx.text(sym.sql) == wanted:
                return sqlx.column(self.alias, taken)
        hint = render.column_name(name or self._hint(tree))
        free = free_name(hint, {n for n, _ in self.rel.outputs})
        self.rel.outputs.append((free, Sym(tree.copy(), "str", null=True, name=free)))
        return sqlx.column(self.alias, free)

    def _hint(self, tree: Tree) -> str:
        if not isinstance(tree, exp.Column):
            return "value"
        if not tree.name.startswith("#"):
            return tree.name
        joined = next((j.rel for j in self.rel.query.joins if j.alias == tree.table), self.rel.query.base)
        return matches.label(joined, tree.name)


