"""What a refused statement may have changed through functions and methods is not lifted; what it cannot have is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

HEAD = """
class Builder:
    def __init__(self):
        self.rows = []
        self.n = 0

    def put(self, line):
        self.rows.append(__import__("math").floor(2.5))
        self.n += 1

    def size(self):
        return len(self.rows)


def feed(to, line):
    to.rows.append(__import__("math").floor(2.5))


def note(line):
    noted.append(__import__("math").floor(2.5))


def seen(line, counts):
    return __import__("math").floor(counts.get(line, 0))


noted, counts = [], {}
b = Builder()
same = b.rows
"""
WAYS = {
    "a method": ("b.put(line)", "b.n"),
    "a list of the object": ("b.put(line)", "b.size()"),
    "another name of it": ("b.put(line)", "len(same)"),
    "an argument": ("feed(b, line)", "len(b.rows)"),
    "an object that only the loop knows": ("[x.put(line) for x in (b, b)]", "b.n"),
    "a global name": ("note(line)", "len(noted)"),
}


AFTER = """
with open("lost.txt", "w") as f:
    for line in open("e.txt"):
        f.write(line.strip() + str(%s) + "\\n")
with open("kept.txt", "w") as f:
    for line in open("e.txt"):
        f.write(line.strip() + str(len(counts)) + "\\n")
"""


@pytest.mark.parametrize("way", WAYS)
def test_what_a_refused_loop_changed_is_not_known_any_more(way: str, both: Callable) -> None:
    statement, asked = WAYS[way]
    program = f"{HEAD}for line in open('d.txt'):\n    {statement}\n{AFTER % asked}"
    ran = both(program, {"d.txt": "x\ny\n", "e.txt": "a\nb\n"})
    assert ran.lifted.refusals
    assert ran.rendered == {"kept.txt": "a0\nb0\n"} == ran.written


def test_what_it_only_asked_is_still_known(both: Callable) -> None:
    program = f"{HEAD}for line in open('d.txt'):\n    n = seen(line, counts)\n{AFTER % 'n'}"
    ran = both(program, {"d.txt": "x\ny\n", "e.txt": "a\nb\n"})
    assert ran.rendered == {"kept.txt": "a0\nb0\n"} == ran.written
