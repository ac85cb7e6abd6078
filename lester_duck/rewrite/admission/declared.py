"""What a proposal declares besides SQL and Python: names, files, encodings, parameters, the model."""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import PurePosixPath
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from lester_duck.db import Database
from lester_duck.engine.plan import check_names, order_views
from lester_duck.engine.split import check_split
from lester_duck.errors import InputError, LesterError, Unsupported, one_of
from lester_duck.featurize.registry import step_of
from lester_duck.models.trusted import resolve
from lester_duck.names import check_name
from lester_duck.pipeline.codec import MANIFEST
from lester_duck.pipeline.model import Column, Function, Params, Pipeline, Source, Step
from lester_duck.rewrite.admission import bounds
from lester_duck.rewrite.admission.catalog import known
from lester_duck.rewrite.admission.statement import expression_refused
from lester_duck.rewrite.observation import Observation

_ENCODING = re.compile(
    r"(utf_8|utf_8_sig|utf_16|utf_16_le|utf_16_be|utf_32|ascii|latin_1|iso8859_\d+|cp\d+|koi8_[ru]|mac_\w+|gbk|gb2312"
    r"|gb18030|big5|shift_jis|euc_jp|euc_kr)\Z"
)
_TYPE = re.compile(r"[A-Za-z0-9_ ,()\[\]\"]+\Z")
_PLAIN_TYPES = frozenset({
    "VARCHAR", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
    "FLOAT", "DOUBLE", "BOOLEAN", "DATE", "TIME", "TIMESTAMP", "INTERVAL", "BLOB", "JSON",
})  # fmt: skip
_SPLIT_EXPRESSIONS = {"position": ("rows",), "predicate": ("train", "test")}
_DELIMITER = 8


def refused(db: Database, pipeline: Pipeline, observation: Observation) -> list[LesterError]:
    """Why the declarations of a pipeline may not be used; nothing where they may."""
    return [
        *_sizes(pipeline),
        *_texts(pipeline, "the pipeline"),
        *_names(pipeline),
        *(e for source in pipeline.sources for e in _source(db, source, observation)),
        *(e for function in pipeline.functions for e in _function(db, function)),
        *_features(pipeline),
        *_split(db, pipeline),
        *_model(pipeline),
        *_origin(pipeline, observation),
    ]


def _sizes(pipeline: Pipeline) -> Iterator[LesterError]:
    features = pipeline.features.featurizers if pipeline.features else ()
    counted: dict[str, tuple[tuple[Any, ...], int]] = {
        "sources": (pipeline.sources, bounds.SOURCES), "views": (pipeline.views, bounds.VIEWS),
        "checks": (pipeline.checks, bounds.CHECKS), "functions": (pipeline.functions, bounds.FUNCTIONS),
        "featurizers": (features, bounds.FEATURIZERS),
    }  # fmt: skip
    for what, (found, most) in counted.items():
        if len(found) > most:
            yield Unsupported(f"there are {len(found)} {what}, more than {most}", where=MANIFEST)


def _texts(value: Any, what: str) -> Iterator[LesterError]:
    """No text holds characters that a terminal, a file or a C program takes for something else."""
    waiting = [(what, value)]
    while waiting:
        what, value = waiting.pop()
        if is_dataclass(value):
            waiting += [(field.name, getattr(value, field.name)) for field in fields(value)]
        elif isinstance(value, tuple | list):
            waiting += [(what, item) for item in value]
        elif isinstance(value, str) and what not in ("null", "delimiter", "none", "params", "line_end"):
            if any((ord(char) < 32 and char not in "\n\r\t") or ord(char) in (127, 0x202E, 0x2066) for char in value):
                yield InputError(f"{what} holds a control character", where=MANIFEST)
            elif any(0xD800 <= ord(char) < 0xE000 for char in value):
                yield InputError(f"{what} holds half of a surrogate pair", where=MANIFEST)


def circles(pipeline: Pipeline) -> list[LesterError]:
    """Whether a view reads itself, straight or by others: asked of views that are admitted."""
    return list(_raised(lambda: order_views(pipeline)))


def _names(pipeline: Pipeline) -> Iterator[LesterError]:
    """Names are identifiers of sane length, used once."""
    yield from _raised(lambda: check_names(pipeline))
    views = [(view.name, f"views/{view.name}.sql") for view in pipeline.views]
    for name, where in [*((s.name, MANIFEST) for s in pipeline.sources), *views]:
        if len(name) > bounds.NAME:
            yield InputError(f"the name {name[:20]!r}... has more than {bounds.NAME} characters", where=where)
        elif name.lower() in known().relations:
            yield InputError(f"the name {name!r} is one of the engine's own", where=where, hint="rename it")
    twice = [f.name.lower() for f in pipeline.functions]
    for function in pipeline.functions:
        if len(function.name) > bounds.NAME or twice.count(function.name.lower()) > 1:
            yield InputError(f"the function name {function.name[:20]!r} is too long or used twice", where=MANIFEST)
        elif function.name.lower() in known().every:
            yield InputError(
                f"the function '{function.name}' has the name of a function of DuckDB", where=MANIFEST, hint="rename it"
            )


def _raised(check: Callable[[], Any]) -> Iterator[LesterError]:
    try:
        check()
    except LesterError as error:
        yield error


def _source(db: Database, source: Source, observation: Observation) -> Iterator[LesterError]:
    where = f"{MANIFEST} [[source]] {source.name}"
    yield from _path(source.path, observation.reads, "source", "reads", where)
    if source.format == "table" and source.path is not None:
        yield from _raised(lambda: check_name(source.name, "source", where))
    try:
        encoding = codecs.lookup(source.encoding).name.replace("-", "_") if len(source.encoding) < bounds.NAME else ""
    except (LookupError, ValueError):
        encoding = ""
    if not _ENCODING.match(encoding):
        yield InputError(f"the encoding {source.encoding[:40]!r} is not one of text", where=where, hint="such as utf-8")
    if not 1 <= len(source.delimiter) <= _DELIMITER or any(char in source.delimiter for char in "\n\r\0"):
        yield InputError(f"the delimiter {source.delimiter[:20]!r} is not usable", where=where)
    elif source.format == "csv" and source.quoting and (len(source.delimiter) > 1 or source.delimiter == '"'):
        yield InputError(f"the delimiter {source.delimiter!r} is not one character", where=where)
    if not 0 <= source.skip <= bounds.VALUES:
        yield InputError(f"skip = {source.skip} is not usable", where=where)
    if len(source.columns) > bounds.COLUMNS:
        yield Unsupported(f"there are {len(source.columns)} columns, more than {bounds.COLUMNS}", where=where)
    for column in source.columns[: bounds.COLUMNS]:
        yield from _column(db, column, where)


def _path(path: str | None, seen: tuple[str, ...], what: str, did: str, where: str) -> Iterator[LesterError]:
    """A path the original was seen to use, and no other."""
    if path is not None and path in seen and _inside(path):
        return
    listed = f"of files the original {did} there are: {', '.join(seen) or 'none'}"
    if path is None:
        yield InputError(f"the {what} names no file", where=where, hint=listed)
    elif not _inside(path):
        yield InputError(f"the path '{path[:200]}' leads outside of the script's folder", where=where, hint=listed)
    else:
        yield InputError(f"the original {did} no file '{path[:200]}'", where=where, hint=listed)


def _inside(path: str) -> bool:
    """Whether a path is relative, without steps upwards, a scheme or a backslash.

    >>> _inside("data/a.csv"), _inside("../a.csv"), _inside("https://a/b"), _inside("/etc/passwd")
    (True, False, False, False)
    """
    pure = PurePosixPath(path)
    outside = pure.is_absolute() or ".." in pure.parts or "://" in path
    return bool(path) and not outside and path[0] not in "~\\"


def _column(db: Database, column: Column, where: str) -> Iterator[LesterError]:
    if not column.name or len(column.name) > bounds.LABEL:
        yield InputError(f"the column name {column.name[:20]!r} is empty or too long", where=where)
    if column.type:
        yield from _type(db, column.type, f"column '{column.name[:40]}'", where)


def _type(db: Database, text: str, what: str, where: str) -> Iterator[LesterError]:
    """A type's name, and nothing that ends it and goes on."""
    said = InputError(f"{what} has the unknown type {text[:60]!r}", where=where, hint="such as VARCHAR, BIGINT, DOUBLE")
    if text.upper() in _PLAIN_TYPES:
        return
    deep = max(text.count("("), text.count("[")) > bounds.BRACKETS
    if deep or len(text) > bounds.LABEL * 4 or not _TYPE.match(text):
        yield said
        return
    try:
        kind = exp.DataType.build(text, dialect="duckdb")
        whole = sqlglot.parse_one(f"CAST(NULL AS {text})", dialect="duckdb")
    except (SqlglotError, ValueError):
        yield said
        return
    if not isinstance(whole, exp.Cast) or whole.to != kind or expression_refused(db, f"CAST(NULL AS {text})", where):
        yield said


def _function(db: Database, function: Function) -> Iterator[LesterError]:
    where = f"{MANIFEST} [[function]] {function.name}"
    for column in function.arguments:
        yield from _column(db, column, where)
    yield from _type(db, function.returns, "the result", where)
    if not function.pure:
        said = f"'{function.name}' is declared as not pure"
        yield Unsupported(said, where=where, hint="let it depend on its arguments alone")


def _features(pipeline: Pipeline) -> Iterator[LesterError]:
    if pipeline.features is None:
        return
    functions = {function.name: function for function in pipeline.functions}
    names = [featurizer.name for featurizer in pipeline.features.featurizers]
    for featurizer in pipeline.features.featurizers:
        where = f"{MANIFEST} [[featurizer]] {featurizer.name[: bounds.NAME]}"
        if not 0 < len(featurizer.name) <= bounds.NAME or names.count(featurizer.name) > 1:
            yield InputError(f"the name {featurizer.name[:20]!r} is empty, too long or used twice", where=where)
        for step in featurizer.steps:
            found = list(_params(step.params, where))
            yield from found or _step(step, functions, where)


def _step(step: Step, functions: dict[str, Function], where: str) -> Iterator[LesterError]:
    if step.kind == "function" and step.get("function") not in functions:
        yield InputError(one_of("declared function", str(step.get("function")), functions), where=where)
    try:
        step_of(step)
    except LesterError as error:
        error.where = error.where or where
        yield error
    except (TypeError, ValueError) as error:
        yield InputError(f"{step.kind}: parameters do not fit: {error}", where=where)


def _params(params: Params, where: str) -> Iterator[LesterError]:
    """Parameters are what JSON can say, of bounded size."""
    waiting: list[tuple[Any, int]] = [(value, 1) for _, value in params]
    met = 0
    while waiting:
        value, depth = waiting.pop()
        met += 1
        if isinstance(value, tuple | list):
            waiting += [(item, depth + 1) for item in value]
        elif not isinstance(value, str | int | float | bool | None):
            yield InputError(f"a parameter is a {type(value).__name__}, not a text, number or list", where=where)
            return
        if depth > bounds.NESTED or met > bounds.VALUES or (isinstance(value, str) and len(value) > bounds.TEXT):
            yield Unsupported("a parameter is too large", where=where)
            return


def _split(db: Database, pipeline: Pipeline) -> Iterator[LesterError]:
    split, where = pipeline.split, f"{MANIFEST} [split]"
    found = [*_params(split.params, where), *_raised(lambda: check_split(split))]
    yield from found
    for name in _SPLIT_EXPRESSIONS.get(split.kind, ()) if not found else ():
        text = split.get(name)
        if text is not None:
            yield from expression_refused(db, str(text), f"{where} {name}")
    for name in ("train_size", "test_size"):
        size = split.get(name)
        if isinstance(size, float) and not math.isfinite(size):
            yield InputError(f"{name} is {size}", where=where)


def _model(pipeline: Pipeline) -> Iterator[LesterError]:
    if pipeline.model is None:
        return
    where = f"{MANIFEST} [model]"
    yield from _params(pipeline.model.params, where)
    for error in _raised(lambda: resolve(pipeline.model.estimator)):
        error.where = where
        yield error


def _origin(pipeline: Pipeline, observation: Observation) -> Iterator[LesterError]:
    """Only files the original wrote are claimed, and variables that are names."""
    if pipeline.origin is None:
        return
    for output in pipeline.origin.outputs:
        where = f"{MANIFEST} [[origin.output]]"
        yield from _path(output.path, observation.writes, "output", "wrote", where)
    for checkpoint in pipeline.origin.checkpoints:
        if not checkpoint.variable.isidentifier() or len(checkpoint.variable) > bounds.LABEL:
            yield InputError(
                f"the checkpoint's variable {checkpoint.variable[:40]!r} is no name",
                where=f"{MANIFEST} [[origin.checkpoint]]",
            )
