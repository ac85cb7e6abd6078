"""One number per category."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lester_duck.errors import InputError
from lester_duck.featurize.base import Input, Slot, choice
from lester_duck.featurize.categories import Category, Encoded, arrange
from lester_duck.featurize.summary import Distribution, merged


@dataclass(frozen=True)
class FittedOrdinal:
    """Codes (rows x k, stored ids) to numbers (rows x k, float64)."""

    columns: tuple[Encoded, ...]
    start: int
    unknown: float | None
    missing: float | None

    def apply(self, codes: np.ndarray) -> np.ndarray:
        """The number of each category; raises InputError for an unknown one unless it has a number."""
        if not len(codes):
            return np.zeros((0, len(self.columns)))
        return np.column_stack([self._numbers(codes[:, j], j) for j in range(len(self.columns))])

    def _numbers(self, codes: np.ndarray, j: int) -> np.ndarray:
        column = self.columns[j]
        places = column.table()[codes]
        numbers = places.astype(float) + self.start
        strange = places < 0
        if self.missing is not None:
            missing = np.isin(codes, column.silent)
            numbers[missing] = self.missing
            strange &= ~missing
        if strange.any():
            if self.unknown is None:
                column.refuse_unknown(codes[strange])
            numbers[strange] = self.unknown
        return numbers

    def distribution(self, categories: Sequence[tuple[Category, ...]]) -> Distribution:
        """How often each number occurs among the fit rows."""
        columns, missing = [], []
        for j, found in enumerate(categories):
            live = [c for c in found if c.n > 0]
            numbers = self._numbers(np.array([c.ids[0] if c.ids else 0 for c in live], dtype=np.int64), j)
            counts = np.array([c.n for c in live], dtype=np.int64)
            columns.append(merged(numbers, counts))
            missing.append(int(counts[np.isnan(numbers)].sum()))
        return Distribution(tuple(columns), np.array(missing, dtype=np.int64))

    def slots(self) -> tuple[Slot, ...]:
        """One slot per column, under its own name."""
        return tuple(Slot(column.column, (column.column,)) for column in self.columns)


@dataclass(frozen=True, kw_only=True)
class Ordinal:
    """Numbers as scikit-learn's OrdinalEncoder, from ``start``.

    ``categories`` as for one_hot ("appearance": pandas.factorize, or a dict filled in a loop).
    ``unknown``: "error" or the number of an unknown category. ``missing``: "nan" (scikit-learn for
    NaN), a number (pandas.factorize: -1), or "category" (scikit-learn for None, a dict of a loop:
    a category like others, last when sorted).
    State: rows per category, exact.
    """

    categories: str | tuple = "sorted"
    unknown: str | float = "error"
    start: int = 0
    missing: str | float = "nan"

    role: ClassVar[str] = "coder"

    def __post_init__(self) -> None:
        if not isinstance(self.categories, tuple):
            choice("ordinal", "categories", self.categories, ("sorted", "appearance"))
        for name in ("unknown", "missing"):
            value = getattr(self, name)
            allowed = ("error",) if name == "unknown" else ("nan", "category")
            if isinstance(value, str) and value not in allowed:
                raise InputError(f"ordinal: {name} is {value!r}", hint=f"it may be a number or {' or '.join(allowed)}")

    @property
    def by_appearance(self) -> bool:
        """Whether the places of first rows are needed."""
        return self.categories == "appearance"

    def fit(self, categories: Sequence[tuple[Category, ...]], columns: Sequence[Input]) -> FittedOrdinal:
        """Order the categories of each column."""
        own = self.missing == "category"
        encoded = tuple(
            arrange(found, self.categories, column, j, own)
            for j, (found, column) in enumerate(zip(categories, columns, strict=True))
        )
        unknown = None if self.unknown == "error" else float(self.unknown)
        missing = None if own else float(self.missing)
        return FittedOrdinal(encoded, self.start, unknown, missing)
