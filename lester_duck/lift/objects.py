"""Descriptions of the containers, files, arrays and models a script handles.

Contents of heap objects are frozen and replaced on mutation. Symbolic collections describe their
elements by a *shape*: a value whose ``Sym`` leaves are columns of the relation's token.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

Value = Any


@dataclass(frozen=True, slots=True, eq=False)
class HList:
    """A list of known length."""

    items: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class HDict:
    """A dict with constant keys; ``default`` is ``list``, ``int``, ``float``, ``set``, ``Counter`` or None."""

    items: tuple[tuple[Value, Value], ...] = ()
    default: str | None = None

    def get(self, key: Value) -> Value:
        """The entry, or ``MISSING``."""
        for k, v in self.items:
            if type(k) is type(key) and k == key:
                return v
        return MISSING

    def put(self, key: Value, value: Value) -> HDict:
        """The dict after ``d[key] = value``."""
        if self.get(key) is MISSING:
            return replace(self, items=(*self.items, (key, value)))
        return replace(self, items=tuple((k, value if k == key else v) for k, v in self.items))


@dataclass(frozen=True, slots=True, eq=False)
class HSet:
    """A set of constants."""

    items: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class HArray:
    """A one-dimensional NumPy array of known length."""

    items: tuple[Value, ...]


class Foreign:
    """A library's object with rules of its own (``foreign.Library``)."""

    __slots__ = ()


class _Missing:
    def __repr__(self) -> str:
        return "missing"


MISSING = _Missing()


@dataclass(frozen=True, slots=True, eq=False)
class ListOf:
    """``[element for row in rel]``, in the relation's order."""

    rel: Any
    element: Value


@dataclass(frozen=True, slots=True, eq=False)
class DictOf:
    """A dict with one row of ``rel`` per key, in insertion order."""

    rel: Any
    key: Value
    value: Value
    default: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SetOf:
    """The distinct elements of ``rel``; ``distinct`` says that the relation holds each only once."""

    rel: Any
    element: Value
    distinct: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class GroupedOf:
    """A dict of lists (or sets, or dicts): ``rel`` has one row per element, with its key.

    ``default`` is that of the dict, ``inner`` that of the dicts in it.
    """

    rel: Any
    key: Value
    element: Value
    container: str
    default: str | None = None
    inner: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """The list of one key of a ``GroupedOf``; ``summary`` is the grouping that ``alias`` was joined to."""

    of: GroupedOf
    key: Value
    summary: Any
    alias: str
    present: exp.Expression


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """The list or set of one key in a dict that the running loop fills."""

    of: Any
    key: Value
    container: str


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """An iterable that is not a list yet: ``enumerate``, ``zip``, ``items``, ``sorted`` ... of a collection.

    ``rel`` is the relation its rows are, ``element`` the shape of what it yields, ``order`` pairs of
    (sort key, descending) over the relation's token.
    """

    rel: Any
    element: Value
    order: tuple[tuple[Any, bool], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Fields:
    """A line split at a delimiter; ``each`` is applied to a field when it is read."""

    alias: str
    rel: Any
    strip: str
    delimiter: str
    each: tuple[Callable[[Value], Value], ...] = ()

    def column(self, what: int | str) -> exp.Expression:
        """The column that stands for a field (or the number of fields) until the source's form is settled."""
        strip = "none" if self.strip == "raw" else self.strip
        return exp.column(f"#{strip}:{what}:{self.delimiter}", table=self.alias)

    def width(self) -> exp.Expression:
        """The number of fields."""
        return self.column("width")


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """A text split at a constant delimiter: a list of unknown length; ``each`` changes a piece when it is read."""

    text: exp.Expression
    delimiter: str
    each: tuple[Callable[[Value], Value], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """The words of a text (``str.split()``) as an iterable."""

    text: Any


@dataclass(frozen=True, slots=True, eq=False)
class HFile:
    """An open file: what was written so far, or how many lines were read off."""

    path: str
    mode: str
    pieces: tuple[Value, ...] = ()
    skipped: int = 0

    def merged(self, m: Any, condition: Any, other: Value) -> Value:
        """The file after a branch outside loops: what only one side wrote is a choice of it or nothing."""
        from lester_duck.lift import sections

        return sections.either(m, condition, self, other)


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """A row handed to a ``csv.writer``."""

    items: tuple[Value, ...]
    delimiter: str
    line_end: str


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """Lines of a file, one per row of ``rel``: its ``columns``, joined; ``line`` is the text itself."""

    rel: Any
    columns: tuple[str, ...]
    delimiter: str
    line_end: str
    quoting: bool
    line: Value


@dataclass(frozen=True, slots=True, eq=False)
class HWriter:
    """A ``csv.writer`` over an open file; ``quoting``: of "all" cells, of "texts", or where it is "needed"."""

    file: Any
    delimiter: str
    line_end: str
    quoting: str = "needed"


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """A NumPy array with one scalar per row of ``rel``."""

    rel: Any
    element: Any


class Block:
    """Several columns of a matrix, made of one value of a row: its ``text``."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, eq=False)
class Hashed(Block):
    """Words of a text counted by hash: ``width`` columns of a matrix."""

    text: Any
    width: int
    hash: str


@dataclass(frozen=True, slots=True, eq=False)
class Learned(Block):
    """A column of zeros and ones per category: ``key`` of ``grouping``, in the order "appearance" or "sorted"."""

    text: Any
    key: Any
    order: str
    grouping: Any


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """A NumPy array with a row of ``columns`` (scalars or wide blocks) per row of ``rel``."""

    rel: Any
    columns: tuple[Value, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A slice of a list, vector or matrix by position; ``stop`` is SQL over ``n``, the number of rows."""

    of: Value
    side: str
    bound: exp.Expression


@dataclass(frozen=True, slots=True, eq=False)
class Estimator:
    """A scikit-learn object, not yet fitted."""

    name: str
    params: tuple[tuple[str, Value], ...]
