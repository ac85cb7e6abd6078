"""What ``import lester_duck`` offers: rewrite, run, update, audit, ask, export."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa

from lester_duck import audit, lineage, models
from lester_duck.db import Database, Error, Tracer, first_line
from lester_duck.engine import artefacts, export, matrix, openlineage
from lester_duck.engine import run as engine
from lester_duck.engine.ingest import read
from lester_duck.engine.plan import Plan, make_plan
from lester_duck.engine.read import ordered_rows
from lester_duck.engine.status import status
from lester_duck.errors import InputError, LesterError, one_of
from lester_duck.ivm import change as ivm
from lester_duck.names import VIEW_SCHEMA
from lester_duck.pipeline import codec
from lester_duck.pipeline.model import Pipeline
from lester_duck.review import checks as review
from lester_duck.review import why_not
from lester_duck.rewrite import rewrite as rewriting
from lester_duck.rewrite.decisions import Typed as Typed
from lester_duck.rewrite.roads import Asking
from lester_duck.store import catalog, store

Progress = Callable[[str], None]


def rewrite(script: str | Path, **options: Any) -> rewriting.Rewritten:
    """Rewrite a script or notebook into a pipeline, judged by running both.

    ``options`` are those of ``lester_duck.rewrite.rewrite.rewrite``: engine, python, root, directed,
    mutants, seconds, keys, limits, order (of a notebook's cells), trust (no sandbox), progress; and of
    ``lester_duck.rewrite.roads.Asking``: model, base_url, api_key, rounds, samples, max_tokens,
    max_cost, share_rows, log, resume, request. ``person=Typed()`` asks at a notebook's prompt.
    Raises InputError when the original fails.
    """
    asking, others = Asking.of(options)
    return rewriting.rewrite(script, asking=asking, **others)


def verify(folder: str | Path, script_root: str | Path | None = None, **options: Any) -> rewriting.Rewritten:
    """Judge the pipeline in a folder against its original again, on the data as it is now."""
    return rewriting.verify(folder, script_root, **options)


def verify_changed(folder: str | Path, script_root: str | Path | None = None, **options: Any) -> rewriting.Changed:
    """Compare a store updated by a difference of the data with a rerun of the original on the changed data.

    ``options``: changed (a folder) or random_edits and seed; script, python, limits, progress.
    """
    return rewriting.verify_changed(folder, script_root, **options)


def check(pipeline: Pipeline, root: str | Path = ".") -> tuple[LesterError, ...]:
    """What would keep a pipeline from running on the files below ``root``; empty when nothing does."""
    findings: list[LesterError] = []
    db = store.create_or_open(store.MEMORY)
    sources = []
    try:
        for source in pipeline.sources:
            try:
                sources.append(read(db, source, Path(root)).source)
            except LesterError as error:
                findings.append(error)
                sources.append(source)
        if not findings or all(s.columns for s in sources):
            plan = make_plan(replace(pipeline, sources=tuple(sources)))
            artefacts.check_declared(plan)
            review.validate(plan.pipeline)
    except LesterError as error:
        findings.append(error)
    finally:
        db.close()
    return tuple(findings)


def load(folder: str | Path) -> Pipeline:
    """Read a pipeline folder. Raises InputError naming file and line."""
    return codec.load(folder)


def run(
    pipeline: Pipeline | str | Path,
    store_path: str | Path,
    *,
    root: str | Path | None = None,
    data: Mapping[str, Any] | None = None,
    model: str = "now",
    wait: float = 0.0,
    progress: Progress | None = None,
    tracer: Tracer | None = None,
) -> Run:
    """Run a pipeline (or the pipeline of a folder) into a store; returns the open store.

    Source files are looked up below ``root`` (default: the pipeline's folder, else the current
    one); ``data`` gives the rows of sources by name instead. ``model`` is ``now`` or ``later``.
    """
    if not isinstance(pipeline, Pipeline):
        root = root if root is not None else Path(pipeline)
        pipeline = load(pipeline)
    created = str(store_path) != store.MEMORY and not Path(store_path).exists()
    db = store.create_or_open(store_path, wait=wait, tracer=tracer)
    try:
        summary = engine.run(
            db, pipeline, Path(root or "."), data=data, model=model, progress=progress, finish=_questions
        )
        return Run(db, summary)
    except BaseException:
        db.close()
        if created:
            _remove(Path(store_path))
        raise


def _questions(db: Database, plan: Plan) -> None:
    """Put the questions of lineage and the checks of a reviewer into the store."""
    review.validate(plan.pipeline)
    lineage.install(db, plan)
    why_not.install(db, plan)
    review.install(db)


def _remove(path: Path) -> None:
    """A first run that failed leaves no half-made file behind."""
    for name in (path, path.with_name(path.name + ".wal")):
        name.unlink(missing_ok=True)


def open(store_path: str | Path, *, wait: float = 0.0, read_only: bool = False, tracer: Tracer | None = None) -> Run:
    """Open an existing store."""
    return Run(store.open_existing(store_path, wait=wait, read_only=read_only, tracer=tracer))


class Run:
    """An open store: its live state, its history, and what can be done to it."""

    def __init__(self, db: Database, summary: engine.RunSummary | None = None) -> None:
        self.db = db
        self.summary = summary
        self._plan: Plan | None = None
        self._maintainer: ivm.Maintainer | None = None

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the store; its file is checkpointed."""
        if self._maintainer is not None:
            self._maintainer.close()
        self.db.close()

    @property
    def pipeline(self) -> Pipeline:
        """The live pipeline."""
        found = catalog.get_pipeline(self.db)
        if found is None:
            raise InputError(f"'{self.db.path}' holds no pipeline yet", hint="lester-duck run PIPELINE --store FILE")
        return found

    @property
    def plan(self) -> Plan:
        """The live pipeline, planned."""
        if self._plan is None:
            self._plan = make_plan(self.pipeline)
        return self._plan

    def sql(self, query: str) -> Any:
        """A DuckDB relation over the store; views, sources and ``lester.*`` can be named as they are."""
        try:
            return self.db.relation(query)
        except Error as error:
            raise InputError(first_line(error), sql=query) from error

    def view(self, name: str) -> pa.Table:
        """The user columns of a view or source, in its order."""
        relation = self.plan.relations[lineage.check_relation(self.db, name)]
        return self.db.arrow(ordered_rows(relation))

    def features(self, part: str = "all", rows: int = 8192) -> pa.RecordBatchReader:
        """The matrix of a part ('train', 'test', 'all') with provenance in the fields' metadata."""
        block = self._feature_block()
        sources = artefacts.source_columns(self.db, block.name)
        return matrix.batches(self.db, self.plan.pipeline.features, part=_part(part), rows=rows, sources=sources)

    def labels(self, part: str = "all") -> np.ndarray:
        """The label of each row of a part, in the order of ``features``."""
        self._feature_block()
        return artefacts.labels(self.db, self.plan, _part(part))

    def predict(self, part: str = "all") -> np.ndarray:
        """Predictions for the rows of a part; refuses a model that is older than the data."""
        self._feature_block()
        row = self.db.row("SELECT content, stale FROM _lester.model")
        if row is None:
            raise InputError(
                "the store holds no fitted model", hint="declare [model] and run, or update with model='now'"
            )
        if row[1]:
            raise InputError(
                "the model is older than the data", hint="fit it again: update with --model now, or run again"
            )
        estimator = models.load(bytes(row[0]))
        return models.predict(estimator, matrix.for_estimator(self.db, self.plan.pipeline.features, part=_part(part)))

    def openlineage(self, namespace: str | None = None) -> list[dict[str, Any]]:
        """The latest run as OpenLineage events, columns included; ``namespace`` is that of jobs and datasets."""
        return openlineage.events(self.db, self.plan, namespace)

    def export(self, what: str, path: str | Path, part: str = "all", namespace: str | None = None) -> Path:
        """Write ``features``, ``labels`` or a view to .arrow, .parquet, .npz or .csv, atomically.

        ``openlineage`` writes the events of the latest run to .json (a list) or .jsonl (one per line);
        ``namespace`` is for these.
        """
        part, path = _part(part), Path(path)
        if what == "openlineage":
            openlineage.write(self.db, self.plan, path, namespace)
            return path
        if what in ("features", "labels"):
            block, pipeline = self._feature_block(), self.plan.pipeline
            order, label = artefacts.order_of(block), pipeline.label.column if pipeline.label else None
            if what == "features":
                sources = artefacts.source_columns(self.db, block.name)
                export.export_features(self.db, pipeline.features, order, part, path, label=label, sources=sources)
            elif label is None:
                raise InputError("the pipeline declares no label", where="pipeline.toml", hint="add [label]")
            else:
                export.export_labels(self.db, block.name, order, part, path, label=label)
            return path
        relation = self.plan.relations[lineage.check_relation(self.db, what)]
        if part != "all" and relation.name != self._feature_block().name:
            raise InputError(f"'{relation.name}' is not the feature view: no part {part}", hint="use --split all")
        if relation.schema == VIEW_SCHEMA:
            export.export_view(self.db, relation.table, relation.columns, relation.order, part, path)
        else:
            export.write_batches(self.db.batches(ordered_rows(relation)), path)
        return path

    def update(self, *, model: str = "now", **deltas: Any) -> ivm.Change:
        """Apply deltas to sources and everything derived from them, in one transaction."""
        if self._maintainer is None:
            self._maintainer = ivm.Maintainer(self.db, self.plan)
        return self._maintainer.update(deltas, model=model)

    def audit(self, progress: Progress | None = None) -> audit.Audit:
        """Recompute everything from the current sources beside the store, and compare."""
        return audit.audit(self.db, self.plan, progress=progress)

    def backward(self, relation: str, rid: int) -> pa.Table:
        """The source rows a row of a view came from (source, source_rid)."""
        name = lineage.check_relation(self.db, relation)
        return self.db.arrow("FROM lester.backward(?, ?)", [name, rid])

    def forward(self, source: str, rid: int) -> pa.Table:
        """The rows of all views a source row contributed to (relation, _rid)."""
        name = lineage.check_source(self.db, source)
        return self.db.arrow("FROM lester.forward(?, ?)", [name, rid])

    def usage(self, source: str) -> pa.Table:
        """For every row of a source, whether it reached train, test or nothing."""
        return self.db.arrow("FROM lester.usage(?) ORDER BY _rid", [lineage.check_source(self.db, source)])

    def backward_column(self, relation: str, column: str) -> pa.Table:
        """The source columns behind a column of a view (source, source_column, kind, subtype, scope)."""
        name = lineage.check_relation(self.db, relation)
        return self.db.arrow("FROM lester.backward_column(?, ?)", [name, column])

    def forward_column(self, source: str, column: str) -> pa.Table:
        """The columns of views that depend on a source column (relation, column_name, kind, subtype)."""
        name = lineage.check_source(self.db, source)
        return self.db.arrow("FROM lester.forward_column(?, ?)", [name, column])

    def backward_feature(self, rid: int, feature: str) -> pa.Table:
        """The cells of sources behind a cell of the matrix (source, source_rid, source_column)."""
        return self.db.arrow("FROM lester.backward_feature(?, ?)", [rid, feature])

    def forward_feature(self, source: str, rid: int, column: str) -> pa.Table:
        """The cells of the matrix that a cell of a source is behind (_rid, position, feature)."""
        name = lineage.check_source(self.db, source)
        return self.db.arrow("FROM lester.forward_feature(?, ?, ?)", [name, rid, column])

    def backward_prediction(self, rid: int) -> pa.Table:
        """The source rows behind the prediction of a row of the feature view (source, source_rid)."""
        return self.db.arrow("FROM lester.backward_prediction(?)", [rid])

    def forward_prediction(self, source: str, rid: int) -> pa.Table:
        """The predictions made of rows a source row is behind (_rid, part, value, stale)."""
        return self.db.arrow("FROM lester.forward_prediction(?, ?)", [lineage.check_source(self.db, source), rid])

    def why_not(self, source: str, rid: int, relation: str) -> pa.Table:
        """Where a source row was lost on its way to a view, and by what (outcome, relation, input, kind, condition)."""
        names = lineage.check_source(self.db, source), lineage.check_relation(self.db, relation)
        return self.db.arrow("FROM lester.why_not(?, ?, ?)", [names[0], rid, names[1]])

    def trained_on(self, source: str) -> pa.Table:
        """For every row of a source, whether the model was trained on a row made from it (_rid, trained)."""
        name = lineage.check_source(self.db, source)
        return self.db.arrow("FROM lester.trained_on(?) ORDER BY _rid", [name])

    def review(self, *checks: str) -> review.Reviewed:
        """What the checks of a reviewer say of the store, as ``[review]`` of the pipeline asks for them."""
        return review.run(self.db, self.pipeline, checks)

    def runs(self) -> list[dict[str, Any]]:
        """Past runs, oldest first."""
        return self.db.arrow("FROM lester.runs").to_pylist()

    def changes(self) -> list[dict[str, Any]]:
        """Past changes, oldest first."""
        return self.db.arrow("FROM lester.changes").to_pylist()

    def status(self) -> dict[str, Any]:
        """The store at a glance: sources, views and how each is stored, features, model, history."""
        return status(self.db, self.plan)

    def _feature_block(self) -> Any:
        block = artefacts.feature_block(self.plan)
        if block is None:
            raise InputError(
                "the pipeline declares no features", where="pipeline.toml", hint="add [features] and [[featurizer]]"
            )
        return block


def _part(part: str) -> str:
    if part not in ("train", "test", "all"):
        raise InputError(one_of("part", part, ["train", "test", "all"]))
    return part
