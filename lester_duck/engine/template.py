"""Statements whose identifiers vary: parsed once, names put in as quoted nodes of the tree."""

from __future__ import annotations

from functools import lru_cache

import sqlglot
from sqlglot import exp

from lester_duck import names

Part = str | tuple[str, str] | exp.Expression


@lru_cache(maxsize=512)
def _tree(text: str) -> exp.Expression:
    return sqlglot.parse_one(text, dialect="duckdb")


def statement(text: str, **parts: Part) -> exp.Expression:
    """A DuckDB statement in which ``$name`` stands for an identifier, a table or an expression.

    A string becomes a quoted identifier, a pair (schema, name) a quoted table.

    >>> statement("SELECT $c FROM $t", c="a b", t=("main", "v")).sql("duckdb")
    'SELECT "a b" FROM "main"."v"'
    """
    return exp.replace_placeholders(_tree(text), **{name: _node(part) for name, part in parts.items()})


@lru_cache(maxsize=1024)
def rendered(text: str, **parts: Part) -> str:
    """The DuckDB text of ``statement``, kept for the next change of the same pipeline.

    >>> rendered("DELETE FROM $t", t=("_lester", "state_a"))
    'DELETE FROM "_lester"."state_a"'
    """
    return statement(text, **parts).sql(dialect="duckdb")


def _node(part: Part) -> exp.Expression:
    if isinstance(part, str):
        return exp.to_identifier(part, quoted=True)
    if isinstance(part, tuple):
        return exp.table_(exp.to_identifier(part[1], quoted=True), db=exp.to_identifier(part[0], quoted=True))
    return part


def column(name: str, table: str | None = None) -> exp.Column:
    """A quoted column.

    >>> column("a b", "v").sql("duckdb")
    '"v"."a b"'
    """
    return exp.column(exp.to_identifier(name, quoted=True), table=table, quoted=True)


def array(elements: list[exp.Expression], element: str) -> exp.Expression:
    """A fixed-size ARRAY value.

    >>> array([column("a"), column("b")], "DOUBLE").sql("duckdb")
    'CAST(["a", "b"] AS DOUBLE[2])'
    """
    return exp.cast(exp.Array(expressions=elements), f"{element}[{len(elements)}]", dialect="duckdb")


def view_table(view: str) -> tuple[str, str]:
    """The relation of a view."""
    return (names.VIEW_SCHEMA, view)


def block_table(featurizer: str) -> tuple[str, str]:
    """The block of a featurizer.

    >>> block_table("title")
    ('_lester', 'block_title')
    """
    return (names.INTERNAL_SCHEMA, f"block_{featurizer}")


def state_table(featurizer: str) -> tuple[str, str]:
    """The fitted state of a featurizer."""
    return (names.INTERNAL_SCHEMA, f"state_{featurizer}")
