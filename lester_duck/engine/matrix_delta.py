"""A change of the feature view as the featurizers see it: which rows, which inputs, which values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
from sqlglot import exp

from lester_duck.db import Database
from lester_duck.engine.matrix_blocks import Call, compute, number_value
from lester_duck.engine.matrix_state import category_texts
from lester_duck.engine.template import column, rendered, statement
from lester_duck.featurize.plan import Plan
from lester_duck.pipeline.model import Split


@dataclass(frozen=True, slots=True)
class ViewChange:
    """Temporary tables with the feature view's columns: changed rows before (``old``) and after (``new``).

    Rows are paired by ``_rid``; ``rows`` is the number of rows of both tables.
    """

    old: str
    new: str
    rows: int


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


def read_delta(
    db: Database, plans: tuple[Plan, ...], change: ViewChange, split: Split, split_changes: str | None, *, values: bool
) -> tuple[Delta, Images]:
    """Compare the images, column by column, with the parts of their rows: one statement.

    With ``values`` the images also hold what the featurizers read of each row.
    """
    learns = any(plan.keeps != "nothing" and plan.featurizer.fit == "train" for plan in plans)
    looked_up = learns and split.kind != "all"
    images = db.arrow(_comparison(plans, temporary(change.old), temporary(change.new), looked_up, values))
    rids = images.column("_rid").to_numpy()
    had, has = (flags(images.column(name)) for name in ("had", "has"))
    differs = {name: flags(images.column(f"d{i}")) | (had != has) for i, name in enumerate(_inputs(plans))}
    moves = _moves(db, split_changes) if split_changes else {}
    others = np.array(sorted(set(moves) - set(rids.tolist())), dtype=np.int64)
    still = np.ones(len(others), dtype=bool)
    train = flags(images.column("trains")) if looked_up else np.full(len(rids), learns)
    rids, had, has, train = (
        np.concatenate(pair) for pair in ((rids, others), (had, still), (has, still), (train, still))
    )
    differs = {name: np.concatenate([d, ~still]) for name, d in differs.items()}
    was, now = train.copy(), train.copy()
    if looked_up:
        for i, rid in enumerate(rids.tolist()):
            if rid in moves:
                was[i], now[i] = (part == "train" for part in moves[rid])
    return Delta(rids, had, has, differs, was, now), Images(images)


def _inputs(plans: Sequence[Plan]) -> list[str]:
    return sorted({c.name for plan in plans for c in plan.columns})


@lru_cache(maxsize=64)
def _comparison(plans: tuple[Plan, ...], old: str, new: str, looked_up: bool, values: bool) -> str:
    """The statement that reads a change, made once per pipeline.

    ``had``, ``has``, ``d<i>`` (input i differs), ``trains``; per plan that stores numbers or codes the
    stored row before and after (``o<i>``, ``n<i>``), per other plan its arguments (``a<i>_<j>``).
    """
    query = statement(
        "SELECT coalesce(o._rid, n._rid) AS _rid, o._rid IS NOT NULL AS had, n._rid IS NOT NULL AS has "
        "FROM $old AS o FULL JOIN $new AS n ON o._rid = n._rid ORDER BY coalesce(o._rid, n._rid)",
        old=old, new=new,
    )  # fmt: skip
    for i, name in enumerate(_inputs(plans)):
        differs = exp.NullSafeNEQ(this=column(name, "o"), expression=column(name, "n"))
        query = query.select(exp.alias_(differs, f"d{i}"), copy=False)
    if looked_up:
        membership = statement(
            "(SELECT _rid FROM _lester.split WHERE part = 'train' "
            "AND _rid IN (SELECT _rid FROM $old UNION ALL SELECT _rid FROM $new))",
            old=old, new=new,
        )  # fmt: skip
        trains = exp.In(this=exp.func("COALESCE", column("_rid", "o"), column("_rid", "n")), query=membership)
        query = query.select(exp.alias_(trains, "trains"), copy=False)
    for i, plan in enumerate(plans if values else ()):
        query = query.select(*_values_of(i, plan), copy=False)
    return query.sql(dialect="duckdb")


def _values_of(i: int, plan: Plan) -> list[exp.Expression]:
    if plan.storage in ("numbers", "codes"):
        value = number_value(plan) if plan.storage == "numbers" else category_texts(plan)
        return [exp.alias_(_of(value, side), f"{side}{i}") for side in ("o", "n")]
    return [exp.alias_(column(c.name, "n"), f"a{i}_{j}") for j, c in enumerate(plan.columns)]


def _of(value: exp.Expression, side: str) -> exp.Expression:
    """The same expression over the columns of one side of the join."""
    own = value.copy()
    for name in own.find_all(exp.Column):
        name.set("table", exp.to_identifier(side))
    return own


def _moves(db: Database, split_changes: str) -> dict[int, tuple[str | None, str | None]]:
    query = rendered("SELECT _rid, old_part, new_part FROM $changes", changes=temporary(split_changes))
    return {rid: (before, now) for rid, before, now in db.rows(query)}


@dataclass(frozen=True, eq=False)
class Images:
    """What the featurizers read of the changed rows, before and after: the columns of ``_comparison``."""

    rows: pa.Table

    def numbers(self, plan: int, *, after: bool, wanted: np.ndarray) -> tuple[np.ndarray, pa.Array]:
        """Row ids and stored values (or category texts) of the wanted rows."""
        chosen = self._of(wanted, [f"n{plan}" if after else f"o{plan}"])
        return chosen.column(0).to_numpy(), chosen.column(1).combine_chunks()

    def _of(self, wanted: np.ndarray, columns: Sequence[str]) -> pa.Table:
        mask = pa.array(np.isin(self.rows.column("_rid").to_numpy(), wanted))
        return self.rows.select(["_rid", *columns]).filter(mask).combine_chunks()

    def texts(self, index: int, wanted: np.ndarray) -> tuple[np.ndarray, pa.Table]:
        """Row ids and texts of the wanted rows, after."""
        table = self._of(wanted, [f"a{index}_0"])
        return table.column(0).to_numpy(), table.select([1])

    def computed(self, index: int, plan: Plan, wanted: np.ndarray, call: Call) -> tuple[np.ndarray, pa.Array]:
        """Row ids and newly computed values of the wanted rows, each distinct argument once."""
        table = self._of(wanted, [f"a{index}_{j}" for j in range(len(plan.columns))])
        arguments = table.drop_columns(["_rid"])
        keys = [repr(row) for row in zip(*(c.to_pylist() for c in arguments.columns), strict=True)]
        first: dict[str, int] = {}
        for i, key in enumerate(keys):
            first.setdefault(key, i)
        place = {key: i for i, key in enumerate(first)}
        values = compute(plan, arguments.take(pa.array(list(first.values()), pa.int64())), call)
        return table.column("_rid").to_numpy(), values.take(pa.array([place[key] for key in keys], pa.int64()))


def flags(values: pa.ChunkedArray) -> np.ndarray:
    """A BOOLEAN column without NULL as an array."""
    return values.to_numpy(zero_copy_only=False).astype(bool)


def temporary(name: str) -> str:
    """The bare name of a temporary table.

    >>> temporary("temp.changed")
    'changed'
    """
    return name.removeprefix("temp.")
