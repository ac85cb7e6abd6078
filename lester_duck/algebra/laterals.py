"""LATERAL subqueries and table functions in FROM that read what stands left of them, as joins and columns.

    t, unnest(t.items) AS u(x)                            SELECT t...., unnest(t.items) AS x FROM t
    t, LATERAL (SELECT t.a + 1 AS x)                      SELECT t...., t.a + 1 AS x FROM t
    t, LATERAL (SELECT u.e FROM u WHERE u.k = t.k)        SELECT t...., u.e FROM t JOIN u ON u.k = t.k
    ... ORDER BY u.at LIMIT 2                             ... QUALIFY row_number() OVER (PARTITION BY t._rid ...) <= 2
    t, LATERAL (SELECT max(u.e) AS m FROM u WHERE ...)    SELECT t...., (SELECT max(u.e) FROM u WHERE ...) AS m FROM t

The leftmost goes first: all that stands left of it and itself become a step.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from lester_duck.algebra.carve import Columns, Names, move_columns, pseudo_column, step_table
from lester_duck.algebra.constants import function_column, is_function_item, one_row
from lester_duck.algebra.flatten import Flat, flatten_step, is_plain, is_special, own_aggregates, own_nodes
from lester_duck.algebra.nested import outer_columns, own_items
from lester_duck.algebra.qualify import qualify
from lester_duck.algebra.relation import Relation, quoted, source_relation
from lester_duck.errors import Unsupported
from lester_duck.names import POS, RID

_GROUPS = ("group", "having", "distinct", "qualify", "windows")


def has_laterals(tree: exp.Expression) -> bool:
    """Whether FROM holds an item that may read those left of it."""
    return isinstance(tree, exp.Select) and any(_is_lateral(i) for i in own_items(tree))


def _is_lateral(item: exp.Expression) -> bool:
    return isinstance(item, exp.Lateral) or is_function_item(item)


def lateral_first(
    name: str, tree: exp.Select, relations: Mapping[str, Relation], names: Names, where: str
) -> tuple[Flat, ...]:
    """The leftmost lateral item with what stands left of it as a step, and the rest over it."""
    joins = tree.args.get("joins") or []
    if _is_lateral(tree.args["from_"].this):
        step = names.step("one")
        first = flatten_step(step, exp.select("*").from_(one_row()), names.steps)
        tree = tree.copy()
        moved = exp.Join(this=tree.args["from_"].this, kind="CROSS")
        tree.set("from_", exp.From(this=step_table(step, "one_row")))
        tree.set("joins", [moved, *(tree.args.get("joins") or [])])
        return (*first, Flat(name, tree.sql("duckdb")))
    place = next(n for n, j in enumerate(joins) if _is_lateral(j.this))
    join = joins[place]
    if any(is_special(j) for j in joins[: place + 1]) or join.side not in ("", "LEFT") or join.kind in ("SEMI", "ANTI"):
        raise _unsupported("beside RIGHT, FULL or ASOF JOIN, and in a SEMI or ANTI JOIN,", "give the join a CTE", where)
    resolved, queries, known = _resolve(tree, relations, names, where)
    query, alias = queries[place], resolved.args["joins"][place].this.alias_or_name
    if not outer_columns(query):
        if query.args.get("from_") is None:
            query.set("from_", exp.From(this=one_row()))
        step = names.step("derived")
        first = flatten_step(step, query, names.steps)
        tree = tree.copy()
        tree.args["joins"][place].set("this", step_table(step, alias))
        return (*first, Flat(name, tree.sql("duckdb")))
    steps: list[Flat] = []
    for item in own_items(query):
        if isinstance(item, exp.Subquery) and not outer_columns(item):
            step = names.step("derived")
            steps += flatten_step(step, item.this.copy(), names.steps)
            item.replace(step_table(step, item.alias))
    outer = qualify(resolved, known, where)
    for later in (p for p in queries if p > place):
        item = outer.args["joins"][later].this
        named = exp.TableAlias(this=quoted(item.alias))
        item.replace(exp.Lateral(this=exp.Subquery(this=queries[later]), alias=named))
    return (*steps, *_cut(name, outer, place, query, alias, names, where))


def _resolve(
    tree: exp.Select, relations: Mapping[str, Relation], names: Names, where: str
) -> tuple[exp.Select, dict[int, exp.Select], dict[str, Relation]]:
    """The SELECT with a table in the place of each lateral item, what each gives, and relations with those tables."""
    tree, known, queries = tree.copy(), dict(relations), {}
    for place, join in enumerate(tree.args["joins"]):
        item = join.this
        if not _is_lateral(item):
            continue
        query = _resolved(_query_of(item, where), tree, place, known, where)
        alias = function_column(item)[0] if is_function_item(item) else item.alias or names.alias("lateral")
        stand_in = source_relation(f"lateral_{place}", tuple(e.alias_or_name for e in query.expressions))
        known[stand_in.name] = stand_in
        queries[place] = query
        item.replace(step_table(stand_in.name, alias))
    return tree, queries, known


def _unsupported(what: str, hint: str, where: str) -> Unsupported:
    return Unsupported(f"LATERAL {what} is not supported", where=where, hint=hint)


def _query_of(item: exp.Expression, where: str) -> exp.Query:
    """What an item gives for one row on its left."""
    if isinstance(item, exp.Lateral):
        held = item.this.unnest() if isinstance(item.this, exp.Subquery) else item.this
        if not isinstance(held, exp.Select) or (item.args.get("alias") and item.args["alias"].columns):
            raise _unsupported("with anything but one SELECT, or with a column list,", "give aliases inside", where)
        return held.copy()
    _, shown = function_column(item)
    made = item.expressions[0].copy() if isinstance(item, exp.Unnest) else item.this.copy()
    return exp.select(exp.alias_(exp.Explode(this=made), shown, quoted=True))


def _resolved(
    query: exp.Query, tree: exp.Select, place: int, relations: Mapping[str, Relation], where: str
) -> exp.Select:
    """The query with names resolved, in sight of what stands left of it."""
    context = exp.select(exp.Subquery(this=query))
    context.set("from_", tree.args["from_"].copy())
    context.set("joins", [j.copy() for j in tree.args["joins"][:place]])
    held = qualify(context, relations, where).expressions[0].unalias().this
    return exp.maybe_parse(held.sql("duckdb"), dialect="duckdb")


def _cut(
    name: str, outer: exp.Select, place: int, query: exp.Select, alias: str, names: Names, where: str
) -> tuple[Flat, ...]:
    """The step of all up to the item, and the rest over it; ``outer`` has resolved names."""
    made = {e.alias_or_name: e.unalias() for e in query.expressions}
    inner, columns, joined = exp.select(), Columns(), names.alias("joined")
    joins = outer.args["joins"]
    inner.set("from_", outer.args.pop("from_"))
    inner.set("joins", joins[:place])
    outer.set("joins", joins[place + 1 :])
    items = [i.alias_or_name for i in own_items(inner)]
    move_columns(outer, {*items, alias}, joined, columns)
    on = joins[place].args.get("on")
    condition = _put_in(on.copy(), alias, made, where) if on is not None and not _is_true(on) else None
    made = _opened(query, inner, joins[place].side == "LEFT", condition, where)
    inner.set("expressions", [
        exp.alias_(_put_in(e.copy(), alias, made, where), shown, quoted=True) for shown, e in columns.items
    ] or [exp.alias_(exp.Literal.number(1), "one", quoted=True)])  # fmt: skip
    step = names.step("lateral")
    outer.set("from_", exp.From(this=step_table(step, joined)))
    return (Flat(step, inner.sql("duckdb")), Flat(name, outer.sql("duckdb")))


def _is_true(node: exp.Expression) -> bool:
    return isinstance(node, exp.Boolean) and bool(node.this)


def _put_in(
    node: exp.Expression, alias: str, made: Mapping[str, exp.Expression], where: str
) -> exp.Expression:
    """The columns of the lateral item as what they are made of."""
    holder = exp.Paren(this=node)
    for held in list(holder.find_all(exp.Column)):
        if held.table == alias:
            if held.name not in made:
                raise _unsupported(f"and its {held.name}", "name a column of it", where)
            held.replace(made[held.name].copy() if held.parent is holder else exp.paren(made[held.name].copy()))
    return holder.this


def _opened(
    query: exp.Select, inner: exp.Select, left: bool, condition: exp.Expression | None, where: str
) -> dict[str, exp.Expression]:
    """Add to ``inner`` what the query reads and asks for; its columns over that."""
    made = {e.alias_or_name: e.unalias() for e in query.expressions}
    if any(query.args.get(key) for key in _GROUPS) or any(own_nodes(query, exp.Window)):
        raise _unsupported("with GROUP BY, DISTINCT or windows", "join and group in a CTE", where)
    cut = query.args.get("limit") or query.args.get("offset")
    if any(own_aggregates(query)) and not cut:
        return _values(query, inner, left, condition, made, where)
    own = query.args.get("where")
    tests = [own.this] if own else []
    if not own_items(query):
        return _columns(inner, left, [*tests, *([condition] if condition else [])], made, where)
    rows = query.copy()
    for key in ("order", "limit", "offset"):
        rows.set(key, None)
    if not is_plain(rows) or any(own_aggregates(query)) or any(not isinstance(i, exp.Table) for i in own_items(query)):
        raise _unsupported("with this subquery", "join in a CTE", where)
    if cut and condition is not None:
        raise _unsupported("with LIMIT and a condition in ON", "ON true, and the condition in WHERE", where)
    if cut:
        _first_rows(query, inner)
    _join(rows, inner, left, [*tests, *([condition] if condition else [])], where)
    return made


def _values(
    query: exp.Select, inner: exp.Select, left: bool, condition: exp.Expression | None,
    made: Mapping[str, exp.Expression], where: str,
) -> dict[str, exp.Expression]:  # fmt: skip
    """One row for each row: its columns as scalar subqueries."""
    if condition is not None:
        raise _unsupported("with an aggregate and a condition in ON", "ON true, and the condition in WHERE", where)
    values = {}
    for shown, value in made.items():
        one = query.copy()
        one.set("order", None)
        one.set("expressions", [exp.alias_(value.copy(), shown, quoted=True)])
        values[shown] = exp.Subquery(this=one)
    return values


def _columns(
    inner: exp.Select, left: bool, tests: list[exp.Expression], made: dict[str, exp.Expression], where: str
) -> dict[str, exp.Expression]:
    """No relation of its own: columns of the row, or a list of it unnested; LEFT keeps a row with an empty list."""
    if tests and left:
        raise _unsupported("in a LEFT JOIN with a condition and no relation", "CASE WHEN in the select list", where)
    if tests:
        inner.set("where", exp.Where(this=exp.and_(*tests)))
    lists = [n for e in made.values() for n in e.find_all(exp.Explode)]
    if left and len(lists) > 1:
        raise _unsupported("in a LEFT JOIN with several lists", "unnest one list at a time", where)
    for node in lists if left else []:
        full = exp.GT(this=exp.Length(this=node.this.copy()), expression=exp.Literal.number(0))
        empty = exp.Array(expressions=[exp.null()])
        node.set("this", exp.Case(ifs=[exp.If(this=full, true=node.this.copy())], default=empty))
    return made


def _join(
    rows: exp.Select, inner: exp.Select, left: bool, tests: list[exp.Expression], where: str
) -> None:
    """Join the tables of the query; its WHERE is that of the join."""
    first = rows.args["from_"].this.copy()
    others = [j.copy() for j in rows.args.get("joins") or []]
    if left and others:
        raise _unsupported("in a LEFT JOIN with several relations", "join them in a CTE", where)
    if left:
        joins = [exp.Join(this=first, side="LEFT", on=exp.and_(*tests) if tests else exp.true())]
    else:
        joins = [exp.Join(this=first, kind="CROSS"), *others]
        if tests:
            inner.set("where", exp.Where(this=exp.and_(*tests)))
    inner.set("joins", [*(inner.args.get("joins") or []), *joins])


def _first_rows(query: exp.Select, inner: exp.Select) -> None:
    """``ORDER BY ... LIMIT n`` for each row: a window over the rows of each combination on the left."""
    mine = [i.alias_or_name for i in _read(inner)]
    outputs = {e.alias_or_name: e.unalias() for e in query.expressions}
    terms = [o.copy() for o in query.args["order"].expressions] if query.args.get("order") else []
    for term in terms:
        if isinstance(term.this, exp.Column) and not term.this.table and term.this.name in outputs:
            term.set("this", outputs[term.this.name].copy())
    terms += [exp.Ordered(this=pseudo_column(POS, i.alias_or_name), nulls_first=False) for i in _read(query)]
    window = exp.Window(
        this=exp.RowNumber(), partition_by=[pseudo_column(RID, a) for a in mine],
        order=exp.Order(expressions=[t.copy() for t in terms]),
    )  # fmt: skip
    skipped = int(query.args["offset"].expression.name) if query.args.get("offset") else 0
    limit = query.args.get("limit")
    tests = [exp.GT(this=window.copy(), expression=exp.Literal.number(skipped))]
    if limit is not None:
        number = limit.args["count"] if isinstance(limit, exp.Fetch) else limit.expression
        tests.append(exp.LTE(this=window.copy(), expression=exp.Literal.number(skipped + int(number.name))))
    inner.set("qualify", exp.Qualify(this=exp.and_(*tests)))
    places = [exp.Ordered(this=pseudo_column(POS, a), nulls_first=False) for a in mine]
    inner.set("order", exp.Order(expressions=[*places, *terms]))


def _read(select: exp.Select) -> list[exp.Expression]:
    """The items of a SELECT whose rows are in its result."""
    aside = {id(j.this) for j in select.args.get("joins") or [] if j.kind in ("SEMI", "ANTI")}
    return [i for i in own_items(select) if id(i) not in aside]
