"""Data checks of a pipeline: queries that must return no row."""

from __future__ import annotations

from lester_duck.db import Database, Error, first_line
from lester_duck.engine.plan import Plan
from lester_duck.errors import InputError


def run(db: Database, plan: Plan) -> None:
    """Raise InputError for the first check that finds a row, showing it."""
    for check in plan.pipeline.checks:
        try:
            found = db.row(f"SELECT * FROM ({check.sql}) LIMIT 1")
        except Error as error:
            raise InputError(
                f"check '{check.name}': {first_line(error)}", where="pipeline.toml", sql=check.sql
            ) from error
        if found is not None:
            raise InputError(
                f"check '{check.name}' found {found!r}{': ' + check.message if check.message else ''}",
                where="pipeline.toml", hint="mend the data, or change the check",
            )  # fmt: skip
