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


def both_ways_agree(run: ld.Run) -> int:
    """Compares the views of every relation; the number of edges."""
    names = run.db.rows("SELECT view_name FROM duckdb_views() WHERE starts_with(view_name, 'lineage_') ORDER BY 1")
    edges = 0
    for (name,) in names:
        one, each = (f'SELECT _rid, source, source_rid FROM _lester."{n}"' for n in (name, f"edges_{name[8:]}"))
        definition = run.plan.block(name[8:]).sql
        assert run.db.rows(f"({one}) EXCEPT ALL ({each})") == [], definition
        assert run.db.rows(f"({each}) EXCEPT ALL ({one})") == [], definition
        edges += run.db.value(f"SELECT count(*) FROM ({one})")
    return edges


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
