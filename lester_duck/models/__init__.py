"""scikit-learn estimators: which may be built, how they are fitted, stored and asked."""

from lester_duck.models.estimator import construct, fit, predict, probabilities, score
from lester_duck.models.stored import dump, load
from lester_duck.models.trusted import estimator_names, resolve

__all__ = ["construct", "dump", "estimator_names", "fit", "load", "predict", "probabilities", "resolve", "score"]
