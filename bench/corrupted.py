"""Corrupted answers of a model: how many of them the comparison accepts.

Each recorded answer (see tests/rewrite/recorded.py) is changed in one place at a time: a join's kind, a comparison,
a constant, a default, a column, an order, a list of categories, the rows that fit an encoder. What is told apart on
the user's data or on generated inputs is caught; what survives is listed. Cases are those of the folder that
LESTER_DUCK_CASES names, and those that ship with the tests.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from measuring import Goal, finish, options, replay, table

from lester_duck import api

EACH = 12
"""Corrupted answers per case."""
SECONDS = 600.0
"""What a case may take: how many are caught should not depend on how busy the machine is."""
HEADER = ("case", "verdict", "corrupted", "caught", "argued equivalent", "accepted")


def cell(name: str, folder: Path, number: int) -> dict[str, Any]:
    """One case: its recorded rewrite, and what became of its corrupted variants."""
    recording = replay.recorded.load(replay.recorded.HERE / f"{name}.llm.json")
    with tempfile.TemporaryDirectory() as scratch, replay.recorded.replaying(recording) as endpoint:
        copy = Path(scratch) / name
        shutil.copytree(folder, copy)
        script = replay.script_of(copy)
        result = api.rewrite(
            script, engine="llm", model="recorded", base_url=endpoint.url, mutants=number, samples=1,
            rounds=recording.repairs, seconds=SECONDS, cache=False, **replay.order_of(name),
        )  # fmt: skip
    outcome = result.mutants
    return {
        "case": name,
        "verdict": str(result.verdict.status) if result.verdict else "none",
        "told": len(outcome.told) if outcome else 0,
        "equivalent": [f"{m}: {why}" for m, why in outcome.equivalent] if outcome else [],
        "accepted": [str(m) for m in outcome.survivors] if outcome else [],
        "kinds": sorted({t.mutant.operator for t in outcome.told} | {m.operator for m in outcome.survivors})
        if outcome else [],
    }  # fmt: skip


def row(c: dict[str, Any]) -> tuple[Any, ...]:
    """A cell as a line of the table."""
    tried = c["told"] + len(c["equivalent"]) + len(c["accepted"])
    return (c["case"], c["verdict"], tried, c["told"], len(c["equivalent"]), len(c["accepted"]))


def main() -> None:
    """Measure, print, conclude."""
    args = options(__doc__)
    cases = replay.cases()
    names = sorted(cases)[:2] if args.quick else sorted(cases)
    cells = [cell(name, cases[name], EACH) for name in names]
    print(table(HEADER, [row(c) for c in cells]))
    for c in cells:
        for line in c["accepted"]:
            print(f"accepted: {c['case']}: {line}")
        for line in c["equivalent"]:
            print(f"argued equivalent: {c['case']}: {line}")
    accepted = {c["case"]: float(len(c["accepted"])) for c in cells if c["verdict"] == "agreed"}
    finish(args, {"cells": cells}, [Goal("corrupted answers accepted", 0, "", accepted)])


if __name__ == "__main__":
    main()
