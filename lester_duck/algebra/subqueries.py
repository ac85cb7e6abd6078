"""Subqueries of expressions: those that stand for themselves become steps, the others what can be joined back.

An uncorrelated subquery is computed once, in a step of its own, and read by reference: its rows are
never crossed with the rows around it, and a change that leaves its result alone goes no further. A
correlated one stays in its place; what it reads is a table or a step, and where it takes one row of
several, the order of its inputs decides ties.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from lester_duck.algebra.carve import Columns, Names, free, move_columns, step_table
from lester_duck.algebra.flatten import (
    Flat,
    flatten_step,
    in_window,
    is_aggregate,
    is_plain,
    is_special,
    own_aggregates,
    own_nodes,
)
from lester_duck.algebra.nested import outer_columns, own_items, place_of, subqueries
from lester_duck.algebra.relation import column, quoted
from lester_duck.errors import Unsupported
from lester_duck.names import is_reserved_column

_VALUE = "value"


def subqueries_first(name: str, tree: exp.Select, names: Names, where: str) -> list[Flat]:
    """Steps for what the subqueries of ``tree`` say apart from it, and ``tree`` over those; none if nothing changes."""
    before = tree.sql("duckdb")
    tree = tree.copy()
    steps: list[Flat] = []
    for query in list(subqueries(tree)):
        _simplify(query, names, steps, where)
    if not steps and tree.sql("duckdb") == before:
        return []
    return [*steps, Flat(name, tree.sql("duckdb"))]


def _simplify(query: exp.Query, names: Names, steps: list[Flat], where: str) -> None:
    if not outer_columns(query):
        _take_out(query, names, steps)
        return
    holder = place_of(query).parent
    if isinstance(holder, exp.In) and isinstance(holder.this.unnest(), exp.Tuple):
        raise Unsupported(
            "IN of several columns over a subquery that reads the rows around it is not supported", where=where,
            hint="EXISTS (SELECT 1 FROM u WHERE u.a = t.a AND u.b = t.b)",
        )  # fmt: skip
    _without_limit(query, where)
    for select in [s for s in query.find_all(exp.Select) if _belongs(s, query)]:
        _from_as_step(select, names, steps, where)
        for item in own_items(select):
            if isinstance(item, exp.Subquery) and not outer_columns(item):
                step = _as_step(item.this, "derived", names, steps)
                item.replace(step_table(step, item.alias))
        for nested in list(subqueries(select)):
            _simplify(nested, names, steps, where)


def _belongs(select: exp.Select, query: exp.Query) -> bool:
    """Whether a SELECT is the query, a branch of it, or a derived table in it: not in an expression of it."""
    node: exp.Expression = select
    while node is not query:
        parent = node.parent
        if not isinstance(parent, exp.Subquery | exp.SetOperation | exp.From | exp.Join | exp.Query):
            return False
        if isinstance(parent, exp.Join) and node.arg_key != "this":
            return False
        node = parent
    return True


def _take_out(query: exp.Query, names: Names, steps: list[Flat]) -> None:
    """Replace an uncorrelated subquery by a read of its step; one that reads a table row by row may stay."""
    place = place_of(query)
    if isinstance(place.parent, exp.Exists):
        found = exp.GT(this=exp.Count(this=exp.Star(), big_int=True), expression=exp.Literal.number(0))
        rows = exp.Subquery(this=_named(query.copy()), alias=exp.TableAlias(this=quoted("some")))
        counted = exp.select(exp.alias_(found, _VALUE, quoted=True)).from_(rows)
        step = _as_step(counted, "exists", names, steps)
        place.parent.replace(exp.Subquery(this=_read(step, [_VALUE], names)))
        return
    if _is_read(query):
        return
    inner = _named(query.copy())
    shown = [e.alias_or_name for e in _first(inner).expressions]
    step = _as_step(inner, "subquery", names, steps)
    query.replace(_read(step, shown, names))


def _is_read(query: exp.Query) -> bool:
    """Whether a query is selection, projection and join of tables."""
    if not isinstance(query, exp.Select) or not is_plain(query) or any(subqueries(query)):
        return False
    return bool(own_items(query)) and all(isinstance(i, exp.Table) for i in own_items(query))


def _read(step: str, columns: list[str], names: Names) -> exp.Select:
    alias = names.alias("held")
    return exp.select(*[column(c, alias) for c in columns]).from_(step_table(step, alias))


def _as_step(query: exp.Query, hint: str, names: Names, steps: list[Flat]) -> str:
    step = names.step(hint)
    steps += flatten_step(step, query.copy(), names.steps)
    return step


def _first(query: exp.Expression) -> exp.Select:
    while not isinstance(query, exp.Select):
        query = query.this
    return query


def _leaves(query: exp.Expression) -> Iterator[exp.Select]:
    if isinstance(query, exp.SetOperation):
        yield from _leaves(query.this)
        yield from _leaves(query.expression)
    elif isinstance(query, exp.Subquery):
        yield from _leaves(query.this)
    else:
        yield query


def _named(query: exp.Query) -> exp.Query:
    """The query with a proper name for each output; what a step may be asked for."""
    for select in _leaves(query):
        taken: set[str] = set()
        renames = {}
        shown = []
        for item in select.expressions:
            name = item.alias_or_name
            new = free(_VALUE if not name or is_reserved_column(name) else name, taken)
            taken.add(new.lower())
            renames[name] = new
            shown.append(item if new == name else exp.alias_(item.unalias(), new, quoted=True))
        select.set("expressions", shown)
        for clause in [c for c in (select.args.get("order"), query.args.get("order")) if c is not None]:
            for node in list(clause.find_all(exp.Column)):
                if not node.table and renames.get(node.name, node.name) != node.name:
                    node.replace(column(renames[node.name]))
    return query


def _without_limit(query: exp.Query, where: str) -> None:
    """LIMIT in a correlated subquery: EXISTS needs none, the first row of several is ``first(... ORDER BY)``."""
    if not (query.args.get("limit") or query.args.get("offset")):
        return
    place = place_of(query)
    limit = query.args.get("limit")
    one = limit is not None and limit.expression is not None and limit.expression.name == "1"
    some = limit is None or limit.expression is None or limit.expression.name not in ("", "0")
    if isinstance(place.parent, exp.Exists) and some and not query.args.get("offset"):
        query.set("limit", None)
        query.set("order", None)
        return
    busy = ("group", "having", "distinct", "qualify", "offset")
    simple = isinstance(query, exp.Select) and not any(query.args.get(key) for key in busy)
    scalar = not isinstance(place.parent, exp.In | exp.Any | exp.All | exp.Exists)
    if not (one and simple and scalar) or any(own_nodes(query, exp.Window)) or any(own_aggregates(query)):
        raise Unsupported(
            "LIMIT in a subquery that reads the rows around it is not supported, but for the first row of an order",
            where=where, hint="join, and QUALIFY row_number() OVER (PARTITION BY ... ORDER BY ...) <= n",
        )  # fmt: skip
    query.set("limit", None)
    order = query.args.pop("order", None)
    (item,) = query.expressions
    value = item.unalias().copy()
    if order is not None:
        terms = [o.copy() for o in order.expressions]
        for term in terms:
            named = isinstance(term.this, exp.Column) and not term.this.table and term.this.name == item.alias_or_name
            if named:
                term.set("this", item.unalias().copy())
        value = exp.Order(this=value, expressions=terms)
    query.set("expressions", [exp.alias_(exp.First(this=value), item.alias_or_name, quoted=True)])


def _from_as_step(select: exp.Select, names: Names, steps: list[Flat], where: str) -> None:
    """The FROM clause of a correlated SELECT as a step, where it holds a RIGHT, FULL or ASOF JOIN."""
    joins = select.args.get("joins") or []
    if not any(is_special(j) for j in joins):
        return
    inner, columns = exp.select(), Columns()
    aliases = {i.alias_or_name for i in own_items(select)}
    inner.set("from_", select.args.pop("from_"))
    inner.set("joins", select.args.pop("joins"))
    if outer_columns(inner):
        raise Unsupported(
            "a RIGHT, FULL or ASOF JOIN on the rows around a subquery is not supported", where=where,
            hint="join in a CTE",
        )  # fmt: skip
    alias = names.alias("joined")
    move_columns(select, aliases, alias, columns)
    inner.set("expressions", columns.projections())
    select.set("from_", exp.From(this=step_table(_as_step(inner, "joined", names, steps), alias)))


def values_first(name: str, tree: exp.Select, names: Names, where: str) -> list[Flat]:
    """What subqueries say of each row as columns of a step, and the rest of ``tree`` over it.

    They stand in grouping keys, windows, ORDER BY or arguments of aggregates; those that read groups stay.
    """
    outer, inner, columns = tree.copy(), exp.select(), Columns()
    for clause in ("from_", "joins", "where"):
        inner.set(clause, outer.args.pop(clause, None))
    aliases = {i.alias_or_name for i in own_items(inner)}
    alias = names.alias("with_values")
    for query in list(subqueries_of_rows(outer)):
        place = value_of(query)
        place.replace(column(columns.add(place, _VALUE), alias))
    move_columns(outer, aliases, alias, columns)
    inner.set("expressions", columns.projections())
    step = names.step("values")
    outer.set("from_", exp.From(this=step_table(step, alias)))
    return [Flat(step, inner.sql("duckdb")), Flat(name, outer.sql("duckdb"))]


def has_values_in_clauses(tree: exp.Select) -> bool:
    """Whether a clause other than WHERE and a plain select list needs the value of a subquery for each row."""
    mixed = is_grouped(tree) or bool(tree.args.get("distinct") or tree.args.get("qualify"))
    mixed = mixed or any(own_nodes(tree, exp.Window))
    return any(mixed or query.find_ancestor(exp.Order) is not None for query in subqueries_of_rows(tree))


def subqueries_of_rows(tree: exp.Select) -> Iterator[exp.Query]:
    """Subqueries outside of FROM and WHERE that are computed for each row: all but those that read groups."""
    keys = {k.sql("duckdb") for k in (tree.args["group"].expressions if tree.args.get("group") else [])}
    grouped = is_grouped(tree)
    for clause in _clauses(tree):
        for query in subqueries(clause):
            if not grouped or is_of_rows(query, clause, keys):
                yield query


def has_values_of_groups(tree: exp.Select) -> bool:
    """Whether a subquery reads groups: it stands in the select list, in HAVING or in ORDER BY, by itself."""
    of_rows = {id(q) for q in subqueries_of_rows(tree)}
    return is_grouped(tree) and any(id(q) not in of_rows for clause in _clauses(tree) for q in subqueries(clause))


def _clauses(tree: exp.Select) -> list[exp.Expression]:
    return [*tree.expressions, *(tree.args[c] for c in ("group", "having", "qualify", "order") if tree.args.get(c))]


def is_of_rows(query: exp.Expression, clause: exp.Expression, keys: set[str]) -> bool:
    """Whether a subquery is part of a grouping key or of an aggregate's argument: computed for each row."""
    if isinstance(clause, exp.Group):
        return True
    node = query
    while node is not clause:
        node = node.parent
        if is_aggregate(node) or node.sql("duckdb") in keys:
            return True
    return False


def value_of(query: exp.Query) -> exp.Expression:
    """The expression whose value needs a subquery: EXISTS, IN and comparisons with ANY or ALL, or the subquery."""
    place = place_of(query)
    if isinstance(place.parent, exp.Exists | exp.In):
        return place.parent
    return place.parent.parent if isinstance(place.parent, exp.Any | exp.All) else place


def is_grouped(tree: exp.Select) -> bool:
    """Whether a SELECT groups its rows, DISTINCT apart."""
    if tree.args.get("group") or tree.args.get("having"):
        return True
    return any(not in_window(n, tree) for n in own_aggregates(tree))
