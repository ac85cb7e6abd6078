"""Random queries: what a column's lineage does not name does not change it, whatever values it takes.

Views are drawn over two sources and over each other. For every column of a source its values are drawn anew;
an output column whose lineage (its own, and that of the relation) does not name that column must hold the
same values, in the same order, as before.
"""

from __future__ import annotations

import os
import random
import re

import pyarrow as pa
import pytest

from lester_duck.algebra.block import build_blocks
from lester_duck.algebra.columns import origins
from lester_duck.algebra.relation import Relation, source_relation
from lester_duck.db import Database, Error, connect
from lester_duck.engine.build import build_block
from lester_duck.engine.ingest import read_given
from lester_duck.engine.plan import Plan, make_plan
from lester_duck.engine.read import ordered_rows
from lester_duck.engine.second_opinion import agreed_edges
from lester_duck.engine.sources import create_source
from lester_duck.errors import Unsupported
from lester_duck.pipeline.model import Column, Pipeline, Source, View
from lester_duck.store import store

COLUMNS = {"p": ("k", "a", "b", "c"), "q": ("k", "d", "e", "f")}
VIEWS = 10
BATCHES = max(2, int(os.environ.get("FUZZ_EXAMPLES", "0")) // VIEWS)
SOURCES = tuple(
    Source(name=n, format="table", columns=tuple(Column(name=c, type="INTEGER") for c in columns))
    for n, columns in COLUMNS.items()
)


class Draw:
    """Random SELECTs over relations whose columns are whole numbers."""

    def __init__(self, r: random.Random, relations: dict[str, tuple[str, ...]]) -> None:
        self.r = r
        self.relations = relations
        self.aliases = 0
        self.nested = False
        """Whether a query in FROM was drawn: one for each view keeps the number of rows small."""

    def one_of(self, *choices):
        return self.r.choice(choices)()

    def alias(self) -> str:
        self.aliases += 1
        return f"z{self.aliases}"

    def column(self, scope: dict[str, tuple[str, ...]]) -> str:
        alias = self.r.choice(list(scope))
        return f"{alias}.{self.r.choice(scope[alias])}"

    def number(self, scope, depth: int = 2) -> str:
        """An expression of one row."""
        if depth == 0 or self.r.random() < 0.35:
            return self.column(scope)
        x, y = (self.number(scope, depth - 1) for _ in range(2))
        return self.one_of(
            lambda: f"({x} + {y})",
            lambda: f"coalesce({x}, {y})",
            lambda: f"greatest({x}, 1)",
            lambda: f"CASE WHEN {self.test(scope, depth - 1)} THEN {x} ELSE {y} END",
            lambda: f"CASE {x} WHEN 1 THEN {y} END",
            lambda: f"if({self.test(scope, depth - 1)}, {x}, 0)",
            lambda: f"list_sum(list_transform([{x}, 1], lambda v: v + {self.column(scope)}))::BIGINT",
            lambda: self.scalar(scope),
        )

    def scalar(self, scope) -> str:
        """A subquery as a value."""
        name, alias = self.r.choice(list(self.relations)), self.alias()
        inner = {alias: self.relations[name]}
        link = f" WHERE {self.column(inner)} = {self.column(scope)}" if self.r.random() < 0.6 else ""
        return f"(SELECT {self.aggregate(inner, 0)} FROM {name} AS {alias}{link})"

    def test(self, scope, depth: int = 1) -> str:
        x, y = self.number(scope, depth - 1 if depth else 0), self.column(scope)
        name, alias = self.r.choice(list(self.relations)), self.alias()
        inner = {alias: self.relations[name]}
        return self.one_of(
            lambda: f"{x} > 1",
            lambda: f"{x} <= {y}",
            lambda: f"{x} IS NOT NULL",
            lambda: f"{x} IN (1, {y})",
            lambda: f"({x} = 2 OR {y} = 1)",
            lambda: f"{x} IN (SELECT {self.column(inner)} FROM {name} AS {alias} WHERE {self.column(inner)} > 0)",
            lambda: f"EXISTS (SELECT {self.column(inner)} FROM {name} AS {alias} WHERE {self.column(inner)} = {y})",
            lambda: f"NOT EXISTS (SELECT 1 FROM {name} AS {alias} WHERE {self.column(inner)} = {y})",
        )

    def aggregate(self, scope, depth: int = 1) -> str:
        x, y = self.number(scope, depth), self.column(scope)
        return self.one_of(
            lambda: f"sum({x})::BIGINT",
            lambda: f"max({x})",
            lambda: "count(*)",
            lambda: f"count(DISTINCT {x})",
            lambda: f"arg_max({x}, {y})",
            lambda: f"first({x} ORDER BY {y})",
            lambda: f"sum({x}) FILTER (WHERE {y} > 1)::BIGINT",
            lambda: f"len(list(DISTINCT {x}))",
        )

    def window(self, scope) -> str:
        x, y, z = self.number(scope, 1), self.column(scope), self.column(scope)
        over = self.r.choice([f"PARTITION BY {y} ORDER BY {z}", f"PARTITION BY {y}", f"ORDER BY {z}", ""])
        return self.one_of(
            lambda: f"sum({x}) OVER ({over})::BIGINT",
            lambda: f"lag({x}) OVER ({over})",
            lambda: f"rank() OVER ({over})",
            lambda: f"row_number() OVER ({over})",
            lambda: f"first_value({x}) OVER ({over})",
            lambda: f"max({x}) OVER ({over} ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)",
        )

    def items(self) -> tuple[str, dict[str, tuple[str, ...]]]:
        """FROM with its joins, and the columns that can be named."""
        first, one = self.item()
        if self.r.random() < 0.4:
            return f"FROM {first}", one
        kind = self.r.choice(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN", "CROSS JOIN"])
        second, two = self.source() if kind == "CROSS JOIN" else self.item()
        both = {**one, **two}
        on = f"{self.column(one)} = {self.column(two)}"
        more = f" AND {self.column(both)} > 0" if kind in ("JOIN", "LEFT JOIN") and self.r.random() < 0.4 else ""
        known = one if kind in ("SEMI JOIN", "ANTI JOIN") else both
        return f"FROM {first} {kind} {second}" + ("" if kind == "CROSS JOIN" else f" ON {on}{more}"), known

    def item(self) -> tuple[str, dict[str, tuple[str, ...]]]:
        if self.nested or self.r.random() < 0.7:
            return self.source(self.relations)
        self.nested, alias = True, self.alias()
        return f"({self.select(2)}) AS {alias}", {alias: ("x", "y")}

    def source(self, relations: dict[str, tuple[str, ...]] = COLUMNS) -> tuple[str, dict[str, tuple[str, ...]]]:
        name, alias = self.r.choice(list(relations)), self.alias()
        return f"{name} AS {alias}", {alias: relations[name]}

    def select(self, columns: int) -> str:
        from_, scope = self.items()
        names = ("x", "y", "z")[:columns]
        where = f" WHERE {self.test(scope)}" if self.r.random() < 0.4 else ""

        def listed(make) -> str:
            return ", ".join(f"{make()} AS {n}" for n in names)

        def grouped() -> str:
            drawn = [self.number(scope, 1) for _ in range(self.r.randint(1, 2))]
            keys = [key for key in drawn if "SELECT" not in key] or [self.column(scope)]
            shown = ", ".join(f"{self.r.choice([*keys, self.aggregate(scope)])} AS {n}" for n in names)
            having = f" HAVING {self.aggregate(scope)} > 1" if self.r.random() < 0.3 else ""
            by = self.r.choice(["", "", "ROLLUP "])
            return f"SELECT {shown} {from_}{where} GROUP BY {by}({', '.join(keys)}){having}"

        def windowed() -> str:
            tail = f" QUALIFY {self.window(scope)} > 1" if self.r.random() < 0.3 else ""
            return f"SELECT {listed(lambda: self.r.choice([self.window, self.number])(scope))} {from_}{where}{tail}"

        return self.one_of(
            lambda: f"SELECT {listed(lambda: self.number(scope))} {from_}{where}",
            lambda: f"SELECT {listed(lambda: self.number(scope))} {from_}{where}",
            lambda: f"SELECT DISTINCT {listed(lambda: self.number(scope, 1))} {from_}{where}",
            lambda: f"SELECT DISTINCT ON ({self.column(scope)}) {listed(lambda: self.number(scope, 1))} {from_}{where}"
            f" ORDER BY {self.column(scope)}",
            lambda: f"SELECT {listed(lambda: self.aggregate(scope))} {from_}{where}",
            grouped,
            windowed,
        )

    def view(self) -> str:
        def ordered() -> str:
            limit = f" LIMIT {self.r.randint(1, 4)}" if self.r.random() < 0.6 else ""
            return f"SELECT x, y FROM ({self.select(3)}) AS w ORDER BY z{limit}"

        def combined() -> str:
            kind = self.r.choice(["UNION ALL", "UNION", "EXCEPT", "INTERSECT", "EXCEPT ALL"])
            return f"({self.select(2)}) {kind} ({self.select(2)})"

        return self.one_of(
            lambda: self.select(2),
            lambda: self.select(2),
            lambda: self.select(2),
            ordered,
            combined,
            lambda: f"WITH m AS ({self.select(3)}) SELECT m.y AS x, n.z AS y FROM m JOIN m AS n ON m.x = n.x",
            lambda: f"WITH m AS ({self.select(3)}) SELECT z AS x, x AS y FROM m",
        )


def draw_views(r: random.Random) -> tuple[View, ...]:
    """Views that neither DuckDB nor we refuse, over the sources and over views that read sources only."""
    known: dict[str, Relation] = {n: source_relation(n, columns) for n, columns in COLUMNS.items()}
    db = connect()
    for name, columns in COLUMNS.items():
        db.execute(f"CREATE TABLE {name} ({', '.join(f'{c} INTEGER' for c in columns)})")
    views: list[View] = []
    while len(views) < VIEWS:
        name = f"v{len(views)}"
        flat = [v.name for v in views if not re.search(r"\bv\d", v.sql)]
        below = dict.fromkeys(r.sample(flat, min(2, len(flat))), ("x", "y"))
        sql = Draw(r, {**COLUMNS, **below}).view()
        try:
            db.execute(f"CREATE OR REPLACE VIEW {name} AS {sql}")
            blocks = build_blocks(name, sql, known, frozenset())
        except (Unsupported, Error):
            continue
        known[name] = blocks[-1].relation()
        views.append(View(name=name, sql=sql))
    db.close()
    return tuple(views)


def draw_values(r: random.Random) -> pa.Array:
    return pa.array([r.choice([0, 1, 1, 2, 2, 3, None]) for _ in range(9)], pa.int32())


def contents(db: Database, plan: Plan) -> dict[tuple[str, str], list]:
    """Values of every column of every view, in the view's order."""
    relations = [plan.relations[v.name] for v in plan.pipeline.views]
    return {(r.name, c): held for r in relations for c, held in db.arrow(ordered_rows(r)).to_pydict().items()}


def built(plan: Plan, data: dict[str, pa.Table]) -> dict[tuple[str, str], list]:
    """The views' values over other rows of the sources."""
    db = store.create_or_open(store.MEMORY)
    try:
        for source in plan.pipeline.sources:
            create_source(db, read_given(db, source, data[source.name]))
        for block in plan.blocks:
            build_block(db, plan, block, None)
        return contents(db, plan)
    finally:
        db.close()


@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_columns_depend_on_what_their_lineage_names_only(batch):
    r = random.Random(batch)
    views = draw_views(r)
    plan = make_plan(Pipeline(name="random", sources=SOURCES, views=views))
    edges = origins(plan.blocks, agreed_edges(plan), list(COLUMNS))
    said = {(v.name, e.column, e.relation, e.origin) for v in views for e in edges[v.name]}
    unknown = {view for view, _, relation, _ in said if relation is None}
    assert not unknown, [v.sql for v in views if v.name in unknown]
    data = {n: pa.table({c: draw_values(r) for c in columns}) for n, columns in COLUMNS.items()}
    before = built(plan, data)
    for source, columns in COLUMNS.items():
        for place, name in enumerate(columns):
            after = built(plan, {**data, source: data[source].set_column(place, name, draw_values(r))})
            for (view, column), values in after.items():
                free = said.isdisjoint({(view, column, source, name), (view, None, source, name)})
                told = "\n".join(f"{v.name}: {v.sql}" for v in views)
                assert not free or values == before[view, column], f"{source}.{name} changes {view}.{column}\n{told}"
