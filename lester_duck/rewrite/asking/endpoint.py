"""Questions to an OpenAI-compatible endpoint: the only module that imports ``openai``.

Each question is one stateless request to ``/chat/completions``, repeated where an endpoint does not take a
parameter (``forms.py``) or fails in a way that passes (``faults.py``, ``patience.py``). The body of an answer
is read here and not by the client, since servers differ in its shape (``reply.py``).
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from lester_duck.errors import InputError
from lester_duck.rewrite.asking import faults
from lester_duck.rewrite.asking.accounts import Accounts, Spent, characters
from lester_duck.rewrite.asking.answers import json_object
from lester_duck.rewrite.asking.cache import Cache
from lester_duck.rewrite.asking.faults import Fault
from lester_duck.rewrite.asking.forms import Manner, adapted, first_manner, parameters
from lester_duck.rewrite.asking.log import Entry, Log
from lester_duck.rewrite.asking.patience import Patience, Pauses, Progress, answered
from lester_duck.rewrite.asking.question import Answer, Message, NotAnswered, Question
from lester_duck.rewrite.asking.reply import Reply, error_in, read_reply
from lester_duck.rewrite.asking.settings import Budget, Endpoint, on_this_machine

if TYPE_CHECKING:
    import openai

CONNECT = 15.0
"""Seconds for a connection."""
LISTING = 5.0
"""Seconds for the names of the models there are."""
_SHORT_QUESTION = 8_000
_CHARACTERS_AT_MOST = 8
"""Per token, on average: code and prose have 3 to 5."""
_AZURE = (".azure.com", ".azure-api.net")


def silent(message: str) -> None:
    """Progress that nobody reads."""


@dataclass(slots=True)
class _Conversation:
    """What one question has met so far, for the log."""

    question: Question
    manner: Manner
    limit: int | None
    started: float = field(default_factory=time.monotonic)
    messages: tuple[Message, ...] = ()
    raw: str | None = None
    spent: Spent = field(default_factory=Spent)
    attempts: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return round(time.monotonic() - self.started, 3)


class EndpointAsker:
    """A model behind an endpoint, with its budget, cache and log; implements ``question.Asker``.

    With ``Log.load(folder)`` as log, what an earlier run spent counts against the budget.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        budget: Budget | None = None,
        cache: Path | None = None,
        log: Log | None = None,
        progress: Progress = silent,
        patience: Patience = Patience(),  # noqa: B008 - frozen
    ) -> None:
        self.endpoint = endpoint
        self.accounts = Accounts(endpoint, budget or Budget(), log.spent if log else ())
        self._cache = Cache(cache, endpoint) if cache else None
        self._log = log
        self._say = progress
        self._patience = patience
        self._manner = first_manner(endpoint)
        self._client: openai.OpenAI | None = None

    @property
    def name(self) -> str:
        """``llm:MODEL``."""
        return f"llm:{self.endpoint.model}"

    def ask(self, question: Question) -> Answer:
        """The answer, from the cache when the same was asked before.

        Raises NotAnswered, BudgetSpent among them, with everything so far kept; KeyboardInterrupt likewise.
        """
        kept = self._cache.get(question) if self._cache else None
        going = _Conversation(question, self._manner, self.endpoint.answer_tokens)
        if kept:
            going.raw, going.messages = kept.text, question.messages
            self._record(going, kept, None)
            return kept
        try:
            answer = self._converse(going)
        except NotAnswered as error:
            self._record(going, None, str(error))
            raise
        except KeyboardInterrupt:
            self._client = None  # its connection is still taken by the request given up
            self._record(going, None, "interrupted")
            raise
        self._keep(question, answer)
        self._record(going, answer, None)
        self.accounts.check()
        return answer

    def reject(self, question: Question) -> None:
        """Forget an answer that was none; from now on the schema is also told, not only sent along."""
        self._manner = replace(self._manner, told=True)
        if self._cache:
            self._cache.forget(question)
        if self._log:
            self._log.reject(question)

    def _converse(self, going: _Conversation) -> Answer:
        """Ask until there is an answer; raises NotAnswered when there will be none."""
        pauses = Pauses(self._patience, self.endpoint.retries, self._say)
        while True:
            sent = parameters(self.endpoint, going.question, going.manner, going.limit)
            going.messages = tuple(sent["messages"])
            limit = going.limit if going.manner.limit_name in sent else None
            self.accounts.allow(going.messages, limit)
            reply = self._once(sent)
            if isinstance(reply, Reply):
                priced = self.accounts.add(reply.spent)
                going.spent = going.spent.plus(priced)
                going.raw = reply.text or None
                self._warn(reply, going)
            fault = self._fault(reply, limit)
            if fault is None:
                assert isinstance(reply, Reply)
                self._manner = going.manner
                return self._answer(reply, going)
            going.attempts.append(self.endpoint.hide(fault.short))
            other = adapted(going.manner, fault, sent)
            if other:
                going.manner, changed = other
                self._say(f"the endpoint refuses the request; asking {changed}")
            elif isinstance(reply, Reply) and reply.cut_off and limit == self.endpoint.answer_tokens and limit:
                going.limit = 2 * limit
                self._say(f"{fault.sentence}; asking again with {going.limit:,}")
            else:
                pauses.after(fault)

    def _fault(self, reply: Reply | Fault, limit: int | None) -> Fault | None:
        """What is wrong with a reply; None when it is an answer."""
        if isinstance(reply, Fault):
            return reply
        if reply.cut_off and not _complete(reply.text):
            return faults.cut_off(self.endpoint, limit)
        if reply.filtered and not reply.text:
            return faults.declined(self.endpoint, reply.refusal or "its answer was filtered")
        if reply.refusal and not reply.text:
            return faults.declined(self.endpoint, reply.refusal)
        return None if reply.text else faults.no_text(self.endpoint)

    def _warn(self, reply: Reply, going: _Conversation) -> None:
        """Say that a server may have cut the question: Ollama does so, silently, to fit its context."""
        told, length = reply.spent.prompt_tokens, characters(going.messages)
        if length > _SHORT_QUESTION and told * _CHARACTERS_AT_MOST < length:
            note = f"{self.endpoint.model} read {told:,} tokens of a question of {length:,} characters"
            self._say(f"{note}; if answers miss the point, start the server with a larger context")
            going.attempts.append(note)

    def _answer(self, reply: Reply, going: _Conversation) -> Answer:
        return Answer(
            text=reply.text,
            model=reply.model,
            form=going.manner.form,
            prompt_tokens=going.spent.prompt_tokens,
            completion_tokens=going.spent.completion_tokens,
            estimated=going.spent.estimated,
            seconds=going.seconds,
        )

    def _once(self, sent: Mapping[str, Any]) -> Reply | Fault:
        """One request."""
        import openai

        client = self._client = self._client or _client(self.endpoint)

        def request() -> bytes:
            return client.chat.completions.with_raw_response.create(**sent).http_response.content

        try:
            body = answered(request, model=self.endpoint.model, timeout=self.endpoint.timeout,
                            tick=self._patience.tick, say=self._say)  # fmt: skip
        except openai.APITimeoutError as error:
            self._client = None
            if _connecting(error):
                return faults.unreachable(self.endpoint, f"no connection within {CONNECT:g} s")
            return faults.waited_too_long(self.endpoint)
        except openai.APIConnectionError as error:
            met = faults.unreachable if _connecting(error) else faults.broken
            return met(self.endpoint, _cause(error))
        except openai.APIStatusError as error:
            headers = {name.lower(): value for name, value in error.response.headers.items()}
            pause = faults.asked_to_wait(headers, time.time())
            fault = faults.from_status(error.status_code, self._words(error.response.content), self.endpoint, pause)
            return faults.knowing(fault, self.endpoint.model, self._models(client)) if fault.status == 404 else fault
        except openai.OpenAIError as error:
            return Fault(sentence=f"the request cannot be sent: {self.endpoint.hide(_first_line(error))}")
        if body is None:
            self._client = None  # its connection is still taken by the request given up
            return faults.waited_too_long(self.endpoint)
        return self._read(body, sent)

    def _models(self, client: openai.OpenAI) -> list[str]:
        """The models an endpoint says it has; none when it does not say."""
        import openai

        def request() -> bytes:
            return client.models.with_raw_response.list(timeout=LISTING).http_response.content

        try:
            listed = answered(request, model=self.endpoint.address, timeout=LISTING, tick=LISTING, say=silent)
            found = json.loads(listed or b"{}")
        except (openai.OpenAIError, ValueError):
            return []
        data = found.get("data") if isinstance(found, dict) else None
        items = data if isinstance(data, list) else []
        return [item["id"] for item in items if isinstance(item, dict) and isinstance(item.get("id"), str)]

    def _read(self, content: bytes, sent: Mapping[str, Any]) -> Reply | Fault:
        text = self.endpoint.hide(content.decode("utf-8", errors="replace"))
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            return faults.not_an_answer(self.endpoint, text)
        reply = read_reply(body, self.endpoint.model, characters(sent["messages"])) if isinstance(body, dict) else None
        if reply is None and isinstance(body, dict) and body.get("error"):
            status, words = error_in(body)
            return faults.from_status(status if status and status >= 400 else 502, words, self.endpoint)
        return reply or faults.not_an_answer(self.endpoint, text)

    def _words(self, content: bytes) -> str:
        """What an error response says."""
        text = self.endpoint.hide(content.decode("utf-8", errors="replace"))
        try:
            return error_in(json.loads(text))[1]
        except (ValueError, RecursionError):
            return "" if text.lstrip().startswith("<") else text

    def _keep(self, question: Question, answer: Answer) -> None:
        """An answer that is paid for is not lost for want of a cache."""
        try:
            if self._cache:
                self._cache.put(question, answer)
        except InputError as error:
            self._say(f"the answer is not kept for other runs: {error}")

    def _record(self, going: _Conversation, answer: Answer | None, failure: str | None) -> None:
        if self._log is None:
            return
        hide = self.endpoint.hide
        asked = going.question
        self._log.write(
            Entry(
                task=asked.task,
                version=asked.version,
                prompt_sha256=asked.prompt_sha256,
                question=asked.identity,
                sample=asked.sample,
                messages=tuple({**m, "content": hide(m["content"])} for m in going.messages or asked.messages),
                raw=going.raw,
                model=answer.model if answer else self.endpoint.model,
                form=answer.form if answer else going.manner.form,
                prompt_tokens=answer.prompt_tokens if answer else going.spent.prompt_tokens,
                completion_tokens=answer.completion_tokens if answer else going.spent.completion_tokens,
                estimated=answer.estimated if answer else going.spent.estimated,
                cost=going.spent.cost,
                seconds=going.seconds,
                cached=bool(answer and answer.cached),
                failure=hide(failure) if failure else None,
                attempts=tuple(going.attempts),
            )
        )


def _client(endpoint: Endpoint) -> openai.OpenAI:
    """A client that asks once: retries are ours, since they are said, bounded and counted."""
    import openai

    parts = urlsplit(endpoint.base_url or "")
    azure = (parts.hostname or "").endswith(_AZURE) and endpoint.key
    here = on_this_machine(endpoint.address)
    through = openai.DefaultHttpxClient(
        trust_env=not here,  # a proxy knows another machine by that address
        verify=not (here and parts.scheme == "http"),  # nothing to verify: certificates need not be loaded
        follow_redirects=False,  # the key is for this address only
        timeout=openai.Timeout(endpoint.timeout, connect=min(CONNECT, endpoint.timeout)),
    )
    return openai.OpenAI(
        base_url=endpoint.address,
        api_key=endpoint.key or "none",
        default_query=dict(parse_qsl(parts.query)),
        default_headers={"api-key": endpoint.key} if azure and endpoint.key else None,
        max_retries=0,
        http_client=through,
    )


def _complete(text: str) -> bool:
    """Whether an answer that was cut off holds its object all the same: some models go on after it."""
    try:
        json_object(text)
    except InputError:
        return False
    return True


def _connecting(error: BaseException) -> bool:
    """Whether it was the connection that failed: the client's own errors say so by name only."""
    return type(error.__cause__).__name__ in ("ConnectError", "ConnectTimeout", "ProxyError", "UnsupportedProtocol")


def _cause(error: BaseException) -> str:
    """The innermost reason, which is the one that helps."""
    while error.__cause__ is not None:
        error = error.__cause__
    return _first_line(error)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
