"""Programs that should be agreed and are not so far."""

from __future__ import annotations

PENDING: dict[str, tuple[int, str]] = {
    "hashing_md5": (4, "vec() cannot be said in SQL (a list made for one row of the outer loop"),
    "np_concat_rows": (3, "parts of a text that are looked up, or may raise"),
    "trap_alias_row": (8, "'best' as an earlier row left it"),
    "trap_closures": (8, "an object is changed in one branch only"),
    "trap_copy_before_append": (3, "append to a ListOf"),
    "trap_generator_function_twice": (6, "a generator that was read before"),
    "trap_generator_twice": (3, "a generator that was read before"),
    "trap_pop_reinsert": (4, "the method .pop() of a HDict"),
    "trap_reinsertion": (6, "del of an element"),
}
"""Refused: the line, and what the refusal says."""

DIFFERS: dict[str, str] = {}
"""Translated otherwise than Python says, and the judge says so: where its first difference begins."""
