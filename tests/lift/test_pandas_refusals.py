"""What of pandas and scikit-learn is refused: by line, with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from lester_duck.lift import Observed, lift

START = """import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split
df = pd.read_csv('t.csv')
"""
REFUSED = {
    "df = df.merge(df, how='cross')": "merge with how='cross'",
    "df = df.reset_index()": "keeps positions",
    "train, test = train_test_split(df, test_size=0.2)": "without random_state",
    "df = df.explode('c')": "explode",
    "df['y'] = pd.to_datetime(df['c'], dayfirst=True)": "dayfirst",
    "df['y'] = df['c'].str.extract(r'(?<=a)(b)')[0]": "regular expression",
    "df = df.groupby('k').apply(lambda g: g.head(1))": ".head() of the rows of a group",
    "other = pd.read_csv('t.csv')\ndf['y'] = other['x']": "matched",
    "df['y'] = df['x'].astype('int') // df['c']": "str",
}


@pytest.mark.parametrize("statement", REFUSED)
def test_refused_by_line(statement: str, tmp_path: Path) -> None:
    """The statement is named, and nothing is made up."""
    (tmp_path / "t.csv").write_text("k,c,x\na,b,1\nb,,2\n", encoding="utf-8")
    source = START + statement + "\ndf.to_csv('out.csv', index=False)\n"
    refusals = lift(source, Observed(folder=tmp_path), script="t.py").refusals
    assert refusals
    first = START.count("\n") + 1
    assert refusals[0].line in (first, first + 1)
    assert REFUSED[statement] in refusals[0].reason
