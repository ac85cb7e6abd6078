"""What docs/unsupported.md says is refused, is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lester_duck.algebra.block import build_blocks
from lester_duck.algebra.relation import OrderTerm, Relation
from lester_duck.errors import Unsupported

PAGE = Path(__file__).resolve().parents[2] / "docs" / "unsupported.md"
QUERY = re.compile(r"^\| `((?:SELECT|WITH|PIVOT|UNPIVOT)[^`]*)` \|", re.MULTILINE)
STATEMENTS = QUERY.findall(PAGE.read_text(encoding="utf-8"))


def relation(name: str) -> Relation:
    order = (OrderTerm(column="_pos"),)
    return Relation(name=name, schema="source", table=name, columns=("a", "k"), order=order, base=True)


def test_there_are_statements():
    assert len(STATEMENTS) > 20


@pytest.mark.parametrize("sql", STATEMENTS)
def test_it_is_refused(sql):
    with pytest.raises(Unsupported) as refusal:
        build_blocks("v", sql, {"t": relation("t"), "u": relation("u")}, frozenset())
    assert refusal.value.exit_code == 4
