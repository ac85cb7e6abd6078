"""The import contracts refuse what they are there to refuse."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """A copy of the package that a test may spoil."""
    folder = tmp_path_factory.mktemp("layers")
    shutil.copytree(ROOT / "lester_duck", folder / "lester_duck", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of the copy."""
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", code, "--no-cache"], cwd=folder, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize(
    ("module", "statement"),
    [
        ("pipeline/model.py", "import lester_duck.cli.main"),
        ("db.py", "import lester_duck.pipeline.model"),
        ("cli/output.py", "import duckdb"),
        ("pipeline/model.py", "import openai"),
        ("pipeline/model.py", "from click import echo"),
        ("cli/output.py", "from sklearn import svm"),
    ],
)
def test_an_import_in_the_wrong_place_is_refused(copy, module, statement):
    path = copy / "lester_duck" / module
    original = path.read_text(encoding="utf-8")
    path.write_text(f"{original}\n{statement}\n", encoding="utf-8")
    try:
        done = lint(copy)
    finally:
        path.write_text(original, encoding="utf-8")
    assert done.returncode == 1
    assert "BROKEN" in done.stdout
