"""Files: reading lines and records, the fields of a split line, and what the script writes."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path

from sqlglot import exp

from lester_duck.lift import scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine, catches
from lester_duck.lift.relations import FileRel
from lester_duck.lift.values import Fields, LineText, Refused, Sym, Value


def open_file(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``open(path, mode, ...)``."""
    path, mode = args[0], args[1] if len(args) > 1 else kwargs.get("mode", "r")
    if not isinstance(path, str) or not isinstance(mode, str):
        raise Refused("open() of a path that is no constant")
    path = clean_path(path)
    if kwargs.get("encoding", "utf-8") not in (None, "utf-8", "utf8", "UTF-8", "ascii", "latin-1", "iso-8859-1"):
        raise Refused(f"the encoding {kwargs['encoding']!r}")
    if "b" in mode or "+" in mode or mode[:1] not in "rwa":
        raise Refused(f"the file mode {mode!r}", "text mode")
    reading = (str(kwargs.get("encoding") or "utf-8"), kwargs.get("newline"))
    made = m.new(v.HFile(path, mode[:1], reading if mode[:1] == "r" else ()))
    if mode[:1] != "r":
        if m.frames:
            raise Refused("a file opened for each row")
        if mode[:1] == "a" and path in m.written:
            raise Refused("a file written in two goes")
        m.written[path] = made.id
    return made


def clean_path(path: str) -> str:
    """A relative path without leading dots.

    >>> clean_path("./data//a.csv")
    'data/a.csv'
    """
    return Path(path).as_posix()


def file_rel(m: Machine, file: v.HFile, mode: str, delimiter: str = ",", header: bool = False) -> FileRel:
    """The relation of an input file, shared by all loops that read it alike."""
    key = ("file", file.path, mode, file.skipped, delimiter, header)
    if key not in m.files:
        path = m.observed.folder / file.path
        if not path.is_file():
            raise Refused(f"the file {file.path} was not there when the script was observed")
        rel = FileRel(
            name=Path(file.path).stem, what=f"{file.path}", lines=(m.line, m.line), path=file.path, mode=mode,
            skip=file.skipped, delimiter=delimiter, encoding=file.pieces[0] if file.pieces else "utf-8",
            begins=("begins", file.path) in m.files,
        )  # fmt: skip
        if mode == "records":
            rel.header = _first_record(path, rel, header)
            rel.has_header = header
        m.files[key] = rel
    return m.files[key]


def _first_record(path: Path, rel: FileRel, header: bool) -> tuple[str, ...]:
    with path.open(newline="", encoding=rel.encoding) as f:
        first = next(csv.reader(f, delimiter=rel.delimiter), None)
    if first is None:
        raise Refused(f"{rel.path} was empty when the script was observed")
    if header and len(set(first)) != len(first):
        raise Refused(f"{rel.path} has a column name twice")
    return tuple(first) if header else tuple(f"field_{i + 1}" for i in range(len(first)))


def lines_of(m: Machine, file: v.HFile) -> v.View:
    """The lines of a file open for reading."""
    if file.mode != "r":
        raise Refused("reading a file opened for writing")
    if file.path in m.written:
        return written_lines(m, file)
    rel = file_rel(m, file, "lines")
    text = (m.observed.folder / file.path).read_bytes()
    if file.pieces[1:] == ("",) and b"\r" in text:
        raise Refused("lines that end with \\r, read with newline=''", "open(path)")
    ragged = bool(text) and not text.endswith((b"\n", b"\r")) and not file.path.endswith(".gz")
    line = LineText(rel.token, "raw", ragged)
    return v.View(rel, Sym(sqlx.column(rel.token, "line"), "str", name="line", line=line))


def read_off(m: Machine, ref: v.Ref) -> str:
    """``next(file)`` or ``file.readline()`` before a loop: the line, as it was observed."""
    file = m.content(ref)
    if m.frames or file.mode != "r":
        raise Refused("a line read off inside a loop")
    m.update(ref, v.HFile(file.path, file.mode, file.pieces, file.skipped + 1))
    if file.path in m.written:
        header = written(m, file.path)[0].splitlines(keepends=True)
        if len(header) <= file.skipped:
            raise Refused(f"a line of data read off {file.path}")
        return header[file.skipped]
    path = m.observed.folder / file.path
    if not path.is_file():
        raise Refused(f"the file {file.path} was not there when the script was observed")
    with path.open(encoding=file.pieces[0] if file.pieces else "utf-8") as f:
        lines = f.readlines()
    return lines[file.skipped] if len(lines) > file.skipped else ""


def written(m: Machine, path: str) -> tuple[str, v.Written | None]:
    """The constant text at the top of a file the script wrote, and its rows."""
    content = m.state.heap[m.written[path]]
    if isinstance(content, v.Poison):
        raise Refused(f"reading back {path}: {content.reason}")
    header = ""
    rows: v.Written | None = None
    for piece in content.pieces:
        if isinstance(piece, v.Poison):
            raise Refused(f"reading back {path}: {piece.reason}")
        if isinstance(piece, str) and rows is None:
            header += piece
        elif isinstance(piece, v.Written) and rows is None:
            rows = piece
        else:
            raise Refused(f"{path} is more than a header and one kind of line")
    return header, rows


def written_lines(m: Machine, file: v.HFile) -> v.View:
    """The lines of a file that the script wrote itself: the rows of the view behind it."""
    header, rows = written(m, file.path)
    if rows is None or header.count("\n") != file.skipped or (header and not header.endswith("\n")):
        raise Refused(f"reading back {file.path} with another number of header lines than it has")
    if rows.quoting:
        raise Refused(f"reading back {file.path} line by line after csv.writer", "csv.reader")
    if rows.line is None:
        raise Refused(f"reading back {file.path}, which has lines of several kinds", "one kind of line")
    return v.View(rows.rel, rows.line)


def records(m: Machine, file: v.HFile, delimiter: str) -> v.View:
    """The rows of a ``csv.DictReader``."""
    if file.path in m.written:
        header, rows = written(m, file.path)
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
    rel = file_rel(m, file, "records", delimiter, header=True)
    return v.View(rel, v.Rec(tuple((name, column) for name, column in rel.columns().items())))


def as_text(m: Machine, cell: Sym) -> Sym:
    """A written cell as it is read back."""
    return scalars.scalar(scalars.to_text(m, cell)).named(cell.name)


# -- fields of a split line ----------------------------------------------------------------------


def field_column(fields: Fields, what: int | str) -> exp.Expression:
    """The column that stands for a field (or the number of fields) until the source's form is settled."""
    strip = "none" if fields.strip == "raw" else fields.strip
    return sqlx.column(fields.alias, f"#{strip}:{what}:{fields.delimiter}")


def observed_widths(m: Machine, rel: FileRel, strip: str, delimiter: str) -> Counter[int]:
    """How many lines of the observed file have how many fields."""
    key = ("widths", rel.token, strip, delimiter)
    if key not in m.files:
        with (m.observed.folder / rel.path).open(encoding=rel.encoding) as f:
            lines = f.readlines()[rel.skip :]
        m.files[key] = Counter(len(stripped(line, strip).split(delimiter)) for line in lines)
    return m.files[key]


def stripped(line: str, strip: str) -> str:
    """A line as the script strips it.

    >>> stripped(" a ,b \\n", "right")
    ' a ,b'
    """
    return {"both": line.strip(), "right": line.rstrip()}.get(strip, line.rstrip("\n"))


def field(m: Machine, fields: Fields, index: Value) -> Value:
    """``fields[i]``."""
    if type(index) is not int:
        raise Refused("an index into a split line that is no constant")
    if index < 0:
        widths = observed_widths(m, fields.rel, fields.strip, fields.delimiter)
        if len(widths) != 1:
            raise Refused("a field counted from the end of lines of different lengths")
        index += next(iter(widths))
    if any(catches(c, "IndexError") for g in m.guards for c in g.caught):
        m.raise_if(sqlx.sql("_1 <= _2", width(m, fields).sql, sqlx.literal(index)), "IndexError", "a line is too short")
    return _field(m, fields, index)


def _field(m: Machine, fields: Fields, index: int, count: int | None = None) -> Value:
    raw = fields.strip == "raw" and not _is_inner(m, fields, index, count)
    line = LineText(fields.alias, "field") if raw else None
    value: Value = Sym(field_column(fields, index), "str", name=fields.rel.names.get(index), line=line)
    for rule in fields.each:
        value = rule(value)
    return value


def _is_inner(m: Machine, fields: Fields, index: int, count: int | None) -> bool:
    """Whether a field of an unstripped line surely is not the last one, which carries the line end."""
    if count is None:
        widths = observed_widths(m, fields.rel, fields.strip, fields.delimiter)
        equal = [n for n in widths if m.implied(sqlx.sql("_1 = _2", width(m, fields).sql, sqlx.literal(n)))]
        count = equal[0] if equal else min(widths)
    return index < count - 1


def width(m: Machine, fields: Fields) -> Sym:
    """``len(fields)``."""
    return Sym(field_column(fields, "width"), "int")


def unpack(m: Machine, fields: Fields, count: int) -> list[Value]:
    """The fields of a line unpacked into ``count`` targets."""
    if any(catches(c, "ValueError") for g in m.guards for c in g.caught):
        m.raise_if(
            sqlx.sql("_1 <> _2", width(m, fields).sql, sqlx.literal(count)), "ValueError", "another number of fields"
        )
    else:
        fields.rel.demanded.add(count)
    return [_field(m, fields, i, count) for i in range(count)]


def all_fields(m: Machine, fields: Fields) -> list[Value]:
    """Every field of a line, where the number is the same for all lines observed."""
    widths = observed_widths(m, fields.rel, fields.strip, fields.delimiter)
    if len(widths) != 1:
        raise Refused("all fields of lines of different lengths")
    count = next(iter(widths))
    fields.rel.demanded.add(count)
    return [_field(m, fields, i, count) for i in range(count)]


def name_field(m: Machine, value: Value, name: str) -> Value:
    """Remember what the script calls a field."""
    if not isinstance(value, Sym) or not isinstance(value.sql, exp.Column) or not value.sql.name.startswith("#"):
        return value
    for frame in m.frames:
        if frame.query.alias == value.sql.table and isinstance(frame.query.base, FileRel):
            what = value.sql.name.split(":")[1]
            if what.isdigit():
                frame.query.base.names.setdefault(int(what), name)
    return value.named(name)


# -- writing -------------------------------------------------------------------------------------


def write(m: Machine, ref: v.Ref, value: Value) -> None:
    """``file.write(value)`` or one row of a ``csv.writer``."""
    if m.frame_of(ref) is not None:
        m.log("write", ref, value)
        return
    content = m.content(ref)
    if isinstance(value, v.Cells):
        value = _cells_text(value)
    if isinstance(value, Sym) and value.type == "str":
        value = replace(value, sql=m.expand_tree(value.sql))
        if not all(t in m.wholes for t in sqlx.tables(value.sql)):
            raise Refused("a text of one row written outside the loop", "one write per row")
    elif not isinstance(value, str):
        raise Refused(f"a {scalars.kind_name(value)} written outside a loop")
    m.update(ref, v.HFile(content.path, content.mode, (*content.pieces, value)))


def _cells_text(cells: v.Cells) -> str:
    class Sink(list):
        write = list.append

    if not all(v.is_const(c) for c in cells.items):
        raise Refused("a row that depends on data written outside a loop")
    sink = Sink()
    csv.writer(sink, delimiter=cells.delimiter, lineterminator=cells.line_end).writerow(cells.items)
    return "".join(sink)


def line_items(m: Machine, value: Value) -> tuple[list[Value], str, str]:
    """A written line as (items, delimiter, line end); one item where the pieces do not alternate."""
    if not isinstance(value, str | Sym):
        raise Refused(f"a {scalars.kind_name(value)} written to a file")
    parts = [value] if isinstance(value, str) else list(value.parts or (value,))
    if not isinstance(parts[-1], str) or not parts[-1].endswith("\n"):
        raise Refused("a line written without its end", 'write(... + "\\n")')
    parts[-1] = parts[-1][:-1]
    if parts[-1] == "":
        parts.pop()
    if any(isinstance(p, str) and "\n" in p for p in parts):
        raise Refused("two lines written at once", "one write per line")
    items, gaps = parts[0::2], parts[1::2]
    regular = all(isinstance(p, Sym) for p in items) and len(set(gaps)) <= 1 and len(items) == len(gaps) + 1
    if regular and all(isinstance(g, str) and len(g) == 1 for g in gaps):
        return items, gaps[0] if gaps else ",", "\n"
    return [scalars.concat(m, parts)], "\n", "\n"


def relation_name(path: str) -> str:
    """A view's name from the path of the file it is.

    >>> relation_name("out/mails joined.tsv")
    'mails_joined'
    """
    name = "".join(c if c.isalnum() else "_" for c in Path(path).stem)
    return name if name[:1].isalpha() else f"file_{name}"
