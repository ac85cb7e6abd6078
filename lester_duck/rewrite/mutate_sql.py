"""Mutation operators over the SQL of a view: each a rule node -> replacements.

| operator | what it changes |
|---|---|
| join | LEFT and inner, SEMI and ANTI for each other |
| comparison | `<` `<=` and `>` `>=` for the neighbour and the opposite, `=` and `<>` for each other |
| connective | AND and OR for each other |
| condition | one conjunct of WHERE, HAVING or QUALIFY left out |
| negation | NOT, IS NULL, IN and BETWEEN for their opposites |
| constant | a number one more and one less, a date a day later and earlier, a text changed, and in another case |
| aggregate | min/max, first/last, arg_min/arg_max, bool_and/bool_or, sum/count, avg/max, lag/lead, rank/dense_rank |
| default | the default of coalesce left out |
| case | ELSE left out, a branch left out, neighbouring branches (or their results) swapped |
| order | ORDER BY left out, one of its terms reversed |
| partition | one key of PARTITION BY left out |
| column | another column of the same type and relation |
| distinct | DISTINCT left out, UNION and UNION ALL for each other |
| arithmetic | + and -, * and /, // and / for each other, % as // |
| call | a call that cleans a value (lower, strip, abs, round, replace ...) left out |

Equalities of join conditions stay: their opposites only multiply rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

import sqlglot
from sqlglot import exp

Replacements = Iterator[exp.Expression]
Types = Mapping[str, Mapping[str, str]]
"""Relation (or CTE) -> column -> type."""

_NEIGHBOUR = {exp.LT: (exp.LTE, exp.GTE), exp.LTE: (exp.LT, exp.GT), exp.GT: (exp.GTE, exp.LTE),
              exp.GTE: (exp.GT, exp.LT), exp.EQ: (exp.NEQ,), exp.NEQ: (exp.EQ,)}  # fmt: skip
NEGATED = {exp.GT: exp.LTE, exp.GTE: exp.LT, exp.LT: exp.GTE, exp.LTE: exp.GT}
_ARITHMETIC = {exp.Add: exp.Sub, exp.Sub: exp.Add, exp.Mul: exp.Div, exp.Div: exp.Mul, exp.IntDiv: exp.Div,
               exp.Mod: exp.IntDiv}  # fmt: skip
_PAIRS = (("Min", "Max"), ("First", "Last"), ("ArgMin", "ArgMax"), ("LogicalAnd", "LogicalOr"), ("Lag", "Lead"))
_OTHER = {getattr(exp, a): getattr(exp, b) for x, y in _PAIRS for a, b in ((x, y), (y, x))}
_OTHER |= {exp.Sum: exp.Count, exp.Avg: exp.Max, exp.FirstValue: exp.LastValue, exp.LastValue: exp.FirstValue}
_NAMES = {"rank": "dense_rank", "dense_rank": "rank", "row_number": "rank", "arg_min": "arg_max",
          "arg_max": "arg_min", "min_by": "max_by", "max_by": "min_by", "bool_and": "bool_or",
          "bool_or": "bool_and", "first": "last", "last": "first", "fsum": "count"}  # fmt: skip
_CLEANING = (exp.Lower, exp.Upper, exp.Trim, exp.Abs, exp.Round, exp.Replace, exp.Floor, exp.Ceil)
_CLEANING_NAMES = ("lower", "upper", "strip", "lstrip", "rstrip", "trim", "title", "capitalize", "abs", "round",
                   "replace", "regexp_replace", "casefold", "trunc")  # fmt: skip


def mutations(tree: exp.Expression, types: Types) -> Iterator[tuple[str, int, exp.Expression]]:
    """Operator, number of the node in ``walk`` order, and what replaces the node."""
    scope = _scope(tree, types)
    for number, node in enumerate(tree.walk()):
        for operator, rule in RULES:
            for new in rule(node):
                yield operator, number, new
        for new in _column(node, scope):
            yield "column", number, new


def applied(tree: exp.Expression, number: int, new: exp.Expression) -> exp.Expression:
    """A copy of the tree with the node of that number replaced."""
    copied = tree.copy()
    node = next(n for i, n in enumerate(copied.walk()) if i == number)
    if node is copied:
        return new
    node.replace(new)
    return copied


def _join(node: exp.Expression) -> Replacements:
    if not isinstance(node, exp.Join):
        return
    if node.kind in ("SEMI", "ANTI"):
        yield _with(node, kind="ANTI" if node.kind == "SEMI" else "SEMI")
    elif node.side == "LEFT":
        yield _with(node, side=None)
    elif node.args.get("on") or node.args.get("using"):
        yield _with(node, side="LEFT", kind=None)


def _with(node: exp.Expression, **changes: object) -> exp.Expression:
    new = node.copy()
    for name, value in changes.items():
        new.set(name, value)
    return new


def _comparison(node: exp.Expression) -> Replacements:
    if isinstance(node, exp.EQ | exp.NEQ) and _joins(node):
        return
    for kind in _NEIGHBOUR.get(type(node), ()):
        yield kind(this=node.this.copy(), expression=node.expression.copy())


def _joins(node: exp.Expression) -> bool:
    """Whether the node stands in a join's condition."""
    place = node
    while isinstance(place.parent, exp.Connector | exp.Paren | exp.Predicate | exp.Column):
        place = place.parent
    return isinstance(place.parent, exp.Join)


def _connective(node: exp.Expression) -> Replacements:
    if isinstance(node, exp.And | exp.Or) and not _joins(node):
        kind = exp.Or if isinstance(node, exp.And) else exp.And
        yield exp.paren(kind(this=_bracketed(node.this), expression=_bracketed(node.expression)), copy=False)


def _bracketed(node: exp.Expression) -> exp.Expression:
    return exp.paren(node) if isinstance(node, exp.Connector) else node.copy()


def _condition(node: exp.Expression) -> Replacements:
    if not isinstance(node, exp.Select):
        return
    for clause in ("where", "having", "qualify"):
        found = node.args.get(clause)
        parts = conjuncts(found.this) if found else []
        for left_out in range(len(parts)):
            kept = [p.copy() for n, p in enumerate(parts) if n != left_out]
            yield _with(node, **{clause: type(found)(this=exp.and_(*kept)) if kept else None})


def conjuncts(condition: exp.Expression) -> list[exp.Expression]:
    """What AND joins; the condition itself when there is none.

    >>> [c.sql() for c in conjuncts(sqlglot.parse_one("a AND (b OR c) AND d"))]
    ['a', '(b OR c)', 'd']
    """
    return list(condition.flatten(unnest=False)) if isinstance(condition, exp.And) else [condition]


def _negation(node: exp.Expression) -> Replacements:
    if isinstance(node, exp.Not):
        yield node.this.copy()
    elif isinstance(node, exp.Is | exp.In | exp.Between) and not isinstance(node.parent, exp.Not):
        yield exp.Not(this=exp.paren(node))


def _constant(node: exp.Expression) -> Replacements:
    if not isinstance(node, exp.Literal) or isinstance(node.parent, exp.DateDiff | exp.DateTrunc | exp.TimestampTrunc):
        return
    if isinstance(node.parent, exp.DataTypeParam | exp.Ordered | exp.Interval):
        return
    if node.arg_key in ("modifiers", "flags"):
        return
    text = node.this
    if node.is_number:
        value = float(text) if any(c in text for c in ".eE") else int(text)
        for changed in (value + 1, value - 1):
            yield _number(changed)
        return
    shifted = _shifted(text)
    if shifted:
        yield from (exp.Literal.string(t) for t in shifted)
    elif "%" in text:
        if "%d" in text and "%m" in text:
            yield exp.Literal.string(text.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m"))
    else:
        yield exp.Literal.string(text + "x")
        if text.swapcase() != text:
            yield exp.Literal.string(text.swapcase())


def _number(value: float) -> exp.Expression:
    literal = exp.Literal.number(abs(value) if isinstance(value, int) else f"{abs(value)!r}e0")
    return exp.Paren(this=exp.Neg(this=literal)) if value < 0 else literal


def _shifted(text: str) -> list[str]:
    for form in ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S"):
        try:
            day = datetime.strptime(text, form)
        except ValueError:
            continue
        return [(day + timedelta(days=n)).strftime(form) for n in (1, -1)]
    return []


def _aggregate(node: exp.Expression) -> Replacements:
    other = _OTHER.get(type(node))
    if other is not None:
        yield other(**{k: _copied(a) for k, a in node.args.items() if a is not None and k in other.arg_types})
    elif isinstance(node, exp.Func):
        name = _NAMES.get((node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower())
        if name and isinstance(node, exp.Anonymous):
            yield _with(node, this=name)
        elif name:
            yield exp.Anonymous(this=name, expressions=[a.copy() for a in _arguments(node)])


def _copied(value: object) -> object:
    if isinstance(value, list):
        return [_copied(v) for v in value]
    return value.copy() if isinstance(value, exp.Expression) else value


def _arguments(node: exp.Expression) -> list[exp.Expression]:
    return [a for v in node.args.values() for a in (v if isinstance(v, list) else [v]) if isinstance(a, exp.Expression)]


def _default(node: exp.Expression) -> Replacements:
    if isinstance(node, exp.Coalesce):
        yield node.this.copy()


def _case(node: exp.Expression) -> Replacements:
    if not isinstance(node, exp.Case):
        return
    default = node.args.get("default")
    if default is not None and not isinstance(default, exp.Null):
        yield _with(node, default=None)
    branches = node.args["ifs"]
    for left_out in range(len(branches) if len(branches) > 1 else 0):
        yield _with(node, ifs=[b.copy() for n, b in enumerate(branches) if n != left_out])
    for n in range(len(branches) - 1):
        changed = [b.copy() for b in branches]
        if _exclusive(node, branches[n], branches[n + 1]):
            results = [b.args["true"].copy() for b in branches[n : n + 2]]
            first, second = _with(branches[n], true=results[1]), _with(branches[n + 1], true=results[0])
        else:
            first, second = changed[n + 1], changed[n]
        changed[n : n + 2] = [first, second]
        if branches[n].args["true"] != branches[n + 1].args["true"]:
            yield _with(node, ifs=changed)


def _exclusive(node: exp.Case, first: exp.If, second: exp.If) -> bool:
    """Whether two branches can never both hold: one of the conditions of each contradict each other."""
    one, two = first.this, second.this
    if node.this is not None:
        return isinstance(one, exp.Literal) and isinstance(two, exp.Literal) and one != two
    return any(_contradict(a, b) for a in conjuncts(one) for b in conjuncts(two))


def _contradict(one: exp.Expression, two: exp.Expression) -> bool:
    """Whether two conditions never both hold: one value and two literals, NULL and not, below and not.

    >>> conditions = [sqlglot.parse_one(c) for c in ("x = 1", "x = 2", "x IS NULL", "NOT x IS NULL", "x < 3", "x >= 3")]
    >>> [_contradict(a, b) for a, b in zip(conditions, conditions[1:])]
    [True, False, True, False, True]
    """
    if isinstance(one, exp.EQ) and isinstance(two, exp.EQ):
        literals = isinstance(one.expression, exp.Literal) and isinstance(two.expression, exp.Literal)
        return literals and one.this == two.this and one.expression != two.expression
    if isinstance(one, exp.Not) or isinstance(two, exp.Not):
        return (isinstance(one, exp.Not) and one.this == two) or (isinstance(two, exp.Not) and two.this == one)
    opposite = NEGATED.get(type(one))
    return opposite is type(two) and one.this == two.this and one.expression == two.expression


def _order(node: exp.Expression) -> Replacements:
    if isinstance(node, exp.Query) and node.args.get("order") and not node.args.get("limit"):
        yield _with(node, order=None)
    if isinstance(node, exp.Ordered):
        yield _with(node, desc=not node.args.get("desc"))


def _partition(node: exp.Expression) -> Replacements:
    keys = node.args.get("partition_by") or [] if isinstance(node, exp.Window) else []
    for left_out in range(len(keys)):
        yield _with(node, partition_by=[k.copy() for n, k in enumerate(keys) if n != left_out])


def _distinct(node: exp.Expression) -> Replacements:
    if isinstance(node, exp.Select) and node.args.get("distinct"):
        yield _with(node, distinct=None)
    elif isinstance(node, exp.Distinct) and isinstance(node.parent, exp.AggFunc) and len(node.expressions) == 1:
        yield node.expressions[0].copy()
    elif isinstance(node, exp.Union):
        yield _with(node, distinct=not node.args.get("distinct"))


def _arithmetic(node: exp.Expression) -> Replacements:
    other = _ARITHMETIC.get(type(node))
    if other is not None:
        yield exp.paren(other(this=node.this.copy(), expression=node.expression.copy()), copy=False)


def _call(node: exp.Expression) -> Replacements:
    if isinstance(node, _CLEANING):
        yield exp.paren(node.this)
    elif isinstance(node, exp.Anonymous) and node.name.lower().removeprefix("py_") in _CLEANING_NAMES:
        yield from (exp.paren(a) for a in node.expressions[:1])


def _scope(tree: exp.Expression, types: Types) -> dict[str, list[Mapping[str, str]]]:
    """Alias -> the columns of what it may stand for; under '' every relation of the view."""
    found: dict[str, list[Mapping[str, str]]] = {"": []}
    for table in tree.find_all(exp.Table):
        columns = types.get(table.name.lower())
        if columns:
            found.setdefault(table.alias_or_name.lower(), []).append(columns)
            found[""].append(columns)
    return found


def _column(node: exp.Expression, scope: Mapping[str, list[Mapping[str, str]]]) -> Replacements:
    if not isinstance(node, exp.Column) or node.name.startswith("_"):
        return
    for columns in scope.get(node.table.lower(), ()):
        same = [n for n, t in columns.items() if t == columns.get(node.name) and not n.startswith("_")]
        if node.name in same and len(same) > 1:
            other = same[(same.index(node.name) + 1) % len(same)]
            new = _with(node, this=exp.to_identifier(other))
            named = isinstance(node.parent, exp.Select) and node.arg_key == "expressions"
            yield exp.alias_(new, node.name) if named else new
            return


RULES: tuple[tuple[str, Callable[[exp.Expression], Replacements]], ...] = (
    ("join", _join), ("comparison", _comparison), ("connective", _connective), ("condition", _condition),
    ("negation", _negation), ("constant", _constant), ("aggregate", _aggregate), ("default", _default),
    ("case", _case), ("order", _order), ("partition", _partition), ("distinct", _distinct),
    ("arithmetic", _arithmetic), ("call", _call),
)  # fmt: skip


def parsed(sql: str) -> exp.Expression:
    """The tree of a view."""
    return sqlglot.parse_one(sql, dialect="duckdb")
