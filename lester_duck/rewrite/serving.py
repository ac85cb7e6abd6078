"""A process that has imported the large libraries and forks one process for each run.

It is the user's interpreter, confined, and speaks JSON lines over pipes: a job, then how it ended.
What it says is not trusted: a job may have made it say so.
"""

from __future__ import annotations

import json
import os
import select
import stat
import subprocess
import time
import weakref
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Lock

from lester_duck import confine
from lester_duck.errors import InputError
from lester_duck.rewrite.sandbox import Interpreter, Job, SandboxLevel, Status, environment

CHILD = Path(__file__).with_name("child.py")
_NAMES = ("child.py", "child_clock.py", "child_probe.py", "child_encode.py")
_PARTS = tuple(str(CHILD.with_name(name)) for name in _NAMES)
_START_SECONDS = 60.0
_GRACE = 5.0
"""Seconds after a job's own limit until the server is thought dead."""
_MAX_REPLY = 4096
POLL = 0.1
_CAUSES = {confine.MEMORY: "memory", confine.DISK: "disk"}


class Server:
    """Starts its process at the first job, and again after a job that ended it."""

    def __init__(
        self, python: Interpreter, preimport: tuple[str, ...], hash_seed: int, reached: SandboxLevel, cancel: Event
    ) -> None:
        self.python = python
        self.preimport = preimport
        self.hash_seed = hash_seed
        self.reached = reached
        self.cancel = cancel
        self._places: tuple[str, ...] = ()
        self._process: _Process | None = None
        self._lock = Lock()

    def run(self, jobs: Sequence[Job], places: tuple[str, ...]) -> list[Status | None]:
        """Run jobs one after the other; ``places`` hold all their folders, and may hold those of later calls.

        None stands for a job that was not started because all was cancelled.
        """
        with self._lock:
            return [None if self.cancel.is_set() else self._run(job, places) for job in jobs]

    def close(self) -> None:
        """End the process and all it started."""
        if self._process is not None:
            self._process.end()
            self._process = None

    def _run(self, job: Job, places: tuple[str, ...]) -> Status | None:
        job.out.mkdir(parents=True, exist_ok=True)
        (job.out / "tmp").mkdir(exist_ok=True)
        if not self._covers(job):
            self.close()
            self._places = places
        started = time.monotonic()
        try:
            if self._process is None:
                self._process = _Process(self, self._places, job)
                started = time.monotonic()
            reply = self._process.ask(job, self.cancel)
        except BaseException:
            self.close()
            raise
        if reply is None:
            if self.cancel.is_set():
                self.close()
                return None
            return self._gone(job, time.monotonic() - started)
        tidy(job.folder)
        tidy(job.out)
        return reply

    def _covers(self, job: Job) -> bool:
        return all(any(path.is_relative_to(place) for place in self._places) for path in (job.folder, job.out))

    def _gone(self, job: Job, seconds: float) -> Status:
        process, self._process = self._process, None
        code = process.end() if process is not None else 0
        tidy(job.folder)
        tidy(job.out)
        timeout = seconds > job.limits.wall
        return Status(exit=code, seconds=seconds, timeout=timeout, cause=_CAUSES.get(code, "" if timeout else "gone"))


class _Process:
    """A running server."""

    def __init__(self, server: Server, places: tuple[str, ...], first: Job) -> None:
        self.home = TemporaryDirectory(prefix="lester-server-", ignore_cleanup_errors=True)
        home = Path(self.home.name).resolve()
        python = server.python.executable
        options = {
            "preimport": server.preimport,
            "trusted": server.reached.trusted,
            "own": server.reached.processes,
            "landlock": str(confine.LANDLOCK) if server.reached.files else None,
        }
        program = confine.Program(
            # not -I: it would ignore PYTHONHASHSEED; the environment is empty of other settings
            command=(python, "-s", "-B", str(CHILD), json.dumps(options)),
            environment=environment(python, home, server.hash_seed, server.reached),
            folder=home,
            read=(*server.python.paths, *_PARTS, str(confine.LANDLOCK)),
            write=(*places, str(home)),
            memory=first.limits.memory,
            disk=first.limits.disk,
        )
        self.errors = home / "start.err"
        with self.errors.open("wb") as errors:
            self.running = confine.start(
                program, server.reached, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )
        self._finalizer = weakref.finalize(self, _end, self.running, self.home)
        self._rest = b""
        if self._line(time.monotonic() + _START_SECONDS, server.cancel) is None and not server.cancel.is_set():
            said = self.errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            self.end()
            raise InputError(
                f"'{python}' did not start: {said[-1] if said else 'no message'}",
                hint="give a Python 3.8 or later that has what the script imports, with --python PATH",
            )

    def ask(self, job: Job, cancel: Event) -> Status | None:
        """Have a job run; None when the process ended, was silent for too long, or all was cancelled."""
        stdin = self.running.process.stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps(job.as_request()).encode() + b"\n")
            stdin.flush()
        except BrokenPipeError:
            return None
        line = self._line(time.monotonic() + job.limits.wall + _GRACE, cancel)
        return _status(line) if line else None

    def end(self) -> int:
        """End it; returns the exit code of its guard."""
        with suppress(subprocess.TimeoutExpired):  # one that is ending by itself knows why
            self.running.process.wait(POLL)
        code = _end(self.running, self.home)
        self._finalizer.detach()
        return code

    def _line(self, deadline: float, cancel: Event) -> bytes | None:
        stdout = self.running.process.stdout
        assert stdout is not None
        while b"\n" not in self._rest:
            if time.monotonic() > deadline or cancel.is_set():
                return None
            if select.select([stdout], [], [], POLL)[0]:
                read = os.read(stdout.fileno(), _MAX_REPLY)
                self._rest += read
                if not read or len(self._rest) > _MAX_REPLY:
                    return None
        line, self._rest = self._rest.split(b"\n", 1)
        return line


def _end(running: confine.Running, home: TemporaryDirectory[str]) -> int:
    code = running.end()
    for pipe in (running.process.stdin, running.process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):  # what it did not read
                pipe.close()
    home.cleanup()
    return code


def _status(line: bytes) -> Status | None:
    """What the server says of a job; None when it is not of the form that an honest one gives."""
    try:
        raw = json.loads(line)
        return Status(exit=int(raw["exit"]), seconds=float(raw["seconds"]), timeout=raw["timeout"] is True)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def tidy(folder: Path) -> None:
    """Make what a run left safe to read: no pipes, sockets or devices, no links that lead outside, nothing locked."""
    root = folder.resolve()
    todo = [root]
    while todo:
        place = todo.pop()
        mode = place.stat().st_mode
        if mode & stat.S_IRWXU != stat.S_IRWXU:
            place.chmod(mode | stat.S_IRWXU)
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.is_symlink():
                    if not Path(entry.path).resolve().is_relative_to(root):
                        Path(entry.path).unlink()
                elif entry.is_dir(follow_symlinks=False):
                    todo.append(Path(entry.path))
                elif not entry.is_file(follow_symlinks=False):
                    Path(entry.path).unlink()
                elif not os.access(entry.path, os.R_OK):
                    Path(entry.path).chmod(stat.S_IRUSR | stat.S_IWUSR)
