"""The conventions of docs/provenance.md for operators that become steps, by example: rows, order, provenance.

Each example is run, then brought about by changes of an empty store: what is maintained is the same.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

import lester_duck as ld
from lester_duck.pipeline.model import Column, Pipeline, Source, View

TEXT = (Path(__file__).parent / "operators.txt").read_text(encoding="utf-8")
EXAMPLES = [block.split("\n") for block in TEXT.strip().split("\n\n")[1:]]
SCHEMA = pa.schema([("k", pa.int32()), ("a", pa.int32())])
DATA = {"t": [(1, 5), (2, 6), (2, 6), (None, 7)], "u": [(2, 6), (3, 8), (None, 7)]}
COLUMNS = (Column(name="k", type="INTEGER"), Column(name="a", type="INTEGER"))


def pipeline(sql: str) -> Pipeline:
    sources = tuple(Source(name=n, format="table", columns=COLUMNS) for n in DATA)
    return Pipeline(name="example", sources=sources, views=(View(name="v", sql=sql),))


def rows(name: str) -> list[dict]:
    return [{"k": k, "a": a} for k, a in DATA[name]]


def shown(run: ld.Run) -> list[str]:
    """One line per row, as in the file."""
    order = ", ".join(f'"{t.column}" {"DESC" if t.descending else "ASC"}' for t in run.plan.relations["v"].order)
    columns = ", ".join(f'"{c}"' for c in run.plan.relations["v"].columns)
    lines = []
    for *values, rid in run.db.rows(f"SELECT {columns}, _rid FROM v ORDER BY {order}"):
        found: dict[str, set[int]] = {}
        for source, source_rid in (edge.values() for edge in run.backward("v", rid).to_pylist()):
            found.setdefault(source, set()).add(source_rid)
        sources = "; ".join(f"{name} {' '.join(map(str, sorted(found[name])))}" for name in sorted(found))
        lines.append(f"{', '.join('NULL' if v is None else str(v) for v in values)} <- {sources}".strip())
    return lines


@pytest.mark.parametrize(("sql", "expected"), [(e[0], e[1:]) for e in EXAMPLES], ids=[e[0] for e in EXAMPLES])
def test_example(sql, expected):
    data = {n: pa.Table.from_pylist(rows(n), schema=SCHEMA) for n in DATA}
    with ld.run(pipeline(sql), ":memory:", data=data) as run:
        assert shown(run) == expected


@pytest.mark.parametrize(("sql", "expected"), [(e[0], e[1:]) for e in EXAMPLES], ids=[e[0] for e in EXAMPLES])
def test_example_by_changes(sql, expected):
    data = {n: pa.Table.from_pylist([], schema=SCHEMA) for n in DATA}
    schema = SCHEMA.append(pa.field("_change_type", pa.string()))
    steps = [("t", rows("t")[:2]), ("u", rows("u")), ("t", rows("t")[2:])]
    with ld.run(pipeline(sql), ":memory:", data=data) as run:
        for name, brought in steps:
            given = [{**row, "_change_type": "insert"} for row in brought]
            run.update(**{name: pa.Table.from_pylist(given, schema=schema)})
        assert shown(run) == expected
        assert run.audit().differences == ()
