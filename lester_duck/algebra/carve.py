"""Taking a part of a SELECT out into a step of its own: free names, and columns that move with it."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from lester_duck.algebra.flatten import own_nodes
from lester_duck.algebra.relation import column, quoted
from lester_duck.errors import Unsupported


class Names:
    """Free names for the steps that one step becomes, and for their aliases."""

    def __init__(self, step: str, steps: set[str], tree: exp.Expression) -> None:
        self._step = step
        self._steps = steps
        self._aliases = {t.alias_or_name.lower() for t in tree.find_all(exp.Table)}

    @property
    def steps(self) -> set[str]:
        """The names of the view's steps."""
        return self._steps

    def step(self, hint: str) -> str:
        """A name that no step of the view has."""
        name = free(f"{self._step}__{hint}", {n.lower() for n in self._steps})
        self._steps.add(name)
        return name

    def alias(self, hint: str) -> str:
        """An alias that the step does not use."""
        name = free(hint, self._aliases)
        self._aliases.add(name.lower())
        return name


def free(name: str, taken: Iterable[str]) -> str:
    """``name``, with a number where ``taken`` (lower case) has it.

    >>> free("n", {"a"}), free("N", {"n"})
    ('n', 'N_2')
    """
    held = set(taken)
    found, number = name, 2
    while found.lower() in held:
        found, number = f"{name}_{number}", number + 1
    return found


class Columns:
    """The output columns of a step that is taken out: expressions, each once, with names that are allowed."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[str, exp.Expression]] = {}
        self._taken: set[str] = set()

    def add(self, expression: exp.Expression, hint: str) -> str:
        """The name of the column that holds ``expression``."""
        text = expression.sql("duckdb")
        if text not in self._held:
            name = free(hint.lstrip("_") or "c", self._taken)
            self._taken.add(name.lower())
            self._held[text] = (name, expression.copy())
        return self._held[text][0]

    def name(self, expression: exp.Expression) -> str | None:
        """The name of the column that holds ``expression``, if one does."""
        held = self._held.get(expression.sql("duckdb"))
        return held[0] if held else None

    @property
    def items(self) -> tuple[tuple[str, exp.Expression], ...]:
        """Name and expression of each column."""
        return tuple(self._held.values())

    def projections(self) -> list[exp.Expression]:
        """The select list."""
        return [exp.alias_(e.copy(), n, quoted=True) for n, e in self._held.values()] or [
            exp.alias_(exp.Literal.number(1), "one", quoted=True)
        ]


def step_table(name: str, alias: str) -> exp.Table:
    """A step in FROM."""
    return exp.Table(this=quoted(name), alias=exp.TableAlias(this=quoted(alias)))


def refuse_shadows(tree: exp.Select, aliases: set[str], where: str) -> None:
    """A subquery that uses an alias of the outer SELECT again cannot be told from it once columns move."""
    own = {id(t) for t in own_nodes(tree, exp.Table)}
    for node in tree.find_all(exp.Table):
        if id(node) not in own and node.alias_or_name in aliases:
            raise Unsupported(
                f"the alias '{node.alias_or_name}' of a subquery is one of the SELECT around it",
                where=where,
                hint="give it another alias",
            )


def move_columns(tree: exp.Expression, aliases: set[str], alias: str, columns: Columns) -> None:
    """Make every column of ``aliases`` in ``tree`` one of ``alias``, noted in ``columns``."""
    for node in list(tree.find_all(exp.Column)):
        if node.table in aliases:
            node.replace(column(columns.add(node, node.name), alias))


def pseudo_column(name: str, alias: str) -> exp.Column:
    """``alias._pos`` or ``alias._rid`` as a person writes it: the whole order key, in its direction.

    >>> pseudo_column("_pos", "t").sql("duckdb")
    '"t"._pos'
    """
    return exp.Column(this=exp.to_identifier(name), table=quoted(alias))
