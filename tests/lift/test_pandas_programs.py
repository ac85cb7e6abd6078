"""Small pandas programs, run as Python and as the pipeline they were lifted to: the same files come out."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from pathlib import Path

import pytest

ORDERS = """id,shop,city,price,amount,note,day,grade
1,a, berlin ,2.5,3,new,2023-01-05,A
2,b,HAMBURG,,1,,2023-01-06,B
3,a,berlin,4.0,2,old stock,2023-02-01,A
4,c,,1.5,7,new,2023-02-11,C
5,b,Hamburg,9.25,1,sale 10 %,2023-03-05,B
6,,köln,3.0,4,new,2023-03-06,A
7,a,Köln,2.5,3,old,2023-03-07,D
8,c,berlin,0.5,10,,2023-03-08,B
"""
SHOPS = """shop,region,since
a,north,2001
b,south,2010
d,west,1999
"""
FILES = {"orders.csv": ORDERS, "shops.csv": SHOPS}
START = "import numpy as np\nimport pandas as pd\ndf = pd.read_csv('orders.csv')\n"
PROGRAMS = {
    section.partition("\n")[0]: section.partition("\n")[2]
    for section in (Path(__file__).parent / "pandas_programs.txt").read_text(encoding="utf-8").split("## ")[1:]
}


def cells(text: str) -> list[list[object]]:
    """A file as rows of cells, numbers as floats."""

    def cell(value: str) -> object:
        try:
            return float(value)
        except ValueError:
            return value

    return [[cell(x) for x in row] for row in csv.reader(io.StringIO(text))]


def same(a: list[list[object]], b: list[list[object]]) -> bool:
    """Whether two files hold the same cells, floats within rounding."""
    if len(a) != len(b) or any(len(x) != len(y) for x, y in zip(a, b, strict=True)):
        return False
    pairs = [(p, q) for x, y in zip(a, b, strict=True) for p, q in zip(x, y, strict=True)]
    return all(
        math.isclose(p, q, rel_tol=1e-9, abs_tol=1e-12) if isinstance(p, float) and isinstance(q, float) else p == q
        for p, q in pairs
    )


@pytest.mark.parametrize("name", PROGRAMS)
def test_same_file(name: str, both: Callable) -> None:
    """The file that the program writes is the one its pipeline writes."""
    ran = both(START + PROGRAMS[name] + "\ndf.to_csv('out.csv', index=False)\n", FILES)
    assert not ran.lifted.refusals, [str(r) for r in ran.lifted.refusals]
    assert same(cells(ran.rendered["out.csv"]), cells(ran.written["out.csv"])), ran.rendered["out.csv"]
