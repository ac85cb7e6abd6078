"""What went wrong with one request: whether it passes by itself, and one sentence for the user."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime

from lester_duck.rewrite.asking.settings import KEY_VARIABLES, Endpoint

BUSY = {408, 409, 425, 429, 503, 529}
"""Come back later: retried until patience ends, however often that is."""
_LONGEST = 300
_NAMED = 12
_TOO_LONG = re.compile(
    r"context.?(length|size|window)|maximum context|too many tokens|prompt is too long|exceeds? the (\w+ )?context",
    re.IGNORECASE,
)
_FILTERED = re.compile(r"content.?filter|content management policy|responsibleaipolicy", re.IGNORECASE)
_LIMIT_TOO_LARGE = re.compile(
    r"max_(completion_)?tokens.{0,60}(too large|at most|less than|exceed|greater|maximum)", re.IGNORECASE
)
_NO_CREDIT = re.compile(r"insufficient_quota|insufficient.?(balance|credit|funds)|exceeded your current quota", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A request without an answer.

    ``text`` is what the endpoint said, ``sentence`` what the user is told. ``passing`` faults are
    worth another request, ``busy`` ones after a while; ``wait`` is how long the endpoint asked for, in
    seconds. ``refused`` is set where the endpoint found fault with the request as it was written.
    """

    sentence: str
    hint: str | None = None
    status: int | None = None
    text: str = ""
    passing: bool = False
    busy: bool = False
    refused: bool = False
    wait: float | None = None

    @property
    def short(self) -> str:
        """For the log and for progress."""
        return f"HTTP {self.status}: {self.text}" if self.status and self.text else self.sentence


def from_status(status: int, text: str, endpoint: Endpoint, wait: float | None = None) -> Fault:
    """The fault an HTTP status and the endpoint's own words describe."""
    said = _one_line(text)
    also = f": {said}" if said else ""
    fault = Fault(sentence=f"the endpoint answers with an error {status}{also}", status=status, text=said, wait=wait)
    if _FILTERED.search(text):
        return replace(fault, sentence=f"the endpoint's content filter refuses the question{also}",
                       hint="ask another model, or have the filter of this one changed")  # fmt: skip
    if _NO_CREDIT.search(text) or status == 402:
        return replace(fault, sentence=f"the account behind the API key has no credit left{also}",
                       hint="add credit, or ask another endpoint; --resume continues")  # fmt: skip
    if status == 413 or (status in (400, 422, 500) and _TOO_LONG.search(text)):
        hint = "use a model, or start the server, with a larger context; or set a smaller answer_tokens"
        return replace(fault, sentence=f"the question is too long for {endpoint.model}{also}", hint=hint)
    if status in (400, 422) and _LIMIT_TOO_LARGE.search(text):
        return replace(fault, sentence=f"{endpoint.model} does not give answers as long as asked for{also}",
                       hint="set a smaller answer_tokens")  # fmt: skip
    if status in (401, 403):
        what = "refuses the API key" if endpoint.key else "wants an API key"
        return replace(fault, sentence=f"the endpoint {what}{also}", hint=_key_hint(endpoint))
    if status == 404:
        return replace(fault, sentence=f"{endpoint.address} does not know '{endpoint.model}'{also}",
                       hint=_missing_hint(endpoint))  # fmt: skip
    if 300 <= status < 400:
        return replace(fault, sentence=f"{endpoint.address} has moved", hint="give the new address with --base-url")
    if status in BUSY:
        return replace(fault, sentence=f"{endpoint.model} is busy{also}", passing=True, busy=True,
                       hint="try again later; --resume continues")  # fmt: skip
    if status >= 500 and status != 501:
        return replace(fault, passing=True, refused=status == 500, hint="try again later; --resume continues")
    return replace(fault, refused=status in (400, 415, 422, 501), sentence=f"the endpoint refuses the request{also}",
                   hint=f"check that '{endpoint.model}' is a chat model of {endpoint.address}")  # fmt: skip


def waited_too_long(endpoint: Endpoint) -> Fault:
    """No answer in time."""
    return Fault(
        sentence=f"{endpoint.model} did not answer within {endpoint.timeout:g} s",
        hint="set a longer timeout, or ask a faster model; --resume continues",
    )


def unreachable(endpoint: Endpoint, reason: str) -> Fault:
    """No connection."""
    reason = _one_line(reason)
    return Fault(
        sentence=f"cannot reach {endpoint.address}" + (f": {reason}" if reason else ""),
        hint="check --base-url and that the server runs; --resume continues",
        text=reason,
        passing=True,
    )


def broken(endpoint: Endpoint, reason: str) -> Fault:
    """A connection that ended before the answer did."""
    reason = _one_line(reason)
    return Fault(
        sentence=f"the connection to {endpoint.address} broke: {reason}",
        hint="check the server's own messages, it may have run out of memory; --resume continues",
        text=reason,
        passing=True,
    )


def knowing(fault: Fault, model: str, names: Sequence[str]) -> Fault:
    """A model that is not there, with those that are.

    >>> fault = Fault(sentence="no 'llama'", hint="check --model")
    >>> knowing(fault, "llama", ["llama3", "qwen3"]).hint
    "check --model; there are: llama3, qwen3 (did you mean 'llama3'?)"
    """
    if not names:
        return fault
    near = difflib.get_close_matches(model, names, n=1)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    guess = f" (did you mean '{near[0]}'?)" if near else ""
    return replace(fault, hint=f"{fault.hint}; there are: {', '.join(sorted(names)[:_NAMED])}{more}{guess}")


def not_an_answer(endpoint: Endpoint, body: str) -> Fault:
    """A body that is no chat completion."""
    start = body.lstrip()[:200].lower()
    if start.startswith(("<!doctype", "<html")):
        return Fault(
            sentence=f"{endpoint.address} answers with a web page, not as a model does",
            hint="check --base-url: most end in /v1",
        )
    said = f"something that is no chat completion: {_one_line(body)[:80]!r}" if body.strip() else "nothing"
    return Fault(
        sentence=f"{endpoint.address} answers with {said}",
        hint="check --base-url; if the server is the right one its answer was damaged on the way: try again",
        passing=True,
    )


def no_text(endpoint: Endpoint) -> Fault:
    """An answer without text."""
    return Fault(
        sentence=f"{endpoint.model} gave an empty answer",
        hint="ask another model, or try again; --resume continues",
        passing=True,
    )


def declined(endpoint: Endpoint, reason: str) -> Fault:
    """The model, or a filter behind it, will not answer."""
    said = _one_line(reason)
    return Fault(sentence=f"{endpoint.model} declines to answer" + (f": {said}" if said else ""),
                 hint="ask another model")  # fmt: skip


def cut_off(endpoint: Endpoint, limit: int | None) -> Fault:
    """An answer that stopped before its end."""
    if limit is None:
        return Fault(
            sentence=f"the answer of {endpoint.model} was cut off by the endpoint",
            hint="set answer_tokens, use a model with longer answers, or start a local server with a larger context",
        )
    return Fault(
        sentence=f"the answer of {endpoint.model} was cut off after {limit:,} tokens",
        hint="set a larger answer_tokens; --resume continues",
    )


def asked_to_wait(headers: dict[str, str], now: float) -> float | None:
    """The seconds a ``Retry-After`` (seconds or a date) asks for; ``now`` is the time since the epoch.

    >>> asked_to_wait({"retry-after": "3"}, 0.0)
    3.0
    >>> asked_to_wait({"retry-after": "Thu, 01 Jan 1970 00:00:20 GMT"}, 5.0)
    15.0
    >>> asked_to_wait({"retry-after-ms": "250"}, 0.0)
    0.25
    >>> asked_to_wait({"retry-after": "soon"}, 0.0) is None
    True
    """
    if re.fullmatch(r"\d+(\.\d+)?", headers.get("retry-after-ms", "").strip()):
        return float(headers["retry-after-ms"]) / 1000
    given = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", given):
        return float(given)
    try:
        return max(parsedate_to_datetime(given).timestamp() - now, 0.0) if given else None
    except ValueError:
        return None  # neither of the two forms: as if it had not been given


def _key_hint(endpoint: Endpoint) -> str:
    if endpoint.key is None:
        return f"set {KEY_VARIABLES[0]} in the environment"
    return f"check {' or '.join(KEY_VARIABLES)} in the environment, and that the key is of {endpoint.address}"


def _missing_hint(endpoint: Endpoint) -> str:
    local = "pull or load it there first" if endpoint.base_url else "check its name"
    ends = "" if re.search(r"/v\d+\w*$", endpoint.address) else "; addresses mostly end in /v1"
    return f"check --model ({local}) and --base-url{ends}"


def _one_line(text: str) -> str:
    """Without what would steer a terminal, and not longer than a few lines of one."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * _LONGEST]).split())[:_LONGEST]
