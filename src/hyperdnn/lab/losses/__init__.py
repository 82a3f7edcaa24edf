"""Losses on weights, most of them on generated ones, and on what networks predict with them.

`output_change` keeps what a hypernet generates for earlier contexts, which `remember` has put into a `Memory`, or a
`Measure` of it. `gaussian_kl`, `gaussian_kl_between` and `gaussian_entropy` read a distribution over weights
(`targets.Gaussian`), of which `gaussian_moments` is a measure; `sampled_kl` reads draws of one whose density is known.
`squared_norm` and `orthogonality` look at the weights as such. `gaussian_nll` is the likelihood of a prediction with
its own noise. `adversarial` makes samples look like others, `normal_moments` gives them the mean and covariance of a
standard normal distribution. `linear_scalarization` and `exact_pareto` make one loss of several. `elastic_change` keeps
a plain network's weights near what `remember_elastic` returned (online EWC).
"""

from hyperdnn.lab.losses._adversarial import adversarial, normal_moments
from hyperdnn.lab.losses._elastic import Elastic, elastic_change, remember_elastic
from hyperdnn.lab.losses._gaussian import (
    gaussian_entropy,
    gaussian_kl,
    gaussian_kl_between,
    gaussian_moments,
    sampled_kl,
)
from hyperdnn.lab.losses._likelihood import gaussian_nll
from hyperdnn.lab.losses._output import Measure, Memory, output_change, remember
from hyperdnn.lab.losses._pareto import exact_pareto, exact_pareto_weights, linear_scalarization
from hyperdnn.lab.losses._penalty import orthogonality, squared_norm

__all__ = [
    "remember",
    "output_change",
    "Memory",
    "Measure",
    "gaussian_kl",
    "gaussian_kl_between",
    "gaussian_entropy",
    "gaussian_moments",
    "sampled_kl",
    "gaussian_nll",
    "adversarial",
    "normal_moments",
    "squared_norm",
    "orthogonality",
    "remember_elastic",
    "elastic_change",
    "Elastic",
    "linear_scalarization",
    "exact_pareto",
    "exact_pareto_weights",
]
