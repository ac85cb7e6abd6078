"""All edges in one pass are those found source by source, before and after changes of random pipelines."""

from __future__ import annotations

import itertools
import os
from random import Random

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from random_pipelines import DELTA, SOURCES, draw_delta, draw_program, table_of

import lester_duck as ld

FUZZ = int(os.environ.get("FUZZ_EXAMPLES", "0"))
PHASES = (Phase.generate, Phase.shrink) if FUZZ else (Phase.generate,)


def both_ways_agree(run: ld.Run) -> None:
    """Compares the views of every relation, references followed."""
    for (name,) in run.db.rows("SELECT view_name[9:] FROM duckdb_views() WHERE starts_with(view_name, 'lineage_')"):
        one, each = followed(run, name), f'SELECT _rid, source, source_rid FROM _lester."edges_{name}"'
        definition = run.plan.block(name).sql
        assert run.db.rows(f"({one}) EXCEPT ALL ({each})") == [], definition
        assert run.db.rows(f"({each}) EXCEPT ALL ({one})") == [], definition


def followed(run: ld.Run, name: str) -> str:
    """The query of all edges of a relation, what is held by reference followed to the sources."""
    sources = ", ".join(f"'{s.name}'" for s in run.pipeline.sources)
    parts = [f'SELECT _rid, source, source_rid FROM _lester."lineage_{name}" WHERE source IN ({sources})']
    for (step,) in run.db.rows(f'SELECT DISTINCT source FROM _lester."lineage_{name}" WHERE source NOT IN ({sources})'):
        parts.append(
            f'SELECT h._rid, e.source, e.source_rid FROM _lester."lineage_{name}" AS h '
            f"JOIN ({followed(run, step)}) AS e ON h.source = '{step}' AND h.source_rid = e._rid"
        )
    return " UNION ALL ".join(parts)


@settings(
    max_examples=FUZZ or 15, deadline=None, derandomize=True, database=None,
    phases=PHASES, suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(st.randoms(use_true_random=False))
def test_random_pipelines(r: Random):
    program = draw_program(r, 4)
    with ld.run(program.pipeline, ":memory:", data=program.data) as run:
        both_ways_agree(run)
        places = itertools.count(-1, -1)
        source = r.choice(program.pipeline.sources)
        shape = next(s for s in SOURCES if s.name == source.name)
        held = run.db.arrow(f"SELECT * EXCLUDE (_pos) FROM source.{source.name} ORDER BY _pos").to_pylist()
        run.update(**{source.name: table_of(shape, draw_delta(r, shape, bool(source.key), held, places), DELTA)})
        both_ways_agree(run)
