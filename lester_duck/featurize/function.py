"""A declared function of the pipeline as an encoding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from lester_duck.errors import InputError
from lester_duck.featurize.base import Input, Slot, choice


@dataclass(frozen=True, kw_only=True)
class Function:
    """The values of a declared function, ``width`` numbers for each row. Stateless, exact.

    ``function`` names it; the featurizer's columns are its arguments, in order. It is called once
    for each distinct tuple of arguments. ``dtype`` float32 stores FLOAT.
    """

    function: str
    width: int = 1
    dtype: str = "float64"

    role: ClassVar[str] = "function_head"

    def __post_init__(self) -> None:
        choice("function", "dtype", self.dtype, ("float64", "float32"))
        if not isinstance(self.width, int) or self.width < 1:
            raise InputError(f"function: width is {self.width!r}", hint="give a positive whole number")

    @property
    def is_sparse(self) -> bool:
        """Never: functions return dense vectors."""
        return False

    def slots(self, featurizer: str, columns: Sequence[Input]) -> tuple[Slot, ...]:
        """The featurizer's name, or ``name[i]`` for wide functions."""
        inputs = tuple(column.name for column in columns)
        if self.width == 1:
            return (Slot(featurizer, inputs),)
        return tuple(Slot(f"{featurizer}[{i}]", inputs, i) for i in range(self.width))
