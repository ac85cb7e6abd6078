"""Suspicions: what in the original looks like a bug, with its line and what the data show of it.

A suspicion is no difference: the pipeline does what the original does. Each is reported only with
evidence from the program or the data it was run on.
"""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from sqlglot import exp

from lester_duck.db import Database, Error
from lester_duck.pipeline.model import Pipeline
from lester_duck.rewrite import mutate_sql, stale
from lester_duck.rewrite.finding import Finding
from lester_duck.rewrite.inputs import delimiter_of
from lester_duck.rewrite.left_over import left_over
from lester_duck.rewrite.mutants import Judged
from lester_duck.rewrite.mutate_declared import learns

_DAY_FIRST = re.compile(r"(0?[1-9]|[12]\d|3[01])[./-](0?[1-9]|1[0-2])[./-](\d{4}|\d{2})\b")
_SAMPLE = 2000
_ORDERING = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


def of_program(text: str, root: Path, reads: Sequence[str]) -> tuple[Finding, ...]:
    """What the program and its files show without a pipeline."""
    tree = ast.parse(text)
    return (*stale.stale(tree), *left_over(tree), *stale.forgotten(tree), *_text_dates(tree, root, reads))


def of_pipeline(pipeline: Pipeline, line: int) -> Iterator[Finding]:
    """What the declarations show; ``line`` is that of the fit."""
    if pipeline.features is None:
        return
    for featurizer in pipeline.features.featurizers:
        if pipeline.label and pipeline.label.column in featurizer.columns:
            text = f"the label '{pipeline.label.column}' is an input of featurizer '{featurizer.name}'"
            yield Finding(kind="label among features", line=line, text=text)
        learned = any(learns(step) for step in featurizer.steps)
        if learned and featurizer.fit == "all" and pipeline.split.kind != "all":
            text = f"'{featurizer.name}' is fitted on all rows, those kept for testing among them"
            yield Finding(kind="test rows in fit", line=line, text=text)


def of_data(pipeline: Pipeline, db: Database) -> Iterator[Finding]:
    """Keys that occur more than once with different values, where a view takes the last (or first) of them."""
    for view in pipeline.views:
        tree = mutate_sql.parsed(view.sql)
        group = tree.args.get("group") if isinstance(tree, exp.Select) else None
        taken = list(tree.find_all(exp.Last, exp.First)) if group else []
        if not taken or len(taken) != len(list(tree.find_all(exp.AggFunc))):
            continue
        values = [a.this.this if isinstance(a.this, exp.Order) else a.this for a in taken]
        query = tree.copy()
        keys = [k.copy() for k in group.expressions]
        query.set("expressions", keys)
        query.set("order", None)
        differs = [exp.GT(this=exp.Count(this=exp.Distinct(expressions=[v.copy()])), expression=exp.Literal.number(1))
                   for v in values]  # fmt: skip
        query = query.having(exp.or_(*differs))
        try:
            found = db.rows(f"SELECT count(*), any_value(t) FROM ({query.sql('duckdb')}) AS t")[0]
        except Error:
            continue  # it names rows by _pos in a way a plain query cannot: nothing is claimed of it
        if found[0]:
            which = "last" if isinstance(taken[0], exp.Last) else "first"
            example = ", ".join(f"{k} = {v!r}" for k, v in found[1].items())
            text = f"{found[0]} keys of '{view.name}' occur with different values ({example}); the {which} one wins"
            yield Finding(kind="duplicate keys", line=_line_of(view.comment), text=text)


def of_inputs(judged: Sequence[Judged]) -> Iterator[Finding]:
    """Empty files that end the original with an error."""
    for one in judged:
        failure = one.evidence.first.failure
        if failure and one.name.endswith((": empty", ": only the first line")):
            text = f"with {one.name.replace(': ', ' ', 1)}, it ends with {failure.type}"
            yield Finding(kind="empty file", line=failure.line, text=text)


def merged(known: Sequence[str], found: Sequence[Finding]) -> tuple[str, ...]:
    """Those known by sentence and those found; one of a kind per line."""
    lines = {line.split(":")[0] for line in known}
    new = dict.fromkeys(str(f) for f in found if not f.line or f"line {f.line}" not in lines)
    return (*known, *new)


def _line_of(comment: str) -> int:
    found = re.search(r"lines? (\d+)", comment)
    return int(found[1]) if found else 0


def _text_dates(tree: ast.Module, root: Path, reads: Sequence[str]) -> Iterator[Finding]:
    """Fields of files that hold day-first dates, compared or sorted as the texts they are."""
    columns: dict[str, tuple[list[str], str, str]] = {}
    for name, path, one, two in _day_first(root, reads):
        columns.setdefault(name, ([], one, two))[0].append(path)
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], _ORDERING):
            sides = [_field(node.left), _field(node.comparators[0])]
        elif isinstance(node, ast.Lambda):
            sides = [_field(node.body)] if _is_key(tree, node) else []
        else:
            continue
        name = next((s for s in sides if s in columns), None)
        if name is not None and (len(sides) == 1 or sides[0] == sides[1]):
            paths, one, two = columns[name]
            held = f"'{name}' holds day-first dates (in {' and '.join(paths)})"
            text = f"{held} and is compared as text: {one!r} comes before {two!r}"
            yield Finding(kind="dates compared as text", line=node.lineno, text=text)


def _is_key(tree: ast.Module, node: ast.Lambda) -> bool:
    return any(isinstance(k, ast.keyword) and k.arg == "key" and k.value is node for k in ast.walk(tree))


def _field(node: ast.expr) -> str | None:
    """The name of a field that is read from a record (``row["date"]``)."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
        return node.slice.value
    return None


def _day_first(root: Path, reads: Sequence[str]) -> Iterator[tuple[str, str, str, str]]:
    """Columns of delimited files whose values are day-first dates, with two that text puts in the wrong order."""
    for path in reads:
        target = root / path
        if not target.is_file() or target.suffix.lower() not in (".csv", ".tsv", ".txt"):
            continue
        with target.open(encoding="utf-8", errors="replace", newline="") as file:
            lines = [line for _, line in zip(range(_SAMPLE), file)]
        delimiter = delimiter_of([line.rstrip("\r\n") for line in lines]) if lines else ""
        rows = list(csv.reader(lines, delimiter=delimiter)) if delimiter else []
        for number, name in enumerate(rows[0] if rows else []):
            values = sorted({row[number] for row in rows[1:] if number < len(row) and row[number]})
            dates = [v for v in values if _DAY_FIRST.match(v)]
            pair = next(((a, b) for a, b in pairwise(dates) if _when(a) > _when(b)), None)
            if values and len(dates) > 0.9 * len(values) and pair:
                yield name, path, *pair


def _when(text: str) -> tuple[int, int, int]:
    day, month, year = _DAY_FIRST.match(text).groups()
    return int(year), int(month), int(day)
