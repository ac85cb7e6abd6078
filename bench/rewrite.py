"""Rewriting: observe, propose and compare against the script's own run time; then directed inputs and mutants.

The cases are a join and a report in plain Python, and the demonstration's script. Where the variable
LESTER_DUCK_CASES names a folder, the scripts of its folders (``NAME/script.py``) are measured too.

``--engine llm --replay`` counts the tokens of rewrites with a model instead, from recorded answers.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring import Goal, finish, options, replay, table

import lester_duck as ld
from lester_duck.demo import data, story
from lester_duck.rewrite.rewrite import MUTANTS

OWN_RUNS = 2
ALLOWANCE_S = 5.0
MORE_LIMIT_S = 60.0
REPORT = '''\
stores = {}
for line in open("stores.txt"):
    code, region, size = line.strip().split(";")
    stores[code] = (region, int(size))

totals = {}
for line in open("sales.txt"):
    code, day, amount = line.strip().split(";")
    if code not in stores or day < "2023-01-01":
        continue
    region, size = stores[code]
    kind = "large" if size >= 100 else "small"
    key = region.lower() + " " + kind
    totals[key] = totals.get(key, 0) + int(amount)

with open("report.csv", "w") as out:
    for key in sorted(totals):
        out.write(key + "," + str(totals[key]) + "\\n")
'''


@dataclass(frozen=True)
class Case:
    """A script in a folder of its own; ``more`` says whether directed inputs and mutants are measured."""

    name: str
    script: Path
    more: bool = True


def report_case(folder: Path, rows: int) -> Case:
    """The plain script and ``rows`` sales."""
    chance = random.Random(1)
    folder.mkdir()
    (folder / "script.py").write_text(REPORT, encoding="utf-8")
    stores = [f"s{n};{chance.choice(('North', 'South', 'West'))};{chance.randrange(20, 200)}" for n in range(60)]
    days = [f"{year}-{month:02}-{day:02}" for year in (2022, 2023) for month in (1, 6, 12) for day in (1, 2, 31)]
    sales = [f"s{chance.randrange(66)};{chance.choice(days)};{chance.randrange(1, 500)}" for _ in range(rows)]
    (folder / "stores.txt").write_text("\n".join(stores) + "\n", encoding="utf-8")
    (folder / "sales.txt").write_text("\n".join(sales) + "\n", encoding="utf-8")
    return Case(name=f"report, {rows} rows", script=folder / "script.py")


def demo_case(folder: Path, customers: int, more: bool) -> Case:
    """The demonstration's script and data."""
    data.write(folder, customers)
    shutil.copyfile(Path(story.__file__).with_name(story.SCRIPT), folder / story.SCRIPT)
    return Case(name=f"demonstration, {customers} customers", script=folder / story.SCRIPT, more=more)


def given_cases(folder: Path) -> list[Case]:
    """Copies of the cases the environment names."""
    given = os.environ.get("LESTER_DUCK_CASES")
    found = []
    for script in sorted(Path(given).glob("*/script.py")) if given else []:
        shutil.copytree(script.parent, folder / script.parent.name)
        found.append(Case(name=script.parent.name, script=folder / script.parent.name / "script.py"))
    return found


def own_seconds(case: Case) -> float:
    """The script's own run time: the shortest of a few runs in a copy of its folder."""
    times = []
    for _ in range(OWN_RUNS):
        with tempfile.TemporaryDirectory() as scratch:
            shutil.copytree(case.script.parent, Path(scratch) / "copy")
            started = time.perf_counter()
            command = [sys.executable, case.script.name]
            subprocess.run(command, cwd=Path(scratch) / "copy", check=True, capture_output=True)
            times.append(time.perf_counter() - started)
    return min(times)


def cell(case: Case, mutants: int) -> dict[str, Any]:
    """The times of one case."""
    own = own_seconds(case)
    started = time.perf_counter()
    short = ld.rewrite(case.script, engine="static", directed=False)
    first = time.perf_counter() - started
    facts: dict[str, Any] = {
        "case": case.name,
        "own_s": own,
        "first_s": first,
        "ratio": first / own,
        "over_s": first - 2 * own,
        "verdict": short.verdict.status if short.verdict else "none",
        "refusals": len(short.refusals),
        "more_s": None,
    }
    if case.more and facts["verdict"] == "agreed":
        started = time.perf_counter()
        full = ld.rewrite(case.script, engine="static", mutants=mutants)
        facts["more_s"] = max(0.0, time.perf_counter() - started - first)
        facts["verdict"] = full.verdict.status
        facts["inputs"] = full.verdict.inputs
        facts["rate"] = full.mutants.rate if full.mutants else None
        facts["mutants"] = str(full.mutants) if full.mutants else "none"
    return facts


HEADER = ("case", "own s", "observe, propose, compare s", "ratio", "inputs and mutants s", "told apart", "verdict")


def row(c: dict[str, Any]) -> tuple[Any, ...]:
    """A cell as a line of the table."""
    more = f"{c['more_s']:.1f}" if c["more_s"] is not None else "-"
    rate = f"{c['rate']:.0%}" if c.get("rate") is not None else "-"
    refused = f", {c['refusals']} refused" if c["refusals"] else ""
    return (c["case"], f"{c['own_s']:.2f}", f"{c['first_s']:.2f}", f"{c['ratio']:.1f}", more, rate,
            c["verdict"] + refused)  # fmt: skip


def goals(cells: list[dict[str, Any]]) -> list[Goal]:
    """A case counts for the first goal when something was proposed, for the second when it was measured."""
    proposed = {c["case"]: c["over_s"] for c in cells if c["verdict"] != "none"}
    more = {c["case"]: c["more_s"] for c in cells if c["more_s"] is not None}
    return [
        Goal("time beyond twice the script's own", ALLOWANCE_S, "s", proposed),
        Goal("directed inputs and mutants", MORE_LIMIT_S, "s", more),
    ]


def _more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", choices=["static", "llm"], default="static", help="llm: with a model, and auto")
    parser.add_argument("--replay", action="store_true", help="recorded answers of a model")


def main() -> None:
    """Measure, print, conclude."""
    args = options(__doc__, _more)
    if args.replay:
        cells = replay.replayed(directed=not args.quick)
        print(table(replay.HEADER, [replay.row(c) for c in cells]))
        finish(args, {"cells": cells}, replay.goals(cells))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if args.quick:
            cases = [report_case(folder / "report", 1_000), demo_case(folder / "demo", 200, more=False)]
        else:
            cases = [report_case(folder / "report", 20_000), demo_case(folder / "demo", 1_000, more=True)]
            cases += given_cases(folder)
        cells = [cell(case, 20 if args.quick else MUTANTS) for case in cases]
    print(table(HEADER, [row(c) for c in cells]))
    finish(args, {"cells": cells}, goals(cells))


if __name__ == "__main__":
    main()
