"""What a column holds in the observed files: its views, run in memory as they would be written."""

from __future__ import annotations

from sqlglot import exp

from lester_duck.algebra.relation import column, table
from lester_duck.db import Bounds, Error
from lester_duck.engine import run as engine
from lester_duck.errors import LesterError
from lester_duck.lift import emit, functions
from lester_duck.lift import pandas_aggregates as aggregates
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import Relation
from lester_duck.lift.values import Value
from lester_duck.pipeline import model as ir
from lester_duck.store import store

_SECONDS = 60.0


def values(m: Machine, rel: Relation, name: str) -> set[Value] | None:
    """The distinct values of a column in the observed files, without NULL; None where they cannot be told."""
    roots = [rel]
    try:
        aggregates.place(m, roots)
        emitted = emit.emit(m, roots, shared=False)
        key = ("tried", name, emitted.names[rel], tuple(view.sql for view in emitted.views))
        if key not in m.files:
            m.files[key] = _run(m, emitted, emitted.names[rel], name)
        return m.files[key]
    except LesterError:  # a view that cannot be written or run yet: nothing is known of its values
        return None


def _run(m: Machine, emitted: emit.Emitted, view: str, name: str) -> set[Value] | None:
    declared = functions.needed(m, emitted.views)
    pipeline = ir.Pipeline(
        name="observed", sources=emitted.sources, views=emitted.views, functions=declared,
        code=functions.code(m, {f.name for f in declared}),
    )  # fmt: skip
    db = store.create_or_open(store.MEMORY, sealed=Bounds())
    try:
        with db.within(_SECONDS):
            engine.run(db, pipeline, m.observed.folder, patience=_SECONDS)
            found = db.arrow(exp.select(column(name)).distinct().from_(table("main", view)))
    except Error:
        return None
    finally:
        db.close()
    return set(found.column(0).drop_null().to_pylist())
