"""Compare two texts of a file: fields first, so that the message names one, then every character."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lester_duck.pipeline.model import Output
from lester_duck.rewrite.compare import Mismatch, compare_rows, same, show
from lester_duck.rewrite.render import fields

_FLOAT = re.compile(r"-?\d+\.\d+(e-?\d+)?\Z")
_LONG = 12
"""Digits from which a number in a file is taken for an unrounded float."""


def compare_files(output: Output, expected: str, found: str, *, ordered: bool = True) -> Mismatch | None:
    """The first difference of a file, or None.

    Unrounded floats (12 digits or more) are compared within the tolerance, anything else as text.
    """
    if expected == found:
        return None
    want, have = fields(expected, output), fields(found, output)
    names = output.header or output.columns
    forgiven = [_forgive(a, b) for a, b in zip(want, have, strict=False)] + have[len(want) :]
    ragged = next((n for n, (a, b) in enumerate(zip(want, forgiven, strict=False)) if len(a) != len(b)), None)
    if ragged is not None and len(want) == len(have):
        text = f"line {ragged + 1}: expected {len(want[ragged])} fields, found {len(have[ragged])}"
        return Mismatch(kind="columns", text=text, row=ragged + 1, plain=text)
    width = max((len(line) for line in want), default=0)
    mismatch = compare_rows(want, forgiven, [*names, *(str(n) for n in range(len(names), width))], ordered=ordered)
    if mismatch is None and forgiven == have and ordered:
        return _characters(expected, found)
    return mismatch


def _forgive(expected: Sequence[str], found: Sequence[str]) -> tuple[str, ...]:
    """The found fields, with floats that are within the tolerance as the original wrote them.

    >>> _forgive(["0.30000000000000004", "0.5"], ["0.3", "0.50"])
    ('0.30000000000000004', '0.50')
    """
    if len(expected) != len(found):
        return tuple(found)
    return tuple(a if _close(a, b) else b for a, b in zip(expected, found, strict=True))


def _close(expected: str, found: str) -> bool:
    if expected == found or not (_FLOAT.match(expected) and _FLOAT.match(found)):
        return False
    return max(len(expected), len(found)) >= _LONG and same(float(expected), float(found))


def _characters(expected: str, found: str) -> Mismatch | None:
    pairs = zip(expected, found, strict=False)
    at = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(expected), len(found)))
    line = expected.count("\n", 0, at) + 1
    start = max(0, at - 20)
    text = (
        f"the same fields, written in another way (line ends or quotes), first in line {line}: "
        f"expected {show(expected[start : at + 20])}, found {show(found[start : at + 20])}"
    )
    where = f"the same fields, written in another way (line ends or quotes), first in line {line}"
    plain = f"{where}: expected {_sign(expected, at)}, found {_sign(found, at)}"
    return Mismatch(kind="value", text=text, row=line, plain=plain)


def _sign(text: str, at: int) -> str:
    """One character where it is no letter or digit, else what it is."""
    if at >= len(text):
        return "the end of the file"
    return "a letter or digit" if text[at].isalnum() else repr(text[at])
