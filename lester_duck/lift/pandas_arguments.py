"""Arguments of pandas calls: by name, plain values, and what is refused of them."""

from __future__ import annotations

from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_objects import FRAME_RULES
from lester_duck.lift.values import Refused, Value


def constant(m: Machine, value: Value) -> Value:
    """A plain Python value, or what it holds on the heap; raises Refused for rows."""
    content = m.content(value)
    if isinstance(content, v.HList):
        return [constant(m, x) for x in content.items]
    if isinstance(content, v.HDict):
        return {k: constant(m, x) for k, x in content.items}
    if isinstance(content, v.HSet):
        return set(content.items)
    if isinstance(content, tuple):
        return tuple(constant(m, x) for x in content)
    listed = FRAME_RULES["labels"](m, content)
    if listed is not v.MISSING:
        return listed
    if v.is_const(content) or isinstance(content, v.Lib):
        return content
    raise Refused("a value that depends on rows where a constant is needed")


def strings(m: Machine, value: Value) -> list[str]:
    """A column name, or a list of them."""
    found = constant(m, value)
    return [found] if isinstance(found, str) else list(found)


def options(
    kwargs: dict[str, Value], args: list[Value], names: tuple[str, ...], call: str, /, **defaults: Value
) -> dict[str, Value]:
    """Arguments by name: positional ones in the order of ``names``; others are refused."""
    if len(args) > len(names):
        raise Refused(f"{call} with that many arguments")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    unknown = [k for k in given if k not in names and k not in defaults]
    if unknown:
        raise Refused(f"{call} with {unknown[0]}=")
    return {**defaults, **given}


def only(chosen: dict[str, Value], call: str, /, **allowed: tuple) -> None:
    """Refuse options that have another value than one of those allowed."""
    for name, values in allowed.items():
        if name in chosen and not any(type(chosen[name]) is type(x) and chosen[name] == x for x in values):
            shown = repr(chosen[name]) if v.is_const(chosen[name]) else "a value of this kind"
            raise Refused(f"{call} with {name}={shown}")
