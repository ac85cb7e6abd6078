"""Files: reading lines and records, the fields of a split line, and what the script writes."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from sqlglot import exp

from lester_duck.lift import csv_quoted, scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine, catches
from lester_duck.lift.relations import FileRel
from lester_duck.lift.values import Fields, LineText, Refused, Sym, Value

_ENCODINGS = {
    "utf-8": "utf-8", "utf-8-sig": "utf-8-sig", "ascii": "ascii", "iso8859-1": "latin-1", "cp1252": "cp1252",
    "iso8859-15": "iso8859-15", "utf-16": "utf-16",
}  # fmt: skip


def open_file(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``open(path, mode, ...)``."""
    path, mode = args[0], args[1] if len(args) > 1 else kwargs.get("mode", "r")
    if not isinstance(path, str) or not isinstance(mode, str):
        raise Refused("open() of a path that is no constant")
    path = clean_path(path)
    encoding = _encoding(kwargs.get("encoding"))
    if "b" in mode or "+" in mode or mode[:1] not in "rwa":
        raise Refused(f"the file mode {mode!r}", "text mode")
    if mode[:1] != "r" and encoding != "utf-8":
        raise Refused(f"a file written in the encoding {encoding!r}", 'encoding="utf-8"')
    reading = (encoding, kwargs.get("newline"))
    made = m.new(v.HFile(path, mode[:1], reading if mode[:1] == "r" else ()))
    if mode[:1] != "r":
        if m.frames:
            raise Refused("a file opened for each row")
        if mode[:1] == "a" and path in m.written:
            raise Refused("a file written in two goes")
        m.written[path] = made.id
    return made


def _encoding(name: Value) -> str:
    """An encoding whose texts a source can hold, by its plain name."""
    if name is None:
        return "utf-8"
    try:
        known = _ENCODINGS.get(codecs.lookup(name).name) if isinstance(name, str) else None
    except LookupError:
        known = None
    if known is None:
        raise Refused(f"the encoding {name!r}", 'encoding="utf-8"')
    return known


def open_gzip(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``gzip.open(path, "rt")``: lines of a compressed file."""
    mode = args[1] if len(args) > 1 else kwargs.get("mode", "rb")
    path = args[0]
    if mode != "rt" or set(kwargs) - {"mode", "encoding", "newline"} or len(args) > 2:
        raise Refused("gzip.open in this mode", 'gzip.open(path, "rt")')
    if not isinstance(path, str) or not path.endswith(".gz"):
        raise Refused("gzip.open of a file without the suffix .gz")
    return open_file(m, [path, "r"], {k: x for k, x in kwargs.items() if k != "mode"})


def text_of(path: Path, encoding: str, newline: str | None = None) -> str:
    """The text of a file of the observed run."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding=encoding, newline=newline) as f:
        return f.read()


def text_lines(path: Path, encoding: str) -> list[str]:
    """The lines of a file of the observed run, with their ends."""
    return io.StringIO(text_of(path, encoding)).readlines()


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
        if m.observed.is_own(file.path):
            raise Refused(f"reading back {file.path}, which the script writes at a step that is not translated")
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
    reader = csv.reader(io.StringIO(text_of(path, rel.encoding, ""), newline=""), delimiter=rel.delimiter)
    first = next((r for r in reader if r), None)
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
    text = text_of(m.observed.folder / file.path, rel.encoding, "")
    if file.pieces[1:] == ("",) and "\r" in text:
        raise Refused("lines that end with \\r, read with newline=''", "open(path)")
    ragged = bool(text) and not text.endswith(("\n", "\r"))
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
    lines = text_lines(path, file.pieces[0] if file.pieces else "utf-8")
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


# -- fields of a split line ----------------------------------------------------------------------


def field_column(fields: Fields, what: int | str) -> exp.Expression:
    """The column that stands for a field (or the number of fields) until the source's form is settled."""
    return fields.column(what)


def csv_records(path: Path, encoding: str, skip: int, delimiter: str) -> list[list[str]]:
    """The rows of a file of the observed run as the csv module reads them, without the lines at its top."""
    lines = io.StringIO(text_of(path, encoding, ""), newline="").readlines()[skip:]
    return list(csv.reader(lines, delimiter=delimiter))


def observed_widths(m: Machine, rel: FileRel, strip: str, delimiter: str) -> Counter[int]:
    """How many lines of the observed file have how many fields."""
    key = ("widths", rel.token, strip, delimiter)
    if key not in m.files:
        path = m.observed.folder / rel.path
        if strip == "csv":
            m.files[key] = Counter(len(r) for r in csv_records(path, rel.encoding, rel.skip, delimiter) if r)
        else:
            lines = text_lines(path, rel.encoding)[rel.skip :]
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
    if isinstance(index, slice):
        return m.new(v.HList(tuple(all_fields(m, fields))[index]))
    if type(index) is not int:
        raise Refused("an index into a split line that is no constant")
    if index < 0:
        widths = observed_widths(m, fields.rel, fields.strip, fields.delimiter)
        if len(widths) != 1:
            raise Refused("a field counted from the end of lines of different lengths")
        index += next(iter(widths))
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
        m.oblige(sqlx.sql("_1 <> _2", width(m, fields).sql, sqlx.literal(count)), "another number of fields")
    return [_field(m, fields, i, count) for i in range(count)]


def first_fields(m: Machine, fields: Fields, count: int) -> list[Value]:
    """The first fields of a line that has at least so many."""
    if fields.strip == "csv" and '"' in text_of(m.observed.folder / fields.rel.path, fields.rel.encoding):
        raise Refused("rows of different lengths, some with quotes", "if len(row) != 3: continue")
    few = sqlx.sql("_1 < _2", width(m, fields).sql, sqlx.literal(count))
    m.raise_if(few, "ValueError", "too few fields to unpack")
    return [_field(m, fields, i) for i in range(count)]


def all_fields(m: Machine, fields: Fields) -> list[Value]:
    """Every field of a line, where the number is the same for all lines observed."""
    widths = observed_widths(m, fields.rel, fields.strip, fields.delimiter)
    if len(widths) != 1:
        raise Refused("all fields of lines of different lengths")
    count = next(iter(widths))
    fields.rel.demanded.add(count)
    return [_field(m, fields, i, count) for i in range(count)]


@dataclass(frozen=True)
class Each:
    """What changes a field when it is read; ``later``: it means the same whenever that is, and never raises."""

    rule: Callable[[Value], Value]
    later: bool

    def __call__(self, field: Value) -> Value:
        return self.rule(field)


def frozen(m: Machine, fields: Fields) -> Value:
    """A split line that is kept: as it is where its fields are not changed, else the list of them."""
    lasting = fields.strip != "raw" and all(isinstance(e, Each) and e.later for e in fields.each)
    if lasting and len(observed_widths(m, fields.rel, fields.strip, fields.delimiter)) != 1:
        return fields
    if fields.each or fields.strip == "raw":
        return v.Seq(tuple(all_fields(m, fields)))
    return fields


def name_field(m: Machine, value: Value, name: str) -> Value:
    """Remember what the script calls a field."""
    if not isinstance(value, Sym) or not isinstance(value.sql, exp.Column) or not value.sql.name.startswith("#"):
        return value
    for frame in m.frames:
        if frame.query.alias == value.sql.table and isinstance(frame.query.base, FileRel):
            what = f"{value.sql.name}:".split(":")[1]
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
        value = csv_quoted.alone(m, value)
    if isinstance(value, Sym) and value.type == "str":
        value = replace(value, sql=m.expand_tree(value.sql))
        if not all(t in m.wholes for t in sqlx.tables(value.sql)):
            raise Refused("a text of one row written outside the loop", "one write per row")
    elif not isinstance(value, str):
        raise Refused(f"a {scalars.kind_name(value)} written outside a loop")
    m.update(ref, v.HFile(content.path, content.mode, (*content.pieces, value)))


def line_items(m: Machine, value: Value) -> tuple[list[Value], str, str]:
    """A written line as (items, delimiter, line end); one item where the pieces do not alternate."""
    if not isinstance(value, str | Sym):
        raise Refused(f"a {scalars.kind_name(value)} written to a file")
    parts = [value] if isinstance(value, str) else list(value.parts or (value,))
    if not isinstance(parts[-1], str) or not parts[-1].endswith("\n"):
        raise Refused("a line written without its end", 'write(... + "\\n")')
    end = "\r\n" if parts[-1].endswith("\r\n") else "\n"
    parts[-1] = parts[-1].removesuffix(end)
    if parts[-1] == "":
        parts.pop()
    if any(isinstance(p, str) and "\n" in p for p in parts):
        raise Refused("two lines written at once", "one write per line")
    items, gaps = parts[0::2], parts[1::2]
    regular = all(isinstance(p, Sym) for p in items) and len(set(gaps)) <= 1 and len(items) == len(gaps) + 1
    if regular and all(isinstance(g, str) and len(g) == 1 for g in gaps):
        return items, gaps[0] if gaps else ",", end
    return [scalars.concat(m, parts)], "\n", end


def relation_name(path: str) -> str:
    """A view's name from the path of the file it is.

    >>> relation_name("out/mails joined.tsv")
    'mails_joined'
    """
    name = "".join(c if c.isalnum() else "_" for c in Path(path).stem)
    return name if name[:1].isalpha() else f"file_{name}"
