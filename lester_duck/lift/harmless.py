"""What a script does that no output depends on: settings of libraries, the clock, the end of the program."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from lester_duck.lift import calls, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.foreign import Library
from lester_duck.lift.machine import Machine
from lester_duck.lift.values import MISSING, Refused, Value

_DISPLAYS = ("pandas.options.display.", "pandas.options.mode.copy_on_write", "pandas.options.mode.chained_assignment",
             "matplotlib.")  # fmt: skip
Rule = Callable[[Machine, list[Value], dict[str, Value]], Value]
_CLOCK = (
    "time.time", "time.perf_counter", "time.monotonic", "time.process_time", "time.time_ns", "time.perf_counter_ns",
    "time.strftime", "time.ctime", "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today",
    "datetime.date.today", "time.localtime", "time.gmtime",
)  # fmt: skip
_FIELD_LIMIT = 131_072
"""The length from which on the csv module refuses a field, unless it is told otherwise."""


@dataclass(frozen=True, eq=False)
class Clock(Library):
    """A time at which the script ran, or a difference of two: another one in every run."""

    line: int
    name: str
    what = "time at which the script runs"

    def operate(self, m: Machine, op: type[ast.operator], a: Value, b: Value) -> Value:
        """A difference to another such time, or a share of one."""
        other = m.content(b if m.content(a) is self else a)
        if isinstance(other, Clock) or v.is_const(other):
            return self
        raise self.refusal()

    def refusal(self) -> Refused:
        """Why nothing may be computed from it."""
        said = f"the clock (line {self.line}: {self.name}()), which says something else in every run"
        return Refused(said, "a fixed date")

    def method(self, m: Machine, ref: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """``.strftime(...)``, ``.total_seconds()``."""
        return self

    def compare(self, m: Machine, op: type[ast.cmpop], a: Value, b: Value) -> Value:
        """A comparison with the time of the run decides something."""
        raise self.refusal()


def _clock(name: str) -> Rule:
    return lambda m, args, kwargs: Clock(m.line, name)


def _of_clock(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``round(time.time() - begin, 1)``."""
    return args[0] if args and isinstance(m.content(args[0]), Clock) else MISSING


def _field_limit(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if len(args) != 1 or type(args[0]) is not int or args[0] < _FIELD_LIMIT:
        raise Refused("a limit of the length of fields below that of the csv module")
    return _FIELD_LIMIT


def leave(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``sys.exit()``: nothing of the script comes after it."""
    m.raise_if(exp.true(), "SystemExit", "the script ends itself")
    stopped(m)
    m.state.alive = False
    return None


def stopped(m: Machine) -> None:
    """The script ends here, outside of loops: where that depends on the data, the data is refused."""
    if m.frames:
        return
    condition = sqlx.conjunction(m.state.path)
    if not isinstance(sqlx.bare(condition), exp.Boolean):
        m.asserted.append((condition, m.line))


def is_display(name: str) -> bool:
    """Whether a setting of a library only says how things are shown."""
    return name.startswith(_DISPLAYS)


RULES = {
    **{name: _clock(name) for name in _CLOCK},
    "csv.field_size_limit": _field_limit,
    **dict.fromkeys(("builtins.round", "builtins.int", "builtins.float"), _of_clock),
    **dict.fromkeys(("sys.exit", "builtins.exit", "builtins.quit", "os._exit"), leave),
}


def install() -> None:
    """Make the rules known to calls of libraries."""
    if RULES not in calls.LIBRARIES:
        calls.LIBRARIES.append(RULES)
