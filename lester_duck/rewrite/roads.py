"""Who is asked: an endpoint, or a folder that something else answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lester_duck.rewrite.asking import settings
from lester_duck.rewrite.asking.endpoint import EndpointAsker
from lester_duck.rewrite.asking.folder import FolderAsker
from lester_duck.rewrite.asking.log import Log, Resumed
from lester_duck.rewrite.asking.question import Asker


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How a model is asked, and how much.

    ``rounds`` repairs at most of each of ``samples`` answers to a question; ``max_tokens`` and ``max_cost``
    bound the whole. ``share_rows`` sample lines of each file go out, 0 keeps every value of the data back.
    ``log`` is the folder every exchange is kept in; with ``resume`` what it holds is not asked again.
    ``request`` is the folder of the files engine.
    """

    model: str | None = None
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    rounds: int = 2
    samples: int = 3
    max_tokens: int | None = None
    max_cost: float | None = None
    share_rows: int = 0
    log: Path | None = None
    resume: bool = False
    cache: bool = True
    request: Path | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> tuple[Asking, dict[str, Any]]:
        """Those options that are fields here, and the others.

        >>> asking, others = Asking.of({"model": "m", "log": "answers", "python": None})
        >>> asking.model, asking.log, others
        ('m', PosixPath('answers'), {'python': None})
        """
        mine = {name: value for name, value in options.items() if name in cls.__dataclass_fields__}
        for name in ("log", "request"):
            if mine.get(name) is not None:
                mine[name] = Path(mine[name])
        return cls(**mine), {name: value for name, value in options.items() if name not in mine}

    @property
    def configured(self) -> bool:
        """Whether options, environment or a configuration file name a model."""
        return self.model is not None or settings.configured()


def endpoint_asker(asking: Asking, progress: Callable[[str], None]) -> Asker:
    """The endpoint that options, environment and files describe; raises UsageError saying what is missing."""
    options = {"model": asking.model, "base_url": asking.base_url, "key": asking.api_key}
    endpoint = settings.resolve(options)
    budget = settings.budget(endpoint, asking.max_tokens, asking.max_cost)
    log = None
    if asking.log is not None:
        log = Log.load(asking.log) if asking.resume else Log(asking.log)
    asker = EndpointAsker(endpoint, budget, cache=_cache() if asking.cache else None, log=log, progress=progress)
    return Resumed(asker, log) if log is not None and asking.resume else asker


def folder_asker(asking: Asking, script: Path) -> Asker:
    """The folder beside the script, unless another is given, where questions are written and answers read."""
    return FolderAsker(asking.request or script.with_suffix(".request"))


def _cache() -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "lester-duck" / "answers"
