"""Lineage questions as SQL: views and table macros of schema ``lester``, stored in the database.

``_lester.edges_<relation>`` has a row for each way from a row to a source row it came from, one source
after the other, so that a condition on the source is a look at one; ``_lester.edges`` is their union.
``_lester.lineage_<relation>`` has the same rows from one pass over all sources, for reading everything; what
every row has alike, from a subquery that is a step of its own, is there by reference: its source is that step,
and ``_lester.lineage_<step>`` goes on. Any DuckDB shell can ask them; Python and the command line ask the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from lester_duck import assets
from lester_duck.algebra.edges import (
    INPUT_RID,
    Beside,
    Pairs,
    base_edges,
    base_rows,
    witness_edges,
    witness_rows,
)
from lester_duck.algebra.relation import Block, column, quoted, table
from lester_duck.db import Database
from lester_duck.engine.plan import Plan
from lester_duck.errors import InputError, one_of
from lester_duck.names import INTERNAL_SCHEMA, POS, RID
from lester_duck.review import describe


def install(db: Database, plan: Plan) -> None:
    """(Re)create the edge views of a plan and the questions of schema ``lester``."""
    for (name,) in db.rows(
        "SELECT view_name FROM duckdb_views() WHERE schema_name = '_lester' AND NOT internal "
        "AND (starts_with(view_name, 'edges') OR starts_with(view_name, 'witnesse') "
        "OR starts_with(view_name, 'lineage_'))"
    ):
        db.execute(exp.Drop(tables=[table(INTERNAL_SCHEMA, name)], kind="VIEW"))
    sources = frozenset(s.name for s in plan.pipeline.sources)
    edges: set[str] = set()
    witnessed: frozenset[str] = frozenset()
    for block in plan.blocks:
        parts = [_to_sources(p, sources) for p in base_edges(block, plan.relations)]
        witnesses = [_to_sources(p, sources) for p in witness_edges(block, plan.relations, witnessed)]
        if witnesses and not block.mixes_rows:
            _create_view(db, f"witnesses_{block.name}", _union(witnesses, None))
            witnessed |= {block.name}
            witnesses = [exp.select("*").from_(table(INTERNAL_SCHEMA, f"witnesses_{block.name}"))]
        if parts or witnesses:
            _create_view(db, f"edges_{block.name}", _union(parts + witnesses, None))
            whole = _in_one_pass(base_rows(block, plan.relations), sources, edges)
            matched = _in_one_pass(witness_rows(block, plan.relations, witnessed), sources, edges)
            if block.name in witnessed:
                _create_view(db, f"witnessed_{block.name}", _union(matched, None))
            _create_view(db, f"lineage_{block.name}", _union(whole + matched, None))
            edges.add(block.name)
    _create_view(db, "edges", _union([_labelled(b, b.name) for b in plan.blocks if b.name in edges], _no_edges()))
    _create_view(db, "source_rows", _union([_source_rows(name) for name in sources], _no_rows()))
    _create_view(db, "feature_rows", _feature_rows(db, plan))
    describe.source_identities(db, plan, edges)
    describe.describe(db, plan)
    for path in sorted(assets.folder("sql/lineage").glob("*.sql")):
        db.execute(assets.text(f"sql/lineage/{path.name}"))


def _in_one_pass(rows: tuple[Beside, ...], sources: frozenset[str], edges: set[str]) -> list[exp.Query]:
    """The edges of a block's rows, those to a step held by reference ending at the rows of that step."""
    whole: list[exp.Query] = []
    for beside in rows:
        if beside.held in edges:
            whole.append(beside.by_reference())
            continue
        direct = beside.all_to(sources)
        whole += [direct] if direct is not None else []
        whole += [_to_sources(p, sources, "lineage", "witnessed") for p in beside.all_beyond(sources)]
    return whole


def _to_sources(
    pairs: Pairs, sources: frozenset[str], edges: str = "edges", witnesses: str = "witnesses"
) -> exp.Select:
    """Pairs of a block and an input, followed to the sources: (_rid, source, source_rid)."""
    inner = exp.Subquery(this=pairs.query, alias=exp.TableAlias(this=quoted("e")))
    if pairs.relation in sources:
        return exp.select(
            column(RID, "e"), exp.alias_(exp.Literal.string(pairs.relation), "source", quoted=True),
            exp.alias_(column(INPUT_RID, "e"), "source_rid", quoted=True),
        ).from_(inner)  # fmt: skip
    name = f"{witnesses if pairs.witnesses else edges}_{pairs.relation}"
    return (
        exp.select(column(RID, "e"), column("source", "b"), column("source_rid", "b")).from_(inner)
        .join(table(INTERNAL_SCHEMA, name, "b"), on=exp.EQ(this=column(INPUT_RID, "e"), expression=column(RID, "b")))
    )  # fmt: skip


def _union(parts: list[exp.Query], empty: exp.Query | None) -> exp.Query:
    if not parts and empty is not None:
        return empty
    union = parts[0]
    for part in parts[1:]:
        union = exp.Union(this=union, expression=part, distinct=False)
    return union


def _labelled(block: Block, name: str) -> exp.Select:
    label = exp.alias_(exp.Literal.string(name), "relation", quoted=True)
    return exp.select(label, column(RID), column("source"), column("source_rid")).from_(
        table(INTERNAL_SCHEMA, f"edges_{name}")
    )


def _source_rows(name: str) -> exp.Select:
    return exp.select(exp.alias_(exp.Literal.string(name), "source", quoted=True), column(RID), column(POS)).from_(
        table("source", name)
    )


def _no_edges() -> exp.Query:
    return exp.maybe_parse(
        "SELECT NULL::VARCHAR AS relation, NULL::BIGINT AS _rid, NULL::VARCHAR AS source, NULL::BIGINT AS source_rid "
        "WHERE false",
        dialect="duckdb",
    )


def _no_rows() -> exp.Query:
    return exp.maybe_parse(
        "SELECT NULL::VARCHAR AS source, NULL::BIGINT AS _rid, NULL::BIGINT AS _pos WHERE false", dialect="duckdb"
    )


def _feature_rows(db: Database, plan: Plan) -> exp.Query:
    """Rows of the feature view with the part of the split they are in."""
    if plan.pipeline.features is None:
        return exp.maybe_parse(
            "SELECT NULL::VARCHAR AS relation, NULL::BIGINT AS _rid, NULL::VARCHAR AS part WHERE false",
            dialect="duckdb",
        )
    name = next(b.name for b in plan.blocks if b.name.lower() == plan.pipeline.features.view.lower())
    return exp.select(exp.alias_(exp.Literal.string(name), "relation", quoted=True), column(RID), column("part")).from_(
        table(INTERNAL_SCHEMA, "split")
    )


def _create_view(db: Database, name: str, query: exp.Query) -> None:
    db.execute(exp.Create(this=table(INTERNAL_SCHEMA, name), kind="VIEW", expression=query, replace=True))


def check_relation(db: Database, name: str) -> str:
    """The relation of that name, in its declared case; raises InputError listing those that exist."""
    names: Mapping[str, str] = {
        n.lower(): n
        for (n,) in db.rows("SELECT name FROM _lester.relation WHERE name = view OR view IS NULL ORDER BY position")
    }
    if name.lower() not in names:
        raise InputError(one_of("relation", name, names.values()))
    return names[name.lower()]


def check_source(db: Database, name: str) -> str:
    """The source of that name, in its declared case; raises InputError listing those that exist."""
    names = {n.lower(): n for (n,) in db.rows("SELECT name FROM _lester.source ORDER BY name")}
    if name.lower() not in names:
        raise InputError(one_of("source", name, names.values()))
    return names[name.lower()]
