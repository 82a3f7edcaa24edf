"""Optimisers that know what a hypernet's gradients look like.

The output map of a head that generates for k contexts has a gradient of rank k. `RankAdam` takes it as its two factors
(`FactoredGradient`) and never forms it.
"""

from hyperdnn.optim._factored import FactoredGradient, keep_factors, keeps_factors
from hyperdnn.optim._rank_adam import RankAdam

__all__ = ["FactoredGradient", "RankAdam", "keep_factors", "keeps_factors"]
