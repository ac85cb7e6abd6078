"""One-hot columns whose categories a script collected from the data: a featurizer that learns them."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from lester_duck.lift import arrays, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import Query, Relation, SelectRel
from lester_duck.lift.sqlx import Tree
from lester_duck.lift.values import Learned, Refused, Sym, Value
from lester_duck.pipeline import model as ir

_NEAREST = "categories from the same column of the rows that make the matrix"


def rule(b: Any, columns: list[Value], at: int) -> tuple[int, ir.Featurizer] | None:
    """A block of columns, one per category, in the order of the script's list."""
    block = columns[at]
    if not isinstance(block, Learned):
        return None
    if not _of_these_rows(b.m, b.rel, block):
        raise Refused("one-hot columns by the values of another column or of other rows", _NEAREST)
    column = b.column(block.text, block.text.name or "category")
    params = (("categories", block.order), ("handle_unknown", "ignore"))
    step = ir.Step(kind="one_hot", params=params)
    return 1, ir.Featurizer(name=b.named(column), columns=(column,), steps=(step,), fit="all")


def _of_these_rows(m: Machine, rel: Relation, block: Learned) -> bool:
    """Whether the categories are all values that the block's column has in the rows of the matrix."""
    query = block.grouping.query
    if any(j.always for j in query.joins):
        return False
    root = arrays.root(rel)
    text = block.text
    if not query.where and arrays.same_rows(query.base, rel):
        if block.order == "appearance" and query.order:
            return False
        own, key = _at_root(m, rel, text), _at_root(m, query.base, v.rebind(block.key, query.alias, query.base.token))
        return own is not None and key is not None and sqlx.same(own, key)
    if not isinstance(root, SelectRel) or root.query.base is not query.base or root.query.alias != query.alias:
        return False
    if block.order == "appearance" and (root.query.order or query.order):
        return False
    own = _at_root(m, rel, text)
    if own is None or _conditions(m, root.query) != _conditions(m, query):
        return False
    outputs = dict(root.outputs)

    def definition(node: Tree) -> Tree | None:
        found = isinstance(node, exp.Column) and node.table == root.token
        return m.expand(outputs[node.name]).sql if found else None

    return sqlx.same(sqlx.replace(own, definition), m.expand(block.key).sql)


def _at_root(m: Machine, rel: Relation, sym: Sym) -> Tree | None:
    """An expression over a relation said over the one that it only adds columns to, or None."""
    tree = m.expand(sym).sql
    while arrays.extends(rel):
        outputs, token, query = dict(rel.outputs), rel.token, rel.query

        def definition(node: Tree, outputs: dict[str, Sym] = outputs, token: str = token) -> Tree | None:
            found = isinstance(node, exp.Column) and node.table == token
            return m.expand(outputs[node.name]).sql if found else None

        tree = sqlx.replace(tree, definition)
        if sqlx.tables(tree) - {query.alias}:
            return None
        tree = v.rebind(Sym(tree, "str"), query.alias, query.base.token).sql
        rel = query.base
    return tree


def _conditions(m: Machine, query: Query) -> set[str]:
    return {sqlx.text(a) for c in query.where for a in sqlx.atoms(m.expand_tree(c))}
