"""Declared encodings: what is stored, what is kept of the fit rows, what happens on read."""

from lester_duck.featurize.base import FeatureColumn, Input
from lester_duck.featurize.plan import Fitted, Plan, column_map, fit, plan_features, plan_featurizer
from lester_duck.featurize.registry import KINDS

__all__ = ["KINDS", "FeatureColumn", "Fitted", "Input", "Plan", "column_map", "fit", "plan_features", "plan_featurizer"]
