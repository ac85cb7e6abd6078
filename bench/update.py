"""The subjects of five customers blanked: the time of the update against a full re-run.

Two sizes, two widths (132 and 1,540 matrix columns). An update is one transaction, commit included,
the model apart; every round blanks the subjects of five other customers. Afterwards an audit must
find no difference.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from measuring import Goal, finish, options, p50, table

import lester_duck as ld
from lester_duck.demo import data
from lester_duck.pipeline.model import Featurizer, Pipeline, Step

HERE = Path(__file__).parent
CUSTOMERS_PER_UPDATE = 5
UPDATE_LIMIT_MS = 50.0
FIRST_RUN_LIMIT_S = 7.0


def wide(pipeline: Pipeline) -> Pipeline:
    """The same pipeline with two 768-wide text vectors in place of the hashed words."""
    vector = (Step(kind="function", params=(("function", "text_vector"), ("width", 768), ("dtype", "float32"))),)
    vectors = tuple(Featurizer(name=f"{c}_vector", columns=(c,), steps=vector) for c in ("title", "text"))
    features = replace(pipeline.features, featurizers=vectors + pipeline.features.featurizers[2:], dtype="float32")
    return replace(pipeline, features=features)


def make_data(folder: Path, customers: int) -> None:
    """The demonstration's data; commas inside a text become semicolons, for lines are split at commas."""
    _, mails = data.write(folder, customers)
    lines = [line.split(",", 4) for line in mails.read_text(encoding="utf-8").splitlines()]
    text = "".join(",".join([*fields[:4], fields[4].replace(",", ";")]) + "\n" for fields in lines)
    mails.write_text(text, encoding="utf-8")


def senders(run: Any) -> list[str]:
    """Customers whose mails reach the matrix, by e-mail address."""
    return [
        row[0]
        for row in run.sql(
            "SELECT DISTINCT m.email FROM source.mails AS m JOIN _lester.edges_prepared AS e "
            "ON e.source = 'mails' AND e.source_rid = m._rid ORDER BY m.email"
        ).fetchall()
    ]


def blank_subjects(run: Any, emails: list[str]) -> pa.Table:
    """The delta: every mail of these customers, before and with an empty subject."""
    listed = ", ".join(f"'{e}'" for e in emails)
    rows = run.sql(f"SELECT * EXCLUDE (_rid, _pos) FROM source.mails WHERE email IN ({listed})").to_arrow_table()
    place = rows.schema.get_field_index("mail_subject")
    blank = rows.set_column(place, rows.schema.field(place), pa.array([""] * len(rows), rows.schema.field(place).type))
    before = rows.append_column("_change_type", pa.array(["update_preimage"] * len(rows)))
    after = blank.append_column("_change_type", pa.array(["update_postimage"] * len(rows)))
    return pa.concat_tables([before, after])


def cell(pipeline: Pipeline, customers: int, rounds: int) -> dict[str, Any]:
    """First runs, updates and the audit of one size and width."""
    with tempfile.TemporaryDirectory() as folder:
        make_data(Path(folder), customers)
        store = Path(folder) / "bench.duckdb"
        started = time.perf_counter()
        run = ld.run(pipeline, store, root=folder, model="later")
        first = time.perf_counter() - started
        with run:
            columns = run.status()["features"]["columns"]
            emails = senders(run)
            updates, mails, derived = [], [], []
            for number in range(rounds + 1):
                chosen = emails[number * CUSTOMERS_PER_UPDATE : (number + 1) * CUSTOMERS_PER_UPDATE]
                delta = blank_subjects(run, chosen)
                change = run.update(mails=delta, model="later")
                updates.append(change.seconds["total"] - change.seconds["model"])
                mails.append(change.sources[0].updated)
                derived.append(change.views[-1].added)
            audit = run.audit()
            rows = run.summary.counts["mails_joined"]
        return {
            "customers": customers,
            "columns": columns,
            "rows": rows,
            "first_run_s": first,
            "first_update_ms": updates[0] * 1000,
            "update_ms": [u * 1000 for u in updates[1:]],
            "mails_updated": p50(mails),
            "rows_derived": p50(derived),
            "tables": list(change.tables),
            "audit": audit.agreed,
            "differences": [str(d) for d in audit.differences],
        }


HEADER = ("customers", "columns", "rows", "first run s", "p50 ms", "max ms", "run / update", "rows changed", "audit")


def row(c: dict[str, Any]) -> tuple[Any, ...]:
    """A cell as a line of the table."""
    median = p50(c["update_ms"])
    return (
        c["customers"],
        c["columns"],
        c["rows"],
        f"{c['first_run_s']:.2f}",
        f"{median:.1f}",
        f"{max(c['update_ms']):.1f}",
        f"{c['first_run_s'] * 1000 / median:.0f}",
        f"{c['rows_derived']:.0f}",
        "agrees" if c["audit"] else "DIFFERS",
    )


def goals(cells: list[dict[str, Any]]) -> list[Goal]:
    """A cell counts only when every audit agreed."""
    agreed = all(c["audit"] for c in cells)
    named = {f"{c['customers']} customers, {c['columns']} columns": c for c in cells if agreed}
    updates = {name: p50(c["update_ms"]) for name, c in named.items()}
    first = {n: c["first_run_s"] for n, c in named.items() if (c["customers"], c["columns"]) == (10_000, 1_540)}
    return [
        Goal("update p50", UPDATE_LIMIT_MS, "ms", updates),
        Goal("first run at 10,000 customers and 1,540 columns", FIRST_RUN_LIMIT_S, "s", first),
    ]


def main() -> None:
    """Measure, print, conclude."""
    args = options(__doc__)
    narrow = ld.load(HERE / "pipelines" / "creditcard")
    rounds = 9 if args.quick else 31
    cells = [cell(p, size, rounds) for size in (1_000, 10_000) for p in (narrow, wide(narrow))]
    print(table(HEADER, [row(c) for c in cells]))
    touched, median = cells[-1]["tables"], p50(cells[-1]["update_ms"])
    print(f"tables touched: {', '.join(touched)} (about {median / len(touched):.1f} ms each)")
    finish(args, {"cells": cells}, goals(cells))


if __name__ == "__main__":
    main()
