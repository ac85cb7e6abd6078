"""``USING (k)``: the column k of a join is that of the side that is always there.

The left side's for an inner and a left join, the right side's for a right join, the first that is not
NULL for a full join. The parser's own expansion writes ``coalesce`` for all of them, which gives the
values another type where the two sides differ.
"""

from __future__ import annotations

from sqlglot import exp

_WRITTEN = "written"


def mark_written(tree: exp.Expression) -> None:
    """Remember which calls of ``coalesce`` the text has, before names are resolved."""
    for node in tree.find_all(exp.Coalesce):
        node.meta[_WRITTEN] = True


def merge_columns(tree: exp.Expression) -> None:
    """Put the right column in the place of every ``coalesce`` that stands for a column of USING."""
    for node in [n for n in tree.find_all(exp.Coalesce) if not n.meta.get(_WRITTEN)]:
        parts = [node.this, *node.expressions]
        if not all(isinstance(p, exp.Column) and p.table for p in parts):
            continue
        sides = _sides(node)
        merged: exp.Expression = parts[0].copy()
        for part in parts[1:]:
            side = sides.get(part.table)
            if side == "RIGHT":
                merged = part.copy()
            elif side == "FULL":
                merged = exp.Coalesce(this=merged, expressions=[part.copy()])
        node.replace(merged)


def _sides(node: exp.Expression) -> dict[str, str]:
    """Alias of each joined table -> the side of its join, from the query around ``node`` outwards."""
    found: dict[str, str] = {}
    select = node.find_ancestor(exp.Select)
    while select is not None:
        for join in select.args.get("joins") or []:
            found.setdefault(join.this.alias_or_name, join.side)
        select = select.find_ancestor(exp.Select)
    return found
