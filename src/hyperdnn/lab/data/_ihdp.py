"""IHDP, the usual benchmark of treatment effects, and a study that needs no file."""

from typing import Final

import torch

from hyperdnn.errors import ConfigError
from hyperdnn.lab.data._fetch import path
from hyperdnn.lab.data._study import Study

__all__ = ["ihdp", "simulated_study"]

_REPLICATIONS: Final = 10


def ihdp(replication: int) -> Study:
    """747 children with 25 covariates, 139 of them visited at home by specialists; outcomes are simulated.

    The covariates are the same in all replications. Replication 8 has a mean effect near 10.5, the others near 4: do
    not average errors in the study's own unit without a look at the single ones.

    Args:
        replication: 0 to 9, of the first ten of NPCI setting A.

    Raises:
        ConfigError: there is no such replication.
        DataError: the file is absent or damaged.

    Source:
        Hill, "Bayesian nonparametric modeling for causal inference", JCGS 20, 2011; Shalit, Johansson & Sontag,
        "Estimating individual treatment effect", ICML 2017.
    """
    import numpy as np

    if not 0 <= replication < _REPLICATIONS:
        raise ConfigError(f"replication: expected 0 to {_REPLICATIONS - 1}, got {replication}.")
    with np.load(path("ihdp", "ihdp_npci_1-10.npz"), allow_pickle=False) as file:
        covariates, treatment, outcome, without, treated = (
            torch.from_numpy(file[name][replication]) for name in ("x", "t", "yf", "mu0", "mu1")
        )
    return Study(
        covariates=covariates.float(),
        treatment=treatment.long(),
        outcome=outcome.float(),
        potential=torch.stack([without, treated], dim=-1).float(),
    )


def simulated_study(units: int, *, seed: int) -> Study:
    """Units with four normal covariates: the first makes treatment likelier, the second makes it help more.

    Args:
        units: how many.
        seed: of everything.
    """
    generator = torch.Generator().manual_seed(seed)
    covariates = torch.randn(units, 4, generator=generator)
    treatment = torch.bernoulli((covariates[:, 0] - 0.5).sigmoid(), generator=generator).long()
    without = covariates[:, 0] + covariates[:, 2].sin()
    potential = torch.stack([without, without + 1 + covariates[:, 1]], dim=-1)
    noise = 0.3 * torch.randn(units, generator=generator)
    factual = potential.gather(1, treatment[:, None]).squeeze(1)
    return Study(covariates=covariates, treatment=treatment, outcome=factual + noise, potential=potential)
