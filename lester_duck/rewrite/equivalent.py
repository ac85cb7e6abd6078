"""Arguments that a surviving mutant is equivalent: rules under which no data can tell the two apart."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from lester_duck.pipeline.model import Pipeline
from lester_duck.rewrite import mutate_sql
from lester_duck.rewrite.mutate import Mutant


def argument(pipeline: Pipeline, mutant: Mutant) -> str:
    """Why no input tells the mutant from the pipeline, or '' when no rule says so."""
    if not mutant.view:
        return ""
    text = next(v.sql for v in pipeline.views if v.name == mutant.view)
    nodes = list(mutate_sql.parsed(text).walk())
    node = nodes[mutant.node]
    for rule in RULES.get(mutant.operator, ()):
        why = rule(node)
        if why:
            return why
    return _dead(node)


def _dead(node: exp.Expression) -> str:
    """A site inside the ELSE of a CASE whose branches ask x IS NULL and x IS NOT NULL."""
    place = node
    while place.parent is not None:
        case = place.parent
        if isinstance(case, exp.Case) and place.arg_key == "default" and _exhausted(case):
            return "the CASE asks for NULL and for NOT NULL before: its ELSE is never reached"
        if isinstance(case, exp.Coalesce) and place.arg_key == "expressions" and never_null(case.this):
            return "the value before is never NULL: the default is never reached"
        place = case
    return ""


def _exhausted(case: exp.Case) -> bool:
    if case.this is not None:
        return False
    asked = [b.this for b in case.args["ifs"]]
    null = {c.this.sql() for c in asked if _is_null(c)}
    present = {c.this.this.sql() for c in asked if isinstance(c, exp.Not) and _is_null(c.this)}
    return bool(null & present)


def _is_null(node: exp.Expression) -> bool:
    return isinstance(node, exp.Is) and isinstance(node.expression, exp.Null)


def never_null(node: exp.Expression) -> bool:
    """Whether a value is never NULL: a literal, a count, or a coalesce or CASE that ends in one.

    >>> never_null(exp.Count(this=exp.Star())), never_null(exp.column("a"))
    (True, False)
    """
    if isinstance(node, exp.Coalesce):
        return any(never_null(v) for v in (node.this, *node.expressions))
    if isinstance(node, exp.Case):
        values = [b.args["true"] for b in node.args["ifs"]] + [node.args.get("default")]
        return all(v is not None and never_null(v) for v in values)
    if isinstance(node, exp.Paren):
        return never_null(node.this)
    return isinstance(node, exp.Literal | exp.Boolean | exp.Count | exp.RowNumber)


def _default(node: exp.Expression) -> str:
    return "the value before is never NULL: the default is never reached" if never_null(node.this) else ""


def _join(node: exp.Expression) -> str:
    """LEFT and inner join agree where WHERE asks for a value of the joined side that NULL cannot have."""
    select = node.parent
    where = select.args.get("where") if isinstance(select, exp.Select) else None
    alias = node.this.alias_or_name
    for part in mutate_sql.conjuncts(where.this) if where else []:
        asked = [part.this] if isinstance(part, exp.Not) and _is_null(part.this) else _compared(part)
        for column in (part.this.this,) if isinstance(part, exp.Not) and _is_null(part.this) else asked:
            if isinstance(column, exp.Column) and column.table == alias:
                return f"WHERE refuses NULL in {column.sql()}: rows without a partner are dropped either way"
    return ""


def _compared(part: exp.Expression) -> list[exp.Expression]:
    """The sides of a comparison: NULL on either makes it NULL, which WHERE refuses."""
    kinds = exp.EQ | exp.NEQ | exp.LT | exp.LTE | exp.GT | exp.GTE
    return [part.this, part.expression] if isinstance(part, kinds) else [part.this] if isinstance(part, exp.In) else []


def _of_key(node: exp.Expression) -> str:
    """min, max, first and last of a group's key are the key."""
    aggregate = node if isinstance(node, exp.AggFunc) else node.find_ancestor(exp.AggFunc)
    select = aggregate.find_ancestor(exp.Select) if aggregate else None
    group = select.args.get("group") if select else None
    value = aggregate.this if aggregate else None
    while isinstance(value, exp.Order | exp.Distinct | exp.IgnoreNulls):
        value = value.this
    kinds = (exp.Min, exp.Max, exp.First, exp.Last, exp.AnyValue)
    if group and isinstance(aggregate, kinds) and value in group.expressions and not isinstance(value, exp.Literal):
        return f"{value.sql()} is a key of the group: it has one value in each"
    return ""


def _distinct(node: exp.Expression) -> str:
    place = node.parent
    if isinstance(place, exp.Subquery):
        place = place.parent
    if isinstance(node, exp.Select) and isinstance(place, exp.In | exp.Exists) and not node.args.get("limit"):
        return "IN and EXISTS do not see how often a row occurs"
    aggregate = node.parent
    if isinstance(node, exp.Distinct) and isinstance(aggregate, exp.Min | exp.Max):
        return "min and max do not see how often a value occurs"
    return ""


RULES: dict[str, tuple[Callable[[exp.Expression], str], ...]] = {
    "default": (_default,),
    "join": (_join,),
    "aggregate": (_of_key,),
    "order": (_of_key,),
    "distinct": (_distinct,),
}
