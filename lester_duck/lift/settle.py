"""Settling the form of each source: a split of fixed width becomes CSV, everything else stays lines."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sqlglot import exp

from lester_duck.lift import files, sqlx
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import FileRel, GroupRel, Query, SelectRel, free_name
from lester_duck.lift.render import column_name
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.state import Obligation
from lester_duck.lift.values import Refused
from lester_duck.pipeline import model as ir

_FILE_FORM = {"both": "both", "right": "right", "none": "none"}


@dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """The form of a source: its IR, and what each provisional column of it is in SQL (column ``{}``)."""

    source: ir.Source
    rel: FileRel
    width: int | None
    names: tuple[str, ...]

    def column(self, table: str, name: str) -> Tree:
        """The SQL of a provisional column, over an alias."""
        if not name.startswith("#"):
            return sqlx.column(table, self.exact_name(name))
        _, strip, what, delimiter = _parse(name)
        if self.width is not None:
            if what == "width":
                return sqlx.literal(self.width)
            return sqlx.column(table, self.names[int(what)])
        line = sqlx.column(table, "line")
        text = {"both": sql("py_strip(_1)", line), "right": sql("py_rstrip(_1)", line)}.get(strip, line)
        if what == "width" and strip == "csv":
            return sql("CASE WHEN _1 = '' THEN 0 ELSE len(string_split(_1, _2)) END", line, sqlx.literal(delimiter))
        if what == "width":
            return sql("len(string_split(_1, _2))", text, sqlx.literal(delimiter))
        return sql("split_part(_1, _2, _3)", text, sqlx.literal(delimiter), sqlx.literal(int(what) + 1))

    def exact_name(self, name: str) -> str:
        """The column's name in the source, for one of a file with a header."""
        if self.rel.mode != "records":
            return name
        return self.names[self.rel.header.index(name)]


def _parse(name: str) -> tuple[str, str, str, str]:
    strip, what, delimiter = name[1:].split(":", 2)
    return "#", strip, what, delimiter


def is_width_guard(condition: Tree, aliases: set[str]) -> int | None:
    """N for the condition 'the line has N fields', else None."""
    condition = sqlx.bare(condition)
    counted = condition.this if isinstance(condition, exp.EQ) else None
    if not isinstance(counted, exp.Column) or counted.table not in aliases or not counted.name.startswith("#"):
        return None
    return int(condition.expression.name) if _parse(counted.name)[2] == "width" else None


def passes_blank(rel: SelectRel | GroupRel, aliases: set[str]) -> bool:
    """Whether a query over rows of a csv.reader leaves out those without a field."""
    for condition in sqlx.atoms(sqlx.conjunction(rel.query.where)):
        tree = sqlx.bare(condition)
        column = tree.this if isinstance(tree, exp.GT | exp.EQ | exp.NEQ) else None
        if isinstance(column, exp.Column) and column.table in aliases and column.name.startswith("#csv:width"):
            zero = sqlx.same(tree.expression, sqlx.literal(0))
            if zero is not isinstance(tree, exp.EQ):
                return True
    return False


def settle(
    m: Machine, rel: FileRel, name: str, uses: Iterable[Tree], guards: set[int], every: bool = False
) -> Settled:
    """Choose the form of a source from every tree that reads it (``uses``, width guards left out).

    ``every`` says that something looks at all lines, also at those that the guards leave out.
    """
    if rel.mode == "records":
        names = _unique(rel.header)
        columns = tuple(ir.Column(name=n) for n in names)
        source = ir.Source(
            name=name, format="csv", path=rel.path, columns=columns, header=rel.has_header, delimiter=rel.delimiter,
            skip=rel.skip, encoding=rel.encoding, null=rel.null, empty=_empty(rel),
        )  # fmt: skip
        return Settled(source, rel, len(names), names)
    if rel.mode == "csv":
        return _csv(m, rel, name, list(uses), guards, every)
    asked = {c.name for tree in uses for c in tree.find_all(exp.Column)}
    fields = [_parse(n) for n in asked if n.startswith("#")]
    forms = {(strip, delimiter) for _, strip, _, delimiter in fields}
    if rel.whole_lines or "line" in asked or len(forms) != 1 or any(what == "width" for _, _, what, _ in fields):
        return _text(rel, name)
    strip, delimiter = next(iter(forms))
    widths = files.observed_widths(m, rel, strip, delimiter)
    wanted = guards | (rel.demanded if not guards else set())
    width = next(iter(wanted)) if len(wanted) == 1 else next(iter(widths)) if len(widths) == 1 and not wanted else None
    if width is None or any(int(what) >= width for _, _, what, _ in fields) or len(delimiter) != 1:
        return _text(rel, name)
    if (guards and every) or (not guards and set(widths) - {width}):
        return _text(rel, name)
    names = _field_names(m, rel, width, strip, delimiter)
    source = ir.Source(
        name=name, format="csv", path=rel.path, columns=tuple(ir.Column(name=n) for n in names), header=False,
        delimiter=delimiter, quoting=False, strip=_FILE_FORM[strip], skip=rel.skip, encoding=rel.encoding,
        malformed="set_aside" if guards else "refuse", empty=_empty(rel),
    )  # fmt: skip
    return Settled(source, rel, width, names)


def _empty(rel: FileRel) -> Literal["accept", "refuse"]:
    return "refuse" if rel.begins else "accept"


class Unsettled(Refused):
    """A source that has no form in which everything that reads it finds what it reads."""

    def __init__(self, rel: FileRel, reason: str, nearest: str) -> None:
        super().__init__(reason, nearest)
        self.rel = rel


def _csv(m: Machine, rel: FileRel, name: str, uses: list[Tree], guards: set[int], every: bool) -> Settled:
    """Rows of ``csv.reader``: of one width, or those of another width put aside by the script."""
    widths = files.observed_widths(m, rel, "csv", rel.delimiter)
    wanted = guards | (rel.demanded if not guards else set())
    width = next(iter(wanted)) if len(wanted) == 1 else next(iter(widths)) if len(widths) == 1 and not wanted else None
    asked = [c.name for tree in uses for c in tree.find_all(exp.Column) if c.name.startswith("#")]
    beyond = any(what.isdigit() and int(what) >= (width or 0) for _, _, what, _ in map(_parse, asked))
    if width is None or beyond or (guards and every) or (not guards and set(widths) - {width}):
        return _split_rows(m, rel, name)
    names = _field_names(m, rel, width, "csv", rel.delimiter)
    source = ir.Source(
        name=name, format="csv", path=rel.path, columns=tuple(ir.Column(name=n) for n in names), header=False,
        delimiter=rel.delimiter, skip=rel.skip, encoding=rel.encoding,
        malformed="set_aside" if guards else "refuse", blank_lines="skip" if rel.blank_passed else "malformed",
        empty=_empty(rel),
    )  # fmt: skip
    return Settled(source, rel, width, names)


def _split_rows(m: Machine, rel: FileRel, name: str) -> Settled:
    """Rows of ``csv.reader`` of different lengths, as lines: without quotes, a row is a line that is split."""
    if '"' in files.text_of(m.observed.folder / rel.path, rel.encoding):
        said = f"rows of {rel.path} of different lengths, some of them quoted"
        raise Unsettled(rel, said, "if len(row) != 3: continue")
    if ("without quotes", rel.token) not in m.files:
        m.files["without quotes", rel.token] = True
        quoted = sql("contains(_1, _2)", sqlx.column(rel.token, "line"), sqlx.literal('"'))
        said = "quotes in a file whose rows have different lengths"
        m.obligations.append(Obligation(Query(rel.token, rel), (), quoted, said, rel.lines[0]))
    return _text(rel, name)


def _text(rel: FileRel, name: str) -> Settled:
    columns = (ir.Column(name="line"),)
    source = ir.Source(
        name=name, format="text", path=rel.path, columns=columns, header=False, skip=rel.skip, encoding=rel.encoding,
        empty=_empty(rel),
    )  # fmt: skip
    return Settled(source, rel, None, ("line",))


def _field_names(m: Machine, rel: FileRel, width: int, strip: str, delimiter: str) -> tuple[str, ...]:
    header: list[str] = []
    if rel.skip == 1:
        line = next(iter(files.text_lines(m.observed.folder / rel.path, rel.encoding)), "")
        header = files.stripped(line, strip).split(delimiter)
        if strip == "csv":
            header = next(csv.reader([line], delimiter=delimiter), [])
    if len(header) == width and len({h.lower() for h in header}) == width and all(header):
        return _unique(header)
    return _unique([rel.names.get(i, f"field_{i + 1}") for i in range(width)])


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    taken: list[str] = []
    for name in names:
        taken.append(free_name(column_name(name), set(taken)))
    return tuple(taken)
