"""``train_test_split``: which rows are for training, as a declared split."""

from __future__ import annotations

from dataclasses import replace

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import sqlx
from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_aggregates import count
from lester_duck.lift.pandas_frames import Frame, Series, options
from lester_duck.lift.pandas_select import sliced
from lester_duck.lift.relations import fresh
from lester_duck.lift.sklearn_encoders import as_frame, column_of, data_of
from lester_duck.lift.sqlx import sql
from lester_duck.lift.values import Refused, Sym, Value
from lester_duck.pipeline import model as ir


def train_test_split(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``train_test_split(*arrays, test_size, random_state, stratify, shuffle)``."""
    chosen = options(kwargs, [], (), "train_test_split", test_size=None, train_size=None, random_state=None,
                     shuffle=True, stratify=None)  # fmt: skip
    held = [m.content(a) for a in args]
    parts = [h if isinstance(h, Frame | Series) else data_of(m, h) for h in held]
    if any(p.rows_.part is not None for p in parts):
        raise Refused("a part of a split split again")
    size = frames.constant(m, chosen["test_size"])
    train = frames.constant(m, chosen["train_size"])
    if chosen["shuffle"] is False:
        return _in_order(m, parts, 0.25 if size is None and train is None else size)
    seed = frames.constant(m, chosen["random_state"])
    if seed is None:
        raise Refused("train_test_split without random_state, which differs from run to run", "random_state=0")
    params: list[tuple[str, ir.Value]] = []
    if size is not None or train is None:
        params.append(("test_size", 0.25 if size is None else size))
    if train is not None:
        params.append(("train_size", train))
    params.append(("random_state", seed))
    if chosen["stratify"] is not None:
        token = fresh("stratify")
        by = m.content(chosen["stratify"])
        m.files[token] = by if isinstance(by, Series) else column_of(as_frame(m, by))
        params.append(("stratify", token))
    split = ir.Split(kind="shuffle", params=tuple(params))
    answer: list[Value] = []
    for part in parts:
        for side in ("train", "test"):
            rows = replace(part.rows_, part=(split, side), index="subset")
            made = replace(part, what_rows=rows)
            answer.append(m.new(made) if isinstance(made, Frame) else made)
    return m.new(v.HList(tuple(answer)))


def _in_order(m: Machine, parts: list[Frame | Series], size: Value) -> Value:
    if not isinstance(size, int | float):
        raise Refused("train_test_split in order without test_size")
    answer: list[Value] = []
    for part in parts:
        n = count(m, part.rows_)
        if isinstance(size, float):
            kept = sql("_1 - CAST(ceil(_1 * _2) AS BIGINT)", n.sql, sqlx.literal(size))
        else:
            kept = sql("_1 - _2", n.sql, sqlx.literal(size))
        bound = Sym(kept, "int")
        for piece in (slice(None, bound), slice(bound, None)):
            made = replace(part, what_rows=sliced(m, part.rows_, piece))
            answer.append(m.new(made) if isinstance(made, Frame) else made)
    return m.new(v.HList(tuple(answer)))


def group_shuffle(m: Machine, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """Splitters that answer positions are refused by name."""
    raise Refused("a split by groups or folds, which answers positions of rows", "train_test_split")


RULES: dict[str, frames.SeriesRule] = {
    "sklearn.model_selection.train_test_split": train_test_split,
    **{f"sklearn.model_selection.{n}": group_shuffle for n in ("GroupShuffleSplit", "ShuffleSplit", "GroupKFold")},
}
