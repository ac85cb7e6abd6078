"""Every kind of encoding step by its name in ``pipeline.toml``."""

from __future__ import annotations

from typing import Any

from lester_duck.errors import InputError, one_of
from lester_duck.featurize.base import read_step
from lester_duck.featurize.bins import Bins
from lester_duck.featurize.function import Function
from lester_duck.featurize.hash_words import HashWords
from lester_duck.featurize.impute import Impute
from lester_duck.featurize.one_hot import OneHot
from lester_duck.featurize.ordinal import Ordinal
from lester_duck.featurize.passthrough import Passthrough
from lester_duck.featurize.scale import MinMax, StandardScale
from lester_duck.featurize.terms import CountWords, Tfidf
from lester_duck.featurize.text_length import TextLength
from lester_duck.pipeline.model import Step

KINDS: dict[str, type] = {
    "passthrough": Passthrough,
    "standard_scale": StandardScale,
    "min_max": MinMax,
    "impute": Impute,
    "bins": Bins,
    "one_hot": OneHot,
    "ordinal": Ordinal,
    "text_length": TextLength,
    "hash_words": HashWords,
    "count_words": CountWords,
    "tfidf": Tfidf,
    "function": Function,
}


def step_of(step: Step) -> Any:
    """The value of a step's kind; raises InputError for an unknown kind or parameter.

    >>> step_of(Step(kind="bins", params=(("edges", (0, 1)),))).encode
    'ordinal'
    """
    if step.kind not in KINDS:
        raise InputError(one_of("featurizer kind", step.kind, KINDS))
    return read_step(KINDS[step.kind], step)
