"""The table of idioms and their programs; ``python tests/cases/table.py`` writes it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from cases import corpus

PATH = Path(__file__).with_name("IDIOMS.md")


def text(cases: Sequence[corpus.Case]) -> str:
    """The table, an idiom a row, in alphabetical order."""
    rows = [f"| {idiom} | {', '.join(names)} |" for idiom, names in sorted(corpus.idioms_of(cases).items())]
    agreed = sum(case.verdict == "agreed" for case in cases)
    refused = sum(case.verdict == "refused" for case in cases)
    other = len(cases) - agreed - refused
    head = [
        "# Idioms of the corpus and their programs",
        "",
        f"{len(cases)} programs: {agreed} to be agreed, {refused} to be refused, {other} not comparable.",
        "",
        "| idiom | programs |",
        "|---|---|",
    ]
    return "\n".join([*head, *rows]) + "\n"


if __name__ == "__main__":
    PATH.write_text(text(corpus.cases()), encoding="utf-8")
