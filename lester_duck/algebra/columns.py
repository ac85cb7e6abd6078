"""Column provenance: from which input columns, and how, each output column is made.

The vocabulary is OpenLineage's column lineage facet (1-2-0): DIRECT is IDENTITY, TRANSFORMATION or
AGGREGATION; INDIRECT is JOIN, GROUP_BY, FILTER, SORT, WINDOW or CONDITIONAL. Influences on every
column of a relation alike (join keys, filters, grouping) are recorded once, with column None.
What could not be decided is UNKNOWN. The rules themselves are in ``algebra.column_rules``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import sqlglot

from lester_duck.algebra.column_rules import DIRECT, Part, deciding, parts_of, read_query
from lester_duck.algebra.compute import ordinal
from lester_duck.algebra.relation import Block, Relation
from lester_duck.names import is_reserved_column

UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Edge:
    """``column`` of a relation (None: the whole relation) depends on ``origin`` of ``relation``.

    ``origin`` None stands for all that influences ``relation`` as a whole, ``subtype`` is then empty
    where each keeps its own. ``relation`` is None where the answer is unknown.
    """

    column: str | None
    relation: str | None
    origin: str | None
    kind: str
    subtype: str


def unknown(column: str | None) -> Edge:
    """The edge that says that nothing is known of a column, or (None) of what influences a relation."""
    return Edge(column, None, None, UNKNOWN, UNKNOWN)


def block_edges(block: Block, relations: Mapping[str, Relation]) -> tuple[Edge, ...]:
    """The one-hop edges of a block."""
    if block.family == "constant":
        return ()
    if block.family == "union":
        return tuple(dict.fromkeys(e for b in block.branches for e in block_edges(b, relations)))
    tree = sqlglot.parse_one(block.sql, dialect="duckdb")
    reading = read_query(tree, {})
    scope = {i.alias: i.relation for i in block.inputs}
    terms = [sqlglot.parse_one(o.expression, dialect="duckdb") for o in block.order]
    place = sqlglot.parse_one(ordinal(block.unnested), dialect="duckdb") if block.unnested else None
    whole = [*reading.whole, *deciding([p for t in terms if t != place for p in parts_of(t, scope)], "SORT")]
    edges: list[Edge] = []
    for name, (_, parts) in zip(block.columns, reading.columns, strict=True):
        if block.compared:
            whole += deciding(parts, "FILTER")
        else:
            edges += _edges(name, parts, relations)
    edges += _edges(None, whole, relations)
    return tuple(dict.fromkeys(edges))


def _edges(column: str | None, parts: Iterable[Part], relations: Mapping[str, Relation]) -> list[Edge]:
    return [
        Edge(column, p.relation, p.column, "DIRECT" if p.how in DIRECT else "INDIRECT", p.how)
        for p in parts
        if p.relation in relations and not (p.column and is_reserved_column(p.column))
    ]


def origins(
    blocks: Sequence[Block], edges: Mapping[str, tuple[Edge, ...]], sources: Sequence[str]
) -> dict[str, tuple[Edge, ...]]:
    """Edges followed to the sources: relation -> edges whose ``relation`` is a source, or unknown.

    A chain is DIRECT when every hop is, with the strongest subtype on the way; otherwise it is
    INDIRECT with the subtype of the indirect hop nearest to the output. What influences an input
    relation as a whole influences what is made from it: the relation, or a column that a subquery
    reads it for.
    """
    found: dict[str, tuple[Edge, ...]] = {}
    for block in blocks:
        reached = [e for edge in edges[block.name] for e in _follow(edge, found, sources)]
        found[block.name] = tuple(dict.fromkeys(reached))
    return found


def _follow(edge: Edge, found: Mapping[str, tuple[Edge, ...]], sources: Sequence[str]) -> list[Edge]:
    if edge.relation is None or (edge.relation in sources and edge.origin is not None):
        return [edge]
    return [_chain(edge, below) for below in found.get(edge.relation, ()) if below.column == edge.origin]


def _chain(above: Edge, below: Edge) -> Edge:
    below = replace(below, column=above.column)
    if below.kind == UNKNOWN or not above.subtype:
        return below
    if above.kind == "INDIRECT":
        return replace(below, kind=above.kind, subtype=above.subtype)
    if below.kind == "INDIRECT":
        return below
    return replace(below, subtype=max(above.subtype, below.subtype, key=DIRECT.index))
