"""A view -> a chain of simple SELECTs (CTEs, derived tables, VALUES and set operations hoisted).

After this pass every FROM item is a table, every UNION ALL branch a plain SELECT over tables.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from lester_duck.algebra.constants import constant_query, function_column, is_constant_item, is_function_item, one_row
from lester_duck.algebra.nested import subqueries
from lester_duck.algebra.relation import quoted
from lester_duck.errors import Unsupported


@dataclass(frozen=True, slots=True)
class Flat:
    """One hoisted step: its name and its text (a SELECT over tables, a set operation of such, or VALUES).

    ``compared`` tells that the last branch of a UNION ALL is there to be compared with: its values are
    no values of the result, they decide which rows stay. ``columns`` are names for the first columns of
    the one relation a step reads, from an alias with a column list.
    """

    name: str
    sql: str
    compared: bool = False
    columns: tuple[str, ...] = ()


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


def flatten_step(name: str, tree: exp.Expression, names: set[str]) -> list[Flat]:
    """The steps of a query inside a step, with resolved names; ``names`` are the steps of the view, and grow."""
    steps: list[Flat] = []
    _flatten(name, name, tree, {}, steps, names)
    return steps


def _flatten(
    view: str, name: str, tree: exp.Expression, scope: dict[str, str], steps: list[Flat], names: set[str]
) -> None:
    """Hoist everything inside ``tree``, then append it under ``name``."""
    tree = _bare(tree)
    scope = _hoist_ctes(view, tree, scope, steps, names)
    if isinstance(tree, exp.SetOperation):
        tree = _hoist_set_operation(view, tree, scope, steps, names)
    elif isinstance(tree, exp.Select):
        _hoist_from(view, tree, scope, steps, names)
    elif isinstance(tree, exp.Pivot):
        _hoist_pivoted(view, tree, scope, steps, names)
    else:
        raise Unsupported(f"{tree.key.upper()} is not supported as a view", sql=tree.sql("duckdb"))
    _rename_tables(tree, scope)
    steps.append(Flat(name, tree.sql("duckdb")))


_MODIFIERS = ("order", "limit", "offset", "with_")


def _bare(tree: exp.Expression) -> exp.Expression:
    """A query without the parentheses around it; what stands behind them applies to all of it."""
    while isinstance(tree, exp.Subquery) and not tree.alias:
        held = {key: tree.args[key] for key in _MODIFIERS if tree.args.get(key)}
        if held:
            inner = exp.Subquery(this=tree.this, alias=exp.TableAlias(this=quoted("inner")))
            tree = exp.select("*").from_(inner)
            for key, value in held.items():
                tree.set(key, value)
        else:
            tree = tree.this
    return tree


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
        name = _fresh(view, cte.alias, names)
        _hoist_query(view, name, cte.this, cte.args["alias"], scope, steps, names)
        scope[cte.alias.lower()] = name
    tree.set("with_", None)
    return scope


def _hoist_from(view: str, tree: exp.Select, scope: dict[str, str], steps: list[Flat], names: set[str]) -> None:
    if not tree.args.get("from_"):
        tree.set("from_", exp.From(this=one_row()))
    from_ = tree.args.get("from_")
    items = ([from_] if from_ else []) + (tree.args.get("joins") or [])
    for item in items:
        if isinstance(item.this, exp.Subquery) and isinstance(item.this.this, exp.Table):
            raise Unsupported(
                "a join in parentheses is not supported", hint="give it a CTE of its own", sql=item.this.sql("duckdb")
            )
        if item.this.args.get("pivots"):
            _hoist_pivot(view, item, scope, steps, names)
        elif is_constant_item(item.this):
            alias = function_column(item.this)[0] if is_function_item(item.this) else item.this.alias or "derived"
            name = _fresh(view, alias, names)
            steps.append(Flat(name, constant_query(item.this).sql("duckdb")))
            item.set("this", _table(name, alias))
        elif isinstance(item.this, exp.Subquery):
            alias = item.this.alias or "derived"
            name = _fresh(view, alias, names)
            _hoist_query(view, name, item.this.this, item.this.args.get("alias"), scope, steps, names)
            item.set("this", _table(name, alias))
        elif isinstance(item.this.this, exp.Identifier) and item.this.args.get("alias") and _listed(item.this):
            name, alias = _fresh(view, item.this.alias, names), item.this.args["alias"]
            whole = item.this.copy()
            whole.set("alias", None)
            _hoist_query(view, name, exp.select("*").from_(whole), alias, scope, steps, names)
            item.set("this", _table(name, alias.name))


def _listed(item: exp.Expression) -> tuple[str, ...]:
    alias = item.args.get("alias")
    return tuple(c.name for c in alias.columns) if alias else ()


def _hoist_query(
    view: str, name: str, query: exp.Expression, alias: exp.TableAlias | None,
    scope: dict[str, str], steps: list[Flat], names: set[str],
) -> None:  # fmt: skip
    """A query as the step ``name``, its columns renamed where the alias lists names."""
    listed = tuple(c.name for c in alias.columns) if alias else ()
    held = _fresh(view, "listed", names) if listed else name
    _flatten(view, held, query, scope, steps, names)
    if listed:
        steps.append(Flat(name, exp.select("*").from_(_table(held, "listed")).sql("duckdb"), columns=listed))


def _hoist_pivot(
    view: str, item: exp.Expression, scope: dict[str, str], steps: list[Flat], names: set[str]
) -> None:
    """``FROM t PIVOT (...) AS p``: the PIVOT as a step of its own."""
    (pivot,) = item.this.args["pivots"]
    alias = pivot.alias or "pivoted"
    inner = exp.select("*").from_(item.this.copy())
    name = _fresh(view, alias, names)
    _hoist_pivoted(view, inner.args["from_"], scope, steps, names)
    _rename_tables(inner, scope)
    steps.append(Flat(name, inner.sql("duckdb")))
    item.set("this", _table(name, alias))


def _hoist_pivoted(
    view: str, item: exp.Expression, scope: dict[str, str], steps: list[Flat], names: set[str]
) -> None:
    """What a PIVOT reads, as a step where it is no table."""
    held = item.this
    if isinstance(held, exp.Subquery):
        name = _fresh(view, "rows", names)
        pivots = held.args.get("pivots")
        _flatten(view, name, held.this, scope, steps, names)
        item.set("this", exp.Table(this=exp.to_identifier(name), pivots=pivots))
    elif isinstance(held, exp.Table) and isinstance(held.this, exp.Identifier):
        held.set("alias", None)
        held.set("this", exp.to_identifier(scope.get(held.name.lower(), held.name)))
    else:
        raise Unsupported("PIVOT of anything but a relation or a subquery is not supported", sql=held.sql("duckdb"))


def _hoist_set_operation(
    view: str, tree: exp.SetOperation, scope: dict[str, str], steps: list[Flat], names: set[str]
) -> exp.Expression:
    """UNION ALL, EXCEPT, INTERSECT: branches that are no plain SELECT over tables get steps of their own."""
    kind = "UNION" if isinstance(tree, exp.Union) else tree.key.upper()
    if tree.args.get("by_name"):
        raise Unsupported(
            f"{kind} BY NAME is not supported", hint="list the columns in the same order", sql=tree.sql("duckdb")
        )
    distinct = bool(tree.args.get("distinct"))
    branches = list(_branches(tree, tree)) if kind == "UNION" else [tree.left, tree.right]
    plain = [_plain_branch(view, f"part{n}", branch, scope, steps, names) for n, branch in enumerate(branches, 1)]
    whole = plain[0]
    for branch in plain[1:]:
        whole = type(tree)(this=whole, expression=branch, distinct=distinct and kind != "UNION")
    again = distinct and kind == "UNION"
    clauses = {key: tree.args[key] for key in ("order", "limit", "offset") if tree.args.get(key)}
    if not again and not clauses:
        return whole
    inner = _fresh(view, kind.lower(), names)
    _rename_tables(whole, scope)
    steps.append(Flat(inner, whole.sql("duckdb")))
    outer = exp.select("*").from_(_table(inner, "u"))
    if again:
        outer = outer.distinct()
    for key, clause in clauses.items():
        outer.set(key, clause.copy())
    return outer


def _branches(tree: exp.Expression, root: exp.Union):
    """Branches of a UNION from left to right.

    A nested UNION ALL is part of it, a nested UNION only where the whole is one; any other is a branch.
    """
    bare = _bare(tree)
    nested = isinstance(bare, exp.Union) and not bare.args.get("by_name")
    alike = nested and (root.args.get("distinct") or not bare.args.get("distinct"))
    if tree is root or (alike and not any(bare.args.get(key) for key in _MODIFIERS)):
        yield from _branches(bare.left, root)
        yield from _branches(bare.right, root)
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
    clauses = ("group", "having", "distinct", "qualify", "windows", *_MODIFIERS)
    items = [i.this for i in [tree.args.get("from_"), *(tree.args.get("joins") or [])] if i is not None]
    if any(isinstance(i, exp.Lateral) or is_function_item(i) for i in items):
        return False
    busy = any(tree.args.get(key) for key in clauses) or any(is_special(j) for j in tree.args.get("joins") or [])
    return not busy and not any(own_nodes(tree, exp.Window, exp.Explode)) and not any(own_aggregates(tree))


def is_special(join: exp.Join) -> bool:
    """Whether a join is one that is rewritten into others: RIGHT, FULL or ASOF."""
    return join.side in ("RIGHT", "FULL") or join.args.get("method") == "ASOF"


def in_window(node: exp.Expression, tree: exp.Expression) -> bool:
    """Whether an aggregate is the function of a window (also below FILTER or IGNORE NULLS)."""
    parent, child = node.parent, node
    while parent is not None and parent is not tree:
        if isinstance(parent, exp.Window) and parent.this is child:
            return True
        if not isinstance(parent, exp.Filter | exp.IgnoreNulls | exp.RespectNulls | exp.WithinGroup):
            return False
        parent, child = parent.parent, parent
    return False


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
    if isinstance(branch, exp.Select) and is_plain(branch) and not any(subqueries(branch)):
        _hoist_from(view, branch, scope, steps, names)
        return branch
    name = _fresh(view, hint, names)
    if hint != "part1":
        _name_outputs(branch)
    _flatten(view, name, branch, scope, steps, names)
    return exp.select("*").from_(_table(name, hint))


def _name_outputs(branch: exp.Expression) -> None:
    """Outputs of a later branch need no name of their own in SQL; as a step they do."""
    query = branch.unnest() if isinstance(branch, exp.Subquery) else branch
    if isinstance(query, exp.Select):
        query.set("expressions", [
            e if e.alias_or_name or e.is_star else exp.alias_(e, f"column_{n}", quoted=True)
            for n, e in enumerate(query.expressions, 1)
        ])  # fmt: skip


def _rename_tables(tree: exp.Expression, scope: dict[str, str]) -> None:
    """References to CTEs become references to the steps they were hoisted to."""
    for node in tree.find_all(exp.Table):
        target = scope.get(node.name.lower())
        if target and not node.args.get("db"):
            if not node.alias and not isinstance(node.parent, exp.Pivot):
                node.set("alias", exp.TableAlias(this=exp.to_identifier(node.name)))
            node.set("this", exp.to_identifier(target))


def _table(name: str, alias: str) -> exp.Table:
    return exp.Table(this=exp.to_identifier(name), alias=exp.TableAlias(this=quoted(alias) if alias else None))
