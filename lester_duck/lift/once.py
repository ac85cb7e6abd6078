"""What can be read only once: files read to their end, generators."""

from __future__ import annotations

import ast

from lester_duck.lift import values as v
from lester_duck.lift.machine import Machine
from lester_duck.lift.values import Poison, Refused, Value

ENDED, BROKEN = -1, -2
"""Instead of a number of lines read off: the file was read to its end, or up to a line one cannot know."""


def generator(m: Machine, ref: v.Ref) -> v.Ref:
    """The list of what a generator yields, which is empty when it is read again."""
    m.files["generator", ref.id] = True
    return ref


def loaded(m: Machine, value: Value) -> Value:
    """What reading a name gives: a generator is handed over, and not there a second time."""
    if not isinstance(value, v.Ref) or ("generator", value.id) not in m.files:
        return value
    content = m.content(value)
    m.update(value, Poison("a generator that was read before, and is empty now", m.line))
    return m.new(content)


def peeked(m: Machine, node: ast.expr) -> Value:
    """The value of a plain name, without reading it; ``MISSING`` for other expressions."""
    if not isinstance(node, ast.Name):
        return v.MISSING
    value = m.env.get(node.id, m.state.envs[0].get(node.id, v.MISSING))
    return v.MISSING if isinstance(value, Poison) else value


def read_to_end(m: Machine, file: v.HFile) -> None:
    """A loop reads the file to its end."""
    for id_, content in m.state.heap.items():
        if content is file:
            m.state.heap[id_] = v.HFile(file.path, file.mode, file.pieces, ENDED)
            return


def left_early(m: Machine, ref: Value, node: ast.For) -> None:
    """A loop that may have stopped before the file's end."""
    content = m.state.heap.get(ref.id) if isinstance(ref, v.Ref) else None
    if isinstance(content, v.HFile) and any(isinstance(n, ast.Break | ast.Return) for n in ast.walk(node)):
        m.update(ref, v.HFile(content.path, content.mode, content.pieces, BROKEN))


def is_ended(file: v.HFile) -> bool:
    """Whether nothing is left to read; raises Refused where one cannot know."""
    if file.skipped == BROKEN:
        raise Refused(f"reading on in {file.path} after a loop that may have stopped early", "open the file again")
    return file.skipped == ENDED
