"""OpenLineage events of a run: read by the classes that OpenLineage generates from its JSON schema, and by hand."""

from __future__ import annotations

import json
import os
from pathlib import Path

import attr
import pyarrow as pa
import pytest
from openlineage.client.generated import (
    base,
    column_lineage_dataset,
    job_type_job,
    output_statistics_output_dataset,
    parent_run,
    processing_engine_run,
    schema_dataset,
    sql_job,
)

import lester_duck as ld
from lester_duck.cli.main import main
from lester_duck.engine import second_opinion
from lester_duck.errors import InputError
from lester_duck.pipeline.model import Column, Features, Featurizer, Pipeline, Source, Step, View

FACETS = {
    "schema": schema_dataset.SchemaDatasetFacet,
    "columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet,
    "sql": sql_job.SQLJobFacet,
    "jobType": job_type_job.JobTypeJobFacet,
    "parent": parent_run.ParentRunFacet,
    "processing_engine": processing_engine_run.ProcessingEngineRunFacet,
    "outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
}
PIPELINE = Pipeline(
    name="shop",
    sources=(
        Source(name="t", format="table", columns=(
            Column(name="k", type="INTEGER"), Column(name="a", type="INTEGER"), Column(name="w", type="VARCHAR"),
        )),
    ),
    views=(
        View(name="s", sql="WITH q AS (SELECT k, a * 2 AS b FROM t WHERE w <> '') SELECT k, sum(b) AS b, 1 AS one "
             "FROM q GROUP BY k"),
        View(name="f", sql="SELECT t.k, s.b, t.w FROM t JOIN s ON s.k = t.k"),
    ),
    features=Features(view="f", featurizers=(
        Featurizer(name="b", columns=("b",), steps=(Step(kind="passthrough"),)),
        Featurizer(name="w", columns=("w",), steps=(Step(kind="one_hot"),)),
    )),
)  # fmt: skip
INTEGERS = {name: pa.array(values, pa.int32()) for name, values in (("k", [1, 1, 2]), ("a", [3, 4, 5]))}
DATA = {"t": pa.table({**INTEGERS, "w": ["x", "y", "x"]})}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("openlineage") / "shop.duckdb"
    ld.run(PIPELINE, path, data=DATA).close()
    return path


@pytest.fixture(scope="module")
def events(store):
    with ld.open(store, read_only=True) as run:
        return run.openlineage()


def conforms(value, kind) -> None:
    """A JSON object holds what a generated class asks for, and nothing it does not know; the class accepts it."""
    fields = {f.name: f for f in attr.fields(kind)}
    assert set(value) <= set(fields), f"{kind.__name__}: {set(value) - set(fields)}"
    needed = {name for name, f in fields.items() if f.default is attr.NOTHING}
    assert needed <= set(value), f"{kind.__name__}: {needed - set(value)} is missing"
    kind(**{name.lstrip("_"): held for name, held in value.items() if name not in ("schemaURL", "_schemaURL")})


def facets_conform(facets) -> None:
    for name, facet in facets.items():
        conforms(facet, FACETS[name])
        assert facet["_schemaURL"] == FACETS[name]._get_schema()
        assert facet["_producer"].startswith("urn:lester-duck:")


def test_events_are_what_the_generated_classes_say(events):
    for event in events:
        conforms(event, base.RunEvent)
        assert event["schemaURL"] == base.RunEvent._get_schema()
        assert event["eventType"] in {t.value for t in base.EventType}
        conforms(event["run"], base.Run)
        conforms(event["job"], base.Job)
        facets_conform(event["run"]["facets"])
        facets_conform(event["job"]["facets"])
        for dataset in event["inputs"]:
            conforms(dataset, base.InputDataset)
            facets_conform(dataset["facets"])
        for dataset in event["outputs"]:
            conforms(dataset, base.OutputDataset)
            facets_conform(dataset["facets"])
            facets_conform(dataset.get("outputFacets", {}))
            for field in dataset["facets"]["schema"]["fields"]:
                conforms(field, schema_dataset.SchemaDatasetFacetFields)
            lineage = dataset["facets"]["columnLineage"]
            assert set(lineage["fields"]) <= {f["name"] for f in dataset["facets"]["schema"]["fields"]}
            inputs = list(lineage.get("dataset", []))
            for held in lineage["fields"].values():
                conforms(held, column_lineage_dataset.Fields)
                inputs += held["inputFields"]
            for field in inputs:
                conforms(field, column_lineage_dataset.InputField)
                (read,) = [d for d in event["inputs"] if d["name"] == field["name"]]
                assert field["field"] in {c["name"] for c in read["facets"]["schema"]["fields"]}
                for how in field["transformations"]:
                    conforms(how, column_lineage_dataset.Transformation)


def test_the_checks_above_can_fail(events):
    event = next(e for e in events if e["outputs"])
    for part, kind in ((event, base.RunEvent), (event["job"], base.Job), (event["outputs"][0], base.OutputDataset)):
        for name in ("job", "namespace"):
            if name in part:
                with pytest.raises(AssertionError, match="is missing"):
                    conforms({k: v for k, v in part.items() if k != name}, kind)
        with pytest.raises(AssertionError):
            conforms({**part, "other": 1}, kind)
    with pytest.raises(ValueError, match=r"UUID|uuid|hexadecimal"):
        conforms({"runId": "1"}, base.Run)


def test_every_run_starts_and_completes_once(events):
    kinds: dict[str, list[str]] = {}
    for event in events:
        kinds.setdefault(event["run"]["runId"], []).append(event["eventType"])
    assert list(kinds.values()) == [["START", "COMPLETE"]] * 4
    assert [e["job"]["name"] for e in events[::2]] == ["shop", "shop.s", "shop.f", "shop.lester.features"]
    above = [e["run"]["facets"].get("parent", {}).get("run", {}).get("runId") for e in events[::2]]
    assert above == [None] + [events[0]["run"]["runId"]] * 3


def said(dataset: dict) -> set[str]:
    lineage = dataset["facets"]["columnLineage"]
    fields = [(name, i) for name, held in lineage["fields"].items() for i in held["inputFields"]]
    fields += [("*", i) for i in lineage.get("dataset", [])]
    return {f"{c} <- {i['name']}.{i['field']} {t['subtype']}" for c, i in fields for t in i["transformations"]}


def output(events: list[dict], name: str) -> dict:
    return next(d for e in events for d in e["outputs"] if d["name"] == name)


def test_columns_are_traced_to_the_relations_that_are_read(events):
    assert said(output(events, "main.s")) == {
        "k <- source.t.k IDENTITY", "b <- source.t.a AGGREGATION", "* <- source.t.k GROUP_BY", "* <- source.t.w FILTER",
    }  # fmt: skip
    assert output(events, "main.s")["facets"]["columnLineage"]["fields"]["one"] == {"inputFields": []}
    assert said(output(events, "main.f")) == {
        "k <- source.t.k IDENTITY", "b <- main.s.b IDENTITY", "w <- source.t.w IDENTITY", "* <- source.t.k JOIN",
        "* <- main.s.k JOIN",
    }  # fmt: skip
    assert output(events, "main.s")["outputFacets"]["outputStatistics"]["rowCount"] == 2


def test_the_matrix_names_the_category_of_each_column(events):
    matrix = output(events, "lester.features")
    assert said(matrix) == {
        "b <- main.f.b IDENTITY", "w=x <- main.f.w TRANSFORMATION", "w=y <- main.f.w TRANSFORMATION"
    }  # fmt: skip
    (field,) = matrix["facets"]["columnLineage"]["fields"]["w=x"]["inputFields"]
    assert field["transformations"][0]["description"] == "one_hot: x"


def test_what_is_unknown_is_left_out(monkeypatch):
    right = second_opinion.block_edges
    monkeypatch.setattr(
        second_opinion, "block_edges",
        lambda block, relations: tuple(e for e in right(block, relations) if (block.name, e.origin) != ("s", "b")),
    )  # fmt: skip
    with ld.run(PIPELINE, ":memory:", data=DATA) as run:
        fields = output(run.openlineage(), "main.s")["facets"]["columnLineage"]["fields"]
    assert set(fields) == {"k", "one"}


def test_written_by_the_command_line(store, events, tmp_path):
    target = tmp_path / "events.json"
    arguments = ["export", str(store), "--what", "openlineage", "-o"]
    assert main([*arguments, str(target)]) == 0
    assert json.loads(target.read_text()) == events
    lines = tmp_path / "events.jsonl"
    assert main([*arguments, str(lines), "--namespace", "bank"]) == 0
    found = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [e["job"]["namespace"] for e in found] == ["bank"] * len(events)
    assert main([*arguments, str(tmp_path / "events.csv")]) == 2
    with ld.open(store, read_only=True) as run, pytest.raises(InputError, match="ending"):
        run.export("openlineage", tmp_path / "events.csv")


@pytest.mark.skipif("OPENLINEAGE_SPEC" not in os.environ, reason="needs a copy of the folder spec of OpenLineage")
def test_against_the_json_schema(events):
    """``OPENLINEAGE_SPEC=.../OpenLineage/spec pytest ...``, with jsonschema installed."""
    jsonschema = pytest.importorskip("jsonschema")
    referencing = pytest.importorskip("referencing")
    folder = Path(os.environ["OPENLINEAGE_SPEC"])
    files = [folder / "OpenLineage.json", *sorted((folder / "facets").glob("*.json"))]
    schemas = [json.loads(file.read_text()) for file in files]
    registry = referencing.Registry().with_resources(
        [(s["$id"], referencing.Resource.from_contents(s)) for s in schemas]
    )
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER

    def check(value, url: str) -> None:
        validator = jsonschema.Draft202012Validator({"$ref": url}, registry=registry, format_checker=checker)
        validator.validate(value)

    for event in events:
        check(event, event["schemaURL"])
        holders = [event["run"], event["job"], *event["inputs"], *event["outputs"]]
        for facet in [f for h in holders for f in (*h["facets"].values(), *h.get("outputFacets", {}).values())]:
            check(facet, facet["_schemaURL"])
