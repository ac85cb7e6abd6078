"""The difference between what a store holds of a source and the rows a file has now, as a delta."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

import pyarrow as pa

from lester_duck.names import CHANGE_TYPE, POS, RID

MAX_COMPARED = 4_000_000
"""Pairs of rows that are aligned; beyond it, changed stretches are paired by place."""


def delta(old: pa.Table, new: pa.Table, key: Sequence[str] = ()) -> pa.Table | None:
    """The delta that makes ``old`` (columns, ``_rid``, ``_pos``; in order) into ``new`` (columns; in order), or None.

    Rows are aligned by ``key``, else by the longest runs of equal rows, so that few of them change.
    Places are kept where they can be; rows behind an insert move up when there is no room.
    """
    names = new.column_names
    before = list(zip(*(old.column(n).to_pylist() for n in names), strict=True)) if old.num_rows else []
    after = list(zip(*(new.column(n).to_pylist() for n in names), strict=True)) if new.num_rows else []
    rids, places = old.column(RID).to_pylist(), old.column(POS).to_pylist()
    partner = _by_key(before, after, [names.index(k) for k in key]) if key else _aligned(before, after)
    rows: list[tuple] = []
    for n in sorted(set(range(len(before))) - {p for p in partner if p is not None}):
        rows.append((*before[n], "delete", rids[n], places[n]))
    last = min(places, default=1) - 1
    for row, n in zip(after, partner, strict=True):
        place = places[n] if n is not None and places[n] > last else last + 1
        last = place
        if n is None:
            rows.append((*row, "insert", None, place))
        elif row != before[n] or place != places[n]:
            rows.append((*before[n], "update_preimage", rids[n], places[n]))
            rows.append((*row, "update_postimage", rids[n], place))
    if not rows:
        return None
    schema = pa.schema([*(old.schema.field(n) for n in names), (CHANGE_TYPE, pa.string()), (RID, pa.int64()),
                        (POS, pa.int64())])  # fmt: skip
    columns = list(zip(*rows, strict=True))
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


def _by_key(before: list[tuple], after: list[tuple], key: list[int]) -> list[int | None]:
    held = {tuple(row[k] for k in key): n for n, row in enumerate(before)}
    return [held.pop(tuple(row[k] for k in key), None) for row in after]


def _aligned(before: list[tuple], after: list[tuple]) -> list[int | None]:
    """For each new row the old row it is, or None.

    >>> _aligned([("a",), ("b",), ("c",)], [("a",), ("x",), ("c",), ("d",)])
    [0, 1, 2, None]
    """
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    left, right = before[start : len(before) - end], after[start : len(after) - end]
    found: list[int | None] = [None] * len(right)
    if len(left) * len(right) <= MAX_COMPARED:
        steps = SequenceMatcher(None, [repr(r) for r in left], [repr(r) for r in right], autojunk=False).get_opcodes()
    else:
        steps = [("replace", 0, len(left), 0, len(right))]
    for _, a, b, c, d in steps:
        for n in range(min(b - a, d - c)):
            found[c + n] = start + a + n
    return [*range(start), *found, *range(len(before) - end, len(before))]
