"""Regular expressions of Python said for DuckDB (RE2), where they mean the same."""

from __future__ import annotations

import re

from lester_duck.lift.values import Refused

_SPACE = r"\t-\r\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
_CLASSES = {"d": r"\p{Nd}", "D": r"\P{Nd}", "w": r"[\p{L}\p{N}_]", "W": r"[^\p{L}\p{N}_]", "s": f"[{_SPACE}]",
            "S": f"[^{_SPACE}]"}  # fmt: skip
_INSIDE = {"d": r"\p{Nd}", "w": r"\p{L}\p{N}_", "s": _SPACE, "D": r"\P{Nd}"}


def pattern_of(pattern: str, ignore_case: bool = False) -> str:
    """The pattern with Python's classes and ``$`` spelled out; raises Refused for what RE2 lacks.

    >>> print(pattern_of("^[0-9]+$"))
    ^[0-9]+(?:\\n?\\z)
    """
    try:
        re.compile(pattern)
    except re.error as error:
        raise Refused(f"the script would fail here: {error}") from None
    if re.search(r"\(\?(?:[=!]|<[=!]|\(|>|P=|#|[aimsxLu-]+[:)])", pattern) or re.search(r"[*+?}]\+", pattern):
        raise Refused(f"the regular expression {pattern!r}", "one without look-around, flags or back references")
    said, position, inside = "", 0, False
    while position < len(pattern):
        c = pattern[position]
        if c == "\\":
            following = pattern[position + 1]
            said += _escape(pattern, following, inside)
            position += 2
            continue
        if c == "[" and not inside:
            inside = True
            for opening in ("[^]", "[]", "[^", "["):
                if pattern.startswith(opening, position):
                    said += opening.replace("]", r"\]")
                    position += len(opening)
                    break
            continue
        if c == "]" and inside:
            inside = False
        if c == "$" and not inside:
            said += r"(?:\n?\z)"
        else:
            said += rf"\{c}" if inside and c == "[" else c
        position += 1
    return f"(?i){said}" if ignore_case else said


def _escape(pattern: str, following: str, inside: bool) -> str:
    if following in (_INSIDE if inside else _CLASSES):
        return (_INSIDE if inside else _CLASSES)[following]
    if following in "tnrfv":
        return f"\\{following}"
    if following == "b" and not inside:
        if not pattern.isascii():
            raise Refused(f"the regular expression {pattern!r}", "one without \\b")
        return r"\b"
    if following == "Z":
        return r"\z"
    if following == "A":
        return r"\A"
    if following.isalnum():
        raise Refused(f"the regular expression {pattern!r}")
    return f"\\{following}"
