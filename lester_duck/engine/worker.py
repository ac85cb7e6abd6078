"""Declared functions run in a process of their own, fed with Arrow batches.

Functions come from scripts nobody has vouched for, so they never run in the engine's process: the
worker has an empty environment, an empty working folder, no network and no other files as far as
the system allows that, and limits on memory, file size and processes. It is started at the first
call and lives as long as the ``Worker``.
"""

from __future__ import annotations

import json
import math
import selectors
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

from lester_duck import confine
from lester_duck.engine.worker_child import read_message, write_message
from lester_duck.errors import InputError, InternalError
from lester_duck.pipeline.model import Function

_CHILD = Path(__file__).with_name("worker_child.py")
_ROWS_PER_MESSAGE = 16_384
_MEMORY, _DISK = 4 << 30, 256 << 20
_GRACE = 1.0
_SIGNALLED = 128


class Worker:
    """A lazily started process that evaluates the functions of one ``functions.py``."""

    def __init__(
        self,
        code: str,
        functions: tuple[Function, ...],
        types: Mapping[str, pa.DataType],
        timeout: float = 600.0,
        total: float = math.inf,
    ) -> None:
        """``types`` gives the Arrow type each function returns.

        ``timeout`` is in seconds per batch, ``total`` in seconds for all batches.
        """
        self._code = code
        self._functions = {f.name.lower(): f for f in functions}
        self._types = types
        self._timeout = timeout
        self._left = self._total = total
        self._running: confine.Running | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self.calls = 0
        """Number of argument tuples sent so far."""
        self.level: confine.Level | None = None
        """What keeps the process away from the rest of the system; None before it was started."""

    def call(self, function: str, arguments: pa.Table) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
        """Evaluate a function for each row of ``arguments``.

        Returns (values of the declared type, errors: text or null), row by row. Raises InputError when
        ``functions.py`` cannot be loaded, lacks the function, or the worker dies or hangs.
        """
        return self._call("call", function, arguments, _ROWS_PER_MESSAGE)

    def fold(self, function: str, rows: pa.Table) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
        """Run a fold over ``rows``: the column ``_partition`` (rows of a partition adjacent, in order), then arguments.

        Returns values and errors like ``call``; after an error the rest of its partition has no value.
        """
        return self._call("fold", function, rows, max(1, rows.num_rows))

    def _call(
        self, task: str, function: str, arguments: pa.Table, chunk: int
    ) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
        values, errors = [], []
        for start in range(0, arguments.num_rows, chunk):
            answer = self._ask(task, function, arguments.slice(start, chunk))
            values += answer.column("value").chunks
            errors += answer.column("error").chunks
        self.calls += arguments.num_rows
        return pa.chunked_array(values, self._types[function]), pa.chunked_array(errors, pa.string())

    def close(self) -> None:
        """End the process and remove its folder."""
        if self._running is not None:
            self._kill()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _ask(self, task: str, function: str, arguments: pa.Table) -> pa.Table:
        process = self._started()
        declared = self._functions[function]
        try:
            header = {"function": declared.name, "task": "batch" if declared.batch and task == "call" else task}
            write_message(process.stdin, json.dumps(header).encode(), _to_ipc(arguments))
            self._wait(process, declared.name)
            head, body = read_message(process.stdout)
        except (BrokenPipeError, EOFError, struct.error):
            raise InputError(
                f"the process running function '{declared.name}' died ({self._end()})", where="functions.py",
                hint="it may have exceeded its memory limit or called exit",
            ) from None  # fmt: skip
        fault = json.loads(head).get("fault")
        if fault:
            raise InputError(fault, where="functions.py")
        return pa.ipc.open_stream(body).read_all()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._running is None:
            self._folder = tempfile.TemporaryDirectory(prefix="lester-duck-")
            folder = Path(self._folder.name).resolve()
            python = confine.interpreter(sys.executable)
            self.level = confine.level()
            program = confine.Program(
                command=(python.executable, "-I", str(_CHILD)),
                environment={"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "LANG": "C.UTF-8", "TMPDIR": str(folder)},
                folder=folder,
                read=(*python.paths, str(_CHILD)),
                write=(str(folder),),
                memory=_MEMORY,
                disk=_DISK,
            )
            self._running = confine.start(
                program, self.level, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            schema = pa.schema([pa.field(name, type_) for name, type_ in self._types.items()])
            write_message(self._running.process.stdin, self._code.encode(), schema.serialize().to_pybytes())
        return self._running.process

    def _wait(self, process: subprocess.Popen[bytes], name: str) -> None:
        begun = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            answered = selector.select(max(0.0, min(self._timeout, self._left)))
        self._left -= time.monotonic() - begun
        if not answered:
            self._kill()
            much = f"{self._timeout:g} s for one batch" if self._left > 0 else f"{self._total:g} s in all"
            raise InputError(f"function '{name}' took longer than {much}", where="functions.py")

    def _end(self) -> str:
        with suppress(subprocess.TimeoutExpired):  # one that is ending by itself knows why
            if self._running is not None:
                self._running.process.wait(_GRACE)
        code = self._kill()
        if code > _SIGNALLED:
            return f"signal {signal.Signals(code - _SIGNALLED).name}"
        named = {confine.MEMORY: "its memory limit was passed", confine.DISK: "it wrote too much"}
        return named.get(code, f"exit status {code}")

    def _kill(self) -> int:
        running, self._running = self._running, None
        if running is None:
            raise InternalError("the worker is not running")
        code = running.end()
        for pipe in (running.process.stdin, running.process.stdout):
            with suppress(BrokenPipeError):  # unsent bytes of a process that is gone
                pipe.close()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
        return code


def _to_ipc(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()
