"""How common each category is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lester_duck.errors import InputError
from lester_duck.featurize.base import Input, Slot
from lester_duck.featurize.categories import Category, total
from lester_duck.featurize.summary import Distribution, merged


@dataclass(frozen=True, eq=False)
class FittedFrequency:
    """Codes (rows x k, stored ids) to numbers (rows x k, float64); ``numbers`` holds one array per column, by id."""

    columns: tuple[Input, ...]
    numbers: tuple[np.ndarray, ...]

    def apply(self, codes: np.ndarray) -> np.ndarray:
        """The number of each category."""
        if not len(codes):
            return np.zeros((0, len(self.columns)))
        return np.column_stack([numbers[codes[:, j]] for j, numbers in enumerate(self.numbers)])

    def distribution(self, categories: Sequence[tuple[Category, ...]]) -> Distribution:
        """How often each number occurs among the fit rows."""
        columns, missing = [], []
        for numbers, found in zip(self.numbers, categories, strict=True):
            values = np.array([numbers[c.ids[0]] for c in found if c.ids], dtype=float)
            counts = np.array([c.n for c in found if c.ids], dtype=np.int64)
            columns.append(merged(values[counts > 0], counts[counts > 0]))
            missing.append(int(counts[np.isnan(values)].sum()))
        return Distribution(tuple(columns), np.array(missing, dtype=np.int64))

    def slots(self) -> tuple[Slot, ...]:
        """One slot per column, under its own name."""
        return tuple(Slot(column.name, (column.name,)) for column in self.columns)


@dataclass(frozen=True, kw_only=True)
class Frequency:
    """The number of fit rows of a category, or with ``normalize`` its share of the rows that have a value.

    As ``column.map(column.value_counts(normalize=...))`` in pandas. ``unknown`` and ``missing`` are
    the numbers of a category no fit row has and of a missing value; "nan" (pandas) leaves them
    missing, ``missing`` "category" counts missing values like others. State: rows per category, exact.
    """

    normalize: bool = False
    unknown: str | float = "nan"
    missing: str | float = "nan"

    role: ClassVar[str] = "coder"
    by_appearance: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name, allowed in (("unknown", ("nan",)), ("missing", ("nan", "category"))):
            value = getattr(self, name)
            if isinstance(value, str) and value not in allowed:
                hint = f"it may be a number or {' or '.join(allowed)}"
                raise InputError(f"frequency: {name} is {value!r}", hint=hint)

    def fit(self, categories: Sequence[tuple[Category, ...]], columns: Sequence[Input]) -> FittedFrequency:
        """The number of each id of each column."""
        return FittedFrequency(tuple(columns), tuple(self._numbers(found) for found in categories))

    def _numbers(self, categories: tuple[Category, ...]) -> np.ndarray:
        counted = [c for c in categories if c.value is not None or self.missing == "category"]
        rows = total(counted) if self.normalize else 1
        ids = [i for c in categories for i in c.ids]
        numbers = np.full(max(ids, default=-1) + 1, np.nan)
        for category in categories:
            if category.value is None and self.missing != "category":
                number = float(self.missing)
            else:
                number = category.n / rows if category.n else float(self.unknown)
            numbers[list(category.ids)] = number
        return numbers
