"""Mutation operators over what a pipeline declares: featurizers, label, split, the code of functions.

| operator | what it changes |
|---|---|
| featurizer | one left out, neighbours swapped, one of its columns or steps left out |
| fit | fitted on train rows and on all rows for each other, where a state is learned and a split exists |
| parameter | a number one more and one less, a flag toggled, another choice, an edge or category moved |
| label | another column of the same type |
| split | rows, share and seed changed, stratify left out, a condition mutated as in a view |
| function | a constant or comparison in its code changed |
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import replace

from lester_duck.pipeline.model import Featurizer, Params, Pipeline, Step, Value
from lester_duck.rewrite import mutate_sql

Mutation = tuple[str, str, str, str, Pipeline]
"""Place, operator, before, after, the mutated pipeline."""

CHOICES: Mapping[str, tuple[Value, ...]] = {
    "strategy": ("mean", "median", "most_frequent"),
    "handle_unknown": ("error", "ignore"),
    "encode": ("ordinal", "onehot"),
    "zero_range": ("nan", "one"),
    "norm": ("l1", "l2", None),
    "drop": (None, "first"),
    "order": ("sorted", "appearance"),
    "drop_first": (False, True),
}
_DEFAULTS: Mapping[str, Params] = {
    "standard_scale": (("ddof", 0), ("with_mean", True), ("with_std", True)),
    "bins": (("right", True),),
}
_STATELESS = ("passthrough", "hash_words", "text_length", "function")
_GIVEN = {"one_hot": "categories", "ordinal": "categories", "bins": "edges", "count_words": "vocabulary"}


def mutations(pipeline: Pipeline, types: Mapping[str, str]) -> Iterator[Mutation]:
    """All mutations of the declarations; ``types`` are the columns of the feature view."""
    yield from _featurizers(pipeline)
    yield from _label(pipeline, types)
    yield from _split(pipeline)
    yield from _functions(pipeline)


def _featurizers(pipeline: Pipeline) -> Iterator[Mutation]:
    if pipeline.features is None:
        return
    all_ = pipeline.features.featurizers
    for n, one in enumerate(all_):
        place = f"featurizer {one.name}"
        if len(all_) > 1:
            yield place, "featurizer", one.name, "left out", _with(pipeline, all_[:n] + all_[n + 1 :])
        if n + 1 < len(all_):
            other = all_[n + 1]
            swapped = (*all_[:n], other, one, *all_[n + 2 :])
            before, after = f"{one.name}, {other.name}", f"{other.name}, {one.name}"
            yield place, "featurizer", before, after, _with(pipeline, swapped)
        for operator, before, after, changed in _one(pipeline, one):
            yield place, operator, before, after, _with(pipeline, (*all_[:n], changed, *all_[n + 1 :]))


def _with(pipeline: Pipeline, featurizers: tuple[Featurizer, ...]) -> Pipeline:
    return replace(pipeline, features=replace(pipeline.features, featurizers=featurizers))


def _one(pipeline: Pipeline, one: Featurizer) -> Iterator[tuple[str, str, str, Featurizer]]:
    for n, name in enumerate(one.columns if len(one.columns) > 1 else ()):
        if not any(step.get("categories") or step.get("edges") for step in one.steps):
            columns = one.columns[:n] + one.columns[n + 1 :]
            yield "featurizer", f"column {name}", "left out", replace(one, columns=columns)
    for n, step in enumerate(one.steps if len(one.steps) > 1 else ()):
        yield "featurizer", f"step {step.kind}", "left out", replace(one, steps=one.steps[:n] + one.steps[n + 1 :])
    if any(learns(step) for step in one.steps) and pipeline.split.kind != "all":
        other = "all" if one.fit == "train" else "train"
        yield "fit", one.fit, other, replace(one, fit=other)
    for n, step in enumerate(one.steps):
        for name, before, after in _parameters(step):
            params = {**dict(step.params), name: after}
            changed = replace(step, params=tuple(params.items()))
            steps = (*one.steps[:n], changed, *one.steps[n + 1 :])
            yield "parameter", f"{name} = {before!r}", repr(after), replace(one, steps=steps)


def learns(step: Step) -> bool:
    """Whether a step's state depends on the rows it is fitted on.

    >>> learns(Step(kind="impute")), learns(Step(kind="one_hot", params=(("categories", (("a",),)),)))
    (True, False)
    """
    return step.kind not in _STATELESS and not (step.kind in _GIVEN and step.get(_GIVEN[step.kind]) is not None)


def _parameters(step: Step) -> Iterator[tuple[str, Value, Value]]:
    given = {**dict(_DEFAULTS.get(step.kind, ())), **dict(step.params)}
    for name, value in given.items():
        for changed in _changed(name, value):
            yield name, value, changed


def _changed(name: str, value: Value) -> Iterator[Value]:
    """Other values of a parameter.

    >>> list(_changed("ddof", 0)), list(_changed("right", True)), list(_changed("edges", (0, 5)))
    ([1], [False], [(1, 5), (-1, 5), (0, 6), (0, 4)])
    """
    if isinstance(value, bool):
        yield not value
    elif name in CHOICES:
        yield from (c for c in CHOICES[name] if c != value)
    elif isinstance(value, int | float):
        yield value + 1
        if value > 0:
            yield value - 1
    elif isinstance(value, tuple) and value and all(isinstance(v, int | float) and name == "edges" for v in value):
        for n, v in enumerate(value):
            yield from ((*value[:n], v + d, *value[n + 1 :]) for d in (1, -1))
    elif isinstance(value, tuple) and len(value) == 1 and isinstance(value[0], tuple):
        yield from ((inner,) for inner in _changed(name, value[0]))
    elif isinstance(value, tuple) and len(value) > 1:
        yield (value[1], value[0], *value[2:])
        if not isinstance(value[0], tuple):
            yield value[:-1]


def _label(pipeline: Pipeline, types: Mapping[str, str]) -> Iterator[Mutation]:
    if pipeline.label is None:
        return
    mine = pipeline.label.column
    same = [n for n, t in types.items() if t == types.get(mine) and n != mine]
    for other in same[:1]:
        yield "label", "label", mine, other, replace(pipeline, label=replace(pipeline.label, column=other))


def _split(pipeline: Pipeline) -> Iterator[Mutation]:
    split = pipeline.split
    for name, value in split.params:
        for changed in _split_values(name, value):
            params = tuple((n, changed if n == name else v) for n, v in split.params)
            mutated = replace(pipeline, split=replace(split, params=params))
            yield "split", "split", f"{name} = {value}", f"{name} = {changed}", mutated


def _split_values(name: str, value: Value) -> Iterator[Value]:
    if name in ("rows", "train", "test") and isinstance(value, str):
        tree = mutate_sql.parsed(f"SELECT {value}")
        for _, number, new in mutate_sql.mutations(tree, {}):
            text = mutate_sql.applied(tree, number, new).sql("duckdb").removeprefix("SELECT ")
            if text != value:
                yield text
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, value - 1) if value else (value + 1,)
    elif isinstance(value, float):
        yield from (round(v, 6) for v in (value + 0.1, value - 0.1) if 0 < v < 1)
    elif name == "stratify" and value is not None:
        yield None


def _functions(pipeline: Pipeline) -> Iterator[Mutation]:
    names = {f.name for f in pipeline.functions}
    if not names:
        return
    tree = ast.parse(pipeline.code)
    sites = [n for n, node in enumerate(ast.walk(tree)) if isinstance(node, ast.Constant | ast.Compare)]
    quiet = {id(s.value) for s in ast.walk(tree) if isinstance(s, ast.Expr)}
    nodes = list(ast.walk(tree))
    for number in sites:
        node = nodes[number]
        if id(node) in quiet:
            continue
        for new in _code(node):
            copied = ast.parse(pipeline.code)
            _put(list(ast.walk(copied))[number], new)
            code = ast.unparse(copied) + "\n"
            yield "functions.py", "function", f"line {node.lineno}: {ast.unparse(node)}", ast.unparse(new), replace(
                pipeline, code=code
            )


_COMPARE = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
            ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is}  # fmt: skip


def _code(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.Compare):
        yield ast.Compare(left=node.left, ops=[_COMPARE[type(node.ops[0])](), *node.ops[1:]],
                          comparators=node.comparators)  # fmt: skip
    elif isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node.value, int | float):
        yield ast.Constant(node.value + 1)
        yield ast.Constant(node.value - 1)
    elif isinstance(node.value, str):
        yield ast.Constant(node.value + "x")


def _put(node: ast.AST, new: ast.AST) -> None:
    """Make a node of a tree what another one is."""
    for name, value in ast.iter_fields(new):
        setattr(node, name, value)
