"""CASE trees read as what a row does: branches decided, joined, and what they add to a carried value."""

from __future__ import annotations

from sqlglot import exp

from lester_duck.lift import sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.sqlx import Tree, sql


def simplified(tree: Tree, known: dict[str, bool]) -> Tree:
    """The tree where some conditions are known: decided branches disappear.

    >>> simplified(sql("CASE WHEN NOT p THEN 1 ELSE x + 1 END"), {"p": True}).sql()
    'x + 1'
    """
    tree = sqlx.bare(tree)
    if isinstance(tree, exp.Window):
        return tree.copy()  # it speaks of other rows
    text = sqlx.text(tree)
    if text in known:
        return sqlx.literal(known[text])
    opposite = sqlx.text(sqlx.negate(tree)) if isinstance(tree, exp.Condition) and _logical(tree) else ""
    if opposite in known:
        return sqlx.literal(not known[opposite])
    if isinstance(tree, exp.Not):
        return sqlx.negate(simplified(tree.this, known))
    if isinstance(tree, exp.And):
        return sqlx.conjunction([simplified(tree.left, known), simplified(tree.right, known)])
    if isinstance(tree, exp.Or):
        return sqlx.disjunction(simplified(tree.left, known), simplified(tree.right, known))
    if isinstance(tree, exp.Case) and not tree.this:
        return _simplified_case(tree, known)
    if isinstance(tree, exp.Is) and isinstance(tree.expression, exp.Null):
        return _simplified_null(tree, known)
    made = tree.copy()
    for name, child in tree.args.items():
        if isinstance(child, exp.Expression):
            inner = simplified(child, known)
            weaker = sqlx.precedence(inner) < 9 and isinstance(child, exp.Paren)
            made.set(name, exp.Paren(this=inner) if weaker else inner)
        elif isinstance(child, list):
            made.set(name, [simplified(c, known) if isinstance(c, exp.Expression) else c for c in child])
    return made


def _logical(tree: Tree) -> bool:
    return isinstance(tree, exp.Not | exp.Predicate | exp.Connector)


def _simplified_case(tree: exp.Case, known: dict[str, bool]) -> Tree:
    default = tree.args.get("default")
    result = simplified(default, known) if default is not None else exp.null()
    for when in reversed(tree.args["ifs"]):
        condition = simplified(when.this, known)
        result = sqlx.case(condition, simplified(when.args["true"], known), result)
    return result


def _simplified_null(tree: exp.Is, known: dict[str, bool]) -> Tree:
    """``x IS NULL`` where it is known by now what ``x`` is.

    >>> simplified(sql("CASE WHEN p THEN x END IS NULL"), {"p": False}).sql()
    'TRUE'
    """
    inner = sqlx.bare(simplified(tree.this, known))
    if isinstance(inner, exp.Null | exp.Literal | exp.Boolean):
        return sqlx.literal(isinstance(inner, exp.Null))
    made = sql("_1 IS NULL", inner)
    said = known.get(sqlx.text(made))
    return made if said is None else sqlx.literal(said)


def step(tree: Tree, own: Tree) -> Tree | None:
    """What is added to the carried number: ``a`` of ``own + a``, or of a branch that does."""
    tree = sqlx.bare(tree)
    if sqlx.same(tree, own):
        return sqlx.literal(0)
    if isinstance(tree, exp.Add):
        for old, amount in ((tree.left, tree.right), (tree.right, tree.left)):
            if sqlx.same(sqlx.bare(old), own):
                return amount.copy()
    if isinstance(tree, exp.Sub) and sqlx.same(sqlx.bare(tree.left), own):
        return sql("-(_1)", tree.right)
    if isinstance(tree, exp.Case) and not tree.this and tree.args.get("default") is not None:
        parts = [step(w.args["true"], own) for w in tree.args["ifs"]]
        default = step(tree.args["default"], own)
        if default is not None and all(p is not None for p in parts):
            ifs = [exp.If(this=w.this.copy(), true=p) for w, p in zip(tree.args["ifs"], parts, strict=True)]
            return exp.Case(ifs=ifs, default=default)
    return None


def opened(m: Machine, tree: Tree) -> Tree:
    """The tree with local names put in place, those of windows apart: a window may not hold another."""

    def definition(node: Tree) -> Tree | None:
        let = m.lets.get(node.table) if isinstance(node, exp.Column) else None
        return opened(m, let.value.sql) if let is not None and let.over is None else None

    return sqlx.replace(tree, definition)


def united(tree: Tree) -> Tree:
    """The tree with CASE chains flat, and a CASE in a branch that has the same ELSE made one condition.

    >>> united(sql("CASE WHEN a THEN CASE WHEN b THEN 1 ELSE x END ELSE x END")).sql()
    'CASE WHEN a AND b THEN 1 ELSE x END'
    """
    tree = sqlx.bare(sqlx.flattened(sqlx.bare(tree)))
    default = tree.args.get("default") if isinstance(tree, exp.Case) and not tree.this else None
    if default is None or len(tree.args["ifs"]) != 1:
        return tree
    when = tree.args["ifs"][0]
    then, otherwise = united(when.args["true"]), united(default)
    if _ends_with(then, otherwise):
        inner = then.args["ifs"][0]
        return sqlx.case(sqlx.conjunction([when.this, inner.this]), inner.args["true"], otherwise)
    if _ends_with(otherwise, then):
        inner = otherwise.args["ifs"][0]
        return sqlx.case(sqlx.conjunction([sqlx.negate(when.this), inner.this]), inner.args["true"], then)
    return tree


def _ends_with(tree: Tree, default: Tree) -> bool:
    single = isinstance(tree, exp.Case) and not tree.this and len(tree.args["ifs"]) == 1
    return single and sqlx.same(sqlx.bare(tree.args.get("default") or exp.null()), default)


def replaced(tree: Tree, own: Tree, value: Tree, packed: bool = False) -> Tree | None:
    """The tree with the carried value, where it is a branch's whole result, replaced; None elsewhere.

    ``packed`` puts the other results into a struct, so that a missing one differs from none.
    """
    tree = sqlx.bare(tree)
    if sqlx.same(tree, own):
        return value.copy()
    if isinstance(tree, exp.Case) and not tree.this and tree.args.get("default") is not None:
        if any(own.table in sqlx.tables(w.this) for w in tree.args["ifs"]):
            return None
        parts = [replaced(w.args["true"], own, value, packed) for w in tree.args["ifs"]]
        default = replaced(tree.args["default"], own, value, packed)
        if default is None or any(p is None for p in parts):
            return None
        ifs = [exp.If(this=w.this.copy(), true=p) for w, p in zip(tree.args["ifs"], parts, strict=True)]
        return exp.Case(ifs=ifs, default=default)
    if own.table in sqlx.tables(tree):
        return None
    return sql("{'kept': _1}", tree) if packed else tree.copy()
