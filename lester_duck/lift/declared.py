"""Row functions made from the script's own expressions, where SQL cannot say them exactly."""

from __future__ import annotations

import ast
import builtins
import copy
import keyword
import re

from sqlglot import exp

from lester_duck.lift import concrete, expressions, functions, infer, purity, scalars
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.relations import free_name
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import SQL_TYPES, FromModel, Poison, Refused, Sym, Value
from lester_duck.pipeline import model as ir

DECLARABLE = (ast.Call, ast.BinOp, ast.Compare, ast.IfExp, ast.Subscript, ast.JoinedStr, ast.BoolOp)
"""Kinds of expressions that may become a function of their own."""
_PLAIN = frozenset(SQL_TYPES) - {"timedelta", "days", "array"}
"""Types that Python and the cache of a function's values hold alike."""


def evaluate(m: Machine, node: ast.expr, rule: expressions.Rule) -> Value:
    """The value of a row's expression by its rule, or as a call of a declared function."""
    try:
        with m.trial():
            return rule(m, node)
    except FromModel:
        raise
    except Refused as error:
        reason = error
    try:
        with m.trial():
            return _expression(m, node)
    except Refused:
        raise reason from None


def _expression(m: Machine, node: ast.expr) -> Sym:
    """The expression as a function of the row values in it."""
    arguments = _Arguments(m, node)
    body = arguments.visit(copy.deepcopy(node))
    if not arguments.found:
        raise Refused("an expression that depends on no value of a row")
    returns = infer.expression_type(
        body, {n: s.type for n, s in arguments.found.items()}, functions.definitions(m)
    )
    if returns is None:
        raise Refused("an expression whose type is not plain")
    purity.check(body, "an expression")
    none = any(isinstance(n, ast.Constant) and n.value is None for n in ast.walk(body))
    lines = functions.needed_for(m, functions.free_names(body) - set(arguments.found), "an expression")
    text = f"return {ast.unparse(ast.fix_missing_locations(body))}"
    return make(m, m.hint or "value", arguments.found, text, (SQL_TYPES[returns], returns), none, lines)


def make(
    m: Machine, hint: str, arguments: dict[str, Sym], body: str, returns: tuple[str, str], none: bool,
    lines: tuple[tuple[int, int], ...], header: str = "",
) -> Sym:  # fmt: skip
    """A call of a function ``hint_of`` of these arguments with this body; under ``try`` it gives None."""
    symbols = {n: scalars.whole(s) for n, s in arguments.items()}
    if any(s.type not in _PLAIN for s in symbols.values()):
        raise Refused("a function of values of these types")
    caught = guarded(m, none)
    if caught:
        body = f"try:\n{_indented(body)}\nexcept {caught}:\n    return None"
    name = _name(m, f"{hint}_of", f"({', '.join(symbols)}):\n{_indented(body)}\n")
    text = f"def {name}({', '.join(symbols)}):\n{_indented(body)}\n"
    signature = ir.Function(
        name=name,
        arguments=tuple(ir.Column(name=n, type=SQL_TYPES[s.type]) for n, s in symbols.items()),
        returns=returns[0],
    )
    m.functions[name] = functions.Declared(signature, lines, text, header)
    call = Sym(exp.Anonymous(this=name, expressions=[s.sql.copy() for s in symbols.values()]), returns[1], none, hint)
    if not caught:
        return call
    value = m.let(hint, call)
    m.raise_if(sql("_1 IS NULL", value.sql), m.guards[-1].caught[0], f"what {name}() cannot do")
    return value


def guarded(m: Machine, none: bool) -> str:
    """The exceptions that the open ``try`` catches, as Python; empty where there is none."""
    if not m.guards:
        return ""
    guard = m.guards[-1]
    if len(m.guards) > 1 or none or guard.handlers != 1:
        raise Refused("a function inside try that may give None, or with several handlers")
    return guard.caught[0] if len(guard.caught) == 1 else f"({', '.join(guard.caught)})"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.split("\n"))


def _name(m: Machine, wanted: str, text: str) -> str:
    """A name that no other function or name of the script has; the same for the same text."""
    for name, declared in m.functions.items():
        if declared.text == f"def {name}{text}":
            return name
    taken = set(m.functions) | set(m.state.envs[0]) | set(dir(builtins))
    return free_name(wanted, taken)


def pattern(
    m: Machine, found: re.Pattern, text: Sym, body: str, returns: tuple[str, str], none: bool
) -> Sym:
    """A function of a text with a regular expression: ``{pattern}`` and ``{text}`` in the body are put in."""
    hint = m.hint or "text"
    argument = text.name if text.name and _usable(text.name) else "text"
    spelled = next((n for n, x in m.state.envs[0].items() if x is found), None)
    top = {n for s in m.tree.body for n in functions.defines(s)}
    if spelled is None or spelled not in top:
        flags = found.flags & ~re.UNICODE
        spelled = f"re.compile({found.pattern!r}{f', {flags}' if flags else ''})"
    lines = functions.needed_for(m, {spelled} & top | {"re"} & top, "a regular expression")
    header = "" if "re" in top else "import re\n"
    said = body.replace("{pattern}", spelled).replace("{text}", argument)
    return make(m, hint, {argument: text}, said, returns, none, lines, header)


def _usable(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name) and not hasattr(builtins, name) and name != "found"


class _Arguments(ast.NodeTransformer):
    """Replaces what depends on the row by parameters, and local constants by their values."""

    def __init__(self, m: Machine, node: ast.expr) -> None:
        self.m = m
        self.found: dict[str, Sym] = {}
        self.bound = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        self.bound |= {a.arg for a in ast.walk(node) if isinstance(a, ast.arg)}

    def visit(self, node: ast.AST) -> ast.AST:
        """Parts of records are parameters of their own."""
        if isinstance(node, ast.Subscript | ast.Attribute | ast.Call) and self._rooted(node):
            sym = self._scalar(node)
            if sym is not None:
                return self._parameter(sym, sym.name or "value")
        return super().visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """A name of the row becomes a parameter, a local constant its value."""
        if node.id in self.bound or not isinstance(node.ctx, ast.Load):
            return node
        local = len(self.m.state.envs) > 1 and node.id in self.m.env
        env = self.m.env if local else self.m.state.envs[0]
        if node.id not in env and node.id not in self.m.env:
            return node
        value = env.get(node.id, self.m.env.get(node.id))
        if isinstance(value, Poison):
            raise value.refusal()
        if isinstance(value, Sym):
            return self._parameter(value, node.id)
        if isinstance(value, v.Lib | v.Func) and not local:
            return node
        if not concrete.is_plain(self.m, value):
            raise Refused(f"'{node.id}' is no value of a row")
        if not local:
            return node
        plain = concrete.plain_value(self.m, value)
        if not isinstance(plain, str | int | float | bool | type(None) | list | tuple | dict | set):
            raise Refused(f"'{node.id}' is no plain constant")
        return ast.parse(repr(plain), mode="eval").body

    def _rooted(self, node: ast.expr) -> bool:
        """Whether an access begins at a record, document or match of the row."""
        root: ast.expr = node
        while isinstance(root, ast.Subscript | ast.Attribute | ast.Call):
            root = root.func if isinstance(root, ast.Call) else root.value
        if not isinstance(root, ast.Name) or root.id in self.bound or root is node:
            return False
        value = self.m.env.get(root.id, self.m.state.envs[0].get(root.id))
        if value is None or isinstance(value, Poison | Sym | v.Lib | v.Func):
            return False
        return not concrete.is_plain(self.m, value)

    def _scalar(self, node: ast.expr) -> Sym | None:
        if any(isinstance(n, ast.Name) and n.id in self.bound for n in ast.walk(node)):
            return None
        try:
            with self.m.trial():
                value = expressions.RULES[type(node)](self.m, node)
                return value if isinstance(value, Sym) and value.type in _PLAIN else None
        except Refused:
            return None

    def _parameter(self, sym: Sym, wanted: str) -> ast.Name:
        for name, known in self.found.items():
            if known.sql.sql(dialect="duckdb") == sym.sql.sql(dialect="duckdb"):
                return ast.Name(id=name, ctx=ast.Load())
        name = wanted if _usable(wanted) else f"{wanted}_value" if _usable(f"{wanted}_value") else "value"
        name = free_name(name, set(self.found) | self.bound)
        self.found[name] = sym
        return ast.Name(id=name, ctx=ast.Load())
