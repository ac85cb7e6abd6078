"""The small original of these tests, its pipeline, and one observation of it that the tests share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lester_duck.pipeline import codec
from lester_duck.pipeline.model import Pipeline
from lester_duck.rewrite.observation import Evidence
from lester_duck.rewrite.observe import observe, setting, workspace
from lester_duck.rewrite.sandbox import Limits

HERE = Path(__file__).parent / "orders"
QUICK = Limits(wall=30.0, cpu=30)
VARIABLES = ("LESTER_DUCK_MODEL", "LESTER_DUCK_BASE_URL", "OPENAI_BASE_URL", "LESTER_DUCK_API_KEY", "OPENAI_API_KEY")


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    """A folder with the script, its data, and the pipeline written by hand."""
    return make_orders(tmp_path / "orders")


@pytest.fixture(scope="session")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Evidence]]:
    """The folder of the original and what it was seen to do."""
    folder = make_orders(tmp_path_factory.mktemp("observed") / "orders")
    with workspace() as space:
        yield folder, observe(setting(folder / "script.py", root=None, python=None, limits=QUICK), space)


@pytest.fixture
def pipeline() -> Pipeline:
    """The pipeline that agrees with the original."""
    return codec.load(HERE / "pipeline")


@pytest.fixture
def preparation(tmp_path: Path) -> tuple[Path, Pipeline]:
    """The part of the original that comes before the matrix (it needs no large library), and its pipeline."""
    return make_preparation(tmp_path / "preparation")


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Evidence, Pipeline]]:
    """The same, observed."""
    folder, made = make_preparation(tmp_path_factory.mktemp("prepared") / "preparation")
    with workspace() as space:
        yield folder, observe(setting(folder / "script.py", root=None, python=None, limits=QUICK), space), made


def make_orders(folder: Path) -> Path:
    shutil.copytree(HERE, folder)
    (folder / "script.txt").rename(folder / "script.py")
    return folder


def make_preparation(folder: Path) -> tuple[Path, Pipeline]:
    script = make_orders(folder) / "script.py"
    text = script.read_text(encoding="utf-8").split("amounts = ")[0]
    large = ("import numpy", "from sklearn")
    lines = ["" if line.startswith(large) else line for line in text.split("\n")]
    script.write_text("\n".join(lines), encoding="utf-8")
    whole = codec.load(folder / "pipeline")
    views = tuple(view for view in whole.views if view.name != "prepared")
    made = replace(whole, views=views, features=None, label=None, origin=replace(whole.origin, fit=None))
    codec.dump(made, folder / "pipeline")
    return folder, made


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No model, key or cache but those a test names."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
