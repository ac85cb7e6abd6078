"""A loop over rows inside a loop over rows that looks something up: its first or last match, or a total."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import carries, evolving, lookups, recurrences, scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import Aggregate, GroupRel, Join, Query, free_name, fresh
from lester_duck.lift.shapes import columns_of
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.state import Effect, Frame
from lester_duck.lift.values import Poison, Refused, Sym, Value

_NEAREST = "an inner loop that finds a row, or counts rows"


def loop(m: Machine, node: ast.For, view: v.View, bind: Callable[[Value], None], body: Callable[[], None]) -> None:
    """Interpret the inner loop once; the names it leaves are looked up by what they depend on."""
    alias = fresh("t")
    order = tuple((v.rebind(s, view.rel.token, alias), d) for s, d in view.order)
    before = m.state
    frame = Frame(Query(alias, view.rel, order=order), m.mark, before, (node.lineno, node.end_lineno or node.lineno))
    m.state = before.fork()
    m.frames.append(frame)
    m.exits.append({"break": [], "continue": [], "rows": [before]})
    try:
        bind(lookups.thaw(m, v.rebind(view.element, view.rel.token, alias)))
        body()
        broken = m.exits[-1]["break"]
    finally:
        m.exits.pop()
        m.frames.pop()
        m.state = before
    own = {n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)}
    wanted = _read_elsewhere(m, node) - own
    by_name: dict[str, list[Effect]] = {}
    for effect in frame.effects:
        if effect.kind not in ("assign", "total"):
            raise Refused("a collection filled by a loop over rows inside a loop over rows", _NEAREST)
        by_name.setdefault(effect.target, []).append(effect)
    if broken and any(e.kind == "total" for e in frame.effects):
        raise Refused("a total that stops at a break")
    for name, effects in by_name.items():
        if name in wanted:
            _answer(m, frame, name, effects, [s.path for s in broken])
        else:
            m.env[name] = Poison(f"'{name}' as the last row left it", frame.lines[1])


def assigned(m: Machine, name: str, value: Value) -> None:
    """Remember an assignment in an inner loop: which row made it last, or first, is what counts."""
    if isinstance(value, Sym) or v.is_const(value) or isinstance(m.content(value), v.HDict | v.HList | tuple):
        m.log("assign", name, lookups.freeze(m, value))


def _read_elsewhere(m: Machine, node: ast.For) -> set[str]:
    return {
        n.id
        for n in ast.walk(m.tree)
        if isinstance(n, ast.Name)
        and isinstance(n.ctx, ast.Load)
        and not node.lineno <= n.lineno <= (node.end_lineno or node.lineno)
    }


def _answer(m: Machine, frame: Frame, name: str, effects: list[Effect], broken: list[tuple[Tree, ...]]) -> None:
    effect = recurrences.single(m, effects)
    path = [a for c in effect.path[len(frame.start.path) :] for a in sqlx.atoms(m.expand_tree(c))]
    if broken and not _leaves_at_once(m, frame, path, broken):
        raise Refused("a break under another condition than the assignment before it", _NEAREST)
    outer = m.frames[-1]
    if effect.kind == "total":
        _total(m, frame, outer, name, effect, path)
        return
    value = v.map_syms(effect.arguments[0], m.expand)
    kind = "first" if broken else "last"
    if not broken:
        said = (effects[0].line, f"'{name}' keeps the last match of the inner loop, where one may be meant")
        m.suspicions += [said] if said not in m.suspicions else []
    rel, made, shown = _matches(m, frame, outer, name, path, value, kind)
    new = v.map_syms(shown(rel), lambda s: Sym(sqlx.column(made.alias, s.sql.name), s.type, s.null, name=s.name))
    present = lookups.present(m, made)
    old = m.env.get(name, v.MISSING)
    if old is v.MISSING or carries.is_held(m, outer, name):
        carries.hold(m, outer, name, new, present, frame.lines[0])
        return
    m.bind(name, m.select(present, lookups.thaw(m, new), old))


def _leaves_at_once(m: Machine, frame: Frame, path: list[Tree], broken: list[tuple[Tree, ...]]) -> bool:
    wanted = {sqlx.text(a) for a in path}
    ways = [{sqlx.text(a) for c in p[len(frame.start.path) :] for a in sqlx.atoms(m.expand_tree(c))} for p in broken]
    return len(ways) == 1 and ways[0] == wanted


def _total(m: Machine, frame: Frame, outer: Frame, name: str, effect: Effect, path: list[Tree]) -> None:
    op, amount = effect.arguments
    if op is not ast.Add:
        raise Refused("a running value other than a sum in an inner loop", "n += 1")
    amount = m.expand(scalars.scalar(amount))
    one = isinstance(amount.sql, exp.Literal) and amount.sql.name == "1"
    rel, made, _ = _matches(m, frame, outer, name, path, None if one else amount, "count" if one else "sum")
    column = rel.aggregates[-1].name
    found = Sym(sqlx.column(made.alias, column), amount.type, null=True, name=name)
    zero = sqlx.literal(0 if amount.type == "int" else 0.0)
    counted = Sym(sql("coalesce(_1, _2)", found.sql, zero), amount.type, name=name)
    old = m.env[name]
    plain = v.is_const(old) and not isinstance(old, bool) and old == 0
    m.bind(name, counted if plain else scalars.binary(m, ast.Add, old, counted))


def _matches(
    m: Machine, frame: Frame, outer: Frame, name: str, path: list[Tree], value: Value, kind: str
) -> tuple[GroupRel, Join, Callable]:
    """The matching rows, grouped by what of the outer row they depend on, and the lookup of the group."""
    inner = {frame.query.alias, *(j.alias for j in frame.query.joins)}
    own, keys, rest = _sorted_out(path, inner)
    used = {t for x in evolving.leaves_of(value) if isinstance(x, Sym) for t in sqlx.tables(x.sql)} if value else set()
    if frame.query.order:
        raise Refused("a loop over sorted rows inside a loop over rows")
    if keys and not rest and used <= inner and all(isinstance(k, exp.Column) for k, _ in keys):
        query = Query(frame.query.alias, frame.query.base, frame.query.joins, tuple(own))
        asked = [(f"{k.name}", k, o) for k, o in keys]
    else:
        query, asked = _pairs(m, frame, outer, [*path], value, inner)
    outputs, shape = columns_of(m, value, name) if value is not None else ([], lambda rel: None)
    names: list[tuple[str, Sym]] = []
    for wanted, tree, _ in asked:
        plain = frame.query.base.names.get(int(wanted.split(":")[1]), "key") if wanted.startswith("#") else wanted
        names.append((free_name(plain, {n for n, _ in names}), Sym(tree, "str")))
    same = ("matches", frame.query.alias, kind, tuple(sqlx.text(c) for c in path))
    rel = m.files.get(same) or GroupRel(
        name=f"{name}_by_{names[0][0]}", what=f"{name}: the {kind} of the matches per {', '.join(n for n, _ in names)}",
        lines=frame.lines, query=query, keys=tuple(names),
    )  # fmt: skip
    m.files[same] = rel
    taken = {n: n for n in rel.columns()}
    renamed: dict[str, str] = {}
    by_text = {sqlx.text(s.sql): n for n, s in rel.keys}
    for n, s in outputs:
        renamed[n] = by_text.get(sqlx.text(s.sql)) or free_name(n, set(taken))
        if renamed[n] not in taken:
            taken[renamed[n]] = n
            rel.aggregates.append(Aggregate(renamed[n], kind, s, s.type, s.null))
    if value is None:
        rel.aggregates.append(Aggregate(free_name("n", set(taken)), "count", None, "int"))
    made = next((j for j in outer.query.joins if j.rel is rel), None)
    if made is None:
        found = tuple((Sym(o, "str"), n) for (n, _), (_, _, o) in zip(rel.keys, asked, strict=True))
        made = Join(fresh("j"), rel, found)
        outer.query.joins.append(made)

    def shown(of: GroupRel) -> Value:
        return v.map_syms(shape(of), lambda s: of.column(renamed.get(s.sql.name, s.sql.name), s))

    return rel, made, shown


def _sorted_out(path: list[Tree], inner: set[str]) -> tuple[list[Tree], list[tuple[Tree, Tree]], list[Tree]]:
    """The conditions on the inner row, the pairs (inner, outer) that must be equal, and the others."""
    own: list[Tree] = []
    keys: list[tuple[Tree, Tree]] = []
    rest: list[Tree] = []
    for atom in path:
        tree = sqlx.bare(atom)
        if sqlx.tables(tree) <= inner:
            own.append(atom)
            continue
        sides = (sqlx.bare(tree.this), sqlx.bare(tree.expression)) if isinstance(tree, exp.EQ) else ()
        pair = next(
            (
                (a, b)
                for a, b in ((sides, sides[::-1]) if sides else ())
                if sqlx.tables(a) and sqlx.tables(a) <= inner and not sqlx.tables(b) & inner
            ),
            None,
        )
        keys.append(pair) if pair else rest.append(atom)
    return own, keys, rest


def _pairs(
    m: Machine, frame: Frame, outer: Frame, path: list[Tree], value: Value, inner: set[str]
) -> tuple[Query, list[tuple[str, Tree, Tree]]]:
    """The distinct values of the outer row that matter, paired with the inner rows they match."""
    trees = [*path, *(x.sql for x in evolving.leaves_of(value) if isinstance(x, Sym))] if value is not None else path
    columns: dict[str, exp.Column] = {}
    for tree in trees:
        for c in tree.find_all(exp.Column):
            if c.table not in inner:
                columns.setdefault(sqlx.text(c), c)
    if not columns:
        raise Refused("an inner loop that does not depend on the outer row", "a loop before")
    if any(c.table != outer.query.alias or c.name.startswith("@") for c in columns.values()):
        raise Refused("an inner loop that compares with looked-up values", "a collection of records")
    alias, pairs = fresh("d"), fresh("p")
    shown = {c.name: _shown(outer, c.name) for c in columns.values()}
    keys = tuple((shown[c.name], Sym(sqlx.column(alias, c.name), "str")) for c in columns.values())
    named = [n for n, _ in keys]
    distinct = GroupRel(
        name=f"{outer.query.base.name}_{'_'.join(named[:2])}", what=f"each {', '.join(named)} once",
        lines=frame.lines, query=Query(alias, outer.query.base), keys=keys,
    )  # fmt: skip

    def over(tree: Tree) -> Tree:
        def said(n: Tree) -> Tree | None:
            mine = isinstance(n, exp.Column) and n.table == outer.query.alias
            return sqlx.column(pairs, shown[n.name]) if mine else None

        return sqlx.replace(tree, said)

    joins = [Join(frame.query.alias, frame.query.base, (), always=True), *frame.query.joins]
    query = Query(pairs, distinct, joins, tuple(over(c) for c in path))
    for i, owed in enumerate(m.obligations):
        if owed.query is frame.query:
            rest = tuple(over(m.expand_tree(c)) for c in owed.path[len(frame.start.path) :])
            m.obligations[i] = replace(owed, query=query, path=rest, fails=over(m.expand_tree(owed.fails)))
    return query, [(shown[c.name], sqlx.column(pairs, shown[c.name]), c) for c in columns.values()]


def _shown(outer: Frame, name: str) -> str:
    """A column's name, that of a split line's field included."""
    if not name.startswith("#"):
        return name
    what = name.split(":")[1]
    if not what.isdigit():
        raise Refused("an inner loop that compares with the number of fields", "a collection of records")
    return outer.query.base.names.get(int(what), f"field_{int(what) + 1}")


