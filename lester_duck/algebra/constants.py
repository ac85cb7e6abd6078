"""Rows that no relation gives: VALUES, ``range(3)``, a list of constants, a SELECT without FROM."""

from __future__ import annotations

from sqlglot import exp

from lester_duck.algebra.relation import quoted
from lester_duck.errors import Unsupported


def is_constant_item(item: exp.Expression) -> bool:
    """Whether a FROM item is VALUES, or a table function of constants.

    >>> import sqlglot
    >>> [is_constant_item(sqlglot.parse_one(f"SELECT * FROM {t}", dialect="duckdb").args["from_"].this)
    ...  for t in ("range(3)", "unnest([1, 2]) AS u(x)", "range(t.n)", "t")]
    [True, True, False, False]
    """
    if isinstance(item, exp.Values):
        return True
    return is_function_item(item) and not any(item.find_all(exp.Column, exp.Query))


def is_function_item(item: exp.Expression) -> bool:
    """Whether a FROM item is ``unnest``, ``range`` or ``generate_series``."""
    if isinstance(item, exp.Unnest):
        return True
    return isinstance(item, exp.Table) and isinstance(item.this, exp.GenerateSeries | exp.ExplodingGenerateSeries)


def function_column(item: exp.Expression) -> tuple[str, str]:
    """Alias and column of a table function as DuckDB names them: ``f(x) AS n(c)``, ``f(x) AS n``, ``f(x)``."""
    if item.args.get("offset"):
        raise Unsupported("WITH ORDINALITY is not supported", hint="write generate_subscripts beside unnest")
    if isinstance(item, exp.Unnest):
        own = "unnest"
        if len(item.expressions) != 1:
            raise Unsupported("unnest of several lists in FROM is not supported", hint="SELECT unnest(a), unnest(b)")
    else:
        own = "range" if item.this.args.get("is_end_exclusive") else "generate_series"
    alias = item.args.get("alias")
    if alias is None or not alias.this:
        return own, own
    return alias.name, alias.columns[0].name if alias.columns else alias.name


def lists_in_from(tree: exp.Expression) -> None:
    """Write table functions of FROM as ``unnest(list) AS n(c)``, which the parser can resolve names in."""
    for node in [n for n in tree.find_all(exp.Table, exp.Unnest) if is_function_item(n)]:
        alias, name = function_column(node)
        held = node.expressions[0] if isinstance(node, exp.Unnest) else node.this
        named = exp.TableAlias(this=exp.to_identifier(alias), columns=[exp.to_identifier(name)])
        node.replace(exp.Unnest(expressions=[held.copy()], alias=named))


def constant_query(item: exp.Expression) -> exp.Select:
    """A constant FROM item as a SELECT, so that every step's text is a query."""
    inner = item.copy()
    if isinstance(inner, exp.Values):
        width = len(inner.expressions[0].expressions) if isinstance(inner.expressions[0], exp.Tuple) else 1
        held = inner.args.get("alias")
        given = [c.name for c in held.columns] if held else []
        columns = [*given, *(f"col{n}" for n in range(len(given), width))]
        alias = held.name if held and held.this else "rows"
    else:
        alias, name = function_column(inner)
        columns = [name]
    inner.set("alias", exp.TableAlias(this=quoted(alias), columns=[quoted(c) for c in columns]))
    return exp.select(*[exp.Column(this=quoted(c)) for c in columns]).from_(inner)


def one_row() -> exp.Values:
    """One row of nothing, for a SELECT without FROM."""
    alias = exp.TableAlias(this=quoted("one_row"), columns=[quoted("one")])
    return exp.Values(expressions=[exp.Tuple(expressions=[exp.Literal.number(1)])], alias=alias)
