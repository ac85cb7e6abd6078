"""Splits after a change of the feature view: equal to ``assign``, at the cost of the change.

A position split keeps a prefix of the order in train, so only rows near its end can move: the
change decides how many of them are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from sqlglot import exp

from lester_duck.db import Database
from lester_duck.engine.matrix_order import OrderTerm, order_by
from lester_duck.engine.split import check_split, first_rows, hashed, local_part
from lester_duck.engine.template import column, rendered, statement, view_table
from lester_duck.errors import InputError
from lester_duck.pipeline.model import Split

CHANGES = "_split_changes"


def maintain_split(db: Database, split: Split, view: str, order: Sequence[OrderTerm], old: str, new: str) -> str | None:
    """Follow a change of the view (already applied to it); returns a temporary table of what changed.

    The result ``(_rid, old_part, new_part)`` names every row that came, left or moved; None: nothing
    did. Membership of a shuffle is frozen: new rows go by hash of ``_rid`` with the share of the
    train part, and come after the others. Every other kind equals ``assign`` afterwards. A split of
    kind ``all`` is left to ``enrol``, whose caller knows the rows.
    """
    check_split(split)
    if split.kind == "all":
        return None
    old, new = old.removeprefix("temp."), new.removeprefix("temp.")
    if split.kind == "position":
        if not _order_changed(db, order, old, new):
            return None
        before, target = _near_the_end(db, split, view, order, old, new)
    else:
        before, target = _of_images(old, new), _target(db, split, view, new)
    db.execute(
        statement(
            "CREATE OR REPLACE TEMP TABLE _split_changes AS "
            "SELECT coalesce(s._rid, t._rid) AS _rid, s.part AS old_part, t.part AS new_part, "
            "s._rid IS NOT NULL AS held, t._rid IS NOT NULL AS holds FROM ($before) AS s "
            "FULL JOIN ($target) AS t ON s._rid = t._rid "
            "WHERE s.part IS DISTINCT FROM t.part OR s._rid IS NULL OR t._rid IS NULL",
            before=before, target=target,
        )
    )  # fmt: skip
    return CHANGES if _apply(db, split) else None


def _apply(db: Database, split: Split) -> bool:
    left, came, strange = db.row(
        "SELECT count(*) FILTER (WHERE held), count(*) FILTER (WHERE holds), "
        "min(new_part) FILTER (WHERE new_part NOT IN ('train', 'test')) FROM _split_changes"
    )
    if strange is not None:
        raise InputError(
            f"split: column '{split.get('column')}' holds {strange!r}", hint="it may hold 'train', 'test' or NULL"
        )
    if left:
        db.execute("DELETE FROM _lester.split WHERE _rid IN (SELECT _rid FROM _split_changes WHERE held)")
    if came:
        db.execute("INSERT INTO _lester.split SELECT _rid, new_part, NULL FROM _split_changes WHERE holds")
    return bool(left or came)


def enrol(db: Database, gone: np.ndarray, came: np.ndarray) -> bool:
    """Follow rows of a split of kind ``all`` that left the view and that came; returns whether any did."""
    if len(gone):
        with db.registered("_gone", pa.table({"_rid": gone})):
            db.execute("DELETE FROM _lester.split WHERE _rid IN (SELECT _rid FROM _gone)")
    if len(came):
        with db.registered("_came", pa.table({"_rid": came})):
            db.execute("INSERT INTO _lester.split SELECT _rid, 'train', NULL FROM _came")
    return bool(len(gone) or len(came))


def _of_images(old: str, new: str) -> exp.Expression:
    """The membership held for the rows of the images."""
    return statement(
        "SELECT _rid, part FROM _lester.split WHERE _rid IN (SELECT _rid FROM $old UNION ALL SELECT _rid FROM $new)",
        old=old, new=new,
    )  # fmt: skip


def _target(db: Database, split: Split, view: str, new: str) -> exp.Expression:
    """A query of ``_rid, part`` as they should be, for the rows of the images after."""
    if split.kind == "shuffle":
        return statement(
            "SELECT n._rid, CASE WHEN s._rid IS NOT NULL THEN s.part ELSE $part END AS part "
            "FROM $new AS n LEFT JOIN _lester.split AS s ON n._rid = s._rid",
            new=new, part=hashed([column("_rid", "n")], _frozen_share(db)),
        )  # fmt: skip
    return statement("SELECT _rid, $part AS part FROM $new", part=local_part(db, split, view), new=new)


def _frozen_share(db: Database) -> float:
    train, both = db.row("SELECT count(*) FILTER (WHERE part = 'train'), count(part) FROM _lester.split")
    return train / both if both else 1.0


# A prefix of the order.


def _order_changed(db: Database, order: Sequence[OrderTerm], old: str, new: str) -> bool:
    """Whether a row came, left, or has another place in the order."""
    conditions = [statement("SELECT o._rid IS NULL OR n._rid IS NULL").expressions[0]]
    for term in order:
        conditions.append(exp.NullSafeNEQ(this=column(term.column, "o"), expression=column(term.column, "n")))
    query = statement(
        "SELECT 1 FROM $old AS o FULL JOIN $new AS n ON o._rid = n._rid WHERE $changed LIMIT 1",
        old=old, new=new, changed=exp.or_(*conditions),
    )  # fmt: skip
    return db.row(query) is not None


def _near_the_end(
    db: Database, split: Split, view: str, order: Sequence[OrderTerm], old: str, new: str
) -> tuple[exp.Expression, exp.Expression]:
    """Membership before and after, of the images and of as many rows next to the prefix's end as can move.

    Of the first K rows, T rows outside the images were train before, and C rows came. A row that
    has ``reach`` of those T after it stands at place T - reach + C or before, so it stays train
    when ``reach >= T + C - K``; a test row with ``reach`` test rows before it stands after T + reach
    others, so it stays test when ``reach >= K - T``. The rows in between and those that came are
    ranked among themselves, and the first of them are train, as many as are missing from K.
    """
    first = first_rows(db, split, view)
    train, came = db.row(
        rendered(
            "SELECT (SELECT count(*) FROM _lester.split WHERE part = 'train' "
            "AND _rid NOT IN (SELECT _rid FROM $old UNION ALL SELECT _rid FROM $new)), (SELECT count(*) FROM $new)",
            old=old, new=new,
        )
    )  # fmt: skip
    reach = max(first - train, train + came - first, 0)
    held = statement(
        "SELECT v._rid FROM $view AS v JOIN _lester.split AS s ON v._rid = s._rid "
        "WHERE v._rid NOT IN (SELECT _rid FROM $old UNION ALL SELECT _rid FROM $new)",
        view=view_table(view), old=old, new=new,
    )  # fmt: skip
    forward = order_by(order, by_ordinal=False)
    inside = _limited(held.where("s.part = 'train'"), _reversed(forward), reach)
    outside = _limited(held.where("s.part = 'test'"), forward, reach)
    near = statement("SELECT _rid FROM ($inside) UNION ALL SELECT _rid FROM ($outside)", inside=inside, outside=outside)
    db.execute(statement("CREATE OR REPLACE TEMP TABLE _split_near AS $near", near=near))
    ranked = statement(
        "SELECT v._rid, row_number() OVER (ORDER BY 1) AS place FROM $view AS v "
        "WHERE v._rid IN (SELECT _rid FROM _split_near UNION ALL SELECT _rid FROM $new)",
        view=view_table(view), new=new,
    )  # fmt: skip
    ranked.find(exp.Window).set("order", exp.Order(expressions=forward))
    target = statement(
        "SELECT _rid, CASE WHEN place <= $missing THEN 'train' ELSE 'test' END AS part FROM ($ranked)",
        missing=exp.Literal.number(first - train + min(reach, train)), ranked=ranked,
    )  # fmt: skip
    before = statement(
        "SELECT _rid, part FROM _lester.split WHERE _rid IN (SELECT _rid FROM $old UNION ALL SELECT _rid FROM $new "
        "UNION ALL SELECT _rid FROM _split_near)",
        old=old, new=new,
    )  # fmt: skip
    return before, target


def _limited(query: exp.Select, terms: Sequence[exp.Expression], rows: int) -> exp.Select:
    return query.order_by(*terms).limit(rows)


def _reversed(terms: Sequence[exp.Expression]) -> list[exp.Expression]:
    """The opposite order.

    >>> [t.sql("duckdb") for t in _reversed(order_by((), by_ordinal=False))]
    ['"v"."_rid" DESC NULLS FIRST']
    """
    return [
        exp.Ordered(this=t.this.copy(), desc=not t.args.get("desc"), nulls_first=not t.args.get("nulls_first"))
        for t in terms
    ]
