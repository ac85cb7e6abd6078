"""What the tests of rewriting with a model share: a model that knows a pipeline, and how it is asked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from lester_duck import api
from lester_duck.pipeline.model import Pipeline
from lester_duck.rewrite import fragments

SECRET = "key-of-a-test"


def asked(request: dict) -> str:
    """The fragment a request is for."""
    return request["response_format"]["json_schema"]["schema"]["title"].lower()


def as_json(pipeline: Pipeline, name: str = "preparation") -> str:
    return json.dumps(fragments.dumped(name, fragments.split_up(pipeline)[name]))


def answering(pipeline: Pipeline):
    """A model that knows a pipeline."""
    return lambda request: as_json(pipeline, asked(request))


def broken(pipeline: Pipeline) -> Pipeline:
    views = tuple(replace(v, sql=v.sql.replace(">= 10", "> 10")) for v in pipeline.views)
    return replace(pipeline, views=views)


def ask_for(folder: Path, url: str, **options):
    return api.rewrite(
        folder / "script.py", engine="llm", model="m", base_url=url, api_key=SECRET, directed=False,
        **{"samples": 1, **options},
    )  # fmt: skip
