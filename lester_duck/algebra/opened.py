"""A semi join or a subquery in an expression, made a join: the rows that matched a row beside that row.

What a subquery does with the rows its WHERE lets through (aggregates, groups, order) does not matter
here: they all contributed. Those that ``NOT``, ``ALL`` and the right side of EXCEPT keep out did not.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from lester_duck.algebra.constants import function_column, is_function_item
from lester_duck.algebra.flatten import is_plain
from lester_duck.algebra.nested import own_items, place_of, subqueries
from lester_duck.algebra.relation import quoted

Occurrence = tuple[str, str]
"""Alias and relation of a table whose rows are witnesses."""


def opened(tree: exp.Select, mixes_rows: bool) -> Iterator[tuple[exp.Select, list[Occurrence]]]:
    """Variants of a SELECT with one semi join or subquery made a join, and what is a witness there.

    Its WHERE is kept where rows are found by key only: a row id has passed it already.
    """
    plain = tree.copy()
    if not mixes_rows:
        plain.set("where", None)
    for place, join in enumerate(tree.args.get("joins") or []):
        if join.kind == "SEMI":
            variant = plain.copy()
            variant.args["joins"][place].set("kind", None)
            yield variant, [(join.this.alias_or_name, join.this.name)]
    taken: set[str] = set()
    for query in _outermost(tree):
        yield from _variants(_without_implied(plain, tree, query), query, taken)


def _without_implied(variant: exp.Select, tree: exp.Select, query: exp.Query) -> exp.Select:
    """``variant``, a copy of ``tree``, without the condition that is true wherever rows of ``query`` are joined."""
    conditions = _conjuncts(tree)
    place = next((n for n, c in enumerate(conditions) if c is place_of(query).parent), None)
    if place is None or not variant.args.get("where") or not _says_only_that_rows_match(query):
        return variant
    variant = variant.copy()
    others = [exp.paren(c) for n, c in enumerate(_conjuncts(variant)) if n != place]
    variant.set("where", exp.Where(this=exp.and_(*others)) if others else None)
    return variant


def _conjuncts(tree: exp.Select) -> list[exp.Expression]:
    where = tree.args.get("where")
    parts = (where.this.flatten() if isinstance(where.this, exp.And) else [where.this]) if where else []
    return [part.unnest() for part in parts]


def _says_only_that_rows_match(query: exp.Query) -> bool:
    """Whether an EXISTS or IN holds exactly where a row of the tables its subquery reads can be joined."""
    if not isinstance(place_of(query).parent, exp.Exists | exp.In):
        return False
    return isinstance(query, exp.Select) and is_plain(query) and all(isinstance(i, exp.Table) for i in own_items(query))


def _outermost(tree: exp.Select) -> list[exp.Query]:
    return [q for q in subqueries(tree) if not _is_kept_out(q)]


def _is_kept_out(query: exp.Query) -> bool:
    """Whether a row is there because the subquery has no row for it: NOT EXISTS, NOT IN, ALL in WHERE."""
    place = place_of(query)
    holder = place.parent
    if isinstance(holder, exp.All):
        return True
    if not isinstance(holder, exp.Exists | exp.In):
        return False
    while isinstance(holder.parent, exp.Paren):
        holder = holder.parent
    negated = holder.parent
    if not isinstance(negated, exp.Not):
        return False
    above = negated.parent
    while isinstance(above, exp.And | exp.Paren):
        above = above.parent
    return isinstance(above, exp.Where)


def _variants(
    tree: exp.Select, query: exp.Query, taken: set[str]
) -> Iterator[tuple[exp.Select, list[Occurrence]]]:
    """``tree`` joined with what each branch of a subquery reads, then with what the subqueries in it read."""
    for branch in _branches(query):
        opening = _Opening(branch, taken)
        variant = tree.copy()
        variant.set("joins", [*(variant.args.get("joins") or []), *opening.joins])
        tests = [*opening.tests, *_matches(query, branch, opening)]
        held = variant.args.get("where")
        kept = ([held.this] if held else []) + tests
        if kept:
            variant.set("where", exp.Where(this=exp.and_(*[exp.paren(k.copy()) for k in kept])))
        if opening.occurrences:
            yield variant.copy(), opening.occurrences
        for test in [*opening.tests, *(e.copy() for e in opening.shown)]:
            for nested in [q for q in subqueries(exp.Paren(this=test.copy())) if not _is_kept_out(q)]:
                yield from _variants(variant, nested, taken)


def _branches(query: exp.Expression) -> Iterator[exp.Select]:
    """The SELECTs whose rows reach the result of a query; the right side of EXCEPT only keeps rows out."""
    if isinstance(query, exp.SetOperation):
        yield from _branches(query.this)
        if not isinstance(query, exp.Except):
            yield from _branches(query.expression)
    elif isinstance(query, exp.Subquery):
        yield from _branches(query.this)
    else:
        yield query


class _Opening:
    """What a SELECT reads as joins under new aliases, the conditions on it, and its tables."""

    def __init__(self, select: exp.Select, taken: set[str]) -> None:
        self.joins: list[exp.Join] = []
        self.tests: list[exp.Expression] = []
        self.occurrences: list[Occurrence] = []
        self.shown: list[exp.Expression] = []
        self._unknown: set[str] = set()
        self._renamed: dict[str, str] = {}
        self._add(select.copy(), taken)
        self.joins = [self._rename(j) for j in self.joins]
        self.tests = [self._rename(t) for t in self.tests if not self._reads_unknown(t)]
        self.shown = [self._rename(e.unalias().copy()) for e in select.expressions]

    def _add(self, select: exp.Select, taken: set[str]) -> None:
        joins = {id(j.this): j for j in select.args.get("joins") or []}
        for item in own_items(select):
            join = joins.get(id(item))
            if isinstance(item, exp.Subquery | exp.Lateral):
                self._unknown.add(item.alias_or_name)
                for branch in _branches(item.this):
                    self._add(branch, taken)
                continue
            alias = f"witness_{len(taken) + 1}"
            taken.add(alias)
            self._renamed[function_column(item)[0] if is_function_item(item) else item.alias_or_name] = alias
            new = item.copy()
            columns = [quoted(function_column(item)[1])] if is_function_item(item) else None
            new.set("alias", exp.TableAlias(this=quoted(alias), columns=columns))
            opened = join.copy() if join is not None else exp.Join(kind="CROSS")
            opened.set("this", new)
            if join is not None and self._reads_unknown(opened):
                opened = exp.Join(this=new, kind="CROSS")
            self.joins.append(opened)
            if not is_function_item(item) and opened.kind not in ("SEMI", "ANTI"):
                self.occurrences.append((alias, item.name))
        if select.args.get("where"):
            self.tests.append(select.args["where"].this)

    def _reads_unknown(self, node: exp.Expression) -> bool:
        """Whether a condition is on what a derived table computes: it is left out, which keeps more rows."""
        return any(c.table in self._unknown for c in node.find_all(exp.Column))

    def _rename(self, node: exp.Expression) -> exp.Expression:
        for column in node.find_all(exp.Column):
            if column.table in self._renamed:
                column.set("table", quoted(self._renamed[column.table]))
        return node

    def reads_unknown(self, node: exp.Expression) -> bool:
        """As for a condition of the SELECT."""
        return self._reads_unknown(node)


def _matches(query: exp.Query, branch: exp.Select, opening: _Opening) -> list[exp.Expression]:
    """IN and ANY: the rows whose values match. Values of groups match as all rows they may be made of."""
    holder = place_of(query).parent
    clauses = ("group", "having", "qualify", "distinct", "limit", "offset")
    if any(branch.args.get(c) for c in clauses if c != "distinct") or any(
        isinstance(n, exp.AggFunc | exp.Window) for e in branch.expressions for n in e.walk()
    ):
        return []
    if isinstance(holder, exp.In):
        left = holder.this.unnest()
        mine = left.expressions if isinstance(left, exp.Tuple) else [left]
        pairs = [(m.copy(), o.copy(), exp.EQ) for m, o in zip(mine, opening.shown, strict=False)]
    elif isinstance(holder, exp.Any) and isinstance(holder.parent, exp.Binary):
        test = holder.parent
        pairs = [(test.this.copy(), opening.shown[0].copy(), type(test))]
    else:
        return []
    return [kind(this=m, expression=o) for m, o, kind in pairs if not opening.reads_unknown(o)]
