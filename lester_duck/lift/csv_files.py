"""Rows of a file as the csv module reads them: lists, or records by name; those the script wrote itself too."""

from __future__ import annotations

import csv
import io

from lester_duck.lift import files, scalars
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.values import Fields, Refused, Sym


def records(m: Machine, file: v.HFile, delimiter: str) -> v.View:
    """The rows of a ``csv.DictReader``."""
    if file.path in m.written:
        header, rows = files.written(m, file.path)
        if rows is None or not rows.line_end or rows.delimiter != delimiter or header.count("\n") != 1 or file.skipped:
            raise Refused(f"reading back {file.path} with csv.DictReader")
        names = next(csv.reader([header], delimiter=delimiter))
        columns = rows.rel.columns()
        cells = [as_text(m, columns[c]) for c in rows.columns]
        if len(names) != len(cells):
            raise Refused(f"{file.path} has other columns than its header")
        return v.View(rows.rel, v.Rec(tuple(zip(names, cells, strict=True))))
    if file.skipped:
        raise Refused("csv.DictReader after lines were read off")
    rel = files.file_rel(m, file, "records", delimiter, header=True)
    return v.View(rel, v.Rec(tuple((name, column) for name, column in rel.columns().items())))


def csv_rows(m: Machine, file: v.HFile, delimiter: str) -> v.View:
    """The rows of a ``csv.reader`` as lists."""
    if file.path in m.written:
        header, rows = files.written(m, file.path)
        if rows is None or not rows.line_end or rows.delimiter != delimiter:
            raise Refused(f"reading back {file.path} with csv.reader")
        if len(list(csv.reader(header.splitlines(), delimiter=delimiter))) != file.skipped:
            raise Refused(f"reading back {file.path} with another number of header lines than it has")
        columns = rows.rel.columns()
        cells = [as_text(m, columns[c]) for c in rows.columns]
        if not rows.quoting:
            raise Refused(f"reading back {file.path} with csv.reader, written without csv.writer", "csv.writer")
        return v.View(rows.rel, v.Seq(tuple(cells)))
    rel = files.file_rel(m, file, "csv", delimiter)
    rel.note_split("csv", delimiter)
    return v.View(rel, Fields(rel.token, rel, "csv", delimiter))


def named_records(m: Machine, file: v.HFile, delimiter: str, names: tuple[str, ...]) -> v.View:
    """The rows of a ``csv.DictReader`` with field names of its own."""
    if file.path in m.written:
        raise Refused(f"reading back {file.path} with field names of its own", "csv.DictReader(file)")
    rel = files.file_rel(m, file, "records", delimiter, header=False)
    if rel.header and len(rel.header) != len(names):
        raise Refused("csv.DictReader with another number of field names than there are fields")
    rel.header = names
    return v.View(rel, v.Rec(tuple((name, column) for name, column in rel.columns().items())))


def first_record(m: Machine, file: v.HFile, delimiter: str) -> list[str]:
    """The next row of a file read with the csv module, as it was observed."""
    if file.path in m.written:
        header = csv.reader(io.StringIO(files.written(m, file.path)[0], newline=""), delimiter=delimiter)
        found = list(header)[file.skipped :]
        if not found:
            raise Refused(f"a row of data read off {file.path}")
        return found[0]
    path = m.observed.folder / file.path
    if not path.is_file():
        raise Refused(f"the file {file.path} was not there when the script was observed")
    found = files.csv_records(path, file.pieces[0] if file.pieces else "utf-8", file.skipped, delimiter)
    if not found or any("\n" in x or "\r" in x for x in found[0]):
        raise Refused(f"{file.path} had no row to read off when the script was observed")
    return found[0]


def as_text(m: Machine, cell: Sym) -> Sym:
    """A written cell as it is read back."""
    return scalars.scalar(scalars.to_text(m, cell)).named(cell.name)
