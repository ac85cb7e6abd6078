"""The elements of a variable, and the parts of an element that a checkpoint names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from lester_duck.errors import InputError
from lester_duck.rewrite.decode import Frame, Opaque, Record, Sparse

Row = tuple[Any, ...]
_PART = re.compile(r"\.([^.\[]+)|\[(-?\d+)\]")


class NotKept(Exception):
    """The variable, or a part of it, is not plain data, or was too large to be kept."""


def rows(value: Any, paths: Sequence[str]) -> list[Row]:
    """One tuple per element, holding the parts that ``paths`` name.

    Elements are those of ``Checkpoint``: items of a list, entries of a dict, rows of a frame; a
    scalar is one element. A part an element does not have is None. Raises NotKept for values that
    are not plain data and InputError for a path that cannot be read.

    >>> rows({"a": {"n": 1}, "b": {"n": 2}}, ["key", "value.n"])
    [('a', 1), ('b', 2)]
    >>> rows([("x", 1.5)], ["item[0]", "item[1]"])
    [('x', 1.5)]
    >>> rows(7, ["item"])
    [(7,)]
    """
    if isinstance(value, Frame):
        return _frame_rows(value, paths)
    steps = [_steps(path) for path in paths]
    return [tuple(_follow(element[root], parts) for root, parts in steps) for element in _elements(value)]


def _frame_rows(frame: Frame, paths: Sequence[str]) -> list[Row]:
    if frame.series:
        parts = [frame.index if path == "key" else frame.columns[0] for path in paths]
        return [tuple(row) for row in zip(*parts, strict=True)]
    columns = []
    for path in paths:
        name = path.removeprefix("item.")
        if path == "key":
            columns.append(frame.index)
        elif name in frame.names:
            columns.append(frame.columns[frame.names.index(name)])
        else:
            raise InputError(f"the frame has no column '{name}'", hint=f"it has {', '.join(frame.names)}")
    return [tuple(row) for row in zip(*columns, strict=True)]


def _elements(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, Opaque):
        raise NotKept(value.what)
    if isinstance(value, Sparse):
        value = value.dense()
    if isinstance(value, dict):
        return [{"key": k, "value": v} for k, v in value.items()]
    if isinstance(value, list | frozenset) or (isinstance(value, np.ndarray) and value.ndim):
        return [{"item": item} for item in (value.tolist() if isinstance(value, np.ndarray) else value)]
    if isinstance(value, tuple) and any(isinstance(v, tuple | list | dict | Record) for v in value):
        return [{"item": item} for item in value]
    return [{"item": value}]


def _steps(path: str) -> tuple[str, list[str | int]]:
    root = re.match(r"(item|key|value)(?=[.\[]|\Z)", path)
    if root is None:
        raise InputError(f"cannot read the path '{path}'", hint="paths begin with item, key or value")
    parts: list[str | int] = []
    at = root.end()
    while at < len(path):
        part = _PART.match(path, at)
        if part is None:
            raise InputError(f"cannot read the path '{path}'", hint="write item.name or item[0]")
        parts.append(part[1] if part[1] is not None else int(part[2]))
        at = part.end()
    return root[1], parts


def _follow(value: Any, parts: Sequence[str | int]) -> Any:
    for part in parts:
        if isinstance(value, Record):
            value = dict(value.fields)
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list | tuple) and isinstance(part, int):
            value = value[part] if -len(value) <= part < len(value) else None
        else:
            value = None
    if isinstance(value, Opaque):
        raise NotKept(value.what)
    return value
