"""What the demonstration does, step by step; each step says what happened and how long it took."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from lester_duck import api
from lester_duck.demo import data
from lester_duck.errors import Disagreement
from lester_duck.rewrite.rewrite import save

STORE = "bank.duckdb"
PIPELINE = "pipeline"
ORIGINAL = "original"
SCRIPT = "script.py"
KEYS = {"customers": ("customer_id",), "mails": ("mail_id",)}

CARD = r"\d{16}"
BLANK = "****************"

FEATURES = """SELECT featurizer, kind, count(DISTINCT position) AS columns,
    string_agg(DISTINCT source_column, ', ' ORDER BY source_column) AS source_columns
FROM lester.feature_lineage
GROUP BY featurizer, kind
ORDER BY min(position)"""
USAGE = "SELECT usage, count(*) AS mails\nFROM lester.usage('mails')\nGROUP BY usage\nORDER BY usage"
BACKWARD = "FROM lester.backward('{view}', {rid})"
LEAKS = f"SELECT _rid, mail_id, subject\nFROM source.mails\nWHERE regexp_matches(subject, '{CARD}')\nORDER BY _rid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: its title, the SQL that was asked, lines for a person, rows of a result, seconds."""

    title: str
    seconds: float
    lines: tuple[str, ...] = ()
    sql: str | None = None
    rows: tuple[dict[str, Any], ...] = ()


@dataclass(slots=True)
class _Clock:
    started: float = field(default_factory=time.perf_counter)

    def lap(self) -> float:
        """Seconds since the last lap."""
        now = time.perf_counter()
        seconds, self.started = now - self.started, now
        return round(seconds, 3)


def is_demo(folder: Path) -> bool:
    """Whether an earlier demonstration worked in ``folder``, and nothing else did."""
    return {path.name.split(".duckdb")[0] for path in folder.iterdir()} <= {ORIGINAL, PIPELINE, "bank"}


def tell(
    folder: Path, *, customers: int = 1_000, seed: int = 0, progress: Callable[..., None] | None = None
) -> Iterator[Step]:
    """Play the demonstration in ``folder``; yields each step when it is done.

    Raises Disagreement when the rewrite is not seen to agree, or the audit finds a difference.
    """
    clock = _Clock()
    script = _prepare(folder, customers, seed)
    yield _data_step(script.parent, clock)

    # changed inputs and mutants take a minute of their own: lester-duck rewrite tries them
    rewritten = api.rewrite(script, engine="static", keys=KEYS, directed=False, mutants="none", progress=progress)
    save(rewritten, folder / PIPELINE)
    yield _rewrite_step(rewritten, folder, clock)

    store = folder / STORE
    with api.run(folder / PIPELINE, store, root=script.parent, progress=progress) as run:
        yield _run_step(run, clock)
        yield _question("Which source columns feed the matrix?", run, FEATURES, clock)
        yield _question("Which letters reached the model?", run, USAGE, clock)
        leaks = _rows(run, LEAKS)
        view = rewritten.pipeline.features.view
        yield _question("Where does one training row come from?", run, _backward(run, view, leaks), clock)
        yield Step(
            title="Which letters leaked a card number?", seconds=clock.lap(), sql=LEAKS, rows=tuple(leaks[:3]),
            lines=(f"{len(leaks)} letters; the first three:",),
        )  # fmt: skip
        change = run.update(mails=_blanked(run, leaks))
        yield _update_step(change, clock)
        yield _audit_step(run, clock)
        yield _left_step(run, view, clock)


def _prepare(folder: Path, customers: int, seed: int) -> Path:
    """A fresh folder with data and script; what an earlier demonstration left is removed."""
    for part in (ORIGINAL, PIPELINE):
        shutil.rmtree(folder / part, ignore_errors=True)
    for old in folder.glob(f"{STORE}*"):
        old.unlink()
    data.write(folder / ORIGINAL, customers, seed)
    target = folder / ORIGINAL / SCRIPT
    target.write_text(Path(__file__).with_name(SCRIPT).read_text(encoding="utf-8"), encoding="utf-8")
    return target


def _data_step(folder: Path, clock: _Clock) -> Step:
    counts = {name: _line_count(folder / name) for name in (data.CUSTOMERS, data.MAILS, SCRIPT)}
    lines = (
        f"{counts[data.CUSTOMERS]:,} customers, {counts[data.MAILS]:,} letters, "
        f"and {counts[SCRIPT]} lines of messy Python that make features of them, in {folder}/",
    )
    return Step(title="A bank's letters, and the script that reads them", seconds=clock.lap(), lines=lines)


def _line_count(path: Path) -> int:
    with path.open(encoding="utf-8") as file:
        return sum(1 for _ in file)


def _rewrite_step(rewritten: Any, folder: Path, clock: _Clock) -> Step:
    pipeline = rewritten.pipeline
    views = ", ".join(view.name for view in pipeline.views)
    lines = (
        f"verdict: {rewritten.verdict}",
        f"views: {views}; featurizers: {', '.join(f.name for f in pipeline.features.featurizers)}",
        *(f"suspicion: {suspicion}" for suspicion in rewritten.suspicions),
        f"read it in {folder / PIPELINE}/ (pipeline.toml, views/*.sql, REWRITE.md)",
    )
    if rewritten.verdict.status != "agreed":
        raise Disagreement(f"the rewrite is not seen to agree: {rewritten.verdict}")
    return Step(title="Rewritten into SQL views and featurizers, and compared with the original", seconds=clock.lap(),
                lines=lines)  # fmt: skip


def _run_step(run: Any, clock: _Clock) -> Step:
    status = run.status()
    rows = [f"{source['name']} {source['rows']:,} rows" for source in status["sources"]]
    rows += [f"{view['name']} {view['rows']:,} rows" for view in status["views"] if view["rows"] is not None]
    lines = (
        ", ".join(rows),
        f"matrix: {sum(status['split'].values()):,} rows x {status['features']['columns']} columns",
        f"model: {status['model']['estimator'].rpartition('.')[2]}, fitted on {status['model']['rows_fitted']:,} rows",
    )
    return Step(title="Run in DuckDB", seconds=clock.lap(), lines=lines)


def _question(title: str, run: Any, sql: str, clock: _Clock) -> Step:
    rows = _rows(run, sql)
    return Step(title=title, seconds=clock.lap(), sql=sql, rows=tuple(rows))


def _rows(run: Any, sql: str) -> list[dict[str, Any]]:
    return _arrow(run, sql).to_pylist()


def _arrow(run: Any, sql: str) -> pa.Table:
    result = run.sql(sql)
    return result.to_arrow_table() if hasattr(result, "to_arrow_table") else pa.table(result)


def _backward(run: Any, view: str, leaks: list[dict[str, Any]]) -> str:
    """The question for the first row of the feature view that a leaking letter reached."""
    rids = ", ".join(str(row["_rid"]) for row in leaks)
    (row,) = _rows(run, f"SELECT min(_rid) AS rid FROM {view} WHERE _prov_mails IN ({rids})")
    return BACKWARD.format(view=view, rid=row["rid"])


def _blanked(run: Any, leaks: list[dict[str, Any]]) -> pa.Table:
    """The delta that puts stars where the numbers were; rows are named by ``_rid``."""
    rids = ", ".join(str(row["_rid"]) for row in leaks)
    return _arrow(
        run,
        "SELECT * EXCLUDE (_pos), 'update_preimage' AS _change_type\n"
        f"FROM source.mails WHERE _rid IN ({rids})\nUNION ALL\n"
        f"SELECT * EXCLUDE (_pos) REPLACE (regexp_replace(subject, '{CARD}', '{BLANK}') AS subject), "
        f"'update_postimage'\nFROM source.mails WHERE _rid IN ({rids})",
    )


def _update_step(change: Any, clock: _Clock) -> Step:
    summary = change.summary
    seconds = summary["seconds"]
    views = (f"{name}: {view['added']} rows ({view['reason']})" for name, view in summary["views"].items())
    parts = ", ".join(f"{name} {count} rows" for name, count in summary["featurizers"].items())
    lines = (
        f"mails: {summary['sources']['mails']['updated']} letters updated",
        *(f"view {view}" for view in views),
        f"matrix: {parts}",
        f"derived data {1000 * seconds['derive']:.0f} ms, commit {1000 * seconds['commit']:.0f} ms, "
        f"model fitted again {seconds['model']:.1f} s",
    )
    return Step(title="Blanked them with a delta, in one transaction", seconds=clock.lap(), lines=lines)


def _audit_step(run: Any, clock: _Clock) -> Step:
    audit = run.audit().raise_if_different()
    lines = (*audit.checked, "recomputed from the changed sources: no difference")
    return Step(title="Audited", seconds=clock.lap(), lines=lines)


def _left_step(run: Any, view: str, clock: _Clock) -> Step:
    sql = (
        f"SELECT (SELECT count(*) FROM source.mails WHERE regexp_matches(subject, '{CARD}')) AS letters,\n"
        f"       (SELECT count(*) FROM {view} AS row WHERE regexp_matches(to_json(row)::VARCHAR, '{CARD}')) AS {view}"
    )
    return _question("Is a card number left?", run, sql, clock)
