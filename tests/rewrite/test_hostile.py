"""Hostile scripts: nothing leaves the sandbox, and each ends soon, with one clear line.

The first line of a script in ``hostile/`` says how: ``ends: PATTERN`` of the message, or
``runs: CONDITION`` on its variables.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from lester_duck.errors import InputError
from lester_duck.rewrite.observation import Observation
from lester_duck.rewrite.observe import observe, setting, workspace
from lester_duck.rewrite.sandbox import Limits, level

SCRIPTS = sorted((Path(__file__).parent / "hostile").glob("*.txt"))
LIMITS = Limits(wall=2.0, cpu=20, memory=2**29, file=2**24, disk=2**26, processes=40, files=64)
PATIENT = replace(LIMITS, wall=10.0)
"""For scripts that end by themselves, on a machine that does other things too."""
SECONDS = 20.0

pytestmark = pytest.mark.skipif(
    not (level().processes and level().files), reason="this system allows no namespaces or no Landlock"
)


@dataclass(frozen=True)
class End:
    """How a script ended: the message, or what was seen; whatever it changed outside; seconds."""

    message: str
    variables: dict[str, Any]
    folder: dict[str, bytes]
    outside: list[str]
    seconds: float


@pytest.fixture(scope="module")
def ends(tmp_path_factory):
    """Every script run, four at a time."""
    base = tmp_path_factory.mktemp("hostile")
    os.environ["HOSTILE_SECRET"] = "do not read"
    try:
        with ThreadPoolExecutor(4) as pool:
            return dict(pool.map(lambda path: (path.stem, _end(path, base / path.stem)), SCRIPTS))
    finally:
        del os.environ["HOSTILE_SECRET"]


def _end(path: Path, base: Path) -> End:
    outside, folder = base / "outside", base / "folder"
    (outside / ".ssh").mkdir(parents=True)
    (outside / ".ssh" / "id_rsa").write_text("a key", encoding="utf-8")
    (outside / ".ssh" / "id_rsa").chmod(0o600)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(os.path.relpath(outside / "service.sock"))
    listening.listen()
    folder.mkdir()
    (folder / "data.csv").write_text("a,1\nb,2\n", encoding="utf-8")
    (folder / "outside.txt").write_text(str(outside), encoding="utf-8")
    script = folder / "script.py"
    script.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    before = time.monotonic()
    message, variables = _outcome(script)
    seconds = time.monotonic() - before
    listening.close()
    key = outside / ".ssh" / "id_rsa"
    changed = [p.name for p in outside.rglob("*") if p.name not in (".ssh", "id_rsa", "service.sock")]
    changed += [] if key.read_text(encoding="utf-8") == "a key" and key.stat().st_mode & 0o777 == 0o600 else ["id_rsa"]
    files = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*")}
    return End(message, variables, files, changed, seconds)


def _outcome(script: Path) -> tuple[str, dict[str, Any]]:
    endless = "did not end" in script.read_text(encoding="utf-8").split("\n")[0]
    how = setting(script, root=None, python=None, limits=LIMITS if endless else PATIENT)
    try:
        with workspace() as space:
            first = observe(how, space).first
            return "", _read_all(first)
    except InputError as error:
        return str(error), {}
    finally:
        how.close()


def _read_all(seen: Observation) -> dict[str, Any]:
    """What the translator and the judge do: every value, every file the run left."""
    for number in range(len(seen.values)):
        seen.value(number)
    for path in [p for p in seen.folder.rglob("*") if not p.is_dir()]:
        path.read_bytes()
    return {snapshot.variable: seen.value(snapshot.value) for snapshot in seen.snapshots}


@pytest.mark.parametrize("name", [path.stem for path in SCRIPTS])
def test_a_hostile_script_ends_with_a_clear_message_and_leaves_nothing(ends, name):
    ended = ends[name]
    first = (Path(__file__).parent / "hostile" / f"{name}.txt").read_text(encoding="utf-8").split("\n")[0]
    kind, expected = re.fullmatch(r"# (ends|runs): ?(.*)", first).groups()
    if kind == "ends":
        assert re.search(expected, ended.message), ended.message
        assert "\n" not in ended.message
        assert ended.message.isprintable()
    else:
        assert ended.message == ""
        assert eval(expected, {}, ended.variables), ended.variables
    assert ended.outside == []
    assert sorted(ended.folder) == ["data.csv", "outside.txt", "script.py"]
    assert ended.folder["data.csv"] == b"a,1\nb,2\n"
    assert ended.seconds < SECONDS


def test_there_are_enough_of_them():
    assert len(SCRIPTS) >= 20


def test_no_process_and_no_file_is_left(ends):
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert "hostile-left-behind" not in running
    assert not Path("/planted-by-hostile").exists()
    assert not Path("planted").exists()
