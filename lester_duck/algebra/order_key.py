"""The order key of a block: what its own ORDER BY says, then the keys of its inputs."""

from __future__ import annotations

from collections.abc import Mapping

import sqlglot
from sqlglot import exp

from lester_duck.algebra.compute import ordinal
from lester_duck.algebra.qualify import ordered_term
from lester_duck.algebra.relation import Input, Order, OrderTerm, Relation, column


def order_key(
    tree: exp.Select,
    family: str,
    inputs: tuple[Input, ...],
    relations: Mapping[str, Relation],
    unnested: str | None,
) -> tuple[Order, ...]:
    """The order key: ORDER BY first, then the inputs' keys from left to right, then the place in an unnested list.

    A group takes the key of its first row in input order.
    """
    outputs = {e.alias_or_name: e.unalias() for e in tree.expressions}
    own = tree.args["order"].expressions if tree.args.get("order") else []
    terms = []
    for item in own:
        expression = item.this
        if isinstance(expression, exp.Column) and not expression.table and expression.name in outputs:
            expression = outputs[expression.name]
        terms.append((expression.copy(), bool(item.args.get("desc")), not item.args.get("nulls_first")))
    inherited = [(column(t.column, alias), t.descending, t.nulls_last) for alias, t in input_order(inputs, relations)]
    if unnested:
        inherited.append((sqlglot.parse_one(ordinal(unnested), dialect="duckdb"), False, True))
    if family == "group":
        if _decided(tree, outputs, terms):
            inherited = []
        else:
            count = _deciding(tree, outputs, inputs)
            leading = {i.alias for i in [i for i in inputs if i.row][:count]}
            inherited = _first_of_group([t for t in inherited if t[0].table in leading])
        if not terms and not inherited:
            terms = [(exp.Literal.number(0), False, True)]  # one row
    terms = _without_repeats(terms + inherited)
    names = ["_pos"] if len(terms) == 1 else [f"_pos_{n}" for n in range(1, len(terms) + 1)]
    return tuple(
        Order(term=OrderTerm(column=name, descending=d, nulls_last=last), expression=e.sql("duckdb"))
        for name, (e, d, last) in zip(names, terms, strict=True)
    )


def _decided(
    tree: exp.Select, outputs: Mapping[str, exp.Expression], terms: list[tuple[exp.Expression, bool, bool]]
) -> bool:
    """Whether no two groups are equal in what ORDER BY says: it holds every key, or there is one group only."""
    group = tree.args.get("group")
    if group is None:
        return tree.args.get("distinct") is None
    if any(group.args.get(kind) for kind in ("rollup", "cube", "grouping_sets", "all")):
        return False
    ordered = {expression for expression, _, _ in terms}
    return bool(group.expressions) and all(_key(key, tree, outputs) in ordered for key in group.expressions)


def _deciding(tree: exp.Select, outputs: Mapping[str, exp.Expression], inputs: tuple[Input, ...]) -> int:
    """How many inputs, from the left, decide the group of a row: their rows are in one group each.

    Where the keys are computed from the first inputs alone, no row of theirs is the first of two groups.
    """
    rows = [i.alias for i in inputs if i.row]
    group = tree.args.get("group")
    if group is None:
        keys = [e.unalias() for e in tree.expressions] if tree.args.get("distinct") else []
    elif any(group.args.get(kind) for kind in ("rollup", "cube", "grouping_sets", "all")):
        return len(rows)
    else:
        keys = [_key(k, tree, outputs) for k in group.expressions]
    if any(k.find(exp.Query) for k in keys):
        return len(rows)
    read = {c.table for k in keys for c in k.find_all(exp.Column)}
    return max((n for n, alias in enumerate(rows, 1) if alias in read), default=1) if read <= set(rows) else len(rows)


def _key(key: exp.Expression, tree: exp.Select, outputs: Mapping[str, exp.Expression]) -> exp.Expression:
    """A grouping key that is given by its place, or by the name of an output, as what it stands for."""
    if isinstance(key, exp.Literal) and key.is_int and 0 < int(key.name) <= len(tree.expressions):
        return tree.expressions[int(key.name) - 1].unalias()
    if isinstance(key, exp.Column) and not key.table and key.name in outputs:
        return outputs[key.name]
    return key


def input_order(inputs: tuple[Input, ...], relations: Mapping[str, Relation]) -> list[tuple[str, OrderTerm]]:
    """Order terms of the rows a block reads, with the alias each belongs to: left input before right."""
    return [(i.alias, term) for i in inputs if i.row for term in relations[i.relation].order]


def _without_repeats(terms: list[tuple[exp.Expression, bool, bool]]) -> list[tuple[exp.Expression, bool, bool]]:
    """An expression already ordered by decides nothing a second time."""
    first: dict[str, tuple[exp.Expression, bool, bool]] = {}
    for term in terms:
        first.setdefault(term[0].sql("duckdb"), term)
    return list(first.values())


def _first_of_group(terms: list[tuple[exp.Expression, bool, bool]]) -> list[tuple[exp.Expression, bool, bool]]:
    """The order key of a group's first row: the least, which a descending term only has by its own order."""
    if any(descending or not last for _, descending, last in terms):
        by = [ordered_term(e.copy(), OrderTerm(column="", descending=d, nulls_last=n)) for e, d, n in terms]
        first = [exp.First(this=exp.Order(this=e.copy(), expressions=[b.copy() for b in by])) for e, _, _ in terms]
    elif len(terms) == 1:
        first = [exp.Min(this=terms[0][0])]
    else:
        least = exp.Min(this=exp.Anonymous(this="row", expressions=[e.copy() for e, _, _ in terms]))
        first = [exp.func("struct_extract_at", least.copy(), exp.Literal.number(n)) for n, _ in enumerate(terms, 1)]
    return [(f, d, n) for f, (_, d, n) in zip(first, terms, strict=True)]
