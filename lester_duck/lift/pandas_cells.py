"""Loops over the rows of a frame by label: ``for i in df.index``, ``df.at[i, "x"]``, ``df["x"][i]``, ``df.iloc[i]``.

While a loop sets cells of a frame, its other columns are what they were before; a cell that was set is
read as the row before it set it, and the column as a whole is refused, since every row changes it.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace

from sqlglot import exp

from lester_duck.lift import folds, indexed, lookups, scalars, sqlx
from lester_duck.lift import pandas_aggregates as aggregates
from lester_duck.lift import pandas_columns as column_rules
from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_places as places
from lester_duck.lift import values as v
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Accessor, Frame, Rows, Series
from lester_duck.lift.relations import Relation
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Refused, Sym, Value

SET = "frame cell"
"""The kind of the effect that sets one cell of the loop's own row."""
_NEAREST = "for i in df.index, and cells of row i"
_BY_PLACE = ("iloc", "iat")
PLACES = "df.iloc[i], or reset_index(drop=True) before"


# -- the rows that a loop goes over -----------------------------------------------------------------------


def labels(m: Machine, ref: Value, rows: Rows) -> v.View:
    """``for i in df.index``: the labels of a frame's rows, each of which names its row."""
    frame = m.content(ref)
    if not isinstance(ref, v.Ref) or not isinstance(frame, Frame) or frame.rows_ is not rows or rows.part is not None:
        raise Refused("a loop over the index of rows that the script has changed since", _NEAREST)
    if rows.index not in ("range", "subset"):
        raise Refused("a loop over an index that may hold a label twice", _NEAREST)
    if rows.index == "subset" and label_is_read(m):
        made = frames.closed(m, places.with_index(m, ref, frame), frames.title_of(m, ref, frame))
        m.update(ref, replace(made, columns=made.columns[1:]))
        return v.View(made.rows_.rel, made.columns[0][1])
    rel = frames.close(m, ref, frame).rows_.rel
    if rows.index == "range":
        return v.View(rel, place(rel))
    return v.View(rel, Sym(sqlx.column(rel.token, "#position"), "int", name="position", position=rel.token))


def place(rel: Relation) -> Sym:
    """The position of a row in its relation, counted from 0."""
    return Sym(sqlx.column(rel.token, "@position"), "int", name="position", position=rel.token)


def label_is_read(m: Machine) -> bool:
    """Whether the loop that begins here reads the label of the row, other than to name a cell of it."""
    for node in ast.walk(m.tree) if m.tree is not None else ():
        if not isinstance(node, ast.For) or node.iter.lineno != m.line:
            continue
        counted = isinstance(node.iter, ast.Call) and ast.unparse(node.iter.func) == "enumerate"
        target = node.target.elts[1] if counted and isinstance(node.target, ast.Tuple) else node.target
        first = target.elts[0] if isinstance(target, ast.Tuple) else target
        cells = {id(n) for s in ast.walk(node) if isinstance(s, ast.Subscript) for n in ast.walk(s.slice)}
        return isinstance(first, ast.Name) and any(
            isinstance(n, ast.Name) and n.id == first.id and isinstance(n.ctx, ast.Load) and id(n) not in cells
            for part in node.body
            for n in ast.walk(part)
        )
    return False


def numbers(m: Machine, args: list[Value]) -> Value:
    """``range(len(df))``: the places of a frame's rows; ``MISSING`` for other numbers."""
    bound = m.content(args[0]) if len(args) == 1 and not m.frames else None
    if not isinstance(bound, Sym):
        return v.MISSING
    tree = sqlx.bare(m.expand(bound).sql)
    whole = m.wholes.get(tree.table) if isinstance(tree, exp.Column) else None
    rows = m.files.get(("rows of", whole.rel.token)) if whole is not None and whole.kind == "count" else None
    if rows is None:
        return v.MISSING
    for id_, held in list(m.state.heap.items()):
        if isinstance(held, Frame) and _same_rows(held.rows_, rows):
            made = frames.close(m, v.Ref(id_), held).rows_
            m.files["rows of", made.rel.token] = made
            return v.View(made.rel, place(made.rel))
    return v.MISSING


def _same_rows(a: Rows, b: Rows) -> bool:
    chosen = [[sqlx.text(c) for c in rows.where] for rows in (a, b)]
    return a.labels == b.labels and a.rel is b.rel and chosen[0] == chosen[1]


# -- cells ------------------------------------------------------------------------------------------------


def row_of(m: Machine, index: Value) -> tuple[Sym, int] | None:
    """The place of the running loop's own row and how many rows further an index is; None for other things."""
    if not isinstance(index, Sym) or not m.frames:
        return None
    if index.position is not None:
        return index, 0
    tree = sqlx.bare(m.expand_tree(index.sql))
    if not isinstance(tree, exp.Add | exp.Sub) or not isinstance(tree.expression, exp.Literal):
        return None
    for loop in m.frames:
        own = sql("row_number() OVER (ORDER BY _1) - 1", sqlx.column(loop.query.alias, "_pos"))
        if tree.expression.is_int and sqlx.same(sqlx.bare(tree.this), own):
            offset = int(tree.expression.name) * (1 if isinstance(tree, exp.Add) else -1)
            return Sym(own, "int", name="position", position=loop.query.alias), offset
    return None


def cell(m: Machine, series: Series, at: tuple[Sym, int], by_place: bool = False) -> Sym:
    """The value of a column in the loop's own row, or in one so many places from it."""
    row, offset = at
    loop = next((f for f in m.frames if f.query.alias == row.position), None)
    rows = series.rows_
    if loop is None:
        raise Refused("the value of a column at a place outside of the loop over these places", _NEAREST)
    if rows.where or rows.joins or rows.part is not None or rows.rel is not loop.query.base or loop.query.order:
        raise Refused("the value of a column in another frame's row", _NEAREST)
    if not by_place and named_by_place(rows, row):
        raise Refused("a label that is the place of a row, in a frame with other labels", PLACES)
    sym = v.rebind(m.expand(series.sym), rows.rel.token, row.position)
    if offset:
        sym = indexed.beside(m, sym, row, offset, aggregates.count(m, rows))
    return replace(sym, position=None, name=series.sym.name)


def of_frame(m: Machine, ref: Value, held: Value, at: tuple[Sym, int], columns: Value, by_place: bool) -> Value:
    """``df.at[i, "x"]``, ``df.loc[i]["x"]``, ``df.iloc[i]``: one cell, or the row as a record."""
    frame = whole(held)
    names = held.names if isinstance(held, Changing) else ()
    if isinstance(columns, slice) and columns == slice(None):
        record = frames.FRAME_RULES["row shape"](frame)
        kept = [(n, s) for n, s in record.items if n not in names]
        items = tuple((n, cell(m, Series(frame.rows_, s), at, by_place).named(s.name)) for n, s in kept)
        return lookups.thaw(m, replace(record, items=items))
    name = frame.names[columns] if by_place and type(columns) is int else columns
    if not isinstance(name, str):
        raise Refused("several cells of one row", 'df.at[i, "x"]')
    if name not in frame.names:
        raise Refused(f"the frame has no column {name!r}")
    if at[1] and name in names:
        raise Refused(f"a cell of column {name!r} that the loop has set in another row", "a variable for the last one")
    found = cell(m, Series(frame.rows_, frames.syms(frame, [name])[0]), at, by_place)
    return found if at[1] else set_before(m, ref, name, at[0], found)


def set_before(m: Machine, ref: Value, name: str, row: Sym, old: Sym) -> Sym:
    """A cell as the statements before it in the loop's body left it."""
    loop = next(f for f in m.frames if f.query.alias == row.position)
    for effect in loop.effects:
        if effect.kind != SET or effect.target != ref or effect.arguments[1] != name:
            continue
        position, _, new = effect.arguments
        if position != row.position:
            raise Refused("a cell set in another row than the loop's own")
        new = column_rules.floating(replace(new, sql=new.sql)) if (old.type, new.type) == ("float", "int") else new
        if new.type != old.type:
            raise Refused(f"a cell of a column of {old.type} that the loop sets to a {new.type}", "one type per column")
        condition = sqlx.conjunction(effect.path[len(loop.start.path) :])
        merged = m.select(condition, replace(new, nan=new.nan or old.nan), old)
        old = merged if isinstance(merged, Sym) else scalars.scalar(merged)
    return old.named(name)


# -- a frame while a loop sets its cells ------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Changing(Library):
    """A frame whose columns ``names`` a loop sets row by row."""

    frame: Frame
    names: tuple[str, ...]
    what = "DataFrame that the loop changes"

    @property
    def before(self) -> Frame:
        """The columns that the loop leaves as they are."""
        kept = tuple((n, x) for n, x in self.frame.columns if n not in self.names)
        return replace(self.frame, columns=kept)

    def attribute(self, m: Machine, ref: Value, name: str) -> Value:
        """``.at`` and its like for the loop's own row; everything else of columns that stay."""
        if name in ("loc", "at", *_BY_PLACE):
            return frames.FRAME_ATTRIBUTES[name](m, ref, self.frame)
        self._refuse([name])
        return self.before.attribute(m, m.new(self.before), name)

    def subscript(self, m: Machine, ref: Value, index: Value) -> Value:
        """A column; one that the loop sets only at the loop's own row."""
        if index in self.names:
            return _Column(ref, self, index)
        return self.before.subscript(m, m.new(self.before), index)

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """A method of the columns that stay."""
        return self.before.method(m, m.new(self.before), name, args, kwargs)

    def length(self, m: Machine, ref: Value) -> Value:
        """The number of rows."""
        return self.frame.length(m, ref)

    def _refuse(self, names: list[Value]) -> None:
        for name in names:
            if name in self.names:
                raise Refused(f"column {name!r} as a whole, while the loop sets its cells", "the column of a copy")


@dataclass(frozen=True, eq=False)
class _Column(Library):
    """A column that the loop sets, of which only the loop's own row can be read."""

    of: Value
    frame: Changing
    name: str
    what = "column that the loop changes"

    def subscript(self, m: Machine, ref: Value, index: Value) -> Value:
        """``df["x"][i]``."""
        at = row_of(m, index)
        if at is None:
            raise self._refusal()
        return of_frame(m, self.of, self.frame, at, self.name, False)

    def _refusal(self) -> Refused:
        return Refused(f"column {self.name!r} as a whole, while the loop sets its cells", "the column of a copy")

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """Any method asks for the column as a whole."""
        raise self._refusal()

    def attribute(self, m: Machine, ref: Value, name: str) -> Value:
        """``df["x"].iloc[i]``."""
        if name in ("loc", "at", *_BY_PLACE):
            return Accessor(self, name, {"[]": self._at})
        return v.Method(ref, name)

    def _at(self, m: Machine, accessor: Accessor, index: Value) -> Value:
        at = row_of(m, index)
        if at is None:
            raise self._refusal()
        return of_frame(m, self.of, self.frame, at, self.name, accessor.kind in _BY_PLACE)


def changing(frame: Frame, shape: tuple) -> Changing:
    """The frame as a loop sees it that sets cells of these columns."""
    return Changing(frame, shape[1:])


def whole(held: Value) -> Value:
    """The frame with all of its columns, as they were before the loop that sets its cells."""
    return held.frame if isinstance(held, Changing) else held


def left(m: Machine, ref: Value, held: Value) -> tuple[Value, Value]:
    """The frame, of one that a loop changes the columns that it leaves as they are."""
    if not isinstance(held, Changing):
        return ref, held
    made = m.new(held.before)
    return made, held.before


def named_by_place(rows: Rows, row: Sym) -> bool:
    """Whether a label of the loop is the place of a row in a frame whose labels are others."""
    if rows.index == "range":
        return False
    return rows.index != "subset" or row.sql.find(exp.Column).name != "#position"


frames.FRAME_RULES.update({"row of the loop": row_of, "cell of a column": cell, "loop over labels": labels})
folds.CHANGING[SET] = changing
