"""Relations whose rows may come in any order: nothing that is compared depends on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlglot import exp

_ANY_ORDER = (exp.Count, exp.Min, exp.Max, exp.LogicalAnd, exp.LogicalOr, exp.CountIf)
"""Aggregates that do not see the order of their rows (a sum of floats does)."""

Select = tuple[str, Sequence[str], exp.Select]
"""A relation, the names of its columns, and one of the SELECTs that make it."""


def unordered(made: Sequence[Select], checks: Sequence[Select], compared: frozenset[str]) -> frozenset[str]:
    """The relations whose order nothing reads; ``compared`` names those that are compared, or otherwise declared.

    A SELECT hands the order of what it reads on to its own rows, reads it where it names ``_pos``, and
    forgets it of a relation it only looks things up in by a key of that relation.
    """
    keys = keys_of(made)
    relations = {relation for relation, _, _ in made}
    read_by: dict[str, set[str]] = {relation: set() for relation in relations}
    ordered = {relation for relation in relations if relation in compared}
    for maker, select in [*((r, s) for r, _, s in made), *(("", s) for _, _, s in checks)]:
        view = maker.split(".")[0]
        for item in _items(select):
            below = name_of(item.this, view, relations)
            if below not in relations:
                continue
            if sees_order(select):
                ordered.add(below)
            elif maker and not _looks_up(item, keys.get(below, frozenset())):
                read_by[below].add(maker)
        for table in select.find_all(exp.Table):
            inner = table.find_ancestor(exp.Select)
            if inner is not select and table.find_ancestor(exp.With) is None and not _membership(inner):
                ordered.add(name_of(table, view, relations))
    waiting = list(ordered)
    makers = {relation: [below for below, readers in read_by.items() if relation in readers] for relation in relations}
    while waiting:
        for below in makers.get(waiting.pop(), ()):
            if below not in ordered:
                ordered.add(below)
                waiting.append(below)
    return frozenset(relations - ordered)


def name_of(table: exp.Expression, view: str, relations: set[str]) -> str:
    """The relation that a table in a view's SQL stands for: a CTE of the view, or a view or source."""
    name = table.name.lower()
    return f"{view}.{name}" if f"{view}.{name}" in relations else name


def keys_of(made: Sequence[Select]) -> Mapping[str, frozenset[str]]:
    """The columns that together have other values in each row of a relation: the keys by which it is grouped.

    >>> import sqlglot
    >>> tree = sqlglot.parse_one("SELECT a AS k, count(*) AS n FROM t GROUP BY a")
    >>> keys_of([("r", ("k", "n"), tree)])
    {'r': frozenset({'k'})}
    """
    found: dict[str, frozenset[str]] = {}
    branches = [relation for relation, _, _ in made]
    for relation, names, select in made:
        group = select.args.get("group")
        plain = group and not any(group.args.get(k) for k in ("cube", "rollup", "grouping_sets", "all"))
        if not plain or branches.count(relation) > 1 or len(names) != len(select.expressions):
            continue
        values = [e.this if isinstance(e, exp.Alias) else e for e in select.expressions]
        if all(key in values and not isinstance(key, exp.Literal) for key in group.expressions):
            found[relation] = frozenset(names[values.index(key)] for key in group.expressions)
    return found


def sees_order(select: exp.Expression) -> bool:
    """Whether the values or the number of a SELECT's rows may depend on the order of what it reads."""
    distinct = select.args.get("distinct")
    if select.args.get("limit") or select.args.get("offset") or (distinct and distinct.args.get("on")):
        return True
    for node in select.find_all(exp.Column, exp.AggFunc, exp.Window, exp.Anonymous):
        if isinstance(node, exp.Column) and node.name.startswith("_"):
            return True
        if isinstance(node, exp.AggFunc) and not isinstance(node, _ANY_ORDER):
            return True
        if isinstance(node, exp.Window):
            return True
        if isinstance(node, exp.Anonymous) and not node.name.lower().startswith("py_"):
            return True
    return False


def _membership(select: exp.Expression | None) -> bool:
    """Whether a SELECT is only asked which values it has: by IN or EXISTS."""
    holder = select.parent if select is not None else None
    if isinstance(holder, exp.Subquery):
        holder = holder.parent
    return isinstance(holder, exp.In | exp.Exists) and not sees_order(select)


def _items(select: exp.Select) -> list[exp.Expression]:
    items = [select.args.get("from_"), *(select.args.get("joins") or ())]
    return [i for i in items if i is not None and isinstance(i.this, exp.Table)]


def _looks_up(item: exp.Expression, key: frozenset[str]) -> bool:
    """Whether a join finds at most one row of a relation for each row before it."""
    on = item.args.get("on") if isinstance(item, exp.Join) else None
    if on is None or not key or item.side in ("RIGHT", "FULL"):
        return False
    alias = item.this.alias_or_name.lower()
    parts = list(on.flatten()) if isinstance(on, exp.And) else [on]
    found = {side.name.lower() for part in parts if isinstance(part, exp.EQ) for side in (part.this, part.expression)
             if isinstance(side, exp.Column) and side.table.lower() == alias}  # fmt: skip
    return key <= found
