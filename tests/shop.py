"""A small pipeline by hand (two sources, three views, a function, features, a model) for tests that spoil it."""

from __future__ import annotations

import json
from pathlib import Path

from lester_duck.db import connect

MANIFEST = """
name = "shop"

[[source]]
name = "shops"
format = "csv"
path = "shops.csv"
columns = ["shop_id", "town", "size BIGINT"]
key = ["shop_id"]

[[source]]
name = "sales"
format = "csv"
path = "sales.csv"
columns = ["sale_id", "shop_id", "day DATE", "price DOUBLE", "note"]
key = ["sale_id"]

[[function]]
name = "loudness"
arguments = ["text"]
returns = "BIGINT"

[features]
view = "prepared"

[[featurizer]]
name = "town"
columns = ["town"]
kind = "one_hot"

[[featurizer]]
name = "price"
columns = ["price"]
kind = "standard_scale"

[[featurizer]]
name = "loud"
columns = ["loud"]
kind = "passthrough"

[label]
column = "dear"

[split]
kind = "position"
rows = "n * 8 // 10"

[model]
estimator = "sklearn.linear_model.LogisticRegression"
"""

FUNCTIONS = '''
def loudness(text):
    """How many exclamation marks a note has."""
    return text.count("!")
'''

VIEWS = {
    "sold": "SELECT sale_id, shop_id, price, note, loudness(note) AS loud\nFROM sales\nWHERE day >= DATE '2024-01-01'",
    "prepared": (
        "-- sales with their shop\n"
        "SELECT s.sale_id, t.town, s.price, s.loud, s.price > 6 AND t.size > 2 AS dear\n"
        "FROM sold AS s\nJOIN shops AS t ON t.shop_id = s.shop_id"
    ),
    "per_town": "SELECT town, count(*) AS n, max(price) AS dearest\nFROM prepared\nGROUP BY town",
}

TOWNS = ("Aro", "Bex", "Cil")


def write(folder: Path, sales: int = 40) -> Path:
    """Write the pipeline and its data into ``folder``."""
    (folder / "views").mkdir(parents=True)
    (folder / "pipeline.toml").write_text(MANIFEST.lstrip(), encoding="utf-8")
    (folder / "functions.py").write_text(FUNCTIONS.lstrip(), encoding="utf-8")
    for name, sql in VIEWS.items():
        (folder / "views" / f"{name}.sql").write_text(sql + "\n", encoding="utf-8")
    shops = "".join(f"s{n},{TOWNS[n % 3]},{n}\n" for n in range(1, 6))
    (folder / "shops.csv").write_text("shop_id,town,size\n" + shops, encoding="utf-8")
    lines = (
        f"{1000 + n},s{n % 5 + 1},202{3 + n % 2}-0{n % 9 + 1}-11,{(n * 7) % 13}.5,note {n}{'!' * (n % 3)}\n"
        for n in range(sales)
    )
    (folder / "sales.csv").write_text("sale_id,shop_id,day,price,note\n" + "".join(lines), encoding="utf-8")
    return folder


def replace(path: Path, old: str, new: str) -> None:
    """Edit a file; the text to replace must be there."""
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in {path.name}"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def content(store: Path) -> dict[str, str]:
    """All that a store holds, comparable: the rows of every table, the text of every view and macro."""
    db = connect(store, read_only=True)
    try:
        held = {}
        for schema, table in db.rows("SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal"):
            rows = db.rows(f'SELECT * FROM "{schema}"."{table}"')
            held[f"table {schema}.{table}"] = json.dumps(sorted(repr(row) for row in rows))
        for schema, view, sql in db.rows("SELECT schema_name, view_name, sql FROM duckdb_views() WHERE NOT internal"):
            held[f"view {schema}.{view}"] = sql
        macros = "SELECT schema_name, function_name, macro_definition FROM duckdb_functions() WHERE NOT internal"
        for schema, name, definition in db.rows(macros):
            held[f"macro {schema}.{name}"] = str(definition)
        return held
    finally:
        db.close()
