"""scikit-learn objects: constructed concretely; the outermost ``fit`` is where the preparation ends."""

from __future__ import annotations

from dataclasses import dataclass

from lester_duck.lift import concrete
from lester_duck.lift.machine import Machine
from lester_duck.lift.values import Estimator, FromModel, Poison, Refused, Value

_POSITIONAL = {
    "KNeighborsClassifier": ("n_neighbors",), "KNeighborsRegressor": ("n_neighbors",), "KMeans": ("n_clusters",),
    "Ridge": ("alpha",), "RidgeClassifier": ("alpha",), "Lasso": ("alpha",), "ElasticNet": ("alpha",),
}  # fmt: skip
"""Estimators of scikit-learn whose first parameter may be given without its name."""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A call of ``fit``: the estimator, what it got, and the line."""

    estimator: Estimator
    x: Value
    y: Value
    line: int


def construct(m: Machine, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """An estimator with constant parameters."""
    short = name.rsplit(".", 1)[-1]
    if not short[:1].isupper():
        raise (FromModel if m.fit is not None else Refused)(f"a call of {name}")
    names = _POSITIONAL.get(short, ())
    if len(args) > len(names):
        if m.fit is not None:
            raise FromModel(f"{short}() after the model was fitted")
        raise Refused(f"{short}() with positional parameters", "name the parameters")
    given = dict(zip(names, args, strict=False)) | kwargs
    params = tuple((k, concrete.plain_value(m, x)) for k, x in given.items())
    return Estimator(name, params)


def method(m: Machine, estimator: Estimator, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """``fit`` is recorded; whatever a fitted model says is beyond the preparation."""
    if name in ("fit", "fit_predict") and m.fit is None:
        x = m.content(args[0]) if args else m.content(kwargs["X"])
        y = m.content(args[1]) if len(args) > 1 else m.content(kwargs["y"]) if "y" in kwargs else None
        m.fit = Fitted(estimator, x, y, m.line)
        return estimator if name == "fit" else Poison("what a model says", m.line, model=True)
    if m.fit is not None:
        raise FromModel(f"{estimator.name.rsplit('.', 1)[-1]}.{name}() depends on a fitted model")
    raise Refused(f"{estimator.name.rsplit('.', 1)[-1]}.{name}()")
