"""Which model is asked, where and how: options, then the environment, then configuration files.

Files are ``lester-duck.toml`` in the working folder and ``$XDG_CONFIG_HOME/lester-duck/config.toml``;
the former wins. Both hold a table ``[model]`` with the names of ``KNOWN``. A key never stands in a
file, and a key of the environment is not sent to an address that only the working folder's file
names, since that file may have come with somebody else's code.
"""

from __future__ import annotations

import ipaddress
import math
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from lester_duck.errors import UsageError, one_of

KEY_VARIABLES = ("LESTER_DUCK_API_KEY", "OPENAI_API_KEY")
MODEL_VARIABLE = "LESTER_DUCK_MODEL"
URL_VARIABLES = ("LESTER_DUCK_BASE_URL", "OPENAI_BASE_URL")
FORMS = ("auto", "json_schema", "json_object", "text")
HERE = "lester-duck.toml"
TABLE = "model"
OPENAI = "https://api.openai.com/v1"
_SECRETS = {"key", "api_key", "apikey", "api-key", "token", "secret", "password", "authorization"}
_SHORTEST_KEY = 8
"""A shorter key is no secret (``none``, ``ollama``) and may be a word of the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A model and how it is asked.

    ``timeout`` is in seconds per request, ``answer_tokens`` the longest answer asked for (None: the
    endpoint's own limit), prices are per million tokens in whatever currency ``--max-cost`` is in.
    ``form`` is what has to enforce the schema; auto: the strongest the endpoint knows. ``key`` is in
    no repr and in nothing that is written.
    """

    model: str
    base_url: str | None = None
    key: str | None = field(default=None, repr=False)
    timeout: float = 600.0
    retries: int = 2
    answer_tokens: int | None = None
    temperature: float | None = None
    price_in: float | None = None
    price_out: float | None = None
    form: str = "auto"

    @property
    def address(self) -> str:
        """Where it is, to show: without a query."""
        return urlunsplit((*urlsplit(self.base_url or OPENAI)[:3], "", ""))

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """What tokens cost; None when the prices are not known."""
        if self.price_in is None or self.price_out is None:
            return None
        return (prompt_tokens * self.price_in + completion_tokens * self.price_out) / 1e6

    def hide(self, text: str) -> str:
        """The text without the key, should an endpoint have echoed it."""
        if not self.key or len(self.key) < _SHORTEST_KEY:
            return text
        return text.replace(self.key, "(key)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The most that questions may take altogether; None: no limit."""

    max_tokens: int | None = None
    max_cost: float | None = None


def budget(endpoint: Endpoint, max_tokens: int | None = None, max_cost: float | None = None) -> Budget:
    """A budget that can be kept; raises UsageError where a cost cannot be counted.

    >>> budget(Endpoint(model="m"), max_cost=0.5)
    Traceback (most recent call last):
    lester_duck.errors.UsageError: a limit of cost needs the prices of 'm'; give price_in and price_out, ...
    """
    for name, limit in (("--max-tokens", max_tokens), ("--max-cost", max_cost)):
        if limit is not None and not (math.isfinite(limit) and limit > 0):
            raise UsageError(f"{name} is {limit}", hint="give a number above 0, or leave the option out for no limit")
    if max_cost is not None and endpoint.cost(0, 0) is None:
        raise UsageError(
            f"a limit of cost needs the prices of '{endpoint.model}'",
            hint=f"give price_in and price_out, per million tokens, under [{TABLE}] in {HERE} (0 for a model of "
            "your own), or limit tokens with --max-tokens",
        )
    return Budget(max_tokens=max_tokens, max_cost=max_cost)


def resolve(
    options: Mapping[str, Any], environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> Endpoint:
    """The endpoint that options, environment and files describe; raises UsageError saying what is missing.

    ``options`` has the field names of ``Endpoint``; None counts as not given.
    """
    environment = os.environ if environment is None else environment
    given = {name: value for name, value in options.items() if value is not None}
    near, far = _configured(environment, folder)
    found = {**far, **near, **_from(environment), **given}
    if not found.get("model"):
        raise UsageError(
            "no model to ask",
            hint=f"give --model NAME (and --base-url URL for an endpoint of your own), set {MODEL_VARIABLE}, "
            f"or name it under [{TABLE}] in {HERE}",
        )
    endpoint = Endpoint(**{name: _CHECKS[name](name, value) for name, value in found.items()})
    if endpoint.key is None and endpoint.base_url is None:
        raise UsageError("no API key", hint=f"set {KEY_VARIABLES[0]} in the environment, or give --base-url URL")
    named_near_only = "base_url" in near and "base_url" not in {*_from(environment), *given}
    if named_near_only and endpoint.key and not on_this_machine(endpoint.address):
        raise UsageError(
            f"the address {endpoint.address} is named by {HERE} of this folder, and the key is not sent there unasked",
            hint=f"if it is yours, give --base-url {endpoint.address} or set {URL_VARIABLES[0]}",
        )
    return endpoint


def configured(environment: Mapping[str, str] | None = None, folder: Path | None = None) -> bool:
    """Whether the environment or a file names a model."""
    environment = os.environ if environment is None else environment
    near, far = _configured(environment, folder)
    return bool({**far, **near, **_from(environment)}.get("model"))


def on_this_machine(address: str) -> bool:
    """Whether an address is of the loopback interface.

    >>> on_this_machine("http://localhost:11434/v1"), on_this_machine("https://api.openai.com/v1")
    (True, False)
    """
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _from(environment: Mapping[str, str]) -> dict[str, Any]:
    variables = {"model": (MODEL_VARIABLE,), "base_url": URL_VARIABLES, "key": KEY_VARIABLES}
    found = {name: next((environment[v] for v in given if environment.get(v)), None) for name, given in
             variables.items()}  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


def _configured(environment: Mapping[str, str], folder: Path | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of the working folder's file and of the user's own."""
    home = environment.get("XDG_CONFIG_HOME")
    own = (Path(home) if home else Path.home() / ".config") / "lester-duck" / "config.toml"
    return _table((folder or Path.cwd()) / HERE), _table(own)


def _table(path: Path) -> dict[str, Any]:
    """The table ``[model]`` of a file, by field names; nothing when there is no file."""
    if not path.is_file():
        return {}
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise UsageError(f"not readable as TOML: {error}", where=str(path)) from error
    table = content.get(TABLE, {})
    for name, value in [*content.items(), *(table.items() if isinstance(table, dict) else ())]:
        _refuse_key(name, value, path)
    stray = sorted(name for name in content if name in _KNOWN and not isinstance(content[name], dict))
    if not isinstance(table, dict) or stray:
        name = stray[0] if stray else TABLE
        raise UsageError(f"'{name}' stands outside a table", where=str(path), hint=f"put it under a line [{TABLE}]")
    unknown = [name for name in table if name not in _KNOWN]
    if unknown:
        raise UsageError(one_of("setting", unknown[0], KNOWN), where=f"{path} [{TABLE}]")
    try:
        return {_KNOWN[name]: _CHECKS[_KNOWN[name]](name, value) for name, value in table.items()}
    except UsageError as error:
        raise UsageError(error.message, where=f"{path} [{TABLE}]", hint=error.hint) from error


def _refuse_key(name: str, value: Any, path: Path) -> None:
    if name.lower() in _SECRETS and not isinstance(value, dict):
        raise UsageError(
            f"'{name}' stands in a file, and files are copied and committed",
            where=str(path),
            hint=f"take it out and set {KEY_VARIABLES[0]} in the environment",
        )


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{name} is {value!r}", hint="give a text")
    return value.strip()


def _key(name: str, value: Any) -> str:
    text = _text(name, value)
    if not text.isascii() or not text.isprintable():
        raise UsageError("the key has a character that no key has", hint=f"set {KEY_VARIABLES[0]} again, without it")
    return text


def _url(name: str, value: Any) -> str:
    """An address as a client wants it: without what a documentation page's example has at its end."""
    text = _text(name, value)
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").encode("idna")
        usable = parts.scheme in ("http", "https") and host and parts.port != 0 and not re.search(r"[\s\0-\x1f]", text)
    except ValueError:  # also what a host that no name server knows how to look up raises
        usable = False
    if not usable:
        raise UsageError(f"{text!r} is no address", hint="give one like http://localhost:11434/v1")
    if parts.username or parts.password:
        raise UsageError(f"{name} holds a password", hint=f"give it without, and set {KEY_VARIABLES[0]}")
    if {key for key, _ in parse_qsl(parts.query)} - {"api-version"}:
        raise UsageError(f"{name} has a query", hint="only '?api-version=...' may follow the address")
    path = parts.path.rstrip("/").removesuffix("/chat/completions")
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def _between(low: float, high: float, *, whole: bool = False) -> Callable[[str, Any], Any]:
    def check(name: str, value: Any) -> Any:
        right = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        if not right or not low <= value <= high:
            kind = "whole number" if whole else "number"
            raise UsageError(f"{name} is {value!r}", hint=f"give a {kind} from {low:g} to {high:g}")
        return value

    return check


def _form(name: str, value: Any) -> str:
    if value not in FORMS:
        raise UsageError(one_of(name, str(value), FORMS))
    return str(value)


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "model": _text,
    "base_url": _url,
    "key": _key,
    "timeout": _between(0.1, 86_400),
    "retries": _between(0, 20, whole=True),
    "answer_tokens": _between(1, 10_000_000, whole=True),
    "temperature": _between(0, 2),
    "price_in": _between(0, 1_000_000),
    "price_out": _between(0, 1_000_000),
    "form": _form,
}
_KNOWN = {("name" if name == "model" else name): name for name in _CHECKS if name != "key"}
KNOWN = tuple(_KNOWN)
"""What a table ``[model]`` may say."""
