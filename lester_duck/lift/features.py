"""What a model is fitted on, as declared featurizers, a label and a split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from lester_duck.lift import arrays, learned, render, scalars, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.models import Fitted
from lester_duck.lift.relations import Query, Relation, SelectRel, free_name, fresh
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.state import Whole
from lester_duck.lift.values import Block, Hashed, Part, Refused, Sym, Value
from lester_duck.pipeline import model as ir


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """The feature view, the matrix over it, label, split and model."""

    view: SelectRel
    featurizers: tuple[ir.Featurizer, ...]
    label: str | None
    split: ir.Split
    model: ir.Model


def prepare(m: Machine, fit: Fitted) -> Prepared:
    """Declare what ``fit`` got; raises Refused when X or y is no matrix over rows."""
    x, split_x = _whole(m, fit.x)
    y, split_y = _whole(m, fit.y) if fit.y is not None else (None, split_x)
    if split_x is not None and split_y is not None and split_x != split_y:
        raise Refused("X and y are split differently")
    matrix = _matrix(m, x)
    rel = matrix.rel
    if y is not None:
        y_vector = _vector(m, y)
        rel = max((matrix.rel, y_vector.rel), key=_added)
    alias = fresh("t")
    view = SelectRel(
        name="features",
        what="one row per row of the matrix, and the label",
        lines=(fit.line, fit.line),
        query=Query(alias, rel),
    )
    part = fit.x if isinstance(fit.x, Part) else None
    builder = _Builder(m, view, rel, part)
    columns = [_leaf(c) for c in arrays.align(m, rel, matrix.rel, v.Seq(matrix.columns)).items]
    featurizers = builder.featurizers(columns)
    label = None
    if part is not None and part.side == "where":
        builder.mark(part)
    if y is not None:
        aligned = scalars.scalar(arrays.align(m, rel, y_vector.rel, y_vector.element))
        label = builder.column(aligned, aligned.name or "y", label=True)
    return Prepared(
        view, featurizers, label, split_x or ir.Split(), ir.Model(estimator=fit.estimator.name, params=_params(fit))
    )


def _params(fit: Fitted) -> ir.Params:
    def frozen(value: Value) -> ir.Value:
        if isinstance(value, list | tuple):
            return tuple(frozen(x) for x in value)
        if value is None or isinstance(value, str | int | float | bool):
            return value
        raise Refused(f"a model parameter that is a {type(value).__name__}")

    return tuple((k, frozen(x)) for k, x in fit.estimator.params)


def _whole(m: Machine, value: Value) -> tuple[Value, ir.Split | None]:
    """A collection and how it was split."""
    content = m.content(value)
    if not isinstance(content, Part):
        return content, None
    inner, nested = _whole(m, content.of)
    if nested is not None:
        raise Refused("a part of a part of the rows")
    if content.side == "head":
        rows = content.bound
        if isinstance(rows, exp.Cast | exp.TryCast) and isinstance(rows.this, exp.Trunc):
            rows = rows.this
        return inner, ir.Split(kind="position", params=(("rows", render.expression(rows)),))
    if content.side == "where":
        return inner, ir.Split(kind="predicate", params=(("train", _TRAIN),))
    raise Refused("a fit on this part of the rows", "X[:n]")


def _matrix(m: Machine, content: Value) -> v.Matrix:
    if isinstance(content, v.Matrix):
        return content
    if isinstance(content, v.ListOf):
        made = arrays.from_list(m, content, False)
        if isinstance(made, v.Matrix):
            return made
    raise Refused(f"X is a {scalars.kind_name(content)}", "a matrix with a row per row of a collection")


def _vector(m: Machine, content: Value) -> v.Vector:
    if isinstance(content, v.Vector):
        return content
    if isinstance(content, v.ListOf):
        made = arrays.from_list(m, content, False)
        if isinstance(made, v.Vector):
            return made
    raise Refused(f"y is a {scalars.kind_name(content)}", "a list or vector with a value per row")


def _added(rel: Relation) -> int:
    depth = 0
    while arrays.extends(rel):
        rel, depth = rel.query.base, depth + 1
    return depth


def _leaf(value: Value) -> Value:
    return value if isinstance(value, Block) else scalars.scalar(value)


_TRAIN = "is_train"
Rule = Callable[["_Builder", list[Value], int], tuple[int, ir.Featurizer] | None]


class _Builder:
    """Collects the columns of the feature view while featurizers are recognised."""

    def __init__(self, m: Machine, view: SelectRel, rel: Relation, part: Part | None = None) -> None:
        self.m = m
        self.view = view
        self.rel = rel
        self.part = part
        self.names: list[str] = []

    def column(self, sym: Sym, name: str, label: bool = False) -> str:
        """The feature view's column for a scalar over the relation."""
        wholes = [self.m.wholes.get(t) for t in sqlx.tables(sym.sql) if t != self.rel.token]
        if any(w is None or w.part is not None for w in wholes):
            raise Refused("a feature computed from an aggregate over some of the rows", "a z-score or min-max scaling")
        if sym.type == "bool":
            sym = Sym(sql("CAST(_1 AS BIGINT)", sym.sql), "int", name=sym.name)
        over = v.rebind(sym, self.rel.token, self.view.query.alias)
        if label:
            return self.view.require(Sym(over.sql, over.type), name).sql.name
        return self.view.require(over, sym.name or name).sql.name

    def mark(self, part: Part) -> None:
        """A column that says which rows are fitted on."""
        of = arrays.relation_of(part)
        aligned = scalars.scalar(arrays.align(self.m, self.rel, of, Sym(self.m.expand_tree(part.bound), "bool")))
        if any(t != self.rel.token for t in sqlx.tables(aligned.sql)):
            raise Refused("a part of the rows chosen by an aggregate", "a condition on the row")
        over = v.rebind(aligned, self.rel.token, self.view.query.alias)
        self.view.outputs.append((_TRAIN, Sym(over.sql, "bool")))

    def named(self, wanted: str) -> str:
        """A free featurizer name."""
        name = free_name(wanted if wanted[:1].isalpha() else f"f_{wanted}", set(self.names))
        self.names.append(name)
        return name

    def featurizers(self, columns: list[Value]) -> tuple[ir.Featurizer, ...]:
        """Featurizers for the matrix's columns, from left to right."""
        made: list[ir.Featurizer] = []
        position = 0
        while position < len(columns):
            for rule in RULES:
                found = rule(self, columns, position)
                if found is not None:
                    break
            taken, featurizer = found
            position += taken
            if made and _joinable(made[-1], featurizer):
                made[-1] = ir.Featurizer(
                    name=made[-1].name, columns=made[-1].columns + featurizer.columns, steps=featurizer.steps
                )
            else:
                made.append(featurizer)
        return tuple(made)


def _joinable(a: ir.Featurizer, b: ir.Featurizer) -> bool:
    plain = all(len(f.steps) == 1 and f.steps[0].kind == "passthrough" for f in (a, b))
    return plain and not set(a.columns) & set(b.columns)


def _hashed(b: _Builder, columns: list[Value], at: int) -> tuple[int, ir.Featurizer] | None:
    block = columns[at]
    if not isinstance(block, Hashed):
        return None
    column = b.column(block.text, block.text.name or "text")
    params = (("n_features", block.width), ("hash", block.hash), ("tokenizer", "split"), ("lowercase", False),
              ("alternate_sign", False), ("norm", None))  # fmt: skip
    return 1, ir.Featurizer(
        name=b.named(f"{column}_words"), columns=(column,), steps=(ir.Step(kind="hash_words", params=params),)
    )


def indicator(tree: Tree) -> tuple[Tree, object] | None:
    """(expression, constant) of ``1 if expression == constant else 0``, in any of its SQL forms.

    >>> indicator(sql("CASE WHEN a = 'x' THEN 1 ELSE 0 END"))[1]
    'x'
    """
    tree = equality(tree)
    if tree is None:
        return None
    for expression, constant in ((tree.this, tree.expression), (tree.expression, tree.this)):
        if isinstance(constant, exp.Literal):
            if constant.is_string:
                return expression, constant.name
            number = float(constant.name)
            return expression, int(number) if number == int(number) else number
    return None


def equality(tree: Tree) -> exp.EQ | None:
    """``a = b`` of ``1 if a == b else 0``, in any of its SQL forms.

    >>> equality(sql("CAST(a = b AS BIGINT)")).sql()
    'a = b'
    """
    tree = sqlx.bare(tree)
    while isinstance(tree, exp.Cast):
        tree = sqlx.bare(tree.this)
    if (
        isinstance(tree, exp.Case)
        and not tree.this
        and len(tree.args["ifs"]) == 1
        and tree.args.get("default") is not None
    ):
        when, default = tree.args["ifs"][0], tree.args["default"]
        one, zero = _number(when.args["true"]), _number(default)
        if (one, zero) == (1, 0):
            tree = sqlx.bare(when.this)
        elif (one, zero) == (0, 1):
            tree = sqlx.bare(sqlx.negate(when.this))
        else:
            return None
    return tree if isinstance(tree, exp.EQ) else None


def _number(tree: Tree) -> float | None:
    return float(tree.name) if isinstance(tree, exp.Literal) and not tree.is_string else None


def _one_hot(b: _Builder, columns: list[Value], at: int) -> tuple[int, ir.Featurizer] | None:
    base: Tree | None = None
    categories: list[object] = []
    for value in columns[at:]:
        found = indicator(value.sql) if isinstance(value, Sym) else None
        if found is None or (base is not None and not sqlx.same(base, found[0])) or found[1] in categories:
            break
        base = found[0]
        categories.append(found[1])
    if base is None or len(categories) < 2:
        return None
    kind = (
        "str" if isinstance(categories[0], str) else "int" if all(isinstance(c, int) for c in categories) else "float"
    )
    name = base.name if isinstance(base, exp.Column) else "category"
    column = b.column(Sym(base, kind, name=name), name)
    params = (("categories", (tuple(categories),)), ("handle_unknown", "ignore"))
    return len(categories), ir.Featurizer(
        name=b.named(column), columns=(column,), steps=(ir.Step(kind="one_hot", params=params),)
    )


def _scaled(b: _Builder, columns: list[Value], at: int) -> tuple[int, ir.Featurizer] | None:
    value = columns[at]
    if not isinstance(value, Sym):
        return None
    for rule in (_standard, _min_max):
        found = rule(b.m, sqlx.bare(value.sql))
        if found is None:
            continue
        _, whole, step = found
        if not arrays.same_rows(whole.rel, b.rel):
            raise Refused("a scaling by another collection's statistics")
        if whole.part is not None and (b.part is None or not _is_of(whole, b.part)):
            raise Refused("a scaling by the statistics of other rows than those that are fitted on")
        steps: tuple[ir.Step, ...] = (step,)
        element = scalars.scalar(arrays.align(b.m, b.rel, whole.rel, whole.element))
        text = _length_of(element.sql)
        if text is not None:
            steps = (ir.Step(kind="text_length", params=(("unit", "characters"),)), step)
            element = Sym(text, "str", name=text.name)
        column = b.column(element, element.name or "value")
        return 1, ir.Featurizer(name=b.named(f"{column}_scaled"), columns=(column,), steps=steps,
            fit="train" if whole.part else "all",
        )
    return None


def _is_of(whole: Whole, part: Part) -> bool:
    """Whether an aggregate is over exactly the rows that are fitted on."""
    return whole.part[0] == part.side and sqlx.same(whole.part[1], part.bound)


def _same_rows(a: Whole, b: Whole) -> bool:
    """Whether two aggregates are over the same part of the rows."""
    if a.part is None or b.part is None:
        return a.part is b.part
    return a.part[0] == b.part[0] and sqlx.same(a.part[1], b.part[1])


def _guarded(tree: Tree) -> tuple[Tree, bool]:
    """What a number is, and whether it is replaced by 1 where it is 0."""
    tree = sqlx.bare(tree)
    if not isinstance(tree, exp.Case) or tree.this or len(tree.args["ifs"]) != 1:
        return tree, False
    test, one, other = sqlx.bare(tree.args["ifs"][0].this), tree.args["ifs"][0].args["true"], tree.args.get("default")
    if isinstance(test, exp.NEQ | exp.GT):
        one, other = other, one
    is_test = isinstance(test, exp.EQ | exp.NEQ | exp.GT) and _number(sqlx.bare(test.expression)) == 0
    if not is_test or one is None or other is None or _number(sqlx.bare(one)) != 1:
        return tree, False
    return (sqlx.bare(other), True) if sqlx.same(sqlx.bare(test.this), sqlx.bare(other)) else (tree, False)


def _length_of(tree: Tree) -> exp.Column | None:
    while isinstance(tree, exp.Cast | exp.Paren):
        tree = tree.this
    return tree.this if isinstance(tree, exp.Length) and isinstance(tree.this, exp.Column) else None


def _whole_of(m: Machine, tree: Tree, kinds: tuple[str, ...]) -> Whole | None:
    tree = sqlx.bare(tree)
    whole = m.wholes.get(tree.table) if isinstance(tree, exp.Column) else None
    return whole if whole is not None and whole.kind in kinds else None


def _standard(m: Machine, tree: Tree) -> tuple[Tree, Whole, ir.Step] | None:
    """(x - mean(x)) / std(x)."""
    difference = sqlx.bare(tree.this) if isinstance(tree, exp.Div) else None
    if not isinstance(difference, exp.Sub):
        return None
    below, guarded = _guarded(tree.expression)
    mean, std = _whole_of(m, difference.expression, ("mean",)), _whole_of(m, below, ("std", "std_sample"))
    if mean is None or std is None or not _same_rows(mean, std):
        return None
    if not _is_own(difference.this, mean) or not _is_own(difference.this, std):
        return None
    params = (("ddof", 1 if std.kind == "std_sample" else 0), ("zero_variance", "one" if guarded else "nan"))
    return difference.this, mean, ir.Step(kind="standard_scale", params=params)


def _min_max(m: Machine, tree: Tree) -> tuple[Tree, Whole, ir.Step] | None:
    """(x - min(x)) / (max(x) - min(x))."""
    if not isinstance(tree, exp.Div):
        return None
    above, (below, guarded) = sqlx.bare(tree.this), _guarded(tree.expression)
    if not isinstance(above, exp.Sub) or not isinstance(below, exp.Sub):
        return None
    low, again = _whole_of(m, above.expression, ("min",)), _whole_of(m, below.expression, ("min",))
    high = _whole_of(m, below.this, ("max",))
    if low is None or high is None or not _same_rows(low, high) or again is not low:
        return None
    if not _is_own(above.this, low) or not _is_own(above.this, high):
        return None
    return above.this, low, ir.Step(kind="min_max", params=(("zero_range", "one" if guarded else "nan"),))


def _is_own(tree: Tree, whole: Whole) -> bool:
    """Whether an aggregate is over the very expression that is scaled."""
    plain = sqlx.bare(tree)
    return whole.element is not None and sqlx.same(plain, sqlx.bare(whole.element.sql))


def _passthrough(b: _Builder, columns: list[Value], at: int) -> tuple[int, ir.Featurizer]:
    value = scalars.scalar(columns[at])
    if value.type not in scalars.NUMERIC:
        raise Refused(f"a {value.type} in the matrix")
    column = b.column(value, value.name or f"x_{at + 1}")
    return 1, ir.Featurizer(name=b.named(column), columns=(column,), steps=(ir.Step(kind="passthrough"),))


RULES: tuple[Rule, ...] = (_hashed, learned.rule, _one_hot, _scaled, _passthrough)
