"""A store at a glance."""

from __future__ import annotations

from typing import Any

from lester_duck.db import Database
from lester_duck.engine.plan import Plan
from lester_duck.engine.record import count_rows
from lester_duck.store import catalog


def status(db: Database, plan: Plan) -> dict[str, Any]:
    """Sources, views (how stored, and why), features, split, model and history of a store."""
    counts = count_rows(db, plan)
    sources = db.arrow(
        "SELECT name, format, path, rows_set_aside AS set_aside, read_at FROM _lester.source ORDER BY name"
    ).to_pylist()
    views = db.arrow(
        "SELECT name, family, stored, reason FROM _lester.relation "
        "WHERE family <> 'source' AND name = view ORDER BY position"
    ).to_pylist()
    run = db.row("SELECT id, started_at, seconds, metrics FROM _lester.run ORDER BY id DESC LIMIT 1")
    change = db.row("SELECT id, started_at, seconds FROM _lester.change ORDER BY id DESC LIMIT 1")
    return {
        "store": db.path,
        "pipeline": plan.pipeline.name,
        "store_version": catalog.meta(db, "store_version"),
        "sources": [{**s, "rows": counts[s["name"]]} for s in sources],
        "views": [{**v, "rows": counts.get(v["name"])} for v in views],
        "features": _features(db, plan),
        "split": _split(db, plan),
        "model": _model(db),
        "last_run": dict(zip(("id", "started_at", "seconds", "metrics"), run, strict=True)) if run else None,
        "last_change": dict(zip(("id", "started_at", "seconds"), change, strict=True)) if change else None,
    }


def _features(db: Database, plan: Plan) -> dict[str, Any] | None:
    if plan.pipeline.features is None:
        return None
    rows = db.rows(
        "SELECT featurizer, any_value(kind), count(*) FROM _lester.feature GROUP BY featurizer ORDER BY min(position)"
    )
    blocks = [{"featurizer": f, "kind": k, "columns": n} for f, k, n in rows]
    return {"view": plan.pipeline.features.view, "columns": sum(b["columns"] for b in blocks), "blocks": blocks}


def _split(db: Database, plan: Plan) -> dict[str, int] | None:
    if plan.pipeline.features is None:
        return None
    return dict(db.rows("SELECT coalesce(part, 'none'), count(*) FROM _lester.split GROUP BY ALL ORDER BY ALL"))


def _model(db: Database) -> dict[str, Any] | None:
    row = db.row("SELECT estimator, rows_fitted, fitted_at, stale FROM _lester.model")
    return dict(zip(("estimator", "rows_fitted", "fitted_at", "stale"), row, strict=True)) if row else None
