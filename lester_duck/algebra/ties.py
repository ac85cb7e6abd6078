"""Order where the text leaves it open: the order key of the inputs decides, as it does for rows.

``first(x)``, ``list(x)``, ``row_number() OVER ()`` and ties under ``ORDER BY`` depend on the order in
which DuckDB meets rows, which differs between runs and after an update. Each gets the inputs' order
key as its last criterion, which is also what a loop over the rows would have done.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from lester_duck.algebra.flatten import own_nodes
from lester_duck.algebra.nested import own_items, subqueries
from lester_duck.algebra.qualify import ordered_term
from lester_duck.algebra.relation import Relation, column

_AGGREGATES = exp.First | exp.Last | exp.AnyValue | exp.ArrayAgg | exp.GroupConcat | exp.Mode | exp.ArgMax | exp.ArgMin
_NAMED_AGGREGATES = {"arbitrary", "arg_max_null", "arg_min_null", "arg_max_nulls_last", "arg_min_nulls_last"}
_PLACES = exp.RowNumber | exp.Ntile | exp.Lag | exp.Lead
_VALUES = exp.FirstValue | exp.LastValue | exp.NthValue


def break_ties(tree: exp.Select, terms: list[exp.Ordered]) -> None:
    """Add ``terms``, the order of the rows ``tree`` reads, wherever its result would depend on chance."""
    inline_named_windows(tree)
    for window in list(own_nodes(tree, exp.Window)):
        _window(window, terms)
    for node in list(own_nodes(tree, _AGGREGATES, exp.Anonymous)):
        if _depends_on_order(node) and not _within_window(node):
            _order_argument(node, terms)


def break_ties_inside(tree: exp.Select, relations: Mapping[str, Relation]) -> None:
    """The same for the subqueries in expressions of ``tree``, in the order of the tables each reads."""
    for query in subqueries(tree):
        for select in query.find_all(exp.Select):
            items = own_items(select)
            if items and all(isinstance(i, exp.Table) and i.name in relations for i in items):
                aside = {id(j.this) for j in select.args.get("joins") or [] if j.kind in ("SEMI", "ANTI")}
                terms = [
                    ordered_term(column(t.column, i.alias_or_name), t)
                    for i in items
                    if id(i) not in aside
                    for t in relations[i.name].order
                ]
                break_ties(select, terms)


def inline_named_windows(tree: exp.Select) -> None:
    """Write the definition of a named window into every OVER that uses it."""
    definitions = {w.name.lower(): w for w in tree.args.get("windows") or []}
    for window in list(own_nodes(tree, exp.Window)):
        while window not in definitions.values() and window.args.get("alias"):
            definition = definitions.get(window.args["alias"].name.lower())
            if definition is None:
                break
            window.set("alias", definition.args.get("alias").copy() if definition.args.get("alias") else None)
            for part in ("partition_by", "order", "spec"):
                held = definition.args.get(part)
                if held and not window.args.get(part):
                    window.set(part, [h.copy() for h in held] if isinstance(held, list) else held.copy())
    tree.set("windows", None)


def _window(window: exp.Window, terms: list[exp.Ordered]) -> None:
    function = window.this
    while isinstance(function, exp.IgnoreNulls | exp.RespectNulls | exp.Filter):
        function = function.this
    spec = window.args.get("spec")
    by_rows = spec is not None and (spec.args.get("kind") or "").upper() == "ROWS"
    if isinstance(function, _PLACES) or by_rows:
        window.set("order", _extended(window.args.get("order"), terms))
    elif isinstance(function, _VALUES) or _depends_on_order(function):
        own = window.args.get("order")
        _order_argument(function, [*[o.copy() for o in (own.expressions if own else [])], *terms])


def _depends_on_order(node: exp.Expression) -> bool:
    if isinstance(node, exp.Anonymous):
        return node.name.lower() in _NAMED_AGGREGATES
    return isinstance(node, _AGGREGATES)


def _within_window(node: exp.Expression) -> bool:
    parent = node.parent
    while isinstance(parent, exp.IgnoreNulls | exp.RespectNulls | exp.Filter):
        parent = parent.parent
    return isinstance(parent, exp.Window)


def _order_argument(node: exp.Expression, terms: list[exp.Ordered]) -> None:
    """``f(x)`` becomes ``f(x ORDER BY terms)``; a DISTINCT argument is ordered by itself."""
    held = _ordered_argument(node)
    if held is None:
        return
    inner, own = (held.this, held) if isinstance(held, exp.Order) else (held, None)
    if isinstance(inner, exp.Distinct):
        if own is None:
            value = exp.Ordered(this=inner.expressions[0].copy(), nulls_first=False)
            held.replace(exp.Order(this=inner.copy(), expressions=[value]))
        return
    replacement = _extended(own, terms)
    replacement.set("this", inner.copy())
    held.replace(replacement)


def _ordered_argument(node: exp.Expression) -> exp.Expression | None:
    """The argument that carries an aggregate's ORDER BY: the last but for a separator."""
    if isinstance(node, exp.Anonymous):
        return node.expressions[-1] if node.expressions else None
    if isinstance(node, exp.ArgMax | exp.ArgMin):
        return node.args.get("count") or node.expression
    if isinstance(node, exp.NthValue):
        return node.args["offset"]
    return node.this


def _extended(order: exp.Order | None, terms: list[exp.Ordered]) -> exp.Order:
    """An ORDER BY with the terms it does not have yet."""
    held = [o.copy() for o in order.expressions] if order else []
    known = {o.this.sql("duckdb") for o in held}
    return exp.Order(expressions=[*held, *(t.copy() for t in terms if t.this.sql("duckdb") not in known)])
