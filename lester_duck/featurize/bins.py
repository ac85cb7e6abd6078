"""Numbers into intervals, with edges given or learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np

from lester_duck.errors import InputError, InternalError, NothingToLearn, Unsupported
from lester_duck.featurize.base import Needs, Slot, choice
from lester_duck.featurize.summary import Distribution, Summary


@dataclass(frozen=True)
class FittedBins:
    """Edges per column; codes from 0, one column each or one column per bin.

    ``closed`` says which end belongs to a bin; ``open_ended`` that values beyond the outer edges
    go to the outer bins (learned edges) instead of nowhere.
    """

    edges: tuple[np.ndarray, ...]
    right: bool
    include_lowest: bool
    open_ended: bool
    onehot: bool
    outside: float
    drop: bool = False

    def codes(self, values: np.ndarray) -> np.ndarray:
        """The bin of each value as float, ``outside`` beyond the edges, NaN when missing."""
        return np.column_stack([self._column(values[:, j], edges) for j, edges in enumerate(self.edges)])

    def _column(self, x: np.ndarray, edges: np.ndarray) -> np.ndarray:
        if self.open_ended:
            found = np.searchsorted(edges[1:-1], x, side="right").astype(float)
        else:
            found = np.searchsorted(edges, x, side="left" if self.right else "right").astype(float) - 1
            if self.include_lowest and self.right:
                found[x == edges[0]] = 0
            beyond = (found < 0) | (found >= len(edges) - 1)
            found[beyond] = self.outside
        found[np.isnan(x)] = np.nan
        return found

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Rows x k to rows x k (codes), or to rows x bins (0/1; a value in no bin has only zeros)."""
        codes = self.codes(values)
        if not self.onehot:
            return codes
        return np.hstack([self._indicators(codes[:, [j]], j) for j in range(codes.shape[1])])

    def _indicators(self, codes: np.ndarray, column: int) -> np.ndarray:
        return (codes == np.arange(int(self.drop), len(self.edges[column]) - 1)).astype(float)

    def through(self, summary: Summary) -> Summary:
        """The distribution of the codes, or of the indicators."""
        columns, missing = [], []
        for j, (values, counts) in enumerate(_distribution(summary).columns):
            codes = self._column(values, self.edges[j])
            absent = int(summary.missing[j]) + int(counts[np.isnan(codes)].sum())
            total = int(counts.sum()) + int(summary.missing[j])
            if self.onehot:
                hits = self._indicators(codes[:, None], j).T @ counts
                columns += [_indicator(int(hit), total) for hit in hits]
                missing += [0] * len(hits)
            else:
                distinct, where = np.unique(codes[~np.isnan(codes)], return_inverse=True)
                weights = np.bincount(where, weights=counts[~np.isnan(codes)], minlength=len(distinct))
                columns.append((distinct, weights.astype(np.int64)))
                missing.append(absent)
        return Distribution(tuple(columns), np.array(missing))

    def slots(self, slots: Sequence[Slot]) -> tuple[Slot, ...]:
        """One slot per column, or one per bin, named by its interval."""
        if not self.onehot:
            return tuple(slots)
        return tuple(
            Slot(f"{slot.name}={interval}", slot.inputs, interval)
            for slot, edges in zip(slots, self.edges, strict=True)
            for interval in self._intervals(edges)[int(self.drop) :]
        )

    def _intervals(self, edges: np.ndarray) -> list[str]:
        closed_right = self.right and not self.open_ended
        shape = "({:g},{:g}]" if closed_right else "[{:g},{:g})"
        return [shape.format(low, high) for low, high in pairwise(edges)]


@dataclass(frozen=True, kw_only=True)
class Bins:
    """Cut numbers into bins.

    With ``edges``: as pandas.cut (``right``, ``include_lowest``); a value in no bin becomes
    ``outside`` (default: missing). With ``n_bins``: as scikit-learn's KBinsDiscretizer, with
    ``strategy`` uniform or quantile (percentiles by ``quantile_method``, from value counts: exact
    after deletes, no subsample); or as pandas with ``strategy`` cut (``pandas.cut(x, n_bins)``) or
    qcut (``pandas.qcut(x, n_bins)``, ``duplicates`` "raise" or "drop"). ``encode``: ordinal or
    onehot, without the first bin where ``drop`` is "first".
    """

    edges: tuple[float, ...] | None = None
    right: bool = True
    include_lowest: bool = False
    outside: float | None = None
    n_bins: int | None = None
    strategy: str = "quantile"
    quantile_method: str = "averaged_inverted_cdf"
    encode: str = "ordinal"
    duplicates: str = "raise"
    drop: str | None = None

    role: ClassVar[str] = "numeric"
    reshapes: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.strategy == "kmeans":
            hint = "its edges come from a clustering of all rows; use quantile or uniform"
            raise Unsupported("bins with strategy 'kmeans' is not supported", hint=hint)
        choice("bins", "strategy", self.strategy, ("uniform", "quantile", "cut", "qcut"))
        choice("bins", "duplicates", self.duplicates, ("raise", "drop"))
        choice("bins", "drop", self.drop, (None, "first"))
        choice("bins", "encode", self.encode, ("ordinal", "onehot"))
        if (self.edges is None) == (self.n_bins is None):
            raise InputError("bins needs either edges or n_bins")
        if self.edges is not None and (len(self.edges) < 2 or list(self.edges) != sorted(set(self.edges))):
            raise InputError(f"bins: edges {self.edges!r} do not grow", hint="give at least two growing numbers")
        if self.n_bins is not None and self.n_bins < 2:
            raise InputError(f"bins: n_bins is {self.n_bins}", hint="give at least 2")

    @property
    def names_learned(self) -> bool:
        """Whether columns are named by learned edges."""
        return self.edges is None and self.encode == "onehot"

    @property
    def needs(self) -> Needs:
        """What must be known of the fit rows."""
        if self.edges is not None:
            return Needs.NOTHING
        return Needs.MOMENTS if self.strategy in ("uniform", "cut") else Needs.DISTRIBUTION

    def fit(self, summary: Summary | None, slots: Sequence[Slot]) -> FittedBins:
        """The edges of each column."""
        if self.edges is not None:
            edges = (np.array(self.edges, dtype=float),) * len(slots)
        else:
            edges = tuple(self._learned(summary, j, slot) for j, slot in enumerate(slots))
        outside = np.nan if self.outside is None else float(self.outside)
        open_ended = self.edges is None and self.strategy in ("uniform", "quantile")
        lowest = self.include_lowest or (self.edges is None and self.strategy == "qcut")
        right = self.right or self.strategy == "qcut"
        onehot = self.encode == "onehot"
        return FittedBins(edges, right, lowest, open_ended, onehot, outside, onehot and self.drop == "first")

    def _learned(self, summary: Summary, column: int, slot: Slot) -> np.ndarray:
        low, high = summary.low[column], summary.high[column]
        if np.isnan(low):
            raise NothingToLearn(f"bins: column '{slot.name}' has no value in the fit rows")
        if self.strategy == "cut":
            return _equal_width(low, high, self.n_bins, right=self.right)
        if self.strategy == "qcut":
            return self._quantiles(_distribution(summary).sample(column), slot)
        if low == high:
            return np.array([-np.inf, np.inf])
        if self.strategy == "uniform":
            return np.linspace(low, high, self.n_bins + 1)
        levels = np.linspace(0, 100, self.n_bins + 1)
        edges = np.percentile(_distribution(summary).sample(column), levels, method=self.quantile_method)
        return edges[np.ediff1d(edges, to_begin=np.inf) > 1e-8]

    def _quantiles(self, sample: np.ndarray, slot: Slot) -> np.ndarray:
        edges = np.percentile(sample, np.linspace(0, 1, self.n_bins + 1) * 100)
        distinct = np.unique(edges)
        if self.duplicates == "raise" and len(distinct) < len(edges):
            hint = 'say duplicates = "drop", or fewer n_bins'
            raise InputError(f"bins: column '{slot.name}' has the same quantile twice", hint=hint)
        return distinct


def _equal_width(low: float, high: float, bins: int, *, right: bool) -> np.ndarray:
    """The edges that pandas.cut gives a number of bins.

    >>> _equal_width(0.0, 10.0, 2, right=True).tolist()
    [-0.01, 5.0, 10.0]
    """
    if low == high:
        around = 0.001 * abs(low) if low != 0 else 0.001
        return np.linspace(low - around, high + around, bins + 1)
    edges = np.linspace(low, high, bins + 1)
    edges[0 if right else -1] += (high - low) * (-0.001 if right else 0.001)
    return edges


def _distribution(summary: Summary) -> Distribution:
    if not isinstance(summary, Distribution):
        raise InternalError("bins were asked for a distribution, and only moments were kept")
    return summary


def _indicator(hits: int, total: int) -> tuple[np.ndarray, np.ndarray]:
    pairs = [(v, c) for v, c in ((0.0, total - hits), (1.0, hits)) if c]
    return np.array([v for v, _ in pairs]), np.array([c for _, c in pairs], dtype=np.int64)
