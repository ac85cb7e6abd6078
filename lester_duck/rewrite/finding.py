"""Something that looks like a bug of the original: it is reproduced all the same."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What looks wrong at which line (0: no single one), and what was seen."""

    kind: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.kind}: {self.text}" if self.line else f"{self.kind}: {self.text}"
