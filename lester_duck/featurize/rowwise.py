"""Steps without state: rows brought to length one, numbers cut at a threshold, functions of one number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
        """Names do not change; each column is divided by what all of them are."""
        every = [name for slot in slots for name in slot.inputs]
        return tuple(replace(slot, inputs=tuple(dict.fromkeys([*slot.inputs, *every]))) for slot in slots)


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


FUNCTIONS = {
    "log1p": np.log1p, "log": np.log, "log2": np.log2, "log10": np.log10, "exp": np.exp, "expm1": np.expm1,
    "sqrt": np.sqrt, "cbrt": np.cbrt, "square": np.square, "abs": np.abs, "sin": np.sin, "cos": np.cos,
    "tan": np.tan, "tanh": np.tanh, "sign": np.sign, "reciprocal": np.reciprocal,
}  # fmt: skip


@dataclass(frozen=True)
class FittedElementwise:
    """A function of each number."""

    function: str

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Rows x k to rows x k; missing stays missing."""
        with np.errstate(all="ignore"):
            return FUNCTIONS[self.function](values)

    def through(self, summary: Summary) -> Summary:
        """The distribution of the function's values."""
        if not isinstance(summary, Distribution):
            raise InternalError("a function of each number was asked for a distribution, and only moments were kept")
        return Distribution(tuple(merged(self.apply(v), c) for v, c in summary.columns), summary.missing)

    def slots(self, slots: Sequence[Slot]) -> tuple[Slot, ...]:
        """Names do not change."""
        return tuple(slots)


@dataclass(frozen=True, kw_only=True)
class Elementwise:
    """A function of NumPy applied to each number, as scikit-learn's FunctionTransformer. Stateless.

    ``function``: log1p, log, log2, log10, exp, expm1, sqrt, cbrt, square, abs, sin, cos, tan, tanh, sign
    or reciprocal.
    """

    function: str

    role: ClassVar[str] = "numeric"
    needs: ClassVar[Needs] = Needs.NOTHING
    reshapes: ClassVar[bool] = True

    def __post_init__(self) -> None:
        choice("elementwise", "function", self.function, tuple(FUNCTIONS))

    def fit(self, summary: Summary | None, slots: Sequence[Slot]) -> FittedElementwise:
        """Nothing to learn."""
        del summary, slots
        return FittedElementwise(self.function)
