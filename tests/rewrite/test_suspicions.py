"""Suspicions: reported where the program or the data show them, and not where they do not."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from lester_duck.pipeline.model import Column, Features, Featurizer, Label, Pipeline, Source, Split, Step, View
from lester_duck.rewrite import suspicions
from lester_duck.rewrite.rerun import Planned


def found(folder: Path, program: str, reads: tuple[str, ...] = ()) -> list[tuple[str, int]]:
    return [(f.kind, f.line) for f in suspicions.of_program(textwrap.dedent(program), folder, reads)]


def test_a_stale_loop_variable(tmp_path):
    program = """\
        for claim in claims:
            for p in policies:
                if p["no"] == claim["no"]:
                    policy = p
                    break
            out.append(policy["start"])
        """
    assert found(tmp_path, program) == [("stale variable", 6)]


@pytest.mark.parametrize(
    "program",
    [
        "for c in cs:\n    x = None\n    for p in ps:\n        if p == c:\n            x = p\n    out.append(x)\n",
        "last = None\nfor c in cs:\n    if last: out.append(last)\n    if c: last = c\n",
        "for c in cs:\n    if c:\n        x = 1\n    else:\n        x = 2\n    out.append(x)\n",
        "for c in cs:\n    if c:\n        x = 1\n    else:\n        continue\n    out.append(x)\n",
        "for c in cs:\n    try:\n        x = int(c)\n    except ValueError:\n        continue\n    out.append(x)\n",
        "for c in cs:\n    if ok:\n        x = c\n    if ok:\n        out.append(x)\n",
        "for c in cs:\n    out.append([x for x in c])\n    for x in c:\n        out.append(x)\n",
    ],
)
def test_variables_that_are_not_stale(tmp_path, program):
    assert found(tmp_path, program) == []


BREAK = """\
    previous, total = None, 0
    for row in rows:
        if row["key"] != previous:
            out.append((previous, total))
            total = 0
        total += row["n"]
        previous = row["key"]
    """


def test_a_control_break_that_forgets_its_last_group(tmp_path):
    assert found(tmp_path, BREAK) == [("control break", 4)]
    complete = textwrap.dedent(BREAK) + "out.append((previous, total))\n"
    assert found(tmp_path, complete) == []


def test_a_group_that_is_kept_when_it_begins_is_not_forgotten(tmp_path):
    program = """\
    previous, group = None, None
    for row in rows:
        if group is None or row["key"] != previous:
            group = {"key": row["key"], "n": 0}
            out.append(group)
            previous = row["key"]
        group["n"] += row["n"]
    """
    assert found(tmp_path, program) == []


def test_dates_compared_as_text(tmp_path):
    rows = ["id,date,iso", "1,28/02/2021,2021-02-28", "2,05/06/2022,2022-06-05", "3,11/01/2020,2020-01-11"]
    (tmp_path / "jobs.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    reads = ("jobs.csv",)
    assert found(tmp_path, 'if row["date"] > best["date"]: best = row\n', reads) == [("dates compared as text", 1)]
    assert found(tmp_path, 'rows.sort(key=lambda r: r["date"])\n', reads) == [("dates compared as text", 1)]
    assert found(tmp_path, 'if row["iso"] > best["iso"]: best = row\n', reads) == []
    assert found(tmp_path, 'if when(row["date"]) > when(best["date"]): best = row\n', reads) == []
    assert found(tmp_path, 'if row["date"] == best["date"]: best = row\n', reads) == []


def shop_pipeline(**more) -> Pipeline:
    columns = (Column(name="id"), Column(name="city"))
    return Pipeline(
        name="p",
        sources=(Source(name="shops", format="csv", path="shops.csv", columns=columns),),
        views=(
            View(name="by_id", comment="shops, by id (script.py, lines 3-4)",
                 sql="SELECT id, last(city ORDER BY _pos) AS city FROM shops GROUP BY id"),
        ),
        **more,
    )  # fmt: skip


@pytest.mark.parametrize(("rows", "count"), [("1,a\n1,b\n2,c\n", 1), ("1,a\n1,a\n2,c\n", 0), ("1,a\n2,c\n", 0)])
def test_duplicates_that_occur(tmp_path, rows, count):
    (tmp_path / "shops.csv").write_text("id,city\n" + rows, encoding="utf-8")
    planned = Planned(shop_pipeline())
    state = planned.state(tmp_path)
    seen = list(suspicions.of_data(planned.pipeline, state.db))
    state.close()
    planned.close()
    assert len(seen) == count
    if seen:
        assert str(seen[0]).startswith("line 3: duplicate keys: 1 keys of 'by_id'")


def test_what_declarations_show():
    scaled = Featurizer(name="size", columns=("id",), steps=(Step(kind="standard_scale"),), fit="all")
    made = shop_pipeline(
        features=Features(view="by_id", featurizers=(scaled,)),
        label=Label(column="id"),
        split=Split(kind="position", params=(("rows", "n - 1"),)),
    )
    assert [f.kind for f in suspicions.of_pipeline(made, 9)] == ["label among features", "test rows in fit"]


def test_one_suspicion_per_line():
    new = suspicions.Finding(kind="stale variable", line=4, text="x")
    assert suspicions.merged(("line 4: something",), [new]) == ("line 4: something",)
    assert suspicions.merged((), [new, new]) == ("line 4: stale variable: x",)


LEFT_OVER = """
rows, total = [], 0
for line in open("a"):
    parts = line.split(",")
    total += 1
    rows.append(parts)
for row in rows:
    print(row, parts[0], total)
"""


def test_a_variable_that_an_earlier_loop_left(tmp_path):
    assert found(tmp_path, LEFT_OVER) == [("stale variable", 8)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    print(row, parts[0], total)", "    parts = row\n    print(parts[0], total)"),
        ("for row in rows:", "parts = [1]\nfor row in rows:"),
        ("    print(row, parts[0], total)", "    print([parts for parts in row], total)"),
    ],
)
def test_variables_that_no_loop_left(tmp_path, old, new):
    assert found(tmp_path, LEFT_OVER.replace(old, new)) == []
