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
from lester_duck.engine.template import column, statement, view_table
from lester_duck.errors import InputError, one_of
from lester_duck.pipeline.model import Split

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
    check_split(split)
    if split.kind == "shuffle":
        _assign_shuffle(db, split, view, order, label_column)
    elif split.kind == "position":
        rows = statement(
            "SELECT _rid, CASE WHEN place <= $first THEN 'train' ELSE 'test' END AS part, NULL AS ordinal "
            "FROM ($ranked)",
            first=exp.Literal.number(first_rows(db, split, view)), ranked=_ranked(view, order),
        )  # fmt: skip
        db.execute(statement(_CREATE, query=rows))
    else:
        part = local_part(db, split, view)
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


def check_split(split: Split) -> None:
    """Raise InputError for an unknown kind, an unknown parameter or a missing one."""
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


def local_part(db: Database, split: Split, view: str) -> exp.Expression:
    """The part of a row as an expression over its own columns (kinds all, hash, column, predicate)."""
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
    return hashed(columns, _share(split.get("train"), "train"))


def hashed(columns: list[exp.Expression], share: float) -> exp.Expression:
    """'train' for a share of the values by the md5 of their texts, else 'test'."""
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


def first_rows(db: Database, split: Split, view: str) -> int:
    """How many rows of a position split are train; raises InputError where that is no number."""
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
