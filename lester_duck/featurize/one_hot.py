"""One column of zeros and ones per category."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from lester_duck.featurize.base import Input, Slot, choice
from lester_duck.featurize.categories import Category, Encoded, arrange, category_slot, total
from lester_duck.featurize.summary import Distribution


@dataclass(frozen=True)
class FittedOneHot:
    """Codes (rows x k, stored ids) to indicators (rows x categories, float64)."""

    columns: tuple[Encoded, ...]
    drop: tuple[bool, ...]
    refuse: tuple[bool, ...]

    def apply(self, codes: np.ndarray) -> np.ndarray:
        """One indicator per kept category; raises InputError for an unknown one unless ignored."""
        parts = [self._indicators(codes[:, j], j) for j in range(len(self.columns))]
        return np.hstack(parts)

    def _indicators(self, codes: np.ndarray, j: int) -> np.ndarray:
        column = self.columns[j]
        places = column.table()[codes] if len(codes) else np.zeros(0, dtype=np.int64)
        if self.refuse[j] and (places < 0).any():
            column.refuse_unknown(codes[places < 0])
        out = np.zeros((len(codes), len(column.known)))
        rows = np.flatnonzero(places >= 0)
        out[rows, places[rows]] = 1.0
        return out[:, 1:] if self.drop[j] else out

    def distribution(self, categories: Sequence[tuple[Category, ...]]) -> Distribution:
        """How often each indicator is 0 and 1 among the fit rows."""
        pairs = [(c.n, total(all_)) for (_, c), all_ in self._kept(categories)]
        columns = tuple((np.array([0.0, 1.0]), np.array([rows - n, n])) for n, rows in pairs)
        return Distribution(tuple(_present(v, c) for v, c in columns), np.zeros(len(columns), dtype=np.int64))

    def _kept(self, categories: Sequence[tuple[Category, ...]]) -> list:
        kept = []
        for column, drop, all_ in zip(self.columns, self.drop, categories, strict=True):
            kept += [((column, c), all_) for c in column.known[1 if drop else 0 :]]
        return kept

    def slots(self) -> tuple[Slot, ...]:
        """``country=DE`` and so on."""
        return tuple(
            category_slot(column.column, c.value)
            for column, drop in zip(self.columns, self.drop, strict=True)
            for c in column.known[1 if drop else 0 :]
        )


@dataclass(frozen=True, kw_only=True)
class OneHot:
    """Indicators as scikit-learn's OneHotEncoder.

    ``categories``: "sorted", "appearance", or one tuple per column. ``handle_unknown``: "error" or
    "ignore" (all zeros). ``drop``: None, "first", "if_binary". ``missing``: "category" (NULL and
    NaN together, last, as scikit-learn), "ignore" (all zeros, as pandas.get_dummies) or "always" (a
    last column for them even where there are none, as pandas.get_dummies with dummy_na).
    ``min_frequency`` (rows, or their share) and ``max_categories``: rare categories share one last
    column; "infrequent_if_exist" puts unknown ones there too.
    State: rows per category; one that loses its last fit row disappears. Exact.
    """

    categories: str | tuple = "sorted"
    handle_unknown: str = "error"
    drop: str | None = None
    missing: str = "category"
    min_frequency: float | None = None
    max_categories: int | None = None

    role: ClassVar[str] = "coder"

    def __post_init__(self) -> None:
        if not isinstance(self.categories, tuple):
            choice("one_hot", "categories", self.categories, ("sorted", "appearance"))
        choice("one_hot", "handle_unknown", self.handle_unknown, ("error", "ignore", "infrequent_if_exist"))
        choice("one_hot", "drop", self.drop, (None, "first", "if_binary"))
        choice("one_hot", "missing", self.missing, ("category", "ignore", "always"))

    @property
    def names_learned(self) -> bool:
        """Whether counts decide which categories have a column of their own."""
        return self.min_frequency is not None or self.max_categories is not None

    @property
    def by_appearance(self) -> bool:
        """Whether the places of first rows are needed."""
        return self.categories == "appearance"

    def fit(self, categories: Sequence[tuple[Category, ...]], columns: Sequence[Input]) -> FittedOneHot:
        """Order the categories of each column."""
        with_missing = self.missing != "ignore"
        encoded = tuple(
            arrange(found, self.categories, column, j, with_missing)
            for j, (found, column) in enumerate(zip(categories, columns, strict=True))
        )
        if self.missing == "always":
            encoded = tuple(_with_missing(e) for e in encoded)
        if self.names_learned:
            encoded = tuple(self._grouped(e, total(found)) for e, found in zip(encoded, categories, strict=True))
        drop = tuple(self.drop == "first" or (self.drop == "if_binary" and len(e.known) == 2) for e in encoded)
        return FittedOneHot(encoded, drop, (self.handle_unknown == "error",) * len(encoded))

    def _grouped(self, encoded: Encoded, rows: int) -> Encoded:
        """The same order with the rare categories as one, the last."""
        counts = np.array([c.n for c in encoded.known])
        least = self.min_frequency if self.min_frequency is not None else 0
        rare = counts < (least * rows if isinstance(least, float) else least)
        if self.max_categories is not None and self.max_categories < len(counts) - rare.sum() + 1:
            rare[np.argsort(counts, kind="stable")[: len(counts) - (self.max_categories - 1)]] = True
        if not rare.any():
            return encoded
        gone = [c for c, r in zip(encoded.known, rare, strict=True) if r]
        moved = encoded.unknown if self.handle_unknown == "infrequent_if_exist" else ()
        ids = tuple(i for c in (*gone, *moved) for i in c.ids)
        known = (*(c for c, r in zip(encoded.known, rare, strict=True) if not r), Category(_RARE, ids, total(gone)))
        return replace(encoded, known=known, unknown=() if moved else encoded.unknown)


_RARE = "infrequent_sklearn"
"""What scikit-learn calls the column of the rare categories."""


def _with_missing(encoded: Encoded) -> Encoded:
    """The same order with the missing value as last category, if it is none yet."""
    if any(c.value is None for c in encoded.known):
        return encoded
    absent = next((c for c in encoded.unknown if c.value is None), Category(None, (), 0))
    others = tuple(c for c in encoded.unknown if c is not absent)
    return replace(encoded, known=(*encoded.known, absent), unknown=others)


def _present(values: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return values[counts > 0], counts[counts > 0]
