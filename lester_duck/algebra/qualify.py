"""Names resolved: every column belongs to an alias, stars are expanded, ``_pos`` means the order key."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sqlglot import exp
from sqlglot.errors import OptimizeError
from sqlglot.optimizer.qualify_columns import qualify_columns
from sqlglot.optimizer.qualify_tables import qualify_tables
from sqlglot.schema import MappingSchema

from lester_duck.algebra.constants import lists_in_from
from lester_duck.algebra.flatten import is_aggregate, own_aggregates
from lester_duck.algebra.limits import distinct_on_as_window
from lester_duck.algebra.relation import OrderTerm, Relation, column
from lester_duck.algebra.stars import spell_out
from lester_duck.algebra.using import mark_written, merge_columns
from lester_duck.errors import InputError, Unsupported, one_of
from lester_duck.names import POS, RID

_PLACEHOLDER = "__pseudo_column"
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def qualify(tree: exp.Select, relations: Mapping[str, Relation], where: str) -> exp.Select:
    """Return a copy with all names resolved against the relations in FROM.

    Raises InputError for an unknown relation or column, Unsupported for an order key used where a
    composite key has no single value.
    """
    tree = tree.copy()
    lists_in_from(tree)
    for select in [s for s in tree.find_all(exp.Select) if s is not tree]:
        select.replace(distinct_on_as_window(select, where))
    tree = qualify_tables(tree, dialect="duckdb")
    aliases: dict[str, Relation] = {}
    for node in tree.find_all(exp.Table):
        relation = _relation(node, relations, where)
        if aliases.setdefault(node.alias_or_name, relation) is not relation:
            raise Unsupported(
                f"the alias '{node.alias_or_name}' names two relations", where=where, hint="give one another alias"
            )
    spell_out(tree, aliases, where)
    _expand_order_by_all(tree)
    _canonical_case(tree, aliases, where)
    _group_by_all(tree)
    _replace_pseudo_columns(tree, aliases, where)
    columns = {r.name: dict.fromkeys(r.columns, "UNKNOWN") for r in aliases.values()}
    schema = MappingSchema(columns, dialect="duckdb", normalize=False)
    mark_written(tree)
    try:
        tree = qualify_columns(tree, schema=schema, dialect="duckdb")
    except OptimizeError as error:
        raise _unknown(tree, aliases, where, str(error).splitlines()[0]) from None
    merge_columns(tree)
    _quote_names(tree)
    _restore_pseudo_columns(tree)
    _check_columns(tree, aliases, where)
    return tree


def _relation(node: exp.Table, relations: Mapping[str, Relation], where: str) -> Relation:
    if not isinstance(node.this, exp.Identifier):
        raise Unsupported(f"{node.sql('duckdb')} in FROM is not supported", where=where, hint="see docs/unsupported.md")
    by_lower = {name.lower(): relation for name, relation in relations.items()}
    relation = by_lower.get(node.name.lower())
    if relation is None:
        public = [name for name in relations if "__" not in name]
        raise InputError(one_of("relation", node.name, public), where=where)
    node.set("this", exp.to_identifier(relation.name))
    return relation


def _canonical_case(tree: exp.Select, aliases: Mapping[str, Relation], where: str) -> None:
    """DuckDB's names ignore case; from here on they are written as declared."""
    tables = {alias.lower(): alias for alias in aliases}
    spelled: dict[str, set[str]] = {}
    for relation in aliases.values():
        for name in relation.columns:
            spelled.setdefault(name.lower(), set()).add(name)
    for node in tree.find_all(exp.Column):
        if node.table:
            alias = tables.get(node.table.lower(), node.table)
            node.args["table"].set("this", alias)
            known = {n.lower(): n for n in aliases[alias].columns} if alias in aliases else {}
            node.this.set("this", known.get(node.name.lower(), node.name))
        elif len(spelled.get(node.name.lower(), ())) == 1:
            (name,) = spelled[node.name.lower()]
            node.this.set("this", name)
        elif node.name.lower() in spelled:
            _qualify_by_case(node, tree, aliases, where)
    for join in tree.find_all(exp.Join):
        for name in join.args.get("using") or []:
            if len(spelled.get(name.name.lower(), ())) > 1:
                raise Unsupported(
                    f"USING ({name.name}) over columns spelled differently is not supported", hint="write ON a.x = b.X"
                )


def _qualify_by_case(node: exp.Column, tree: exp.Select, aliases: Mapping[str, Relation], where: str) -> None:
    """A bare name that relations spell differently: the nearest FROM clause that has it decides."""
    select = node.find_ancestor(exp.Select) or tree
    while select is not None:
        items = [select.args["from_"]] if select.args.get("from_") else []
        here = [i.this.alias_or_name for i in items + (select.args.get("joins") or [])]
        held = {alias: c for alias in here for c in aliases[alias].columns if c.lower() == node.name.lower()}
        if len(held) > 1:
            raise _ambiguous(node.name, list(held), where)
        if held:
            node.this.set("this", *held.values())
            return
        select = select.find_ancestor(exp.Select)


def _ambiguous(name: str, holders: list[str], where: str) -> InputError:
    return InputError(
        f"the column '{name}' is ambiguous: {' and '.join(holders)} have one",
        where=where,
        hint=f"write {holders[0]}.{name}",
    )


def _expand_order_by_all(tree: exp.Select) -> None:
    """ORDER BY ALL orders by every output column from left to right."""
    order = tree.args.get("order")
    if not order or not isinstance(order.expressions[0].this, exp.Var) or len(order.expressions) != 1:
        return
    (every,) = order.expressions
    if tree.is_star:
        raise Unsupported("ORDER BY ALL together with a star is not supported", hint="name the columns to order by")
    terms = []
    for place, _ in enumerate(tree.expressions, 1):
        term = every.copy()
        term.set("this", exp.Literal.number(place))
        terms.append(term)
    order.set("expressions", terms)


def _group_by_all(tree: exp.Select) -> None:
    group = tree.args.get("group")
    if group and group.args.get("all"):
        keys = [
            p.unalias().copy() for p in tree.expressions if not is_aggregate(p.unalias()) and not any(own_aggregates(p))
        ]
        tree.set("group", exp.Group(expressions=keys) if keys else None)


def _replace_pseudo_columns(tree: exp.Select, aliases: Mapping[str, Relation], where: str) -> None:
    for node in list(tree.find_all(exp.Column)):
        if _is_resolved(node, aliases):
            node.replace(_placeholder(node.table, node.name))
            continue
        if node.name.lower() not in (RID, POS):
            continue
        select = node.find_ancestor(exp.Select) or tree
        alias = node.table or _only_alias(select, where)
        if alias not in aliases:
            raise InputError(one_of("alias", alias, aliases), where=where)
        if node.name.lower() == RID:
            node.replace(_placeholder(alias, RID))
            continue
        terms = aliases[alias].order
        parent = node.parent
        if isinstance(parent, exp.Ordered):
            _expand_ordered(parent, alias, terms)
        elif isinstance(parent, exp.ArgMax | exp.ArgMin) and any(t.descending for t in terms):
            _as_ordered_aggregate(parent, alias, terms, where)
        else:
            node.replace(_single_value(alias, terms, where))


def _is_resolved(node: exp.Column, aliases: Mapping[str, Relation]) -> bool:
    """Whether a column names a stored part of an order key: the text was qualified before.

    There it is quoted; ``_pos`` without quotes means the whole key, in its direction (``parse_view``
    takes the quotes away from what people write).
    """
    if node.table not in aliases or not node.this.args.get("quoted"):
        return False
    return node.name in {t.column for t in aliases[node.table].order}


def _only_alias(select: exp.Select, where: str) -> str:
    items = [select.args["from_"]] if select.args.get("from_") else []
    names = [i.this.alias_or_name for i in items + (select.args.get("joins") or [])]
    if len(names) != 1:
        raise InputError("_pos or _rid without an alias is ambiguous", where=where, hint="write alias._pos")
    return names[0]


def _expand_ordered(ordered: exp.Ordered, alias: str, terms: tuple[OrderTerm, ...]) -> None:
    flip = bool(ordered.args.get("desc"))
    siblings = ordered.parent.expressions
    place = next(i for i, s in enumerate(siblings) if s is ordered)
    expanded = [ordered_term(_placeholder(alias, t.column), t, flip) for t in terms]
    ordered.parent.set("expressions", siblings[:place] + expanded + siblings[place + 1 :])


def ordered_term(expression: exp.Expression, term: OrderTerm, flip: bool = False) -> exp.Ordered:
    """An ORDER BY item for one order term, reversed when ``flip``."""
    descending = term.descending != flip
    return exp.Ordered(this=expression, desc=descending, nulls_first=term.nulls_last == flip)


def _as_ordered_aggregate(node: exp.ArgMax | exp.ArgMin, alias: str, terms: tuple[OrderTerm, ...], where: str) -> None:
    """``arg_max(x, t._pos)``, which skips NULLs, as ``last(x ORDER BY ...) FILTER (WHERE x IS NOT NULL)``."""
    if node.args.get("count") or isinstance(node.parent, exp.Filter):
        _single_value(alias, terms, where)
    by = [ordered_term(_placeholder(alias, t.column), t) for t in terms]
    kind = exp.Last if isinstance(node, exp.ArgMax) else exp.First
    aggregate = kind(this=exp.Order(this=node.this.copy(), expressions=by))
    known = exp.not_(exp.Is(this=node.this.copy(), expression=exp.null()))
    node.replace(exp.Filter(this=aggregate, expression=exp.Where(this=known)))


def _single_value(alias: str, terms: tuple[OrderTerm, ...], where: str) -> exp.Expression:
    if any(t.descending for t in terms):
        raise Unsupported(
            "_pos of a relation ordered descending has no single value",
            where=where,
            hint="use it in ORDER BY only, as in last(x ORDER BY t._pos)",
        )
    values = [_placeholder(alias, t.column) for t in terms]
    return values[0] if len(values) == 1 else exp.Anonymous(this="row", expressions=values)


def _placeholder(alias: str, name: str) -> exp.Expression:
    return exp.Anonymous(this=_PLACEHOLDER, expressions=[exp.Literal.string(alias), exp.Literal.string(name)])


def _quote_names(tree: exp.Select) -> None:
    """Resolved columns are written alike, in quotes; so is a name that is no plain word, brought in by a star."""
    for node in tree.find_all(exp.Identifier):
        resolved = isinstance(node.parent, exp.Column) and bool(node.parent.table)
        if resolved or not _PLAIN.fullmatch(node.name):
            node.set("quoted", True)


def _restore_pseudo_columns(tree: exp.Select) -> None:
    for node in list(tree.find_all(exp.Anonymous)):
        if node.name.lower() == _PLACEHOLDER:
            alias, name = (e.name for e in node.expressions)
            node.replace(column(name, alias))


def _unknown(tree: exp.Select, aliases: Mapping[str, Relation], where: str, message: str) -> InputError:
    """Name the column that a relation does not have, and those it has."""
    for node in tree.find_all(exp.Column):
        relation = aliases.get(node.table)
        if relation is not None and node.name not in relation.columns:
            message = f"{relation.name}: {one_of('column', node.name, relation.columns)}"
            break
    return InputError(message, where=where, sql=tree.sql("duckdb"))


def _check_columns(tree: exp.Select, aliases: Mapping[str, Relation], where: str) -> None:
    parameters = {i.name for lam in tree.find_all(exp.Lambda) for i in lam.expressions}
    for node in tree.find_all(exp.TableColumn):
        raise Unsupported(f"'{node.name}' as a value is a whole row", where=where, hint="name the columns of the row")
    for node in tree.find_all(exp.Column):
        if (
            node.table
            or node.name in parameters
            or (node.find_ancestor(exp.Order, exp.Qualify) and _is_output(node, tree))
        ):
            continue
        known = [c for r in aliases.values() for c in r.columns]
        if node.name in known:
            raise _ambiguous(node.name, [alias for alias, r in aliases.items() if node.name in r.columns], where)
        raise InputError(one_of("column", node.name, dict.fromkeys(known)), where=where, sql=tree.sql("duckdb"))


def _is_output(node: exp.Column, tree: exp.Select) -> bool:
    """Whether a column names an output of the SELECT it stands in."""
    select = node.find_ancestor(exp.Query) or tree
    while not isinstance(select, exp.Select):
        select = select.this
    return node.name in {e.alias_or_name for e in select.expressions}
