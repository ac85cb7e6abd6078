"""The model road: one stateless request per proposal to an OpenAI-compatible endpoint.

The only module that imports ``openai``. Endpoints differ in what they enforce, so the answer's
form is asked for in three ways, strongest first, and always validated here.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lester_duck.errors import InputError, UsageError

Message = dict[str, str]
KEY_VARIABLES = ("LESTER_DUCK_API_KEY", "OPENAI_API_KEY")
TIMEOUT = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Which model answers, and where. ``key`` is never written anywhere."""

    model: str
    base_url: str | None = None
    key: str | None = None
    cache: Path | None = None
    """Folder of answers by hash of endpoint, model, schema and messages; None: no cache."""

    def __repr__(self) -> str:
        return f"Endpoint(model={self.model!r}, base_url={self.base_url!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The raw text of an answer, the form it was asked for in, tokens used, and whether it came from the cache."""

    text: str
    model: str
    form: str
    prompt_tokens: int
    completion_tokens: int
    cached: bool = False


def configured() -> bool:
    """Whether the environment names a model."""
    return bool(os.environ.get("LESTER_DUCK_MODEL"))


def endpoint(model: str | None, base_url: str | None, api_key: str | None) -> Endpoint:
    """The endpoint from options and environment; raises UsageError without a model."""
    model = model or os.environ.get("LESTER_DUCK_MODEL")
    if not model:
        raise UsageError("no model to ask", hint="give --model NAME (and --base-url URL for an endpoint of your own)")
    key = api_key or next((os.environ[name] for name in KEY_VARIABLES if os.environ.get(name)), None)
    base_url = base_url or os.environ.get("LESTER_DUCK_BASE_URL")
    if key is None and base_url is None:
        raise UsageError("no API key", hint=f"set {KEY_VARIABLES[0]} in the environment, or give --base-url URL")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Endpoint(model=model, base_url=base_url, key=key, cache=home / "lester-duck" / "answers")


def ask(where: Endpoint, messages: Sequence[Message], schema: dict[str, Any]) -> Answer:
    """One answer to the messages, from the cache when the same was asked before.

    Raises InputError when the endpoint cannot be reached or refuses.
    """
    place = _cache_path(where, messages, schema)
    if place and place.is_file():
        return Answer(**{**json.loads(place.read_text(encoding="utf-8")), "cached": True})
    answer = _request(where, messages, schema)
    if place:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(asdict(answer)), encoding="utf-8")
    return answer


def forget(where: Endpoint, messages: Sequence[Message], schema: dict[str, Any]) -> None:
    """Drop a cached answer that turned out not to be a pipeline."""
    place = _cache_path(where, messages, schema)
    if place:
        place.unlink(missing_ok=True)


def _cache_path(where: Endpoint, messages: Sequence[Message], schema: dict[str, Any]) -> Path | None:
    content = json.dumps([where.base_url, where.model, schema, list(messages)], sort_keys=True)
    return where.cache / f"{hashlib.sha256(content.encode()).hexdigest()}.json" if where.cache else None


def _request(where: Endpoint, messages: Sequence[Message], schema: dict[str, Any]) -> Answer:
    import openai

    client = openai.OpenAI(base_url=where.base_url, api_key=where.key or "none", timeout=TIMEOUT, max_retries=2)
    structured = {"type": "json_schema", "json_schema": {"name": "pipeline", "schema": schema, "strict": False}}
    forms: list[dict[str, Any]] = [{"response_format": structured}, {"response_format": {"type": "json_object"}}, {}]
    for form in forms:
        try:
            reply = client.chat.completions.create(model=where.model, messages=list(messages), **form)
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            if form:
                continue  # the endpoint does not know this way of asking: ask in a weaker one
            raise InputError(f"the endpoint refuses the request: {_first_line(error)}") from error
        except openai.AuthenticationError as error:
            hint = f"set {KEY_VARIABLES[0]} in the environment"
            raise InputError("the endpoint refuses the API key", hint=hint) from error
        except openai.APITimeoutError as error:
            raise InputError(f"{where.model} did not answer within {TIMEOUT:g} s") from error
        except openai.APIConnectionError as error:
            hint = "check --base-url and that the server runs"
            raise InputError(f"cannot reach {client.base_url}", hint=hint) from error
        except openai.APIError as error:
            raise InputError(f"the endpoint answers with an error: {_first_line(error)}") from error
        else:
            return _answer(reply, where, form)
    raise InputError("the endpoint refuses every form of request")


def _answer(reply: Any, where: Endpoint, form: dict[str, Any]) -> Answer:
    choice = reply.choices[0] if reply.choices else None
    if choice is None or not choice.message.content:
        refusal = getattr(choice.message, "refusal", None) if choice else None
        raise InputError(f"{where.model} gave no answer" + (f": {refusal}" if refusal else ""))
    if choice.finish_reason == "length":
        raise InputError(f"the answer of {where.model} was cut off", hint="use a model with a longer output")
    usage = reply.usage
    return Answer(
        text=choice.message.content,
        model=reply.model or where.model,
        form=form.get("response_format", {"type": "text"})["type"],
        prompt_tokens=usage.prompt_tokens if usage else 0,
        completion_tokens=usage.completion_tokens if usage else 0,
    )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:300]


def extract_json(text: str) -> Any:
    """The JSON object in an answer: the whole text, or a fenced block, or from the first to the last brace.

    Raises InputError when there is none.

    >>> extract_json("Here it is:\\n```json\\n{\\"a\\": 1}\\n```")
    {'a': 1}
    """
    fenced = re.findall(r"```(?:json)?\s*\n(.*?)```", text, re.DOTALL)
    for candidate in (text, *fenced, text[text.find("{") : text.rfind("}") + 1]):
        try:
            found = json.loads(candidate)
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    raise InputError("the answer holds no JSON object")
