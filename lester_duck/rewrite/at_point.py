"""Compare a run of a pipeline with what the original had at one observation point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa

from lester_duck.errors import InputError, one_of
from lester_duck.pipeline.model import Output, Pipeline
from lester_duck.rewrite import render
from lester_duck.rewrite.compare import (
    TOLERANCE,
    TOLERANCE_32,
    Mismatch,
    compare_matrix,
    compare_rows,
    missing_texts,
    sort_rows,
    without_nan,
)
from lester_duck.rewrite.files_text import compare_files
from lester_duck.rewrite.points import TESTED, Expected, NotReached, Point


class Executed(Protocol):
    """A pipeline that has been run."""

    def view(self, name: str) -> pa.Table:
        """The user columns of a view, rows in view order."""

    def matrix(self, part: str = "train") -> np.ndarray:
        """A part of the matrix (train, test or all) in order, rows x columns."""

    def columns(self) -> Sequence[str]:
        """A name for each column of the matrix, beginning with its featurizer's."""

    def labels(self) -> np.ndarray:
        """The labels of the train part, in the order of the matrix."""


def compare_at(
    pipeline: Pipeline, point: Point, want: Expected, executed: Executed, *, ordered: bool
) -> Mismatch | None:
    """The first difference of a run from what the original had at a point, or None.

    Raises NotReached where the original shows nothing of it, InputError where the pipeline lacks a column.
    """
    if point.claim == "X":
        return _compare_x(pipeline, want.matrix, executed, ordered=ordered)
    if point.claim == TESTED:
        return _compare_tested(pipeline, want.matrices, executed)
    if point.claim == "y":
        found = tuple((v,) for v in np.asarray(executed.labels()).tolist())
        return compare_rows(without_nan(want.rows), without_nan(found), ("y",), ordered=ordered)
    table = executed.view(point.view)
    if isinstance(point.claim, Output):
        return compare_files(point.claim, want.text or "", render.render(point.claim, table), ordered=ordered)
    for name in want.names:
        if name not in table.column_names:
            raise InputError(one_of("column", name, table.column_names), where=f"view {point.view}")
    columns = [table.column(name).to_pylist() for name in want.names]
    found = list(zip(*columns, strict=True))
    rows = missing_texts(want.rows)
    if want.frame:
        rows, found = without_nan(rows), without_nan(found)
    return compare_rows(rows, found, want.names, ordered=ordered and point.claim.ordered and not want.bag)


def _tolerance(pipeline: Pipeline) -> float:
    narrow = pipeline.features is not None and pipeline.features.dtype == "float32"
    return TOLERANCE_32 if narrow else TOLERANCE


def _compare_tested(pipeline: Pipeline, given: Sequence[np.ndarray], executed: Executed) -> Mismatch | None:
    """The test part (or all rows) against what was given to predict and score: it must be among them.

    Raises NotReached where nothing can be said: several other matrices were given (a third part of the
    rows, say), or only some of the rows.
    """
    names, tolerance = tuple(executed.columns()), _tolerance(pipeline)
    test, everything = (np.asarray(executed.matrix(part), dtype=float) for part in ("test", "all"))
    for part in (test, everything):
        if any(compare_matrix(want, part, names, tolerance) is None for want in given):
            return None
    if len(given) > 1 or len(given[0]) < len(test):
        raise NotReached("none of the matrices given is a part of the pipeline")
    return compare_matrix(given[0], test, names, tolerance)


def _compare_x(pipeline: Pipeline, want: np.ndarray, executed: Executed, *, ordered: bool) -> Mismatch | None:
    found = np.asarray(executed.matrix(), dtype=float)
    tolerance = _tolerance(pipeline)
    if want.shape == (0, 0) and not len(found):
        return None  # no rows, given as an empty list: it says nothing of columns
    if not ordered and want.shape == found.shape:
        want, found = sort_rows(want), sort_rows(found)
    return compare_matrix(want, found, tuple(executed.columns()), tolerance)
