"""Fitted estimators as bytes and back, without running anything a file brings along (skops)."""

from __future__ import annotations

import zipfile

import skops.io
from sklearn.base import BaseEstimator
from skops.io.exceptions import UntrustedTypesFoundException

from lester_duck.errors import InputError, Unsupported
from lester_duck.models.trusted import STORED_TYPES, resolve


def dump(estimator: BaseEstimator) -> bytes:
    """The bytes of a fitted estimator; raises Unsupported for one that ``load`` would refuse."""
    content = skops.io.dumps(estimator)
    _check(content)
    return content


def load(content: bytes, expected: str | None = None) -> BaseEstimator:
    """The estimator that ``dump`` wrote, of the class named ``expected`` if that is given.

    Raises Unsupported, naming the types, for content of types that are not on the reviewed list,
    and InputError for bytes that are no stored model, or a model of another class.
    """
    _check(content)
    try:
        estimator = skops.io.loads(content, trusted=list(STORED_TYPES))
    except UntrustedTypesFoundException as error:
        raise Unsupported(f"the stored model holds types that are not trusted: {error}") from error
    if expected is not None and type(estimator).__name__ != resolve(expected)[1]:
        raise InputError(
            f"the stored model is a {type(estimator).__name__}, not a {expected}", hint="fit it again with run"
        )
    return estimator


def _check(content: bytes) -> None:
    try:
        found = skops.io.get_untrusted_types(data=content)
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise InputError(f"not a stored model: {error}", hint="fit it again with update --model now") from error
    refused = sorted(set(found) - set(STORED_TYPES))
    if refused:
        raise Unsupported(f"the model holds types that are not on the reviewed list: {', '.join(refused)}")
