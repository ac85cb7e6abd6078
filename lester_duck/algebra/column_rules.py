"""What each part of a SELECT does to its columns and rows: one rule per construct, from the inside outwards.

An expression is made from parts: columns of relations, each with what happened to it on the way up. A
part that is copied, computed with or aggregated stays a direct one, the strongest of these counts. Where
a part only decides something (a condition, an order, a partition) it becomes indirect, and stays what the
outermost such place makes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from lester_duck.algebra.flatten import is_aggregate, own_nodes

DIRECT = ("IDENTITY", "TRANSFORMATION", "AGGREGATION")
"""Kinds of direct parts, the strongest last."""


@dataclass(frozen=True, slots=True)
class Part:
    """A column that something is made from or depends on.

    ``column`` None stands for all that influences ``relation`` as a whole; ``how`` is then empty where
    each keeps its own kind.
    """

    relation: str
    column: str | None
    how: str


Parts = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """A query: what each of its columns is made from, and what decides over all of its rows."""

    columns: tuple[tuple[str, Parts], ...]
    whole: Parts


Scope = Mapping[str, str | Mapping[str, Parts]]
"""Alias -> the relation it names, or the columns of a query in FROM."""


def stronger(parts: Iterable[Part], how: str) -> Parts:
    """Direct parts as at least ``how``.

    >>> stronger([Part("t", "a", "IDENTITY"), Part("t", "b", "SORT")], "AGGREGATION")[0].how
    'AGGREGATION'
    """
    least = DIRECT.index(how)
    return tuple(replace(p, how=DIRECT[max(least, DIRECT.index(p.how))]) if p.how in DIRECT else p for p in parts)


def deciding(parts: Iterable[Part], how: str) -> Parts:
    """All parts as an influence of one kind."""
    return tuple(replace(p, how=how) for p in parts)


def read_query(tree: exp.Expression, scope: Scope) -> Reading:
    """The columns of a query with qualified names; ``scope`` are the aliases of the queries around it."""
    tree = tree.this if isinstance(tree, exp.Subquery) else tree
    if isinstance(tree, exp.SetOperation):
        return _read_set_operation(tree, scope)
    whole: list[Part] = []
    here = dict(scope)
    for item in [tree.args.get("from_"), *(tree.args.get("joins") or []), *(tree.args.get("laterals") or [])]:
        if item is not None:
            whole += _open(item, here)
    columns = [(e.alias_or_name, parts_of(e, here)) for e in tree.expressions]
    for clause, how in (("where", "FILTER"), ("group", "GROUP_BY"), ("having", "FILTER"), ("qualify", "FILTER")):
        whole += deciding(_children(tree.args.get(clause), here), how)
    for node in own_nodes(tree, exp.Explode):
        whole += () if _is_written_out(node.this) else deciding(_children(node, here), "JOIN")
    whole += _distinct(tree, columns, here)
    whole += deciding(_children(tree.args.get("order"), here), "SORT")
    return Reading(columns=tuple(columns), whole=_once(whole))


def _read_set_operation(tree: exp.SetOperation, scope: Scope) -> Reading:
    """Columns of all branches by position; a branch of EXCEPT or INTERSECT that is compared with filters."""
    left, right = read_query(tree.left, scope), read_query(tree.right, scope)
    if isinstance(tree, exp.Union):
        columns = tuple((name, _once([*a, *b])) for (name, a), (_, b) in zip(left.columns, right.columns, strict=True))
        whole = [*left.whole, *right.whole]
    else:
        columns = left.columns
        whole = [*left.whole, *deciding([p for _, parts in right.columns for p in parts] + [*right.whole], "FILTER")]
    if tree.args.get("distinct"):
        whole += deciding([p for _, parts in columns for p in parts], "GROUP_BY")
    return Reading(columns=columns, whole=_once(whole))


def _open(item: exp.Expression, scope: dict[str, str | Mapping[str, Parts]]) -> list[Part]:
    """Add one item of FROM to the scope; what it and its join condition do to all rows."""
    source = item.this if isinstance(item, exp.From | exp.Join) else item
    name = source.alias_or_name
    source = source.this if isinstance(source, exp.Lateral) else source
    whole: list[Part] = []
    if isinstance(source, exp.Table):
        scope[name] = source.name
        whole.append(Part(source.name, None, ""))
    elif isinstance(source, exp.Query):
        reading = read_query(source, scope)
        scope[name] = dict(reading.columns)
        whole += reading.whole
    else:
        made = _children(source, scope)
        alias = source.args.get("alias")
        names = [c.name for c in alias.columns] if alias else []
        scope[name] = dict.fromkeys(names or [name], stronger(made, "TRANSFORMATION"))
        whole += deciding(made, "JOIN")
    if isinstance(item, exp.Join):
        whole += deciding(_children(item.args.get("on"), scope, itself=True), "JOIN")
    return whole


def _distinct(tree: exp.Select, columns: list[tuple[str, Parts]], scope: Scope) -> Parts:
    """DISTINCT groups by every column; the keys of DISTINCT ON decide which rows stay."""
    distinct = tree.args.get("distinct")
    if distinct is None:
        return ()
    on = distinct.args.get("on")
    if on is not None:
        return deciding(_children(on, scope), "FILTER")
    return deciding([p for _, parts in columns for p in parts], "GROUP_BY")


def parts_of(node: exp.Expression, scope: Scope) -> Parts:
    """What the value of an expression is made from and depends on."""
    for kind, rule in _RULES:
        if isinstance(node, kind):
            return _once(rule(node, scope))
    how = "AGGREGATION" if is_aggregate(node) else "TRANSFORMATION"
    return _once(stronger(_children(node, scope), how))


def _children(node: exp.Expression | None, scope: Scope, itself: bool = False) -> Parts:
    if node is None:
        return ()
    if itself:
        return parts_of(node, scope)
    return tuple(p for child in node.iter_expressions() for p in parts_of(child, scope))


def _once(parts: Iterable[Part]) -> Parts:
    return tuple(dict.fromkeys(parts))


def _column(node: exp.Column, scope: Scope) -> Parts:
    """A column of a relation, or what the query in FROM makes that column from; parameters have no alias.

    ``alias.column.field`` is a field of a struct.
    """
    names = [p.name for p in node.parts]
    if len(names) < 2 or names[0] not in scope:
        return ()
    held, name = scope[names[0]], names[1]
    made = (Part(held, name, "IDENTITY"),) if isinstance(held, str) else held.get(name, ())
    return stronger(made, "TRANSFORMATION") if len(names) > 2 else made


def _inside(node: exp.Expression, scope: Scope) -> Parts:
    return parts_of(node.this, scope)


def _scalar(node: exp.Query, scope: Scope) -> Parts:
    """A query as a value: its column, and what decides over its rows."""
    reading = read_query(node, scope)
    return (*reading.columns[0][1], *reading.whole)


def _exists(node: exp.Exists, scope: Scope) -> Parts:
    """Whether there are rows; what they hold does not matter."""
    if not isinstance(node.this, exp.Query):
        return stronger(_children(node, scope), "TRANSFORMATION")
    return deciding(read_query(node.this, scope).whole, "FILTER")


def _in(node: exp.In, scope: Scope) -> Parts:
    """The value that is looked for, and the list or query that it is looked for in."""
    query = node.args.get("query")
    rest = [p for child in node.iter_expressions() if child is not query for p in parts_of(child, scope)]
    return (*stronger(rest, "TRANSFORMATION"), *(_compared(query, scope) if query else ()))


def _quantified(node: exp.Any | exp.All, scope: Scope) -> Parts:
    if isinstance(node.this, exp.Query):
        return _compared(node.this, scope)
    return stronger(_children(node, scope), "TRANSFORMATION")


def _compared(query: exp.Query, scope: Scope) -> Parts:
    reading = read_query(query, scope)
    return deciding([*(p for _, parts in reading.columns for p in parts), *reading.whole], "FILTER")


def _case(node: exp.Case | exp.If, scope: Scope) -> Parts:
    """Conditions decide, branches are values."""
    condition = deciding(_children(node.this, scope, itself=True), "CONDITIONAL") if node.this else ()
    values = [p for child in node.iter_expressions() if child is not node.this for p in parts_of(child, scope)]
    return (*condition, *stronger(values, "TRANSFORMATION"))


def _filter(node: exp.Filter, scope: Scope) -> Parts:
    return (*parts_of(node.this, scope), *deciding(_children(node.expression, scope), "FILTER"))


def _ordered(node: exp.Order, scope: Scope) -> Parts:
    """``x ORDER BY y`` inside an aggregate; distinct values that are ordered by themselves need no order."""
    value = parts_of(node.this, scope) if node.this else ()
    own = list(node.this.expressions) if isinstance(node.this, exp.Distinct) else []
    terms = [t for t in node.expressions if not (isinstance(t, exp.Ordered) and t.this in own)]
    return (*value, *deciding([p for t in terms for p in parts_of(t, scope)], "SORT"))


def _within_group(node: exp.WithinGroup, scope: Scope) -> Parts:
    """``quantile_cont(0.5) WITHIN GROUP (ORDER BY x)`` aggregates x; ``listagg(x)`` meets rows in an order."""
    call = node.this.this if isinstance(node.this, exp.Filter) else node.this
    valued = not any(call.find_all(exp.Column))
    order = _children(node.expression, scope)
    terms = stronger(order, "AGGREGATION") if valued else deciding(order, "SORT")
    return (*parts_of(node.this, scope), *terms)


def _quantile(node: exp.Expression, scope: Scope) -> Parts:
    """The order within which a quantile is sought is that of its values."""
    made = stronger(_children(node, scope), "AGGREGATION")
    values = {(p.relation, p.column) for p in made if p.how in DIRECT}
    return tuple(p for p in made if p.how != "SORT" or (p.relation, p.column) not in values)


def _explode(node: exp.Explode, scope: Scope) -> Parts:
    """One element per row; those of a list written out are copied."""
    if _is_written_out(node.this):
        return _children(node.this, scope)
    return stronger(_children(node, scope), "TRANSFORMATION")


def _is_written_out(node: exp.Expression) -> bool:
    """Whether a list is written element by element: its length is known."""
    return isinstance(node, exp.Array) and not any(isinstance(e, exp.Query) for e in node.expressions)


def _list(node: exp.Array, scope: Scope) -> Parts:
    """``[a, b]`` is computed from its elements, ``ARRAY(SELECT ...)`` gathers the rows of a query."""
    return stronger(_children(node, scope), "TRANSFORMATION" if _is_written_out(node) else "AGGREGATION")


def _window(node: exp.Window, scope: Scope) -> Parts:
    """The function's arguments are aggregated; partition, order and frame decide which rows it sees."""
    node = _named(node)
    rest = [p for child in node.iter_expressions() if child is not node.this for p in parts_of(child, scope)]
    deciders = deciding(rest, "WINDOW")
    seen = {(p.relation, p.column) for p in deciders}
    values = stronger(parts_of(node.this, scope), "AGGREGATION")
    return (*(p for p in values if p.how != "SORT" or (p.relation, p.column) not in seen), *deciders)


def _named(node: exp.Window) -> exp.Window:
    """A window with the definition that its name stands for."""
    select = node.find_ancestor(exp.Select)
    held = {w.name.lower(): w for w in (select.args.get("windows") or [] if select else [])}
    definition = held.get(node.args["alias"].name.lower()) if node.args.get("alias") else None
    if definition is None or definition is node:
        return node
    node, definition = node.copy(), _named(definition)
    for part in ("partition_by", "order", "spec"):
        if definition.args.get(part) and not node.args.get(part):
            node.set(part, definition.args[part])
    return node


def _extreme(node: exp.ArgMax | exp.ArgMin, scope: Scope) -> Parts:
    """``arg_max(x, y)`` is the last x in the order of y."""
    values = [p for child in node.iter_expressions() if child is not node.expression for p in parts_of(child, scope)]
    by = deciding(parts_of(node.expression, scope), "SORT")
    return (*stronger(values, "AGGREGATION"), *by)


def _comprehension(node: exp.Comprehension, scope: Scope) -> Parts:
    """``[x + 1 for x in list if x > 0]``: the variable is no column, whatever has its name."""
    variable = node.expression.name
    made = parts_of(node.args["iterator"], scope)
    for child in (node.this, node.args.get("condition")):
        made += tuple(p for p in (parts_of(child, scope) if child else ()) if p.column != variable)
    return stronger(made, "TRANSFORMATION")


_EXTREMES = {"arg_max_null", "arg_min_null", "arg_max_nulls_last", "arg_min_nulls_last"}


def _anonymous(node: exp.Anonymous, scope: Scope) -> Parts:
    how = "AGGREGATION" if is_aggregate(node) else "TRANSFORMATION"
    made = [parts_of(child, scope) for child in node.expressions]
    if node.name.lower() in _EXTREMES and len(made) > 1:
        made[1] = deciding(made[1], "SORT")
    return tuple(p for parts in made for p in stronger(parts, how))


Rule = Callable[[exp.Expression, Scope], Parts]
_RULES: tuple[tuple[type[exp.Expression] | tuple[type[exp.Expression], ...], Rule], ...] = (
    (exp.Column, _column),
    ((exp.Paren, exp.Alias), _inside),
    (exp.Query, _scalar),
    (exp.Exists, _exists),
    (exp.In, _in),
    ((exp.Any, exp.All), _quantified),
    ((exp.Case, exp.If), _case),
    (exp.Filter, _filter),
    (exp.WithinGroup, _within_group),
    (exp.Order, _ordered),
    ((exp.PercentileCont, exp.PercentileDisc, exp.Quantile), _quantile),
    (exp.Explode, _explode),
    (exp.Array, _list),
    (exp.Window, _window),
    ((exp.ArgMax, exp.ArgMin), _extreme),
    (exp.Comprehension, _comprehension),
    (exp.Anonymous, _anonymous),
)
