"""Where consecutive rows begin a new group, as a window; and the fields of a group, as aggregates."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlglot import exp

from lester_duck.lift import branches, recurrences, sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import Relation, SelectRel, fresh
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.state import Frame, Let, Obligation
from lester_duck.lift.values import Refused, Sym

_BEFORE = "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A field of a group: ``first`` when it begins; ``kind`` says how ``later`` rows change it.

    first (it stays), last (``later`` replaces it), sum (``later`` is added), max, min (of ``later``),
    list, list_distinct.
    """

    kind: str
    first: Sym
    later: Tree | None


def field(m: Machine, token: str, first: Sym, tree: Tree, own: set[str]) -> Field:
    """The kind of a field whose value after a row that belongs to the group is ``tree``."""
    placeholder = sqlx.column(token, "carry")
    tree = sqlx.bare(tree)
    if sqlx.same(tree, placeholder):
        return Field("first", first, None)
    if not sqlx.tables(tree) & own:
        return Field("last", first, tree)
    extreme = _extreme(tree, placeholder)
    if extreme is not None and not sqlx.tables(extreme[1]) & own:
        return Field(extreme[0], first, extreme[1])
    step = branches.step(tree, placeholder)
    if step is not None and not sqlx.tables(step) & own and first.type == "int":
        return Field("sum", first, step)
    raise Refused("an entry of a running record computed from the entry before", "a counter, a sum, first, last, max")


def _extreme(tree: Tree, own: Tree) -> tuple[str, Tree] | None:
    """``max(own, y)`` or ``min(own, y)`` as CASE."""
    if not isinstance(tree, exp.Case) or tree.this or len(tree.args["ifs"]) != 1:
        return None
    when, default = tree.args["ifs"][0], sqlx.bare(tree.args.get("default") or exp.null())
    test, then = sqlx.relaxed(sqlx.bare(when.this)), sqlx.bare(when.args["true"])
    if not isinstance(test, exp.GT | exp.GTE | exp.LT | exp.LTE):
        return None
    a, b = sqlx.bare(test.this), sqlx.bare(test.expression)
    if {sqlx.text(a), sqlx.text(b)} != {sqlx.text(then), sqlx.text(default)} or sqlx.same(then, default):
        return None
    value = default if sqlx.same(then, own) else then
    if not (sqlx.same(then, own) or sqlx.same(default, own)):
        return None
    larger = isinstance(test, exp.GT | exp.GTE)
    return ("max" if sqlx.same(then, a) is larger else "min"), value


def aggregate(
    m: Machine, frame: Frame, field: Field, begins: Tree, number: Sym, where: tuple[Tree, ...], apart: tuple[Sym, ...]
) -> tuple[str, Sym]:
    """The aggregate over a group's rows, and its argument."""
    first = field.first
    if field.kind in ("first", "list"):
        return field.kind, first
    if field.kind == "list_distinct":
        token, once = fresh("let"), fresh("let")
        m.lets[token] = Let(first.name or "item", first)
        item = Sym(sqlx.column(token, "item"), first.type)
        places = [recurrences.window(m, frame, "row_number()", (number, item, *key)) for key in (apart, ())]
        trees = [sqlx.case(sql("_1 = 1", place), first.sql, exp.null()) for place in places]
        m.lets[once] = Let(f"new_{first.name or 'item'}", Sym(trees[0], first.type), where, trees[1])
        return "list_known", replace(first, sql=sqlx.column(once, "item"))
    same = sqlx.same(sqlx.bare(first.sql), sqlx.bare(field.later))
    argument = first if same else replace(first, sql=sqlx.case(begins, first.sql, field.later))
    if field.kind == "sum" and same and isinstance(first.sql, exp.Literal) and first.sql.name == "1":
        return "count", None
    if field.kind in ("max", "min"):
        present(m, frame, argument)
    return field.kind, argument


def present(m: Machine, frame: Frame, value: Sym) -> None:
    """A largest or smallest value of which one is missing is not Python's."""
    if value.null:
        fails = sql("_1 IS NULL", value.sql)
        m.obligations.append(
            Obligation(frame.query, frame.start.path, fails, "a missing value compared", frame.lines[0])
        )


def begins(
    m: Machine, frame: Frame, flag: str, atoms: list[Tree], fields: dict[str, Field], apart: tuple[Sym, ...]
) -> Tree | None:
    """The condition that a row begins a group, as a window; None where no window says it.

    ``apart`` is by what rows that are skipped are told from the others, where the window runs over both.
    """
    known = set(fields)
    keys: list[Tree] = []
    rest: list[Tree] = []
    for atom in atoms:
        tree = sqlx.bare(atom)
        if sqlx.same(tree, sqlx.column(flag, "carry")):
            continue
        key = _key(tree, fields)
        (keys.append(key) if key is not None else rest.append(sqlx.relaxed(tree)))
    used = {t for atom in rest for t in sqlx.tables(atom)} & known
    if flag in {t for atom in rest for t in sqlx.tables(atom)}:
        return None
    kinds = {fields[t].kind for t in used}
    if kinds <= {"last"} and all(sqlx.same(fields[t].later, fields[t].first.sql) for t in used):
        return _by_previous(m, frame, keys, rest, {t: fields[t].first for t in used}, apart)
    if kinds == {"max"} and len(rest) == 1 and len(used) == 1:
        return _by_largest(m, frame, keys, rest[0], next(iter(used)), fields, apart)
    return None


def _key(tree: Tree, fields: dict[str, Field]) -> Tree | None:
    """``x`` of ``cur["k"] == x`` where ``cur["k"]`` begins as ``x`` and stays."""
    tree = sqlx.relaxed(tree)
    if not isinstance(tree, exp.EQ | exp.NullSafeEQ):
        return None
    for side, other in ((tree.this, tree.expression), (tree.expression, tree.this)):
        side, other = sqlx.bare(side), sqlx.bare(other)
        field = fields.get(side.table) if isinstance(side, exp.Column) else None
        if field is None or not sqlx.same(sqlx.bare(field.first.sql), other):
            continue
        stays = field.kind == "first" or (field.kind == "last" and sqlx.same(sqlx.bare(field.later), other))
        if stays:
            return other
    return None


def _by_previous(
    m: Machine, frame: Frame, keys: list[Tree], rest: list[Tree], last: dict[str, Sym],
    apart: tuple[Sym, ...],
) -> Tree:  # fmt: skip
    """The row before has the same keys, and what it left satisfies the conditions."""
    conditions: list[Tree] = []
    for key in keys:
        conditions.append(sql("_1 = _2", recurrences.window(m, frame, "lag(_1)", apart, "", key), key))
    windows = {t: recurrences.window(m, frame, "lag(_1)", apart, "", s.sql) for t, s in last.items()}
    for atom in rest:
        conditions.append(
            sqlx.replace(atom, lambda n: windows.get(n.table) if isinstance(n, exp.Column) else None)
        )
    if not conditions:
        conditions = [sql("_1 IS NOT NULL", recurrences.window(m, frame, "lag(1)", apart, ""))]
    return sql("NOT coalesce(_1, FALSE)", sqlx.conjunction(conditions))


def _by_largest(
    m: Machine, frame: Frame, keys: list[Tree], test: Tree, token: str, fields: dict[str, Field],
    apart: tuple[Sym, ...],
) -> Tree | None:
    """The row begins no later than the latest end so far of its key.

    The largest end of the running group is that of all earlier rows of the key where rows come sorted by
    key and beginning: each earlier group was left because a beginning was past all its ends, and later
    rows begin no earlier.
    """
    if not isinstance(test, exp.LTE | exp.LT | exp.GTE | exp.GT):
        return None
    a, b = sqlx.bare(test.this), sqlx.bare(test.expression)
    own = sqlx.column(token, "carry")
    if isinstance(test, exp.LTE | exp.LT) and sqlx.same(b, own):
        start = a
    elif isinstance(test, exp.GTE | exp.GT) and sqlx.same(a, own):
        start = b
    else:
        return None
    if sqlx.tables(start) & set(fields) or not sorted_by(m, frame, keys, start):
        return None
    ends = fields[token]
    if not sqlx.same(sqlx.bare(ends.first.sql), sqlx.bare(ends.later)):
        return None
    present(m, frame, ends.first)
    partition = (*(Sym(k, "str", name="key") for k in keys), *apart)
    largest = recurrences.window(m, frame, "max(_1)", partition, _BEFORE, ends.first.sql)
    condition = sqlx.replace(test, lambda n: largest if isinstance(n, exp.Column) and n.table == token else None)
    return sql("NOT coalesce(_1, FALSE)", condition)


def sorted_by(m: Machine, frame: Frame, keys: list[Tree], start: Tree) -> bool:
    """Whether the loop's rows come sorted by the keys (in any order of them) and then by ``start``."""
    rel: Relation = frame.query.base
    wanted = [_of_base(m, k, frame.query.alias) for k in (*keys, start)]
    while isinstance(rel, SelectRel) and all(w is not None for w in wanted):
        outputs = {n: m.expand(s).sql for n, s in rel.outputs}
        said = [outputs.get(w) for w in wanted]
        if any(s is None for s in said):
            return False
        if rel.query.order:
            order = [(sqlx.text(m.expand(s).sql), d) for s, d in rel.query.order[: len(wanted)]]
            names = [t for t, _ in order]
            same_keys = set(names[: len(keys)]) == {sqlx.text(s) for s in said[:-1]}
            return same_keys and len(order) == len(wanted) and order[-1] == (sqlx.text(said[-1]), False)
        wanted = [_of_base(m, s, rel.query.alias) for s in said]
        rel = rel.query.base
    return False


def _of_base(m: Machine, tree: Tree, alias: str) -> str | None:
    """The name of a plain column of a relation."""
    tree = sqlx.bare(m.expand_tree(tree))
    return tree.name if isinstance(tree, exp.Column) and tree.table == alias else None


