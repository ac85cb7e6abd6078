"""A view -> a chain of simple SELECTs (CTEs, derived tables, VALUES and set operations hoisted).

After this pass every FROM item is a table, every UNION ALL branch a plain SELECT over tables.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from lester_duck.algebra.relation import quoted
from lester_duck.errors import Unsupported


@dataclass(frozen=True, slots=True)
class Flat:
    """One hoisted step: its name and its text (a SELECT over tables, a UNION ALL of such, or VALUES)."""

    name: str
    sql: str


def flatten(view: str, tree: exp.Expression) -> tuple[Flat, ...]:
    """The steps of a view in dependency order; the last one carries the view's own name.

    >>> import sqlglot
    >>> q = "WITH k AS (SELECT a FROM t) SELECT a FROM (SELECT a FROM k) AS s"
    >>> for step in flatten("v", sqlglot.parse_one(q, dialect="duckdb")):
    ...     print(step.name, "=", step.sql)
    v__k = SELECT a FROM t
    v__s = SELECT a FROM v__k AS k
    v = SELECT a FROM v__s AS "s"
    """
    steps: list[Flat] = []
    names: set[str] = set()
    _flatten(view, view, tree.copy(), {}, steps, names)
    return tuple(steps)


def _flatten(
    view: str, name: str, tree: exp.Expression, scope: dict[str, str], steps: list[Flat], names: set[str]
) -> None:
    """Hoist everything inside ``tree``, then append it under ``name``."""
    while isinstance(tree, exp.Subquery) and not tree.alias:
        tree = tree.this
    scope = _hoist_ctes(view, tree, scope, steps, names)
    if isinstance(tree, exp.SetOperation):
        tree = _hoist_union(view, name, tree, scope, steps, names)
    elif isinstance(tree, exp.Select):
        _hoist_from(view, tree, scope, steps, names)
    else:
        raise Unsupported(f"{tree.key.upper()} is not supported as a view", sql=tree.sql("duckdb"))
    _rename_tables(tree, scope)
    steps.append(Flat(name, tree.sql("duckdb")))


def _fresh(view: str, hint: str, names: set[str]) -> str:
    name, number = f"{view}__{hint}", 2
    while name in names:
        name, number = f"{view}__{hint}_{number}", number + 1
    names.add(name)
    return name


def _hoist_ctes(
    view: str, tree: exp.Expression, scope: dict[str, str], steps: list[Flat], names: set[str]
) -> dict[str, str]:
    with_ = tree.args.get("with_")
    if not with_:
        return scope
    scope = dict(scope)
    for cte in with_.expressions:
        if cte.args["alias"].columns:
            raise Unsupported("a CTE with a column list is not supported", hint="give aliases inside its SELECT")
        name = _fresh(view, cte.alias, names)
        _flatten(view, name, cte.this, scope, steps, names)
        scope[cte.alias.lower()] = name
    tree.set("with_", None)
    return scope


def _hoist_from(view: str, tree: exp.Select, scope: dict[str, str], steps: list[Flat], names: set[str]) -> None:
    from_ = tree.args.get("from_")
    items = ([from_] if from_ else []) + (tree.args.get("joins") or [])
    for item in items:
        if isinstance(item.this, exp.Subquery) and isinstance(item.this.this, exp.Table):
            raise Unsupported(
                "a join in parentheses is not supported", hint="give it a CTE of its own", sql=item.this.sql("duckdb")
            )
        if isinstance(item.this, exp.Subquery | exp.Values):
            alias = item.this.alias or "derived"
            name = _fresh(view, alias, names)
            if isinstance(item.this, exp.Values):
                steps.append(Flat(name, _values(item.this)))
            else:
                _flatten(view, name, item.this.this, scope, steps, names)
            item.set("this", _table(name, alias))


def _values(values: exp.Values) -> str:
    """VALUES as a SELECT, so that every step's text is a query."""
    inner = values.copy()
    columns = inner.args["alias"].columns if inner.args.get("alias") else []
    if not columns:
        raise Unsupported("VALUES needs column names", hint="write (VALUES (...)) AS t(a, b)", sql=values.sql("duckdb"))
    return exp.select(*[exp.column(c.copy()) for c in columns]).from_(inner).sql("duckdb")


def _hoist_union(
    view: str, name: str, tree: exp.SetOperation, scope: dict[str, str], steps: list[Flat], names: set[str]
) -> exp.Expression:
    """UNION ALL: branches that are no plain SELECT over tables get steps of their own."""
    branches = list(_branches(tree))
    kinds = {bool(node.args.get("distinct")) for node in tree.find_all(exp.Union) if _is_spine(node, tree)}
    if len(kinds) > 1:
        raise Unsupported(
            "UNION and UNION ALL in one SELECT are not supported", hint="give one of them a CTE of its own"
        )
    distinct = kinds == {True}
    by_name = any(node.args.get("by_name") for node in tree.find_all(exp.Union))
    if by_name:
        raise Unsupported(
            "UNION BY NAME is not supported", hint="list the columns in the same order", sql=tree.sql("duckdb")
        )
    plain = [_plain_branch(view, f"part{n}", branch, scope, steps, names) for n, branch in enumerate(branches, 1)]
    union = plain[0]
    for branch in plain[1:]:
        union = exp.Union(this=union, expression=branch, distinct=False)
    order = tree.args.get("order")
    if not distinct and not order:
        return union
    inner = _fresh(view, "union", names)
    _rename_tables(union, scope)
    steps.append(Flat(inner, union.sql("duckdb")))
    outer = exp.select("*").from_(_table(inner, "u"))
    if distinct:
        outer = outer.distinct()
    if order:
        outer.set("order", order.copy())
    return outer


def _is_spine(node: exp.Expression, root: exp.Expression) -> bool:
    while node is not root:
        if not isinstance(node.parent, exp.Union | exp.Subquery):
            return False
        node = node.parent
    return True


def _branches(tree: exp.Expression):
    while isinstance(tree, exp.Subquery) and not tree.alias:
        tree = tree.this
    if isinstance(tree, exp.Union):
        yield from _branches(tree.left)
        yield from _branches(tree.right)
    else:
        yield tree


_ANONYMOUS_AGGREGATES = frozenset({
    "arbitrary", "arg_max_null", "arg_max_nulls_last", "arg_min_null", "arg_min_nulls_last", "bitstring_agg",
    "combine_aggr", "count_star", "decimal_average", "entropy", "favg", "fsum", "histogram", "histogram_exact",
    "kahan_sum", "kurtosis_pop", "lttb", "mad", "mean", "product", "regr_avgx", "regr_avgy", "regr_sxx", "regr_sxy",
    "regr_syy", "sem", "sum_no_overflow", "sumkahan", "variant_group_object",
})  # fmt: skip
"""DuckDB's aggregates that the parser takes for ordinary functions."""


def is_aggregate(node: exp.Expression) -> bool:
    """Whether a node is a call of an aggregate function.

    >>> import sqlglot
    >>> [is_aggregate(sqlglot.parse_one(text, dialect="duckdb")) for text in ("sum(x)", "fsum(x)", "abs(x)")]
    [True, True, False]
    """
    if isinstance(node, exp.Anonymous):
        return node.name.lower() in _ANONYMOUS_AGGREGATES
    return isinstance(node, exp.AggFunc)


def own_aggregates(tree: exp.Expression):
    """Calls of aggregates that belong to ``tree`` itself, those used as window functions included."""
    return (n for n in own_nodes(tree, exp.AggFunc, exp.Anonymous) if is_aggregate(n))


def is_plain(tree: exp.Select) -> bool:
    """Whether a SELECT is selection, projection and join only, without an order of its own."""
    busy = any(tree.args.get(key) for key in ("group", "having", "distinct", "qualify", "order", "with_", "windows"))
    return not busy and not any(own_nodes(tree, exp.Window, exp.Explode)) and not any(own_aggregates(tree))


def own_nodes(tree: exp.Expression, *types: type[exp.Expression]):
    """Nodes of the given types that belong to ``tree`` itself, not to a subquery in it."""
    stack = [tree]
    while stack:
        node = stack.pop()
        if node is not tree and isinstance(node, exp.Query | exp.Subquery):
            continue
        if node is not tree and isinstance(node, types):
            yield node
        stack.extend(reversed(list(node.iter_expressions())))


def _plain_branch(
    view: str, hint: str, branch: exp.Expression, scope: dict[str, str], steps: list[Flat], names: set[str]
) -> exp.Select:
    if isinstance(branch, exp.Select) and is_plain(branch):
        _hoist_from(view, branch, scope, steps, names)
        return branch
    name = _fresh(view, hint, names)
    _flatten(view, name, branch, scope, steps, names)
    return exp.select("*").from_(_table(name, hint))


def _rename_tables(tree: exp.Expression, scope: dict[str, str]) -> None:
    """References to CTEs become references to the steps they were hoisted to."""
    for node in tree.find_all(exp.Table):
        target = scope.get(node.name.lower())
        if target and not node.args.get("db"):
            if not node.alias:
                node.set("alias", exp.TableAlias(this=exp.to_identifier(node.name)))
            node.set("this", exp.to_identifier(target))


def _table(name: str, alias: str) -> exp.Table:
    return exp.Table(this=exp.to_identifier(name), alias=exp.TableAlias(this=quoted(alias) if alias else None))
