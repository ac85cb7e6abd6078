"""The 22 queries of TPC-H at a tiny scale: the same rows with provenance as without, and lineage that suffices."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

import pyarrow as pa
import pytest

import lester_duck as ld

PIPELINE = ld.load(Path(__file__).resolve().parents[2] / "bench" / "pipelines" / "tpch")
VIEWS = {v.name: v.sql for v in PIPELINE.views}
SCALE = "0.01"
AGAINST_AN_AVERAGE = {"q17", "q22"}
"""Rows pass a comparison with an average over other rows, which are an influence and not lineage."""
NOTHING_QUALIFIES = {"q17"}
"""The sum is NULL at this scale: it comes from no row."""
NESTED = {"q20"}
"""Rows pass an IN whose subquery holds subqueries itself: an influence."""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tpch")
    program = Path(sysconfig.get_path("scripts")) / "tpchgen-cli"
    subprocess.run([program, "parquet", "-s", SCALE, "-o", folder, "--quiet"], check=True)
    with ld.run(PIPELINE, folder / "tpch.duckdb", root=folder) as run:
        run.db.execute("SET search_path = 'main,source'")
        yield run


def test_there_are_22():
    assert sorted(VIEWS) == [f"q{n:02}" for n in range(1, 23)]


@pytest.mark.parametrize("name", VIEWS)
def test_rows_are_those_of_the_plain_query(run, name):
    assert run.view(name).equals(run.sql(VIEWS[name]).to_arrow_table())


@pytest.mark.parametrize("name", VIEWS)
def test_edges_in_one_pass_are_those_of_each_source(run, name):
    one, each = followed(run, name), f"SELECT _rid, source, source_rid FROM _lester.edges_{name}"
    assert (run.db.value(f"SELECT count(*) FROM ({one})") > 0) is (name not in NOTHING_QUALIFIES)
    assert run.db.rows(f"(({one}) EXCEPT ALL ({each})) UNION ALL (({each}) EXCEPT ALL ({one})) LIMIT 1") == []


@pytest.mark.parametrize("name", sorted(set(VIEWS) - AGAINST_AN_AVERAGE - NESTED))
def test_lineage_of_a_row_brings_it_about(run, name):
    """The query over nothing but the source rows that a row came from gives that row again."""
    rid, *values = run.db.row(f"SELECT _rid, {columns(run, name)} FROM {name} ORDER BY _rid LIMIT 1")
    lineage = run.backward(name, rid).to_pylist()
    for source in (s.name for s in PIPELINE.sources):
        rids = pa.table({"rid": pa.array([e["source_rid"] for e in lineage if e["source"] == source], pa.int64())})
        with run.db.registered("_lineage", rids):
            run.db.execute(f"CREATE TEMP TABLE {source} AS FROM source.{source} WHERE _rid IN (FROM _lineage)")
    try:
        again = run.db.rows(VIEWS[name])
    finally:
        for source in (s.name for s in PIPELINE.sources):
            run.db.execute(f"DROP TABLE temp.{source}")
    assert tuple(values) in again


def followed(run: ld.Run, name: str) -> str:
    """All edges of a view; the rows that a subquery's step came from stand for the row of that step."""
    whole = f"SELECT _rid, source, source_rid FROM _lester.lineage_{name}"
    steps = [step for (step,) in run.db.rows(f"SELECT DISTINCT source FROM ({whole}) WHERE contains(source, '__')")]
    parts = [f"SELECT * FROM ({whole}) WHERE NOT contains(source, '__')"]
    parts += [
        f"SELECT h._rid, e.source, e.source_rid FROM ({whole}) AS h JOIN ({followed(run, step)}) AS e "
        f"ON h.source = '{step}' AND h.source_rid = e._rid"
        for step in steps
    ]
    return " UNION ALL ".join(parts)


def columns(run: ld.Run, name: str) -> str:
    return ", ".join(f'"{c}"' for c in run.plan.relations[name].columns)
