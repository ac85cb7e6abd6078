"""A view as the file the original writes: Python's ``str`` of each value, joined or quoted."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from lester_duck.errors import InputError, one_of
from lester_duck.pipeline.model import Output


def render(output: Output, table: pa.Table) -> str:
    """The text of the file, from the rows of its view in view order.

    Raises InputError when the view lacks a column that the output names.
    """
    for name in output.columns:
        if name not in table.column_names:
            raise InputError(one_of("column", name, table.column_names), where=f"output {output.path}")
    columns = [table.column(name).to_pylist() for name in output.columns]
    lines = [] if output.header is None else [list(output.header)]
    lines.extend([text(value, output.none) for value in row] for row in zip(*columns, strict=True))
    if not output.quoting:
        return "".join(output.delimiter.join(line) + output.line_end for line in lines)
    return "".join(quoted(line, output.delimiter, output.line_end) for line in lines)


def text(value: Any, none: str = "") -> str:
    """What Python's ``str`` prints for a value.

    >>> [text(v) for v in (True, 1.0, 0.1, 3, None, "x")]
    ['True', '1.0', '0.1', '3', '', 'x']
    """
    return none if value is None else str(value)


def quoted(fields: Sequence[str], delimiter: str, line_end: str) -> str:
    """One line as ``csv.writer`` writes it.

    >>> quoted(["a,b", "c"], ",", chr(10))
    '"a,b",c\\n'
    """
    target = io.StringIO()
    csv.writer(target, delimiter=delimiter, lineterminator=line_end).writerow(fields)
    return target.getvalue()


def fields(content: str, output: Output) -> list[tuple[str, ...]]:
    """The lines of such a file, each split into fields; the header is the first.

    The line end is that of the output, so that a carriage return it does not expect stays in the
    last field.
    """
    if output.quoting:
        reader = csv.reader(io.StringIO(content, newline=""), delimiter=output.delimiter)
        return [tuple(row) for row in reader]
    lines = content.split(output.line_end or "\n")
    if lines and not lines[-1]:
        lines.pop()
    return [tuple(line.split(output.delimiter)) if output.delimiter else (line,) for line in lines]
