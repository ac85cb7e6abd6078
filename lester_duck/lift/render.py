"""SQL text a person would sign: names quoted only where they must be, one clause per line."""

from __future__ import annotations

import re

from sqlglot import exp

from lester_duck.names import is_reserved_column

_RESERVED = frozenset(
    [
        "all", "alter", "analyse", "analyze", "and", "anti", "any", "array", "as", "asc", "asof", "asymmetric", "at",
        "authorization", "between", "binary", "both", "by", "case", "cast", "check", "collate", "collation", "column",
        "columns", "concurrently", "constraint", "create", "cross", "default", "deferrable", "desc", "describe",
        "distinct", "do", "drop", "else", "end", "except", "false", "fetch", "for", "force", "foreign", "freeze",
        "from", "full", "generated", "glob", "grant", "group", "having", "if", "ilike", "in", "initially", "inner",
        "insert", "install", "intersect", "into", "is", "isnull", "join", "lambda", "lateral", "leading", "left",
        "like", "limit", "map", "natural", "not", "notnull", "null", "offset", "on", "only", "or", "order", "outer",
        "overlaps", "pivot", "pivot_longer", "pivot_wider", "placing", "positional", "primary", "qualify", "recursive",
        "references", "returning", "revoke", "right", "rollback", "select", "semi", "show", "similar", "some", "struct",
        "summarize", "symmetric", "table", "tablesample", "then", "to", "trailing", "true", "try_cast", "tuple",
        "union", "unique", "unpack", "unpivot", "user", "using", "values", "variadic", "verbose", "when", "where",
        "window", "with"
    ]
)
"""DuckDB's keywords that are reserved or name functions and types, and those that sqlglot reads otherwise."""


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
