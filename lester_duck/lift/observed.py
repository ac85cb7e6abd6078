"""What one run of the original was seen to do: the translator's evidence, filled by the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """One outermost call of an estimator's method by the user's code.

    ``estimator`` is the class name (``MLPClassifier``), ``method`` is ``fit``, ``fit_transform``,
    ``transform``, ``predict`` or ``score``, ``line`` the line of the call (from 1); the shapes are
    those of the first two arguments, ``()`` where an argument was absent or has no shape.
    """

    estimator: str
    method: str
    line: int
    x_shape: tuple[int, ...] = ()
    y_shape: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One run of a script.

    ``folder`` holds the files the script read, under the relative paths of ``reads``: input files
    and, at the end, ``rereads``, files it wrote before. ``variables`` maps (module variable, last
    line of a top-level loop, with or try statement) to a snapshot in plain Python data; snapshots
    may be missing.
    """

    folder: Path
    reads: tuple[str, ...] = ()
    rereads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    fits: tuple[Fit, ...] = ()
    variables: Mapping[tuple[str, int], Any] = field(default_factory=dict)

    def is_own(self, path: str) -> bool:
        """Whether the script read a file only after it wrote it itself: no input, then."""
        return path in self.rereads and path not in self.reads[: len(self.reads) - len(self.rereads)]
