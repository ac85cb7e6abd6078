"""Calls of declared functions -> joins to their caches.

A cache ``_lester.fn_<name>`` has the columns ``a1 .. an, value, error``. A call becomes a LEFT JOIN
on its arguments; whether an error is *consumed* follows the expression around the call (a branch of
CASE not taken consumes nothing), so a failing call on a row the original never looks at is harmless.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from lester_duck.algebra.relation import column, quoted, table
from lester_duck.names import INTERNAL_SCHEMA

ERROR = "_error"


@dataclass(frozen=True, slots=True)
class Call:
    """One distinct call of a SELECT: the alias of its cache join, the function, its arguments as SQL."""

    alias: str
    function: str
    arguments: tuple[str, ...]
    depth: int


def cache_table(function: str) -> str:
    """Name of a function's cache table in schema ``_lester``."""
    return f"fn_{function}"


@dataclass(frozen=True, slots=True)
class Extracted:
    """An expression list with its calls replaced by cache columns."""

    expressions: tuple[exp.Expression, ...]
    calls: tuple[Call, ...]


def extract(expressions: tuple[exp.Expression, ...], functions: frozenset[str]) -> Extracted:
    """Replace every call by its cache's value; equal calls share a join, inner calls come first."""
    calls: dict[tuple[str, tuple[str, ...]], Call] = {}

    def visit(node: exp.Expression) -> tuple[exp.Expression, int]:
        depth = 0
        for child in list(node.args.values()):
            children = child if isinstance(child, list) else [child]
            for c in children:
                if isinstance(c, exp.Expression):
                    new, below = visit(c)
                    depth = max(depth, below)
                    if new is not c:
                        c.replace(new)
        if not (isinstance(node, exp.Anonymous) and node.name.lower() in functions):
            return node, depth
        arguments = tuple(a.sql("duckdb") for a in node.expressions)
        key = (node.name.lower(), arguments)
        if key not in calls:
            calls[key] = Call(f"_call_{len(calls) + 1}", key[0], arguments, depth + 1)
        return column("value", calls[key].alias), max(depth + 1, calls[key].depth)

    replaced = tuple(visit(e.copy())[0] for e in expressions)
    return Extracted(replaced, tuple(sorted(calls.values(), key=lambda c: c.depth)))


def join_cache(select: exp.Select, call: Call) -> exp.Select:
    """LEFT JOIN the cache of one call."""
    on = exp.and_(
        *[
            exp.NullSafeEQ(this=column(f"a{n}", call.alias), expression=exp.maybe_parse(a, dialect="duckdb"))
            for n, a in enumerate(call.arguments, 1)
        ]
    )
    return select.join(table(INTERNAL_SCHEMA, cache_table(call.function), call.alias), on=on, join_type="left")


def consumed_error(node: exp.Expression, aliases: frozenset[str]) -> exp.Expression | None:
    """The error that evaluating ``node`` as Python would have raised, or None when it has no call.

    CASE consumes its conditions up to the one taken and the branch taken; AND and OR stop early;
    anything else consumes all of its operands.
    """
    if isinstance(node, exp.Column) and node.table in aliases and node.name == "value":
        return column("error", node.table)
    if isinstance(node, exp.Case):
        return _case_error(node, aliases)
    if isinstance(node, exp.And | exp.Or):
        return _short_circuit_error(node, aliases)
    return _first_error([consumed_error(child, aliases) for child in node.iter_expressions()])


def _first_error(errors: list[exp.Expression | None]) -> exp.Expression | None:
    found = [e for e in errors if e is not None]
    if len(found) < 2:
        return found[0] if found else None
    return exp.Coalesce(this=found[0], expressions=found[1:])


def _case_error(node: exp.Case, aliases: frozenset[str]) -> exp.Expression | None:
    operand = node.args.get("this")
    default = node.args.get("default")
    result = consumed_error(default, aliases) if default is not None else None
    for branch in reversed(node.args["ifs"]):
        condition = (
            exp.EQ(this=operand.copy(), expression=branch.this.copy()) if operand is not None else branch.this.copy()
        )
        taken = consumed_error(branch.args["true"], aliases)
        if taken is not None or result is not None:
            result = exp.Case(ifs=[exp.If(this=condition, true=taken or exp.null())], default=result or exp.null())
        result = _first_error([consumed_error(branch.this, aliases), result])
    return _first_error([consumed_error(operand, aliases) if operand is not None else None, result])


def _short_circuit_error(node: exp.And | exp.Or, aliases: frozenset[str]) -> exp.Expression | None:
    left, right = consumed_error(node.left, aliases), consumed_error(node.right, aliases)
    if right is None:
        return left
    goes_on = node.left.copy() if isinstance(node, exp.And) else exp.not_(exp.paren(node.left.copy()))
    return _first_error([left, exp.Case(ifs=[exp.If(this=goes_on, true=right)], default=exp.null())])


def request(call: Call, select: exp.Select) -> exp.Select:
    """The distinct arguments of ``call`` over ``select`` that its cache does not hold yet.

    ``select`` must already join the caches of the calls below this one.
    """
    names = [f"a{n}" for n in range(1, len(call.arguments) + 1)]
    wanted = select.copy()
    wanted.set("expressions", [
        exp.alias_(exp.maybe_parse(a, dialect="duckdb"), n, quoted=True)
        for a, n in zip(call.arguments, names, strict=True)
    ])  # fmt: skip
    wanted = wanted.distinct()
    cache = table(INTERNAL_SCHEMA, cache_table(call.function), "cache")
    on = exp.and_(*[exp.NullSafeEQ(this=column(n, "wanted"), expression=column(n, "cache")) for n in names])
    outer = exp.select(*[column(n, "wanted") for n in names])
    outer = outer.from_(exp.Subquery(this=wanted, alias=exp.TableAlias(this=quoted("wanted"))))
    return outer.join(cache, on=on, join_type="anti")
