"""Blocks of a view computed in a plain database: the algebra without an engine."""

from __future__ import annotations

from lester_duck.algebra.block import build_blocks
from lester_duck.algebra.compute import compute
from lester_duck.algebra.relation import Block, Relation, source_relation, table
from lester_duck.db import Database, connect, sql_text

ROWS = {
    "t": (
        "k INTEGER, a INTEGER, b VARCHAR, c DOUBLE",
        "(1, 0, 'x', 0.5), (2, 1, '', NULL), (3, NULL, 'y', 2.0), (4, 1, NULL, -1.5), (5, 2, 'X ', 0.0), "
        "(6, 0, 'x', 0.5)",
    ),
    "u": ("k INTEGER, a INTEGER, e VARCHAR", "(1, 1, 'p'), (1, 2, 'q'), (4, NULL, NULL), (7, 0, 'r')"),
    "o": ("A INTEGER, n INTEGER, Big VARCHAR", "(0, 10, 'ten'), (1, 11, 'eleven'), (1, 12, 'twelve')"),
}


def names(columns: str) -> tuple[str, ...]:
    """Column names of a list of column definitions."""
    return tuple(c.split()[0] for c in columns.split(", "))


RELATIONS: dict[str, Relation] = {name: source_relation(name, names(columns)) for name, (columns, _) in ROWS.items()}


def database() -> Database:
    """The rows above, as sources (schema ``source``) and as plain tables."""
    db = connect()
    db.execute("CREATE SCHEMA source; CREATE SCHEMA _lester")
    for name, (columns, rows) in ROWS.items():
        db.execute(f"CREATE TABLE {name} ({columns})")
        db.execute(f"INSERT INTO {name} VALUES {rows}")
        db.execute(f"CREATE TABLE source.{name} AS SELECT row_number() OVER () AS _rid, _rid AS _pos, * FROM {name}")
    return db


def evaluate(db: Database, *views: str, relations: dict[str, Relation] = RELATIONS) -> list[tuple]:
    """User columns of the last view's rows, in its order; views are called v1, v2, ... and are gone afterwards."""
    known, made, block = dict(relations), [], None
    try:
        for number, sql in enumerate(views, 1):
            for block in build_blocks(f"v{number}", sql, known, frozenset()):
                known[block.name] = block.relation()
                target = sql_text(table(block.schema, block.table))
                db.execute(f"CREATE TABLE {target} AS {sql_text(compute(block, known))}")
                made.append(target)
                if block.own_ids and block.family != "constant":
                    db.execute(f"ALTER TABLE {target} ADD COLUMN _rid BIGINT; UPDATE {target} SET _rid = rowid + 1")
        return db.rows(f"SELECT {_columns(block)} FROM main.v{len(views)} ORDER BY {_order(block)}")
    finally:
        for target in reversed(made):
            db.execute(f"DROP TABLE {target}")


def _columns(block: Block) -> str:
    return ", ".join(f'"{c}"' for c in block.columns)


def _order(block: Block) -> str:
    terms = [o.term for o in block.order]
    return ", ".join(
        f'"{t.column}" {"DESC" if t.descending else "ASC"} NULLS {"LAST" if t.nulls_last else "FIRST"}' for t in terms
    )
