"""The csv module: rows as lists or dicts, read and written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlglot import exp

from lester_duck.lift import calls, containers, csv_files, csv_quoted, files, library_rules, once, rows
from lester_duck.lift import values as v
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine
from lester_duck.lift.sqlx import Tree
from lester_duck.lift.values import Refused, Value

_READING = "csv.reader(file, delimiter=...)"
_DIALECTS = {"excel": (",", "\r\n"), "excel-tab": ("\t", "\r\n"), "unix": None}


@dataclass(frozen=True, eq=False)
class Reader(Library):
    """``csv.reader(file)``: rows as lists; ``DictReader`` has ``names``, or takes them from the first row."""

    file: Value
    delimiter: str
    dicts: bool = False
    names: tuple[str, ...] | None = None
    what = "csv.reader"
    fresh = True

    def attribute(self, m: Machine, ref: Value, name: str) -> Value:
        """``reader.fieldnames``."""
        if name == "fieldnames" and self.dicts:
            return m.new(v.HList(self._names(m)))
        return super().attribute(m, ref, name)

    def rows(self, m: Machine, ref: Value) -> Value:
        """The rows that are left to read."""
        file = m.content(self.file)
        if not isinstance(file, v.HFile):
            raise Refused("a csv.reader of something that is no file", _READING)
        if once.is_ended(file):
            return m.new(v.HList())
        if not self.dicts:
            found = csv_files.csv_rows(m, file, self.delimiter)
        elif self.names is None:
            found = csv_files.records(m, file, self.delimiter)
        else:
            found = csv_files.named_records(m, file, self.delimiter, self.names)
        once.read_to_end(m, file)
        return found

    def _names(self, m: Machine) -> tuple[str, ...]:
        if self.names is not None:
            return self.names
        return tuple(csv_files.first_record(m, m.content(self.file), self.delimiter))

    def following(self, m: Machine) -> Value:
        """``next(reader)``: the row, as it was observed."""
        if m.frames or self.dicts:
            raise Refused("a row read off a csv reader here", "next(csv.reader(file)) before the loop")
        file = m.content(self.file)
        record = csv_files.first_record(m, file, self.delimiter)
        m.update(self.file, replace(file, skipped=file.skipped + 1))
        m.files["begins", file.path] = True
        return m.new(v.HList(tuple(record)))

    def truth(self, m: Machine, ref: Value) -> Tree:
        """A reader is true."""
        return exp.true()


@dataclass(frozen=True, eq=False)
class DictWriter(Library):
    """``csv.DictWriter(file, fieldnames)``."""

    writer: v.HWriter
    names: tuple[str, ...]
    rest: Value
    ignoring: bool
    what = "csv.DictWriter"

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """``writeheader()``, ``writerow(record)``, ``writerows(records)``."""
        if name == "writeheader" and not args:
            self._write(m, list(self.names))
        elif name == "writerow" and len(args) == 1:
            self._record(m, args[0])
        elif name == "writerows" and len(args) == 1:
            each(m, args[0], lambda item: self._record(m, item))
        else:
            raise Refused(f"the method .{name}() of a csv.DictWriter", "writerow(record)")
        return None

    def _write(self, m: Machine, items: list[Value]) -> None:
        csv_quoted.write(m, self.writer, tuple(items))

    def _record(self, m: Machine, value: Value) -> None:
        content = m.content(value)
        if isinstance(content, v.Foreign):
            content = content.record(m)
        if not isinstance(content, v.HDict | v.Rec):
            raise Refused("a row of a DictWriter that is no dict of known keys", "writerow({...})")
        own = dict(content.items)
        if set(own) - set(self.names) and not self.ignoring:
            raise Refused("the script would fail here: a key that is no field of the DictWriter")
        if any(isinstance(x, v.Choice) and v.MISSING in (x.then, x.otherwise) for x in own.values()):
            raise Refused("a row of a DictWriter with keys that not every row has", "writerow({...})")
        self._write(m, [own.get(n, self.rest) for n in self.names])


def each(m: Machine, value: Value, act: Callable[[Value], None]) -> None:
    """Do something with every item of an iterable: in a loop over rows where it has one per row."""
    view = rows.as_view(m, m.content(value))
    if view is None:
        for item in containers.known_items(m, value):
            act(item)
        return
    if m.frames:
        raise Refused("rows of another collection written for each row", "a loop of its own")
    current: list[Value] = []
    rows.over_rows(m, view, (m.line, m.line), current.append, lambda: act(current[-1]))


def _options(name: str, args: list[Value], kwargs: dict[str, Value], fixed: int) -> tuple[str, str]:
    """Delimiter and line end that the dialect and its parameters say; other parameters only as by default."""
    given = dict(kwargs)
    dialect = args[fixed] if len(args) > fixed else given.pop("dialect", "excel")
    if len(args) > fixed + 1 or _DIALECTS.get(dialect if isinstance(dialect, str) else "") is None:
        raise Refused(f"{name} with this dialect", f"{name}(file, delimiter=...)")
    delimiter, end = _DIALECTS[dialect]
    delimiter, end = given.pop("delimiter", delimiter), given.pop("lineterminator", end)
    default = {"quotechar": '"', "quoting": v.Lib("csv.QUOTE_MINIMAL"), "doublequote": True, "strict": False,
               "skipinitialspace": False, "escapechar": None}  # fmt: skip
    if not isinstance(delimiter, str) or len(delimiter) != 1 or not isinstance(end, str):
        raise Refused(f"{name} with this delimiter")
    other = [k for k, x in given.items() if k not in default or default[k] != x]
    if other:
        raise Refused(f"{name} with {', '.join(other)}", f"{name}(file, delimiter=...)")
    return delimiter, end


def _file(m: Machine, value: Value, name: str) -> Value:
    if not isinstance(value, v.Ref) or not isinstance(m.content(value), v.HFile):
        raise Refused(f"{name} of something that is no file", f"{name}(open(path))")
    return value


def _reader(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    delimiter, _ = _options("csv.reader", args, kwargs, 1)
    return m.new(Reader(_file(m, args[0], "csv.reader"), delimiter))


def _dict_reader(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    given = dict(kwargs)
    named = args[1] if len(args) > 1 else given.pop("fieldnames", None)
    names = None if named is None else tuple(containers.known_items(m, named))
    if names is not None and (not all(isinstance(n, str) for n in names) or len(set(names)) != len(names)):
        raise Refused("csv.DictReader with these field names")
    delimiter, _ = _options("csv.DictReader", args[:1], given, 1)
    return m.new(Reader(_file(m, args[0], "csv.DictReader"), delimiter, True, names))


def _writer(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    quoting, given = csv_quoted.mode(kwargs)
    delimiter, end = _options("csv.writer", args, given, 1)
    return m.new(v.HWriter(_file(m, args[0], "csv.writer"), delimiter, end, quoting))


def _dict_writer(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    given = dict(kwargs)
    named = args[1] if len(args) > 1 else given.pop("fieldnames", None)
    rest, extras = given.pop("restval", ""), given.pop("extrasaction", "raise")
    names = tuple(containers.known_items(m, named)) if named is not None else ()
    if not names or not all(v.is_const(n) for n in names) or not v.is_const(rest):
        raise Refused("csv.DictWriter with these field names")
    quoting, given = csv_quoted.mode(given)
    delimiter, end = _options("csv.DictWriter", args[:1], given, 1)
    writer = v.HWriter(_file(m, args[0], "csv.DictWriter"), delimiter, end, quoting)
    return m.new(DictWriter(writer, names, rest, extras == "ignore"))


def writerows(m: Machine, receiver: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``writer.writerows(rows)``."""
    each(m, args[0], lambda item: calls.METHODS[v.HWriter, "writerow"](m, receiver, [item], {}))
    return None


def writelines(m: Machine, receiver: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``file.writelines(texts)``."""
    each(m, args[0], lambda item: files.write(m, receiver, item))
    return None


RULES: dict[str, library_rules.Rule] = {
    "csv.reader": _reader,
    "csv.DictReader": _dict_reader,
    "csv.writer": _writer,
    "csv.DictWriter": _dict_writer,
    "gzip.open": files.open_gzip,
    "io.open": files.open_file,
}


def install() -> None:
    """Make the rules known to calls of libraries."""
    if RULES not in calls.LIBRARIES:
        calls.LIBRARIES.append(RULES)
        calls.METHODS[v.HWriter, "writerows"] = writerows
        calls.METHODS[v.HFile, "writelines"] = writelines
