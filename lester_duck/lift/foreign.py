"""Objects of a library that have rules of their own: what the interpreter may ask of them."""

from __future__ import annotations

import ast
from typing import Any

from sqlglot import exp

from lester_duck.lift import values as v
from lester_duck.lift.objects import MISSING, Foreign
from lester_duck.lift.values import Method, Poison, Refused, Value


class Library(Foreign):
    """A library's object; each operation is refused unless the kind of object says it.

    ``ref`` is how the script holds the object: a reference when it can be changed in place.
    """

    what = "object"

    def attribute(self, m: Any, ref: Value, name: str) -> Value:
        """``x.name``: a method, unless the kind of object knows better."""
        return Method(ref, name)

    def method(self, m: Any, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """``x.name(...)``."""
        raise Refused(f"the method .{name}() of a {self.what}")

    def subscript(self, m: Any, ref: Value, index: Value) -> Value:
        """``x[index]``."""
        raise Refused(f"an index into a {self.what}")

    def store(self, m: Any, ref: Value, index: Value, value: Value) -> None:
        """``x[index] = value``."""
        raise Refused(f"an assignment into a {self.what}")

    def set_attribute(self, m: Any, ref: Value, name: str, value: Value) -> None:
        """``x.name = value``."""
        raise Refused(f"the attribute .{name} of a {self.what} set")

    def operate(self, m: Any, op: type[ast.operator], a: Value, b: Value) -> Value:
        """``a op b`` where one side is this object."""
        raise Refused(f"the operator {op.__name__} on a {self.what}")

    def compare(self, m: Any, op: type[ast.cmpop], a: Value, b: Value) -> Value:
        """``a op b`` where one side is this object."""
        raise Refused(f"a comparison of a {self.what}")

    def unary(self, m: Any, op: type[ast.unaryop], value: Value) -> Value:
        """``-x``, ``+x``, ``~x``."""
        raise Refused(f"the operator {op.__name__} on a {self.what}")

    def contains(self, m: Any, item: Value) -> Value:
        """``item in x``, as a condition."""
        raise Refused(f"'in' of a {self.what}")

    def length(self, m: Any, ref: Value) -> Value:
        """``len(x)``."""
        raise Refused(f"the length of a {self.what}")

    def rows(self, m: Any, ref: Value) -> Value:
        """What a loop over the object yields: a view, or a reference to known items."""
        raise Refused(f"a loop over a {self.what}")

    def unpack(self, m: Any, ref: Value, count: int) -> list[Value] | None:
        """``a, b = x``: the parts; None where they are what a loop yields."""
        return None

    def loop(self, m: Any, node: ast.For, bind: Any, body: Any) -> bool:
        """Interpret a loop over the object by a rule of its own; says whether there is one."""
        return False

    def record(self, m: Any) -> Value:
        """What is kept of the object in a collection: a dict of its entries."""
        raise Refused(f"a collection of {self.what} values")

    def truth(self, m: Any, ref: Value) -> Any:
        """``bool(x)``, as a condition."""
        raise Refused(f"the truth of a {self.what}")

    def identity(self, m: Any, ref: Value) -> Any:
        """``x is None``, as a condition."""
        return exp.false()

    def called(self, m: Any, name: str) -> None:
        """The object is assigned to a name."""

    def call(self, m: Any, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """``x(...)``."""
        raise Refused(f"a call of a {self.what}")


def held(m: Any, *values: Value) -> Library | None:
    """The first of the values that is a library's object."""
    for value in values:
        if isinstance(value, Poison):
            raise value.refusal()
        content = m.content(value)
        if isinstance(content, Library):
            return content
    return None


def operate(m: Any, op: type[ast.operator], a: Value, b: Value) -> Value:
    """An operator with a library's object on one side; ``MISSING`` where there is none."""
    found = held(m, a, b) if _possible(a) or _possible(b) else None
    return MISSING if found is None else found.operate(m, op, a, b)


def compare(m: Any, op: type[ast.cmpop], a: Value, b: Value) -> Value:
    """A comparison with a library's object on one side; ``MISSING`` where there is none."""
    found = held(m, a, b) if _possible(a) or _possible(b) else None
    if found is None or op in (ast.In, ast.NotIn):
        return MISSING
    return MISSING if op in (ast.Is, ast.IsNot) else found.compare(m, op, a, b)


def _possible(value: Value) -> bool:
    return isinstance(value, v.Ref | Foreign)
