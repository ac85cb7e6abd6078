"""What README.md shows is what comes out: its Python, its commands, and their output."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lester_duck import api
from lester_duck.demo import data, story
from lester_duck.rewrite.rewrite import save

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with what ``make demo`` leaves, as far as the README needs it."""
    base = tmp_path_factory.mktemp("readme")
    original = base / "demo-out" / story.ORIGINAL
    data.write(original)
    source = Path(story.__file__).with_name(story.SCRIPT)
    (original / story.SCRIPT).write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    rewritten = api.rewrite(original / story.SCRIPT, engine="static", keys=story.KEYS, directed=False)
    assert rewritten.verdict.status == "agreed", str(rewritten.verdict)
    save(rewritten, base / "demo-out" / story.PIPELINE)
    return base


def run(command: list[str] | str, folder: Path) -> str:
    """Standard output and error of a command, without warnings of libraries."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=folder, shell=isinstance(command, str), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=170, env={**os.environ, "PATH": path, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    return done.stdout


def test_the_python_example(folder):
    code, shown = re.search(r"```python\n(.*?)```\n\n```text\n(.*?)```", README, re.DOTALL).groups()
    assert run([sys.executable, "-c", code], folder).rstrip() == shown.rstrip()
    assert len([line for line in code.splitlines() if line]) <= 11


def test_the_commands(folder):
    session = re.search(r"```console\n(.*?)```", README, re.DOTALL)[1]
    for step in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
        command, _, shown = step.partition("\n")
        noise = r"(warning: .*|[a-z_ ]+ \(\d+\.\d\d s\))\n"
        assert re.sub(noise, "", run(command, folder)).rstrip() == shown.rstrip(), command
