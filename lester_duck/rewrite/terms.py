"""What is known of a term of a condition, and which values it must get to tell all its data apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

Value = Any
_WHOLE = (exp.Length, exp.Count, exp.RowNumber, exp.Year, exp.Month, exp.Day, exp.Hour, exp.DayOfWeekIso)
TRUTHS = (exp.Contains, exp.StartsWith, exp.EndsWith, exp.RegexpFullMatch, exp.RegexpLike, exp.IsNan, exp.Exists)


_SAID = {word: said for said, words in ((True, "true t yes y 1 on"), (False, "false f no n 0 off"))
         for word in words.split()}  # fmt: skip
_DAY = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*", re.DOTALL)


def only_texts(texts: Iterable[str]) -> bool:
    """Whether texts are equal, and in order, as texts just when they are as what SQL may read them as.

    Compared with a number or a date, '9' is below '10'.

    >>> only_texts(["a", "b"]), only_texts(["9", "10"]), only_texts(["2022-07-01", "2022-11-02"])
    (True, False, True)
    """
    read = [t for t in texts if _number(t) or _DAY.fullmatch(t)]
    said = [_SAID[t.lower()] for t in texts if t.lower() in _SAID]
    days = all(_DAY.fullmatch(t) for t in read) and len({re.sub("[0-9]", "0", t) for t in read}) == 1
    return (len(read) < 2 or days) and len(said) == len(set(said))


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@dataclass(slots=True)
class Term:
    """What is known of a term: what it is compared with, and how it is used."""

    numbers: set[float] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    truth: bool = False
    whole: bool = False
    sign: bool = False
    null: bool = True
    low: bool = True
    """Whether it may be below zero."""
    asked: tuple[type, str, str] | None = None
    """Of a question about the beginning, the end or a part of a text: its kind, the text, the part."""

    def values(self) -> list[Value]:
        """A value of every kind that the comparisons tell apart; none when they contradict each other."""
        if sum((self.truth, bool(self.numbers), bool(self.texts))) > 1 or not only_texts(self.texts):
            return []
        found: list[Value] = ["\0one", "\0other"]
        if self.truth:
            found = [True, False]
        elif self.sign:
            found = [-1, 0, 1]
        elif self.texts:
            found = sorted({"", "\0", *self.texts, *(text + "\0" for text in self.texts)})
        elif self.numbers:
            found = [n for n in _beside(sorted({0, *self.numbers}), whole=self.whole) if n >= 0 or self.low]
        return [*found, None] if self.null else found


def _beside(numbers: Sequence[float], *, whole: bool) -> Iterator[float]:
    """The numbers, and one below, between and above; between whole numbers only whole ones.

    >>> list(_beside([1, 2], whole=False)), list(_beside([1, 2.5], whole=True))
    ([0, 1, 1.5, 2, 3], [0, 1, 2, 3.5])
    """
    yield numbers[0] - 1
    for low, high in zip(numbers, [*numbers[1:], None], strict=True):
        if not whole or low == int(low):
            yield low
        if high is None:
            yield low + 1
        elif not whole:
            yield (low + high) / 2
        elif int(low) + 1 < high:
            yield int(low) + 1


def is_whole(node: exp.Expression) -> bool:
    return isinstance(node, _WHOLE) or (isinstance(node, exp.Anonymous) and node.name.lower() == "py_int")


def is_square(node: exp.Expression) -> bool:
    """Whether a number is never below zero: a product of equal factors, a size, a sum of such, an absolute value.

    >>> import sqlglot
    >>> [is_square(sqlglot.parse_one(t)) for t in ("(a - b) * (a - b) + c * c", "CAST(a * a AS DOUBLE)", "a * b")]
    [True, True, False]
    """
    if isinstance(node, exp.Paren):
        return is_square(node.this)
    if isinstance(node, exp.Cast):
        return node.to.is_type(*exp.DataType.NUMERIC_TYPES) and is_square(node.this)
    if isinstance(node, exp.Add):
        return is_square(node.this) and is_square(node.expression)
    if isinstance(node, exp.Mul):
        return node.this.unnest() == node.expression.unnest()
    return isinstance(node, exp.Length | exp.Count | exp.RowNumber | exp.Abs)


def asked_of(node: exp.Expression) -> tuple[type, str, str] | None:
    """What a question about a part of a text asks: its kind, the text and the part."""
    if isinstance(node, exp.StartsWith | exp.EndsWith | exp.Contains) and isinstance(node.expression, exp.Literal):
        return type(node), node.this.sql("duckdb"), node.expression.this
    return None


def exclusive(terms: dict[str, Term]) -> Iterator[tuple[str, str, bool]]:
    """Two questions about one text, and the answer to the second that cannot be when the first is true.

    A text that ends with 'kg' ends with 'g', and not with 'km'.
    """
    for a, one in terms.items():
        for b, other in terms.items():
            if a == b or not one.asked or not other.asked or one.asked[:2] != other.asked[:2]:
                continue
            kind, longer, shorter = one.asked[0], one.asked[2], other.asked[2]
            if kind is exp.Contains:
                follows, never = shorter in longer, False
            else:
                held = str.endswith if kind is exp.EndsWith else str.startswith
                follows, never = held(longer, shorter), not held(longer, shorter) and not held(shorter, longer)
            if follows or never:
                yield a, b, never


def copied(term: Term) -> Term:
    return Term(set(term.numbers), set(term.texts), term.truth, term.whole, term.sign, term.null, term.low, term.asked)
