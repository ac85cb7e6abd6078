"""A model that answers what a test says and bills a token for four characters, behind the server of tests/asking."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from asking import server
from asking.server import Says, Server, completion, error

Answer = str | tuple[int, str]


@contextmanager
def serving(answer: Callable[[dict[str, Any]], Answer]) -> Iterator[Server]:
    """``answer`` maps a request to the text of the answer, or to a status and an error message."""

    def says(request: dict[str, Any]) -> Says:
        found = answer(request)
        return _billed(request, found) if isinstance(found, str) else error(*found)

    with server.serving(says) as listening:
        yield listening


def _billed(request: dict[str, Any], text: str) -> Says:
    asked = sum(len(m["content"]) for m in request["messages"]) // 4
    return Says(body=completion(text, model=request["model"], usage=(asked, len(text) // 4)))
