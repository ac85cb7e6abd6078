"""Data checks of a pipeline: queries that must return no row."""

from __future__ import annotations

from lester_duck.db import Database
from lester_duck.engine.plan import Plan
from lester_duck.errors import CheckFailed
from lester_duck.pipeline.model import Check


def run(db: Database, plan: Plan) -> None:
    """Raise CheckFailed for the first check that finds a row, showing it."""
    for check in plan.pipeline.checks:
        refuse(check, db.row(f"SELECT * FROM ({check.sql}) LIMIT 1"))


def refuse(check: Check, found: tuple | None) -> None:
    """Raise CheckFailed when a check has found a row."""
    if found is not None:
        said = f": {check.message}" if check.message else ""
        raise CheckFailed(
            f"check '{check.name}' found {found!r}{said}",
            where="pipeline.toml",
            hint="mend the data, or change the check",
        )
