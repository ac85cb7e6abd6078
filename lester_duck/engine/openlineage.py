"""A store's latest run as OpenLineage events: which job read and wrote which dataset, column by column.

Each view is a job with one output, the matrix is one more, and the pipeline is the parent of all. Columns are
traced to the relations a view reads; a catalogue that collects the events follows them from there. A column
of which nothing is known (``algebra.columns.UNKNOWN``) is left out of the facet, one made of constants is
there without inputs.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

from lester_duck.algebra.columns import UNKNOWN, Edge, origins
from lester_duck.db import Database
from lester_duck.engine.export import atomically
from lester_duck.engine.plan import Plan
from lester_duck.engine.record import count_rows
from lester_duck.engine.second_opinion import agreed_edges
from lester_duck.errors import InputError, one_of

_SPEC = "https://openlineage.io/spec"
_EVENT = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = {
    "schema": ("1-2-0", "SchemaDatasetFacet"),
    "columnLineage": ("1-2-0", "ColumnLineageDatasetFacet"),
    "sql": ("1-1-0", "SQLJobFacet"),
    "jobType": ("2-0-4", "JobTypeJobFacet"),
    "parent": ("1-2-0", "ParentRunFacet"),
    "processing_engine": ("1-1-1", "ProcessingEngineRunFacet"),
    "outputStatistics": ("1-0-2", "OutputStatisticsOutputDatasetFacet"),
}
"""Name of a facet -> version and name of its schema."""
MATRIX = "lester.features"
"""The name of the matrix as a dataset."""
_WIDEST = 4096
"""Matrices of more columns are described by featurizer."""
ENDINGS = (".json", ".jsonl", ".ndjson")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Job:
    """What is said of one job: its name, its facets, the datasets it read and wrote."""

    name: str
    facets: Json
    inputs: tuple[Json, ...] = ()
    outputs: tuple[Json, ...] = ()
    parent: str | None = None


def write(db: Database, plan: Plan, path: str | Path, namespace: str | None = None) -> int:
    """Write the events of a store's latest run: a list (.json), or one per line (.jsonl); returns their number."""
    suffix = Path(path).suffix.lower()
    if suffix not in ENDINGS:
        raise InputError(one_of("ending of a file of OpenLineage events", suffix, ENDINGS))
    found = events(db, plan, namespace)
    lines = [json.dumps(event, ensure_ascii=False) for event in found]
    text = "[\n" + ",\n".join(lines) + "\n]\n" if suffix == ".json" else "".join(f"{line}\n" for line in lines)
    atomically(path, lambda file: file.write(text.encode()))
    return len(found)


def events(db: Database, plan: Plan, namespace: str | None = None) -> list[Json]:
    """A START and a COMPLETE event for each job of the latest run.

    ``namespace`` is that of jobs and datasets; unless given, it is made from the name of the store's file.
    """
    place = namespace or f"duckdb://{Path(db.path).name}"
    row = db.row("SELECT id, started_at, seconds FROM _lester.run ORDER BY id DESC LIMIT 1")
    if row is None:
        raise InputError(f"'{db.path}' holds no run yet", hint="lester-duck run PIPELINE --store FILE")
    number, started, seconds = row
    ended = started + timedelta(seconds=seconds)
    found = []
    for job in _jobs(db, plan, place):
        run = {"runId": _run_id(place, number, started, job.name), "facets": _run_facets(place, number, started, job)}
        for kind, at in (("START", started), ("COMPLETE", ended)):
            found.append({
                "eventType": kind, "eventTime": f"{at.isoformat(timespec='milliseconds')}Z", "run": run,
                "job": {"namespace": place, "name": job.name, "facets": job.facets},
                "inputs": list(job.inputs), "outputs": list(job.outputs), "producer": _producer(), "schemaURL": _EVENT,
            })  # fmt: skip
    return found


def _jobs(db: Database, plan: Plan, place: str) -> Iterator[_Job]:
    pipeline, counts = plan.pipeline.name, count_rows(db, plan)
    yield _Job(pipeline, {"jobType": _job_type("PIPELINE")})
    edges = agreed_edges(plan)
    public = {**{s.name: f"source.{s.name}" for s in plan.pipeline.sources}}
    public |= {b.name: f"main.{b.name}" for b in plan.blocks if b.name == b.view}
    datasets = {name: _dataset(place, shown, _columns(plan, name)) for name, shown in public.items()}
    for view in plan.pipeline.views:
        blocks = tuple(b for b in plan.blocks if b.view == view.name)
        steps = {b.name for b in blocks}
        reads = dict.fromkeys(r for b in blocks for r in b.reads if r not in steps)
        traced = origins(blocks, edges, [name for name in public if name not in steps])[view.name]
        columns = plan.relations[view.name].columns
        lineage = _lineage(place, public, columns, traced)
        output = _dataset(place, public[view.name], _columns(plan, view.name), lineage)
        if view.name in counts:
            output["outputFacets"] = {"outputStatistics": _facet("outputStatistics", rowCount=counts[view.name])}
        facets = {"jobType": _job_type("VIEW"), "sql": _facet("sql", query=view.sql, dialect="duckdb")}
        inputs = tuple(datasets[name] for name in reads)
        yield _Job(f"{pipeline}.{view.name}", facets, inputs, (output,), parent=pipeline)
    if plan.pipeline.features is not None:
        yield _matrix_job(db, plan, place, public, datasets)


def _columns(plan: Plan, name: str) -> list[tuple[str, str]]:
    return [(c, plan.types[name][c]) for c in plan.relations[name].columns]


def _matrix_job(db: Database, plan: Plan, place: str, public: Mapping[str, str], datasets: Mapping[str, Json]) -> _Job:
    """The matrix: each of its columns, or of its blocks where it is very wide, from columns of the feature view."""
    features = plan.pipeline.features
    view = next(name for name in public if name.lower() == features.view.lower())
    rows = db.rows("SELECT name, kind, category, inputs FROM _lester.feature ORDER BY position")
    if len(rows) > _WIDEST:
        rows = db.rows(
            "SELECT featurizer, any_value(kind), NULL, list_distinct(flatten(list(inputs))) FROM _lester.feature "
            "GROUP BY featurizer ORDER BY min(position)"
        )
    fields = {}
    for name, kind, category, inputs in rows:
        how = {"type": "DIRECT", "subtype": "IDENTITY" if kind == "passthrough" else "TRANSFORMATION"}
        how["description"] = kind if category is None else f"{kind}: {category}"
        fields[name] = {"inputFields": [_input_field(place, public[view], column, [how]) for column in inputs]}
    type_ = "DOUBLE" if features.dtype == "float64" else "FLOAT"
    output = _dataset(place, MATRIX, [(name, type_) for name in fields], _facet("columnLineage", fields=fields))
    name = plan.pipeline.name
    return _Job(f"{name}.{MATRIX}", {"jobType": _job_type("FEATURES")}, (datasets[view],), (output,), parent=name)


def _lineage(place: str, public: Mapping[str, str], columns: Iterable[str], edges: Iterable[Edge]) -> Json:
    """The column lineage facet: fields, and what influences the dataset as a whole."""
    by_column: dict[str | None, list[Edge]] = {None: [], **{c: [] for c in columns}}
    for edge in edges:
        by_column[edge.column].append(edge)
    whole = by_column.pop(None)
    fields = {
        name: {"inputFields": _input_fields(place, public, found)}
        for name, found in by_column.items()
        if not any(e.kind == UNKNOWN for e in found)
    }
    return _facet("columnLineage", fields=fields, dataset=_input_fields(place, public, whole))


def _input_fields(place: str, public: Mapping[str, str], edges: Iterable[Edge]) -> list[Json]:
    """Each column that is depended upon once, with all that happens to it."""
    found: dict[tuple[str, str], list[Json]] = {}
    for edge in edges:
        if edge.kind != UNKNOWN:
            how = {"type": edge.kind, "subtype": edge.subtype}
            found.setdefault((public[edge.relation], edge.origin), []).append(how)
    return [_input_field(place, dataset, column, how) for (dataset, column), how in found.items()]


def _input_field(place: str, dataset: str, column: str, how: list[Json]) -> Json:
    return {"namespace": place, "name": dataset, "field": column, "transformations": how}


def _dataset(place: str, name: str, columns: Iterable[tuple[str, str]], lineage: Json | None = None) -> Json:
    facets = {"schema": _facet("schema", fields=[{"name": c, "type": t} for c, t in columns])}
    if lineage is not None:
        facets["columnLineage"] = lineage
    return {"namespace": place, "name": name, "facets": facets}


def _run_facets(place: str, number: int, started: datetime, job: _Job) -> Json:
    versions = {"version": metadata.version("duckdb"), "openlineageAdapterVersion": metadata.version("lester-duck")}
    facets = {"processing_engine": _facet("processing_engine", name="DuckDB", **versions)}
    if job.parent is not None:
        above = {"runId": _run_id(place, number, started, job.parent)}
        facets["parent"] = _facet("parent", run=above, job={"namespace": place, "name": job.parent})
    return facets


def _run_id(place: str, number: int, started: datetime, job: str) -> str:
    """The same at every export of the same run."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{place}/{number}/{started.isoformat()}/{job}"))


def _job_type(kind: str) -> Json:
    return _facet("jobType", processingType="BATCH", integration="LESTER-DUCK", jobType=kind)


def _facet(facet: str, **content: Any) -> Json:
    version, schema = _FACETS[facet]
    url = f"{_SPEC}/facets/{version}/{schema}.json#/$defs/{schema}"
    return {"_producer": _producer(), "_schemaURL": url, **content}


def _producer() -> str:
    return f"urn:lester-duck:{metadata.version('lester-duck')}"
