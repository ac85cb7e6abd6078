"""Records under keys that rows update field by field: counts, sums, extremes, first and last values per key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlglot import exp

from lester_duck.lift import branches, completed, evolving, recurrences, scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import Aggregate, GroupRel, Query, free_name
from lester_duck.lift.shapes import columns_of, leaf_name
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.state import Effect, Frame
from lester_duck.lift.values import Refused, Sym, Value

_EXTREMES = {exp.GT: "max", exp.GTE: "max", exp.LT: "min", exp.LTE: "min"}
_MIRRORED = {exp.GT: exp.LT, exp.GTE: exp.LTE, exp.LT: exp.GT, exp.LTE: exp.GTE}


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """How one leaf of the records evolves: an aggregate of ``value``, put together with what it ``begins`` as."""

    kind: str
    value: Sym
    begins: Tree | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """Records per key; each leaf of ``value`` has its own rule."""

    key: Value
    where: tuple[Tree, ...]
    value: Value
    fields: tuple[Field, ...]
    kind: str = "fields"
    container: None = None

    def trees(self) -> list[Tree]:
        """Every expression of it."""
        found = [*self.where, *(f.value.sql for f in self.fields)]
        v.map_syms(self.key, lambda s: (found.append(s.sql), s)[1])
        return found


def of(
    m: Machine, key: Value, where: tuple[Tree, ...], stored: Value, effects: list[Effect], first: list[Tree],
    later: list[Tree], leaves: dict[str, int], present: Tree | None = None,
) -> Records:  # fmt: skip
    """The rule of each leaf; raises Refused for one that no rule says. ``present``: there was an entry before."""
    values = [scalars.scalar(x) for x in evolving.leaves_of(stored)]
    begun = [_constants(effects, i, len(values)) for i in range(len(values))]
    fields = []
    for i, value in enumerate(values):
        own = {t for t, leaf in leaves.items() if leaf == i}
        fields.append(_field(m, value, first[i], later[i], own, set(leaves), begun[i], present))
    return Records(key, where, stored, tuple(fields))


def _constants(effects: list[Effect], at: int, count: int) -> list[Tree]:
    """The constants a leaf is set to: one of them is what it begins as."""
    found: list[Tree] = []
    for effect in effects:
        leaves = evolving.leaves_of(effect.arguments[1]) if effect.kind == "put" else []
        if len(leaves) == count and (v.is_const(leaves[at]) or isinstance(leaves[at].sql, exp.Literal | exp.Neg)):
            found.append(scalars.scalar(leaves[at]).sql)
    return found


def _field(
    m: Machine, value: Sym, first: Tree, later: Tree, own: set[str], every: set[str], begun: list[Tree],
    present: Tree | None,
) -> Field:  # fmt: skip
    """How one leaf evolves, from what it is at first and what a later row makes of it."""
    if value.type in ("str", "int", "float") and not value.nan and completed.says(later, first, own, every):
        return Field(completed.KIND, Sym(sqlx.bare(first), value.type, value.null, name=value.name))
    first, later = sqlx.bare(first), branches.united(_oriented(later, lambda t: _is_own(t, own)))
    if not recurrences.mentions(m, later, every):
        if not sqlx.same(first, later):
            raise _refused()
        return Field("last", Sym(first, value.type, value.null, name=value.name))
    if _is_own(later, own):
        return Field("first", Sym(first, value.type, value.null, name=value.name))
    once = _once(later, own, begun)
    if once is not None and sqlx.same(once[0], first) and not recurrences.mentions(m, first, every):
        if once[1] is None and not value.null:
            return Field("first", Sym(first, value.type, name=value.name))
        if once[1] is not None:
            other = sqlx.case(sql("_1 <> _2", first, once[1]), first, exp.null())
            return Field("first_known", Sym(other, value.type, True, name=value.name), once[1])
    step = _step(later, own)
    extreme = None if step is not None else _extreme(later, own)
    changed = step if step is not None else extreme[1] if extreme is not None else None
    if changed is None or recurrences.mentions(m, changed, every):
        raise _refused()
    if extreme is not None and _alike(changed, _oriented(first, lambda t: isinstance(t, exp.Null))):
        return Field(extreme[0], Sym(changed, value.type, value.null, name=value.name))
    begins = next((c for c in begun if _begun(later, own, c, first) or _sum_from(c, first, later, own)), None)
    anew = step is not None and value.type == "int" and not value.null and not recurrences.mentions(m, first, every)
    if begins is None and anew and present is not None:
        amount = sqlx.case(present, changed, first)
        return Field("sum", Sym(amount, "int", True, name=value.name), sqlx.literal(0))
    if begins is None or isinstance(begins, exp.Null):
        raise _refused()
    whole = "e" not in sqlx.text(begins).lower() and "." not in sqlx.text(begins)
    if whole and value.type in ("float", "number") and (extreme is not None or isinstance(changed, exp.Case)):
        raise Refused("a field that is a whole number until a row changes it, and a float then", "0.0")
    return Field("sum" if step is not None else extreme[0], Sym(changed, value.type, True, name=value.name), begins)


def _refused() -> Refused:
    return Refused("a field computed from the field before", "a count, a sum, the first, last, largest or smallest")


def _is_own(tree: Tree, own: set[str]) -> bool:
    tree = sqlx.bare(tree)
    return isinstance(tree, exp.Column) and tree.table in own


def _with(tree: Tree, own: set[str], value: Tree) -> Tree:
    return sqlx.bare(sqlx.replace(tree, lambda n: value if isinstance(n, exp.Column) and n.table in own else None))


def _begun(later: Tree, own: set[str], begins: Tree, first: Tree) -> bool:
    """Whether the first value is what the rule makes of the constant."""
    expected = branches.united(_oriented(_with(later, own, begins), lambda t: _alike(t, begins)))
    return _alike(expected, branches.united(_oriented(first, lambda t: _alike(t, begins))))


def _oriented(tree: Tree, keeps: Callable[[Tree], bool]) -> Tree:
    """CASEs with what is kept as their ELSE, and without branches that make no difference."""
    tree = sqlx.bare(tree)
    if not isinstance(tree, exp.Case) or tree.this or tree.args.get("default") is None:
        return tree
    head, *tail = tree.args["ifs"]
    default = tree.args["default"]
    rest = exp.Case(ifs=[w.copy() for w in tail], default=default.copy()) if tail else default
    then, otherwise = _oriented(head.args["true"], keeps), _oriented(rest, keeps)
    if _alike(then, otherwise):
        return otherwise
    test = sqlx.bare(head.this)
    if keeps(then) and not keeps(otherwise):
        test, then, otherwise = sqlx.negate(test), otherwise, then
    return exp.Case(ifs=[exp.If(this=test.copy(), true=then.copy())], default=otherwise.copy())


def _once(tree: Tree, own: set[str], begun: list[Tree]) -> tuple[Tree, Tree | None] | None:
    """``x`` of ``if own == c: own = x`` and the constant ``c``, None where it is None."""
    if not isinstance(tree, exp.Case) or len(tree.args["ifs"]) != 1 or not _is_own(tree.args["default"], own):
        return None
    test, new = sqlx.bare(sqlx.relaxed(tree.args["ifs"][0].this)), sqlx.bare(tree.args["ifs"][0].args["true"])
    if isinstance(test, exp.Is) and _is_own(test.this, own) and isinstance(test.expression, exp.Null):
        return new, None
    if isinstance(test, exp.EQ) and _is_own(test.this, own) and any(sqlx.same(test.expression, c) for c in begun):
        return new, sqlx.bare(test.expression).copy()
    return None


def _alike(a: Tree, b: Tree) -> bool:
    """Whether two trees say the same, parentheses around constants apart."""

    def plain(node: Tree) -> Tree:
        atom = isinstance(node, exp.Paren) and isinstance(node.this, exp.Neg | exp.Literal | exp.Column)
        return node.this if atom else node

    return sqlx.same(a.copy().transform(plain), b.copy().transform(plain))


def _sum_from(begins: Tree, first: Tree, later: Tree, own: set[str]) -> bool:
    """Whether the first value is the later one from this beginning, constants computed."""
    step = _step(later, own)
    if step is None or not all(isinstance(t, exp.Literal) and not t.is_string for t in (begins, first, step)):
        return False
    return float(begins.name) + float(step.name) == float(first.name)


def _step(tree: Tree, own: set[str]) -> Tree | None:
    """What is added to the leaf: ``a`` of ``own + a``, or of a branch that does."""
    tree = sqlx.bare(tree)
    if _is_own(tree, own):
        return sqlx.literal(0)
    if isinstance(tree, exp.Add):
        for old, amount in ((tree.left, tree.right), (tree.right, tree.left)):
            if _is_own(old, own):
                return sqlx.bare(amount).copy()
    if isinstance(tree, exp.Case) and not tree.this and tree.args.get("default") is not None:
        parts = [_step(w.args["true"], own) for w in tree.args["ifs"]]
        default = _step(tree.args["default"], own)
        if default is not None and all(p is not None for p in parts):
            ifs = [exp.If(this=w.this.copy(), true=p) for w, p in zip(tree.args["ifs"], parts, strict=True)]
            return exp.Case(ifs=ifs, default=default)
    return None


def _extreme(tree: Tree, own: set[str]) -> tuple[str, Tree] | None:
    """``x if x > own else own``, also under conditions on the row: the kind and what it is of."""
    if not isinstance(tree, exp.Case) or tree.this or len(tree.args["ifs"]) != 1:
        return None
    when, kept = tree.args["ifs"][0], tree.args.get("default")
    new = sqlx.bare(when.args["true"])
    if kept is None or not _is_own(kept, own):
        return None
    tests = [sqlx.bare(a) for a in sqlx.atoms(sqlx.relaxed(when.this))]
    compared = [_or_none(a, own) for a in tests if sqlx.tables(a) & own]
    if len(compared) != 1 or type(compared[0]) not in _EXTREMES:
        return None
    kind, left, right = type(compared[0]), sqlx.bare(compared[0].this), sqlx.bare(compared[0].expression)
    if _is_own(left, own):
        kind, left, right = _MIRRORED[kind], right, left
    if not _is_own(right, own) or not sqlx.same(left, new):
        return None
    rest = [a for a in tests if not sqlx.tables(a) & own]
    return _EXTREMES[kind], sqlx.case(sqlx.conjunction(rest), new, exp.null()) if rest else new


def _or_none(test: Tree, own: set[str]) -> Tree:
    """``x > own`` of ``own is None or x > own``: what is missing takes no part in an aggregate."""
    first = sqlx.bare(test.left) if isinstance(test, exp.Or) else None
    missing = isinstance(first, exp.Is) and isinstance(first.expression, exp.Null) and _is_own(first.this, own)
    return sqlx.bare(sqlx.relaxed(test.right)) if missing else test


# -- as a grouping -------------------------------------------------------------------------------------------


def grouping(m: Machine, frame: Frame, query: Query, found: Records, name: str) -> tuple[GroupRel, Value, Value]:
    """One row per key with an aggregate per leaf; the key and the record over it."""
    keys, shape = columns_of(m, found.key, leaf_name(found.key) or "key")
    rel = GroupRel(
        name=name, what=f"{name}, a record per {', '.join(n for n, _ in keys)}", lines=frame.lines, query=query,
        keys=tuple(keys),
    )  # fmt: skip
    outputs, _ = columns_of(m, found.value, "value")
    names = iter([n for n, s in outputs])
    said = [_as_float(m, query, f) for f in found.fields]
    leaves = [_leaf(rel, f, next(names) if isinstance(x, Sym) else "value")
              for f, x in zip(said, evolving.leaves_of(found.value), strict=True)]  # fmt: skip
    return rel, shape(rel), evolving.refilled(found.value, iter(leaves))


def _as_float(m: Machine, query: Query, field: Field) -> Field:
    """A sum of whole numbers that begins as ``0.0`` is one of floats."""
    literal = field.begins is not None and not isinstance(field.begins, exp.Null) and _number(field.begins)
    tree = m.expand_tree(field.value.sql)
    if field.kind != "sum" or field.value.type != "float" or not literal or not _is_whole(query, tree):
        return field
    return replace(field, value=replace(field.value, sql=sql("CAST(_1 AS DOUBLE)", field.value.sql)))


def _is_whole(query: Query, tree: Tree) -> bool:
    """Whether SQL makes a whole number of an expression."""
    tree = sqlx.bare(tree)
    if isinstance(tree, exp.Literal):
        return not tree.is_string and tree.is_int
    if isinstance(tree, exp.Column):
        return tree.table == query.alias and getattr(query.base.columns().get(tree.name), "type", "") == "int"
    if isinstance(tree, exp.Add | exp.Sub | exp.Mul):
        return _is_whole(query, tree.left) and _is_whole(query, tree.right)
    if isinstance(tree, exp.Case):
        sides = [*(w.args["true"] for w in tree.args["ifs"]), tree.args.get("default")]
        return all(x is None or _is_whole(query, x) for x in sides)
    return (isinstance(tree, exp.Neg) and _is_whole(query, tree.this)) or tree.name.lower() == "py_int"


def _leaf(rel: GroupRel, field: Field, wanted: str) -> Value:
    value = field.value
    if not sqlx.tables(value.sql) and field.kind in ("first", "last"):
        return value
    for n, s in rel.keys:
        if field.kind in ("first", "last") and sqlx.same(s.sql, value.sql):
            return rel.column(n, s)
    if field.kind == completed.KIND:
        return completed.leaf(rel, value, wanted)
    name = free_name(wanted, set(rel.columns()))
    one = isinstance(value.sql, exp.Literal) and value.sql.name == "1" and value.type == "int"
    kind = "count" if field.kind == "sum" and one else field.kind
    rel.aggregates.append(Aggregate(name, kind, None if kind == "count" else value, value.type, value.null))
    column = rel.column(name, Sym(value.sql, value.type, value.null if field.begins is None else False))
    if field.begins is None:
        return column
    if field.kind == "first_known":
        return Sym(sql("coalesce(_1, _2)", column.sql, field.begins), value.type, name=name)
    if field.kind != "sum":
        return Sym(sql("greatest(_1, _2)" if field.kind == "max" else "least(_1, _2)", field.begins, column.sql),
                   value.type, name=name)  # fmt: skip
    if float(_number(field.begins)) == 0:
        return column
    return Sym(sql("_1 + _2", field.begins, column.sql), value.type, name=name)


def _number(tree: Tree) -> str:
    return f"-{tree.this.name}" if isinstance(tree, exp.Neg) else tree.name
