"""Conditions on what earlier rows left, without CASE, and whether they contradict each other."""

from __future__ import annotations

from sqlglot import exp

from lester_duck.lift import branches, sqlx
from lester_duck.lift.sqlx import Tree


def logical(tree: Tree) -> Tree:
    """A condition without CASE: ``CASE WHEN a THEN TRUE ELSE b END`` is ``a OR b``."""
    tree = sqlx.bare(tree)
    if isinstance(tree, exp.Not):
        return sqlx.negate(logical(tree.this))
    if isinstance(tree, exp.And):
        return sqlx.conjunction([logical(tree.left), logical(tree.right)])
    if isinstance(tree, exp.Or):
        return sqlx.disjunction(logical(tree.left), logical(tree.right))
    if not isinstance(tree, exp.Case) or tree.this or len(tree.args["ifs"]) != 1 or not tree.args.get("default"):
        return tree
    test = logical(tree.args["ifs"][0].this)
    then, otherwise = logical(tree.args["ifs"][0].args["true"]), logical(tree.args["default"])
    if not isinstance(then, exp.Boolean) and not isinstance(otherwise, exp.Boolean):
        return tree
    return sqlx.disjunction(
        sqlx.conjunction([test, then]), sqlx.conjunction([sqlx.negate(test), otherwise])
    )


def impossible(path: list[Tree]) -> bool:
    """Whether the conditions contradict each other, as far as their texts say."""
    atoms = [a for c in path for a in sqlx.atoms(c)]
    for _ in range(3):
        for place, atom in enumerate(atoms):
            known: dict[str, bool] = {}
            for other in [*atoms[:place], *atoms[place + 1 :]]:
                known[sqlx.text(other)] = True
                known[sqlx.text(sqlx.negate(other))] = False
            made = branches.simplified(atom, known)
            if isinstance(made, exp.Boolean) and not made.this:
                return True
            if not isinstance(made, exp.Boolean):
                atoms[place] = made
        atoms = [b for a in atoms for b in sqlx.atoms(a)]
    return False


def plain(tree: Tree) -> Tree:
    """The tree with the conditions of its CASEs without CASE."""
    made = tree.copy()
    for case in [n for n in made.walk() if isinstance(n, exp.Case) and not n.this]:
        for when in case.args["ifs"]:
            when.set("this", logical(when.this))
    return logical(made)
