"""Row ids that survive: rows computed again get back the id their identity had before."""

from __future__ import annotations

from sqlglot import exp

from lester_duck.algebra.relation import Block, column, quoted
from lester_duck.engine.build import ROW_IDS
from lester_duck.names import RID

SAME = "_same"


def with_known_ids(block: Block, query: exp.Query, known: str) -> exp.Select:
    """``query``'s rows of a block with the ``_rid`` that the table ``known`` holds for their identity.

    Rows without one get a fresh id. The last column, ``_same``, tells rows that equal their known
    image in every stored column.
    """
    new = exp.Subquery(this=query, alias=exp.TableAlias(this=quoted("n")))
    old = exp.Table(this=quoted(known), alias=exp.TableAlias(this=quoted("o")))
    identity = block.identity if block.own_ids else (RID,)
    on = (
        exp.and_(*[exp.NullSafeEQ(this=column(c, "n"), expression=column(c, "o")) for c in identity])
        if identity
        else exp.true()
    )
    same = [
        exp.NullSafeEQ(this=column(c, "n"), expression=column(c, "o"))
        for c in block.stored_columns
        if c not in identity
    ]
    unchanged = exp.and_(exp.not_(exp.Is(this=column(RID, "o"), expression=exp.null())), *same)
    fresh = exp.Anonymous(this="nextval", expressions=[exp.Literal.string(ROW_IDS)])
    rid = exp.Coalesce(this=column(RID, "o"), expressions=[fresh]) if block.own_ids else column(RID, "n")
    return (
        exp.select(
            *[column(c, "n") for c in block.stored_columns],
            exp.alias_(rid, RID, quoted=True), exp.alias_(unchanged, SAME, quoted=True),
        ).from_(new).join(old, on=on, join_type="left")
    )  # fmt: skip
