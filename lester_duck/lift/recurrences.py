"""What a collection was while its loop filled it: first, last or best entry per key, sums, members.

Each collection's changes are one *recurrence*: rows under ``where`` change the entry of ``key``. Where
it is a known one, what the loop read of the collection becomes a window over the loop's rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from lester_duck.lift import branches, evolving, fields, scalars, sqlx, twolevels
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine, either
from lester_duck.lift.relations import fresh
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.state import Effect, Frame, Let
from lester_duck.lift.values import Refused, Sym, Value


@dataclass(frozen=True, slots=True, eq=False)
class Recurrence:
    """How rows change a collection: ``kind`` is first, last, best, sum or members.

    ``value`` is free of what the collection held; ``by`` is what the best entry has most of, and
    ``descending``, ``first_tie`` how; ``where`` are the conditions on the row alone.
    """

    kind: str
    key: Value
    where: tuple[Tree, ...]
    value: Value = None
    by: Sym | None = None
    descending: bool = True
    first_tie: bool = True
    container: str | None = None

    def trees(self) -> list[Tree]:
        """Every expression of it."""
        found = list(self.where)
        for value in (self.key, self.value, self.by):
            if value is not None and not isinstance(value, bool):
                v.map_syms(value, lambda s: (found.append(s.sql), s)[1])
        return found


def own_tokens(m: Machine, id_: int) -> set[str]:
    """The placeholders of one collection."""
    return {t for t, r in m.reads.items() if r.id == id_}


def mentions(m: Machine, tree: Tree, tokens: set[str]) -> bool:
    """Whether an expression, local names put in place, uses one of the tokens."""
    return bool(sqlx.tables(m.expand_tree(tree)) & tokens)


def unresolved(m: Machine, trees: list[Tree]) -> bool:
    """Whether expressions still use placeholders that no rule explained."""
    return any(t in m.reads and t not in m.lets for tree in trees for t in sqlx.tables(m.expand_tree(tree)))


def note_sequential(m: Machine, trees: list[Tree]) -> None:
    """Remember the names behind placeholders that no rule explained."""
    for token in {t for tree in trees for t in sqlx.tables(m.expand_tree(tree)) if t in m.reads and t not in m.lets}:
        read = m.reads[token]
        named = [n for n, x in m.env.items() if isinstance(x, v.Ref) and x.id == read.id]
        m.sequential.update([read.key] if read.kind == "carry" else named)


def split_path(m: Machine, frame: Frame, path: tuple[Tree, ...], own: set[str]) -> tuple[list[Tree], list[Tree]]:
    """The conditions of a path on the row alone, and those on what the collection held."""
    plain: list[Tree] = []
    own_conditions: list[Tree] = []
    for c in path[len(frame.start.path) :]:
        for atom in sqlx.atoms(m.expand_tree(c)) if mentions(m, c, own) else [c]:
            (own_conditions if mentions(m, atom, own) else plain).append(atom)
    return plain, own_conditions


def of(
    m: Machine, frame: Frame, id_: int, effects: list[Effect], alike: frozenset[str] = frozenset()
) -> Recurrence:
    """The recurrence behind the changes of a collection; raises Refused when it is no known one.

    ``alike`` are placeholders of other collections that are taken to have the same keys.
    """
    own = own_tokens(m, id_) | alike
    effects = twolevels.without_makers(m, frame, id_, effects)
    kinds = {e.kind for e in effects}
    if kinds <= {"add", "append"}:
        effect = single(m, effects)
        plain, conditions = split_path(m, frame, effect.path, own)
        return Recurrence("members", effect.arguments[0], tuple(plain), value=_is_first(m, conditions))
    if kinds <= {"default", "slot"}:
        return _of_slots(m, frame, effects, own)
    if kinds == {"bump"}:
        effect = single(m, effects)
        plain, conditions = split_path(m, frame, effect.path, own)
        amount = _amount(m, id_, scalars.scalar(effect.arguments[1]))
        if conditions or mentions(m, amount.sql, own):
            raise Refused("a running total that depends on itself")
        return Recurrence("sum", effect.arguments[0], tuple(plain), value=amount)
    if kinds <= {"put", "bump"}:
        return _of_puts(m, frame, id_, effects, own)
    raise Refused(f"a collection changed in {len(kinds)} ways in one loop")


def single(m: Machine, effects: list[Effect]) -> Effect:
    """One effect for several that exclude each other (the branches of an ``if``)."""
    if len(effects) == 1:
        return effects[0]
    if not exclusive(effects):
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
        pairs = zip(effect.arguments, value, strict=True)
        value = tuple(x if _alike(m, x, y) else m.select(condition, x, y) for x, y in pairs)
        path = tuple(sqlx.atoms(either(effect.path[common:], path)))
    return Effect(effects[0].kind, effects[0].target, value, effects[0].path[:common] + path, effects[0].line)


def _amount(m: Machine, id_: int, amount: Sym) -> Sym:
    """What is added to a total; totals that begin at 0.0 stay floats."""
    content = m.state.heap.get(id_)
    before = content.before if isinstance(content, evolving.Evolving) else content
    if getattr(before, "default", None) != "float" or amount.type not in ("int", "number"):
        return amount
    return Sym(sql("CAST(_1 AS DOUBLE)", amount.sql), "float", name=amount.name)


def _alike(m: Machine, a: Value, b: Value) -> bool:
    """Whether two scalars are the same expression."""
    both = isinstance(a, Sym) and isinstance(b, Sym) and a.type == b.type and a.null == b.null
    return both and sqlx.same(m.expand(a).sql, m.expand(b).sql)


def exclusive(effects: list[Effect]) -> bool:
    """Whether at most one of the effects happens for a row."""
    return all(_excluded(a, b) or _excluded(b, a) for i, a in enumerate(effects) for b in effects[i + 1 :])


def _excluded(a: Effect, b: Effect) -> bool:
    """Whether a condition of one effect is the opposite of what the other's path demands."""
    demanded = {sqlx.text(x) for p in a.path for x in (p, *sqlx.atoms(p))}
    opposites = [sqlx.negate(p) for p in b.path]
    return any({sqlx.text(x) for x in sqlx.atoms(o)} <= demanded for o in opposites)


def _of_slots(m: Machine, frame: Frame, effects: list[Effect], own: set[str]) -> Recurrence:
    """``d[k].append(x)``, with or without a rule that makes the list of a new key."""
    filled = [e for e in effects if e.kind == "slot"]
    if not filled:
        raise Refused("lists per key that stay empty in this loop", "make the list where it is appended to")
    effect = single(m, filled)
    plain, conditions = split_path(m, frame, effect.path, own)
    once = _is_first(m, conditions)
    made = [e for e in effects if e.kind == "default"]
    for e in made:
        only_new(m, frame, e, own)
        needed, _ = split_path(m, frame, e.path, own)
        texts = {sqlx.text(m.expand_tree(c)) for c in needed}
        if any(sqlx.text(m.expand_tree(c)) not in texts for c in plain):
            raise Refused("lists per key that may stay empty", "make the list where it is appended to")
    container = made[0].arguments[1] if made else None
    key = (effect.arguments[0], effect.arguments[1])
    return Recurrence("slots", key, tuple(plain), value=once, container=container)


def only_new(m: Machine, frame: Frame, effect: Effect, own: set[str]) -> None:
    """Refuse an empty list, set or dict that is put under a key which may be there already."""
    text = evolving.key_text(m, effect.arguments[0])
    for c in split_path(m, frame, effect.path, own)[1]:
        tree = sqlx.bare(c)
        inner = sqlx.bare(tree.this) if isinstance(tree, exp.Not) else None
        read = m.reads.get(inner.table) if isinstance(inner, exp.Column) else None
        if read is not None and read.kind == "present" and evolving.key_text(m, read.key) == text:
            return
    raise Refused("a list, set or dict of a key that is emptied again", "if k not in d: d[k] = []")


def _is_first(m: Machine, conditions: list[Tree]) -> bool:
    """Whether the conditions say that the member was not there before; no condition is no."""
    for c in conditions:
        tree = sqlx.bare(c)
        inner = sqlx.bare(tree.this) if isinstance(tree, exp.Not) else None
        read = m.reads.get(inner.table) if isinstance(inner, exp.Column) else None
        if read is None or read.kind not in ("present", "in"):
            raise Refused("a collection that grows depending on what it holds")
    return bool(conditions)


def _of_puts(m: Machine, frame: Frame, id_: int, effects: list[Effect], own: set[str]) -> Recurrence:
    effect, plain, conditions = _combined(m, frame, id_, effects, own)
    key, stored = effect.arguments[0], effect.arguments[1]
    if any(mentions(m, scalars.scalar(x).sql, own) for x in evolving.leaves_of(key)):
        raise Refused("a key that depends on what the collection holds")
    present = [t for t in own if m.reads[t].kind == "present"]
    leaves = {t: m.reads[t].leaf for t in own if m.reads[t].kind == "value"}
    test = sqlx.conjunction(conditions)
    absent = {sqlx.text(sqlx.column(t, "present")): False for t in present}
    known = {sqlx.text(sqlx.column(t, "present")): True for t in present}
    values = [scalars.scalar(x) for x in evolving.leaves_of(stored)]
    never = (sqlx.column(t, "value") for t, leaf in leaves.items() if leaf < len(values) and not values[leaf].null)
    known |= {sqlx.text(sql("_1 IS NULL", t)): False for t in never}
    trees = [_before_after(m, branches.opened(m, x.sql), id_) for x in values]
    at_first, later = branches.simplified(test, absent), branches.simplified(test, known)
    first_values = [branches.simplified(t, absent) for t in trees]
    later_values = [branches.simplified(t, known) for t in trees]
    if mentions(m, at_first, own):
        raise Refused("an entry whose beginning depends on itself")
    where = (*plain, *(sqlx.atoms(at_first)))
    if isinstance(sqlx.bare(at_first), exp.Boolean) and not sqlx.bare(at_first).this:
        raise Refused("an entry that never begins")
    if isinstance(sqlx.bare(later), exp.Boolean) and not sqlx.bare(later).this:
        return Recurrence("first", key, where, value=_with_trees(stored, first_values))
    free = not any(mentions(m, t, own) for t in later_values)
    same = all(sqlx.same(a, b) for a, b in zip(first_values, later_values, strict=True))
    if free and same and not mentions(m, later, own) and sqlx.same(later, at_first):
        return Recurrence("last", key, where, value=_with_trees(stored, first_values))
    if free and same:
        return _best(m, sqlx.bare(later), key, where, stored, values, first_values, leaves, own)
    if not isinstance(stored, v.Rec | v.Seq | tuple) and sqlx.same(later, at_first):
        total = _running(m, key, where, values[0], first_values[0], later_values[0], leaves, own)
        if total is not None:
            return total
    if sqlx.same(later, at_first):
        return fields.of(m, key, where, stored, effects, first_values, later_values, leaves, _was_there(present))
    raise Refused("an entry computed from the entry before", "a counter, a sum, the first, last or largest")


def _was_there(tokens: list[str]) -> Tree | None:
    """The condition that a row found an entry of its key."""
    return sqlx.column(min(tokens), "present") if tokens else None


def _before_after(m: Machine, tree: Tree, id_: int) -> Tree:
    """The tree with what an entry is after it may have been made said by what it was before."""

    def said(node: Tree) -> Tree | None:
        read = m.reads.get(node.table) if isinstance(node, exp.Column) else None
        mine = read is not None and read.id == id_ and read.kind == "after"
        return exp.Paren(this=m.expand_tree(read.fallback)) if mine else None

    return sqlx.replace(tree, said)


def _combined(
    m: Machine, frame: Frame, id_: int, effects: list[Effect], own: set[str]
) -> tuple[Effect, list[Tree], list[Tree]]:
    """The changes of one row as one; several in a row are read off what the row leaves."""
    if {e.kind for e in effects} == {"put"} and (len(effects) == 1 or exclusive(effects)):
        effect = single(m, effects)
        plain, conditions = split_path(m, frame, effect.path, own)
        return effect, plain, conditions
    end = frame.end.heap.get(id_) if frame.end is not None else None
    if not isinstance(end, evolving.Evolving) or len(end.local) != 1:
        raise Refused("a collection changed twice for one row of a loop")
    split = [split_path(m, frame, e.path, own) for e in effects]
    texts = [{sqlx.text(m.expand_tree(c)) for c in plain} for plain, _ in split]
    common = [c for c in split[0][0] if all(sqlx.text(m.expand_tree(c)) in t for t in texts)]
    known = {sqlx.text(a): True for c in common for a in sqlx.atoms(m.expand_tree(c))}
    entry = end.local[0]
    leaves = [scalars.scalar(x) for x in evolving.leaves_of(entry.value)]
    value = _with_trees(entry.value, [branches.simplified(m.expand_tree(x.sql), known) for x in leaves])
    return Effect("put", effects[0].target, (entry.key, value), (), effects[0].line), common, []


def _with_trees(shape: Value, trees: list[Tree]) -> Value:
    pieces = iter(trees)
    leaves = [scalars.scalar(x) for x in evolving.leaves_of(shape)]
    made = iter([Sym(next(pieces), x.type, x.null, name=x.name) for x in leaves])
    return evolving.refilled(shape, made)


_ORDERINGS = {exp.GT: (True, True), exp.GTE: (True, False), exp.LT: (False, True), exp.LTE: (False, False)}
_MIRRORED = {exp.GT: exp.LT, exp.GTE: exp.LTE, exp.LT: exp.GT, exp.LTE: exp.GTE}


def _best(
    m: Machine, test: Tree, key: Value, where: tuple[Tree, ...], stored: Value, values: list[Sym],
    trees: list[Tree], leaves: dict[str, int], own: set[str],
) -> Recurrence:  # fmt: skip
    """``if k not in d or x > d[k][0]: d[k] = (x, ...)``: strict keeps the first of equals."""
    test = _certain(test, values)
    kind = type(test)
    if kind not in _ORDERINGS:
        raise Refused("an entry replaced under a condition on itself", "if k not in d or x > d[k]")
    new, old = m.expand_tree(test.this), m.expand_tree(test.expression)
    if isinstance(new, exp.Column) and new.table in leaves:
        kind, new, old = _MIRRORED[kind], old, new
    leaf = leaves.get(old.table) if isinstance(old, exp.Column) else None
    if leaf is None or mentions(m, new, own) or not sqlx.same(sqlx.bare(new), sqlx.bare(trees[leaf])):
        raise Refused("an entry replaced by a comparison with something else than itself")
    descending, first_tie = _ORDERINGS[kind]
    by = values[leaf]
    return Recurrence("best", key, where, _with_trees(stored, trees), by, descending, first_tie)


def _certain(test: Tree, values: list[Sym]) -> Tree:
    """``coalesce(x < y, FALSE)`` as ``x < y`` where no entry is ever missing."""
    false = isinstance(test, exp.Coalesce) and all(sqlx.same(e, sqlx.FALSE) for e in test.expressions)
    return sqlx.bare(test.this) if false and not any(x.null for x in values) else test


def _running(
    m: Machine, key: Value, where: tuple[Tree, ...], value: Sym, first: Tree, later: Tree,
    leaves: dict[str, int], own: set[str],
) -> Recurrence | None:  # fmt: skip
    """``d[k] = d.get(k, 0) + x``; None where the entry is no plain total."""
    later = sqlx.bare(later)
    if isinstance(later, exp.Add):
        for old, amount in ((later.left, later.right), (later.right, later.left)):
            is_old = isinstance(sqlx.bare(old), exp.Column) and sqlx.bare(old).table in leaves
            if is_old and not mentions(m, amount, own) and _from_zero(first, amount):
                return Recurrence("sum", key, where, value=Sym(sqlx.bare(amount).copy(), value.type, name=value.name))
    return None


def _from_zero(first: Tree, amount: Tree) -> bool:
    first, amount = sqlx.bare(first), sqlx.bare(amount)
    if sqlx.same(first, amount):
        return True
    if isinstance(first, exp.Literal) and isinstance(amount, exp.Literal):
        return float(first.name) == float(amount.name)
    sides = (first.left, first.right) if isinstance(first, exp.Add) else ()
    zero = [s for s in sides if isinstance(s, exp.Literal) and not s.is_string and float(s.name) == 0]
    return bool(zero) and any(sqlx.same(sqlx.bare(s), amount) for s in sides)


def window(m: Machine, frame: Frame, function: str, key: Value, rows: str = "", *arguments: Tree) -> Tree:
    """A window over the loop's rows in their order, one partition per key."""
    parts = (*frame.partition, *evolving.leaves_of(key))
    keys = [_column(m, scalars.whole(x)) for x in parts if isinstance(x, Sym)]
    if frame.turn is not None:
        by = ", ".join(f"_{len(arguments) + 2 + i}" for i in range(len(keys)))
        return sql(f"{function} OVER (PARTITION BY {by} ORDER BY _{len(arguments) + 1} {rows})",
                   *arguments, frame.turn.sql, *keys)  # fmt: skip
    terms = [s.sql for s, _ in frame.query.order]
    operands = [*arguments, *keys, *terms, sqlx.column(frame.query.alias, "_pos")]
    n = len(arguments)
    by = ", ".join(f"_{n + i + 1}" for i in range(len(keys)))
    order = [f"_{n + len(keys) + i + 1}{' DESC' if d else ''}" for i, (_, d) in enumerate(frame.query.order)]
    order.append(f"_{len(operands)}")
    partition = f"PARTITION BY {by} " if keys else ""
    return sql(f"{function} OVER ({partition}ORDER BY {', '.join(order)} {rows})", *operands)


def _reads(effects: list[Effect]) -> list[Any]:
    return [x for e in effects for x in e.arguments]


def _column(m: Machine, sym: Sym) -> Tree:
    """A key as a column: a window cannot be partitioned by every expression."""
    if isinstance(sym.sql, exp.Column) and not sym.sql.name.startswith("#"):
        return sym.sql
    known = ("key", sqlx.text(m.expand(sym).sql))
    if known not in m.reads_of:
        m.reads_of[known] = fresh("let")
        m.lets[m.reads_of[known]] = Let(f"{sym.name or 'own'}_key", sym)
    return sqlx.column(m.reads_of[known], "key")


def trees_of(effects: list[Effect]) -> list[Tree]:
    """Every expression of some effects."""
    found = [p for e in effects for p in e.path]
    for value in _reads(effects):
        v.map_syms(value if not isinstance(value, v.Cells) else value.items, lambda s: (found.append(s.sql), s)[1])
    return found
