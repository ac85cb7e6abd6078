"""Steps without state: rows brought to length one, numbers cut at a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lester_duck.errors import InputError, InternalError
from lester_duck.featurize.base import Needs, Slot, choice
from lester_duck.featurize.summary import Distribution, Summary, merged


def _refuse_missing(kind: str, values: np.ndarray, names: Sequence[str]) -> None:
    for name, absent in zip(names, np.isnan(values).any(axis=0).tolist(), strict=True):
        if absent:
            raise InputError(f"{kind}: column '{name}' has missing values", hint="put an impute step before it")


@dataclass(frozen=True)
class FittedNormalize:
    """Each row divided by its norm; a row of zeros stays."""

    norm: str
    names: tuple[str, ...]

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Rows x k to rows x k; raises InputError for a missing value, as scikit-learn does."""
        _refuse_missing("normalize", values, self.names)
        if not values.size:
            return values
        size = {
            "l1": lambda x: np.abs(x).sum(axis=1), "l2": lambda x: np.sqrt(np.einsum("ij,ij->i", x, x)),
            "max": lambda x: np.abs(x).max(axis=1),
        }[self.norm](values)  # fmt: skip
        return values / np.where(size == 0, 1.0, size)[:, None]

    def through(self, summary: Summary) -> Summary:
        """Not known from a summary of columns; the plan refuses such chains."""
        raise InternalError("a step was fitted on normalized rows")

    def slots(self, slots: Sequence[Slot]) -> tuple[Slot, ...]:
        """Names do not change."""
        return tuple(slots)


@dataclass(frozen=True, kw_only=True)
class Normalize:
    """Each row of the featurizer's columns divided by its norm, as scikit-learn's Normalizer. Stateless, exact."""

    norm: str = "l2"

    role: ClassVar[str] = "numeric"
    needs: ClassVar[Needs] = Needs.NOTHING
    mixes_columns: ClassVar[bool] = True

    def __post_init__(self) -> None:
        choice("normalize", "norm", self.norm, ("l1", "l2", "max"))

    def fit(self, summary: Summary | None, slots: Sequence[Slot]) -> FittedNormalize:
        """Nothing to learn."""
        del summary
        return FittedNormalize(self.norm, tuple(slot.name for slot in slots))


@dataclass(frozen=True)
class FittedBinarize:
    """1 above the threshold, else 0."""

    threshold: float
    names: tuple[str, ...]

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Rows x k to rows x k; raises InputError for a missing value, as scikit-learn does."""
        _refuse_missing("binarize", values, self.names)
        return (values > self.threshold).astype(float)

    def through(self, summary: Summary) -> Summary:
        """The distribution of zeros and ones."""
        if not isinstance(summary, Distribution):
            raise InternalError("binarize was asked for a distribution, and only moments were kept")
        columns = tuple(merged((v > self.threshold).astype(float), c) for v, c in summary.columns)
        return Distribution(columns, summary.missing)

    def slots(self, slots: Sequence[Slot]) -> tuple[Slot, ...]:
        """Names do not change."""
        return tuple(slots)


@dataclass(frozen=True, kw_only=True)
class Binarize:
    """1 where a number is above ``threshold``, else 0, as scikit-learn's Binarizer. Stateless, exact."""

    threshold: float = 0.0

    role: ClassVar[str] = "numeric"
    needs: ClassVar[Needs] = Needs.NOTHING
    reshapes: ClassVar[bool] = True

    def fit(self, summary: Summary | None, slots: Sequence[Slot]) -> FittedBinarize:
        """Nothing to learn."""
        del summary
        return FittedBinarize(float(self.threshold), tuple(slot.name for slot in slots))
