"""The functions of many mutants in one process: starting one for each would cost more than trying it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from lester_duck.engine.calls import make_worker
from lester_duck.engine.worker import Worker
from lester_duck.pipeline.model import Pipeline

SECONDS = 5.0
"""The most one batch of calls may take."""
_LOADER = '''\
import types


def _failing(name, error):
    def function(*arguments):
        raise error

    return function


for _number, _text in enumerate(_TEXTS):
    _module = types.ModuleType("functions")
    try:
        exec(compile(_text, "functions.py", "exec"), _module.__dict__)
    except Exception as _error:
        _module.__dict__.update((_name, _failing(_name, _error)) for _name in _NAMES)
    for _name in _NAMES:
        globals()["%s__%d" % (_name, _number)] = getattr(_module, _name)
'''


def together(pipelines: Sequence[Pipeline]) -> dict[str, Numbered]:
    """A worker for each code of the pipelines, which declare the same functions; all share one process.

    A code that cannot be loaded raises its error at each call.
    """
    if not pipelines:
        return {}
    texts = list(dict.fromkeys(p.code for p in pipelines))
    first = pipelines[0]
    lines = [f"_TEXTS = {texts!r}", f"_NAMES = {[f.name for f in first.functions]!r}", _LOADER]
    numbered = tuple(replace(f, name=f"{f.name}__{n}") for n in range(len(texts)) for f in first.functions)
    worker = make_worker(replace(first, code="\n".join(lines), functions=numbered), timeout=SECONDS)
    return {text: Numbered(worker=worker, number=n) for n, text in enumerate(texts)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """One code's functions in the process that holds many, asked as a ``Worker`` is."""

    worker: Worker
    number: int

    def call(self, function: str, arguments: pa.Table) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
        """Evaluate a function for each row of ``arguments``: values and errors."""
        return self.worker.call(f"{function}__{self.number}", arguments)

    def fold(self, function: str, rows: pa.Table) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
        """Run a fold over ``rows``: values and errors."""
        return self.worker.fold(f"{function}__{self.number}", rows)

    def close(self) -> None:
        """End the process, which the others share."""
        self.worker.close()
