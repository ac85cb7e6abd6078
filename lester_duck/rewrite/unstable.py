"""Where two runs of the original begin to differ: the line, and what on it does not repeat itself."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lester_duck.rewrite.code import Code
from lester_duck.rewrite.observation import Observation, Snapshot

MAX_CAUSES = 5
_CLOCK = frozenset(
    {"now", "today", "utcnow", "time", "time_ns", "localtime", "gmtime", "ctime", "strftime", "perf_counter"}
)
_CHANCE = frozenset(
    {"random", "randint", "randrange", "uniform", "gauss", "normal", "choice", "choices", "sample", "shuffle", "rand",
     "randn", "permutation", "default_rng", "uuid1", "uuid4", "token_hex", "urandom", "getrandbits", "Random"}
)  # fmt: skip
_FOLDERS = frozenset({"listdir", "glob", "iglob", "rglob", "iterdir", "scandir", "walk"})
_HASHED = frozenset({"hash", "id"})
_UNFILLED = frozenset({"empty", "empty_like"})


def causes(code: Code, first: Observation, second: Observation) -> tuple[str, ...]:
    """The statements at which something first differed, each with the likely reason; at most five.

    What only follows from an earlier difference is left out. Empty when every variable agreed.
    """
    statements = {node.lineno: node for node in ast.walk(code.tree()) if isinstance(node, ast.stmt)}
    marks = (_Marks(first), _Marks(second))
    later: dict[tuple[str, int, int], list[Snapshot]] = {}
    for snapshot in second.snapshots:
        later.setdefault((snapshot.variable, snapshot.first, snapshot.last), []).append(snapshot)
    differing: set[str] = set()
    sets: set[str] = set()
    found: dict[int, str] = {}
    unfilled: dict[str, int] = {}  # arrays made without values: no cause once they are filled alike
    for snapshot in first.snapshots:
        others = later.get((snapshot.variable, snapshot.first, snapshot.last))
        other = others.pop(0) if others else None
        value = first.values[snapshot.value]
        (sets.add if isinstance(value, list) and value[:1] == ["s"] else sets.discard)(snapshot.variable)
        if other is not None and marks[0].of(snapshot.value) == marks[1].of(other.value):
            differing.discard(snapshot.variable)
            found.pop(unfilled.pop(snapshot.variable, 0), None)
            continue
        node = statements.get(snapshot.first)
        inherited = node is not None and any(name in differing for name in _names(node))
        if not inherited and snapshot.first not in found and len(found) < MAX_CAUSES:
            found[snapshot.first] = f"line {snapshot.first}: '{snapshot.variable}' {_reason(node, sets)}"
            if node is not None and _UNFILLED & {_called(n) for n in ast.walk(node) if isinstance(n, ast.Call)}:
                unfilled[snapshot.variable] = snapshot.first
        differing.add(snapshot.variable)
    return tuple(code.located(text) for text in found.values())


class _Marks:
    """A mark for each value of a run, equal for equal values of two runs."""

    def __init__(self, observation: Observation) -> None:
        self.observation = observation
        self._known: dict[int, str] = {}

    def of(self, number: int) -> str:
        if number not in self._known:
            digest = hashlib.sha256()
            for part in _parts(self.observation.values[number], self.observation.out):
                digest.update(part)
            self._known[number] = digest.hexdigest()
        return self._known[number]


def _parts(tagged: Any, folder: Path) -> Iterator[bytes]:
    """A tagged value as bytes, with the content of an array's file for its name."""
    if not isinstance(tagged, list):
        yield repr(tagged).encode("utf-8", "surrogatepass")
        return
    yield b"["
    for number, part in enumerate(tagged):
        path = folder / part if number and tagged[0] in ("nd", "csr") and isinstance(part, str) else None
        if path is not None and path.parent == folder and path.is_file() and not path.is_symlink():
            yield path.read_bytes()
        else:
            yield from _parts(part, folder)
        yield b","


def _names(node: ast.stmt) -> set[str]:
    """The names a statement reads, and those of an augmented target."""
    reads = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    return reads | (
        {node.target.id} if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name) else set()
    )


def _reason(node: ast.stmt | None, sets: set[str]) -> str:
    """What on a statement may not repeat itself.

    >>> _reason(ast.parse("now = datetime.now()").body[0], set())
    'differs between two runs: now() takes the clock'
    >>> _reason(ast.parse("for n in list(names): out.append(n)").body[0], {"names"})
    "differs between two runs: the order of the set 'names' depends on the hash seed (sorted() would fix it)"
    >>> _reason(ast.parse("X = np.empty((3, 2))").body[0], set())
    'differs between two runs: empty() has what was in memory before, until each cell is set'
    """
    called = {_called(n) for n in ast.walk(node) if isinstance(n, ast.Call)} if node else set()
    names = _names(node) if node else set()
    made = node is not None and any(isinstance(n, ast.Set | ast.SetComp) for n in ast.walk(node))
    for known, why in (
        (_CLOCK, "takes the clock"),
        (_CHANCE, "draws by chance, and nothing fixes the seed"),
        (_FOLDERS, "lists files in no fixed order"),
        (_HASHED, "depends on the hash seed or on memory"),
        (_UNFILLED, "has what was in memory before, until each cell is set"),
    ):
        hit = sorted(called & known)
        if hit:
            return f"differs between two runs: {hit[0]}() {why}"
    through = sorted(names & sets)
    if through:
        order = f"the order of the set '{through[0]}' depends on the hash seed"
        return f"differs between two runs: {order} (sorted() would fix it)"
    if made or called & {"set", "frozenset"}:
        return "differs between two runs: the order of a set depends on the hash seed (sorted() would fix it)"
    if called & {"train_test_split", "fit", "fit_transform", "fit_predict"}:
        return "differs between two runs: no random_state fixes what is drawn"
    return "differs between two runs (hash seed, clock, chance)"


def _called(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""
