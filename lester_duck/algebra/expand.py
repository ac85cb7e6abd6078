"""One step with an operator that has no rule of its own -> steps that have one; its rows stay the same.

Rules are tried from the outside inwards: LIMIT, DISTINCT, windows beside grouping, joins. What a rule
gives is expanded again, so one SELECT may use all of them. Each rule works on a qualified tree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import sqlglot
from sqlglot import exp

from lester_duck.algebra.carve import Names
from lester_duck.algebra.flatten import Flat, is_special, own_nodes
from lester_duck.algebra.grouping import group_first, has_sets
from lester_duck.algebra.joins import as_supported_joins
from lester_duck.algebra.laterals import has_laterals, lateral_first
from lester_duck.algebra.limits import distinct_last, distinct_on_as_window, limit_last, show_distinct_keys
from lester_duck.algebra.nested import has_subqueries
from lester_duck.algebra.pivot import is_pivoted, pivoted
from lester_duck.algebra.qualify import qualify
from lester_duck.algebra.relation import Relation
from lester_duck.algebra.set_operations import compare_branches
from lester_duck.algebra.subqueries import (
    has_values_in_clauses,
    has_values_of_groups,
    is_grouped,
    subqueries_first,
    values_first,
)
from lester_duck.algebra.unnests import has_unnest_inside, unnest_apart
from lester_duck.errors import InputError


def expand(flat: Flat, relations: Mapping[str, Relation], names: set[str], where: str) -> tuple[Flat, ...]:
    """The simpler steps that stand for ``flat``, the last under its own name; none where it is simple.

    ``names`` are the steps of the view; new ones are added.
    """
    tree = sqlglot.parse_one(flat.sql, dialect="duckdb")
    if flat.columns:
        return (_renamed(flat, tree, relations, where),)
    if isinstance(tree, exp.Except | exp.Intersect):
        return compare_branches(flat.name, tree, relations, Names(flat.name, names, tree), where)
    if is_pivoted(tree):
        return pivoted(flat.name, tree, relations, Names(flat.name, names, tree), where)
    if not isinstance(tree, exp.Select) or not tree.args.get("from_"):
        return ()
    if has_laterals(tree):
        return lateral_first(flat.name, tree, relations, Names(flat.name, names, tree), where)
    for applies, rule in RULES:
        if applies(tree):
            shown = (show_distinct_keys if rule is distinct_last else distinct_on_as_window)(tree, where)
            whole = qualify(shown, relations, where)
            simpler = tuple(rule(flat.name, whole, Names(flat.name, names, whole), where))
            if simpler:
                return simpler
    return ()


def _renamed(flat: Flat, tree: exp.Select, relations: Mapping[str, Relation], where: str) -> Flat:
    """A read of one relation with the first of its columns renamed."""
    tree = qualify(tree, relations, where)
    if len(flat.columns) > len(tree.expressions):
        raise InputError(
            f"{len(flat.columns)} names are listed for {len(tree.expressions)} columns: {', '.join(flat.columns)}",
            where=where,
        )
    given = [*flat.columns, *(e.alias_or_name for e in tree.expressions[len(flat.columns) :])]
    shown = [exp.alias_(e.unalias(), name, quoted=True) for e, name in zip(tree.expressions, given, strict=True)]
    tree.set("expressions", shown)
    return Flat(flat.name, tree.sql("duckdb"))


def _is_limited(tree: exp.Select) -> bool:
    return bool(tree.args.get("limit") or tree.args.get("offset"))


def _has_windows(tree: exp.Select) -> bool:
    return bool(tree.args.get("qualify")) or any(own_nodes(tree, exp.Window))


def _is_distinct_beside(tree: exp.Select) -> bool:
    several = is_grouped(tree) or _has_windows(tree) or any(own_nodes(tree, exp.Explode))
    return bool(tree.args.get("distinct")) and several


def _is_window_beside_group(tree: exp.Select) -> bool:
    return is_grouped(tree) and (_has_windows(tree) or has_sets(tree) or has_values_of_groups(tree))


def _has_special_join(tree: exp.Select) -> bool:
    return any(is_special(j) for j in tree.args.get("joins") or [])


Rule = Callable[[str, exp.Select, Names, str], Sequence[Flat]]
RULES: tuple[tuple[Callable[[exp.Select], bool], Rule], ...] = (
    (_is_limited, limit_last),
    (_is_distinct_beside, distinct_last),
    (has_subqueries, subqueries_first),
    (has_values_in_clauses, values_first),
    (has_unnest_inside, unnest_apart),
    (_is_window_beside_group, group_first),
    (_has_special_join, as_supported_joins),
)
