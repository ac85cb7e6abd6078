"""pandas frames and series as descriptions: a set of rows, and columns that are expressions over it.

A frame is an open query: a relation, joins that find at most one row each or multiply rows once for
all, conditions, and columns not yet written as a view. It is closed ("frozen") into a relation when
something needs its rows as such: a grouping, a window, a sort, an aggregate.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from lester_duck.lift import sqlx
from lester_duck.lift import values as v
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import GroupRel, Join, Query, Relation, UnionRel
from lester_duck.lift.sqlx import Tree
from lester_duck.lift.values import Refused, Sym, Value
from lester_duck.pipeline import model as ir


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Which rows a frame or series has, in order.

    ``labels`` stands for the index: rows of two sets with the same labels can be matched. ``index``
    is ``range`` (0, 1, 2 ...), ``subset`` (some positions, in some order), ``keys`` (the columns
    ``keys``) or ``repeated``. ``part`` is a side of a split, ``owner`` the frame a series is from.
    ``array`` says that they are rows of a NumPy array: without labels, and NaN is a number.
    """

    rel: Relation
    labels: str
    where: tuple[Tree, ...] = ()
    joins: tuple[Join, ...] = ()
    index: str = "range"
    keys: tuple[tuple[str, Sym], ...] = ()
    part: tuple[ir.Split, str] | None = None
    owner: int | None = None
    since: int = 0
    title: str = ""
    array: bool = False

    def query(self) -> Query:
        """The rows as a query over the relation's own token."""
        return Query(self.rel.token, self.rel, list(self.joins), self.where)


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Columns of a frame that an encoder makes of ``inputs``; ``fit`` are the rows it was fitted on.

    ``prefix`` is what the names of one-hot columns begin with, ``kind`` the type of their cells.
    """

    inputs: tuple[Sym, ...]
    steps: tuple[ir.Step, ...]
    fit: Rows | None = None
    label: str = ""
    prefix: str | None = None
    kind: str = "bool"


FrameRule = Callable[[Machine, Value, "Frame", list[Value], dict[str, Value]], Value]
SeriesRule = Callable[[Machine, "Series", list[Value], dict[str, Value]], Value]
FRAME_METHODS: dict[str, FrameRule] = {}
FRAME_ATTRIBUTES: dict[str, Callable[[Machine, Value, Frame], Value]] = {}
FRAME_RULES: dict[str, Callable] = {}
SERIES_METHODS: dict[str, SeriesRule] = {}
SERIES_ATTRIBUTES: dict[str, Callable[[Machine, Series], Value]] = {}
SERIES_RULES: dict[str, Callable] = {}


@dataclass(frozen=True, eq=False)
class Series(Library):
    """One scalar per row."""

    what_rows: Rows
    sym: Sym
    what = "Series"

    @property
    def rows_(self) -> Rows:
        """Which rows it has."""
        return self.what_rows

    def attribute(self, m: Machine, ref: Value, name: str) -> Value:
        """``.str``, ``.dt``, ``.loc`` ..., else a method."""
        if name in SERIES_ATTRIBUTES:
            return SERIES_ATTRIBUTES[name](m, self)
        return v.Method(ref, name)

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """A method by its rule."""
        if name not in SERIES_METHODS:
            raise Refused(f"the method .{name}() of a Series")
        return SERIES_METHODS[name](m, self, args, kwargs)

    def subscript(self, m: Machine, ref: Value, index: Value) -> Value:
        """``s[mask]`` and slices."""
        return SERIES_RULES["subscript"](m, self, index)

    def operate(self, m: Machine, op: type[ast.operator], a: Value, b: Value) -> Value:
        """Arithmetic, ``&`` and ``|``."""
        return SERIES_RULES["operate"](m, op, a, b)

    def compare(self, m: Machine, op: type[ast.cmpop], a: Value, b: Value) -> Value:
        """An element-wise comparison."""
        return SERIES_RULES["compare"](m, op, a, b)

    def unary(self, m: Machine, op: type[ast.unaryop], value: Value) -> Value:
        """``-s``, ``~s``."""
        return SERIES_RULES["unary"](m, op, self)

    def set_attribute(self, m: Machine, ref: Value, name: str, value: Value) -> None:
        """``df.index.name = "x"``."""
        FRAME_RULES["set name"](m, self, name, value)

    def contains(self, m: Machine, item: Value) -> Value:
        """``in``, which asks the index."""
        raise Refused("'in' of a Series, which asks its index", "s.isin([...]).any()")

    def length(self, m: Machine, ref: Value) -> Value:
        """The number of rows."""
        return FRAME_RULES["length"](m, self.what_rows)

    def called(self, m: Machine, name: str) -> None:
        """A grouping is known by the name it is assigned to."""
        title(self.what_rows, name)

    def rows(self, m: Machine, ref: Value) -> Value:
        """A loop over the values."""
        return SERIES_RULES["rows"](m, self)


@dataclass(frozen=True, eq=False)
class Frame(Library):
    """Named columns over a set of rows; ``axis`` is what the names of the columns are called (after a pivot)."""

    what_rows: Rows
    columns: tuple[tuple[str, Value], ...]
    axis: str | None = None
    what = "DataFrame"

    @property
    def rows_(self) -> Rows:
        """Which rows it has."""
        return self.what_rows

    @property
    def names(self) -> list[str]:
        """Its column names."""
        return [n for n, _ in self.columns]

    def attribute(self, m: Machine, ref: Value, name: str) -> Value:
        """``.loc``, ``.shape``, a column, else a method."""
        if name in FRAME_ATTRIBUTES:
            return FRAME_ATTRIBUTES[name](m, ref, self)
        if name not in FRAME_METHODS and name in self.names:
            return column(m, ref, self, name)
        return v.Method(ref, name)

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """A method by its rule."""
        if name not in FRAME_METHODS:
            raise Refused(f"the method .{name}() of a DataFrame")
        return FRAME_METHODS[name](m, ref, self, args, kwargs)

    def subscript(self, m: Machine, ref: Value, index: Value) -> Value:
        """A column, some columns, or the rows of a mask."""
        return FRAME_RULES["subscript"](m, ref, self, index)

    def store(self, m: Machine, ref: Value, index: Value, value: Value) -> None:
        """``df[name] = values``."""
        FRAME_RULES["store"](m, ref, self, index, value)

    def set_attribute(self, m: Machine, ref: Value, name: str, value: Value) -> None:
        """``df.columns = names``."""
        FRAME_RULES["set_attribute"](m, ref, self, name, value)

    def operate(self, m: Machine, op: type[ast.operator], a: Value, b: Value) -> Value:
        """Arithmetic on every column."""
        return FRAME_RULES["operate"](m, op, a, b)

    def compare(self, m: Machine, op: type[ast.cmpop], a: Value, b: Value) -> Value:
        """A comparison of every column."""
        return FRAME_RULES["compare"](m, op, a, b)

    def contains(self, m: Machine, item: Value) -> Value:
        """Whether there is a column of that name."""
        return sqlx.literal(item in self.names)

    def length(self, m: Machine, ref: Value) -> Value:
        """The number of rows."""
        return FRAME_RULES["length"](m, self.what_rows)

    def called(self, m: Machine, name: str) -> None:
        """A grouping or concatenation is known by the name it is assigned to."""
        title(self.what_rows, name)

    def rows(self, m: Machine, ref: Value) -> Value:
        """A loop over a frame yields its column names."""
        return m.new(v.HList(tuple(self.names)))


@dataclass(frozen=True, eq=False)
class Accessor(Library):
    """``.str``, ``.dt``, ``.loc``, ``.iloc``, ``.at``, a grouping ...: rules by name, over ``of``."""

    of: Value
    kind: str
    methods: dict[str, Callable] = field(default_factory=dict)
    extra: tuple = ()

    @property
    def what(self) -> str:
        """What a refusal calls it."""
        return self.kind

    def attribute(self, m: Machine, ref: Value, name: str) -> Value:
        """A property by its rule, else a method."""
        rule = self.methods.get(f"{name}!")
        if rule is None and "attribute" in self.methods and name not in self.methods:
            return self.methods["attribute"](m, self, name)
        return rule(m, self) if rule is not None else v.Method(ref, name)

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """A method by its rule."""
        if name not in self.methods:
            raise Refused(f"{self.kind}.{name}()")
        return self.methods[name](m, self, args, kwargs)

    def subscript(self, m: Machine, ref: Value, index: Value) -> Value:
        """An index by its rule."""
        if "[]" not in self.methods:
            raise Refused(f"an index into {self.kind}")
        return self.methods["[]"](m, self, index)

    def store(self, m: Machine, ref: Value, index: Value, value: Value) -> None:
        """An assignment by its rule."""
        if "[]=" not in self.methods:
            raise Refused(f"an assignment into {self.kind}")
        self.methods["[]="](m, self, index, value)

    def rows(self, m: Machine, ref: Value) -> Value:
        """A loop by its rule."""
        if "rows" not in self.methods:
            raise Refused(f"a loop over {self.kind}")
        return self.methods["rows"](m, self)


def title(rows: Rows, name: str) -> None:
    """Name a fresh grouping or concatenation, which has no where and no name of its own yet."""
    rel = rows.rel
    if isinstance(rel, GroupRel | UnionRel) and rows.title == rel.name and not rows.where and not rows.joins:
        rel.name = name


def owned(rows: Rows, ref: Value) -> Rows:
    """The rows of a series taken from the frame ``ref``."""
    return replace(rows, owner=ref.id if isinstance(ref, v.Ref) else None)


def column(m: Machine, ref: Value, frame: Frame, name: Value) -> Series:
    """``df[name]``; raises Refused where there is no such column, or no plain one."""
    found = dict(frame.columns).get(name, v.MISSING)
    if found is v.MISSING and any(isinstance(x, Block) for _, x in frame.columns):
        found = dict(FRAME_RULES["expanded"](m, frame).columns).get(name, v.MISSING)
    if found is v.MISSING:
        raise Refused(f"the frame has no column {name!r}")
    if not isinstance(found, Sym):
        raise Refused(f"the encoded column {name!r} used by itself", "the column before it was encoded")
    return Series(owned(frame.rows_, ref), found)
