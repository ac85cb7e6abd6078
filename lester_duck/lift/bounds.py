"""What a condition says of the number of a row: that so many rows come before it, or after it."""

from __future__ import annotations

from sqlglot import exp

from lester_duck.lift import sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.sqlx import Tree
from lester_duck.lift.values import Sym


def is_later(tree: Tree, number: Tree, least: int) -> bool:
    """Whether a condition says that the number is at least so large."""
    denied = isinstance(tree, exp.Not)
    tree = sqlx.bare(tree.this) if denied else tree
    if not isinstance(tree, exp.GT | exp.GTE | exp.NEQ | exp.EQ):
        return False
    left, bound = sqlx.bare(tree.this), _whole(tree.expression)
    if isinstance(left, exp.Sub) and not sqlx.same(left, number) and bound is not None:  # i - 2 >= 0
        left, less = sqlx.bare(left.left), _whole(left.right)
        bound = None if less is None else bound + less
    if not sqlx.same(left, number):
        return False
    if bound is None or (denied and not isinstance(tree, exp.EQ)):
        return False
    if isinstance(tree, exp.NEQ | exp.EQ):
        return bound == 0 and least == 1 and denied is isinstance(tree, exp.EQ)
    return bound >= (least if isinstance(tree, exp.GTE) else least - 1)


def leaves(m: Machine, tree: Tree, number: Tree, offset: int, count: Sym) -> bool:
    """Whether a condition says that so many rows follow: ``i + 1 < len(rows)``, ``i != len(rows) - 1``."""
    denied = isinstance(tree, exp.Not)
    tree = sqlx.bare(tree.this) if denied else tree
    if not isinstance(tree, exp.LT | exp.NEQ | exp.EQ) or denied is not isinstance(tree, exp.EQ):
        return False
    left, right = sqlx.bare(tree.this), sqlx.bare(tree.expression)
    added = isinstance(left, exp.Add) and not sqlx.same(left, number)
    more = _whole(left.expression) if added else 0
    less = _whole(right.expression) if isinstance(right, exp.Sub) else 0
    left = sqlx.bare(left.this) if added else left
    right = sqlx.bare(right.this) if isinstance(right, exp.Sub) else right
    counted = sqlx.same(right, sqlx.bare(m.expand_tree(count.sql)))
    if more is None or less is None or not counted or not sqlx.same(left, number):
        return False
    return more + less >= offset if isinstance(tree, exp.LT) else more + less == offset == 1


def _whole(tree: Tree) -> int | None:
    tree = sqlx.bare(tree)
    return int(tree.name) if isinstance(tree, exp.Literal) and tree.is_int else None
