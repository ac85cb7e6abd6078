"""Categories of a column, their order, and the fitted encodings that read stored codes.

A block of categories holds stable ids. Which column of the matrix (or which number) an id means is
decided on read, so a category that vanishes or appears rewrites no row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lester_duck.errors import InputError, InternalError
from lester_duck.featurize.base import Input, Slot
from lester_duck.pipeline.model import Scalar


@dataclass(frozen=True, slots=True)
class Category:
    """A value of one column: the ids that stand for it, its fit rows, the rank of the first of them.

    ``value`` None is the missing value. ``n`` is 0 for a value seen outside the fit rows only.
    ``first`` is the place of its first fit row in matrix order, where the encoding asks for it.
    """

    value: Scalar
    ids: tuple[int, ...]
    n: int
    first: int | None = None


@dataclass(frozen=True, slots=True)
class Encoded:
    """One column's fitted order: the categories that have a code, and those that have none.

    ``silent`` ids are missing values that are no category: no column is theirs, and no complaint.
    """

    column: str
    known: tuple[Category, ...]
    unknown: tuple[Category, ...]
    silent: tuple[int, ...] = ()

    def table(self) -> np.ndarray:
        """For each id the index among the known categories, -1 for others; int64."""
        ids = [i for c in (*self.known, *self.unknown) for i in c.ids] + list(self.silent)
        table = np.full(max(ids, default=-1) + 1, -1, dtype=np.int64)
        for index, category in enumerate(self.known):
            table[list(category.ids)] = index
        return table

    def refuse_unknown(self, codes: np.ndarray) -> None:
        """Raise InputError if a code stands for an unknown category, naming it."""
        ids = {i: c for c in self.unknown for i in c.ids}
        for code in np.unique(codes):
            if int(code) in ids:
                listed = ", ".join(label(c.value) for c in self.known[:8]) + (", ..." if len(self.known) > 8 else "")
                raise InputError(
                    f"column '{self.column}' holds the unknown category {ids[int(code)].value!r}; known are: {listed}",
                    hint='say handle_unknown = "ignore" (one_hot) or unknown = -1 (ordinal), or filter it in a view',
                )


def arrange(
    categories: tuple[Category, ...], order: str | tuple, column: Input, position: int, with_missing: bool
) -> Encoded:
    """Put one column's categories in the order asked for.

    ``order`` is "sorted" (as numpy.unique, missing last), "appearance" (matrix order of the first
    fit row), or the fixed categories of each column. ``with_missing`` makes the missing value a
    category like others.
    """
    if isinstance(order, tuple):
        fixed = _fixed(categories, _of_column(order, position, column), column)
        return _settled(column, fixed, categories, with_missing)
    seen = [c for c in categories if c.n > 0 and (with_missing or c.value is not None)]
    if order == "appearance":
        if any(c.first is None for c in seen):
            raise InternalError("appearance was asked for without the places of first rows")
        known = sorted(seen, key=lambda c: c.first)
    else:
        known = sorted(seen, key=lambda c: (c.value is None, c.value) if c.value is not None else (True, 0))
    return _settled(column, known, categories, with_missing)


def _settled(column: Input, known: list[Category], categories: tuple[Category, ...], with_missing: bool) -> Encoded:
    rest = [c for c in categories if c not in known]
    silent = () if with_missing else tuple(i for c in rest if c.value is None for i in c.ids)
    unknown = tuple(c for c in rest if with_missing or c.value is not None)
    return Encoded(column.name, tuple(known), unknown, silent)


def _of_column(order: tuple, position: int, column: Input) -> tuple:
    if position >= len(order) or not isinstance(order[position], tuple):
        raise InputError(
            f"categories of column '{column.name}' are missing", hint="give one list of categories for each column"
        )
    return order[position]


def _fixed(categories: tuple[Category, ...], values: tuple, column: Input) -> list[Category]:
    plain = column.is_number or column.is_text
    by_value = {c.value if plain else label(c.value): c for c in categories}
    return [by_value.get(v, Category(v, (), 0)) for v in values]


def label(value: Scalar) -> str:
    """How a category is written in a column's name.

    >>> label("DE"), label(None), label(1.0), label(True)
    ('DE', '<missing>', '1.0', 'True')
    """
    return "<missing>" if value is None else str(value)


def category_slot(name: str, value: Scalar) -> Slot:
    """The slot of one category's column.

    >>> category_slot("country", "DE")
    Slot(name='country=DE', inputs=('country',), term='DE')
    """
    return Slot(f"{name}={label(value)}", (name,), value)


def total(categories: Sequence[Category]) -> int:
    """Fit rows over all categories of a column."""
    return sum(c.n for c in categories)
