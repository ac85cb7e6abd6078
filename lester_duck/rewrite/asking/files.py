"""Files written whole or not at all, and the names of numbered ones."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lester_duck.errors import InputError

_NUMBERED = re.compile(r"(\d{3,})-")


def write_text(path: Path, text: str) -> None:
    """Write beside the target, then rename: a reader, or a run that ends here, never sees half a file.

    Raises InputError when the file system refuses.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
                file.write(text)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(f"cannot write '{path}': {error.strerror or error}") from error


def write_json(path: Path, value: Any) -> None:
    """JSON, indented, in ASCII: a model's answer may hold halves of surrogate pairs, which are no UTF-8."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def plain(name: str) -> str:
    """A name as part of a file name.

    >>> plain("repair view/a b")
    'repair-view-a-b'
    """
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.") or "question"


def next_number(names: Iterable[str]) -> int:
    """One more than the highest number that names start with.

    >>> next_number(["001-rewrite.json", "012-repair.json", "notes.txt"])
    13
    """
    found = (_NUMBERED.match(name) for name in names)
    return max((int(match[1]) for match in found if match), default=0) + 1
