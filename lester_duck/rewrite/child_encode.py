"""Values of the observed program as tagged JSON and plain ``.npy`` files.

Loaded by path inside the sandbox, in the user's interpreter: standard library only, and syntax
that Python 3.8 accepts. Nothing here is pickled, so the parent can read it without trusting it.

Scalars that JSON has stand for themselves; everything else is a list whose first item is a tag.
"""

# old interpreters read this file, and os.path costs them no import
# ruff: noqa: PTH118, PTH123, UP031
from __future__ import annotations

import collections
import datetime
import decimal
import hashlib
import json
import math
import os
import sys

MAX_NODES = 400_000
MAX_ARRAY_BYTES = 512 * 1024 * 1024
_EXACT = 2**53


class TooLarge(Exception):
    """The value has more parts than are worth keeping."""


class Encoder:
    """Encodes values; arrays go to ``folder`` once per content."""

    def __init__(self, folder):
        self.folder = folder
        self.files = {}
        self.left = MAX_NODES

    def encode(self, value):
        """The tagged form of a value; ``["cap"]`` when it is too large to be kept."""
        self.left = MAX_NODES
        try:
            return self._any(value, 0)
        except TooLarge:
            return ["cap"]

    def _any(self, value, depth):
        self.left -= 1
        if self.left < 0 or depth > 50:
            raise TooLarge
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if kind is int:
            return value if -_EXACT <= value <= _EXACT else ["i", str(value)]
        if kind is float:
            return value if math.isfinite(value) else ["f", repr(value)]
        if kind in (list, tuple, collections.deque):
            return ["t" if kind is tuple else "l", [self._any(v, depth + 1) for v in value]]
        if isinstance(value, dict):
            return ["d", [[self._any(k, depth + 1), self._any(v, depth + 1)] for k, v in value.items()]]
        if isinstance(value, (set, frozenset)):
            return ["s", sorted((self._any(v, depth + 1) for v in value), key=json.dumps)]
        return self._rare(value, depth)

    def _rare(self, value, depth):
        plain = _plain(value)
        if plain is not None:
            return plain
        if isinstance(value, (bool, int, float, str)):
            base = next(b for b in (bool, int, float, str) if isinstance(value, b))
            return self._any(base(value), depth)
        if isinstance(value, tuple):
            names = getattr(value, "_fields", None)
            parts = [self._any(v, depth + 1) for v in value]
            return ["t", parts] if names is None else ["o", [[n, p] for n, p in zip(names, parts)]]
        if isinstance(value, list):
            return ["l", [self._any(v, depth + 1) for v in value]]
        library = self._library(value, depth)
        if library is not None:
            return library
        main = sys.modules.get("__main__")
        if type(value).__module__ == getattr(main, "__name__", "__main__") and hasattr(value, "__dict__"):
            return ["o", [[str(k), self._any(v, depth + 1)] for k, v in vars(value).items()]]
        return ["?", type(value).__name__]

    def _library(self, value, depth):
        numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
        if pandas is not None and hasattr(pandas, "DataFrame"):
            if value is pandas.NaT or value is pandas.NA:
                return ["na"]
            if isinstance(value, pandas.DataFrame):
                columns = [self._column(value.iloc[:, i], depth) for i in range(value.shape[1])]
                return ["df", [str(c) for c in value.columns], columns, self._column(value.index, depth)]
            if isinstance(value, pandas.Series):
                return ["sr", str(value.name), self._column(value, depth), self._column(value.index, depth)]
            if isinstance(value, pandas.Index):
                return ["l", self._column(value, depth)]
        if numpy is not None and hasattr(numpy, "ndarray"):
            if isinstance(value, numpy.generic):
                item = value.item()
                return ["?", type(value).__name__] if isinstance(item, numpy.generic) else self._any(item, depth + 1)
            if isinstance(value, numpy.ndarray):
                return self.array(value)
        if hasattr(value, "tocsr") and hasattr(value, "nnz"):
            return self.sparse(value)
        return None

    def _column(self, series, depth):
        if len(series) > self.left:
            raise TooLarge
        return [self._any(v, depth + 1) for v in series.tolist()]

    def array(self, value):
        """A numeric array as a file, any other array as nested lists with its shape."""
        numpy = sys.modules["numpy"]
        if value.dtype.kind in "biuf":
            return ["nd", self.save(value)] if value.nbytes <= MAX_ARRAY_BYTES else ["cap"]
        if value.size > self.left:
            raise TooLarge
        flat = value.astype("datetime64[us]") if value.dtype.kind == "M" else value
        items = [self._any(v, 1) for v in numpy.ravel(flat).tolist()]
        return ["na_", list(value.shape), items]

    def sparse(self, value):
        """A sparse matrix as compressed rows: shape, and files for data, indices and row starts."""
        rows = value.tocsr()
        rows.sum_duplicates()
        if rows.data.nbytes > MAX_ARRAY_BYTES:
            return ["cap"]
        return ["csr", [int(n) for n in rows.shape]] + [self.save(a) for a in (rows.data, rows.indices, rows.indptr)]

    def save(self, array):
        """Write an array without pickling; the same content is written once. Returns the file's name."""
        numpy = sys.modules["numpy"]
        array = numpy.ascontiguousarray(array)
        digest = hashlib.sha256(repr((array.dtype.str, array.shape)).encode() + array.tobytes()).hexdigest()
        if digest not in self.files:
            name = "a%d.npy" % len(self.files)
            with open(os.path.join(self.folder, name), "wb") as file:
                numpy.save(file, array, allow_pickle=False)
            self.files[digest] = name
        return self.files[digest]


def _plain(value):
    """The tagged form of dates, times, decimals and bytes, or None."""
    if isinstance(value, (datetime.date, datetime.time)) and value == value:
        tag = "T" if isinstance(value, datetime.datetime) else "D" if isinstance(value, datetime.date) else "time"
        return [tag, value.isoformat()]
    if isinstance(value, datetime.timedelta) and value == value:
        return ["td", value.days, value.seconds, value.microseconds]
    if isinstance(value, decimal.Decimal):
        return ["dec", str(value)]
    if isinstance(value, (bytes, bytearray)):
        return ["b", bytes(value).hex()]
    return None
