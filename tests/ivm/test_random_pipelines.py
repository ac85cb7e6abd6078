"""Maintained equals recomputed: random pipelines, random sequences of changes."""

from __future__ import annotations

import itertools
import os
from contextlib import nullcontext
from random import Random
from unittest.mock import patch

import pyarrow as pa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from random_pipelines import DELTA, MACROS, SOURCES, Program, draw_delta, draw_program, table_of

import lester_duck as ld
from lester_duck.db import Database, connect
from lester_duck.errors import LesterError
from lester_duck.ivm import maintain

FUZZ = int(os.environ.get("FUZZ_EXAMPLES", "0"))
EXAMPLES = FUZZ or 15
VIEWS, STEPS = (4, 4) if FUZZ else (3, 2)
PHASES = (Phase.generate, Phase.shrink) if FUZZ else (Phase.generate,)


def rows_of(run: ld.Run, name: str) -> list[tuple]:
    """User columns of a relation, in its order."""
    return [tuple(row.values()) for row in run.view(name).to_pylist()]


def source_rows(run: ld.Run, name: str) -> list[dict]:
    """Rows of a source with ``_rid``, in order."""
    return run.db.arrow(f"SELECT * EXCLUDE (_pos) FROM source.{name} ORDER BY _pos").to_pylist()


def identities(run: ld.Run) -> dict[str, dict[tuple, int]]:
    """For each stored relation with ids of its own: identity -> row id."""
    found = {}
    for block in run.plan.blocks:
        if block.own_ids and run.plan.stored[block.name].how == "table" and block.family != "constant":
            names = ", ".join(f'"{c}"' for c in (*block.identity, "_rid"))
            rows = run.db.rows(f'SELECT {names} FROM "{block.schema}"."{block.table}"')
            found[block.name] = {row[:-1]: row[-1] for row in rows}
            assert len(found[block.name]) == len(rows), f"{block.name}: two rows of one identity"
    return found


def plain_database(run: ld.Run) -> Database:
    """The current sources as plain tables with ``_pos``, declared functions as macros."""
    db = connect()
    db.execute(MACROS)
    for source in run.pipeline.sources:
        rows = run.db.arrow(f"SELECT * EXCLUDE (_rid) FROM source.{source.name} ORDER BY _pos")
        with db.registered("given", rows) as given:
            db.execute(f"CREATE TABLE {source.name} AS FROM {given}")
    return db


def same_as_plain_duckdb(run: ld.Run, program: Program) -> None:
    """Each view against DuckDB's own reading of its text, as bags, and in order where the draw says it."""
    db = plain_database(run)
    try:
        for drawn in program.views:
            name = drawn.shape.name
            mine = rows_of(run, name)
            plain = db.rows(drawn.plain)
            assert sorted(map(repr, mine)) == sorted(map(repr, plain)), f"{name}: {drawn.sql}"
            if drawn.ordered:
                assert mine == db.rows(drawn.ordered), f"order of {name}: {drawn.ordered}"
            held = run.view(name)
            numbered = held.append_column("_pos", pa.array(range(held.num_rows), pa.int64()))
            with db.registered("given", numbered) as given:
                db.execute(f"CREATE TABLE {name} AS FROM {given}")
    finally:
        db.close()


def same_as_fresh_run(run: ld.Run, program: Program) -> None:
    """Each view, in order, against a first run over the current sources."""
    data = {
        s.name: run.db.arrow(f"SELECT * EXCLUDE (_rid, _pos) FROM source.{s.name} ORDER BY _pos")
        for s in run.pipeline.sources
    }
    with ld.run(program.pipeline, ":memory:", data=data) as fresh:
        for drawn in program.views:
            assert rows_of(run, drawn.shape.name) == rows_of(fresh, drawn.shape.name), drawn.sql


def check(run: ld.Run, program: Program) -> None:
    """The store agrees with its own audit and with DuckDB alone."""
    assert run.audit().differences == ()
    same_as_plain_duckdb(run, program)


def change(r: Random, run: ld.Run, program: Program, places) -> dict[str, pa.Table]:
    """Deltas for one or several sources."""
    sources = {s.name: s for s in program.pipeline.sources}
    deltas = {}
    for name in r.sample(sorted(sources), r.choice([1, 1, 2, len(sources)]) if len(sources) > 1 else 1):
        shape = next(s for s in SOURCES if s.name == name)
        keyed = bool(sources[name].key)
        rows = draw_delta(r, shape, keyed, source_rows(run, name), places)
        deltas[name] = table_of(shape, rows, DELTA)
    return deltas


def one_program(r: Random) -> None:
    """Draw a program, run it, change it step by step; every state is checked."""
    program = draw_program(r, VIEWS)
    try:
        run = ld.run(program.pipeline, ":memory:", data=program.data)
    except LesterError as error:
        raise AssertionError(f"refused: {error}\n" + "\n".join(v.sql for v in program.views)) from error
    whole = {"LARGE_CHANGE": 0, "FULL_SHARE": 0.0} if r.random() < 0.15 else {}  # every change counts as large
    with run, patch.multiple(maintain, **whole) if whole else nullcontext():
        check(run, program)
        places = itertools.count(-1, -1)
        for _ in range(STEPS):
            before = identities(run)
            deltas = change(r, run, program, places)
            run.update(**deltas)
            for name, rids in identities(run).items():
                held = {i: rid for i, rid in rids.items() if i in before[name]}
                assert held == {i: before[name][i] for i in held}, f"{name}: a row changed its id"
            check(run, program)
        same_as_fresh_run(run, program)


@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
    phases=PHASES, suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(st.randoms(use_true_random=False))
def test_random_maintained_equals_recomputed(r):
    one_program(r)
