"""Reading files into frames as pandas infers them from the observed file, and making frames by hand."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from sqlglot import exp

from lester_duck.lift import files, scalars, sqlx
from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_markers as markers
from lester_duck.lift import pandas_moments as moment_rules
from lester_duck.lift import pandas_series as series_rules
from lester_duck.lift import pandas_tops as tops
from lester_duck.lift import pandas_whole as whole
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_columns import type_name
from lester_duck.lift.pandas_frames import Frame, Rows, Series, options
from lester_duck.lift.relations import FileRel, Relation, fresh
from lester_duck.lift.sqlx import sql
from lester_duck.lift.state import Obligation
from lester_duck.lift.values import Refused, Sym, Value

_READ = (
    "sep", "delimiter", "header", "names", "dtype", "usecols", "parse_dates", "na_values", "keep_default_na",
    "encoding", "engine", "low_memory", "skipinitialspace", "index_col", "thousands", "decimal", "quotechar",
    "comment", "skiprows",
)  # fmt: skip
_INT = re.compile(r"[+-]?[0-9]{1,18}")
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?inf(inity)?", re.IGNORECASE)
_BOOL = frozenset(["True", "TRUE", "true", "False", "FALSE", "false"])


def column_type(cells: Iterable[str], missing: frozenset[str]) -> tuple[str, bool]:
    """The type pandas gives a column of texts (``int``, ``float``, ``bool``, ``str``), and whether any is missing.

    >>> column_type(["1", "2"], frozenset([""])), column_type(["1", ""], frozenset([""]))
    (('int', False), ('float', True))
    """
    kind, null, seen = "int", False, False
    booleans = True
    for cell in cells:
        if cell in missing:
            null = True
            continue
        seen = True
        booleans = booleans and cell in _BOOL
        bare = cell.strip(" ")
        if kind == "int" and not _INT.fullmatch(bare):
            kind = "float"
        if kind == "float" and not _FLOAT.fullmatch(bare):
            kind = "str"
        if kind == "str" and not booleans:
            return "str", True if null else _any_missing(cells, missing)
    if seen and booleans:
        return ("str", True) if null else ("bool", False)
    if kind == "int" and (null or not seen):
        kind = "float"
    return kind, null


def _any_missing(cells: Iterable[str], missing: frozenset[str]) -> bool:
    return any(c in missing for c in cells)


def read_csv(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``pd.read_csv(path, ...)``."""
    chosen = options(kwargs, args, ("filepath_or_buffer", "sep"), "read_csv", **dict.fromkeys(_READ))
    plain = {k: frames.constant(m, x) for k, x in chosen.items()}
    path = plain.pop("filepath_or_buffer")
    if not isinstance(path, str):
        raise Refused("read_csv of a path that is no constant")
    path = files.clean_path(path)
    if plain["thousands"] not in (None, ",") or (plain["thousands"] and plain["decimal"] == ","):
        raise Refused("read_csv with thousands=", 'thousands=","')
    for name in ("quotechar", "skipinitialspace"):
        if plain[name] not in (None, False) and (name, plain[name]) != ("quotechar", '"'):
            raise Refused(f"read_csv with {name}=")
    if plain["decimal"] not in (None, ".", ","):
        raise Refused("read_csv with decimal=")
    delimiter = plain["sep"] or plain["delimiter"] or ","
    if not isinstance(delimiter, str) or len(delimiter) != 1:
        raise Refused(f"read_csv with sep={delimiter!r}", "one character")
    if path in m.written and _is_given(plain["index_col"]):
        raise Refused(f"reading back {path} with index_col=", "set_index after")
    if path in m.written:
        return _read_back(m, path, delimiter, plain)
    header = plain["header"] not in (None, False) or (plain["names"] is None and "header" not in kwargs)
    rel, cells = _csv_rel(m, path, delimiter, header, plain)
    made = _typed(m, rel, cells, plain)
    return _indexed(m, made, plain["index_col"]) if _is_given(plain["index_col"]) else made


def _is_given(index: Value) -> bool:
    """Whether some columns are to be the index: 0 is one, False is none."""
    return index is not None and index is not False


def _indexed(m: Machine, made: Value, by: Value) -> Value:
    """The frame with some columns as its index."""
    frame: Frame = m.content(made)
    names = [frame.names[n] if type(n) is int else n for n in (by if isinstance(by, list) else [by])]
    return frame.method(m, made, "set_index", [m.new(v.HList(tuple(names)))], {})


def _csv_rel(m: Machine, path: str, delimiter: str, header: bool, plain: dict) -> tuple[FileRel, list[list[str]]]:
    where = m.observed.folder / path
    if not where.is_file():
        raise Refused(f"the file {path} was not there when the script was observed")
    if m.observed.is_own(path):
        raise Refused(f"reading back {path}, which the script writes at a step that is not translated")
    if plain["header"] not in (None, 0):
        raise Refused(f"read_csv with header={plain['header']!r}")
    encoding = str(plain["encoding"] or "utf-8")
    text = io.StringIO(files.text_of(where, encoding, ""), newline="")
    skip = tops.skipped(text, path, plain["skiprows"], plain["comment"])
    records = [r for r in csv.reader(text, delimiter=delimiter) if r]
    if not records:
        raise Refused(f"{path} was empty when the script was observed")
    names = tuple(plain["names"] or (records[0] if header else [f"field_{i + 1}" for i in range(len(records[0]))]))
    rows = records[1:] if header else records
    if len(set(names)) != len(names) or any(len(r) != len(names) for r in rows):
        raise Refused(f"{path} has lines of different lengths, or a column name twice")
    null = markers.everywhere(plain["na_values"], plain["keep_default_na"])
    key = ("read_csv", path, delimiter, names, null, skip)
    if key not in m.files:
        m.files[key] = FileRel(
            name=Path(path).stem, what=path, lines=(m.line, m.line), path=path, mode="records", delimiter=delimiter,
            encoding=encoding, header=names, has_header=header, null=null, begins=True, skip=skip,
        )  # fmt: skip
    return m.files[key], rows


def _typed(m: Machine, rel: FileRel, cells: list[list[str]], plain: dict) -> Value:
    given = plain["dtype"]
    wanted = plain["usecols"]
    dates = plain["parse_dates"] if isinstance(plain["parse_dates"], list) else []
    if plain["parse_dates"] not in (None, False) and not isinstance(plain["parse_dates"], list):
        raise Refused("read_csv with parse_dates=True", "parse_dates=[names]")
    rows = Rows(rel, fresh("index"), since=m.line, title=rel.name)
    columns: list[tuple[str, Value]] = []
    for i, (name, raw) in enumerate(rel.columns().items()):
        if wanted is not None and name not in wanted:
            continue
        comma, grouped = plain["decimal"] == ",", plain["thousands"] is not None and name not in dates
        texts = [r[i].replace(",", ".") if comma else r[i] for r in cells]
        missing = frozenset([*rel.null, *markers.of_column(plain["na_values"], name)])
        kind, null = column_type([_ungrouped(t) for t in texts] if grouped else texts, missing)
        declared = given.get(name) if isinstance(given, dict) else given
        if declared is not None:
            kind = {"category": "str"}.get(type_name(declared), type_name(declared))
        raw = markers.without(raw, markers.of_column(plain["na_values"], name))
        sym = replace(raw, null=null or kind in ("str", "float"), nan=True)
        tops.owe_no_comment(m, rows, sym, plain["comment"])
        if name in dates:
            series = moment_rules.to_moment(m, Series(rows, replace(sym, type="str")), None, "raise")
            columns.append((name, series.sym))
        else:
            pointed = sql("replace(_1, ',', '.')", sym.sql) if comma and kind == "float" else sym.sql
            if grouped and kind in ("int", "float"):
                form = sqlx.literal(_GROUPED.pattern)
                odd = sql("contains(_1, ',') AND NOT regexp_full_match(_1, _2)", sym.sql, form)
                frames.owe(m, rows, odd, "a number whose digits are not in groups of three")
                pointed = sql("replace(_1, ',', '')", sym.sql)
            markers.owe_spelled(m, rows, replace(sym, sql=pointed), kind, plain["na_values"], name)
            made = typed(m, rows, replace(sym, sql=pointed), kind)
            if kind == "float" and declared is None:
                other = sql("_1 IS NULL OR py_int(_1) IS NULL", pointed)
                made = whole.unless(m, rows, made, other)
            columns.append((name, made))
    if isinstance(wanted, list) and not all(isinstance(w, str) for w in wanted):
        raise Refused("usecols by position", "usecols=[names]")
    return m.new(Frame(rows, tuple(columns)))


def _ungrouped(text: str) -> str:
    """A number without the commas between its groups of three digits."""
    return text.replace(",", "") if _GROUPED.fullmatch(text) else text


_GROUPED = re.compile(r"[-+]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?")


def typed(m: Machine, rows: Rows, raw: Sym, kind: str) -> Sym:
    """A text column of a file as the type that pandas inferred."""
    if kind == "str":
        return raw
    if kind == "bool":
        made = sql("lower(_1) = 'true'", raw.sql)
        other = sql("NOT coalesce(_1 IN ('True', 'TRUE', 'true', 'False', 'FALSE', 'false'), FALSE)", raw.sql)
        frames.owe(m, rows, other, "a text in a column that pandas read as booleans")
        return replace(raw, sql=made, type="bool")
    made = sql(f"py_{kind}(_1)", raw.sql)
    message = f"a text in a column that pandas read as {'whole numbers' if kind == 'int' else 'numbers'}"
    frames.owe(m, rows, sql("_1 IS NOT NULL AND _2 IS NULL", raw.sql, made), message)
    if kind == "int":
        frames.owe(m, rows, sql("_1 IS NULL", raw.sql), "a blank in a column of whole numbers")
    return replace(raw, sql=made, type=kind)


def _read_back(m: Machine, path: str, delimiter: str, plain: dict) -> Value:
    """A file the script wrote itself: the rows of the view behind it, with the types read back."""
    key = ("frame written", path)
    if key not in m.files:
        raise Refused(f"reading back {path}, which was not written by to_csv")
    frame, separator = m.files[key]
    if separator != delimiter or any(plain[n] is not None for n in ("names", "usecols", "na_values")):
        raise Refused(f"reading back {path} with other parameters than it was written with")
    rows = replace(frame.rows_, labels=fresh("index"), index="range", keys=(), since=m.line)
    dates = plain["parse_dates"] or []
    given = plain["dtype"] or {}
    columns = []
    for name, sym in frame.columns:
        if isinstance(given, dict) and name in given and type_name(given[name]) != sym.type:
            raise Refused(f"reading back {path} with another type of {name}")
        if name in dates and sym.type == "str":
            sym = moment_rules.to_moment(m, Series(rows, sym), None, "raise").sym
        elif sym.type in ("date", "datetime") and name not in dates:
            text = "CAST(CAST(_1 AS DATE) AS VARCHAR)"
            sym = replace(sym, sql=sql(text, sym.sql), type="str")
        elif sym.type == "str":
            check = " OR ".join(f"_1 = '{t}'" for t in ("", "NA", "NULL", "None", "nan"))
            frames.owe(m, rows, sql(f"coalesce({check}, FALSE)", sym.sql), "a text read back as missing")
            frames.owe(m, rows, sql("py_float(_1) IS NOT NULL", sym.sql), "a text read back as a number")
        columns.append((name, sym))
    return m.new(Frame(rows, tuple(columns)))


# -- frames made by hand --------------------------------------------------------------------------------


def frame_of(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``pd.DataFrame(records)``, of a dict of columns, or of a frame."""
    chosen = options(kwargs, args, ("data", "index", "columns"), "DataFrame", data=None, index=None, columns=None)
    content = m.content(chosen["data"])
    columns = None if chosen["columns"] is None else frames.strings(m, chosen["columns"])
    if isinstance(content, Frame):
        return m.new(_of_frame(m, content, columns, m.content(chosen["index"])))
    if chosen["index"] is not None:
        raise Refused("DataFrame with index=")
    if isinstance(content, v.ListOf | v.View):
        return _of_rows(m, content.rel, content.element, columns)
    if isinstance(content, v.HDict) and content.items:
        return _of_columns(m, content)
    raise Refused("a DataFrame of this", "a list of dicts filled in a loop, or a dict of lists")


def _of_frame(m: Machine, frame: Frame, columns: list[str] | None, index: Value) -> Frame:
    """A frame of another, or of an array, which has numbers for names and rows, unless it is given others."""
    if not frame.rows_.array:
        if index is not None:
            raise Refused("DataFrame with index=")
        return frame if columns is None else frames.FRAME_RULES["picked"](frame, columns)
    names = list(range(len(frame.columns))) if columns is None else columns
    if len(names) != len(frame.columns):
        raise Refused("a DataFrame of an array with another number of columns")
    shown = tuple((n, x) for n, (_, x) in zip(names, frame.columns, strict=True))
    own = frame.rows_
    if index is None:
        rows = replace(own, labels=own.labels if own.index == "range" else fresh("index"), index="range", keys=())
    elif isinstance(index, frames.Accessor) and isinstance(index.of, Series | Frame):
        rows = replace(own, labels=frames.FRAME_RULES["by position"](m, index.of.rows_, own).labels)
    else:
        raise Refused("DataFrame with this index=", "index=df.index")
    return Frame(replace(rows, array=False, owner=None), shown)


def _of_rows(m: Machine, rel: Relation, element: Value, columns: list[str] | None) -> Value:
    if isinstance(element, v.Rec):
        items = [(str(k), x) for k, x in element.items]
    elif isinstance(element, tuple | v.Seq):
        values = element if isinstance(element, tuple) else element.items
        if columns is None:
            raise Refused("a DataFrame of lists without names", "columns=[...]")
        items = list(zip(columns, values, strict=True))
        columns = None
    elif isinstance(element, Sym):
        items, columns = [((columns or [0])[0], element)], None
    else:
        raise Refused("a DataFrame of this list", "a list of dicts")
    rows = Rows(rel, fresh("index"), since=m.line, title=rel.name)
    if isinstance(element, v.Rec) and columns is None:
        message = "no record at all: a DataFrame without columns"
        m.obligations.append(Obligation(rows.query(), (), exp.true(), message, m.line, some=True))
    made: list[tuple[str, Value]] = []
    for name, value in items:
        if isinstance(value, v.Rec | v.Seq | tuple):
            raise Refused(f"a column of lists ({name})", "one column per value")
        sym = series_rules.settled(scalars.scalar(value))
        if sym.type == "date":
            sym = replace(sym, type="date")
        made.append((name, sym))
    frame = Frame(rows, tuple(made))
    if columns is not None:
        frame = replace(frame, columns=tuple(zip(columns, frames.syms(frame, columns), strict=True)))
    return m.new(frame)


def _of_columns(m: Machine, content: v.HDict) -> Value:
    rows: Rows | None = None
    made: list[tuple[str, Value]] = []
    for name, value in content.items:
        held = m.content(value)
        if isinstance(held, v.ListOf | v.Vector):
            series = Series(_rows_of(m, held.rel), series_rules.settled(scalars.scalar(held.element)))
        elif isinstance(held, Series):
            series = held
        else:
            raise Refused("a DataFrame of this dict", "a dict of lists filled in a loop")
        if rows is None:
            rows = series.rows_
        elif rows.index == series.rows_.index == "keys" and rows.labels != series.rows_.labels:
            series = frames.FRAME_RULES["aligned pair"](m, Series(rows, rows.keys[0][1]), series)[1]
            rows = series.rows_
        if series.rows_.rel is not rows.rel:
            before = rows
            rows, _, sym = frames.both(m, Series(before, made[0][1]), series)
            made = [(n, frames.carry(m, rows, before, s)) for n, s in made]
            series = Series(rows, sym)
        made.append((str(name), series.sym))
    return m.new(Frame(replace(rows, array=False), tuple(made)))


def _rows_of(m: Machine, rel: Relation) -> Rows:
    key = ("rows", rel.token)
    if key not in m.files:
        m.files[key] = Rows(rel, fresh("index"), since=m.line, title=rel.name)
    return m.files[key]


def series_of(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``pd.Series(list)``."""
    found = frames.FRAME_RULES["record"](m, args, kwargs)
    if found is not v.MISSING:
        return found
    chosen = options(kwargs, args, ("data",), "Series", data=None)
    held = m.content(chosen["data"])
    if isinstance(held, v.ListOf | v.Vector):
        return Series(_rows_of(m, held.rel), series_rules.settled(scalars.scalar(held.element)))
    raise Refused("a Series of this", "a list filled in a loop")
