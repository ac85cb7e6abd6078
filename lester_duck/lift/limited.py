"""A text split a few times only: ``split("=", 1)``, ``split(None, 3)``, ``rsplit(".", 1)``, ``partition``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from lester_duck.lift import scalars, sqlx
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.values import Refused, Sym, Value

_WHITE = r"\x{9}-\x{d}\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"


@dataclass(frozen=True, eq=False)
class Limited(Library):
    """The parts of a text split at most ``limit`` times at ``delimiter`` (None: white space); the last is the rest.

    ``last`` says that it is split at the last delimiters; ``each`` changes a part when it is read.
    """

    text: Tree
    delimiter: str | None
    limit: int
    last: bool = False
    each: tuple[Callable[[Value], Value], ...] = ()
    what = "split text"

    def count(self) -> Tree:
        """The number of parts, were there no limit."""
        if self.delimiter is None:
            return sql("len(py_split(_1))", self.text)
        return sql("len(string_split(_1, _2))", self.text, sqlx.literal(self.delimiter))

    def length(self, m: Machine, ref: Value) -> Value:
        """``len(parts)``."""
        return Sym(sql("least(_1, _2)", self.count(), sqlx.literal(self.limit + 1)), "int")

    def truth(self, m: Machine, ref: Value) -> Tree:
        """There is no part of a blank text only where it is split at white space."""
        return sqlx.literal(True) if self.delimiter is not None else sql("_1 > 0", self.count())

    def subscript(self, m: Machine, ref: Value, index: Value) -> Value:
        """``parts[i]``."""
        if type(index) is not int:
            raise Refused("this index into a split text", "a constant index")
        needed = index + 1 if index >= 0 else -index
        if needed > self.limit + 1:
            raise Refused(f"the script would fail here: part {index} of a text split {self.limit} times")
        if needed > 1 or self.delimiter is None:
            few = sql("_1 < _2", self.count(), sqlx.literal(needed))
            m.raise_if(few, "IndexError", "a split text is too short")
        value: Value = Sym(self._part(m, index), "str")
        for rule in self.each:
            value = rule(value)
        return value

    def unpack(self, m: Machine, ref: Value, count: int) -> list[Value]:
        """``a, b = parts``."""
        if count > self.limit + 1:
            raise Refused(f"the script would fail here: a text split {self.limit} times unpacked to {count} names")
        other = sql("_1 < _2" if count == self.limit + 1 else "_1 <> _2", self.count(), sqlx.literal(count))
        m.raise_if(other, "ValueError", "another number of parts")
        return [self.subscript(m, ref, i) for i in range(count)]

    def _part(self, m: Machine, index: int) -> Tree:
        limited = sql("_1 > _2", self.count(), sqlx.literal(self.limit))
        if self.last:
            return self._of_two(m, index, limited)
        if 0 <= index < self.limit:
            return self._nth(index + 1)
        if index == self.limit:
            return self._rest()
        if index == -1:
            return sqlx.case(limited, self._rest(), self._nth(-1))
        raise Refused("this index into a split text", "parts[0], parts[1] or parts[-1]")

    def _nth(self, place: int) -> Tree:
        if self.delimiter is None:
            return sql("list_extract(py_split(_1), _2)", self.text, sqlx.literal(place))
        return sql("split_part(_1, _2, _3)", self.text, sqlx.literal(self.delimiter), sqlx.literal(place))

    def _rest(self) -> Tree:
        """What is left after the last cut."""
        if self.delimiter is None:
            start = sqlx.literal(f"^[{_WHITE}]*([^{_WHITE}]+[{_WHITE}]+){{{self.limit}}}")
            return sql("regexp_replace(_1, _2, '')", self.text, start)
        if self.limit == 1:
            return after(self.text, self.delimiter)
        parts = sql("string_split(_1, _2)", self.text, sqlx.literal(self.delimiter))
        return sql("array_to_string(list_slice(_1, _2, _3), _4)", parts, sqlx.literal(self.limit + 1), self.count(),
                   sqlx.literal(self.delimiter))  # fmt: skip

    def _of_two(self, m: Machine, index: int, cut: Tree) -> Tree:
        """The part before, or after, the last delimiter."""
        right = self._nth(-1)
        left = sql("left(_1, length(_1) - length(_2) - 1)", self.text, right)
        if index in (-1, 1):
            return right
        return sqlx.case(cut, left, self.text) if index == 0 else left


def after(text: Tree, delimiter: str) -> Tree:
    """What follows the first delimiter of a text that has one."""
    start = sql("strpos(_1, _2) + _3", text, sqlx.literal(delimiter), sqlx.literal(len(delimiter)))
    return sql("substr(_1, _2)", text, start)


def split(m: Machine, receiver: Sym, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``text.split(sep, n)``; raises Refused for other arguments."""
    return _limited(receiver, args, kwargs, False)


def rsplit(m: Machine, receiver: Sym, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``text.rsplit(sep, 1)``."""
    made = _limited(receiver, args, kwargs, True)
    if made.limit != 1 or made.delimiter is None or len(made.delimiter) != 1:
        raise Refused("str.rsplit with these arguments", "rsplit at one character, once")
    return made


def _limited(receiver: Sym, args: list[Value], kwargs: dict[str, Value], last: bool) -> Limited:
    given = dict(zip(("sep", "maxsplit"), args, strict=False)) | kwargs
    delimiter, limit = given.get("sep"), given.get("maxsplit", -1)
    if not (delimiter is None or (isinstance(delimiter, str) and delimiter)) or type(limit) is not int or limit < 1:
        raise Refused("str.split with these arguments", "split at a constant delimiter, with a constant limit")
    return Limited(scalars.whole(receiver).sql, delimiter, limit, last)


def partition(m: Machine, receiver: Sym, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``text.partition(sep)``: what is before it, the separator, and what is after it."""
    text, delimiter = _to_part(receiver, args, kwargs)
    found = sql("contains(_1, _2)", text, sqlx.literal(delimiter))
    none = exp.Literal.string("")
    head = sql("split_part(_1, _2, 1)", text, sqlx.literal(delimiter))
    middle = sqlx.case(found, sqlx.literal(delimiter), none)
    return (_text(head), _text(middle), _text(sqlx.case(found, after(text, delimiter), none)))


def rpartition(m: Machine, receiver: Sym, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``text.rpartition(sep)``: the same at the last separator; without one the text is what is after it."""
    text, delimiter = _to_part(receiver, args, kwargs)
    if len(delimiter) != 1:
        raise Refused("str.rpartition at several characters", "rpartition at one character")
    found, none = sql("contains(_1, _2)", text, sqlx.literal(delimiter)), exp.Literal.string("")
    tail = sql("split_part(_1, _2, -1)", text, sqlx.literal(delimiter))
    head = sql("left(_1, length(_1) - length(_2) - 1)", text, tail)
    middle = sqlx.case(found, sqlx.literal(delimiter), none)
    return (_text(sqlx.case(found, head, none)), _text(middle), _text(tail))


def _to_part(receiver: Sym, args: list[Value], kwargs: dict[str, Value]) -> tuple[Tree, str]:
    if len(args) != 1 or kwargs or not isinstance(args[0], str) or not args[0]:
        raise Refused("a partition with these arguments", "partition at a constant separator")
    return scalars.whole(receiver).sql, args[0]


def _text(tree: Tree) -> Sym:
    return Sym(tree, "str")
