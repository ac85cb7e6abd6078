"""The parts of the interpreter's state, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from lester_duck.lift.relations import Query, Relation
from lester_duck.lift.values import Sym, Value

Tree = exp.Expression
Path = tuple[Tree, ...]


@dataclass(slots=True, eq=False)
class State:
    """Names of each function on the stack, heap contents, and the path condition as conjuncts."""

    envs: list[dict[str, Value]]
    heap: dict[int, Value]
    path: Path = ()
    alive: bool = True

    def fork(self) -> State:
        """An independent copy."""
        return State([dict(e) for e in self.envs], dict(self.heap), self.path, self.alive)


@dataclass(frozen=True, slots=True, eq=False)
class Effect:
    """What a loop body did to something older than the loop, and under which condition."""

    kind: str
    target: Any
    arguments: tuple[Value, ...]
    path: Path
    line: int


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """What an inner loop found for the rows under ``where``, the local names that keep it, and the line."""

    where: Path
    leaves: tuple[Sym, ...]
    tokens: tuple[str, ...]
    line: int


@dataclass(slots=True, eq=False)
class Frame:
    """A loop over rows being interpreted once; ``flat`` are loops over pairs of its rows and those of inner ones.

    Such a loop begins anew in each ``partition``, whose rows are numbered by ``turn``.
    """

    query: Query
    mark: int
    start: State
    lines: tuple[int, int]
    effects: list[Effect] = field(default_factory=list)
    touched: set[int] = field(default_factory=set)
    end: State | None = None
    last: State | None = None
    carried: dict[str, list[str]] = field(default_factory=dict)
    shapes: dict[str, Value] = field(default_factory=dict)
    held: dict[str, Held] = field(default_factory=dict)
    loads: frozenset[str] = frozenset()
    reached: Path = ()
    running: dict[str, Any] = field(default_factory=dict)
    stored: dict[int, int] = field(default_factory=dict)
    flat: list[Frame] = field(default_factory=list)
    partition: tuple[Sym, ...] = ()
    turn: Sym | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Let:
    """A local name of a loop body: its definition may become a column of its own.

    A window holds over all rows of the loop; ``filtered`` is what it may be instead where only the
    rows that satisfy ``over`` are left. ``weight`` is the number of nodes with the definitions of other
    names put in place.
    """

    name: str
    value: Sym
    over: Path | None = None
    filtered: Tree | None = None
    weight: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Obligation:
    """Something the script relied upon: no consumed row may satisfy ``fails``; ``some``: one row must."""

    query: Query
    path: Path
    fails: Tree
    message: str
    line: int
    some: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Whole:
    """An aggregate over all rows of a relation: ``kind`` of ``element`` (over the relation's token), ordered ``by``.

    ``part`` says that only some rows count: how they are cut off, and where.
    """

    kind: str
    rel: Relation
    element: Sym | None
    by: tuple[tuple[Sym, bool], ...] = ()
    part: tuple[str, Tree] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Guard:
    """An open ``try``: the exceptions it catches, and the states in which one was raised."""

    caught: tuple[str, ...]
    handlers: int = 1
    states: list[tuple[str, State]] = field(default_factory=list)
