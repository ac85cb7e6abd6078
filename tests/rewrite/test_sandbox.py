"""Levels of confinement, the process that serves runs, interpreters, and what does not repeat itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from lester_duck import confine
from lester_duck.errors import InputError
from lester_duck.rewrite.observation import Observation
from lester_duck.rewrite.observe import Setting, copy_folder, observe, outcome, run, setting, workspace
from lester_duck.rewrite.rewrite import rewrite
from lester_duck.rewrite.sandbox import TRUSTED, Job, Limits, SandboxLevel, level, run_jobs
from lester_duck.rewrite.serving import Server

from .watching import variable, watched

NOTHING = SandboxLevel(network=False, processes=False)
FILES = SandboxLevel(network=False, processes=False, files=True)
QUICK = Limits(wall=20.0, cpu=20)

LOOK = """\
import glob
import os
import re
import socket
OUTSIDE = open("outside.txt").read()
def tried(act):
    try:
        act()
        return "done"
    except OSError as error:
        return type(error).__name__
read = tried(lambda: open(OUTSIDE).read())
wrote = tried(lambda: open(OUTSIDE, "a").write(""))
connected = tried(lambda: socket.create_connection(("127.0.0.1", 9), 1))
others = len(glob.glob("/proc/[0-9]*"))
secret = os.environ.get("A_SECRET")
open("mine.txt", "w").write("x")
"""


def script_in(folder: Path, code: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "script.py").write_text(dedent(code), encoding="utf-8")
    return folder / "script.py"


def looked(tmp_path: Path, reached: SandboxLevel) -> dict[str, object]:
    (tmp_path / "secret.txt").write_text("x", encoding="utf-8")
    script = script_in(tmp_path / "work", LOOK)
    (tmp_path / "work" / "outside.txt").write_text(str(tmp_path / "secret.txt"), encoding="utf-8")
    how = replace(setting(script, root=None, python=None, limits=QUICK), level=reached)
    try:
        with workspace() as space:
            first = observe(how, space).first
            return {s.variable: first.value(s.value) for s in first.snapshots}
    finally:
        how.close()


def test_the_full_level(tmp_path, monkeypatch):
    if not (level().processes and level().files):
        pytest.skip("this system allows no namespaces or no Landlock")
    monkeypatch.setenv("A_SECRET", "xyz")
    seen = looked(tmp_path, level())
    assert seen["read"] == seen["wrote"] == "FileNotFoundError"
    assert seen["connected"] != "done"
    assert seen["others"] < 5
    assert seen["secret"] is None


def test_files_are_kept_away_without_namespaces_too(tmp_path):
    if not level().files:
        pytest.skip("this system has no Landlock")
    seen = looked(tmp_path, FILES)
    assert seen["read"] == seen["wrote"] == "PermissionError"
    assert seen["connected"] in ("PermissionError", "ConnectionRefusedError")
    assert "network open" in FILES.describe()


def test_without_anything_it_still_runs_in_a_copy(tmp_path, monkeypatch):
    monkeypatch.setenv("A_SECRET", "xyz")
    seen = looked(tmp_path, NOTHING)
    assert seen["read"] == "done"
    assert seen["secret"] is None
    assert not (tmp_path / "work" / "mine.txt").exists()


def test_a_trusted_run_has_the_environment_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("A_SECRET", "xyz")
    assert level(trust=True) == TRUSTED
    seen = looked(tmp_path, TRUSTED)
    assert (seen["read"], seen["secret"]) == ("done", "xyz")
    script = script_in(tmp_path / "other", "rows = [1, 2]\n")
    assert "Sandbox: none, as asked for (--trust)" in rewrite(script, engine="static", trust=True, limits=QUICK).report


@pytest.mark.parametrize("reached", [NOTHING, FILES, None])
def test_what_a_run_leaves_behind_ends_with_it(tmp_path, reached):
    marker = f"left-{os.getpid()}-{id(reached)}"
    code = f"""\
        import os
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execv("/bin/sleep", ["{marker}", "300"])
            os._exit(0)
        done = 1
        """
    how = setting(script_in(tmp_path / "work", code), root=None, python=None, limits=QUICK)
    how = replace(how, level=reached or level())
    with workspace() as space:
        observe(how, space)
    how.close()
    assert marker not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


def again(how: Setting, space: Path, name: str) -> Observation:
    job = Job(folder=space / name, out=space / f"{name}_out", script=how.script, limits=how.limits)
    copy_folder(how.root, job.folder)
    return outcome(how, job, run(how, [job], 0)[0])


def test_one_process_serves_all_runs_and_is_started_again_when_one_ends_it(tmp_path):
    code = """\
        import os
        n = int(open("n.txt").read())
        if n == 1:
            parts = [bytearray(b"x" * 2**20) for _ in range(10**6)]
        if n == 2:
            os.kill(os.getppid(), 9)
        server = os.getppid()
        """
    script = script_in(tmp_path / "work", code)
    (tmp_path / "work" / "n.txt").write_text("0", encoding="utf-8")
    how = replace(setting(script, root=None, python=None, limits=replace(QUICK, memory=2**28)), level=NOTHING)
    with workspace() as space:
        servers = [variable(again(how, space, f"r{n}"), "server", 7) for n in range(2)]
        assert servers[0] == servers[1]
        (tmp_path / "work" / "n.txt").write_text("1", encoding="utf-8")
        assert again(how, space, "memory").failure.type == "MemoryError"
        (tmp_path / "work" / "n.txt").write_text("2", encoding="utf-8")
        with pytest.raises(InputError, match="ended the process that runs it"):
            again(how, space, "killed")
        (tmp_path / "work" / "n.txt").write_text("0", encoding="utf-8")
        assert variable(again(how, space, "after"), "server", 7) != servers[0]
    how.close()


def test_jobs_in_folders_far_apart_run_in_one_sandbox(tmp_path):
    how = setting(script_in(tmp_path / "work", "print(1)\n"), root=None, python=None, limits=QUICK)
    with workspace() as space:
        jobs = [Job(folder=space / f"f{n}" / "work", out=space / f"o{n}", script=how.script) for n in range(3)]
        for job in jobs:
            copy_folder(how.root, job.folder)
        ended = run_jobs(jobs, python=how.python, preimport=(), hash_seed=0, reached=how.level, cancel=how.cancel)
        seen = [outcome(how, job, status).output("stdout") for job, status in zip(jobs, ended, strict=True)]
        assert seen == ["1\n"] * 3


def test_runs_in_one_process_do_not_see_each_other(tmp_path):
    if not level().files:
        pytest.skip("this system has no Landlock")
    code = """\
        import os
        def tried(path):
            try:
                return bool(open(path, "w"))
            except OSError:
                return False
        wrote = tried(os.path.join(os.path.dirname(os.getcwd()), "r0", "planted"))
        """
    how = setting(script_in(tmp_path / "work", code), root=None, python=None, limits=QUICK)
    with workspace() as space:
        again(how, space, "r0")
        assert variable(again(how, space, "r1"), "wrote", 7) is False
    how.close()


def test_an_interpreter_without_libraries_runs_originals(tmp_path):
    bare = Path(sys.base_prefix) / "bin" / "python3"
    if not bare.exists():
        pytest.skip("there is no interpreter beside this one")
    script = script_in(tmp_path / "work", "import sys\nrows = [(1, 'a')]\nprefix = sys.prefix\n")
    how = setting(script, root=None, python=str(bare), limits=QUICK)
    with workspace() as space:
        first = observe(how, space).first
        assert variable(first, "prefix", 3) == sys.base_prefix
    how.close()


def test_an_interpreter_that_is_none_is_refused(tmp_path):
    script = script_in(tmp_path / "work", "a = 1\n")
    with pytest.raises(InputError, match=r"'/bin/false' did not start: no message; give a Python 3.8 or later"):
        setting(script, root=None, python="/bin/false")


def test_the_home_folder_is_never_among_what_an_interpreter_needs(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    kept = confine._needed([str(tmp_path), str(tmp_path / "home"), str(tmp_path / "home" / "venv"), "/", ""])
    assert kept == (str(tmp_path / "home" / "venv"),)


def test_a_server_closed_twice_is_closed(tmp_path):
    how = setting(script_in(tmp_path / "work", "a = 1\n"), root=None, python=None, limits=QUICK)
    with workspace() as space:
        again(how, space, "r0")
    how.close()
    how.close()
    assert all(isinstance(server, Server) for server in how.servers.values())


CAUSES = [
    ("import time\nt = time.time()\nu = t + 1\n", ["line 2: 't' .*takes the clock"]),
    ("import random\nr = [1, 2, 3, 4, 5, 6, 7, 8]\nrandom.shuffle(r)\n", ["line 3: 'r' .*shuffle.. draws by chance"]),
    ("s = set('abcdefgh')\no = []\nfor c in s:\n    o.append(c)\nz = o + [1]\n", ["line 3: .* order of the set 's'"]),
    ("o = list({c for c in 'abcdefgh'})\n", ["line 1: 'o' .*order of a set"]),
    ("h = hash('a')\nimport random\nx = random.random()\n", ["line 1: 'h' .*hash seed", "line 3: 'x' .*by chance"]),
    ("import numpy as np\nx = np.random.rand(3)\ny = np.ones(3)\n", ["line 2: 'x' .*rand.. draws by chance"]),
    ("x = [1]\ns = {'a', 'b'}\n", []),
]


@pytest.mark.parametrize(("code", "expected"), CAUSES)
def test_what_does_not_repeat_itself_is_named_with_its_line(tmp_path, code, expected):
    with watched(tmp_path, code) as evidence:
        found = evidence.causes
    assert len(found) == len(expected), found
    for text, pattern in zip(found, expected, strict=True):
        assert re.search(pattern, text), text
