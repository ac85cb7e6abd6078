"""Confinement of programs nobody has vouched for: how much this system allows, and how to start one.

Python cannot be confined from inside, so this is the operating system's doing: namespaces without
a network and with processes of their own, Landlock for files, limits. What was reached is a value.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lester_duck.confine.launch import DISK, FAILED, MEMORY
from lester_duck.errors import InputError, InternalError

__all__ = ["DISK", "FAILED", "MEMORY", "Interpreter", "Level", "Program", "Running", "interpreter", "level", "start"]

_LAUNCH = Path(__file__).with_name("launch.py")
LANDLOCK = Path(__file__).with_name("landlock.py")
_SYSTEM = (
    "/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
    "/etc/ld.so.preload", "/etc/localtime", "/etc/timezone", "/usr/share/zoneinfo", "/nix/store", "/gnu/store",
    "/dev/urandom", "/dev/random", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/filesystems",
    "/sys/devices/system", "/sys/fs/cgroup",
)  # fmt: skip
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full")
_GRACE = 5.0
_ASK = (
    "import json,sys,sysconfig;print(json.dumps({'executable':sys.executable,'version':sys.version_info[:2],"
    "'paths':[sys.prefix,sys.base_prefix,sys.exec_prefix,sys.base_exec_prefix,*sys.path,"
    "*sysconfig.get_paths().values()]}))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """What keeps a program away from the rest of the system."""

    network: bool
    """True when it has no network."""
    processes: bool
    """True when it sees no process but its own, and all of them end with it."""
    files: bool = False
    """True when it reads only the interpreter and the system's libraries, and changes only its scratch copy."""
    counted: bool = False
    """True when the number of its processes is limited."""
    trusted: bool = False
    """True when it was to run without a sandbox."""

    def describe(self) -> str:
        """One line for the report.

        >>> Level(network=False, processes=False).describe()
        'scratch copy, empty environment, limits; network open, other files readable, number of processes open'
        >>> Level(network=True, processes=True, files=True, counted=True).describe()
        'scratch copy, empty environment, limits, no network, own process space, no files but its own'
        >>> Level(network=False, processes=False, trusted=True).describe()
        'none, as asked for (--trust): scratch copy and limits only'
        """
        if self.trusted:
            return "none, as asked for (--trust): scratch copy and limits only"
        parts = (
            (self.network, "no network", "network open"),
            (self.processes, "own process space", ""),
            (self.files, "no files but its own", "other files readable"),
            (self.counted, "", "number of processes open"),
        )
        kept = [text for reached, text, _ in parts if reached and text]
        left = [text for reached, _, text in parts if not reached and text]
        first = ", ".join(["scratch copy", "empty environment", "limits", *kept])
        return f"{first}; {', '.join(left)}" if left else first


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python: its executable and the folders it needs to read."""

    executable: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What is to be started: a command, its whole environment, and the folders it may change.

    ``memory`` and ``disk`` are bytes for all its processes together; 0 for no limit.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    read: tuple[str, ...]
    write: tuple[str, ...]
    memory: int = 0
    disk: int = 0


@cache
def level() -> Level:
    """The strongest level this system allows; tried once."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", str(_LAUNCH), "{}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd="/",
        check=False,
    )
    if done.returncode:
        raise InternalError(f"the sandbox cannot be tried: {done.stderr.decode(errors='replace').strip()[-300:]}")
    found = json.loads(done.stdout)
    return Level(network=found["spaces"], processes=found["spaces"], files=found["files"], counted=found["counted"])


@cache
def interpreter(python: str) -> Interpreter:
    """Ask an interpreter where it lives, once. Raises InputError when it does not run or is too old."""
    hint = "give a Python 3.8 or later that has what the script imports, with --python PATH"
    try:
        done = subprocess.run(
            [python, "-I", "-c", _ASK], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"cannot run '{python}': {getattr(error, 'strerror', None) or error}", hint=hint) from error
    try:
        found = json.loads(done.stdout)
    except ValueError as error:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise InputError(f"'{python}' did not start: {said[-1] if said else 'no message'}", hint=hint) from error
    if tuple(found["version"]) < (3, 8):
        raise InputError(f"'{python}' is Python {'.'.join(map(str, found['version']))}", hint=hint)
    return Interpreter(executable=found["executable"], paths=_needed(found["paths"]))


def _needed(paths: Sequence[str]) -> tuple[str, ...]:
    """Folders an interpreter names, resolved too, save those that hold the home folder or the whole disk."""
    home = Path.home().resolve()
    found: dict[str, None] = {}
    for path in filter(None, paths):
        for place in (Path(path), Path(path).resolve()):
            if place.is_absolute() and not home.is_relative_to(place):
                found[str(place)] = None
    return tuple(found)


class Running:
    """A started program, or rather its guard."""

    def __init__(self, process: subprocess.Popen[bytes], lifeline: int | None) -> None:
        """``lifeline`` is a descriptor that stays open as long as the program may run."""
        self.process = process
        self._lifeline = lifeline

    def end(self) -> int:
        """End the program and everything it started; returns its exit code (negative: signal)."""
        if self._lifeline is not None:  # the guard ends everything when it sees this
            os.close(self._lifeline)
            self._lifeline = None
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_GRACE)
        with suppress(ProcessLookupError, PermissionError):  # it has ended by itself
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait()


def start(program: Program, reached: Level, **pipes: Any) -> Running:
    """Start a program in a session of its own, confined as far as ``reached`` says.

    ``pipes`` are those of ``subprocess.Popen``. The program ends when this process does, or when
    its memory or disk limit is passed (exit codes ``MEMORY``, ``DISK``; ``FAILED`` when it could
    not be started).
    """
    common: dict[str, Any] = {
        "env": dict(program.environment), "cwd": program.folder, "start_new_session": True, **pipes
    }  # fmt: skip
    if reached.trusted:
        return Running(subprocess.Popen(program.command, **common), None)
    theirs, ours = os.pipe()
    spec = {
        "read": [*_SYSTEM, *program.read],
        "write": [*program.write, *_DEVICES],
        "spaces": reached.processes,
        "files": reached.files,
        "lifeline": theirs,
        "memory": program.memory,
        "disk": program.disk,
    }
    command = [sys.executable, "-I", "-S", "-B", str(_LAUNCH), json.dumps(spec), *program.command]
    try:
        return Running(subprocess.Popen(command, pass_fds=(theirs,), **common), ours)
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
