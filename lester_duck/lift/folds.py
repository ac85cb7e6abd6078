"""What a loop over rows did, as relations: one rule per kind of effect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from lester_duck.lift import containers, files, scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine, either
from lester_duck.lift.relations import Aggregate, GroupRel, Query, SelectRel, free_name
from lester_duck.lift.shapes import columns_of, identifier, leaf_name
from lester_duck.lift.state import Effect, Frame
from lester_duck.lift.values import Poison, Refused, Sym, Value


@dataclass(frozen=True, slots=True, eq=False)
class Evolving:
    """A collection that the running loop fills, with what it held before."""

    id: int
    before: Value


def mark_evolving(m: Machine, id_: int) -> None:
    """From here on, reading the collection means reading what earlier rows left in it."""
    content = m.state.heap[id_]
    if isinstance(content, v.HFile | v.Matrix | Evolving):
        return
    m.state.heap[id_] = Evolving(id_, content)


def finish(m: Machine, frame: Frame) -> None:
    """Replace every collection the loop changed by the relation that describes it."""
    if m.frames and frame.effects:
        raise Refused("a loop over rows inside a loop over rows")
    by_target: dict[int | str, list[Effect]] = {}
    for effect in frame.effects:
        key = effect.target.id if isinstance(effect.target, v.Ref) else effect.target
        by_target.setdefault(key, []).append(effect)
    _appends(m, frame, by_target)
    for key, effects in by_target.items():
        kinds = {e.kind for e in effects}
        if kinds == {"append"}:
            continue
        if isinstance(key, str):
            m.env[key] = Poison(f"'{key}' is a running total", frame.lines[1])
            continue
        rule = RULES.get(next(iter(kinds))) if len(kinds) == 1 else None
        try:
            if rule is None:
                raise Refused(f"a collection changed in {len(kinds)} ways in one loop")
            rule(m, frame, key, effects)
        except Refused as error:
            m.state.heap[key] = Poison(error.reason, error.line or effects[0].line)


def name_of(m: Machine, id_: int) -> str | None:
    """What the script calls a heap object."""
    for env in (m.state.envs[-1], m.state.envs[0]):
        for name, value in env.items():
            if isinstance(value, v.Ref) and value.id == id_:
                return name
    return None


def title_of(m: Machine, content: Value) -> str | None:
    """What the script calls a collection, by its content."""
    return next((name_of(m, id_) for id_, x in m.state.heap.items() if x is content), None)


def query_of(frame: Frame, effect: Effect) -> Query:
    """The loop's rows that reach an effect."""
    where = effect.path[len(frame.start.path) :]
    return Query(frame.query.alias, frame.query.base, frame.query.joins, where, frame.query.order)


def is_plain(frame: Frame, query: Query, element: Value, m: Machine) -> bool:
    """Whether an element is computed from each row of the loop's relation alone, without a filter."""
    if query.where or query.order:
        return False
    used: set[str] = set()
    v.map_syms(element, lambda s: (used.update(sqlx.tables(m.expand(s).sql)), s)[1])
    return used <= {query.alias} | {t for t in used if t.startswith(("agg@", "count@"))}


def lazy(m: Machine, query: Query, element: Value) -> v.ListOf:
    """A list with one element per row of the loop's relation, computed where it is used."""
    return v.ListOf(query.base, v.rebind(v.map_syms(element, m.expand), query.alias, query.base.token))


def _appends(m: Machine, frame: Frame, by_target: dict[int | str, list[Effect]]) -> None:
    """Lists appended to once per row; those under one condition share a relation."""
    groups: dict[str, list[Effect]] = {}
    for key, effects in by_target.items():
        if {e.kind for e in effects} != {"append"}:
            continue
        before = _before(m, key)
        try:
            if not isinstance(before, v.HList) or before.items:
                raise Refused("a list that was not empty before the loop")
            effect = _single(m, effects)
        except Refused as error:
            m.state.heap[key] = Poison(error.reason, effects[0].line)
            continue
        path = " AND ".join(sorted(sqlx.text(p) for p in effect.path))
        groups.setdefault(path, []).append(effect)
    for effects in groups.values():
        _append_group(m, frame, effects)


def _before(m: Machine, id_: int | str) -> Value:
    content = m.state.heap[id_]
    return content.before if isinstance(content, Evolving) else content


def _append_group(m: Machine, frame: Frame, effects: list[Effect]) -> None:
    query = query_of(frame, effects[0])
    rest = []
    for effect in effects:
        element = effect.arguments[0]
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
    rel.outputs = taken


def _what(names: list[str]) -> str:
    return ", ".join(names)


def _syms(m: Machine, element: Value) -> list[Sym]:
    found: list[Sym] = []
    v.map_syms(element, lambda s: (found.append(m.expand(s)), s)[1])
    return found


def _single(m: Machine, effects: list[Effect]) -> Effect:
    """One effect for several that exclude each other (the branches of an ``if``)."""
    if len(effects) == 1:
        return effects[0]
    for i, a in enumerate(effects):
        for b in effects[i + 1 :]:
            opposite = {sqlx.text(sqlx.negate(p)) for p in a.path}
            if not any(sqlx.text(p) in opposite for p in b.path):
                raise Refused("a collection changed twice for one row of a loop")
    common = 0
    while all(len(e.path) > common and sqlx.same(e.path[common], effects[0].path[common]) for e in effects):
        common += 1
    value = effects[-1].arguments
    path = effects[-1].path[common:]
    tested: set[str] = set()
    chain: list[tuple[exp.Expression, Effect]] = []
    for effect in effects[:-1]:
        atoms = [a for p in effect.path[common:] for a in sqlx.atoms(p) if sqlx.text(sqlx.negate(a)) not in tested]
        condition = sqlx.conjunction(atoms)
        chain.append((condition, effect))
        tested.add(sqlx.text(condition))
    for condition, effect in reversed(chain):
        value = tuple(m.select(condition, x, y) for x, y in zip(effect.arguments, value, strict=True))
        path = tuple(sqlx.atoms(either(effect.path[common:], path)))
    return Effect(effects[0].kind, effects[0].target, value, effects[0].path[:common] + path, effects[0].line)


def _puts(m: Machine, frame: Frame, key: int, effects: list[Effect]) -> None:
    """``d[k] = value``: one row per key, the last one wins; the key stands where it first came."""
    effect = _single(m, effects)
    before = _before(m, key)
    if not isinstance(before, v.HDict) or before.items:
        raise Refused("a dict that was not empty before the loop")
    name = name_of(m, key) or "entries"
    rel, shape = _grouped(m, frame, effect, name, "last")
    m.state.heap[key] = v.DictOf(rel, shape[0], shape[1], before.default)


def _grouped(m: Machine, frame: Frame, effect: Effect, name: str, kind: str) -> tuple[GroupRel, tuple[Value, Value]]:
    query = query_of(frame, effect)
    if query.order:
        raise Refused("a dict filled from sorted rows")
    keys, _ = columns_of(m, effect.arguments[0], "key")
    if any(s.null for _, s in keys):
        raise Refused("a dict key that may be None")
    outputs, shape = columns_of(m, (effect.arguments[0], effect.arguments[1]), "value")
    keys = [(n, s) for n, s in outputs[: len(keys)]]
    by_text = {sqlx.text(m.expand(s).sql): n for n, s in keys}
    renamed: dict[str, str] = {}
    rel = GroupRel(
        name=name, what=f"{name}, by {', '.join(n for n, _ in keys)}", lines=frame.lines, query=query, keys=tuple(keys)
    )
    for n, s in outputs[len(keys) :]:
        same_as = by_text.get(sqlx.text(m.expand(s).sql))
        renamed[n] = same_as or n
        if same_as is None:
            rel.aggregates.append(Aggregate(n, kind, s, s.type, s.null))
    key, value = v.map_syms(shape(rel), lambda s: rel.column(renamed.get(s.sql.name, s.sql.name), s))
    return rel, (key, value)


def _bumps(m: Machine, frame: Frame, key: int, effects: list[Effect]) -> None:
    """``d[k] += x``: a count or sum per key."""
    effect = _single(m, effects)
    before = _before(m, key)
    if not isinstance(before, v.HDict) or before.items or not before.default:
        raise Refused("a counter that was not empty before the loop", "Counter() or defaultdict(int)")
    amount = effect.arguments[1]
    query = query_of(frame, effect)
    if query.order:
        raise Refused("counting over sorted rows")
    keys, shape = columns_of(m, effect.arguments[0], leaf_name(effect.arguments[0]) or "key")
    if any(s.null for _, s in keys):
        raise Refused("a dict key that may be None")
    name = name_of(m, key) or "counts"
    rel = GroupRel(
        name=name, what=f"{name} per {', '.join(n for n, _ in keys)}", lines=frame.lines, query=query, keys=tuple(keys)
    )
    value = rel.require("count", None, "int", "n") if amount == 1 and type(amount) is int else _sum(rel, amount)
    m.state.heap[key] = v.DictOf(rel, shape(rel), value, before.default)


def _sum(rel: GroupRel, amount: Value) -> Sym:
    sym = scalars.scalar(amount)
    if sym.type not in ("int", "float"):
        raise Refused(f"a running total of {sym.type}")
    return rel.require("sum", sym, sym.type, "total")


def _slots(m: Machine, frame: Frame, key: int, effects: list[Effect]) -> None:
    """``d[k].append(x)``: the elements with their key."""
    effect = _single(m, effects)
    before = _before(m, key)
    if not isinstance(before, v.HDict) or before.items or before.default not in ("list", "set"):
        raise Refused("lists per key that were not empty before the loop", "defaultdict(list)")
    name = name_of(m, key) or "groups"
    outputs, shape = columns_of(m, (effect.arguments[0], effect.arguments[1]), name)
    rel = SelectRel(
        name=name,
        what=f"{name}, one row per element",
        lines=frame.lines,
        query=query_of(frame, effect),
        outputs=outputs,
    )
    key_shape, element = shape(rel)
    m.state.heap[key] = v.GroupedOf(rel, key_shape, element, before.default, before.default)


def _adds(m: Machine, frame: Frame, key: int, effects: list[Effect]) -> None:
    """``s.add(x)``: the distinct elements."""
    effect = _single(m, effects)
    before = _before(m, key)
    if not isinstance(before, v.HSet) or before.items:
        raise Refused("a set that was not empty before the loop")
    name = name_of(m, key) or "members"
    query = query_of(frame, effect)
    keys, shape = columns_of(m, effect.arguments[0], leaf_name(effect.arguments[0]) or name)
    if any(s.null for _, s in keys):
        raise Refused("a set that may hold None")
    rel = GroupRel(name=name, what=f"{name}, each once", lines=frame.lines, query=query, keys=tuple(keys))
    m.state.heap[key] = v.SetOf(rel, shape(rel), distinct=True)


def _writes(m: Machine, frame: Frame, key: int, effects: list[Effect]) -> None:
    """``f.write(line)``: a view of the file's lines."""
    content = _before(m, key)
    path = effects[0].path
    if any([sqlx.text(p) for p in e.path] != [sqlx.text(p) for p in path] for e in effects):
        raise Refused(f"{content.path} gets different lines in different branches", "one write per row")
    first = effects[0].arguments[0]
    if isinstance(first, v.Cells):
        cells = _single(m, effects).arguments[0]
        items, delimiter, line_end, quoting = list(cells.items), cells.delimiter, cells.line_end, True
    else:
        line = scalars.concat(m, [e.arguments[0] for e in effects])
        items, delimiter, line_end = files.line_items(m, line)
        quoting = False
    rel = SelectRel(
        name=files.relation_name(content.path),
        what=f"the lines of {content.path}",
        lines=frame.lines,
        query=query_of(frame, effects[0]),
    )
    columns = _cells(m, rel, items, _header_names(content, delimiter, len(items)))
    parts: list[Value] = []
    for i, name in enumerate(columns):
        parts += ([delimiter] if i else []) + [rel.columns()[name]]
    read_back = scalars.concat(m, [*parts, line_end]) if not quoting else None
    written = v.Written(rel, tuple(columns), delimiter, line_end, quoting, read_back)
    m.state.heap[key] = v.HFile(content.path, content.mode, (*content.pieces, written))


def _cells(m: Machine, rel: SelectRel, items: list[Value], header: list[str]) -> list[str]:
    names: list[str] = []
    for i, item in enumerate(items):
        sym = scalars.scalar(item) if not isinstance(item, v.Choice) else scalars.scalar(scalars.to_text(m, item))
        wanted = header[i] if header else sym.name or f"field_{i + 1}"
        names.append(free_name(identifier(wanted), set(names)))
        rel.outputs.append((names[-1], scalars.whole(sym)))
    return names


def _header_names(content: v.HFile, delimiter: str, count: int) -> list[str]:
    header = "".join(p for p in content.pieces if isinstance(p, str)).strip("\r\n")
    names = header.split(delimiter) if header and "\n" not in header else []
    return names if len(names) == count and len(set(names)) == count else []


def _cell_stores(m: Machine, frame: Frame, key: int, effects: list[Effect]) -> None:
    """``matrix[i, j] = x`` with ``i`` the row of the loop."""
    matrix = m.state.heap[key]
    for effect in effects:
        index, value = effect.arguments
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
    m.state.heap[key] = matrix


RULES: dict[str, Callable[[Machine, Frame, int, list[Effect]], None]] = {
    "put": _puts,
    "bump": _bumps,
    "slot": _slots,
    "add": _adds,
    "write": _writes,
    "cell": _cell_stores,
}
