"""Columns as they are, and the fitted steps that several kinds share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lester_duck.featurize.base import Needs, Slot
from lester_duck.featurize.summary import Summary


@dataclass(frozen=True)
class FittedAffine:
    """``(x - shift) * scale`` or ``(x - shift) / divisor``, column by column; missing stays NaN."""

    shift: np.ndarray
    divisor: np.ndarray

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Rows x k to rows x k."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return (values - self.shift) / self.divisor

    def through(self, summary: Summary) -> Summary:
        """The summary of the columns after this step."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return summary.affine(self.shift, 1.0 / self.divisor)

    def slots(self, slots: Sequence[Slot]) -> tuple[Slot, ...]:
        """Names do not change."""
        return tuple(slots)


@dataclass(frozen=True)
class FittedNothing:
    """The identity."""

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Rows x k, unchanged."""
        return values

    def through(self, summary: Summary) -> Summary:
        """The same summary."""
        return summary

    def slots(self, slots: Sequence[Slot]) -> tuple[Slot, ...]:
        """Names do not change."""
        return tuple(slots)


@dataclass(frozen=True, kw_only=True)
class Passthrough:
    """Numbers as float64; NULL and NaN are missing and come out as NaN."""

    role: ClassVar[str] = "numeric"
    needs: ClassVar[Needs] = Needs.NOTHING

    def fit(self, summary: Summary | None, slots: Sequence[Slot]) -> FittedNothing:
        """Nothing to learn."""
        del summary, slots
        return FittedNothing()
