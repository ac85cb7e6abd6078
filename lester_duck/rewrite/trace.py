"""The source rows behind a difference."""

from __future__ import annotations

from typing import Any

from lester_duck.pipeline.model import Output
from lester_duck.rewrite.compare import Mismatch
from lester_duck.rewrite.points import Point


def source_rows(point: Point, mismatch: Mismatch, executed: Any) -> tuple[str, ...]:
    """The source rows behind the first value of a view that differs, where the executor can say."""
    trace = getattr(executed, "source_rows", None)
    if trace is None or mismatch.kind != "value" or mismatch.row is None or isinstance(point.claim, str):
        return ()
    header = isinstance(point.claim, Output) and point.claim.header is not None
    return trace(point.view, mismatch.row - header)
