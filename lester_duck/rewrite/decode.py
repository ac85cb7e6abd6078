"""Tagged JSON written inside the sandbox -> plain values. The writer is not trusted.

Only literals, containers and ``.npy`` files that hold no pickles come out; a name of a file must
be one of the names the encoder gives, in the run's own folder, and no link.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from lester_duck.errors import InputError

_ARRAY_NAME = re.compile(r"a[0-9]+\.npy\Z")


@dataclass(frozen=True, slots=True)
class Frame:
    """A pandas frame, or a series as one column: names, columns of plain values, index."""

    names: tuple[str, ...]
    columns: tuple[tuple[Any, ...], ...]
    index: tuple[Any, ...] = ()
    series: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """An instance of a class of the script, or a named tuple: its fields in order."""

    fields: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Sparse:
    """A sparse matrix in compressed rows."""

    shape: tuple[int, int]
    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray

    def dense(self) -> np.ndarray:
        """The same matrix as a dense array, rows x columns."""
        out = np.zeros(self.shape, dtype=self.data.dtype)
        rows = np.repeat(np.arange(self.shape[0]), np.diff(self.indptr))
        out[rows, self.indices] = self.data
        return out


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value that was not kept: its type's name, or why."""

    what: str


DAMAGE = (
    LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError, OSError, EOFError, MemoryError
)  # fmt: skip
"""What reading a record that was not written by the encoder may raise."""
MISSING = float("nan")
"""pandas' NA and NaT."""


class Decoder:
    """Decodes the values of one run, whose arrays are in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def decode(self, tagged: Any) -> Any:
        """The plain value; raises InputError when the text is not of the encoder's form."""
        try:
            return self._any(tagged)
        except DAMAGE as error:
            raise InputError(f"the record of the run is damaged: {error}") from error

    def _any(self, tagged: Any) -> Any:
        if not isinstance(tagged, list):
            return tagged
        tag, *rest = tagged
        if tag in _SIMPLE:
            return _SIMPLE[tag](*rest)
        if tag in ("l", "t", "s"):
            kind = {"l": list, "t": tuple, "s": frozenset}[tag]
            return kind([self._any(v) for v in rest[0]])
        if tag == "d":
            return {self._any(k): self._any(v) for k, v in rest[0]}
        if tag == "o":
            return Record(tuple((str(name), self._any(v)) for name, v in rest[0]))
        if tag == "df":
            names, columns = tuple(map(str, rest[0])), tuple(self._column(c) for c in rest[1])
            return _whole(Frame(names, columns, self._column(rest[2])))
        if tag == "sr":
            return _whole(Frame((str(rest[0]),), (self._column(rest[1]),), self._column(rest[2]), True))
        if tag == "nd":
            return self._array(rest[0])
        if tag == "na_":
            return _objects(tuple(rest[0]), [self._any(v) for v in rest[1]])
        if tag == "csr":
            shape = (int(rest[0][0]), int(rest[0][1]))
            return _rows(Sparse(shape, *(self._array(name) for name in rest[1:4])))
        raise ValueError(f"unknown tag {tag!r}")

    def _column(self, values: list[Any]) -> tuple[Any, ...]:
        return tuple(self._any(v) for v in values)

    def _array(self, name: str) -> np.ndarray:
        path = self.folder / name
        if not _ARRAY_NAME.match(name) or path.is_symlink() or not path.is_file():
            raise ValueError(f"no array {name!r}")
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read_header = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
            shape, _, dtype = read_header[version[0]](file)
            left = path.stat().st_size - file.tell()
            if dtype.kind not in "biuf" or any(n < 0 for n in shape) or math.prod(shape) * dtype.itemsize != left:
                raise ValueError(f"array {name!r} is not what its header says")
            file.seek(0)
            return np.lib.format.read_array(file, allow_pickle=False)


def _whole(frame: Frame) -> Frame:
    lengths = {len(column) for column in (*frame.columns, frame.index)}
    if len(lengths) != 1 or len(frame.names) != len(frame.columns):
        raise ValueError("a frame whose columns do not fit together")
    return frame


def _rows(matrix: Sparse) -> Sparse:
    """Check that indices stay inside the shape, so that reading the matrix cannot leave it."""
    (rows, width), starts = matrix.shape, matrix.indptr
    ends = len(starts) == rows + 1 and starts[0] == 0 and starts[-1] == len(matrix.data) == len(matrix.indices)
    whole = matrix.indices.dtype.kind in "iu" and starts.dtype.kind in "iu"
    if not (ends and whole and rows >= 0 and width >= 0 and np.all(np.diff(starts) >= 0)):
        raise ValueError("a sparse matrix whose rows do not fit together")
    if len(matrix.indices) and not 0 <= matrix.indices.min() <= matrix.indices.max() < width:
        raise ValueError("a sparse matrix with an entry outside of it")
    return matrix


def _objects(shape: tuple[int, ...], items: list[Any]) -> np.ndarray:
    out = np.empty(len(items), dtype=object)
    for number, item in enumerate(items):
        out[number] = item
    return out.reshape(shape)


_SIMPLE = {
    "i": int,
    "f": float,
    "na": lambda: MISSING,
    "b": bytes.fromhex,
    "T": datetime.fromisoformat,
    "D": date.fromisoformat,
    "time": time.fromisoformat,
    "td": timedelta,
    "dec": Decimal,
    "?": Opaque,
    "cap": lambda: Opaque("too large to be kept"),
}
