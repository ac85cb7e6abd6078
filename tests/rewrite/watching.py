"""Run a few lines in the sandbox and see what was recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

from lester_duck.rewrite.observation import Evidence, Observation
from lester_duck.rewrite.observe import observe, setting, workspace
from lester_duck.rewrite.sandbox import Limits


@contextmanager
def watched(
    folder: Path, code: str, files: dict[str, str] | None = None, limits: Limits | None = None
) -> Iterator[Evidence]:
    """The evidence of a script made of ``code`` in a folder that holds ``files``."""
    for name, text in (files or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    script = folder / "script.py"
    script.write_text(dedent(code), encoding="utf-8")
    how = setting(script, root=None, python=None, limits=limits or Limits(wall=20.0, cpu=20))
    with workspace() as space:
        yield observe(how, space)


def variable(observation: Observation, name: str, line: int) -> object:
    """A variable's snapshot in plain data."""
    snapshot = observation.snapshot(name, line)
    assert snapshot is not None, f"{name} was not seen at line {line}"
    return observation.value(snapshot.value)
