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
    """Text of one line of a file: ``strip`` is ``raw`` (with its line end), ``none``, ``right`` or ``both``."""

    alias: str
    strip: str


@dataclass(frozen=True, slots=True, eq=False)
class Sym:
    """A scalar expression over the rows of the loops around it.

    ``null`` says that it may be None. ``name`` is what a column holding it would be called.
    ``parts`` are the pieces of a concatenated text, ``choices`` the pairs (condition, constant) of
    a lookup in a constant table, ``line`` says that it is (stripped) text of a file's line,
    ``position`` that it is the place of its relation's row.
    """

    sql: exp.Expression
    type: str
    null: bool = False
    name: str | None = None
    parts: tuple = ()
    choices: tuple = ()
    line: LineText | None = None
    position: str | None = None

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
    """A frozen dict with constant keys: the shape of a record."""

    items: tuple[tuple[Value, Value], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Seq:
    """A frozen list: the shape of a list of known length."""

    items: tuple[Value, ...]


# -- heap contents -------------------------------------------------------------------------------


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
    """A dict of lists (or sets): ``rel`` has one row per element, with its key."""

    rel: Any
    key: Value
    element: Value
    container: str
    default: str | None = None


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

    of: Ref
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
    order: tuple[tuple[Sym, bool], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Fields:
    """A line split at a delimiter; ``each`` is applied to a field when it is read."""

    alias: str
    rel: Any
    strip: str
    delimiter: str
    each: tuple[Callable[[Value], Value], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """A text split at a constant delimiter: a list of unknown length."""

    sql: exp.Expression


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """The words of a text (``str.split()``) as an iterable."""

    text: Sym


@dataclass(frozen=True, slots=True, eq=False)
class HFile:
    """An open file: what was written so far, or how many lines were read off."""

    path: str
    mode: str
    pieces: tuple[Value, ...] = ()
    skipped: int = 0


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
    """A ``csv.writer`` over an open file."""

    file: Ref
    delimiter: str
    line_end: str


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """A NumPy array with one scalar per row of ``rel``."""

    rel: Any
    element: Sym


@dataclass(frozen=True, slots=True, eq=False)
class Hashed:
    """Words of a text counted by hash: ``width`` columns of a matrix."""

    text: Sym
    width: int
    hash: str


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
    GroupedOf, Group, Slot, View, Fields, Pieces, Words, HFile, HWriter, Cells, Written, Vector, Hashed, Matrix, Part,
    Estimator, _Missing,
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
        return Rec(tuple((k, map_syms(v, change)) for k, v in value.items))
    if isinstance(value, Choice):
        flag = change(Sym(value.condition, "bool"))
        return Choice(flag.sql, map_syms(value.then, change), map_syms(value.otherwise, change))
    if isinstance(value, Hashed):
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

    return map_syms(value, leaf)


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
