"""Every hint is true: its Python and its SQL are run, and give the same rows."""

from __future__ import annotations

import collections
import csv
import datetime
import hashlib
import io
import itertools
import json
import math
import re
import statistics
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cases import corpus

from lester_duck import assets
from lester_duck.db import Database, connect
from lester_duck.errors import LesterError
from lester_duck.rewrite.code import read_code
from lester_duck.rewrite.hints import MOST, Hint, features, hints, known

LIBRARIES = {
    **{m.__name__: m for m in (csv, datetime, hashlib, io, itertools, json, math, re, statistics)},
    **{"np": np, "pd": pd, "Counter": collections.Counter},
}
NO_SQL = {"look-around and back references", "crc32 and hash", "train_test_split", "csv module", "read_csv"}
NO_SQL |= {"lines of a file"}
SCRIPTS = {
    "for x in rows:\n    pass\nprint(x)": "stale loop variable",
    "for r in rows:\n    if r.x > best:\n        best = r.x": "running maximum, first of equals",
    "for r in rows:\n    if best <= r.x:\n        best, n = r.x, 1": "running maximum, last of equals",
    "while rows:\n    if k in d and v < d[k]:\n        d[k] = v": "running minimum, first of equals",
    "for r in rows:\n    if v <= low:\n        low = v": "running minimum, last of equals",
    "m = max(rows, key=len)": "max with a key",
    "for k in rows:\n    if k not in ids:\n        ids[k] = len(ids) + 1": "ids by appearance",
    "for k in rows:\n    if k not in d:\n        d[k] = v": "first of a key wins",
    "for k in rows:\n    if k not in seen:\n        seen.add(k)": "first of a key wins",
    "for k in rows:\n    d[k] = v": "last of a key wins",
    "for x in rows:\n    a = x - p\n    p = x": "previous row",
    "n = int(len(rows) * 0.8)": "split by position",
    "import re\nm = re.search(r'(?<=a)b', x)": "look-around and back references",
    "from hashlib import md5\ny = md5(x)": "md5 as a number",
    "import numpy\ny = numpy.std(x)": "standard deviation, population",
    "import pandas as pd\ny = f.groupby('k')": "groupby of a frame",
    "import pandas as pd\nf.loc[f.x > 1, 'c'] = 2": "overwriting assignments",
    "from itertools import groupby\ny = groupby(x)": "runs of equal keys",
    "for x in rows:\n    try:\n        y = float(x)\n    except ValueError:\n        pass": "try and except in a loop",
    "for line in open(p):\n    print(line)": "lines of a file",
    "x = a.split()": "words",
    "x = a.split(',')": "split at a text",
    "x = a.split(',', 1)": "split at a text, at most n times",
    "x = a[:3]": "slices",
    "x = a[-1]": "slices",
    "if x:\n    y = 1": "truth of a value",
    "y = '%.2f' % x": "formatted numbers",
    "d[k].append(v)": "",
    "for k in r:\n    d.setdefault(k, []).append(v)": "lists and texts per key",
}


@pytest.fixture(scope="module")
def database():
    made = connect()
    for name in ("python", "python_frames", "python_json"):
        for statement in made.connection.extract_statements(assets.text(f"sql/macros/{name}.sql")):
            made.connection.execute(statement)
    yield made
    made.close()


@pytest.mark.parametrize("hint", known(), ids=lambda hint: hint.name)
def test_a_hint_is_true(hint: Hint, database: Database):
    if not hint.sql:
        assert hint.name in NO_SQL
        return
    if hint.setup:
        database.execute(hint.setup)
    expected = [_plain(row) for row in _evaluated(hint.python)]
    assert expected
    assert [_plain(row) for row in database.rows(hint.sql)] == expected


@pytest.mark.parametrize("hint", known(), ids=lambda hint: hint.name)
def test_the_sql_that_a_hint_shows_is_the_sql_that_was_run(hint: Hint):
    assert "\n" not in hint.text
    assert len(hint.text) < 520
    shown = [part for part in re.findall(r"`([^`]*)`", hint.text) if re.search(r"[(]|[A-Z]{3}| [|]{2} ", part)]
    missing = [part for part in shown if part not in hint.sql and not part.startswith("if ")]
    assert missing == []


def test_each_hint_has_a_name_of_its_own_and_can_be_given():
    names = [hint.name for hint in known()]
    assert len(set(names)) == len(names) > 60
    assert all(hint.when for hint in known())


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_hint_comes_with_what_the_script_does(script: str):
    found = features(script)
    names = [hint.name for hint in known() if hint.concerns(found)]
    assert SCRIPTS[script] in [*names, ""], found


def test_a_variable_set_again_is_not_stale():
    assert "loop:stale" not in features("for x in a:\n    pass\nfor x in b:\n    print(x)\nprint([x for x in c])\n")
    assert "loop:stale" not in features("for x in a:\n    pass\nx = 1\nprint(x)\n")


def test_a_script_that_does_nothing_special_gets_no_hints():
    assert hints("print('hello')\n") == ""


def test_programs_of_the_corpus_get_few_hints_and_every_hint_is_given_to_some(tmp_path):
    given: set[str] = set()
    for case in corpus.cases():
        try:
            text = read_code(case.unpack(tmp_path / case.name), case.program).text
        except LesterError:
            continue  # a notebook that is refused
        lines = hints(text).splitlines()
        assert len(lines) <= MOST
        given.update(lines)
    rare = [hint.name for hint in known() if f"- {hint.text}" not in given]
    assert len(rare) < 12, rare


def _evaluated(code: str) -> list[Any]:
    if "\n" not in code:
        return list(eval(code, dict(LIBRARIES)))
    names: dict[str, Any] = dict(LIBRARIES)
    exec(code, names)
    return list(names["result"])


def _plain(row: Any) -> tuple[Any, ...]:
    """A row with numbers as floats and lists as tuples."""
    return tuple(_value(v) for v in (row if isinstance(row, tuple | list) else (row,)))


def _value(value: Any) -> Any:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | float | Decimal | np.number):
        return float(value)
    return tuple(value) if isinstance(value, list) else value
