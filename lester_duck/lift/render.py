"""SQL text a person would sign: names quoted only where they must be, one clause per line."""

from __future__ import annotations

import re

from sqlglot import exp

from lester_duck.names import is_reserved_column

_RESERVED = frozenset(
    [
        "all",
        "analyse",
        "analyze",
        "and",
        "any",
        "array",
        "as",
        "asc",
        "asymmetric",
        "both",
        "case",
        "cast",
        "check",
        "collate",
        "column",
        "constraint",
        "create",
        "default",
        "deferrable",
        "desc",
        "describe",
        "distinct",
        "do",
        "else",
        "end",
        "except",
        "false",
        "fetch",
        "for",
        "foreign",
        "from",
        "grant",
        "group",
        "having",
        "in",
        "initially",
        "intersect",
        "into",
        "lambda",
        "lateral",
        "leading",
        "limit",
        "not",
        "null",
        "offset",
        "on",
        "only",
        "or",
        "order",
        "pivot",
        "placing",
        "primary",
        "qualify",
        "references",
        "returning",
        "select",
        "show",
        "some",
        "summarize",
        "symmetric",
        "table",
        "then",
        "to",
        "trailing",
        "true",
        "union",
        "unique",
        "unpivot",
        "using",
        "variadic",
        "when",
        "where",
        "window",
        "with",
    ]
)


def column_name(name: str) -> str:
    """A column name the engine accepts: none of its own, which begin with an underscore.

    >>> column_name("_id"), column_name("raw date"), column_name("")
    ('id', 'raw date', 'column')
    """
    while is_reserved_column(name):
        name = name[1:]
    return name or "column"


def identifier(name: str) -> exp.Identifier:
    """A name, quoted when it must be."""
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is not None and name.lower() not in _RESERVED
    return exp.to_identifier(name, quoted=not plain)


def column(table: str | None, name: str) -> exp.Column:
    """A column, qualified when a table is given."""
    return exp.Column(this=identifier(name), table=identifier(table) if table else None)


def text(tree: exp.Expression) -> str:
    """The formatted text of a query, in DuckDB's dialect, functions in lower case."""

    def not_null(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Not) and isinstance(node.this, exp.Is) and isinstance(node.this.expression, exp.Null):
            return exp.Is(this=node.this.this, expression=exp.Not(this=exp.null()))
        return node

    tree = tree.transform(not_null)
    formatted = tree.sql(dialect="duckdb", pretty=True, normalize_functions="lower", max_text_width=100)
    return re.sub(r"\n\s+THEN ", " THEN ", formatted)


def expression(tree: exp.Expression) -> str:
    """The text of an expression on one line."""
    return tree.sql(dialect="duckdb", normalize_functions="lower")
