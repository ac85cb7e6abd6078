"""Regular expressions on texts of rows: in SQL where RE2 provably finds the same, else in Python."""

from __future__ import annotations

import re
from dataclasses import dataclass
from re import _constants as c
from re import _parser

from sqlglot import exp

from lester_duck.lift import declared, scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.exploded import Exploded
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.values import Refused, Sym, Value

_SPACE = r"\x{9}-\x{d}\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
_CATEGORIES = {c.CATEGORY_DIGIT: r"\p{Nd}", c.CATEGORY_WORD: r"\p{L}\p{N}_", c.CATEGORY_SPACE: _SPACE}
_OPPOSITES = {
    c.CATEGORY_NOT_DIGIT: c.CATEGORY_DIGIT,
    c.CATEGORY_NOT_WORD: c.CATEGORY_WORD,
    c.CATEGORY_NOT_SPACE: c.CATEGORY_SPACE,
}
_EDGES = {c.AT_END: r"(?:\n?\z)", c.AT_BOUNDARY: r"\b", c.AT_NON_BOUNDARY: r"\B"}
_READABLE = 180
_BEYOND_ASCII = "\u017f\u212a\u0130\u0131"
"""The only characters outside ASCII that equal a letter of ASCII when case is ignored."""


class Different(Exception):
    """RE2 has no such construct, or means something else by it."""


_LOOSE = 1 << 30
"""A flag beyond Python's: ``$`` and a word's edge may be said, under conditions that the caller has checked."""


def re2(pattern: re.Pattern, loose: bool = False) -> str:
    r"""The pattern for RE2, with Python's meaning of its classes; raises Different where there is none.

    ``loose``: also ``$``, said as an optional line end, and the edge of a word, which RE2 knows in ASCII only.

    >>> re2(re.compile(r"v(\d+)"))
    'v([\\p{Nd}]+)'
    """
    if pattern.flags & ~(re.UNICODE | re.IGNORECASE | re.DOTALL):
        raise Different
    parsed = _parser.parse(pattern.pattern, pattern.flags)
    flags = pattern.flags | (_LOOSE if loose else 0)
    found = "".join(_node(op, argument, flags) for op, argument in parsed)
    if len(found) > _READABLE + len(pattern.pattern):
        raise Different  # exact, but no longer something to read
    return found


def _node(op: object, argument: object, flags: int) -> str:
    if op is c.LITERAL:
        return _literal(argument, flags)
    if op is c.NOT_LITERAL:
        return _set([(c.NEGATE, None), (c.LITERAL, argument)], flags)
    if op is c.ANY:
        return "(?s:.)" if flags & re.DOTALL else r"[^\n]"
    if op is c.IN:
        return _set(argument, flags)
    if op is c.AT and argument in (c.AT_BEGINNING, c.AT_BEGINNING_STRING):
        return r"\A"
    if op is c.AT and argument is c.AT_END_STRING:
        return r"\z"
    if op is c.AT and flags & _LOOSE and argument in _EDGES:
        return _EDGES[argument]
    if op in (c.MAX_REPEAT, c.MIN_REPEAT):
        return _repeat(argument, flags, "?" if op is c.MIN_REPEAT else "")
    if op is c.SUBPATTERN and not argument[1] and not argument[2]:
        inner = _sequence(argument[3], flags)
        return f"(?:{inner})" if argument[0] is None else f"({inner})"
    if op is c.BRANCH:
        return "(?:" + "|".join(_sequence(branch, flags) for branch in argument[1]) + ")"
    raise Different


def _sequence(items: object, flags: int) -> str:
    return "".join(_node(op, argument, flags) for op, argument in items)


def _literal(code: int, flags: int) -> str:
    if flags & re.IGNORECASE:
        return _set([(c.LITERAL, code)], flags)
    return _escaped(code)


def _escaped(code: int) -> str:
    char = chr(code)
    return char if char.isascii() and (char.isalnum() or char in " _-,:;@/<>=!\"%&'#~`") else f"\\x{{{code:x}}}"


def _set(items: object, flags: int) -> str:
    inverse = ""
    found = ""
    for op, argument in items:
        if op is c.NEGATE:
            inverse = "^"
        elif op is c.LITERAL:
            found += _range(argument, argument, flags)
        elif op is c.RANGE:
            found += _range(argument[0], argument[1], flags)
        elif op is c.CATEGORY and argument in _CATEGORIES:
            found += _CATEGORIES[argument]
        elif op is c.CATEGORY and argument in _OPPOSITES and len(items) == 1:
            return f"[^{_CATEGORIES[_OPPOSITES[argument]]}]"
        else:
            raise Different
    return f"[{inverse}{found}]"


def _range(first: int, last: int, flags: int) -> str:
    said = f"\\x{{{first:x}}}-\\x{{{last:x}}}" if first != last else f"\\x{{{first:x}}}"
    if chr(first).isalnum() and chr(last).isalnum() and last < 128:
        said = f"{chr(first)}-{chr(last)}" if first != last else chr(first)
    if not flags & re.IGNORECASE:
        return said
    if last >= 128:
        raise Different
    matcher = re.compile(f"[{re.escape(chr(first))}-{re.escape(chr(last))}]", re.IGNORECASE)
    more = [x for x in [*map(chr, range(128)), *_BEYOND_ASCII] if matcher.match(x) and not first <= ord(x) <= last]
    return said + "".join(_escaped(ord(x)) for x in more)


def _repeat(argument: tuple, flags: int, lazy: str) -> str:
    low, high, items = argument
    if items.getwidth()[0] == 0 or low > 1000 or (high is not c.MAXREPEAT and high > 1000):
        raise Different
    inner = _sequence(items, flags)
    if len(items) > 1 or items[0][0] in (c.MAX_REPEAT, c.MIN_REPEAT):
        inner = f"(?:{inner})"
    many = high is c.MAXREPEAT
    sign = {(0, True): "*", (1, True): "+"}.get((low, many))
    if sign is None and (low, high) == (0, 1):
        sign = "?"
    if sign is None:
        sign = f"{{{low},}}" if many else f"{{{low}}}" if low == high else f"{{{low},{high}}}"
    return inner + sign + lazy


def always(pattern: re.Pattern) -> set[int]:
    """The groups that have a text in every match."""

    def within(items: object) -> set[int]:
        found: set[int] = set()
        for op, argument in items:
            if op is c.SUBPATTERN:
                found |= within(argument[3]) | ({argument[0]} if argument[0] else set())
            elif op in (c.MAX_REPEAT, c.MIN_REPEAT) and argument[0] > 0:
                found |= within(argument[2])
        return found

    return within(_parser.parse(pattern.pattern, pattern.flags)) | {0}


# -- matches ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Match(Library):
    """What ``pattern.search(text)`` found: ``found`` says where there is a match, ``groups`` holds the pieces.

    ``groups`` is a list column made by a declared function, or None where SQL finds them in ``text``.
    """

    pattern: re.Pattern
    text: Sym
    form: str
    groups: Sym | None
    what = "match"

    def truth(self, m: Machine, ref: Value) -> Tree:
        """Whether there is a match."""
        if self.groups is not None:
            return sql("_1 IS NOT NULL", self.groups.sql)
        return sql("regexp_matches(_1, _2)", self.text.sql, sqlx.literal(self.form))

    def identity(self, m: Machine, ref: Value) -> Tree:
        """Whether there is none."""
        return sqlx.negate(self.truth(m, ref))

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """``.group(n)`` and ``.groups()``."""
        m.raise_if(sqlx.negate(self.truth(m, ref)), "AttributeError", "a group of a text that does not match")
        if name == "group" and len(args) > 1:
            return tuple(self.group(a) for a in args)
        if name == "group":
            return self.group(args[0] if args else 0)
        if name == "groups" and not args:
            return tuple(self.group(i + 1) for i in range(self.pattern.groups))
        raise Refused(f"the method .{name}() of a match", ".group(n)")

    def subscript(self, m: Machine, ref: Value, index: Value) -> Value:
        """``match[n]``."""
        return self.method(m, ref, "group", [index], {})

    def group(self, which: Value) -> Sym:
        """One group as a text."""
        number = self.pattern.groupindex.get(which) if isinstance(which, str) else which
        if type(number) is not int or not 0 <= number <= self.pattern.groups:
            raise Refused(f"the script would fail here: no group {which!r}")
        sure = number in always(self.pattern)
        if self.groups is not None:
            piece = exp.Bracket(this=self.groups.sql.copy(), expressions=[sqlx.literal(number)])  # said from 1 on
            return Sym(piece, "str", null=not sure)
        tree = sql("regexp_extract(_1, _2, _3)", self.text.sql, sqlx.literal(self.form), sqlx.literal(number))
        return Sym(tree, "str")


def method(m: Machine, pattern: re.Pattern, name: str, args: list[Value]) -> Value:
    """``pattern.name(...)`` on a text that depends on rows."""
    text = args[1] if name == "sub" and len(args) > 1 else args[0]
    if isinstance(text, v.Choice):
        raise Refused("a regular expression on a text of one kind or another")
    text = scalars.whole(scalars.scalar(text))
    if text.type != "str":
        raise Refused(f"a regular expression on a {text.type}")
    if text.null:
        m.raise_if(sql("_1 IS NULL", text.sql), "TypeError", "a regular expression on None")
    if name in ("search", "match", "fullmatch") and len(args) == 1:
        return _search(m, pattern, name, text)
    if name == "sub" and len(args) == 2 and isinstance(args[0], str):
        return _sub(m, pattern, args[0], text)
    if name in ("findall", "split") and len(args) == 1:
        return _pieces(m, pattern, name, text)
    raise Refused(f"the regular expression {pattern.pattern!r} with .{name}() on a text of a row", "a function of it")


def _search(m: Machine, pattern: re.Pattern, name: str, text: Sym) -> Match:
    try:
        form = re2(pattern)
        if len(always(pattern)) <= pattern.groups:
            raise Different
        anchored = {"search": "{}", "match": r"\A(?:{})", "fullmatch": r"\A(?:{})\z"}[name]
        return Match(pattern, text, anchored.format(form) if name != "search" else form, None)
    except Different:
        pass
    body = "found = {pattern}." + name + "({text})\nreturn [found.group(0), *found.groups()] if found else None"
    if m.entire:
        raise Refused(f"the regular expression {pattern.pattern!r} on a text of a row", "a function of the text")
    groups = declared.pattern(m, pattern, text, body, ("VARCHAR[]", "texts"), True)
    return Match(pattern, text, "", m.let(m.hint or "match", groups))


def _sub(m: Machine, pattern: re.Pattern, replacement: str, text: Sym) -> Sym:
    try:
        form = re2(pattern)
        if "\\" in replacement or _parser.parse(pattern.pattern, pattern.flags).getwidth()[0] == 0:
            raise Different
    except Different:
        if m.entire:
            raise Refused(
                f"the regular expression {pattern.pattern!r} on a text of a row", "a function of the text"
            ) from None
        body = "return {pattern}.sub(" + repr(replacement) + ", {text})"
        return declared.pattern(m, pattern, text, body, ("VARCHAR", "str"), False)
    tree = sql("regexp_replace(_1, _2, _3, 'g')", text.sql, sqlx.literal(form), sqlx.literal(replacement))
    return Sym(tree, "str", name=text.name)


def _pieces(m: Machine, pattern: re.Pattern, name: str, text: Sym) -> Exploded:
    """``pattern.findall(text)`` and ``pattern.split(text)``: a list of texts, of unknown length."""
    if pattern.groups > (1 if name == "findall" else 0):
        raise Refused(f"the regular expression {pattern.pattern!r} with .{name}() and groups", "one group, or none")
    try:
        form = re2(pattern)
        narrow = _parser.parse(pattern.pattern, pattern.flags).getwidth()[0] == 0
        if narrow or len(always(pattern)) <= pattern.groups:
            raise Different
    except Different:
        if m.entire:
            raise Refused(
                f"the regular expression {pattern.pattern!r} on a text of a row", "a function of the text"
            ) from None
        body = "return {pattern}." + name + "({text})"
        found = declared.pattern(m, pattern, text, body, ("VARCHAR[]", "texts"), False)
        return Exploded(m.let(m.hint or "parts", found).sql, "str")
    said = "regexp_extract_all(_1, _2, _3)" if name == "findall" else "regexp_split_to_array(_1, _2)"
    tree = sql(said, text.sql, sqlx.literal(form), *([sqlx.literal(pattern.groups)] if name == "findall" else []))
    return Exploded(m.let(m.hint or "parts", Sym(tree, "texts")).sql, "str")
