"""The queries of lineage/columns.txt, their tables, and what is said of them by hand."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from lester_duck.engine.plan import Plan, make_plan
from lester_duck.errors import LesterError
from lester_duck.pipeline.model import Column, Pipeline, Source, View

TABLES = {
    "people": {"id": "INTEGER", "name": "VARCHAR", "city": "VARCHAR", "age": "INTEGER", "boss": "INTEGER"},
    "orders": {
        "id": "INTEGER", "person": "INTEGER", "item": "INTEGER", "qty": "INTEGER", "price": "INTEGER",
        "day": "TIMESTAMP", "state": "VARCHAR",
    },
    "items": {
        "id": "INTEGER", "title": "VARCHAR", "kind": "VARCHAR", "price": "INTEGER", "tags": "VARCHAR[]",
        "info": "STRUCT(color VARCHAR, size INTEGER)",
    },
    "visits": {"person": "INTEGER", "seen": "TIMESTAMP", "page": "VARCHAR", "seconds": "INTEGER"},
}  # fmt: skip
TYPES = {
    "INTEGER": pa.int32(), "VARCHAR": pa.string(), "TIMESTAMP": pa.timestamp("us"), "VARCHAR[]": pa.list_(pa.string()),
    "STRUCT(color VARCHAR, size INTEGER)": pa.struct({"color": pa.string(), "size": pa.int32()}),
}  # fmt: skip
SOURCES = tuple(
    Source(name=n, format="table", columns=tuple(Column(name=c, type=t) for c, t in columns.items()))
    for n, columns in TABLES.items()
)
DATA = {n: pa.table({c: pa.array([], TYPES[t]) for c, t in columns.items()}) for n, columns in TABLES.items()}
Edges = frozenset[tuple[str, str, str]]


def examples() -> dict[str, tuple[str, Edges]]:
    """Name -> query and its edges (column, origin, kind)."""
    text = (Path(__file__).parent / "lineage" / "columns.txt").read_text(encoding="utf-8")
    found = {}
    for block in text.split("\n-- ")[1:]:
        name, query, *lines = block.strip().split("\n")
        edges = set()
        for line in lines:
            column, _, origins = line.partition(" <- ")
            edges |= {(column, *origin.split(" ")) for origin in origins.split(", ")}
        assert name not in found, f"two examples are called '{name}'"
        found[name] = (query, frozenset(edges))
    return found


EXAMPLES = examples()


def planned() -> tuple[Plan, dict[str, str]]:
    """All examples that views may say as views of one pipeline, and the view of each by name."""
    try:
        return _planned(list(EXAMPLES))
    except LesterError:
        return _planned([name for name in EXAMPLES if not _is_refused(name)])


def _planned(names: list[str]) -> tuple[Plan, dict[str, str]]:
    views = {name: f"q{n}" for n, name in enumerate(names)}
    pipeline = Pipeline(
        name="x", sources=SOURCES, views=tuple(View(name=v, sql=EXAMPLES[name][0]) for name, v in views.items())
    )
    return make_plan(pipeline), views


def _is_refused(name: str) -> bool:
    try:
        _planned([name])
    except LesterError:
        return True
    return False
