"""One relation as one SELECT: local names used often become columns of a step before, in a CTE."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sqlglot import exp

from lester_duck.errors import InternalError
from lester_duck.lift import render, sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import (
    Aggregate,
    GroupRel,
    Join,
    Query,
    Relation,
    SelectRel,
    UnionRel,
    free_name,
    fresh,
)
from lester_duck.lift.sqlx import Tree
from lester_duck.lift.values import Sym

_TRIVIAL = 3


@dataclass(slots=True, eq=False)
class Block:
    """A query being written: what it reads, the conditions, and the named results."""

    query: Query
    joins: list[Join]
    where: list[Tree]
    outputs: list[tuple[str, Tree]]
    order: list[tuple[Tree, bool]]
    lets: dict[str, tuple[str, Tree]] = field(default_factory=dict)
    inner: set[str] = field(default_factory=set)
    windows: dict[str, list[Tree]] = field(default_factory=dict)
    folds: set[str] = field(default_factory=set)


Names = Callable[[Relation], str]
Columns = Callable[[Relation, str, str], Tree]


def select(m: Machine, rel: SelectRel | GroupRel, names: Names, columns: Columns) -> exp.Select:
    """The SELECT of a relation. ``names`` gives relation names, ``columns`` a column's SQL over an alias."""
    if isinstance(rel, GroupRel):
        return _group(m, rel, names, columns)
    if isinstance(rel, UnionRel):
        return _union(rel, names)
    block = prepare(m, rel.query, [(n, s.sql) for n, s in rel.outputs], columns)
    ctes, statement = write(block, names)
    return _with(statement, ctes)


def _with(statement: exp.Select, ctes: list[tuple[str, exp.Select]]) -> exp.Select:
    for name, cte in ctes:
        statement = statement.with_(name, cte)
    return statement


def prepare(m: Machine, query: Query, outputs: list[tuple[str, Tree]], columns: Columns, spread: bool = False) -> Block:
    """Resolve local names and provisional columns of a query; ``spread`` keeps every nontrivial name apart."""
    wanted = [t for _, t in outputs] + list(query.where) + [s.sql for s, _ in query.order]
    joins = _used_joins(m, query, wanted)
    uses: Counter[str] = Counter()
    seen: set[str] = set()
    for tree in [*wanted, *[s.sql for j in joins for s, _ in j.keys]]:
        _count(m, tree, uses, seen)
    windows = _windows(m, query, uses)
    hoisted = set(windows) | _partition_keys(m, windows) | {
        t for t, n in uses.items() if (n > 1 or spread) and _deserves_name(_inline(m, m.lets[t].value.sql, set()))
    }
    hoisted |= {s.sql.table for j in joins for s, _ in j.keys if _is_named_call(m, s.sql)}
    by_alias = {query.alias: query.base, **{j.alias: j.rel for j in query.joins}}

    def final(tree: Tree) -> Tree:
        return sqlx.eased(sqlx.flattened(_resolve(_inline(m, tree, hoisted), by_alias, columns)))

    where, inner = [], set()
    for condition in sqlx.atoms(sqlx.conjunction(m.expand_tree(c) if not hoisted else c for c in query.where)):
        found = next((j for j in joins if sqlx.same(condition, j.present)), None)
        if found is not None and not windows:
            inner.add(found.alias)
        else:
            where.append(sqlx.relaxed(final(condition)))
    lets = {t: (m.lets[t].name, final(windows.get(t, (m.lets[t].value.sql,))[0])) for t in hoisted}
    found_by = [replace(j, keys=tuple((Sym(final(s.sql), s.type), n) for s, n in j.keys)) for j in joins]
    return Block(
        query,
        [_without_calls(m, j, lets) for j in found_by],
        [w for w in where if not _is_true(w)],
        [(n, final(t)) for n, t in outputs],
        [(final(s.sql), d) for s, d in query.order],
        lets,
        inner,
        {t: [final(c) for c in over] for t, (_, over) in windows.items()},
        {t for t, (tree, _) in windows.items() if _is_fold(m, tree)},
    )


def _calls(m: Machine, tree: Tree) -> bool:
    """Whether an expression calls a declared function."""
    return any(n.name in m.functions for n in tree.find_all(exp.Anonymous))


def _is_named_call(m: Machine, tree: Tree) -> bool:
    """Whether a key of a join is a local name for what a declared function says: a step before computes it."""
    return isinstance(tree, exp.Column) and tree.table in m.lets and _calls(m, m.expand_tree(tree))


def _without_calls(m: Machine, j: Join, lets: dict[str, tuple[str, Tree]]) -> Join:
    """A join by columns: what a declared function says of a row is one of a step before."""
    keys = []
    for s, n in j.keys:
        if _calls(m, s.sql):
            token = fresh("let")
            lets[token] = (f"{n}_wanted", s.sql)
            s = replace(s, sql=sqlx.column(token, f"{n}_wanted"))
        keys.append((s, n))
    return replace(j, keys=tuple(keys))


def _is_fold(m: Machine, tree: Tree) -> bool:
    """Whether a window calls a declared step."""
    return any(isinstance(w.this, exp.Anonymous) and w.this.name in m.functions for w in tree.find_all(exp.Window))


def _partition_keys(m: Machine, windows: dict[str, tuple[Tree, list[Tree]]]) -> set[str]:
    """The local names by which windows are partitioned, other than plain columns."""
    found: set[str] = set()
    for tree, _ in windows.values():
        for w in tree.find_all(exp.Window):
            found |= {c.table for e in w.args.get("partition_by") or () for c in e.find_all(exp.Column)}
    return {t for t in found if t in m.lets}


def _windows(m: Machine, query: Query, uses: Counter[str]) -> dict[str, tuple[Tree, list[Tree]]]:
    """The windows used, and for each the conditions its rows have passed: all it asks for, or none."""
    found: dict[str, tuple[Tree, list[Tree]]] = {}
    kept = {sqlx.text(m.expand_tree(a)) for c in query.where for a in sqlx.atoms(m.expand_tree(c))}
    for token in uses:
        let = m.lets[token]
        if let.over is None or let.filtered is None:
            continue
        over = [a for c in let.over for a in sqlx.atoms(m.expand_tree(c))]
        passed = all(sqlx.text(a) in kept for a in over)
        found[token] = (let.filtered, list(let.over)) if passed else (let.value.sql, [])
    return found


def _is_true(condition: Tree) -> bool:
    """TRUE, or a settled field count compared with itself."""
    if isinstance(condition, exp.EQ) and isinstance(condition.this, exp.Literal):
        return sqlx.same(condition.this, condition.expression)
    return isinstance(condition, exp.Boolean) and bool(condition.this)


def _used_joins(m: Machine, query: Query, wanted: list[Tree]) -> list[Join]:
    used: set[str] = {j.alias for j in query.joins if j.always}
    queue = [*wanted, *[s.sql for j in query.joins if j.always for s, _ in j.keys]]
    while queue:
        for alias in sqlx.tables(m.expand_tree(queue.pop())) - used:
            used.add(alias)
            queue += [s.sql for j in query.joins if j.alias == alias for s, _ in j.keys]
    return [j for j in query.joins if j.alias in used]


def used_names(m: Machine, trees: list[Tree]) -> set[str]:
    """The tokens of the local names that expressions use, and those that these are made of."""
    seen: set[str] = set()
    for tree in trees:
        _count(m, tree, Counter(), seen)
    return seen


def _count(m: Machine, tree: Tree, uses: Counter[str], seen: set[str]) -> None:
    for c in tree.find_all(exp.Column):
        if c.table in m.lets:
            uses[c.table] += 1
            if c.table not in seen:
                seen.add(c.table)
                _count(m, m.lets[c.table].value.sql, uses, seen)


def _inline(m: Machine, tree: Tree, hoisted: set[str]) -> Tree:
    def definition(node: Tree) -> Tree | None:
        if isinstance(node, exp.Column) and node.table in m.lets and node.table not in hoisted:
            return _inline(m, m.lets[node.table].value.sql, hoisted)
        return None

    return sqlx.replace(tree, definition)


def _resolve(tree: Tree, by_alias: dict[str, Relation], columns: Columns) -> Tree:
    def resolved(node: Tree) -> Tree | None:
        if isinstance(node, exp.Column) and node.table in by_alias and node.name not in ("_pos", "_rid"):
            return columns(by_alias[node.table], node.table, node.name)
        return None

    return sqlx.replace(tree, resolved)


def _deserves_name(tree: Tree) -> bool:
    """Whether a local name used more than once becomes a column: it is long, or dear to compute."""
    return _size(tree) > _TRIVIAL or (isinstance(tree, exp.Anonymous) and tree.name == "py_json")


def _size(tree: Tree) -> int:
    return sum(1 for n in tree.walk() if not isinstance(n, exp.Identifier | exp.Paren | exp.DataType))


def write(block: Block, names: Names) -> tuple[list[tuple[str, exp.Select]], exp.Select]:
    """The steps before, and the SELECT of a block."""
    levels = _levels(block)
    top = max([0, *levels.values(), *[_where_level(block, w, levels) for w in block.where]])
    aliases = _aliases(block, names)
    ctes: list[tuple[str, exp.Select]] = []
    held: dict[tuple[str, str], str] = {}
    previous: str | None = None
    for level in range(top + 1):
        joins = [j for j in block.joins if levels[j.alias] == level]
        where = [w for w in block.where if _where_level(block, w, levels) == level]
        source = exp.to_table(previous) if previous else _table(block.query.base, aliases[block.query.alias], names)
        qualified = bool(joins)
        here = _Scope(aliases, held, previous, qualified)
        if level == top:
            projections = [_alias(here.say(t), n) for n, t in block.outputs]
            statement = exp.select(*projections).from_(source)
        else:
            statement = exp.select().from_(source)
            held_next = _carried(block, levels, level, aliases)
            for (table, name), shown in held_next.items():
                statement = statement.select(
                    _alias(here.say(_pass(block, levels, level, (table, name))), shown), copy=False
                )
        for j in joins:
            matches = "_1 IS NOT DISTINCT FROM _2" if j.known else "_1 = _2"
            on = sqlx.conjunction(
                sqlx.sql(matches, here.say(s.sql), render.column(aliases[j.alias], n)) for s, n in j.keys
            )
            kind = "JOIN" if j.alias in block.inner else "LEFT JOIN"
            if not j.keys:
                statement = statement.join(_table(j.rel, aliases[j.alias], names), join_type="cross")
                continue
            statement = statement.join(
                _table(j.rel, aliases[j.alias], names), on=on, join_type=kind.removesuffix("JOIN").strip()
            )
        if where:
            statement = statement.where(sqlx.conjunction(here.say(w) for w in where), copy=False)
        if level < top:
            previous = free_name(_step_name(block, levels, level), {n for n, _ in ctes} | set(aliases.values()))
            ctes.append((previous, statement))
            held = held_next
    renamed = {n for n, t in block.outputs if not isinstance(t, exp.Column) or t.name != n}
    for tree, descending in block.order:
        if renamed & {c.name for c in here.say(tree).find_all(exp.Column)}:
            here = replace(here, qualified=True)  # ORDER BY would take the new value of that name
        statement = statement.order_by(exp.Ordered(this=here.say(tree), desc=descending, nulls_first=False))
    return ctes, statement


@dataclass(frozen=True, slots=True, eq=False)
class _Scope:
    """How columns are said at one level of a query."""

    aliases: dict[str, str]
    held: dict[tuple[str, str], str]
    previous: str | None
    qualified: bool

    def say(self, tree: Tree) -> Tree:
        def said(node: Tree) -> Tree | None:
            if not isinstance(node, exp.Column) or not node.table:
                return None
            if node.name == "_pos":
                table = self.previous or self.aliases.get(node.table)
                return render.column(table if self.qualified else None, "_pos")
            if (node.table, node.name) in self.held:
                return render.column(self.previous if self.qualified else None, self.held[node.table, node.name])
            return render.column(self.aliases.get(node.table) if self.qualified else None, node.name)

        return sqlx.replace(tree, said)


def _alias(tree: Tree, name: str) -> Tree:
    if isinstance(tree, exp.Column) and tree.name == name:
        return tree
    return exp.Alias(this=tree, alias=render.identifier(name))


def _table(rel: Relation, alias: str, names: Names) -> exp.Table:
    name = names(rel)
    table = exp.Table(this=render.identifier(name))
    return exp.alias_(table, render.identifier(alias), table=True) if alias != name else table


def _aliases(block: Block, names: Names) -> dict[str, str]:
    taken: dict[str, str] = {}
    for token, rel in [(block.query.alias, block.query.base), *[(j.alias, j.rel) for j in block.joins]]:
        taken[token] = free_name(names(rel), set(taken.values()))
    return taken


def _levels(block: Block) -> dict[str, int]:
    """At which step each relation and local name becomes available."""
    levels = {block.query.alias: 0}
    pending: dict[str, tuple[Tree, int]] = {
        j.alias: (sqlx.conjunction(s.sql for s, _ in j.keys), 0) for j in block.joins
    }
    pending |= {token: (tree, 1) for token, (_, tree) in block.lets.items()}
    while pending:
        before = len(pending)
        for token, (tree, step) in list(pending.items()):
            needed = sqlx.tables(tree)
            if needed <= set(levels):
                levels[token] = max([0, *[levels[t] for t in needed]]) + step
                del pending[token]
        if len(pending) == before:
            raise InternalError(f"steps of a view that need each other: {', '.join(pending)}")
    return _after_filters(block, levels) if block.windows else levels


def _after_filters(block: Block, levels: dict[str, int]) -> dict[str, int]:
    """The levels, with each window after the conditions its rows have passed."""
    changed = True
    while changed:
        changed = False
        for token, (_, tree) in block.lets.items():
            wanted = max([0, *[levels[t] for t in sqlx.tables(tree)]]) + 1
            over = {sqlx.text(a) for c in block.windows.get(token, ()) for a in sqlx.atoms(c)}
            passed = [w for w in block.where if sqlx.text(w) in over]
            wanted = max([wanted, *[_where_level(block, w, levels) + 1 for w in passed]])
            while token in block.folds and _mixes(block, levels, wanted - 1):
                wanted += 1
            if wanted > levels[token]:
                levels[token], changed = wanted, True
        for j in block.joins:
            wanted = max([0, *[levels[t] for s, _ in j.keys for t in sqlx.tables(s.sql)]])
            if wanted > levels[j.alias]:
                levels[j.alias], changed = wanted, True
    return levels


def _mixes(block: Block, levels: dict[str, int], level: int) -> bool:
    """Whether a step joins or filters: a fold runs over the rows of one relation."""
    filters = any(_where_level(block, w, levels) == level for w in block.where)
    return filters or any(levels[j.alias] == level for j in block.joins)


def _where_level(block: Block, condition: Tree, levels: dict[str, int]) -> int:
    """At which step a condition filters: after every window that runs over rows it would drop."""
    level = _level_of(condition, levels)
    for token, over in block.windows.items():
        if not any(sqlx.same(condition, a) for c in over for a in sqlx.atoms(c)):
            level = max(level, levels[token])
    return level


def _level_of(tree: Tree, levels: dict[str, int]) -> int:
    return max([0, *[levels[t] for t in sqlx.tables(tree) if t in levels]])


def _carried(block: Block, levels: dict[str, int], level: int, aliases: dict[str, str]) -> dict[tuple[str, str], str]:
    """The columns later steps need, by (token, name), with the names they get."""
    later = [t for _, t in block.outputs] + [t for t, _ in block.order]
    later += [w for w in block.where if _where_level(block, w, levels) > level]
    later += [s.sql for j in block.joins if levels[j.alias] > level for s, _ in j.keys]
    later += [tree for token, (_, tree) in block.lets.items() if levels[token] > level + 1]
    carried: dict[tuple[str, str], str] = {}
    for tree in later:
        for c in tree.find_all(exp.Column):
            key = (c.table, c.name)
            if c.name == "_pos" or key in carried or c.table not in levels:
                continue
            if levels[c.table] > level + (1 if c.table in block.lets else 0):
                continue
            taken = set(carried.values())
            shown = (
                c.name
                if c.name.lower() not in {t.lower() for t in taken}
                else f"{aliases.get(c.table, 'own')}_{c.name}"
            )
            carried[key] = free_name(shown, taken)
    return carried


def _pass(block: Block, levels: dict[str, int], level: int, key: tuple[str, str]) -> Tree:
    """What a carried column is at the step that makes it: itself, or a local name's definition."""
    table, name = key
    if table in block.lets and levels[table] == level + 1:
        return block.lets[table][1]
    return sqlx.column(table, name)


def _step_name(block: Block, levels: dict[str, int], level: int) -> str:
    made = list(dict.fromkeys(name for token, (name, _) in block.lets.items() if levels[token] == level + 1))
    return "with_" + "_".join(made[:2]) if made else "joined"


def _group(m: Machine, rel: GroupRel, names: Names, columns: Columns) -> exp.Select:
    """GROUP BY over one relation: directly, or over a step that joins and computes first."""
    outputs = [(n, s.sql) for n, s in rel.keys]
    outputs += [(f"{a.name}", a.argument.sql) for a in rel.aggregates if a.argument is not None]
    ordered: dict[tuple[str, int], str] = {}
    for a in rel.aggregates:
        for i, (s, _) in enumerate(a.by):
            same = next((n for n, t in outputs if sqlx.same(m.expand_tree(t), m.expand(s).sql)), None)
            ordered[a.name, i] = same or free_name(f"{s.name or 'value'}_order", {n for n, _ in outputs})
            if same is None:
                outputs.append((ordered[a.name, i], s.sql))
    block = prepare(m, rel.query, outputs, columns)
    ctes: list[tuple[str, exp.Select]] = []
    mixes = any(t.find(exp.Window) for _, t in block.outputs)
    simple = not block.lets and not block.joins and not mixes
    if simple:
        source = _table(block.query.base, names(block.query.base), names)
        said = {n: _bare(t) for n, t in block.outputs}
        where = [_bare(w) for w in block.where]
    else:
        ctes, inner = write(block, names)
        step = free_name("rows_to_group", {n for n, _ in ctes})
        ctes = [*ctes, (step, inner)]
        source, where = exp.to_table(step), []
        said = {n: render.column(None, n) for n, _ in block.outputs}
    projections = [_alias(said[n], n) for n, _ in rel.keys]
    for a in rel.aggregates:
        terms = [(said[ordered[a.name, i]], d) for i, (_, d) in enumerate(a.by)]
        projections.append(_alias(aggregate(a, said.get(a.name), terms), a.name))
    statement = exp.select(*projections).from_(source)
    if where:
        statement = statement.where(sqlx.conjunction(where), copy=False)
    if rel.keys:
        statement = statement.group_by(*[said[n].copy() for n, _ in rel.keys], copy=False)
    if rel.ordered:
        statement = statement.order_by(*[render.column(None, n) for n, _ in rel.keys], copy=False)
    if rel.largest:
        first = exp.Ordered(this=render.column(None, rel.largest), desc=True, nulls_first=False)
        statement = statement.order_by(first, copy=False)
    return _with(statement, ctes)


def _union(rel: UnionRel, names: Names) -> exp.Query:
    """UNION ALL of relations with the same columns."""
    parts = [
        exp.select(*[render.column(None, n) for n, _ in rel.outputs]).from_(_table(member, names(member), names))
        for member in rel.members
    ]
    statement: exp.Query = parts[0]
    for further in parts[1:]:
        statement = exp.Union(this=statement, expression=further, distinct=False)
    return statement


def _bare(tree: Tree) -> Tree:
    """The tree with its columns unqualified."""
    return sqlx.replace(tree, lambda n: render.column(None, n.name) if isinstance(n, exp.Column) and n.table else None)


_AGGREGATES = {
    "count": "count(*)",
    "min": "min(_1)",
    "max": "max(_1)",
    "mean": "avg(_1)",
    "std": "stddev_pop(_1)",
    "std_sample": "stddev_samp(_1)",
    "var_sample": "var_samp(_1)",
    "var": "var_pop(_1)",
    "median": "median(_1)",
    "last": "last(_1 ORDER BY _pos)",
    "first": "first(_1 ORDER BY _pos)",
    "count_of": "count(_1)",
    "count_distinct": "count(DISTINCT _1)",
    "last_known": "last(_1 ORDER BY _pos) FILTER (WHERE _1 IS NOT NULL)",
    "first_known": "first(_1 ORDER BY _pos) FILTER (WHERE _1 IS NOT NULL)",
    "sum_known": "coalesce(sum(_1 ORDER BY _pos), 0)",
    "list": "list(_1 ORDER BY _pos)",
    "list_known": "list(_1 ORDER BY _pos) FILTER (WHERE _1 IS NOT NULL)",
    "count_true": "count(*) FILTER (WHERE _1)",
}


def aggregate(a: Aggregate, argument: Tree | None, by: list[tuple[Tree, bool]] | None = None) -> Tree:
    """An aggregate over a column, in the order of rows where that matters; ``by`` orders before that."""
    if a.kind.startswith("join:"):
        terms = [t for t, _ in by or ()]
        order = "".join(f"_{i + 3}{' DESC' if d else ''}, " for i, (_, d) in enumerate(by or ()))
        separator = sqlx.literal(a.kind.partition(":")[2])
        return sqlx.sql(f"string_agg(_1, _2 ORDER BY {order}_pos)", argument, separator, *terms)
    if by:
        holes = ", ".join(f"_{i + 2}{' DESC' if d else ''}" for i, (_, d) in enumerate(by))
        return sqlx.sql(f"{a.kind}(_1 ORDER BY {holes}, _pos)", argument, *[t for t, _ in by])
    if a.kind == "count":
        return sqlx.sql("count(*)")
    if a.kind == "sum":
        return sqlx.sql("CAST(sum(_1) AS BIGINT)" if a.type == "int" else "sum(_1 ORDER BY _pos)", argument)
    if a.kind.startswith("quantile:"):
        return sqlx.sql("quantile_cont(_1, _2)", argument, sqlx.literal(float(a.kind.partition(":")[2])))
    if a.kind == "sum_known" and a.type == "int":
        return sqlx.sql("CAST(coalesce(sum(_1), 0) AS BIGINT)", argument)
    return sqlx.sql(_AGGREGATES[a.kind], argument)
