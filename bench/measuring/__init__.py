"""What every benchmark shares: options, repeats, the table, raw figures, the closing line."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def options(description: str, more: Callable[[argparse.ArgumentParser], object] | None = None) -> argparse.Namespace:
    """``--quick`` (under 50 s on two cores) and ``--json FILE``; ``more`` adds others."""
    parser = argparse.ArgumentParser(description=description)
    if more:
        more(parser)
    parser.add_argument("--quick", action="store_true", help="smaller sizes: under 50 s on two cores")
    parser.add_argument("--json", metavar="FILE", help="write the raw figures")
    return parser.parse_args()


def p50(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


@dataclass(frozen=True)
class Goal:
    """A goal over cells: a figure per eligible cell and the most it may be."""

    name: str
    limit: float
    unit: str
    cells: dict[str, float]

    def line(self) -> str:
        """``goal: NAME met ...`` or ``goal: NAME missed by ...``; without a cell it is missed."""
        if not self.cells:
            return f"goal: {self.name} at most {self.limit:g} {self.unit} missed by no eligible cell"
        worst = max(self.cells, key=self.cells.__getitem__)
        value = self.cells[worst]
        if value <= self.limit:
            return f"goal: {self.name} at most {self.limit:g} {self.unit} met (worst {value:.3g} {self.unit}: {worst})"
        over = f"{value - self.limit:.3g} {self.unit}"
        return f"goal: {self.name} at most {self.limit:g} {self.unit} missed by {over} ({worst})"


def conclude(goals: Sequence[Goal]) -> str:
    """One line for all goals: met only when each is."""
    lines = [g.line() for g in goals]
    missed = [line for line in lines if "missed" in line]
    text = "; ".join(line.removeprefix("goal: ") for line in (missed or lines))
    return f"goal: {text}"


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Left-aligned columns."""
    cells = [[str(c) for c in row] for row in [header, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {"python": platform.python_version(), "cores": len(os.sched_getaffinity(0)), "machine": platform.machine()}


def finish(args: argparse.Namespace, figures: dict[str, Any], goals: Sequence[Goal]) -> None:
    """Write the raw figures and print the closing line."""
    line = conclude(goals)
    if args.json:
        document = {"machine": machine(), "quick": args.quick, **figures, "conclusion": line}
        Path(args.json).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(line)
    sys.stdout.flush()
