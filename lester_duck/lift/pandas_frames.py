"""Frames and series: columns, matching by index, and closing into relations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import folds, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_arguments import constant, only, options, strings
from lester_duck.lift.pandas_objects import (
    FRAME_ATTRIBUTES,
    FRAME_METHODS,
    FRAME_RULES,
    SERIES_ATTRIBUTES,
    SERIES_METHODS,
    SERIES_RULES,
    Accessor,
    Block,
    Frame,
    FrameRule,
    Rows,
    Series,
    SeriesRule,
    column,
    owned,
)
from lester_duck.lift.relations import Join, Query, Relation, SelectRel, free_name, fresh
from lester_duck.lift.render import column_name
from lester_duck.lift.sqlx import Tree
from lester_duck.lift.state import Let, Obligation
from lester_duck.lift.values import Refused, Sym, Value

_PLAIN = 4


# -- columns ------------------------------------------------------------------------------------------


def syms(frame: Frame, names: Iterable[str]) -> list[Sym]:
    """Plain columns by name."""
    known = dict(frame.columns)
    for name in names:
        if not isinstance(known.get(name), Sym):
            raise Refused(f"the frame has no plain column {name!r}")
    return [known[n] for n in names]


def is_plain(tree: Tree) -> bool:
    """Whether an expression is too small to deserve a name of its own."""
    return sum(1 for n in tree.walk() if not isinstance(n, exp.Identifier | exp.Paren | exp.DataType)) < _PLAIN


def named(m: Machine, name: str, sym: Sym) -> Sym:
    """A column's expression under its name, so that long ones are written once."""
    name = column_name(name)
    renamed = isinstance(sym.sql, exp.Column) and sym.sql.table in m.lets and sym.sql.name != name
    if is_plain(sym.sql) and not renamed:
        return sym.named(name)
    token = fresh("let")
    m.lets[token] = Let(name, sym.named(name))
    return replace(sym, sql=sqlx.column(token, name), name=name, parts=())


def put(frame: Frame, name: str, value: Value) -> Frame:
    """The frame with a column set: in its place, or at the end."""
    if name in frame.names:
        return replace(frame, columns=tuple((n, value if n == name else x) for n, x in frame.columns))
    return replace(frame, columns=(*frame.columns, (name, value)))


def assign(m: Machine, frame: Frame, name: str, series: Series) -> Frame:
    """The frame after ``df[name] = series``, matched by index."""
    series = FRAME_RULES["aligned"](m, frame.rows_, series)
    frame = FRAME_RULES["at rows of"](m, frame, series)
    sym = carry(m, frame.rows_, series.rows_, series.sym)
    rows = with_joins(frame.rows_, joins_over(m, frame.rows_, series.rows_))
    return put(replace(frame, what_rows=rows), name, named(m, name, sym))


def with_joins(rows: Rows, joins: Iterable[Join]) -> Rows:
    """The rows with further lookups."""
    known = {j.alias for j in rows.joins}
    more = tuple(j for j in joins if j.alias not in known)
    return replace(rows, joins=rows.joins + more) if more else rows


def joins_over(m: Machine, target: Rows, source: Rows) -> tuple[Join, ...]:
    """The lookups of a series that is carried to other rows, by keys of these: also those of a loop over them."""
    if source.rel is target.rel:
        return source.joins
    chain = between(source.rel, target.rel) or []
    found: list[Join] = []
    for place, rel in enumerate(chain):

        def below(sym: Sym, rel: SelectRel = rel, place: int = place) -> Sym:
            tree = v.rebind(m.expand(sym), rel.query.alias, rel.query.base.token).sql
            for lower in reversed(chain[:place]):
                tree = _inlined(m, lower, dict(lower.outputs), tree)
            return Sym(tree, sym.type, sym.null)

        found += [replace(j, keys=tuple((below(s), n) for s, n in j.keys)) for j in rel.query.joins if not j.always]
    return tuple(found)


# -- matching -----------------------------------------------------------------------------------------


def windowed(m: Machine, tree: Tree) -> bool:
    """Whether an expression looks at other rows."""
    return m.expand_tree(tree).find(exp.Window) is not None


def between(top: Relation, bottom: Relation) -> list[SelectRel] | None:
    """The selections from ``bottom`` (excluded) up to ``top`` (included), lowest first."""
    chain: list[SelectRel] = []
    rel = top
    while rel is not bottom:
        if not isinstance(rel, SelectRel):
            return None
        chain.append(rel)
        rel = rel.query.base
    return chain[::-1]


def carry(m: Machine, target: Rows, source: Rows, sym: Sym) -> Sym:
    """A series over ``source`` said over ``target``: matched by index, missing where it has no row.

    Arrays have no index: what is matched with one must have the same rows in the same order.
    """
    if source.array or target.array:
        source = FRAME_RULES["by position"](m, target, source)
    if source.labels != target.labels:
        raise Refused("two things whose index cannot be matched", "columns of one frame, or a merge")
    if source.part != target.part and target.part is not None and source.part is not None:
        raise Refused("parts of a split that are matched by index")
    if source.rel is target.rel:
        return _masked(sym, source.where, target.where)
    chain = between(target.rel, source.rel)
    if chain is not None:
        below = [sqlx.text(c) for c in chain[0].query.where]
        conditions = [Sym(c, "bool") for c in source.where if sqlx.text(c) not in below]
        for rel in chain:
            known = {j.alias for j in rel.query.joins}
            rel.query.joins.extend(j for j in source.joins if j.alias not in known)
            sym = replace(sym, sql=_raised(m, rel, sym), parts=(), choices=())
            conditions = [replace(c, sql=_raised(m, rel, c)) for c in conditions]
        return _masked(sym, tuple(c.sql for c in conditions), target.where)
    chain = between(source.rel, target.rel)
    if chain is None:
        raise Refused("two frames whose rows cannot be matched", "columns of one frame, or a merge")
    conditions: list[Tree] = list(source.where)
    for rel in reversed(chain):
        outputs = dict(rel.outputs)
        trees = [_inlined(m, rel, outputs, t) for t in [sym.sql, *conditions]]
        sym, conditions = replace(sym, sql=trees[0], choices=(), parts=()), [*trees[1:], *rel.query.where]
    return _masked(sym, tuple(conditions), target.where)


def _raised(m: Machine, rel: SelectRel, sym: Sym) -> Tree:
    """An expression over a selection's query said over its columns, which are added where they are missing."""
    shown = {sqlx.text(s.sql): n for n, s in rel.outputs}
    speaks = bool(sqlx.tables(m.expand_tree(sym.sql)) & m.wholes.keys())  # of an aggregate, perhaps over rel itself
    if windowed(m, sym.sql) and sqlx.text(sym.sql) not in shown and not speaks:
        return rel.require(sym, sym.name or "value").sql

    def said(node: Tree) -> Tree | None:
        if not isinstance(node, exp.Literal | exp.Boolean | exp.Null | exp.Identifier) and sqlx.text(node) in shown:
            return sqlx.column(rel.token, shown[sqlx.text(node)])
        if isinstance(node, exp.Window):
            return rel.require(Sym(node, "float"), sym.name or "value").sql
        if not isinstance(node, exp.Column) or not node.table or node.table in m.wholes:
            return None
        if node.table in m.lets:
            return sqlx.replace(m.lets[node.table].value.sql, said)
        return rel.require(Sym(node, "str", name=node.name), column_name(node.name)).sql

    return sqlx.replace(sym.sql, said)


def _inlined(m: Machine, rel: SelectRel, outputs: dict[str, Sym], tree: Tree) -> Tree:
    def definition(node: Tree) -> Tree | None:
        if isinstance(node, exp.Column) and node.table == rel.token:
            found = outputs.get(node.name)
            same = not rel.query.where and not rel.query.order and not rel.query.joins
            if found is None or (windowed(m, found.sql) and not same):
                raise Refused("a window over some rows, matched to a frame with others", "a merge by key")
            return v.rebind(replace(found, sql=m.expand_tree(found.sql)), rel.query.alias, rel.query.base.token).sql
        return None

    return sqlx.replace(m.expand_tree(tree), definition)


def _masked(sym: Sym, source: tuple[Tree, ...], target: tuple[Tree, ...]) -> Sym:
    known = [sqlx.text(c) for c in target]
    extra = [c for c in source if sqlx.text(c) not in known]
    if not extra:
        return sym
    tree = sqlx.case(sqlx.conjunction(extra), sym.sql, exp.null())
    kind = "float" if sym.type == "int" else sym.type
    return replace(sym, sql=tree, type=kind, null=True, nan=True, choices=(), parts=())


def both(m: Machine, a: Series, b: Series) -> tuple[Rows, Sym, Sym]:
    """Two series over one set of rows: that of the later frame."""
    a, b = FRAME_RULES["aligned pair"](m, a, b)
    x, y = a.rows_, b.rows_
    later = between(x.rel, y.rel) is not None
    if (later and x.rel is not y.rel) or (x.rel is y.rel and len(x.where) < len(y.where)):
        target = with_joins(x, y.joins if x.rel is y.rel else ())
        return target, a.sym, carry(m, target, y, b.sym)
    target = with_joins(y, x.joins if x.rel is y.rel else ())
    return target, carry(m, target, x, a.sym), b.sym


# -- closing ------------------------------------------------------------------------------------------


def is_closed(frame: Frame) -> bool:
    """Whether a frame is a relation as it stands."""
    rows = frame.rows_
    if rows.where or rows.joins or rows.part or not isinstance(rows.rel, Relation):
        return False
    return all(
        isinstance(s, Sym) and isinstance(s.sql, exp.Column) and s.sql.table == rows.rel.token for _, s in frame.columns
    )


def closed(m: Machine, frame: Frame, title: str, order: tuple[tuple[Sym, bool], ...] = ()) -> Frame:
    """The frame as a relation of its own, with the same index."""
    if not order and is_closed(frame):
        return frame
    if frame.rows_.part is not None:
        frame = taken(m, frame, title)
    rows = frame.rows_
    query = replace_order(rows.query(), order)
    rel = SelectRel(name=title, what=f"{title}", lines=(rows.since or m.line, m.line), query=query)
    outputs: list[tuple[str, Value]] = []

    def shown(name: str, sym: Sym) -> Sym:
        free = free_name(column_name(str(name)), {n for n, _ in rel.outputs})
        rel.outputs.append((free, sym))
        made = replace(sym, sql=sqlx.column(rel.token, free), parts=(), choices=(), line=None, position=None)
        return made.named(sym.name or free)

    for name, value in [*rows.keys, *frame.columns]:
        if isinstance(value, Block):
            inputs = tuple(shown(s.name or name, s) for s in value.inputs)
            outputs.append((name, replace(value, inputs=inputs)))
        else:
            outputs.append((name, shown(name, value)))
    if not rel.outputs:
        rel.outputs.append(("one", v.constant(1)))
    keys = tuple((n, s) for n, s in outputs[: len(rows.keys)])
    index = "subset" if order and rows.index == "range" else rows.index
    m.files["closed", rel.token] = rows
    made_rows = Rows(rel, rows.labels, index=index, keys=keys, since=m.line, title=title, owner=rows.owner,
                     array=rows.array)  # fmt: skip
    return Frame(made_rows, tuple(outputs[len(rows.keys) :]))


def taken(m: Machine, frame: Frame, title: str) -> Frame:
    """The first rows of a frame, or the others, as rows of their own; raises Refused for a shuffled part."""
    split, side = frame.rows_.part
    bound = split.get("rows")
    if split.kind != "position" or not str(bound).isdigit():
        raise Refused("a part of a split used as rows of its own", "the preparation before the split")
    base = closed(m, replace(frame, what_rows=replace(frame.rows_, part=None)), title)
    place = sqlx.sql("row_number() OVER (ORDER BY _1)", sqlx.column(base.rows_.rel.token, "_pos"))
    step = closed(m, put(base, "place", Sym(place, "int", name="place")), f"{title}_places")
    number = dict(step.columns)["place"].sql
    condition = sqlx.sql("_1 <= _2" if side == "train" else "_1 > _2", number, sqlx.literal(int(bound)))
    return Frame(restricted(step.rows_, condition), tuple((n, x) for n, x in step.columns if n != "place"))


def replace_order(query: Query, order: tuple[tuple[Sym, bool], ...]) -> Query:
    """The query with an order."""
    query.order = order
    return query


def title_of(m: Machine, ref: Value, frame: Frame) -> str:
    """What the script calls a frame."""
    known = folds.name_of(m, ref.id) if isinstance(ref, v.Ref) else None
    return known or frame.rows_.title or frame.rows_.rel.name


def close(m: Machine, ref: Value, frame: Frame) -> Frame:
    """Close a frame; when the script holds it, it goes on from there."""
    made = closed(m, frame, title_of(m, ref, frame))
    if isinstance(ref, v.Ref) and made is not frame:
        made = replace(made, what_rows=replace(made.rows_, owner=ref.id))
        m.update(ref, made)
    return made


def is_own(rows: Rows, sym: Sym) -> bool:
    """Whether a series is a plain column of its relation."""
    return isinstance(sym.sql, exp.Column) and sym.sql.table == rows.rel.token


def close_series(m: Machine, series: Series) -> Series:
    """A series over a closed set of rows, as a plain column: its frame's, where that is known."""
    rows = series.rows_
    if is_own(rows, series.sym) and not rows.where and not rows.joins and not rows.part:
        return series
    owner = m.state.heap.get(rows.owner) if rows.owner is not None else None
    if isinstance(owner, Frame) and owner.rows_.labels == rows.labels and not rows.part:
        later = between(owner.rows_.rel, rows.rel)
        chosen = later and (any(r.query.where for r in later[1:]) or not _alike(later[0].query.where, rows.where))
        if later and not chosen and not owner.rows_.where and not owner.rows_.part:
            made = Series(owner.rows_, carry(m, owner.rows_, rows, series.sym))
            return made if is_own(made.rows_, made.sym) else close_series(m, made)
    if not (isinstance(owner, Frame) and owner.rows_.rel is rows.rel and _alike(owner.rows_.where, rows.where)):
        owner = None
    if owner is not None:
        made = close(m, v.Ref(rows.owner), owner)
        if made.rows_.rel is rows.rel:
            made = closed(m, replace(owner, columns=((series.sym.name or "value", series.sym), *owner.columns)),
                          title_of(m, v.Ref(rows.owner), owner))  # fmt: skip
        return Series(made.rows_, carry(m, made.rows_, rows, series.sym))
    name = series.sym.name or "value"
    title = rows.title or rows.rel.name
    made = closed(m, Frame(rows, ((name, series.sym),)), title)
    return Series(made.rows_, made.columns[0][1])


def _alike(a: Iterable[Tree], b: Iterable[Tree]) -> bool:
    return {sqlx.text(c) for c in a} == {sqlx.text(c) for c in b}


def filtered(m: Machine, ref: Value, frame: Frame, condition: Series) -> Frame:
    """The rows of a frame where a condition holds."""
    if windowed(m, condition.sym.sql) and between(frame.rows_.rel, condition.rows_.rel) in (None, []):
        condition = FRAME_RULES["apart"](m, condition)
    above = between(condition.rows_.rel, frame.rows_.rel)
    if above and not frame.rows_.where and frame.rows_.part is None:
        columns = tuple((n, carried(m, condition.rows_, frame.rows_, x)) for n, x in frame.columns)
        frame = Frame(replace(condition.rows_, where=(), index=frame.rows_.index, title=frame.rows_.title), columns)
    elif any(isinstance(x, Sym) and windowed(m, x.sql) for _, x in frame.columns):
        frame = close(m, ref, frame)
    tree = carry(m, frame.rows_, condition.rows_, condition.sym)
    rows = with_joins(frame.rows_, condition.rows_.joins if condition.rows_.rel is frame.rows_.rel else ())
    return replace(frame, what_rows=restricted(rows, truth(tree)))


def carried(m: Machine, target: Rows, source: Rows, value: Value) -> Value:
    """A column of a frame, encoded or not, over other rows with the same index."""
    if isinstance(value, Block):
        return replace(value, inputs=tuple(carry(m, target, source, s) for s in value.inputs))
    return carry(m, target, source, value)


def truth(sym: Sym) -> Tree:
    """A boolean series as a condition that is never NULL."""
    if sym.type != "bool":
        raise Refused(f"rows chosen by a {sym.type}", "a condition")
    return sqlx.sql("coalesce(_1, FALSE)", sym.sql) if sym.null else sym.sql


def restricted(rows: Rows, condition: Tree) -> Rows:
    """The rows that satisfy a condition too."""
    known = [sqlx.text(c) for c in rows.where]
    more = tuple(c for c in sqlx.atoms(condition) if sqlx.text(c) not in known)
    index = "subset" if rows.index == "range" else rows.index
    return replace(rows, where=rows.where + more, index=index)


def owe(m: Machine, rows: Rows, fails: Tree, message: str) -> None:
    """Say that the translation holds only while no row satisfies ``fails``."""
    m.obligations.append(Obligation(rows.query(), rows.where, fails, message, m.line))


FRAME_RULES["owe"] = owe

__all__ = [
    "FRAME_ATTRIBUTES",
    "FRAME_METHODS",
    "FRAME_RULES",
    "SERIES_ATTRIBUTES",
    "SERIES_METHODS",
    "SERIES_RULES",
    "Accessor",
    "Block",
    "Frame",
    "FrameRule",
    "Rows",
    "Series",
    "SeriesRule",
    "column",
    "constant",
    "only",
    "options",
    "owned",
    "strings",
]
