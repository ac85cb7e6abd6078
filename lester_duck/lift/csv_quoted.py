"""Rows of a ``csv.writer`` as it was told to quote them."""

from __future__ import annotations

import csv
import io

from lester_duck.lift import files, scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Refused, Sym, Value

_MODES = {
    v.Lib("csv.QUOTE_ALL"): "all", 1: "all", v.Lib("csv.QUOTE_NONNUMERIC"): "texts", 2: "texts",
    v.Lib("csv.QUOTE_MINIMAL"): "needed", 0: "needed",
}  # fmt: skip


def mode(kwargs: dict[str, Value]) -> tuple[str, dict[str, Value]]:
    """Which cells are quoted, and the other parameters."""
    given = dict(kwargs)
    wanted = given.get("quoting")
    if isinstance(wanted, v.Lib | int) and wanted in _MODES:
        given.pop("quoting")
        return _MODES[wanted], given
    return "needed", given


def write(m: Machine, writer: v.HWriter, items: tuple[Value, ...]) -> None:
    """One row: cells where only those are quoted that need it, else a text."""
    if writer.quoting == "needed":
        files.write(m, writer.file, v.Cells(items, writer.delimiter, writer.line_end))
        return
    if writer.quoting == "texts" and writer.delimiter in "0123456789.-+einfatruFls":
        raise Refused("csv.writer with a delimiter that numbers may hold")
    parts: list[Value] = []
    for item in items:
        parts += [writer.delimiter] if parts else []
        parts += _cell(m, item, writer.quoting == "all")
    files.write(m, writer.file, scalars.concat(m, [*parts, writer.line_end]))


def alone(m: Machine, cells: v.Cells) -> Value:
    """A row written outside of loops, as a text: totals of the data between constants."""
    parts: list[Value] = []
    for item in cells.items:
        parts += [cells.delimiter] if parts else []
        if v.is_const(item):
            parts.append(_constant(item, cells.delimiter, len(cells.items) == 1))
            continue
        cell = scalars.scalar(item)
        text = scalars.scalar(scalars.to_text(m, Sym(scalars.whole(cell).sql, cell.type)))
        if cell.null:
            text = Sym(sql("coalesce(_1, '')", text.sql), "str")
        if cell.type not in scalars.NUMERIC or cells.delimiter in "0123456789.-+einfatruFls":
            text = Sym(sql("py_csv_cell(_1, _2)", text.sql, sqlx.literal(cells.delimiter)), "str")
        if len(cells.items) == 1 and (cell.null or cell.type == "str"):
            raise Refused("a row of one cell that may be empty, written outside a loop", "f.write(text)")
        parts.append(text.named(cell.name))
    return scalars.concat(m, [*parts, cells.line_end])


def _constant(item: Value, delimiter: str, single: bool) -> str:
    """A constant cell as the csv module writes it."""
    sink = io.StringIO(newline="")
    csv.writer(sink, delimiter=delimiter, lineterminator="").writerow([item] if single else [item, 0])
    return sink.getvalue() if single else sink.getvalue().removesuffix(f"{delimiter}0")


def _cell(m: Machine, item: Value, always: bool) -> list[Value]:
    if v.is_const(item):
        text = "" if item is None else str(item)
        return [f'"{text.replace(chr(34), chr(34) * 2)}"' if always or not isinstance(item, int | float) else text]
    cell = scalars.scalar(item)
    number = cell.type in scalars.NUMERIC
    if number and cell.null and not always:
        raise Refused("a number that may be None among cells quoted by their kind", "csv.QUOTE_ALL")
    text = scalars.scalar(scalars.to_text(m, Sym(scalars.whole(cell).sql, cell.type)))
    if cell.null:
        text = Sym(sql("coalesce(_1, '')", text.sql), "str")
    if number and not always:
        return [text.named(cell.name)]
    if not number:
        text = Sym(sql("replace(_1, _2, _3)", text.sql, sqlx.literal('"'), sqlx.literal('""')), "str")
    return ['"', text.named(cell.name), '"']
