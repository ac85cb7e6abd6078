"""An estimator from its declaration, fitted and asked."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator

from lester_duck.errors import InputError, one_of
from lester_duck.models.trusted import resolve
from lester_duck.pipeline.model import Model

Matrix = np.ndarray | sparse.spmatrix


def construct(model: Model) -> BaseEstimator:
    """An unfitted estimator; raises Unsupported (not on the list) and InputError (parameters).

    An open ``random_state`` becomes 0, so that a refit on the same rows gives the same model.

    >>> construct(Model(estimator="sklearn.linear_model.Ridge", params=(("alpha", 2.0),))).alpha
    2.0
    """
    module, name = resolve(model.estimator)
    cls = getattr(importlib.import_module(module), name)
    known = list(inspect.signature(cls).parameters)
    for parameter, _ in model.params:
        if parameter not in known:
            raise InputError(one_of(f"parameter of {name}", parameter, known), where="model")
    params: dict[str, Any] = dict(model.params)
    if "random_state" in known and params.get("random_state") is None:
        params["random_state"] = 0
    return cls(**params)


def fit(model: Model, x: Matrix, y: np.ndarray | None) -> BaseEstimator:
    """A fitted estimator for a matrix rows x features and labels of length rows.

    Raises InputError with scikit-learn's own reason when it refuses data or parameters. Its
    warnings (a solver that did not converge) pass through.
    """
    estimator = construct(model)
    try:
        return estimator.fit(x, y) if y is not None else estimator.fit(x)
    except (ValueError, TypeError) as error:
        raise _refused(model, error) from error


def _refused(model: Model, error: Exception) -> InputError:
    reason = " ".join(str(error).split())
    short = reason if len(reason) <= 300 else f"{reason[:297]}..."
    hint = "add an impute step for columns with missing values" if "NaN" in reason else None
    return InputError(f"{model.estimator.rpartition('.')[2]} cannot be fitted: {short}", where="model", hint=hint)


def predict(estimator: BaseEstimator, x: Matrix) -> np.ndarray:
    """Predicted labels or values, one per row."""
    return estimator.predict(x)


def probabilities(estimator: BaseEstimator, x: Matrix) -> np.ndarray | None:
    """Class probabilities (rows x classes), None if the estimator has none."""
    return estimator.predict_proba(x) if hasattr(estimator, "predict_proba") else None


def score(estimator: BaseEstimator, x: Matrix, y: np.ndarray) -> float:
    """scikit-learn's default score: accuracy of a classifier, R squared of a regressor."""
    return float(estimator.score(x, y))
