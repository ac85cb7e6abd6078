"""Paths and listings of folders: constants of the observed run."""

from __future__ import annotations

import ast
import fnmatch
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

from lester_duck.lift import calls, files, library_rules, texts
from lester_duck.lift import values as v
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine
from lester_duck.lift.values import MISSING, Refused, Value


@dataclass(frozen=True, eq=False)
class FilePath(Library):
    """``pathlib.Path(...)``."""

    path: PurePosixPath
    what = "path"

    def attribute(self, m: Machine, ref: Value, name: str) -> Value:
        """``.name``, ``.stem``, ``.suffix``, ``.parent``."""
        if name in ("name", "stem", "suffix"):
            return getattr(self.path, name)
        return FilePath(self.path.parent) if name == "parent" else super().attribute(m, ref, name)

    def operate(self, m: Machine, op: type[ast.operator], a: Value, b: Value) -> Value:
        """``path / name``."""
        sides = [m.content(x) for x in (a, b)]
        said = [x.path if isinstance(x, FilePath) else x for x in sides]
        if op is not ast.Div or not all(isinstance(x, str | PurePosixPath) for x in said):
            return super().operate(m, op, a, b)
        return FilePath(PurePosixPath(said[0]) / said[1])

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """``.open()``, ``.read_text()``, ``.glob(pattern)`` and what only says another path."""
        rule = _METHODS.get(name)
        return super().method(m, ref, name, args, kwargs) if rule is None else rule(m, self, args, kwargs)

    def text(self) -> str:
        """The path as a text."""
        return self.path.as_posix()


def _opened(m: Machine, path: FilePath, args: list[Value], kwargs: dict[str, Value]) -> Value:
    return files.open_file(m, [path.text(), *args], kwargs)


def _read_text(m: Machine, path: FilePath, args: list[Value], kwargs: dict[str, Value]) -> Value:
    encoding = {"encoding": args[0]} if args else kwargs
    return texts.read(m, files.open_file(m, [path.text()], encoding))


def _write_text(m: Machine, path: FilePath, args: list[Value], kwargs: dict[str, Value]) -> Value:
    files.write(m, files.open_file(m, [path.text(), "w"], kwargs), args[0])
    return None


def _globbed(m: Machine, path: FilePath, args: list[Value], kwargs: dict[str, Value]) -> Value:
    names = _matching(m, (path.path / args[0]).as_posix())
    return m.new(Listing(tuple(FilePath(PurePosixPath(n)) for n in names)))


def _exists(m: Machine, path: FilePath, args: list[Value], kwargs: dict[str, Value]) -> Value:
    return path.text() in m.written or (m.observed.folder / path.path).exists()


_METHODS: dict[str, Callable[[Machine, FilePath, list[Value], dict[str, Value]], Value]] = {
    "open": _opened,
    "read_text": _read_text,
    "write_text": _write_text,
    "glob": _globbed,
    "exists": _exists,
    "is_file": _exists,
    "resolve": lambda m, path, args, kwargs: path,
    "absolute": lambda m, path, args, kwargs: path,
    "as_posix": lambda m, path, args, kwargs: path.text(),
    "mkdir": lambda m, path, args, kwargs: None,
    "with_suffix": lambda m, path, args, kwargs: FilePath(path.path.with_suffix(args[0])),
    "with_name": lambda m, path, args, kwargs: FilePath(path.path.with_name(args[0])),
    "joinpath": lambda m, path, args, kwargs: FilePath(path.path.joinpath(*args)),
}


@dataclass(frozen=True, eq=False)
class Listing(Library):
    """What ``glob.glob`` or ``os.listdir`` finds: a set of names, in whatever order the file system has."""

    names: tuple[Value, ...]
    what = "listing of a folder"

    def rows(self, m: Machine, ref: Value) -> Value:
        """A loop in the order of the file system."""
        if len(self.names) < 2:
            return m.new(v.HList(self.names))
        raise Refused("a loop over what glob or listdir finds, in the order of the file system", "sorted(...)")

    def length(self, m: Machine, ref: Value) -> Value:
        """``len(names)``."""
        return len(self.names)

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """``names.sort()``."""
        if name != "sort" or args or not isinstance(ref, v.Ref):
            return super().method(m, ref, name, args, kwargs)
        m.update(ref, v.HList(self.in_order(kwargs)))
        return None

    def in_order(self, kwargs: dict[str, Value]) -> tuple[Value, ...]:
        """The names sorted."""
        if set(kwargs) - {"reverse"}:
            raise Refused("files sorted by a key", "sorted(names)")
        reverse = kwargs.get("reverse") is True
        return tuple(sorted(self.names, key=lambda x: x.text() if isinstance(x, FilePath) else x, reverse=reverse))


def _matching(m: Machine, pattern: Value) -> list[str]:
    """The files of the observed run that match; says that the set of files is now fixed."""
    if not isinstance(pattern, str) or pattern.startswith("/") or "**" in pattern:
        raise Refused("this pattern of files", 'glob.glob("folder/*.csv")')
    root = m.observed.folder
    found = [p.relative_to(root).as_posix() for p in root.glob(files.clean_path(pattern)) if p.name[:1] != "."]
    found = [n for n in found if n not in m.written]
    if any(fnmatch.fnmatch(files.clean_path(w), files.clean_path(pattern)) for w in m.written):
        raise Refused("files listed that the script writes itself")
    _fixed(m, pattern, found)
    return found


def _fixed(m: Machine, pattern: str, found: list[str]) -> None:
    note = f"the files '{pattern}' are those of the observed run ({', '.join(sorted(found))}); a new one needs a source"
    if (m.line, note) not in m.suspicions:
        m.suspicions.append((m.line, note))


def _glob(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if len(args) != 1 or kwargs:
        raise Refused("glob.glob with these parameters", "glob.glob(pattern)")
    return m.new(Listing(tuple(_matching(m, _text(m, args[0])))))


def _listdir(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    folder = _text(m, args[0]) if args else "."
    where = m.observed.folder / folder
    if not isinstance(folder, str) or not where.is_dir() or folder in (".", ""):
        raise Refused("os.listdir of this folder", 'sorted(glob.glob("folder/*.csv"))')
    names = [p.name for p in where.iterdir() if f"{files.clean_path(folder)}/{p.name}" not in m.written]
    _fixed(m, f"{folder}/*", names)
    return m.new(Listing(tuple(names)))


def _text(m: Machine, value: Value) -> Value:
    content = m.content(value)
    return content.text() if isinstance(content, FilePath) else content


def _path(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    parts = [_text(m, a) for a in args] or ["."]
    if not all(isinstance(p, str) for p in parts):
        raise Refused("a path that depends on rows")
    return FilePath(PurePosixPath(*parts))


def _with_text(name: str) -> library_rules.Rule:
    """A function of a path, given one of pathlib's."""

    def rule(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if not args or not any(isinstance(m.content(a), FilePath) for a in args):
            return MISSING
        return calls.call(m, v.Lib(name), [_text(m, a) for a in args], kwargs)

    return rule


def _sorted(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    content = m.content(args[0])
    return m.new(v.HList(content.in_order(kwargs))) if isinstance(content, Listing) else MISSING


RULES: dict[str, library_rules.Rule] = {
    "glob.glob": _glob,
    "glob.iglob": _glob,
    "os.listdir": _listdir,
    "pathlib.Path": _path,
    "pathlib.PurePath": _path,
    "builtins.sorted": _sorted,
    **{n: _with_text(n) for n in ("builtins.open", "gzip.open", "os.path.join", "os.path.basename", "os.path.exists",
                                  "pandas.read_csv", "builtins.str", "os.path.isfile", "numpy.loadtxt")},
}  # fmt: skip


def install() -> None:
    """Make the rules known to calls of libraries."""
    if RULES not in calls.LIBRARIES:
        calls.LIBRARIES.insert(0, RULES)
        calls.METHODS[v.HFile, "read"] = lambda m, receiver, args, kwargs: texts.read(m, receiver)
