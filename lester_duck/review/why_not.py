"""Why a row of a source did not arrive: one table macro per source, which follows the row through every view.

``_lester.why_not_<source>(rid)`` has, for each step above the source, either one row that says that rows
made from the source row are in it, or the stages they had to pass: the joins in written order, then the
conditions of WHERE one after the other, then HAVING, QUALIFY or unnest. A stage is evaluated on those very
rows with the view's own joins and conditions; ``passed`` is NULL where it cannot be (an error, say).

A row goes on as itself: through a window as its own row, not as the partition; through a grouping as its
group; through a semi join as a row that let others pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import sqlglot
from sqlglot import exp
from sqlglot.dialects import DuckDB

from lester_duck.algebra.compute import compute, input_rows, rows_before_mixing
from lester_duck.algebra.relation import Block, Input, Relation, column, quoted
from lester_duck.db import Database
from lester_duck.engine.plan import Plan, fold_names
from lester_duck.engine.template import statement
from lester_duck.names import RID

_ROW = "_lester_row"
"""The macro's parameter."""
_HERE = "_lester_here"
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_STAGES = (
    "SELECT $position AS position, $view AS view, $step AS step, $input AS input, $occurrence AS occurrence, "
    "unnest($stages) AS stage WHERE EXISTS (FROM $before) AND NOT EXISTS (FROM $after)"
)
_ARRIVED = (
    "SELECT $position AS position, $view AS view, $step AS step, NULL AS input, 0 AS occurrence, $stage AS stage "
    "WHERE EXISTS (FROM $after)"
)
_STAGE = "SELECT {'number': $number, 'kind': $kind, 'condition': $condition, 'passed': $passed::BOOLEAN} AS x"
_THREE_VALUED = (
    "SELECT (SELECT CASE WHEN bool_or(passed) THEN true WHEN count(*) > count(passed) THEN NULL ELSE false END "
    "FROM ($rows))"
)


@dataclass(frozen=True, slots=True)
class Stage:
    """Something a row had to pass: ``passed`` is an expression, true, false or NULL (not known)."""

    kind: str
    condition: str
    passed: exp.Expression


def install(db: Database, plan: Plan) -> None:
    """(Re)create the macro of each source."""
    raising = _raising(db)
    for source in plan.pipeline.sources:
        name = statement("SELECT * FROM $t", t=("_lester", f"why_not_{source.name}")).find(exp.Table).sql("duckdb")
        query = follow(plan, source.name).transform(_bindable, raising)
        db.execute(f"CREATE OR REPLACE MACRO {name}({_ROW}) AS TABLE {query.sql('duckdb')}")


def _raising(db: Database) -> frozenset[str]:
    """The macros of the store that call ``error()``, themselves or through others."""
    texts = {
        name.lower(): text.lower()
        for name, text in db.rows("SELECT function_name, macro_definition FROM duckdb_functions() "
                                  "WHERE function_type = 'macro' AND macro_definition IS NOT NULL")
    }  # fmt: skip
    calls = {name: set(re.findall(r"\w+(?=\()", text.replace('"', ""))) for name, text in texts.items()}
    found = {"error"}
    while more := {name for name, called in calls.items() if name not in found and called & found}:
        found |= more
    return frozenset(found)


def _bindable(node: exp.Expression, raising: frozenset[str]) -> exp.Expression:
    """``TRY`` only around what the database takes there: nothing that may call ``error()``.

    Without it a condition fails as it would have when the view was made, which it did not.
    """
    if isinstance(node, exp.Anonymous) and node.name.upper() == "TRY" and _calls(node, raising):
        return node.expressions[0]
    return node


def follow(plan: Plan, source: str) -> exp.Query:
    """The query behind the macro of a source."""
    start = statement("SELECT _rid FROM $rows WHERE _rid = $row", rows=("source", source), row=exp.column(_ROW))
    reached = {source}
    tables: list[tuple[str, exp.Query]] = [(source, start)]
    answers = [_arrived(0, source, source)]
    for position, block in enumerate(plan.blocks, 1):
        ways = [
            (part, number, found)
            for part in block.branches or (block,)
            for number, found in enumerate(part.inputs)
            if found.relation in reached
        ]
        compared = [name for name in block.reads if name in reached and not any(w.relation == name for *_, w in ways)]
        if not ways and not compared:
            continue
        reached.add(block.name)
        through = [_through(plan, block, part, number, found) for part, number, found in ways if found.join != "anti"]
        tables.append((block.name, _union(through or [_matched(block, source)])))
        answers.append(_arrived(position, block.view, block.name))
        for occurrence, (part, number, found) in enumerate(ways, 1):
            stages = _stages(plan, block, part, number)
            answers.append(_stages_query(position, block, found.relation, occurrence, stages))
        for occurrence, name in enumerate(compared, len(ways) + 1):
            unknown = Stage("subquery", f"rows of {name} are compared with in a subquery", exp.null())
            answers.append(_stages_query(position, block, name, occurrence, [unknown]))
    query = _union(answers)
    for name, table in tables:
        query = query.with_(quoted(f"at_{name}"), as_=table, materialized=True, copy=False)
    return query


def _union(parts: list[exp.Query]) -> exp.Query:
    union = parts[0]
    for part in parts[1:]:
        union = exp.Union(this=union, expression=part, distinct=False)
    return union


def _at(name: str) -> exp.Table:
    return exp.Table(this=quoted(f"at_{name}"))


def _arrived(position: int, view: str, step: str) -> exp.Query:
    stage = _stage(0, Stage("arrived", "", exp.true()))
    return statement(_ARRIVED, **_named(position, view, step), stage=stage, after=_at(step))


def _stages_query(position: int, block: Block, before: str, occurrence: int, stages: list[Stage]) -> exp.Query:
    made = exp.Array(expressions=[_stage(number, stage) for number, stage in enumerate(stages, 1)])
    return statement(
        _STAGES, **_named(position, block.view, block.name),
        input=exp.Literal.string(before), occurrence=exp.Literal.number(occurrence), stages=made, before=_at(before),
        after=_at(block.name),
    )  # fmt: skip


def _named(position: int, view: str, step: str) -> dict[str, exp.Expression]:
    return {
        "position": exp.Literal.number(position), "view": exp.Literal.string(view), "step": exp.Literal.string(step)
    }  # fmt: skip


def _stage(number: int, stage: Stage) -> exp.Expression:
    made = statement(
        _STAGE, number=exp.Literal.number(number), kind=exp.Literal.string(stage.kind),
        condition=exp.Literal.string(stage.condition), passed=exp.paren(stage.passed),
    )  # fmt: skip
    return made.expressions[0].unalias()


def _here(relation: Relation) -> exp.Select:
    """The rows of a relation that were made from the source row."""
    rows = (relation.schema, relation.table)
    return statement("SELECT * FROM $rows WHERE _rid IN (SELECT _rid FROM $at)", rows=rows, at=_at(relation.name))


def _through(plan: Plan, block: Block, part: Block, number: int, found: Input) -> exp.Select:
    """The row ids of a block that rows of one of its inputs went into."""
    me = plan.relations[block.name].reference("r")
    if found.row and block.family != "group":
        return statement(
            "SELECT r._rid FROM $me WHERE $row IN (SELECT _rid FROM $at)",
            me=me, row=column(found.row, "r"), at=_at(found.relation),
        )  # fmt: skip
    rows = rows_before_mixing(part, plan.relations, tree=_opened(part, number))
    here = exp.alias_(column(RID, found.alias), _HERE, quoted=True)
    rows.set("expressions", [*rows.expressions, here])
    names = [k.column for k in block.keys] if block.family == "group" else list(part.row_columns)
    same = [exp.NullSafeEQ(this=column(n, "r"), expression=column(n, "i")) for n in names]
    inner = exp.Subquery(this=rows, alias=exp.TableAlias(this=quoted("i")))
    joined = exp.select(column(RID, "r")).from_(me).join(inner, on=exp.and_(*same) if same else exp.true())
    test = statement("SELECT $here IN (SELECT _rid FROM $at)", here=column(_HERE, "i"), at=_at(found.relation))
    return joined.where(test.expressions[0])


def _matched(block: Block, source: str) -> exp.Select:
    """The row ids of a block whose subqueries a row of the source matched, as its edge view says."""
    return statement(
        "SELECT _rid FROM $edges WHERE source = $source AND source_rid = $row",
        edges=("_lester", f"edges_{block.name}"), source=exp.Literal.string(source), row=exp.column(_ROW),
    )  # fmt: skip


def _opened(part: Block, number: int) -> exp.Select:
    """A block's SELECT in which one input has to be there: its left or semi join is an inner join."""
    tree = sqlglot.parse_one(part.sql, dialect="duckdb")
    if number:
        join = tree.args["joins"][number - 1]
        join.set("side", None)
        join.set("kind", "CROSS" if join.args.get("kind") == "CROSS" else None)
    return tree


def _stages(plan: Plan, block: Block, part: Block, number: int) -> list[Stage]:
    """What rows of one input of a block have to pass, in order; the last one is decided by elimination."""
    found = part.inputs[number]
    if found.join == "anti":
        return [Stage("anti join", "its rows only keep others out", exp.false())]
    written = sqlglot.parse_one(part.sql, dialect="duckdb")
    alone = {found.alias: _here(plan.relations[found.relation])}
    tree = input_rows(replace(part, sql=_opened(part, number).sql("duckdb")), plan.relations, alone)
    where = tree.args.pop("where", None)
    stages = list(_joins(tree, written, number))
    conditions = list(zip(_conjuncts(written.args.get("where")), _conjuncts(where), strict=True))
    calling = plan.functions | fold_names(plan.pipeline)
    free = [(text, test) for text, test in conditions if not _calls(test, calling)]
    called = [_text(text) for text, test in conditions if _calls(test, calling)]
    stages += _tests(tree, "where", free)
    rest = list(_rest(plan, part, written, alone)) if not called else []
    if called:
        rest = [Stage("where", " AND ".join(called), exp.null() if _ends(part, written) else exp.false())]
    return [*stages, *(rest or [Stage("unknown", "", exp.null())])]


def _text(node: exp.Expression) -> str:
    """SQL as a person would write it: no quotes around plain names.

    >>> _text(sqlglot.parse_one('"t"."day" > 1 AND "a b" = "order"', dialect="duckdb"))
    't.day > 1 AND "a b" = "order"'
    """
    node = node.copy()
    for name in node.find_all(exp.Identifier):
        if _PLAIN.fullmatch(name.name) and name.name.upper() not in DuckDB.Tokenizer.KEYWORDS:
            name.set("quoted", False)
    return node.sql("duckdb").strip()


def _joins(tree: exp.Select, written: exp.Select, number: int) -> Iterator[Stage]:
    joins = tree.args.get("joins") or []
    for place in range(max(number, 1), len(joins) + 1):
        join = joins[place - 1]
        if place != number and join.side == "LEFT":
            continue
        kind = {"SEMI": "semi join", "ANTI": "anti join"}.get(written.args["joins"][place - 1].kind, "join")
        before = tree.copy()
        before.set("joins", [j.copy() for j in joins[:place]])
        before.set("expressions", [exp.Literal.number(1)])
        text = _text(written.args["joins"][place - 1]).removeprefix(",").strip()
        yield Stage(kind, text, exp.Exists(this=before))


def _conjuncts(where: exp.Expression | None) -> list[exp.Expression]:
    if where is None:
        return []
    return [c.unnest() for c in where.this.flatten()] if isinstance(where.this, exp.And) else [where.this.unnest()]


def _calls(test: exp.Expression, functions: frozenset[str]) -> bool:
    return any(n.name.lower() in functions for n in test.find_all(exp.Anonymous))


def _tests(rows: exp.Select, kind: str, conditions: list[tuple[exp.Expression, exp.Expression]]) -> Iterator[Stage]:
    """Conditions one after the other, each on the rows that the ones before it kept."""
    tests = [test for _, test in conditions]
    for count, (text, _) in enumerate(conditions, 1):
        one = rows.copy()
        one.set("expressions", [exp.alias_(_all_of(tests[:count]), "passed")])
        yield Stage(kind, _text(text), _three_valued(one))


def _three_valued(rows: exp.Select) -> exp.Expression:
    return statement(_THREE_VALUED, rows=rows).expressions[0].unalias()


def _all_of(tests: list[exp.Expression]) -> exp.Expression:
    """True where all tests are, NULL where one fails with an error; a later one is evaluated after the earlier."""
    result: exp.Expression = exp.true()
    for test in reversed(tests):
        result = exp.case().when(exp.paren(test.copy()), result).else_(exp.false())
    if any(test.find(exp.Query) for test in tests):
        return result
    return exp.Anonymous(this="TRY", expressions=[result])


def _ends(part: Block, written: exp.Select) -> bool:
    """Whether something behind WHERE may lose rows."""
    return bool(part.unnested or written.args.get("having") or written.args.get("qualify"))


def _rest(
    plan: Plan, part: Block, written: exp.Select, alone: Mapping[str, exp.Expression]
) -> Iterator[Stage]:
    """What stands behind WHERE; the last of it is what lost the row when everything else was passed."""
    if part.unnested:
        unnested = _text(sqlglot.parse_one(part.unnested, dialect="duckdb"))
        yield Stage("unnest", f"unnest({unnested})", exp.false())
    elif written.args.get("qualify"):
        yield Stage("qualify", _text(written.args["qualify"].this), exp.false())
    elif written.args.get("having"):
        kind = _set_operation(plan, part, written)
        conditions = _conjuncts(written.args["having"])
        if kind:
            yield Stage("set operation", kind, exp.false())
        elif len(conditions) == 1:
            yield Stage("having", _text(conditions[0]), exp.false())
        else:
            yield from _havings(plan, part, conditions, alone)


def _set_operation(plan: Plan, part: Block, written: exp.Select) -> str | None:
    """EXCEPT or INTERSECT, where a grouping is one of them."""
    below = next((b for b in plan.blocks if b.name == part.inputs[0].relation), None)
    if below is None or not any(b.compared for b in below.branches):
        return None
    return "EXCEPT" if isinstance(_conjuncts(written.args["having"])[-1], exp.EQ) else "INTERSECT"


def _havings(
    plan: Plan, part: Block, conditions: list[exp.Expression], alone: Mapping[str, exp.Expression]
) -> Iterator[Stage]:
    """The conditions of HAVING on the groups that the rows are in."""
    groups = compute(part, plan.relations)
    tests = _conjuncts(groups.args.pop("having"))
    keys = [
        exp.alias_(sqlglot.parse_one(k.expression, dialect="duckdb"), k.column, quoted=True) for k in part.keys
    ]
    values = [exp.alias_(test, f"_test_{number}", quoted=True) for number, test in enumerate(tests)]
    groups.set("expressions", [*keys, *values])
    mine = rows_before_mixing(part, plan.relations, alone)
    same = [exp.NullSafeEQ(this=column(k.column, "g"), expression=column(k.column, "i")) for k in part.keys]
    rows = exp.select().from_(exp.Subquery(this=groups, alias=exp.TableAlias(this=quoted("g"))))
    rows = rows.join(
        exp.Subquery(this=mine, alias=exp.TableAlias(this=quoted("i"))), on=exp.and_(*same) if same else exp.true()
    )
    named = [column(f"_test_{number}", "g") for number in range(len(tests))]
    yield from _tests(rows, "having", list(zip(conditions, named, strict=True)))
