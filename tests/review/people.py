"""A small pipeline by hand whose data a test chooses: people, their sex dropped by the first view."""

from __future__ import annotations

import random
from typing import Any

import pyarrow as pa

import lester_duck as ld
from lester_duck.pipeline.model import (
    Column,
    Features,
    Featurizer,
    Label,
    Model,
    Pipeline,
    Review,
    Source,
    Split,
    Step,
    View,
)

TEXTS = {"name": "VARCHAR", "sex": "VARCHAR", "city": "VARCHAR"}
COLUMNS = {**TEXTS, "score": "DOUBLE", "year": "INTEGER", "good": "INTEGER"}
TYPES = {"VARCHAR": pa.string(), "DOUBLE": pa.float64(), "INTEGER": pa.int32()}
VIEWS = {
    "adults": "SELECT name, city, score, year, good FROM people WHERE score >= 0",
    "prepared": "SELECT city, score, year, good FROM adults WHERE city <> 'nowhere'",
}
FEATURES = {"city": ("one_hot", ("city",)), "score": ("standard_scale", ("score",))}


def people(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Rows without any shift, overlap or bias but that of chance."""
    rng = random.Random(seed)
    return [
        {
            "name": f"p{n}", "sex": "fm"[rng.random() < 0.5], "city": rng.choice("ABC"), "score": rng.random(),
            "year": 2000 + (rng.random() < 0.4), "good": int(rng.random() < 0.5),
        }
        for n in range(count)
    ]  # fmt: skip


def pipeline(views: dict[str, str] | None = None, features: dict | None = None, **fields: Any) -> Pipeline:
    """The pipeline; ``features`` maps a featurizer to (kind, columns, fit)."""
    featurizers = tuple(
        Featurizer(name=name, columns=columns, steps=(Step(kind=kind),), fit=(rest or ("train",))[0])
        for name, (kind, columns, *rest) in (FEATURES if features is None else features).items()
    )
    declared = {
        "features": Features(view="prepared", featurizers=featurizers),
        "label": Label(column="good"),
        "split": Split(kind="predicate", params=(("train", "year < 2001"),)),
        "model": Model(estimator="sklearn.linear_model.LogisticRegression"),
    }
    columns = tuple(Column(name=n, type=t) for n, t in COLUMNS.items())
    return Pipeline(
        name="people", sources=(Source(name="people", format="table", columns=columns),),
        views=tuple(View(name=n, sql=s) for n, s in (views or VIEWS).items()), **{**declared, **fields},
    )  # fmt: skip


def run(rows: list[dict[str, Any]], made: Pipeline | None = None, path: str = ":memory:", **review: Any) -> ld.Run:
    """The pipeline run over rows of people, with ``[review]`` as given."""
    schema = pa.schema([(n, TYPES[t]) for n, t in COLUMNS.items()])
    if made is None:
        made = pipeline(review=Review(**review)) if review else pipeline()
    return ld.run(made, path, data={"people": pa.Table.from_pylist(rows, schema=schema)})
