"""A delta given by a user -> images of source rows before and after.

Accepted: the source's columns plus ``_change_type`` (insert, delete, update_preimage,
update_postimage), optionally ``_rid`` and ``_pos``. Rows are named by ``_rid``, by the declared key,
or, failing both, by their whole content.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from sqlglot import exp

from lester_duck.algebra.relation import column, quoted, table
from lester_duck.db import Database, Error, first_line
from lester_duck.engine.ingest.read import to_arrow
from lester_duck.errors import InputError, one_of
from lester_duck.ivm.images import images, new_name, old_name
from lester_duck.names import CHANGE_TYPE, POS, RID, SOURCE_SCHEMA
from lester_duck.pipeline.model import Source

CHANGE_TYPES = ("insert", "delete", "update_preimage", "update_postimage")
_DELTA = "_delta"
_NAMED = "_delta_named"


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


def read_delta(db: Database, source: str, given: Any) -> pa.Table:
    """A delta as an Arrow table: from a path (.csv, .parquet, .arrow), a frame, a relation or Arrow.

    Raises InputError for a missing file or an unknown format.
    """
    if not isinstance(given, str | Path):
        return to_arrow(db, given)
    path = Path(given)
    if not path.is_file():
        raise InputError(f"no file '{path}' for the delta of source '{source}'")
    readers = {".csv": _read_csv, ".parquet": pa.parquet.read_table, ".arrow": _read_arrow}
    if path.suffix not in readers:
        raise InputError(one_of("delta format", path.suffix, readers), where=str(path))
    try:
        return readers[path.suffix](path)
    except pa.ArrowInvalid as error:
        raise InputError(f"not readable as {path.suffix[1:]}: {error}", where=str(path)) from None


def _read_csv(path: Path) -> pa.Table:
    with pa.csv.open_csv(path) as reader:
        names = reader.schema.names
    convert = pa.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
    return pa.csv.read_csv(path, convert_options=convert, parse_options=pa.csv.ParseOptions(newlines_in_values=True))


def _read_arrow(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()


def normalise(db: Database, source: Source, delta: pa.Table) -> SourceChange:
    """Fill the temporary tables of images before and after; the source itself is left alone.

    Raises InputError for unknown columns or change types, values of a wrong type, rows that do not
    exist, that are ambiguous, that are named twice, keys that exist already, and preimages that
    differ from the store.
    """
    given = _check_columns(source, delta)
    _stage(db, source, delta, given)
    naming = RID if RID in given else ("key" if source.key else "content")
    _NAME_ROWS[naming](db, source, given)
    _refuse(db, source, naming, given)
    _make_images(db, source, given)
    if source.key:
        _refuse_key_conflicts(db, source, f"delta of source '{source.name}'")
    counts = db.row(
        f"SELECT count(*) FILTER (WHERE {CHANGE_TYPE} = 'insert'), count(*) FILTER (WHERE {CHANGE_TYPE} = 'delete'), "
        f"count(*) FILTER (WHERE {CHANGE_TYPE} = 'update_postimage') FROM {_NAMED}"
    )
    return SourceChange(source.name, *counts)


def _check_columns(source: Source, delta: pa.Table) -> list[str]:
    names = [c.name for c in source.columns]
    known = [*names, CHANGE_TYPE, RID, POS]
    where = f"delta of source '{source.name}'"
    for name in delta.column_names:
        if name not in known:
            raise InputError(one_of("column", name, known), where=where)
    if CHANGE_TYPE not in delta.column_names:
        raise InputError(f"no column '{CHANGE_TYPE}'", where=where, hint=f"say for each row: {', '.join(CHANGE_TYPES)}")
    return [n for n in known if n in delta.column_names]


def _stage(db: Database, source: Source, delta: pa.Table, given: list[str]) -> None:
    """The delta with the source's types and a row number."""
    types = {c.name: c.type for c in source.columns} | {RID: "BIGINT", POS: "BIGINT", CHANGE_TYPE: "VARCHAR"}
    casts = [
        exp.alias_(exp.cast(column(n), exp.DataType.build(types[n], dialect="duckdb")), n, quoted=True) for n in given
    ]
    with db.registered("_given", delta) as name:
        select = exp.select(exp.alias_(exp.Window(this=exp.RowNumber()), "_n", quoted=True), *casts).from_(name)
        try:
            db.execute(_temp(_DELTA, select))
        except Error as error:
            raise InputError(f"a value has the wrong type: {first_line(error)}", where=f"delta of source '{source.name}'") from error
    strange = db.value(f"SELECT {CHANGE_TYPE} FROM {_DELTA} WHERE coalesce({CHANGE_TYPE}, '') NOT IN {CHANGE_TYPES} LIMIT 1")
    if strange is not None or db.value(f"SELECT count(*) FROM {_DELTA} WHERE {CHANGE_TYPE} IS NULL"):
        raise InputError(one_of("change type", str(strange), CHANGE_TYPES), where=f"delta of source '{source.name}'")


def _temp(name: str, query: exp.Query) -> exp.Create:
    properties = exp.Properties(expressions=[exp.TemporaryProperty()])
    return exp.Create(this=images(name), kind="TABLE", expression=query, replace=True, properties=properties)


def _store(source: Source) -> exp.Table:
    return table(SOURCE_SCHEMA, source.name, "s")


def _delta_columns(given: list[str]) -> list[exp.Expression]:
    return [column("_n", "d"), *[column(n, "d") for n in given if n != RID]]


def _by_join(db: Database, given: list[str], source: Source, names: list[str]) -> None:
    on = exp.and_(*[exp.NullSafeEQ(this=column(n, "d"), expression=column(n, "s")) for n in names])
    select = exp.select(*_delta_columns(given), exp.alias_(column(RID, "s"), "_target", quoted=True))
    db.execute(_temp(_NAMED, select.from_(_aliased(_DELTA, "d")).join(_store(source), on=on, join_type="left")))


def _aliased(name: str, alias: str) -> exp.Table:
    return exp.Table(this=quoted(name), alias=exp.TableAlias(this=quoted(alias)))


def _by_rid(db: Database, source: Source, given: list[str]) -> None:
    _by_join(db, given, source, [RID])


def _by_key(db: Database, source: Source, given: list[str]) -> None:
    for name in source.key:
        if name not in given:
            raise InputError(f"no column '{name}', which is the key", where=f"delta of source '{source.name}'", hint="give the key, or name rows by _rid")
    _by_join(db, given, source, list(source.key))


def _by_content(db: Database, source: Source, given: list[str]) -> None:
    """Deletes and preimages match whole rows; the n-th postimage belongs to the n-th preimage."""
    names = [c.name for c in source.columns]
    missing = [n for n in names if n not in given]
    if missing:
        raise InputError(f"no column '{missing[0]}'", where=f"delta of source '{source.name}'", hint="without a key or _rid a row is named by all its columns")
    keys = [column(n) for n in names]
    number = exp.Window(this=exp.RowNumber(), partition_by=keys, order=exp.Order(expressions=[exp.Ordered(this=column("_n"))]))
    taken = (
        exp.select("*", exp.alias_(number, "_k", quoted=True)).from_(images(_DELTA))
        .where(f"{CHANGE_TYPE} IN ('delete', 'update_preimage')")
    )  # fmt: skip
    held = exp.Window(this=exp.RowNumber(), partition_by=[k.copy() for k in keys], order=exp.Order(expressions=[exp.Ordered(this=column(RID))]))
    on_delta = exp.and_(*[exp.NullSafeEQ(this=column(n, "s"), expression=column(n, "d")) for n in names])
    rows = exp.select(column(RID, "s"), *[column(n, "s") for n in names], exp.alias_(held, "_k", quoted=True)).from_(_store(source))
    rows = rows.join(_aliased(_DELTA, "d"), on=on_delta, join_type="semi")
    for window in rows.find_all(exp.Window):
        for c in window.find_all(exp.Column):
            c.set("table", quoted("s"))
    _refuse_ambiguous(db, source, taken, rows, names)
    on = exp.and_(*[exp.NullSafeEQ(this=column(n, "d"), expression=column(n, "s")) for n in [*names, "_k"]])
    named = exp.select(column("_n", "d"), exp.alias_(column(RID, "s"), "_target", quoted=True)).from_(
        exp.Subquery(this=taken, alias=exp.TableAlias(this=quoted("d")))
    ).join(exp.Subquery(this=rows, alias=exp.TableAlias(this=quoted("s"))), on=on, join_type="left")
    db.execute(_temp("_delta_targets", named))
    db.execute(_temp(_NAMED, exp.maybe_parse(_PAIRED.format(columns=", ".join(c.sql("duckdb") for c in _delta_columns(given))), dialect="duckdb")))


_PAIRED = """
WITH places AS (
    SELECT _n, row_number() OVER (PARTITION BY _change_type ORDER BY _n) AS place, _change_type AS change FROM _delta
)
SELECT {columns}, coalesce(t._target, p._target) AS _target
FROM _delta AS d
JOIN places AS mine ON mine._n = d._n
LEFT JOIN _delta_targets AS t ON t._n = d._n
LEFT JOIN (
    SELECT places.place, targets._target FROM places JOIN _delta_targets AS targets ON targets._n = places._n
    WHERE places.change = 'update_preimage'
) AS p ON p.place = mine.place AND mine.change = 'update_postimage'
"""


def _refuse_ambiguous(db: Database, source: Source, taken: exp.Select, rows: exp.Select, names: list[str]) -> None:
    keys = ", ".join(column(n).sql("duckdb") for n in names)
    found = db.row(
        f"SELECT s.n, d.n FROM (SELECT {keys}, count(*) AS n FROM ({rows.sql('duckdb')}) GROUP BY ALL) AS s "
        f"JOIN (SELECT {keys}, count(*) AS n FROM ({taken.sql('duckdb')}) GROUP BY ALL) AS d ON "
        + " AND ".join(f"s.{column(n).sql('duckdb')} IS NOT DISTINCT FROM d.{column(n).sql('duckdb')}" for n in names)
        + " WHERE s.n > d.n LIMIT 1"
    )
    if found:
        raise InputError(
            f"ambiguous: the delta names {found[1]} of {found[0]} rows of '{source.name}' with the same content", where=f"delta of source '{source.name}'",
            hint="name the row by _rid, or declare a key",
        )  # fmt: skip


_NAME_ROWS = {RID: _by_rid, "key": _by_key, "content": _by_content}


def _shown(names: tuple[str, ...], values: tuple) -> str:
    return ", ".join(f"{n} = {v!r}" for n, v in zip(names, values, strict=False))


def _refuse(db: Database, source: Source, naming: str, given: list[str]) -> None:
    where = f"delta of source '{source.name}'"
    label = source.key if naming == "key" else ("_n",)
    shown = ", ".join(column(n).sql("duckdb") for n in label)
    unknown = db.row(f"SELECT {shown} FROM {_NAMED} WHERE _target IS NULL AND {CHANGE_TYPE} <> 'insert' ORDER BY _n LIMIT 1")
    if unknown:
        what = _shown(label, unknown) if naming == "key" else f"row {unknown[0]} of the delta"
        raise InputError(f"no row of '{source.name}' fits {what}", where=where, hint=f"rows are named by {'_rid' if naming == RID else naming}")
    if naming != "content":
        known = db.row(f"SELECT {shown} FROM {_NAMED} WHERE _target IS NOT NULL AND {CHANGE_TYPE} = 'insert' ORDER BY _n LIMIT 1")
        if known:
            raise InputError(f"insert of a {'row id' if naming == RID else 'key'} that exists already: {_shown(label, known)}", where=where, hint="use update_postimage")
    twice = db.row(
        f"SELECT _target FROM {_NAMED} WHERE _target IS NOT NULL AND {CHANGE_TYPE} <> 'update_preimage' GROUP BY _target HAVING count(*) > 1 LIMIT 1"
    )
    if twice:
        raise InputError(f"the delta names row {twice[0]} of '{source.name}' twice", where=where, hint="give one change per row")
    alone = db.row(
        f"SELECT _target FROM {_NAMED} WHERE {CHANGE_TYPE} IN ('update_preimage', 'update_postimage') GROUP BY _target "
        f"HAVING NOT bool_or({CHANGE_TYPE} = 'update_postimage') LIMIT 1"
    )
    if alone:
        raise InputError(f"row {alone[0]} of '{source.name}' has a preimage and no postimage", where=where, hint="use delete, or add the update_postimage")
    _refuse_other_preimages(db, source, given, where)


def _refuse_key_conflicts(db: Database, source: Source, where: str) -> None:
    """No image after may carry the key of another row, stored or changed."""
    keys = ", ".join(f"n.{_q(k)}" for k in source.key)
    same = " AND ".join(f"n.{_q(k)} = s.{_q(k)}" for k in source.key)
    images_after, images_before = _q(new_name(source.name)), _q(old_name(source.name))
    found = db.row(
        f"SELECT {keys} FROM {images_after} AS n JOIN {table(SOURCE_SCHEMA, source.name).sql('duckdb')} AS s ON {same} "
        f"WHERE s._rid <> n._rid AND s._rid NOT IN (SELECT _rid FROM {images_before}) LIMIT 1"
    ) or db.row(f"SELECT {keys} FROM {images_after} AS n GROUP BY ALL HAVING count(*) > 1 LIMIT 1")
    if found:
        raise InputError(f"duplicate key: {_shown(source.key, found)} exists already", where=where, hint="use update_postimage for a row that exists")


def _refuse_other_preimages(db: Database, source: Source, given: list[str], where: str) -> None:
    """A preimage (or a full delete) that differs from the store speaks of another state of it."""
    names = [c.name for c in source.columns if c.name in given]
    if not names:
        return
    differs = " OR ".join(f"d.{_q(n)} IS DISTINCT FROM s.{_q(n)}" for n in names)
    found = db.row(
        f"SELECT d._target FROM {_NAMED} AS d JOIN {table(SOURCE_SCHEMA, source.name).sql('duckdb')} AS s ON s._rid = d._target "
        f"WHERE d.{CHANGE_TYPE} = 'update_preimage' AND ({differs}) LIMIT 1"
    )
    if found:
        raise InputError(f"the preimage of row {found[0]} of '{source.name}' differs from the store", where=where, hint="read the row again: somebody changed it")


def _q(name: str) -> str:
    return column(name).sql("duckdb")


def _make_images(db: Database, source: Source, given: list[str]) -> None:
    names = [c.name for c in source.columns]
    held = table(SOURCE_SCHEMA, source.name, "s")
    targets = exp.select(column("_target")).from_(images(_NAMED)).where(f"{CHANGE_TYPE} <> 'insert'")
    old = exp.select(*[column(n, "s") for n in (RID, POS, *names)]).from_(held).where(exp.In(this=column(RID, "s"), query=exp.Subquery(this=targets)))
    db.execute(_temp(old_name(source.name), old))
    next_rid, next_pos = db.row("SELECT next_rid, next_pos FROM _lester.source WHERE name = ?", [source.name])
    missing = [n for n in names if n not in given]
    inserts = db.value(f"SELECT count(*) FROM {_NAMED} WHERE {CHANGE_TYPE} = 'insert'")
    if missing and inserts:
        raise InputError(f"an insert lacks column '{missing[0]}'", where=f"delta of source '{source.name}'", hint="give every column")
    place = f"row_number() OVER (PARTITION BY d.{CHANGE_TYPE} ORDER BY d._n) - 1"
    rid = f"CASE WHEN d.{CHANGE_TYPE} = 'insert' THEN {next_rid} + {place} ELSE d._target END"
    pos = f"coalesce({'d._pos, ' if POS in given else ''}CASE WHEN d.{CHANGE_TYPE} = 'insert' THEN {next_pos} + {place} END, o._pos)"
    values = [f"{'d' if n in given else 'o'}.{_q(n)} AS {_q(n)}" for n in names]
    db.execute(
        f"CREATE OR REPLACE TEMP TABLE {_q(new_name(source.name))} AS SELECT ({rid})::BIGINT AS _rid, ({pos})::BIGINT AS _pos, {', '.join(values)} "
        f"FROM {_NAMED} AS d LEFT JOIN {_q(old_name(source.name))} AS o ON o._rid = d._target "
        f"WHERE d.{CHANGE_TYPE} IN ('insert', 'update_postimage')"
    )
    if inserts:
        db.execute(
            "UPDATE _lester.source SET next_rid = next_rid + ?, next_pos = greatest(next_pos + ?, "
            f"(SELECT coalesce(max(_pos), 0) + 1 FROM {_q(new_name(source.name))})) WHERE name = ?", [inserts, inserts, source.name],
        )  # fmt: skip
