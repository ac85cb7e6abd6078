"""What a loop over rows writes to a file: one rendered line, or piece of text, per row."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lester_duck.lift import files, recurrences, scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.evolving import Evolving
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import Query, SelectRel, free_name
from lester_duck.lift.shapes import identifier
from lester_duck.lift.state import Effect, Frame, Path
from lester_duck.lift.values import Refused, Sym, Value


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """What one row adds to a file: the cells, how they are joined, and under which condition.

    ``several`` says that it may hold line ends of its own.
    """

    items: list[Value]
    delimiter: str
    end: str
    quoting: bool
    path: Path
    several: bool = False


def writes(m: Machine, frame: Frame, key: int, effects: list[Effect]) -> None:
    """``f.write(text)`` or ``writer.writerow(cells)``: a view of what the file gets for each row."""
    content = m.state.heap[key]
    content = content.before if isinstance(content, Evolving) else content
    line = _line(m, content, effects)
    where = line.path[len(frame.start.path) :]
    rel = SelectRel(
        name=files.relation_name(content.path),
        what=f"the lines of {content.path}",
        lines=frame.lines,
        query=Query(frame.query.alias, frame.query.base, frame.query.joins, where, frame.query.order),
    )
    columns = _cells(m, rel, line.items, _header_names(content, line.delimiter, len(line.items)))
    parts: list[Value] = []
    for i, name in enumerate(columns):
        parts += ([line.delimiter] if i else []) + [rel.columns()[name]]
    readable = not line.quoting and not line.several and line.end == "\n"
    read_back = scalars.concat(m, [*parts, line.end]) if readable else None
    written = v.Written(rel, tuple(columns), line.delimiter, line.end, line.quoting, read_back)
    m.state.heap[key] = v.HFile(content.path, content.mode, (*content.pieces, written))


def _line(m: Machine, content: v.HFile, effects: list[Effect]) -> Line:
    cells = [isinstance(e.arguments[0], v.Cells) for e in effects]
    if all(cells):
        return _rows(m, content, effects)
    if any(cells):
        raise Refused(f"{content.path} gets rows of csv.writer and other text in one loop")
    goes = _goes(m, effects)
    if len(goes) == 1:
        return _text(m, goes[0])
    if recurrences.exclusive(goes):
        found = _columns(m, goes)
        return found if found is not None else _text(m, recurrences.single(m, goes), "line")
    return _text(m, _one_after_another(m, goes), "line")


def _rows(m: Machine, content: v.HFile, effects: list[Effect]) -> Line:
    """Rows of a csv.writer: at most one per row of the loop, always of the same width."""
    forms = {(len(c.items), c.delimiter, c.line_end) for c in (e.arguments[0] for e in effects)}
    if len(forms) > 1:
        raise Refused(f"{content.path} gets rows of different widths", "rows of one width")
    if len(effects) > 1 and not recurrences.exclusive(effects):
        raise Refused(f"{content.path} gets several rows of csv.writer for one row", "one writerow per row")
    (_, delimiter, end), = forms
    merged = recurrences.single(m, [replace(e, arguments=tuple(e.arguments[0].items)) for e in effects])
    return Line(list(merged.arguments), delimiter, end, True, merged.path)


def _goes(m: Machine, effects: list[Effect]) -> list[Effect]:
    """Texts written one after the other under the same condition as one."""
    goes: list[tuple[Effect, list[Value]]] = []
    for effect in effects:
        said = [sqlx.text(p) for p in effect.path]
        if goes and [sqlx.text(p) for p in goes[-1][0].path] == said:
            goes[-1][1].extend(_pieces(m, effect.arguments[0]))
        else:
            goes.append((effect, _pieces(m, effect.arguments[0])))
    return [replace(e, arguments=(scalars.concat(m, texts),)) for e, texts in goes]


def _pieces(m: Machine, value: Value) -> list[Value]:
    """A text as its pieces; a line as it was read is its text and the line end."""
    if isinstance(value, v.Choice):
        value = scalars.scalar(scalars.spread(m, value, lambda x: x))
    if scalars.is_raw(value) and not value.line.ragged:
        return [replace(value, line=None), "\n"]
    if not isinstance(value, str | Sym) or (isinstance(value, Sym) and value.type != "str"):
        raise Refused(f"a {scalars.kind_name(value)} written to a file", "f.write(str(x))")
    return [value]


def _columns(m: Machine, goes: list[Effect]) -> Line | None:
    """One line in each branch, with the same number of cells: a choice for each cell."""
    try:
        lines = [files.line_items(m, e.arguments[0]) for e in goes]
    except Refused:
        return None
    if len({(len(items), delimiter, end) for items, delimiter, end in lines}) > 1 or len(lines[0][0]) < 2:
        return None
    pairs = zip(goes, lines, strict=True)
    merged = recurrences.single(m, [replace(e, arguments=tuple(items)) for e, (items, _, _) in pairs])
    if any(isinstance(x, v.Choice) for x in merged.arguments):
        return None
    return Line(list(merged.arguments), lines[0][1], lines[0][2], False, merged.path)


def _text(m: Machine, effect: Effect, name: str = "") -> Line:
    """What a row writes as one text, called ``name`` when it is no text of one kind."""
    value = effect.arguments[0]
    try:
        items, delimiter, end = files.line_items(m, value)
        if len(items) == 1 and isinstance(items[0], Sym):
            items = [items[0].named(name)]
        return Line(items, delimiter, end, False, effect.path)
    except Refused:
        text, ended = without_end(m, value)
        text = text.named(name) if isinstance(text, Sym) else text
        return Line([text], "\n", "\n" if ended else "", False, effect.path, several=True)


def without_end(m: Machine, value: Value) -> tuple[Value, bool]:
    """A text without its last line end, and whether it surely has one."""
    if isinstance(value, str):
        return (value[:-1], True) if value.endswith("\n") else (value, False)
    parts = list(value.parts or (value,))
    if isinstance(parts[-1], str) and parts[-1].endswith("\n"):
        return scalars.concat(m, [*parts[:-1], parts[-1][:-1]]), True
    if value.parts and isinstance(parts[-1], Sym) and parts[-1].parts:
        text, ended = without_end(m, parts[-1])
        return scalars.concat(m, [*parts[:-1], text]), ended
    bare = sqlx.bare(value.sql)
    cases = _branches(bare)
    if cases is None:
        return value, False
    cut = [_cut(tree) for tree in cases]
    if any(tree is None for tree in cut):
        return value, False
    return Sym(_with_branches(bare, cut), "str", name=value.name), True


def _branches(tree: sqlx.Tree) -> list[sqlx.Tree] | None:
    """The results of a CASE with ELSE."""
    if not isinstance(tree, sqlx.exp.Case) or tree.args.get("default") is None:
        return None
    return [*[i.args["true"] for i in tree.args["ifs"]], tree.args["default"]]


def _cut(tree: sqlx.Tree) -> sqlx.Tree | None:
    """A text expression without the line end it is sure to end with."""
    tree = sqlx.bare(tree)
    if _is_newline(tree):
        return sqlx.literal("")
    if isinstance(tree, sqlx.exp.Literal) and tree.is_string:
        return sqlx.literal(tree.name[:-1]) if tree.name.endswith("\n") else None
    if isinstance(tree, sqlx.exp.DPipe):
        if _is_newline(sqlx.bare(tree.expression)):
            return tree.this.copy()
        end = _cut(tree.expression)
        return None if end is None else sqlx.sql("_1 || _2", tree.this, end)
    cases = _branches(tree)
    if cases is None:
        return None
    cut = [_cut(x) for x in cases]
    return None if any(x is None for x in cut) else _with_branches(tree, cut)


def _is_newline(tree: sqlx.Tree) -> bool:
    return sqlx.same(tree, sqlx.literal("\n"))


def _with_branches(tree: sqlx.Tree, results: list[sqlx.Tree]) -> sqlx.Tree:
    changed = tree.copy()
    for branch, result in zip(changed.args["ifs"], results, strict=False):
        branch.set("true", result)
    changed.set("default", results[-1])
    return changed


def _one_after_another(m: Machine, goes: list[Effect]) -> Effect:
    """Texts under conditions that do not exclude each other: each is there or is empty."""
    common = 0
    while all(len(e.path) > common and sqlx.same(e.path[common], goes[0].path[common]) for e in goes):
        common += 1
    texts, reached = [], []
    for effect in goes:
        condition = sqlx.conjunction(effect.path[common:])
        reached.append(condition)
        texts.append(m.select(condition, effect.arguments[0], ""))
    any_of = reached[0]
    for condition in reached[1:]:
        any_of = sqlx.disjunction(any_of, condition)
    path = goes[0].path[:common]
    if all(len(e.path) > common for e in goes):
        path = (*path, any_of)
    return replace(goes[0], arguments=(scalars.concat(m, texts),), path=path)


def _cells(m: Machine, rel: SelectRel, items: list[Value], header: list[str]) -> list[str]:
    names: list[str] = []
    for i, item in enumerate(items):
        sym = scalars.scalar(item) if not isinstance(item, v.Choice) else scalars.scalar(scalars.to_text(m, item))
        wanted = header[i] if header else sym.name or f"field_{i + 1}"
        names.append(free_name(identifier(wanted), set(names)))
        rel.outputs.append((names[-1], scalars.whole(sym)))
    return names


def _header_names(content: v.HFile, delimiter: str, count: int) -> list[str]:
    header = "".join(p for p in content.pieces if isinstance(p, str)).strip("\r\n")
    names = header.split(delimiter) if header and "\n" not in header else []
    return names if len(names) == count and len(set(names)) == count else []
