"""What is known of the fit rows of k numeric columns: moments, or whole distributions.

Both answer ``mean``, ``variance``, ``low``, ``high`` and can be carried through an imputation or
an affine step without looking at a row again, so that chained steps are fitted from small state.

Sums are shifted by a fixed centre (Chan, Golub, LeVeque 1983, section 2): with centre c,
``s1 = sum(x - c)`` and ``s2 = sum((x - c)**2)`` keep full precision where plain sums lose it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

Array = np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Per column: rows with a value, rows without, centre, shifted sums, extremes. Arrays of shape (k,).

    ``at_low`` and ``at_high`` count the rows that hold the extreme values, so that a delete needs a
    scan only when the last of them left.
    """

    n: Array
    missing: Array
    center: Array
    s1: Array
    s2: Array
    low: Array
    high: Array
    at_low: Array
    at_high: Array

    @classmethod
    def empty(cls, center: Array) -> Moments:
        """Moments of no rows around a centre."""
        zero, count = np.zeros(len(center)), np.zeros(len(center), dtype=np.int64)
        nan = np.full(len(center), np.nan)
        return cls(count, count, np.asarray(center, dtype=float), zero, zero, nan, nan, count, count)

    @classmethod
    def of(cls, values: Array, center: Array) -> Moments:
        """Moments of rows (rows x k, NaN = missing) around a centre.

        >>> m = Moments.of(np.array([[1.0], [3.0], [np.nan]]), np.array([2.0]))
        >>> m.mean().item(), m.variance(0).item(), m.missing.item()
        (2.0, 1.0, 1)
        """
        if not len(values):
            return cls.empty(center)
        values = np.asarray(values, dtype=float)
        absent = np.isnan(values)
        shifted = np.where(absent, 0.0, values - center)
        n = (~absent).sum(axis=0)
        with np.errstate(invalid="ignore"):
            low = np.where(absent, np.inf, values).min(axis=0)
            high = np.where(absent, -np.inf, values).max(axis=0)
        low, high = np.where(n > 0, low, np.nan), np.where(n > 0, high, np.nan)
        return cls(
            n, absent.sum(axis=0), np.asarray(center, dtype=float),
            shifted.sum(axis=0), (shifted * shifted).sum(axis=0),
            low, high, (values == low).sum(axis=0), (values == high).sum(axis=0),
        )  # fmt: skip

    def plus(self, other: Moments) -> Moments:
        """Moments of both sets of rows, in the same frame."""
        low, high = np.fmin(self.low, other.low), np.fmax(self.high, other.high)
        return Moments(
            self.n + other.n, self.missing + other.missing, self.center, self.s1 + other.s1, self.s2 + other.s2,
            low, high,
            self.at_low * (self.low == low) + other.at_low * (other.low == low),
            self.at_high * (self.high == high) + other.at_high * (other.high == high),
        )  # fmt: skip

    def minus(self, gone: Moments) -> Moments:
        """Moments after rows left; extremes are right where ``unsettled`` is false."""
        return Moments(
            self.n - gone.n, self.missing - gone.missing, self.center, self.s1 - gone.s1, self.s2 - gone.s2,
            self.low, self.high,
            self.at_low - gone.at_low * (gone.low == self.low),
            self.at_high - gone.at_high * (gone.high == self.high),
        )  # fmt: skip

    def unsettled(self, before: Moments) -> bool:
        """Whether a scan must recompute these moments, which deltas led to from ``before``.

        So it is when the last row at an extreme left, when the spread fell below 1e-6 of what it
        was or of the shifted squares (an outlier left: cancellation), or a sum is not finite.
        """
        spread, old = self._spread(), before._spread()
        with np.errstate(invalid="ignore"):
            lost = (spread < 1e-6 * np.maximum(old, self.s2)) & (self.s2 > 0) | (spread < 0)
            wild = ~np.isfinite(self.s1) | ~np.isfinite(self.s2)
            bare = (self.n > 0) & ((self.at_low <= 0) | (self.at_high <= 0))
        return bool((lost | wild | bare | ((self.n == 0) & (before.n > 0))).any())

    def _spread(self) -> Array:
        with np.errstate(invalid="ignore"):
            return self.s2 - self.s1 * self.s1 / np.maximum(self.n, 1)

    def mean(self) -> Array:
        """Mean per column; NaN where there is no value."""
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = self.center + self.s1 / self.n
        return np.where(self.low == self.high, self.low, mean)

    def variance(self, ddof: float) -> Array:
        """Variance per column, divisor n - ddof."""
        with np.errstate(invalid="ignore", divide="ignore"):
            variance = np.maximum(self._spread(), 0.0) / (self.n - ddof)
        return np.where((self.low == self.high) & (self.n > ddof), 0.0, variance)

    def filled(self, fill: Array) -> Moments:
        """Moments after each missing value became ``fill``."""
        some = self.missing > 0
        shift = np.where(some, fill - self.center, 0.0)
        low = np.where(some, np.fmin(self.low, fill), self.low)
        high = np.where(some, np.fmax(self.high, fill), self.high)
        return replace(
            self, n=self.n + self.missing, missing=np.zeros_like(self.missing), low=low, high=high,
            s1=self.s1 + self.missing * shift, s2=self.s2 + self.missing * shift * shift,
        )  # fmt: skip

    def indicators(self, columns: tuple[int, ...]) -> Moments:
        """Moments of zeros and ones that say where some columns are missing."""
        n, missing = self.n[list(columns)], self.missing[list(columns)]
        zero = np.zeros(len(columns))
        low, high = np.where(n > 0, 0.0, 1.0), np.where(missing > 0, 1.0, 0.0)
        return Moments(
            n + missing, np.zeros_like(missing), zero, missing.astype(float), missing.astype(float), low, high,
            np.where(n > 0, n, missing), np.where(missing > 0, missing, n),
        )  # fmt: skip

    def beside(self, other: Moments) -> Moments:
        """Moments of these columns and of others behind them."""
        names = ("n", "missing", "center", "s1", "s2", "low", "high", "at_low", "at_high")
        return Moments(*(np.concatenate([getattr(self, x), getattr(other, x)]) for x in names))

    def affine(self, shift: Array, scale: Array) -> Moments:
        """Moments of ``(x - shift) * scale``."""
        low, high = (self.low - shift) * scale, (self.high - shift) * scale
        return replace(
            self, center=(self.center - shift) * scale, s1=self.s1 * scale, s2=self.s2 * scale * scale,
            low=np.fmin(low, high), high=np.fmax(low, high),
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Distribution:
    """Per column: sorted distinct values with their counts, and the number of missing rows."""

    columns: tuple[tuple[Array, Array], ...]
    missing: Array

    @property
    def n(self) -> Array:
        """Rows with a value, per column."""
        return np.array([int(counts.sum()) for _, counts in self.columns], dtype=np.int64)

    @property
    def low(self) -> Array:
        """Smallest value per column, NaN if there is none."""
        return np.array([values[0] if len(values) else np.nan for values, _ in self.columns])

    @property
    def high(self) -> Array:
        """Largest value per column, NaN if there is none."""
        return np.array([values[-1] if len(values) else np.nan for values, _ in self.columns])

    def mean(self) -> Array:
        """Mean per column; NaN where there is no value."""
        return np.array([_mean(values, counts) for values, counts in self.columns])

    def variance(self, ddof: float) -> Array:
        """Variance per column, divisor n - ddof."""
        return np.array([_variance(values, counts, ddof) for values, counts in self.columns])

    def median(self) -> Array:
        """Median per column."""
        return np.array([np.median(np.repeat(v, c)) if len(v) else np.nan for v, c in self.columns])

    def mode(self) -> Array:
        """Most frequent value per column; the smallest of equally frequent ones.

        >>> Distribution(((np.array([1.0, 2.0, 3.0]), np.array([1, 2, 2])),), np.zeros(1)).mode().item()
        2.0
        """
        return np.array([v[np.argmax(c)] if len(v) else np.nan for v, c in self.columns])

    def sample(self, column: int) -> Array:
        """The values of a column, sorted, each as often as it occurs."""
        return np.repeat(*self.columns[column])

    def filled(self, fill: Array) -> Distribution:
        """The distribution after each missing value became ``fill``."""
        columns = tuple(_with(v, c, f, m) for (v, c), f, m in zip(self.columns, fill, self.missing, strict=True))
        return Distribution(columns, np.zeros_like(self.missing))

    def indicators(self, columns: tuple[int, ...]) -> Distribution:
        """The distribution of zeros and ones that say where some columns are missing."""
        pairs = [np.array([self.n[j], self.missing[j]], dtype=np.int64) for j in columns]
        values = np.array([0.0, 1.0])
        return Distribution(tuple((values[p > 0], p[p > 0]) for p in pairs), np.zeros(len(columns), dtype=np.int64))

    def beside(self, other: Distribution) -> Distribution:
        """The distribution of these columns and of others behind them."""
        return Distribution(self.columns + other.columns, np.concatenate([self.missing, other.missing]))

    def affine(self, shift: Array, scale: Array) -> Distribution:
        """The distribution of ``(x - shift) * scale``."""
        columns = tuple(merged((v - a) * b, c) for (v, c), a, b in zip(self.columns, shift, scale, strict=True))
        return Distribution(columns, self.missing)


Summary = Moments | Distribution


def _mean(values: Array, counts: Array) -> float:
    return float((values * counts).sum() / counts.sum()) if len(values) else np.nan


def _variance(values: Array, counts: Array, ddof: float) -> float:
    n = counts.sum()
    if n <= ddof:
        return np.nan
    return float((counts * (values - _mean(values, counts)) ** 2).sum() / (n - ddof)) if len(values) > 1 else 0.0


def _with(values: Array, counts: Array, value: float, count: int) -> tuple[Array, Array]:
    return merged(np.append(values, value), np.append(counts, count)) if count else (values, counts)


def merged(values: Array, counts: Array) -> tuple[Array, Array]:
    """Sorted distinct values with their counts added up; NaN left out.

    >>> [part.tolist() for part in merged(np.array([2.0, 1.0, 2.0]), np.array([1, 1, 3]))]
    [[1.0, 2.0], [1, 4]]
    """
    present = ~np.isnan(values)
    distinct, where = np.unique(values[present], return_inverse=True)
    return distinct, np.bincount(where, weights=counts[present], minlength=len(distinct)).astype(np.int64)
