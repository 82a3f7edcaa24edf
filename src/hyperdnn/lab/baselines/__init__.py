"""What a hypernet is compared with.

`Plain` is the network itself, without a hypernet, under the same calls as a HyperDNN; `plain_step` trains it. For
uncertainty there are `MCDropout`, whose dropout stays on, and `DeepEnsemble`, several networks at once. `WithNoise`
adds learned noise to a network for regression, generated or not.
"""

from hyperdnn.lab.baselines._ensembles import DeepEnsemble, MCDropout
from hyperdnn.lab.baselines._noise import WithNoise
from hyperdnn.lab.baselines._plain import Plain, plain_step

__all__ = ["Plain", "plain_step", "MCDropout", "DeepEnsemble", "WithNoise"]
