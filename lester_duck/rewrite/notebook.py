"""A notebook as one Python text: cells in an order, magics taken out, lines that map back.

Cells are counted from the top of the document, from one, texts included: what a reader can count.
"""

from __future__ import annotations

import ast
import builtins
import json
import symtable
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

from lester_duck.errors import InputError, Unsupported, UsageError, one_of
from lester_duck.rewrite.code import Code, Order, Start
from lester_duck.rewrite.notebook_magics import NotPython, plain

_GIVEN = frozenset(dir(builtins)) | {"__file__", "__doc__", "__name__", "display"}
_COMPREHENSIONS = frozenset({"listcomp", "setcomp", "dictcomp", "genexpr"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    """A code cell: its number, its Python, and the count of its last execution (0: never)."""

    number: int
    count: int
    lines: tuple[str, ...]
    parameters: bool
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    """A name that a top-level statement reads (at once, or ``later`` in a function) or binds."""

    name: str
    line: int
    kind: str


def read_notebook(path: Path, name: str, order: Order) -> Code:
    """The code of a notebook, cells in document order or in the order they were last executed.

    Raises InputError when it is no notebook or a cell is no Python, Unsupported for what cannot be
    said in Python (a shell command that gives a value, another language).
    """
    if order not in get_args(Order):
        raise UsageError(one_of("order", order, get_args(Order)))
    document = _document(path, name)
    cells = [
        _cell(raw, number, name)
        for number, raw in enumerate(document["cells"], 1)
        if isinstance(raw, dict) and raw.get("cell_type") == "code"
    ]
    cells = [cell for cell in cells if any(line.strip() for line in cell.lines)]
    if not cells:
        raise InputError("the notebook holds no code", where=name)
    chosen = cells if order == "document" else sorted((c for c in cells if c.count), key=lambda c: c.count)
    if not chosen:
        raise InputError("no cell was ever executed", where=name, hint="leave --order executed away")
    notes = [note for cell in chosen for note in cell.notes]
    notes += _order_notes(cells, order)
    notes += _name_notes(chosen)
    return _joined(chosen, name, order, tuple(notes), _hint(cells, order))


def order_of(path: Path, name: str, digest: str) -> Order:
    """The order of cells whose code has a SHA-256; document order when none has."""
    try:
        text = read_notebook(path, name, "executed").text
    except (InputError, Unsupported):
        return "document"  # then that order cannot have been rewritten either
    return "executed" if sha256(text.encode()).hexdigest() == digest else "document"


def _document(path: Path, name: str) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"not a notebook: {error}", where=name) from error
    if not isinstance(document, dict) or document.get("nbformat") != 4 or not isinstance(document.get("cells"), list):
        text = "a notebook in a format other than 4" if isinstance(document, dict) else "not a notebook"
        raise InputError(text, where=name, hint="convert it with 'jupyter nbconvert --to notebook --nbformat 4'")
    metadata = document.get("metadata") or {}
    language = (metadata.get("kernelspec") or {}).get("language") or (metadata.get("language_info") or {}).get("name")
    if language and str(language).lower() not in ("python", "python3", "ipython"):
        raise Unsupported(f"a notebook in {language}", where=name, hint="only Python can be rewritten")
    return document


def _cell(raw: dict[str, Any], number: int, name: str) -> _Cell:
    source = raw.get("source") or ""
    text = "".join(source) if isinstance(source, list) else str(source)
    try:
        found = plain(text)
        ast.parse("\n".join(found.lines))
    except NotPython as error:
        raise Unsupported(error.reason, where=f"{name}, cell {number}, line {error.line}", hint=error.hint) from error
    except SyntaxError as error:
        where = f"{name}, cell {number}, line {error.lineno or 1}"
        raise InputError(f"not valid Python: {error.msg}", where=where) from error
    metadata = raw.get("metadata") or {}
    notes = tuple(f"cell {number}, line {line}: {note}" for line, note in found.notes)
    parameters = "parameters" in (metadata.get("tags") or ())
    if parameters:
        notes += (f"cell {number} holds parameters (tag of papermill): the values in it are taken",)
    return _Cell(
        number=number,
        count=raw.get("execution_count") or 0,
        lines=tuple(_without_display(found.lines)),
        parameters=parameters,
        notes=notes,
    )


def _without_display(lines: Sequence[str]) -> list[str]:
    """``display(x)`` as a statement becomes ``print(x)``; nothing else is touched."""
    out = list(lines)
    for node in ast.walk(ast.parse("\n".join(lines))):
        call = node.value if isinstance(node, ast.Expr) else None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "display":
            row, column = call.func.lineno - 1, call.func.col_offset
            encoded = out[row].encode()
            out[row] = (encoded[:column] + b"print  " + encoded[column + len("display") :]).decode()
    return out


def _joined(cells: Sequence[_Cell], name: str, order: Order, notes: tuple[str, ...], hint: str) -> Code:
    lines: list[str] = []
    starts = []
    for cell in cells:
        lines.append(f"# cell {cell.number}")
        starts.append(Start(line=len(lines) + 1, cell=cell.number))
        lines.extend(cell.lines)
        lines.append("")
    text = "\n".join(lines)
    return Code(name=name, text=text, order=order, starts=tuple(starts), notes=notes, hint=hint)


def _disagree(cells: Sequence[_Cell]) -> bool:
    counts = [cell.count for cell in cells if cell.count]
    return counts != sorted(counts)


def _hint(cells: Sequence[_Cell], order: Order) -> str:
    if not _disagree(cells):
        return ""
    if order == "document":
        return "the cells were executed in another order than they stand in: try --order executed"
    return "the cells stand in another order than they were last executed in: try --order document"


def _order_notes(cells: Sequence[_Cell], order: Order) -> Iterator[str]:
    if _disagree(cells):
        counted = [cell for cell in cells if cell.count]
        late = [b.number for a, b in pairwise(counted) if b.count < a.count]
        which = ", ".join(str(number) for number in late)
        taken = "they stand in" if order == "document" else "they were executed in"
        yield (
            f"the execution counts disagree with the order of the document (at cell {which}): "
            f"the order {taken} was taken"
        )
    never = [cell.number for cell in cells if not cell.count]
    if never and len(never) < len(cells):
        was = "left out" if order == "executed" else "run all the same"
        yield f"never executed, {was}: cell {', '.join(str(number) for number in never)}"


def _name_notes(cells: Sequence[_Cell]) -> Iterator[str]:
    """Names read before a cell defines them, or that no cell defines."""
    uses = [(cell.number, use) for cell in cells for use in _uses(cell)]
    if any(use.kind == "star" for _, use in uses):
        return
    first: dict[str, int] = {}
    for number, use in uses:
        if use.kind == "binds":
            first.setdefault(use.name, number)
    bound: set[str] = set()
    said: set[str] = set()
    for number, use in uses:
        if use.kind == "binds":
            bound.add(use.name)
        elif use.name not in said | _GIVEN and use.name not in (bound if use.kind == "reads" else first):
            said.add(use.name)
            where = f"cell {number}, line {use.line} reads '{use.name}'"
            if use.name in first:
                yield f"{where}, which cell {first[use.name]} defines only afterwards"
            else:
                yield f"{where}, which no cell defines: one that did was deleted or edited"


def _uses(cell: _Cell) -> Iterator[_Use]:
    for node in ast.parse("\n".join(cell.lines)).body:
        table = symtable.symtable(ast.unparse(node), "cell", "exec")
        simple = isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Expr)
        binds = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
        reads, later = _read(table)
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            reads.add(node.target.id)
        names = (("reads", reads if simple else reads - binds), ("binds", binds), ("later", later))
        for kind, found in names:
            yield from (_Use(name=name, line=node.lineno, kind=kind) for name in sorted(found))
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            yield _Use(name="*", line=node.lineno, kind="star")


def _read(table: symtable.SymbolTable) -> tuple[set[str], set[str]]:
    """Global names a table's code reads at once, and those that functions in it read when called."""
    top = table.get_type() == "module"
    now = {s.get_name() for s in table.get_symbols() if s.is_referenced() and (top or s.is_global())}
    later: set[str] = set()
    for child in table.get_children():
        here, there = _read(child)
        at_once = child.get_name() in _COMPREHENSIONS or child.get_type() == "class"
        (now if at_once else later).update(here)
        later |= there
    return now, later
