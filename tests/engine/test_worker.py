"""The process of declared functions: what it computes, how it fails, and what it cannot reach."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pyarrow as pa
import pytest

from lester_duck import confine
from lester_duck.engine.worker import Worker
from lester_duck.errors import InputError
from lester_duck.pipeline.model import Function

CODE = """
import os
import socket
import tempfile

def one_more(a):
    return a + 1

def read(a):
    return len(open({secret!r}).read())

def connect(a):
    socket.create_connection(("192.0.2.1", 80), 2)

def environment(a):
    return len([name for name in os.environ if name.startswith("A_SECRET")])

def temporary(a):
    with tempfile.TemporaryFile() as file:
        return file.write(b"abc")

def memory(a):
    return len(b"x" * (6 << 30))

def leave(a):
    os._exit(3)

def crash(a):
    import ctypes
    ctypes.string_at(0)

def daemon(a):
    if os.fork() == 0:
        os.setsid()
        os.execv("/bin/sleep", ["left-by-worker", "300"])
    return 1
"""
NAMES = ("one_more", "read", "connect", "environment", "temporary", "memory", "leave", "crash", "daemon")


@pytest.fixture
def worker(tmp_path, monkeypatch) -> Iterator[Worker]:
    monkeypatch.setenv("A_SECRET", "xyz")
    (tmp_path / "secret.txt").write_text("xyz", encoding="utf-8")
    functions = tuple(Function(name=name, arguments=(), returns="BIGINT") for name in NAMES)
    code = CODE.format(secret=str(tmp_path / "secret.txt"))
    made = Worker(code, functions, {name: pa.int64() for name in NAMES})
    yield made
    made.close()


def call(worker: Worker, name: str) -> tuple[list[int | None], list[str | None]]:
    values, errors = worker.call(name, pa.table({"a": [1, 2]}))
    return values.to_pylist(), errors.to_pylist()


def test_it_computes_and_has_a_folder_of_its_own(worker):
    assert worker.level is None
    assert call(worker, "one_more") == ([2, 3], [None, None])
    assert call(worker, "temporary") == ([3, 3], [None, None])
    assert call(worker, "environment") == ([0, 0], [None, None])
    assert worker.level == confine.level()


def test_it_reaches_no_file_and_no_network_where_the_level_says_so(worker):
    if not (confine.level().files and confine.level().network):
        pytest.skip("this system allows no namespaces or no Landlock")
    assert call(worker, "read")[1][0].startswith("FileNotFoundError")
    assert "unreachable" in call(worker, "connect")[1][0]


def test_memory_is_an_error_of_the_row(worker):
    assert call(worker, "memory")[1] == ["MemoryError: ", "MemoryError: "]


def test_a_function_that_ends_its_process_is_named_and_the_next_call_works(worker):
    for name, how in (("leave", "exit status 3"), ("crash", "signal SIGSEGV")):
        with pytest.raises(InputError, match=rf"running function '{name}' died \({how}\)"):
            call(worker, name)
        assert call(worker, "one_more") == ([2, 3], [None, None])


def test_nothing_is_left_when_it_is_closed(worker):
    assert call(worker, "daemon")[0] == [1, 1]
    worker.close()
    worker.close()
    assert "left-by-worker" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout


def test_it_ends_with_the_process_that_uses_it(tmp_path):
    program = (
        "import os, pyarrow as pa\nfrom lester_duck.engine.worker import Worker\n"
        "from lester_duck.pipeline.model import Function\n"
        "w = Worker('import time\\ndef f(a): return 1', (Function(name='f', arguments=(), returns='BIGINT'),), "
        "{'f': pa.int64()})\n"
        "w.call('f', pa.table({'a': [1]}))\nprint(w._running.process.pid, flush=True)\nos._exit(0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    guard = int(done.stdout)
    for _ in range(50):
        try:
            os.kill(guard, 0)
        except ProcessLookupError:
            return
        subprocess.run(["sleep", "0.1"], check=True)
    pytest.fail("the guard is still there")
