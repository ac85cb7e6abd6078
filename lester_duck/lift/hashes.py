"""Hashes of texts, and the whole numbers read from their hexadecimal digits."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from lester_duck.lift import sqlx
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import MISSING, Refused, Sym, Value

_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64}


@dataclass(frozen=True, eq=False)
class Digest(Library):
    """``hashlib.md5(text.encode())``."""

    text: Sym
    kind: str
    what = "hash"

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """``.hexdigest()``."""
        if name != "hexdigest" or args:
            raise Refused(f"the method .{name}() of a hash", ".hexdigest()")
        call = exp.Anonymous(this=self.kind, expressions=[self.text.sql.copy()])
        return Sym(call, "str", name=self.text.name)


@dataclass(frozen=True, eq=False)
class Large(Library):
    """A whole number of more digits than a column holds, read from ``digits``: its remainders fit."""

    digits: Sym
    count: int
    what = "number of more than 15 hexadecimal digits"

    def operate(self, m: Machine, op: type[ast.operator], a: Value, b: Value) -> Value:
        """``number % k``."""
        if op is not ast.Mod or a is not self or type(b) is not int or not 0 < b < 2**63:
            raise Refused(f"the operator {op.__name__} on a {self.what}", "int(hexdigest, 16) % k")
        text = m.let(self.digits.name or "digits", self.digits).sql if self.count > _AT_ONCE else self.digits.sql
        tree = _remainder("CAST('0x' || _1 AS UHUGEINT)", [_piece(text, 1, _AT_ONCE, self.count)], b)
        for start in range(_AT_ONCE + 1, self.count + 1, _MORE):
            length = min(_MORE, self.count - start + 1)
            said = f"_1 * {16**length} + CAST('0x' || _2 AS UHUGEINT)"
            tree = _remainder(f"({said})", [tree, _piece(text, start, length, self.count)], b)
        return Sym(sql("CAST(_1 AS BIGINT)", tree), "int", name="bucket")


_AT_ONCE, _MORE = 32, 16
"""Digits that fit a number of 128 bits, and digits that fit beside a remainder of 63 bits."""


def _remainder(said: str, trees: list[exp.Expression], k: int) -> exp.Expression:
    return sql(f"{said} % _{len(trees) + 1}", *trees, sqlx.literal(k))


def _piece(text: exp.Expression, start: int, length: int, count: int) -> exp.Expression:
    if count <= length:
        return text
    return sql("substr(_1, _2, _3)", text, sqlx.literal(start), sqlx.literal(length))


def _hash(kind: str) -> Callable[[Machine, list[Value], dict[str, Value]], Value]:
    def rule(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if not args or not isinstance(args[0], Sym):
            return MISSING
        if args[0].type != "bytes":
            raise Refused(f"{kind} of something other than an encoded text", f"hashlib.{kind}(text.encode())")
        return Digest(args[0], kind)

    return rule


def digits(tree: exp.Expression) -> int | None:
    """How many hexadecimal digits an expression surely is, or None.

    >>> digits(sql("substr(md5(a), 1, 8)"))
    8
    """
    tree = sqlx.bare(tree)
    if isinstance(tree, exp.Anonymous | exp.Func):
        name = tree.name if isinstance(tree, exp.Anonymous) else tree.sql_name()
        if name.lower() in _DIGITS:
            return _DIGITS[name.lower()]
    if isinstance(tree, exp.Substring):
        inner, start, length = digits(tree.this), tree.args.get("start"), tree.args.get("length")
        if inner is None or not isinstance(start, exp.Literal):
            return None
        left = inner - int(start.name) + 1
        wanted = min(left, int(length.name)) if isinstance(length, exp.Literal) else left if length is None else 0
        return wanted if wanted > 0 else None
    return None


def whole(m: Machine, value: Sym, base: Value) -> Value:
    """``int(digits, 16)`` of digits of a hash."""
    count = digits(m.expand_tree(value.sql))
    if base != 16 or count is None:
        raise Refused("int() of a text with a base", "int(hexdigest[:8], 16)")
    if count > 15:
        return Large(value, count)
    return Sym(sql("CAST('0x' || _1 AS BIGINT)", value.sql), "int", name=value.name)


RULES = {f"hashlib.{kind}": _hash(kind) for kind in _DIGITS}
