"""Hashes of texts, and the whole numbers read from their hexadecimal digits."""

from __future__ import annotations

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


def whole(m: Machine, value: Sym, base: Value) -> Sym:
    """``int(digits, 16)`` of digits of a hash."""
    count = digits(m.expand_tree(value.sql))
    if base != 16 or count is None or count > 15:
        raise Refused("int() of a text with a base", "int(hexdigest[:8], 16)")
    return Sym(sql("CAST('0x' || _1 AS BIGINT)", value.sql), "int", name=value.name)


RULES = {f"hashlib.{kind}": _hash(kind) for kind in _DIGITS}
