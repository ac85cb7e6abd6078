"""The Python text of an original, a script's or a notebook's, and where its lines stand for a person."""

from __future__ import annotations

import ast
import re
import tokenize
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lester_duck.errors import InputError

Order = Literal["document", "executed"]
_LINES = re.compile(r"(\bcell \d+, )?\blines? (\d+)(?:(-| to )(\d+))?\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The line of the text that holds the first line of a cell; cells count from one, texts included."""

    line: int
    cell: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What is run, translated and shown: ``name`` as messages give it, ``text`` with numbered lines.

    ``starts`` is empty for a script. ``notes`` are what a person should know before trusting a run.
    """

    name: str
    text: str
    order: Order = "document"
    starts: tuple[Start, ...] = ()
    notes: tuple[str, ...] = ()
    hint: str = ""
    """What to try when the run fails for want of a name."""

    @property
    def notebook(self) -> bool:
        """Whether the text was joined from the cells of a notebook."""
        return bool(self.starts)

    def tree(self) -> ast.Module:
        """The parsed text; raises InputError with the line."""
        try:
            return ast.parse(self.text, self.name)
        except SyntaxError as error:
            where = self.where(error.lineno or 0)
            raise InputError(f"not valid Python: {error.msg}", where=where) from error
        except ValueError as error:
            raise InputError(f"not valid Python: {error}", where=self.name) from error

    def where(self, line: int) -> str:
        """The place of a line, for messages.

        >>> Code(name="a.py", text="").where(3)
        'a.py:3'
        >>> Code(name="a.ipynb", text="", starts=(Start(line=2, cell=4),)).where(3)
        'a.ipynb, cell 4, line 2'
        """
        if line <= 0:
            return self.name
        if not self.notebook:
            return f"{self.name}:{line}"
        start = self._start(line)
        return f"{self.name}, cell {start.cell}, line {line - start.line + 1}"

    def located(self, message: str) -> str:
        """A message about lines of the text, about lines of cells instead when there are cells.

        >>> code = Code(name="a.ipynb", text="", starts=(Start(line=2, cell=4), Start(line=9, cell=6)))
        >>> code.located("line 3: no; see lines 10-12, and a.ipynb:9")
        'cell 4, line 2: no; see cell 6, lines 2-4, and a.ipynb, cell 6, line 1'
        >>> code.located("cell 4, line 2")
        'cell 4, line 2'
        """
        if not self.notebook:
            return message
        message = _LINES.sub(self._span, message)
        return re.sub(re.escape(self.name) + r":(\d+)", lambda m: self.where(int(m[1])), message)

    def _span(self, found: re.Match[str]) -> str:
        if found[1]:
            return found[0]  # a cell's line already
        first, last = int(found[2]), int(found[4] or found[2])
        one, two = self._start(first), self._start(last)
        if found[4] is None:
            return f"cell {one.cell}, line {first - one.line + 1}"
        if one == two:
            return f"cell {one.cell}, lines {first - one.line + 1}{found[3]}{last - one.line + 1}"
        return f"cell {one.cell}, line {first - one.line + 1} to cell {two.cell}, line {last - two.line + 1}"

    def _start(self, line: int) -> Start:
        return self.starts[max(0, bisect_right([s.line for s in self.starts], line) - 1)]


def read_code(script: Path, name: str, order: Order | None = None) -> Code:
    """Read a script, in the encoding it declares, or a notebook. Raises InputError or Unsupported."""
    if not script.is_file():
        raise InputError(f"no script '{script}'", hint="give the path of a Python file or a notebook")
    if script.suffix == ".ipynb":
        from lester_duck.rewrite.notebook import read_notebook

        return read_notebook(script, name, order or "document")
    try:
        with tokenize.open(script) as file:
            code = Code(name=name, text=file.read())
    except (SyntaxError, UnicodeDecodeError) as error:
        raise InputError(f"not valid Python: {error}", where=name) from error
    code.tree()
    return code
