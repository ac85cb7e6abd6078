"""Random views: a row followed forward by why_not against the edges back, and edges that are said to come once."""

from __future__ import annotations

import os
from random import Random

import pyarrow as pa
import pytest
from lineage.test_random_provenance import COLUMNS, SCHEMA, draw_rows, draw_step

import lester_duck as ld
from lester_duck.pipeline.model import Pipeline, Source, View
from lester_duck.review.describe import once

SEEDS = int(os.environ.get("FUZZ_EXAMPLES", "0")) or 25
MIXING = ("OVER", "LIMIT", "EXCEPT", "INTERSECT", "DISTINCT ON", "QUALIFY", "ASOF", " last(", " first(")


def drawn(seed: int) -> tuple[list[str], dict[str, pa.Table]]:
    r = Random(seed)
    views: list[str] = []
    for _ in range(r.randint(1, 4)):
        names = ["s", "t", *(f"v{n}" for n in range(1, len(views) + 1))]
        views.append(draw_step(r, [*names, names[-1]])[0])
    return views, {n: pa.Table.from_pylist(draw_rows(r), schema=SCHEMA) for n in ("s", "t")}


@pytest.mark.parametrize("seed", range(SEEDS))
def test_both_roads_agree(seed):
    views, data = drawn(seed)
    sources = tuple(Source(name=n, format="table", columns=COLUMNS) for n in data)
    made = tuple(View(name=f"v{n}", sql=sql) for n, sql in enumerate(views, 1))
    mixing = [any(word in sql for word in MIXING) for sql in views]
    with ld.run(Pipeline(name="random", sources=sources, views=made), ":memory:", data=data) as run:
        for source, rows in data.items():
            for rid in range(1, len(rows) + 1):
                derived = set(run.forward(source, rid).column("relation").to_pylist())
                for number in range(1, len(views) + 1):
                    name = f"v{number}"
                    found = {a["outcome"] for a in run.why_not(source, rid, name).to_pylist()}
                    if found == {"arrived"}:
                        assert name in derived, views
                    else:
                        assert found <= {"lost", "unknown", "not read"}, views
                        assert name not in derived or any(mixing[:number]), (views, source, rid, name)
        for block in run.plan.blocks:
            for source in data:
                if once(run.plan, block, source):
                    edges = f"SELECT _rid, source_rid FROM _lester.edges_{block.name} WHERE source = '{source}'"
                    total = run.db.value(f"SELECT count(*) FROM ({edges})")
                    assert total == run.db.value(f"SELECT count(*) FROM (SELECT DISTINCT * FROM ({edges}))"), views
