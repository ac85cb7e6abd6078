"""A delta given by a user -> images of source rows before and after.

Accepted: the source's columns plus ``_change_type`` (insert, delete, update_preimage,
update_postimage), optionally ``_rid`` and ``_pos``. Rows are named by ``_rid``, by the declared key,
or, failing both, by their whole content.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
from sqlglot import exp

from lester_duck.algebra.relation import column, table
from lester_duck.db import Database, Error, first_line
from lester_duck.engine.template import statement
from lester_duck.errors import InputError, one_of
from lester_duck.ivm.images import new_name, old_name
from lester_duck.names import CHANGE_TYPE, POS, RID, SOURCE_SCHEMA
from lester_duck.pipeline.model import Source

CHANGE_TYPES = ("insert", "delete", "update_preimage", "update_postimage")


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


@dataclass(frozen=True, slots=True)
class _Delta:
    """A delta with what is known of its form: the columns it gives and how it names rows."""

    source: Source
    given: tuple[str, ...]

    @property
    def where(self) -> str:
        return f"delta of source '{self.source.name}'"

    @property
    def columns(self) -> tuple[str, ...]:
        """The source's columns."""
        return tuple(c.name for c in self.source.columns)

    @property
    def names_by(self) -> tuple[str, ...]:
        """The columns that name a row."""
        return (RID,) if RID in self.given else (self.source.key or self.columns)

    @property
    def by_content(self) -> bool:
        return RID not in self.given and not self.source.key

    @property
    def target(self) -> exp.Table:
        return table(SOURCE_SCHEMA, self.source.name)


def normalise(db: Database, source: Source, rows: pa.Table) -> SourceChange:
    """Fill the temporary tables of images before and after; the source itself is left alone.

    Raises InputError for unknown columns or change types, values of a wrong type, rows that do not
    exist, that are ambiguous or named twice, keys that exist already, and preimages that differ
    from the store.
    """
    delta = _Delta(source, _check_columns(source, rows))
    _stage(db, delta, rows)
    if delta.by_content:
        _name_by_content(db, delta)
    else:
        _name_by_join(db, delta)
    change, preimages = _refuse_misnamed(db, delta)
    if preimages:
        _refuse_other_preimages(db, delta)
    _fill_images(db, delta, change.inserted)
    if source.key:
        _refuse_key_conflicts(db, delta)
    return change


def _check_columns(source: Source, rows: pa.Table) -> tuple[str, ...]:
    known = [*(c.name for c in source.columns), CHANGE_TYPE, RID, POS]
    where = f"delta of source '{source.name}'"
    for name in rows.column_names:
        if name not in known:
            raise InputError(one_of("column", name, known), where=where)
    if CHANGE_TYPE not in rows.column_names:
        raise InputError(f"no column '{CHANGE_TYPE}'", where=where, hint=f"say for each row: {', '.join(CHANGE_TYPES)}")
    given = tuple(n for n in known if n in rows.column_names)
    needed = () if RID in given else (source.key or tuple(c.name for c in source.columns))
    for name in needed:
        if name not in given:
            what = "which is the key" if source.key else "and without a key or _rid a row is named by all its columns"
            raise InputError(f"no column '{name}', {what}", where=where, hint="give it, or name rows by _rid")
    return given


def _stage(db: Database, delta: _Delta, rows: pa.Table) -> None:
    """``_delta``: the delta with the source's types and a row number."""
    types = {c.name: c.type for c in delta.source.columns} | {RID: "BIGINT", POS: "BIGINT", CHANGE_TYPE: "VARCHAR"}
    casts = [
        exp.alias_(exp.cast(column(n), exp.DataType.build(types[n], dialect="duckdb")), n, quoted=True)
        for n in delta.given
    ]
    with db.registered("_given", rows):
        try:
            db.execute(
                _with_columns(
                    "CREATE OR REPLACE TEMP TABLE _delta AS SELECT row_number() OVER () AS _n FROM _given", casts
                )
            )
        except Error as error:
            raise InputError(f"a value has the wrong type: {first_line(error)}", where=delta.where) from error
    strange = db.row(
        "SELECT _change_type FROM _delta WHERE _change_type IS NULL OR "
        "_change_type NOT IN ('insert', 'delete', 'update_preimage', 'update_postimage') LIMIT 1"
    )
    if strange:
        raise InputError(one_of("change type", str(strange[0]), CHANGE_TYPES), where=delta.where)


def _with_columns(text: str, extra: list[exp.Expression]) -> exp.Expression:
    """A statement whose outermost SELECT also has the columns ``extra``."""
    tree = statement(text)
    (tree.expression if isinstance(tree, exp.Create) else tree).select(*extra, copy=False)
    return tree


def _same(names: tuple[str, ...], left: str, right: str) -> exp.Expression:
    return exp.and_(*[exp.NullSafeEQ(this=column(n, left), expression=column(n, right)) for n in names])


def _name_by_join(db: Database, delta: _Delta) -> None:
    """``_delta_named``: the delta with the ``_rid`` of the row that its ``_rid`` or key names."""
    tree = statement(
        "CREATE OR REPLACE TEMP TABLE _delta_named AS "
        "SELECT d._n, s._rid AS _target FROM _delta AS d LEFT JOIN $source AS s ON $same",
        source=delta.target,
        same=_same(delta.names_by, "d", "s"),
    )
    tree.expression.select(*[column(n, "d") for n in delta.given if n != RID], copy=False)
    db.execute(tree)


def _name_by_content(db: Database, delta: _Delta) -> None:
    """Deletes and preimages take rows of the same content in order of ``_rid``; postimages follow
    the preimage at the same place."""
    partition = [column(n) for n in delta.columns]
    number = exp.Window(this=exp.RowNumber(), partition_by=partition)
    held = number.copy()
    number.set("order", exp.Order(expressions=[exp.Ordered(this=column("_n"))]))
    held.set("order", exp.Order(expressions=[exp.Ordered(this=column(RID))]))
    total = exp.Window(this=exp.Count(this=exp.Star()), partition_by=[p.copy() for p in partition])
    taken = statement(
        "SELECT *, $number AS _k, $total AS _copies FROM _delta WHERE _change_type IN ('delete', 'update_preimage')",
        number=number,
        total=total,
    )
    stored = statement(
        "SELECT *, $number AS _k, $total AS _copies FROM $source AS s SEMI JOIN _delta AS d ON $same",
        number=held,
        total=total,
        source=delta.target,
        same=_same(delta.columns, "d", "s"),
    )
    for name, query in (("_delta_taken", taken), ("_delta_stored", stored)):
        db.execute(statement("CREATE OR REPLACE TEMP TABLE $t AS SELECT * FROM $q", t=name, q=exp.Subquery(this=query)))
    found = db.row(
        statement(
            "SELECT d._copies, s._copies FROM _delta_taken AS d JOIN _delta_stored AS s ON $same "
            "WHERE s._copies > d._copies LIMIT 1",
            same=_same(delta.columns, "d", "s"),
        )
    )
    if found:
        raise InputError(
            f"ambiguous: the delta names {found[0]} of {found[1]} rows of '{delta.source.name}' with the same content",
            where=delta.where,
            hint="name the row by _rid, or declare a key",
        )
    tree = statement(
        "CREATE OR REPLACE TEMP TABLE _delta_named AS "
        "WITH targets AS (SELECT d._n, s._rid FROM _delta_taken AS d JOIN _delta_stored AS s ON $same AND d._k = s._k), "
        "places AS (SELECT _n, _change_type AS change, "
        "row_number() OVER (PARTITION BY _change_type ORDER BY _n) AS place FROM _delta) "
        "SELECT d._n, coalesce(t._rid, p._rid) AS _target FROM _delta AS d "
        "JOIN places AS mine ON mine._n = d._n LEFT JOIN targets AS t ON t._n = d._n "
        "LEFT JOIN (SELECT places.place, targets._rid FROM places JOIN targets ON targets._n = places._n "
        "WHERE places.change = 'update_preimage') AS p ON p.place = mine.place AND mine.change = 'update_postimage'",
        same=_same(delta.columns, "d", "s"),
    )
    tree.expression.select(*[column(n, "d") for n in delta.given], copy=False)
    db.execute(tree)


_FAULTS = """
SELECT
    count(*) FILTER (WHERE _change_type = 'insert'),
    count(*) FILTER (WHERE _change_type = 'delete'),
    count(*) FILTER (WHERE _change_type = 'update_postimage'),
    count(*) FILTER (WHERE _change_type = 'update_preimage'),
    min(_n) FILTER (WHERE _target IS NULL AND _change_type <> 'insert'),
    min(_n) FILTER (WHERE _target IS NOT NULL AND _change_type = 'insert'),
    count(_target) FILTER (WHERE _change_type IN ('delete', 'update_postimage')),
    count(DISTINCT _target) FILTER (WHERE _change_type IN ('delete', 'update_postimage')),
    count(DISTINCT _target) FILTER (WHERE _change_type = 'update_preimage'),
    count(DISTINCT _target) FILTER (WHERE _change_type IN ('update_preimage', 'update_postimage')),
    count(DISTINCT _target) FILTER (WHERE _change_type = 'update_postimage')
FROM _delta_named
"""


def _refuse_misnamed(db: Database, delta: _Delta) -> tuple[SourceChange, int]:
    """Counts of the change and of preimages; refuses rows unknown, known already, or named twice."""
    row = db.row(_FAULTS)
    inserted, deleted, updated, preimages, unknown, known, named, distinct, before, touched, after = row
    if unknown is not None:
        raise InputError(
            f"no row of '{delta.source.name}' fits {_row_words(db, delta, unknown)}",
            where=delta.where,
            hint=f"rows are named by {', '.join(delta.names_by)}",
        )
    if known is not None and not delta.by_content:
        raise InputError(
            f"insert of a row that exists already: {_row_words(db, delta, known)}",
            where=delta.where,
            hint="use update_postimage",
        )
    if named != distinct or preimages != before:
        raise InputError("the delta names a row twice", where=delta.where, hint="give one change per row")
    if touched != after:
        raise InputError(
            "a preimage has no postimage", where=delta.where, hint="use delete, or add the row's update_postimage"
        )
    return SourceChange(delta.source.name, inserted, deleted, updated), preimages


def _row_words(db: Database, delta: _Delta, number: int) -> str:
    """A row of the delta as a person would name it."""
    if delta.by_content or RID in delta.names_by:
        return f"row {number} of the delta"
    select = exp.select(*[column(n) for n in delta.names_by]).from_("_delta_named").where(f"_n = {int(number)}")
    return ", ".join(f"{n} = {v!r}" for n, v in zip(delta.names_by, db.row(select), strict=True))


def _refuse_other_preimages(db: Database, delta: _Delta) -> None:
    """A preimage that differs from the store speaks of another state of it."""
    names = tuple(n for n in delta.columns if n in delta.given)
    found = db.row(
        statement(
            "SELECT d._n FROM _delta_named AS d JOIN $source AS s ON s._rid = d._target "
            "WHERE d._change_type = 'update_preimage' AND NOT ($same) LIMIT 1",
            source=delta.target,
            same=_same(names, "d", "s") if names else exp.true(),
        )
    )
    if found:
        raise InputError(
            f"the preimage in row {found[0]} of the delta differs from the store",
            where=delta.where,
            hint="read the row again: it has changed since",
        )


def _fill_images(db: Database, delta: _Delta, inserted: int) -> None:
    """``_old_<source>`` and ``_new_<source>`` with ``_rid``, ``_pos`` and the source's columns."""
    name = delta.source.name
    old = statement(
        "CREATE OR REPLACE TEMP TABLE $images AS SELECT _rid, _pos FROM $source "
        "WHERE _rid IN (SELECT _target FROM _delta_named WHERE _change_type <> 'insert')",
        images=old_name(name),
        source=delta.target,
    )
    old.expression.select(*[column(n) for n in delta.columns], copy=False)
    db.execute(old)
    missing = [n for n in delta.columns if n not in delta.given]
    if inserted and missing:
        raise InputError(f"an insert lacks column '{missing[0]}'", where=delta.where, hint="give every column")
    next_rid, next_pos = _draw(db, name, inserted) if inserted else (0, 0)
    given_pos = column(POS, "d") if POS in delta.given else exp.null()
    new = statement(
        "CREATE OR REPLACE TEMP TABLE $images AS SELECT "
        "coalesce(d._target, $rid - 1 + row_number() OVER (PARTITION BY d._change_type ORDER BY d._n)) AS _rid, "
        "coalesce($pos, o._pos, $next - 1 + row_number() OVER (PARTITION BY d._change_type ORDER BY d._n)) AS _pos "
        "FROM _delta_named AS d LEFT JOIN $old AS o ON o._rid = d._target "
        "WHERE d._change_type IN ('insert', 'update_postimage')",
        images=new_name(name),
        old=old_name(name),
        rid=exp.Literal.number(next_rid),
        next=exp.Literal.number(next_pos),
        pos=given_pos,
    )
    values = [exp.alias_(column(n, "d" if n in delta.given else "o"), n, quoted=True) for n in delta.columns]
    new.expression.select(*values, copy=False)
    db.execute(new)
    if POS in delta.given:
        db.execute(
            statement(
                "UPDATE _lester.source SET next_pos = greatest(next_pos, (SELECT coalesce(max(_pos), 0) + 1 FROM $new)) "
                "WHERE name = $name",
                new=new_name(name),
                name=exp.Literal.string(name),
            )
        )


def _draw(db: Database, name: str, count: int) -> tuple[int, int]:
    """Take ``count`` row ids and places of a source."""
    found = db.row("SELECT next_rid, next_pos FROM _lester.source WHERE name = ?", [name])
    db.execute(
        "UPDATE _lester.source SET next_rid = next_rid + ?, next_pos = next_pos + ? WHERE name = ?",
        [count, count, name],
    )
    return found


def _refuse_key_conflicts(db: Database, delta: _Delta) -> None:
    """No image after may carry the key of another row, stored or changed; and none may lack it."""
    keys = delta.source.key
    same = exp.and_(*[exp.EQ(this=column(k, "n"), expression=column(k, "s")) for k in keys])
    missing = exp.or_(*[exp.Is(this=column(k, "n"), expression=exp.null()) for k in keys])
    parts = {"new": new_name(delta.source.name), "old": old_name(delta.source.name), "same": same}
    tree = statement(
        "SELECT 1 FROM $new AS n WHERE $missing OR EXISTS (SELECT 1 FROM $new AS s WHERE $same AND s._rid <> n._rid) "
        "OR EXISTS (SELECT 1 FROM $source AS s WHERE $same AND s._rid <> n._rid "
        "AND s._rid NOT IN (SELECT _rid FROM $old)) LIMIT 1",
        source=delta.target,
        missing=missing,
        **parts,
    )
    tree.set("expressions", [column(k, "n") for k in keys])
    found = db.row(tree)
    if found is None:
        return
    shown = ", ".join(f"{n} = {v!r}" for n, v in zip(keys, found, strict=True))
    if any(v is None for v in found):
        raise InputError(f"a row has no value in its key: {shown}", where=delta.where, hint="give the key")
    raise InputError(
        f"duplicate key: {shown} exists already", where=delta.where, hint="use update_postimage for a row that exists"
    )
