"""Data checks after a change, at the cost of the change.

A check is a view that must stay empty. It was empty before, so only rows that the change brings can
break it: the delta rule of its operator names them, and nothing else is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from lester_duck.algebra.relation import quoted
from lester_duck.db import Database, sql_text
from lester_duck.engine.checks import refuse
from lester_duck.engine.plan import Plan
from lester_duck.ivm.affected import affected, new_rows
from lester_duck.ivm.program import fill
from lester_duck.pipeline.model import Check


@dataclass(frozen=True, slots=True)
class _Look:
    """Temporary tables to fill, and the query for a row the change brought."""

    prepare: tuple[str, ...]
    query: str


class Checks:
    """The checks of a plan, compiled when first needed."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._made: dict[tuple[str, frozenset[str]], _Look] = {}

    def follow(self, db: Database, changed: frozenset[str]) -> None:
        """Raise InputError for the first check that a change of these relations breaks."""
        for check in self._plan.pipeline.checks:
            touched = self._reads(check) & changed
            if not touched:
                continue
            look = self._look(check, touched)
            for statement in look.prepare:
                db.execute(statement)
            refuse(check, db.row(look.query))

    def _reads(self, check: Check) -> frozenset[str]:
        return frozenset(r for b in self._plan.checks[check.name] for r in b.reads)

    def _look(self, check: Check, changed: frozenset[str]) -> _Look:
        key = (check.name, changed)
        if key not in self._made:
            self._made[key] = self._compile(check, changed)
        return self._made[key]

    def _compile(self, check: Check, changed: frozenset[str]) -> _Look:
        blocks = self._plan.checks[check.name]
        if len(blocks) > 1:
            return _Look((), f"SELECT * FROM ({check.sql}) LIMIT 1")
        rule = affected(blocks[0], self._plan.relations, changed)
        parts = [new_rows(part, self._plan.relations, self._plan.functions) for part in rule.parts]
        union = parts[0]
        for part in parts[1:]:
            union = exp.Union(this=union, expression=part, distinct=False)
        columns = [exp.column(quoted(c)) for c in blocks[0].columns]
        rows = exp.Subquery(this=union, alias=exp.TableAlias(this=quoted("brought")))
        query = exp.select(*columns).from_(rows).limit(1)
        return _Look(tuple(fill(p.name, p.query) for p in rule.prepare), sql_text(query))
