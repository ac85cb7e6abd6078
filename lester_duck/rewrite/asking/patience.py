"""How long is waited, for an answer and between requests, and that it is said."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from threading import Thread
from typing import TypeVar

from lester_duck.rewrite.asking.faults import Fault
from lester_duck.rewrite.asking.question import NotAnswered

Progress = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. Waits double from ``first`` to ``longest``, and for one question are ``total`` at most.

    A ``Retry-After`` is honoured up to ``asked``; ``tick`` is how often waiting is said. With the
    endpoint's retries and timeout this bounds a question's time.
    """

    first: float = 1.0
    longest: float = 20.0
    asked: float = 60.0
    total: float = 120.0
    tick: float = 5.0


class Pauses:
    """The waits of one question."""

    def __init__(self, patience: Patience, retries: int, say: Progress) -> None:
        self._patience = patience
        self._retries = retries
        self._say = say
        self._next = patience.first
        self._waited = 0.0
        self._failed = 0

    def after(self, fault: Fault) -> None:
        """Wait before the next request; raises NotAnswered when there is to be none."""
        if not fault.passing or self._retries == 0:
            raise NotAnswered(fault.sentence, hint=fault.hint)
        if fault.wait is not None and fault.wait > self._patience.asked:
            sentence = f"{fault.sentence}; it asks to wait {fault.wait:.0f} s"
            raise NotAnswered(sentence, hint="repeat the command with --resume after that")
        self._failed += not fault.busy
        asked = fault.wait is not None and fault.wait >= self._patience.first  # less would be no pause
        seconds = fault.wait if asked and fault.wait is not None else self._next
        if self._failed > self._retries or self._waited + seconds > self._patience.total:
            raise NotAnswered(f"{fault.sentence} ({self._tried()})", hint=fault.hint)
        self._next = min(self._next * 2, self._patience.longest)
        self._waited += seconds
        self._say(f"{fault.short}; {'asked to wait' if asked else 'asking again in'} {seconds:.3g} s")
        time.sleep(seconds)

    def _tried(self) -> str:
        times = f"{self._failed} times" if self._failed > 1 else "once"
        return f"tried {times}" if self._failed > self._retries else f"waited {self._waited:.3g} s"


def answered(request: Callable[[], T], *, model: str, timeout: float, tick: float, say: Progress) -> T | None:
    """What a request gives, saying every ``tick`` seconds that it is waited for; None when it takes too long.

    The request runs in a thread of its own, so that an interrupt ends the waiting at once and a server
    that sends a byte now and then does not prolong it.
    """
    future: Future[T] = Future()
    Thread(target=_run, args=(request, future), daemon=True).start()
    start = time.monotonic()
    while (left := timeout - (time.monotonic() - start)) > 0:
        if wait([future], timeout=min(tick, left)).done:
            return future.result()
        say(f"waiting for {model}, {time.monotonic() - start:.0f} s")
    return None


def _run(request: Callable[[], T], future: Future[T]) -> None:
    try:
        future.set_result(request())
    except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
        future.set_exception(error)
