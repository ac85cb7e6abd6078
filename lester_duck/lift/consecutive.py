"""``itertools`` over rows: ``groupby`` of rows sorted by the same key, and ``chain`` of several lists."""

from __future__ import annotations

import ast

from sqlglot import exp

from lester_duck.lift import builtin_rules, lookups, once, rows, shapes, sqlx, unions
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import Query, Relation, SelectRel, fresh
from lester_duck.lift.sqlx import Tree
from lester_duck.lift.values import MISSING, Refused, Value

_NEAREST = "rows.sort(key=...) by the key of the groups, before"


def groupby(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``groupby(rows, key)``: pairs of a key and the list of its rows, which the script reads once."""
    view = rows.as_view(m, m.content(args[0])) if args else None
    function = args[1] if len(args) > 1 else kwargs.get("key")
    if view is None or m.frames or set(kwargs) - {"key"}:
        raise Refused("this use of groupby()", "groupby(rows, key=...) over sorted rows")
    _read_once(m)
    if view.order:
        made = builtin_rules.settled(m, view, m.hint)
        view = v.View(made.rel, made.element)
    key: Value = view.element
    if function is not None:
        key = builtin_rules.key_of(m, view, function)
        key = key if len(key) > 1 else key[0]
    leaves = lookups.leaves(key)
    if any(s.null for s in leaves):
        raise Refused("groupby() with a key that may be None")
    if not _is_sorted(m, view.rel, [m.expand(s).sql for s in leaves]):
        raise Refused("groupby() over rows that are not sorted by its key", _NEAREST)
    alias = fresh("g")
    outputs, shape = shapes.columns_of(m, v.rebind((key, view.element), view.rel.token, alias), "key")
    rel = SelectRel(
        name=f"{view.rel.name}_keyed", what=f"{view.rel.name}, with the key of its group", lines=(m.line, m.line),
        query=Query(alias, view.rel), outputs=outputs,
    )  # fmt: skip
    grouped = v.GroupedOf(rel, *shape(rel), "list")
    keys = rows.keys_view(m, grouped)
    return v.View(keys.rel, (keys.element, lookups.own_group(grouped, keys)))


def chain(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``chain(a, b)``: the rows of one after those of the other."""
    views = [rows.as_view(m, m.content(x)) for x in args]
    if not views or all(view is None for view in views):
        return MISSING
    if m.frames or any(view is None for view in views):
        raise Refused("chain() of rows and other things", "chain(rows, more_rows)")
    lists = [builtin_rules.settled(m, x, m.hint) if x.order else v.ListOf(x.rel, x.element) for x in views]
    return once.generator(m, m.new(unions.concatenate(m, lists, m.hint or "chained")))


def _is_sorted(m: Machine, rel: Relation, key: list[Tree]) -> bool:
    """Whether the first terms by which a relation, or the one it was made from, is ordered are those of a key."""
    while isinstance(rel, SelectRel):
        outputs, token = {n: m.expand(s).sql for n, s in rel.outputs}, rel.token

        def below(node: Tree, outputs: dict = outputs, token: str = token) -> Tree | None:
            own = isinstance(node, exp.Column) and node.table == token
            return outputs.get(node.name) if own else None

        key = [sqlx.replace(tree, below) for tree in key]
        if rel.query.order:
            terms = [sqlx.text(sqlx.bare(m.expand(s).sql)) for s, _ in rel.query.order[: len(key)]]
            return set(terms) == {sqlx.text(sqlx.bare(tree)) for tree in key}
        alias, rel = rel.query.alias, rel.query.base
        token = rel.token
        key = [_renamed(tree, alias, token) for tree in key]
    return False


def _renamed(tree: Tree, alias: str, token: str) -> Tree:
    return sqlx.replace(
        tree, lambda n: sqlx.column(token, n.name) if isinstance(n, exp.Column) and n.table == alias else None
    )


def _read_once(m: Machine) -> None:
    """Refuse a group that is read twice: it is empty the second time."""
    for node in ast.walk(m.tree):
        body: list[ast.AST] = []
        if isinstance(node, ast.For) and node.iter.lineno == m.line:
            target, body = node.target, [*node.body, *node.orelse]
        elif isinstance(node, ast.DictComp | ast.ListComp | ast.SetComp | ast.GeneratorExp):
            first = node.generators[0]
            target = first.target
            if first.iter.lineno == m.line:
                body = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
                body += [*first.ifs, *node.generators[1:]]
        if body and isinstance(target, ast.Tuple) and isinstance(target.elts[-1], ast.Name):
            _check(body, target.elts[-1].id)


def _check(body: list[ast.AST], name: str) -> None:
    first = body[0]
    if isinstance(first, ast.Assign) and ast.unparse(first) in (f"{name} = list({name})", f"{name} = sorted({name})"):
        return
    loads = [n for part in body for n in ast.walk(part) if isinstance(n, ast.Name) and n.id == name]
    repeated = {
        id(n) for part in body for loop in ast.walk(part) if isinstance(loop, ast.For | ast.While)
        for inner in loop.body for n in ast.walk(inner)
    }  # fmt: skip
    if len(loads) > 1 or any(id(n) in repeated for n in loads):
        raise Refused("a group of groupby() that is read twice: it is empty then", "items = list(group)")
