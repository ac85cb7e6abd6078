"""A block -> the SELECT that computes its stored columns, over its inputs or substitutes for them."""

from __future__ import annotations

from collections.abc import Mapping

import sqlglot
from sqlglot import exp

from lester_duck.algebra.calls import ERROR, Call, consumed_error, extract, join_cache, request
from lester_duck.algebra.folds import join_folds
from lester_duck.algebra.relation import ORDINAL, Block, Relation, column, quoted
from lester_duck.names import RID

Substitutes = Mapping[str, exp.Expression]
"""Alias of an input -> the FROM item (table or subquery) that stands for it."""


def compute(
    block: Block,
    relations: Mapping[str, Relation],
    substitutes: Substitutes | None = None,
    functions: frozenset[str] = frozenset(),
) -> exp.Query:
    """The SELECT of all stored columns, plus ``_rid`` where the block keeps its input's.

    With calls, a last column ``_error`` holds the error a row consumed (NULL: none); rows with an
    error are never filtered away.
    """
    if block.family == "union":
        parts = [_pad(b, block, compute(b, relations, substitutes, functions)) for b in block.branches]
        union = parts[0]
        for part in parts[1:]:
            union = exp.Union(this=union, expression=part, distinct=False)
        return union
    if block.family == "constant":
        return _constant(block)
    tree = _body(block, relations, substitutes)
    tree.set("expressions", _projections(block, tree))
    if block.folds:
        tree = join_folds(tree, block.folds)
    return _with_calls(tree, functions) if block.calls and functions else tree


def _constant(block: Block) -> exp.Select:
    select = sqlglot.parse_one(block.sql, dialect="duckdb")
    number = "row_number() OVER ()"
    return select.select(
        exp.alias_(sqlglot.parse_one(number), "_pos", quoted=True),
        exp.alias_(sqlglot.parse_one(number), RID, quoted=True),
    )


def _body(
    block: Block,
    relations: Mapping[str, Relation],
    substitutes: Substitutes | None,
    tree: exp.Select | None = None,
) -> exp.Select:
    tree = tree or sqlglot.parse_one(block.sql, dialect="duckdb")
    occurrences = {id(item.this) for item in [tree.args["from_"], *(tree.args.get("joins") or [])]}
    for node in list(tree.find_all(exp.Table)):
        alias = node.alias_or_name
        if substitutes and alias in substitutes and id(node) in occurrences:  # a subquery may use the alias again
            node.replace(_aliased(substitutes[alias].copy(), alias))
        else:
            node.replace(relations[node.name].reference(alias))
    return tree


def _aliased(item: exp.Expression, alias: str) -> exp.Expression:
    if isinstance(item, exp.Query):
        return exp.Subquery(this=item, alias=exp.TableAlias(this=quoted(alias)))
    item.set("alias", exp.TableAlias(this=quoted(alias)))
    return item


def _projections(block: Block, tree: exp.Select) -> list[exp.Expression]:
    projections = [
        exp.alias_(e.unalias(), name, quoted=True) for e, name in zip(tree.expressions, block.columns, strict=True)
    ]
    done = set(block.columns)

    def add(name: str, expression: exp.Expression) -> None:
        if name not in done:
            done.add(name)
            projections.append(exp.alias_(expression, name, quoted=True))

    if block.unnested:
        add(ORDINAL, _parse(ordinal(block.unnested)))
    for order in block.order:
        add(order.term.column, _parse(order.expression))
    for name, expression in row_projections(block) if block.family != "group" else ():
        add(name, expression)
    for key in block.keys:
        add(key.column, _parse(key.expression))
    if not block.own_ids:
        row = next(i for i in block.inputs if i.row)
        add(RID, column(RID, row.alias))
    return projections


def input_rows(
    block: Block, relations: Mapping[str, Relation], substitutes: Substitutes | None = None
) -> exp.Select:
    """The block's FROM clause (with its joins and WHERE) as a SELECT of nothing yet."""
    tree = _body(block, relations, substitutes)
    for clause in ("group", "having", "qualify", "windows", "distinct"):
        tree.set(clause, None)
    tree.set("expressions", [])
    return tree


def ordinal(unnested: str) -> str:
    """The place of an element in a list that is unnested beside it.

    >>> ordinal("t.items")
    'generate_subscripts(t.items, 1)'
    """
    return f"generate_subscripts({unnested}, 1)"


def row_projections(block: Block) -> tuple[tuple[str, exp.Expression], ...]:
    """Columns of a block's rows before grouping: base ids, then row ids of each input."""
    provenance = [(p.column, column(p.origin, i.alias)) for i in block.inputs for p in i.provenance]
    rows = [(i.row, column(RID, i.alias)) for i in block.inputs if i.row]
    return tuple(dict([*provenance, *rows]).items())


def rows_before_mixing(
    block: Block,
    relations: Mapping[str, Relation],
    substitutes: Substitutes | None = None,
    tree: exp.Select | None = None,
) -> exp.Select:
    """The rows a grouping or window block reads: its keys, base ids and input row ids.

    ``tree`` stands for the block's own SELECT.
    """
    tree = _body(block, relations, substitutes, tree)
    for clause in ("group", "having", "qualify", "windows", "distinct"):
        tree.set(clause, None)
    expressions = [exp.alias_(_parse(k.expression), k.column, quoted=True) for k in block.keys]
    expressions += [exp.alias_(e, name, quoted=True) for name, e in row_projections(block)]
    tree.set("expressions", expressions)
    return tree


def _parse(text: str) -> exp.Expression:
    return sqlglot.parse_one(text, dialect="duckdb")


def _pad(branch: Block, union: Block, select: exp.Select) -> exp.Select:
    """Give a branch the union's columns, in the union's order, NULL where it has none."""
    have = {e.alias_or_name: e for e in select.expressions}
    columns = [*union.stored_columns, *([ERROR] if union.calls and len(have) > len(branch.stored_columns) else [])]
    select.set("expressions", [have.get(c, exp.alias_(exp.null(), c, quoted=True)) for c in columns])
    return select


def _with_calls(tree: exp.Select, functions: frozenset[str]) -> exp.Select:
    staged, calls, conditions = _stage(tree, functions)
    aliases = frozenset(c.alias for c in calls)
    select = staged
    for call in calls:
        select = join_cache(select, call)
    errors = [consumed_error(e.unalias(), aliases) for e in tree.expressions]
    errors_where = consumed_error(exp.and_(*[c.copy() for c in conditions]), aliases) if conditions else None
    shown = [e for e in errors if e is not None]
    error = _coalesce(([errors_where] if errors_where is not None else []) + _if_kept(shown, conditions))
    if conditions:
        kept = exp.and_(*[exp.paren(c.copy()) for c in conditions])
        select = select.where(exp.or_(kept, exp.not_(exp.Is(this=error.copy(), expression=exp.null()))), copy=False)
    select.set("expressions", [*tree.expressions, exp.alias_(error, ERROR, quoted=True)])
    return select


def _if_kept(errors: list[exp.Expression], conditions: list[exp.Expression]) -> list[exp.Expression]:
    """Errors of the output count only for rows that the conditions keep."""
    if not errors or not conditions:
        return errors
    kept = exp.and_(*[exp.paren(c.copy()) for c in conditions])
    return [exp.Case(ifs=[exp.If(this=kept, true=_coalesce(errors))], default=exp.null())]


def _coalesce(errors: list[exp.Expression]) -> exp.Expression:
    if not errors:
        return exp.cast(exp.null(), "VARCHAR")
    return errors[0] if len(errors) == 1 else exp.Coalesce(this=errors[0], expressions=errors[1:])


def _stage(tree: exp.Select, functions: frozenset[str]) -> tuple[exp.Select, tuple[Call, ...], list[exp.Expression]]:
    """Take the calls out of a SELECT: (its call-free part, the calls, conditions that use them)."""
    where = tree.args.get("where")
    conjuncts = (
        list(where.this.flatten()) if where and isinstance(where.this, exp.And) else ([where.this] if where else [])
    )
    extracted = extract((*conjuncts, *tree.expressions), functions)
    conditions, projections = extracted.expressions[: len(conjuncts)], extracted.expressions[len(conjuncts) :]
    aliases = {c.alias for c in extracted.calls}
    uses = [any(c.table in aliases for c in e.find_all(exp.Column)) for e in conditions]
    free = [e for e, used in zip(conditions, uses, strict=True) if not used]
    select = tree.copy()
    select.set("where", exp.Where(this=exp.and_(*free)) if free else None)
    tree.set("expressions", list(projections))
    return select, extracted.calls, [e for e, used in zip(conditions, uses, strict=True) if used]


def call_requests(
    block: Block, relations: Mapping[str, Relation], functions: frozenset[str], substitutes: Substitutes | None = None
) -> tuple[tuple[str, exp.Select], ...]:
    """For each call, inner ones first: the function and the query of arguments its cache lacks."""
    if block.family == "union":
        return tuple(r for b in block.branches for r in call_requests(b, relations, functions, substitutes))
    if not block.calls:
        return ()
    tree = _body(block, relations, substitutes)
    tree.set("expressions", _projections(block, tree))
    staged, calls, _ = _stage(tree, functions)
    requests = []
    for call in calls:
        requests.append((call.function, request(call, staged)))
        staged = join_cache(staged, call)
    return tuple(requests)
