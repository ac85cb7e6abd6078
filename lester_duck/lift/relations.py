"""The relations a script builds, before they are written as views.

A relation is described by what it is made of (a file, a selection over joined relations, a
grouping); ``token`` stands for it in expressions. Descriptions grow while the script is interpreted
(a column asked for later, an aggregate); the emitter reads them at the end.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from sqlglot import exp

from lester_duck.lift.values import Sym

_tokens = count(1)


def fresh(prefix: str) -> str:
    """A token no other relation, join or local name has."""
    return f"{prefix}@{next(_tokens)}"


@dataclass(frozen=True, slots=True, eq=False)
class Join:
    """A relation looked up by key for each row: at most one match, ``present`` where there is one.

    One that may have several matches is ``always`` there, whether its columns are used or not.
    ``known`` is a column that is never missing there; with it a missing key matches a missing one.
    """

    alias: str
    rel: Relation
    keys: tuple[tuple[Sym, str], ...]
    always: bool = False
    known: str = ""

    @property
    def present(self) -> exp.Expression:
        """True where the key was found."""
        if not self.keys:
            return exp.true()
        shown = exp.column(self.known or self.keys[0][1], table=self.alias)
        return exp.Not(this=exp.Is(this=shown, expression=exp.null()))


@dataclass(slots=True, eq=False)
class Query:
    """Rows of ``base`` under ``alias``, joined and filtered by ``where`` (conjuncts)."""

    alias: str
    base: Relation
    joins: list[Join] = field(default_factory=list)
    where: tuple[exp.Expression, ...] = ()
    order: tuple[tuple[Sym, bool], ...] = ()


@dataclass(slots=True, eq=False, kw_only=True)
class Relation(ABC):
    """What every relation has: a suggested name, what it is, and the source lines it stands for."""

    name: str
    what: str = ""
    lines: tuple[int, int] = (0, 0)
    token: str = field(default_factory=lambda: fresh("r"))

    @abstractmethod
    def columns(self) -> dict[str, Sym]:
        """The columns by name, as scalars over the relation's token."""

    def inputs(self) -> Iterator[Relation]:
        """The relations it is made of."""
        return iter(())

    def column(self, name: str, like: Sym) -> Sym:
        """A column as a scalar over the token, with the type of ``like``."""
        return Sym(exp.column(name, table=self.token), like.type, like.null, name=name, nan=like.nan, ints=like.ints)


@dataclass(slots=True, eq=False, kw_only=True)
class FileRel(Relation):
    """The lines or records of an input file.

    ``mode`` is ``lines`` (how they are split is settled by their use: ``splits`` holds the pairs of
    strip and delimiter) or ``records`` (csv module, columns ``header``). ``demanded`` are the
    numbers of fields lines were unpacked into, ``names`` what the script called a field.
    """

    path: str
    mode: str = "lines"
    skip: int = 0
    header: tuple[str, ...] = ()
    has_header: bool = False
    delimiter: str = ","
    encoding: str = "utf-8"
    splits: set[tuple[str, str]] = field(default_factory=set)
    names: dict[int, str] = field(default_factory=dict)
    demanded: set[int] = field(default_factory=set)
    null: tuple[str, ...] = ()
    blank_passed: bool = False
    whole_lines: bool = False
    form: str = "csv"
    begins: bool = False
    """Whether the script ends with an error when the file is empty."""

    def note_split(self, strip: str, delimiter: str) -> None:
        """The script splits the lines like this."""
        self.splits.add((strip, delimiter))

    def columns(self) -> dict[str, Sym]:
        return {name: self.column(name, Sym(exp.null(), "str")) for name in self.header}


@dataclass(slots=True, eq=False, kw_only=True)
class SelectRel(Relation):
    """Columns computed for each row of a query, optionally sorted."""

    query: Query
    outputs: list[tuple[str, Sym]] = field(default_factory=list)

    def columns(self) -> dict[str, Sym]:
        return {name: self.column(name, sym) for name, sym in self.outputs}

    def inputs(self) -> Iterator[Relation]:
        yield self.query.base
        yield from (j.rel for j in self.query.joins)

    def require(self, sym: Sym, name: str) -> Sym:
        """A column holding ``sym`` (over the query), added under a free name unless there is one."""
        wanted = sym.sql.sql(dialect="duckdb")
        for taken, other in self.outputs:
            if other.sql.sql(dialect="duckdb") == wanted:
                return self.column(taken, other)
        if isinstance(sym.sql, exp.Column) and not sym.sql.name.startswith("#"):
            name = sym.sql.name
        name = free_name(name, {n for n, _ in self.outputs})
        self.outputs.append((name, sym))
        return self.column(name, sym)


@dataclass(frozen=True, slots=True, eq=False)
class Aggregate:
    """An aggregate of a grouping: ``kind`` and its argument over the query."""

    name: str
    kind: str
    argument: Sym | None
    type: str
    null: bool = False
    by: tuple[tuple[Sym, bool], ...] = ()


@dataclass(slots=True, eq=False, kw_only=True)
class GroupRel(Relation):
    """One row per key of a query, in order of first appearance; no key means one row in all.

    ``ordered``: in order of key instead; ``largest``: the aggregate whose greatest values come first.
    """

    query: Query
    keys: tuple[tuple[str, Sym], ...]
    aggregates: list[Aggregate] = field(default_factory=list)
    ordered: bool = False
    largest: str = ""

    def columns(self) -> dict[str, Sym]:
        keys = {name: self.column(name, sym) for name, sym in self.keys}
        rest = {a.name: self.column(a.name, Sym(exp.null(), a.type, a.null)) for a in self.aggregates}
        return {**keys, **rest}

    def inputs(self) -> Iterator[Relation]:
        yield self.query.base
        yield from (j.rel for j in self.query.joins)

    def require(self, kind: str, argument: Sym | None, type_: str, name: str) -> Sym:
        """The column of an aggregate, added unless there is one like it."""
        wanted = argument.sql.sql(dialect="duckdb") if argument else ""
        for a in self.aggregates:
            if a.kind == kind and (a.argument.sql.sql(dialect="duckdb") if a.argument else "") == wanted:
                return self.column(a.name, Sym(exp.null(), a.type, a.null))
        taken = {n for n, _ in self.keys} | {a.name for a in self.aggregates}
        self.aggregates.append(Aggregate(free_name(name, taken), kind, argument, type_))
        return self.columns()[self.aggregates[-1].name]


@dataclass(slots=True, eq=False, kw_only=True)
class UnionRel(Relation):
    """The rows of several relations one after the other; ``outputs`` are over the token."""

    members: list[SelectRel] = field(default_factory=list)
    outputs: list[tuple[str, Sym]] = field(default_factory=list)

    def columns(self) -> dict[str, Sym]:
        return {name: self.column(name, sym) for name, sym in self.outputs}

    def inputs(self) -> Iterator[Relation]:
        yield from self.members


def free_name(wanted: str, taken: set[str]) -> str:
    """``wanted``, or the first of wanted_2, wanted_3 ... that is not taken (case apart).

    >>> free_name("bank", {"bank", "BANK_2"})
    'bank_3'
    """
    lowered = {t.lower() for t in taken}
    name, n = wanted, 1
    while name.lower() in lowered:
        n += 1
        name = f"{wanted}_{n}"
    return name
