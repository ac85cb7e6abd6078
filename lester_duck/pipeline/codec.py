"""The pipeline folder <-> the IR.

``pipeline.toml`` holds everything but SQL and Python; ``views/<name>.sql`` holds one SELECT each
(leading ``--`` lines are its comment); ``functions.py`` holds the declared functions.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ConfigDict, TypeAdapter, ValidationError

from lester_duck.errors import InputError, one_of
from lester_duck.pipeline import model as ir

MANIFEST = "pipeline.toml"
FUNCTIONS = "functions.py"
VIEWS = "views"

_SECTIONS = {
    "source": "sources",
    "function": "functions",
    "check": "checks",
    "features": "features",
    "featurizer": "featurizers",
    "label": "label",
    "split": "split",
    "model": "model",
    "review": "review",
    "origin": "origin",
}
_WITH_PARAMS = {"split": "kind", "model": "estimator", "step": "kind"}
_NONE = {"python": "None"}

for _class in (
    ir.Column, ir.Source, ir.View, ir.Function, ir.Step, ir.Featurizer, ir.Features, ir.Label, ir.Split,
    ir.Model, ir.Output, ir.Checkpoint, ir.Origin, ir.Check, ir.Review, ir.Pipeline,
):  # fmt: skip
    _class.__pydantic_config__ = ConfigDict(extra="forbid", strict=False)
_ADAPTER = TypeAdapter(ir.Pipeline)


def adapter() -> TypeAdapter[ir.Pipeline]:
    """The pydantic adapter of the IR: validation and JSON schema for structured answers."""
    return _ADAPTER


def load(folder: str | Path) -> ir.Pipeline:
    """Read a pipeline folder.

    Raises InputError naming file and line when a file is missing or says something unknown.
    """
    folder = Path(folder)
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise InputError(
            f"no {MANIFEST} in '{folder}'", hint="give a pipeline folder, or make one with lester-duck init"
        )
    views = {path.stem: path.read_text(encoding="utf-8") for path in sorted((folder / VIEWS).glob("*.sql"))}
    code = folder / FUNCTIONS
    return from_texts(
        manifest.read_text(encoding="utf-8"), views, code.read_text(encoding="utf-8") if code.is_file() else ""
    )


def from_texts(manifest: str, views: Mapping[str, str], code: str) -> ir.Pipeline:
    """Build the IR from the texts of ``pipeline.toml``, of each view's file, and of ``functions.py``."""
    try:
        document = tomllib.loads(manifest)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"not valid TOML: {error}", where=MANIFEST) from None
    return _build(document, [{"name": name, **parse_view(text)} for name, text in views.items()], code, manifest)


def _build(document: dict[str, Any], views: list[dict[str, str]], code: str, text: str) -> ir.Pipeline:
    raw: dict[str, Any] = {"views": views, "code": code}
    for section, content in document.items():
        if section == "name":
            raw["name"] = content
        elif section in _SECTIONS:
            raw[_SECTIONS[section]] = _decode_section(section, content, text)
        else:
            raise InputError(one_of("section", section, ["name", *_SECTIONS]), where=_where(text, section))
    if "name" not in raw:
        raise InputError("the pipeline has no name", where=MANIFEST, hint='begin the file with: name = "..."')
    raw.setdefault("sources", [])
    featurizers = raw.pop("featurizers", [])
    if "features" in raw:
        raw["features"]["featurizers"] = featurizers
    elif featurizers:
        raise InputError("featurizers without features", where=MANIFEST, hint='add [features] with view = "..."')
    try:
        return _ADAPTER.validate_python(raw)
    except ValidationError as error:
        raise _explain(error, text) from None


def _decode_section(section: str, content: Any, text: str) -> Any:
    if section in ("source", "function", "check", "featurizer"):
        if not isinstance(content, list):
            raise InputError(f"[{section}] must be written [[{section}]]", where=_where(text, section))
        return [_decode_item(section, dict(item)) for item in content]
    if not isinstance(content, dict):
        raise InputError(f"{section} must be a table", where=_where(text, section), hint=f"write [{section}]")
    return _decode_item(section, dict(content))


def _decode_item(section: str, item: dict[str, Any]) -> dict[str, Any]:
    if section == "source" and isinstance(item.get("columns"), list):
        item["columns"] = [_decode_column(c) for c in item["columns"]]
    elif section == "function" and isinstance(item.get("arguments"), list):
        item["arguments"] = [_decode_column(c) for c in item["arguments"]]
    elif section == "featurizer":
        if "steps" in item:
            item["steps"] = [_with_params("step", s) for s in item["steps"]]
        else:
            own = {k: item.pop(k) for k in ("name", "columns", "fit") if k in item}
            item = {**own, "steps": [_with_params("step", item)]}
    elif section in _WITH_PARAMS:
        return _with_params(section, item)
    elif section == "review" and isinstance(item.get("thresholds"), dict):
        item["thresholds"] = tuple(item["thresholds"].items())
    elif section == "origin":
        item["outputs"] = item.pop("output", [])
        item["checkpoints"] = item.pop("checkpoint", [])
    return item


def _decode_column(column: Any) -> Any:
    if not isinstance(column, str):
        return column
    name, _, type_ = column.partition(" ")
    return {"name": name, "type": type_.strip() or "VARCHAR"}


def _with_params(section: str, item: dict[str, Any]) -> dict[str, Any]:
    head = _WITH_PARAMS[section]
    params = tuple((key, _freeze(value)) for key, value in item.items() if key != head)
    return {**({head: item[head]} if head in item else {}), "params": params}


def _freeze(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_freeze(v) for v in value)
    return None if value == _NONE else value


def _thaw(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_thaw(v) for v in value]
    return _NONE if value is None else value


def parse_view(text: str) -> dict[str, str]:
    """Divide the text of a view's file into its leading comment and its SQL.

    >>> parse_view("-- kept rows\\n-- line 3\\nSELECT 1 AS a;\\n")
    {'comment': 'kept rows\\nline 3', 'sql': 'SELECT 1 AS a'}
    """
    lines = text.splitlines()
    count = 0
    while count < len(lines) and lines[count].startswith("--"):
        count += 1
    comment = "\n".join(re.sub(r"^-- ?", "", line) for line in lines[:count])
    return {"comment": comment, "sql": "\n".join(lines[count:]).strip().rstrip(";").rstrip()}


def render_view(view: ir.View) -> str:
    """The text of a view's file."""
    comment = "".join(f"-- {line}".rstrip() + "\n" for line in view.comment.splitlines())
    return f"{comment}{view.sql}\n"


def view_line(view: ir.View, line: int) -> int:
    """The line of the view's file that holds line ``line`` (from 1) of its SQL."""
    return len(view.comment.splitlines()) + line


def dump(pipeline: ir.Pipeline, folder: str | Path) -> None:
    """Write a pipeline folder; view files of the folder that the pipeline does not have are removed."""
    folder = Path(folder)
    (folder / VIEWS).mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).write_text(render_manifest(pipeline), encoding="utf-8")
    names = {view.name for view in pipeline.views}
    for path in (folder / VIEWS).glob("*.sql"):
        if path.stem not in names:
            path.unlink()
    for view in pipeline.views:
        (folder / VIEWS / f"{view.name}.sql").write_text(render_view(view), encoding="utf-8")
    if pipeline.code:
        (folder / FUNCTIONS).write_text(pipeline.code, encoding="utf-8")
    else:
        (folder / FUNCTIONS).unlink(missing_ok=True)


def render_manifest(pipeline: ir.Pipeline) -> str:
    """The text of ``pipeline.toml``; fields that hold their default are left out."""
    document: dict[str, Any] = {"name": pipeline.name}
    _put(document, "source", [_encode(s) for s in pipeline.sources])
    _put(document, "function", [_encode(f) for f in pipeline.functions])
    _put(document, "check", [_encode(c) for c in pipeline.checks])
    if pipeline.features:
        document["features"] = {"view": pipeline.features.view, "dtype": pipeline.features.dtype}
        _put(document, "featurizer", [_encode_featurizer(f) for f in pipeline.features.featurizers])
    if pipeline.label:
        document["label"] = _encode(pipeline.label)
    if pipeline.split != ir.Split():
        document["split"] = {"kind": pipeline.split.kind, **_params(pipeline.split.params)}
    if pipeline.model:
        document["model"] = {"estimator": pipeline.model.estimator, **_params(pipeline.model.params)}
    if pipeline.review:
        document["review"] = {**_encode(pipeline.review), **_thresholds(pipeline.review)}
    if pipeline.origin:
        origin = _encode(pipeline.origin)
        _put(origin, "output", origin.pop("outputs", []))
        _put(origin, "checkpoint", origin.pop("checkpoints", []))
        document["origin"] = origin
    # TOML reads a line end in a multi-line string as a plain newline, and a carriage return would be lost
    return tomli_w.dumps(document, multiline_strings="\\r" not in json.dumps(document, default=str))


def _put(document: dict[str, Any], key: str, items: list[Any]) -> None:
    if items:
        document[key] = items


def _params(params: ir.Params) -> dict[str, Any]:
    return {key: _thaw(value) for key, value in params}


def _thresholds(review: ir.Review) -> dict[str, Any]:
    return {"thresholds": _params(review.thresholds)} if review.thresholds else {}


def _encode_featurizer(featurizer: ir.Featurizer) -> dict[str, Any]:
    steps = [{"kind": s.kind, **_params(s.params)} for s in featurizer.steps]
    head = {"name": featurizer.name, "columns": list(featurizer.columns)}
    fit = {"fit": featurizer.fit} if featurizer.fit != "train" else {}
    return {**head, **fit, **(steps[0] if len(steps) == 1 else {"steps": steps})}


def _encode(value: Any) -> dict[str, Any]:
    """A dataclass as a TOML table: defaults and ``None`` left out, columns as 'name TYPE'."""
    fields = type(value).__dataclass_fields__
    table = {}
    for name, content in asdict(value).items():
        if content is None or content == fields[name].default:
            continue
        if name in ("columns", "arguments") and content and isinstance(content[0], dict):
            content = [_encode_column(c) for c in content]
        elif name in ("outputs", "checkpoints"):
            content = [_encode(v) for v in getattr(value, name)]
        table[name] = _thaw(content) if not isinstance(content, list) else content
    return table


def _encode_column(column: dict[str, str]) -> Any:
    if re.search(r"\s", column["name"]) or not column["name"]:
        return column
    return column["name"] if column["type"] == "VARCHAR" else f"{column['name']} {column['type']}"


def _where(text: str, *keys: str | int) -> str:
    """File and line of a section (``source``), of its n-th item, or of a key in it."""
    section = next((k for k in keys if isinstance(k, str)), "")
    index = next((k for k in keys if isinstance(k, int)), 0)
    leaf = keys[-1] if isinstance(keys[-1], str) and keys[-1] != section else None
    lines = text.splitlines()
    heads = [i for i, line in enumerate(lines) if re.match(rf"\s*(\[\[?{section}\b|{section}\s*=)", line)]
    if not heads:
        return MANIFEST
    start = heads[min(index, len(heads) - 1)]
    if leaf:
        for number in range(start + 1, len(lines)):
            if lines[number].startswith("["):
                break
            if re.match(rf"\s*{re.escape(leaf)}\s*=", lines[number]):
                return f"{MANIFEST}:{number + 1}"
    return f"{MANIFEST}:{start + 1}"


def _explain(error: ValidationError, text: str) -> InputError:
    first = error.errors()[0]
    back = {plural: section for section, plural in _SECTIONS.items()}
    path = first["loc"]
    keys = [back.get(p, p) if isinstance(p, str) else p for p in path]
    if keys[:2] == ["features", "featurizer"]:
        keys = keys[1:]
    what = ".".join(str(k) for k in keys if not isinstance(k, int)) or "the pipeline"
    return InputError(f"{what}: {first['msg'].lower()}", where=_where(text, *keys) if keys else MANIFEST)
