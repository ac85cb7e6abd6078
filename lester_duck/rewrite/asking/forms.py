"""The parameters of a request, and what an endpoint turned out not to take.

Endpoints differ. OpenAI's newer models refuse ``max_tokens`` and any ``temperature``; LM Studio refuses
``json_object``; vLLM and llama.cpp refuse schemas their grammars cannot say; Mistral has no ``seed``; the
chat templates of some open models have no system role. What is refused is left out or said otherwise,
and the manner that worked is kept for the questions that follow.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from lester_duck.rewrite.asking.faults import Fault
from lester_duck.rewrite.asking.question import Message, Question
from lester_duck.rewrite.asking.settings import Endpoint

FORMS = ("json_schema", "json_object", "text")
"""Strongest first."""
_ABOUT_FORM = re.compile(
    r"response_?format|json_schema|json_object|schema|grammar|structured|guided|json mode", re.IGNORECASE
)
_ABOUT_ROLES = re.compile(
    r"system (role|message|prompt)|developer (role|instruction)|roles must alternate|only user and assistant",
    re.IGNORECASE,
)
_TELL = (
    "\n\nAnswer with one JSON object and nothing else: no explanation, no code fence. "
    "It has to be valid against this JSON schema:\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How an endpoint is asked.

    ``told``: the schema is also part of the last message. ``limit_name`` is the parameter that bounds the
    answer, ``other_limit_name`` the one to try when that is refused, ``larger`` how often a cut-off
    answer was allowed to be longer.
    """

    form: str
    limit_name: str | None
    other_limit_name: str | None
    adapts: bool = True
    told: bool = False
    temperature: bool = True
    seed: bool = True
    system: bool = True


def first_manner(endpoint: Endpoint) -> Manner:
    """What is tried first.

    >>> first_manner(Endpoint(model="m")).limit_name
    'max_completion_tokens'
    >>> first_manner(Endpoint(model="m", base_url="http://localhost:11434/v1")).limit_name
    'max_tokens'
    """
    host = urlsplit(endpoint.address).hostname or ""
    newest = host.endswith((".openai.com", ".azure.com"))
    names = ("max_completion_tokens", "max_tokens")
    return Manner(
        form=FORMS[0] if endpoint.form == "auto" else endpoint.form,
        adapts=endpoint.form == "auto",
        limit_name=names[0 if newest else 1],
        other_limit_name=names[1 if newest else 0],
    )


def parameters(endpoint: Endpoint, question: Question, manner: Manner, limit: int | None) -> dict[str, Any]:
    """The body of a request."""
    sent: dict[str, Any] = {"model": endpoint.model, "messages": messages(question, manner)}
    if manner.form == "json_schema":
        structured = {"name": question.name, "schema": dict(question.schema), "strict": False}
        sent["response_format"] = {"type": "json_schema", "json_schema": structured}
    elif manner.form == "json_object":
        sent["response_format"] = {"type": "json_object"}
    if limit is not None and manner.limit_name:
        sent[manner.limit_name] = limit
    if endpoint.temperature is not None and manner.temperature:
        sent["temperature"] = endpoint.temperature
    if question.sample and manner.seed:
        sent["seed"] = question.sample
    return sent


def messages(question: Question, manner: Manner) -> list[Message]:
    """The messages as they are sent: with the schema where nothing else tells it, without a system role if need be.

    >>> asked = Question(task="t", version="v1", prompt_sha256="", name="a", schema={"type": "object"},
    ...                  messages=({"role": "system", "content": "S"}, {"role": "user", "content": "U"}))
    >>> manner = Manner(form="text", limit_name=None, other_limit_name=None, system=False)
    >>> [(m["role"], m["content"][:7], m["content"][-18:]) for m in messages(asked, manner)]
    [('user', 'S\\n\\nU\\n\\nA', '{"type": "object"}')]
    """
    found = [{name: _encodable(text) for name, text in message.items()} for message in question.messages]
    if manner.told or manner.form != "json_schema":
        found[-1]["content"] += _TELL + json.dumps(question.schema)
    if manner.system:
        return found
    head = "\n\n".join(message["content"] for message in found if message["role"] == "system")
    rest = [message for message in found if message["role"] != "system"]
    if head and rest:
        rest[0]["content"] = f"{head}\n\n{rest[0]['content']}"
    return rest or found


def _encodable(text: str) -> str:
    r"""The text with halves of surrogate pairs, which are no UTF-8, written as escapes.

    >>> _encodable("ü \ud83d")
    'ü \\ud83d'
    """
    return text.encode("utf-8", errors="backslashreplace").decode("utf-8")


def adapted(manner: Manner, fault: Fault, sent: Mapping[str, Any]) -> tuple[Manner, str] | None:
    """Another manner after a refusal, and what changed; None when nothing more can be left out."""
    if not fault.refused:
        return None
    text = fault.text
    if manner.system and _ABOUT_ROLES.search(text):
        return replace(manner, system=False), "without a system message"
    if "temperature" in sent and re.search(r"\btemperature\b", text):
        return replace(manner, temperature=False), "without a temperature"
    if "seed" in sent and re.search(r"\bseed\b", text):
        return replace(manner, seed=False), "without a seed"
    if manner.limit_name in sent and re.search(r"\bmax_(completion_)?tokens\b", text):
        other = manner.other_limit_name
        said = f"with {other}" if other else "without a limit of the answer"
        return replace(manner, limit_name=other, other_limit_name=None), said
    about = _ABOUT_FORM.search(text)
    if not about and fault.status is not None and fault.status >= 500:
        return None
    if manner.adapts and manner.form != FORMS[-1]:
        weaker = FORMS[FORMS.index(manner.form) + 1]
        return replace(manner, form=weaker), f"for an answer of the form {weaker}"
    return None
