"""The made-up data: the same bytes for the same seed, the promised shape, no number that could be a card."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from lester_duck.demo import data


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return data.write(tmp_path_factory.mktemp("bank"), customers=1_000)


def fields(path):
    return [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]


def test_same_seed_same_bytes(made, tmp_path):
    again = data.write(tmp_path / "again", customers=1_000)
    other = data.write(tmp_path / "other", customers=1_000, seed=1)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in made]
    assert other[1].read_bytes() != made[1].read_bytes()


def test_every_line_has_five_fields(made):
    for path, count in zip(made, (1_000, 10_000), strict=True):
        assert Counter(len(row) for row in fields(path)) == {5: count}


def test_some_addresses_have_two_contracts(made):
    addresses = Counter(row[1] for row in fields(made[0]))
    assert 0 < sum(count > 1 for count in addresses.values()) < 30


def test_some_letters_leak_a_number_that_is_no_card(made):
    country = {row[1]: row[3] for row in fields(made[0])}
    leaks = [(row[1], number) for row in fields(made[1]) for number in re.findall(r"\d{16}", row[3])]
    assert 8 <= len(leaks) <= 20
    assert {country[email] for email, _ in leaks} == {"NL"}
    assert not any(data.passes_luhn(number) for _, number in leaks)
    assert not re.search(r"\d{16}", "".join(row[4] for row in fields(made[1])))
