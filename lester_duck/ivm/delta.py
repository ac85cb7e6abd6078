"""A delta given by a user -> images of source rows before and after.

Accepted: the source's columns plus ``_change_type`` (insert, delete, update_preimage,
update_postimage), optionally ``_rid`` and ``_pos``. Rows are named by ``_rid``, by the declared key,
or, failing both, by their whole content.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from sqlglot import exp

from lester_duck.algebra.relation import column
from lester_duck.db import Database, Error, first_line
from lester_duck.errors import InputError, one_of
from lester_duck.ivm.delta_sql import GIVEN, Form, Statements, statements
from lester_duck.ivm.faults import CHANGE_TYPES, claims
from lester_duck.names import CHANGE_TYPE, POS, RID
from lester_duck.pipeline.model import Source


@dataclass(frozen=True, slots=True)
class SourceChange:
    """How many rows of a source were inserted, deleted and updated."""

    source: str
    inserted: int
    deleted: int
    updated: int

    @property
    def rows(self) -> int:
        """All changed rows."""
        return self.inserted + self.deleted + self.updated

    @property
    def images(self) -> int:
        """Images before and after, together."""
        return self.inserted + self.deleted + 2 * self.updated


def normalise(db: Database, source: Source, rows: pa.Table) -> SourceChange:
    """Fill the temporary tables of images before and after; the source itself is left alone.

    Raises InputError for unknown columns or change types, values of a wrong type, rows that do not
    exist, that are ambiguous or named twice, keys that exist already, and preimages that differ
    from the store.
    """
    form = Form(source, _check_columns(source, rows))
    texts = statements(form)
    _name_rows(db, form, texts, rows)
    change, rekeyed = _refuse_faults(db, form)
    missing = [n for n in form.columns if n not in form.given]
    if change.inserted and missing:
        raise InputError(f"an insert lacks column '{missing[0]}'", where=form.where, hint="give every column")
    if texts.old:
        db.execute(texts.old)
    _draw_ids(db, source.name, change.inserted)
    db.execute(texts.new)
    if POS in form.given:
        db.execute(texts.next_pos)
    if texts.conflicts and (change.inserted or rekeyed):
        _refuse_conflicts(db, form, texts)
    return change


def _check_columns(source: Source, rows: pa.Table) -> tuple[str, ...]:
    known = [*(c.name for c in source.columns), CHANGE_TYPE, RID, POS]
    where = f"delta of source '{source.name}'"
    for name in rows.column_names:
        if name not in known:
            raise InputError(one_of("column", name, known), where=where)
    if CHANGE_TYPE not in rows.column_names:
        raise InputError(f"no column '{CHANGE_TYPE}'", where=where, hint=f"say for each row: {', '.join(CHANGE_TYPES)}")
    needed = () if RID in rows.column_names else (source.key or tuple(c.name for c in source.columns))
    for name in needed:
        if name not in rows.column_names:
            what = "which is the key" if source.key else "and without a key or _rid a row is named by all its columns"
            raise InputError(f"no column '{name}', {what}", where=where, hint="give it, or name rows by _rid")
    return tuple(n for n in known if n in rows.column_names)


def _name_rows(db: Database, form: Form, texts: Statements, rows: pa.Table) -> None:
    """``_delta_named``: the typed delta with the row of the source that each of its rows names."""
    numbered = rows.append_column("_n", pa.array(np.arange(1, rows.num_rows + 1)))
    with db.registered(GIVEN, numbered):
        try:
            for text in texts.name:
                db.execute(text)
        except Error as error:
            raise InputError(f"a value has the wrong type: {first_line(error)}", where=form.where) from error
    found = db.row(texts.ambiguous) if texts.ambiguous else None
    if found:
        raise InputError(
            f"ambiguous: the delta names {found[0]} of {found[1]} rows of '{form.source.name}' with the same content",
            where=form.where,
            hint="name the row by _rid, or declare a key",
        )


def _refuse_faults(db: Database, form: Form) -> tuple[SourceChange, bool]:
    """What the delta does, and whether it changes keys; refuses rows that cannot be what they claim."""
    found = claims(db.arrow("SELECT _n, _target, _change_type, _differs, _rekeyed FROM _delta_named"))
    if found.strange is not None:
        given = db.value("SELECT _change_type FROM _delta_named WHERE _n = ?", [found.strange])
        raise InputError(one_of("change type", str(given), CHANGE_TYPES), where=form.where)
    if found.unknown is not None:
        raise InputError(
            f"no row of '{form.source.name}' fits {_in_words(db, form, found.unknown)}",
            where=form.where,
            hint=f"rows are named by {', '.join(form.names_by)}",
        )
    if found.known is not None and not form.by_content:
        raise InputError(
            f"insert of a row that exists already: {_in_words(db, form, found.known)}",
            where=form.where,
            hint="use update_postimage",
        )
    if found.twice is not None:
        raise InputError(
            f"the delta names {_in_words(db, form, found.twice)} twice",
            where=form.where,
            hint="give one change per row",
        )
    if found.alone is not None:
        raise InputError(
            f"{_in_words(db, form, found.alone)} has a preimage and no postimage",
            where=form.where,
            hint="use delete, or add the row's update_postimage",
        )
    if found.differing is not None:
        raise InputError(
            f"the preimage of {_in_words(db, form, found.differing)} differs from the store",
            where=form.where,
            hint="read the row again: it has changed since",
        )
    return SourceChange(form.source.name, found.inserted, found.deleted, found.updated), found.rekeyed


def _in_words(db: Database, form: Form, number: int) -> str:
    """A row of the delta as a person would name it."""
    if form.by_content or RID in form.names_by:
        return f"row {number} of the delta"
    select = exp.select(*[column(n) for n in form.names_by]).from_("_delta_named").where(f"_n = {int(number)}")
    return ", ".join(f"{n} = {v!r}" for n, v in zip(form.names_by, db.row(select), strict=True))


def _draw_ids(db: Database, name: str, count: int) -> None:
    """Take ``count`` row ids and places of a source, and leave the first of each in variables."""
    rid, pos = 0, 0
    if count:
        rid, pos = db.row("SELECT next_rid, next_pos FROM _lester.source WHERE name = ?", [name])
        db.execute(
            "UPDATE _lester.source SET next_rid = next_rid + ?, next_pos = next_pos + ? WHERE name = ?",
            [count, count, name],
        )
    db.execute(f"SET VARIABLE next_rid = {int(rid)}; SET VARIABLE next_pos = {int(pos)}")


def _refuse_conflicts(db: Database, form: Form, texts: Statements) -> None:
    found = db.row(texts.conflicts)
    if found is None:
        return
    shown = ", ".join(f"{n} = {v!r}" for n, v in zip(form.source.key, found, strict=True))
    if any(v is None for v in found):
        raise InputError(f"a row has no value in its key: {shown}", where=form.where, hint="give the key")
    raise InputError(
        f"duplicate key: {shown} exists already", where=form.where, hint="use update_postimage for a row that exists"
    )
