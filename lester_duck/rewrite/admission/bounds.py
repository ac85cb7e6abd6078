"""How large a proposal may be: what a person can review, many times what scripts have needed so far."""

from __future__ import annotations

SQL = 32_768
"""Characters of one view, check or expression."""
DEPTH = 1_000
"""Levels of the syntax tree of a statement, as DuckDB writes it down (an operator takes four)."""
BRACKETS = 24
"""Levels of brackets and of CASE: each takes a parser many calls of its own."""
VIEWS = 300
CHECKS = 1_000
SOURCES = 100
FUNCTIONS = 200
FEATURIZERS = 1_000
COLUMNS = 10_000
CODE = 262_144
"""Characters of ``functions.py``."""
NAME = 63
"""Characters of a name that SQL uses."""
LABEL = 1_000
"""Characters of a column's name, which a file's header gives."""
TEXT = 20_000
"""Characters of a comment, a message or any other text."""
VALUES = 1_000_000
"""Values in a parameter."""
NESTED = 8
"""Levels of lists in a parameter."""
REASONS = 20
"""Reasons that are told at once."""
