"""What stands for several columns, written out: NATURAL JOIN, COLUMNS(...), RENAME in a star.

The columns of every relation are known when a view is read, and a changed source schema is refused,
so the columns meant are as well defined as those of ``SELECT *``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from lester_duck.algebra.constants import function_column
from lester_duck.algebra.relation import Relation, quoted, source_relation
from lester_duck.errors import InputError, Unsupported, one_of


def spell_out(tree: exp.Expression, aliases: Mapping[str, Relation], where: str) -> None:
    """Write out, in every SELECT of ``tree``, what stands for columns that only the relations tell."""
    for select in reversed(list(tree.find_all(exp.Select))):
        for join in select.args.get("joins") or []:
            if join.args.get("method") == "NATURAL":
                _as_using(select, join, aliases, where)
        if any(_stands_for_several(e) for e in select.expressions):
            _expand(select, aliases, where)


def _stands_for_several(item: exp.Expression) -> bool:
    star = _star(item)
    return (star is not None and bool(star.args.get("rename"))) or bool(_liked(item)) or any(_own_columns(item))


def _liked(item: exp.Expression) -> exp.Like | None:
    """The LIKE of ``* LIKE 'a%'`` or ``* NOT LIKE 'a%'``."""
    return item if isinstance(item, exp.Like) and _star(item.this) is not None else None


def _star(item: exp.Expression) -> exp.Star | None:
    held = item.this if isinstance(item, exp.Column) else item
    return held if isinstance(held, exp.Star) else None


def _own_columns(item: exp.Expression) -> Iterator[exp.Columns]:
    """Calls of COLUMNS of an expression, not those of a subquery in it."""
    return (n for n in item.walk(prune=lambda n: isinstance(n, exp.Query)) if isinstance(n, exp.Columns))


def _items(
    select: exp.Select, joins: Sequence[exp.Join], aliases: Mapping[str, Relation], where: str
) -> list[tuple[str, Relation, list[str]]]:
    """Alias, relation and USING columns of what FROM and ``joins`` read, apart from semi and anti joins."""
    items = []
    for item in [select.args["from_"], *(j for j in joins if j.kind not in ("SEMI", "ANTI"))]:
        using = [u.name.lower() for u in item.args.get("using") or []]
        alias = item.this.alias_or_name
        if isinstance(item.this, exp.Table) and alias in aliases:
            relation = aliases[alias]
        else:
            relation = source_relation(alias, _shown(item.this, aliases, where))
        items.append((alias, relation, using))
    return items


def _shown(item: exp.Expression, aliases: Mapping[str, Relation], where: str) -> tuple[str, ...]:
    """The columns of an item of FROM that is no table; what stands in it is written out already."""
    if isinstance(item, exp.Unnest):
        return (function_column(item)[1],)
    query = item
    while isinstance(query, exp.Lateral | exp.Subquery | exp.SetOperation):
        query = query.this
    names: list[str] = []
    for shown in query.expressions:
        star = _star(shown)
        if star is None:
            names.append(shown.alias_or_name)
        else:
            columns = _of(shown, _all_columns(query, aliases, where))
            names += [name for name, _ in _changes(star, columns, where)]
    return tuple(names)


def _as_using(select: exp.Select, join: exp.Join, aliases: Mapping[str, Relation], where: str) -> None:
    """``NATURAL JOIN``: USING all columns that both sides have, in the left side's order."""
    before = select.args["joins"][: select.args["joins"].index(join)]
    left = _items(select, before, aliases, where)
    held = [c for _, relation, using in left for c in relation.columns if c.lower() not in using]
    (_, right, _), *_ = _items(exp.select().from_(join.this.copy()), [], aliases, where)
    shared = [c for c in held if c.lower() in {o.lower() for o in right.columns}]
    if not shared:
        raise InputError("the sides of a NATURAL JOIN have no column in common", where=where)
    twice = next((c for c in shared if [s.lower() for s in shared].count(c.lower()) > 1), None)
    if twice:
        raise InputError(f"the column '{twice}' of a NATURAL JOIN stands twice on its left", where=where)
    join.set("method", None)
    join.set("using", [exp.to_identifier(c) for c in shared])


def _expand(select: exp.Select, aliases: Mapping[str, Relation], where: str) -> None:
    everything = _all_columns(select, aliases, where)
    expanded: list[exp.Expression] = []
    for item in select.expressions:
        star = _star(item)
        if star is not None and star.args.get("rename"):
            expanded += _renamed(item, star, _of(item, everything), where)
        elif _liked(item):
            expanded += _alike(item, _of(item.this, everything), where)
        elif any(_own_columns(item)):
            expanded += _for_each(item, everything, where)
        else:
            expanded.append(item)
    select.set("expressions", expanded)


def _all_columns(
    select: exp.Select, aliases: Mapping[str, Relation], where: str
) -> list[tuple[str, exp.Column]]:
    """Alias and column of all that ``*`` stands for, a column of USING once."""
    items = _items(select, select.args.get("joins") or [], aliases, where)
    names = [c.lower() for _, r, using in items for c in r.columns if c.lower() not in using]
    found = []
    for alias, relation, using in items:
        for name in relation.columns:
            if name.lower() not in using:
                table = quoted(alias) if names.count(name.lower()) > 1 else None
                found.append((alias, exp.Column(this=quoted(name), table=table)))
    return found


def _of(item: exp.Expression, everything: list[tuple[str, exp.Column]]) -> list[exp.Column]:
    """The columns of ``*``, or of one alias for ``t.*``."""
    alias = item.table.lower() if isinstance(item, exp.Column) else ""
    return [c for held, c in everything if not alias or held.lower() == alias]


def _changes(star: exp.Star, columns: Sequence[exp.Column], where: str) -> list[tuple[str, exp.Expression]]:
    """Name and expression of each column a star gives, by EXCLUDE, REPLACE and RENAME."""
    excluded = {e.name.lower() for e in star.args.get("except_") or []}
    replaced = {e.alias.lower(): e.this for e in star.args.get("replace") or []}
    renamed = {e.this.name.lower(): e.alias for e in star.args.get("rename") or []}
    known = {c.name.lower() for c in columns}
    for name in [*excluded, *replaced, *renamed]:
        if name not in known:
            raise InputError(one_of("column", name, [c.name for c in columns]), where=where)
    if any(e.this.table for e in star.args.get("rename") or []):
        raise Unsupported("RENAME of a column with an alias before it is not supported", where=where)
    return [
        (renamed.get(c.name.lower(), c.name), replaced.get(c.name.lower(), c).copy())
        for c in columns
        if c.name.lower() not in excluded
    ]


def _renamed(
    item: exp.Expression, star: exp.Star, columns: Sequence[exp.Column], where: str
) -> list[exp.Expression]:
    return [exp.alias_(e, name, quoted=True) for name, e in _changes(star, columns, where)]


def _alike(item: exp.Like, columns: Sequence[exp.Column], where: str) -> list[exp.Expression]:
    """The columns whose names are, or are not, like a pattern."""
    pattern = item.expression
    if not isinstance(pattern, exp.Literal):
        raise Unsupported(f"{item.sql('duckdb')} is not supported: the pattern is no text", where=where)
    hits = pc.match_like(pa.array([c.name for c in columns], pa.string()), pattern=pattern.name).to_pylist()
    return [
        exp.alias_(c.copy(), c.name, quoted=True)
        for c, hit in zip(columns, hits, strict=True)
        if hit != bool(item.args.get("negate"))
    ]


def _for_each(
    item: exp.Expression, everything: list[tuple[str, exp.Column]], where: str
) -> list[exp.Expression]:
    """An expression with COLUMNS(...), once for each of the columns; ``*COLUMNS(...)`` as a list of arguments."""
    calls = list(_own_columns(item))
    if len({c.sql("duckdb") for c in calls}) > 1:
        raise InputError("two different COLUMNS in one expression", where=where, sql=item.sql("duckdb"))
    chosen = _chosen(calls[0], everything, where)
    if calls[0].args.get("unpack"):
        return [_unpacked(item, [e for _, e in chosen], where)]
    named, expression = (item.alias, item.this) if isinstance(item, exp.Alias) else (r"\0", item)
    if re.search(r"\\[1-9]", named):
        raise Unsupported("groups of a pattern in the name of COLUMNS are not supported", where=where, hint=r"use \0")
    made = []
    for name, column in chosen:
        held = exp.Paren(this=expression.copy())
        for call in list(_own_columns(held)):
            call.replace(column.copy())
        made.append(exp.alias_(held.this, named.replace(r"\0", name), quoted=True))
    return made


def _unpacked(item: exp.Expression, columns: Sequence[exp.Expression], where: str) -> exp.Expression:
    """``coalesce(*COLUMNS(...))``: the columns as arguments of the call."""
    item = exp.Paren(this=item.copy())
    calls = list(_own_columns(item))
    parent = calls[0].parent
    if len(calls) > 1 or not isinstance(parent, exp.Func) or isinstance(parent, exp.AggFunc):
        raise Unsupported("*COLUMNS(...) is supported as arguments of one scalar function only", where=where)
    listed = [parent.this] if isinstance(parent.this, exp.Expression) else []
    arguments: list[exp.Expression] = []
    for argument in [*listed, *parent.expressions]:
        arguments += [c.copy() for c in columns] if argument is calls[0] else [argument.copy()]
    if isinstance(parent, exp.Array | exp.Anonymous):
        parent.set("expressions", arguments)
    else:
        parent.replace(exp.func(parent.sql_name(), *arguments, dialect="duckdb"))
    return item.this


def _chosen(
    call: exp.Columns, everything: list[tuple[str, exp.Column]], where: str
) -> list[tuple[str, exp.Expression]]:
    inner = call.this
    if isinstance(inner, exp.Column) and isinstance(inner.this, exp.Star):
        return _changes(inner.this, _of(inner, everything), where)
    if isinstance(inner, exp.Star):
        return _changes(inner, [c for _, c in everything], where)
    wanted = chosen_columns(call, [c.name for _, c in everything], where)
    return [(c.name, c) for _, c in everything if c.name in wanted]


def chosen_columns(node: exp.Columns | exp.Star, columns: Sequence[str], where: str) -> list[str]:
    """The columns that a star or a COLUMNS(...) stands for, in the relation's order.

    A pattern is searched for in each name, by the library DuckDB uses for it (RE2).
    """
    inner = node.this if isinstance(node, exp.Columns) else node
    if isinstance(inner, exp.Star):
        return [name for name, _ in _changes(inner, [exp.column(c) for c in columns], where)]
    if isinstance(inner, exp.Array) and all(e.is_string for e in inner.expressions):
        listed = [e.name.lower() for e in inner.expressions]
        missing = next((n for n in listed if n not in {c.lower() for c in columns}), None)
        if missing is not None:
            raise InputError(one_of("column", missing, columns), where=where)
        return [c for c in columns if c.lower() in listed]
    if isinstance(inner, exp.Literal) and inner.is_string:
        hits = pc.match_substring_regex(pa.array(columns, pa.string()), pattern=inner.name).to_pylist()
        found = [c for c, hit in zip(columns, hits, strict=True) if hit]
        if not found:
            raise InputError(f"no column matches the pattern {inner.name!r} of COLUMNS", where=where)
        return found
    raise Unsupported(
        f"{node.sql('duckdb')} is not supported: the columns are not stated", where=where,
        hint="COLUMNS('pattern'), COLUMNS(['a', 'b']) or COLUMNS(* EXCLUDE (a))",
    )  # fmt: skip
