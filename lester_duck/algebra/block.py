"""One flattened step -> a ``Block``: its operator family, inputs, keys, order key and provenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import sqlglot
from sqlglot import exp

from lester_duck.algebra.constants import is_constant_item
from lester_duck.algebra.expand import expand
from lester_duck.algebra.flatten import Flat, flatten, in_window, is_plain, own_aggregates, own_nodes
from lester_duck.algebra.folds import FoldCall, find_folds
from lester_duck.algebra.hoist import calls_in, check_calls, order_clause, split_calls
from lester_duck.algebra.limits import distinct_on_as_window
from lester_duck.algebra.merge import merge_join
from lester_duck.algebra.nested import prepare_subqueries
from lester_duck.algebra.order_key import input_order, order_key
from lester_duck.algebra.parse import parse_view
from lester_duck.algebra.qualify import ordered_term, qualify
from lester_duck.algebra.relation import (
    Block,
    Input,
    JoinKind,
    Key,
    Order,
    OrderTerm,
    Relation,
    column,
    input_provenance,
    location,
    row_id_column,
)
from lester_duck.algebra.ties import break_ties, break_ties_inside
from lester_duck.algebra.unread import without_unread_order
from lester_duck.errors import InputError, InternalError, Unsupported
from lester_duck.names import is_reserved_column


def build_blocks(
    view: str,
    sql: str,
    relations: Mapping[str, Relation],
    functions: frozenset[str],
    where: str | None = None,
    first_line: int = 1,
    folds: frozenset[str] = frozenset(),
) -> tuple[Block, ...]:
    """All blocks of a view in dependency order; the last one is the view itself.

    ``relations`` are the sources and earlier views; ``functions`` and ``folds`` are names of declared
    functions of a row and of a sequence of rows. Raises InputError or Unsupported naming the
    construct and ``where``.
    """
    where = where or f"views/{view}.sql"
    known = dict(relations)
    blocks = []
    flats = flatten(view, prepare_subqueries(parse_view(sql, where, first_line)))
    names = {f.name for f in flats}
    waiting = list(reversed(flats))
    hidden: dict[str, tuple[Flat, Block]] = {}
    while waiting:
        flat = waiting.pop()
        simpler = expand(flat, known, names, where)
        if simpler:
            waiting += reversed(simpler)
            continue
        taken_in = merge_join(flat, hidden, waiting, known, functions | folds, where)
        if taken_in:
            flat, name = taken_in
            blocks.remove(hidden.pop(name)[1])
            del known[name]
        for block in _hoist_calls(view, flat, known, functions, where):
            block = replace(block, folds=_folds(block, folds, where))
            blocks.append(block)
            known[block.name] = block.relation()
            hidden[block.name] = (flat, block)
    return without_unread_order(view, blocks)


def _folds(block: Block, folds: frozenset[str], where: str) -> tuple[FoldCall, ...]:
    if block.family != "window" or not folds:
        return ()
    return find_folds(sqlglot.parse_one(block.sql, dialect="duckdb"), block.name, folds, where)


def _hoist_calls(
    view: str, flat: Flat, known: Mapping[str, Relation], functions: frozenset[str], where: str
) -> tuple[Block, ...]:
    """A grouping or window step that calls functions reads them from a step of their own."""
    block = _build(view, flat, known, functions, where)
    for part in block.branches or (block,):
        check_calls(part, functions, where)
    if not block.calls or block.family == "spj":
        return (block,)
    if block.family == "union":
        raise Unsupported(
            "a function call in a UNION ALL branch is not supported",
            where=where,
            hint="give the branch a CTE of its own",
        )
    tree = sqlglot.parse_one(block.sql, dialect="duckdb")
    inner, outer = split_calls(tree, f"{flat.name}__calls", functions, where)
    first = _build(view, Flat(f"{flat.name}__calls", inner.sql("duckdb")), known, functions, where)
    order = order_clause(flat, known, functions, where)
    if order:
        outer.set("order", order)
    second = _build(
        view, Flat(flat.name, outer.sql("duckdb")), {**known, first.name: first.relation()}, functions, where
    )
    return (first, second)


def _build(view: str, flat: Flat, relations: Mapping[str, Relation], functions: frozenset[str], where: str) -> Block:
    tree = sqlglot.parse_one(flat.sql, dialect="duckdb")
    if isinstance(tree, exp.Union):
        return _union(view, flat, tree, relations, functions, where)
    if is_constant_item(tree.args["from_"].this):
        return _constant(view, flat, tree)
    return _select(view, flat.name, tree, relations, functions, where, set())


def _constant(view: str, flat: Flat, tree: exp.Select) -> Block:
    schema, table = location(view, flat.name)
    return Block(
        name=flat.name, view=view, family="constant", schema=schema, table=table, sql=flat.sql,
        columns=tuple(e.alias_or_name for e in tree.expressions),
        order=(Order(term=OrderTerm(column="_pos"), expression="row_number() OVER ()"),),
    )  # fmt: skip


def _union(
    view: str, flat: Flat, tree: exp.Union, relations: Mapping[str, Relation], functions: frozenset[str], where: str
) -> Block:
    selects = []
    while isinstance(tree, exp.Union):
        selects.append(tree.right)
        tree = tree.left
    selects.append(tree)
    selects.reverse()
    taken: set[str] = set()
    branches: list[Block] = []
    for number, select in enumerate(selects, 1):
        named = branches[0].columns if branches else None
        name = f"{flat.name}__branch{number}"
        branches.append(_select(view, name, select, relations, functions, where, taken, named))
    widths = {len(b.columns) for b in branches}
    if len(widths) != 1:
        raise InputError(
            f"the branches of UNION ALL have different numbers of columns: {sorted(widths)}", where=where, sql=flat.sql
        )
    branches = _align_branches(branches)
    if flat.compared:
        branches[-1] = replace(branches[-1], compared=True)
    schema, table = location(view, flat.name)
    order = [Order(term=OrderTerm(column="_pos_1"), expression="branch")]
    order += [o for b in branches for o in b.order if o.term.column != "_pos_1"]
    return Block(
        name=flat.name, view=view, family="union", schema=schema, table=table,
        columns=branches[0].columns, branches=tuple(branches),
        calls=tuple(dict.fromkeys(c for b in branches for c in b.calls)), order=tuple(order),
    )  # fmt: skip


def _align_branches(branches: list[Block]) -> list[Block]:
    """Order columns of a union: the branch number first, then each branch's own terms."""
    aligned, offset = [], 2
    for number, branch in enumerate(branches, 1):
        own = []
        for place, order in enumerate(branch.order):
            own.append(replace(order, term=replace(order.term, column=f"_pos_{offset + place}")))
        offset += len(own)
        first = Order(term=OrderTerm(column="_pos_1"), expression=str(number))
        aligned.append(replace(branch, columns=branches[0].columns, order=(first, *own), branch=True))
    return aligned


def _select(
    view: str,
    name: str,
    tree: exp.Select,
    relations: Mapping[str, Relation],
    functions: frozenset[str],
    where: str,
    taken: set[str],
    named: tuple[str, ...] | None = None,
) -> Block:
    """A block of one SELECT; ``named`` are the output columns of the first branch, where it is a later one."""
    if not tree.args.get("from_"):
        raise Unsupported("a view without FROM is not supported", where=where, hint="write (VALUES (...)) AS t(a, b)")
    tree = qualify(distinct_on_as_window(tree, where), relations, where)
    if named is not None and len(named) == len(tree.expressions):
        renamed = [exp.alias_(e.unalias(), n, quoted=True) for e, n in zip(tree.expressions, named, strict=True)]
        tree.set("expressions", renamed)
    family = _family(tree)
    inputs = _inputs(tree, relations, taken, where)
    break_ties(tree, [ordered_term(column(t.column, alias), t) for alias, t in input_order(inputs, relations)])
    break_ties_inside(tree, relations)
    unnested = _unnested(tree, family, functions, where)
    order = order_key(tree, family, inputs, relations, unnested)
    keys = _keys(tree, family)
    names = tuple(e.alias_or_name for e in tree.expressions)
    _check_outputs(names, where)
    calls = calls_in(tree, functions)
    tree.set("order", None)
    if family == "group" and tree.args.get("distinct"):
        tree.set("distinct", None)
        tree.set("group", exp.Group(expressions=[e.unalias().copy() for e in tree.expressions]))
    schema, table = location(view, name)
    return Block(
        name=name, view=view, family=family, schema=schema, table=table, columns=names, sql=tree.sql("duckdb"),
        inputs=inputs, references=_references(tree), calls=calls, keys=keys, order=order,
        unnested=unnested,
    )  # fmt: skip


def _unnested(tree: exp.Select, family: str, functions: frozenset[str], where: str) -> str | None:
    """The list that a SELECT unnests into rows, as SQL; None for most."""
    lists = {n.this.sql("duckdb"): n for n in own_nodes(tree, exp.Explode)}
    if not lists:
        return None
    if family != "spj" or calls_in(tree, functions):
        raise Unsupported(
            "unnest() together with function calls is not supported", where=where, hint="unnest in a CTE of its own"
        )
    if len(lists) == 1:
        return next(iter(lists))
    return f"range(greatest({', '.join(f'coalesce(len({text}), 0)' for text in lists)}))"


def _family(tree: exp.Select) -> str:
    grouped = tree.args.get("group") or tree.args.get("having") or tree.args.get("distinct")
    windows = any(own_nodes(tree, exp.Window)) or tree.args.get("qualify")
    aggregates = any(not in_window(n, tree) for n in own_aggregates(tree))
    if windows:
        return "window"
    if grouped or aggregates:
        return "group"
    bare = tree.copy()
    bare.set("order", None)
    if not is_plain(bare) and not any(own_nodes(tree, exp.Explode)):
        raise InternalError("a SELECT that is neither plain, grouped nor windowed", sql=tree.sql("duckdb"))
    return "spj"


def _inputs(tree: exp.Select, relations: Mapping[str, Relation], taken: set[str], where: str) -> tuple[Input, ...]:
    inputs = []
    for item in [tree.args["from_"], *(tree.args.get("joins") or [])]:
        if not isinstance(item.this, exp.Table) or isinstance(item.this.this, exp.Func):
            raise Unsupported(
                f"{item.this.sql('duckdb')} in FROM is not supported", where=where, hint="see docs/unsupported.md"
            )
        relation = relations[item.this.name]
        kind = _join_kind(item)
        if kind in ("semi", "anti"):
            inputs.append(Input(alias=item.this.alias_or_name, relation=relation.name, join=kind, row=None))
            continue
        row = row_id_column(relation, taken)
        taken.add(row)
        provenance = input_provenance(relation, row, taken)
        inputs.append(
            Input(alias=item.this.alias_or_name, relation=relation.name, join=kind, row=row, provenance=provenance)
        )
    return tuple(inputs)


def _join_kind(item: exp.Expression) -> JoinKind:
    if isinstance(item, exp.From):
        return "from"
    if item.kind in ("SEMI", "ANTI"):
        return item.kind.lower()
    return "left" if item.side == "LEFT" else "inner"


def _keys(tree: exp.Select, family: str) -> tuple[Key, ...]:
    if family == "group":
        group = tree.args.get("group")
        expressions = (
            [e.unalias() for e in tree.expressions]
            if tree.args.get("distinct")
            else (group.expressions if group else [])
        )
    elif family == "window":
        expressions = _common_partition(tree)
    else:
        return ()
    outputs = {e.unalias().sql("duckdb"): e.alias_or_name for e in reversed(tree.expressions)}
    keys = []
    for number, expression in enumerate(expressions, 1):
        text = expression.sql("duckdb")
        shown = outputs.get(text)
        keys.append(Key(expression=text, column=shown or f"_key_{number}", hidden=shown is None))
    return tuple(keys)


def _common_partition(tree: exp.Select) -> list[exp.Expression]:
    """Expressions by which every window of the SELECT is partitioned (empty: one partition)."""
    common: list[exp.Expression] | None = None
    for window in own_nodes(tree, exp.Window):
        by = window.args.get("partition_by") or []
        common = list(by) if common is None else [e for e in common if e in by]
    return [e.copy() for e in common or []]


def _references(tree: exp.Select) -> tuple[str, ...]:
    direct = {id(i.this) for i in [tree.args["from_"], *(tree.args.get("joins") or [])]}
    return tuple(dict.fromkeys(t.name for t in tree.find_all(exp.Table) if id(t) not in direct))


def _check_outputs(names: tuple[str, ...], where: str) -> None:
    for name in names:
        if not name or is_reserved_column(name):
            raise InputError(
                f"the output column {name!r} needs a name",
                where=where,
                hint="give it one: expression AS name (a leading underscore is reserved)",
            )
    twice = [n for n in names if names.count(n) > 1]
    if twice:
        raise InputError(
            f"the output column {twice[0]!r} appears twice", where=where, hint="give one of them another name"
        )
