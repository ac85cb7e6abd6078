"""The whole of lifting: interpret, decide what is needed, write the pipeline."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sqlglot import exp

from lester_duck.errors import InputError
from lester_duck.lift import (
    arguments,
    classes,
    counted,
    csv_rules,
    datetexts,
    emit,
    features,
    functions,
    harmless,
    json_files,
    json_rules,
    numpy_rules,
    obligations,
    pandas_aggregates,
    pandas_features,
    pandas_rules,
    paths,
    sections,
    settle,
    statements,
    tuples,
)
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.observed import Observed
from lester_duck.lift.recovery import Refusal
from lester_duck.lift.relations import Relation
from lester_duck.lift.values import Poison, Refused
from lester_duck.pipeline import model as ir


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Something that looks like a bug of the original, reproduced all the same."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class Lifted:
    """What the translator made of a script: a pipeline (perhaps partial), and what it refused."""

    pipeline: ir.Pipeline
    refusals: tuple[Refusal, ...]
    suspicions: tuple[Suspicion, ...]
    lines: Mapping[str, tuple[int, int]]
    views: int
    functions: int
    folds: int

    @property
    def complete(self) -> bool:
        """Whether nothing was refused."""
        return not self.refusals


def lift(source: str, observed: Observed, *, script: str) -> Lifted:
    """Translate a script into a pipeline, without executing it.

    ``script`` is the name by which comments speak of it; ``observed`` is what one run of it was
    seen to do. Raises InputError when the text is no Python.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise InputError(f"not valid Python: {error.msg}", where=f"{script}:{error.lineno}") from None
    arguments.install()
    classes.install()
    csv_rules.install()
    harmless.install()
    json_rules.install()
    numpy_rules.install()
    paths.install()
    pandas_rules.install()
    m = Machine(source, script, observed)
    m.tree = counted.spelled(tuples.apart(tree))
    statements.block(m, m.tree.body)
    prepared = _prepared(m)
    written = _written(m)
    roots: list[Relation] = [w.rel for _, _, w in written]
    if prepared is not None:
        roots.append(prepared.view)
    roots += [*pandas_aggregates.asserted(m), *json_files.relations(m)]
    pandas_aggregates.place(m, roots)
    datetexts.suspect(m)
    emitted, lost = _emitted(m, roots)
    written = [w for w in written if w[2].rel not in lost]
    prepared = None if prepared is None or prepared.view in lost else prepared
    origin = ir.Origin(
        script=script,
        sha256=hashlib.sha256(source.encode()).hexdigest(),
        engine="static",
        outputs=tuple(_output(path, header, w, emitted) for path, header, w in written),
        checkpoints=tuple(_checkpoints(m, emitted)),
        fit=m.fit.estimator.name.rsplit(".", 1)[-1] if prepared is not None else None,
    )
    declared = functions.needed(m, emitted.views)
    pipeline = ir.Pipeline(
        name=emit.valid(Path(script).parent.name or Path(script).stem),
        sources=emitted.sources,
        views=emitted.views,
        functions=declared,
        code=functions.code(m, {f.name for f in declared}),
        checks=obligations.checks(m, emitted),
        origin=origin,
    )
    if prepared is not None:
        pipeline = _with_features(pipeline, prepared, emitted)
    return Lifted(
        pipeline=pipeline,
        refusals=_ordered(m.refusals),
        suspicions=tuple(Suspicion(line, text) for line, text in m.suspicions),
        lines=emitted.lines,
        views=len(pipeline.views),
        functions=len(pipeline.functions),
        folds=sum(f.fold for f in pipeline.functions),
    )


def _emitted(m: Machine, roots: list[Relation]) -> tuple[emit.Emitted, set[Relation]]:
    """The relations written down, and those left out: a file they need has no form in which all can read it."""
    lost: set[Relation] = set()
    while True:
        try:
            return emit.emit(m, [r for r in roots if r not in lost]), lost
        except settle.Unsettled as error:
            m.refusals.append(Refusal(error.rel.lines[0], error.reason, error.nearest))
            lost |= {r for r in roots if emit.needs(m, r, error.rel)}


def _ordered(refusals: list[Refusal]) -> tuple[Refusal, ...]:
    """Each place and reason once, with the nearest supported form if any of its refusals names one."""
    by_place = {(r.line, r.reason): r for r in sorted(refusals, key=lambda r: bool(r.nearest))}
    return tuple(sorted(by_place.values(), key=lambda r: r.line))


def _prepared(m: Machine) -> features.Prepared | None:
    if m.fit is None:
        return None
    try:
        if pandas_features.concerns(m, m.fit):
            return pandas_features.prepare(m, m.fit)
        return features.prepare(m, m.fit)
    except Refused as error:
        m.refusals.append(Refusal(m.fit.line, error.reason, error.nearest))
        return None


def _with_features(pipeline: ir.Pipeline, prepared: features.Prepared, emitted: emit.Emitted) -> ir.Pipeline:
    view = emitted.names[prepared.view]
    return replace(
        pipeline,
        features=ir.Features(view=view, featurizers=prepared.featurizers),
        label=ir.Label(column=prepared.label) if prepared.label else None,
        split=prepared.split,
        model=prepared.model,
    )


def _written(m: Machine) -> list[tuple[str, str, v.Written]]:
    """The files whose content depends on rows and not on a model: path, header text, rows."""
    found = []
    for path, id_ in m.written.items():
        content = m.state.heap.get(id_)
        if isinstance(content, Poison) and not content.model:
            m.refusals.append(Refusal(content.line, content.reason))
        if not isinstance(content, v.HFile) or any(isinstance(p, Poison) for p in content.pieces):
            continue
        try:
            header, rows = sections.file(m, path)
        except Refused as error:
            m.refusals.append(Refusal(1, error.reason, error.nearest))
            continue
        if rows is not None:
            found.append((path, header, rows))
    return found


def _output(path: str, header: str, written: v.Written, emitted: emit.Emitted) -> ir.Output:
    names: tuple[str, ...] | None = None
    if header:
        names = tuple(header.rstrip("\r\n").split(written.delimiter))
    return ir.Output(
        path=path,
        view=emitted.names[written.rel],
        columns=written.columns,
        header=names,
        delimiter=written.delimiter,
        quoting=written.quoting,
        line_end=written.line_end,
    )


def _checkpoints(m: Machine, emitted: emit.Emitted) -> list[ir.Checkpoint]:
    """The collections a top-level loop left, where a view holds exactly their columns."""
    found: list[ir.Checkpoint] = []
    latest = {(name, line): content for name, line, content in m.snapshots}
    for (name, line), content in latest.items():
        if content.rel not in emitted.names or emitted.names[content.rel] not in {x.name for x in emitted.views}:
            continue
        if isinstance(content, v.DictOf):
            paths = [*_paths("key", content.key, content.rel), *_paths("value", content.value, content.rel)]
        else:
            paths = list(_paths("item", content.element, content.rel))
        if not paths or any(column is None for _, column in paths):
            continue
        columns = tuple((path, column) for path, column in paths)
        checkpoint = ir.Checkpoint(
            variable=name,
            line=line,
            view=emitted.names[content.rel],
            columns=columns,
            ordered=not isinstance(content, v.SetOf),
        )
        found.append(checkpoint)
    return found


def _paths(path: str, shape: v.Value, rel: Relation) -> list[tuple[str, str | None]]:
    if isinstance(shape, v.Sym):
        tree = shape.sql
        plain = isinstance(tree, exp.Column) and tree.table == rel.token and not tree.name.startswith("#")
        plain = plain and not (shape.nan and shape.null)  # NaN in Python, NULL in the view
        return [(path, tree.name if plain else None)]
    if isinstance(shape, v.Rec):
        return [p for k, x in shape.items for p in _paths(f"{path}.{k}", x, rel)]
    if isinstance(shape, tuple | v.Seq):
        items = shape if isinstance(shape, tuple) else shape.items
        return [p for i, x in enumerate(items) for p in _paths(f"{path}[{i}]", x, rel)]
    return [] if v.is_const(shape) else [(path, None)]
