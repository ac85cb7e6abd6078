"""Writing what a run did into the catalog."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib import metadata

from sqlglot import exp

from lester_duck.algebra.columns import UNKNOWN, Edge, origins
from lester_duck.algebra.relation import Block, table
from lester_duck.db import Database
from lester_duck.engine.plan import Plan
from lester_duck.engine.second_opinion import agreed_edges
from lester_duck.names import SOURCE_SCHEMA
from lester_duck.pipeline.model import Source, fingerprint
from lester_duck.store import catalog

_PACKAGES = ("lester-duck", "duckdb", "sqlglot", "pyarrow", "numpy", "scikit-learn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Relations:
    """The relations of a plan as catalog rows."""

    plan: Plan

    def write(self, db: Database) -> None:
        """Replace the catalog's description of relations, columns, order keys and column provenance."""
        for name in ("relation", "relation_column", "order_term", "column_edge", "column_origin"):
            db.execute(exp.delete(table("_lester", name)))
        catalog.insert(db, "relation", [*self._sources(), *self._blocks()])
        catalog.insert(db, "relation_column", self._columns())
        catalog.insert(db, "order_term", [
            (r.name, n, t.column, t.descending, t.nulls_last)
            for r in self.plan.relations.values() for n, t in enumerate(r.order, 1)
        ])  # fmt: skip
        edges = agreed_edges(self.plan)
        columns = [_row(name, e) for name, found in edges.items() for e in found if e.origin or e.kind == UNKNOWN]
        catalog.insert(db, "column_edge", columns)
        transitive = origins(self.plan.blocks, edges, [s.name for s in self.plan.pipeline.sources])
        catalog.insert(db, "column_origin", [_row(name, e) for name, found in transitive.items() for e in found])

    def _sources(self) -> list[tuple]:
        return [
            (n, s.name, None, "source", "table", "a source", SOURCE_SCHEMA, s.name, None, fingerprint(s))
            for n, s in enumerate(self.plan.pipeline.sources, 1)
        ]

    def _blocks(self) -> list[tuple]:
        first = len(self.plan.pipeline.sources) + 1
        return [
            (n, b.name, b.view, b.family, self.plan.stored[b.name].how, self.plan.stored[b.name].reason,
             b.schema, b.table, self.plan.definition(b), self.plan.fingerprint(b))
            for n, b in enumerate(self.plan.blocks, first)
        ]  # fmt: skip

    def _columns(self) -> list[tuple]:
        rows = []
        for relation in self.plan.relations.values():
            for place, (name, type_) in enumerate(self.plan.types[relation.name].items(), 1):
                rows.append((relation.name, place, name, type_, "data" if name in relation.columns else _role(name)))
        return rows


_ROLES = {
    "_rid": "row id",
    "_ordinal": "order",
    "_pos": "order",
    "_prov": "provenance",
    "_row_": "input row",
    "_key_": "key",
}


def _role(name: str) -> str:
    return next(role for prefix, role in _ROLES.items() if name.startswith(prefix))


def _row(relation: str, edge: Edge) -> tuple:
    return (relation, edge.column, edge.relation, edge.origin, edge.kind, edge.subtype)


def versions() -> dict[str, str]:
    """The versions a run depends on."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in _PACKAGES}}


def stored_fingerprints(db: Database) -> dict[str, str]:
    """Relation name -> fingerprint, as of the last run."""
    return dict(db.rows("SELECT name, fingerprint FROM _lester.relation"))


def count_rows(db: Database, plan: Plan) -> dict[str, int]:
    """Rows of each source and each stored table of a view."""
    names: list[tuple[str, str, str]] = [(s.name, SOURCE_SCHEMA, s.name) for s in _sources(plan)]
    names += [(b.name, b.schema, b.table) for b in _tables(plan) if b.name == b.view]
    return {name: db.value(exp.select("count(*)").from_(table(schema, t))) for name, schema, t in names}


def _sources(plan: Plan) -> tuple[Source, ...]:
    return plan.pipeline.sources


def _tables(plan: Plan) -> tuple[Block, ...]:
    return tuple(b for b in plan.blocks if plan.stored[b.name].how == "table")
