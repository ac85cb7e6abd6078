"""What a model is fitted on when it is a frame: the feature view, its featurizers, label and split."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from lester_duck.lift import features, render, scalars, sqlx
from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.models import Fitted
from lester_duck.lift.pandas_frames import Block, Frame, Rows, Series
from lester_duck.lift.relations import Query, Relation, SelectRel, fresh
from lester_duck.lift.render import column_name
from lester_duck.lift.sklearn_encoders import as_frame, data_of
from lester_duck.lift.sqlx import Tree, sql
from lester_duck.lift.state import Obligation
from lester_duck.lift.values import Refused, Sym, Value
from lester_duck.pipeline import model as ir


def concerns(m: Machine, fit: Fitted) -> bool:
    """Whether X or y is a frame or series."""
    return any(isinstance(m.content(x), v.Foreign) for x in (fit.x, fit.y) if x is not None)


def prepare(m: Machine, fit: Fitted) -> features.Prepared:
    """Declare what ``fit`` got."""
    x = as_frame(m, fit.x)
    y = _label(m, fit.y) if fit.y is not None else None
    x, y_sym = _together(m, x, y)
    if y_sym is not None and y_sym.null and fit.estimator.name.startswith("sklearn."):
        absent = sql("_1 IS NULL", y_sym.sql)
        m.obligations.append(Obligation(x.rows_.query(), x.rows_.where, absent, _refused(fit, "label"), fit.line))
    rows, split, fit_where = _split(m, x.rows_)
    view = SelectRel(
        name="features", what="one row per row of the matrix, and the label", lines=(rows.since or fit.line, fit.line),
        query=rows.query(),
    )  # fmt: skip
    builder = _Builder(m, view, rows.rel)
    made = builder.encoded(list(x.columns), fit_where)
    _nothing_missing(m, fit, view, builder)
    label = builder.column(y_sym, y_sym.name or "y", label=True) if y_sym is not None else None
    split = _said(m, builder, rows, split)
    model = ir.Model(estimator=fit.estimator.name, params=features._params(fit))
    return features.Prepared(view, made, label, split, model)


_ACCEPTS = (
    *("Bagging", "DecisionTree", "Dummy", "ExtraTree"),
    *("HistGradientBoosting", "RandomForest", "Stacking", "Voting"),
)
"""How the names of scikit-learn's estimators begin that take missing values, or may."""


def _nothing_missing(m: Machine, fit: Fitted, view: SelectRel, builder: _Builder) -> None:
    """An estimator that refuses missing values makes the script fail where the matrix has one."""
    name = fit.estimator.name
    if not name.startswith("sklearn.") or name.rsplit(".", 1)[-1].startswith(_ACCEPTS):
        return
    for sym in builder.numbers:
        if sym.null:
            alias = fresh("t")
            fails = sql("_1 IS NULL", sqlx.column(alias, builder.column(sym, sym.name or "value")))
            m.obligations.append(Obligation(Query(alias, view), (), fails, _refused(fit, "value"), fit.line))


def _refused(fit: Fitted, what: str) -> str:
    return f"a missing {what}, which {fit.estimator.name.rsplit('.', 1)[-1]} refuses"


def _label(m: Machine, value: Value) -> Series:
    held = m.content(value)
    made = held if isinstance(held, Frame | Series) else data_of(m, held)
    if isinstance(made, Frame):
        if len(made.columns) != 1:
            raise Refused("a label of several columns")
        return Series(made.rows_, frames.syms(made, made.names)[0])
    return made


def _together(m: Machine, x: Frame, y: Series | None) -> tuple[Frame, Sym | None]:
    """X and y over one set of rows: that of the later relation."""
    if y is None:
        return x, None
    a, b = x.rows_, y.rows_
    if a.labels != b.labels:
        raise Refused("X and y whose rows cannot be matched", "columns of one frame")
    if a.part != b.part or (len(a.where) != len(b.where) and a.rel is b.rel):
        raise Refused("X and y are split differently")
    if a.rel is not b.rel and frames.between(b.rel, a.rel) is not None:
        carried = tuple((n, frames.carried(m, b, a, value)) for n, value in x.columns)
        return Frame(b, carried), y.sym
    rows = frames.with_joins(a, b.joins if b.rel is a.rel else ())
    return replace(x, what_rows=rows), frames.carry(m, rows, b, y.sym)


def _split(m: Machine, rows: Rows) -> tuple[Rows, ir.Split, tuple[Tree, ...]]:
    """All rows, how they are split, and the conditions of the training part."""
    if rows.part is not None:
        split, side = rows.part
        if side != "train":
            raise Refused("a fit on this part of the rows", "X[:n], or the first part of train_test_split")
        return replace(rows, part=None), split, ()
    for at in range(len(rows.where)):
        base, more = rows.where[:at], rows.where[at:]
        known = m.files.get(("selections", rows.rel.token, tuple(sqlx.text(c) for c in base)), [])
        train = sqlx.conjunction(more)
        others = [c for c in known if not sqlx.same(c, train)]
        if others and any(sqlx.same(c, train) for c in known):
            params = (("train", train), ("test", others[-1]))
            return replace(rows, where=base), ir.Split(kind="predicate", params=params), more
    return rows, ir.Split(), ()


def _said(m: Machine, builder: _Builder, rows: Rows, split: ir.Split) -> ir.Split:
    """The split in terms of the feature view's columns."""
    params: list[tuple[str, ir.Value]] = []
    if split.kind == "predicate" and _calls(m, split):
        return _column(builder, dict(split.params))
    for name, value in split.params:
        if isinstance(value, exp.Expression):
            value = builder.predicate(value)
        elif name == "stratify":
            series = m.files[value]
            sym = frames.carry(m, rows, replace(series.rows_, part=None), series.sym)
            value = builder.column(sym, sym.name or "stratum")
        params.append((name, value))
    if split.kind == "predicate" and _complement(dict(split.params)):
        params = params[:1]
    return replace(split, params=tuple(params))


def _calls(m: Machine, split: ir.Split) -> bool:
    """Whether a declared function decides who is train: views may call it, predicates may not."""
    trees = [m.expand_tree(value) for _, value in split.params if isinstance(value, exp.Expression)]
    return any(node.name in m.functions for tree in trees for node in tree.find_all(exp.Anonymous))


def _column(builder: _Builder, said: dict) -> ir.Split:
    """The split as a column of the feature view."""
    rest = sqlx.case(said["test"], sqlx.literal("test"), exp.null())
    part = sqlx.case(said["train"], sqlx.literal("train"), rest)
    return ir.Split(kind="column", params=(("column", builder.column(Sym(part, "str", null=True), "part")),))


def _complement(said: dict) -> bool:
    return sqlx.same(sqlx.negate(said["train"]), said["test"]) or sqlx.same(sqlx.negate(said["test"]), said["train"])


class _Builder(features._Builder):
    """Featurizers over an open query: joins and names in expressions are allowed."""

    def __init__(self, m: Machine, view: SelectRel, rel: Relation) -> None:
        super().__init__(m, view, rel)
        self.numbers: list[Sym] = []

    def column(self, sym: Sym, name: str, label: bool = False) -> str:
        """The feature view's column for an expression."""
        if sym.type == "bool":
            sym = Sym(sql("CAST(_1 AS BIGINT)", sym.sql), "int", name=sym.name)
        if sym.type == "timedelta":
            raise Refused("a duration in the matrix", ".dt.days")
        wanted = column_name(sym.name or name)
        made = self.view.require(sym, wanted)
        return made.sql.name

    def predicate(self, tree: Tree) -> str:
        """A condition over the view's columns, which are added where they are missing."""

        def shown(node: Tree) -> Tree | None:
            if isinstance(node, exp.Column) and node.table:
                held = self.m.lets.get(node.table)
                if held is not None:
                    sym = replace(held.value, sql=node)
                elif node.table == self.rel.token:
                    known = self.rel.columns().get(node.name)
                    sym = Sym(node, known.type if known is not None else "str", name=node.name)
                else:
                    sym = Sym(node, "str", name=node.name)
                return render.column(None, self.column(sym, node.name))
            return None

        return render.expression(sqlx.replace(tree, shown))

    def encoded(self, columns: list[tuple[str, Value]], train: tuple[Tree, ...]) -> tuple[ir.Featurizer, ...]:
        """Featurizers from left to right: encoded blocks as declared, plain columns recognised."""
        made: list[ir.Featurizer] = []
        run: list[Value] = []
        for _, value in columns:
            if isinstance(value, Block) and value.steps:
                made += self.plain(run)
                run = []
                self._add(made, self._block(value, train))
            else:
                run.append(value.inputs[0] if isinstance(value, Block) else value)
        made += self.plain(run)
        return tuple(made)

    def plain(self, syms: list[Value]) -> list[ir.Featurizer]:
        """Numbers, and scalings by hand."""
        if not syms:
            return []
        self.numbers += [scalars.scalar(s) for s in syms]
        for sym in syms:
            if scalars.scalar(sym).type not in scalars.NUMERIC:
                raise Refused(f"a column of {sym.type} in the matrix ({sym.name})", "encode it, or cast it to a number")
        return list(self.featurizers([self._definition(s) for s in syms]))

    def _definition(self, sym: Sym) -> Sym:
        """A scaled column with its definition, so that it is recognised."""
        held = self.m.lets.get(sym.sql.table) if isinstance(sym.sql, exp.Column) else None
        if held is not None and isinstance(sqlx.bare(held.value.sql), exp.Div):
            whole = any(c.table in self.m.wholes for c in held.value.sql.find_all(exp.Column))
            return replace(held.value, name=sym.name) if whole else sym
        return sym

    def _block(self, block: Block, train: tuple[Tree, ...]) -> ir.Featurizer:
        names = tuple(self.column(s, s.name or "value") for s in block.inputs)
        fit = self._fit(block, train)
        return ir.Featurizer(name=block.label or names[0], columns=names, steps=block.steps, fit=fit)

    def _fit(self, block: Block, train: tuple[Tree, ...]) -> str:
        rows = block.fit
        if rows is None or rows.part is not None:
            if rows is not None and rows.part[1] != "train":
                raise Refused("an encoding fitted on the test part")
            return "train"
        where = {sqlx.text(c) for c in rows.where}
        base = {sqlx.text(c) for c in self.view.query.where}
        if rows.rel is self.rel:
            if train and where == base | {sqlx.text(c) for c in train}:
                return "train"
            if where == base:
                return "all"
        elif frames.between(self.rel, rows.rel) is not None and not rows.where:
            chain = frames.between(self.rel, rows.rel)
            if not any(r.query.where for r in chain) and not base:
                return "all"
        raise Refused("an encoding fitted on other rows than the matrix has")

    def _add(self, made: list[ir.Featurizer], new: ir.Featurizer) -> None:
        """One featurizer for neighbouring columns encoded alike."""
        last = made[-1] if made else None
        alike = last is not None and last.fit == new.fit and not set(last.columns) & set(new.columns)
        if alike and last.steps == new.steps and not _per_column(new):
            made[-1] = replace(last, columns=last.columns + new.columns)
            return
        merged = _with_categories(last, new) if alike else None
        if merged is not None:
            made[-1] = merged
            return
        made.append(replace(new, name=self.named(new.name)))


_TEXTS = ("tfidf", "count_words", "hash_words", "text_length")


def _per_column(featurizer: ir.Featurizer) -> bool:
    return any(
        s.kind in _TEXTS or isinstance(s.get("categories"), tuple) or s.get("add_indicator") for s in featurizer.steps
    )


def _with_categories(a: ir.Featurizer, b: ir.Featurizer) -> ir.Featurizer | None:
    """Two columns with fixed categories each, as one featurizer."""
    if len(a.steps) != 1 or len(b.steps) != 1 or a.steps[0].kind != b.steps[0].kind or a.steps[0].kind in _TEXTS:
        return None
    x, y = dict(a.steps[0].params), dict(b.steps[0].params)
    p, q = x.pop("categories", None), y.pop("categories", None)
    if not isinstance(p, tuple) or not isinstance(q, tuple) or x != y:
        return None
    if len(p) != len(a.columns) or len(q) != len(b.columns):
        return None
    step = replace(a.steps[0], params=(("categories", p + q), *x.items()))
    return replace(a, columns=a.columns + b.columns, steps=(step,))
