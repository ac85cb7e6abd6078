"""The interpreter's state: names, heap, the condition under which the present path is taken."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlglot import exp

from lester_duck.lift import numbers, sqlx
from lester_duck.lift import values as v
from lester_duck.lift.observed import Observed
from lester_duck.lift.relations import Relation, fresh
from lester_duck.lift.state import Effect, Frame, Guard, Let, Obligation, Path, State, Whole
from lester_duck.lift.values import Choice, Poison, Refused, Sym, Value

Tree = exp.Expression


_LONGEST = 4_000
"""The most nodes a local name may stand for: what doubles at every step of a loop over constants grows beyond any."""
MERGES: dict[type, Callable[[Machine, Tree, Value, Value], Value]] = {}
"""By type of a heap object: what two of them become after a branch, the first where the condition holds."""


class Machine:
    """Everything one lifting run knows; rule modules take it as their first argument."""

    def __init__(self, source: str, script: str, observed: Observed) -> None:
        self.source = source
        self.script = script
        self.tree: Any = None
        self.observed = observed
        self.state = State([{}], {})
        self.frames: list[Frame] = []
        self.guards: list[Guard] = []
        self.exits: list[dict[str, list[State]]] = []
        self.lets: dict[str, Let] = {}
        self.reads: dict[str, Any] = {}
        self.reads_of: dict[tuple, str] = {}
        self.obligations: list[Obligation] = []
        self.functions: dict[str, Any] = {}
        self.written: dict[str, int] = {}
        self.outputs: list[int] = []
        self.snapshots: list[tuple[str, int, Value]] = []
        self.files: dict[tuple, Any] = {}
        self.shared: dict[int, tuple[int, Value, Path]] = {}
        self.wholes: dict[str, Whole] = {}
        self.elements: dict[int, Relation] = {}
        """Heap objects that are elements of a collection as well, and the rows it holds."""
        self.asserted: list[tuple[Tree, int]] = []
        self.refusals: list[Any] = []
        self.suspicions: list[tuple[int, str]] = []
        self.sequential: set[str] = set()
        self.numbers: dict[str, tuple[Tree, Value, Value]] = {}
        self.fit: Any = None
        self.line = 0
        self.depth = 0
        self.hint: str | None = None
        self.entire = 0
        self._heap_ids = 0

    # -- heap ------------------------------------------------------------------------------------

    def new(self, content: Value) -> v.Ref:
        """A new heap object."""
        self._heap_ids += 1
        self.state.heap[self._heap_ids] = content
        return v.Ref(self._heap_ids)

    @property
    def mark(self) -> int:
        """Objects made later have a higher id."""
        return self._heap_ids

    def content(self, value: Value) -> Value:
        """What a reference points to; other values are themselves."""
        if not isinstance(value, v.Ref):
            return value
        content = self.state.heap[value.id]
        if isinstance(content, Poison):
            raise content.refusal()
        return content

    def update(self, ref: v.Ref, content: Value) -> None:
        """Replace a heap object's content; raises Refused for an element that its collection still holds."""
        if ref.id in self.elements:
            raise Refused("an element taken out of a collection and changed in place: the collection sees it")
        self.state.heap[ref.id] = content

    def frame_of(self, ref: v.Ref) -> Frame | None:
        """The innermost loop over rows that started after the object was made, if any."""
        for frame in reversed(self.frames):
            if ref.id <= frame.mark:
                return frame
        return None

    def log(self, kind: str, target: Any, *arguments: Value) -> None:
        """Record an effect of the innermost loop over rows under the present path."""
        frame = self.frames[-1]
        if isinstance(target, v.Ref):
            if target.id > frame.mark:
                raise Refused("an object of one iteration is changed by an inner loop over rows")
            frame.touched.add(target.id)
        frame.effects.append(Effect(kind, target, arguments, self.state.path, self.line))

    # -- names -----------------------------------------------------------------------------------

    @property
    def env(self) -> dict[str, Value]:
        """The names of the running function."""
        return self.state.envs[-1]

    def bind(self, name: str, value: Value) -> None:
        """Assign a name; a computed scalar of a loop body becomes a ``Let``."""
        if isinstance(value, Sym):
            value = self.let(name, numbers.narrowed(self, value))
        self.env[name] = value

    def let(self, name: str, value: Sym) -> Sym:
        """A scalar under a name: a reference to it, when it is more than a column or constant."""
        if not self.frames or isinstance(value.sql, exp.Column | exp.Literal | exp.Boolean | exp.Null):
            return value.named(name)
        name = name if name.isidentifier() else value.name or "result"
        weight = sum(self.lets[n.table].weight if self._is_let(n) else 1 for n in value.sql.walk())
        if weight > _LONGEST:
            raise Refused(
                f"'{name}' is made in so many steps from itself that its SQL would not end",
                "a function of the row's values",
            )
        token = fresh("let")
        self.lets[token] = Let(name, value.named(name), weight=weight)
        return replace(value, sql=sqlx.column(token, name), name=name)

    def _is_let(self, node: Tree) -> bool:
        return isinstance(node, exp.Column) and node.table in self.lets

    def expand(self, sym: Sym) -> Sym:
        """The scalar with the definitions of local names put in place."""
        return v.change_sql(sym, self.expand_tree)

    def expand_tree(self, tree: Tree) -> Tree:
        """The tree with the definitions of local names put in place."""

        def definition(node: Tree) -> Tree | None:
            if self._is_let(node):
                return self.expand_tree(self.lets[node.table].value.sql)
            return None

        return sqlx.replace(tree, definition)

    def whole(self, kind: str, rel: Relation, element: Sym | None, type_: str, part: Any = None) -> Sym:
        """An aggregate over all rows, or a part of them, as a scalar that stands for it until it is needed."""
        wanted = sqlx.text(element.sql) if element else ""
        for token, made in self.wholes.items():
            if (
                made.kind == kind
                and made.rel is rel
                and not made.by
                and (sqlx.text(made.element.sql) if made.element else "") == wanted
                and _part_text(made.part) == _part_text(part)
            ):
                return Sym(sqlx.column(token, kind), type_)
        token = fresh("count" if kind == "count" else "agg")
        self.wholes[token] = Whole(kind, rel, element, part=part)
        return Sym(sqlx.column(token, kind), type_)

    # -- paths -----------------------------------------------------------------------------------

    def implied(self, condition: Tree) -> bool | None:
        """Whether the present path makes the condition true or false; None when it says neither."""
        if isinstance(sqlx.bare(condition), exp.Boolean):
            return bool(sqlx.bare(condition).this)
        known = [sqlx.text(p) for p in self.state.path]
        if all(sqlx.text(a) in known for a in sqlx.atoms(condition)):
            return True
        equal = sqlx.bare(condition).copy()
        if isinstance(equal, exp.EQ) and sqlx.text(exp.GT(**equal.args)) in known:
            return False
        opposite = sqlx.negate(condition)
        if any(sqlx.text(sqlx.negate(a)) in known for a in sqlx.atoms(condition)):
            return False
        return False if sqlx.text(opposite) in known else None

    def assume(self, condition: Tree) -> None:
        """Go on only where the condition holds."""
        for atom in sqlx.atoms(condition):
            if sqlx.text(atom) not in [sqlx.text(p) for p in self.state.path]:
                self.state.path = (*self.state.path, atom)

    def fork_on(self, condition: Tree, then: Callable[[], None], otherwise: Callable[[], None]) -> None:
        """Run both branches of a condition and merge what they leave."""
        before = self.state
        known = self.implied(condition)
        if known is not None:
            (then if known else otherwise)()
            return
        left, right = before.fork(), before.fork()
        self.state = left
        self.assume(condition)
        then()
        left = self.state
        self.state = right
        self.assume(sqlx.negate(condition))
        otherwise()
        self.merge(before.path, [left, self.state])

    def merge(self, base: Path, states: list[State]) -> None:
        """Make the present state the merge of the living ``states``, which all began at ``base``."""
        living = [s for s in states if s.alive]
        if not living:
            self.state.alive = False
            return
        result = living[-1]
        rest = _suffix(base, result.path)
        for other in reversed(living[:-1]):
            condition = sqlx.conjunction(_suffix(base, other.path))
            result = self._merge_two(condition, other, result)
            rest = tuple(sqlx.atoms(either(_suffix(base, other.path), rest)))
        result.path = base + rest
        self.state = result

    def _merge_two(self, condition: Tree, a: State, b: State) -> State:
        merged = State([], {}, b.path)
        for env_a, env_b in zip(a.envs, b.envs, strict=True):
            env: dict[str, Value] = {}
            for name in dict.fromkeys([*env_a, *env_b]):
                if name in env_a and name in env_b:
                    env[name] = self._merged_name(name, condition, env_a[name], env_b[name])
                else:
                    env[name] = Choice(condition, env_a.get(name, v.MISSING), env_b.get(name, v.MISSING))
            merged.envs.append(env)
        for key in dict.fromkeys([*a.heap, *b.heap]):
            if key not in a.heap or key not in b.heap:
                merged.heap[key] = a.heap.get(key, b.heap.get(key))
            elif a.heap[key] is b.heap[key]:
                merged.heap[key] = a.heap[key]
            else:
                merged.heap[key] = self.merged_object(condition, a.heap[key], b.heap[key])
        return merged

    def _merged_name(self, name: str, condition: Tree, a: Value, b: Value) -> Value:
        if a is b:
            return a
        merged = self.select(condition, a, b)
        return self.let(name, merged) if isinstance(merged, Sym) and not isinstance(merged.sql, exp.Column) else merged

    def merged_object(self, condition: Tree, a: Value, b: Value) -> Value:
        """A heap object after a branch: the first where the condition holds."""
        if isinstance(a, v.HList | v.HArray) and type(a) is type(b) and len(a.items) == len(b.items):
            pairs = zip(a.items, b.items, strict=True)
            return type(a)(tuple(x if x is y else self.select(condition, x, y) for x, y in pairs))
        if isinstance(a, v.HDict) and isinstance(b, v.HDict):
            keys = list(dict.fromkeys([k for k, _ in a.items] + [k for k, _ in b.items]))
            items = tuple((k, self._merged_entry(condition, a.get(k), b.get(k))) for k in keys)
            return v.HDict(items, a.default)
        if type(a) is type(b) and type(a) in MERGES:
            return MERGES[type(a)](self, condition, a, b)
        if hasattr(a, "merged"):
            return a.merged(self, condition, b)
        if hasattr(b, "merged"):
            return b.merged(self, sqlx.negate(condition), a)
        return Poison("an object is changed in one branch only", self.line)

    def _merged_entry(self, condition: Tree, a: Value, b: Value) -> Value:
        return a if a is b else self.select(condition, a, b)

    def select(self, condition: Tree, a: Value, b: Value) -> Value:
        """``a`` where the condition holds, else ``b``: one expression where both are scalars."""
        if isinstance(sqlx.bare(condition), exp.Boolean):
            return a if sqlx.bare(condition).this else b
        if a is b or (v.is_const(a) and v.is_const(b) and type(a) is type(b) and a == b):
            return a
        if isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
            return tuple(self.select(condition, x, y) for x, y in zip(a, b, strict=True))
        if isinstance(a, v.Seq) and isinstance(b, v.Seq) and len(a.items) == len(b.items):
            return v.Seq(self.select(condition, a.items, b.items))
        if isinstance(a, Poison) or isinstance(b, Poison):
            return a if isinstance(a, Poison) else b
        merged = self._select_scalar(condition, a, b)
        return merged if merged is not None else Choice(condition, a, b)

    def _select_scalar(self, condition: Tree, a: Value, b: Value) -> Sym | None:
        try:
            x = a if isinstance(a, Sym) else v.constant(a) if v.is_const(a) else None
            y = b if isinstance(b, Sym) else v.constant(b) if v.is_const(b) else None
        except Refused:
            return None
        if x is None or y is None:
            return None
        kind = unify(x.type, y.type)
        if kind is None:
            return None
        choices = _choices(condition, a, b)
        exact = () if kind == "number" and _whole_or_nan(a, x) and _whole_or_nan(b, y) else None
        tree = sqlx.case(condition, x.sql, y.sql)
        merged = Sym(tree, kind, x.null or y.null, x.name or y.name, choices=choices, whole=exact)
        if kind == "number":
            merged = numbers.merged(self, condition, merged, (a, x), (b, y))
        return replace(merged, nan=x.nan or y.nan) if x.nan or y.nan else merged

    # -- exceptions ------------------------------------------------------------------------------

    def raise_if(self, condition: Tree, exception: str, message: str) -> None:
        """Say that Python raises where the condition holds."""
        if self.implied(condition) is False:
            return
        for guard in reversed(self.guards):
            if any(catches(c, exception) for c in guard.caught):
                raised = self.state.fork()
                raised.path = (*raised.path, *sqlx.atoms(condition))
                guard.states.append((exception, raised))
                self.assume(sqlx.negate(condition))
                return
        self.oblige(condition, message)

    def oblige(self, condition: Tree, message: str) -> None:
        """Say that the translation holds only while no consumed row satisfies the condition."""
        if self.frames and self.fit is None and self.implied(condition) is not False:
            self.obligations.append(Obligation(self.frames[-1].query, self.state.path, condition, message, self.line))

    @contextmanager
    def trial(self) -> Iterator[State]:
        """Undo everything (heap, names, effects, obligations, joins) if the block is refused."""
        saved = self.state.fork()
        counts = [(f, len(f.effects), len(f.query.joins)) for f in self.frames]
        owed, exits, guards, frames = len(self.obligations), len(self.exits), len(self.guards), len(self.frames)
        raised = [len(g.states) for g in self.guards]
        depth, line, hint = self.depth, self.line, self.hint
        try:
            yield saved
        except Refused as error:
            error.line = error.line or self.line
            self.state = saved
            self.depth, self.line, self.hint = depth, line, hint
            del self.obligations[owed:], self.exits[exits:], self.guards[guards:], self.frames[frames:]
            for guard, before in zip(self.guards, raised, strict=True):
                del guard.states[before:]
            for frame, effects, joins in counts:
                del frame.effects[effects:], frame.query.joins[joins:]
            raise


def _part_text(part: Any) -> str:
    return f"{part[0]} {sqlx.text(part[1])}" if part else ""


def unify(a: str, b: str) -> str | None:
    """The type that holds values of both types, or None.

    >>> unify("int", "float"), unify("none", "str"), unify("str", "int")
    ('number', 'str', None)
    """
    if a == b or b == "none":
        return a
    if a == "none":
        return b
    return "number" if {a, b} <= {"int", "float", "number"} else None


def catches(handler: str, exception: str) -> bool:
    """Whether ``except handler`` catches an exception class, both by name.

    >>> catches("ValueError", "ValueError"), catches("LookupError", "KeyError"), catches("KeyError", "ValueError")
    (True, True, False)
    """
    caught, raised = getattr(builtins, handler, None), getattr(builtins, exception, None)
    return isinstance(caught, type) and isinstance(raised, type) and issubclass(raised, caught)


def _suffix(base: Path, path: Path) -> Path:
    return path[len(base) :]


def either(a: Path, b: Path) -> Tree:
    """The condition that one of two paths of a decision is taken."""
    if not a or not b:
        return sqlx.TRUE.copy()
    if sqlx.same(a[0], b[0]):
        return sqlx.conjunction([a[0], either(a[1:], b[1:])])
    if sqlx.same(sqlx.negate(a[0]), b[0]):
        if len(a) == 1 and len(b) == 1:
            return sqlx.TRUE.copy()
        if len(a) == 1:
            return sqlx.disjunction(a[0], sqlx.conjunction(b[1:]))
        if len(b) == 1:
            return sqlx.disjunction(b[0], sqlx.conjunction(a[1:]))
    return sqlx.disjunction(sqlx.conjunction(a), sqlx.conjunction(b))


def _whole_or_nan(value: Value, sym: Sym) -> bool:
    """Whether a number is a whole one, or the constant NaN."""
    return sym.type == "int" or (sym.type == "number" and sym.whole == ()) or value != value


def _choices(condition: Tree, a: Value, b: Value) -> tuple:
    if not isinstance(a, Sym) and v.is_const(a) and isinstance(b, Sym) and b.choices:
        return ((condition, a), *b.choices)
    return ()
