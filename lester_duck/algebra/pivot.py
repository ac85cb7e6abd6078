"""PIVOT with stated values as aggregates with FILTER, UNPIVOT as lists unnested side by side.

The columns carry the names DuckDB gives them. Values are compared as text, as DuckDB does: ``2`` is not
``2.0``, and NULL is a value of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp

from lester_duck.algebra.carve import Names
from lester_duck.algebra.flatten import Flat, is_aggregate
from lester_duck.algebra.relation import Relation, column, quoted
from lester_duck.algebra.stars import chosen_columns
from lester_duck.errors import InputError, Unsupported, one_of

_NAMED = {
    exp.Sum: "sum", exp.Min: "min", exp.Max: "max", exp.Avg: "avg", exp.Count: "count", exp.AnyValue: "any_value",
    exp.First: '"first"', exp.Last: '"last"', exp.Median: "median", exp.Stddev: "stddev",
}  # fmt: skip
"""Aggregates whose column DuckDB names after their text, as DuckDB writes that text."""


@dataclass(frozen=True, slots=True)
class Value:
    """One stated value of PIVOT: its text (None: NULL) and the name it gives to its columns."""

    text: str | None
    name: str


def is_pivoted(tree: exp.Expression) -> bool:
    """Whether a step is one PIVOT or UNPIVOT of a relation, in either form."""
    if isinstance(tree, exp.Pivot):
        return True
    from_ = tree.args.get("from_")
    return from_ is not None and isinstance(from_.this, exp.Table) and bool(from_.this.args.get("pivots"))


def pivoted(
    name: str, tree: exp.Expression, relations: Mapping[str, Relation], names: Names, where: str
) -> tuple[Flat, ...]:
    """The steps of a PIVOT or UNPIVOT."""
    pivot = tree if isinstance(tree, exp.Pivot) else tree.args["from_"].this.args["pivots"][0]
    table = tree.this.copy() if isinstance(tree, exp.Pivot) else tree.args["from_"].this.copy()
    table.set("pivots", None)
    relation = _relation(table, relations, where)
    if pivot.args.get("unpivot"):
        return _unpivot(name, pivot, table, relation, names, where)
    return (Flat(name, _pivot(pivot, table, relation, where).sql("duckdb")),)


def _relation(table: exp.Table, relations: Mapping[str, Relation], where: str) -> Relation:
    found = {n.lower(): r for n, r in relations.items()}.get(table.name.lower())
    if found is None:
        raise InputError(one_of("relation", table.name, [n for n in relations if "__" not in n]), where=where)
    return found


def _held(node: exp.Expression, relation: Relation, where: str) -> str:
    """The relation's own spelling of a column."""
    if not isinstance(node, exp.Column) or node.table:
        raise Unsupported(
            f"{node.sql('duckdb')} in PIVOT is not supported: it is no column", where=where, hint="name it in a CTE"
        )
    known = {c.lower(): c for c in relation.columns}
    if node.name.lower() not in known:
        raise InputError(f"{relation.name}: {one_of('column', node.name, relation.columns)}", where=where)
    return known[node.name.lower()]


def _pivot(pivot: exp.Pivot, table: exp.Table, relation: Relation, where: str) -> exp.Select:
    statement = pivot.args.get("fields") is None
    fields = pivot.expressions if statement else pivot.args["fields"]
    aggregates = (pivot.args.get("using") or [exp.Count(this=exp.Star(), big_int=True)]) if statement else (
        pivot.expressions
    )
    stated = [_stated(f, where) for f in fields]
    pivots = [(_held(f.this, relation, where), _values(f, where)) for f in stated]
    used = {c for c, _ in pivots}
    for aggregate in aggregates:
        used |= {_held(n, relation, where) for n in aggregate.find_all(exp.Column)}
    group = pivot.args.get("group")
    keys = [_held(k, relation, where) for k in group.expressions] if group else [
        c for c in relation.columns if c not in used
    ]
    columns = [exp.alias_(column(k), k, quoted=True) for k in keys]
    taken = {k.lower() for k in keys}
    for chosen in itertools.product(*[values for _, values in pivots]):
        tests = [_is(c, v) for (c, _), v in zip(pivots, chosen, strict=True)]
        prefix = "_".join(v.name for v in chosen)
        for aggregate in aggregates:
            suffix = _suffix(aggregate, len(aggregates), where)
            shown = _free("_".join([prefix, suffix] if suffix else [prefix]), taken)
            columns.append(exp.alias_(_filtered(aggregate.unalias(), tests, where), shown, quoted=True))
    select = exp.select(*columns).from_(table)
    if keys:
        select.set("group", exp.Group(expressions=[column(k) for k in keys]))
    return select


def _stated(field: exp.Expression, where: str) -> exp.In:
    if isinstance(field, exp.In) and field.expressions and not field.args.get("query"):
        return field
    what = field.this if isinstance(field, exp.In) else field
    raise Unsupported(
        f"PIVOT ON {what.sql('duckdb')} without a list of values is not supported: its columns depend on the data",
        where=where,
        hint="ON a IN (0, 1)",
    )


def _values(field: exp.In, where: str) -> list[Value]:
    values = [_value(e, where) for e in field.expressions]
    texts = [v.text for v in values]
    twice = next((t for t in texts if texts.count(t) > 1), None)
    if twice is not None:
        raise InputError(f"the value {twice!r} of PIVOT is stated twice", where=where)
    return values


def _value(node: exp.Expression, where: str) -> Value:
    name = node.args["alias"].name if isinstance(node, exp.PivotAlias | exp.Alias) else None
    value = node.this if name is not None else node
    if isinstance(value, exp.Null):
        return Value(None, name or "NULL")
    sign, number = ("-", value.this) if isinstance(value, exp.Neg) else ("", value)
    text = sign + number.name
    plain = isinstance(number, exp.Literal) and (number.is_string or number.name.replace(".", "", 1).isdigit())
    if isinstance(value, exp.Boolean):
        plain, text = True, str(value.this).lower()
    if not plain:
        raise Unsupported(
            f"the value {value.sql('duckdb')} of PIVOT is not supported: it is no text or plain number", where=where
        )
    return Value(text, name or text)


def _is(name: str, value: Value) -> exp.Expression:
    if value.text is None:
        return exp.Is(this=column(name), expression=exp.null())
    return exp.EQ(this=exp.cast(column(name), "VARCHAR"), expression=exp.Literal.string(value.text))


def _suffix(aggregate: exp.Expression, count: int, where: str) -> str:
    if isinstance(aggregate, exp.Alias):
        return aggregate.alias
    if count == 1:
        return ""
    if isinstance(aggregate, exp.Count) and isinstance(aggregate.this, exp.Star):
        return "count_star()"
    inner = aggregate.this
    if type(aggregate) in _NAMED and isinstance(inner, exp.Column) and not aggregate.expressions:
        return f"{_NAMED[type(aggregate)]}({inner.name})"
    raise Unsupported(
        f"{aggregate.sql('duckdb')} without a name beside others in PIVOT is not supported", where=where,
        hint="give it one: USING sum(x) AS total",
    )  # fmt: skip


def _free(name: str, taken: set[str]) -> str:
    """``name``, numbered as DuckDB numbers repeated columns: ``x``, ``X_1``, ``x_2``."""
    found, number = name, 1
    while found.lower() in taken:
        found, number = f"{name}_{number}", number + 1
    taken.add(found.lower())
    return found


def _filtered(expression: exp.Expression, tests: list[exp.Expression], where: str) -> exp.Expression:
    """An expression over one aggregate, that one restricted to the rows of the stated values."""
    whole = exp.Paren(this=expression.copy())
    found = [n for n in whole.find_all(exp.AggFunc, exp.Anonymous) if is_aggregate(n)]
    if len(found) != 1 or any(whole.find_all(exp.Window, exp.Query)):
        raise InputError(f"USING of PIVOT needs one aggregate, found {expression.sql('duckdb')}", where=where)
    call = found[0]
    while isinstance(call.parent, exp.WithinGroup | exp.IgnoreNulls | exp.RespectNulls):
        call = call.parent
    if isinstance(call.parent, exp.Filter):
        raise Unsupported(
            "FILTER in PIVOT is not supported: the database drops it", where=where, hint="filter in a CTE before"
        )
    call.replace(exp.Filter(this=call.copy(), expression=exp.Where(this=exp.and_(*[t.copy() for t in tests]))))
    return whole.this


def _unpivot(
    name: str, pivot: exp.Pivot, table: exp.Table, relation: Relation, names: Names, where: str
) -> tuple[Flat, ...]:
    """``UNPIVOT t ON a, b INTO NAME n VALUE v``: the name and the value of each column, row by row."""
    if pivot.args.get("fields") is None:
        into, items = pivot.args.get("into"), pivot.expressions
        label = into.this.name if into else "name"
        targets = [e.name for e in into.expressions] if into else ["value"]
    else:
        (field,) = pivot.args["fields"]
        label, items = field.this.name, field.expressions
        targets = [i.name for e in pivot.expressions for i in (e.expressions if isinstance(e, exp.Tuple) else [e])]
    rows = list(_unpivoted(items, relation, where))
    if any(len(values) != len(targets) for _, values in rows):
        raise InputError(f"UNPIVOT gives {len(targets)} values at a time, and names more or fewer columns", where=where)
    used = {_held(c, relation, where) for _, values in rows for v in values for c in v.find_all(exp.Column)}
    kept = [c for c in relation.columns if c not in used]
    shown = [*kept, label, *targets]
    if len({s.lower() for s in shown}) < len(shown):
        raise Unsupported(
            "a new column of UNPIVOT with the name of one that stays is not supported", where=where,
            hint="INTO NAME n VALUE v, with other names",
        )  # fmt: skip
    lists = [exp.Array(expressions=[exp.Literal.string(text) for text, _ in rows])]
    lists += [exp.Array(expressions=[values[n].copy() for _, values in rows]) for n in range(len(targets))]
    select = exp.select(*[exp.alias_(column(c), c, quoted=True) for c in kept]).from_(table)
    select = select.select(
        *[exp.alias_(exp.Explode(this=held), s, quoted=True) for held, s in zip(lists, [label, *targets], strict=True)]
    )
    if pivot.args.get("include_nulls"):
        return (Flat(name, select.sql("duckdb")),)
    step, alias = names.step("unpivot"), names.alias("unpivot")
    known = [exp.not_(exp.Is(this=column(t, alias), expression=exp.null())) for t in targets]
    outer = exp.select(*[column(s, alias) for s in shown]).where(exp.and_(*known))
    outer.set("from_", exp.From(this=exp.Table(this=quoted(step), alias=exp.TableAlias(this=quoted(alias)))))
    return (Flat(step, select.sql("duckdb")), Flat(name, outer.sql("duckdb")))


def _unpivoted(
    items: list[exp.Expression], relation: Relation, where: str
) -> Iterator[tuple[str, list[exp.Expression]]]:
    """The name and the expressions of each row that one row becomes."""
    for item in items:
        if isinstance(item, exp.Columns | exp.Star):
            for c in chosen_columns(item, relation.columns, where):
                yield c, [column(c)]
            continue
        alias = item.args["alias"].name if isinstance(item, exp.PivotAlias | exp.Alias) else None
        value = item.this if alias is not None else item
        values = [v.unnest() for v in (value.expressions if isinstance(value, exp.Tuple) else [value])]
        if alias is None and not all(isinstance(v, exp.Column) for v in values):
            raise Unsupported(
                f"{value.sql('duckdb')} without a name in UNPIVOT is not supported", where=where,
                hint="give it one: AS x",
            )  # fmt: skip
        yield alias or "_".join(_held(v, relation, where) for v in values), values
