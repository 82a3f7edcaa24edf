"""Effects of a treatment, learnt from what came of units that got it and units that did not.

`outcome_errors` and `outcome_and_treatment_errors` are losses of functions of the covariates. `regression_adjustment`
and `doubly_robust` turn what such functions say into a guess of each unit's effect, and `TwoStages`, trained by
`two_stages`, learns the effect from the guesses. Data is a `data.Trial`; `metrics.effect_errors` judges.
"""

from hyperdnn.lab.effects._errors import outcome_and_treatment_errors, outcome_errors
from hyperdnn.lab.effects._pseudo_outcomes import doubly_robust, regression_adjustment
from hyperdnn.lab.effects._two_stages import TwoStages, two_stages

__all__ = [
    "outcome_errors",
    "outcome_and_treatment_errors",
    "regression_adjustment",
    "doubly_robust",
    "TwoStages",
    "two_stages",
]
