"""A record that rows update until one begins the next: consecutive rows as groups, one row per group.

``cur`` is None or a record. A row either belongs to it and updates it, or begins a new one, and the
old one is kept before that. What a row finds in ``cur`` are placeholders; at the loop's end the
condition under which a row belongs becomes a number per row, and each field an aggregate per number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from lester_duck.lift import branches, conditions, evolving, flushes, folds, islands, recurrences, scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine, unify
from lester_duck.lift.relations import Aggregate, GroupRel, Query, SelectRel, fresh
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.state import Effect, Frame, Let, State
from lester_duck.lift.values import Refused, Sym, Value


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What a running record looks like: a field's scalar by key, or None for a list."""

    fields: tuple[tuple[Value, Sym | None], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Running:
    """A running record of a loop: its object, the flag that there is one, a placeholder per field."""

    ref: v.Ref
    flag: str
    tokens: tuple[tuple[Value, str], ...]
    shape: Shape

    def names(self) -> set[str]:
        """All placeholders."""
        return {self.flag, *(t for _, t in self.tokens)}


@dataclass(frozen=True, eq=False)
class Growing(Library):
    """A list of a running record: what the present row appended to it."""

    token: str
    inside: str
    added: tuple[tuple[Sym, tuple[Tree, ...]], ...] = ()
    asked: tuple[str, ...] = ()
    what = "list of a running record"

    def contains(self, m: Machine, item: Value) -> Tree:
        """``x in cur["list"]``."""
        return sql("_1 = _2", sqlx.column(self.inside, "carry"), scalars.scalar(item).sql)

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """``.append(x)``."""
        if name != "append" or len(args) != 1:
            raise Refused(f".{name}() of a list of a running record", "append")
        m.update(ref, replace(self, added=(*self.added, (scalars.scalar(args[0]), m.state.path))))
        return None

    def merged(self, m: Any, condition: Tree, other: Value) -> Value:
        """The list after a branch: what was appended says itself when."""
        if isinstance(other, Growing) and len(other.added) > len(self.added):
            return other
        return self

    def record(self, m: Any) -> Value:
        """What is kept of it: the list when the group is complete."""
        if self.added:
            raise Refused("a list of a running record kept while it grows")
        return Sym(sqlx.column(self.token, "carry"), "list")


def shape_of(m: Machine, name: str, before: State, end: State | None) -> Shape | None:
    """The shape of a name that is None before the loop and a record after a row; None where it is none."""
    if end is None or before.envs[-1].get(name, v.MISSING) is not None:
        return None
    records = [end.heap.get(r.id) for r in _refs(end.envs[-1].get(name, v.MISSING))]
    if not records or not all(isinstance(x, v.HDict) and x.default is None for x in records):
        return None
    keys = [k for k, _ in records[0].items]
    if any([k for k, _ in x.items] != keys for x in records):
        return None
    fields: list[tuple[Value, Sym | None]] = []
    for key in keys:
        values = [x.get(key) for x in records]
        contents = [end.heap.get(x.id) if isinstance(x, v.Ref) else x for x in values]
        if all(isinstance(c, v.HList) for c in contents):
            fields.append((key, None))
            continue
        if not all(isinstance(x, Sym) or (v.is_const(x) and not isinstance(x, tuple)) for x in values):
            return None
        syms = [scalars.scalar(x) for x in values]
        kind: str | None = syms[0].type
        for s in syms[1:]:
            kind = unify(kind, s.type) if kind else None
        if kind is None:
            return None
        fields.append((key, Sym(exp.null(), kind, any(s.null for s in syms), nan=any(s.nan for s in syms))))
    return Shape(tuple(fields))


def _refs(value: Value) -> list[v.Ref]:
    if isinstance(value, v.Choice):
        return [*_refs(value.then), *_refs(value.otherwise)]
    return [value] if isinstance(value, v.Ref) else []


def enter(m: Machine, frame: Frame, name: str, shape: Shape) -> None:
    """Bind the name to a record of placeholders, or None."""
    tokens: list[tuple[Value, str]] = []
    items: list[tuple[Value, Value]] = []

    def placeholder() -> str:
        token = fresh("read")
        m.reads[token] = evolving.Read(0, "carry", name, len(tokens), m.line)
        return token

    flag = placeholder()
    for key, like in shape.fields:
        token = placeholder()
        tokens.append((key, token))
        if like is None:
            items.append((key, m.new(Growing(token, placeholder()))))
            continue
        title = key if isinstance(key, str) else None
        items.append((key, replace(like, sql=sqlx.column(token, "carry"), name=title)))
    ref = m.new(v.HDict(tuple(items)))
    frame.running[name] = Running(ref, flag, tuple(tokens), shape)
    m.env[name] = v.Choice(sqlx.column(flag, "carry"), ref, None)


# -- what became of it ------------------------------------------------------------------------------------


def finish(m: Machine, frame: Frame) -> dict[str, flushes.LastGroup]:
    """Turn each running record of the loop into groups; what is left of it after the loop."""
    try:
        return {name: _solved(m, frame, name, running) for name, running in frame.running.items()}
    except Refused:
        m.sequential.update(frame.running)
        raise


def _solved(m: Machine, frame: Frame, name: str, running: Running) -> flushes.LastGroup:
    if frame.end is None or frame.query.order:
        raise _refused(name)
    flag = sqlx.column(running.flag, "carry")
    ways = _outcomes(frame.end.envs[-1].get(name), ())
    opened = [([conditions.logical(m.expand_tree(a)) for a in c], r) for c, r in ways]
    outcomes = [(c, r) for c, r in opened if not conditions.impossible(c)]
    kept = [[a for a in c if not sqlx.same(a, flag)] for c, r in outcomes if r == running.ref]
    begun = {r.id for _, r in outcomes if r is not None and r != running.ref}
    own = running.names()
    skipped = [c for c in kept if not _mentions(m, c, own)]
    belongs = [[flag, *c] for c in kept if _mentions(m, c, own)]
    if len(begun) != 1 or len(belongs) != 1 or len(skipped) > 1:
        raise _refused(name)
    skips = [sqlx.text(a) for c in skipped for a in c]
    for c, r in outcomes:
        skip = bool(skips) and all(t in [sqlx.text(a) for a in c] for t in skips)
        if r is None and not (skip and any(sqlx.same(sqlx.negate(a), flag) for a in c)):
            raise _refused(name)
    where = tuple(a for c in skipped for a in sqlx.atoms(sqlx.negate(sqlx.conjunction(c))))
    atoms = _normal(m, running, belongs[0], where)
    first = frame.end.heap[next(iter(begun))]
    later = frame.end.heap[running.ref.id]
    fields = [_field(m, frame, running, atoms, key, first.get(key), later.get(key)) for key, _ in running.tokens]
    by_token = {t: f for (_, t), f in zip(running.tokens, fields, strict=True)}
    apart = (Sym(sqlx.conjunction(where), "bool", name="reached"),) if where else ()
    forms = [islands.begins(m, frame, running.flag, atoms, by_token, key) for key in (apart, ())]
    if forms[0] is None or forms[1] is None:
        raise _refused(name)
    groups, columns = _grouped(m, frame, name, running, forms, where, apart, fields)
    followed = fresh("let")
    alias = fresh("t")
    window = sql("lead(1) OVER (ORDER BY _1) IS NOT NULL", sqlx.column(alias, "_pos"))
    m.lets[followed] = Let("followed", Sym(window, "bool"), (), window)
    closed = SelectRel(
        name=f"{groups.name}_kept", what=f"the groups that are kept of {name}", lines=frame.lines,
        query=Query(alias, groups, where=(sqlx.column(followed, "followed"),)),
    )  # fmt: skip
    named = [(s.sql.name, s) for _, s in columns]
    closed.outputs = [(n, Sym(sqlx.column(alias, n), s.type, s.null, name=n)) for n, s in named]
    _emit(m, frame, name, running, atoms, where, closed, columns, next(iter(begun)))
    m.files["groups kept", groups.token] = closed
    return flushes.LastGroup(groups, closed, tuple(columns))


def _normal(m: Machine, running: Running, atoms: list[Tree], where: tuple[Tree, ...]) -> list[Tree]:
    """Conditions without what is known where there is a running record and the row is not skipped."""
    flag = sqlx.column(running.flag, "carry")
    tests = {sqlx.text(a) for a in where}
    plain = [b for a in atoms for b in sqlx.atoms(conditions.logical(a)) if sqlx.text(b) not in tests]
    if not any(sqlx.same(a, flag) for a in plain):
        return plain
    known = {sqlx.text(flag): True}
    rest = [branches.simplified(a, known) for a in plain if not sqlx.same(a, flag)]
    made: list[Tree] = [flag]
    for a in (b for tree in rest for b in sqlx.atoms(tree)):
        if not any(sqlx.same(a, k) for k in made):
            made.append(a)
    return made


def _refused(name: str) -> Refused:
    return Refused(f"'{name}' as an earlier row left it")


def _outcomes(value: Value, path: tuple[Tree, ...]) -> list[tuple[tuple[Tree, ...], Value]]:
    """What a choice may be, with the conditions; those that contradict themselves left out."""
    texts = [sqlx.text(c) for c in path]
    if any(sqlx.text(sqlx.negate(c)) in texts for c in path):
        return []
    if isinstance(value, v.Choice):
        return [
            *_outcomes(value.then, (*path, *sqlx.atoms(value.condition))),
            *_outcomes(value.otherwise, (*path, sqlx.bare(sqlx.negate(value.condition)))),
        ]
    return [(path, value if isinstance(value, v.Ref) else None)]


def _mentions(m: Machine, path: list[Tree], own: set[str]) -> bool:
    return any(sqlx.tables(m.expand_tree(c)) & own for c in path)


def _field(
    m: Machine, frame: Frame, running: Running, atoms: list[Tree], key: Value, first: Value, later: Value
) -> islands.Field:
    """What a field is when a group begins, and how a row that belongs to it changes it."""
    token = dict(running.tokens)[key]
    content = frame.end.heap.get(later.id) if isinstance(later, v.Ref) else later
    if isinstance(content, Growing):
        items = frame.end.heap[first.id].items
        return _list_field(m, frame, running, atoms, content, items)
    a, b = scalars.scalar(first), scalars.scalar(later)
    like = dict(running.shape.fields)[key]
    if like is None or {a.type, b.type} != {like.type}:
        raise Refused(f"the entry {key!r} of a running record, whose type changes")
    begun = replace(scalars.whole(a), sql=_under(m, a, atoms, False))
    if sqlx.tables(begun.sql) & running.names():
        raise Refused(f"the entry {key!r} of a running record begins as what the one before was")
    return islands.field(m, token, begun, _under(m, b, atoms, True), running.names())


def _without(path: list[Tree], ends: str) -> list[Tree] | None:
    """The other conditions of a path that says that the group ends; None where it does not say so."""
    rest = [a for a in path if sqlx.text(a) != ends]
    if len(rest) < len(path):
        return rest
    return [] if sqlx.text(sqlx.conjunction(path)) == ends else None


def _retyped(sym: Sym, types: dict[str, str]) -> Sym:
    """A list with the type of its elements."""
    return replace(sym, type=types[sym.sql.name]) if sym.type == "list" else sym


def _under(m: Machine, value: Sym, atoms: list[Tree], belongs: bool) -> Tree:
    """A value of a row that belongs to the running record, or begins one."""
    flag, rest = atoms[0], atoms[1:]
    tree = conditions.plain(m.expand_tree(scalars.whole(value).sql))
    whole = sqlx.conjunction(rest)
    there = {sqlx.text(flag): True, sqlx.text(whole): belongs, sqlx.text(sqlx.negate(whole)): not belongs}
    there |= {sqlx.text(a): True for a in rest} if belongs else {}
    there[sqlx.text(sqlx.conjunction(atoms))] = belongs
    made = branches.united(branches.simplified(branches.simplified(tree, {sqlx.text(flag): True}), there))
    if belongs:
        return made
    first = branches.united(branches.simplified(tree, {sqlx.text(flag): False}))
    if not sqlx.same(first, made):
        raise Refused("an entry of a running record that begins otherwise after another")
    return made


def _list_field(
    m: Machine, frame: Frame, running: Running, atoms: list[Tree], content: Growing, items: tuple[Value, ...]
) -> islands.Field:
    if len(items) != 1 or len(content.added) != 1:
        raise Refused("a list of a running record that rows do not append one value to")
    item, path = content.added[0]
    first = scalars.scalar(items[0])
    if not sqlx.same(m.expand(first).sql, m.expand(item).sql):
        raise Refused("a list of a running record that takes several kinds of values")
    islands.present(m, frame, first)
    known = {sqlx.text(a) for a in atoms}
    rest = [a for c in path for a in sqlx.atoms(m.expand_tree(c)) if sqlx.text(a) not in known]
    rest = [a for a in rest if sqlx.text(a) != sqlx.text(sqlx.conjunction(atoms))]
    absent = sqlx.text(sqlx.negate(sql("_1 = _2", sqlx.column(content.inside, "carry"), m.expand(item).sql)))
    if rest and [sqlx.text(a) for a in rest] != [absent]:
        raise Refused("a list of a running record that grows under another condition", "if x not in cur[...]")
    return islands.Field("list_distinct" if rest else "list", m.expand(first), None)


def _grouped(
    m: Machine, frame: Frame, name: str, running: Running, forms: list[Tree], where: tuple[Tree, ...],
    apart: tuple[Sym, ...], fields: list[islands.Field],
) -> tuple[GroupRel, list[tuple[Value, Sym]]]:  # fmt: skip
    begins, number = fresh("let"), fresh("let")
    m.lets[begins] = Let("begins", Sym(forms[0], "bool"), where, forms[1])
    flag = sqlx.column(begins, "begins")
    counts = [recurrences.window(m, frame, "count(*) FILTER (WHERE _1)", key, "", flag) for key in (apart, ())]
    m.lets[number] = Let(f"{name}_number", Sym(counts[0], "int"), where, counts[1])
    key = Sym(sqlx.column(number, "number"), "int", name=f"{name}_number")
    groups = GroupRel(
        name=f"{name}_groups", what=f"consecutive rows that belong to one {name}", lines=frame.lines,
        query=Query(frame.query.alias, frame.query.base, frame.query.joins, where), keys=((f"{name}_number", key),),
    )  # fmt: skip
    columns = []
    for (key_, _), field in zip(running.tokens, fields, strict=True):
        title = key_ if isinstance(key_, str) and key_.isidentifier() else "value"
        kind, argument = islands.aggregate(m, frame, field, flag, key, where, apart)
        typed = f"list:{field.first.type}" if kind.startswith("list") else field.first.type
        groups.aggregates.append(Aggregate(_free(groups, title), kind, argument, typed, field.first.null))
        columns.append((key_, groups.column(groups.aggregates[-1].name, Sym(exp.null(), typed, field.first.null))))
    return groups, columns


def _free(groups: GroupRel, title: str) -> str:
    taken = {n.lower() for n, _ in groups.keys} | {a.name.lower() for a in groups.aggregates}
    return title if title.lower() not in taken else f"{title}_{len(taken)}"


def _emit(
    m: Machine, frame: Frame, name: str, running: Running, atoms: list[Tree], where: tuple[Tree, ...],
    closed: SelectRel, columns: list[tuple[Value, Sym]], begun: int,
) -> None:  # fmt: skip
    """What the loop did with complete groups, as done for each of them."""
    own = running.names()
    alias = fresh("t")
    by_token = {t: s.sql.name for (_, t), (_, s) in zip(running.tokens, columns, strict=True)}

    types = {s.sql.name: s.type for _, s in columns if s.type.startswith("list:")}

    def said(node: Tree) -> Tree | None:
        mine = isinstance(node, exp.Column) and node.table in by_token
        return sqlx.column(alias, by_token[node.table]) if mine else None

    def shown(value: Value) -> Value:
        return v.map_syms(value, lambda s: _retyped(v.change_sql(s, lambda tree: sqlx.replace(tree, said)), types))

    moved: list[Effect] = []
    rest: list[Effect] = []
    flag = sqlx.column(running.flag, "carry")
    ends = sqlx.text(sqlx.negate(sqlx.conjunction(a for a in atoms if not sqlx.same(a, flag))))
    for place, effect in enumerate(frame.effects):
        if frame.stored.get(place) == begun:
            fields = tuple((k, sqlx.column(alias, s.sql.name)) for k, s in columns)
            record = v.Rec(tuple((k, replace(s, sql=c)) for (k, c), (_, s) in zip(fields, columns, strict=True)))
            path = [m.expand_tree(c) for c in effect.path[len(frame.start.path) :]]
            path = _normal(m, running, path, where)
            begins = [_under(m, Sym(c, "bool"), atoms, False) for c in path]
            if effect.kind != "append" or any(not isinstance(b, exp.Boolean) or not b.this for b in begins):
                raise _refused(name)
            closed.query.where = ()
            moved.append(replace(effect, arguments=(record,), path=frame.start.path))
            continue
        path = [a for c in effect.path[len(frame.start.path) :] for a in sqlx.atoms(m.expand_tree(c))]
        arguments = tuple(v.map_syms(a, m.expand) if not isinstance(a, str) else a for a in effect.arguments)
        trees = recurrences.trees_of([replace(effect, arguments=arguments, path=())])
        if not any(sqlx.tables(t) & own for t in [*path, *trees]):
            rest.append(effect)
            continue
        said_of = _normal(m, running, path, where)
        if not any(sqlx.same(a, flag) for a in said_of):
            raise _refused(name)
        having = _without(said_of[1:], ends)
        if having is None:
            raise _refused(name)
        if any(not sqlx.tables(t) <= set(by_token) for t in [*having, *trees]):
            raise Refused(f"the row that ends a group of '{name}' kept with it")
        kept = (*frame.start.path, *(sqlx.replace(a, said) for a in having))
        moved.append(replace(effect, arguments=tuple(shown(a) for a in arguments), path=kept))
    frame.effects[:] = rest
    if moved:
        groups = Frame(Query(alias, closed), frame.mark, frame.start, frame.lines, effects=moved)
        folds.finish(m, groups)
