"""Run a small program both ways: as Python, and as the pipeline it was lifted to."""

from __future__ import annotations

import runpy
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lester_duck.lift import Lifted, Observed, lift
from lester_duck.rewrite.execute import execute
from lester_duck.rewrite.render import render


@dataclass(frozen=True)
class Both:
    """What the program left, and what its pipeline made."""

    names: dict[str, Any]
    written: dict[str, str]
    lifted: Lifted
    rendered: dict[str, str]
    matrix: np.ndarray | None
    labels: np.ndarray | None


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Both]:
    """``both(program, {file: text})``: the program run, lifted, and its pipeline run on the same files."""

    def run(program: str, files: Mapping[str, str]) -> Both:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")
        monkeypatch.chdir(tmp_path)
        script = tmp_path / "program.py"
        script.write_text(textwrap.dedent(program), encoding="utf-8")
        names = runpy.run_path(str(script))
        lifted = lift(script.read_text(encoding="utf-8"), script="program.py", observed=Observed(folder=tmp_path))
        outputs = {o.path: o for o in lifted.pipeline.origin.outputs}
        matrix = labels = None
        with execute(lifted.pipeline, tmp_path) as ran:
            rendered = {path: render(o, ran.view(o.view)) for path, o in outputs.items()}
            if lifted.pipeline.features is not None:
                matrix, labels = ran.matrix(), ran.labels()
        written = {path: (tmp_path / path).read_text(encoding="utf-8") for path in outputs}
        normal = {path: text.replace("\r\n", "\n") for path, text in rendered.items()}
        return Both(names, written, lifted, normal, matrix, labels)

    return run
