"""Lists of rows, NumPy vectors and matrices: positions, slices, masks, arithmetic, aggregates."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from sqlglot import exp

from lester_duck.lift import builtin_rules, csv_files, files, folds, lookups, matrices, scalars, slices, sqlx
from lester_duck.lift import extremes as extreme_rules
from lester_duck.lift import values as v
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import FileRel, Join, Relation, SelectRel
from lester_duck.lift.values import Part, Refused, Sym, Value


def relation_of(content: Value) -> Relation:
    """The relation whose rows a list, vector or matrix has."""
    return relation_of(content.of) if isinstance(content, Part) else content.rel


def count(m: Machine, content: Value) -> Sym:
    """The number of rows."""
    if isinstance(content, Part):
        raise Refused("the length of a part of the rows")
    content = in_order(m, content)
    return m.whole("count", content.rel, None, "int")


def subscript(m: Machine, content: Value, index: Value, base: Value = None) -> Value:
    """``rows[index]``: by the loop's position, a slice from or to a bound, or a mask."""
    if index == slice(None, None, -1) and isinstance(content, v.ListOf | v.View):
        view = content if isinstance(content, v.View) else v.View(content.rel, content.element)
        return m.new(builtin_rules.settled(m, backwards(view), folds.title_of(m, content)))
    content = in_order(m, content)
    if isinstance(index, v.Ref):
        index = m.content(index)
    if isinstance(index, Sym) and index.position is not None:
        if isinstance(content, v.Matrix) and isinstance(base, v.Ref):
            return m.new(MatrixRow(base, index))
        found = at_position(m, content, index.position)
        if isinstance(found, v.Ref):
            m.files["row of a list", found.id] = True
        return found
    if isinstance(index, v.Vector) and index.element.type == "bool":
        element = align(m, relation_of(content), index.rel, index.element)
        return Part(content, "where", scalars.scalar(element).sql)
    if isinstance(index, matrices.Places):
        element = align(m, relation_of(content), index.rel, index.condition)
        return Part(content, "where", scalars.scalar(element).sql)
    if isinstance(index, slice):
        return slices.cut(m, content, index)
    if isinstance(index, tuple):
        return matrices.picked(m, content, index)
    if index == 0 and is_lines(content):
        return _first_line(m, content)
    if index == 0 and is_split(content):
        return _first_split(m, content)
    if type(index) is int and index in (0, -1) and isinstance(content, v.ListOf | v.View):
        return _at_end(m, content, index)
    raise Refused("this index into a collection of rows", "the position of the loop's own row, or a slice")


def backwards(view: v.View) -> v.View:
    """The rows of a view from the last to the first: what is equal comes in the opposite order, too."""
    position = Sym(sqlx.column(view.rel.token, "_pos"), "int", name="position")
    return v.View(view.rel, view.element, (*((s, not d) for s, d in view.order), (position, True)))


def _at_end(m: Machine, content: v.ListOf, index: int) -> Value:
    element = content.element
    if isinstance(element, v.Fields):
        element = v.Seq(tuple(files.all_fields(m, element)))
    return extreme_rules.at_end(m, v.View(content.rel, element), index)


def in_order(m: Machine, content: Value) -> Value:
    """A view as a list; one in an order of its own is made once."""
    if not isinstance(content, v.View):
        return content
    if not content.order:
        return v.ListOf(content.rel, content.element)
    if ("in order", content) not in m.files:
        m.files["in order", content] = builtin_rules.settled(m, content, folds.title_of(m, content))
    return m.files["in order", content]


@dataclass(frozen=True, eq=False)
class MatrixRow(Library):
    """``matrix[i]`` with ``i`` the row of the loop: what is set in it is set in the matrix."""

    matrix: v.Ref
    position: Sym
    what = "row of a matrix"

    def subscript(self, m: Machine, ref: Value, index: Value) -> Value:
        """``matrix[i][j]``."""
        columns = m.content(at_position(m, m.content(self.matrix), self.position.position))
        if type(index) is not int or not isinstance(columns, v.HList):
            raise Refused("this index into a row of a matrix", "matrix[i, j]")
        return columns.items[index]

    def store(self, m: Machine, ref: Value, index: Value, value: Value) -> None:
        """``matrix[i][j] = x``."""
        if m.frame_of(self.matrix) is None:
            raise Refused("an assignment into a row of a matrix outside its loop")
        m.log("cell", self.matrix, (self.position, index), value)


def is_lines(content: Value) -> bool:
    """Whether a list holds lines of a file as they are."""
    element = getattr(content, "element", None)
    return isinstance(content.rel, FileRel) and scalars.is_raw(element)


def is_split(content: Value) -> bool:
    """Whether a list holds every line of a file, split or read with the csv module."""
    element = getattr(content, "element", None)
    return isinstance(element, v.Fields) and element.rel is content.rel


def _first_split(m: Machine, content: v.ListOf) -> v.Ref:
    """The fields of the first line, as it was observed."""
    fields, rel = content.element, content.rel
    if fields.each:
        raise Refused("the first line of a file, its fields changed", "the first line, split")
    if fields.strip == "csv":
        file = v.HFile(rel.path, "r", (rel.encoding,), rel.skip)
        return m.new(v.HList(tuple(csv_files.first_record(m, file, fields.delimiter))))
    line = files.stripped(_first_line(m, content), fields.strip)
    return m.new(v.HList(tuple(line.split(fields.delimiter))))


def _first_line(m: Machine, content: v.ListOf) -> str:
    rel = content.rel
    lines = files.text_lines(m.observed.folder / rel.path, rel.encoding)
    if len(lines) <= rel.skip:
        raise Refused(f"{rel.path} was too short when the script was observed")
    return lines[rel.skip]


def same_rows(a: Relation, b: Relation) -> bool:
    """Whether two relations have the same rows in the same order."""
    return root(a) is root(b)


def root(rel: Relation) -> Relation:
    """The relation that others only add columns to."""
    while extends(rel):
        rel = rel.query.base
    return rel


def extends(rel: Relation) -> bool:
    """Whether a relation has exactly its base's rows, in their order."""
    return isinstance(rel, SelectRel) and not rel.query.where and not rel.query.order


def at_position(m: Machine, content: Value, alias: str) -> Value:
    """``rows[i]`` with ``i`` the place of the row that ``alias`` stands for."""
    base = next((f.query.base for f in m.frames if f.query.alias == alias), None)
    if base is None or isinstance(content, Part):
        raise Refused("a position outside its loop")
    shape = v.Seq(content.columns) if isinstance(content, v.Matrix) else content.element
    if isinstance(shape, v.Fields) and content.rel is base:
        return lookups.thaw(m, v.rebind(shape, base.token, alias))
    if isinstance(shape, v.Fields):
        shape = v.Seq(tuple(files.all_fields(m, shape)))
    if _stands_on(content.rel, base):
        over_loop = v.map_syms(shape, lambda s: _said_in_loop(m, content.rel, s, alias))
        return lookups.thaw(m, over_loop)
    aligned = align(m, base, content.rel, shape)
    return lookups.thaw(m, v.rebind(aligned, base.token, alias))


def _stands_on(rel: Relation, base: Relation) -> bool:
    while rel is not base and extends(rel):
        rel = rel.query.base
    return rel is base


def _said_in_loop(m: Machine, rel: Relation, sym: Sym, alias: str) -> Sym:
    """A column of a relation that adds to the loop's own, computed anew in the loop (lookups included)."""
    query = next(f.query for f in m.frames if f.query.alias == alias)

    def over(rel: Relation, tree: exp.Expression) -> exp.Expression:
        if rel is query.base:
            return v.rebind(Sym(tree, "str"), rel.token, alias).sql
        outputs = dict(rel.outputs)
        return sqlx.replace(
            tree,
            lambda n: (
                below(rel, m.expand(outputs[n.name]).sql)
                if isinstance(n, exp.Column) and n.table == rel.token
                else None
            ),
        )

    def below(rel: SelectRel, tree: exp.Expression) -> exp.Expression:
        for made in rel.query.joins:
            if made.alias in sqlx.tables(tree) and all(j.alias != made.alias for j in query.joins):
                keys = tuple((Sym(below(rel, m.expand(s).sql), s.type), n) for s, n in made.keys)
                query.joins.append(Join(made.alias, made.rel, keys))
        lower = v.rebind(Sym(tree, "str"), rel.query.alias, rel.query.base.token).sql
        return over(rel.query.base, lower)

    return v.change_sql(sym, lambda tree: over(rel, tree))


def align(m: Machine, target: Relation, rel: Relation, shape: Value) -> Value:
    """A shape over ``rel`` said over ``target``, which has the same rows in the same order."""
    if target is rel:
        return shape
    if not same_rows(target, rel):
        raise Refused("two collections whose rows do not correspond", "lists filled together in one loop")
    over_root = v.map_syms(shape, lambda s: _down(m, rel, s))
    return v.map_syms(over_root, lambda s: _up(m, target, root(target), s))


def _down(m: Machine, rel: Relation, sym: Sym) -> Sym:
    while extends(rel):
        sym = _inlined(m, rel, sym)
        rel = rel.query.base
    return sym


def _inlined(m: Machine, rel: SelectRel, sym: Sym) -> Sym:
    outputs = dict(rel.outputs)

    def definition(node: exp.Expression) -> exp.Expression | None:
        if not isinstance(node, exp.Column) or node.table != rel.token:
            return None
        if node.name == "_pos":
            return sqlx.column(rel.query.alias, "_pos")
        tree = m.expand(outputs[node.name]).sql
        if sqlx.tables(tree) - {rel.query.alias}:
            raise Refused("looked-up values in two collections that only share their rows", "one loop that fills both")
        return tree

    inlined = v.change_sql(sym, lambda t: sqlx.replace(t, definition))
    return v.rebind(inlined, rel.query.alias, rel.query.base.token)


def _up(m: Machine, target: Relation, base: Relation, sym: Sym) -> Sym:
    if target is base:
        return sym
    below = _up(m, target.query.base, base, sym)
    over_query = v.rebind(below, target.query.base.token, target.query.alias)
    if base.token not in sqlx.tables(sym.sql):
        return sym
    return target.require(over_query, sym.name or "value")


AGGREGATES = {
    "mean": "float", "std": "float", "var": "float", "median": "float", "sum": "", "min": "", "max": "",
}  # fmt: skip


def aggregate(m: Machine, content: Value, kind: str, ddof: int = 0) -> Value:
    """``vector.mean()``, ``min(list)`` ...: one number for all rows."""
    element = getattr(content, "element", None)
    if kind == "sum" and type(element) in (int, bool):
        count_of = m.whole("count", content.rel, None, "int")
        return count_of if element == 1 else scalars.binary(m, ast.Mult, count_of, int(element))
    if not isinstance(element, Sym):
        raise Refused(f"{kind}() of a {scalars.kind_name(content)}")
    if element.type not in scalars.NUMERIC and kind not in ("min", "max"):
        raise Refused(f"{kind}() of {element.type} values")
    name = f"{kind}_sample" if kind in ("std", "var") and ddof == 1 else kind
    type_ = AGGREGATES[kind] or ("int" if element.type == "bool" and kind == "sum" else element.type)
    return m.whole(name, content.rel, m.expand(element), type_)


def floating(m: Machine, sym: Sym) -> Sym:
    """A number as NumPy's float64."""
    if sym.type == "float":
        return sym
    if sym.type not in scalars.NUMERIC:
        raise Refused(f"a {sym.type} in a numeric array")
    return Sym(sqlx.sql("CAST(_1 AS DOUBLE)", sym.sql), "float", name=sym.name)


def array(m: Machine, value: Value, as_float: bool) -> Value:
    """``np.array(rows)``."""
    content = m.content(value)
    if isinstance(content, v.HList):
        return m.new(v.HArray(tuple(content.items)))
    if isinstance(content, v.Vector | v.Matrix | v.Part):
        return content
    if not isinstance(content, v.ListOf):
        raise Refused(f"np.array of a {scalars.kind_name(content)}")
    return from_list(m, content, as_float)


def from_list(m: Machine, content: v.ListOf, as_float: bool) -> Value:
    """A list of numbers as a vector, a list of rows as a matrix."""
    element = content.element
    if isinstance(element, Sym):
        return v.Vector(content.rel, element)
    if v.is_const(element) and not isinstance(element, tuple):
        return v.Vector(content.rel, scalars.scalar(element))
    if isinstance(element, v.Block):
        return v.Matrix(content.rel, (element,))
    if isinstance(element, v.Fields):
        return v.Matrix(content.rel, tuple(files.all_fields(m, element)))
    if isinstance(element, tuple | v.Seq):
        items = element if isinstance(element, tuple) else element.items
        return v.Matrix(content.rel, tuple(items))
    raise Refused(f"an array of {scalars.kind_name(element)} values")


def stack(m: Machine, blocks: list[Value]) -> v.Matrix:
    """``np.hstack``: blocks with the same rows, side by side."""
    parts = [_as_matrix(m, m.content(b)) for b in blocks]
    target = max((p.rel for p in parts), key=_depth)
    columns = [c for p in parts for c in align(m, target, p.rel, v.Seq(p.columns)).items]
    return v.Matrix(target, tuple(columns))


def _depth(rel: Relation) -> int:
    depth = 0
    while extends(rel):
        rel, depth = rel.query.base, depth + 1
    return depth


def _as_matrix(m: Machine, content: Value) -> v.Matrix:
    if isinstance(content, v.Matrix):
        return content
    if isinstance(content, v.ListOf):
        content = from_list(m, content, False)
        return _as_matrix(m, content)
    if isinstance(content, v.Vector):
        return v.Matrix(content.rel, (content.element,))
    raise Refused(f"stacking a {scalars.kind_name(content)}")


def filled(m: Machine, shape: Value, number: Value) -> Value:
    """``np.zeros(n)`` or ``np.zeros((rows, columns))``."""
    shape = shape[0] if isinstance(shape, tuple) and len(shape) == 1 else shape
    if type(shape) is int:
        return m.new(v.HArray((number,) * shape))
    rows = shape[0] if isinstance(shape, tuple) and len(shape) == 2 and type(shape[1]) is int else shape
    rel = counted(m, rows)
    if rel is None:
        raise Refused("np.zeros of this shape", "np.zeros((len(rows), width))")
    if isinstance(shape, tuple):
        return m.new(v.Matrix(rel, (number,) * shape[1]))
    return m.new(v.Vector(rel, scalars.scalar(number)))


def counted(m: Machine, count: Value) -> Relation | None:
    """The relation whose rows a number counts, or None."""
    tree = m.expand(count).sql if isinstance(count, Sym) else None
    whole = m.wholes.get(tree.table) if isinstance(tree, exp.Column) else None
    return whole.rel if whole is not None and whole.kind == "count" else None


def positions(m: Machine, stop: Value) -> v.View | None:
    """``range(len(rows))``: the positions of a relation's rows."""
    if not isinstance(stop, Sym):
        return None
    tree = m.expand(stop).sql
    whole = m.wholes.get(tree.table) if isinstance(tree, exp.Column) else None
    if whole is None or whole.kind != "count":
        raise Refused("range() of a number that depends on rows", "range(len(rows))")
    return v.View(whole.rel, place(whole.rel))


def place(rel: Relation) -> Sym:
    """The position of a row in its relation, counted from 0."""
    return Sym(sqlx.column(rel.token, "@position"), "int", name="position", position=rel.token)
