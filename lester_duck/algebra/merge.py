"""A join that only one grouping reads becomes part of that grouping, so that its rows are never stored.

A hidden step of joined rows has row ids of its own and would be a table; the grouping over it needs its
values and the rows of its inputs, and finds both in the join itself. Rows, order and provenance are the same.
Only a grouping without a condition of its own takes a step in: what it computes is then still computed of
rows that passed the step's conditions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sqlglot
from sqlglot import exp

from lester_duck.algebra.flatten import Flat, in_window, own_aggregates, own_nodes
from lester_duck.algebra.hoist import calls_in
from lester_duck.algebra.qualify import qualify
from lester_duck.algebra.relation import Block, Relation
from lester_duck.names import RID


def merge_join(
    flat: Flat,
    steps: Mapping[str, tuple[Flat, Block]],
    waiting: Iterable[Flat],
    relations: Mapping[str, Relation],
    functions: frozenset[str],
    where: str,
) -> tuple[Flat, str] | None:
    """``flat`` with the join it groups in place of the step, and that step's name; None where it stays a step.

    ``steps`` are the hidden steps of the view built so far, ``waiting`` those to come; ``functions`` are
    the declared functions and folds.
    """
    tree = sqlglot.parse_one(flat.sql, dialect="duckdb")
    if not isinstance(tree, exp.Select) or not _only_groups(tree) or calls_in(tree, functions):
        return None
    read = tree.args["from_"].this
    name = read.name if isinstance(read, exp.Table) else None
    if name not in steps or any(name in b.reads for _, b in steps.values()) or _mentions(name, (flat, *waiting)) != 1:
        return None
    step, block = steps[name]
    if not _is_join(block) or sqlglot.parse_one(step.sql, dialect="duckdb").args.get("order"):
        return None
    whole = qualify(tree, relations, where)
    merged = _merged(whole, sqlglot.parse_one(block.sql, dialect="duckdb"), block)
    return (Flat(flat.name, merged.sql("duckdb")), name) if merged else None


def _only_groups(tree: exp.Select) -> bool:
    """Whether a SELECT groups the rows of one relation, all of them, and does nothing else."""
    if not tree.args.get("from_") or any(tree.args.get(c) for c in ("joins", "where", "qualify", "windows")):
        return False
    if any(own_nodes(tree, exp.Window, exp.Explode)) or (tree.args.get("distinct") or exp.Distinct()).args.get("on"):
        return False
    return bool(tree.args.get("group") or tree.args.get("distinct")) or any(
        not in_window(n, tree) for n in own_aggregates(tree)
    )


def _mentions(name: str, flats: Iterable[Flat]) -> int:
    trees = (sqlglot.parse_one(f.sql, dialect="duckdb") for f in flats)
    return sum(1 for tree in trees for node in tree.find_all(exp.Table) if node.name == name)


def _is_join(block: Block) -> bool:
    """Whether a step is selection, projection and join, and would be stored."""
    if block.family != "spj" or block.calls or block.unnested:
        return False
    return block.own_ids or bool(block.references) or any(i.join in ("semi", "anti") for i in block.inputs)


def _merged(tree: exp.Select, step: exp.Select, block: Block) -> exp.Select | None:
    """The grouping ``tree`` over the FROM clause and the conditions of ``step``.

    None where it names what the step alone has (its row ids, the value of a subquery), where a constant would
    be read as the place of a column, and where one of the two uses an alias of the other again.
    """
    alias = tree.args["from_"].this.alias_or_name
    values = {n: e.unalias() for n, e in zip(block.columns, step.expressions, strict=True)}
    values |= {o.term.column: sqlglot.parse_one(o.expression, dialect="duckdb") for o in block.order}
    used = [node for node in tree.find_all(exp.Column) if node.table == alias]
    if any(node.name == RID or values[node.name].find(exp.Column) is None for node in used):
        return None
    if any(values[node.name].find(exp.Query) is not None for node in used):
        return None
    inside = {t.alias_or_name.lower() for t in step.find_all(exp.Table)}
    if inside & {t.alias_or_name.lower() for t in tree.find_all(exp.Table) if t is not tree.args["from_"].this}:
        return None
    for node in used:
        value = values[node.name].copy()
        node.replace(value if isinstance(value, exp.Column | exp.Func) else exp.paren(value))
    for clause in ("from_", "joins", "where"):
        tree.set(clause, step.args.get(clause))
    return tree
