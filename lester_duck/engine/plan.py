"""A pipeline -> a plan: blocks in dependency order, how each is stored, and the types of all columns.

Nothing here touches a store: types come from building the plan over empty tables in memory.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import sqlglot
from sqlglot import exp

from lester_duck import assets
from lester_duck.algebra.block import build_blocks
from lester_duck.algebra.compute import compute
from lester_duck.algebra.relation import Block, Relation, quoted, source_relation, table
from lester_duck.db import Bounds, Database, Error, connect, first_line, sql_text
from lester_duck.errors import InputError, LesterError, Unsupported, one_of
from lester_duck.names import INTERNAL_SCHEMA, RID, SOURCE_SCHEMA, check_name
from lester_duck.pipeline import codec
from lester_duck.pipeline.model import Check, Function, Pipeline, Source, View

_BINDING = 60.0
"""The most seconds that all statements over empty tables may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """How a block is kept: as a DuckDB view, or as a table, and why."""

    how: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything known of a pipeline before its data is looked at.

    ``pipeline`` has the columns of its sources filled in. ``types`` maps each relation to its
    columns' DuckDB types (internal columns included). ``checks`` maps each data check to its blocks.
    """

    pipeline: Pipeline
    relations: Mapping[str, Relation]
    blocks: tuple[Block, ...]
    stored: Mapping[str, Stored]
    types: Mapping[str, Mapping[str, str]]
    checks: Mapping[str, tuple[Block, ...]]

    @cached_property
    def functions(self) -> frozenset[str]:
        """Lower-case names of the declared functions."""
        return function_names(self.pipeline)

    def block(self, name: str) -> Block:
        """The block of a view or hidden step."""
        return next(b for b in self.blocks if b.name == name)

    def definition(self, block: Block) -> str:
        """The SQL that computes a block, as kept in the catalog."""
        return sql_text(compute(block, self.relations, functions=self.functions))

    def fingerprint(self, block: Block) -> str:
        """Identity of a block's content: its SQL, how it is stored, and the code it calls."""
        code = self.pipeline.code if block.calls or block.folds else ""
        text = "\n".join([self.definition(block), self.stored[block.name].how, code])
        return hashlib.sha256(text.encode()).hexdigest()


def function_names(pipeline: Pipeline) -> frozenset[str]:
    """Lower-case names of a pipeline's row-level functions."""
    return frozenset(f.name.lower() for f in pipeline.functions if not f.fold)


def fold_names(pipeline: Pipeline) -> frozenset[str]:
    """Lower-case names of a pipeline's folds."""
    return frozenset(f.name.lower() for f in pipeline.functions if f.fold)


def make_plan(pipeline: Pipeline) -> Plan:
    """Check a pipeline whose sources have columns, and plan it.

    Raises InputError naming file and line for unknown names, circles, statements that are no SELECT
    and SQL that does not bind; Unsupported for constructs this version cannot maintain.
    """
    check_names(pipeline)
    relations: dict[str, Relation] = {
        s.name: source_relation(s.name, tuple(c.name for c in s.columns)) for s in pipeline.sources
    }
    blocks: list[Block] = []
    with_functions = function_names(pipeline)
    for view in order_views(pipeline):
        for block in _blocks_of(view, relations, with_functions, fold_names(pipeline)):
            blocks.append(block)
            relations[block.name] = block.relation()
    stored = {b.name: _storage(b, pipeline, blocks) for b in blocks}
    types = _bind(pipeline, tuple(blocks), relations)
    _check_features(pipeline, relations)
    return Plan(
        pipeline=pipeline,
        relations=relations,
        blocks=tuple(blocks),
        stored=stored,
        types=types,
        checks={c.name: _blocks_of_check(c, relations, with_functions) for c in pipeline.checks},
    )


def _blocks_of_check(check: Check, relations: Mapping[str, Relation], functions: frozenset[str]) -> tuple[Block, ...]:
    where = f"{codec.MANIFEST} [[check]] {check.name}"
    blocks = build_blocks(check.name, check.sql, relations, functions, where=where)
    if any(b.calls for b in blocks):
        raise Unsupported("a check cannot call a function", where=where, hint="call it in a view and check the view")
    return blocks


def _blocks_of(
    view: View, relations: Mapping[str, Relation], functions: frozenset[str], folds: frozenset[str]
) -> tuple[Block, ...]:
    try:
        return build_blocks(view.name, view.sql, relations, functions, first_line=codec.view_line(view, 1), folds=folds)
    except LesterError as error:
        _locate(error, view)
        raise


def _locate(error: LesterError, view: View) -> None:
    """Point an error at the line of the view that mentions the name it quotes."""
    if error.where and re.search(r":\d+$", error.where):
        return
    name = re.search(r"'([^']+)'", error.message)
    lines = view.sql.splitlines()
    found = [
        i for i, line in enumerate(lines, 1) if name and re.search(rf"\b{re.escape(name[1])}\b", line, re.IGNORECASE)
    ]
    error.where = f"views/{view.name}.sql:{codec.view_line(view, found[0] if found else 1)}"


def check_names(pipeline: Pipeline) -> None:
    """Every name is usable, and no two relations or functions share one."""
    named = [("source", s.name, codec.MANIFEST) for s in pipeline.sources]
    named += [("view", v.name, f"views/{v.name}.sql") for v in pipeline.views]
    seen: dict[str, str] = {}
    for what, name, where in named:
        check_name(name, what, where)
        if "__" in name:
            raise InputError(
                f"{what} name {name!r} holds a double underscore",
                where=where,
                hint="those are reserved for hidden steps",
            )
        if name.lower() in seen:
            raise InputError(
                f"the name {name!r} is used by a {seen[name.lower()]} and a {what}", where=where, hint="rename one"
            )
        seen[name.lower()] = what
    for function in pipeline.functions:
        check_name(function.name, "function", codec.MANIFEST)


def order_views(pipeline: Pipeline) -> tuple[View, ...]:
    """Views in dependency order; ties keep the order given. Raises InputError for a circle."""
    views = {v.name.lower(): v for v in pipeline.views}
    done: dict[str, View] = {}
    path: list[str] = []

    def visit(name: str) -> None:
        if name in done:
            return
        if name in path:
            circle = " -> ".join(views[n].name for n in [*path[path.index(name) :], name])
            raise InputError(
                f"views form a circle: {circle}",
                where=f"views/{views[name].name}.sql:{codec.view_line(views[name], 1)}",
                hint="a view may read only sources and views that do not read it",
            )
        path.append(name)
        for read in _tables(views[name]):
            if read in views:
                visit(read)
        path.pop()
        done[name] = views[name]

    for name in views:
        visit(name)
    return tuple(done.values())


def _tables(view: View) -> list[str]:
    try:
        trees = [t for t in sqlglot.parse(view.sql, dialect="duckdb") if t is not None]
    except sqlglot.errors.ParseError:
        return []  # reported with its line when the view itself is parsed
    ctes = {c.alias.lower() for t in trees for c in t.find_all(exp.CTE)}
    return [n.name.lower() for t in trees for n in t.find_all(exp.Table) if n.name.lower() not in ctes]


def _storage(block: Block, pipeline: Pipeline, blocks: list[Block]) -> Stored:
    """Tables where that pays; selection and projection of a stored relation are computed on reading."""
    if block.family != "spj":
        return Stored(how="table", reason=f"{block.family}: its rows have ids of their own")
    if block.own_ids:
        return Stored(how="table", reason="join: its rows have ids of their own")
    if block.calls:
        return Stored(how="table", reason=f"calls {', '.join(block.calls)}")
    if any(i.join in ("semi", "anti") for i in block.inputs) or block.references:
        return Stored(how="table", reason="semi join or subquery")
    if block.inputs[0].relation not in {b.name for b in blocks}:
        if pipeline.features and block.name.lower() == pipeline.features.view.lower():
            return Stored(how="table", reason="features read it")
        if not any(block.name in b.reads for b in blocks):
            return Stored(how="table", reason="nothing else reads it: an end result")
    return Stored(how="view", reason="selection and projection of one relation")


def _bind(
    pipeline: Pipeline, blocks: tuple[Block, ...], relations: Mapping[str, Relation]
) -> dict[str, dict[str, str]]:
    """Build every block over empty tables; DuckDB checks names and gives types."""
    db = connect(sealed=Bounds())
    try:
        with db.within(_BINDING):
            return _bind_in(db, pipeline, blocks, relations)
    finally:
        db.close()


def _bind_in(
    db: Database, pipeline: Pipeline, blocks: tuple[Block, ...], relations: Mapping[str, Relation]
) -> dict[str, dict[str, str]]:
    views = {v.name: v for v in pipeline.views}
    db.execute("CREATE SCHEMA source; CREATE SCHEMA _lester")
    install_macros(db)
    for source in pipeline.sources:
        _create_empty_source(db, source)
    for function in pipeline.functions:
        _create_stand_in(db, function)
    types = {s.name: _describe(db, table(SOURCE_SCHEMA, s.name)) for s in pipeline.sources}
    for block in blocks:
        create_fold_tables(db, pipeline, block)
        select = compute(block, relations)
        create = exp.Create(this=table(block.schema, block.table), kind="TABLE", expression=select)
        try:
            db.execute(create)
        except Error as error:
            failed = InputError(first_line(error), where=f"views/{block.view}.sql", sql=sql_text(select))
            _locate_binder_error(failed, str(error), views[block.view])
            raise failed from error
        if block.own_ids and block.family != "constant":
            db.execute(exp.Alter(this=table(block.schema, block.table), kind="TABLE", actions=[_add_rid()]))
        types[block.name] = _describe(db, table(block.schema, block.table))
    db.execute("SET search_path = 'main,source'")
    for check in pipeline.checks:
        _bind_check(db, check)
    return types


def _bind_check(db: Database, check: Check) -> None:
    try:
        db.execute(f"DESCRIBE {check.sql}")
    except Error as error:
        where = f"{codec.MANIFEST} [[check]] {check.name}"
        raise InputError(first_line(error), where=where, sql=check.sql) from error


def create_fold_tables(db: Database, pipeline: Pipeline, block: Block) -> None:
    """Make the empty tables of a block's folds."""
    for call in block.folds:
        declared = next(f for f in pipeline.functions if f.name.lower() == call.function)
        if len(declared.arguments) != len(call.arguments):
            raise InputError(
                f"the fold {declared.name}() takes {len(declared.arguments)} arguments, found {len(call.arguments)}",
                where=f"views/{block.view}.sql",
            )
        columns = [
            exp.ColumnDef(this=quoted(n), kind=exp.DataType.build(t, dialect="duckdb"))
            for n, t in ((RID, "BIGINT"), ("value", declared.returns))
        ]
        schema = exp.Schema(this=table(INTERNAL_SCHEMA, call.table), expressions=columns)
        db.execute(exp.Create(this=schema, kind="TABLE", replace=True))


def _add_rid() -> exp.ColumnDef:
    return exp.ColumnDef(this=quoted(RID), kind=exp.DataType.build("BIGINT"))


def _locate_binder_error(error: InputError, text: str, view: View) -> None:
    name = re.search(r'"([^"]+)"', text)
    if name:
        error.message = error.message.replace(f'"{name[1]}"', f"'{name[1]}'")
    _locate(error, view)


def _create_empty_source(db: Database, source: Source) -> None:
    columns = [exp.ColumnDef(this=quoted(n), kind=exp.DataType.build("BIGINT")) for n in (RID, "_pos")]
    where = f"source '{source.name}'"
    for c in source.columns:
        try:
            kind = exp.DataType.build(c.type, dialect="duckdb")
        except sqlglot.errors.ParseError:
            raise InputError(
                f"column '{c.name}' has the unknown type {c.type!r}",
                where=where,
                hint="use a DuckDB type such as INTEGER, DOUBLE, DATE",
            ) from None
        columns.append(exp.ColumnDef(this=quoted(c.name), kind=kind))
    schema = exp.Schema(this=table(SOURCE_SCHEMA, source.name), expressions=columns)
    try:
        db.execute(exp.Create(this=schema, kind="TABLE"))
    except Error as error:
        raise InputError(first_line(error), where=where) from error


def _create_stand_in(db: Database, function: Function) -> None:
    """A macro with the function's arity and return type: enough to bind views that call it."""
    try:
        body = exp.cast(exp.null(), exp.DataType.build(function.returns, dialect="duckdb"))
        parameters = ", ".join(quoted(f"p_{n}").sql("duckdb") for n, _ in enumerate(function.arguments))
        db.execute(f"CREATE MACRO {quoted(function.name).sql('duckdb')}({parameters}) AS {body.sql('duckdb')}")
    except (Error, sqlglot.errors.ParseError) as error:
        raise InputError(f"function '{function.name}': {first_line(error)}", where=codec.MANIFEST) from error


def _describe(db: Database, relation: exp.Table) -> dict[str, str]:
    return {name: type_ for name, type_, *_ in db.rows(f"DESCRIBE {relation.sql('duckdb')}")}


def install_macros(db: Database) -> None:
    """Create the ``py_*`` macros (Python's semantics in SQL) in the open database."""
    for path in sorted(assets.folder("sql/macros").glob("*.sql")):
        db.execute(assets.text(f"sql/macros/{path.name}"))


def _check_features(pipeline: Pipeline, relations: Mapping[str, Relation]) -> None:
    """The feature view, its columns, the label and the functions of featurizers exist."""
    features = pipeline.features
    if features is None:
        if pipeline.label or pipeline.model:
            raise InputError("a label or model needs [features]", where=codec.MANIFEST)
        return
    views = {v.name.lower(): v.name for v in pipeline.views}
    if features.view.lower() not in views:
        raise InputError(one_of("view", features.view, views.values()), where=f"{codec.MANIFEST} [features]")
    columns = relations[views[features.view.lower()]].columns
    for featurizer in features.featurizers:
        for name in featurizer.columns:
            if name not in columns:
                raise InputError(
                    one_of("column", name, columns), where=f"{codec.MANIFEST} [[featurizer]] {featurizer.name}"
                )
    if pipeline.label and pipeline.label.column not in columns:
        raise InputError(one_of("column", pipeline.label.column, columns), where=f"{codec.MANIFEST} [label]")
