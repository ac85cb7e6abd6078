"""Rendering of results."""

from __future__ import annotations

import datetime
import decimal
import json

import numpy as np
import pyarrow as pa

from lester_duck.cli import output, query


def test_json_is_strict():
    value = {"a": float("inf"), "when": datetime.date(2024, 1, 2), "d": decimal.Decimal("1.50"), "b": b"\x01"}
    assert json.loads(output.to_json(value)) == {"a": None, "when": "2024-01-02", "d": "1.50", "b": "01"}
    assert output.to_json({"n": decimal.Decimal(70)}) == '{"n": 70}'
    assert output.to_json({"n": np.int64(3), "v": np.array([1.5])}) == '{"n": 3, "v": [1.5]}'


def test_a_table_shows_nothing_for_null_and_keeps_brackets():
    text = output.table([{"a": None, "b": "[red]x[/red]"}, {"a": 12, "b": "y"}])
    assert "[red]x[/red]" in text
    assert "None" not in text


def test_a_document_has_facts_and_tables():
    text = output.document({"store": "a.duckdb", "model": {"tier": "R"}, "views": [{"name": "v", "rows": 3}]})
    assert text.splitlines()[0] == "store  a.duckdb"
    assert "model\n  tier  R" in text
    assert "views\n name   rows" in text


def test_long_results_are_cut_for_people_only(capsys):
    result = pa.table({"n": range(output.SHOWN_ROWS + 5)})
    query.show(result)
    shown = capsys.readouterr()
    assert "205 rows, 200 shown" in shown.err
    query.show(result, as_json=True)
    assert json.loads(capsys.readouterr().out)["count"] == 205
    query.show(result, as_csv=True)
    assert len(capsys.readouterr().out.splitlines()) == 206
