"""Compare what the original had with what the pipeline has, and say the smallest thing that differs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np

from lester_duck.rewrite.decode import Record
from lester_duck.rewrite.discreet import contrast
from lester_duck.rewrite.elements import Row

TOLERANCE = 1e-9
TOLERANCE_32 = 1e-6
SHOWN = 12
"""Columns of a matrix that are named when they differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """The smallest statement of a difference.

    ``kind`` is ``rows`` (missing or extra rows), ``value``, ``order``, ``columns`` or ``error``;
    ``row`` counts from 1 in the original's order, ``column`` is a name.
    """

    kind: str
    text: str
    row: int | None = None
    column: str | None = None
    plain: str = ""
    """The same without values of the data."""
    spreadless: bool = False
    """Whether one side divides by a spread of 0 and the other by what rounding left of it: see ``_spreadless``."""


def same(expected: Any, found: Any, tolerance: float = TOLERANCE) -> bool:
    """Whether two values are equal: floats within an absolute plus relative tolerance, NaN equals NaN.

    Text never equals a number; a date equals the midnight it begins with; a tuple equals a list.

    >>> same(0.1 + 0.2, 0.3), same("1", 1), same((1, [2]), [1, (2,)]), same(float("nan"), float("nan"))
    (True, False, True, True)
    """
    if isinstance(expected, Decimal) or isinstance(found, Decimal):
        expected, found = (float(v) if isinstance(v, Decimal) else v for v in (expected, found))
    if isinstance(expected, int | float) and isinstance(found, int | float):
        return _same_number(expected, found, tolerance)
    if isinstance(expected, datetime) != isinstance(found, datetime):
        expected, found = (_midnight(v) for v in (expected, found))
    expected, found = _container(expected), _container(found)
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(same(v, found[k], tolerance) for k, v in expected.items())
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(same(a, b, tolerance) for a, b in zip(expected, found, strict=True))
    return type(expected) is type(found) and expected == found


def _same_number(expected: float, found: float, tolerance: float) -> bool:
    if isinstance(expected, int) and isinstance(found, int):
        return expected == found
    if math.isnan(expected) or math.isnan(found):
        return math.isnan(expected) and math.isnan(found)
    if math.isinf(expected) or math.isinf(found):
        return expected == found
    return abs(expected - found) <= tolerance + tolerance * abs(expected)


def _midnight(value: Any) -> Any:
    return datetime(value.year, value.month, value.day) if type(value) is date else value


def _container(value: Any) -> Any:
    if isinstance(value, Record):
        return dict(value.fields)
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, frozenset | set):
        return sorted(value, key=repr)
    return value


def without_nan(rows: Sequence[Row]) -> list[Row]:
    """The rows with NaN as None: pandas keeps no other missing value in a float column."""
    return [tuple(None if _is_nan(v) else v for v in row) for row in rows]


def missing_texts(rows: Sequence[Row]) -> list[Row]:
    """The rows with NaN as None in columns of texts: pandas' missing text is a float, which no text column holds.

    >>> missing_texts([("a", 1.0), (float("nan"), float("nan"))])
    [('a', 1.0), (None, nan)]
    """
    width = min((len(row) for row in rows), default=0)
    texts = [any(isinstance(row[c], str) for row in rows) for c in range(width)]
    texts += [False] * max((len(row) - width for row in rows), default=0)
    return [tuple(None if text and _is_nan(v) else v for v, text in zip(row, texts, strict=False)) for row in rows]


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def compare_rows(
    expected: Sequence[Row], found: Sequence[Row], names: Sequence[str], *, ordered: bool = True
) -> Mismatch | None:
    """The first difference of two row lists, or None.

    Rows that are equal in another order are reported as such, and not at all when ``ordered`` is
    false.

    >>> compare_rows([(1,), (2,)], [(2,), (1,)], ["a"]).kind
    'order'
    >>> compare_rows([(1,), (2,)], [(1,)], ["a"]).text
    '1 of 2 rows are missing, first row 2: (2)'
    """
    if len(expected) == len(found) and all(_same_row(a, b) for a, b in zip(expected, found, strict=True)):
        return None
    missing, extra = _unmatched(expected, found)
    if not missing and not extra:
        return _order(expected, found) if ordered else None
    if len(expected) == len(found) and ordered:
        return _first_cell(expected, found, names)
    return _counts(expected, found, missing, extra)


def _same_row(expected: Row, found: Row) -> bool:
    return len(expected) == len(found) and all(same(a, b) for a, b in zip(expected, found, strict=True))


def _order(expected: Sequence[Row], found: Sequence[Row]) -> Mismatch:
    wrong = [n for n, (a, b) in enumerate(zip(expected, found, strict=True)) if not _same_row(a, b)]
    first = wrong[0]
    text = (
        f"the same {len(expected)} rows in another order; first at row {first + 1}: "
        f"expected {show(expected[first])}, found {show(found[first])}"
    )
    plain = f"the same {len(expected)} rows in another order ({len(wrong)} stand elsewhere), first at row {first + 1}"
    return Mismatch(kind="order", text=text, row=first + 1, plain=plain)


def _first_cell(expected: Sequence[Row], found: Sequence[Row], names: Sequence[str]) -> Mismatch:
    wrong = [n for n, (a, b) in enumerate(zip(expected, found, strict=True)) if not _same_row(a, b)]
    first = wrong[0]
    column = next(n for n, (a, b) in enumerate(zip(expected[first], found[first], strict=True)) if not same(a, b))
    cells = Counter(
        names[c] for n in wrong for c, (a, b) in enumerate(zip(expected[n], found[n], strict=True)) if not same(a, b)
    )
    where = ", ".join(f"'{name}' ({number} rows)" for name, number in cells.items())
    plain = (
        f"{len(wrong)} of {len(expected)} rows differ, in {where}; "
        f"first row {first + 1}, column '{names[column]}': {contrast(expected[first][column], found[first][column])}"
    )
    text = (
        f"{len(wrong)} of {len(expected)} rows differ, first row {first + 1}, column '{names[column]}': "
        f"expected {show(expected[first][column])}, found {show(found[first][column])}"
    )
    return Mismatch(kind="value", text=text, row=first + 1, column=names[column], plain=plain)


def _counts(expected: Sequence[Row], found: Sequence[Row], missing: list[int], extra: list[int]) -> Mismatch:
    parts = []
    if missing:
        parts.append(
            f"{len(missing)} of {len(expected)} rows are missing, first row {missing[0] + 1}: "
            f"{show(expected[missing[0]])}"
        )
    if extra:
        row = show(found[extra[0]])
        parts.append(f"{len(extra)} of {len(found)} found rows are extra, first row {extra[0] + 1}: {row}")
    plain = (
        f"expected {len(expected)} rows, found {len(found)}: {len(missing)} are missing and {len(extra)} are extra, "
        f"the first at row {(missing[0] if missing else extra[0]) + 1}"
    )
    return Mismatch(kind="rows", text="; ".join(parts), row=(missing[0] if missing else extra[0]) + 1, plain=plain)


def _unmatched(expected: Sequence[Row], found: Sequence[Row]) -> tuple[list[int], list[int]]:
    """Positions of rows that have no partner on the other side (as bags, floats with tolerance)."""
    ours, theirs = [_key(r) for r in expected], [_key(r) for r in found]
    missing, extra = _minus(ours, theirs), _minus(theirs, ours)
    # rounding can part two floats that are within the tolerance: pair what is left in sorted order
    if missing and len(missing) == len(extra):
        left = sorted(missing, key=lambda n: ours[n])
        right = sorted(extra, key=lambda n: theirs[n])
        pairs = [(a, b) for a, b in zip(left, right, strict=True) if not _same_row(expected[a], found[b])]
        return sorted(a for a, _ in pairs), sorted(b for _, b in pairs)
    return missing, extra


def _minus(left: list[str], right: list[str]) -> list[int]:
    count = Counter(right)
    out = []
    for number, key in enumerate(left):
        if count[key]:
            count[key] -= 1
        else:
            out.append(number)
    return out


def _key(row: Row) -> str:
    return repr([_canonical(v) for v in row])


def _canonical(value: Any) -> Any:
    value = _container(float(value) if isinstance(value, Decimal) else _midnight(value))
    if isinstance(value, bool | int | float):
        return float(f"{value:.9g}") if abs(value) < 2**53 else value
    if isinstance(value, list):
        return [_canonical(v) for v in value]
    if isinstance(value, dict):
        return [(repr(k), _canonical(v)) for k, v in value.items()]
    return value


def compare_matrix(
    expected: np.ndarray, found: np.ndarray, names: Sequence[str], tolerance: float = TOLERANCE
) -> Mismatch | None:
    """The first difference of two matrices (rows x columns), order included, or None."""
    if expected.shape[1] != found.shape[1]:
        text = f"expected {expected.shape[1]} columns, found {found.shape[1]}"
        return Mismatch(kind="columns", text=text, plain=text)
    if expected.shape[0] == found.shape[0]:
        wrong = ~np.isclose(found, expected, rtol=tolerance, atol=tolerance, equal_nan=True)
        if not wrong.any():
            return None
        if _same_bag(expected, found, tolerance):
            row = int(np.argmax(wrong.any(axis=1)))
            text = f"the same rows in another order, first at row {row + 1}"
            return Mismatch(kind="order", text=text, row=row + 1, plain=text)
        row, column = (int(n[0]) for n in np.nonzero(wrong))
        name = names[column] if column < len(names) else str(column)
        where = (
            f"{int(wrong.any(axis=1).sum())} of {len(expected)} rows and {int(wrong.any(axis=0).sum())} of "
            f"{expected.shape[1]} columns differ, first row {row + 1}, column {column + 1} ({name}): "
        )
        text = f"{where}expected {expected[row, column]:.12g}, found {found[row, column]:.12g}"
        others = [names[n] if n < len(names) else str(n) for n in np.nonzero(wrong.any(axis=0))[0][:SHOWN].tolist()]
        plain = f"{where}{contrast(float(expected[row, column]), float(found[row, column]))}; columns: {others}"
        noise = _spreadless(expected[:, wrong.any(axis=0)], found[:, wrong.any(axis=0)])
        return Mismatch(kind="value", text=text, row=row + 1, column=name, plain=plain, spreadless=noise)
    text = f"expected {len(expected)} rows, found {len(found)}"
    return Mismatch(kind="rows", text=text, plain=text)


def _spreadless(expected: np.ndarray, found: np.ndarray) -> bool:
    """Whether columns are constant on one side and have no finite value on the other.

    The mean of equal numbers is off by rounding, and so may their standard deviation be: 0 in one
    implementation and 1e-17 in another. What is divided by it says nothing about a pipeline.

    >>> _spreadless(np.array([[-0.8], [-0.8]]), np.array([[-np.inf], [-np.inf]]))
    True
    >>> _spreadless(np.array([[1.0], [2.0]]), np.array([[np.nan], [np.nan]]))
    False
    """
    for one, other in ((expected, found), (found, expected)):
        if np.isfinite(one).all() and not np.isfinite(other).any():
            return bool((np.abs(one - one[:1]) <= TOLERANCE).all())
    return False


def _same_bag(expected: np.ndarray, found: np.ndarray, tolerance: float) -> bool:
    return bool(np.allclose(sort_rows(expected), sort_rows(found), rtol=tolerance, atol=tolerance, equal_nan=True))


def sort_rows(matrix: np.ndarray) -> np.ndarray:
    """The rows in an order that depends on their (rounded) content only."""
    if not matrix.size:
        return matrix
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 10.0 ** (8 - np.ceil(np.log10(np.maximum(np.abs(matrix), 1e-300))))
        rounded = np.where(matrix == 0, 0.0, np.round(matrix * scale) / scale)
    return matrix[np.lexsort(rounded.T[::-1])]


def show(value: Any) -> str:
    """A value or row for a message, shortened.

    >>> show(("a", 1)), show("a" * 90)[-4:]
    ("('a', 1)", "...'")
    """
    if isinstance(value, tuple):
        return "(" + ", ".join(show(v) for v in value) + ")"
    if isinstance(value, str) and len(value) > 60:
        return repr(value[:57] + "...")
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."
