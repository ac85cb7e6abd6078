"""A change of the feature view as the featurizers see it: which rows, which inputs, which values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from sqlglot import exp

from lester_duck.db import Database
from lester_duck.engine.matrix_blocks import Call, compute, number_value
from lester_duck.engine.matrix_state import category_texts
from lester_duck.engine.template import column, rendered
from lester_duck.featurize.plan import Plan


@dataclass(frozen=True, eq=False)
class Delta:
    """Rows that changed or moved between parts; every array runs along ``rids``.

    ``had`` and ``has``: whether the row was, and is, in the view; ``differs``: per input column,
    whether its value changed; ``was_train`` and ``is_train``: membership before and now.
    """

    rids: np.ndarray
    had: np.ndarray
    has: np.ndarray
    differs: Mapping[str, np.ndarray]
    was_train: np.ndarray
    is_train: np.ndarray

    def changed(self, plan: Plan) -> np.ndarray:
        """Rows whose inputs of a featurizer changed."""
        return np.logical_or.reduce([self.differs[c.name] for c in plan.columns])

    def moved(self, plan: Plan) -> np.ndarray:
        """Rows that only entered or left the fit rows of a featurizer."""
        if plan.featurizer.fit != "train" or plan.keeps == "nothing":
            return np.zeros(len(self.rids), dtype=bool)
        return (self.was_train != self.is_train) & ~self.changed(plan)

    def left(self, plan: Plan) -> np.ndarray:
        """Rows that were fit rows of a featurizer."""
        return self.had & (self.was_train if plan.featurizer.fit == "train" else True)

    def entered(self, plan: Plan) -> np.ndarray:
        """Rows that are fit rows of a featurizer."""
        return self.has & (self.is_train if plan.featurizer.fit == "train" else True)


def read_delta(db: Database, plans: Sequence[Plan], old: str, new: str, split_changes: str | None) -> Delta:
    """Compare the images, column by column, and look up the parts of their rows."""
    inputs = sorted({c.name for plan in plans for c in plan.columns})
    images = db.arrow(_comparison(tuple(inputs), old, new))
    rids = images.column("_rid").to_numpy()
    had, has = (flags(images.column(name)) for name in ("had", "has"))
    differs = {name: flags(images.column(f"d{i}")) | (had != has) for i, name in enumerate(inputs)}
    moves = _moves(db, split_changes) if split_changes else {}
    others = np.array(sorted(set(moves) - set(rids.tolist())), dtype=np.int64)
    still = np.ones(len(others), dtype=bool)
    rids, had, has = (np.concatenate(pair) for pair in ((rids, others), (had, still), (has, still)))
    differs = {name: np.concatenate([d, ~still]) for name, d in differs.items()}
    return Delta(rids, had, has, differs, *_membership(db, plans, rids, moves))


def _comparison(inputs: tuple[str, ...], old: str, new: str) -> str:
    parts = {
        f"d{i}": exp.alias_(exp.NullSafeNEQ(this=column(name, "o"), expression=column(name, "n")), f"d{i}")
        for i, name in enumerate(inputs)
    }
    chosen = "".join(f", ${name}" for name in parts)
    return rendered(
        "SELECT coalesce(o._rid, n._rid) AS _rid, o._rid IS NOT NULL AS had, n._rid IS NOT NULL AS has"
        + chosen + " FROM $old AS o FULL JOIN $new AS n ON o._rid = n._rid",
        old=temporary(old), new=temporary(new), **parts,
    )  # fmt: skip


def _moves(db: Database, split_changes: str) -> dict[int, tuple[str | None, str | None]]:
    query = rendered("SELECT _rid, old_part, new_part FROM $changes", changes=temporary(split_changes))
    return {rid: (before, now) for rid, before, now in db.rows(query)}


def _membership(
    db: Database, plans: Sequence[Plan], rids: np.ndarray, moves: Mapping[int, tuple[str | None, str | None]]
) -> tuple[np.ndarray, np.ndarray]:
    """Whether each row was, and is, in the train part (not looked up where no state asks)."""
    was, now = np.zeros(len(rids), dtype=bool), np.zeros(len(rids), dtype=bool)
    if not any(plan.keeps != "nothing" and plan.featurizer.fit == "train" for plan in plans):
        return was, now
    steady = np.array([i for i, rid in enumerate(rids.tolist()) if rid not in moves], dtype=np.int64)
    if len(steady):
        with db.registered("_steady", pa.table({"_rid": rids[steady]})):
            train = db.rows(
                "SELECT _rid FROM _lester.split WHERE part = 'train' AND _rid IN (SELECT _rid FROM _steady)"
            )
        was[steady] = now[steady] = np.isin(rids[steady], [row[0] for row in train])
    for i, rid in enumerate(rids.tolist()):
        if rid in moves:
            was[i], now[i] = (part == "train" for part in moves[rid])
    return was, now


@dataclass(frozen=True, eq=False)
class Images:
    """What the featurizers read of the changed rows, before and after.

    Per plan that stores numbers or codes the stored row (``p<i>``), per other plan its arguments
    (``a<i>_<j>``, after only), beside ``_rid``.
    """

    old: pa.Table
    new: pa.Table

    def numbers(self, plan: int, *, after: bool, wanted: np.ndarray) -> tuple[np.ndarray, pa.Array]:
        """Row ids and stored values (or category texts) of the wanted rows."""
        table = self.new if after else self.old
        mask = pa.array(np.isin(table.column("_rid").to_numpy(), wanted))
        chosen = table.select(["_rid", f"p{plan}"]).filter(mask).combine_chunks()
        return chosen.column(0).to_numpy(), chosen.column(1).combine_chunks()

    def texts(self, index: int, wanted: np.ndarray) -> tuple[np.ndarray, pa.Table]:
        """Row ids and texts of the wanted rows, after."""
        mask = pa.array(np.isin(self.new.column("_rid").to_numpy(), wanted))
        table = self.new.filter(mask)
        return table.column("_rid").to_numpy(), table.select([f"a{index}_0"])

    def computed(self, index: int, plan: Plan, wanted: np.ndarray, call: Call) -> tuple[np.ndarray, pa.Array]:
        """Row ids and newly computed values of the wanted rows, each distinct argument once."""
        mask = pa.array(np.isin(self.new.column("_rid").to_numpy(), wanted))
        table = self.new.filter(mask).combine_chunks()
        arguments = table.select([f"a{index}_{j}" for j in range(len(plan.columns))])
        keys = [repr(row) for row in zip(*(c.to_pylist() for c in arguments.columns), strict=True)]
        first: dict[str, int] = {}
        for i, key in enumerate(keys):
            first.setdefault(key, i)
        place = {key: i for i, key in enumerate(first)}
        values = compute(plan, arguments.take(pa.array(list(first.values()), pa.int64())), call)
        return table.column("_rid").to_numpy(), values.take(pa.array([place[key] for key in keys], pa.int64()))


def read_images(db: Database, plans: Mapping[int, Plan], old: str, new: str) -> Images:
    """Read both images once for all the given plans."""
    return Images(_image(db, plans, old, after=False), _image(db, plans, new, after=True))


def _image(db: Database, plans: Mapping[int, Plan], relation: str, *, after: bool) -> pa.Table:
    parts: dict[str, exp.Expression] = {}
    for i, plan in plans.items():
        if plan.storage == "numbers" and (after or plan.keeps != "nothing"):
            parts[f"p{i}"] = number_value(plan)
        elif plan.storage == "codes":
            parts[f"p{i}"] = category_texts(plan)
        elif after and plan.storage in ("vectors", "lists", "terms"):
            parts |= {f"a{i}_{j}": column(c.name) for j, c in enumerate(plan.columns)}
    chosen = "".join(f", ${name} AS {name}" for name in parts)
    query = f"SELECT _rid{chosen} FROM $relation ORDER BY _rid"
    return db.arrow(rendered(query, relation=temporary(relation), **parts))


def flags(values: pa.ChunkedArray) -> np.ndarray:
    """A BOOLEAN column without NULL as an array."""
    return values.to_numpy(zero_copy_only=False).astype(bool)


def temporary(name: str) -> str:
    """The bare name of a temporary table.

    >>> temporary("temp.changed")
    'changed'
    """
    return name.removeprefix("temp.")
