"""The ORDER BY items of a block's order key."""

from __future__ import annotations

from sqlglot import exp

from lester_duck.algebra.relation import Block, column


def order_by(block: Block) -> list[exp.Ordered]:
    """The ORDER BY items of a block's order key over its stored columns."""
    return [
        exp.Ordered(this=column(o.term.column), desc=o.term.descending, nulls_first=not o.term.nulls_last)
        for o in block.order
    ]
