"""The wheel holds the package and its assets, and works away from the repository."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built with the build backend that is installed (no network)."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (built,) = folder.glob("*.whl")
    return built


def test_every_asset_is_inside(wheel):
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    for group in ("sql", "prompts"):
        for path in (ROOT / group).rglob("*.*"):
            assert f"lester_duck/_assets/{path.relative_to(ROOT)}" in inside


def test_every_module_is_inside_and_no_test(wheel):
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    for path in (ROOT / "lester_duck").rglob("*.py"):
        assert str(path.relative_to(ROOT)) in inside
    assert not [name for name in inside if name.startswith(("tests/", "bench/")) or name.endswith(".pyc")]


def test_the_program_runs_from_the_wheel(wheel, tmp_path):
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    code = (
        "import lester_duck, pathlib, sys\n"
        "from lester_duck import assets\n"
        "from lester_duck.cli.main import main\n"
        "assert assets.folder('sql/migrations').is_relative_to(sys.argv[1]), assets.folder('sql/migrations')\n"
        "raise SystemExit(main(['--version']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(site)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "version" in done.stdout
