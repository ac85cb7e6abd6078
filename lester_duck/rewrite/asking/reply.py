"""A chat completion, in the shapes that servers give it -> text, tokens, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lester_duck.errors import InputError
from lester_duck.rewrite.asking.accounts import Spent, estimate
from lester_duck.rewrite.asking.answers import json_object

CUT_OFF = {"length", "max_tokens", "model_length"}
FILTERED = {"content_filter", "safety", "refusal"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """``text`` is empty when there is no answer in it; ``refusal`` says why, where the model does."""

    text: str
    model: str
    ended: str
    refusal: str
    spent: Spent

    @property
    def cut_off(self) -> bool:
        """Whether it stopped because it was too long."""
        return self.ended in CUT_OFF

    @property
    def filtered(self) -> bool:
        """Whether something withheld it."""
        return self.ended in FILTERED


def read_reply(body: Mapping[str, Any], model: str, asked_characters: int) -> Reply | None:
    """The reply in a body; None when the body is no chat completion."""
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        return None
    message = choice.get("message")
    message = message if isinstance(message, dict) else {}
    content = _text(message.get("content")) or _text(choice.get("text"))
    reasoned = _text(message.get("reasoning_content")) or _text(message.get("reasoning"))
    ended = str(choice.get("finish_reason") or "stop").lower()
    text = content or _called(message)
    if not text.strip() and ended not in CUT_OFF:
        text = _answer_among(reasoned)
    named = body.get("model")
    return Reply(
        text=text if text.strip() else "",
        model=named if isinstance(named, str) and named else model,
        ended=ended,
        refusal=_text(message.get("refusal")),
        spent=spent(body.get("usage"), asked_characters, len(content) + len(reasoned)),
    )


def error_in(body: Any) -> tuple[int | None, str]:
    """The status and the words of an error that came as JSON, in the shapes servers give it.

    >>> error_in({"error": {"message": "no such model", "code": 404}})
    (404, 'no such model')
    >>> error_in({"error": "model 'x' not found"}), error_in({"detail": [{"msg": "Extra inputs", "loc": ["seed"]}]})
    ((None, "model 'x' not found"), (None, 'Extra inputs (seed)'))
    """
    if isinstance(body, list) and body and isinstance(body[0], dict):
        return error_in(body[0])  # Google's way
    if not isinstance(body, dict):
        return None, body if isinstance(body, str) else ""
    found = body.get("error") or body.get("detail") or body.get("message") or body
    if isinstance(found, dict) and "error" in found:
        found = found["error"]
    if isinstance(found, str):
        return None, found
    if isinstance(found, list):
        return None, "; ".join(_located(item) for item in found)
    status = next((found[name] for name in ("code", "status") if isinstance(found.get(name), int)), None)
    message = found.get("message") or found.get("msg") or ""
    names = ("code" if isinstance(found.get("code"), str) else "type", "param")
    also = [found[name] for name in names if isinstance(found.get(name), str) and found[name] not in str(message)]
    return status, " ".join([str(message), *(f"({word})" for word in also)]).strip() or json.dumps(found)[:300]


def spent(usage: Any, asked_characters: int, answered_characters: int) -> Spent:
    """The tokens billed, or our estimate where the endpoint does not tell.

    Some count what a model reasoned only in the total: it is billed as answer.

    >>> spent({"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 20}, 0, 0).completion_tokens
    10
    >>> spent(None, 30, 3)
    Spent(prompt_tokens=10, completion_tokens=1, cost=None, estimated=True)
    """
    told = usage if isinstance(usage, dict) else {}
    prompt, completion, total = (_count(told.get(name)) for name in ("prompt_tokens", "completion_tokens",
                                                                     "total_tokens"))  # fmt: skip
    asked = prompt or estimate(asked_characters)
    answered = completion or estimate(answered_characters)
    if prompt and total:
        answered = max(answered, total - prompt)
    return Spent(prompt_tokens=asked, completion_tokens=answered, estimated=not (prompt and completion))


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _located(item: Any) -> str:
    """One of FastAPI's complaints about a request."""
    if not isinstance(item, dict):
        return str(item)
    where = item.get("loc")
    place = ".".join(str(part) for part in where) if isinstance(where, list) else ""
    return f"{item.get('msg', '')} ({place})" if place else str(item.get("msg", item))


def _text(content: Any) -> str:
    """A text, also one that comes as a list of parts; parts of reasoning are left out."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else part for part in content]
        return "".join(part for part in parts if isinstance(part, str))
    return ""


def _called(message: Mapping[str, Any]) -> str:
    """The arguments of a tool call, where a model calls one that nobody offered it."""
    calls = message.get("tool_calls")
    call = calls[0] if isinstance(calls, list) and calls else {"function": message.get("function_call")}
    function = call.get("function") if isinstance(call, dict) else None
    given = function.get("arguments") if isinstance(function, dict) else None
    return given if isinstance(given, str) else json.dumps(given) if isinstance(given, dict) else ""


def _answer_among(reasoned: str) -> str:
    """The reasoning, when the answer itself ended up in it: vLLM's parsers do that to models that do not reason."""
    try:
        json_object(reasoned)
    except InputError:
        return ""  # reasoning only: the answer is empty
    return reasoned
