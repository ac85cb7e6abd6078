"""Numbers read from the feature view as they are: the head of every numeric featurizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sqlglot import exp

from lester_duck.errors import InputError
from lester_duck.featurize.base import Input, Slot


@dataclass(frozen=True, kw_only=True)
class Raw:
    """Columns cast to DOUBLE; NULL and NaN are missing."""

    role: ClassVar[str] = "sql_head"

    def expression(self, column: Input) -> exp.Expression:
        """The DOUBLE a block stores for a column; raises InputError for one that is no number."""
        if not column.is_number:
            raise InputError(
                f"column '{column.name}' is {column.type}, not a number",
                hint="cast it in the view, or encode it with one_hot or ordinal",
            )
        name = exp.column(column.name, quoted=True)
        number = exp.cast(name, "DOUBLE", dialect="duckdb")
        if not column.is_float:
            return number
        return exp.case().when(exp.func("ISNAN", name.copy(), dialect="duckdb"), exp.null()).else_(number)

    def slots(self, featurizer: str, columns: Sequence[Input]) -> tuple[Slot, ...]:
        """The columns' own names."""
        del featurizer
        return tuple(Slot(column.name, (column.name,)) for column in columns)
