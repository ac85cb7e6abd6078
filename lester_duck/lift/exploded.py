"""Loops over the parts of one text, or over a range that depends on the row: one row per part, by unnest."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sqlglot import exp

from lester_duck.lift import nested, scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import Relation
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.values import Refused, Sym, Value


@dataclass(slots=True, eq=False, kw_only=True)
class Listed(Relation):
    """The elements of a list that each row of an outer loop has: ``items`` is over the outer loop's rows."""

    items: Tree = field(default_factory=exp.null)

    def columns(self) -> dict[str, Sym]:
        return {"item": Sym(sqlx.column(self.token, "item"), "str", name="item")}


@dataclass(frozen=True, eq=False)
class Exploded(Library):
    """A list of unknown length that one row has; ``each`` changes an element when it is read."""

    items: Tree
    type: str
    each: tuple[Callable[[Value], Value], ...] = ()
    kind: str = "list"
    what = "list of parts"

    def loop(self, m: Machine, node: ast.For, bind: Callable[[Value], None], body: Callable[[], None]) -> bool:
        """The loop over the elements within the loop over the rows."""
        if self.kind == "set":
            raise Refused("a loop over a set, whose order differs from run to run", "sorted(...)")
        if not m.frames or node.orelse:
            raise Refused("this loop over the parts of a text", "one loop over the rows, one over the parts")
        rel = Listed(name=node.target.id if isinstance(node.target, ast.Name) else "item", items=self.items)
        element = Sym(sqlx.column(rel.token, "item"), self.type, name=rel.name)

        def bound(item: Value) -> None:
            for rule in self.each:
                item = rule(item)
            bind(item)

        nested.loop(m, node, v.View(rel, element), bound, body)
        return True

    def part(self, skipped: int, left: int) -> Exploded:
        """The list without so many elements at its beginning and at its end."""
        items = sql("list_slice(_1, _2, len(_1) - _3)", self.items, sqlx.literal(skipped + 1), sqlx.literal(left))
        return replace(self, items=items)

    def length(self, m: Machine, ref: Value) -> Value:
        """The number of elements."""
        return Sym(sql("len(_1)", self.items), "int")

    def truth(self, m: Machine, ref: Value) -> Tree:
        """Whether there are any."""
        return sql("len(_1) > 0", self.items)

    def contains(self, m: Machine, item: Value) -> Tree:
        """``x in items``, for parts that are read as they are."""
        wanted = scalars.scalar(item)
        if self.each or wanted.null or wanted.type != self.type:
            raise Refused("'in' of a list of changed parts", "a loop over the parts")
        return sql("list_contains(_1, _2)", self.items, scalars.whole(wanted).sql)

    def subscript(self, m: Machine, ref: Value, index: Value) -> Value:
        """``items[i]`` with a constant ``i``."""
        if isinstance(index, slice):
            return self._cut(index)
        if type(index) is not int or self.kind == "set":
            raise Refused("this index into a list of parts", "items[0]")
        needed = index + 1 if index >= 0 else -index
        if needed > 1 or not m.implied(self.truth(m, ref)):
            m.raise_if(sql("len(_1) < _2", self.items, sqlx.literal(needed)), "IndexError", "too few parts")
        place = sqlx.literal(index + 1 if index >= 0 else index)
        return self._changed(Sym(sql("list_extract(_1, _2)", self.items, place), self.type))

    def _changed(self, value: Value) -> Value:
        """An element as it is read."""
        for rule in self.each:
            value = rule(value)
        return value

    def _cut(self, index: slice) -> Exploded:
        """``items[a:b]`` with constant bounds from the start."""
        start, stop = index.start or 0, index.stop
        if index.step is None and self.kind != "set":
            size = sql("len(_1)", self.items)
            if type(start) is int and start < 0 and stop is None:
                low = sql("greatest(_1 - _2, 1)", size, sqlx.literal(-start - 1))
                return replace(self, items=sql("list_slice(_1, _2, len(_1))", self.items, low))
            if start == 0 and type(stop) is int and stop < 0:
                high = sql("greatest(_1 - _2, 0)", size, sqlx.literal(-stop))
                return replace(self, items=sql("list_slice(_1, 1, _2)", self.items, high))
        known = type(start) is int and start >= 0 and (stop is None or (type(stop) is int and stop >= 0))
        if not known or index.step is not None or self.kind == "set":
            raise Refused("this slice of a list of parts", "items[:n] or items[n:]")
        end = sql("len(_1)", self.items) if stop is None else sqlx.literal(stop)
        return replace(self, items=sql("list_slice(_1, _2, _3)", self.items, sqlx.literal(start + 1), end))

    def reversed(self) -> Exploded:
        """The list from its last element to its first."""
        if self.kind == "set":
            raise Refused("reversed() of a set")
        return replace(self, items=sql("list_reverse(_1)", self.items))

    def exactly(self, m: Machine, count: int, exception: str) -> list[Value]:
        """The elements, which must be so many: a row that has more or fewer raises the exception."""
        other = sql("len(_1) <> _2", self.items, sqlx.literal(count))
        m.raise_if(other, exception, f"another number of parts than {count}")
        return [self._changed(Sym(sql("list_extract(_1, _2)", self.items, sqlx.literal(i + 1)), self.type))
                for i in range(count)]  # fmt: skip

    def joined(self, m: Machine, separator: str) -> Sym:
        """``separator.join(items)``."""
        if self.kind == "set":
            raise Refused("join() of a set, whose order differs from run to run", "sorted(...)")
        if self.each or self.type != "str":
            raise Refused("join() of changed parts", "a comprehension of texts")
        return Sym(sql("array_to_string(_1, _2)", self.items, sqlx.literal(separator)), "str")


def of(content: Value) -> Value:
    """The parts of a text as a list of unknown length; other things as they are."""
    if isinstance(content, v.Words):
        return Exploded(sql("py_split(_1)", content.text.sql), "str")
    if isinstance(content, v.Pieces):
        return Exploded(sql("string_split(_1, _2)", content.text, sqlx.literal(content.delimiter)), "str", content.each)
    return content


def numbers(m: Machine, args: list[Value]) -> Exploded | None:
    """``range(a, b)`` of a loop over rows, where a bound depends on the row."""
    bounds = [a for a in args if isinstance(a, Sym)]
    plain = all(a.type == "int" and not a.null and not sqlx.tables(a.sql) & m.wholes.keys() for a in bounds)
    if not m.frames or not bounds or not plain or len(args) > 2 or not all(type(a) is int or a in bounds for a in args):
        return None
    first = args[0] if len(args) == 2 else 0
    low = first.sql if isinstance(first, Sym) else sqlx.literal(first)
    high = args[-1].sql if isinstance(args[-1], Sym) else sqlx.literal(args[-1])
    return Exploded(sql("range(_1, _2)", low, high), "int")


def unnested(m: Machine, rel: Listed) -> Sym:
    """The elements as rows."""
    return Sym(sql("unnest(_1)", m.expand_tree(rel.items)), "str", name=rel.name)
