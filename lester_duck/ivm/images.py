"""Names of the temporary tables that hold a change: images before and after, per relation."""

from __future__ import annotations

from sqlglot import exp

from lester_duck.algebra.relation import Relation, column, quoted
from lester_duck.names import RID


def old_name(relation: str) -> str:
    """Images of changed rows before the change.

    >>> old_name("mails"), new_name("mails")
    ('_old_mails', '_new_mails')
    """
    return f"_old_{relation}"


def new_name(relation: str) -> str:
    """Images of changed rows after the change."""
    return f"_new_{relation}"


def images(name: str) -> exp.Table:
    """A temporary table of images as a FROM item."""
    return exp.Table(this=quoted(name))


def old(relation: str) -> exp.Table:
    """Images before, as a FROM item."""
    return images(old_name(relation))


def new(relation: str) -> exp.Table:
    """Images after, as a FROM item."""
    return images(new_name(relation))


def both(relation: Relation) -> exp.Query:
    """Images before and after together."""
    columns = relation_columns(relation)
    before = exp.select(*columns).from_(old(relation.name))
    after = exp.select(*[c.copy() for c in columns]).from_(new(relation.name))
    return exp.Union(this=before, expression=after, distinct=False)


def old_state(relation: Relation) -> exp.Query:
    """A changed relation as it was: unchanged rows of the current state, and images before."""
    columns = relation_columns(relation)
    changed = exp.select(column(RID)).from_(new(relation.name))
    kept = (
        exp.select(*columns)
        .from_(relation.reference())
        .where(exp.not_(exp.In(this=column(RID), query=exp.Subquery(this=changed))))
    )
    before = exp.select(*[c.copy() for c in columns]).from_(old(relation.name))
    return exp.Union(this=kept, expression=before, distinct=False)


def unchanged(relation: Relation) -> exp.Select:
    """The current state without the rows that have an image after."""
    changed = exp.select(column(RID)).from_(new(relation.name))
    return (
        exp.select(*relation_columns(relation)).from_(relation.reference())
        .where(exp.not_(exp.In(this=column(RID), query=exp.Subquery(this=changed))))
    )  # fmt: skip


def restricted(relation: Relation, rids: exp.Query) -> exp.Select:
    """The current state of the rows whose ids ``rids`` selects."""
    return (
        exp.select(*relation_columns(relation)).from_(relation.reference())
        .where(exp.In(this=column(RID), query=exp.Subquery(this=rids)))
    )  # fmt: skip


def relation_columns(relation: Relation) -> list[exp.Column]:
    """Every column another block can ask of a relation."""
    names = [*relation.columns, *(t.column for t in relation.order), *(c for c, _ in relation.provenance), RID]
    return [column(n) for n in dict.fromkeys(names)]
