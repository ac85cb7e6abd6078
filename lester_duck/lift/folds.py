"""What a loop over rows did, as relations: one rule per kind of effect."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from lester_duck.lift import (
    containers,
    explained,
    histories,
    keyed,
    matrices,
    recurrences,
    scalars,
    several,
    sqlx,
    twins,
    unions,
    writes,
)
from lester_duck.lift import values as v
from lester_duck.lift.evolving import Evolving
from lester_duck.lift.machine import Machine
from lester_duck.lift.recurrences import Recurrence
from lester_duck.lift.relations import Query, SelectRel, free_name
from lester_duck.lift.shapes import columns_of, leaf_name
from lester_duck.lift.state import Effect, Frame
from lester_duck.lift.values import Poison, Refused, Sym, Value

CHANGING: dict[str, Callable[[Value, tuple], Value]] = {}
"""By kind of effect: an object of a library while a loop changes it, from what it was and the shape of the effect."""


def mark_evolving(m: Machine, id_: int, shape: Value) -> None:
    """From here on, reading the collection means reading what earlier rows left in it."""
    content = m.state.heap[id_]
    if shape == "sorted":
        return
    if isinstance(shape, tuple) and shape and shape[0] in CHANGING:
        m.state.heap[id_] = CHANGING[shape[0]](content, shape)
        return
    if isinstance(content, v.HFile | v.Matrix | v.Vector | Evolving | v.Foreign):
        return
    m.state.heap[id_] = Evolving(id_, content, shape)


def finish(m: Machine, frame: Frame) -> None:
    """Replace every collection the loop changed by the relation that describes it."""
    if m.frames and frame.effects:
        raise Refused("a loop over rows inside a loop over rows")
    by_target: dict[int | str, list[Effect]] = {}
    for effect in frame.effects:
        key = effect.target.id if isinstance(effect.target, v.Ref) else effect.target
        by_target.setdefault(key, []).append(effect)
    found, problems, split = _recurrences(m, frame, by_target)
    rewritten = {k: by_target.pop(k) for k, x in list(by_target.items()) if {e.kind for e in x} == {"rewrite"}}
    once = {key for key, x in found.items() if x.kind == "members" and x.value}
    for key in sorted(by_target, key=lambda k: k not in found or found[k].kind != "first"):
        effects = by_target[key]
        kinds = {e.kind for e in effects}
        if kinds == {"append"} and key not in once and key not in problems:
            continue
        if isinstance(key, str):
            continue
        try:
            if key in problems:
                raise problems[key]
            if key in split:
                over, recurrence = several.together(m, frame, key, split[key])
                keyed.RULES[recurrence.kind](m, over, key, recurrence)
                continue
            trees = found[key].trees() if key in found else recurrences.trees_of(effects)
            trees = [t for t in trees if not keyed.is_count(m, t)]
            if recurrences.unresolved(m, trees):
                recurrences.note_sequential(m, trees)
                raise Refused("a step that depends on what another collection held at the time")
            if key in found:
                keyed.RULES[found[key].kind](m, frame, key, found[key])
            elif len(kinds) == 1:
                RULES[next(iter(kinds))](m, frame, key, effects)
            else:
                raise Refused(f"a collection changed in {len(kinds)} ways in one loop")
        except Refused as error:
            m.state.heap[key] = Poison(error.reason, error.line or effects[0].line)
    appended = {k: x for k, x in by_target.items() if k not in once and k not in problems}
    _appends(m, frame, {**rewritten, **appended})


def _recurrences(
    m: Machine, frame: Frame, by_target: dict[int | str, list[Effect]]
) -> tuple[dict[int, Recurrence], dict[int, Refused], dict[int, list[Recurrence]]]:
    """How each collection evolves, and what was read of it as windows."""
    found: dict[int, Recurrence] = {}
    problems: dict[int, Refused] = {}
    split: dict[int, list[Recurrence]] = {}
    for key, effects in by_target.items():
        if isinstance(key, int) and {e.kind for e in effects} <= _COLLECTED:
            try:
                if several.has_several_keys(m, effects) and not recurrences.exclusive(effects):
                    split[key] = several.apart(m, frame, key, effects)
                    continue
                found[key] = recurrences.of(m, frame, key, effects)
            except Refused as error:
                error.line = error.line or effects[0].line
                problems[key] = error
    twins.join(m, frame, by_target, found, problems)
    m.sequential.update({name_of(m, key) for key in problems} - {None})
    for key, recurrence in found.items():
        explained.explain(m, frame, key, recurrence)
    explained.forget_circles(m)
    return found, problems, split


_COLLECTED = frozenset({"put", "bump", "add", "append", "slot", "default"})


def name_of(m: Machine, id_: int) -> str | None:
    """What the script calls a heap object."""
    for env in (m.state.envs[-1], m.state.envs[0]):
        for name, value in env.items():
            if isinstance(value, v.Ref) and value.id == id_:
                return name
    _, field = m.files.get(("companion of", id_), (None, None))
    return field if isinstance(field, str) and field.isidentifier() else None


def title_of(m: Machine, content: Value) -> str | None:
    """What the script calls a collection, by its content."""
    return next((name_of(m, id_) for id_, x in m.state.heap.items() if x is content), None)


def query_of(frame: Frame, effect: Effect) -> Query:
    """The loop's rows that reach an effect."""
    where = effect.path[len(frame.start.path) :]
    return Query(frame.query.alias, frame.query.base, frame.query.joins, where, frame.query.order)


def is_plain(frame: Frame, query: Query, element: Value, m: Machine) -> bool:
    """Whether an element is computed from each row of the loop's relation alone, without a filter."""
    if query.where or query.order or any(j.always for j in query.joins):
        return False
    used: set[str] = set()
    trees: list[exp.Expression] = []
    v.map_syms(element, lambda s: (trees.append(m.expand(s).sql), s)[1])
    if any(tree.find(exp.Window) for tree in trees):
        return False
    for tree in trees:
        used |= sqlx.tables(tree)
    return used <= {query.alias} | {t for t in used if t.startswith(("agg@", "count@"))}


def lazy(m: Machine, query: Query, element: Value) -> v.ListOf:
    """A list with one element per row of the loop's relation, computed where it is used."""
    return v.ListOf(query.base, v.rebind(v.map_syms(element, m.expand), query.alias, query.base.token))


def _appends(m: Machine, frame: Frame, by_target: dict[int | str, list[Effect]]) -> None:
    """Lists appended to once per row; those under one condition share a relation."""
    groups: dict[str, list[Effect]] = {}
    longer: dict[int, v.ListOf] = {}
    for key, effects in by_target.items():
        kinds = {e.kind for e in effects}
        if kinds not in ({"append"}, {"rewrite"}):
            continue
        before = _before(m, key)
        try:
            if kinds == {"append"} and isinstance(before, v.ListOf):
                longer[key] = before
            elif kinds == {"append"} and (not isinstance(before, v.HList) or before.items):
                raise Refused("a list that was not empty before the loop")
            effect = recurrences.single(m, effects)
            if recurrences.unresolved(m, recurrences.trees_of(effects)):
                recurrences.note_sequential(m, recurrences.trees_of(effects))
                raise Refused("a step that depends on what another collection held at the time")
        except Refused as error:
            m.state.heap[key] = Poison(error.reason, effects[0].line)
            continue
        path = " AND ".join(sorted(sqlx.text(p) for p in effect.path))
        groups.setdefault(path, []).append(effect)
    for effects in groups.values():
        _append_group(m, frame, effects)
    for key, before in longer.items():
        more = m.state.heap[key]
        if isinstance(more, v.ListOf):
            m.state.heap[key] = unions.concatenate(m, [before, more], name_of(m, key) or "rows")


def _before(m: Machine, id_: int | str) -> Value:
    content = m.state.heap[id_]
    return content.before if isinstance(content, Evolving) else content


def _append_group(m: Machine, frame: Frame, effects: list[Effect]) -> None:
    query = query_of(frame, effects[0])
    rest = []
    for effect in effects:
        element = effect.arguments[0]
        if isinstance(element, Sym) and element.position == query.alias and not query.order and not query.joins:
            m.state.heap[effect.target.id] = _places(m, query)
            continue
        record = isinstance(element, v.Rec) and any(not isinstance(s.sql, exp.Column) for s in _syms(m, element))
        if is_plain(frame, query, element, m) and not record:
            m.state.heap[effect.target.id] = lazy(m, query, element)
        else:
            rest.append(effect)
    if not rest:
        return
    names = [name_of(m, e.target.id) for e in rest]
    named = [n for n in names if n]
    name = named[0] if len(named) == 1 else f"{frame.query.base.name}_rows"
    rel = SelectRel(name=name, what=_what(named or [name]), lines=frame.lines, query=query)
    taken: list[tuple[str, Sym]] = []
    for effect, own in zip(rest, names, strict=True):
        hint = own or leaf_name(effect.arguments[0]) or "item"
        outputs, shape = columns_of(m, effect.arguments[0], hint)
        renamed = {n: free_name(n, {t for t, _ in taken}) for n, _ in outputs}
        taken += [(renamed[n], s) for n, s in outputs]
        element = v.map_syms(
            shape(rel), lambda s, r=renamed: rel.column(r[s.sql.name], s) if s.sql.table == rel.token else s
        )
        m.state.heap[effect.target.id] = v.ListOf(rel, element)
    rel.outputs = taken or [("item", scalars.scalar(1))]  # constants only: the rows are what counts


def _places(m: Machine, query: Query) -> matrices.Places:
    """The positions of the loop's rows that satisfy a condition."""
    condition = Sym(m.expand_tree(sqlx.conjunction(query.where)), "bool")
    return matrices.Places(query.base, v.rebind(condition, query.alias, query.base.token))


def _what(names: list[str]) -> str:
    return ", ".join(names)


def _syms(m: Machine, element: Value) -> list[Sym]:
    found: list[Sym] = []
    v.map_syms(element, lambda s: (found.append(m.expand(s)), s)[1])
    return found


def _cell_stores(m: Machine, frame: Frame, key: int, effects: list[Effect]) -> None:
    """``matrix[i, j] = x`` with ``i`` the row of the loop."""
    matrix = m.state.heap[key]
    vector = isinstance(matrix, v.Vector)
    if vector:
        matrix = v.Matrix(matrix.rel, (matrix.element,))
    for effect in effects:
        index, value = effect.arguments
        index = (index, 0) if vector else index
        query = query_of(frame, effect)
        at_row = (
            isinstance(index, tuple)
            and len(index) == 2
            and isinstance(index[0], Sym)
            and index[0].position == query.alias
        )
        if not at_row or query.base is not matrix.rel:
            raise Refused("an assignment into a matrix at another row than the loop's", "matrix[i, j] = x")
        columns = v.rebind(matrix.columns, matrix.rel.token, query.alias)
        changed = containers.replaced(m, columns, index[1], value)
        condition = sqlx.conjunction(query.where)
        merged = tuple(m.select(condition, new, old) for new, old in zip(changed, columns, strict=True))
        if not is_plain(frame, Query(query.alias, query.base), merged, m):
            raise Refused("a matrix filled from looked-up values")
        expanded = v.map_syms(merged, m.expand)
        matrix = v.Matrix(matrix.rel, v.rebind(expanded, query.alias, matrix.rel.token))
    m.state.heap[key] = v.Vector(matrix.rel, scalars.scalar(matrix.columns[0])) if vector else matrix


def _hashed(m: Machine, frame: Frame, key: int, effects: list[Effect]) -> None:
    """``matrix[i, hash(word)] += 1`` for every word of a text of the loop's row."""
    matrix, effect = m.state.heap[key], effects[0]
    row, hashed = effect.arguments
    query = query_of(frame, effect)
    zeros = all(v.is_const(c) and c == 0 for c in matrix.columns) and len(matrix.columns) == hashed.width
    if len(effects) > 1 or query.where or row.position != query.alias or query.base is not matrix.rel or not zeros:
        raise Refused("words counted into something other than fresh zeros, one row of them per text")
    if not is_plain(frame, query, hashed.text, m):
        raise Refused("a matrix filled from looked-up values")
    text = v.rebind(m.expand(hashed.text), query.alias, matrix.rel.token)
    m.state.heap[key] = v.Matrix(matrix.rel, (v.Hashed(text, hashed.width, hashed.hash),))


RULES: dict[str, Callable[[Machine, Frame, int, list[Effect]], None]] = {
    "write": writes.writes,
    "cell": _cell_stores,
    "hashed": _hashed,
    "sorted": histories.sorted_after,
}
