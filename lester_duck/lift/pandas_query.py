"""``df.query("x > 3 and k == @name")``: the text as the mask it stands for."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Callable

from lester_duck.lift import calls, expressions
from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_select as select_rules
from lester_duck.lift import pandas_series as series_rules
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Frame, Series, options
from lester_duck.lift.values import Refused, Value

_WORDS = {"&": "and", "|": "or"}
_MARK = "_outer_name_"


def parsed(text: str) -> tuple[ast.expr, dict[str, str]]:
    """A query's tree, ``@name`` and backticked columns as marked names, and what the latter stand for.

    >>> ast.unparse(parsed("a > 1 & b == @c")[0])
    'a > 1 and b == _outer_name_c'
    """
    quoted: dict[str, str] = {}
    parts = text.replace("\n", " ").split("`")
    for i in range(1, len(parts), 2):
        quoted[f"_quoted_{i}"] = parts[i]
        parts[i] = f"_quoted_{i}"
    marked = "".join(parts).replace("@", _MARK).strip()
    words: list[tuple[int, str]] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(marked).readline):
            if token.string in _WORDS:
                words.append((tokenize.NAME, _WORDS[token.string]))
            elif token.type != tokenize.ENDMARKER:
                words.append((token.type, token.string))
        return ast.parse(tokenize.untokenize(words).strip(), mode="eval").body, quoted
    except (SyntaxError, tokenize.TokenError):
        raise Refused(f"query({text!r})", "df[mask]") from None


def mask(m: Machine, ref: Value, frame: Frame, text: str) -> Value:
    """The mask a query stands for."""
    tree, quoted = parsed(text)
    return _Reader(m, ref, frame, quoted).read(tree)


class _Reader:
    """Evaluates a query's tree over the columns of a frame."""

    def __init__(self, m: Machine, ref: Value, frame: Frame, quoted: dict[str, str]) -> None:
        self.m = m
        self.ref = ref
        self.frame = frame
        self.quoted = quoted

    def read(self, node: ast.expr) -> Value:
        """The value of a node."""
        rule = _RULES.get(type(node))
        if rule is None:
            raise Refused(f"{type(node).__name__} in the text of a query", "df[mask]")
        return rule(self, node)

    def name(self, node: ast.Name) -> Value:
        """A column, or ``@name`` of the script."""
        if node.id.startswith(_MARK):
            return expressions.evaluate(self.m, ast.Name(id=node.id.removeprefix(_MARK), ctx=ast.Load()))
        name = self.quoted.get(node.id, node.id)
        if name in self.frame.names:
            return frames.column(self.m, self.ref, self.frame, name)
        keys = dict(self.frame.rows_.keys)
        if name in keys:
            return Series(self.frame.rows_, keys[name])
        raise Refused(f"the name {name!r} in the text of a query", "a column, or @name")

    def logic(self, node: ast.BoolOp) -> Value:
        """``and``, ``or``."""
        op = ast.BitAnd if isinstance(node.op, ast.And) else ast.BitOr
        made = self.read(node.values[0])
        for further in node.values[1:]:
            made = series_rules.operate(self.m, op, made, self.read(further))
        return made

    def unary(self, node: ast.UnaryOp) -> Value:
        """``not``, ``~``, ``-``."""
        held = self.m.content(self.read(node.operand))
        if isinstance(held, Series):
            op = ast.Invert if isinstance(node.op, ast.Not) else type(node.op)
            return series_rules.unary(self.m, op, held)
        if isinstance(node.op, ast.USub) and v.is_const(held):
            return -held
        raise Refused("this operator in the text of a query", "df[mask]")

    def compare(self, node: ast.Compare) -> Value:
        """Comparisons, ``in`` and chains of them."""
        left, made = self.read(node.left), None
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            right = self.read(right_node)
            found = self._compared(type(op), left, right)
            made = found if made is None else series_rules.operate(self.m, ast.BitAnd, made, found)
            left = right
        return made

    def _compared(self, op: type[ast.cmpop], left: Value, right: Value) -> Value:
        listed = isinstance(self.m.content(right), v.HList | v.HSet | tuple | v.ListOf | v.SetOf)
        if op in (ast.In, ast.NotIn) or (listed and op in (ast.Eq, ast.NotEq)):
            held = self.m.content(left)
            if not isinstance(held, Series):
                raise Refused("'in' of something that is no column, in a query", "df[mask]")
            found = held.method(self.m, left, "isin", [right], {})
            return series_rules.unary(self.m, ast.Invert, found) if op in (ast.NotIn, ast.NotEq) else found
        if not isinstance(self.m.content(left), Series) and not isinstance(self.m.content(right), Series):
            raise Refused("a comparison without a column in a query", "df[mask]")
        return series_rules.compare(self.m, op, left, right)

    def binary(self, node: ast.BinOp) -> Value:
        """Arithmetic."""
        return expressions.operate(self.m, type(node.op), self.read(node.left), self.read(node.right))

    def call(self, node: ast.Call) -> Value:
        """A method of a column."""
        keywords = {k.arg: self.read(k.value) for k in node.keywords if k.arg is not None}
        return calls.call(self.m, self.read(node.func), [self.read(a) for a in node.args], keywords)

    def attribute(self, node: ast.Attribute) -> Value:
        """``.str``, ``.dt``, a method."""
        return calls.attribute(self.m, self.read(node.value), node.attr)

    def items(self, node: ast.List | ast.Tuple) -> Value:
        """A list."""
        return self.m.new(v.HList(tuple(self.read(x) for x in node.elts)))


_RULES: dict[type[ast.expr], Callable[[_Reader, ast.expr], Value]] = {
    ast.Name: _Reader.name, ast.BoolOp: _Reader.logic, ast.UnaryOp: _Reader.unary, ast.Compare: _Reader.compare,
    ast.BinOp: _Reader.binary, ast.Call: _Reader.call, ast.Attribute: _Reader.attribute, ast.List: _Reader.items,
    ast.Tuple: _Reader.items, ast.Constant: lambda reader, node: node.value,
}  # fmt: skip


def _query(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    chosen = options(kwargs, args, ("expr",), "query", engine=None, inplace=False)
    if not isinstance(chosen["expr"], str):
        raise Refused("query with a text that depends on rows", "df[mask]")
    found = select_rules.subscript(m, ref, frame, mask(m, ref, frame, chosen["expr"]))
    if chosen["inplace"] is True:
        m.update(ref, m.content(found))
        return None
    return found


def _eval(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
    text = options(kwargs, args, ("expr",), "eval", engine=None, inplace=False)["expr"]
    name, equals, rest = str(text).partition("=")
    if not equals or rest.startswith("=") or not name.strip().isidentifier() or kwargs.get("inplace") is True:
        raise Refused(f"eval({text!r})", 'df["x"] = ...')
    tree, quoted = parsed(rest)
    value = _Reader(m, ref, frame, quoted).read(tree)
    return m.new(select_rules.with_column(m, frame, name.strip(), value))


frames.FRAME_METHODS.update(query=_query, eval=_eval)


__all__ = ["mask", "parsed"]
