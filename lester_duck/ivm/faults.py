"""What the rows of a delta claim, held against the store: counts, and the first row that cannot be what it says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

CHANGE_TYPES = ("insert", "delete", "update_preimage", "update_postimage")
_INSERT, _DELETE, _BEFORE, _AFTER = range(4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Rows inserted, deleted, updated; and the number (``_n``) of the first row of each fault, or None.

    ``strange``: no known change type. ``unknown``: names no row of the source. ``known``: an insert
    of a row that exists. ``twice``: a second change of one row. ``alone``: a preimage without its
    postimage. ``differing``: a preimage unlike the stored row. ``rekeyed``: some postimage has
    another key than the row it names.
    """

    inserted: int
    deleted: int
    updated: int
    strange: int | None
    unknown: int | None
    known: int | None
    twice: int | None
    alone: int | None
    differing: int | None
    rekeyed: bool


def claims(rows: pa.Table) -> Claims:
    """Summarise a delta: columns ``_n``, ``_target`` (row id or null), ``_change_type``, ``_differs``, ``_rekeyed``.

    >>> rows = pa.table({
    ...     "_n": [1, 2, 3], "_target": [7, 7, None], "_change_type": ["delete", "delete", "insert"],
    ...     "_differs": [False, False, None], "_rekeyed": [False, False, None],
    ... })
    >>> found = claims(rows)
    >>> found.inserted, found.deleted, found.twice, found.unknown
    (1, 2, 1, None)
    """
    number = rows["_n"].to_numpy()
    kind = pc.fill_null(pc.index_in(rows["_change_type"], value_set=pa.array(CHANGE_TYPES)), -1).to_numpy()
    named = pc.is_valid(rows["_target"]).to_numpy()
    target, group = np.unique(pc.fill_null(rows["_target"], -1).to_numpy()[named], return_inverse=True)

    def per_target(wanted: int) -> np.ndarray:
        """For each named row of the delta, how many rows of one kind name the same target."""
        return np.bincount(group, kind[named] == wanted, minlength=len(target))[group]

    inserts, deletes, befores, afters = (per_target(k) for k in range(4))
    flags = {name: pc.fill_null(rows[name], False).to_numpy() for name in ("_differs", "_rekeyed")}
    return Claims(
        inserted=int((kind == _INSERT).sum()),
        deleted=int((kind == _DELETE).sum()),
        updated=int((kind == _AFTER).sum()),
        strange=_first(number[kind < 0]),
        unknown=_first(number[~named & (kind > _INSERT)]),
        known=_first(number[named][inserts > 0]),
        twice=_first(number[named][(deletes + afters > 1) | (befores > 1)]),
        alone=_first(number[named][befores > afters]),
        differing=_first(number[(kind == _BEFORE) & flags["_differs"]]),
        rekeyed=bool(((kind == _AFTER) & flags["_rekeyed"]).any()),
    )


def _first(numbers: np.ndarray) -> int | None:
    return int(numbers.min()) if len(numbers) else None
