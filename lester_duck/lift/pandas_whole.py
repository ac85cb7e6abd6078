"""Whole numbers that pandas keeps as floats only where one is missing: 2022, or 2022.0.

A column that may have missing values is of type float here. ``Sym.whole`` holds what must not happen
for pandas to have kept whole numbers; the file the script wrote says whether it did.
"""

from __future__ import annotations

import csv
from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_objects import Rows
from lester_duck.lift.relations import SelectRel
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.state import Obligation
from lester_duck.lift.values import Sym

_MESSAGE = "a missing value, which would make the column one of floats"


def unless(m: Machine, rows: Rows, sym: Sym, fails: Tree | None = None) -> Sym:
    """A float column that is one of whole numbers unless a row satisfies ``fails`` (it is missing)."""
    fails = sql("_1 IS NULL", sym.sql) if fails is None else fails
    debt = Obligation(rows.query(), rows.where, fails, _MESSAGE, m.line)
    return replace(sym, whole=(*(sym.whole or ()), debt))


def mixed(m: Machine, rows: Rows, sym: Sym, made: Sym) -> Sym:
    """The column of a list whose numbers are whole in some rows: one of whole numbers where no other one comes."""
    if sym.type != "number" or sym.whole is not None:
        return made
    tree, rel, query = sqlx.bare(m.expand_tree(sym.sql)), rows.rel, rows.query()
    while isinstance(tree, exp.Column) and isinstance(rel, SelectRel) and tree.table == query.alias:
        tree, query = sqlx.bare(m.expand(dict(rel.outputs)[tree.name]).sql), rel.query
        rel = query.base
    other = _not_whole(tree)
    if isinstance(other, exp.Boolean):
        return made
    return replace(made, whole=(Obligation(query, query.where, other, _MESSAGE, m.line),))


def _not_whole(tree: Tree) -> Tree:
    """Where an expression is none of the whole numbers that stand in it."""
    tree = sqlx.bare(tree)
    if isinstance(tree, exp.Literal):
        return sqlx.literal(tree.is_string or not tree.name.isdigit())
    if not isinstance(tree, exp.Case) or tree.this is not None or tree.args.get("default") is None:
        return sqlx.literal(True)
    found = _not_whole(tree.args["default"])
    for branch in reversed(tree.args["ifs"]):
        found = sqlx.case(branch.this.copy(), _not_whole(branch.args["true"]), found)
    if all(isinstance(n, exp.Boolean) and n.this for n in (*(i.args["true"] for i in found.args["ifs"]),
                                                           found.args["default"])):  # fmt: skip
        return sqlx.literal(True)
    return found


def owe_rows(m: Machine, rows: Rows) -> None:
    """Say that the file has a row: a column without any is of no type, and its sum a whole number."""
    message = "no row at all, whose sum pandas has as the whole number 0"
    m.obligations.append(Obligation(rows.query(), (), exp.true(), message, m.line, some=True))


def is_whole(sym: Sym) -> bool:
    """Whether a column holds whole numbers, missing ones apart."""
    return sym.type in ("int", "bool") or sym.whole is not None


def is_exact(sym: Sym) -> bool:
    """Whether every value that is there is a whole number, whatever the data: only blanks make floats of them."""
    return is_whole(sym) and not any("py_int" in sqlx.text(o.fails).lower() for o in sym.whole or ())


def together(x: Sym, y: Sym) -> tuple | None:
    """What must not happen for a result of two columns to be whole; None where it never is."""
    if not is_whole(x) or not is_whole(y) or (x.whole is None and y.whole is None):
        return None
    return (*(x.whole or ()), *(y.whole or ()))


def settled(m: Machine, sym: Sym) -> Sym:
    """The column as whole numbers, which the script's results rely on."""
    if sym.whole is None or any(m.expand_tree(o.fails).find(exp.Window) for o in sym.whole):
        return sym
    known = {id(o) for o in m.obligations}
    m.obligations.extend(o for o in sym.whole if id(o) not in known)
    return replace(sym, sql=sql("CAST(_1 AS BIGINT)", sym.sql), type="int", null=False, whole=None)


def as_floats(m: Machine, sym: Sym) -> None:
    """Say that the script's results rely on the column being one of floats: on a missing value."""
    if sym.whole is None or len(sym.whole) != 1 or m.expand_tree(sym.whole[0].fails).find(exp.Window):
        return
    debt = replace(sym.whole[0], some=True, message="whole numbers without a missing one, which were floats")
    if not any(o.some and o.query is debt.query and o.fails is debt.fails for o in m.obligations):
        m.obligations.append(debt)


def was_whole(m: Machine, path: str, separator: str, place: int) -> bool:
    """Whether the file that the script was seen to write has whole numbers in a column, without a blank."""
    cells = _written(m, path, separator, place)
    return bool(cells) and all(c.lstrip("-").isdigit() for c in cells)


def had_times(m: Machine, path: str, separator: str, place: int) -> bool:
    """Whether the file that the script was seen to write has moments within the day in a column."""
    return any(":" in c for c in _written(m, path, separator, place))


def _written(m: Machine, path: str, separator: str, place: int) -> list[str]:
    where = m.observed.folder / path
    if path not in m.observed.writes or not where.is_file():
        return []
    with where.open(newline="", encoding="utf-8") as f:
        rows = [r for r in csv.reader(f, delimiter=separator) if r]
    return [r[place] if place < len(r) else "" for r in rows[1:]]
