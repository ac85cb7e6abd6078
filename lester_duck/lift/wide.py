"""Rows of a matrix some of whose columns are as many as the data has values: one-hot by a list made of the data."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlglot import exp

from lester_duck.lift import containers, features, rows, scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import GroupRel, Relation, SelectRel, fresh
from lester_duck.lift.values import Learned, Poison, Refused, Sym, Value

_NEAREST = "x.append(1 if row[k] == c else 0)"


@dataclass(frozen=True, eq=False)
class Wide(Library):
    """A list made for one row, of scalars and of blocks that are as wide as the data says."""

    items: tuple[Value, ...]
    what = "list with a column per category of the data"

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """``.append(x)`` and ``.extend(items)``."""
        if name not in ("append", "extend") or len(args) != 1 or kwargs:
            return super().method(m, ref, name, args, kwargs)
        _extend(m, ref, (args[0],) if name == "append" else _items(m, args[0]))
        return None

    def operate(self, m: Machine, op: type[ast.operator], a: Value, b: Value) -> Value:
        """``a + b`` of lists."""
        if op is not ast.Add:
            return super().operate(m, op, a, b)
        return m.new(Wide(_items(m, a) + _items(m, b)))

    def record(self, m: Machine) -> Value:
        """The list as it is kept in a list of rows."""
        return v.HList(self.items)


def is_wide(m: Machine, value: Value) -> bool:
    """Whether a value is such a list."""
    return isinstance(m.content(value), Wide)


def extend(m: Machine, ref: v.Ref, more: Value) -> None:
    """``x += more`` and ``x.extend(more)`` where one of them is such a list."""
    _extend(m, ref, _items(m, more))


def _extend(m: Machine, ref: v.Ref, more: tuple[Value, ...]) -> None:
    if m.frame_of(ref) is not None:
        raise Refused("a list that was made before the loop over the rows, with a column per category")
    m.update(ref, Wide(_items(m, ref) + more))


def _items(m: Machine, value: Value) -> tuple[Value, ...]:
    content = m.content(value)
    return content.items if isinstance(content, Wide) else tuple(containers.known_items(m, value))


# -- one column per category ---------------------------------------------------------------------


def loop(m: Machine, node: ast.For, content: Value, bind: Callable[[Value], None], body: Callable[[], None]) -> bool:
    """``for c in categories: x.append(1 if row[k] == c else 0)``; says whether it is this."""
    view = _categories(m, content)
    names = {
        n.func.value.id
        for s in node.body for n in ast.walk(s)
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr == "append"
        and isinstance(n.func.value, ast.Name)
    }  # fmt: skip
    if view is None or len(names) != 1 or node.orelse or any(isinstance(n, ast.Break) for n in ast.walk(node)):
        return False
    ref = m.env.get(next(iter(names)))
    if not isinstance(ref, v.Ref) or m.frame_of(ref) is not None or not isinstance(m.content(ref), v.HList | Wide):
        return False
    before = m.content(ref)
    start = dict(m.env)
    item = _placeholder(view[0])
    try:
        with m.trial():
            m.update(ref, v.HList())
            _alone(m, item, lambda: rows.unroll(m, [item], bind, body))
            added = m.content(ref)
            if not isinstance(added, v.HList) or len(added.items) != 1:
                raise Refused("a list that grows by more than one element per category", _NEAREST)
            block = _block(m, item, added.items[0], view)
    except Refused:
        return False
    m.update(ref, Wide((*before.items, block)))
    for name, value in m.env.items():
        if value is not start.get(name):
            m.env[name] = Poison(f"'{name}' as the last category left it", node.lineno)
    return True


def comprehension(m: Machine, node: ast.ListComp, content: Value, bind: Callable[[Value], None],
                  element: Callable[[], Value]) -> Wide | None:
    """``[1 if row[k] == c else 0 for c in categories]``, or None where it is not this."""
    view = _categories(m, content)
    if view is None or len(node.generators) != 1 or node.generators[0].ifs:
        return None
    item = _placeholder(view[0])
    names = dict(m.env)
    try:
        with m.trial():
            found: list[Value] = []

            def evaluate() -> None:
                bind(item)
                found.append(element())

            _alone(m, item, evaluate)
            return Wide((_block(m, item, found[0], view),))
    except Refused:
        return None
    finally:
        m.state.envs[-1] = names


def _placeholder(key: Sym) -> Sym:
    return Sym(sqlx.column(fresh("category"), "item"), key.type, name=key.name)


def _alone(m: Machine, item: Sym, run: Callable[[], None]) -> None:
    """Run something that may do nothing but compute; what must hold for it is about the row, not the category."""
    owed, effects = len(m.obligations), [len(f.effects) for f in m.frames]
    raised = [len(g.states) for g in m.guards]
    run()
    trees = [t for o in m.obligations[owed:] for t in (o.fails, *o.path)]
    same = not any(item.sql.table in sqlx.tables(m.expand_tree(t)) for t in trees)
    same = same and raised == [len(g.states) for g in m.guards]
    if not m.state.alive or not same or effects != [len(f.effects) for f in m.frames]:
        raise Refused("a loop over categories that does more than compare them", _NEAREST)


def _block(m: Machine, item: Sym, value: Value, view: tuple[Sym, str, Relation]) -> Learned:
    """The columns that one element per category makes."""
    tree = features.equality(m.expand(value).sql) if isinstance(value, Sym) and value.type in scalars.NUMERIC else None
    if tree is None:
        raise Refused("an element per category that is no comparison with it", _NEAREST)
    sides = [sqlx.bare(tree.this), sqlx.bare(tree.expression)]
    own = [s for s in sides if isinstance(s, exp.Column) and s.table == item.sql.table]
    rest = [s for s in sides if s not in own]
    if len(own) != 1 or any(item.sql.table in sqlx.tables(s) for s in rest):
        raise Refused("an element per category that is no comparison with it", _NEAREST)
    key, order, rel = view
    plain = isinstance(rest[0], exp.Column) and not rest[0].name.startswith("#")
    name = rest[0].name if plain else key.name if key.name and not key.name.startswith("#") else None
    return Learned(Sym(rest[0].copy(), item.type, name=name), key, order, rel)


# -- where categories come from ------------------------------------------------------------------


def _categories(m: Machine, content: Value) -> tuple[Sym, str, Relation] | None:
    """The key of the grouping that a list of categories is, their order, and that grouping."""
    if isinstance(content, v.ListOf | v.Vector):
        content = v.View(content.rel, content.element)
    elif isinstance(content, v.DictOf):
        content = rows.keys_view(m, content)
    if not isinstance(content, v.View):
        return None
    element = content.element
    if isinstance(element, tuple) and len(element) == 1:
        element = element[0]
    if not isinstance(element, Sym):
        return None
    return _origin(m, content.rel, m.expand(element), _sorted_by(m, content.order, m.expand(element)))


def _sorted_by(m: Machine, order: tuple[tuple[Sym, bool], ...], element: Sym) -> str | None:
    """'sorted' where rows are in the order of an element, 'appearance' where in none, else None."""
    if not order:
        return "appearance"
    first, descending = order[0]
    plain = not descending and len(order) == 1 and sqlx.same(m.expand(first).sql, element.sql)
    return "sorted" if plain else None


def _origin(m: Machine, rel: Relation, element: Sym, order: str | None) -> tuple[Sym, str, Relation] | None:
    if order is None or not isinstance(element.sql, exp.Column) or element.sql.table != rel.token:
        return None
    if isinstance(rel, GroupRel):
        key = dict(rel.keys).get(element.sql.name)
        if len(rel.keys) != 1 or key is None or rel.largest:
            return None
        if order == "appearance" and (rel.query.order or rel.ordered):
            order = "sorted" if rel.ordered and not rel.query.order else None
        return None if order is None else (replace(m.expand(key), name=key.name or element.name), order, rel)
    if not isinstance(rel, SelectRel) or rel.query.where or any(j.always for j in rel.query.joins):
        return None
    inner = m.expand(dict(rel.outputs)[element.sql.name])
    if order == "appearance":
        order = _sorted_by(m, rel.query.order, inner)
    return _origin(m, rel.query.base, v.rebind(inner, rel.query.alias, rel.query.base.token), order)
