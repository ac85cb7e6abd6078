"""What a name of the script can stand for while it is interpreted.

A value is a plain immutable Python object (a constant, computed concretely), a ``Sym`` (a scalar
that depends on rows), a ``Ref`` to an object on the interpreter's heap (lists, dicts, sets, files:
frozen contents, replaced on mutation), or one of the descriptions below. Symbolic collections
describe their elements by a *shape*: a value whose ``Sym`` leaves are columns of the relation's
token.
"""

from __future__ import annotations

import ast
import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from lester_duck.errors import Unsupported
from lester_duck.lift import sqlx
from lester_duck.lift.objects import (
    MISSING,
    Block,
    Cells,
    DictOf,
    Estimator,
    Fields,
    Foreign,
    Group,
    GroupedOf,
    HArray,
    Hashed,
    HDict,
    HFile,
    HList,
    HSet,
    HWriter,
    Learned,
    ListOf,
    Matrix,
    Part,
    Pieces,
    SetOf,
    Slot,
    Vector,
    View,
    Words,
    Written,
    _Missing,
)

Value = Any

SQL_TYPES = {
    "str": "VARCHAR",
    "int": "BIGINT",
    "float": "DOUBLE",
    "bool": "BOOLEAN",
    "date": "DATE",
    "datetime": "TIMESTAMP",
    "timedelta": "BIGINT",
    "days": "BIGINT",
    "array": "DOUBLE[]",
}


class Refused(Unsupported):
    """A construct the translator cannot lift exactly; ``nearest`` names a form it can."""

    def __init__(self, reason: str, nearest: str = "") -> None:
        super().__init__(reason, hint=nearest or None)
        self.reason = reason
        self.nearest = nearest
        self.line = 0


class FromModel(Refused):
    """A value that a fitted model says: beyond the preparation, so no refusal to report."""


@dataclass(frozen=True, slots=True, eq=False)
class LineText:
    """Text of one line of a file: ``strip`` is ``raw`` (with its line end), ``none``, ``right`` or ``both``.

    ``field`` marks what may be the last field of an unstripped line, and so end with the line end.
    ``ragged`` says that the file's last line has no end.
    """

    alias: str
    strip: str
    ragged: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Sym:
    """A scalar expression over the rows of the loops around it.

    ``null`` says that it may be None. ``name`` is what a column holding it would be called.
    ``parts`` are the pieces of a concatenated text, ``choices`` the pairs (condition, constant) of
    a lookup in a constant table, ``line`` says that it is (stripped) text of a file's line,
    ``position`` that it is the place of its relation's row. ``nan`` says that a missing value is
    NaN, which no comparison finds, and not None; ``categories`` are those of a pandas categorical,
    ``whole`` what must not happen for a float column to be one of whole numbers (``pandas_whole``).
    ``ints`` are the whole numbers that a value of type ``number`` may be, where all others are floats.
    """

    sql: exp.Expression
    type: str
    null: bool = False
    name: str | None = None
    parts: tuple = ()
    choices: tuple = ()
    line: LineText | None = None
    position: str | None = None
    nan: bool = False
    categories: tuple | None = None
    whole: tuple | None = None
    ints: tuple[int, ...] | None = None

    def named(self, name: str | None) -> Sym:
        """The same expression under another name."""
        return replace(self, name=name) if name else self


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference to a heap object."""

    id: int


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """One of two values that no single SQL expression can hold, by a condition."""

    condition: exp.Expression
    then: Value
    otherwise: Value


@dataclass(frozen=True, slots=True, eq=False)
class Poison:
    """A value that could not be lifted; using it refuses again. ``model`` marks what a fitted model says."""

    reason: str
    line: int
    model: bool = False

    def refusal(self) -> Refused:
        """What using the value raises."""
        error = (FromModel if self.model else Refused)(self.reason)
        error.line = self.line
        return error


@dataclass(frozen=True, slots=True)
class Lib:
    """A module, or something in one, by its full dotted name."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """A bound method of a value."""

    receiver: Value
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Func:
    """A function or lambda of the script, with the local names it closes over."""

    name: str
    node: ast.FunctionDef | ast.Lambda
    closure: Mapping[str, Value]
    top_level: bool


@dataclass(frozen=True, slots=True, eq=False)
class Cls:
    """A class of the script."""

    name: str
    node: ast.ClassDef
    methods: Mapping[str, Func]


@dataclass(frozen=True, slots=True, eq=False)
class Rec:
    """A frozen dict with constant keys: the shape of a record. ``default`` is that of the dict."""

    items: tuple[tuple[Value, Value], ...]
    default: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Seq:
    """A frozen list: the shape of a list of known length."""

    items: tuple[Value, ...]


def is_const(value: Value) -> bool:
    """Whether a value is an immutable Python constant.

    >>> is_const((1, "a")), is_const(Ref(3)), is_const((1, Ref(3)))
    (True, False, False)
    """
    if isinstance(value, tuple):
        return all(is_const(v) for v in value)
    return not isinstance(value, _DESCRIPTIONS)


_DESCRIPTIONS = (
    Sym, Ref, Choice, Poison, Lib, Method, Func, Cls, Rec, Seq, HList, HDict, HSet, HArray, ListOf, DictOf, SetOf,
    GroupedOf, Group, Slot, View, Fields, Pieces, Words, HFile, HWriter, Cells, Written, Vector, Block, Matrix, Part,
    Estimator, Foreign, _Missing,
)  # fmt: skip


def map_syms(value: Value, change: Callable[[Sym], Value]) -> Value:
    """A shape with every scalar leaf replaced."""
    if isinstance(value, Sym):
        return change(value)
    if isinstance(value, tuple):
        return tuple(map_syms(v, change) for v in value)
    if isinstance(value, Seq):
        return Seq(tuple(map_syms(v, change) for v in value.items))
    if isinstance(value, Rec):
        return replace(value, items=tuple((k, map_syms(v, change)) for k, v in value.items))
    if isinstance(value, Choice):
        flag = change(Sym(value.condition, "bool"))
        return Choice(flag.sql, map_syms(value.then, change), map_syms(value.otherwise, change))
    if isinstance(value, Pieces):
        return replace(value, text=change(Sym(value.text, "str")).sql)
    if isinstance(value, Group):
        present = change(Sym(value.present, "bool")).sql
        return replace(value, key=map_syms(value.key, change), present=present)
    if isinstance(value, Block):
        return replace(value, text=change(value.text))
    return value


def change_sql(sym: Sym, change: Callable[[exp.Expression], exp.Expression]) -> Sym:
    """A scalar with its SQL, and that of its pieces, changed."""
    parts = tuple(change_sql(p, change) if isinstance(p, Sym) else p for p in sym.parts)
    choices = tuple((change(c), v) for c, v in sym.choices)
    return replace(sym, sql=change(sym.sql), parts=parts, choices=choices, position=None)


def rebind(value: Value, old: str, new: str) -> Value:
    """A shape over relation token ``old`` said over ``new``."""

    def change(tree: exp.Expression) -> exp.Expression:
        return sqlx.replace(
            tree,
            lambda n: sqlx.column(new, n.name) if isinstance(n, exp.Column) and n.table == old else None,
        )

    def leaf(sym: Sym) -> Sym:
        changed = change_sql(sym, change)
        if sym.line and sym.line.alias == old:
            changed = replace(changed, line=replace(sym.line, alias=new))
        return replace(changed, position=new if sym.position == old else sym.position)

    def group(part: Value) -> Value:
        if isinstance(part, tuple):
            return tuple(group(x) for x in part)
        return replace(part, alias=new) if isinstance(part, Group) and part.alias == old else part

    return group(map_syms(_over(value, old, new), leaf))


def _over(value: Value, old: str, new: str) -> Value:
    """A shape whose split lines are those of another alias."""
    if isinstance(value, Fields):
        return replace(value, alias=new) if value.alias == old else value
    if isinstance(value, tuple):
        return tuple(_over(x, old, new) for x in value)
    if isinstance(value, Seq):
        return Seq(tuple(_over(x, old, new) for x in value.items))
    if isinstance(value, Rec):
        return replace(value, items=tuple((k, _over(x, old, new)) for k, x in value.items))
    return value


def constant(value: Value) -> Sym:
    """A Python constant as a scalar expression."""
    kinds = {str: "str", bool: "bool", int: "int", float: "float", type(None): "none"}
    if type(value) in kinds:
        return Sym(sqlx.literal(value), kinds[type(value)], null=value is None)
    if type(value) is datetime.datetime and value.tzinfo is None:
        return Sym(exp.cast(exp.Literal.string(str(value)), "TIMESTAMP"), "datetime")
    if type(value) is datetime.date:
        return Sym(exp.cast(exp.Literal.string(str(value)), "DATE"), "date")
    if type(value) is datetime.timedelta:
        return Sym(sqlx.literal(value // datetime.timedelta(microseconds=1)), "timedelta")
    raise Refused(f"a {type(value).__name__} where a scalar is needed")


__all__ = [
    "MISSING",
    "SQL_TYPES",
    "Block",
    "Cells",
    "Choice",
    "Cls",
    "DictOf",
    "Estimator",
    "Fields",
    "Foreign",
    "FromModel",
    "Func",
    "Group",
    "GroupedOf",
    "HArray",
    "HDict",
    "HFile",
    "HList",
    "HSet",
    "HWriter",
    "Hashed",
    "Learned",
    "Lib",
    "LineText",
    "ListOf",
    "Matrix",
    "Method",
    "Part",
    "Pieces",
    "Poison",
    "Rec",
    "Ref",
    "Refused",
    "Seq",
    "SetOf",
    "Slot",
    "Sym",
    "Value",
    "Vector",
    "View",
    "Words",
    "Written",
    "change_sql",
    "constant",
    "is_const",
    "map_syms",
    "rebind",
]
