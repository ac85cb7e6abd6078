"""Sources: every format, every row accounted for, values as the file has them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lester_duck as ld
from lester_duck.errors import InputError
from lester_duck.pipeline.model import Column, Pipeline, Source


def stored(source: Source, folder: Path, data=None) -> list[tuple]:
    pipeline = Pipeline(name="p", sources=(source,))
    with ld.run(pipeline, ":memory:", root=folder, data=data) as run:
        return run.sql(f"SELECT * EXCLUDE (_rid, _pos) FROM source.{source.name} ORDER BY _pos").fetchall()


def write(folder: Path, text: str, name: str = "s.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def columns(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name=n) for n in names)


def test_text_stays_text(tmp_path):
    write(tmp_path, "id,n\n007,1.50\n,NULL\n")
    assert stored(Source(name="s", format="csv", path="s.csv"), tmp_path) == [("007", "1.50"), ("", "NULL")]


def test_quoted_fields_as_the_csv_module_reads_them(tmp_path):
    write(tmp_path, 'a,b\n"x, ""y""",1\n\n"two\nlines",2\nin"side,3\n')
    expected = [('x, "y"', "1"), ("two\nlines", "2"), ('in"side', "3")]
    assert stored(Source(name="s", format="csv", path="s.csv"), tmp_path) == expected


def test_without_quoting_every_delimiter_splits(tmp_path):
    write(tmp_path, 'a;"b\r\nc;d"\n')
    source = Source(
        name="s", format="csv", path="s.csv", header=False, delimiter=";", quoting=False, columns=columns("x", "y")
    )
    assert stored(source, tmp_path) == [("a", '"b'), ("c", 'd"')]


@pytest.mark.parametrize("strip", ["none", "right", "both"])
def test_strip_is_pythons(tmp_path, strip):
    lines = ["\ta,b \x1c", " \u2003c,d\xa0"]
    write(tmp_path, "\n".join(lines))
    how = {"none": str, "right": str.rstrip, "both": str.strip}[strip]
    source = Source(
        name="s", format="csv", path="s.csv", header=False, quoting=False, strip=strip, columns=columns("x", "y")
    )
    assert stored(source, tmp_path) == [tuple(how(line).split(",")) for line in lines]


def test_lines_of_text(tmp_path):
    write(tmp_path, "# head\none\n\ntwo", "t.txt")
    assert stored(Source(name="s", format="text", path="t.txt", skip=1), tmp_path) == [("one",), ("",), ("two",)]


def test_other_encodings(tmp_path):
    write(tmp_path, "a\ngrün\n", encoding="latin-1")
    assert stored(Source(name="s", format="csv", path="s.csv", encoding="latin-1"), tmp_path) == [("grün",)]
    source = Source(name="s", format="csv", path="s.csv", quoting=False)
    with pytest.raises(InputError, match="not utf-8 text"):
        stored(source, tmp_path)


def test_declared_nulls_and_types(tmp_path):
    write(tmp_path, "n,d\n1,2024-02-29\n,NA\n")
    source = Source(
        name="s",
        format="csv",
        path="s.csv",
        null=("", "NA"),
        columns=(Column(name="n", type="INTEGER"), Column(name="d", type="DATE")),
    )
    rows = stored(source, tmp_path)
    assert rows[0][0] == 1 and rows[0][1].isoformat() == "2024-02-29" and rows[1] == (None, None)


def test_a_wrong_type_names_the_line(tmp_path):
    write(tmp_path, "n\n1\nx\n")
    with pytest.raises(InputError, match=r"s.csv:3: column 'n': 'x' is no INTEGER"):
        stored(Source(name="s", format="csv", path="s.csv", columns=(Column(name="n", type="INTEGER"),)), tmp_path)


@pytest.mark.parametrize("quoting", [True, False])
def test_malformed_rows_are_refused_or_put_aside(tmp_path, quoting):
    write(tmp_path, "a,b\n1,2\n3\n4,5,6\n7,8\n")
    source = Source(name="s", format="csv", path="s.csv", quoting=quoting)
    with pytest.raises(InputError, match=r"s.csv:3: 1 fields, expected 2 \(1 more such rows\)"):
        stored(source, tmp_path)
    kept = Source(name="s", format="csv", path="s.csv", quoting=quoting, malformed="set_aside")
    with ld.run(Pipeline(name="p", sources=(kept,)), ":memory:", root=tmp_path) as run:
        assert run.sql("SELECT a, b FROM s ORDER BY _pos").fetchall() == [("1", "2"), ("7", "8")]
        assert run.sql("SELECT line, text FROM s__malformed ORDER BY line").fetchall() == [(3, "3"), (4, "4,5,6")]


def test_formats_that_carry_types_keep_them(tmp_path):
    table = pa.table({"n": pa.array([1, None], pa.int32()), "x": [0.5, 1.5]})
    pq.write_table(table, tmp_path / "t.parquet")
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(r) + "\n" for r in table.to_pylist()), encoding="utf-8")
    rows = [(1, 0.5), (None, 1.5)]
    assert stored(Source(name="s", format="parquet", path="t.parquet"), tmp_path) == rows
    assert stored(Source(name="s", format="jsonl", path="t.jsonl"), tmp_path) == rows


@pytest.mark.parametrize("make", [pa.table, pd.DataFrame, pl.DataFrame], ids=["arrow", "pandas", "polars"])
def test_frames(tmp_path, make):
    source = Source(name="s", format="table")
    assert stored(source, tmp_path, {"s": make({"n": [1, 2], "t": ["a", "b"]})}) == [(1, "a"), (2, "b")]


def test_a_table_of_another_file(tmp_path):
    with ld.run(
        Pipeline(name="p", sources=(Source(name="s", format="table"),)),
        tmp_path / "x.duckdb",
        data={"s": pa.table({"n": [1]})},
    ):
        pass
    source = Source(name="relation", format="table", path="nothing.duckdb")
    with pytest.raises(InputError, match=r"no file 'nothing\.duckdb'"):
        stored(source, tmp_path)


def test_an_empty_file_has_no_rows(tmp_path):
    write(tmp_path, "")
    assert stored(Source(name="s", format="csv", path="s.csv", header=False, columns=columns("a", "b")), tmp_path) == []
    assert stored(Source(name="s", format="text", path="s.csv"), tmp_path) == []


@pytest.mark.parametrize(("text", "skip", "rows"), [("", 0, None), ("\n\n", 0, None), ("a\n1\n", 0, 1), ("\n", 1, 0)])
def test_an_empty_file_is_refused_where_that_is_said(tmp_path, text, skip, rows):
    write(tmp_path, text)
    source = Source(name="s", format="csv", path="s.csv", columns=columns("a"), header=not skip, skip=skip)
    assert stored(source, tmp_path) == ([("1",)] if rows else [])
    refusing = replace(source, empty="refuse")
    if rows is None:
        with pytest.raises(InputError, match="the file is empty"):
            stored(refusing, tmp_path)
    else:
        assert len(stored(refusing, tmp_path)) == rows


def test_duplicate_and_missing_keys(tmp_path):
    write(tmp_path, "id,x\n1,a\n1,b\n")
    with pytest.raises(InputError, match="duplicate key in source 's': id = '1' in 2 rows"):
        stored(Source(name="s", format="csv", path="s.csv", key=("id",)), tmp_path)
    write(tmp_path, "id,x\n,a\n")
    with pytest.raises(InputError, match="no value in its key"):
        stored(Source(name="s", format="csv", path="s.csv", key=("id",), null=("",)), tmp_path)
