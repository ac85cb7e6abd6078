"""Numbered migrations: ``sql/migrations/NNNN_name.sql`` bring a store to this version's catalog."""

from __future__ import annotations

from lester_duck import assets
from lester_duck.db import Database
from lester_duck.errors import InputError


def migrations() -> list[tuple[int, str]]:
    """(number, asset name) of every migration, ascending.

    >>> [number for number, _ in migrations()][:1]
    [1]
    """
    files = sorted(path.name for path in assets.folder("sql/migrations").glob("*.sql"))
    return [(int(name.split("_")[0]), f"sql/migrations/{name}") for name in files]


def newest() -> int:
    """The catalog version this program writes."""
    return migrations()[-1][0]


def version(db: Database) -> int | None:
    """The catalog version of an open file; None when it holds no store."""
    exists = db.value("SELECT count(*) FROM duckdb_tables() WHERE schema_name = '_lester' AND table_name = 'meta'")
    if not exists:
        return None
    return int(db.value("SELECT value FROM _lester.meta WHERE key = 'store_version'"))


def migrate(db: Database) -> None:
    """Apply the migrations a store lacks, in one transaction.

    Raises InputError when the store was written by a newer version.
    """
    have = version(db) or 0
    if have > newest():
        raise InputError(
            f"'{db.path}' was written by a newer lester-duck (store version {have}, this one knows {newest()})",
            hint="upgrade lester-duck; the store is untouched",
        )
    missing = [(number, name) for number, name in migrations() if number > have]
    if not missing:
        return
    with db.transaction():
        for _, name in missing:
            db.execute(assets.text(name))
        db.execute("DELETE FROM _lester.meta WHERE key = 'store_version'")
        db.execute("INSERT INTO _lester.meta VALUES ('store_version', ?)", [str(newest())])
