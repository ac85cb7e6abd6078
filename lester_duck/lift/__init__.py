"""The built-in translator: a script's preparation code lifted to a pipeline, without a model."""

from lester_duck.lift.observed import Fit, Observed

__all__ = ["Fit", "Observed"]
