"""Opening and creating stores: one DuckDB file, one pipeline, one live state."""

from __future__ import annotations

from pathlib import Path

from lester_duck.db import Bounds, Database, Tracer, connect
from lester_duck.errors import InputError
from lester_duck.names import SCHEMAS
from lester_duck.store.migrate import migrate, newest, version

MEMORY = ":memory:"


def check_path(path: str | Path) -> None:
    """Refuse file names whose catalog name would clash with a schema of the store.

    >>> check_path("creditcard.duckdb")
    """
    stem = Path(path).name.split(".")[0].lower()
    if str(path) != MEMORY and stem in SCHEMAS:
        raise InputError(
            f"a store may not be called '{Path(path).name}': its catalog would be named like its schema {stem!r}",
            hint=f"choose another name, such as my_{stem.strip('_')}.duckdb",
        )


def create_or_open(
    path: str | Path, *, wait: float = 0.0, tracer: Tracer | None = None, sealed: Bounds | None = None
) -> Database:
    """Open a store for writing, making the file and the catalog when they are missing.

    A ``sealed`` store is in memory, reaches no file and keeps its configuration (see ``db.connect``).

    Raises InputError for a clashing name, a missing folder, a file that is no store, a locked file
    or a store of a newer version.
    """
    check_path(path)
    if str(path) != MEMORY and not Path(path).parent.is_dir():
        raise InputError(f"no folder '{Path(path).parent}' for the store", hint="make it first")
    db = connect(path, wait=wait, tracer=tracer, sealed=sealed)
    try:
        if version(db) is None and db.value("SELECT count(*) FROM duckdb_tables()"):
            raise InputError(
                f"'{path}' is a DuckDB file but no store", hint="give a new path; its tables are left alone"
            )
        migrate(db)
        _name_resolution(db)
    except BaseException:
        db.close()
        raise
    return db


def _name_resolution(db: Database) -> None:
    """Views and sources can be named without their schema."""
    db.execute("SET search_path = 'main,source'")


def open_existing(
    path: str | Path, *, wait: float = 0.0, read_only: bool = False, tracer: Tracer | None = None
) -> Database:
    """Open a store that must exist; ``read_only`` stores are not migrated.

    Raises InputError when there is no such file, it is no store, or its version does not fit.
    """
    check_path(path)
    if not Path(path).is_file():
        raise InputError(f"no store '{path}'", hint="make one with: lester-duck run PIPELINE --store FILE")
    db = connect(path, wait=wait, read_only=read_only, tracer=tracer)
    try:
        have = version(db)
        if have is None:
            raise InputError(
                f"'{path}' is a DuckDB file but no store", hint="make one with: lester-duck run PIPELINE --store FILE"
            )
        if read_only and have < newest():
            raise InputError(
                f"'{path}' has store version {have}, this program needs {newest()}", hint="open it once for writing"
            )
        if not read_only or have > newest():
            migrate(db)
        _name_resolution(db)
    except BaseException:
        db.close()
        raise
    return db
