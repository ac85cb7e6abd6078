"""Files in several sections: what the script wrote one after the other as one view of the file's text."""

from __future__ import annotations

import re

from lester_duck.lift import files, pandas_aggregates, scalars, sqlx, writes
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import Query, Relation, SelectRel, UnionRel, fresh
from lester_duck.lift.sqlx import Tree
from lester_duck.lift.values import Refused, Sym, Value

_COLUMN = "line"


def file(m: Machine, path: str) -> tuple[str, v.Written | None]:
    """The constant text at the top of a file the script wrote, and the rows below it (None: no rows)."""
    content = m.state.heap[m.written[path]]
    pieces = list(content.pieces)
    header = ""
    while pieces and isinstance(pieces[0], str):
        header += pieces.pop(0)
    if not pieces:
        return header, None
    alone = len(pieces) == 1 and isinstance(pieces[0], v.Written)
    if alone and (not header or (header.endswith("\n") and pieces[0].line_end)):
        return header, pieces[0]
    if header and (not header.endswith("\n") or "\r" in header):
        header, pieces = "", [*re.findall(r"[^\n]*\n|[^\n]+", header), *pieces]
    ended = [_ended(m, piece) for piece in pieces]
    if not all(ended):
        header, pieces = "", [*([header] if header else []), *pieces]
    name = files.relation_name(path)
    union = UnionRel(name=name, what=f"the lines of {path}", lines=(m.line, m.line))
    anchor = _anchor(pieces)
    for number, piece in enumerate(pieces, 1):
        union.members.append(_member(m, piece, f"{name}_part_{number}", path, all(ended), anchor))
    union.outputs = [(_COLUMN, union.members[0].columns()[_COLUMN])]
    union.lines = (min(x.lines[0] for x in union.members), max(x.lines[1] for x in union.members))
    return header, v.Written(union, (_COLUMN,), "\n", "\n" if all(ended) else "", False, None)


def either(m: Machine, condition: Tree, a: v.HFile, b: Value) -> Value:
    """A file of which one side of a branch wrote more."""
    short, long, wrote = a, b, sqlx.negate(condition)
    if isinstance(b, v.HFile) and len(b.pieces) < len(a.pieces):
        short, long, wrote = b, a, condition
    same = isinstance(b, v.HFile) and all(x is y for x, y in zip(short.pieces, long.pieces, strict=False))
    more = long.pieces[len(short.pieces) :] if same else ()
    if not more or not all(isinstance(p, str | Sym) for p in more):
        return v.Poison("an object is changed in one branch only", m.line)
    return v.HFile(a.path, a.mode, (*short.pieces, *(v.Choice(wrote, p, v.MISSING) for p in more)), a.skipped)


def _ended(m: Machine, piece: Value) -> bool:
    """Whether a piece surely ends with a line end, wherever it is not empty."""
    if isinstance(piece, v.Choice):
        piece = piece.then
    if isinstance(piece, v.Written):
        return piece.line_end.endswith("\n")
    return writes.without_end(m, piece)[1]


def _anchor(pieces: list[Value]) -> Relation:
    """A relation to stand behind a constant text: the input of the first rows."""
    for piece in pieces:
        if isinstance(piece, v.Written):
            return piece.rel
        piece = piece.then if isinstance(piece, v.Choice) else piece
        for token in sqlx.tables(piece.sql) if isinstance(piece, Sym) else ():
            return token
    raise Refused("a file of constant text only")


def _member(m: Machine, piece: Value, name: str, path: str, ended: bool, anchor: Relation | str) -> SelectRel:
    if isinstance(piece, v.Written):
        return _rows(m, piece, name, path, ended)
    where: tuple[Tree, ...] = ()
    if isinstance(piece, v.Choice):
        where, piece = tuple(sqlx.atoms(m.expand_tree(piece.condition))), piece.then
    text = writes.without_end(m, piece)[0] if ended else piece
    tokens = sorted(sqlx.tables(m.expand_tree(text.sql))) if isinstance(text, Sym) else []
    if tokens:
        base = pandas_aggregates.table_of(m, m.wholes[tokens[0]])
        alias = fresh("t")
        said = v.rebind(Sym(m.expand_tree(text.sql), "str"), tokens[0], alias)
        where = tuple(v.rebind(Sym(c, "bool"), tokens[0], alias).sql for c in where)
    else:
        counted = anchor if isinstance(anchor, str) else m.whole("count", anchor, None, "int").sql.table
        base = pandas_aggregates.table_of(m, m.wholes[counted])
        alias, said = fresh("t"), scalars.scalar(text)
    rel = SelectRel(name=name, what=f"a text of {path}", lines=(m.line, m.line), query=Query(alias, base, where=where))
    rel.outputs = [(_COLUMN, said)]
    return rel


def _rows(m: Machine, piece: v.Written, name: str, path: str, ended: bool) -> SelectRel:
    alias = fresh("t")
    columns = piece.rel.columns()
    parts: list[Value] = []
    for i, c in enumerate(piece.columns):
        parts += [piece.delimiter] if i else []
        parts.append(_cell(m, v.rebind(columns[c], piece.rel.token, alias), piece))
    end = piece.line_end
    if ended:
        end = end.removesuffix("\n")
    text = scalars.scalar(scalars.concat(m, [*parts, end]))
    rel = SelectRel(name=name, what=f"lines of {path}", lines=piece.rel.lines, query=Query(alias, piece.rel))
    rel.outputs = [(_COLUMN, Sym(text.sql, "str", name=_COLUMN))]
    return rel


def _cell(m: Machine, cell: Sym, piece: v.Written) -> Sym:
    """A cell as it is printed: None as the empty text."""
    plain = Sym(cell.sql, cell.type)
    text = scalars.scalar(scalars.to_text(m, plain))
    if cell.null:
        text = Sym(sqlx.sql("coalesce(_1, '')", text.sql), "str")
    if not piece.quoting:
        return text
    if len(piece.columns) == 1:
        raise Refused("rows of csv.writer with one cell among other text", "f.write(text)")
    return Sym(sqlx.sql("py_csv_cell(_1, _2)", text.sql, sqlx.literal(piece.delimiter)), "str")
