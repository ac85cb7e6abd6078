"""Runs of untrusted programs: what a run is, what it may use, how it ended.

How a process is confined is ``lester_duck.confine``'s matter; how runs are served is
``lester_duck.rewrite.serving``'s.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event

from lester_duck import confine
from lester_duck.confine import Interpreter
from lester_duck.confine import Level as SandboxLevel
from lester_duck.errors import InputError

__all__ = ["Interpreter", "Job", "Limits", "SandboxLevel", "Status", "environment", "interpreter", "level", "run_jobs"]

TRUSTED = SandboxLevel(network=False, processes=False, trusted=True)
"""What ``--trust`` asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one run may use: seconds of wall clock and CPU, bytes, numbers.

    ``memory`` binds each of its processes and all together; ``file`` one file, ``disk`` what is
    written in all.
    """

    wall: float = 120.0
    cpu: int = 120
    memory: int = 6 * 2**30
    file: int = 2 * 2**30
    disk: int = 8 * 2**30
    processes: int = 256
    files: int = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run of a script: ``folder`` is its scratch copy, ``out`` receives the record."""

    folder: Path
    out: Path
    script: str
    shift: float = 0.0
    """Seconds the run's clock is ahead."""
    stop: str | None = None
    """Class name of the estimator at whose fit the run may end."""
    variables: bool = True
    names: tuple[str, ...] | None = None
    """Variables that are kept; None for all."""
    fit: str | None = None
    """With ``names``: class name of the estimator whose fits are kept."""
    limits: Limits = field(default_factory=Limits)

    def as_request(self) -> dict:
        """The job as the child reads it."""
        request = {**asdict(self), "folder": str(self.folder), "out": str(self.out)}
        return {**request, "stop": {"estimator": self.stop} if self.stop else None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How a job ended: exit code (negative: signal), seconds, and whether its time ran out.

    ``cause`` says what ended it from outside when that was neither: ``memory``, ``disk``, or
    ``gone`` when the process that serves runs was ended with it.
    """

    exit: int
    seconds: float
    timeout: bool
    cause: str = ""


def level(trust: bool = False) -> SandboxLevel:
    """The strongest level this system allows; none at all when the original is trusted."""
    return TRUSTED if trust else confine.level()


def run_jobs(
    jobs: Sequence[Job],
    *,
    python: str | Interpreter,
    preimport: Sequence[str],
    hash_seed: int,
    reached: SandboxLevel,
    cancel: Event,
) -> list[Status | None]:
    """Run jobs one after the other in one sandbox of their own; None stands for a job that was never started.

    Setting ``cancel`` (from another thread) ends the sandbox. Raises InputError when the interpreter
    cannot be started. Whatever happens (Ctrl-C included), no process of the sandbox is left.
    """
    from lester_duck.rewrite.serving import Server

    if not jobs:
        return []
    for job in jobs:  # what is not there when the sandbox is made is not there in it
        job.out.mkdir(parents=True, exist_ok=True)
    served = python if isinstance(python, Interpreter) else confine.interpreter(python)
    places = tuple(dict.fromkeys(str(path) for job in jobs for path in (job.folder, job.out)))
    server = Server(served, tuple(preimport), hash_seed, reached, cancel)
    try:
        return server.run(jobs, places)
    finally:
        server.close()


def environment(python: str, home: Path, hash_seed: int, reached: SandboxLevel | None = None) -> dict[str, str]:
    """The whole environment of a sandboxed run; only the time zone is the user's. A trusted run keeps the user's."""
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ARROW_NUM_THREADS", "LOKY_MAX_CPU_COUNT")
    made = {
        "PATH": os.pathsep.join([str(Path(python).parent), os.defpath]),
        "HOME": str(home),
        "TMPDIR": str(home),
        "LC_ALL": "C.UTF-8",
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        "PYTHONHASHSEED": str(hash_seed),
        **dict.fromkeys(threads, "1"),
        **({"TZ": os.environ["TZ"]} if "TZ" in os.environ else {}),
    }
    return {**made, **os.environ, "PYTHONHASHSEED": str(hash_seed)} if reached and reached.trusted else made


def interpreter(python: str | None) -> Interpreter:
    """The interpreter that runs the original: the given one, or this one. Raises InputError when it does not run."""
    if python is None:
        return confine.interpreter(sys.executable)
    found = shutil.which(python)
    if found is None:
        raise InputError(f"no Python interpreter '{python}'", hint="give the path of an executable with --python PATH")
    return confine.interpreter(str(Path(found).absolute()))
