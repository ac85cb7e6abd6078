"""Column provenance cross-checked: what the algebra says of a view against DuckDB's own bound plan of its text.

Both read the text on their own, the algebra through its parser and its steps, DuckDB through its binder.
Where they disagree on the columns that an output column, or the relation as a whole, depends on, the
answer is *unknown*; also where there is no plan to compare with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

import sqlglot
from sqlglot import exp

from lester_duck.algebra.bound_plan import Columns, Read, UnknownPlanError, read_plan
from lester_duck.algebra.columns import Edge, block_edges, origins, unknown
from lester_duck.algebra.relation import Block, quoted, table
from lester_duck.db import Bounds, Database, Error, connect
from lester_duck.engine.plan import Plan, fold_names, install_macros
from lester_duck.names import POS, RID, is_reserved_column
from lester_duck.pipeline.model import Function, View

_PLAIN, _KEYED = "plain", "keyed"
"""Schemas of empty stand-ins for relations: with their columns, and with ``_pos`` and ``_rid`` besides."""

_UNTYPED = {'"NULL"': "INTEGER"}
"""Types that no column of a table is declared with."""


def agreed_edges(plan: Plan) -> dict[str, tuple[Edge, ...]]:
    """The one-hop edges of every block; what DuckDB's plan of its view contradicts is unknown."""
    edges = {b.name: block_edges(b, plan.relations) for b in plan.blocks}
    if not plan.blocks:
        return edges
    db = connect(sealed=Bounds())
    try:
        _create_stand_ins(db, plan)
        for view in plan.pipeline.views:
            blocks = tuple(b for b in plan.blocks if b.view == view.name)
            doubtful = _doubtful(db, plan, view, blocks, edges)
            kept = [e for e in edges[view.name] if e.column not in doubtful]
            edges[view.name] = (*kept, *(unknown(c) for c in doubtful))
    finally:
        db.close()
    return edges


def _create_stand_ins(db: Database, plan: Plan) -> None:
    install_macros(db)
    for schema in (_PLAIN, _KEYED):
        db.execute(exp.Create(this=exp.Table(db=quoted(schema)), kind="SCHEMA"))
    for function in plan.pipeline.functions:
        if not function.fold:
            db.execute(_stand_in(function))
    public = [s.name for s in plan.pipeline.sources] + [b.name for b in plan.blocks if b.name == b.view]
    for name in public:
        types = {c: t for c, t in plan.types[name].items() if c in plan.relations[name].columns}
        for schema, more in ((_PLAIN, {}), (_KEYED, {POS: "BIGINT", RID: "BIGINT"})):
            columns = [
                exp.ColumnDef(this=quoted(c), kind=exp.DataType.build(_UNTYPED.get(t, t), dialect="duckdb"))
                for c, t in {**types, **more}.items()
            ]
            held = exp.Schema(this=table(schema, name), expressions=columns)
            db.execute(exp.Create(this=held, kind="TABLE"))


def _stand_in(function: Function) -> str:
    """A macro of the function's type that reads every argument."""
    names = [quoted(f"p_{n}") for n, _ in enumerate(function.arguments)]
    body = _of_type([exp.Column(this=n) for n in names], function.returns)
    parameters = ", ".join(n.sql("duckdb") for n in names)
    return f"CREATE MACRO {quoted(function.name).sql('duckdb')}({parameters}) AS {body.sql('duckdb')}"


def _of_type(arguments: list[exp.Expression], returns: str) -> exp.Expression:
    read = exp.Anonymous(this="hash", expressions=arguments) if arguments else exp.null()
    return exp.cast(exp.cast(read, "VARCHAR"), exp.DataType.build(returns, dialect="duckdb"))


def _doubtful(
    db: Database, plan: Plan, view: View, blocks: tuple[Block, ...], edges: Mapping[str, tuple[Edge, ...]]
) -> list[str | None]:
    """The columns of a view (None: the relation as a whole) of which the plan says something else, or nothing."""
    steps = {b.name for b in blocks}
    said = origins(blocks, edges, [r for r in plan.relations if r not in steps])[view.name]
    columns = plan.relations[view.name].columns
    bounds = _bounds(db, plan, view, columns)
    if bounds is None:
        return [None, *columns]
    least, most = bounds
    whole = _origins(e for e in said if e.column is None)
    found: list[str | None] = [] if least.whole <= whole <= most.whole else [None]
    for place, column in enumerate(columns):
        reached = whole | _origins(e for e in said if e.column == column)
        if not least.whole | least.cells[place] <= reached <= most.whole | most.cells[place]:
            found.append(column)
    return found


def _origins(edges: Iterable[Edge]) -> Read:
    return frozenset((e.relation, e.origin) for e in edges if e.relation is not None and e.origin is not None)


def _bounds(db: Database, plan: Plan, view: View, columns: tuple[str, ...]) -> tuple[Columns, Columns] | None:
    """What the view's columns depend on at least and at most, by DuckDB's plan of its text; None without one."""
    text = _without_folds(plan, view)
    keyed = re.search(rf"\b({POS}|{RID})\b", text, re.IGNORECASE) is not None
    db.execute(f"SET search_path = '{_KEYED if keyed else _PLAIN},main'")
    try:
        names = [name for name, *_ in db.rows(f"DESCRIBE {text}")]
        answer = json.loads(db.value("SELECT json_serialize_plan(?, optimize := false)", [text]))
        if answer["error"] or len(answer["plans"]) != 1:
            return None
        least, most = (read_plan(answer["plans"][0], generous) for generous in (False, True))
    except (Error, UnknownPlanError):
        return None
    places = [n for n, name in enumerate(names) if not is_reserved_column(name)]
    if len(places) != len(columns) or len(least.cells) != len(names):
        return None
    return _public(least, places), _public(most, places)


def _public(found: Columns, places: list[int]) -> Columns:
    """The same without pseudo columns."""

    def known(read: Read) -> Read:
        return frozenset((t, c) for t, c in read if not is_reserved_column(c))

    return Columns(tuple(known(found.cells[n]) for n in places), known(found.whole))


def _without_folds(plan: Plan, view: View) -> str:
    """The view's text, with an aggregate of its arguments in the place of each fold (folds have no stand-in)."""
    folds = fold_names(plan.pipeline)
    if not folds or not any(b.folds for b in plan.blocks if b.view == view.name):
        return view.sql
    declared = {f.name.lower(): f for f in plan.pipeline.functions}
    tree = sqlglot.parse_one(view.sql, dialect="duckdb")
    for window in list(tree.find_all(exp.Window)):
        call = window.this
        if isinstance(call, exp.Anonymous) and call.name.lower() in folds:
            returns = declared[call.name.lower()].returns
            window.set("this", exp.Last(this=exp.Anonymous(this="hash", expressions=call.expressions)))
            window.replace(exp.cast(exp.cast(window.copy(), "VARCHAR"), exp.DataType.build(returns, dialect="duckdb")))
    return tree.sql("duckdb")
