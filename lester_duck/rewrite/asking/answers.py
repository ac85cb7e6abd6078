"""The JSON object in the text of an answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from lester_duck.errors import InputError

_REASONED = re.compile(r"</(?:think|thinking|thought|reasoning)>|<\|channel\|>final.*?<\|message\|>", re.DOTALL)
_REASONING = re.compile(r"<(?:think|thinking|thought|reasoning)>")
_FENCED = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*[\w+-]*[ \t]*\r?\n(.*?)^[ \t]*\1[ \t]*$", re.DOTALL | re.MULTILINE)


def json_object(text: str) -> dict[str, Any]:
    r"""The JSON object of an answer: the whole text, a fenced block, or the first balanced braces that are JSON.

    What a model reasoned before its answer is left out. Of several fenced objects the longest is
    taken: the others are fragments quoted from it. Raises InputError, saying what is wrong, when
    there is none; a part of an object that is cut off or malformed is never taken for the answer.

    >>> json_object('Here it is:\n```json\n{"a": 1}\n```\nDone.')
    {'a': 1}
    >>> json_object('<think>{"a": 0} or {a}?</think> So: {"a": {"b": "}"}} as asked')
    {'a': {'b': '}'}}
    >>> json_object('{"views": [{"name": "a"}')
    Traceback (most recent call last):
    lester_duck.errors.InputError: the answer ends before its JSON object does
    >>> json_object('{"a": 1,}')
    Traceback (most recent call last):
    lester_duck.errors.InputError: the answer is not valid JSON: ... (line 1, column ...)
    >>> json_object("[1, 2]")
    Traceback (most recent call last):
    lester_duck.errors.InputError: the answer is a JSON array, not an object
    >>> json_object("I cannot do that.")
    Traceback (most recent call last):
    lester_duck.errors.InputError: the answer holds no JSON object
    """
    whole = _parsed(text)
    if isinstance(whole, dict):
        return whole
    if not isinstance(whole, ValueError):
        raise InputError(f"the answer is a JSON {_kind(whole)}, not an object")
    said = _said(text)
    fenced = sorted((match[2] for match in _FENCED.finditer(said)), key=len, reverse=True)
    problems = []
    for candidate in (said, *fenced, *_balanced(said)):
        found = _parsed(candidate)
        if isinstance(found, dict):
            return found
        if isinstance(found, ValueError) and candidate.lstrip().startswith("{"):
            problems.append((len(candidate), str(found)))
    if _unclosed(said):
        raise InputError("the answer ends before its JSON object does")
    if problems:
        raise InputError(f"the answer is not valid JSON: {max(problems)[1]}")
    raise InputError("the answer holds no JSON object")


def _said(text: str) -> str:
    """What follows the reasoning; raises InputError when only reasoning is there."""
    ends = list(_REASONED.finditer(text))
    if ends:
        return text[ends[-1].end() :]
    if _REASONING.match(text.lstrip()):
        raise InputError("the answer ends inside its reasoning")
    return text


def _parsed(text: str) -> Any:
    """The value, or the ValueError that says why there is none; line breaks inside strings are allowed."""
    try:
        return json.loads(
            text.strip().removeprefix("\ufeff"), strict=False, object_pairs_hook=_once, parse_constant=_refuse
        )
    except json.JSONDecodeError as error:
        return ValueError(f"{error.msg} (line {error.lineno}, column {error.colno})")
    except RecursionError:
        return ValueError("it is nested too deeply")
    except ValueError as error:
        return error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"'{next(n for n in names if names.count(n) > 1)}' stands twice in one object")
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON number")


def _kind(value: Any) -> str:
    kinds = {list: "array", str: "string", bool: "literal", type(None): "literal"}
    return kinds.get(type(value), "number")


def _balanced(text: str) -> Iterator[str]:
    """Each outermost pair of braces, in order; braces inside JSON strings do not count."""
    at = text.find("{")
    while at >= 0:
        end = _closing(text, at)
        if end is None:
            return
        yield text[at:end]
        at = text.find("{", end)


def _unclosed(text: str) -> bool:
    """Whether the text ends inside braces."""
    at = text.find("{")
    while at >= 0:
        end = _closing(text, at)
        if end is None:
            return True
        at = text.find("{", end)
    return False


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}]|"', re.DOTALL)


def _closing(text: str, start: int) -> int | None:
    """The place after the brace that closes the one at ``start``; None when none does."""
    depth = 0
    for match in _TOKEN.finditer(text, start):
        if match[0] == '"':
            return None  # a string that does not end
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0 and match[0] == "}":
            return match.end()
    return None
