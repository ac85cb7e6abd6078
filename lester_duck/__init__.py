"""lester-duck: messy Python data preparation as DuckDB views, with provenance, kept true while the data changes.

    import lester_duck as ld
    pipeline = ld.rewrite("script.py").pipeline
    run = ld.run(pipeline, "creditcard.duckdb")

The functions live in ``lester_duck.api``; they are looked up when first used, so that
``import lester_duck`` (and the help of the command line) stays light. ``lester_duck.rewrite`` is also the name
of a subpackage, which can be called in the same way.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["Typed", "check", "load", "open", "rewrite", "run", "verify"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("lester_duck.api"), name)
    raise AttributeError(f"module 'lester_duck' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
