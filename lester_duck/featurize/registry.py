"""Every kind of encoding step by its name in ``pipeline.toml``."""

from __future__ import annotations

from typing import Any

from lester_duck.errors import InputError, Unsupported, one_of
from lester_duck.featurize.base import read_step
from lester_duck.featurize.bins import Bins
from lester_duck.featurize.frequency import Frequency
from lester_duck.featurize.function import Function
from lester_duck.featurize.hash_words import HashWords
from lester_duck.featurize.impute import Impute
from lester_duck.featurize.one_hot import OneHot
from lester_duck.featurize.ordinal import Ordinal
from lester_duck.featurize.passthrough import Passthrough
from lester_duck.featurize.rowwise import Binarize, Elementwise, Normalize
from lester_duck.featurize.scale import MaxAbs, MinMax, RobustScale, StandardScale
from lester_duck.featurize.terms import CountWords, Tfidf
from lester_duck.featurize.text_length import TextLength
from lester_duck.pipeline.model import Step

KINDS: dict[str, type] = {
    "passthrough": Passthrough,
    "standard_scale": StandardScale,
    "min_max": MinMax,
    "max_abs": MaxAbs,
    "robust_scale": RobustScale,
    "normalize": Normalize,
    "binarize": Binarize,
    "elementwise": Elementwise,
    "impute": Impute,
    "bins": Bins,
    "one_hot": OneHot,
    "ordinal": Ordinal,
    "frequency": Frequency,
    "text_length": TextLength,
    "hash_words": HashWords,
    "count_words": CountWords,
    "tfidf": Tfidf,
    "function": Function,
}

_IN_THE_VIEW = "compute the columns in a view, then take them with passthrough"
_BY_FUNCTION = "compute it in a declared function, where a row alone decides it"
REFUSED: dict[str, str] = {
    "polynomial": _IN_THE_VIEW,
    "splines": _BY_FUNCTION,
    "power": "its exponents are found by optimisation over all rows; take a logarithm or a root in a view",
    "quantile_transform": "use bins with many quantiles, or ranks computed in a view",
    "target_encode": "scikit-learn fits it crosswise; compute the mean of the label by category in a view",
    "knn_impute": "use impute with median or most_frequent",
    "iterative_impute": "use impute with median or most_frequent",
    "pca": "it mixes all rows and columns; let the model do it, or leave it out",
    "truncated_svd": "it mixes all rows and columns; let the model do it, or leave it out",
    "select_features": "name the columns that are wanted",
}
"""Encodings that are not maintained, each with what to do instead."""


def step_of(step: Step) -> Any:
    """The value of a step's kind; raises InputError for an unknown kind or parameter, Unsupported for known others.

    >>> step_of(Step(kind="bins", params=(("edges", (0, 1)),))).encode
    'ordinal'
    """
    if step.kind in REFUSED:
        raise Unsupported(f"featurizer kind '{step.kind}' is not supported", hint=REFUSED[step.kind])
    if step.kind not in KINDS:
        raise InputError(one_of("featurizer kind", step.kind, KINDS))
    return read_step(KINDS[step.kind], step)
