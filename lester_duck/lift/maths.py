"""Rules for the functions of ``math`` on numbers of a row; where Python raises, the pipeline has a data check.

``hypot``, ``log1p`` and ``expm1`` have no SQL that gives the same last digit: they stay Python, in a declared function.
"""

from __future__ import annotations

from collections.abc import Callable

from lester_duck.lift import nans, scalars
from lester_duck.lift.machine import Machine
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import MISSING, Refused, Sym, Value

Rule = Callable[[Machine, list[Value], dict[str, Value]], Value]
_LARGEST_EXPONENT = "709.782712893384"
"""``math.exp`` overflows above it."""


def _function(
    template: str, *, fails: str = "", error: str = "ValueError", what: str = "", type_: str = "float"
) -> Rule:
    """A rule that writes ``_1``, ``_2`` into a template; ``fails`` is when Python raises ``error``."""
    count = 2 if "_2" in template else 1

    def rule(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if not any(isinstance(a, Sym) for a in args):
            return MISSING
        if len(args) != count or kwargs:
            raise Refused(f"a function of math with {len(args)} arguments")
        trees = [scalars.number(m, scalars.scalar(a)) for a in args]
        if fails:
            m.raise_if(sql(fails, *trees), error, what)
        given = [a for a in args if isinstance(a, Sym)]
        if type_ == "int":
            for a in given:
                m.raise_if(sql("_1 IS NULL", a.sql), error, what) if nans.may_be(a) else None
            return Sym(sql(template, *trees), type_, name=given[0].name)
        return nans.spread(Sym(sql(template, *trees), type_, name=given[0].name), *given)

    return rule


def _test(name: str) -> Rule:
    """``math.isnan(x)`` and its like."""

    def rule(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if not any(isinstance(a, Sym) for a in args):
            return MISSING
        if len(args) != 1 or kwargs:
            raise Refused(f"math.{name} with {len(args)} arguments")
        tree = sql("CAST(_1 AS DOUBLE)", scalars.number(m, args[0]))
        return Sym(nans.test(name, args[0], tree), "bool", name=args[0].name)

    return rule


_OF_A_POSITIVE = {"fails": "_1 <= 0", "what": "the logarithm of a number that is not positive"}
_OUTSIDE = {"fails": "_1 < -1 OR _1 > 1", "what": "an angle of a number outside -1 to 1"}
_ENDLESS = {"fails": "isnan(_1) OR isinf(_1)", "what": "a whole number of NaN or infinity"}
_NATURAL = _function("ln(_1)", **_OF_A_POSITIVE)
_TO_A_BASE = _function("ln(_1) / ln(_2)", **_OF_A_POSITIVE)


def _log(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    return (_TO_A_BASE if len(args) == 2 else _NATURAL)(m, args, kwargs)


RULES: dict[str, Rule] = {
    "math.acos": _function("acos(_1)", **_OUTSIDE),
    "math.asin": _function("asin(_1)", **_OUTSIDE),
    "math.atan": _function("atan(_1)"),
    "math.atan2": _function("atan2(_1, _2)"),
    "math.ceil": _function("CAST(ceil(CAST(_1 AS DOUBLE)) AS BIGINT)", **_ENDLESS, type_="int"),
    "math.cos": _function("cos(_1)"),
    "math.degrees": _function("degrees(_1)"),
    "math.exp": _function(
        "exp(_1)", fails=f"_1 > {_LARGEST_EXPONENT}", error="OverflowError", what="a power of e too large"
    ),
    "math.fabs": _function("abs(CAST(_1 AS DOUBLE))"),
    "math.floor": _function("CAST(floor(CAST(_1 AS DOUBLE)) AS BIGINT)", **_ENDLESS, type_="int"),
    **{f"math.{name}": _test(name) for name in nans.TESTS},
    "math.log": _log,
    "math.log10": _function("log10(_1)", **_OF_A_POSITIVE),
    "math.log2": _function("log2(_1)", **_OF_A_POSITIVE),
    "math.pow": _function(
        "pow(CAST(_1 AS DOUBLE), _2)",
        fails="(_1 = 0 AND _2 < 0) OR (_1 < 0 AND _2 <> floor(_2))",
        what="a power that is no real number",
    ),
    "math.radians": _function("radians(_1)"),
    "math.sin": _function("sin(_1)"),
    "math.sqrt": _function("sqrt(greatest(_1, 0))", fails="_1 < 0", what="the root of a negative number"),
    "math.tan": _function("tan(_1)"),
    "math.trunc": _function("CAST(trunc(CAST(_1 AS DOUBLE)) AS BIGINT)", **_ENDLESS, type_="int"),
}
