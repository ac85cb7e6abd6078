"""How long a text is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sqlglot import exp

from lester_duck.errors import InputError
from lester_duck.featurize.base import Input, Slot, choice

WORD = r"[^\t-\r\x1c-\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+"
"""What ``str.split()`` leaves together: a run of characters that are no white space to Python."""


@dataclass(frozen=True, kw_only=True)
class TextLength:
    """``len(text)`` (code points) or ``len(text.split())``; NULL is missing. Stateless, exact."""

    unit: str = "characters"

    role: ClassVar[str] = "sql_head"

    def __post_init__(self) -> None:
        choice("text_length", "unit", self.unit, ("characters", "words"))

    def expression(self, column: Input) -> exp.Expression:
        """The DOUBLE a block stores for a column; raises InputError for one that is no text."""
        if not column.is_text:
            hint = "cast it to VARCHAR in the view"
            raise InputError(f"column '{column.name}' is {column.type}, not a text", hint=hint)
        name = exp.column(column.name, quoted=True)
        if self.unit == "characters":
            length: exp.Expression = exp.Anonymous(this="length", expressions=[name])
        else:
            words = exp.Anonymous(this="regexp_extract_all", expressions=[name, exp.Literal.string(WORD)])
            length = exp.Anonymous(this="len", expressions=[words])
        return exp.cast(length, "DOUBLE", dialect="duckdb")

    def slots(self, featurizer: str, columns: Sequence[Input]) -> tuple[Slot, ...]:
        """The featurizer's name, for several columns ``<column>_<featurizer>``."""
        if len(columns) == 1:
            return (Slot(featurizer, (columns[0].name,)),)
        return tuple(Slot(f"{column.name}_{featurizer}", (column.name,)) for column in columns)
