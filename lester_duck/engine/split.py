"""Which rows of the feature view are train and which are test, kept in ``_lester.split``.

``_lester.split(_rid, part, ordinal)``: ``part`` is 'train', 'test' or NULL (in neither);
``ordinal`` is the row's place in its part where that differs from the view's order (shuffles).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import sqlglot
from sklearn.model_selection import train_test_split
from sqlglot import exp

from lester_duck.db import Database, Error, first_line
from lester_duck.engine.matrix_order import OrderTerm, order_by, row_ids
from lester_duck.engine.template import Part, column, statement, view_table
from lester_duck.errors import InputError, one_of
from lester_duck.pipeline.model import Split

CHANGES = "_split_changes"

_PARAMETERS = {
    "all": (),
    "position": ("rows",),
    "hash": ("key", "train"),
    "predicate": ("train", "test"),
    "column": ("column",),
    "shuffle": ("test_size", "train_size", "random_state", "stratify", "shuffle"),
}
_CREATE = (
    "CREATE OR REPLACE TABLE _lester.split AS "
    "SELECT _rid, part::VARCHAR AS part, ordinal::BIGINT AS ordinal FROM ($query)"
)
_HASH_STEPS = 2**60


def assign(
    db: Database, split: Split, view: str, order: Sequence[OrderTerm], label_column: str | None = None
) -> dict[str, int]:
    """Divide all rows of the view anew; returns the number of rows per part ('train', 'test', 'none').

    ``stratify = true`` takes ``label_column``. Raises InputError for a parameter, column, expression
    or size that does not fit, and when no row is in the train part although the view has rows.
    """
    _check(split)
    if split.kind == "shuffle":
        _assign_shuffle(db, split, view, order, label_column)
    elif split.kind == "position":
        rows = statement(
            "SELECT _rid, CASE WHEN place <= $first THEN 'train' ELSE 'test' END AS part, NULL AS ordinal "
            "FROM ($ranked)",
            first=exp.Literal.number(_first_rows(db, split, view)), ranked=_ranked(view, order),
        )  # fmt: skip
        db.execute(statement(_CREATE, query=rows))
    else:
        part = _local_part(db, split, view)
        rows = statement("SELECT _rid, $part AS part, NULL AS ordinal FROM $view", part=part, view=view_table(view))
        _run(db, statement(_CREATE, query=rows), split)
    return _counts(db, split)


def _counts(db: Database, split: Split) -> dict[str, int]:
    found = dict(db.rows("SELECT coalesce(part, 'none'), count(*) FROM _lester.split GROUP BY ALL ORDER BY ALL"))
    strange = sorted(set(found) - {"train", "test", "none"})
    if strange:
        raise InputError(
            f"split: column '{split.get('column')}' holds {strange[0]!r}", hint="it may hold 'train', 'test' or NULL"
        )
    if found and "train" not in found:
        total = sum(found.values())
        raise InputError(f"split: no row of {total} is in the train part", hint=f"check the {split.kind} split")
    return found


def _check(split: Split) -> None:
    allowed = _PARAMETERS.get(split.kind)
    if allowed is None:
        raise InputError(one_of("split kind", split.kind, _PARAMETERS))
    for name, _ in split.params:
        if name not in allowed:
            raise InputError(one_of(f"parameter of a {split.kind} split", name, allowed))
    needed = {"position": "rows", "hash": "train", "predicate": "train", "column": "column"}.get(split.kind)
    if needed and split.get(needed) is None:
        raise InputError(f"a {split.kind} split needs the parameter {needed}")


def _run(db: Database, query: exp.Expression, split: Split) -> None:
    try:
        db.execute(query)
    except Error as error:
        hint = "check its columns and expressions"
        raise InputError(f"split of kind {split.kind}: {first_line(error)}", hint=hint) from error


# Parts that a row's own columns decide.


def _local_part(db: Database, split: Split, view: str) -> exp.Expression:
    if split.kind == "all":
        return exp.Literal.string("train")
    if split.kind == "hash":
        return _hash_part(db, split, view)
    if split.kind == "column":
        return column(_known(db, view, split.get("column")))
    train = _predicate(split, "train")
    if split.get("test") is None:
        return exp.case().when(train, exp.Literal.string("train")).else_(exp.Literal.string("test"))
    case = exp.case().when(train, exp.Literal.string("train"))
    return case.when(_predicate(split, "test"), exp.Literal.string("test"))


def _predicate(split: Split, name: str) -> exp.Expression:
    return _parsed(str(split.get(name)), f"{name} predicate")


def _parsed(text: str, what: str) -> exp.Expression:
    try:
        return exp.paren(sqlglot.parse_one(text, dialect="duckdb"), copy=False)
    except sqlglot.ParseError as error:
        raise InputError(f"split: the {what} is no SQL expression: {text}", sql=text) from error


def _hash_part(db: Database, split: Split, view: str) -> exp.Expression:
    """md5 of the key's values, its first 60 bits as a share of 2**60, below ``train`` is train."""
    key = split.get("key") or ("_rid",)
    key = (key,) if isinstance(key, str) else key
    columns = [column(name if name == "_rid" else _known(db, view, name)) for name in key]
    return _hashed(columns, _share(split.get("train"), "train"))


def _hashed(columns: list[exp.Expression], share: float) -> exp.Expression:
    texts = [exp.func("COALESCE", exp.cast(c, "VARCHAR", dialect="duckdb"), exp.Literal.string("")) for c in columns]
    joined = exp.Anonymous(this="concat_ws", expressions=[exp.Literal.string("\x1f"), *texts])
    return statement(
        "SELECT CASE WHEN ('0x' || left(md5($joined), 15))::UBIGINT < $limit THEN 'train' ELSE 'test' END",
        joined=joined, limit=exp.Literal.number(round(share * _HASH_STEPS)),
    ).expressions[0]  # fmt: skip


def _share(value: Any, name: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= 1:
        raise InputError(f"split: {name} is {value!r}", hint="give a share between 0 and 1")
    return float(value)


def _known(db: Database, view: str, name: Any) -> str:
    existing = [row[0] for row in db.rows(statement("SELECT column_name FROM (DESCRIBE $view)", view=view_table(view)))]
    if name not in existing:
        raise InputError(one_of("column", str(name), [n for n in existing if not n.startswith("_")]), where="split")
    return name


# Parts that the position decides.


def _first_rows(db: Database, split: Split, view: str) -> int:
    text = str(split.get("rows"))
    rows = _parsed(text, "number of rows")
    query = statement("SELECT $amount FROM (SELECT count(*) AS n FROM $view)", amount=rows, view=view_table(view))
    try:
        value = db.value(query)
        return max(0, int(value))
    except (Error, TypeError, ValueError) as error:
        reason = first_line(error) if isinstance(error, Error) else "it is no number"
        hint = "write an expression over n, such as n * 8 // 10"
        raise InputError(f"split: rows = {text!r}: {reason}", hint=hint) from error


def _ranked(view: str, order: Sequence[OrderTerm]) -> exp.Expression:
    query = statement("SELECT v._rid, row_number() OVER (ORDER BY 1) AS place FROM $view AS v", view=view_table(view))
    query.find(exp.Window).set("order", exp.Order(expressions=order_by(order, by_ordinal=False)))
    return query


def _assign_shuffle(
    db: Database, split: Split, view: str, order: Sequence[OrderTerm], label_column: str | None
) -> None:
    rids = row_ids(db, view, order, "all")
    stratify = split.get("stratify")
    labels = _labels(db, view, order, label_column if stratify is True else stratify) if stratify else None
    sizes = {name: split.get(name) for name in ("test_size", "train_size") if split.get(name) is not None}
    try:
        train, test = train_test_split(
            np.arange(len(rids)), stratify=labels, random_state=split.get("random_state"),
            shuffle=split.get("shuffle", True), **sizes,
        )  # fmt: skip
    except ValueError as error:
        raise InputError(f"shuffle split of {len(rids)} rows: {error}") from error
    part = np.full(len(rids), None, dtype=object)
    ordinal = np.zeros(len(rids), dtype=np.int64)
    for name, places in (("train", train), ("test", test)):
        part[places] = name
        ordinal[places] = np.arange(len(places))
    table = pa.table({"_rid": rids, "part": pa.array(part, pa.string()), "ordinal": ordinal})
    with db.registered("_shuffled", table):
        rows = statement("SELECT _rid, part, CASE WHEN part IS NOT NULL THEN ordinal END AS ordinal FROM _shuffled")
        db.execute(statement(_CREATE, query=rows))


def _labels(db: Database, view: str, order: Sequence[OrderTerm], name: Any) -> np.ndarray:
    query = statement("SELECT $label FROM $view AS v", label=column(_known(db, view, name), "v"), view=view_table(view))
    query.set("order", exp.Order(expressions=order_by(order, by_ordinal=False)))
    return db.arrow(query).column(0).to_pandas().to_numpy()


# Maintenance.


def maintain_split(db: Database, split: Split, view: str, order: Sequence[OrderTerm], old: str, new: str) -> str:
    """Follow a change of the view (already applied to it); returns a temporary table of what changed.

    The result ``(_rid, old_part, new_part)`` names every row that came, left or moved. Membership
    of a shuffle is frozen: new rows go by hash of ``_rid`` with the share of the train part, and
    come after the others. Every other kind equals ``assign`` afterwards.
    """
    _check(split)
    target = _target(db, split, view, order, old, new)
    db.execute(
        statement(
            "CREATE OR REPLACE TEMP TABLE _split_changes AS "
            "SELECT coalesce(s._rid, t._rid) AS _rid, s.part AS old_part, t.part AS new_part, "
            "s._rid IS NOT NULL AS held, t._rid IS NOT NULL AS holds FROM $before AS s "
            "FULL JOIN ($target) AS t ON s._rid = t._rid "
            "WHERE s.part IS DISTINCT FROM t.part OR s._rid IS NULL OR t._rid IS NULL",
            before=_before(split, old, new), target=target,
        )
    )  # fmt: skip
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
    return CHANGES


def _before(split: Split, old: str, new: str) -> exp.Expression:
    """The membership that can change: that of all rows for a position split, else of the images."""
    if split.kind == "position":
        return statement("_lester.split")
    return statement(
        "(SELECT _rid, part FROM _lester.split WHERE _rid IN "
        "(SELECT _rid FROM $old UNION ALL SELECT _rid FROM $new))",
        old=_temp(old), new=_temp(new),
    )  # fmt: skip


def _target(db: Database, split: Split, view: str, order: Sequence[OrderTerm], old: str, new: str) -> exp.Expression:
    """A query of ``_rid, part`` as they should be."""
    del old
    if split.kind == "position":
        return statement(
            "SELECT _rid, CASE WHEN place <= $first THEN 'train' ELSE 'test' END AS part FROM ($ranked)",
            first=exp.Literal.number(_first_rows(db, split, view)), ranked=_ranked(view, order),
        )  # fmt: skip
    if split.kind == "shuffle":
        return statement(
            "SELECT n._rid, CASE WHEN s._rid IS NOT NULL THEN s.part ELSE $part END AS part "
            "FROM $new AS n LEFT JOIN _lester.split AS s ON n._rid = s._rid",
            new=_temp(new), part=_hashed([column("_rid", "n")], _frozen_share(db)),
        )  # fmt: skip
    return statement("SELECT _rid, $part AS part FROM $new", part=_local_part(db, split, view), new=_temp(new))


def _frozen_share(db: Database) -> float:
    train, both = db.row("SELECT count(*) FILTER (WHERE part = 'train'), count(part) FROM _lester.split")
    return train / both if both else 1.0


def _temp(name: str) -> Part:
    return name.removeprefix("temp.")
