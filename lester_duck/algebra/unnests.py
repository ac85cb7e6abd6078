"""``unnest`` where it is no column of a plain SELECT: inside an expression, beside groups or windows.

As in DuckDB a list is unnested after groups and windows are computed, unless it is a grouping key.
"""

from __future__ import annotations

from sqlglot import exp

from lester_duck.algebra.carve import Columns, Names, move_columns, step_table
from lester_duck.algebra.flatten import Flat, in_window, is_aggregate, own_aggregates, own_nodes
from lester_duck.algebra.hoist import transform_top_down
from lester_duck.algebra.nested import has_subqueries, own_items
from lester_duck.algebra.relation import column

_AROUND = exp.Filter | exp.WithinGroup | exp.IgnoreNulls | exp.RespectNulls


def has_unnest_inside(tree: exp.Select) -> bool:
    """Whether an ``unnest`` of a SELECT is anything but a column of selection, projection and join."""
    nodes = list(own_nodes(tree, exp.Explode))
    return bool(nodes) and (_is_mixed(tree) or _asks(tree) or not all(_is_item(n, tree) for n in nodes))


def _asks(tree: exp.Select) -> bool:
    """Whether a list is made with a subquery."""
    return any(has_subqueries(n) for n in own_nodes(tree, exp.Explode))


def _is_mixed(tree: exp.Select) -> bool:
    if tree.args.get("group") or tree.args.get("having") or tree.args.get("qualify"):
        return True
    return any(own_nodes(tree, exp.Window)) or any(not in_window(n, tree) for n in own_aggregates(tree))


def _is_item(node: exp.Explode, tree: exp.Select) -> bool:
    holder = node.parent if isinstance(node.parent, exp.Alias) else node
    return holder.parent is tree and holder.arg_key == "expressions"


def unnest_apart(name: str, tree: exp.Select, names: Names, where: str) -> list[Flat]:
    """Two steps: what is computed before a list is unnested, or the lists unnested, and the rest over it."""
    group = tree.args.get("group")
    if (_is_mixed(tree) and not (group and any(own_nodes(group, exp.Explode)))) or _asks(tree):
        return _unnest_last(name, tree, names)
    return _unnest_first(name, tree, names)


def _unnest_first(name: str, tree: exp.Select, names: Names) -> list[Flat]:
    """The rows with their lists unnested, then all else."""
    outer, inner, columns = tree.copy(), exp.select(), Columns()
    for clause in ("from_", "joins", "where"):
        inner.set(clause, outer.args.pop(clause, None))
    alias = names.alias("unnested")
    for node in list(own_nodes(outer, exp.Explode)):
        node.replace(column(columns.add(node, "item"), alias))
    move_columns(outer, {i.alias_or_name for i in own_items(inner)}, alias, columns)
    inner.set("expressions", columns.projections())
    return _over(name, inner, outer, alias, names)


def _unnest_last(name: str, tree: exp.Select, names: Names) -> list[Flat]:
    """Groups and windows, the lists among their columns, then the lists unnested."""
    inner, columns = tree.copy(), Columns()
    alias = names.alias("unnested")
    outer = exp.select()
    outer.set("expressions", inner.expressions)
    outer.set("order", inner.args.pop("order", None))

    def outside(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Explode) or any(own_nodes(node, exp.Explode)):
            return node
        whole = isinstance(node, exp.Query | exp.Window) or _is_whole_aggregate(node)
        return column(columns.add(node, "value"), alias) if whole or _is_column(node) else node

    outer = transform_top_down(outer, outside)
    inner.set("expressions", columns.projections())
    return _over(name, inner, outer, alias, names)


def _is_column(node: exp.Expression) -> bool:
    return isinstance(node, exp.Column) and bool(node.table)


def _is_whole_aggregate(node: exp.Expression) -> bool:
    call = node
    while isinstance(call, _AROUND):
        call = call.this
    return is_aggregate(call)


def _over(name: str, inner: exp.Select, outer: exp.Select, alias: str, names: Names) -> list[Flat]:
    step = names.step("rows")
    outer.set("from_", exp.From(this=step_table(step, alias)))
    return [Flat(step, inner.sql("duckdb")), Flat(name, outer.sql("duckdb"))]
