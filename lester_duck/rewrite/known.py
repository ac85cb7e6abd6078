"""What is known of the rows that a SELECT of a pipeline reads: conditions that hold, values that are never NULL.

It follows from the WHERE of the SELECT, from those of the views and CTEs below it as far as their
columns are passed on, and from the checks, which refuse data on which their conditions are true.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from sqlglot import exp

from lester_duck.pipeline.model import Pipeline
from lester_duck.rewrite import mutate_sql
from lester_duck.rewrite.truth import Fact, same
from lester_duck.rewrite.unread import selects

_STRICT = (exp.Add, exp.Sub, exp.Mul, exp.Neg, exp.Paren, exp.SplitPart, exp.Contains, exp.StartsWith, exp.EndsWith,
           exp.Length, exp.Left, exp.Split, exp.Lower, exp.Upper, exp.Trim, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT,
           exp.GTE, exp.Replace, exp.RegexpFullMatch)  # fmt: skip
"""What is NULL exactly when one of its arguments is."""
_STRICT_NAMES = ("py_strip", "py_lower", "py_upper", "py_isoformat", "py_fixed", "py_str_float")
_OF_GROUP = (exp.Max, exp.Min, exp.First, exp.Last)
_ASKED = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)


class Known:
    """What holds in each relation of a pipeline."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self._made: dict[str, list[exp.Select]] = defaultdict(list)
        self._names: dict[str, list[str]] = {}
        for view in pipeline.views:
            for relation, names, select in selects(view.name.lower(), view.sql):
                self._made[relation].append(select)
                self._names[relation] = names
        self._texts = {s.name.lower() for s in pipeline.sources if s.format == "text"}
        self._checks = [c for c in (mutate_sql.parsed(c.sql) for c in pipeline.checks) if _plain_check(c)]
        self._of_relation: dict[str, list[Fact]] = {}
        self._never: dict[tuple[str, str], bool] = {}
        self._of_select: dict[tuple[int, bool], tuple[exp.Select, list[Fact]]] = {}

    def facts(self, relation: str, select: exp.Select, *, where: bool) -> list[Fact]:
        """The facts about the rows a SELECT reads; with those that its own WHERE leaves when ``where``."""
        key = (id(select), where)
        if key not in self._of_select:
            self._of_select[key] = (select, self._found(relation, select, where=where))
        return self._of_select[key][1]

    def _found(self, relation: str, select: exp.Select, *, where: bool) -> list[Fact]:
        found: list[Fact] = []
        sides = _sides(select)
        if _supers(select):
            return found
        for alias, below, kept in self._read(relation, select):
            for fact in self._facts_of(below) if kept else ():
                condition = _placed(fact.condition, alias if len(sides) > 1 else "")
                found.append(Fact(condition=condition, holds=fact.holds))
        for check in self._checks:
            if check.args.get("joins") and _within(check, select):
                found.extend(Fact(condition=part, holds=False) for part in _parts(_where(check), exp.Or))
        found.extend(self._together(relation, select))
        if where and select.args.get("where"):
            found.extend(Fact(condition=plain(part, select)) for part in _parts(_where(select), exp.And))
        return found

    def never_null(self, relation: str, select: exp.Select, node: exp.Expression) -> bool:
        """Whether a value is never NULL in any row that a SELECT reads."""
        if isinstance(node, exp.Literal | exp.Boolean | exp.Count | exp.RowNumber | exp.Star | exp.Is):
            return True
        if isinstance(node, exp.Coalesce):
            return any(self.never_null(relation, select, v) for v in (node.this, *node.expressions))
        if isinstance(node, exp.Case):
            values = [b.args["true"] for b in node.args["ifs"]] + [node.args.get("default")]
            return all(v is not None and self.never_null(relation, select, v) for v in values)
        if _refused(node, self._null_facts(relation, select)):
            return True
        if isinstance(node, exp.Column):
            return self._column(relation, select, node)
        if isinstance(node, exp.Window):
            return isinstance(node.this, exp.RowNumber | exp.Rank | exp.DenseRank)
        if isinstance(node, exp.Order | exp.Distinct) and node.this is not None:
            return self.never_null(relation, select, node.this)
        if isinstance(node, _OF_GROUP):
            grouped = select.args.get("group") is not None and not isinstance(node.parent, exp.Filter | exp.Window)
            return grouped and self.never_null(relation, select, node.this)
        if isinstance(node, exp.Div) and isinstance(node.expression, exp.Literal) and float(node.expression.this):
            return self.never_null(relation, select, node.this)
        if isinstance(node, exp.Cast) and not isinstance(node, exp.TryCast):
            plain_ = node.to.is_type(*exp.DataType.NUMERIC_TYPES, *exp.DataType.TEXT_TYPES)
            return plain_ and self.never_null(relation, select, node.this)
        return strict(node) and all(self.never_null(relation, select, a) for a in arguments(node))

    def matched(self, relation: str, select: exp.Select, column: exp.Expression) -> str:
        """The LEFT-joined relation of a column that is NULL exactly in rows without a partner, or ''."""
        if not isinstance(column, exp.Column) or not column.table:
            return ""
        for join in select.args.get("joins") or ():
            if join.side != "LEFT" or join.this.alias_or_name.lower() != column.table.lower():
                continue
            on = join.args.get("on")
            asked = [side for part in _parts(on, exp.And) if isinstance(part, exp.EQ)
                     for side in (part.this, part.expression)] if on else []  # fmt: skip
            below = self._below(relation, join.this)
            if column in asked or (below and self._never_in(below, column.name.lower())):
                return column.table.lower()
        return ""

    def _read(self, relation: str, select: exp.Select) -> Iterator[tuple[str, str, bool]]:
        """Alias and relation of what a SELECT reads, and whether all its rows keep what holds for them."""
        joins = select.args.get("joins") or ()
        outer = any(j.side in ("RIGHT", "FULL") for j in joins)
        partners = {c.this.table.lower() for c in self._asked_partners(select)}
        for item in [select.args.get("from_"), *joins]:
            if item is not None and isinstance(item.this, exp.Table):
                below = self._below(relation, item.this)
                alias = item.this.alias_or_name.lower()
                lookup = isinstance(item, exp.Join) and (item.side == "LEFT" or item.kind in ("SEMI", "ANTI"))
                yield alias, below, not outer and (not lookup or alias in partners)

    def _asked_partners(self, select: exp.Select) -> Iterator[exp.Expression]:
        """``t.x IS NULL`` of the checks that refuse rows of a SELECT without a partner in ``t``."""
        for check in self._checks:
            if check.args.get("joins") and _within(check, select):
                for part in _parts(_where(check), exp.Or):
                    asked = part.unnest()
                    if isinstance(asked, exp.Is) and isinstance(asked.expression, exp.Null):
                        yield from [asked] if isinstance(asked.this, exp.Column) else []

    def _below(self, relation: str, table: exp.Expression) -> str:
        own = f"{relation.split('.')[0]}.{table.name.lower()}" if isinstance(table, exp.Table) else ""
        return own if own in self._made else table.name.lower()

    def _facts_of(self, relation: str) -> list[Fact]:
        """The facts about a relation's own columns, without its name."""
        if relation not in self._of_relation:
            self._of_relation[relation] = []
            found = [Fact(condition=plain(part, check), holds=False) for check in self._checks
                     if not check.args.get("joins") and check.args["from_"].this.name.lower() == relation
                     for part in _parts(_where(check), exp.Or)]  # fmt: skip
            made = self._made.get(relation, [])
            if len(made) == 1 and not any(e.is_star for e in made[0].expressions):
                found.extend(self._passed_on(relation, made[0]))
            self._of_relation[relation] = found
        return self._of_relation[relation]

    def _passed_on(self, relation: str, select: exp.Select) -> Iterator[Fact]:
        """The facts about a SELECT's rows, said of the columns it makes."""
        items = {}
        for place, name in zip(select.expressions, self._names[relation], strict=True):
            value = place.this if isinstance(place, exp.Alias) else place
            if not value.find(exp.AggFunc, exp.Window) and not isinstance(value, exp.Literal | exp.Null):
                items.setdefault(plain(value, select).sql(), name)
        for fact in self.facts(relation, select, where=True):
            for part in _parts(fact.condition, exp.And if fact.holds else exp.Or):
                said = _said(plain(part, select), items)
                if said is not None:
                    yield Fact(condition=said, holds=fact.holds)
        for place, name in zip(select.expressions, self._names[relation], strict=True):
            value = place.this if isinstance(place, exp.Alias) else place
            asked = self._nulls(relation, select, value)
            said = _said(asked, items) if asked is not None and not isinstance(value, exp.Column) else None
            if said is not None:
                yield Fact(condition=exp.NullSafeEQ(this=_is_null(exp.column(name)), expression=said))

    def _nulls(self, relation: str, select: exp.Select, node: exp.Expression) -> exp.Expression | None:
        """When a strict value is NULL: when one of its columns is; None when it is not so simple."""
        if not strict(node):
            return None
        parts = [n for n in node.walk() if isinstance(n, exp.Column)]
        inner = [n for n in node.walk() if not isinstance(n, exp.Column | exp.Identifier | exp.Literal)]
        if not parts or not all(strict(n) for n in inner):
            return None
        columns = {plain(p, select).sql(): plain(p, select) for p in parts}
        return exp.or_(*(_is_null(c) for c in columns.values()))

    def _together(self, relation: str, select: exp.Select) -> Iterator[Fact]:
        """Columns of a LEFT-joined relation that are NULL in the same rows: those without a partner."""
        first: dict[str, exp.Expression] = {}
        for column in select.find_all(exp.Column):
            table = self.matched(relation, select, column)
            if table and column.find_ancestor(exp.Select) is select:
                other = first.setdefault(table, column)
                if other != column:
                    yield Fact(condition=exp.NullSafeEQ(this=_is_null(other), expression=_is_null(column)))

    def _null_facts(self, relation: str, select: exp.Select) -> list[Fact]:
        """The facts by which a value is not NULL, without those of the SELECT's own WHERE."""
        return self.facts(relation, select, where=False)

    def _column(self, relation: str, select: exp.Select, column: exp.Column) -> bool:
        if _supers(select):
            return False
        reads = list(self._read(relation, select))
        for alias, below, kept in reads:
            if (column.table.lower() == alias) if column.table else len(reads) == 1:
                return kept and self._never_in(below, column.name.lower())
        return False

    def _never_in(self, relation: str, name: str) -> bool:
        """Whether a column of a relation is never NULL."""
        key = (relation, name)
        if key not in self._never:
            self._never[key] = False  # while it is looked for
            self._never[key] = self._looked_for(relation, name)
        return self._never[key]

    def _looked_for(self, relation: str, name: str) -> bool:
        if relation in self._texts or _refused(exp.column(name), self._facts_of(relation)):
            return True
        made = self._made.get(relation, [])
        return bool(made) and all(self._item(relation, select, name) for select in made)

    def _item(self, relation: str, select: exp.Select, name: str) -> bool:
        if name not in self._names[relation] or any(e.is_star for e in select.expressions):
            return False
        place = select.expressions[self._names[relation].index(name)]
        value = place.this if isinstance(place, exp.Alias) else place
        return self.never_null(relation, select, value) or _refused(
            plain(value, select), self.facts(relation, select, where=True)
        )


def strict(node: exp.Expression) -> bool:
    """Whether an expression is NULL exactly when one of its arguments is.

    >>> import sqlglot
    >>> strict(sqlglot.parse_one("a + 1")), strict(sqlglot.parse_one("coalesce(a, 1)"))
    (True, False)
    """
    return isinstance(node, _STRICT) or (isinstance(node, exp.Anonymous) and node.name.lower() in _STRICT_NAMES)


def arguments(node: exp.Expression) -> Iterator[exp.Expression]:
    """The expressions an operator or call is made of."""
    for value in node.args.values():
        yield from (v for v in (value if isinstance(value, list) else [value]) if isinstance(v, exp.Expression))


def plain(node: exp.Expression, select: exp.Expression) -> exp.Expression:
    """A copy without the table's name before its columns, where a SELECT reads one table."""
    copied = node.copy()
    if len(_sides(select)) == 1:
        for column in copied.find_all(exp.Column):
            column.set("table", None)
    return copied


def _sides(select: exp.Expression) -> list[exp.Expression]:
    return [i for i in (select.args.get("from_"), *(select.args.get("joins") or ())) if i is not None]


def _supers(select: exp.Expression) -> bool:
    """Whether rows of a SELECT stand for groups of several kinds, in which keys are NULL."""
    group = select.args.get("group")
    return group is not None and any(group.args.get(k) for k in ("cube", "rollup", "grouping_sets", "all"))


def _where(select: exp.Expression) -> exp.Expression:
    return select.args["where"].this


def _parts(condition: exp.Expression, kind: type) -> list[exp.Expression]:
    """What AND (or OR) joins, brackets opened.

    >>> import sqlglot
    >>> [p.sql() for p in _parts(sqlglot.parse_one("a AND (b AND c) AND (d OR e)"), exp.And)]
    ['a', 'b', 'c', '(d OR e)']
    """
    inner = condition.unnest()
    if isinstance(inner, kind):
        return [*_parts(inner.this, kind), *_parts(inner.expression, kind)]
    return [condition]


def _is_null(node: exp.Expression) -> exp.Expression:
    return exp.Is(this=node.copy(), expression=exp.Null())


def _plain_check(check: exp.Expression) -> bool:
    """Whether a check finds each row of its tables on which its WHERE is true."""
    plain_ = isinstance(check, exp.Select) and check.args.get("where") and check.args.get("from_")
    others = ("group", "having", "qualify", "limit", "with_", "distinct", "offset")
    return bool(plain_) and not any(check.args.get(k) for k in others) and all(
        isinstance(i.this, exp.Table) for i in _sides(check)
    )


def _within(check: exp.Expression, select: exp.Select) -> bool:
    """Whether each row a SELECT reads stands, with fewer columns, among those that a check asks."""
    joins = {j.sql() for j in select.args.get("joins") or ()}
    outer = any(j.side in ("RIGHT", "FULL") for j in select.args.get("joins") or ())
    same = check.args["from_"] == select.args.get("from_")
    return same and not outer and all(j.sql() in joins for j in check.args["joins"])


def _placed(condition: exp.Expression, alias: str) -> exp.Expression:
    """A condition on a relation's columns, with the relation's alias before them ('' for none)."""
    copied = condition.copy()
    for column in copied.find_all(exp.Column):
        column.set("table", exp.to_identifier(alias) if alias else None)
    return copied


def _said(condition: exp.Expression, items: dict[str, str]) -> exp.Expression | None:
    """A condition said of the columns that hold the values it names; None when one is not among them."""
    if condition.sql() in items:
        return exp.column(items[condition.sql()])
    if isinstance(condition, exp.Column) or condition.find(exp.Query):
        return None
    copied = condition.copy()
    for key, value in condition.args.items():
        if isinstance(value, exp.Expression) and not isinstance(value, exp.DataType):
            said = _said(value, items)
            if said is None:
                return None
            copied.set(key, said)
        elif isinstance(value, list):
            said_all = [_said(v, items) if isinstance(v, exp.Expression) else v for v in value]
            if any(v is None for v in said_all):
                return None
            copied.set(key, said_all)
    return copied


def _refused(node: exp.Expression, facts: list[Fact]) -> bool:
    """Whether a fact says that a value is not NULL: it is compared, asked for, or a check refuses NULL."""
    for fact in facts:
        condition = fact.condition.unnest()
        if not fact.holds:
            if isinstance(condition, exp.Is) and isinstance(condition.expression, exp.Null) and condition.this == node:
                return True
        elif isinstance(condition, exp.Not) and isinstance(condition.this.unnest(), exp.Is):
            asked = condition.this.unnest()
            if isinstance(asked.expression, exp.Null) and asked.this == node:
                return True
        elif node in _compared(condition):
            return True
    about = [f for f in facts if any(part == node for part in f.condition.find_all(type(node)))]
    never = exp.false()
    return any(not f.holds for f in about) and same(_is_null(node), never, decides=True, facts=_beside(about, facts))


def _beside(about: list[Fact], facts: list[Fact]) -> list[Fact]:
    """Facts about a value, and those about the columns they name."""
    columns = {c.sql() for f in about for c in f.condition.find_all(exp.Column)}
    return [f for f in facts if f in about or f.condition.sql() in {f"{c} IS NULL" for c in columns}]


def _compared(condition: exp.Expression) -> list[exp.Expression]:
    """The values of which NULL would make a condition NULL: what it compares."""
    if isinstance(condition, _ASKED):
        return [condition.this, condition.expression]
    return [condition.this] if isinstance(condition, exp.In) else []
