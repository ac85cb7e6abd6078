"""One flattened step -> a ``Block``: its operator family, inputs, keys, order key and provenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import sqlglot
from sqlglot import exp

from lester_duck.algebra.compute import ordinal
from lester_duck.algebra.flatten import Flat, flatten, is_aggregate, is_plain, own_aggregates, own_nodes
from lester_duck.algebra.folds import FoldCall, find_folds
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
from lester_duck.algebra.ties import break_ties
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
    for flat in flatten(view, parse_view(sql, where, first_line)):
        for block in _hoist_calls(view, flat, known, functions, where):
            block = replace(block, folds=_folds(block, folds, where))
            blocks.append(block)
            known[block.name] = block.relation()
    return tuple(blocks)


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
        _check_calls(part, functions, where)
    if not block.calls or block.family == "spj":
        return (block,)
    if block.family == "union":
        raise Unsupported(
            "a function call in a UNION ALL branch is not supported",
            where=where,
            hint="give the branch a CTE of its own",
        )
    tree = sqlglot.parse_one(block.sql, dialect="duckdb")
    inner, outer = _split_calls(tree, f"{flat.name}__calls", functions, where)
    first = _build(view, Flat(f"{flat.name}__calls", inner.sql("duckdb")), known, functions, where)
    order = _order_clause(flat, known, functions, where)
    if order:
        outer.set("order", order)
    second = _build(
        view, Flat(flat.name, outer.sql("duckdb")), {**known, first.name: first.relation()}, functions, where
    )
    return (first, second)


def _check_calls(block: Block, functions: frozenset[str], where: str) -> None:
    """Calls stand in the select list or in WHERE; elsewhere their rows would not be known before the join."""
    if not block.calls:
        return
    tree = sqlglot.parse_one(block.sql, dialect="duckdb")
    places = [("a JOIN condition", join.args.get("on")) for join in tree.args.get("joins") or []]
    places += [("a subquery", node) for node in tree.find_all(exp.Query) if node is not tree]
    for place, node in places:
        if node is not None and calls_in(node, functions):
            raise Unsupported(
                f"a function call in {place} is not supported", where=where, hint="call it in a view before this one"
            )


def _order_clause(flat: Flat, known: Mapping[str, Relation], functions: frozenset[str], where: str) -> exp.Order | None:
    tree = sqlglot.parse_one(flat.sql, dialect="duckdb")
    order = tree.args.get("order")
    if order and calls_in(order, functions):
        raise Unsupported(
            "a function call in ORDER BY is not supported here",
            where=where,
            hint="compute it in a view before this one",
        )
    return order.copy() if order else None


def _split_calls(tree: exp.Select, name: str, functions: frozenset[str], where: str) -> tuple[exp.Select, exp.Select]:
    """Divide a SELECT into one that computes calls row by row, and one that groups its rows."""
    for node in list(own_nodes(tree, exp.Anonymous)):
        if node.name.lower() in functions and _mixes(node):
            raise Unsupported(
                "a function of an aggregate is not supported here",
                where=where,
                hint="compute the aggregate in a view before this one",
            )
    group = tree.args.get("group")
    keys = {k.sql("duckdb") for k in (group.expressions if group else []) if calls_in(k, functions)}
    replacements: dict[str, tuple[exp.Expression, str]] = {}

    def keep(node: exp.Expression) -> exp.Expression:
        text = node.sql("duckdb")
        if text not in replacements:
            base = node.name if isinstance(node, exp.Column) and not is_reserved_column(node.name) else "call"
            taken = {n for _, n in replacements.values()}
            free, number = base, 2
            while free in taken:
                free, number = f"{base}_{number}", number + 1
            replacements[text] = (node.copy(), free)
        return column(replacements[text][1], "calls")

    def visit(node: exp.Expression) -> exp.Expression:
        return keep(node) if isinstance(node, exp.Column) or _row_level(node, functions, keys) else node

    outer = tree.copy()
    where_clause = outer.args.get("where")
    outer.set("where", None)
    joins, from_ = outer.args.get("joins"), outer.args["from_"]
    outer.set("joins", None)
    outer.set("from_", None)
    outer = _transform_top_down(outer, visit)
    inner = exp.select(*[exp.alias_(e, n, quoted=True) for e, n in replacements.values()])
    inner.set("from_", from_)
    inner.set("joins", joins)
    inner.set("where", where_clause)
    return inner, outer.from_(
        exp.Table(this=exp.to_identifier(name), alias=exp.TableAlias(this=exp.to_identifier("calls")))
    )


def _row_level(node: exp.Expression, functions: frozenset[str], keys: set[str]) -> bool:
    """Whether a whole expression can be computed row by row before the grouping.

    The largest such expression is taken, so that a CASE around a call keeps guarding it.
    """
    if not isinstance(node, exp.Condition) or _is_branch(node) or not calls_in(node, functions):
        return False
    if any(n.sql("duckdb") in keys for n in node.find_all(exp.Condition) if n is not node and not _is_branch(n)):
        return False
    return not _mixes(node) and not (isinstance(node.parent, exp.Window | exp.WithinGroup) and node.arg_key == "this")


def _mixes(node: exp.Expression) -> bool:
    """Whether an expression holds an aggregate or a window."""
    if isinstance(node, exp.Window) or is_aggregate(node):
        return True
    return any(own_nodes(node, exp.Window)) or any(own_aggregates(node))


def _is_branch(node: exp.Expression) -> bool:
    return isinstance(node, exp.If) and isinstance(node.parent, exp.Case)


def _transform_top_down(tree: exp.Expression, visit) -> exp.Expression:
    """Replace nodes from the top; what a replacement brings is not visited again."""
    stack = list(tree.iter_expressions())
    while stack:
        node = stack.pop()
        new = visit(node)
        if new is not node:
            node.replace(new)
        else:
            stack.extend(node.iter_expressions())
    return tree


def calls_in(tree: exp.Expression, functions: frozenset[str]) -> tuple[str, ...]:
    """Names of declared functions called anywhere in a tree, in order of first mention."""
    names = (n.name.lower() for n in tree.find_all(exp.Anonymous))
    return tuple(dict.fromkeys(n for n in names if n in functions))


def _build(view: str, flat: Flat, relations: Mapping[str, Relation], functions: frozenset[str], where: str) -> Block:
    tree = sqlglot.parse_one(flat.sql, dialect="duckdb")
    if isinstance(tree, exp.Union):
        return _union(view, flat, tree, relations, functions, where)
    if isinstance(tree.args["from_"].this if tree.args.get("from_") else None, exp.Values):
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
        branches.append(_select(view, f"{flat.name}__branch{number}", select, relations, functions, where, taken))
    widths = {len(b.columns) for b in branches}
    if len(widths) != 1:
        raise InputError(
            f"the branches of UNION ALL have different numbers of columns: {sorted(widths)}", where=where, sql=flat.sql
        )
    branches = _align_branches(branches)
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
) -> Block:
    if not tree.args.get("from_"):
        raise Unsupported("a view without FROM is not supported", where=where, hint="write (VALUES (...)) AS t(a, b)")
    tree = qualify(_distinct_on(tree), relations, where)
    family = _family(tree)
    inputs = _inputs(tree, relations, taken, where)
    break_ties(tree, [ordered_term(column(t.column, alias), t) for alias, t in _input_order(inputs, relations)])
    unnested = _unnested(tree, family, functions, where)
    order = _order(tree, family, inputs, relations, unnested)
    keys = _keys(tree, family, where)
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
    node = next(own_nodes(tree, exp.Explode), None)
    if node is None:
        return None
    if family != "spj" or calls_in(tree, functions):
        raise Unsupported(
            "unnest() together with grouping, windows or function calls is not supported",
            where=where,
            hint="unnest in a CTE of its own",
        )
    return node.this.sql("duckdb")


def _distinct_on(tree: exp.Select) -> exp.Select:
    """DISTINCT ON (k) ... ORDER BY o keeps the first row of each k in that order: a window."""
    distinct = tree.args.get("distinct")
    if not distinct or not distinct.args.get("on"):
        return tree
    tree = tree.copy()
    on = tree.args.pop("distinct").args["on"]
    order = tree.args.get("order")
    window = exp.Window(this=exp.RowNumber(), partition_by=[e.copy() for e in on.expressions])
    if order:
        window.set("order", exp.Order(expressions=[o.copy() for o in order.expressions]))
    tree.set("qualify", exp.Qualify(this=exp.EQ(this=window, expression=exp.Literal.number(1))))
    return tree


def _family(tree: exp.Select) -> str:
    grouped = tree.args.get("group") or tree.args.get("having") or tree.args.get("distinct")
    windows = any(own_nodes(tree, exp.Window)) or tree.args.get("qualify")
    aggregates = any(not _in_window(n, tree) for n in own_aggregates(tree))
    if windows and (grouped or aggregates):
        raise Unsupported(
            "windows together with grouping are not supported in one SELECT",
            hint="group in a CTE, then apply the window",
        )
    if tree.args.get("group") and tree.args.get("distinct"):
        raise Unsupported("DISTINCT together with GROUP BY is not supported", hint="group in a CTE first")
    if windows:
        return "window"
    if grouped or aggregates:
        return "group"
    bare = tree.copy()
    bare.set("order", None)
    if not is_plain(bare) and not any(own_nodes(tree, exp.Explode)):
        raise InternalError("a SELECT that is neither plain, grouped nor windowed", sql=tree.sql("duckdb"))
    return "spj"


def _in_window(node: exp.Expression, tree: exp.Expression) -> bool:
    """Whether an aggregate is the function of a window (also below FILTER or IGNORE NULLS)."""
    parent, child = node.parent, node
    while parent is not None and parent is not tree:
        if isinstance(parent, exp.Window) and parent.this is child:
            return True
        if not isinstance(parent, exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
            return False
        parent, child = parent.parent, parent
    return False


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


def _order(
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
    inherited = [(column(t.column, alias), t.descending, t.nulls_last) for alias, t in _input_order(inputs, relations)]
    if unnested:
        inherited.append((sqlglot.parse_one(ordinal(unnested), dialect="duckdb"), False, True))
    if family == "group":
        inherited = _first_of_group(inherited)
    terms = _without_repeats(terms + inherited)
    names = ["_pos"] if len(terms) == 1 else [f"_pos_{n}" for n in range(1, len(terms) + 1)]
    return tuple(
        Order(term=OrderTerm(column=name, descending=d, nulls_last=last), expression=e.sql("duckdb"))
        for name, (e, d, last) in zip(names, terms, strict=True)
    )


def _input_order(inputs: tuple[Input, ...], relations: Mapping[str, Relation]) -> list[tuple[str, OrderTerm]]:
    """Order terms of the rows a block reads, with the alias each belongs to: left input before right."""
    return [(i.alias, term) for i in inputs if i.row for term in relations[i.relation].order]


def _without_repeats(terms: list[tuple[exp.Expression, bool, bool]]) -> list[tuple[exp.Expression, bool, bool]]:
    """An expression already ordered by decides nothing a second time."""
    return list({t[0].sql("duckdb"): t for t in reversed(terms)}.values())[::-1]


def _first_of_group(terms: list[tuple[exp.Expression, bool, bool]]) -> list[tuple[exp.Expression, bool, bool]]:
    if len(terms) == 1 and not terms[0][1]:
        return [(exp.Min(this=terms[0][0]), False, terms[0][2])]
    by = [ordered_term(e.copy(), OrderTerm(column="", descending=d, nulls_last=n)) for e, d, n in terms]
    return [(exp.First(this=exp.Order(this=e.copy(), expressions=[b.copy() for b in by])), d, n) for e, d, n in terms]


def _keys(tree: exp.Select, family: str, where: str) -> tuple[Key, ...]:
    if family == "group":
        group = tree.args.get("group")
        if group and any(group.args.get(k) for k in ("cube", "rollup", "grouping_sets", "totals")):
            raise Unsupported(
                "GROUPING SETS, CUBE and ROLLUP are not supported", where=where, hint="write a UNION ALL of groupings"
            )
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
