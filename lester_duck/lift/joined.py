"""Texts of a whole list: ``sep.join(rows)`` outside of loops."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace

from lester_duck.lift import files, rows, scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import Query, SelectRel, fresh
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Refused, Sym, Value


@dataclass(frozen=True, eq=False)
class Joined(Library):
    """Pieces of text, one after the other: constants, texts of the data, and the joined texts of rows."""

    pieces: tuple[Value, ...]
    what = "text of a whole list"

    def operate(self, m: Machine, op: type[ast.operator], a: Value, b: Value) -> Value:
        """``a + b`` of texts."""
        if op is not ast.Add:
            return super().operate(m, op, a, b)
        return Joined((*_pieces(m, a), *_pieces(m, b)))


def _pieces(m: Machine, value: Value) -> tuple[Value, ...]:
    content = m.content(value)
    if isinstance(content, Joined):
        return content.pieces
    if not isinstance(content, str) and not (isinstance(content, Sym) and content.type == "str"):
        raise Refused(f"a {scalars.kind_name(content)} beside a text")
    return (content,) if content != "" else ()


def join(m: Machine, separator: str, items: Value) -> Joined | None:
    """``separator.join(rows)``; None where the items are known."""
    view = rows.as_view(m, m.content(items)) if not m.frames else None
    if view is None:
        return None
    element = scalars.scalar(view.element)
    if element.type != "str" or element.null:
        raise Refused("join() of elements that are no texts, or may be None", "a comprehension of texts")
    alias = fresh("t")
    text = v.rebind(m.expand(scalars.whole(element)), view.rel.token, alias)
    order = tuple((v.rebind(s, view.rel.token, alias), d) for s, d in view.order)
    rel = SelectRel(
        name=f"{m.hint or view.rel.name}_text", what="texts of a list, as they are joined", lines=(m.line, m.line),
        query=Query(alias, view.rel, order=order),
    )  # fmt: skip
    if order:
        rel.outputs = [("item", text)]
        inner, alias = rel, fresh("t")
        rel = replace(inner, name=f"{inner.name}_joined", query=Query(alias, inner), token=fresh("r"), outputs=[])
        text = Sym(sqlx.column(alias, "item"), "str")
    first = sql("row_number() OVER (ORDER BY _1) = 1", sqlx.column(alias, "_pos"))
    said = sqlx.case(first, sqlx.literal(""), sqlx.literal(separator)) if separator else None
    line = sql("_1 || _2", said, text.sql) if said is not None else text.sql
    rel.outputs = [("line", Sym(line, "str", name="line"))]
    return Joined((v.Written(rel, ("line",), "\n", "", False, None),))


def write(m: Machine, ref: v.Ref, text: Joined) -> None:
    """``f.write(text)``."""
    if m.frames:
        raise Refused("the text of a whole list written in a loop", "one write after the loop")
    for piece in text.pieces:
        if isinstance(piece, v.Written):
            content = m.content(ref)
            m.update(ref, v.HFile(content.path, content.mode, (*content.pieces, piece)))
        else:
            files.write(m, ref, piece)
