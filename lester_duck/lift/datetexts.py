"""Dates compared as text though their text does not sort as time does: reproduced, and pointed out."""

from __future__ import annotations

import re

from sqlglot import exp

from lester_duck.lift.machine import Machine
from lester_duck.lift.values import Sym


def parsed(m: Machine, text: Sym, form: str) -> None:
    """Remember that a column is read as a time of this form."""
    for place in _places(m, text):
        m.files["parsed", *place] = form


def ordered(m: Machine, *sides: Sym) -> None:
    """Remember that a column is compared as text."""
    for side in sides:
        for place in _places(m, side):
            m.files.setdefault(("ordered", *place), m.line)


def suspect(m: Machine) -> None:
    """Report the columns that are both."""
    for key, line in list(m.files.items()):
        form = m.files.get(("parsed", *key[1:])) if key[0] == "ordered" else None
        if form is None or sorts_as_time(form):
            continue
        said = f"'{key[2]}' is compared as text, though it is a date of the form {form}: texts do not sort by time"
        if (line, said) not in m.suspicions:
            m.suspicions.append((line, said))


def sorts_as_time(form: str) -> bool:
    """Whether texts of a time format sort as the times they say.

    >>> sorts_as_time("%Y-%m-%d %H:%M"), sorts_as_time("%d/%m/%Y")
    (True, False)
    """
    return "YmdHMSf".startswith("".join(re.findall(r"%(.)", form)))


def _places(m: Machine, sym: Sym) -> list[tuple[str, str]]:
    """The (relation, column) a text is taken from as it is."""
    tree = m.expand_tree(sym.sql) if sym.type == "str" else None
    if not isinstance(tree, exp.Column):
        return []
    return [(f.query.base.token, sym.name or tree.name) for f in m.frames if f.query.alias == tree.table]
