"""Quantiles within groups: ``groupby(k)["v"].quantile(0.9)``, in ``transform`` and in functions of a group."""

from __future__ import annotations

from lester_duck.lift import pandas_aggregates as aggregates
from lester_duck.lift import pandas_frames as frames
from lester_duck.lift import pandas_group as groups
from lester_duck.lift.machine import Machine
from lester_duck.lift.pandas_frames import Accessor
from lester_duck.lift.pandas_group_loops import VALUES, GroupValues
from lester_duck.lift.pandas_windows import WITHIN_FUNCTIONS
from lester_duck.lift.values import Value


def _grouped(m: Machine, group: Accessor, args: list[Value], kwargs: dict[str, Value]) -> Value:
    return groups.reduced(m, group, _kind(args, kwargs))


def _of_group(m: Machine, values: GroupValues, args: list[Value], kwargs: dict[str, Value]) -> Value:
    return values.reduced(m, _kind(args, kwargs))


def _kind(args: list[Value], kwargs: dict[str, Value]) -> str:
    chosen = frames.options(kwargs, args, ("q",), "quantile", q=0.5, interpolation="linear")
    frames.only(chosen, "quantile", interpolation=("linear",))
    return aggregates.quantile_kind(chosen["q"])


WITHIN_FUNCTIONS["quantile"] = _kind
VALUES["quantile"] = _of_group
groups.GROUPED["quantile"] = _grouped
