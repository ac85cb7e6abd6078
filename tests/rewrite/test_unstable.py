"""Where two runs begin to differ: what differs only until it is filled is no cause."""

from __future__ import annotations

from pathlib import Path

from lester_duck.rewrite.code import Code
from lester_duck.rewrite.observation import Observation, Snapshot
from lester_duck.rewrite.unstable import causes


def run(*seen: tuple[str, int, object]) -> Observation:
    """A run that left these variables after these lines."""
    snapshots = tuple(
        Snapshot(variable=name, first=line, last=line, value=i, at=i) for i, (name, line, _) in enumerate(seen)
    )
    return Observation(
        folder=Path(), out=Path(), reads=(), writes=(), rereads=(), wrote_at=(), calls=(), snapshots=snapshots,
        repeated=frozenset(), failure=None, stopped=False, seconds=0.0, values=tuple(x for _, _, x in seen),
    )  # fmt: skip


CODE = Code(name="script.py", text="X = np.empty(2)\nX[:] = values\ny = X.sum()\n")


def test_an_array_that_is_filled_is_no_cause() -> None:
    assert causes(CODE, run(("X", 1, 5), ("X", 2, 1)), run(("X", 1, 7), ("X", 2, 1))) == ()


def test_an_array_that_stays_different_is_the_cause() -> None:
    found = causes(CODE, run(("X", 1, 5), ("X", 2, 1)), run(("X", 1, 7), ("X", 2, 2)))
    assert len(found) == 1
    assert "what was in memory" in found[0]
