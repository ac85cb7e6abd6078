"""Arguments that a surviving mutant is equivalent: rules under which no data can tell the two apart."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from lester_duck.pipeline.model import Pipeline
from lester_duck.rewrite import branches, mutate_sql
from lester_duck.rewrite.alike import alike
from lester_duck.rewrite.known import Known
from lester_duck.rewrite.mutate import Mutant
from lester_duck.rewrite.unordered import keys_of, name_of
from lester_duck.rewrite.unread import made_by_views, unordered_in, unread

_ONE = (exp.First, exp.Last, exp.Min, exp.Max, exp.ArgMin, exp.ArgMax)
"""Aggregates that are the value of the row in a group of one row."""


def argument(pipeline: Pipeline, mutant: Mutant) -> str:
    """Why no input tells the mutant from the pipeline, or '' when no rule says so."""
    return Arguments(pipeline).of(mutant)


class Arguments:
    """The rules over one pipeline."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self._known = Known(pipeline)
        self._nodes: dict[str, list[exp.Expression]] = {}
        self._nothing_reads = unread(pipeline)
        self._unordered = unordered_in(pipeline)
        self._keys = keys_of(made_by_views(pipeline))

    def of(self, mutant: Mutant) -> str:
        """Why no input tells the mutant from the pipeline, or '' when no rule says so."""
        if not mutant.view:
            return ""
        if mutant.view not in self._nodes:
            text = next(v.sql for v in self.pipeline.views if v.name == mutant.view)
            self._nodes[mutant.view] = list(mutate_sql.parsed(text).walk())
        node = self._nodes[mutant.view][mutant.node]
        for rule in RULES.get(mutant.operator, ()):
            why = rule(node)
            if why:
                return why
        if mutant.operator == "join":
            return checked(self.pipeline, node)
        if mutant.operator in ("comparison", "constant"):
            text = next(v.sql for v in mutant.pipeline.views if v.name == mutant.view)
            why = branches.implied(node, list(mutate_sql.parsed(text).walk())[mutant.node])
            if why:
                return why
        place = self._relation(mutant.view, node)
        return (
            _dead(node)
            or _only_asked(node)
            or self._unread(place, node)
            or self._any_order(place, mutant.operator, node)
            or self._alone(place, mutant.operator, node)
            or self._alike(mutant, node)
        )

    def _relation(self, view: str, node: exp.Expression) -> str:
        cte = node.find_ancestor(exp.CTE)
        return (f"{view}.{cte.alias}" if cte else view).lower()

    def _any_order(self, relation: str, operator: str, node: exp.Expression) -> str:
        """The ORDER BY of a relation whose order nothing reads."""
        place = node
        while place.parent is not None and not isinstance(place, exp.Query):
            if isinstance(place, exp.Order) and isinstance(place.parent, exp.Query):
                break
            place = place.parent
        ordering = isinstance(place, exp.Order) or (operator == "order" and place is node)
        query = place.parent if isinstance(place, exp.Order) else place
        cut = query.args.get("limit") or query.args.get("offset") or query.find(exp.Limit)
        if ordering and relation in self._unordered and not cut:
            return f"nothing reads the order of {relation}"
        return ""

    def _alone(self, relation: str, operator: str, node: exp.Expression) -> str:
        """First, last, least and most of a group of one row are its value."""
        aggregate = node if isinstance(node, exp.AggFunc) else node.find_ancestor(exp.AggFunc)
        select = node.find_ancestor(exp.Select)
        ordered = operator == "order" and isinstance(node, exp.Ordered)
        if not isinstance(aggregate, _ONE) or aggregate.find_ancestor(exp.Select) is not select or select is None:
            return ""
        if not (ordered or (operator == "aggregate" and node is aggregate)) or isinstance(aggregate.parent, exp.Window):
            return ""
        group, read = select.args.get("group"), select.args.get("from_")
        if group is None or select.args.get("joins") or not isinstance(read.this, exp.Table):
            return ""
        below = name_of(read.this, relation.split(".")[0], set(self._keys))
        named = {k.name.lower() for k in group.expressions if isinstance(k, exp.Column)}
        key = self._keys.get(below)
        return f"{below} has one row for each {', '.join(sorted(key))}" if key and key <= named else ""

    def _alike(self, mutant: Mutant, node: exp.Expression) -> str:
        text = next(v.sql for v in mutant.pipeline.views if v.name == mutant.view)
        return alike(self._known, mutant.view, node, self._nodes[mutant.view][0], mutate_sql.parsed(text))

    def _unread(self, relation: str, node: exp.Expression) -> str:
        place = _projection(node)
        name = place.alias_or_name.lower() if place is not None else ""
        return f"nothing reads the column '{name}'" if (relation, name) in self._nothing_reads else ""


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


def _only_asked(node: exp.Expression) -> str:
    """What the SELECT of an EXISTS gives, where that is a literal or a column."""
    place = node if isinstance(node.parent, exp.Select) else None
    select = place.parent if place is not None and place.arg_key == "expressions" else None
    plain = isinstance(node, exp.Literal | exp.Column)
    return "EXISTS does not see what its SELECT gives" if plain and _in_exists(select) else ""


def _in_exists(select: exp.Expression | None) -> bool:
    holder = select.parent if select is not None else None
    return isinstance(holder, exp.Exists)


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
    if never_null(node.this):
        return "the value before is never NULL: the default is never reached"
    if isinstance(node, exp.Coalesce) and [e.sql() for e in node.expressions] == ["FALSE"] and _decides(node):
        return "a condition that is NULL is no more met than one that is false"
    return ""


def _decides(node: exp.Expression) -> bool:
    """Whether a truth value is only asked for being true: in WHERE and the like, below AND and OR only."""
    place = node
    while isinstance(place.parent, exp.Paren | exp.And | exp.Or):
        place = place.parent
    above = place.parent
    asked = isinstance(above, exp.Where | exp.Having | exp.Qualify)
    return asked or (isinstance(above, exp.If) and place.arg_key == "this")


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


def _row_order(node: exp.Expression) -> str:
    """rank, dense_rank and row_number agree where no two rows have the same place in the order."""
    kinds = exp.RowNumber | exp.Rank | exp.DenseRank
    named = isinstance(node, exp.Anonymous) and node.name.lower() in ("row_number", "rank", "dense_rank")
    window, select = node.parent, node.find_ancestor(exp.Select)
    order = window.args.get("order") if isinstance(window, exp.Window) else None
    if not (named or isinstance(node, kinds)) or order is None or select is None or select.args.get("joins"):
        return ""
    terms = [t.this for t in order.expressions]
    if any(isinstance(t, exp.Column) and t.name == "_pos" for t in terms):
        return "_pos orders the rows of one relation without ties: the numbers are the same"
    return ""


def _by_one(node: exp.Expression) -> str:
    """A whole number divided by one is itself, whole or not."""
    divided = isinstance(node, exp.IntDiv | exp.Div) and node.expression.sql() == "1"
    return "a whole number divided by one is itself" if divided and _whole(node.this) else ""


def _whole(node: exp.Expression) -> bool:
    if isinstance(node, exp.Paren):
        return _whole(node.this)
    if isinstance(node, exp.Add | exp.Sub | exp.Mul):
        return _whole(node.this) and _whole(node.expression)
    return isinstance(node, exp.Length | exp.Count | exp.RowNumber) or (node.is_int if node.is_number else False)


RULES: dict[str, tuple[Callable[[exp.Expression], str], ...]] = {
    "default": (_default,),
    "join": (_join,),
    "aggregate": (_of_key, _row_order),
    "arithmetic": (_by_one,),
    "order": (_of_key,),
    "distinct": (_distinct,),
}


def checked(pipeline: Pipeline, node: exp.Expression) -> str:
    """LEFT and inner join agree where a check refuses data with rows that lack a partner."""
    select = node.parent
    if not isinstance(select, exp.Select) or not isinstance(node, exp.Join):
        return ""
    where = {c.sql() for c in _conditions(select)}
    joins = {j.sql() for j in select.args.get("joins") or ()}
    for check in pipeline.checks:
        asked = mutate_sql.parsed(check.sql)
        if not isinstance(asked, exp.Select) or asked.args.get("from_") != select.args.get("from_"):
            continue
        if {j.sql() for j in asked.args.get("joins") or ()} - joins or asked.args.get("with_"):
            continue
        lacking = [c for c in _conditions(asked) if c.sql() not in where]
        if len(lacking) == 1 and _lacks(lacking[0], node) and node.sql() in {j.sql() for j in asked.args["joins"]}:
            return f"check '{check.name}' refuses data in which a row has no partner"
    return ""


def _conditions(select: exp.Select) -> list[exp.Expression]:
    where = select.args.get("where")
    return mutate_sql.conjuncts(where.this) if where else []


def _lacks(condition: exp.Expression, join: exp.Join) -> bool:
    """Whether a condition is ``x IS NULL`` of a column by which the join finds its partner."""
    on = join.args.get("on")
    return _is_null(condition) and on is not None and any(
        condition.this in (e.this, e.expression) and condition.this.table == join.this.alias_or_name
        for e in (p for p in mutate_sql.conjuncts(on) if isinstance(p, exp.EQ))
    )


def _projection(node: exp.Expression) -> exp.Expression | None:
    """The named column of a SELECT that holds a node, when it decides about no row and cannot fail."""
    place = node
    while place.parent is not None and not isinstance(place.parent, exp.Select):
        place = place.parent
    select = place.parent
    if not isinstance(select, exp.Select) or place.arg_key != "expressions" or isinstance(select.parent, exp.Union):
        return None
    grouped = select.args.get("group") and not place.find(exp.AggFunc)
    if grouped or select.args.get("distinct") or place.find(exp.Cast, exp.Anonymous, exp.Star, exp.Unnest):
        return None
    return place if place.alias_or_name else None
