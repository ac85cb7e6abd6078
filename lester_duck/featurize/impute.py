"""Replacement of missing values, for numbers and for categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from lester_duck.errors import InputError, NothingToLearn
from lester_duck.featurize.base import Needs, Slot, choice
from lester_duck.featurize.categories import Category
from lester_duck.featurize.summary import Summary
from lester_duck.pipeline.model import Scalar

_NEEDS = {
    "mean": Needs.MOMENTS,
    "median": Needs.DISTRIBUTION,
    "most_frequent": Needs.DISTRIBUTION,
    "constant": Needs.NOTHING,
}


@dataclass(frozen=True)
class FittedFill:
    """Each missing value of column j becomes ``fill[j]``."""

    fill: np.ndarray
    indicated: tuple[int, ...] = ()
    """The columns that have an indicator of missing values, behind all columns."""

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Rows x k to rows x k without NaN, and the indicators."""
        absent = np.isnan(values)
        filled = np.where(absent, self.fill, values)
        return np.hstack([filled, absent[:, list(self.indicated)].astype(float)]) if self.indicated else filled

    def through(self, summary: Summary) -> Summary:
        """The summary after this step."""
        filled = summary.filled(self.fill)
        return filled.beside(summary.indicators(self.indicated)) if self.indicated else filled

    def slots(self, slots: Sequence[Slot]) -> tuple[Slot, ...]:
        """Names do not change; an indicator is called after its column."""
        more = (slots[j] for j in self.indicated)
        return (*slots, *(replace(slot, name=f"{slot.name} missing", term="missing") for slot in more))


@dataclass(frozen=True, kw_only=True)
class Impute:
    """Fill missing values as scikit-learn's SimpleImputer does.

    Median and mode are read from value counts (exact after deletes; equally frequent values: the
    smallest), the mean from shifted moments. Filling happens on read: no stored row changes.
    ``add_indicator``: a column of zeros and ones for each column that has missing values in the fit
    rows, behind all columns.
    """

    strategy: str = "mean"
    fill_value: Scalar = None
    add_indicator: bool = False

    role: ClassVar[str] = "numeric"

    def __post_init__(self) -> None:
        choice("impute", "strategy", self.strategy, tuple(_NEEDS))

    @property
    def needs(self) -> Needs:
        """What the strategy must know of the fit rows."""
        return max(_NEEDS[self.strategy], Needs.MOMENTS) if self.add_indicator else _NEEDS[self.strategy]

    @property
    def names_learned(self) -> bool:
        """Whether the fit rows decide which columns have an indicator."""
        return self.add_indicator

    def fit(self, summary: Summary | None, slots: Sequence[Slot]) -> FittedFill:
        """The fill of each column; raises NothingToLearn where the fit rows hold no value."""
        indicated = tuple(np.flatnonzero(summary.missing).tolist()) if self.add_indicator else ()
        if self.strategy == "constant":
            return FittedFill(np.full(len(slots), self._number()), indicated)
        fill = {"mean": "mean", "median": "median", "most_frequent": "mode"}[self.strategy]
        found = getattr(summary, fill)()
        empty = [slot.name for slot, value in zip(slots, found, strict=True) if np.isnan(value)]
        if empty:
            raise NothingToLearn(
                f"impute: column '{empty[0]}' has no value in the fit rows",
                hint='drop it, or use strategy = "constant"',
            )
        return FittedFill(found, indicated)

    def _number(self) -> float:
        value = 0 if self.fill_value is None else self.fill_value
        if isinstance(value, str):
            raise InputError(f"impute: fill_value {value!r} is no number", hint="the columns imputed here are numeric")
        return float(value)

    def fill_categories(self, categories: tuple[Category, ...], name: str) -> tuple[Category, ...]:
        """The categories of one column after the missing one became the fill.

        Strategies: constant (default ``missing_value``) and most_frequent (ties: the smallest).
        """
        if self.add_indicator:
            raise InputError("impute: add_indicator before an encoding of categories", hint="use a view")
        if self.strategy not in ("constant", "most_frequent"):
            raise InputError(
                f"impute: strategy {self.strategy!r} before an encoding of categories",
                hint='use "most_frequent" or "constant"',
            )
        absent = [c for c in categories if c.value is None]
        present = [c for c in categories if c.value is not None]
        if not absent:
            return categories
        fill = self._category(present, name)
        same = [c for c in present if c.value == fill]
        target = same[0] if same else Category(fill, (), 0, None)
        firsts = [c.first for c in (target, absent[0]) if c.first is not None]
        merged = replace(
            target, ids=target.ids + absent[0].ids, n=target.n + absent[0].n, first=min(firsts) if firsts else None
        )
        return tuple(c for c in present if c is not target) + (merged,)

    def _category(self, present: list[Category], name: str) -> Scalar:
        if self.strategy == "constant":
            return "missing_value" if self.fill_value is None else self.fill_value
        known = [c for c in present if c.n > 0]
        if not known:
            hint = 'use strategy = "constant"'
            raise NothingToLearn(f"impute: column '{name}' has no value in the fit rows", hint=hint)
        most = max(c.n for c in known)
        return min(c.value for c in known if c.n == most)
