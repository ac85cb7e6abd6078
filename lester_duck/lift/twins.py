"""Collections that get their keys together: ``if k not in total: total[k] = 0; late[k] = 0``.

The second one is filled depending on what the first one holds. Its rule is found as if it held the same
keys; that is so when both have rows under the same conditions begin an entry of the same key, row by row.
"""

from __future__ import annotations

from typing import Any

from lester_duck.lift import branches, evolving, recurrences, sqlx
from lester_duck.lift.evolving import Read
from lester_duck.lift.machine import Machine
from lester_duck.lift.sqlx import Tree
from lester_duck.lift.state import Effect, Frame, Let
from lester_duck.lift.values import Refused, Sym, Value


def tokens(m: Machine, id_: int, effects: list[Effect]) -> frozenset[str]:
    """The placeholders that say whether another collection had this one's key, where its changes depend on them."""
    keys = [e.arguments[0] for e in effects]
    if not all(evolving.is_key(k) for k in keys):
        return frozenset()
    texts = {evolving.key_text(m, k) for k in keys}
    used = {t for e in effects for p in e.path for t in sqlx.tables(m.expand_tree(p))}
    return frozenset(t for t in used if t in m.reads and _asks(m, m.reads[t], id_, texts))


def _asks(m: Machine, read: Read, id_: int, texts: set[str]) -> bool:
    other = read.kind == "present" and read.id != id_ and not read.late
    return other and evolving.key_text(m, read.key) in texts


def join(
    m: Machine, frame: Frame, by_target: dict[Any, list[Effect]], found: dict[int, Any], problems: dict[int, Refused]
) -> None:
    """Replace the rules of collections that get their keys together with another one by simpler ones."""
    for id_ in [*problems, *found]:
        shared = tokens(m, id_, by_target[id_])
        others = [found[m.reads[t].id] for t in shared if m.reads[t].id in found]
        if not shared or len(others) != len(shared):
            continue
        try:
            with m.trial():
                mine = recurrences.of(m, frame, id_, by_target[id_], shared)
        except Refused:
            continue  # then it is what it is without the other
        if any(_begins(m, other) != _begins(m, mine) for other in others):
            continue
        found[id_] = mine
        problems.pop(id_, None)
        _settle(m, frame, id_, min(shared))


def _begins(m: Machine, found: Any) -> tuple[str, frozenset[str]]:
    """The key, and the conditions under which a row begins an entry of it."""
    key: Value = found.key[0] if found.kind == "slots" else found.key
    return evolving.key_text(m, key), frozenset(sqlx.text(m.expand_tree(c)) for c in found.where)


def _settle(m: Machine, frame: Frame, id_: int, token: str) -> None:
    """What was asked of this collection's keys is what was asked of the other's; checks that cannot fail go."""
    for own, read in list(m.reads.items()):
        if read.id == id_ and read.kind == "present" and own not in m.lets and not read.late:
            m.lets[own] = Let("seen_before", Sym(sqlx.column(token, "present"), "bool"))
    m.obligations[:] = [o for o in m.obligations if o.query is not frame.query or not _never(m, o.fails, token)]


def _never(m: Machine, fails: Tree, token: str) -> bool:
    """Whether a condition is false whatever the placeholder is."""
    tree, text = m.expand_tree(fails), sqlx.text(sqlx.column(token, "present"))
    said = [sqlx.bare(branches.simplified(tree, {text: known})) for known in (True, False)]
    return token in sqlx.tables(tree) and all(sqlx.same(s, sqlx.FALSE) for s in said)
