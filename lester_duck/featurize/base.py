"""The small values that featurizers hand to each other and to the engine."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from enum import IntEnum
from typing import Any, TypeVar

from lester_duck.errors import InputError, one_of
from lester_duck.pipeline.model import Scalar, Step

Kind = TypeVar("Kind")


class Needs(IntEnum):
    """What a step must know of the fit rows, from cheap to dear."""

    NOTHING = 0
    MOMENTS = 1
    """Count, shifted sums, extremes of each raw column."""
    DISTRIBUTION = 2
    """Each value of each raw column with its count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureColumn:
    """One column of the matrix: where it stands, what it is called, and what it was made from.

    ``term`` is the category, bin or word it stands for, ``inputs`` are columns of the feature view.
    """

    position: int
    featurizer: str
    kind: str
    name: str
    inputs: tuple[str, ...]
    term: Scalar = None


@dataclass(frozen=True, slots=True)
class Slot:
    """A column on its way through the steps of one featurizer."""

    name: str
    inputs: tuple[str, ...]
    term: Scalar = None


@dataclass(frozen=True, slots=True)
class Input:
    """A column of the feature view with its DuckDB type."""

    name: str
    type: str

    @property
    def is_number(self) -> bool:
        """Whether the type casts to DOUBLE without reading text.

        >>> Input("a", "DECIMAL(10,2)").is_number, Input("a", "VARCHAR").is_number
        (True, False)
        """
        return self.type.split("(")[0].upper() in _NUMBERS

    @property
    def is_float(self) -> bool:
        """Whether the type can hold NaN."""
        return self.type.upper() in ("DOUBLE", "FLOAT")

    @property
    def is_text(self) -> bool:
        """Whether the type is VARCHAR."""
        return self.type.split("(")[0].upper() == "VARCHAR"


_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_UNSIGNED = ("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")
_NUMBERS = frozenset((*_INTEGERS, *_UNSIGNED, "BOOLEAN", "FLOAT", "DOUBLE", "DECIMAL"))


def read_step(kind: type[Kind], step: Step) -> Kind:
    """The value of class ``kind`` that a step's parameters say.

    Raises InputError for a parameter the kind does not have.
    """
    known = [f.name for f in fields(kind)]
    for name, _ in step.params:
        if name not in known:
            raise InputError(one_of(f"parameter of {step.kind}", name, known))
    missing = [f for f in _required(kind) if f not in dict(step.params)]
    if missing:
        raise InputError(f"{step.kind} needs the parameter {', '.join(missing)}")
    return kind(**dict(step.params))


def _required(kind: type) -> list[str]:
    return [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]


def choice(kind: str, parameter: str, found: Any, allowed: tuple) -> None:
    """Raise InputError unless a parameter holds one of the allowed values.

    >>> choice("impute", "strategy", "mean", ("mean", "median"))
    """
    if found not in allowed:
        listed = ", ".join(repr(value) for value in allowed)
        raise InputError(f"{kind}: {parameter} is {found!r}", hint=f"it may be {listed}")
