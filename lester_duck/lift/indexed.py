"""Loops over the numbers of a list: ``for i in range(1, len(rows))`` with ``rows[i]`` and ``rows[i - 1]``.

A loop that asks for the row of its number only is one over the rows; the row before or after is a window.
"""

from __future__ import annotations

import ast
import copy
from dataclasses import dataclass, replace

from sqlglot import exp

from lester_duck.lift import (
    arrays,
    bounds,
    expressions,
    files,
    histories,
    inner,
    lookups,
    recovery,
    scalars,
    sqlx,
    texts,
)
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import FileRel, fresh
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.state import Let
from lester_duck.lift.values import MISSING, Refused, Sym, Value


@dataclass(frozen=True)
class _Span:
    """``range(first, len(rows) - left)`` as the loop runs through it.

    ``cut`` are the lines of a text that was cut, ``grouped`` the elements of the list of one key.
    """

    number: str
    rows: ast.expr
    first: int
    left: int
    cut: bool = False
    grouped: bool = False


def loop(m: Machine, node: ast.For) -> ast.For:
    """The loop said over rows, or over all numbers with a condition; itself where it is no such loop."""
    span = _span(m, node)
    if span is None:
        return _over_frame(m, node)
    node, span = _without_guard(node, span)
    used = [n for s in node.body for n in ast.walk(s) if isinstance(n, ast.Name) and n.id == span.number]
    own = [n for s in node.body for n in ast.walk(s) if _asked(n, span.rows, span.number) == 0]
    plain = len(own) == sum(1 for s in node.body for n in ast.walk(s) if _asked(n, span.rows, span.number) is not None)
    if plain and not span.left and not span.grouped and not _is_changed(m, node, span):
        return _over_rows(node, span, len(used) > len(own)) if span.first or span.cut else node
    if span.grouped:
        node = _over_rows(node, replace(span, first=0), True)
    elif not span.first and not span.left:
        return node
    whole = ast.Call(ast.Name("len", ast.Load()), [span.rows], [])
    return _guarded(node, span.number, whole, span.first, span.left, span.grouped)


def _guarded(node: ast.For, name: str, whole: ast.expr, first: int, left: int, as_it_is: bool = False) -> ast.For:
    """The loop over all numbers below ``whole``, its body under the condition that the number is in the range."""
    number = ast.Name(name, ast.Load())
    tests: list[ast.expr] = []
    if first:
        tests.append(ast.Compare(number, [ast.GtE()], [ast.Constant(first)]))
    if left:
        tests.append(ast.Compare(number, [ast.Lt()], [ast.BinOp(whole, ast.Sub(), ast.Constant(left))]))
    if not tests:
        return node
    test = tests[0] if len(tests) == 1 else ast.BoolOp(ast.And(), tests)
    made = copy.copy(node)
    if not as_it_is:
        made.iter = ast.Call(ast.Name("range", ast.Load()), [whole], [])
    made.body = [ast.copy_location(ast.If(test, node.body, []), node)]
    return _placed(made, node)


def _over_frame(m: Machine, node: ast.For) -> ast.For:
    """``for i in range(1, len(df))``: a loop over all rows of the frame with a condition; others as they are."""
    call, target = node.iter, node.target
    known = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "range" and not m.frames
    if not known or not isinstance(target, ast.Name) or call.keywords or len(call.args) not in (1, 2):
        return node
    bound, left = call.args[-1], 0
    if isinstance(bound, ast.BinOp) and isinstance(bound.op, ast.Sub) and isinstance(bound.right, ast.Constant):
        bound, left = bound.left, bound.right.value
    first = call.args[0].value if len(call.args) == 2 and isinstance(call.args[0], ast.Constant) else 0
    if (len(call.args) == 2 and type(first) is not int) or type(left) is not int or min(first, left) < 0:
        return node
    if not (first or left) or node.orelse or _is_read_after(m, node, target.id):
        return node
    counted = expressions.evaluate(m, bound)
    tree = sqlx.bare(m.expand_tree(counted.sql)) if isinstance(counted, Sym) else None
    whole = m.wholes.get(tree.table) if isinstance(tree, exp.Column) else None
    if whole is None or whole.kind != "count" or ("rows of", whole.rel.token) not in m.files:
        return node
    return _guarded(node, target.id, bound, first, left)


def _is_read_after(m: Machine, node: ast.For, name: str) -> bool:
    """Whether the number is read outside of the loop, where it would be another one."""
    inside = {id(n) for loop in ast.walk(m.tree) if isinstance(loop, ast.For | ast.comprehension)
              for t in ast.walk(loop.target) if isinstance(t, ast.Name) and t.id == name
              for n in ast.walk(loop)}  # fmt: skip
    for holder in ast.walk(m.tree):
        if isinstance(holder, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) and any(
            isinstance(t, ast.Name) and t.id == name for g in holder.generators for t in ast.walk(g.target)
        ):
            inside |= {id(n) for n in ast.walk(holder)}
    reads = (n for n in ast.walk(m.tree) if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load))
    return any(id(n) not in inside for n in reads)


def _without_guard(node: ast.For, span: _Span) -> tuple[ast.For, _Span]:
    """``if i == 0: continue`` and ``if i > 0: ...`` as what the loop begins with."""
    first = node.body[0]
    if not isinstance(first, ast.If) or first.orelse:
        return node, span
    said, n, at = ast.unparse(first.test), span.number, span.first
    made = copy.copy(node)
    if len(node.body) > 1 and isinstance(first.body[0], ast.Continue):
        if said != f"{n} == {at}" and (at or said not in (f"not {n}", f"{n} < 1")):
            return node, span
        made.body = node.body[1:]
    elif len(node.body) == 1 and said in (f"{n} > {at}", f"{n} != {at}", f"{n} >= {at + 1}"):
        made.body = first.body
    else:
        return node, span
    return made, replace(span, first=at + 1)


def _placed(made: ast.For, node: ast.stmt) -> ast.For:
    for part in (made.iter, *([made.body[0].test] if isinstance(made.body[0], ast.If) else [])):
        ast.copy_location(part, node)
        ast.fix_missing_locations(part)
    return made


def _span(m: Machine, node: ast.For) -> _Span | None:
    call, target = node.iter, node.target
    known = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "range"
    if not known or not isinstance(target, ast.Name) or node.orelse or call.keywords or len(call.args) not in (1, 2):
        return None
    if any(isinstance(n, ast.Name) and n.id == target.id and not isinstance(n.ctx, ast.Load)
           for s in node.body for n in ast.walk(s)):  # fmt: skip
        return None
    asked = [n for s in node.body for n in ast.walk(s) if _offset(n, target.id) is not None]
    lists = {ast.unparse(n.value): n.value for n in asked}
    first = expressions.evaluate(m, call.args[0]) if len(call.args) == 2 else 0
    if len(lists) != 1 or type(first) is not int or first < 0:
        return None
    rows = next(iter(lists.values()))
    content = m.content(expressions.evaluate(m, rows))
    if isinstance(content, texts.Lines) and ast.unparse(call.args[-1]) == f"len({ast.unparse(rows)})":
        return _Span(target.id, rows, first, 0, True)
    stop = expressions.evaluate(m, call.args[-1])
    if not isinstance(stop, Sym):
        return None
    if not isinstance(content, v.ListOf | v.View | v.Group | inner.Inner):
        return None
    counted = expressions.evaluate(m, ast.copy_location(ast.Call(ast.Name("len", ast.Load()), [rows], []), node))
    left = _left(m.expand_tree(stop.sql), m.expand_tree(counted.sql))
    grouped = isinstance(content, v.Group | inner.Inner)
    return None if left is None else _Span(target.id, rows, first, left, grouped=grouped)


def _left(stop: Tree, count: Tree) -> int | None:
    """How many a bound leaves of the elements at the end; None where it is no such bound."""
    stop = sqlx.bare(stop)
    if sqlx.same(stop, sqlx.bare(count)):
        return 0
    parts = (sqlx.bare(stop.left), sqlx.bare(stop.right)) if isinstance(stop, exp.Sub) else ()
    if parts and sqlx.same(parts[0], sqlx.bare(count)) and isinstance(parts[1], exp.Literal) and parts[1].is_int:
        return int(parts[1].name)
    return None


def _offset(node: ast.AST, number: str) -> int | None:
    """``c`` of ``rows[i + c]``; None for other things."""
    if not isinstance(node, ast.Subscript) or not isinstance(node.value, ast.Name | ast.Attribute):
        return None
    index = node.slice
    if isinstance(index, ast.Name) and index.id == number:
        return 0
    if not isinstance(index, ast.BinOp) or not isinstance(index.op, ast.Add | ast.Sub):
        return None
    shift = index.right.value if isinstance(index.right, ast.Constant) else None
    if not isinstance(index.left, ast.Name) or index.left.id != number or type(shift) is not int:
        return None
    return shift if isinstance(index.op, ast.Add) else -shift


def _asked(node: ast.AST, rows: ast.expr, number: str) -> int | None:
    found = _offset(node, number)
    return found if found is not None and ast.unparse(node.value) == ast.unparse(rows) else None


def _is_changed(m: Machine, node: ast.For, span: _Span) -> bool:
    """Whether the loop changes the list or its rows: then the rows are still asked for by number."""
    name = ast.unparse(span.rows).split(".")[0]
    changed = {t.id for s in node.body for n in ast.walk(s) for t in [recovery.receiver(n)] if isinstance(t, ast.Name)}
    stored = {n.id for s in node.body for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return name in changed | stored


def _over_rows(node: ast.For, span: _Span, counts: bool) -> ast.For:
    """``for row in rows[first:]``, with the number of the row where it is asked for."""
    row = f"{ast.unparse(span.rows).split('.')[-1]}_{span.number}"
    rows = span.rows
    if span.first:
        rows = ast.Subscript(span.rows, ast.Slice(lower=ast.Constant(span.first)), ast.Load())
    made = copy.copy(node)
    made.target = ast.Name(row, ast.Store())
    made.iter = rows
    if counts:
        made.target = ast.Tuple([ast.Name(span.number, ast.Store()), ast.Name(row, ast.Store())], ast.Store())
        made.iter = ast.Call(ast.Name("enumerate", ast.Load()), [rows, ast.Constant(span.first)], [])
    ast.copy_location(made.target, node)
    ast.fix_missing_locations(made.target)
    made.body = [_Asking(span, row).visit(copy.deepcopy(s)) for s in node.body]
    return _placed(made, node)


class _Asking(ast.NodeTransformer):
    """``rows[i]`` as the name of the row."""

    def __init__(self, span: _Span, row: str) -> None:
        self.span, self.row = span, row

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """An index into something."""
        if _asked(node, self.span.rows, self.span.number) == 0:
            return ast.copy_location(ast.Name(self.row, ast.Load()), node)
        return self.generic_visit(node)


def neighbour(m: Machine, node: ast.Subscript) -> Value:
    """``rows[i - 1]`` and ``rows[i + 1]`` with ``i`` the number of the loop's row; ``MISSING`` for other things."""
    number = node.slice.left.id if isinstance(node.slice, ast.BinOp) and isinstance(node.slice.left, ast.Name) else ""
    offset = _offset(_with_known(m, node), number) if number else None
    place = m.env.get(number)
    if not offset or not m.frames or not isinstance(place, Sym):
        return MISSING
    if place.position is not None and isinstance(m.content(expressions.evaluate(m, node.value)), v.Foreign):
        return MISSING
    if _changes_rows(m, node, number):
        raise Refused("a row changed in place in the loop that reads the rows beside it", "last = row, in the loop")
    listed = None if place.position is not None else histories.of(m, expressions.evaluate(m, node.value))
    if listed is not None:
        return _in_list_of_key(m, listed, place, offset)
    if place.position is None:
        return MISSING
    content = arrays.in_order(m, m.content(expressions.evaluate(m, node.value)))
    if not isinstance(content, v.ListOf):
        return MISSING
    frame = next((f for f in m.frames if f.query.alias == place.position), None)
    base = frame.query.base if frame is not None else None
    shape = content.element
    if base is None or frame.query.order or not arrays.same_rows(base, content.rel):
        raise Refused("the row before or after in a list of other rows than those of the loop")
    if isinstance(shape, v.Fields):
        shape = v.Seq(tuple(files.all_fields(m, shape)))
    aligned = v.rebind(arrays.align(m, base, content.rel, shape), base.token, place.position)
    if any(s.line for s in lookups.leaves(aligned)):
        raise Refused("the line before or after", "split the lines into a list of rows first")
    return lookups.thaw(m, beside(m, aligned, place, offset, arrays.count(m, content)))


def _with_known(m: Machine, node: ast.Subscript) -> ast.Subscript:
    """``rows[i - k]`` where ``k`` is a whole number that is known, as of a loop over ``range(1, 3)``."""
    shift = node.slice.right
    value = m.env.get(shift.id) if isinstance(shift, ast.Name) else None
    if type(value) is not int or value < 0:
        return node
    index = ast.BinOp(node.slice.left, node.slice.op, ast.Constant(value))
    return ast.copy_location(ast.Subscript(node.value, index, node.ctx), node)


def _changes_rows(m: Machine, node: ast.Subscript, number: str) -> bool:
    """Whether the loop that counts changes the list, or a row of it, by any name."""
    for loop in [n for n in ast.walk(m.tree) if isinstance(n, ast.For | ast.While)]:
        inside = loop.lineno <= node.lineno <= (loop.end_lineno or loop.lineno)
        counts = loop.target if isinstance(loop, ast.For) else loop.test
        if not inside or not any(isinstance(n, ast.Name) and n.id == number for n in ast.walk(counts)):
            continue
        rows = {ast.unparse(node.value).split(".")[0]}
        if isinstance(loop, ast.For):
            rows |= {n.id for n in ast.walk(loop.target) if isinstance(n, ast.Name)} - {number}
        for part in ast.walk(loop):
            if isinstance(part, ast.Assign) and isinstance(part.value, ast.Subscript):
                rows |= {n.id for t in part.targets for n in ast.walk(t) if isinstance(n, ast.Name)}
        changed = (recovery.receiver(part) for s in loop.body for part in ast.walk(s))
        if any(isinstance(t, ast.Name) and t.id in rows for t in changed):
            return True
    return False


def _in_list_of_key(m: Machine, listed: inner.Inner, place: Sym, offset: int) -> Value:
    """``rows[i - 1]`` with ``i`` the number of the loop's element in the list of one key."""
    found = inner.ranking(m, listed)
    frame = next((f for f in m.frames if found is not None and f.query.base is found[0]), None)
    if frame is None or listed.where:
        return MISSING
    rel, key, element, rank = found
    own = lookups.leaves(v.rebind(key, rel.token, frame.query.alias))
    wanted = [scalars.whole(s) for s in lookups.leaves(listed.group.key)]
    same = (m.implied(scalars.compare(m, ast.Eq, a, b)) for a, b in zip(own, wanted, strict=True))
    if not all(same):
        raise Refused("an index into the list of another key than that of the loop")
    number = sqlx.bare(m.expand_tree(place.sql))
    first = sql("_1 + _2", v.rebind(rank, rel.token, frame.query.alias).sql, sqlx.literal(-1))
    said = [sqlx.bare(m.expand_tree(atom)) for atom in m.state.path]
    count = lookups.size(m, listed.group)
    inside = (
        bounds.is_later(t, number, -offset) if offset < 0 else bounds.leaves(m, t, number, offset, count) for t in said
    )
    if not sqlx.same(number, sqlx.bare(first)) or not any(inside):
        raise Refused("an index that may be outside of the list of one key", "if i > 0, and if i + 1 < len(rows)")
    made = dict(rel.outputs)
    window = made[rank.sql.name].sql

    def leaf(s: Sym) -> Sym:
        if not isinstance(s.sql, exp.Column) or s.sql.table != rel.token:
            return s
        tree = window.copy()
        function = "lead" if offset > 0 else "lag"
        tree.set("this", sql(f"{function}(_1, _2)", made[s.sql.name].sql, sqlx.literal(abs(offset))))
        name = f"{'next' if offset > 0 else 'previous'}_{s.name or 'value'}"
        column = rel.require(replace(s, sql=tree, parts=(), choices=(), position=None), name)
        return replace(s, sql=column.sql, name=name, parts=(), choices=(), position=None)

    return lookups.thaw(m, v.rebind(v.map_syms(element, leaf), rel.token, frame.query.alias))


def beside(m: Machine, shape: Value, place: Sym, offset: int, count: Sym) -> Value:
    """A shape over the loop's rows as that of the row so many places away."""
    order = sqlx.column(place.position, "_pos")
    distance = sqlx.literal(abs(offset))
    begins = sql("_1 < _2", place.sql, distance)
    said = [sqlx.bare(m.expand_tree(atom)) for atom in m.state.path]
    number = sqlx.bare(m.expand_tree(place.sql))
    if offset > 0 and not any(bounds.leaves(m, tree, number, offset, count) for tree in said):
        there = sql("lead(TRUE, _1) OVER (ORDER BY _2) IS NOT NULL", distance, order)
        _owe(m, place, sqlx.negate(_window(m, "goes_on", there, "bool")), "an index beyond the end of the list")
    wraps = offset < 0 and not any(bounds.is_later(tree, number, -offset) for tree in said)
    if wraps and offset < -1:
        _owe(m, place, begins, "an index that counts from the end of the list")

    def leaf(s: Sym) -> Sym:
        name = f"{'next' if offset > 0 else 'previous'}_{s.name or 'value'}"
        function = "lead" if offset > 0 else "lag"
        tree = sql(f"{function}(_1, _2) OVER (ORDER BY _3)", m.expand(s).sql, distance, order)
        if wraps:  # rows[-1] is the last row
            last = sql("last_value(_1) OVER (ORDER BY _2 ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)",
                       m.expand(s).sql, order)  # fmt: skip
            tree = sqlx.case(begins, last, tree)
        return replace(s, sql=_window(m, name, tree, s.type), name=name, parts=(), choices=(), position=None)

    return v.map_syms(shape, leaf)


def _window(m: Machine, name: str, tree: Tree, type_: str) -> Tree:
    text = sqlx.text(tree)
    known = (t for t, x in m.lets.items() if x.over == () and x.name == name and sqlx.text(x.value.sql) == text)
    token = next(known, "")
    if not token:
        token = fresh("let")
        m.lets[token] = Let(name, Sym(tree, type_, name=name), over=(), filtered=tree)
    return sqlx.column(token, name)


def _owe(m: Machine, place: Sym, fails: Tree, message: str) -> None:
    """The row is there, or the script fails: as a check over a file; over other rows the script must say so itself."""
    base = next(f.query.base for f in m.frames if f.query.alias == place.position)
    if not isinstance(base, FileRel) and not m.guards:
        nearest = "range(1, len(rows)) for rows[i - 1], range(len(rows) - 1) for rows[i + 1]"
        raise Refused(f"{message}, perhaps", nearest)
    m.raise_if(fails, "IndexError", message)
