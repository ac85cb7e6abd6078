"""``df.columns``: the column names, as constants; ``df.index``: the keys, or the positions of the rows."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace

from lester_duck.lift import calls, sqlx
from lester_duck.lift import pandas_dropped as dropped
from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_select as select_rules
from lester_duck.lift import values as v
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Block, Frame, Series, options
from lester_duck.lift.values import Refused, Value


@dataclass(frozen=True, eq=False)
class Labels(Library):
    """Column names, of the frame ``of``."""

    items: tuple[Value, ...]
    of: Value = None
    what = "Index of columns"

    def rows(self, m: Machine, ref: Value) -> Value:
        """A loop over the names."""
        return m.new(v.HList(self.items))

    def length(self, m: Machine, ref: Value) -> Value:
        """How many."""
        return len(self.items)

    def contains(self, m: Machine, item: Value) -> Value:
        """Whether there is such a column."""
        return sqlx.literal(item in self.items)

    def subscript(self, m: Machine, ref: Value, index: Value) -> Value:
        """By place."""
        held = m.content(index)
        if type(held) is int:
            return self.items[held]
        if isinstance(held, slice):
            return Labels(self.items[held])
        if isinstance(held, Mask):
            return Labels(tuple(x for x, kept in zip(self.items, held.flags, strict=True) if kept))
        raise Refused("this index into the names of columns", "df.columns[i]")

    def attribute(self, m: Machine, ref: Value, name: str) -> Value:
        """``.str``, ``.values``, ``.size``."""
        if name == "str":
            return Texts(self.items)
        if name == "values":
            return self
        if name == "size":
            return len(self.items)
        return v.Method(ref, name)

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """A method by its rule."""
        if name in ("tolist", "to_list"):
            return m.new(v.HList(self.items))
        if name in ("copy", "to_flat_index"):
            return self
        if name == "map" and len(args) == 1:
            return Labels(tuple(calls.call(m, args[0], [x], {}) for x in self.items))
        if name in ("difference", "drop") and args:
            gone = frames.strings(m, args[0])
            left = tuple(x for x in self.items if x not in gone)
            return Labels(left if name == "drop" else tuple(sorted(left)))
        if name == "isin":
            wanted = frames.strings(m, args[0])
            return Mask(tuple(x in wanted for x in self.items))
        if name == "get_loc":
            return self.items.index(args[0])
        if name in ("droplevel", "get_level_values"):
            return self._level(name, args)
        raise Refused(f".{name}() of the names of columns", "a list of names")

    def _level(self, name: str, args: list[Value]) -> Labels:
        level = args[0] if args else 0
        if type(level) is not int or not all(isinstance(x, tuple) for x in self.items):
            raise Refused(f".{name}() of names of one level")
        if name == "get_level_values":
            return Labels(tuple(x[level] for x in self.items))
        rest = [tuple(p for i, p in enumerate(x) if i != level % len(x)) for x in self.items]
        return Labels(tuple(r[0] if len(r) == 1 else r for r in rest))

    def set_attribute(self, m: Machine, ref: Value, name: str, value: Value) -> None:
        """``df.columns.name = None``."""
        held = m.content(self.of)
        if name != "name" or not isinstance(held, Frame) or not isinstance(self.of, v.Ref):
            raise Refused(f"the attribute .{name} of the names of columns set")
        m.update(self.of, replace(held, axis=value))

    def compare(self, m: Machine, op: type[ast.cmpop], a: Value, b: Value) -> Value:
        """``df.columns != "x"``, name by name."""
        other = b if m.content(a) is self else a
        if op not in (ast.Eq, ast.NotEq) or not isinstance(other, str):
            raise Refused("a comparison of the names of columns")
        return Mask(tuple((x == other) is (op is ast.Eq) for x in self.items))


@dataclass(frozen=True, eq=False)
class Mask(Library):
    """A condition on each column name."""

    flags: tuple[bool, ...]
    what = "condition on names of columns"

    def unary(self, m: Machine, op: type[ast.unaryop], value: Value) -> Value:
        """``~mask``."""
        if op is not ast.Invert:
            raise Refused("this operator on a condition on names of columns", "~")
        return Mask(tuple(not f for f in self.flags))


@dataclass(frozen=True, eq=False)
class Texts(Library):
    """``df.columns.str``: a text method of each name."""

    items: tuple[Value, ...]
    what = "names of columns"

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """Python's own method of a text, where pandas' is the same."""
        plain = [frames.constant(m, a) for a in args]
        named = {k: frames.constant(m, x) for k, x in kwargs.items()}
        if name == "replace" and named.pop("regex", False):
            return Labels(tuple(re.sub(plain[0], plain[1], x) for x in self.items))
        if name in ("startswith", "endswith"):
            return Mask(tuple(getattr(x, name)(plain[0]) for x in self.items))
        if name == "contains" and isinstance(plain[0], str):
            fixed = named.get("regex") is False
            return Mask(tuple(plain[0] in x if fixed else re.search(plain[0], x) is not None for x in self.items))
        if name not in _PLAIN or named:
            raise Refused(f".columns.str.{name}()", "a list of names")
        return Labels(tuple(getattr(x, name)(*plain) for x in self.items))


_PLAIN = frozenset(["strip", "lstrip", "rstrip", "lower", "upper", "title", "capitalize", "replace", "removeprefix",
                    "removesuffix"])  # fmt: skip


def _columns(m: Machine, ref: Value, frame: Frame) -> Value:
    if any(isinstance(x, Block) for _, x in frame.columns):
        frame = frames.FRAME_RULES["expanded"](m, frame)
        if any(isinstance(x, Block) for _, x in frame.columns):
            raise Refused("the names of encoded columns", "the columns before they were encoded")
        if isinstance(ref, v.Ref):
            m.update(ref, frame)
    return Labels(tuple(frame.names), ref)


def _rename_axis(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("mapper",), "rename_axis", mapper=v.MISSING, columns=v.MISSING, index=v.MISSING,
                     axis=0)  # fmt: skip
    title = chosen["mapper"] if chosen["axis"] in (1, "columns") else chosen["columns"]
    if title is v.MISSING or (title is not None and not isinstance(title, str)) or chosen["index"] is not v.MISSING:
        raise Refused("rename_axis of rows", "rename_axis(None, axis=1)")
    return m.new(replace(frame, axis=title))


def _index(m: Machine, ref: Value, frame: Frame) -> Value:
    """The key, where there is one; the positions of rows that were never chosen among, or numbered since."""
    rows = frame.rows_
    if rows.index == "keys" and len(rows.keys) == 1:
        return Series(frames.owned(rows, ref), rows.keys[0][1])
    if rows.index == "range" and rows.part is None and isinstance(ref, v.Ref):
        return _Positions(ref)
    return dropped.index_of(ref, frame)


@dataclass(frozen=True, eq=False)
class _Positions(Library):
    """``df.index`` of rows 0, 1, 2 ..."""

    of: Value
    what = "index"

    def rows(self, m: Machine, ref: Value) -> Value:
        """A loop over the labels of the rows."""
        return frames.FRAME_RULES["loop over labels"](m, self.of, m.content(self.of).rows_)

    def series(self, m: Machine) -> Series:
        """The positions as a column."""
        return select_rules.place_of(m, m.content(self.of).rows_)

    def length(self, m: Machine, ref: Value) -> Value:
        """The number of rows."""
        return m.content(self.of).length(m, self.of)

    def operate(self, m: Machine, op: type[ast.operator], a: Value, b: Value) -> Value:
        """Arithmetic on the positions."""
        x, y = (self.series(m) if m.content(p) is self else p for p in (a, b))
        return self.series(m).operate(m, op, x, y)

    def compare(self, m: Machine, op: type[ast.cmpop], a: Value, b: Value) -> Value:
        """A comparison of the positions."""
        x, y = (self.series(m) if m.content(p) is self else p for p in (a, b))
        return self.series(m).compare(m, op, x, y)

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """A method of the positions as a column."""
        if name in ("to_series", "to_numpy"):
            return self.series(m)
        return self.series(m).method(m, ref, name, args, kwargs)

    def attribute(self, m: Machine, ref: Value, name: str) -> Value:
        """``.values``."""
        return self.series(m) if name == "values" else v.Method(ref, name)


def _set_index(m: Machine, ref: Value, frame: Frame, value: Value) -> None:
    """``df.index = values``: a key without a name."""
    held = m.content(value)
    placed = positions(m, held)
    series = held if placed is v.MISSING else placed
    if not isinstance(series, Series):
        raise Refused("the index of a DataFrame set to this", "df.set_index(column)")
    made = frames.assign(m, frame, "", series)
    sym = dict(made.columns)[""]
    rows = replace(made.rows_, index="keys", keys=(("", sym),))
    m.update(ref, replace(frame, what_rows=rows))


def set_name(m: Machine, series: Series, name: str, value: Value) -> None:
    """``df.index.name = "x"``."""
    owner = m.state.heap.get(series.rows_.owner) if series.rows_.owner is not None else None
    keys = owner.rows_.keys if isinstance(owner, Frame) else ()
    if name != "name" or len(keys) != 1 or keys[0][1] is not series.sym:
        raise Refused(f"the attribute .{name} of a Series set", "rename")
    rows = replace(owner.rows_, keys=(("" if value is None else value, series.sym),))
    m.update(v.Ref(series.rows_.owner), replace(owner, what_rows=rows))


def constant(m: Machine, content: Value) -> list:
    """The names as a list; ``MISSING`` for other things."""
    return list(content.items) if isinstance(content, Labels) else v.MISSING


def positions(m: Machine, content: Value) -> Value:
    """The positions as a column; ``MISSING`` for other things."""
    return content.series(m) if isinstance(content, _Positions) else v.MISSING


frames.FRAME_METHODS["rename_axis"] = _rename_axis
frames.FRAME_RULES.update({"labels": constant, "positions": positions, "set index": _set_index, "set name": set_name})
frames.FRAME_ATTRIBUTES.update(columns=_columns, index=_index)
