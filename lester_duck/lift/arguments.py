"""Arguments of the command line: a script is observed without any, so every option has its default."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace

from lester_duck.lift import calls, concrete
from lester_duck.lift import values as v
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine
from lester_duck.lift.values import MISSING, Refused, Value


@dataclass(frozen=True, eq=False)
class Parser(Library):
    """``argparse.ArgumentParser()``: what each option is called and what it is when it is not given."""

    options: tuple[tuple[str, Value], ...] = ()
    required: tuple[str, ...] = ()
    what = "parser of arguments"

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """``.add_argument(...)`` and ``.parse_args()``."""
        if name == "add_argument":
            m.update(ref, self._with(m, args, kwargs))
            return None
        if name == "set_defaults" and not args:
            kept = tuple((n, x) for n, x in self.options if n not in kwargs)
            m.update(ref, replace(self, options=(*kept, *kwargs.items())))
            return None
        if name in ("add_argument_group", "add_mutually_exclusive_group"):
            return ref
        if name in ("parse_args", "parse_known_args") and not args and not kwargs:
            if self.required:
                raise Refused(f"the script would fail here: the argument {self.required[0]} is not given")
            made = m.new(Options(self.options))
            return made if name == "parse_args" else (made, m.new(v.HList()))
        return super().method(m, ref, name, args, kwargs)

    def _with(self, m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Parser:
        plain = {k: concrete.plain_value(m, x) for k, x in kwargs.items() if k not in ("type", "default")}
        try:
            action = argparse.ArgumentParser(add_help=False).add_argument(*args, **plain)
        except (TypeError, ValueError) as error:
            raise Refused(f"the script would fail here: {error}") from None
        default = kwargs.get("default", action.default)
        if isinstance(default, str) and "type" in kwargs:
            default = calls.call(m, kwargs["type"], [default], {})
        if default == argparse.SUPPRESS:
            raise Refused("an option without a default")
        optional = action.option_strings or action.nargs in ("?", "*")
        if action.nargs == "*" and not action.option_strings and default is None:
            default = m.new(v.HList())
        needed = (action.dest,) if action.required or not optional else ()
        options = (*((n, x) for n, x in self.options if n != action.dest), (action.dest, default))
        return replace(self, options=options, required=(*self.required, *needed))


@dataclass(frozen=True, eq=False)
class Options(Library):
    """``parser.parse_args()``."""

    options: tuple[tuple[str, Value], ...]
    what = "parsed arguments"

    def attribute(self, m: Machine, ref: Value, name: str) -> Value:
        """``args.name``."""
        found = dict(self.options).get(name, MISSING)
        if found is MISSING:
            raise Refused(f"the script would fail here: no option {name!r}")
        return found

    def set_attribute(self, m: Machine, ref: Value, name: str, value: Value) -> None:
        """``args.name = value``."""
        if not isinstance(ref, v.Ref) or m.frame_of(ref) is not None:
            raise Refused("an option changed in a loop over rows")
        m.update(ref, Options((*((n, x) for n, x in self.options if n != name), (name, value))))


def _parser(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    return m.new(Parser())


RULES = {"argparse.ArgumentParser": _parser}


def install() -> None:
    """Make the rules known to calls of libraries."""
    if RULES not in calls.LIBRARIES:
        calls.LIBRARIES.append(RULES)
