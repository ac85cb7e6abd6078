"""Constants of a script that its decisions depend on: texts, numbers, dates and date formats."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from datetime import datetime

MAX_TEXT = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """Harvested constants, each kind in order of first appearance."""

    texts: tuple[str, ...] = ()
    numbers: tuple[float, ...] = ()
    dates: tuple[datetime, ...] = ()
    formats: tuple[str, ...] = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")


def harvest(tree: ast.AST) -> Constants:
    """The constants of a program.

    >>> found = harvest(ast.parse("if d < datetime(2022, 1, 1) and level == 'premium' and n > 3: pass"))
    >>> found.texts, sorted(found.numbers), found.dates
    (('premium',), [1, 3, 2022], (datetime.datetime(2022, 1, 1, 0, 0),))
    """
    texts: dict[str, None] = {}
    numbers: dict[float, None] = {}
    dates: dict[datetime, None] = {}
    formats = dict.fromkeys(Constants().formats)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            date = _date(node)
            if date:
                dates[date] = None
        if not isinstance(node, ast.Constant):
            continue
        if isinstance(node.value, str):
            _text(node.value, texts, dates, formats)
        elif isinstance(node.value, int | float) and not isinstance(node.value, bool):
            numbers[node.value] = None
    return Constants(texts=tuple(texts), numbers=tuple(numbers), dates=tuple(dates), formats=tuple(formats))


def _text(value: str, texts: dict[str, None], dates: dict[datetime, None], formats: dict[str, None]) -> None:
    if "%" in value and any(code in value for code in ("%Y", "%y", "%H", "%d")):
        if _reads(value):
            formats[value] = None
        return
    date = parse(value, Constants().formats)
    if date:
        dates[date[0]] = None
    elif value.strip() and len(value) <= MAX_TEXT and "\n" not in value:
        texts[value] = None


def _reads(form: str) -> bool:
    """Whether a text can be a format of ``strptime``: one that says the day twice is a format of numbers.

    >>> _reads("%d.%m.%Y"), _reads("late %d of %d")
    (True, False)
    """
    try:
        datetime.strptime("", form)
    except ValueError:
        return True  # an empty text is no date
    except re.error:
        return False
    return True


def _date(node: ast.Call) -> datetime | None:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    values = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, int)]
    if name not in ("date", "datetime", "Timestamp") or len(values) < 3 or len(values) != len(node.args):
        return None
    try:
        return datetime(*values)
    except ValueError:
        return None


def parse(text: str, formats: tuple[str, ...]) -> tuple[datetime, str] | None:
    """The date a text says and the format that reads it, or None.

    >>> parse("2022-01-31", ("%d/%m/%Y", "%Y-%m-%d"))
    (datetime.datetime(2022, 1, 31, 0, 0), '%Y-%m-%d')
    """
    for form in formats:
        try:
            return datetime.strptime(text, form), form
        except ValueError:
            continue
    return None
