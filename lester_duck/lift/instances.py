"""``isinstance(x, str)``: what kind of value a row has; in a column of texts a missing one is a float, NaN."""

from __future__ import annotations

from sqlglot import exp

from lester_duck.lift import scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.values import MISSING, Refused, Sym, Value

_CLASSES = {"str": str, "int": int, "float": float, "bool": bool, "list": list, "tuple": tuple, "dict": dict}
_SCALARS = ("str", "float", "int", "bool")


def is_instance(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``isinstance(x, str)``, ``isinstance(x, (int, float))``."""
    if len(args) != 2 or kwargs:
        return MISSING
    value = m.content(args[0])
    given = args[1] if isinstance(args[1], tuple) else (args[1],)
    names = [c.name.removeprefix("builtins.") if isinstance(c, v.Lib) else None for c in given]
    if isinstance(value, v.Choice):
        return scalars.spread(m, value, lambda x: is_instance(m, [x, args[1]], {}))
    if any(n not in _CLASSES for n in names):
        raise Refused("isinstance() with this class", "isinstance(x, str)")
    if v.is_const(value):
        return isinstance(value, tuple(_CLASSES[n] for n in names))
    if not isinstance(value, Sym):
        raise Refused(f"isinstance() of a {scalars.kind_name(value)}", "isinstance(x, str) of one value of a row")
    tree: Tree = exp.false()
    for name in names:
        tree = sqlx.disjunction(tree, _is_of(value, name))
    return bool(tree.this) if isinstance(tree, exp.Boolean) else Sym(tree, "bool")


def _is_of(value: Sym, name: str) -> Tree:
    if name not in _SCALARS:
        return exp.false()
    if value.type == "number" or value.whole is not None:
        raise Refused("isinstance() of a number that is whole in some rows", "isinstance(x, str)")
    if value.nan and value.type in ("int", "bool") and name in ("int", "bool", "float"):
        raise Refused("isinstance() of a number of NumPy", "isinstance(x, str)")
    if name == "int" and value.type == "bool":
        name = "bool"
    if name == "float" and value.nan and (value.null or value.type == "float"):
        missing = sql("_1 IS NULL", value.sql) if value.null else exp.false()
        return exp.true() if value.type == "float" else missing
    if value.type != name:
        return exp.false()
    return sql("_1 IS NOT NULL", value.sql) if value.null else exp.true()


RULES = {"builtins.isinstance": is_instance}
