"""The whole text of a file, read at once and cut into its lines."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

from lester_duck.lift import arrays, containers, expressions, files, once, rows
from lester_duck.lift import values as v
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import Query
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.state import Obligation
from lester_duck.lift.values import Poison, Refused, Sym, Value

_NEAREST = 'open(path).read().split("\\n")'
_FURTHER = r"[\x{b}\x{c}\x{1c}-\x{1e}\x{85}\x{2028}\x{2029}]"
"""Where ``str.splitlines`` cuts a text and a file has no line end."""


def read(m: Machine, ref: Value) -> Value:
    """``file.read()``."""
    file = m.content(ref)
    if m.frames or not isinstance(file, v.HFile) or file.mode != "r" or once.is_ended(file):
        raise Refused("a file read here", "open(path).read()")
    view = files.lines_of(m, file)
    once.read_to_end(m, file)
    return WholeText(view)


@dataclass(frozen=True, eq=False)
class WholeText(Library):
    """All that a file holds; ``stripped`` says that its outer white space is gone."""

    view: v.View
    stripped: bool = False
    what = "text of a file"

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """``.strip()``, ``.split("\\n")``, ``.splitlines()``."""
        if name in ("strip", "rstrip") and not args:
            return WholeText(self.view, True) if name == "strip" else self._without_last_ends(m)
        if name == "rstrip" and args == ["\n"]:
            return self._without_last_ends(m)
        if name == "splitlines" and not args:
            self._owe(m, sql("regexp_matches(_1, _2)", self._line(), v.constant(_FURTHER).sql), "a further line end")
            self._edges(m)
            return m.new(v.ListOf(self.view.rel, self._element()))
        if name == "split" and args == ["\n"]:
            if not self.stripped:
                return m.new(Lines(v.ListOf(self.view.rel, self._element())))
            self._edges(m)
            return m.new(v.ListOf(self.view.rel, self._element()))
        raise Refused(f"the method .{name}() of the text of a file", _NEAREST)

    def _without_last_ends(self, m: Machine) -> Value:
        raise Refused(".rstrip() of the text of a file", '.strip().split("\\n")')

    def _line(self) -> Tree:
        return self.view.element.sql

    def _element(self) -> Sym:
        """A line without its end."""
        line = self.view.element.line
        if line is None:
            raise Refused("the text of a file that the script wrote itself", "a loop over its lines")
        return Sym(self._line(), "str", name="line", line=v.LineText(line.alias, "none"))

    def _edges(self, m: Machine) -> None:
        """White space at both ends of the text is in no line: there is none at the ends of lines, and no empty line."""
        if self.stripped:
            fails = sql("py_strip(_1) <> _1 OR _1 = ''", self._line())
            self._owe(m, fails, "white space at the ends of a line, or a blank line")

    def _owe(self, m: Machine, fails: Tree, why: str) -> None:
        rel = self.view.rel
        rel.whole_lines = True
        m.obligations.append(Obligation(Query(rel.token, rel), (), fails, why, m.line))


@dataclass(frozen=True, eq=False)
class Lines(Library):
    """``text.split("\\n")``: the lines of a file and an empty text after the last end; numbered from ``counted``."""

    lines: v.ListOf
    counted: int | None = None
    what = "list of lines and the end of the last one"

    def subscript(self, m: Machine, ref: Value, index: Value) -> Value:
        """``lines[1:]``, ``lines[0]``."""
        rel = self.lines.rel
        if self.counted is not None:
            raise Refused("an index into enumerate()", "a loop over it")
        if isinstance(index, slice) and index.stop is None and index.step is None and (index.start or 0) >= 0:
            further = v.HFile(rel.path, "r", (rel.encoding,), rel.skip + (index.start or 0))
            text = WholeText(files.lines_of(m, further))
            return m.new(Lines(v.ListOf(text.view.rel, text._element())))
        if type(index) is int:
            return containers.subscript(m, self.lines, index).rstrip("\n")
        raise Refused("this index into the lines of a text", "lines[1:]")

    def loop(self, m: Machine, node: ast.For, bind: Callable[[Value], None], run: Callable[[], None]) -> bool:
        """A loop that does nothing for the empty text at the end."""
        view, last = v.View(self.lines.rel, self.lines.element), ""
        if self.counted is not None:
            place = arrays.place(self.lines.rel)
            number = Sym(sql("_1 + _2", place.sql, v.constant(self.counted).sql), "int", name="number")
            view = v.View(self.lines.rel, (number if self.counted else place, self.lines.element))
            last = (Poison("the number of the text after the last line end", m.line), "")
        loads = frozenset(n.id for part in node.body for n in ast.walk(part)
                          if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))  # fmt: skip
        rows.over_rows(m, view, (node.lineno, node.end_lineno), bind, run, None, loads)
        saved, m.state = m.state, m.state.fork()
        rows.unroll(m, [last], bind, run)
        changed = [i for i, x in saved.heap.items() if m.state.heap.get(i) is not x]
        bound = [n for n, x in m.env.items() if x is not saved.envs[-1].get(n)]
        m.state = saved
        if changed:
            raise Refused("a loop that does something for the text after the last line end", "if not line: continue")
        for name in bound:
            m.env[name] = Poison(f"'{name}' as the text after the last line end left it", m.line)
        return True

    def kept(self, m: Machine, bind: Callable[[Value], None], tests: list[ast.expr]) -> v.View:
        """What a comprehension runs over, whose conditions leave out the empty text at the end."""
        names = m.state.envs[-1]
        m.state.envs[-1] = dict(names)
        bind("")
        left_out = any(m.implied(expressions.condition(m, test)) is False for test in tests)
        m.state.envs[-1] = names
        if not left_out:
            raise Refused("an element for the empty text after the last line end", "[... for line in lines if line]")
        return v.View(self.lines.rel, self.lines.element)
