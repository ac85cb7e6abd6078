"""Groups first, then what reads them: windows beside GROUP BY, and GROUPING SETS as one grouping each.

The aggregates and keys are computed in steps of their own, the rest of the SELECT over those. Each
grouping set is a step, so a NULL of the data and the NULL of a key left out are different groups.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from sqlglot import exp

from lester_duck.algebra.carve import Columns, Names, refuse_shadows, step_table
from lester_duck.algebra.flatten import Flat, in_window, is_aggregate, own_nodes
from lester_duck.algebra.hoist import transform_top_down
from lester_duck.algebra.relation import column
from lester_duck.algebra.ties import inline_named_windows
from lester_duck.errors import InputError, Unsupported

_AROUND = exp.Filter | exp.WithinGroup | exp.IgnoreNulls | exp.RespectNulls
_SETS = exp.Rollup | exp.Cube | exp.GroupingSets
GroupingSet = tuple[exp.Expression, ...]


def has_sets(tree: exp.Select) -> bool:
    """Whether a SELECT groups by ROLLUP, CUBE or GROUPING SETS."""
    group = tree.args.get("group")
    return bool(group) and any(isinstance(e, _SETS) for e in group.expressions)


def group_first(name: str, tree: exp.Select, names: Names, where: str) -> list[Flat]:
    """The grouping as a step (one for each set), and the rest of the SELECT over its rows."""
    tree = tree.copy()
    inline_named_windows(tree)
    rows = exp.select()
    rows.set("from_", tree.args.pop("from_"))
    for clause in ("joins", "where"):
        rows.set(clause, tree.args.pop(clause, None))
    group = tree.args.pop("group", None)
    aliases = {t.alias_or_name for t in own_nodes(rows, exp.Table)}
    refuse_shadows(tree, aliases, where)
    sets = grouping_sets(group, where)
    keys, aggregates, bits, alias = Columns(), Columns(), Columns(), names.alias("grouped")
    for key in itertools.chain.from_iterable(sets):
        keys.add(key, key.name if isinstance(key, exp.Column) else "key")
    several = bool(group) and any(isinstance(e, _SETS) for e in group.expressions)
    taken = Columns()
    for key_name, key in keys.items:
        taken.add(key, key_name)
    own = {id(n) for n in own_nodes(tree, exp.Expression)}

    def outside(node: exp.Expression) -> exp.Expression:
        if keys.name(node) is not None:
            return column(keys.name(node), alias)
        if several and id(node) in own and isinstance(node, exp.Grouping | exp.GroupingId):
            held = bits.add(node, taken.add(node, "bits"))
            return column(held, alias)
        if (id(node) in own or _reads(node, aliases)) and _is_whole_aggregate(node, tree):
            return column(aggregates.add(node, taken.add(node, "aggregate")), alias)
        return node

    outer = transform_top_down(tree, outside)
    _refuse_ungrouped(outer, aliases, where)
    having = outer.args.pop("having", None)
    if having:
        outer.set("where", exp.Where(this=having.this))
    if not several:
        step = names.step("groups")
        first = _grouping(rows, sets[0], keys, aggregates)
        return [Flat(step, first.sql("duckdb")), _over(name, outer, step, alias)]
    steps = [Flat(names.step("set"), _grouping(rows, s, keys, aggregates).sql("duckdb")) for s in sets]
    branches = [_branch(f.name, s, keys, aggregates, bits, where) for f, s in zip(steps, sets, strict=True)]
    union: exp.Expression = branches[0]
    for branch in branches[1:]:
        union = exp.Union(this=union, expression=branch, distinct=False)
    whole = names.step("sets")
    return [*steps, Flat(whole, union.sql("duckdb")), _over(name, outer, whole, alias)]


def _reads(node: exp.Expression, aliases: set[str]) -> bool:
    """Whether all columns of an aggregate in a subquery are those of the SELECT around: it is that one's."""
    columns = list(node.find_all(exp.Column))
    return bool(columns) and all(c.table in aliases for c in columns)


def grouping_sets(group: exp.Group | None, where: str) -> list[GroupingSet]:
    """The sets of keys a GROUP BY asks for, the finest of a ROLLUP or CUBE first.

    Several terms are combined: each set of one with each set of the next.
    """
    if group is None:
        return [()]
    per_term = [list(_sets_of(e)) for e in group.expressions]
    combined = [tuple(itertools.chain.from_iterable(chosen)) for chosen in itertools.product(*per_term)]
    if any(isinstance(e, exp.Literal) for s in combined for e in s):
        raise Unsupported("a position or constant in GROUPING SETS, ROLLUP or CUBE is not supported", where=where)
    return [tuple({e.sql("duckdb"): e for e in s}.values()) for s in combined]


def _sets_of(term: exp.Expression) -> Iterator[GroupingSet]:
    if isinstance(term, exp.Rollup):
        parts = [_composite(e) for e in term.expressions]
        for length in range(len(parts), -1, -1):
            yield tuple(itertools.chain.from_iterable(parts[:length]))
    elif isinstance(term, exp.Cube):
        parts = [_composite(e) for e in term.expressions]
        for kept in itertools.product((True, False), repeat=len(parts)):
            yield tuple(itertools.chain.from_iterable(itertools.compress(parts, kept)))
    elif isinstance(term, exp.GroupingSets):
        for item in term.expressions:
            yield from _sets_of(item) if isinstance(item, _SETS) else (_composite(item),)
    else:
        yield _composite(term)


def _composite(item: exp.Expression) -> GroupingSet:
    """Keys in one pair of parentheses stand and fall together."""
    if isinstance(item, exp.Tuple):
        return tuple(item.expressions)
    return (item.unnest(),) if isinstance(item, exp.Paren) else (item,)


def _is_whole_aggregate(node: exp.Expression, tree: exp.Expression) -> bool:
    """Whether a node is the call of an aggregate with all that belongs to it (FILTER, WITHIN GROUP)."""
    call = node
    while isinstance(call, _AROUND):
        call = call.this
    return is_aggregate(call) and not in_window(call, tree)


def _refuse_ungrouped(outer: exp.Select, aliases: set[str], where: str) -> None:
    for node in outer.find_all(exp.Column):
        if node.table in aliases:
            raise InputError(
                f"the column '{node.name}' is neither a grouping key nor inside an aggregate",
                where=where,
                hint=f"group by it, or write first({node.name})",
            )


def _grouping(rows: exp.Select, keys: GroupingSet, known: Columns, aggregates: Columns) -> exp.Select:
    select = rows.copy()
    shown = [exp.alias_(k.copy(), known.name(k), quoted=True) for k in keys]
    shown += [exp.alias_(e.copy(), n, quoted=True) for n, e in aggregates.items]
    if not aggregates.items:
        shown.append(exp.alias_(exp.Count(this=exp.Star(), big_int=True), "rows_of_group", quoted=True))
    select.set("expressions", shown)
    if keys:
        select.set("group", exp.Group(expressions=[k.copy() for k in keys]))
    return select


def _branch(step: str, keys: GroupingSet, known: Columns, aggregates: Columns, bits: Columns, where: str) -> exp.Select:
    """The rows of one set with all keys, NULL for those it leaves out."""
    held = {k.sql("duckdb") for k in keys}
    shown = [
        exp.alias_(column(n, "g") if e.sql("duckdb") in held else exp.null(), n, quoted=True) for n, e in known.items
    ]
    shown += [exp.alias_(column(n, "g"), n, quoted=True) for n, _ in aggregates.items]
    shown += [exp.alias_(_bits(e, held, known, where), n, quoted=True) for n, e in bits.items]
    if not shown:
        shown = [exp.alias_(column("rows_of_group", "g"), "rows_of_group", quoted=True)]
    return exp.select(*shown).from_(step_table(step, "g"))


def _bits(call: exp.Grouping | exp.GroupingId, held: set[str], known: Columns, where: str) -> exp.Expression:
    """``GROUPING(a, b)`` of a set: one bit per key, set where the key is left out, the first key's the highest."""
    number = 0
    for argument in call.expressions:
        if known.name(argument) is None:
            raise InputError("an argument of GROUPING is no grouping key", where=where, sql=call.sql("duckdb"))
        number = 2 * number + (argument.sql("duckdb") not in held)
    return exp.cast(exp.Literal.number(number), "BIGINT")


def _over(name: str, outer: exp.Select, step: str, alias: str) -> Flat:
    outer.set("from_", exp.From(this=step_table(step, alias)))
    return Flat(name, outer.sql("duckdb"))
