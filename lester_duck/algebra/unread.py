"""Order keys of hidden groupings that no step reads: left out, for they are dear where groups are many.

A hidden step is read by the steps of its own view alone. A grouping above it that ORDER BY decides, or one
group of all, does not ask in which order the groups below stand.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import sqlglot
from sqlglot import exp

from lester_duck.algebra.relation import Block


def without_unread_order(view: str, blocks: Iterable[Block]) -> tuple[Block, ...]:
    """The blocks of a view; groupings below it lose an order key that is not read."""
    kept: list[Block] = []
    for block in reversed(tuple(blocks)):
        unread = block.family == "group" and block.name != view and not any(_reads_order(b, block) for b in kept)
        kept.append(replace(block, order=()) if unread else block)
    return tuple(reversed(kept))


def _reads_order(reader: Block, block: Block) -> bool:
    names = {o.term.column for o in block.order}
    for part in reader.branches or (reader,):
        aliases = {i.alias for i in part.inputs if i.relation == block.name}
        if block.name in part.references:
            aliases |= {c.table for text in _texts(part) for c in _columns(text)}
        if aliases and any(c.name in names and c.table in aliases for text in _texts(part) for c in _columns(text)):
            return True
    return False


def _texts(block: Block) -> list[str]:
    return [t for t in (block.sql, *(o.expression for o in block.order), *(k.expression for k in block.keys)) if t]


def _columns(text: str) -> Iterable[exp.Column]:
    return sqlglot.parse_one(text, dialect="duckdb").find_all(exp.Column)
