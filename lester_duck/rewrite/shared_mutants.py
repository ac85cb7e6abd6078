"""Mutants tried by two processes at once, each on a share of its own.

The second one is this module run as a program: it reads its task from standard input and writes its
outcome to standard output, both pickled by this package and by nothing else.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Thread

from lester_duck.errors import InternalError
from lester_duck.pipeline.model import Pipeline
from lester_duck.rewrite.mutants import Judged, Outcome, Progress, judge_mutants

PROCESSES = 2
GRACE = 30.0
"""Seconds that the second process may take beyond its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the second process is asked."""

    pipeline: Pipeline
    inputs: tuple[Judged, ...]
    number: int | None
    seconds: float
    share: tuple[int, int]


def judge_shared(
    pipeline: Pipeline, inputs: Sequence[Judged], *, number: int | None, seconds: float, progress: Progress
) -> Outcome:
    """``judge_mutants`` by as many processes as the machine has cores for, two at most.

    Raises a LesterError when the pipeline itself does not run.
    """
    processes = min(PROCESSES, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1)
    if processes == 1:
        return judge_mutants(pipeline, inputs, number=number, seconds=seconds, progress=progress)
    task = Task(pipeline=pipeline, inputs=tuple(inputs), number=number, seconds=seconds, share=(1, processes))
    other = _Other(task)
    try:
        own = judge_mutants(pipeline, inputs, number=number, seconds=seconds, progress=progress, share=(0, processes))
        return own + other.outcome(seconds + GRACE)
    finally:
        other.end()


class _Other:
    """The second process, its pipes served by a thread."""

    def __init__(self, task: Task) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._said: tuple[bytes, bytes] = (b"", b"")
        self._thread = Thread(target=self._talk, args=(pickle.dumps(task),), daemon=True)
        self._thread.start()

    def _talk(self, task: bytes) -> None:
        self._said = self._process.communicate(task)

    def outcome(self, seconds: float) -> Outcome:
        """What it found; raises InternalError when it did not end well."""
        self._thread.join(seconds)
        if self._process.poll() != 0:
            lines = self._said[1].decode("utf-8", "replace").strip().splitlines() or ["it did not end in its time"]
            raise InternalError(f"the second process that tries mutants: {lines[-1]}")
        return pickle.loads(self._said[0])

    def end(self) -> None:
        """End the process if it is still there."""
        if self._process.poll() is None:
            self._process.kill()
        self._thread.join()


def main() -> None:
    """Read a task, try its mutants, write the outcome."""
    task: Task = pickle.load(sys.stdin.buffer)
    answers, sys.stdout = sys.stdout.buffer, sys.stderr
    outcome = judge_mutants(
        task.pipeline, task.inputs, number=task.number, seconds=task.seconds, progress=_silent, share=task.share
    )
    pickle.dump(outcome, answers)


def _silent(_: str) -> None:
    """Only the first process reports progress."""


if __name__ == "__main__":
    main()
