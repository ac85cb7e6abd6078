"""A plan told to SQL: small tables and views of schema ``_lester`` that the questions and checks read.

A question has to be answered in any DuckDB shell, so whatever it needs of the pipeline's declarations
(which view feeds the matrix, which column is the label, what a featurizer learns) is written down here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlglot import exp

from lester_duck import assets
from lester_duck.algebra.edges import is_prefix, witness_edges
from lester_duck.algebra.relation import Block, column, table
from lester_duck.db import Database
from lester_duck.engine.artefacts import data_types, feature_block
from lester_duck.engine.plan import Plan
from lester_duck.engine.template import statement
from lester_duck.featurize import plan as featurizing
from lester_duck.featurize.base import Input
from lester_duck.names import INTERNAL_SCHEMA
from lester_duck.store import catalog

_SCALING = ("standard_scale", "min_max", "max_abs", "robust_scale")
_SLOTWISE = (*_SCALING, "passthrough", "impute")
"""Steps after which a matrix column still is one stored number, moved and stretched."""
_WORDS = ("hash_words", "count_words", "tfidf")


def describe(db: Database, plan: Plan) -> None:
    """(Re)write the tables and views that say what a pipeline declares."""
    db.execute(assets.text("sql/describe.sql"))
    block = feature_block(plan)
    catalog.insert(db, "reads", _reads(plan))
    catalog.insert(db, "step_reads", [(block.name, name) for block in plan.blocks for name in block.reads])
    catalog.insert(db, "leading", [(name,) for name in leading_sources(plan, block)] if block else [])
    catalog.insert(db, "featurizer", _featurizers(plan, block) if block else [])
    label = plan.pipeline.label.column if block and plan.pipeline.label else None
    catalog.insert(db, "target", [(block.name, label)] if block else [])
    db.execute(_view("feature_edges", feature_edges(plan, block)))
    db.execute(_view("outcomes", _outcomes(plan, block, label)))
    inputs = _inputs(plan, block) if block else ()
    numbers = [i for i in inputs if i.is_number and i.type != "BOOLEAN"]
    others = [i for i in inputs if i not in numbers and _is_scalar(i)]
    db.execute(_view("input_numbers", _values(block, numbers, "DOUBLE")))
    db.execute(_view("input_texts", _values(block, others, "VARCHAR")))
    stored = featurizing.plan_features(plan.pipeline.features, data_types(plan, block)) if block else ()
    db.execute(_view("stored_rows", _union(_stored_rows(stored), _NO_NUMBERS)))
    db.execute(_view("stored_sample", _union(_stored_rows(stored, _SAMPLE), _NO_NUMBERS)))
    db.execute(_view("category_counts", _union(_category_counts(stored), _NO_CATEGORIES)))


def leading_sources(plan: Plan, block: Block) -> tuple[str, ...]:
    """The sources whose rows the rows of a view are: the first relation in FROM, followed down.

    A branch of a UNION ALL has its own.
    """
    found: dict[str, None] = {}
    for part in block.branches or (block,):
        if not part.inputs:
            continue
        first = part.inputs[0].relation
        below = next((b for b in plan.blocks if b.name == first), None)
        found.update(dict.fromkeys(leading_sources(plan, below) if below else (first,)))
    return tuple(found)


def _reads(plan: Plan) -> list[tuple[str, str]]:
    """Each view with the sources and views it reads; hidden steps are passed through."""
    visible: dict[str, tuple[str, ...]] = {s.name: (s.name,) for s in plan.pipeline.sources}
    rows: list[tuple[str, str]] = []
    for block in plan.blocks:
        below = tuple(dict.fromkeys(name for read in block.reads for name in visible[read]))
        visible[block.name] = (block.name,) if block.name == block.view else below
        if block.name == block.view:
            rows += [(block.name, name) for name in below]
    return rows


def feature_edges(plan: Plan, block: Block | None) -> exp.Query:
    """Pairs (row of the feature view, source, source row), each once."""
    if block is None:
        return statement("SELECT _rid, source, source_rid FROM _lester.edges WHERE false")
    edges = (INTERNAL_SCHEMA, f"edges_{block.name}")
    pairs = statement("SELECT _rid, source, source_rid FROM $edges", edges=edges)
    twice = [s.name for s in plan.pipeline.sources if not once(plan, block, s.name)]
    if not twice:
        return pairs
    names = [exp.Literal.string(name) for name in twice]
    of_these = exp.In(this=column("source"), expressions=names)
    others = pairs.where(exp.not_(of_these.copy()))
    return exp.Union(this=others, expression=pairs.where(of_these).distinct(), distinct=False)


def once(plan: Plan, block: Block, source: str) -> bool:
    """Whether the edge view of a block names each pair of a row and a row of ``source`` once at most.

    Said only where the structure shows it: one path, of single row ids.
    """
    ways = [base for _, base in block.provenance if _reaches(plan, base, source)]
    if block.family == "constant":
        return True
    if _has_witnesses(plan, block):
        return False
    if not block.mixes_rows:
        return len(ways) <= 1 and all(base == source or once(plan, plan.block(base), source) for base in ways)
    rows = [i for i in block.inputs if i.row]
    return not is_prefix(block) and len(rows) == 1 and rows[0].relation == source


def _has_witnesses(plan: Plan, block: Block) -> bool:
    above = frozenset(b.name for b in plan.blocks)
    return bool(witness_edges(block, plan.relations, frozenset())) or any(
        _has_witnesses(plan, plan.block(name)) for name in block.reads if name in above
    )


def _reaches(plan: Plan, name: str, source: str) -> bool:
    below = next((b for b in plan.blocks if b.name == name), None)
    return name == source if below is None else any(_reaches(plan, read, source) for read in below.reads)


def _featurizers(plan: Plan, block: Block) -> list[tuple]:
    rows = []
    for number, found in enumerate(featurizing.plan_features(plan.pipeline.features, data_types(plan, block))):
        kinds = [step.kind for step in found.featurizer.steps]
        numeric = [kind for kind in kinds if kind in _SLOTWISE]
        indicated = any(getattr(step, "add_indicator", False) for step in found.steps)
        stored = found.storage in ("numbers", "vectors") and kinds[0] not in _WORDS
        slotwise = stored and not indicated and len(numeric) == len(found.steps)
        rows.append((
            number, found.name, "+".join(kinds), list(found.featurizer.columns), found.featurizer.fit,
            learns(found), slotwise, kinds[-1] in _SCALING and _divides(found.steps[-1]),
        ))  # fmt: skip
    return rows


def _divides(step: object) -> bool:
    return getattr(step, "with_std", True) and getattr(step, "with_scaling", True)


def learns(found: featurizing.Plan) -> bool:
    """Whether a featurizer's state depends on the rows it is fitted on."""
    declared = isinstance(getattr(found.coder, "categories", None), tuple)
    return found.keeps != "nothing" and not (declared and not found.fills and not found.names_learned)


def _inputs(plan: Plan, block: Block) -> tuple[Input, ...]:
    """The columns of the feature view that featurizers read, in order of first mention."""
    types = data_types(plan, block)
    names = dict.fromkeys(c for f in plan.pipeline.features.featurizers for c in f.columns)
    return tuple(Input(name, types[name]) for name in names)


def _is_scalar(found: Input) -> bool:
    return not found.type.endswith("]") and not found.type.startswith(("STRUCT", "MAP", "UNION", "BLOB"))


_SAMPLE = "WHERE s.part = 'train' LIMIT 256"
_NO_NUMBERS = "SELECT ''::VARCHAR AS featurizer, ''::VARCHAR AS part, []::DOUBLE[] AS value LIMIT 0"
_NO_CATEGORIES = "SELECT ''::VARCHAR AS featurizer, 0 AS slot, ''::VARCHAR AS category, 0::BIGINT AS n LIMIT 0"
_NO_VALUES = "SELECT ''::VARCHAR AS column_name, 0::BIGINT AS _rid, ''::VARCHAR AS part, NULL::$type AS value LIMIT 0"


def _values(block: Block | None, columns: Iterable[Input], type_: str) -> exp.Query:
    """One row per row of the feature view and input column, with the part of the split it is in."""
    parts = [
        statement(
            "SELECT $name AS column_name, v._rid, s.part, $value AS value FROM $view AS v "
            "JOIN _lester.split AS s ON s._rid = v._rid",
            name=exp.Literal.string(i.name), view=(block.schema, block.table),
            value=exp.cast(column(i.name, "v"), type_, dialect="duckdb"),
        )
        for i in columns
    ]  # fmt: skip
    return _union(parts, _NO_VALUES.replace("$type", type_))


def _stored_rows(plans: Iterable[featurizing.Plan], rows: str = "") -> list[exp.Query]:
    """The numbers that featurizers store of the rows of a part, as lists; ``rows`` limits them."""
    return [
        statement(
            f"SELECT * FROM (SELECT $name AS featurizer, s.part, b.value::DOUBLE[] AS value FROM $block AS b "
            f"JOIN _lester.split AS s ON s._rid = b._rid {rows}) AS one",
            name=exp.Literal.string(p.name), block=(INTERNAL_SCHEMA, f"block_{p.name}"),
        )
        for p in plans
        if p.storage in ("numbers", "vectors") and p.featurizer.steps[0].kind not in _WORDS
    ]  # fmt: skip


def _category_counts(plans: Iterable[featurizing.Plan]) -> list[exp.Query]:
    """How many fit rows have each category of each column that is encoded."""
    return [
        statement(
            "SELECT $name AS featurizer, slot, category, n FROM $state",
            name=exp.Literal.string(p.name), state=(INTERNAL_SCHEMA, f"state_{p.name}"),
        )
        for p in plans
        if p.keeps == "categories"
    ]  # fmt: skip


def _outcomes(plan: Plan, block: Block | None, label: str | None) -> exp.Query:
    """Label and prediction of each row of the feature view, as texts that can be compared."""
    if block is None or label is None:
        return statement(
            "SELECT 0::BIGINT AS _rid, NULL::VARCHAR AS part, NULL::VARCHAR AS label, NULL::VARCHAR AS prediction "
            "WHERE false"
        )
    guess = exp.TryCast(
        this=column("value", "p"), to=exp.DataType.build(plan.types[block.name][label], dialect="duckdb")
    )
    return statement(
        "SELECT s._rid, s.part, $label::VARCHAR AS label, $guess::VARCHAR AS prediction FROM _lester.split AS s "
        "JOIN $view AS v ON v._rid = s._rid LEFT JOIN _lester.prediction AS p ON p._rid = s._rid",
        label=column(label, "v"), guess=guess, view=(block.schema, block.table),
    )  # fmt: skip


def _union(parts: list[exp.Query], empty: str | None) -> exp.Query:
    if not parts:
        return statement(empty)
    union = parts[0]
    for part in parts[1:]:
        union = exp.Union(this=union, expression=part, distinct=False)
    return union


def _view(name: str, query: exp.Query) -> exp.Create:
    return exp.Create(this=table(INTERNAL_SCHEMA, name), kind="VIEW", expression=query, replace=True)


def source_identities(db: Database, plan: Plan, have: Collection[str]) -> None:
    """An edge view for what has none yet: a row of a source comes from itself, a written one from none."""
    for source in plan.pipeline.sources:
        query = statement(
            "SELECT _rid, $name AS source, _rid AS source_rid FROM $rows",
            name=exp.Literal.string(source.name), rows=("source", source.name),
        )  # fmt: skip
        db.execute(_view(f"edges_{source.name}", query))
    for block in plan.blocks:
        if block.name not in have:
            empty = "SELECT 0::BIGINT AS _rid, ''::VARCHAR AS source, 0::BIGINT AS source_rid WHERE false"
            db.execute(_view(f"edges_{block.name}", statement(empty)))
