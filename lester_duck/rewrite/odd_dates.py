"""Dates as they should not be: that no calendar has, or written in another way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime


def impossible(date: datetime, form: str, _: str) -> Iterator[str]:
    """Dates in a form that no calendar has.

    >>> list(impossible(datetime(2023, 3, 1), "%d.%m.%Y", ""))
    ['30.02.2023', '31.04.2023', '00.03.2023', '01.13.2023', '01.03.0000']
    """
    for changes in ({"%d": "30", "%m": "02"}, {"%d": "31", "%m": "04"}, {"%d": "00"}, {"%m": "13"}, {"%Y": "0000"},
                    {"%H": "24"}, {"%M": "60"}):  # fmt: skip
        if all(code in form for code in changes):
            text = form
            for code, value in changes.items():
                text = text.replace(code, value)
            yield date.strftime(text)


def otherwise(date: datetime, form: str, field: str) -> Iterator[str]:
    """A date in another case, without leading zeros, with spaces, with the first day of a year, and cut off.

    >>> list(otherwise(datetime(2023, 3, 1), "%d.%m.%Y", "01.03.2023"))
    ['1.3.2023', '01.03.2023 ', ' 01.03.2023', '01.03.0001', '01.03.202']
    """
    plain = re.sub(r"(?<!\d)0(?=\d)", "", field)
    first = re.sub(str(date.year).zfill(4), "0001", field)
    yield from (v for v in (field.lower(), field.upper(), plain, f"{field} ", f" {field}", first, field[:-1])
                if v != field)  # fmt: skip
