"""Columns by name: ``add_prefix``, ``add_suffix``; arithmetic of all columns: ``df.div(total, axis=0)``."""

from __future__ import annotations

import ast
from dataclasses import replace

from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_series as series_rules
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Frame, Series, options
from lester_duck.lift.values import Refused, Sym, Value


def _affixed(before: bool) -> frames.FrameRule:
    key = "prefix" if before else "suffix"

    def rule(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
        chosen = options(kwargs, args, (key,), f"add_{key}", axis=1)
        frames.only(chosen, f"add_{key}", axis=(1, "columns", None))
        text = chosen[key]
        if not isinstance(text, str) or any(not isinstance(n, str | int) for n in frame.names):
            raise Refused(f"add_{key} of this", f'df.add_{key}("x_")')
        made = [(f"{text}{n}" if before else f"{n}{text}", x) for n, x in frame.columns]
        named = tuple((n, x.named(n) if isinstance(x, Sym) else x) for n, x in made)
        return m.new(replace(frame, columns=named))

    return rule


def _arithmetic(name: str, op: type[ast.operator]) -> frames.FrameRule:
    """A method that works on every column, row by row."""

    def rule(m: Machine, ref: Value, frame: Frame, args: list[Value], kwargs: dict[str, Value]) -> Value:
        chosen = options(kwargs, args, ("other", "axis"), name, axis="columns", level=None, fill_value=None)
        frames.only(chosen, name, level=(None,), fill_value=(None,))
        other = m.content(chosen["other"])
        if not isinstance(other, Series):
            return frames.FRAME_RULES["operate"](m, op, ref, chosen["other"])
        if chosen["axis"] not in (0, "index"):
            raise Refused(f"{name} of a frame by a column, matched with the names of columns", f"df.{name}(s, axis=0)")
        made = []
        rows = frame.rows_
        for column, sym in zip(frame.names, frames.syms(frame, frame.names), strict=True):
            answer = series_rules.operate(m, op, Series(frame.rows_, sym), other)
            if answer.rows_.rel is not rows.rel:
                raise Refused(f"{name} of a frame by a column of other rows", "a column of the same frame")
            rows = answer.rows_
            made.append((column, answer.sym.named(sym.name)))
        return m.new(replace(frame, what_rows=rows, columns=tuple(made)))

    return rule


_METHODS = {"div": ast.Div, "truediv": ast.Div, "divide": ast.Div, "mul": ast.Mult, "multiply": ast.Mult,
            "add": ast.Add, "sub": ast.Sub, "subtract": ast.Sub}  # fmt: skip
frames.FRAME_METHODS.update(add_prefix=_affixed(True), add_suffix=_affixed(False))
frames.FRAME_METHODS.update({name: _arithmetic(name, op) for name, op in _METHODS.items()})
