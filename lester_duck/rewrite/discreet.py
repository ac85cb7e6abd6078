"""A difference told without the data: kinds of values and how they relate, never the values.

For whoever may see the code but not the rows. What says nothing about anybody is named: None, True,
False, NaN, 0, 1 and the empty text.
"""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any

_QUOTED = re.compile(r"'((?:[^']|'')*)'|\"([^\"]*)\"")
_DECIMALS = re.compile(r"-?\d+(?:\.(\d+))?")
NEAR = 1000
"""Whole numbers, and days, up to this far apart are told apart by how far."""


def kind(value: Any) -> str:
    """What a value is, without saying which.

    >>> kind("abc"), kind(0), kind(3.5), kind(None), kind((1, "a"))
    ('a text of 3 characters', '0', 'a float', 'None', '(1, a text of 1 character)')
    """
    if value is None or isinstance(value, bool) or value == "":
        return repr(value)
    if isinstance(value, int | float | Decimal) and (value in (0, 1) or math.isnan(value)):
        return repr(value)
    if isinstance(value, str):
        return f"a text of {len(value)} character{'s' * (len(value) != 1)}"
    if isinstance(value, datetime | date):
        return f"a {type(value).__name__}"
    if isinstance(value, tuple):
        return "(" + ", ".join(kind(v) for v in value) + ")"
    if isinstance(value, int | float | Decimal):
        return "an int" if isinstance(value, int) else "a float"
    if isinstance(value, list | dict | set | frozenset):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"


def contrast(expected: Any, found: Any) -> str:
    """What is expected and what was found, and what relates the two.

    >>> contrast("Bath ", "Bath")
    'expected a text of 5 characters, found a text of 4 characters (they differ in blanks at the ends)'
    >>> contrast(12, 13)
    'expected an int, found an int (found - expected = 1)'
    >>> contrast("3.50", "3.5")
    'expected a text of 4 characters, found a text of 3 characters (the same number, with 2 and 1 decimals)'
    """
    related = relation(expected, found)
    return f"expected {kind(expected)}, found {kind(found)}" + (f" ({related})" if related else "")


def relation(expected: Any, found: Any) -> str:
    """How two values that differ relate, in words; empty when nothing simple does."""
    if isinstance(expected, str) and isinstance(found, str):
        return _texts(expected, found)
    if isinstance(expected, datetime | date) and isinstance(found, datetime | date):
        days = (datetime(*found.timetuple()[:6]) - datetime(*expected.timetuple()[:6])).total_seconds() / 86400
        return f"found is {days:g} days later" if abs(days) <= NEAR else ""
    if _number(expected) and _number(found):
        return _numbers(expected, found)
    if str(expected) == str(found) or {str(expected), str(found)} <= {"nan", "None"}:
        return "of another type"
    return ""


def _texts(expected: str, found: str) -> str:
    if expected.strip() == found.strip():
        return "they differ in blanks at the ends"
    if expected.casefold() == found.casefold():
        return "they differ in upper and lower case"
    a, b = _DECIMALS.fullmatch(expected), _DECIMALS.fullmatch(found)
    if a and b:
        digits = f"with {len(a[1] or '')} and {len(b[1] or '')} decimals"
        if float(expected) == float(found):
            return f"the same number, {digits}"
        return f"{_numbers(float(expected), float(found)) or 'two numbers'}, {digits}"
    if found and expected.startswith(found):
        return "what was found is the beginning of what is expected"
    if expected and found.startswith(expected):
        return "what is expected is the beginning of what was found"
    if "".join(expected.split()) == "".join(found.split()):
        return "they differ in blanks"
    return ""


def _number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool) and math.isfinite(value)


def _numbers(expected: Any, found: Any) -> str:
    expected, found = float(expected), float(found)
    apart = found - expected
    if apart == round(apart) and abs(apart) <= NEAR:
        return f"found - expected = {apart:g}"
    for digits in range(7):
        if round(expected, digits) == found or round(found, digits) == expected:
            return f"equal when rounded to {digits} decimals"
    if expected == -found:
        return "the sign differs"
    if expected and found:
        ratio = found / expected
        for factor in (ratio, 1 / ratio):
            if abs(factor - round(factor)) < 1e-9 and 1 < abs(round(factor)) <= NEAR:
                return f"found / expected = {ratio:g}"
        if abs(ratio - 1) < 1e-3:
            return "less than 0.1 % apart"
    return ""


def message(text: str, known: str) -> str:
    """An error's text without the quoted values that ``known`` (code and pipeline) does not hold.

    >>> message("Could not convert string 'Jo' to INT64 in 'level'", "SELECT level")
    "Could not convert string '...' to INT64 in 'level'"
    """
    def shown(match: re.Match[str]) -> str:
        value = match[1] if match[1] is not None else match[2]
        return match[0] if value in known else f"{match[0][0]}...{match[0][0]}"

    return _QUOTED.sub(shown, text)
