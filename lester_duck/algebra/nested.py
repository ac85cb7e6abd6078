"""Subqueries of expressions made ready: their CTEs written in place, their aliases unique in the view.

After this pass a subquery may be moved, or joined to the rows around it, without a name changing its meaning.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from lester_duck.algebra.relation import quoted
from lester_duck.errors import Unsupported


def prepare_subqueries(tree: exp.Expression) -> exp.Expression:
    """A copy of a view's tree with its subqueries ready.

    >>> import sqlglot
    >>> q = "SELECT a FROM t WHERE a IN (WITH q AS (SELECT a FROM t) SELECT q.a FROM q)"
    >>> prepare_subqueries(sqlglot.parse_one(q, dialect="duckdb")).sql("duckdb")
    'SELECT a FROM t WHERE a IN (SELECT q.a FROM (SELECT a FROM t AS "t_2") AS q)'
    """
    tree = tree.copy()
    for select in tree.find_all(exp.Select):
        _mark_laterals(select)
    for query in reversed([q for q in tree.find_all(exp.Query) if q.args.get("with_") and in_expression(q)]):
        _inline_ctes(query)
    _name_pivots(tree)
    _unique_aliases(tree)
    return tree


def in_expression(node: exp.Expression) -> bool:
    """Whether a node belongs to a subquery of an expression, or to a query within one."""
    query = node if isinstance(node, exp.Query) else node.find_ancestor(exp.Query)
    while query is not None and query.parent is not None:
        parent = query.parent
        item = query.arg_key == "this" and isinstance(parent, _ITEMS)
        branch = isinstance(parent, exp.SetOperation) and query.arg_key in ("this", "expression")
        if not (item or branch or isinstance(parent, exp.With)):
            return True
        query = parent if isinstance(parent, exp.Query) else parent.find_ancestor(exp.Query)
    return False


_ITEMS = exp.Subquery | exp.CTE | exp.From | exp.Join | exp.Pivot


def _mark_laterals(select: exp.Select) -> None:
    """A derived table that names what stands left of it is lateral, also without the word."""
    seen: set[str] = set()
    for item in own_items(select):
        if isinstance(item, exp.Subquery) and isinstance(item.this, exp.Query) and seen:
            outside = {c.table.lower() for c in item.find_all(exp.Column) if c.table and not _is_inside(c, item)}
            if outside & seen:
                alias = item.args.get("alias")
                item.replace(exp.Lateral(this=exp.Subquery(this=item.this), alias=alias))
        seen.add(item.alias_or_name.lower())


def _inline_ctes(query: exp.Query) -> None:
    """Each mention of a CTE becomes a derived table of its text."""
    with_ = query.args["with_"]
    if with_.args.get("recursive"):
        return
    query.set("with_", None)
    for place, cte in enumerate(with_.expressions):
        if cte.args["alias"].columns:
            raise Unsupported("a CTE with a column list is not supported", hint="give aliases inside its SELECT")
        for reader in [*with_.expressions[place + 1 :], query]:
            for node in list(reader.find_all(exp.Table)):
                if node.name.lower() == cte.alias.lower() and not node.args.get("db"):
                    alias = exp.TableAlias(this=exp.to_identifier(node.alias_or_name))
                    node.replace(exp.Subquery(this=cte.this.copy(), alias=alias))


def _name_pivots(tree: exp.Expression) -> None:
    """A PIVOT in a subquery becomes a CTE of the query around the expression: it reads nothing of its rows."""
    taken = {t.name.lower() for t in tree.find_all(exp.Table)} | {c.alias.lower() for c in tree.find_all(exp.CTE)}
    for pivot in [p for p in tree.find_all(exp.Pivot) if in_expression(p)]:
        item = pivot.parent
        alias = pivot.alias or item.alias or "pivoted"
        name, number = "pivoted", 2
        while name in taken:
            name, number = f"pivoted_{number}", number + 1
        taken.add(name)
        query = item
        while not isinstance(query, exp.Query) or isinstance(query, exp.Subquery) or in_expression(query):
            query = query.parent
        item.replace(exp.Table(this=exp.to_identifier(name), alias=exp.TableAlias(this=exp.to_identifier(alias))))
        if isinstance(item, exp.Table) or item.args.get("pivots"):
            body: exp.Expression = exp.select("*").from_(item)
        else:
            body = exp.select("*").from_(exp.Subquery(this=item.this))
        cte = exp.CTE(this=body, alias=exp.TableAlias(this=exp.to_identifier(name)))
        with_ = query.args.get("with_") or exp.With(expressions=[])
        with_.append("expressions", cte)
        query.set("with_", with_)


def own_items(select: exp.Select) -> list[exp.Expression]:
    """What a SELECT reads: tables and derived tables."""
    items = [select.args["from_"]] if select.args.get("from_") else []
    return [i.this for i in items + (select.args.get("joins") or [])]


def _unique_aliases(tree: exp.Expression) -> None:
    selects = list(tree.find_all(exp.Select))
    inner = [s for s in selects if in_expression(s)]
    taken = {i.alias_or_name.lower() for s in selects if s not in inner for i in own_items(s)}
    for select in inner:
        for item in own_items(select):
            alias = item.alias_or_name
            if not alias or not isinstance(item, exp.Table | exp.Subquery) or not _is_named(item):
                continue
            _refuse_listed(item)
            new, number = alias, 2
            while new.lower() in taken:
                new, number = f"{alias}_{number}", number + 1
            taken.add(new.lower())
            if new != alias:
                _rename(select, item, alias, new)


def _is_named(item: exp.Expression) -> bool:
    """Whether an item may be given another alias: a table function's is the name of its column too."""
    return isinstance(item, exp.Subquery) or isinstance(item.this, exp.Identifier)


def _refuse_listed(item: exp.Expression) -> None:
    if item.args.get("alias") and item.args["alias"].columns:
        raise Unsupported(
            "an alias with a column list in a subquery of an expression is not supported", hint="give aliases inside"
        )


def _rename(select: exp.Select, item: exp.Expression, alias: str, new: str) -> None:
    columns = [c for c in select.find_all(exp.Column) if c.table.lower() == alias.lower()]
    held = [c for c in columns if select is next(_seen_from(c, alias), None)]
    named = item.args.get("alias")
    if named is not None:
        named.set("this", quoted(new))
    else:
        item.set("alias", exp.TableAlias(this=quoted(new)))
    for column in held:
        column.set("table", quoted(new))


def _seen_from(column: exp.Column, alias: str) -> Iterator[exp.Select]:
    """The SELECTs around a column that have ``alias`` where the column can name it, from the inside outwards."""
    child: exp.Expression = column
    while child.parent is not None:
        parent = child.parent
        if isinstance(parent, exp.From | exp.Join) and child.arg_key == "this" and isinstance(child, exp.Subquery):
            child = parent.parent  # a derived table does not see its neighbours
            continue
        if isinstance(parent, exp.Select) and alias.lower() in {i.alias_or_name.lower() for i in own_items(parent)}:
            yield parent
        child = parent


def outer_columns(query: exp.Expression) -> list[exp.Column]:
    """The columns of a query with resolved names that belong to a SELECT around it: it is correlated."""
    found = []
    for column in query.find_all(exp.Column):
        if column.table and not _is_inside(column, query):
            found.append(column)
    return found


def _is_inside(column: exp.Column, query: exp.Expression) -> bool:
    inside = {id(n) for n in query.walk()}
    return any(id(select) in inside for select in _seen_from(column, column.table))


def has_subqueries(tree: exp.Expression) -> bool:
    """Whether an expression of a SELECT over tables holds a subquery."""
    return any(subqueries(tree))


def subqueries(tree: exp.Expression) -> Iterator[exp.Query]:
    """The outermost subqueries in the expressions of a SELECT; those in FROM are none."""
    held = {id(i) for i in own_items(tree)} if isinstance(tree, exp.Select) else set()
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, exp.Query) and (node is not tree or not isinstance(tree, exp.Select)):
            if id(node) not in held:
                yield node.unnest()
            continue
        stack.extend(reversed(list(node.iter_expressions())))


def place_of(query: exp.Query) -> exp.Expression:
    """A subquery with the parentheses around it."""
    place: exp.Expression = query
    while isinstance(place.parent, exp.Subquery):
        place = place.parent
    return place
