"""The statements that turn one form of delta (source, columns given) into images; made once per form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from sqlglot import exp

from lester_duck.algebra.relation import column, table
from lester_duck.db import sql_text
from lester_duck.engine.template import statement
from lester_duck.ivm.images import new_name, old_name
from lester_duck.names import CHANGE_TYPE, POS, RID, SOURCE_SCHEMA
from lester_duck.pipeline.model import Source

GIVEN = "_given"
"""The registered delta: its columns and ``_n``, the row number."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a delta says of rows: which columns it gives, and so by what it names them."""

    source: Source
    given: tuple[str, ...]

    @property
    def where(self) -> str:
        """How errors name the delta."""
        return f"delta of source '{self.source.name}'"

    @property
    def columns(self) -> tuple[str, ...]:
        """The source's columns."""
        return tuple(c.name for c in self.source.columns)

    @property
    def names_by(self) -> tuple[str, ...]:
        """The columns that name a row: ``_rid``, else the key, else all."""
        return (RID,) if RID in self.given else (self.source.key or self.columns)

    @property
    def by_content(self) -> bool:
        """Whether rows are named by their whole content."""
        return RID not in self.given and not self.source.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """SQL texts for one form, in the order they run.

    ``name`` fills ``_delta_named`` (the typed delta with ``_target``, the row it names, and whether a
    preimage or a key differs from the store).
    """

    name: tuple[str, ...]
    ambiguous: str | None
    old: str | None
    """Fills the images before, where ``name`` has not done it."""
    new: str
    next_pos: str
    conflicts: str | None


@lru_cache(maxsize=256)
def statements(form: Form) -> Statements:
    """The statements of a form."""
    name, ambiguous = _by_content(form) if form.by_content else (_by_join(form), None)
    return Statements(
        name=name,
        ambiguous=ambiguous,
        old=_old(form) if form.by_content else None,
        new=_new(form),
        next_pos=_next_pos(form),
        conflicts=_conflicts(form) if form.source.key else None,
    )


def _typed(form: Form) -> exp.Select:
    types = {c.name: c.type for c in form.source.columns} | {RID: "BIGINT", POS: "BIGINT", CHANGE_TYPE: "VARCHAR"}
    casts = [
        exp.alias_(exp.cast(column(n), exp.DataType.build(types[n], dialect="duckdb")), n, quoted=True)
        for n in form.given
    ]
    return exp.select(column("_n"), *casts).from_(GIVEN)


def same(names: tuple[str, ...], left: str, right: str) -> exp.Expression:
    """Null-safe equality of columns of two aliases; true for no column."""
    equal = [exp.NullSafeEQ(this=column(n, left), expression=column(n, right)) for n in names]
    return exp.and_(*equal) if equal else exp.true()


def _source(form: Form) -> exp.Table:
    return table(SOURCE_SCHEMA, form.source.name)


def _flags(form: Form) -> list[exp.Expression]:
    """``_differs``: a preimage unlike the stored row; ``_rekeyed``: a key unlike the stored one."""
    shown = tuple(n for n in form.columns if n in form.given)
    keys = tuple(n for n in form.source.key if n in form.given)
    differs = exp.not_(exp.paren(same(shown, "d", "s")))
    rekeyed = exp.not_(exp.paren(same(keys, "d", "s")))
    return [exp.alias_(differs, "_differs"), exp.alias_(rekeyed, "_rekeyed")]


def _by_join(form: Form) -> tuple[str, str]:
    """Images before are the rows that ``_rid`` or key names; the delta is then joined to them.

    A key that an insert brings is looked for among the images after, not here.
    """
    equal = exp.and_(*[exp.EQ(this=column(n, "d"), expression=column(n, "s")) for n in form.names_by])
    named = _typed(form)
    if RID not in form.names_by:
        named = exp.select("*").from_(named.subquery("given")).where("_change_type <> 'insert'")
    images = old_name(form.source.name)
    before = statement(
        "CREATE OR REPLACE TEMP TABLE $images AS "
        "SELECT s._rid, s._pos FROM $source AS s SEMI JOIN ($named) AS d ON $same",
        images=images,
        source=_source(form),
        named=named,
        same=equal,
    )
    before.expression.select(*[column(n, "s") for n in form.columns], copy=False)
    tree = statement(
        "CREATE OR REPLACE TEMP TABLE _delta_named AS "
        "SELECT d._n, s._rid AS _target FROM ($typed) AS d LEFT JOIN $images AS s ON $same",
        typed=_typed(form),
        images=images,
        same=equal,
    )
    tree.expression.select(*[column(n, "d") for n in form.given if n != RID], *_flags(form), copy=False)
    return sql_text(before), sql_text(tree)


def _by_content(form: Form) -> tuple[tuple[str, ...], str]:
    """Deletes and preimages take rows of the same content in order of ``_rid``; postimages follow
    the preimage at the same place."""
    partition = [column(n) for n in form.columns]
    total = exp.Window(this=exp.Count(this=exp.Star()), partition_by=[p.copy() for p in partition])
    by_number, by_rid = (
        exp.Window(
            this=exp.RowNumber(),
            partition_by=[p.copy() for p in partition],
            order=exp.Order(expressions=[exp.Ordered(this=column(n))]),
        )
        for n in ("_n", RID)
    )
    typed = statement("CREATE OR REPLACE TEMP TABLE _delta AS SELECT * FROM ($typed)", typed=_typed(form))
    taken = statement(
        "CREATE OR REPLACE TEMP TABLE _delta_taken AS SELECT *, $number AS _k, $total AS _copies FROM _delta "
        "WHERE _change_type IN ('delete', 'update_preimage')",
        number=by_number,
        total=total,
    )
    stored = statement(
        "CREATE OR REPLACE TEMP TABLE _delta_stored AS SELECT *, $number AS _k, $total AS _copies FROM "
        "(SELECT s.* FROM $source AS s SEMI JOIN _delta AS d ON $same)",
        number=by_rid,
        total=total.copy(),
        source=_source(form),
        same=same(form.columns, "d", "s"),
    )
    named = statement(_PAIRED, same=same(form.columns, "d", "s"))
    flags = [exp.alias_(exp.false(), "_differs"), exp.alias_(exp.false(), "_rekeyed")]
    named.expression.select(*[column(n, "d") for n in form.given], *flags, copy=False)
    ambiguous = statement(
        "SELECT d._copies, s._copies FROM _delta_taken AS d JOIN _delta_stored AS s ON $same "
        "WHERE s._copies > d._copies LIMIT 1",
        same=same(form.columns, "d", "s"),
    )
    return tuple(sql_text(t) for t in (typed, taken, stored, named)), sql_text(ambiguous)


_PAIRED = """
CREATE OR REPLACE TEMP TABLE _delta_named AS
WITH targets AS (
    SELECT d._n, s._rid FROM _delta_taken AS d JOIN _delta_stored AS s ON $same AND d._k = s._k
), places AS (
    SELECT _n, _change_type AS change, row_number() OVER (PARTITION BY _change_type ORDER BY _n) AS place FROM _delta
)
SELECT d._n, coalesce(t._rid, p._rid) AS _target
FROM _delta AS d
JOIN places AS mine ON mine._n = d._n
LEFT JOIN targets AS t ON t._n = d._n
LEFT JOIN (
    SELECT places.place, targets._rid FROM places JOIN targets ON targets._n = places._n
    WHERE places.change = 'update_preimage'
) AS p ON p.place = mine.place AND mine.change = 'update_postimage'
"""


def _old(form: Form) -> str:
    tree = statement(
        "CREATE OR REPLACE TEMP TABLE $images AS SELECT _rid, _pos FROM $source "
        "WHERE _rid IN (SELECT _target FROM _delta_named WHERE _change_type <> 'insert')",
        images=old_name(form.source.name),
        source=_source(form),
    )
    tree.expression.select(*[column(n) for n in form.columns], copy=False)
    return sql_text(tree)


def _new(form: Form) -> str:
    """Images after; inserts take ids and places from the variables ``next_rid`` and ``next_pos``."""
    tree = statement(
        "CREATE OR REPLACE TEMP TABLE $images AS SELECT "
        "coalesce(d._target, $rid - 1 + row_number() OVER (PARTITION BY d._change_type ORDER BY d._n)) AS _rid, "
        "coalesce($pos, o._pos, $next - 1 + row_number() OVER (PARTITION BY d._change_type ORDER BY d._n)) AS _pos "
        "FROM _delta_named AS d LEFT JOIN $old AS o ON o._rid = d._target "
        "WHERE d._change_type IN ('insert', 'update_postimage')",
        images=new_name(form.source.name),
        old=old_name(form.source.name),
        rid=exp.Anonymous(this="getvariable", expressions=[exp.Literal.string("next_rid")]),
        next=exp.Anonymous(this="getvariable", expressions=[exp.Literal.string("next_pos")]),
        pos=column(POS, "d") if POS in form.given else exp.null(),
    )
    values = [exp.alias_(column(n, "d" if n in form.given else "o"), n, quoted=True) for n in form.columns]
    tree.expression.select(*values, copy=False)
    return sql_text(tree)


def _next_pos(form: Form) -> str:
    """Later inserts go behind every place a delta gave."""
    return sql_text(
        statement(
            "UPDATE _lester.source SET next_pos = "
            "greatest(next_pos, (SELECT coalesce(max(_pos), 0) + 1 FROM $new)) WHERE name = $name",
            new=new_name(form.source.name),
            name=exp.Literal.string(form.source.name),
        )
    )


def _conflicts(form: Form) -> str:
    """Images after without a key, or with the key of another row, stored or changed."""
    keys = form.source.key
    tree = statement(
        "SELECT 1 FROM $new AS n WHERE $missing OR EXISTS (SELECT 1 FROM $new AS s WHERE $same AND s._rid <> n._rid) "
        "OR EXISTS (SELECT 1 FROM $source AS s WHERE $same AND s._rid <> n._rid "
        "AND s._rid NOT IN (SELECT _rid FROM $old)) LIMIT 1",
        source=_source(form),
        missing=exp.or_(*[exp.Is(this=column(k, "n"), expression=exp.null()) for k in keys]),
        new=new_name(form.source.name),
        old=old_name(form.source.name),
        same=exp.and_(*[exp.EQ(this=column(k, "n"), expression=column(k, "s")) for k in keys]),
    )
    tree.set("expressions", [column(k, "n") for k in keys])
    return sql_text(tree)
