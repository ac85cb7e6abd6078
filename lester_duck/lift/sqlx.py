"""SQL trees from small templates: parentheses where precedence asks for them, logic kept flat."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

from sqlglot import exp, parse_one

Tree = exp.Expression

TRUE = exp.true()
FALSE = exp.false()
NULL = exp.null()

_PRECEDENCE: tuple[tuple[type[Tree] | tuple[type[Tree], ...], int], ...] = (
    (exp.Or, 1),
    (exp.And, 2),
    (exp.Not, 3),
    ((exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Is, exp.In, exp.Between), 4),
    ((exp.NullSafeEQ, exp.NullSafeNEQ, exp.Like), 4),
    (exp.DPipe, 5),
    ((exp.Add, exp.Sub), 6),
    ((exp.Mul, exp.Div, exp.Mod, exp.IntDiv), 7),
    (exp.Neg, 8),
)
_OPPOSITE: dict[type[Tree], type[Tree]] = {
    exp.EQ: exp.NEQ,
    exp.NEQ: exp.EQ,
    exp.NullSafeEQ: exp.NullSafeNEQ,
    exp.NullSafeNEQ: exp.NullSafeEQ,
    exp.LT: exp.GTE,
    exp.GTE: exp.LT,
    exp.GT: exp.LTE,
    exp.LTE: exp.GT,
}


def precedence(tree: Tree) -> int:
    """How tightly a node binds; 9 for what never needs parentheses."""
    for kinds, level in _PRECEDENCE:
        if isinstance(tree, kinds):
            return level
    return 9


@cache
def _template(text: str) -> Tree:
    return parse_one(text, dialect="duckdb")


def sql(text: str, *arguments: Tree) -> Tree:
    """A tree from a template in which ``_1``, ``_2`` ... stand for the arguments.

    >>> sql("_1 * _2", sql("a + 1"), sql("b")).sql()
    '(a + 1) * b'
    """
    tree = _template(text).copy()
    if not arguments:
        return tree
    holes = {f"_{i}": argument for i, argument in enumerate(arguments, 1)}
    return replace(tree, lambda node: holes.get(node.name) if isinstance(node, exp.Column) and not node.table else None)


def replace(tree: Tree, change: Callable[[Tree], Tree | None]) -> Tree:
    """A copy of ``tree`` in which every node that ``change`` answers is replaced by the answer."""
    answer = change(tree)
    if answer is not None:
        return answer.copy()
    tree = tree.copy()
    answers: list[tuple[Tree, Tree]] = []

    def answered(node: Tree) -> bool:
        answer = None if node is tree else change(node)
        if answer is not None:
            answers.append((node, answer))
        return answer is not None

    for _ in tree.walk(prune=answered):
        pass
    for node, answer in answers:
        node.replace(_fenced(answer.copy(), node))
    return tree


def _fenced(tree: Tree, place: Tree) -> Tree:
    parent = place.parent
    if parent is None:
        return tree
    if (
        isinstance(parent, exp.Bracket | exp.Dot)
        and place.arg_key == "this"
        and not isinstance(tree, exp.Column | exp.Func)
    ):
        return exp.Paren(this=tree)
    outer, inner = precedence(parent), precedence(tree)
    if outer == 9 or inner == 9 or inner > outer:
        return tree
    same_side = place.arg_key == "this" and inner == outer and outer != 4
    if same_side or (inner == outer and outer in (1, 2, 5) and type(tree) is type(parent)):
        return tree
    return exp.Paren(this=tree)


def column(table: str, name: str) -> exp.Column:
    """A column of the relation that the token or alias ``table`` stands for."""
    return exp.column(name, table=table)


def literal(value: object) -> Tree:
    """A Python constant as a SQL literal.

    >>> literal(-1.5).sql(), literal(None).sql(), literal("it's").sql()
    ('-1.5e0', 'NULL', "'it''s'")
    """
    if value is None:
        return exp.null()
    if isinstance(value, bool):
        return exp.true() if value else exp.false()
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, int):
        number = exp.Literal.number(abs(value))
        return exp.Neg(this=number) if value < 0 else number
    if isinstance(value, str):
        return _text(value)
    raise TypeError(f"no literal for {type(value).__name__}")


def _float(value: float) -> Tree:
    if value != value or value in (float("inf"), float("-inf")):
        return exp.cast(exp.Literal.string(str(value)), "DOUBLE")
    text = repr(abs(value))
    number = exp.Literal.number(text if "e" in text else f"{text}e0")  # without exponent DuckDB reads a DECIMAL
    return exp.Neg(this=number) if value < 0 or str(value).startswith("-") else number


def _text(value: str) -> Tree:
    plain = "".join(c for c in value if c not in "\n\r\t\0")
    if plain == value:
        return exp.Literal.string(value)
    pieces: list[Tree] = []
    run = ""
    for c in value:
        if c in "\n\r\t\0":
            if run:
                pieces.append(exp.Literal.string(run))
            run = ""
            pieces.append(exp.Anonymous(this="chr", expressions=[exp.Literal.number(ord(c))]))
        else:
            run += c
    if run:
        pieces.append(exp.Literal.string(run))
    tree = pieces[0]
    for piece in pieces[1:]:
        tree = exp.DPipe(this=tree, expression=piece)
    return tree


def text(tree: Tree) -> str:
    """The canonical text of a tree, for comparing."""
    return tree.sql(dialect="duckdb")


def same(a: Tree, b: Tree) -> bool:
    """Whether two trees say the same, text for text."""
    return a is b or text(a) == text(b)


def bare(tree: Tree) -> Tree:
    """The tree without outer parentheses."""
    while isinstance(tree, exp.Paren):
        tree = tree.this
    return tree


def negate(tree: Tree) -> Tree:
    """The opposite of a condition that is never NULL.

    >>> negate(sql("a = 1 OR NOT b")).sql()
    'a <> 1 AND b'
    """
    tree = bare(tree)
    if isinstance(tree, exp.Boolean):
        return exp.false() if tree.this else exp.true()
    if isinstance(tree, exp.Not):
        return bare(tree.this).copy()
    if type(tree) in _OPPOSITE:
        return _OPPOSITE[type(tree)](this=tree.this.copy(), expression=tree.expression.copy())
    if isinstance(tree, exp.And) and all(_is_negative(atom) for atom in atoms(tree)):
        opposite: Tree = exp.false()
        for atom in atoms(tree):
            opposite = disjunction(opposite, negate(atom))
        return opposite
    if isinstance(tree, exp.Or):
        return conjunction([negate(tree.left), negate(tree.right)])
    return sql("NOT _1", tree)


def _is_negative(tree: Tree) -> bool:
    return isinstance(bare(tree), exp.Not | exp.NEQ)


def atoms(tree: Tree) -> list[Tree]:
    """The conjuncts of a condition."""
    tree = bare(tree)
    if isinstance(tree, exp.And):
        return atoms(tree.left) + atoms(tree.right)
    return [] if isinstance(tree, exp.Boolean) and tree.this else [tree]


def conjunction(conditions: Iterable[Tree]) -> Tree:
    """All of the conditions, each said once; TRUE when there is none."""
    kept: list[Tree] = []
    for condition in conditions:
        for atom in atoms(condition):
            if isinstance(atom, exp.Boolean) and not atom.this:
                return exp.false()
            if not any(same(atom, k) for k in kept):
                kept.append(atom)
    if not kept:
        return exp.true()
    tree = kept[0]
    for atom in kept[1:]:
        tree = sql("_1 AND _2", tree, atom)
    return tree


def disjunction(a: Tree, b: Tree) -> Tree:
    """Either condition."""
    a, b = bare(a), bare(b)
    for x, y in ((a, b), (b, a)):
        if isinstance(x, exp.Boolean):
            return exp.true() if x.this else y.copy()
    if same(a, b):
        return a.copy()
    if same(negate(a), b):
        return exp.true()
    return sql("_1 OR _2", a, b)


def case(condition: Tree, then: Tree, otherwise: Tree) -> Tree:
    """CASE WHEN, with chains kept flat and boolean results said as conditions.

    >>> case(sql("a < 0"), sql("0"), case(sql("a < 9"), sql("1"), sql("2"))).sql()
    'CASE WHEN a < 0 THEN 0 WHEN a < 9 THEN 1 ELSE 2 END'
    """
    condition, then, otherwise = bare(condition), bare(then), bare(otherwise)
    if isinstance(condition, exp.Boolean):
        return (then if condition.this else otherwise).copy()
    if same(then, otherwise):
        return then.copy()
    if isinstance(then, exp.Boolean) and isinstance(otherwise, exp.Boolean):
        return condition.copy() if then.this else negate(condition)
    if isinstance(then, exp.Case) and not then.this and not isinstance(otherwise, exp.Case):
        condition, then, otherwise = negate(condition), otherwise, then
    whens = [exp.If(this=condition.copy(), true=then.copy())]
    if isinstance(otherwise, exp.Case) and not otherwise.this:
        whens += [w.copy() for w in otherwise.args["ifs"]]
        default = otherwise.args.get("default")
    else:
        default = otherwise
    return exp.Case(ifs=whens, default=default.copy() if default is not None else None)


def flattened(tree: Tree) -> Tree:
    """The tree with CASE chains flat: no searched CASE as the ELSE of another.

    >>> flattened(sql("CASE WHEN a THEN 1 ELSE CASE WHEN b THEN 2 ELSE 3 END END")).sql()
    'CASE WHEN a THEN 1 WHEN b THEN 2 ELSE 3 END'
    """

    def flat(node: Tree) -> Tree:
        inner = bare(node.args.get("default")) if isinstance(node, exp.Case) and node.args.get("default") else None
        if not isinstance(inner, exp.Case) or node.this or inner.this:
            return node
        default = inner.args.get("default")
        return flat(exp.Case(ifs=[*node.args["ifs"], *inner.args["ifs"]], default=default))

    return tree.transform(flat)


def relaxed(condition: Tree) -> Tree:
    """A condition that is only asked whether it is true: NULL need not be made FALSE.

    >>> relaxed(sql("coalesce(a > 1, FALSE) AND b")).sql()
    'a > 1 AND b'
    """
    condition = bare(condition)
    if isinstance(condition, exp.And):
        return conjunction([relaxed(condition.left), relaxed(condition.right)])
    if isinstance(condition, exp.Or):
        return disjunction(relaxed(condition.left), relaxed(condition.right))
    if isinstance(condition, exp.Coalesce) and len(condition.expressions) == 1:
        default = condition.expressions[0]
        if isinstance(default, exp.Boolean) and not default.this:
            return relaxed(condition.this)
    return condition


def eased(tree: Tree) -> Tree:
    """The tree with the conditions of its CASEs relaxed.

    >>> eased(sql("CASE WHEN coalesce(a > 1, FALSE) THEN 1 ELSE 2 END")).sql()
    'CASE WHEN a > 1 THEN 1 ELSE 2 END'
    """

    def change(node: Tree) -> Tree:
        if isinstance(node, exp.Case) and not node.this:
            for when in node.args["ifs"]:
                when.set("this", relaxed(when.this))
        return node

    return tree.transform(change)


def tables(tree: Tree) -> set[str]:
    """The table tokens that a tree refers to."""
    return {c.table for c in tree.find_all(exp.Column)}
