"""What the algebra knows of a relation: its columns, its order key, its provenance, its row ids.

Values here are frozen and hold SQL as text; passes parse, build and print.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlglot import exp

from lester_duck.names import INTERNAL_SCHEMA, RID, SOURCE_SCHEMA, VIEW_SCHEMA, provenance_column

ORDINAL = "_ordinal"
"""Place of a row among those that one list was unnested to."""

Family = Literal["spj", "group", "window", "union", "constant"]
JoinKind = Literal["from", "inner", "left", "semi", "anti"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTerm:
    """One column of an order key."""

    column: str
    descending: bool = False
    nulls_last: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A relation another block may read.

    ``provenance`` lists the columns that carry ids of base relations (sources and mixing views) as
    (column, base relation); it is empty for a base relation, whose own ``_rid`` is the id.
    """

    name: str
    schema: str
    table: str
    columns: tuple[str, ...]
    order: tuple[OrderTerm, ...]
    base: bool
    provenance: tuple[tuple[str, str], ...] = ()
    constant: bool = False

    def reference(self, alias: str | None = None) -> exp.Table:
        """The table expression that names this relation."""
        return table(self.schema, self.table, alias)


@dataclass(frozen=True, slots=True)
class Provenance:
    """A block's column of base row ids, the occurrence's column it comes from, and the base relation."""

    column: str
    origin: str
    base: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One occurrence of a relation in a block's FROM clause.

    ``row`` is the block's column that holds the row id of this occurrence (None for semi and anti
    joins, which add no columns).
    """

    alias: str
    relation: str
    join: JoinKind
    row: str | None
    provenance: tuple[Provenance, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A grouping or partition expression, and the block's column that stores it."""

    expression: str
    column: str
    hidden: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order term of a block: its stored column and the expression it is computed by."""

    term: OrderTerm
    expression: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One step of a view, of a single operator family.

    ``sql`` is the qualified SELECT without ORDER BY (empty for ``union``). ``columns`` are its user
    columns. ``references`` are relations read by subqueries in expressions. ``calls`` are declared
    functions, ``folds`` (``algebra.folds.FoldCall``) declared folds.
    ``branch`` marks a branch of a union, stored with the others under ids of the union, ``compared``
    one whose values only decide which rows of the others stay (EXCEPT, INTERSECT).
    """

    name: str
    view: str
    family: Family
    schema: str
    table: str
    columns: tuple[str, ...]
    sql: str = ""
    inputs: tuple[Input, ...] = ()
    references: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    keys: tuple[Key, ...] = ()
    order: tuple[Order, ...] = ()
    branches: tuple[Block, ...] = ()
    branch: bool = False
    compared: bool = False
    folds: tuple = ()
    unnested: str | None = None

    @property
    def own_ids(self) -> bool:
        """Whether rows get ids of their own (otherwise they keep their only input's)."""
        one = len([i for i in self.inputs if i.row]) == 1
        return self.branch or self.family != "spj" or not one or self.unnested is not None

    @property
    def mixes_rows(self) -> bool:
        """Whether one output row may come from several rows of one input."""
        return self.family in ("group", "window")

    @property
    def row_columns(self) -> tuple[str, ...]:
        """Columns that together identify a row by its inputs' rows (joins, unions, windows)."""
        if self.family == "union":
            return tuple(dict.fromkeys(c for b in self.branches for c in b.row_columns))
        return tuple(i.row for i in self.inputs if i.row) + ((ORDINAL,) if self.unnested else ())

    @property
    def provenance(self) -> tuple[tuple[str, str], ...]:
        """The ``_prov_`` columns and the base relation each one's ids belong to."""
        if self.mixes_rows or self.family == "constant":
            return ()
        parts = [p for b in (self.branches or (self,)) for i in b.inputs for p in i.provenance]
        return tuple({p.column: p.base for p in parts}.items())

    @property
    def identity(self) -> tuple[str, ...]:
        """Columns that identify a row across updates."""
        return tuple(k.column for k in self.keys) if self.family == "group" else self.row_columns

    @property
    def all_inputs(self) -> tuple[Input, ...]:
        """Every occurrence, those of union branches included."""
        return self.inputs + tuple(i for b in self.branches for i in b.all_inputs)

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of all relations read, in order of first mention."""
        names = [i.relation for i in self.all_inputs] + list(self.references)
        names += [r for b in self.branches for r in b.references]
        return tuple(dict.fromkeys(names))

    @property
    def stored_columns(self) -> tuple[str, ...]:
        """Columns of the stored relation apart from ``_rid``, in order."""
        hidden_keys = tuple(k.column for k in self.keys if k.hidden)
        rows = () if self.family == "group" else self.row_columns
        names = self.columns + tuple(o.term.column for o in self.order) + tuple(c for c, _ in self.provenance)
        return tuple(dict.fromkeys(names + rows + hidden_keys))

    def relation(self) -> Relation:
        """This block as later blocks see it."""
        return Relation(
            name=self.name,
            schema=self.schema,
            table=self.table,
            columns=self.columns,
            order=tuple(o.term for o in self.order),
            base=self.mixes_rows or self.family == "constant",
            provenance=self.provenance,
            constant=self.family == "constant",
        )


def source_relation(name: str, columns: tuple[str, ...]) -> Relation:
    """A source as blocks see it: ordered by ``_pos``."""
    return Relation(
        name=name, schema=SOURCE_SCHEMA, table=name, columns=columns, order=(OrderTerm(column="_pos"),), base=True
    )


def location(view: str, name: str) -> tuple[str, str]:
    """Schema and table of a block: views are public, hidden steps internal.

    >>> location("a", "a"), location("a", "a__t")
    (('main', 'a'), ('_lester', 'step_a__t'))
    """
    return (VIEW_SCHEMA, name) if view == name else (INTERNAL_SCHEMA, f"step_{name}")


def table(schema: str, name: str, alias: str | None = None) -> exp.Table:
    """A quoted, schema-qualified table expression.

    >>> table("source", "mails", "m").sql("duckdb")
    '"source"."mails" AS "m"'
    """
    node = exp.Table(this=quoted(name), db=quoted(schema))
    if alias:
        node.set("alias", exp.TableAlias(this=quoted(alias)))
    return node


def quoted(name: str) -> exp.Identifier:
    """A quoted identifier."""
    return exp.to_identifier(name, quoted=True)


def column(name: str, alias: str | None = None) -> exp.Column:
    """A quoted column of an optional alias.

    >>> column("_rid", "m").sql("duckdb")
    '"m"."_rid"'
    """
    return exp.Column(this=quoted(name), table=quoted(alias) if alias else None)


def row_id_column(relation: Relation, taken: set[str]) -> str:
    """The name under which a block stores the row ids of an occurrence of ``relation``."""
    if relation.base and not relation.constant:
        return _free(lambda n: provenance_column(relation.name, n), taken)
    return _free(lambda n: f"_row_{relation.name}" + (f"_{n}" if n > 1 else ""), taken)


def _free(name, taken: set[str]) -> str:
    occurrence = 1
    while name(occurrence) in taken:
        occurrence += 1
    return name(occurrence)


def input_provenance(relation: Relation, row: str, taken: set[str]) -> tuple[Provenance, ...]:
    """How a block carries the base row ids of an occurrence of ``relation``."""
    if relation.constant:
        return ()
    if relation.base:
        return (Provenance(row, RID, relation.name),)
    carried = []
    for name, base in relation.provenance:
        mine = _free(lambda n, base=base: provenance_column(base, n), taken)
        taken.add(mine)
        carried.append(Provenance(mine, name, base))
    return tuple(carried)
