"""Mutants: a pipeline with one small, deliberate mistake each, to learn what the comparison would notice.

The operators are fixed: those over SQL stand in ``mutate_sql``, those over featurizers, label, split
and the code of functions in ``mutate_declared``.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp
from sqlglot.errors import SqlglotError

from lester_duck.pipeline.model import Pipeline, View
from lester_duck.rewrite import mutate_declared, mutate_sql

MAX_SHOWN = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One mistake: ``place`` is the view, featurizer, split, label or function that holds it.

    ``before`` and ``after`` are what stands at the site, shortened. ``view`` names the mutated view
    ('' for a declaration), ``node`` the site's number among the nodes of its tree.
    """

    place: str
    operator: str
    before: str
    after: str
    pipeline: Pipeline
    view: str = ""
    node: int = -1

    def __str__(self) -> str:
        return f"{self.place}: {self.operator}: {self.before} -> {self.after}"


def mutants(pipeline: Pipeline, types: mutate_sql.Types) -> tuple[Mutant, ...]:
    """All operators on all sites, views first; ``types`` gives the columns of each relation with their types."""
    found = [m for view in pipeline.views for m in _of_view(pipeline, view, types)]
    feature_types = types.get(pipeline.features.view.lower(), {}) if pipeline.features else {}
    for place, operator, before, after, changed in mutate_declared.mutations(pipeline, feature_types):
        found.append(Mutant(place=place, operator=operator, before=before, after=after, pipeline=changed))
    return tuple(found)


def sample(found: Sequence[Mutant], number: int, seed: int = 0) -> tuple[Mutant, ...]:
    """At most ``number`` of them in their order, drawn with a seed."""
    if len(found) <= number:
        return tuple(found)
    return tuple(found[n] for n in sorted(random.Random(seed).sample(range(len(found)), number)))


def _of_view(pipeline: Pipeline, view: View, types: mutate_sql.Types) -> Iterator[Mutant]:
    try:
        tree = mutate_sql.parsed(view.sql)
    except SqlglotError:
        return  # such a view is refused by the engine, and a refused pipeline has no mutants
    seen = {tree.sql("duckdb")}
    nodes = list(tree.walk())
    for operator, number, new in mutate_sql.mutations(tree, _with_ctes(view, types)):
        changed = mutate_sql.applied(tree, number, new)
        if changed.sql("duckdb") in seen:
            continue
        seen.add(changed.sql("duckdb"))
        yield Mutant(
            place=f"view {view.name}",
            operator=operator,
            before=_shown(nodes[number], operator, new),
            after=_shown(new, operator, nodes[number]),
            pipeline=_with_view(pipeline, replace(view, sql=_sql(changed, pretty=True))),
            view=view.name,
            node=number,
        )


def _with_view(pipeline: Pipeline, view: View) -> Pipeline:
    return replace(pipeline, views=tuple(view if v.name == view.name else v for v in pipeline.views))


def _with_ctes(view: View, types: mutate_sql.Types) -> mutate_sql.Types:
    """The types with those of the view's own hidden steps under the names its SQL uses."""
    prefix = f"{view.name}__".lower()
    own = {name[len(prefix) :]: columns for name, columns in types.items() if name.startswith(prefix)}
    return {**types, **own}


def _shown(node: exp.Expression, operator: str, other: exp.Expression) -> str:
    """A site as text; of a whole SELECT only the clauses in which the two differ."""
    if isinstance(node, exp.Select) and isinstance(other, exp.Select):
        parts = []
        for name in ("where", "having", "qualify", "order", "distinct"):
            mine, theirs = node.args.get(name), other.args.get(name)
            if mine != theirs:
                parts.append(_sql(mine).strip() if isinstance(mine, exp.Expression) else f"no {name}")
        return _short(" ".join(parts))
    context = node.parent if isinstance(node, exp.Literal | exp.Column) and node.parent is not None else None
    text = _sql(node)
    if isinstance(context, exp.Binary):
        text = f"{text} (in {_sql(context)})"
    return _short(text)


def _sql(node: exp.Expression, *, pretty: bool = False) -> str:
    """Text of a tree, names of functions as they were written."""
    return node.sql("duckdb", pretty=pretty, normalize_functions=False)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."


def types_of(relations: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """User columns of each relation by its lower-case name.

    >>> types_of({"T": {"_rid": "BIGINT", "a": "VARCHAR"}})
    {'t': {'a': 'VARCHAR'}}
    """
    return {
        name.lower(): {c: t for c, t in columns.items() if not c.startswith("_")} for name, columns in relations.items()
    }
