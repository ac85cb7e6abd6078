"""Text assets (``sql/``, ``prompts/``) shipped beside the package.

A wheel carries them inside the package (hatch's force-include); an editable install finds them at
the root of the repository.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from lester_duck.errors import InternalError

_PACKAGE = Path(__file__).resolve().parent
_ROOTS = (_PACKAGE / "_assets", _PACKAGE.parent)


def folder(relative: str) -> Path:
    """The folder of an asset group, such as ``sql/migrations``."""
    for root in _ROOTS:
        if (root / relative).is_dir():
            return root / relative
    raise InternalError(f"asset folder {relative!r} is missing from the installation")


@cache
def text(relative: str) -> str:
    """The text of one asset, such as ``sql/lineage/usage.sql``."""
    for root in _ROOTS:
        path = root / relative
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise InternalError(f"asset {relative!r} is missing from the installation")
