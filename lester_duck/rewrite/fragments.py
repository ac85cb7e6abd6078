"""The parts of a pipeline that are asked for one by one, and how an answer becomes part of a pipeline.

``preparation`` is everything relational; ``target`` the label, the split and the model; ``features``
the matrix. A fragment that was seen to agree is never asked for again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from lester_duck.errors import InputError
from lester_duck.pipeline import model as ir

Name = Literal["preparation", "target", "features"]
Named = TypeVar("Named", ir.Source, ir.View, ir.Function, ir.Check)
EMPTY = ir.Pipeline(name="pipeline", sources=(), origin=ir.Origin(script="", sha256="", engine=""))
FAULTS = 5
"""Faults of an answer's form that are told at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """Sources, views and functions, with the files and variables they are to reproduce."""

    sources: tuple[ir.Source, ...]
    views: tuple[ir.View, ...]
    functions: tuple[ir.Function, ...] = ()
    code: str = ""
    checks: tuple[ir.Check, ...] = ()
    outputs: tuple[ir.Output, ...] = ()
    checkpoints: tuple[ir.Checkpoint, ...] = ()

    def merge(self, base: ir.Pipeline) -> ir.Pipeline:
        """``base`` with these added; raises InputError for a name it gives another meaning."""
        origin = base.origin or EMPTY.origin
        code = "\n\n\n".join(part.strip("\n") for part in (base.code, self.code) if part.strip()) + "\n"
        return replace(
            base,
            sources=_added("source", base.sources, self.sources),
            views=_added("view", base.views, self.views),
            functions=_added("function", base.functions, self.functions),
            code=code if code.strip() else "",
            checks=_added("check", base.checks, self.checks),
            origin=replace(
                origin, outputs=origin.outputs + self.outputs, checkpoints=origin.checkpoints + self.checkpoints
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Label, split and model over the columns of a view."""

    view: str
    views: tuple[ir.View, ...] = ()
    label: str | None = None
    split: ir.Split
    model: ir.Model | None = None

    def merge(self, base: ir.Pipeline) -> ir.Pipeline:
        """``base`` with label, split and model; the matrix is not there yet."""
        label = ir.Label(column=self.label) if self.label else None
        views = _added("view", base.views, self.views)
        return replace(base, views=views, label=label, split=self.split, model=self.model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """The matrix, from left to right, and the estimator that is fitted on it."""

    view: str
    views: tuple[ir.View, ...] = ()
    featurizers: tuple[ir.Featurizer, ...]
    dtype: Literal["float64", "float32"] = "float64"
    fit: str

    def merge(self, base: ir.Pipeline) -> ir.Pipeline:
        """``base`` with the matrix; raises InputError for a view that is not there."""
        views = _added("view", base.views, self.views)
        features = ir.Features(view=self.view, featurizers=self.featurizers, dtype=self.dtype)
        origin = replace(base.origin or EMPTY.origin, fit=self.fit.rsplit(".", 1)[-1])
        return replace(base, views=views, features=features, origin=origin)


Fragment = Preparation | Target | Features
KINDS: dict[Name, type[Fragment]] = {"preparation": Preparation, "target": Target, "features": Features}
for _class in KINDS.values():
    _class.__pydantic_config__ = ConfigDict(extra="forbid", strict=False)
_ADAPTERS: dict[Name, TypeAdapter[Any]] = {name: TypeAdapter(kind) for name, kind in KINDS.items()}


def schema(name: Name) -> dict[str, Any]:
    """The JSON schema of an answer; parameters are an object.

    >>> sorted(schema("target")["required"])
    ['split', 'view']
    """
    made = _ADAPTERS[name].json_schema()
    for definition in (made, *made.get("$defs", {}).values()):
        if "params" in definition.get("properties", {}):
            definition["properties"]["params"] = {"type": "object"}
    return made


def read(name: Name, raw: Any) -> Fragment:
    """The fragment in an answer's JSON; raises InputError with the first few things that do not fit."""
    try:
        return _ADAPTERS[name].validate_python(as_held(raw))
    except ValidationError as error:
        lines = [f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors()[:FAULTS]]
        raise InputError(f"the answer does not have the form asked for: {'; '.join(lines)}") from error


def as_held(raw: Any) -> Any:
    """JSON as the pipeline holds it: lists are tuples, and parameters given as an object are pairs.

    >>> as_held({"steps": [{"kind": "bins", "params": {"edges": [1, 2]}}]})
    {'steps': ({'kind': 'bins', 'params': (('edges', (1, 2)),)},)}
    """
    if isinstance(raw, list):
        return tuple(as_held(item) for item in raw)
    if isinstance(raw, dict):
        found = {key: as_held(value) for key, value in raw.items()}
        params = found.get("params")
        return {**found, "params": tuple(params.items())} if isinstance(params, dict) else found
    return raw


def dumped(name: Name, fragment: Fragment) -> dict[str, Any]:
    """A fragment as the JSON it was read from."""
    return _ADAPTERS[name].dump_python(fragment, mode="json")


def merge(base: ir.Pipeline, fragments: Sequence[Fragment]) -> ir.Pipeline:
    """A pipeline with fragments added in turn; raises InputError where they contradict each other."""
    for fragment in fragments:
        base = fragment.merge(base)
    return base


def split_up(pipeline: ir.Pipeline) -> dict[Name, Fragment]:
    """A whole pipeline as the fragments it would have been answered in."""
    origin = pipeline.origin or EMPTY.origin
    found: dict[Name, Fragment] = {
        "preparation": Preparation(
            sources=pipeline.sources, views=pipeline.views, functions=pipeline.functions, code=pipeline.code,
            checks=pipeline.checks, outputs=origin.outputs, checkpoints=origin.checkpoints,
        )
    }  # fmt: skip
    if pipeline.features:
        view, label = pipeline.features.view, pipeline.label.column if pipeline.label else None
        found["target"] = Target(view=view, label=label, split=pipeline.split, model=pipeline.model)
        found["features"] = Features(
            view=view, featurizers=pipeline.features.featurizers, dtype=pipeline.features.dtype, fit=origin.fit or ""
        )
    return found


def _added(what: str, there: tuple[Named, ...], more: tuple[Named, ...]) -> tuple[Named, ...]:
    known = {item.name: item for item in there}
    for item in more:
        if item.name in known and known[item.name] != item:
            raise InputError(f"there is a {what} '{item.name}' already", hint="use it as it is, or give another name")
        known[item.name] = item
    return tuple(known.values())
