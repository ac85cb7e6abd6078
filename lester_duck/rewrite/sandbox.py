"""Processes that run untrusted programs: limits, an empty environment, no network where possible.

Python cannot be confined from inside, so the confinement is the operating system's: a process of
its own in a session of its own, resource limits, and, where the system lets a user make them,
namespaces without a network and with processes that die together. The level reached is a value.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event
from typing import BinaryIO

from lester_duck.errors import InputError

CHILD = Path(__file__).with_name("child.py")
_ISOLATE = ("--user", "--map-root-user", "--net")
_TOGETHER = ("--pid", "--fork", "--kill-child=KILL")
_START_SECONDS = 60.0
POLL = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one run may use: seconds of wall clock and CPU, bytes of memory and per file, processes."""

    wall: float = 120.0
    cpu: int = 120
    memory: int = 6 * 2**30
    file: int = 2 * 2**30
    processes: int = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxLevel:
    """What kept the original away from the rest of the system."""

    network: bool
    """True when the run had no network."""
    processes: bool
    """True when every process it started was bound to end with it."""

    def describe(self) -> str:
        """One line for the report.

        >>> SandboxLevel(network=False, processes=False).describe()
        'scratch copy, empty environment, limits; network open, other files readable'
        """
        apart = [w for w, on in (("no network", self.network), ("own process space", self.processes)) if on]
        left = [] if self.network else ["network open"]
        return (
            ", ".join(["scratch copy", "empty environment", "limits", *apart])
            + "; "
            + ", ".join([*left, "other files readable"])
        )


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
    limits: Limits = field(default_factory=Limits)

    def as_request(self) -> dict:
        """The job as the child reads it."""
        request = {**asdict(self), "folder": str(self.folder), "out": str(self.out)}
        return {**request, "stop": {"estimator": self.stop} if self.stop else None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How a job ended: exit code (negative: signal), seconds, and whether its time ran out."""

    exit: int
    seconds: float
    timeout: bool


def level() -> SandboxLevel:
    """The strongest level this system allows."""
    together = _works((*_ISOLATE, *_TOGETHER))
    return SandboxLevel(network=together or _works(_ISOLATE), processes=together)


def _works(flags: Sequence[str]) -> bool:
    tool = shutil.which("unshare")
    if tool is None:
        return False
    probe = subprocess.run([tool, *flags, "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return probe.returncode == 0


def run_jobs(
    jobs: Sequence[Job], *, python: str, preimport: Sequence[str], hash_seed: int, reached: SandboxLevel, cancel: Event
) -> list[Status | None]:
    """Run jobs one after the other in one sandbox; None stands for a job that was never started.

    Setting ``cancel`` (from another thread) ends the sandbox. Raises InputError when the interpreter
    cannot be started. Whatever happens (Ctrl-C included), no process of the sandbox is left.
    """
    if not jobs:
        return []
    for job in jobs:
        job.out.mkdir(parents=True, exist_ok=True)
    base = jobs[0].out
    request = base / "request.json"
    request.write_text(
        json.dumps({"preimport": list(preimport), "jobs": [j.as_request() for j in jobs]}), encoding="utf-8"
    )
    flags = (*_ISOLATE, *(_TOGETHER if reached.processes else ())) if reached.network else ()
    prefix = [shutil.which("unshare") or "unshare", *flags] if flags else []
    # not -I: it would ignore PYTHONHASHSEED; the environment is empty of other settings
    command = [*prefix, python, "-s", "-B", str(CHILD), str(request)]
    seconds = _START_SECONDS + sum(job.limits.wall for job in jobs)
    with (base / "start.err").open("wb") as errors:
        _run(command, environment(python, base, hash_seed), base, errors, seconds, cancel)
    results = [_status(job.out) for job in jobs]
    if results[0] is None and not (jobs[0].out / "stdout").exists():
        text = (base / "start.err").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise InputError(
            f"'{python}' did not start: {text[-1] if text else 'no message'}",
            hint="give a Python 3.8 or later that has what the script imports, with --python PATH",
        )
    return results


def _run(
    command: list[str], env: dict[str, str], folder: Path, errors: BinaryIO, seconds: float, cancel: Event
) -> None:
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, env=env, cwd=folder, start_new_session=True
        )
    except OSError as error:
        raise InputError(
            f"cannot run '{command[0]}': {error.strerror}", hint="give a Python interpreter with --python PATH"
        ) from error
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline and not cancel.is_set():
            with suppress(subprocess.TimeoutExpired):  # look again whether the time is up or the user has given up
                process.wait(timeout=POLL)
                break
    finally:
        with suppress(ProcessLookupError, PermissionError):  # the group has ended by itself
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _status(out: Path) -> Status | None:
    path = out / "status.json"
    if not path.is_file() or path.is_symlink():
        return None
    raw = json.loads(path.read_text(encoding="ascii"))
    return Status(exit=int(raw["exit"]), seconds=float(raw["seconds"]), timeout=bool(raw["timeout"]))


def environment(python: str, home: Path, hash_seed: int) -> dict[str, str]:
    """The whole environment of a sandboxed run; only the time zone is the user's."""
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ARROW_NUM_THREADS", "LOKY_MAX_CPU_COUNT")
    return {
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


def interpreter(python: str | None) -> str:
    """The path of the interpreter that runs the original: the given one, or this one."""
    if python is None:
        return sys.executable
    found = shutil.which(python)
    if found is None:
        raise InputError(f"no Python interpreter '{python}'", hint="give the path of an executable with --python PATH")
    return str(Path(found).absolute())
