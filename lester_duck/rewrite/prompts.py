"""Versioned prompt files -> messages. Missing and unknown variables are errors."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from lester_duck import assets
from lester_duck.errors import InternalError

_VARIABLE = re.compile(r"\{\{([a-z_]+)\}\}")
_INCLUDE = re.compile(r"\{\{> ([a-z]+/v\d+)\}\}\n?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A rendered prompt; ``sha256`` is the hash of the prompt file with what it includes, not of the rendered text."""

    task: str
    version: str
    sha256: str
    system: str
    user: str


def render(task: str, version: str = "v001", **variables: str) -> Prompt:
    """Fill a prompt file; raises InternalError when a variable is missing or unknown.

    ``{{> sql/v001}}`` includes another file before anything is filled in.
    """
    text = _INCLUDE.sub(lambda m: assets.text(f"prompts/{m[1]}.md"), assets.text(f"prompts/{task}/{version}.md"))
    system, separator, user = text.partition("\n---\n")
    if not separator:
        raise InternalError(f"prompt {task}/{version} has no line '---'")
    wanted = set(_VARIABLE.findall(text))
    if wanted != variables.keys():
        missing, unknown = sorted(wanted - variables.keys()), sorted(variables.keys() - wanted)
        raise InternalError(f"prompt {task}/{version}: missing variables {missing}, unknown variables {unknown}")
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Prompt(task=task, version=version, sha256=digest, system=fill(system, variables), user=fill(user, variables))


def fill(template: str, variables: dict[str, str]) -> str:
    """Put variables in their places, once; braces in a value stay as they are.

    >>> fill("a {{x}} c", {"x": "{{y}}"})
    'a {{y}} c'
    """
    return _VARIABLE.sub(lambda match: variables[match[1]], template)
