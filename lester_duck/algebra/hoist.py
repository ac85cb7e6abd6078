"""Calls of declared functions in grouping or window steps: taken out into a step that computes them row by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import sqlglot
from sqlglot import exp

from lester_duck.algebra.flatten import Flat, is_aggregate, own_aggregates, own_nodes
from lester_duck.algebra.relation import Block, Relation, column
from lester_duck.errors import Unsupported
from lester_duck.names import is_reserved_column


def check_calls(block: Block, functions: frozenset[str], where: str) -> None:
    """Calls stand in the select list or in WHERE; elsewhere their rows would not be known before the join."""
    if not block.calls:
        return
    tree = sqlglot.parse_one(block.sql, dialect="duckdb")
    places = [("a JOIN condition", join.args.get("on")) for join in tree.args.get("joins") or []]
    places += [("a subquery", node) for node in tree.find_all(exp.Query) if node is not tree]
    for place, node in places:
        if node is not None and calls_in(node, functions):
            raise Unsupported(
                f"a function call in {place} is not supported", where=where, hint="call it in a view before this one"
            )


def order_clause(flat: Flat, known: Mapping[str, Relation], functions: frozenset[str], where: str) -> exp.Order | None:
    tree = sqlglot.parse_one(flat.sql, dialect="duckdb")
    order = tree.args.get("order")
    if order and calls_in(order, functions):
        raise Unsupported(
            "a function call in ORDER BY is not supported here",
            where=where,
            hint="compute it in a view before this one",
        )
    return order.copy() if order else None


def split_calls(tree: exp.Select, name: str, functions: frozenset[str], where: str) -> tuple[exp.Select, exp.Select]:
    """Divide a SELECT into one that computes calls row by row, and one that groups its rows."""
    for node in list(own_nodes(tree, exp.Anonymous)):
        if node.name.lower() in functions and _mixes(node):
            raise Unsupported(
                "a function of an aggregate is not supported here",
                where=where,
                hint="compute the aggregate in a view before this one",
            )
    group = tree.args.get("group")
    keys = {k.sql("duckdb") for k in (group.expressions if group else []) if calls_in(k, functions)}
    replacements: dict[str, tuple[exp.Expression, str]] = {}

    def keep(node: exp.Expression) -> exp.Expression:
        text = node.sql("duckdb")
        if text not in replacements:
            base = node.name if isinstance(node, exp.Column) and not is_reserved_column(node.name) else "call"
            taken = {n for _, n in replacements.values()}
            free, number = base, 2
            while free in taken:
                free, number = f"{base}_{number}", number + 1
            replacements[text] = (node.copy(), free)
        return column(replacements[text][1], "calls")

    def visit(node: exp.Expression) -> exp.Expression:
        return keep(node) if isinstance(node, exp.Column) or _row_level(node, functions, keys) else node

    outer = tree.copy()
    where_clause = outer.args.get("where")
    outer.set("where", None)
    joins, from_ = outer.args.get("joins"), outer.args["from_"]
    outer.set("joins", None)
    outer.set("from_", None)
    outer = transform_top_down(outer, visit)
    inner = exp.select(*[exp.alias_(e, n, quoted=True) for e, n in replacements.values()])
    inner.set("from_", from_)
    inner.set("joins", joins)
    inner.set("where", where_clause)
    return inner, outer.from_(
        exp.Table(this=exp.to_identifier(name), alias=exp.TableAlias(this=exp.to_identifier("calls")))
    )


def _row_level(node: exp.Expression, functions: frozenset[str], keys: set[str]) -> bool:
    """Whether a whole expression can be computed row by row before the grouping.

    The largest such expression is taken, so that a CASE around a call keeps guarding it.
    """
    if not isinstance(node, exp.Condition) or _is_branch(node) or not calls_in(node, functions):
        return False
    if any(n.sql("duckdb") in keys for n in node.find_all(exp.Condition) if n is not node and not _is_branch(n)):
        return False
    return not _mixes(node) and not (isinstance(node.parent, exp.Window | exp.WithinGroup) and node.arg_key == "this")


def _mixes(node: exp.Expression) -> bool:
    """Whether an expression holds an aggregate or a window."""
    if isinstance(node, exp.Window) or is_aggregate(node):
        return True
    return any(own_nodes(node, exp.Window)) or any(own_aggregates(node))


def _is_branch(node: exp.Expression) -> bool:
    return isinstance(node, exp.If) and isinstance(node.parent, exp.Case)


def transform_top_down(
    tree: exp.Expression, visit: Callable[[exp.Expression], exp.Expression]
) -> exp.Expression:
    """Replace nodes from the top; what a replacement brings is not visited again."""
    stack = list(tree.iter_expressions())
    while stack:
        node = stack.pop()
        new = visit(node)
        if new is not node:
            node.replace(new)
        else:
            stack.extend(node.iter_expressions())
    return tree


def calls_in(tree: exp.Expression, functions: frozenset[str]) -> tuple[str, ...]:
    """Names of declared functions called anywhere in a tree, in order of first mention."""
    names = (n.name.lower() for n in tree.find_all(exp.Anonymous))
    return tuple(dict.fromkeys(n for n in names if n in functions))
