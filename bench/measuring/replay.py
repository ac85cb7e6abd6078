"""Tokens and verdicts of rewrites with a model, from recorded answers given by a server on the loopback interface."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from lester_duck import api
from measuring import Goal

sys.path.append(str(Path(__file__).resolve().parents[2]))
sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))

from tests.rewrite import recorded
from tests.rewrite.endpoint import serving

HEADER = ("case", "llm: verdict", "questions", "tokens", "auto: verdict", "questions", "tokens")
SHARE = 1 / 3
"""The most that auto may ask for, of what llm asks for."""
EXECUTED = frozenset({"14_meter_quality"})
"""Notebooks that run only in the order they were executed in."""


def cases() -> dict[str, Path]:
    """Folders of the cases that have a recording: those LESTER_DUCK_CASES names, else those of the tests."""
    given = os.environ.get("LESTER_DUCK_CASES")
    places = [Path(given)] if given else []
    found = {}
    for recording in recorded.recordings("llm"):
        for place in (*places, recorded.HERE / "cases"):
            if (place / recording.case).is_dir():
                found.setdefault(recording.case, place / recording.case)
    return found


def script_of(folder: Path) -> Path:
    """The script or notebook of a copied case."""
    if (folder / "script.txt").is_file():
        (folder / "script.txt").rename(folder / "script.py")
    return next(path for path in (folder / "script.ipynb", folder / "script.py") if path.is_file())


def order_of(name: str) -> dict[str, str]:
    """The order a notebook's cells run in, where it is not that of the document."""
    return {"order": "executed"} if name in EXECUTED else {}


def replayed(directed: bool) -> list[dict[str, Any]]:
    """A cell per case that has a recording. Tokens are characters / 4, as the replaying server bills them."""
    cells = []
    for name, folder in sorted(cases().items()):
        rest = recorded.HERE / f"{name}.auto.json"
        cells.append({
            "case": name,
            "llm": _cell(folder, name, "llm", recorded.load(recorded.HERE / f"{name}.llm.json"), directed),
            "auto": _cell(folder, name, "auto", recorded.load(rest) if rest.is_file() else None, directed),
        })  # fmt: skip
    return cells


def _cell(
    case: Path, name: str, engine: str, recording: recorded.Recording | None, directed: bool
) -> dict[str, Any]:
    answer = recorded.answering(recording) if recording else _never
    with tempfile.TemporaryDirectory() as scratch, serving(answer) as endpoint:
        folder = Path(scratch) / name
        shutil.copytree(case, folder)
        result = api.rewrite(
            script_of(folder), engine=engine, model="recorded", base_url=endpoint.url, directed=directed,
            mutants="none", samples=1, cache=False, **order_of(name),
        )  # fmt: skip
        tokens = sum(e.prompt_tokens + e.completion_tokens for e in result.exchanges)
    return {
        "verdict": str(result.verdict.status) if result.verdict else "none",
        "questions": len(result.exchanges),
        "tokens": tokens,
        "stopped": result.stopped,
    }


def _never(request: dict[str, Any]) -> tuple[int, str]:
    return 404, "no answer was recorded for this case"


def row(cell: dict[str, Any]) -> tuple[Any, ...]:
    """A cell as a line of the table."""
    llm, auto = cell["llm"], cell["auto"]
    return (cell["case"], llm["verdict"], llm["questions"], llm["tokens"], auto["verdict"], auto["questions"],
            auto["tokens"])  # fmt: skip


def goals(cells: list[dict[str, Any]]) -> list[Goal]:
    """What auto asks for, as a share of what llm asks for, over all cases."""
    asked = {engine: sum(cell[engine]["tokens"] for cell in cells) for engine in ("llm", "auto")}
    share = asked["auto"] / asked["llm"] if asked["llm"] else 1.0
    return [Goal("tokens of auto as a share of those of llm", SHARE, "", {"all cases": share} if cells else {})]
