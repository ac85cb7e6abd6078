"""Values of a column that become names of columns: those that were observed, held to by a check.

``for c in sorted(df["x"].unique()): df[f"is_{c}"] = ...`` has as many columns as there are values.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_observed as observed
from lester_duck.lift import sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Series
from lester_duck.lift.relations import GroupRel, SelectRel
from lester_duck.lift.values import Value


def listed(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``sorted(s.unique())``, ``np.unique(s)``, where the script makes names of columns of the values."""
    held = m.content(args[0]) if len(args) == 1 and not kwargs else None
    if not isinstance(held, Series) or m.frames or held.rows_.part is not None or not _names_columns(m):
        return v.MISSING
    values = observed.values_of(m, held) if not _selected(held) else None
    if values is None:
        return v.MISSING
    observed.owe_values(m, held, values, "a value that makes another column")
    return m.new(v.HList(tuple(values)))


def _selected(series: Series) -> bool:
    """Whether the values are those of some rows only: what was observed of the file says too much of them."""
    rel, conditions = series.rows_.rel, list(series.rows_.where)
    while isinstance(rel, SelectRel | GroupRel):
        conditions += rel.query.where
        rel = rel.query.base
    return any(not sqlx.text(c).endswith(" IS NULL") for c in conditions)


def _names_columns(m: Machine) -> bool:
    """Whether a loop over what this line computes sets columns called by the loop's variable."""
    return m.tree is not None and any(_sets_named(loop) for loop in _loops(m.tree, m.line))


def _loops(tree: ast.AST, line: int) -> Iterator[ast.For]:
    nodes = list(ast.walk(tree))
    names = {
        t.id for n in nodes if isinstance(n, ast.Assign) and n.lineno == line
        for t in n.targets if isinstance(t, ast.Name)
    }  # fmt: skip
    for node in nodes:
        if isinstance(node, ast.For) and (node.iter.lineno == line or names & _read(node.iter)):
            yield node


def _sets_named(loop: ast.For) -> bool:
    targets = {n.id for n in ast.walk(loop.target) if isinstance(n, ast.Name)}
    return any(
        isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store) and isinstance(n.slice, ast.JoinedStr | ast.BinOp)
        and targets & _read(n.slice)
        for part in loop.body for n in ast.walk(part)
    )  # fmt: skip


def _read(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


RULES: dict[str, frames.SeriesRule] = {"builtins.sorted": listed, "numpy.unique": listed}
