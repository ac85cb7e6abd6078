"""Affine scaling: by mean and standard deviation, or to a range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import ClassVar

import numpy as np

from lester_duck.errors import InputError, InternalError
from lester_duck.featurize.base import Needs, Slot, choice
from lester_duck.featurize.passthrough import FittedAffine
from lester_duck.featurize.summary import Distribution, Moments, Summary

_EPS = np.finfo(np.float64).eps


@dataclass(frozen=True, kw_only=True)
class StandardScale:
    """``(x - mean) / std`` with divisor ``n - ddof``, as scikit-learn's StandardScaler (ddof 0).

    A column without spread is divided by 1 (``zero_variance="one"``, scikit-learn) or by 0
    (``"nan"``, numpy written by hand: NaN). Maintained by shifted moments: exact in the reals,
    at most 1e-9 relative from a recompute.
    """

    ddof: float = 0
    with_mean: bool = True
    with_std: bool = True
    zero_variance: str = "one"

    role: ClassVar[str] = "numeric"
    needs: ClassVar[Needs] = Needs.MOMENTS

    def __post_init__(self) -> None:
        choice("standard_scale", "zero_variance", self.zero_variance, ("one", "nan"))

    def fit(self, summary: Summary, slots: Sequence[Slot]) -> FittedAffine:
        """Mean and scale of each column."""
        del slots
        mean, variance = summary.mean(), summary.variance(self.ddof)
        # scikit-learn's rule for "constant": the variance is within the rounding of its own sums.
        constant = variance <= summary.n * _EPS * variance + (summary.n * np.abs(mean) * _EPS) ** 2
        deviation = np.where(constant, 1.0 if self.zero_variance == "one" else 0.0, np.sqrt(variance))
        one, zero = np.ones_like(mean), np.zeros_like(mean)
        return FittedAffine(mean if self.with_mean else zero, deviation if self.with_std else one)


@dataclass(frozen=True, kw_only=True)
class MaxAbs:
    """Divide by the largest absolute value of the fit rows, as scikit-learn's MaxAbsScaler; exact after deletes."""

    role: ClassVar[str] = "numeric"
    needs: ClassVar[Needs] = Needs.MOMENTS

    def fit(self, summary: Summary, slots: Sequence[Slot]) -> FittedAffine:
        """The largest absolute value of each column, 1 for a column of zeros."""
        del slots
        largest = np.maximum(np.abs(summary.low), np.abs(summary.high))
        return FittedAffine(np.zeros_like(largest), np.where(largest < 10 * _EPS, 1.0, largest))


@dataclass(frozen=True, kw_only=True)
class RobustScale:
    """``(x - median) / (high quantile - low quantile)``, as scikit-learn's RobustScaler.

    ``quantile_range`` in percent, by linear interpolation; ``unit_variance`` divides as if the values
    were normal. Read from value counts: exact after deletes.
    """

    with_centering: bool = True
    with_scaling: bool = True
    quantile_range: tuple[float, float] = (25.0, 75.0)
    unit_variance: bool = False

    role: ClassVar[str] = "numeric"
    needs: ClassVar[Needs] = Needs.DISTRIBUTION

    def __post_init__(self) -> None:
        pair = self.quantile_range
        if len(pair) != 2 or not 0 <= pair[0] <= pair[1] <= 100:
            raise InputError(f"robust_scale: quantile_range is {pair!r}", hint="give two percentages such as [25, 75]")

    def fit(self, summary: Summary, slots: Sequence[Slot]) -> FittedAffine:
        """Median and distance of the quantiles of each column."""
        if not isinstance(summary, Distribution):
            raise InternalError("robust_scale was asked for a distribution, and only moments were kept")
        samples = [summary.sample(j) for j in range(len(slots))]
        one = np.ones(len(samples))
        center = np.array([np.median(s) if len(s) else np.nan for s in samples])
        low, high = (
            np.array([np.percentile(s, q) if len(s) else np.nan for s in samples]) for q in self.quantile_range
        )
        spread = np.where(high - low < 10 * _EPS, 1.0, high - low)
        if self.unit_variance:
            low, high = (NormalDist().inv_cdf(q / 100) for q in self.quantile_range)
            spread = spread / (high - low)
        return FittedAffine(center if self.with_centering else one * 0.0, spread if self.with_scaling else one)


@dataclass(frozen=True)
class FittedRange:
    """``x * scale + offset``, optionally clipped."""

    scale: np.ndarray
    offset: np.ndarray
    clip: tuple[float, float] | None

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Rows x k to rows x k."""
        scaled = values * self.scale + self.offset
        return np.clip(scaled, *self.clip) if self.clip else scaled

    def through(self, summary: Summary) -> Summary:
        """The summary after this step (the fit rows lie inside the range, so clipping changes none)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return summary.affine(-self.offset / self.scale, self.scale)

    def slots(self, slots: Sequence[Slot]) -> tuple[Slot, ...]:
        """Names do not change."""
        return tuple(slots)


@dataclass(frozen=True, kw_only=True)
class MinMax:
    """Scale so that the fit rows span ``feature_range``, as scikit-learn's MinMaxScaler.

    A column whose range is 0 is divided by 1 (``zero_range="one"``) or by 0 (``"nan"``). Extremes
    are kept with the number of rows that hold them and recomputed by one scan of the raw block
    when the last of those rows left: exact after deletes.
    """

    feature_range: tuple[float, float] = (0, 1)
    clip: bool = False
    zero_range: str = "one"

    role: ClassVar[str] = "numeric"
    needs: ClassVar[Needs] = Needs.MOMENTS

    def __post_init__(self) -> None:
        choice("min_max", "zero_range", self.zero_range, ("one", "nan"))
        if len(self.feature_range) != 2 or not self.feature_range[0] < self.feature_range[1]:
            raise InputError(f"min_max: feature_range is {self.feature_range!r}", hint="give two growing numbers")

    def fit(self, summary: Summary, slots: Sequence[Slot]) -> FittedRange | FittedAffine:
        """Extremes of each column."""
        del slots
        bottom, top = self.feature_range
        span = summary.high - summary.low
        if self.zero_range == "nan" and (span == 0).any():
            return FittedAffine(summary.low - bottom * span / (top - bottom), span / (top - bottom))
        scale = (top - bottom) / np.where(np.abs(span) < 10 * _EPS, 1.0, span)
        return FittedRange(scale, bottom - summary.low * scale, (bottom, top) if self.clip else None)


def standardized(values: np.ndarray, ddof: float = 0) -> np.ndarray:
    """A matrix with each column scaled by its own mean and deviation: the definition, for tests.

    >>> standardized(np.array([[1.0], [3.0]])).ravel().tolist()
    [-1.0, 1.0]
    """
    summary = Moments.of(values, values.mean(axis=0))
    return StandardScale(ddof=ddof).fit(summary, ()).apply(values)
