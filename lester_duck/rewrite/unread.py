"""Columns that nothing reads: those that reach no observation point, no condition, no key and no order."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from lester_duck.pipeline.model import Pipeline
from lester_duck.rewrite import mutate_sql
from lester_duck.rewrite.points import last_views
from lester_duck.rewrite.unordered import Select, unordered

Column = tuple[str, str]
"""A relation (a view, or ``view.cte``) and one of its columns, in lower case."""
_MAY_FAIL = (exp.Cast, exp.Anonymous, exp.Unnest, exp.Explode)


def unread(pipeline: Pipeline) -> frozenset[Column]:
    """The columns of views and their CTEs that decide about nothing that is compared.

    A column is read where a condition, a join, a key, an order or a check names it, where it is
    declared (features, label, split, files, observation points), where it may fail, and where a
    column that is read is made of it.
    """
    made_by = made_by_views(pipeline)
    free = unordered_in(pipeline)
    made: dict[Column, list[Column]] = {}
    read = set(_declared(pipeline))
    whole: set[str] = set()
    ends = {name.lower() for name in last_views(pipeline)}
    ends |= {o.view.lower() for o in pipeline.origin.outputs if not o.columns} if pipeline.origin else set()
    for relation, names, select in made_by:
        scope = _Scope(relation, select, {r for r, _, _ in made_by})
        decides = bool(select.args.get("distinct")) or relation in ends
        if any(place.is_star for place in select.expressions):
            whole.update(scope.relations.values())
        grouped = select.args.get("group") is not None
        for place, name in zip(select.expressions, names, strict=True):
            own = list(scope.columns(place))
            made.setdefault((relation, name), []).extend(own)
            if decides or place.find(*_MAY_FAIL) or (grouped and not place.find(exp.AggFunc)):
                read.add((relation, name))
                read.update(own)
        for key, part in select.args.items():
            if key not in ("expressions", "with_", "from_", "order") or (key == "order" and relation not in free):
                read.update(scope.columns(part))
        read.update((relation, name) for name in scope.said_again(select, order=relation not in free))
        for inner in _nested(select):
            read.update(scope.anywhere(inner))
    read.update(column for column in made if column[0] in whole)
    waiting = list(read)
    while waiting:
        for source in made.get(waiting.pop(), ()):
            if source not in read:
                read.add(source)
                waiting.append(source)
    return frozenset(column for column in made if column not in read and column[1] != "*")


def made_by_views(pipeline: Pipeline) -> list[Select]:
    """The SELECTs of all views and their CTEs."""
    return [found for view in pipeline.views for found in selects(view.name.lower(), view.sql)]


def unordered_in(pipeline: Pipeline) -> frozenset[str]:
    """The relations of a pipeline whose rows may come in any order."""
    compared = {name.lower() for name in last_views(pipeline)}
    if pipeline.features:
        compared.add(pipeline.features.view.lower())
    if pipeline.origin:
        compared |= {c.view.lower() for c in (*pipeline.origin.outputs, *pipeline.origin.checkpoints)}
    return unordered(made_by_views(pipeline), _asked_by_checks(pipeline), frozenset(compared))


def _asked_by_checks(pipeline: Pipeline) -> list[Select]:
    return [found for n, check in enumerate(pipeline.checks) for found in selects(f"check {n}", check.sql)]


def selects(view: str, text: str) -> Iterator[Select]:
    """Each SELECT of a view: the relation it makes, the names of its columns there, and itself."""
    tree = mutate_sql.parsed(text)
    with_ = tree.args.get("with_")
    for cte in with_.expressions if with_ else ():
        yield from _branches(f"{view}.{cte.alias.lower()}", cte.this)
    yield from _branches(view, tree)


def _branches(relation: str, query: exp.Expression) -> Iterator[Select]:
    """The branches of a union have the column names of the first."""
    selects = [query] if isinstance(query, exp.Select) else [s for s in query.find_all(exp.Select) if _branch(s, query)]
    names = [e.alias_or_name.lower() for e in selects[0].expressions] if selects else []
    for select in selects:
        yield relation, names, select


def _branch(select: exp.Select, query: exp.Expression) -> bool:
    place = select
    while place is not query and isinstance(place.parent, exp.SetOperation | exp.Paren | exp.Subquery):
        place = place.parent
    return place is query


def _nested(select: exp.Select) -> Iterator[exp.Expression]:
    """Queries inside a SELECT, its CTEs apart."""
    for query in select.find_all(exp.Query):
        if query is not select and query.find_ancestor(exp.With) is select.find_ancestor(exp.With):
            yield query


class _Scope:
    """What the column names of a SELECT stand for."""

    def __init__(self, relation: str, select: exp.Select, known: set[str]) -> None:
        view = relation.split(".")[0]
        self.relations: dict[str, str] = {}
        self.known = known
        for item in [select.args.get("from_"), *(select.args.get("joins") or ())]:
            if item is not None and isinstance(item.this, exp.Table):
                name, cte = item.this.name.lower(), f"{view}.{item.this.name.lower()}"
                self.relations[item.this.alias_or_name.lower()] = cte if cte in known else name

    def columns(self, part: object) -> Iterator[Column]:
        """The columns that a clause names; one without a table may be any relation's."""
        for node in part if isinstance(part, list) else [part]:
            if not isinstance(node, exp.Expression):
                continue
            for column in node.find_all(exp.Column):
                table = column.table.lower()
                for relation in [self.relations[table]] if table in self.relations else self.relations.values():
                    yield relation, column.name.lower()
            for join in node.find_all(exp.Join):
                for name in join.args.get("using") or ():
                    yield from ((relation, name.name.lower()) for relation in self.relations.values())

    def said_again(self, select: exp.Select, *, order: bool) -> Iterator[str]:
        """Names without a table in ORDER BY and the like, which may be those of the SELECT's own columns."""
        for key in ("order", "qualify", "having", "group", "where")[0 if order else 1 :]:
            part = select.args.get(key)
            yield from (c.name.lower() for c in part.find_all(exp.Column) if not c.table) if part else ()

    def anywhere(self, part: exp.Expression) -> Iterator[Column]:
        """The columns that a nested query names, of every relation."""
        for column in part.find_all(exp.Column):
            yield from ((relation, column.name.lower()) for relation in self.known)


def _declared(pipeline: Pipeline) -> Iterator[Column]:
    known = {relation for relation, _, _ in made_by_views(pipeline)}
    for relation, _, select in _asked_by_checks(pipeline):
        scope = _Scope(relation, select, known)
        yield from scope.columns(select)
        yield from (column for inner in _nested(select) for column in scope.anywhere(inner))
    if pipeline.features:
        view = pipeline.features.view.lower()
        yield from ((view, c.lower()) for f in pipeline.features.featurizers for c in f.columns)
        if pipeline.label:
            yield view, pipeline.label.column.lower()
        for _, value in pipeline.split.params:
            texts = value if isinstance(value, tuple) else (value,)
            for text in (t for t in texts if isinstance(t, str)):
                yield view, text.lower()
                yield from ((view, c.name.lower()) for c in mutate_sql.parsed(f"SELECT {text}").find_all(exp.Column))
    if pipeline.origin:
        yield from ((o.view.lower(), c.lower()) for o in pipeline.origin.outputs for c in o.columns)
        yield from ((c.view.lower(), n.lower()) for c in pipeline.origin.checkpoints for _, n in c.columns)
