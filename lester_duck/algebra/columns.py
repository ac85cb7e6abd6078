"""Column provenance: from which input columns, and how, each output column is made.

The vocabulary is OpenLineage's column lineage facet (1-2-0): DIRECT is IDENTITY, TRANSFORMATION or
AGGREGATION; INDIRECT is JOIN, GROUP_BY, FILTER, SORT, WINDOW or CONDITIONAL. Influences on every
column of a relation alike (join keys, filters, grouping) are recorded once, with column None.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import sqlglot
from sqlglot import exp

from lester_duck.algebra.flatten import is_aggregate
from lester_duck.algebra.relation import Block, Relation
from lester_duck.names import is_reserved_column

_STRENGTH = {"IDENTITY": 0, "TRANSFORMATION": 1, "AGGREGATION": 2}


@dataclass(frozen=True, slots=True)
class Edge:
    """``column`` of a relation (None: the whole relation) depends on ``origin`` of ``relation``."""

    column: str | None
    relation: str
    origin: str
    kind: str
    subtype: str


def block_edges(block: Block, relations: Mapping[str, Relation]) -> tuple[Edge, ...]:
    """The one-hop edges of a block."""
    if block.family == "constant":
        return ()
    if block.family == "union":
        return tuple(dict.fromkeys(e for b in block.branches for e in block_edges(b, relations)))
    tree = sqlglot.parse_one(block.sql, dialect="duckdb")
    inputs = {i.alias: i.relation for i in block.inputs}
    names = {t.alias_or_name: t.name for t in tree.find_all(exp.Table)}
    owner = {**names, **inputs}
    edges = []
    for projection, name in zip(tree.expressions, block.columns, strict=True):
        made = _expression_edges(name, projection.unalias(), owner)
        edges += [replace(e, column=None, kind="INDIRECT", subtype="FILTER") for e in made] if block.compared else made
    edges += _clause_edges(tree, block, owner)
    known = [e for e in dict.fromkeys(edges) if e.relation in relations and not is_reserved_column(e.origin)]
    return tuple(known)


def _expression_edges(name: str, expression: exp.Expression, owner: Mapping[str, str]) -> list[Edge]:
    """Edges of one output expression, each with the strongest thing that happens on the way up."""
    edges = []
    for node in _columns(expression):
        kind, subtype = _how(node, expression)
        edges.append(Edge(name, owner.get(node.table, node.table), node.name, kind, subtype))
    return edges


def _columns(tree: exp.Expression) -> Iterable[exp.Column]:
    return ([tree] if isinstance(tree, exp.Column) else []) + [c for c in tree.find_all(exp.Column) if c is not tree]


def _how(node: exp.Column, root: exp.Expression) -> tuple[str, str]:
    if node is root:
        return "DIRECT", "IDENTITY"
    subtype = "TRANSFORMATION"
    child: exp.Expression = node
    while child is not root:
        parent = child.parent
        influence = _influence(parent, child)
        if influence:
            return "INDIRECT", influence
        if isinstance(parent, exp.Window) or is_aggregate(parent):
            subtype = "AGGREGATION"
        child = parent
    return "DIRECT", subtype


def _influence(parent: exp.Expression, child: exp.Expression) -> str | None:
    """What a part of an expression does to the whole without being part of its value."""
    if isinstance(parent, exp.If | exp.Case) and child is parent.this:
        return "CONDITIONAL"
    if isinstance(parent, exp.Where | exp.Having | exp.Qualify | exp.Exists):
        return "FILTER"
    if isinstance(parent, exp.In) and child is parent.args.get("query"):
        return "FILTER"
    if isinstance(parent, exp.Filter) and child is not parent.this:
        return "FILTER"
    if isinstance(parent, exp.Join):
        return "JOIN"
    if isinstance(parent, exp.Group):
        return "GROUP_BY"
    if isinstance(parent, exp.Window) and child is not parent.this:
        return "WINDOW"
    if isinstance(parent, exp.Ordered) and not (
        isinstance(parent.parent, exp.Order) and isinstance(parent.parent.parent, exp.Window)
    ):
        return "SORT"
    return None


def _clause_edges(tree: exp.Select, block: Block, owner: Mapping[str, str]) -> list[Edge]:
    clauses: list[tuple[str, exp.Expression | None]] = [
        ("JOIN", join.args.get("on")) for join in tree.args.get("joins") or []
    ]
    clauses += [
        ("FILTER", tree.args.get("where")),
        ("FILTER", tree.args.get("having")),
        ("FILTER", tree.args.get("qualify")),
    ]
    clauses += [("GROUP_BY", tree.args.get("group"))]
    clauses += [
        ("SORT", sqlglot.parse_one(o.expression, dialect="duckdb")) for o in block.order if block.family != "union"
    ]
    edges = []
    for subtype, clause in clauses:
        for node in clause.find_all(exp.Column) if clause is not None else ():
            edges.append(Edge(None, owner.get(node.table, node.table), node.name, "INDIRECT", subtype))
    return edges


def origins(
    blocks: tuple[Block, ...], edges: Mapping[str, tuple[Edge, ...]], sources: list[str]
) -> dict[str, tuple[Edge, ...]]:
    """Edges followed to the sources: relation -> edges whose ``relation`` is a source.

    A chain is DIRECT when every hop is, with the strongest subtype on the way; otherwise it is
    INDIRECT with the subtype of the indirect hop nearest to the output. What influences an input
    relation as a whole influences the relations made from it as a whole.
    """
    found: dict[str, tuple[Edge, ...]] = {}
    for block in blocks:
        result: dict[Edge, None] = {}
        for edge in edges[block.name]:
            for reached in _follow(edge, found, sources):
                result[reached] = None
        for relation in block.reads:
            for edge in found.get(relation, ()):
                if edge.column is None:
                    result[edge] = None
        found[block.name] = tuple(result)
    return found


def _follow(edge: Edge, found: Mapping[str, tuple[Edge, ...]], sources: list[str]) -> list[Edge]:
    if edge.relation in sources:
        return [edge]
    return [_chain(edge, below) for below in found.get(edge.relation, ()) if below.column == edge.origin]


def _chain(above: Edge, below: Edge) -> Edge:
    if above.kind == "INDIRECT":
        return replace(above, relation=below.relation, origin=below.origin)
    if below.kind == "INDIRECT":
        return replace(below, column=above.column)
    stronger = max(above.subtype, below.subtype, key=_STRENGTH.__getitem__)
    return replace(below, column=above.column, subtype=stronger)
