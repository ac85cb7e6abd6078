"""A featurizer as a plan: what its block stores, what its state keeps, what happens on read.

The chain of steps is divided once: a *head* makes what is stored (numbers, codes, vectors), the
other steps are applied on read from fitted state, so that a changed mean touches no row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import sparse

from lester_duck.errors import InputError, LesterError, Unsupported, one_of
from lester_duck.featurize.base import FeatureColumn, Input, Needs, Slot
from lester_duck.featurize.categories import Category
from lester_duck.featurize.raw import Raw
from lester_duck.featurize.registry import step_of
from lester_duck.featurize.summary import Summary
from lester_duck.featurize.terms import TermState
from lester_duck.pipeline.model import Features, Featurizer

Storage = Literal["numbers", "vectors", "lists", "codes", "terms"]
Keeps = Literal["nothing", "moments", "values", "categories", "terms"]

_STORAGE: dict[str, Storage] = {
    "sql_head": "numbers", "text_head": "vectors", "function_head": "vectors", "term_head": "terms",
}  # fmt: skip
_TEXTS = ("text_head", "term_head")
_KEEPS: dict[Needs, Keeps] = {Needs.NOTHING: "nothing", Needs.MOMENTS: "moments", Needs.DISTRIBUTION: "values"}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How one featurizer is stored, kept and read.

    ``storage``: ``numbers`` (DOUBLE[k] from SQL), ``vectors`` (DOUBLE[w] or FLOAT[w] from Python),
    ``lists`` (sparse index and value lists), ``codes`` (INTEGER[k], ids of categories), ``terms``
    (sparse lists of term ids and counts).
    ``fills`` are the imputations before ``coder``; ``steps`` the numeric steps after the head.
    """

    featurizer: Featurizer
    columns: tuple[Input, ...]
    head: Any
    fills: tuple[Any, ...] = ()
    coder: Any = None
    steps: tuple[Any, ...] = ()
    needs: Needs = Needs.NOTHING

    @property
    def name(self) -> str:
        """The featurizer's name."""
        return self.featurizer.name

    @property
    def kind(self) -> str:
        """The kinds of its steps, joined: ``impute+standard_scale``."""
        return "+".join(step.kind for step in self.featurizer.steps)

    @property
    def storage(self) -> Storage:
        """What the block holds."""
        if self.coder:
            return "codes"
        storage = _STORAGE[self.head.role]
        return "lists" if storage == "vectors" and self.head.is_sparse else storage

    @property
    def keeps(self) -> Keeps:
        """What the state table holds."""
        if self.storage == "terms":
            return "terms"
        return "categories" if self.coder else _KEEPS[self.needs]

    @property
    def is_sparse(self) -> bool:
        """Whether its part of the matrix is read sparse."""
        return self.storage in ("lists", "terms") and self.head.is_sparse

    @property
    def width(self) -> int:
        """Numbers, codes or buckets per stored row (terms: unknown, 1)."""
        if self.storage == "terms":
            return 1
        return len(self.columns) if self.storage in ("numbers", "codes") else self.head.width

    @property
    def element(self) -> str:
        """DuckDB's type of one stored number."""
        if self.coder:
            return "INTEGER"
        return "FLOAT" if getattr(self.head, "dtype", "float64") == "float32" else "DOUBLE"

    @property
    def by_appearance(self) -> bool:
        """Whether fitting needs the place of each category's first row."""
        return bool(self.coder and self.coder.by_appearance)

    @property
    def names_learned(self) -> bool:
        """Whether names or number of columns come from the fit rows otherwise than by their categories."""
        return any(getattr(step, "names_learned", False) for step in (self.coder, *self.steps))

    @property
    def head_slots(self) -> tuple[Slot, ...]:
        """The stored columns, described."""
        return self.head.slots(self.name, self.columns)


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A featurizer with its state: turns stored rows into matrix columns, and names them."""

    plan: Plan
    coder: Any
    steps: tuple[Any, ...]
    slots: tuple[Slot, ...]

    @property
    def width(self) -> int:
        """Columns of the matrix that are its own."""
        return len(self.slots)

    def apply(self, stored: np.ndarray | sparse.csr_matrix) -> np.ndarray | sparse.csr_matrix:
        """Stored rows (rows x plan.width) to matrix columns (rows x width); lists stay sparse.

        Raises InputError for an unknown category where the featurizer says ``error``.
        """
        values = self.coder.apply(stored) if self.coder is not None else stored
        for step in self.steps:
            values = step.apply(values)
        return values


def plan_features(features: Features, columns: Mapping[str, str]) -> tuple[Plan, ...]:
    """The plans of all featurizers, left to right; ``columns`` maps view columns to DuckDB types."""
    return tuple(plan_featurizer(featurizer, columns) for featurizer in features.featurizers)


def plan_featurizer(featurizer: Featurizer, columns: Mapping[str, str]) -> Plan:
    """Divide a featurizer's steps into head, coder and steps on read.

    Raises InputError (unknown column, kind, parameter, wrong type) and Unsupported (a chain
    that has no meaning here), both naming the featurizer.
    """
    with _naming(featurizer):
        return _plan(featurizer, columns)


@contextmanager
def _naming(featurizer: Featurizer) -> Iterator[None]:
    """Say in every error which featurizer it is about."""
    try:
        yield
    except LesterError as error:
        error.where = error.where or f"featurizer '{featurizer.name}'"
        raise


def _plan(featurizer: Featurizer, columns: Mapping[str, str]) -> Plan:
    if not featurizer.columns or not featurizer.steps:
        raise InputError("no columns or no steps", hint="name at least one of each")
    inputs = tuple(_input(name, columns) for name in featurizer.columns)
    steps = [step_of(step) for step in featurizer.steps]
    head = steps.pop(0) if steps[0].role.endswith("head") else Raw()
    coders = [i for i, step in enumerate(steps) if step.role == "coder"]
    at = coders[0] if coders else 0
    fills, coder, rest = (steps[:at], steps[at], steps[at + 1 :]) if coders else ([], None, steps)
    _check_chain(featurizer, head, fills, coder, rest)
    plan = Plan(
        featurizer=featurizer, columns=inputs, head=head, fills=tuple(fills), coder=coder, steps=tuple(rest),
        needs=_needs(rest),
    )  # fmt: skip
    if plan.storage == "numbers":
        for column in inputs:
            head.expression(column)  # refuses a column of the wrong type before anything is stored
    if head.role in _TEXTS and not (len(inputs) == 1 and inputs[0].is_text):
        raise InputError(f"{featurizer.steps[0].kind} reads one text column", hint="give one VARCHAR column")
    return plan


def _input(name: str, columns: Mapping[str, str]) -> Input:
    if name not in columns:
        raise InputError(one_of("column", name, columns))
    return Input(name, columns[name])


def _check_chain(featurizer: Featurizer, head: Any, fills: list, coder: Any, rest: list) -> None:
    later = [step.kind for step in featurizer.steps]
    misplaced = [step for step in rest if step.role != "numeric"]
    if misplaced or (coder and not isinstance(head, Raw)):
        raise Unsupported(f"steps in this order: {' then '.join(later)}", hint="divide them over two featurizers")
    if any(step.needs > Needs.NOTHING for step in _after(rest, "mixes_columns")):
        hint = "a step that learns from columns cannot follow one that mixes them"
        raise Unsupported(f"steps in this order: {' then '.join(later)}", hint=hint)
    if any(not hasattr(step, "fill_categories") for step in fills):
        hint = "only impute may stand before an encoding"
        raise Unsupported(f"steps in this order: {' then '.join(later)}", hint=hint)
    if rest and (head.role == "term_head" or getattr(head, "is_sparse", False)):
        raise Unsupported(f"{later[0]} with sparse output before {later[1]}", hint="use fewer features")


def _needs(steps: Sequence[Any]) -> Needs:
    """What the fitted steps need together; a fitted step after bins or a threshold needs the distribution."""
    needs = max((step.needs for step in steps), default=Needs.NOTHING)
    after = _after(steps, "reshapes")
    return Needs.DISTRIBUTION if any(step.needs > Needs.NOTHING for step in after) else needs


def _after(steps: Sequence[Any], property_: str) -> Sequence[Any]:
    """The steps that follow the first one with a property."""
    has = [getattr(step, property_, False) for step in steps]
    return steps[has.index(True) + 1 :] if True in has else ()


def fit(plan: Plan, state: Summary | TermState | Sequence[tuple[Category, ...]] | None) -> Fitted:
    """Fit a plan from its state: a summary of raw columns, the categories of each column, or the terms."""
    with _naming(plan.featurizer):
        if plan.keeps == "terms":
            terms = plan.head.fit(state, plan.name, plan.columns[0])
            return Fitted(plan=plan, coder=terms, steps=(), slots=terms.slots())
        if plan.coder:
            return _fit_codes(plan, state)
        steps, slots = _fit_steps(plan.steps, state, plan.head_slots)
        return Fitted(plan=plan, coder=None, steps=steps, slots=slots)


def _fit_codes(plan: Plan, categories: Sequence[tuple[Category, ...]]) -> Fitted:
    for fill in plan.fills:
        categories = [fill.fill_categories(c, i.name) for c, i in zip(categories, plan.columns, strict=True)]
    coder = plan.coder.fit(categories, plan.columns)
    summary = coder.distribution(categories) if plan.steps else None
    steps, slots = _fit_steps(plan.steps, summary, coder.slots())
    return Fitted(plan=plan, coder=coder, steps=steps, slots=slots)


def _fit_steps(
    steps: Sequence[Any], summary: Summary | None, slots: tuple[Slot, ...]
) -> tuple[tuple, tuple[Slot, ...]]:
    """Fit numeric steps one after the other, each on what the one before leaves."""
    fitted = []
    for i, step in enumerate(steps):
        fitted.append(step.fit(summary, slots))
        slots = fitted[-1].slots(slots)
        if any(later.needs > Needs.NOTHING for later in steps[i + 1 :]):
            summary = fitted[-1].through(summary)
    return tuple(fitted), slots


def column_map(fitted: Sequence[Fitted]) -> tuple[FeatureColumn, ...]:
    """Every column of the matrix, left to right, under unique names.

    A name that two featurizers would give is written ``<featurizer>.<name>``; what still collides
    gets ``#2``, ``#3``.
    """
    all_names = [slot.name for f in fitted for slot in f.slots]
    owners: dict[str, set[str]] = {}
    for f in fitted:
        for slot in f.slots:
            owners.setdefault(slot.name, set()).add(f.plan.name)
    seen: dict[str, int] = {}
    columns: list[FeatureColumn] = []
    for f in fitted:
        for slot in f.slots:
            name = f"{f.plan.name}.{slot.name}" if len(owners[slot.name]) > 1 else slot.name
            seen[name] = seen.get(name, 0) + 1
            while seen[name] > 1 and f"{name}#{seen[name]}" in all_names:
                seen[name] += 1
            unique = name if seen[name] == 1 else f"{name}#{seen[name]}"
            columns.append(
                FeatureColumn(
                    position=len(columns), featurizer=f.plan.name, kind=f.plan.kind, name=unique,
                    inputs=slot.inputs, term=slot.term,
                )
            )  # fmt: skip
    return tuple(columns)
