"""Reading and writing the catalog tables of a store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from lester_duck.db import Database
from lester_duck.pipeline import codec
from lester_duck.pipeline import model as ir


def put_pipeline(db: Database, pipeline: ir.Pipeline) -> None:
    """Keep the texts of the live pipeline."""
    db.execute("DELETE FROM _lester.text")
    rows = [
        ("manifest", "pipeline.toml", codec.render_manifest(pipeline)),
        ("functions", "functions.py", pipeline.code),
    ]
    rows += [("view", view.name, codec.render_view(view)) for view in pipeline.views]
    db.connection.executemany("INSERT INTO _lester.text VALUES (?, ?, ?)", rows)


def get_pipeline(db: Database) -> ir.Pipeline | None:
    """The live pipeline, or None when nothing has been run yet."""
    rows = db.rows("SELECT part, name, text FROM _lester.text ORDER BY rowid")
    if not rows:
        return None
    texts = {(part, name): text for part, name, text in rows}
    views = {name: text for (part, name), text in texts.items() if part == "view"}
    return codec.from_texts(texts["manifest", "pipeline.toml"], views, texts["functions", "functions.py"])


def meta(db: Database, key: str) -> str | None:
    """A value of the store's own settings."""
    return db.value("SELECT value FROM _lester.meta WHERE key = ?", [key])


def set_meta(db: Database, values: Mapping[str, str]) -> None:
    """Replace values of the store's own settings."""
    for key, value in values.items():
        db.execute("DELETE FROM _lester.meta WHERE key = ?", [key])
        db.execute("INSERT INTO _lester.meta VALUES (?, ?)", [key, value])


def insert(db: Database, table: str, rows: Iterable[tuple]) -> None:
    """Append rows to a catalog table, given by its unqualified name."""
    rows = list(rows)
    if rows:
        marks = ", ".join("?" * len(rows[0]))
        db.connection.executemany(f"INSERT INTO _lester.{table} VALUES ({marks})", rows)


def next_id(db: Database, table: str) -> int:
    """The next id of ``run`` or ``change``."""
    return db.value(f"SELECT coalesce(max(id), 0) + 1 FROM _lester.{table}")


def as_json(value: Any) -> str:
    """Compact JSON for a catalog column."""
    return json.dumps(value, sort_keys=True, default=str)
