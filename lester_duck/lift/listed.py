"""The parts of one text filtered, changed, counted, made a set: functions of lists, within one row."""

from __future__ import annotations

import ast
from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import expressions, rows, scalars, so_far, sqlx
from lester_duck.lift.exploded import Exploded, Listed
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import Query, fresh
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.state import Frame
from lester_duck.lift.values import Refused, Sym, Value

_NEAREST = "a condition and an expression that speak of the part and of constants"


def comprehension(m: Machine, listed: Exploded, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> Exploded:
    """``[f(x) for x in parts if p(x)]`` where ``f`` and ``p`` look nothing up."""
    clause = node.generators[0]
    if len(node.generators) != 1 or not isinstance(clause.target, ast.Name):
        raise Refused("a comprehension over parts with several loops or names", "one loop, one name")
    condition, element = _said(m, listed, clause, node.elt)
    items = listed.items
    own = Sym(sqlx.column("part", "item"), listed.type)
    if condition is not None:
        items = sql("list_filter(_1, _2)", items, _function(clause.target.id, condition))
    if not sqlx.same(element.sql, own.sql):
        items = sql("list_transform(_1, _2)", items, _function(clause.target.id, element.sql))
    return Exploded(items, element.type)


def _said(m: Machine, listed: Exploded, clause: ast.comprehension, element: ast.expr) -> tuple[Tree | None, Sym]:
    """The condition and the element over the column ``part.item``."""
    alias = fresh("p")
    rel = Listed(name=clause.target.id, items=listed.items)
    before, names, owed = m.state.path, m.env, len(m.obligations)
    raised = sum(len(g.states) for g in m.guards)
    m.state.envs[-1] = dict(names)
    m.frames.append(Frame(Query(alias, rel), m.mark, m.state.fork(), (m.line, m.line)))
    try:
        item: Value = Sym(sqlx.column(alias, "item"), listed.type, name=clause.target.id)
        for rule in listed.each:
            item = rule(item)
        m.bind(clause.target.id, item)
        tests: list[Tree] = []
        for test in clause.ifs:
            tests.append(expressions.condition(m, test))
            m.assume(tests[-1])
        made = scalars.whole(scalars.scalar(expressions.evaluate(m, element)))
        frame = m.frames[-1]
    finally:
        m.frames.pop()
        m.state.path, m.state.envs[-1] = before, names
    looked = frame.query.joins or frame.effects or frame.flat
    if looked or len(m.obligations) > owed or sum(len(g.states) for g in m.guards) > raised:
        raise Refused("parts of a text that are looked up, or may raise", _NEAREST)
    if made.null or made.type not in ("str", "int", "float", "bool"):
        raise Refused(f"a list of {made.type} values that may be missing", _NEAREST)

    def over(tree: Tree) -> Tree:
        return sqlx.replace(
            m.expand_tree(tree),
            lambda n: sqlx.column("part", "item") if isinstance(n, exp.Column) and n.table == alias else None,
        )

    test = over(sqlx.conjunction(tests)) if tests else None
    declared = {name.lower() for name in m.functions}
    sides = [t for t in (test, over(made.sql)) if t is not None]
    if any(t.find(exp.Window, exp.AggFunc) or sqlx.tables(t) & m.reads.keys() for t in sides):
        raise Refused("parts of a text compared with other rows", _NEAREST)
    if any(f.name.lower() in declared for t in sides for f in t.find_all(exp.Anonymous)):
        raise Refused("parts of a text given to a Python function", _NEAREST)
    return test, replace(made, sql=over(made.sql), parts=(), choices=())


def _function(name: str, body: Tree) -> exp.Lambda:
    """``lambda name: body``, the name none of the columns in it."""
    taken = {c.name.lower() for c in body.find_all(exp.Column) if c.table != "part"}
    while name.lower() in taken or not name[:1].isalpha():
        name = f"part_{name.strip('_')}" if not name[:1].isalpha() else f"{name}_"
    own = exp.to_identifier(name)
    said = sqlx.replace(body, lambda n: own.copy() if isinstance(n, exp.Column) and n.table == "part" else None)
    return exp.Lambda(this=said, expressions=[own.copy()])


def plain(listed: Exploded) -> Exploded:
    """The list with what is applied to each part when it is read refused: its SQL is the list itself."""
    if listed.each:
        raise Refused("this use of a list of changed parts", "a list comprehension")
    return listed


def distinct(listed: Exploded) -> Exploded:
    """``set(parts)``."""
    return Exploded(sql("list_distinct(_1)", plain(listed).items), listed.type, kind="set")


def ordered(listed: Exploded, kwargs: dict[str, Value]) -> Exploded:
    """``sorted(parts)``, with or without ``reverse``."""
    reverse = kwargs.get("reverse", False)
    if set(kwargs) - {"reverse"} or not isinstance(reverse, bool) or listed.type not in ("str", "int"):
        raise Refused("parts of a text sorted by a key", "sorted(parts)")
    function = "list_reverse_sort" if reverse else "list_sort"
    return Exploded(sql(f"{function}(_1)", plain(listed).items), listed.type)


def total(m: Machine, listed: Exploded) -> Value:
    """``sum(parts)``; of no floats it is the whole number 0."""
    items = plain(listed).items
    if listed.type == "float":
        made = Sym(sql("list_sum(_1)", items), "float")
        some = listed.truth(m, listed)
        return made if m.implied(some) else m.select(some, made, 0)
    if listed.type == "bool":
        return Sym(sql("len(list_filter(_1, _2))", items, _function("p", sqlx.column("part", "item"))), "int")
    if listed.type != "int":
        raise Refused(f"sum() of {listed.type} parts of a text", "whole numbers")
    return Sym(sql("CAST(coalesce(list_sum(_1), 0) AS BIGINT)", items), "int")


def extreme(m: Machine, listed: Exploded, kind: str) -> Sym:
    """``max(parts)`` and ``min(parts)``."""
    items = plain(listed).items
    if listed.type not in ("int", "str", "float", "date"):
        raise Refused(f"{kind}() of {listed.type} parts of a text")
    m.raise_if(sql("len(_1) = 0", items), "ValueError", f"{kind}() of an empty list")
    return Sym(sql(f"list_{kind}(_1)", items), listed.type)


def quantified(listed: Exploded, all_of: bool) -> Tree:
    """``all(parts)`` and ``any(parts)`` of conditions."""
    if listed.type != "bool":
        raise Refused("any() or all() of parts of a text", "any(condition for part in parts)")
    found = sql("list_contains(_1, _2)", plain(listed).items, sqlx.literal(not all_of))
    return sqlx.negate(found) if all_of else found


def of(m: Machine, value: Value) -> Exploded | None:
    """The parts of a text as a list; None for other things."""
    content = rows.exploded.of(so_far.of(m, value)) if m.frames else m.content(value)
    return content if isinstance(content, Exploded) else None
