"""The built-in translator: a script's preparation code lifted to a pipeline, without a model."""

from lester_duck.lift.observed import Fit, Observed
from lester_duck.lift.recovery import Refusal
from lester_duck.lift.translate import Lifted, Suspicion, lift

__all__ = ["Fit", "Lifted", "Observed", "Refusal", "Suspicion", "lift"]
